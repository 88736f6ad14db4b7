"""Claims about the archive: standard records, equal bytes for equal exchanges, torn ends, corrupt bytes."""

import gzip
import io
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator
from warcio.warcwriter import WARCWriter

from anipop_pipeline.errors import CorruptFile
from anipop_pipeline.stages.archive import Exchange, append, append_info, decoded, index_row, read, scan
from anipop_pipeline.stages.tables.pages import PageIndex

AT = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
PAGE = Exchange(
    url="https://demo.invalid/anime/7/Sea",
    kind="anime",
    id=7,
    fetched_at=AT,
    status=200,
    outcome="ok",
    headers=(("Content-Type", "text/html; charset=UTF-8"), ("Content-Encoding", "gzip")),
    body=gzip.compress(b"<html>\r\n\r\n</html>", mtime=0),
)
MISSING = Exchange("https://demo.invalid/anime/8", "anime", 8, AT, 404, "missing", (("Server", "demo"),), b"gone")
BLOCKED = Exchange("https://demo.invalid/anime/9", "anime", 9, AT, 403, "blocked", reason="the site answered 403")
ROBOTS = Exchange("https://demo.invalid/robots.txt", "robots", None, AT, 0, "failed", reason="no answer")
UNCHANGED = Exchange(
    PAGE.url, "anime", 7, AT + timedelta(days=9), 304, "unchanged", (("ETag", '"v1"'),), requests=3, earlier=AT
)
MOVED = replace(PAGE, url="https://demo.invalid/anime/5", id=5, came_from="https://demo.invalid/anime/5/Sea")
ALL = [PAGE, MISSING, UNCHANGED, BLOCKED, ROBOTS, MOVED]

texts = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Z"]), min_size=1, max_size=20)
exchanges = st.builds(
    Exchange,
    url=texts.map("https://demo.invalid/".__add__),
    kind=st.sampled_from(["anime", "portrait"]),
    id=st.none() | st.integers(1, 2**62),
    fetched_at=st.integers(-(10**15), 10**15).map(lambda micros: AT + timedelta(microseconds=micros)),
    status=st.integers(100, 599),
    outcome=st.sampled_from(["ok", "missing"]),
    headers=st.lists(st.tuples(st.from_regex(r"\AX-[A-Za-z]{1,9}\Z"), texts), max_size=3).map(tuple),
    body=st.binary(max_size=300),
    requests=st.integers(0, 10**6),
)


def written(exchanges: list[Exchange]) -> io.BytesIO:
    stream = io.BytesIO()
    for exchange in exchanges:
        append(stream, exchange)
    stream.seek(0)
    return stream


def test_what_another_tool_says_of_a_segment_is_passed_over() -> None:
    stream = io.BytesIO()
    writer = WARCWriter(stream, gzip=True, warc_version="1.1")
    writer.write_record(writer.create_warcinfo_record("a.warc.gz", {"software": "another"}))
    append_info(stream, "b.warc.gz", AT, {"software": "ours"})
    append(stream, PAGE)
    stream.seek(0)

    assert [exchange for exchange, _, _ in scan(stream)] == [PAGE]


def test_every_exchange_comes_back_as_it_went_in() -> None:
    stream = io.BytesIO()

    places = [append(stream, exchange) for exchange in ALL]

    assert [read(stream, offset) for offset, _ in places] == ALL
    stream.seek(0)
    assert list(scan(stream)) == [(exchange, *place) for exchange, place in zip(ALL, places, strict=True)]


@given(st.lists(exchanges, max_size=4))
@settings(max_examples=60)
def test_any_answer_survives_the_archive(some: list[Exchange]) -> None:
    found = [exchange for exchange, _, _ in scan(written(some))]

    assert found == some


