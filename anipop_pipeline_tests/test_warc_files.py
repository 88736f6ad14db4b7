"""Claims about framing: every record of every packing is found again, and what is damaged is never read."""

import gzip
import io
from datetime import UTC, datetime, timedelta

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecord

from anipop_pipeline.errors import AnipopError, CorruptFile, SettingError
from anipop_pipeline.stages import archive
from anipop_pipeline.stages.archive import Exchange
from anipop_pipeline.stages.warc_files import Place, WarcFile, agrees

from .foreign_warcs import PACKINGS, by_warcio, http, packed, record, sha1

ADDRESS = "http://myanimelist.net/anime/1"
BLOCKS = [http(b"first"), b"", http(b"x" * 100_000), http(b"fourth\r\n\r\nWARC/1.0\r\n")]
RECORDS = [record(f"{ADDRESS}{number}", block) for number, block in enumerate(BLOCKS)]
HELLO = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"  # sha1 of hello


def read(data: bytes) -> list[tuple[Place, str, bytes]]:
    return [(one.place, one.url, one.block()) for one in WarcFile(io.BytesIO(data), "a.warc").records()]


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_record_is_found_whatever_the_packing(packing: str) -> None:
    found = read(packed(RECORDS, packing))

    assert [block for _, _, block in found] == BLOCKS
    assert [url for _, url, _ in found] == [f"{ADDRESS}{number}" for number in range(4)]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 2, 0, 3]])
def test_a_record_is_found_again_at_its_place_in_any_order(packing: str, order: list[int]) -> None:
    data = packed(RECORDS, packing)
    places = [place for place, _, _ in read(data)]
    file = WarcFile(io.BytesIO(data), "a.warc")

    assert [file.at(places[number]).block() for number in order] == [BLOCKS[number] for number in order]


def test_a_place_names_the_member_and_the_record_within_it() -> None:
    one, two = gzip.compress(RECORDS[0] + RECORDS[1], mtime=0), gzip.compress(RECORDS[3], mtime=0)

    places = [place for place, _, _ in read(one + two)]

    assert places == [Place(0, 0), Place(0, len(RECORDS[0])), Place(len(one), 0)]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_record_that_nobody_reads_is_passed_over(packing: str) -> None:
    urls = [one.url for one in WarcFile(io.BytesIO(packed(RECORDS, packing)), "a.warc").records()]

    assert urls == [f"{ADDRESS}{number}" for number in range(4)]


@pytest.mark.parametrize("version", ["0.17", "0.18", "1.0", "1.1"])
def test_all_versions_are_read(version: str) -> None:
    assert [block for _, _, block in read(record(ADDRESS, b"block", version=version))] == [b"block"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("gzipped", [True, False])
def test_what_warcio_writes_is_read_with_its_digests(version: str, gzipped: bool) -> None:
    data = by_warcio([(ADDRESS, b"<html>")], ("Content-Type", "text/html"), version=version, gzipped=gzipped)

    records = WarcFile(io.BytesIO(data), "a.warc").records()

    assert [one.type for one in records] == ["warcinfo", "response", "request"]


def test_an_address_in_angle_brackets_is_an_address() -> None:
    assert read(record(f"<{ADDRESS}>", b""))[0][1] == ADDRESS


def test_lines_may_end_without_a_carriage_return_and_header_names_may_be_written_in_any_case() -> None:
    data = b"WARC/1.0\nwarc-type: resource\nwarc-target-uri: http://x/\nCONTENT-LENGTH: 3\n\nabc\n\n\n"

    ((_, url, block),) = read(data)

    assert (url, block) == ("http://x/", b"abc")


# Damage. A file of two records is cut at each of its bytes.

SHORT = [record(ADDRESS, http(b"one"), ("WARC-Block-Digest", sha1(http(b"one")))), record(ADDRESS, http(b"two"))]


def boundaries(packing: str) -> set[int]:
    """Return where a cut loses nothing: after a member, or beside the empty lines after a plain record."""
    if packing == "members":
        return {len(gzip.compress(SHORT[0], mtime=0))}
    ends = [len(SHORT[0]), len(SHORT[0] + SHORT[1])]
    return {end - back for end in ends for back in (0, 2, 4)} if packing == "plain" else set()


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_file_that_was_cut_is_refused_wherever_a_line_or_a_record_was_begun(packing: str) -> None:
    whole = packed(SHORT, packing)
    full = {http(b"one"), http(b"two")}

    for cut in range(1, len(whole)):
        if cut in boundaries(packing):
            assert {block for _, _, block in read(whole[:cut])} <= full
        else:
            with pytest.raises(AnipopError):
                read(whole[:cut])


@pytest.mark.parametrize("packing", ["members", "one member"])
def test_a_packed_file_is_refused_whichever_byte_of_its_content_was_changed(packing: str) -> None:
    whole = packed(SHORT, packing)

    for at in range(10, len(whole)):  # gzip's own header, bytes 4 to 9, says when and where: nothing that matters
        member = whole.rfind(b"\x1f\x8b\x08\x00", 0, at + 1)
        if 3 <= at - member < 10:
            continue
        changed = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        with pytest.raises(AnipopError):
            read(changed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (RECORDS[2][:-200], "the file ends 196 bytes before the record does"),
        (RECORDS[0][:60], "the file ends within the headers"),
        (gzip.compress(RECORDS[2], mtime=0)[:-4], "the file ends within a gzip member"),
        (gzip.compress(RECORDS[0], mtime=0) + b"<html>", "the bytes are no gzip"),
        (RECORDS[0] + b"<html>\r\n\r\n", "the bytes are no record of WARC 0.17 to 1.1"),
        (b"WARC/2.0\r\n\r\n", "the bytes are no record of WARC 0.17 to 1.1"),
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", "does not say how long it is"),
        (b"WARC/1.0\r\nContent-Length: -1\r\n\r\n", "does not say how long it is"),
        (b"WARC/1.0\r\n" + b"X: " + b"y" * 2**21 + b"\r\n\r\n", "headers"),
        (record(ADDRESS, b"hello", ("WARC-Block-Digest", sha1(b"other"))), "digest differs"),
    ],
)
def test_damage_is_said_with_the_file_and_the_place(data: bytes, message: str) -> None:
    with pytest.raises(CorruptFile, match=message) as said:
        read(data)

    assert "a.warc" in said.value.where
    assert said.value.fix


