"""Exchanges with a site as standard WARC/1.1 records, one gzip member each, and back.

An answer (`ok`, `missing`) is a `response` record with its HTTP headers and its body as received: the content coding is
kept, the transfer coding is gone and so is its header. An answer that the page is still what it was (`unchanged`) is a
`revisit` record. What gave no answer worth keeping (`blocked`, `refused`, `failed`) is a `metadata` record whose fields
say why. Each record of ours carries extension headers, so that the index can be rebuilt from the WARC files alone:
`WARC-X-Anipop-Outcome`, `-Kind`, `-Requests`, `-Id` where the page has one, and `-Asked` where redirects led away from
the address that was asked for. Record ids are derived from what was fetched and nothing names the machine: the same
exchanges give the same bytes.

Belongs here: how an exchange becomes bytes in a stream, and what the index says of it. Does not: how a page is fetched,
where a file lies, when a segment is sealed.
"""

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.parser import Parser
from http import HTTPStatus
from typing import Any, BinaryIO
from uuid import NAMESPACE_URL, uuid5

from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord, ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParserException
from warcio.utils import Digester
from warcio.warcwriter import WARCWriter

from anipop_pipeline.errors import CorruptFile, TooLarge
from anipop_pipeline.stages.tables.pages import OUTCOMES, PAGE_KINDS

MAX_RECORD_BYTES = 256 * 2**20  # far above any page or picture; a member that says more is a bomb
MAX_PAYLOAD_BYTES = 64 * 2**20
ANSWERED = ("ok", "missing")  # these hold a body
HEARD = (*ANSWERED, "unchanged")  # by these the site has said what the page is now
SETTLED = (*HEARD, "refused")  # by these the page needs no further attempt today
NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
EXTENSION = "WARC-X-Anipop-"
TRANSFER_HEADERS = frozenset({"transfer-encoding", "trailer", "te"})
PHRASES = {status.value: status.phrase for status in HTTPStatus}
GZIP_OR_ZLIB, RAW_DEFLATE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
CHUNK = 2**16
END = b"\r\n\r\n"


@dataclass(frozen=True)
class Exchange:
    """What was asked of a site and what came back; blocked and failed have a reason instead of headers and body.

    `requests` counts what it took, `earlier` is when the version was fetched that is unchanged, `came_from` is where
    redirects led.
    """

    url: str
    kind: str
    id: int | None
    fetched_at: datetime
    status: int
    outcome: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reason: str = ""
    requests: int = 1
    earlier: datetime | None = None
    came_from: str = ""

    def __post_init__(self) -> None:
        if any(at.utcoffset() != timedelta(0) for at in (self.fetched_at, self.earlier) if at is not None):
            raise ValueError(f"fetched_at and earlier must be in UTC: {self.fetched_at!r}, {self.earlier!r}")
        if self.outcome not in OUTCOMES or self.kind not in PAGE_KINDS:
            raise ValueError(f"no such outcome or kind: {self.outcome}, {self.kind}")
        if (self.body and self.outcome not in ANSWERED) or (self.headers and self.outcome not in HEARD):
            raise ValueError(f"an exchange that is {self.outcome} keeps neither headers nor body")
        if (self.earlier is not None) != (self.outcome == "unchanged"):
            raise ValueError("an exchange that is unchanged, and no other, says since when")

    @property
    def digest(self) -> str | None:
        """Return the sha256 of the body as archived, or None where there is none."""
        return hashlib.sha256(self.body).hexdigest() if self.outcome in ANSWERED else None

    @property
    def payload(self) -> bytes:
        """Return the body without its content coding, at most MAX_PAYLOAD_BYTES of it."""
        return decoded(self.body, header(self.headers, "content-encoding"), limit=MAX_PAYLOAD_BYTES, where=self.url)


def header(headers: Iterable[tuple[str, str]], name: str) -> str:
    """Return all values of one header joined by commas, or an empty string.

    >>> header([("Content-Encoding", "gzip")], "content-encoding")
    'gzip'
    """
    return ", ".join(value for key, value in headers if key.lower() == name)


