"""Assets of pages: what was fetched, and what was read from it. Crawling and parsing take turns.

Belongs here: which pages each step wants. Does not: manners (fetch), reading HTML (parse).
"""

from typing import Any

import dagster as dg
import polars as pl

from anipop_pipeline import crawling
from anipop_pipeline.assets.absence import asset
from anipop_pipeline.assets.news import shown
from anipop_pipeline.config import CrawlAndParseConfig, CrawlConfig, ParseConfig
from anipop_pipeline.lake import Folder
from anipop_pipeline.raw import RawStore
from anipop_pipeline.resources import EngineResource, LakeResource, SiteResource
from anipop_pipeline.stages import parse
from anipop_pipeline.stages.fetch import Request
from anipop_pipeline.stages.parse.batches import READINGS
from anipop_pipeline.stages.tables.pages import NOT_ON_SITE, AnimeIndex, PageIndex, ParseRejects

OWNERS = {"url": pl.String, "kind": pl.String, "id": pl.Int64}


@asset("pages", on_import="absent", kinds=("warc",))
def anime_index(
    context: dg.AssetExecutionContext, lake: LakeResource, site: SiteResource, config: CrawlConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each anime that the site's top list names."""
    rows: list[dict[str, Any]] = []

    def read(body: bytes, url: str) -> str | None:
        listed, onward = parse.listing(body, url)
        rows.extend(listed)
        return onward

    top = Request(f"{crawling.base_of(site.site)}/topanime.php", "listing", None)
    with site.visit(config.requests_per_second) as visit:
        brought = crawling.Step(visit, lake.store(), config).bring_chain(top, read, longest=config.first_pages)
    context.log.info(f"{brought.rows.height} pages of the top list name {len(rows)} anime")
    frame = pl.DataFrame(rows, schema={"anime_id": pl.Int64, "url": pl.String, "title": pl.String}, orient="row")
    listed_once = frame.unique("anime_id", keep="first", maintain_order=True).with_row_index("position")
    return _crawled(AnimeIndex.validate(listed_once.select(AnimeIndex.column_names()), cast=True), brought)


@asset("pages", on_import="absent", kinds=("warc",))
def anime_pages(
    context: dg.AssetExecutionContext,
    anime_index: pl.DataFrame,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlAndParseConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each archived page of an anime, and of its characters where it has a score and a synopsis."""
    store = lake.store()
    wanted = [Request(url, "anime", anime_id) for url, anime_id in anime_index.select("url", "anime_id").iter_rows()]
    with site.visit(config.requests_per_second) as visit:
        step = crawling.Step(visit, store, config)
        first = step.bring(wanted, shown(context, "anime pages"))
        scored = _usable(_parse(store, engine, config, "anime", first.rows).table())
        further = [Request(f"{url}/characters", "anime_characters", number) for url, number in scored.iter_rows()]
        both = first + step.bring(further, shown(context, "character lists"))
    return _crawled(PageIndex.validate(both.rows), both)


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
) -> dg.MaterializeResult[Folder]:
    """One row for each archived page of a main character."""
    main = roles.filter(pl.col("role") == "main").unique("character_id", keep="first").sort("character_id")
    wanted = [Request(url, "character", number) for url, number in main.select("url", "character_id").iter_rows()]
    with site.visit(config.requests_per_second) as visit:
        brought = crawling.Step(visit, lake.store(), config).bring(wanted, shown(context, "character pages"))
    return _crawled(PageIndex.validate(brought.rows), brought)


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
    config: CrawlAndParseConfig,
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
    config: CrawlAndParseConfig,
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


def _usable(anime: pl.DataFrame) -> pl.DataFrame:
    """Return (url, anime_id) of those that the corpus can use: with a score and a synopsis."""
    told = anime.filter(pl.col("score").is_not_null() & pl.col("synopsis").is_not_null())
    return told.sort("anime_id").select("url", "anime_id")


def _of_kind(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    return rows.filter(pl.col("kind") == kind)


def _crawled(table: pl.DataFrame, brought: crawling.Brought) -> dg.MaterializeResult[Folder]:
    """Return a table of pages; how complete it is stands in its manifest, too, which is all that others read."""
    facts = brought.facts()
    return dg.MaterializeResult(value=Folder({"table.parquet": table}, notes=facts), metadata=facts)


def _pictures(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlAndParseConfig,
    wanted: list[Request],
    what: str,
) -> dg.MaterializeResult[Folder]:
    """Fetch pictures and put them into a table; a picture that several want is fetched once."""
    with site.visit(config.requests_per_second) as visit:
        brought = crawling.Step(visit, lake.store(), config).bring(wanted, shown(context, what))
    owners = pl.DataFrame([(r.url, r.kind, r.id) for r in wanted], schema=OWNERS, orient="row")
    rows = owners.join(brought.rows.drop("kind", "id"), on="url", how="inner", validate="m:1")
    parsed = _parse(lake.store(), engine, config, what.removesuffix("s"), rows)
    folder = Folder(parsed.files, notes={**parsed.notes, **brought.facts()})
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
        table=pl.lit(READINGS[kind].table), url="url", id="id", field=None, reason=pl.lit(NOT_ON_SITE)
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
