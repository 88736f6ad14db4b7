"""What a mapping says: for each of our tables which file it is in, and for each column where it stands and its reader.

A mapping is TOML. Its tables are named as ours; `relations` are links that become a column of `anime`, and
`[anime.scores]` are further scores of an anime. A column is the name of a foreign one, or a table of `from` (a name,
or several of which the first that is there counts), `join` (several that make one text), `value` (a constant), `read`
(a reader), `missing` (values that say nothing) and `needed` (where others are optional). A list where one value belongs
makes a row of each of its values.

Belongs here: mappings, checked whole before any file is opened. Does not: reading rows.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import dataframely as dy
import polars as pl

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages.mapping.readers import READERS
from anipop_pipeline.stages.tables import pages

TABLES: dict[str, type[dy.Schema]] = {
    "anime": pages.Anime,
    "histograms": pages.Histograms,
    "roles": pages.Roles,
    "characters": pages.Characters,
    "portraits": pages.Portraits,
    "posters": pages.Posters,
    "relations": pages.RelationLinks,
    "further_scores": pages.FurtherScores,
}
FILLED = {"url", "position", "width", "height"}  # columns that are never null and that we can fill ourselves
BY_COLUMN = {  # readers of columns that ask for more than their type does
    "score": "score",
    "further_scores.score": "number",  # on a scale of its own, where zero may be a score
    "episodes": "positive",
    "rank": "positive",
    "duration_minutes": "minutes",
    "role": "role",
    "relation": "relation",
    "kind": "kind",
    "season": "season",
    "relations": "relations",
    "image": "image",
    "synopsis_as_written": "as_written",
    "description_as_written": "as_written",
}
BY_TYPE = {pl.Int64: "whole", pl.Float64: "number", pl.Date: "day", pl.List: "list"}
MISSING = ("", "?", "-", "N/A", "NaN", "nan", "None", "null", "Unknown")
AS_WRITTEN = {  # columns in which "Unknown" or "None" may well be what is said
    *("title", "title_english", "title_japanese", "name"),
    *("synopsis", "synopsis_as_written", "description", "description_as_written", "spoiler", "facts"),
}
SOURCE = re.compile(r"[a-z][a-z0-9_]*")
REPEATED = ("refuse", "agree")
OF_MAPPING = {"about", "host", "missing", *TABLES}
OF_TABLE = {"file", "columns", "optional", "optional_columns", "repeated", "missing", "scores"}
OF_COLUMN = {"from", "join", "value", "read", "missing", "needed"}


@dataclass(frozen=True)
class Column:
    """Where a column of ours comes from, and how its values are read."""

    read: str
    anyone: tuple[str, ...] = ()  # foreign columns, of which the first that is there counts
    joined: tuple[str, ...] = ()
    value: Any = None
    missing: frozenset[str] = frozenset(MISSING)
    needed: bool = False  # even where columns are optional

    def found(self, there: Iterable[str]) -> tuple[str, ...] | None:
        """Return the foreign columns that it stands in, None when they are not there."""
        known = set(there)
        if self.joined:
            return self.joined if set(self.joined) <= known else None
        return next(((name,) for name in self.anyone if name in known), None)

    @property
    def said(self) -> str:
        """Return the foreign columns in words."""
        return " and ".join(self.joined) or " or ".join(self.anyone)


@dataclass(frozen=True)
class TablePlan:
    """One table of ours as one foreign file has it."""

    table: str
    files: tuple[str, ...]  # of which the first that is there counts
    columns: Mapping[str, Column]
    optional: bool = False
    optional_columns: bool = False
    repeated: str = "refuse"

    def is_needed(self, column: str) -> bool:
        """Return whether a file without this column cannot be read."""
        return column in _always(self.table) or self.columns[column].needed or not self.optional_columns


@dataclass(frozen=True)
class Plan:
    """A whole mapping."""

    tables: tuple[TablePlan, ...]
    host: str | None = None
    about: str = ""


def planned(said: Mapping[str, Any], where: str) -> Plan:
    """Return what a mapping says; SettingError when it says something that it cannot."""
    _check_names(said, OF_MAPPING, where)
    missing = _missing(said, MISSING, where)
    parts = [
        one
        for table in TABLES
        for part in _list(said.get(table, []))
        for one in _table(table, part, missing, f"{where}, {table}")
    ]
    if not any(part.table == "anime" for part in parts):
        raise _wrong("the mapping says nothing of the table anime", where, "add [anime] with file and columns")
    told_twice = any("relations" in part.columns for part in parts) and any(one.table == "relations" for one in parts)
    if told_twice:
        raise _wrong("relations are told twice", where, "leave out [relations] or the column of anime")
    return Plan(tuple(parts), _string(said, "host", where), _string(said, "about", where) or "")


def own_tables(files: Iterable[str], columns: Mapping[str, Iterable[str]]) -> Plan:
    """Return the plan of files that are named as our tables and have our columns; `score_X` is a further score of X."""
    parts = []
    for file in files:
        table = file.rpartition(".")[0]
        ours = {name: _own(table, name) for name in TABLES[table].columns()}
        part = TablePlan(table, (file,), ours, optional_columns=True)
        scores = [name for name in columns[file] if table == "anime" and name.startswith("score_")]
        parts += [part, *(_own_score(part, name) for name in scores)]
    return Plan(tuple(parts))


def _own_score(part: TablePlan, foreign: str) -> TablePlan:
    source, where = foreign.removeprefix("score_"), f"{part.files[0]}, {foreign}"
    column = _own("further_scores", "score", foreign)
    return _scored(part, source, column, where, f"call the column score_{_in_lower_case(source)}")


def _own(table: str, column: str, foreign: str | None = None) -> Column:
    return Column(_reader(table, column), (foreign or column,), missing=_silent(column, frozenset(MISSING)))


def _table(table: str, said: object, missing: frozenset[str], where: str) -> Iterator[TablePlan]:
    if not isinstance(said, dict):
        raise _wrong("a table of file and columns belongs here", where, f"write [{table}]")
    _check_names(said, OF_TABLE, where)
    files = _strings(said.get("file", []), f"{where}, file")
    columns, missing = _dict(said, "columns", where), _missing(said, missing, where)
    schema = TABLES[table].columns()
    _check_names(columns, set(schema), f"{where}, columns")
    read = {name: _column(table, name, one, missing, f"{where}, {name}") for name, one in columns.items()}
    lacking = [name for name in _always(table) if name not in read]
    if not files or lacking:
        what = "no file is named" if not files else f"no column is named for {', '.join(lacking)}"
        raise _wrong(what, where, "name it")
    flags = {name: _flag(said, name, where) for name in ("optional", "optional_columns")}
    repeated = said.get("repeated", "refuse")
    if repeated not in REPEATED:
        raise _wrong(f"repeated is {repeated!r}", where, f"choose one of {', '.join(REPEATED)}")
    part = TablePlan(table, files, read, repeated=repeated, **flags)
    yield part
    for source, one in _dict(said, "scores", where).items():
        if table != "anime":
            raise _wrong("only anime have further scores", where, "move scores to [anime.scores]")
        of_source = f"{where}, scores, {source}"
        score = _column("further_scores", "score", one, missing, of_source)
        yield _scored(part, source, score, of_source, f"write {_in_lower_case(source)}")


def _in_lower_case(source: str) -> str:
    """Return how a source may be written.

    >>> _in_lower_case("My Anime-List")
    'my_anime_list'
    """
    return re.sub(r"[^a-z0-9]+", "_", source.lower()).strip("_")


def _scored(part: TablePlan, source: str, score: Column, where: str, fix: str) -> TablePlan:
    """Return the further scores of one source, which stand in the file of the anime."""
    if not SOURCE.fullmatch(source):
        raise _wrong("sources of scores are named in lower case: a letter, then letters, digits and _", where, fix)
    columns = {"anime_id": part.columns["anime_id"], "source": Column("text", value=source), "score": score}
    return replace(part, table="further_scores", columns=columns, optional_columns=False)


def _column(table: str, name: str, said: object, missing: frozenset[str], where: str) -> Column:
    entry = said if isinstance(said, dict) else {"from": said}
    _check_names(entry, OF_COLUMN, where)
    ways = [way for way in ("from", "join", "value") if way in entry]
    if len(ways) != 1:
        raise _wrong("a column comes from one of from, join and value", where, "name exactly one")
    read = str(entry.get("read", _reader(table, name)))
    _check_reader(table, name, read, where)
    return Column(
        read,
        _strings(entry.get("from", []), where),
        _strings(entry.get("join", []), where),
        entry.get("value"),
        _missing(entry, _silent(name, missing), where),
        _flag(entry, "needed", where),
    )


def _check_reader(table: str, column: str, read: str, where: str) -> None:
    if read not in READERS:
        raise _wrong(f"there is no reader {read!r}", where, f"choose one of {', '.join(READERS)}")
    gives, wanted = READERS[read].gives, TABLES[table].columns()[column].dtype
    if gives not in (pl.String() if isinstance(wanted, pl.Enum) else wanted, pl.List(wanted)):
        raise _wrong(f"the reader {read} gives {gives}, the column {column} has {wanted}", where, "choose another")


def _silent(column: str, missing: frozenset[str]) -> frozenset[str]:
    """Return the values that say nothing in a column."""
    return frozenset({""}) if column in AS_WRITTEN else missing


def _reader(table: str, column: str) -> str:
    """Return the reader of a column for which none is named."""
    kind = type(TABLES[table].columns()[column].dtype)
    return BY_COLUMN.get(f"{table}.{column}") or BY_COLUMN.get(column) or BY_TYPE.get(kind, "text")


def _always(table: str) -> list[str]:
    """Return the columns that only the file can say."""
    lists = (pl.List,)
    columns = TABLES[table].columns().items()
    return [name for name, one in columns if not one.nullable and name not in FILLED and type(one.dtype) not in lists]


def _check_names(said: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in said:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"did you mean {near[0]}?" if near else f"choose from {', '.join(sorted(known))}"
            raise _wrong(f"nothing here is called {name!r}", where, fix)


def _missing(said: Mapping[str, Any], default: Iterable[str], where: str) -> frozenset[str]:
    given = said.get("missing", list(default))
    if not isinstance(given, list) or any(isinstance(one, dict | list) for one in given):
        raise _wrong("missing is no list of values", where, 'write missing = ["", "Unknown", -1]')
    return frozenset(str(one) for one in given)


def _strings(said: object, where: str) -> tuple[str, ...]:
    names = _list(said)
    if any(not isinstance(name, str) or not name for name in names):
        raise _wrong("names of files and columns are texts", where, "put them in quotes")
    return tuple(names)


def _list(said: object) -> list[Any]:
    return said if isinstance(said, list) else [said]


def _dict(said: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    given = said.get(name, {})
    return given if isinstance(given, dict) else _no(name, "table", where)


def _flag(said: Mapping[str, Any], name: str, where: str) -> bool:
    given = said.get(name, False)
    return given if isinstance(given, bool) else _no(name, "true or false", where)


def _string(said: Mapping[str, Any], name: str, where: str) -> str | None:
    given = said.get(name)
    return given if given is None or isinstance(given, str) else _no(name, "text", where)


def _no(name: str, what: str, where: str) -> NoReturn:
    raise _wrong(f"{name} is no {what}", where, "correct it")


def _wrong(what: str, where: str, fix: str) -> SettingError:
    return SettingError(what, where=where, fix=fix)