def test_equal_exchanges_give_equal_bytes_that_name_no_machine() -> None:
    first, second = written(ALL).getvalue(), written(ALL).getvalue()

    assert first == second
    records = b"".join(gzip.decompress(first).splitlines(keepends=True))
    assert b"hostname" not in records.lower()
    assert b"filename" not in records.lower()
    assert first[4:8] == bytes(4)  # the modification time of the gzip header


def test_other_tools_read_the_records_and_find_the_digests_right() -> None:
    stream = written(ALL)

    records = [(record.rec_type, record.content_stream().read()) for record in ArchiveIterator(stream, True)]

    assert [kind for kind, _ in records] == ["response", "response", "revisit", "metadata", "metadata", "response"]
    iterator = ArchiveIterator(io.BytesIO(stream.getvalue()), check_digests="raise")
    kept = [record.content_stream().read() for record in iterator if record.rec_type == "response"]
    assert kept == [b"<html>\r\n\r\n</html>", b"gone", b"<html>\r\n\r\n</html>"]


def test_an_unchanged_page_is_a_revisit_of_what_was_fetched_before() -> None:
    (record,) = ArchiveIterator(written([UNCHANGED]))

    headers = dict(record.rec_headers.headers)
    assert headers["WARC-Profile"] == "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
    assert headers["WARC-Refers-To-Target-URI"] == PAGE.url
    assert headers["WARC-Refers-To-Date"] == "2026-05-01T12:30:00.123456Z"
    assert record.http_headers.get_statuscode() == "304"


def test_a_record_is_of_the_address_that_redirects_led_to_and_says_what_was_asked() -> None:
    named = replace(MOVED, headers=(*MOVED.headers, ("ETag", '"v1"')))
    (record,) = ArchiveIterator(written([named]))

    headers = dict(record.rec_headers.headers)
    assert headers["WARC-Target-URI"] == "https://demo.invalid/anime/5/Sea"
    assert headers["WARC-X-Anipop-Asked"] == "https://demo.invalid/anime/5"
    row = index_row(named, "a.warc.gz", 0, 9)
    assert (row["url"], row["etag"]) == ("https://demo.invalid/anime/5", None)  # that version is another address's


def test_the_index_names_the_version_that_the_site_names() -> None:
    named = replace(PAGE, headers=(*PAGE.headers, ("etag", '"v1"'), ("Last-Modified", "Fri, 01 May 2026 00:00:00 GMT")))

    row = index_row(named, "a.warc.gz", 0, 9)

    assert (row["etag"], row["last_modified"]) == ('"v1"', "Fri, 01 May 2026 00:00:00 GMT")
    assert set(row) == set(PageIndex.column_names())


def test_records_state_version_date_and_extensions() -> None:
    text = gzip.decompress(written([PAGE]).getvalue()).decode("latin-1")

    assert text.count("WARC/1.1\r\n") == 1
    assert "WARC-Date: 2026-05-01T12:30:00.123456Z" in text
    assert "WARC-X-Anipop-Kind: anime" in text
    assert "WARC-X-Anipop-Id: 7" in text
    assert "WARC-X-Anipop-Outcome: ok" in text


def test_the_transfer_coding_header_is_not_kept() -> None:
    chunked = Exchange(
        "https://demo.invalid/", "listing", None, AT, 200, "ok", (("Transfer-Encoding", "chunked"), ("A", "b")), b"x"
    )

    [(kept, _, _)] = scan(written([chunked]))

    assert kept.headers == (("A", "b"),)


def test_a_header_cannot_smuggle_another_one() -> None:
    sly = Exchange("https://demo.invalid/", "listing", None, AT, 200, "ok", (("A", "b\r\nC: d"),), b"x")

    [(kept, _, _)] = scan(written([sly]))

    assert kept.headers == (("A", "b C: d"),)