def test_damage_is_found_in_records_that_nobody_reads() -> None:
    data = record("dns:x", b"hello", ("WARC-Block-Digest", sha1(b"other")), kind="metadata") + RECORDS[0]

    with pytest.raises(CorruptFile, match="digest differs"):
        list(WarcFile(io.BytesIO(data), "a.warc").records())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"filedesc://a.arc 0.0.0.0 20200101000000 text/plain 76\n", "warcio recompress"),
        (gzip.compress(b"filedesc://a.arc 0.0.0.0 20200101000000 text/plain 76\n", mtime=0), "warcio recompress"),
        (b"PK\x03\x04 and so on", "archive/\\*.warc.gz"),
        (b"\x28\xb5\x2f\xfd and so on", "zstd -d"),
        (b"<!doctype html>", "no WARC file"),
        (gzip.compress(b"<!doctype html>", mtime=0), "no WARC file"),
    ],
)
def test_what_is_no_warc_file_is_called_what_it_is(data: bytes, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        read(data)


@pytest.mark.parametrize(
    "stated",
    [
        f"sha1:{HELLO}",
        f"SHA-1:{HELLO.upper()}",
        sha1(b"hello"),
        sha1(b"hello").rstrip("="),
        "md5:5d41402abc4b2a76b9719d911017c592",
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "",
        "crc32:3610a686",
    ],
)
def test_digests_are_known_in_base_16_and_32_and_others_are_believed(stated: str) -> None:
    assert agrees(stated, b"no", b"hello")


@pytest.mark.parametrize("stated", ["sha1:", f"sha1:{HELLO[:-1]}", f"sha256:{HELLO}", f"md5:{HELLO}"])
def test_a_digest_of_something_else_does_not_agree(stated: str) -> None:
    assert not agrees(stated, b"hello")


# Our own segments, read by others.

AT = datetime(2026, 5, 1, 12, 30, 59, 250_000, tzinfo=UTC)
OURS = [
    Exchange("https://x.net/robots.txt", "robots", None, AT, 404, "missing", (("Content-Type", "text/html"),), b"none"),
    Exchange("https://x.net/anime/1", "anime", 1, AT, 200, "ok",
             (("Content-Encoding", "gzip"), ("X", "é")), gzip.compress(b"<html>", mtime=0)),
    Exchange("https://x.net/anime/2", "anime", 2, AT, 503, "failed", reason="no answer"),
    Exchange("https://x.net/anime/3", "anime", 3, AT, 403, "blocked", reason="stay away"),
    Exchange("https://x.net/anime/4", "anime", 4, AT, 200, "ok", (), b""),
]  # fmt: skip
TYPES = ["response", "response", "metadata", "metadata", "response"]


@pytest.fixture
def segment() -> io.BytesIO:
    stream = io.BytesIO()
    for exchange in OURS:
        archive.append(stream, exchange)
    stream.seek(0)
    return stream


def test_another_library_reads_our_records_and_finds_every_digest_right(segment: io.BytesIO) -> None:
    for found, exchange, kind in zip(ArchiveIterator(segment, parse_http=False), OURS, TYPES, strict=True):
        assert isinstance(found, WarcRecord)
        assert str(found.record_type) == kind
        assert found.headers["WARC-Target-URI"] == exchange.url
        assert found.record_date.astimezone(UTC) - AT < timedelta(seconds=1)
        assert found.headers["WARC-X-Anipop-Outcome"] == exchange.outcome
        assert found.headers.get("WARC-X-Anipop-Id") == (None if exchange.id is None else str(exchange.id))
        assert found.verify_block_digest()
        if kind == "response":
            found.parse_http()
            assert found.http_headers.status_code == exchange.status
            assert found.verify_payload_digest()
            assert found.reader.read() == exchange.body


def test_our_records_are_records_like_any_other(segment: io.BytesIO) -> None:
    records = list(WarcFile(segment, "000000.warc.gz").records())

    assert [one.type for one in records] == TYPES
    assert [one.url for one in records] == [exchange.url for exchange in OURS]