def decoded(body: bytes, coding: str, *, limit: int, where: str = "") -> bytes:
    """Return the body without its content codings; CorruptFile when it is torn, unknown, or larger than the limit.

    >>> import gzip
    >>> decoded(gzip.compress(b"<html>"), "gzip", limit=10)
    b'<html>'
    """
    for name in reversed([part.strip().lower() for part in coding.split(",")]):
        if name in ("gzip", "x-gzip", "deflate"):
            body = _inflated(body, limit, where)
        elif name not in ("", "identity"):
            raise CorruptFile(f"content coding {name!r} is unknown", where=where, fix="ask with Accept-Encoding: gzip")
    if len(body) > limit:
        raise TooLarge(f"the body holds more than {limit} bytes", where=where, fix="raise the limit for its kind")
    return body


def append(stream: BinaryIO, exchange: Exchange) -> tuple[int, int]:
    """Write one record at the end of the stream and return its offset and its length.

    >>> from datetime import UTC, datetime
    >>> page = Exchange("https://demo.invalid/", "listing", None, datetime(2026, 5, 1, tzinfo=UTC), 200, "ok", (), b"x")
    >>> file = io.BytesIO()
    >>> offset, length = append(file, page)
    >>> read(file, offset) == page
    True
    """
    return _write(stream, _answer(exchange) if exchange.outcome in HEARD else _metadata(exchange))


def append_info(stream: BinaryIO, file: str, at: datetime, fields: Mapping[str, str]) -> int:
    """Write the record that opens a segment and says what made it; return its length."""
    payload = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in fields.items()).encode()
    headers = {
        "WARC-Record-ID": f"<urn:uuid:{uuid5(NAMESPACE_URL, f'{file} {at.isoformat()}')}>",
        "WARC-Date": _warc_date(at),
    }
    return _write(stream, _member("warcinfo", "", payload, headers, content_type="application/warc-fields"))[1]


def read(stream: BinaryIO, offset: int) -> Exchange:
    """Return the exchange whose record starts at the offset."""
    stream.seek(offset)
    found = next(_members(stream, offset), None)
    if found is None:
        raise _corrupt("the record ends before it is whole", offset)
    exchange = _exchange(found[0], offset)
    if exchange is None:
        raise _corrupt("the record there is no exchange", offset)
    return exchange


def scan(stream: BinaryIO) -> Iterator[tuple[Exchange, int, int]]:
    """Yield each whole exchange with its offset and length, from where the stream stands to a clean or torn end."""
    for raw, offset, length in _members(stream, stream.tell()):
        exchange = _exchange(raw, offset)
        if exchange is not None:
            yield exchange, offset, length


def index_row(exchange: Exchange, file: str, offset: int, length: int) -> dict[str, Any]:
    """Return what the index says of an exchange: one row of PageIndex."""
    return {
        "url": exchange.url,
        "fetched_at": exchange.fetched_at,
        "kind": exchange.kind,
        "id": exchange.id,
        "status": exchange.status,
        "outcome": exchange.outcome,
        "requests": exchange.requests,
        "digest": exchange.digest,
        "etag": None if exchange.came_from else header(exchange.headers, "etag") or None,
        "last_modified": None if exchange.came_from else header(exchange.headers, "last-modified") or None,
        "file": file,
        "offset": offset,
        "length": length,
    }


def _answer(exchange: Exchange) -> bytes:
    revisit = {} if exchange.earlier is None else _revisit_headers(exchange.url, exchange.earlier)
    return _member(
        "revisit" if revisit else "response",
        exchange.came_from or exchange.url,
        exchange.body,
        _record_headers(exchange) | revisit,
        http=_http_headers(exchange),
        content_type="application/http; msgtype=response",
    )


def _metadata(exchange: Exchange) -> bytes:
    headers = _record_headers(exchange)
    return _member("metadata", exchange.url, _fields(exchange), headers, content_type="application/warc-fields")


