"""Assets of pages: what was fetched, and what was read from it. Crawling and parsing take turns.

Belongs here: which pages each step wants. Does not: manners (fetch), reading HTML (parse).
"""

import time
from typing import Any

import dagster as dg
import polars as pl

from anipop_pipeline import crawling
from anipop_pipeline.assets.absence import asset
from anipop_pipeline.config import CrawlConfig, ParseConfig
from anipop_pipeline.lake import Folder
from anipop_pipeline.raw import RawStore
from anipop_pipeline.resources import EngineResource, LakeResource, SiteResource
from anipop_pipeline.stages import parse
from anipop_pipeline.stages.fetch import Request
from anipop_pipeline.stages.parse.batches import READINGS
from anipop_pipeline.stages.tables.pages import AnimeIndex, PageIndex, ParseRejects

SECONDS_BETWEEN_NEWS = 5.0
OWNERS = {"url": pl.String, "kind": pl.String, "id": pl.Int64}


@asset("pages", on_import="absent", kinds=("warc",))
def anime_index(
    context: dg.AssetExecutionContext, lake: LakeResource, site: SiteResource, config: CrawlConfig
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime that the site's top list names."""
    store, pages = lake.store(), 0
    rows: list[dict[str, Any]] = []
    url: str | None = f"{crawling.base_of(site.site)}/topanime.php"
    with site.visit(config.requests_per_second) as visit:
        while url is not None and not 0 < config.first_pages <= pages:
            found = crawling.bring(visit, store, [Request(url, "listing", None)], config, lambda _done, _total: None)
            listed, url = parse.listing(_body(store, found.rows), url) if found.rows.height else ([], None)
            rows, pages = rows + listed, pages + 1
    context.log.info(f"{pages} pages of the top list name {len(rows)} anime")
    frame = pl.DataFrame(rows, schema={"anime_id": pl.Int64, "url": pl.String, "title": pl.String}, orient="row")
    listed_once = frame.unique("anime_id", keep="first", maintain_order=True).with_row_index("position")
    return dg.MaterializeResult(value=AnimeIndex.validate(listed_once.select(AnimeIndex.column_names()), cast=True))


@asset("pages", on_import="absent", kinds=("warc",))
def anime_pages(
    context: dg.AssetExecutionContext,
    anime_index: pl.DataFrame,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlConfig,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each archived page of an anime, and of its characters where it has a score and a synopsis."""
    store = lake.store()
    wanted = [Request(url, "anime", anime_id) for url, anime_id in anime_index.select("url", "anime_id").iter_rows()]
    with site.visit(config.requests_per_second) as visit:
        first = crawling.bring(visit, store, wanted, config, _shown(context, "anime pages"))
        scored = _usable(_parse(store, engine, ParseConfig(), "anime", first.rows).table())
        further = [Request(f"{url}/characters", "anime_characters", number) for url, number in scored.iter_rows()]
        second = crawling.bring(visit, store, further, config, _shown(context, "character lists"))
    both = crawling.Brought(
        pl.concat([first.rows, second.rows]), first.wanted + second.wanted, first.asked + second.asked
    )
    return dg.MaterializeResult(value=PageIndex.validate(both.rows), metadata=both.facts())


@asset("pages", on_import="keep")
def anime(
    anime_pages: pl.DataFrame, lake: LakeResource, engine: EngineResource, config: ParseConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each anime page that could be read."""
    return _parsed(_parse(lake.store(), engine, config, "anime", _of_kind(anime_pages, "anime")))


@asset("pages", on_import="keep")
def roles(
    anime_pages: pl.DataFrame, lake: LakeResource, engine: EngineResource, config: ParseConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each appearance of a character in an anime."""
    rows = _of_kind(anime_pages, "anime_characters")
    return _parsed(_parse(lake.store(), engine, config, "anime_characters", rows))


@asset("pages", on_import="absent", kinds=("warc",))
def character_pages(
    context: dg.AssetExecutionContext, roles: pl.DataFrame, lake: LakeResource, site: SiteResource, config: CrawlConfig
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each archived page of a main character."""
    main = roles.filter(pl.col("role") == "main").unique("character_id", keep="first").sort("character_id")
    wanted = [Request(url, "character", number) for url, number in main.select("url", "character_id").iter_rows()]
    with site.visit(config.requests_per_second) as visit:
        brought = crawling.bring(visit, lake.store(), wanted, config, _shown(context, "character pages"))
    return dg.MaterializeResult(value=PageIndex.validate(brought.rows), metadata=brought.facts())


@asset("pages", on_import="keep")
def characters(
    character_pages: pl.DataFrame, lake: LakeResource, engine: EngineResource, config: ParseConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each main character whose page could be read."""
    return _parsed(_parse(lake.store(), engine, config, "character", character_pages))


@asset("pages", on_import="keep", kinds=("warc", "pillow"))
def portraits(
    context: dg.AssetExecutionContext,
    characters: pl.DataFrame,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each portrait of a described main character, with the picture inside."""
    usable = characters.filter(pl.col("description").is_not_null() & pl.col("portrait_url").is_not_null())
    wanted = usable.sort("character_id").select("portrait_url", "character_id").iter_rows()
    requests = [Request(url, "portrait", number) for url, number in wanted]
    return _pictures(context, lake, site, engine, config, requests, "portraits")


@asset("pages", on_import="keep", kinds=("warc", "pillow"))
def posters(
    context: dg.AssetExecutionContext,
    anime: pl.DataFrame,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each poster of an anime that has a score and a synopsis, with the picture inside."""
    usable = anime.filter(pl.col("poster_url").is_not_null()).join(_usable(anime), on="anime_id", how="semi")
    wanted = usable.sort("anime_id").select("poster_url", "anime_id").iter_rows()
    requests = [Request(url, "poster", number) for url, number in wanted]
    return _pictures(context, lake, site, engine, config, requests, "posters")


@asset("pages", tolerant=True)
def parse_rejects(
    anime: Folder, roles: Folder, characters: Folder, portraits: Folder, posters: Folder
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each page, row or picture that could not be used, and why."""
    tables = [part.table("rejects") for part in (anime, roles, characters, portraits, posters) if _has_rejects(part)]
    rejects = pl.concat([ParseRejects.create_empty(), *tables])
    return dg.MaterializeResult(value=rejects, metadata={"by_reason": _counts(rejects)})


ASSETS = [
    anime_index,
    anime_pages,
    anime,
    roles,
    character_pages,
    characters,
    portraits,
    posters,
    parse_rejects,
]


def _shown(context: dg.AssetExecutionContext, what: str) -> crawling.Progress:
    """Return a progress that says in the log, every few seconds, how far a crawl is and when it will end."""
    started = last = time.monotonic()

    def show(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_NEWS and total:
            last = now
            left = (now - started) * (total - done) / max(done, 1)
            context.log.info(f"{what}: {done} of {total}, about {left:.0f} s left")

    return show


def _usable(anime: pl.DataFrame) -> pl.DataFrame:
    """Return (url, anime_id) of those that the corpus can use: with a score and a synopsis."""
    told = anime.filter(pl.col("score").is_not_null() & pl.col("synopsis").is_not_null())
    return told.sort("anime_id").select("url", "anime_id")


def _of_kind(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    return rows.filter(pl.col("kind") == kind)


def _body(store: RawStore, rows: pl.DataFrame) -> bytes:
    page = next(iter(store.pages(rows, at_once=1)))
    body: bytes = page["body"][0].as_py()
    return body


def _pictures(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlConfig,
    wanted: list[Request],
    what: str,
) -> dg.MaterializeResult[Folder]:
    """Fetch pictures and put them into a table; a picture that several want is fetched once."""
    with site.visit(config.requests_per_second) as visit:
        brought = crawling.bring(visit, lake.store(), wanted, config, _shown(context, what))
    owners = pl.DataFrame([(r.url, r.kind, r.id) for r in wanted], schema=OWNERS, orient="row")
    rows = owners.join(brought.rows.drop("kind", "id"), on="url", how="inner", validate="m:1")
    folder = _parse(lake.store(), engine, ParseConfig(), what.removesuffix("s"), rows)
    return dg.MaterializeResult(value=folder, metadata={**brought.facts(), **_rejected(folder)})


def _parse(store: RawStore, engine: EngineResource, dials: ParseConfig, kind: str, rows: pl.DataFrame) -> Folder:
    """Return the table and the rejects of archived pages; pages that the site does not have are rejects, too."""
    there = rows.filter(pl.col("outcome") == "ok")
    pages = store.pages(there, dials.pages_at_once)
    parsed = engine.map_batches(
        pages, parse.PageParser, {"kind": kind}, batch_rows=dials.pages_at_once, actors=dials.workers
    )
    kept, rejects = parse.collect(kind, parsed)
    missing = rows.filter(pl.col("outcome") == "missing").select(
        table=pl.lit(READINGS[kind].table), url="url", id="id", field=None, reason=pl.lit("the site has no such page")
    )
    rejects = pl.concat([rejects, missing.cast(rejects.schema)]).sort("table", "id", "url", "reason")
    return Folder({"table.parquet": kept, "rejects.parquet": rejects}, notes={"pages": rows.height})


def _parsed(folder: Folder) -> dg.MaterializeResult[Folder]:
    return dg.MaterializeResult(value=folder, metadata=_rejected(folder))


def _rejected(folder: Folder) -> dict[str, Any]:
    rejects = folder.table("rejects")
    return {"rejected": rejects.height, "by_reason": _counts(rejects)}


def _has_rejects(folder: Folder) -> bool:
    return "rejects.parquet" in folder.files


def _counts(rejects: pl.DataFrame) -> dict[str, int]:
    """Return how many rows left for each reason."""
    return dict(rejects.group_by("reason").len().sort("reason").rows())