def test_the_scan_stops_at_a_torn_end_wherever_it_was_torn() -> None:
    whole = written(ALL).getvalue()
    places = [(offset, length) for _, offset, length in scan(io.BytesIO(whole))]
    last, length = places[-1]

    for cut in (last, last + 1, last + 9, last + length // 2, last + length - 1):
        found = [exchange for exchange, _, _ in scan(io.BytesIO(whole[:cut]))]
        assert found == ALL[:-1]
    assert sum(length for _, length in places) + places[0][0] == len(whole)


def test_reading_a_torn_record_says_where() -> None:
    stream = io.BytesIO()
    offset, length = append(stream, PAGE)

    with pytest.raises(CorruptFile, match="offset 0"):
        read(io.BytesIO(stream.getvalue()[: length - 3]), offset)


@pytest.mark.parametrize("where", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_changed_byte_is_noticed(where: float) -> None:
    stream = io.BytesIO()
    for exchange in ALL:
        append(stream, exchange)
    spoiled = bytearray(stream.getvalue())
    spoiled[int(len(spoiled) * where)] ^= 0xFF

    with pytest.raises(CorruptFile):
        list(scan(io.BytesIO(spoiled)))


@given(st.binary(min_size=20, max_size=200))
@settings(max_examples=60)
def test_foreign_bytes_are_an_error_or_a_torn_end_never_an_exchange(noise: bytes) -> None:
    try:
        found = list(scan(io.BytesIO(noise)))
    except CorruptFile:
        found = []

    assert found == []


@pytest.mark.parametrize(
    "record",
    [
        b"hello",
        b"WARC/1.1\r\nWARC-Type: response\r\n\r\n\r\n\r\n",
        b"WARC/1.1\r\nWARC-Type: response\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n",
        b"WARC/1.1\r\nContent-Length: x\r\n\r\nabc\r\n\r\n",
    ],
)
def test_a_gzip_member_that_is_no_record_of_ours_is_corrupt(record: bytes) -> None:
    with pytest.raises(CorruptFile, match="To mend it"):
        list(scan(io.BytesIO(gzip.compress(record, mtime=0))))


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (b"plain", ""),
        (b"plain", "identity"),
        (gzip.compress(b"plain", mtime=0), "gzip"),
        (gzip.compress(b"pl", mtime=0) + gzip.compress(b"ain", mtime=0), "x-gzip"),
        (zlib.compress(b"plain"), "deflate"),
        (zlib.compress(b"plain")[2:-4], "deflate"),
        (gzip.compress(gzip.compress(b"plain", mtime=0), mtime=0), "gzip, gzip"),
    ],
)
def test_content_codings_are_removed(body: bytes, coding: str) -> None:
    assert decoded(body, coding, limit=5 if "," not in coding else 100) == b"plain"


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(bytes(10_000), mtime=0), "gzip"),
        (bytes(200), ""),
        (gzip.compress(b"plain", mtime=0)[:-5], "gzip"),
        (b"plain", "gzip"),
        (b"plain", "br"),
    ],
)
def test_bombs_torn_and_unknown_codings_are_refused(body: bytes, coding: str) -> None:
    with pytest.raises(CorruptFile):
        decoded(body, coding, limit=100)


def test_the_payload_is_the_page() -> None:
    assert PAGE.payload == b"<html>\r\n\r\n</html>"


def test_impossible_exchanges_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="UTC"):
        Exchange("u", "anime", 1, AT.astimezone(timezone(timedelta(hours=2))), 200, "ok")
    with pytest.raises(ValueError, match="neither headers nor body"):
        Exchange("u", "anime", 1, AT, 403, "blocked", (), b"secret")
    with pytest.raises(ValueError, match="no such outcome"):
        Exchange("u", "anime", 1, AT, 200, "fine")
    with pytest.raises(ValueError, match="since when"):
        Exchange("u", "anime", 1, AT, 304, "unchanged")
    with pytest.raises(ValueError, match="neither headers nor body"):
        Exchange("u", "anime", 1, AT, 304, "unchanged", (), b"secret", earlier=AT)
