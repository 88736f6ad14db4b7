"""Assets of pages: what was fetched, and what was read from it. Crawling and parsing take turns.

Belongs here: which pages each step wants. Does not: manners (fetch), reading HTML (parse).
"""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from anipop_pipeline import crawling, frontier
from anipop_pipeline.assets.absence import asset
from anipop_pipeline.assets.news import crawl_shown, outcome
from anipop_pipeline.config import CrawlAndParseConfig, CrawlConfig, ParseConfig
from anipop_pipeline.lake import Folder
from anipop_pipeline.parsing import parsed, usable, wanted_portraits, wanted_posters
from anipop_pipeline.raw import RawStore
from anipop_pipeline.resources import EngineResource, LakeResource, SiteResource
from anipop_pipeline.sites import base_of
from anipop_pipeline.stages.fetch import Request
from anipop_pipeline.stages.tables.pages import PageIndex, ParseRejects


@asset("pages", on_import="absent", kinds=("warc",))
def anime_index(
    context: dg.AssetExecutionContext, lake: LakeResource, site: SiteResource, config: CrawlConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each anime that the site lists, or for each id that is to be tried."""
    store, base = lake.store(), base_of(site.site)
    with site.visit(config.requests_per_second) as visit:
        step = crawling.Step(visit, store, config)
        listed, brought = frontier.index(step, store, base, config, crawl_shown(context, "listing pages"))
    context.log.info(f"{listed.height:,} anime on {brought.rows.height:,} listing pages ({config.listing})")
    return _crawled(context, listed, brought, listing=config.listing, first_pages=config.first_pages)


@asset("pages", on_import="absent", kinds=("warc",))
def anime_pages(
    context: dg.AssetExecutionContext,
    anime_index: pl.DataFrame,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlAndParseConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each archived page of an anime, and for more of them where it has a score and a synopsis."""
    store = lake.store()
    wanted = [Request(url, "anime", anime_id) for url, anime_id in anime_index.select("url", "anime_id").iter_rows()]
    with site.visit(config.requests_per_second) as visit:
        young = frozenset[int]() if visit is None else _young(store, visit.clock.now().date(), config.young_for_days)
        step = crawling.Step(visit, store, config, young)
        first = step.bring(wanted, crawl_shown(context, "anime pages"))
        known = usable(_parse(store, engine, config, "anime", first.rows).table())
        casts = step.bring(_further(known, "anime_characters"), crawl_shown(context, "character lists"))
        # Marks that an earlier run has fetched are there, whether or not more are asked for.
        asking = step if config.statistics else crawling.Step(None, store, config)
        marks = asking.bring(_further(known, "anime_stats"), crawl_shown(context, "marks"))
    brought = first + casts + (marks if config.statistics else replace(marks, wanted=marks.rows.height, left=0))
    return _crawled(context, PageIndex.validate(_without_vacant_ids(brought.rows, anime_index)), brought)


@asset("pages", on_import="keep")
def anime(
    anime_pages: pl.DataFrame, lake: LakeResource, engine: EngineResource, config: ParseConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each anime page that could be read."""
    return _parsed(_parse(lake.store(), engine, config, "anime", _of_kind(anime_pages, "anime")))


@asset("pages", on_import="keep")
def histograms(
    anime_pages: pl.DataFrame, lake: LakeResource, engine: EngineResource, config: ParseConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each mark that an anime was given, where its page of statistics was fetched."""
    rows = _of_kind(anime_pages, "anime_stats")
    if rows.is_empty():
        return dg.MaterializeResult(value=Folder(absent="no page of statistics was fetched (CrawlConfig.statistics)"))
    return _parsed(_parse(lake.store(), engine, config, "anime_stats", rows))


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
        brought = crawling.Step(visit, lake.store(), config).bring(wanted, crawl_shown(context, "character pages"))
    return _crawled(context, PageIndex.validate(brought.rows), brought)


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
    return _pictures(context, lake, site, engine, config, wanted_portraits(characters), "portraits")


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
    return _pictures(context, lake, site, engine, config, wanted_posters(anime), "posters")


@asset("pages", on_import="keep")
def further_scores(lake: LakeResource) -> dg.MaterializeResult[Folder]:
    """One row for each score that another source gives an anime; only an import brings some."""
    return dg.MaterializeResult(value=Folder(absent=f"{lake.site} is crawled, and brings no further scores"))


@asset("pages", tolerant=True)
def parse_rejects(
    anime: Folder, histograms: Folder, roles: Folder, characters: Folder, portraits: Folder, posters: Folder
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each page, row or picture that could not be used, and why."""
    parts = (anime, histograms, roles, characters, portraits, posters)
    tables = [part.table("rejects") for part in parts if _has_rejects(part)]
    rejects = pl.concat([ParseRejects.create_empty(), *tables])
    return dg.MaterializeResult(value=rejects, metadata={"by_reason": _counts(rejects)})


ASSETS = [
    anime_index,
    anime_pages,
    anime,
    histograms,
    roles,
    character_pages,
    characters,
    portraits,
    posters,
    further_scores,
    parse_rejects,
]


def _further(known: pl.DataFrame, kind: str) -> list[Request]:
    """Return what is worth asking of anime that the corpus can use."""
    page = {"anime_characters": "characters", "anime_stats": "stats"}[kind]
    return [Request(f"{url}/{page}", kind, number) for url, number in known.iter_rows()]


def _young(store: RawStore, today: date, days: float) -> frozenset[int]:
    """Return the anime whose pages still change, by the last table: a hint of what to ask, and no table's input."""
    if not store.lake.has("anime"):
        return frozenset()
    airs = pl.col("status").is_in(["Currently Airing", "Not yet aired"])
    recent = pl.col("aired_from") > today - timedelta(days=days)
    return frozenset(store.lake.load_table("anime").filter(airs | recent)["anime_id"])


def _without_vacant_ids(pages: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return the pages without those of ids that were only tried, and that no anime has."""
    tried = index.filter(pl.col("title").is_null())["anime_id"].implode()
    return pages.filter(~((pl.col("outcome") == "missing") & (pl.col("kind") == "anime") & pl.col("id").is_in(tried)))


def _of_kind(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    return rows.filter(pl.col("kind") == kind)


def _crawled(
    context: dg.AssetExecutionContext, table: pl.DataFrame, brought: crawling.Brought, **asked_for: Any
) -> dg.MaterializeResult[Folder]:
    """Return a table of pages; how complete it is stands in its manifest, too, which is all that others read."""
    context.log.info(outcome(brought))
    facts = brought.facts() | asked_for
    folder = Folder({"table.parquet": table}, notes=facts)
    return dg.MaterializeResult(value=folder, metadata={**facts, **brought.speed()})


def _pictures(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    site: SiteResource,
    engine: EngineResource,
    config: CrawlAndParseConfig,
    wanted: pl.DataFrame,
    what: str,
) -> dg.MaterializeResult[Folder]:
    """Fetch pictures and put them into a table; a picture that several want is fetched once."""
    requests = [Request(url, kind, number) for url, kind, number in wanted.iter_rows()]
    with site.visit(config.requests_per_second) as visit:
        brought = crawling.Step(visit, lake.store(), config).bring(requests, crawl_shown(context, what))
    rows = wanted.join(brought.rows.drop("kind", "id"), on="url", how="inner", validate="m:1")
    context.log.info(outcome(brought))
    read = _parse(lake.store(), engine, config, what.removesuffix("s"), rows)
    folder = Folder(read.files, notes={**read.notes, **brought.facts()})
    return dg.MaterializeResult(value=folder, metadata={**brought.facts(), **brought.speed(), **_rejected(folder)})


def _parse(store: RawStore, engine: EngineResource, dials: ParseConfig, kind: str, rows: pl.DataFrame) -> Folder:
    return parsed(kind, rows, store.pages, engine.map_batches, dials)


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
