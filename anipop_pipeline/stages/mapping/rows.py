"""Rows of foreign files made rows of our tables, or refused with file, row and field.

Belongs here: reading cells by a plan, rows that repeat an id, rules of our schemas, columns that follow from others.
Does not: what a mapping may say (plan), what a value says (readers).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from anipop_pipeline.errors import CorruptFile, PageChanged
from anipop_pipeline.stages.mapping.plan import TABLES, Column, Plan, TablePlan
from anipop_pipeline.stages.mapping.readers import READERS, RELATION, plain
from anipop_pipeline.stages.parse import picture

FILE, ROW = "_file", "_row"
MEASURES = {"further_scores": "score", "histograms": "votes"}  # without it, a row of theirs says nothing
PAGES = {  # whose page the url of a table's row is
    "anime": ("anime", "anime_id"),
    "roles": ("character", "character_id"),
    "characters": ("character", "character_id"),
}


@dataclass(frozen=True)
class Sheet:
    """The cells of one file, by column; a row is named by its number beneath the header, from 1."""

    file: str
    columns: Mapping[str, Sequence[Any]]

    @property
    def height(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))


Sheets = Callable[[str], Sheet | None]
Fields = Mapping[tuple[str, str], str]  # what a file calls a column of ours


def refused(what: str, file: str, row: int | None = None, field: str | None = None) -> CorruptFile:
    """Return the refusal of a file, and of a row and a field of it where they are known."""
    where = ", ".join([file, *([f"row {row}"] if row else []), *([field] if field else [])])
    return CorruptFile(what, where=where, fix="correct the file, or name other columns and readers in a mapping")


def tables(plan: Plan, sheets: Sheets, host: str) -> dict[str, pl.DataFrame]:
    """Return every table that a plan finds in some files, valid, relations still as links; optional ones may lack."""
    found: dict[str, pl.DataFrame] = {}
    for table in TABLES:
        parts = [one for one in plan.tables if one.table == table]
        read = [(part, cells(part, sheet)) for part in parts if (sheet := sheet_of(part, sheets)) is not None]
        if read:
            found[table] = settled(read, plan.host or host)
    return found


def joined(found: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the tables with relations put into the anime that they are of; those of other anime go."""
    if "relations" not in found:
        return dict(found)
    links = found["relations"].select("anime_id", one=pl.struct("relation", "kind", "related_id").cast(RELATION))
    lists = links.group_by("anime_id", maintain_order=True).agg(relations=pl.col("one"))
    anime = found["anime"].drop("relations").join(lists, on="anime_id", how="left", validate="1:1")
    whole = anime.with_columns(pl.col("relations").fill_null([])).select(found["anime"].columns)
    return {**{name: one for name, one in found.items() if name != "relations"}, "anime": whole}


def sheet_of(part: TablePlan, sheets: Sheets) -> Sheet | None:
    """Return the first of a plan's files that is there, None where none has to be."""
    sheet = next((one for file in part.files if (one := sheets(file)) is not None), None)
    if sheet is None and not part.optional and part.table != "further_scores":
        raise refused(f"there is no such file, which {part.table} are read from", " or ".join(part.files))
    return sheet


def cells(part: TablePlan, sheet: Sheet) -> pl.DataFrame:
    """Return the columns that a plan finds in a file, each row with the file and the number that it has there."""
    schema = TABLES[part.table].create_empty().schema
    read, lists = dict[str, pl.Series](), list[str]()
    for name, column in part.columns.items():
        values = _values(part, name, column, sheet)
        if values is not None:
            kind = READERS[column.read].gives
            read[name] = pl.Series(name, values, dtype=kind, strict=True)
            lists += [name] if kind == pl.List(schema[name]) else []
    frame = pl.DataFrame(read).with_row_index(ROW, offset=1).with_columns(pl.lit(sheet.file).alias(FILE))
    for name in lists:
        frame = frame.explode(name).drop_nulls(name)
    return frame.drop_nulls(MEASURES[part.table]) if part.table in MEASURES else frame


def settled(read: Sequence[tuple[TablePlan, pl.DataFrame]], host: str) -> pl.DataFrame:
    """Return the rows of one table, each key once, valid, with every column of the table."""
    part = read[0][0]
    frame = pl.concat([one for _, one in read], how="diagonal")
    fields = {
        (file, name): one.columns[name].said
        for one, rows in read
        for file in rows[FILE].unique()
        for name in one.columns
    }
    key = TABLES[part.table].primary_key()
    _check_there(frame, key, fields)
    once = _once(frame, key, fields, part.repeated)
    return _valid(part.table, _filled(part.table, once, host), key, fields)


def _values(part: TablePlan, name: str, column: Column, sheet: Sheet) -> list[Any] | None:
    """Return what a column says in each row, None where the file does not have it and need not."""
    if column.value is not None:
        return [_read(column, plain(column.value), sheet.file, None, name)] * sheet.height
    found = column.found(sheet.columns)
    if found is None:
        if part.is_needed(name):
            what = f"there is no such column; there are: {', '.join(filter(None, sheet.columns))}"
            raise refused(what, sheet.file, field=column.said)
        return None
    field = " and ".join(found)
    rows = enumerate(_told([sheet.columns[one] for one in found], column.missing), start=1)
    return [None if one is None else _read(column, one, sheet.file, row, field) for row, one in rows]