def _revisit_headers(url: str, earlier: datetime) -> dict[str, str]:
    refers = {"WARC-Refers-To-Target-URI": url, "WARC-Refers-To-Date": _warc_date(earlier)}
    return {"WARC-Profile": NOT_MODIFIED, **refers}


def _record_headers(exchange: Exchange) -> dict[str, str]:
    digest = hashlib.sha256(exchange.body).hexdigest()
    name = " ".join([exchange.url, exchange.fetched_at.isoformat(), exchange.outcome, digest])
    headers = {
        "WARC-Record-ID": f"<urn:uuid:{uuid5(NAMESPACE_URL, name)}>",
        "WARC-Date": _warc_date(exchange.fetched_at),
        f"{EXTENSION}Outcome": exchange.outcome,
        f"{EXTENSION}Kind": exchange.kind,
        f"{EXTENSION}Requests": str(exchange.requests),
    }
    asked = {f"{EXTENSION}Asked": exchange.url} if exchange.came_from else {}
    return headers | asked | ({} if exchange.id is None else {f"{EXTENSION}Id": str(exchange.id)})


def _warc_date(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _http_headers(exchange: Exchange) -> StatusAndHeaders:
    phrase = PHRASES.get(exchange.status, "Unknown")
    kept = [(key, _one_line(value)) for key, value in exchange.headers if key.lower() not in TRANSFER_HEADERS]
    return StatusAndHeaders(f"{exchange.status} {phrase}", kept, protocol="HTTP/1.1")


def _fields(exchange: Exchange) -> bytes:
    reason = _one_line(exchange.reason)
    return f"status: {exchange.status}\r\noutcome: {exchange.outcome}\r\nreason: {reason}\r\n".encode()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _member(
    kind: str,
    url: str,
    payload: bytes,
    headers: dict[str, str],
    *,
    http: StatusAndHeaders | None = None,
    content_type: str = "",
) -> bytes:
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True, warc_version="1.1")
    record = writer.create_warc_record(
        url, kind, io.BytesIO(payload), len(payload), content_type, headers, http_headers=http
    )
    writer.write_record(record)
    return buffer.getvalue()


def _write(stream: BinaryIO, member: bytes) -> tuple[int, int]:
    offset = stream.seek(0, io.SEEK_END)
    stream.write(member)
    return offset, len(member)


