"""From archived pages to a table with its rejects beside it, wherever the pages come from.

A crawl and an import read pages the same way, want the same pictures, and leave the same rejects.

Belongs here: what reading pages has to do, whoever archived them. Does not: fetching, where bytes lie, reading one page
(stages/parse).
"""

from collections.abc import Callable, Iterator
from os import cpu_count

import polars as pl
import pyarrow as pa

from anipop_pipeline.config import ParseConfig
from anipop_pipeline.engine import MapBatches
from anipop_pipeline.lake import Folder
from anipop_pipeline.stages import health, parse
from anipop_pipeline.stages.parse.batches import READINGS
from anipop_pipeline.stages.tables.pages import NOT_ON_SITE

MANY = 3000  # pages that a process must have to read before it is worth its start
Pages = Callable[[pl.DataFrame, int], Iterator[pa.Table]]


def parsed(kind: str, rows: pl.DataFrame, pages: Pages, map_batches: MapBatches, dials: ParseConfig) -> Folder:
    """Return the table and the rejects of archived pages; pages that the site does not have are rejects, too.

    Each row names a page (url, id) and its outcome; `pages` yields those that are there as Arrow tables.
    """
    there = rows.filter(pl.col("outcome") == "ok")
    bodies, actors = pages(there, dials.pages_at_once), dials.workers or _workers(there.height)
    read = map_batches(bodies, parse.PageParser, {"kind": kind}, batch_rows=dials.pages_at_once, actors=actors)
    kept, rejects = parse.collect(kind, read)
    missing = rows.filter(pl.col("outcome") == "missing").select(
        table=pl.lit(READINGS[kind].table), url="url", id="id", field=None, reason=pl.lit(NOT_ON_SITE)
    )
    rejects = pl.concat([rejects, missing.cast(rejects.schema)]).sort("table", "id", "url", "reason")
    notes = {"pages": rows.height, "health": health.measure(kept, pages=rows.height).noted()}
    return Folder({"table.parquet": kept, "rejects.parquet": rejects}, notes=notes)


def _workers(pages: int) -> int:
    """Return how many processes are worth their start; one more that has little to do only costs."""
    return min(cpu_count() or 1, 1 + pages // MANY)


def usable(anime: pl.DataFrame) -> pl.DataFrame:
    """Return (url, anime_id) of those that the corpus can use: with a score and a synopsis."""
    told = anime.filter(pl.col("score").is_not_null() & pl.col("synopsis").is_not_null())
    return told.sort("anime_id").select("url", "anime_id")


def wanted_portraits(characters: pl.DataFrame) -> pl.DataFrame:
    """Return (url, kind, id) of the portraits that the corpus can use: of characters with a description."""
    described = characters.filter(pl.col("description").is_not_null() & pl.col("portrait_url").is_not_null())
    return described.sort("character_id").select(url="portrait_url", kind=pl.lit("portrait"), id="character_id")


def wanted_posters(anime: pl.DataFrame) -> pl.DataFrame:
    """Return (url, kind, id) of the posters that the corpus can use: of anime with a score and a synopsis."""
    shown = anime.filter(pl.col("poster_url").is_not_null()).join(usable(anime), on="anime_id", how="semi")
    return shown.sort("anime_id").select(url="poster_url", kind=pl.lit("poster"), id="anime_id")