def _told(columns: Sequence[Sequence[Any]], missing: frozenset[str]) -> Iterator[Any]:
    """Yield what is in each row's cells, None where one of them says nothing."""
    for values in zip(*columns, strict=True):
        told = [plain(value) for value in values]
        if any(value is None or (not isinstance(value, bytes | list) and str(value) in missing) for value in told):
            yield None
        else:
            yield told[0] if len(told) == 1 else " ".join(map(str, told))


def _read(column: Column, value: Any, file: str, row: int | None, field: str) -> Any:
    try:
        return READERS[column.read].read(value)
    except PageChanged as unread:
        raise refused(unread.what, file, row, field) from unread


def _check_there(frame: pl.DataFrame, key: Sequence[str], fields: Fields) -> None:
    for name in key:
        for row, file in frame.filter(pl.col(name).is_null()).head(1).select(ROW, FILE).iter_rows():
            raise refused("the row says nothing here, and it must", file, row, fields.get((file, name)) or name)


def _once(frame: pl.DataFrame, key: Sequence[str], fields: Fields, repeated: str) -> pl.DataFrame:
    """Return each key once; rows that repeat one are refused, or made one where they may agree and do."""
    is_first = pl.struct(key).is_first_distinct()
    again = frame.filter(~is_first)
    if again.is_empty():
        return frame
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in frame.join(again, on=list(key), how="semi", maintain_order="left").iter_rows(named=True):
        families.setdefault(tuple(row[name] for name in key), []).append(row)
    if repeated == "refuse":
        raise _repeated(next(iter(families.values())), key, fields)
    merged = pl.DataFrame([_agreed(family, fields) for family in families.values()], schema=frame.schema)
    single = frame.join(again, on=list(key), how="anti", maintain_order="left")
    return pl.concat([single, merged]).sort(FILE, ROW)


def _repeated(family: Sequence[Mapping[str, Any]], key: Sequence[str], fields: Fields) -> CorruptFile:
    first, second = family[:2]
    said = " and ".join(str(second[name]) for name in key)
    what = f"{said} stands in {_place(first, second)} already"
    return refused(what, second[FILE], second[ROW], ", ".join(_field(fields, second, name) for name in key))


def _agreed(family: Sequence[dict[str, Any]], fields: Fields) -> dict[str, Any]:
    """Return one row of several: where one is silent another speaks, and no two may say different things."""
    told = dict(family[0])
    for row in family[1:]:
        for name in set(row) - {FILE, ROW}:
            if told[name] is None:
                told[name] = row[name]
            elif row[name] not in (None, told[name]):
                what = f"the row is about the same as {_place(family[0], row)}, and says something else"
                raise refused(what, row[FILE], row[ROW], _field(fields, row, name))
    return told


def _field(fields: Fields, row: Mapping[str, Any], name: str) -> str:
    return fields.get((row[FILE], name)) or name


def _place(other: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    return f"row {other[ROW]}" if other[FILE] == row[FILE] else f"{other[FILE]}, row {other[ROW]},"


def _filled(table: str, frame: pl.DataFrame, host: str) -> pl.DataFrame:
    """Return all columns of a table: what a file does not say is null, an empty list, or follows from the rest."""
    schema = TABLES[table].create_empty().schema
    lacking = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    whole = frame.with_columns(lacking)
    lists = [name for name, kind in schema.items() if isinstance(kind, pl.List)]
    whole = whole.with_columns(pl.col(name).fill_null(pl.lit([], dtype=schema[name])) for name in lists)
    if table in PAGES:
        what, number = PAGES[table]
        whole = whole.with_columns(pl.col("url").fill_null(pl.format(f"https://{host}/{what}/{{}}", number)))
    if "position" in schema:
        whole = whole.with_columns(pl.col("position").fill_null(pl.int_range(pl.len()).over("anime_id")))
    return _measured(whole, f"https://{host}/images") if "image" in schema else whole


def _measured(frame: pl.DataFrame, folder: str) -> pl.DataFrame:
    """Return rows with the size of their pictures, which are decoded for it, and with an address where none is told."""
    sizes = [picture(content) for content in frame["image"]]
    return frame.with_columns(
        pl.col("url").fill_null(pl.format("{}/{}", pl.lit(folder), pl.col(frame.columns[0]))),
        width=pl.Series([width for width, _ in sizes], dtype=pl.Int64),
        height=pl.Series([height for _, height in sizes], dtype=pl.Int64),
    )


def _valid(table: str, frame: pl.DataFrame, key: Sequence[str], fields: Fields) -> pl.DataFrame:
    """Return the rows of a table that keep its rules; the first that does not is refused with the rule."""
    schema = TABLES[table]
    kept, failure = schema.filter(frame.select(schema.column_names()), cast=True)
    if kept.height == frame.height:
        return kept.sort(key)
    lost = failure.details().row(0, named=True)
    column, _, rule = next(name for name, state in lost.items() if "|" in name and state == "invalid").partition("|")
    row = frame.filter(pl.col(name) == lost[name] for name in key).row(0, named=True)
    what = f"{str(row[column])[:60]!r} breaks the rule {rule!r} of {column} ({schema.columns()[column].description})"
    raise refused(what.replace(" (None)", ""), row[FILE], row[ROW], _field(fields, row, column))