def _members(stream: BinaryIO, offset: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield each whole gzip member unpacked, with its offset and length; stop where the last one is torn."""
    waiting = b""
    while waiting := waiting or stream.read(CHUNK):
        unpacked, length, waiting, whole = _one_member(stream, waiting, offset)
        if not whole:
            return
        yield unpacked, offset, length
        offset += length


def _one_member(stream: BinaryIO, waiting: bytes, offset: int) -> tuple[bytes, int, bytes, bool]:
    """Return one member unpacked, its length, the bytes read beyond it, and whether it was whole."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    pieces: list[bytes] = []
    room, taken = MAX_RECORD_BYTES, 0
    while waiting:
        pieces.append(_unpacked(unpacker, waiting, room + 1, offset))
        room -= len(pieces[-1])
        if room < 0:
            raise _corrupt(f"the record unpacks to more than {MAX_RECORD_BYTES} bytes", offset)
        if unpacker.eof:
            rest = unpacker.unused_data
            return b"".join(pieces), taken + len(waiting) - len(rest), rest, True
        taken += len(waiting)  # less than a full room came out, so all of it went in
        waiting = stream.read(CHUNK)
    return b"", taken, b"", False


def _unpacked(unpacker: "zlib._Decompress", data: bytes, room: int, offset: int) -> bytes:
    try:
        return unpacker.decompress(data, room)
    except zlib.error as error:
        raise _corrupt(f"the bytes are no gzip member ({error})", offset) from error


def _exchange(raw: bytes, offset: int) -> Exchange | None:
    record, content = _parsed(raw, offset)
    if record.rec_type in ("warcinfo", "request"):
        return None
    try:
        return _unanswered(record, content) if record.rec_type == "metadata" else _answered(record, content)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise _corrupt(f"the record is not one of ours ({error})", offset) from error


def _parsed(raw: bytes, offset: int) -> tuple[ArcWarcRecord, bytes]:
    """Return the record and its payload, after its size and its digest were found to be what it says."""
    head, found, block = raw.partition(END)
    if not (head.startswith(b"WARC/1.") and found and block.endswith(END)):
        raise _corrupt("the bytes are no WARC record", offset)
    try:
        record = ArcWarcRecordLoader().parse_record_stream(io.BytesIO(raw), known_format="warc")
        content = record.raw_stream.read()
    except (ArchiveLoadFailed, StatusAndHeadersParserException, EOFError, ValueError, AttributeError) as error:
        raise _corrupt(f"the record cannot be read ({error})", offset) from error
    _check_block(record, block.removesuffix(END), offset)
    return record, content


def _check_block(record: ArcWarcRecord, block: bytes, offset: int) -> None:
    stated = record.rec_headers.get_header("WARC-Block-Digest", "")
    if record.rec_headers.get_header("Content-Length") != str(len(block)):
        raise _corrupt("the record is shorter or longer than its headers say", offset)
    if not stated.startswith("sha1:"):
        raise _corrupt("the record does not state the sha1 of its block", offset)
    digester = Digester("sha1")
    digester.update(block)
    if str(digester) != stated:
        raise _corrupt("the block is not the one that was archived (digest differs)", offset)


def _answered(record: ArcWarcRecord, content: bytes) -> Exchange:
    headers = tuple((str(key), str(value)) for key, value in record.http_headers.headers)
    return Exchange(**_common(record), status=int(record.http_headers.get_statuscode()), headers=headers, body=content)


def _unanswered(record: ArcWarcRecord, content: bytes) -> Exchange:
    fields = Parser().parsestr(content.decode(), headersonly=True)
    return Exchange(**_common(record), status=int(fields["status"]), reason=fields["reason"] or "")


def _common(record: ArcWarcRecord) -> dict[str, Any]:
    stated: dict[str, str] = dict(record.rec_headers.headers)
    number, earlier = stated.get(f"{EXTENSION}Id"), stated.get("WARC-Refers-To-Date")
    asked, target = stated.get(f"{EXTENSION}Asked"), stated["WARC-Target-URI"]
    return {
        "url": asked or target,
        "came_from": target if asked else "",
        "kind": stated[f"{EXTENSION}Kind"],
        "id": None if number is None else int(number),
        "fetched_at": datetime.fromisoformat(stated["WARC-Date"]),
        "outcome": stated[f"{EXTENSION}Outcome"],
        "requests": int(stated[f"{EXTENSION}Requests"]),
        "earlier": datetime.fromisoformat(earlier) if earlier else None,
    }


def _inflated(body: bytes, limit: int, where: str) -> bytes:
    """Return gzip or deflate data unpacked; gzip may have several members, deflate may lack its zlib header."""
    pieces, room = [], limit
    wbits = GZIP_OR_ZLIB if body[:1] in (b"\x1f", b"\x78") else RAW_DEFLATE
    while body:
        unpacker = zlib.decompressobj(wbits)
        try:
            pieces.append(unpacker.decompress(body, room + 1))
        except zlib.error as error:
            raise CorruptFile(f"the body cannot be unpacked ({error})", where=where, fix="fetch it again") from error
        room -= len(pieces[-1])
        if room < 0:
            raise TooLarge(f"the body unpacks to more than {limit} bytes", where=where, fix="raise the limit")
        if not unpacker.eof:
            raise CorruptFile("the body ends before it is whole", where=where, fix="fetch it again")
        body = unpacker.unused_data
    return b"".join(pieces)


def _corrupt(what: str, offset: int) -> CorruptFile:
    fix = "restore the file from a copy, or set it aside and rebuild the index"
    return CorruptFile(what, where=f"offset {offset}", fix=fix)
