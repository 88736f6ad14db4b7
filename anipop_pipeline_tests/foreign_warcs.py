"""WARC files as other tools write them: records put together by hand, and by warcio."""

import base64
import gzip
import hashlib
import io
from collections.abc import Sequence

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

PACKINGS = ["plain", "members", "one member"]
DATE = "2020-01-01T00:00:00Z"
Headers = Sequence[tuple[str, str]]


def sha1(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


def record(
    url: str, block: bytes, *more: tuple[str, str], kind: str = "response", date: str = DATE, version: str = "1.0"
) -> bytes:
    """Return one record, digests only where they are among the further headers."""
    headers = [
        ("WARC-Type", kind),
        ("WARC-Target-URI", url),
        ("WARC-Date", date),
        ("WARC-Record-ID", f"<urn:uuid:{hashlib.md5(block + url.encode()).hexdigest()}>"),
        ("Content-Length", str(len(block))),
        *more,
    ]
    lines = [f"WARC/{version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode() + block + b"\r\n\r\n"


def http(body: bytes, *headers: tuple[str, str], status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(body: bytes, size: int = 7) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def packed(records: Sequence[bytes], packing: str) -> bytes:
    """Return a file of records: plain, one gzip member for each, or one for all."""
    if packing == "members":
        return b"".join(gzip.compress(one, mtime=0) for one in records)
    return gzip.compress(b"".join(records), mtime=0) if packing == "one member" else b"".join(records)


def by_warcio(
    pages: Sequence[tuple[str, bytes]], *headers: tuple[str, str], version: str = "1.0", gzipped: bool = True
) -> bytes:
    """Return a file that warcio wrote: a warcinfo record, then for each page its request and its response."""
    stream = io.BytesIO()
    writer = WARCWriter(stream, gzip=gzipped, warc_version=version)
    writer.write_record(writer.create_warcinfo_record("crawl.warc.gz", {"software": "somebody's"}))
    for url, body in pages:
        answer = StatusAndHeaders("200 OK", list(headers), protocol="HTTP/1.1")
        date = {"WARC-Date": DATE}
        response = writer.create_warc_record(
            url, "response", io.BytesIO(body), len(body), warc_headers_dict=date, http_headers=answer
        )
        question = StatusAndHeaders("GET / HTTP/1.1", [("Host", "x")], is_http_request=True)
        request = writer.create_warc_record(url, "request", warc_headers_dict=date, http_headers=question)
        writer.write_request_response_pair(request, response)
    return stream.getvalue()
