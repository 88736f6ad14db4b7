"""HTTP answers as crawlers archive them: status, headers, and a body with or without its codings.

A transfer coding is often kept in the body, and often taken off while its header stays; the same is true of a content
coding. So a body is believed, and not its headers: what does not look coded is taken as it is.

Belongs here: from the block of a response record to the bytes of a page. Does not: records (warc_files.py), what a page
says.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from warcio.statusandheaders import StatusAndHeadersParser, StatusAndHeadersParserException

from anipop_pipeline.errors import CorruptFile
from anipop_pipeline.stages.archive import MAX_PAYLOAD_BYTES, decoded, header

CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
GZIP = b"\x1f\x8b"
Decoder = Callable[[bytes], bytes | str]


@dataclass(frozen=True)
class Answer:
    """One answer: `sent` is the body as archived, `body` lacks the transfer coding, `cut` says that it has no end."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    sent: bytes = b""
    cut: bool = False


def answer_of(block: bytes) -> Answer | None:
    r"""Return the answer that a block holds, None where it holds none.

    >>> answer_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").body
    b'hello'
    """
    stream = io.BytesIO(block)
    try:
        head = StatusAndHeadersParser(["HTTP/"]).parse(stream)
        status = int(head.statusline.split()[1])
    except (StatusAndHeadersParserException, EOFError, ValueError, IndexError):
        return None
    headers = tuple((str(key), str(value)) for key, value in head.headers)
    sent = stream.read()
    if "chunked" in header(headers, "transfer-encoding").lower() and CHUNK_SIZE.match(sent):
        body, cut = _without_chunks(sent)
        return Answer(status, headers, body, sent, cut)
    stated = header(headers, "content-length")
    return Answer(status, headers, sent, sent, stated.isdecimal() and len(stated) < 20 and len(sent) < int(stated))


def body_of(answer: Answer | str) -> bytes | str:
    """Return the body of an answer as the page's author wrote it, or why it cannot be read.

    >>> body_of(Answer(200, (("Content-Encoding", "zstd"),), b"..."))
    "unreadable: content coding 'zstd'"
    """
    if isinstance(answer, str):
        return answer
    body: bytes | str = answer.body
    for name in reversed(header(answer.headers, "content-encoding").lower().split(",")):
        decode = DECODERS.get(name.strip())
        if isinstance(body, str):
            return body
        body = f"unreadable: content coding {name.strip()!r}" if decode is None else decode(body)
    return body


def _without_chunks(sent: bytes) -> tuple[bytes, bool]:
    """Return the chunks joined, and whether the last one is missing."""
    pieces: list[bytes] = []
    at = 0
    while found := CHUNK_SIZE.match(sent, at):
        size = int(found[1], 16)
        if not size:
            return b"".join(pieces), False
        pieces.append(sent[found.end() : found.end() + size])
        at = found.end() + size
        at += 2 if sent.startswith(b"\r\n", at) else 1
    return b"".join(pieces), True


def _plain(body: bytes) -> bytes | str:
    return body


def _gzip(body: bytes) -> bytes | str:
    return _inflated(body, "gzip") if body.startswith(GZIP) else body


def _deflate(body: bytes) -> bytes | str:
    return body if body.lstrip()[:1] == b"<" else _inflated(body, "deflate")


def _inflated(body: bytes, coding: str) -> bytes | str:
    try:
        return decoded(body, coding, limit=MAX_PAYLOAD_BYTES)
    except CorruptFile:
        return f"unreadable: torn or too large ({coding})"


def _brotli(body: bytes) -> bytes | str:
    if body.lstrip()[:1] == b"<" or not body:
        return body
    try:
        import brotli
    except ImportError:
        return "unreadable: content coding 'br' (pip install brotli)"
    unpacker = brotli.Decompressor()
    try:
        unpacked: bytes = unpacker.process(body, output_buffer_limit=MAX_PAYLOAD_BYTES)
    except brotli.error:
        return "unreadable: torn or too large (br)"
    return unpacked if unpacker.is_finished() else "unreadable: torn or too large (br)"


DECODERS: dict[str, Decoder] = {
    "": _plain,
    "identity": _plain,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
}
