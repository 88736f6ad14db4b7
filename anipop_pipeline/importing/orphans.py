"""Rows that are about something which their set does not have: counted, and refused where all of a table's are.

Belongs here: which table speaks of whose ids, and which of them are known. Does not: reading rows, leaving any out.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl
import polars.selectors as cs

from anipop_pipeline.errors import SettingError


class Tie(NamedTuple):
    """A table's column of ids that another table must know: the first of `owners` that there is."""

    key: str
    owners: tuple[str, ...]
    of_whom: str  # how the rows are called whose ids nobody knows


KEYS = ("anime_id", "character_id")
TIES = {
    "histograms": Tie("anime_id", ("anime",), "marks of unknown anime"),
    "roles": Tie("anime_id", ("anime",), "roles in unknown anime"),
    "relations": Tie("anime_id", ("anime",), "relations of unknown anime"),
    "further_scores": Tie("anime_id", ("anime",), "further scores of unknown anime"),
    "posters": Tie("anime_id", ("anime",), "posters of unknown anime"),
    "characters": Tie("character_id", ("roles",), "characters without a role"),
    "portraits": Tie("character_id", ("characters", "roles"), "portraits of unknown characters"),
}


def known(table: str, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of a table whose ids its owner has; all of them where there is no owner to ask.

    >>> anime, roles = pl.DataFrame({"anime_id": [1]}), pl.DataFrame({"anime_id": [1, 2]})
    >>> known("roles", {"anime": anime, "roles": roles})["anime_id"].to_list()
    [1]
    """
    tie, rows = TIES.get(table), tables[table]
    owner = None if tie is None else next((name for name in tie.owners if name in tables), None)
    if tie is None or owner is None:
        return rows
    return rows.join(tables[owner], on=tie.key, how="semi", maintain_order="left")


def ids(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the ids of each table that has rows: all that is compared, and far smaller than pictures."""
    return {name: rows.select(cs.by_name(*KEYS, require_all=False)) for name, rows in tables.items() if rows.height}


def counted(tables: Mapping[str, pl.DataFrame]) -> dict[str, int]:
    """Return how many rows are about something that is not there, in words."""
    there = ids(tables)
    lost = {tie.of_whom: there[name].height - known(name, there).height for name, tie in TIES.items() if name in there}
    return {what: number for what, number in lost.items() if number}


def check_some_known(tables: Mapping[str, pl.DataFrame]) -> None:
    """Refuse a table of which no row is about anything in the others: its ids are those of another set."""
    there = ids(tables)
    for name, tie in TIES.items():
        if name in there and known(name, there).is_empty():
            owner = next(one for one in tie.owners if one in there)
            what = f"no {tie.key} of {name} is one of {owner}"
            example = f"such as {there[name][tie.key][0]} here and {there[owner][tie.key][0]} there"
            fix = "name tables of one site, whose ids are the same, or leave this one out"
            raise SettingError(f"{what}, {example}", where=name, fix=fix)
