"""Claims about lists of anime by season and about how an anime's marks spread."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from anipop_pipeline.errors import PageChanged
from anipop_pipeline.stages.parse import PageParser, collect, histogram, listing, season
from anipop_pipeline.stages.tables.pages import Histograms

MAL = "https://myanimelist.net"
SPRING = "https://demo.invalid/anime/season/2018/spring"
STATS = "https://demo.invalid/anime/7/Sea/stats"


def season_page(*links: str, address: str = SPRING, title: str = "Spring 2018 - Anime") -> bytes:
    rows = "".join(f'<div class="seasonal-anime"><h2>{link}</h2></div>' for link in links)
    return f"""<html><head><title>{title}</title><meta property="og:url" content="{address}"></head>
      <body><div class="seasonal-anime-list"><div class="anime-header">TV</div>{rows}</div></body></html>""".encode()


def named(number: int, title: str) -> str:
    video = f'<a href="/anime/{number}/X/video">Watch Video</a>'
    return f'{video}<a class="link-title" href="/anime/{number}/X?q=1">{title}</a>'


def stats_page(*rows: str, heading: str = "Score Stats", score: str = "N/A (scored by - users)") -> bytes:
    bar = f'<div><span class="dark_text">Score:</span> {score}</div>'
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    return f"""<html><head><link rel="canonical" href="{STATS}"></head><body>{bar}
      <h2>Summary Stats</h2><table><tr><td>Watching</td></tr></table><h2>{heading}</h2>{table}
      <h2>Recently Updated By</h2><table><tr><td>10</td></tr></table></body></html>""".encode()


def marked(mark: int, votes: str) -> str:
    return f"<tr><td>{mark}</td><td><div></div><span>&nbsp;9.5% <small>({votes})</small></span></td></tr>"


# Seasons


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("season__2018_spring__2018-06-29.html", 234, (36456, "Boku no Hero Academia 3rd Season"), 37723),
        ("season__2018_spring__2022-06-06.html", 279, (36456, "Boku no Hero Academia 3rd Season"), 37723),
        ("season__now__2018-06-25.html", 91, (35760, "Shingeki no Kyojin Season 3"), 37902),
    ],
)
def test_every_section_of_a_season_is_read(
    real: Path, name: str, count: int, first: tuple[int, str], last: int
) -> None:
    body = (real / "pages" / name).read_bytes()

    rows = season(body, f"{MAL}/anime/season" + ("" if "now" in name else "/2018/spring"))

    assert len(rows) == len({row["anime_id"] for row in rows}) == count
    assert (rows[0]["anime_id"], rows[0]["title"]) == first
    assert rows[-1]["anime_id"] == last
    assert all(row["url"].startswith(f"{MAL}/anime/{row['anime_id']}/") for row in rows)
    assert not [row for row in rows if row["title"].startswith("Watch")]


def test_two_layouts_of_one_season_agree(real: Path) -> None:
    """Four years later 64 titles were entered or moved into this spring, and 19 had turned out to belong elsewhere."""
    pages = [(real / "pages" / f"season__2018_spring__{day}.html").read_bytes() for day in ("2018-06-29", "2022-06-06")]

    then, later = ({row["anime_id"] for row in season(page, f"{MAL}/anime/season/2018/spring")} for page in pages)

    assert (len(then & later), len(then - later), len(later - then)) == (215, 19, 64)


@pytest.mark.parametrize("name", ["archive__2018-07-10", "archive__2022-06-06", "schedule__2018-07-02"])
def test_a_page_beside_the_seasons_is_no_season(real: Path, name: str) -> None:
    body = (real / "pages" / f"season__{name}.html").read_bytes()

    for address in (f"/anime/season/{name.split('__')[0]}", "/anime/season/2018/summer"):
        with pytest.raises(PageChanged):
            season(body, MAL + address)


def test_a_season_names_each_anime_once_in_its_order() -> None:
    page = season_page(named(3, "C"), named(1, "A &amp; B"), named(3, "C"))

    rows = season(page, SPRING)

    assert rows == [
        {"url": "https://demo.invalid/anime/3/X", "title": "C", "anime_id": 3},
        {"url": "https://demo.invalid/anime/1/X", "title": "A & B", "anime_id": 1},
    ]


def test_the_current_season_may_call_itself_current() -> None:
    page = season_page(named(3, "C"), address="https://demo.invalid/anime/season")

    assert [row["anime_id"] for row in season(page, SPRING)] == [3]
    with pytest.raises(PageChanged, match="current season"):
        season(page, SPRING.replace("spring", "fall"))


@pytest.mark.parametrize(
    ("page", "url", "field"),
    [
        (season_page(), SPRING, "season"),
        (season_page("<a>words</a>"), SPRING, "anime_id"),
        (season_page(named(1, "A")), SPRING.replace("2018", "2019"), "season"),
        (season_page(named(1, "A"), address="https://demo.invalid/login.php"), SPRING, "season"),
        (season_page(named(1, "A"), address=""), SPRING, "canonical"),
        (season_page(named(1, "A"))[:-9], SPRING, "page"),
        (season_page(named(1, "A")), "https://demo.invalid/topanime.php", "url"),
    ],
)
def test_what_is_not_the_season_asked_for_is_noticed(page: bytes, url: str, field: str) -> None:
    with pytest.raises(PageChanged) as raised:
        season(page, url)

    assert raised.value.where == field


def test_a_season_is_no_ranking_list() -> None:
    with pytest.raises(PageChanged):
        listing(season_page(named(1, "A")), SPRING)


# Marks


@pytest.mark.parametrize(
    ("name", "number", "votes", "tens", "ones"),
    [
        ("anime_stats__1__2015-01-06.html", 1, 171_172, 63_523, 272),
        ("anime_stats__1__2021-02-20.html", 1, 641_705, 229_170, 1_580),
        ("anime_stats__1__2022-06-06.html", 1, 831_494, 290_347, 1_947),
        ("anime_stats__5__2021-02-19.html", 5, 160_349, 30_043, 379),
        ("anime_stats__37405__2018-07-09.html", 37405, 492, 126, 8),
        ("anime_stats__37405__2022-06-06.html", 37405, 7_399, 1_013, 114),
    ],
)
def test_marks_are_read_in_every_layout(real: Path, name: str, number: int, votes: int, tens: int, ones: int) -> None:
    rows = histogram((real / "pages" / name).read_bytes(), f"{MAL}/anime/{number}/x/stats")

    assert [(row["anime_id"], row["mark"]) for row in rows] == [(number, mark) for mark in range(10, 0, -1)]
    assert (sum(row["votes"] for row in rows), rows[0]["votes"], rows[-1]["votes"]) == (votes, tens, ones)


def test_real_marks_give_the_score_beside_them(real: Path) -> None:
    """The site leaves some marks out and weighs the rest, which moves 8.72 to the 8.76 that it shows."""
    rows = histogram(
        (real / "pages" / "anime_stats__1__2022-06-06.html").read_bytes(), f"{MAL}/anime/1/Cowboy_Bebop/stats"
    )

    mean = sum(row["mark"] * row["votes"] for row in rows) / sum(row["votes"] for row in rows)

    assert mean == pytest.approx(8.7218, abs=0.0001)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            stats_page(marked(10, "1,234 votes"), marked(9, "1 vote"), marked(1, "0 votes")),
            [(10, 1234), (9, 1), (1, 0)],
        ),
        (stats_page(), []),
    ],
)
def test_marks_are_those_that_the_page_tells(page: bytes, expected: list[tuple[int, int]]) -> None:
    assert [(row["mark"], row["votes"]) for row in histogram(page, STATS)] == expected


@pytest.mark.parametrize(
    ("page", "field"),
    [
        (stats_page(heading="Marks"), "votes"),
        (stats_page(score="7.50 (scored by 1,234 users)"), "votes"),
        (stats_page(marked(11, "2 votes")), "votes"),
        (stats_page(marked(10, "many votes")), "votes"),
        (stats_page(marked(10, "1 vote"), marked(10, "2 votes")), "mark"),
    ],
)
def test_marks_that_cannot_be_read_are_an_error(page: bytes, field: str) -> None:
    with pytest.raises(PageChanged) as raised:
        histogram(page, STATS)

    assert raised.value.where == field


def test_no_marks_are_no_rows_and_no_reject() -> None:
    pages: list[dict[str, Any]] = [
        {"url": STATS, "id": 7, "body": stats_page()},
        {"url": STATS.replace("7", "8"), "id": 8, "body": stats_page(marked(10, "3 votes")).replace(b"/7/", b"/8/")},
        {"url": STATS.replace("7", "9"), "id": 9, "body": b"<html>"},
    ]
    batch = pa.Table.from_pylist(
        pages, schema=pa.schema([("url", pa.string()), ("id", pa.int64()), ("body", pa.binary())])
    )

    table, rejects = collect("anime_stats", [PageParser("anime_stats")(batch)])

    Histograms.validate(table)
    assert table.rows() == [(8, 10, 3)]
    assert rejects.select("table", "url", "id", "field").rows() == [("histograms", STATS.replace("7", "9"), 9, "page")]


def test_the_real_pages_of_statistics_make_one_table(real: Path) -> None:
    index = json.loads((real / "pages" / "index.json").read_text())
    latest = {int(entry["id"]): entry["file"] for entry in index if entry["kind"] == "anime_stats"}
    pages = [
        {"url": f"{MAL}/anime/{number}/x/stats", "id": number, "body": (real / "pages" / name).read_bytes()}
        for number, name in latest.items()
    ]

    table, rejects = collect("anime_stats", [PageParser("anime_stats")(pa.Table.from_pylist(pages))])

    assert table.group_by("anime_id").agg(pl.len()).sort("anime_id").rows() == [(1, 10), (5, 10), (37405, 10)]
    assert rejects.is_empty()
