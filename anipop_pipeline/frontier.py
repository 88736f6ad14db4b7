"""Which anime a crawl knows of: those of the top list, of a span of seasons, or whatever has an id in a span.

Belongs here: from a dial to the rows of the index. Does not: how pages are asked for (crawling.py) or read (parse).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from anipop_pipeline.config import CrawlConfig
from anipop_pipeline.crawling import Brought, Figures, Progress, Step
from anipop_pipeline.errors import FetchError, SettingError
from anipop_pipeline.raw import RawStore
from anipop_pipeline.stages import parse
from anipop_pipeline.stages.fetch import Request
from anipop_pipeline.stages.tables.pages import AnimeIndex, PageIndex

SEASONS = ("winter", "spring", "summer", "fall")
SPAN = re.compile(r"(seasons|ids) ([0-9]+)-([0-9]+)")
LISTED = {"anime_id": pl.Int64, "url": pl.String, "title": pl.String}
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Frontier:
    """Where the index of anime comes from; the bounds of a span count."""

    kind: str
    first: int = 0
    last: int = 0


def frontier(listing: str) -> Frontier:
    """Return what the dial `listing` says.

    >>> frontier("seasons 2019-2024")
    Frontier(kind='seasons', first=2019, last=2024)
    """
    if listing == "top":
        return Frontier("top")
    found = SPAN.fullmatch(listing)
    if found is None or int(found[2]) > int(found[3]):
        raise SettingError(
            f"{listing!r} names no anime",
            where="CrawlConfig.listing",
            fix="write top, or a span such as seasons 2019-2024 or ids 1-60000",
        )
    return Frontier(found[1], int(found[2]), int(found[3]))


def index(
    step: Step, store: RawStore, base: str, dials: CrawlConfig, progress: Progress
) -> tuple[pl.DataFrame, Brought]:
    """Return the rows of AnimeIndex, each anime once, and the listing pages that they come from."""
    wanted = frontier(dials.listing)
    match wanted.kind:
        case "top":
            rows, brought = _of_top_list(step, base, dials, progress)
        case "seasons":
            rows, brought = _of_seasons(step, store, base, wanted, progress)
        case _:
            rows, brought = _of_ids(base, wanted)
    listed = pl.DataFrame(rows, schema=LISTED, orient="row").unique("anime_id", keep="first", maintain_order=True)
    return AnimeIndex.validate(listed.with_row_index("position").select(AnimeIndex.column_names()), cast=True), brought


def _of_top_list(step: Step, base: str, dials: CrawlConfig, progress: Progress) -> tuple[Rows, Brought]:
    rows: Rows = []

    def read(body: bytes, url: str) -> str | None:
        listed, onward = parse.listing(body, url)
        rows.extend(listed)
        return onward

    top = Request(f"{base}/topanime.php", "listing", None)
    return rows, step.bring_chain(top, read, progress, longest=dials.first_pages)


def _of_seasons(step: Step, store: RawStore, base: str, wanted: Frontier, progress: Progress) -> tuple[Rows, Brought]:
    urls = list(_season_urls(base, wanted))
    brought = step.bring([Request(url, "listing", None) for url in urls], progress)
    answered = set(brought.rows["url"])
    if brought.figures.failed + brought.figures.refused and (unknown := [url for url in urls if url not in answered]):
        raise FetchError(
            f"{len(unknown)} seasons were not answered, and nobody knows what they list",
            where=unknown[0],
            fix="run this step again later; what was fetched is kept, and the last good table still counts",
        )
    there = brought.rows.filter(pl.col("outcome") == "ok")
    pages = {page["url"]: page["body"] for part in store.pages(there, 50) for page in part.to_pylist()}
    return [row for url in urls if url in pages for row in parse.season(pages[url], url)], brought


def _season_urls(base: str, wanted: Frontier) -> Iterator[str]:
    for year in range(wanted.first, wanted.last + 1):
        yield from (f"{base}/anime/season/{year}/{name}" for name in SEASONS)


def _of_ids(base: str, wanted: Frontier) -> tuple[Rows, Brought]:
    """Return a row for each id, whether or not an anime has it: the answer to its page will tell."""
    rows = [
        {"anime_id": number, "url": f"{base}/anime/{number}", "title": None}
        for number in range(wanted.first, wanted.last + 1)
    ]
    return rows, Brought(PageIndex.create_empty(), 0, 0, Figures())
