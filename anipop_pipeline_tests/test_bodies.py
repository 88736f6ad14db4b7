"""Claims about bodies: what a crawler left of the codings, and what cannot be unpacked is said."""

import gzip
import sys
import zlib

import brotli
import pytest

from anipop_pipeline.stages import bodies
from anipop_pipeline.stages.bodies import answer_of, body_of

from .foreign_warcs import chunked, http

PAGE = b"<html>" + b"Spike and Faye. " * 20 + b"</html>"
CHUNKED = ("Transfer-Encoding", "chunked")


def coded(name: str) -> tuple[str, str]:
    return ("content-encoding", name)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    "block",
    [
        http(PAGE),
        http(PAGE, coded("identity")),
        http(gzip.compress(PAGE, mtime=0), coded("gzip")),
        http(gzip.compress(PAGE, mtime=0), coded("X-GZIP")),
        http(zlib.compress(PAGE), coded("deflate")),
        http(raw_deflate(PAGE), coded("deflate")),
        http(brotli.compress(PAGE), coded("br")),
        http(gzip.compress(zlib.compress(PAGE), mtime=0), coded("deflate, gzip")),
        http(chunked(PAGE), CHUNKED),
        http(chunked(gzip.compress(PAGE, mtime=0)), ("TRANSFER-ENCODING", "Chunked"), coded("gzip")),
        http(PAGE, CHUNKED),  # the coding was taken off, its header was not
        http(PAGE, coded("gzip")),
        http(PAGE, coded("deflate")),
        http(PAGE, coded("br")),
        http(PAGE, ("Content-Length", "7")),  # the length of a body that was packed then
    ],
)
def test_the_page_is_found_under_any_coding_and_under_headers_that_outlived_it(block: bytes) -> None:
    answer = answer_of(block)

    assert answer is not None
    assert not answer.cut
    assert body_of(answer) == PAGE


def test_chunks_may_have_extensions_and_trailers() -> None:
    answer = answer_of(http(b"5;name=value\r\n<html\r\nA\r\n> 12345678\r\n000\r\nTrailer: x\r\n\r\n", CHUNKED))

    assert answer is not None
    assert (answer.body, answer.cut) == (b"<html> 12345678", False)


@pytest.mark.parametrize(
    "block",
    [
        http(chunked(PAGE)[:-5], CHUNKED),
        http(chunked(PAGE)[:-40], CHUNKED),
        http(chunked(PAGE)[:20], CHUNKED),
        http(PAGE[:-1], ("Content-Length", str(len(PAGE)))),
        http(b"", ("Content-Length", "1")),
    ],
)
def test_a_body_without_its_end_is_cut(block: bytes) -> None:
    answer = answer_of(block)

    assert answer is not None
    assert answer.cut


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        ("gzip", gzip.compress(PAGE, mtime=0)[:-3], "unreadable: torn or too large (gzip)"),
        ("deflate", b"\xff" * 30, "unreadable: torn or too large (deflate)"),
        ("br", brotli.compress(PAGE)[:-3], "unreadable: torn or too large (br)"),
        ("br", b"\xff" * 30, "unreadable: torn or too large (br)"),
        ("zstd", b"\x28\xb5\x2f\xfd", "unreadable: content coding 'zstd'"),
        ("gzip, zstd", b"\x28\xb5\x2f\xfd", "unreadable: content coding 'zstd'"),
    ],
)
def test_what_cannot_be_unpacked_is_said(coding: str, body: bytes, why: str) -> None:
    answer = answer_of(http(body, coded(coding)))

    assert answer is not None
    assert body_of(answer) == why


@pytest.mark.parametrize("packer", [gzip.compress, brotli.compress])
def test_a_bomb_is_not_unpacked(packer: "type[bytes]", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_PAYLOAD_BYTES", 1000)
    answer = answer_of(http(packer(b"a" * 10_000_000), coded("br" if packer is brotli.compress else "gzip")))

    assert answer is not None
    assert str(body_of(answer)).startswith("unreadable: torn or too large")


def test_without_brotli_the_answer_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    answer = answer_of(http(brotli.compress(PAGE), coded("br")))

    assert answer is not None
    assert body_of(answer) == "unreadable: content coding 'br' (pip install brotli)"


@pytest.mark.parametrize("block", [b"", b"\r\n", b"<html>", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 OK\r\n\r\nx", b"\x00" * 99])
def test_what_is_no_answer_is_none(block: bytes) -> None:
    assert answer_of(block) is None


@pytest.mark.parametrize("line", ["HTTP/1.0 200", "HTTP/1.1 200 OK", "HTTP/2 200", "http/1.1 200 ok"])
def test_status_lines_of_all_times_are_read(line: str) -> None:
    answer = answer_of(line.encode() + b"\r\nA: b\r\n\r\nbody")

    assert answer is not None
    assert (answer.status, answer.headers, answer.body) == (200, (("A", "b"),), b"body")
