"""Pages by the batch: what the engine maps over Arrow tables, and how the results become a table and its rejects.

Belongs here: batches in, tables out, every row accounted for. Does not: reading one page, where batches come from.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl
import pyarrow as pa

from anipop_pipeline.errors import PageChanged, SettingError
from anipop_pipeline.stages.parse.anime_pages import anime_as_told, histogram
from anipop_pipeline.stages.parse.character_pages import anime_characters, character
from anipop_pipeline.stages.parse.page import changed, picture
from anipop_pipeline.stages.tables.pages import (
    Anime,
    Characters,
    Histograms,
    ParseRejects,
    Portraits,
    Posters,
    Roles,
    split_rejects,
)

REJECTED = {"_field": pl.String, "_reason": pl.String}
Row = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """How one kind of page becomes rows of one table."""

    table: str
    schema: type[dy.Schema]
    key: str
    rows: Callable[[bytes, str, int | None], list[Row]]


def _unread(url: str, key: str, number: int | None, error: PageChanged) -> Row:
    return {"url": url, key: number, "_field": error.where, "_reason": error.what}


def _anime(body: bytes, url: str, number: int | None) -> list[Row]:
    """Return the anime's row, and beside it a reject for each of its values that cannot be read."""
    row, unread = anime_as_told(body, url)
    return [row, *(_unread(url, "anime_id", number, error) for error in unread)]


def _image(key: str) -> Callable[[bytes, str, int | None], list[Row]]:
    def rows(body: bytes, url: str, number: int | None) -> list[Row]:
        width, height = picture(body)
        return [{key: number, "url": url, "image": body, "width": width, "height": height}]

    return rows


READINGS = {
    "anime": Reading("anime", Anime, "anime_id", _anime),
    "anime_characters": Reading("roles", Roles, "anime_id", lambda body, url, _: anime_characters(body, url)),
    "anime_stats": Reading("histograms", Histograms, "anime_id", lambda body, url, _: histogram(body, url)),
    "character": Reading("characters", Characters, "character_id", lambda body, url, _: [character(body, url)]),
    "portrait": Reading("portraits", Portraits, "character_id", _image("character_id")),
    "poster": Reading("posters", Posters, "anime_id", _image("anime_id")),
}


class PageParser:
    """Reads batches of pages of one kind: columns url, id, body in; the columns of its table and of a reject out."""

    def __init__(self, kind: str) -> None:
        _reading(kind)
        self.kind = kind

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the rows of the pages; a page or a value that cannot be read is a row with `_field` and `_reason`."""
        rows = [row for page in batch.select(["url", "id", "body"]).to_pylist() for row in self._rows(**page)]
        return pl.DataFrame(rows, schema=_columns(_reading(self.kind)), orient="row").to_arrow()

    def _rows(self, url: str, id: int | None, body: bytes | None) -> list[Row]:  # noqa: A002 -- the column's name
        reading = _reading(self.kind)
        try:
            if body is None:
                raise changed("body", "the page has no body")
            rows = reading.rows(body, url, id)
            if any(row[reading.key] != id for row in rows) or id is None:
                raise changed("id", "the page is about another id than the index says")
        except PageChanged as error:
            return [_unread(url, reading.key, id, error)]
        return [{"url": url} | row for row in rows]


def collect(kind: str, batches: Iterable[pa.Table]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the table that the batches hold, sorted by its key, and the rows that are not in it, with reasons.

    The batches may come in any order. Of several rows with one key the first by content is kept.
    """
    reading = _reading(kind)
    parts = [pl.DataFrame(pl.from_arrow(batch)) for batch in batches]
    rows = pl.concat([pl.DataFrame(schema=_columns(reading)), *parts])
    read = rows.filter(pl.col("_reason").is_null()).drop(*REJECTED)
    first, twice = _once(read, reading.schema.primary_key())
    kept, lost = split_rejects(reading.schema, first, table=reading.table, id_column=reading.key)
    unread = [_rejects(reading, rows.filter(pl.col("_reason").is_not_null())), _rejects(reading, twice), lost]
    rejects = pl.concat(unread).sort("id", "url", "field", "reason", nulls_last=True)
    if rows.height != kept.height + rejects.height:
        raise AssertionError(f"{rows.height} rows came in, {kept.height} + {rejects.height} went out")
    return kept.sort(reading.schema.primary_key()), ParseRejects.validate(rejects)


def _reading(kind: str) -> Reading:
    if kind not in READINGS:
        raise SettingError(f"no such kind of page: {kind}", where="parse", fix=f"choose one of {', '.join(READINGS)}")
    return READINGS[kind]


def _columns(reading: Reading) -> dict[str, Any]:
    """Return the columns of a batch: the table's, enums as strings; the page's address; why a row is a reject."""
    schema = reading.schema.create_empty().schema
    plain = {name: pl.String if isinstance(dtype, pl.Enum) else dtype for name, dtype in schema.items()}
    return {"url": pl.String} | plain | REJECTED


def _once(rows: pl.DataFrame, key: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one row of each key and the others; which one is kept depends on content alone."""
    ordered = rows.with_columns(_hash=rows.hash_rows(seed=0)).sort(*dict.fromkeys([*key, "url", "_hash"])).drop("_hash")
    is_first = ordered.select(pl.struct(key).is_first_distinct()).to_series()
    field, reason = ", ".join(key), "another row has the same key"
    twice = ordered.filter(~is_first).with_columns(_field=pl.lit(field), _reason=pl.lit(reason))
    return ordered.filter(is_first), twice


def _rejects(reading: Reading, rows: pl.DataFrame) -> pl.DataFrame:
    columns = {"url": "url", "id": reading.key, "field": "_field", "reason": "_reason"}
    return rows.select(table=pl.lit(reading.table), **columns).cast(ParseRejects.create_empty().schema)
