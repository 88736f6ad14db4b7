"""Claims about captures: which address is which page, which capture counts, and that no record is lost."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import polars as pl
import pytest

from anipop_pipeline.errors import CorruptFile, SettingError
from anipop_pipeline.stages import captures
from anipop_pipeline.stages.captures import Survey, address_of, pages, picture_key, survey

from .foreign_warcs import PACKINGS, by_warcio, chunked, http, packed, record, sha1

PAGE = b'<html><div id="contentWrapper">Cowboy Bebop</div></html>'
OTHER = b'<html><div id="contentWrapper">Cowboy Bebop, a year later</div></html>'
INVALID = b'<html><div id="contentWrapper"><div class="badresult">Invalid ID provided.</div></div></html>'
WALL = b"<html><title>Human Verification</title></html>"
BEBOP = "https://myanimelist.net/anime/1/Cowboy_Bebop"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"picture" * 9


def surveyed(*files: bytes) -> Survey:
    return survey((f"{number}.warc", io.BytesIO(data)) for number, data in enumerate(files))


def bodies(found: Survey, *files: bytes, at_once: int = 2) -> dict[str, bytes]:
    @contextmanager
    def opened(name: str) -> Iterator[BinaryIO]:
        yield io.BytesIO(files[int(name.partition(".")[0])])

    there = found.captures.filter(pl.col("outcome") == "ok")
    tables = list(pages(opened, there, at_once))
    assert all(0 < table.num_rows <= at_once for table in tables)
    return {row["url"]: row["body"] for table in tables for row in table.to_pylist()}


def only(found: Survey) -> dict[str, object]:
    """Return the one capture, having checked that every record is accounted for."""
    assert found.captures.height + sum(found.passed.values()) == found.records
    return found.captures.row(0, named=True)


# Addresses.


@pytest.mark.parametrize(
    ("url", "kind", "number", "canonical"),
    [
        (BEBOP, "anime", 1, BEBOP),
        ("http://myanimelist.net/anime/1/Cowboy_Bebop", "anime", 1, BEBOP),
        ("http://www.myanimelist.net:80/anime/1/Cowboy_Bebop/", "anime", 1, BEBOP),
        ("HTTPS://MYANIMELIST.NET/anime/1/Cowboy_Bebop?q=bebop#top", "anime", 1, BEBOP),
        ("https://myanimelist.net./anime/1", "anime", 1, "https://myanimelist.net/anime/1"),
        ("https://demo.invalid/anime/12/X", "anime", 12, "https://demo.invalid/anime/12/X"),
        ("https://myanimelist.net/anime/1/A/characters", "anime_characters", 1,
         "https://myanimelist.net/anime/1/A/characters"),
        ("https://myanimelist.net/anime/1/A/stats?m=all&show=75", "anime_stats", 1,
         "https://myanimelist.net/anime/1/A/stats"),
        ("https://myanimelist.net/character/3/Jet_Black", "character", 3,
         "https://myanimelist.net/character/3/Jet_Black"),
        ("https://myanimelist.net/anime/5/Gintama°", "anime", 5, "https://myanimelist.net/anime/5/Gintama%C2%B0"),
    ],
)  # fmt: skip
def test_a_page_is_known_however_its_address_is_written(url: str, kind: str, number: int, canonical: str) -> None:
    found = address_of(url)

    assert found is not None
    assert (found.kind, found.id, found.key, found.url) == (kind, number, str(number), canonical)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://cdn.myanimelist.net/images/anime/4/19644.jpg", "poster"),
        ("http://CDN.myanimelist.net/images/anime/4/19644l.jpg", "poster"),
        ("https://myanimelist.cdn-dena.com/r/167x242/images/anime/4/19644.webp?s=1", "poster"),
        ("https://myanimelist.net/images/characters/4/50197.png", "portrait"),
        ("https://cdn.demo.invalid/r/42x62/images/characters/4/50197t.jpg", "portrait"),
    ],
)
def test_a_picture_is_known_on_every_host_that_served_it(url: str, kind: str) -> None:
    found = address_of(url)

    assert found is not None
    assert (found.kind, found.id) == (kind, None)


@pytest.mark.parametrize(
    "url",
    [
        "https://myanimelist.net/",
        "https://myanimelist.net/anime/0/X",
        "https://myanimelist.net/anime/1/A/reviews",
        "https://myanimelist.net/manga/1/A",
        "https://myanimelist.net/character/1/A/pictures",
        "https://myanimelist.net/images/questionmark_23.gif",
        "https://myanimelist.net/images/anime/4/19644.html",
        "https://myanimelist.net.evil.example/anime/1/A",
        "https://notmyanimelist.net/anime/1/A",
        "https://forum.myanimelist.net/anime/1/A",
        "https://example.org/images/anime/4/19644.jpg",
        "https://example.org/?u=https://myanimelist.net/anime/1",
        "ftp://myanimelist.net/anime/1",
        "dns:myanimelist.net",
        "https://[myanimelist.net/anime/1",
        "",
    ],
)
def test_everything_else_is_no_page_of_the_site(url: str) -> None:
    assert address_of(url) is None


def test_all_sizes_of_a_picture_share_one_key() -> None:
    urls = [
        "https://cdn.myanimelist.net/images/characters/4/50197.jpg",
        "https://cdn.myanimelist.net/r/42x62/images/characters/4/50197.jpg?s=0123",
        "http://myanimelist.cdn-dena.com/images/characters/4/50197t.jpg",
    ]

    assert {picture_key(url) for url in urls} == {"/images/characters/4/50197.jpg"}


# Files.


@pytest.mark.parametrize("packing", PACKINGS)
def test_pages_are_read_from_any_packing(packing: str) -> None:
    urls = [f"https://myanimelist.net/anime/{number}/X" for number in range(1, 6)]
    data = packed([record(url, http(PAGE + url.encode() + b"</html>")) for url in urls], packing)

    found = surveyed(data)

    assert found.captures["id"].to_list() == [1, 2, 3, 4, 5]
    assert found.pages == {"anime": 5}
    assert bodies(found, data) == {url: PAGE + url.encode() + b"</html>" for url in urls}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("gzipped", [True, False])
def test_pages_are_read_from_what_warcio_wrote(version: str, gzipped: bool) -> None:
    data = by_warcio(
        [(BEBOP, chunked(gzip.compress(PAGE, mtime=0))), ("https://x.net/", b"else")],
        ("Content-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked"),
        version=version,
        gzipped=gzipped,
    )

    found = surveyed(data)

    assert only(found)["url"] == BEBOP
    assert found.passed == {"other addresses": 1, "request records": 2, "warcinfo records": 1}
    assert bodies(found, data) == {BEBOP: PAGE}


def test_a_resource_record_is_a_page_without_http() -> None:
    data = record(BEBOP, PAGE, ("Content-Type", "text/html"), ("WARC-Payload-Digest", sha1(PAGE)), kind="resource")

    found = surveyed(data)

    assert bodies(found, data) == {BEBOP: PAGE}


def test_a_revisit_is_passed_over_and_its_original_is_read_where_it_lies() -> None:
    revisit = record(BEBOP, http(b""), ("WARC-Payload-Digest", sha1(PAGE)), kind="revisit", date="2021-01-01T00:00:00Z")
    original = record(BEBOP, http(PAGE), ("WARC-Payload-Digest", sha1(PAGE)))

    found = surveyed(revisit, original)

    assert found.passed == {"revisit records": 1}
    assert only(found)["file"] == "1.warc"


# Which capture counts.


def captured(body: bytes, date: str, url: str = BEBOP, status: str = "200 OK") -> bytes:
    return record(url, http(body, status=status), date=date)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
def test_the_latest_good_capture_counts_whatever_the_order(order: list[int]) -> None:
    records = [
        captured(PAGE, "2019-01-01T00:00:00Z"),
        captured(OTHER, "2020-01-01T00:00:00.5Z", "http://www.myanimelist.net/anime/1/Cowboy_Bebop/"),
        captured(WALL, "2021-01-01T00:00:00Z"),
        captured(INVALID, "2022-01-01T00:00:00Z"),
        captured(PAGE, "2023-01-01T00:00:00Z", status="503 Service Unavailable"),
    ]
    data = packed([records[number] for number in order], "members")

    found = surveyed(data)

    assert bodies(found, data) == {BEBOP: OTHER}
    assert only(found)["outcome"] == "ok"
    assert found.passed["no content: the site asks for a human"] == 1
    assert found.passed["status 503"] == 1


@pytest.mark.parametrize("gone", [captured(INVALID, "2020"), captured(b"", "2020-05", status="404 Not Found")])
def test_a_page_that_the_site_did_not_have_is_missing_where_no_capture_has_it(gone: bytes) -> None:
    found = surveyed(gone)

    assert only(found)["outcome"] == "missing"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (http(WALL), "no content: the site asks for a human"),
        (http(WALL, status="404 Not Found"), "no content: the site asks for a human"),
        (http(PAGE[:-9]), "no content: the page ends before it is whole"),
        (http(b"<html>a hotel's network</html>"), "no content: the answer is no page of the site"),
        (http(b""), "no content: the body is empty"),
        (http(b"", status="301 Moved Permanently"), "status 301"),
        (http(PAGE, status="206 Partial Content"), "status 206"),
        (http(PAGE, ("Content-Length", "9999")), "unreadable: cut short"),
        (http(PAGE, ("Content-Encoding", "zstd")), "unreadable: content coding 'zstd'"),
        (b"no answer at all", "unreadable: no HTTP answer"),
    ],
)
def test_what_is_no_content_is_counted_with_its_reason(answer: bytes, why: str) -> None:
    good = record("https://myanimelist.net/anime/2/X", http(PAGE))

    found = surveyed(record(BEBOP, answer) + good)

    assert only(found)["id"] == 2
    assert found.passed == {why: 1}


@pytest.mark.parametrize("header", [("WARC-Truncated", "length"), ("WARC-Segment-Number", "1")])
def test_a_part_of_a_page_is_no_page(header: tuple[str, str]) -> None:
    good = record("https://myanimelist.net/anime/2/X", http(PAGE))

    found = surveyed(record(BEBOP, http(PAGE), header) + good)

    assert only(found)["id"] == 2


def test_a_page_larger_than_any_page_is_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "MAX_RECORD_BYTES", 1000)
    good = record("https://myanimelist.net/anime/2/X", http(PAGE))

    found = surveyed(record(BEBOP, http(b" " * 1000 + PAGE)) + good)

    assert found.passed == {"unreadable: larger than any page": 1}


def test_a_picture_in_full_size_is_better_than_a_later_thumbnail() -> None:
    host = "https://cdn.myanimelist.net"
    urls = ["/images/characters/4/5t.jpg", "/r/23x32/images/characters/4/5.jpg", "/r/84x124/images/characters/4/5.jpg",
            "/images/characters/4/5.jpg"]  # fmt: skip
    records = [captured(JPEG + bytes([n]), f"202{9 - n}-01-01", f"{host}{url}") for n, url in enumerate(urls)]

    for best in (1, 2, 3):
        found = surveyed(b"".join(records[: best + 1]))
        assert only(found)["url"] == f"{host}{urls[best]}"
        assert found.captures["key"].to_list() == ["/images/characters/4/5.jpg"]


def test_a_file_that_is_named_twice_changes_nothing() -> None:
    data = captured(PAGE, "2020-01-01T00:00:00Z")

    found = surveyed(data, data)

    assert bodies(found, data, data) == {BEBOP: PAGE}
    assert found.passed == {"captures of a page that has a better one": 1}


# Digests.


@pytest.mark.parametrize("of", ["what was sent", "without chunks", "unpacked"])
def test_a_payload_digest_may_be_of_the_body_with_or_without_its_codings(of: str) -> None:
    small = gzip.compress(PAGE, mtime=0)
    meant = {"what was sent": chunked(small), "without chunks": small, "unpacked": PAGE}[of]
    block = http(chunked(small), ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked"))

    found = surveyed(record(BEBOP, block, ("WARC-Payload-Digest", sha1(meant))))

    assert found.pages == {"anime": 1}


@pytest.mark.parametrize("name", ["WARC-Payload-Digest", "WARC-Block-Digest"])
@pytest.mark.parametrize("kind", ["response", "resource"])
def test_a_digest_of_something_else_is_refused_with_the_place(name: str, kind: str) -> None:
    block = http(PAGE) if kind == "response" else PAGE
    data = captured(OTHER, "2020-01-01", "https://myanimelist.net/anime/2") + record(
        BEBOP, block, (name, sha1(OTHER)), kind=kind
    )

    with pytest.raises(CorruptFile, match="digest differs") as said:
        surveyed(data)

    assert said.value.where.startswith("0.warc, offset ")


def test_a_record_of_a_page_without_a_date_is_refused() -> None:
    with pytest.raises(CorruptFile, match="'yesterday' is no date"):
        surveyed(record(BEBOP, http(PAGE), date="yesterday"))


# Refusals.


def test_files_without_a_page_of_the_site_are_refused() -> None:
    with pytest.raises(SettingError, match="no page that is known"):
        surveyed(record("https://example.org/", http(PAGE)))


def test_pages_of_two_sites_are_never_mixed() -> None:
    with pytest.raises(SettingError, match=r"demo\.invalid and myanimelist\.net"):
        surveyed(record(BEBOP, http(PAGE)), record("https://demo.invalid/anime/1", http(PAGE)))


def test_a_file_that_changes_between_the_passes_is_refused() -> None:
    first = captured(PAGE, "2020-01-01T00:00:00Z")
    found = surveyed(first)

    with pytest.raises(CorruptFile, match="changed while it was read"):
        bodies(found, captured(PAGE, "2020-01-01T00:00:00Z", "https://myanimelist.net/anime/9"))
    with pytest.raises(CorruptFile, match="no record lies there any more"):
        bodies(found, b"\r\n" + first)
