"""How full a table is, and whether it is so much emptier than before that what it was read from has changed.

A page whose layout has changed can often still be read: one value is missing on it, as it always was on some pages.
Only the whole table shows that it is missing on all of them.

Belongs here: measures of whole tables, and the comparison of two of them. Does not: which tables are compared, and what
happens then (checks.py); rules of single rows, which are in schemas.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

BEYOND_CHANCE = 4.0  # standard errors
ENOUGH = 10  # where as many were to be expected, chance alone leaves none in one of 20,000 tables
SAME_CRAWL = 1.25  # so many times more or fewer pages are about other anime: the end of a top list has no scores
OTHER_CRAWL_DROP = 0.9  # other anime may well lack a field, but hardly all of them


@dataclass(frozen=True)
class Health:
    """How many rows came from how many pages, and the share of the rows in which each column is filled."""

    rows: int
    pages: int
    filled: Mapping[str, float]

    def noted(self) -> dict[str, Any]:
        """Return the same as plain values, for a manifest."""
        return asdict(self)


def measure(table: pl.DataFrame, pages: int) -> Health:
    """Return a table's health; nulls, empty texts, empty lists and empty pictures are not filled.

    >>> measure(pl.DataFrame({"id": [1, 2], "score": [7.5, None], "genres": [[], ["Drama"]], "source": ["", ""]}), 2)
    Health(rows=2, pages=2, filled={'id': 1.0, 'score': 0.5, 'genres': 0.5, 'source': 0.0})
    """
    shares = {name: _filled(table[name]) for name in table.columns}
    return Health(table.height, pages, shares)


def _filled(column: pl.Series) -> float:
    empty = column.is_null()
    if column.dtype == pl.String:
        empty |= (column.str.len_bytes() == 0).fill_null(value=False)
    elif column.dtype == pl.List:
        empty |= (column.list.len() == 0).fill_null(value=False)
    elif column.dtype == pl.Binary:
        empty |= (column.bin.size() == 0).fill_null(value=False)
    return (column.len() - int(empty.sum())) / column.len() if column.len() else 0.0


def emptied(now: Health, before: Health, allowed: float) -> dict[str, tuple[float, float]]:
    """Return the columns whose share of filled rows fell by more than is allowed, with the former and present share.

    `allowed` is a part of the former share. A fall counts only where chance does not explain it. Where so many more or
    fewer pages were read that they are about other anime, only a field that is nearly lost counts.

    >>> before = Health(1000, 1000, {"score": 0.92, "source": 0.80})
    >>> emptied(Health(1000, 1000, {"score": 0.03, "source": 0.70}), before, allowed=0.25)
    {'score': (0.92, 0.03)}
    """
    limit = allowed if _same_crawl(now, before) else max(allowed, OTHER_CRAWL_DROP)
    both = {name: (share, now.filled[name]) for name, share in before.filled.items() if name in now.filled}
    return {
        name: (former, present)
        for name, (former, present) in both.items()
        if former - present > limit * former and _beyond_chance(former, present, before.rows, now.rows)
    }


def remembered(now: Health, before: Health, usual: float) -> Health:
    """Return what later tables are compared with: the best of both, so that many small falls are seen as one.

    A column that fell by more than is usually allowed was let pass on purpose: its new share is what counts.

    >>> before = Health(1000, 1000, {"score": 0.92, "source": 0.80})
    >>> remembered(Health(1000, 1000, {"score": 0.90, "source": 0.10}), before, usual=0.25).filled
    {'score': 0.92, 'source': 0.1}
    """
    if not _same_crawl(now, before):
        return now
    let_pass = emptied(now, before, usual)
    best = {
        name: share if name in let_pass else max(share, before.filled.get(name, 0.0))
        for name, share in now.filled.items()
    }
    return Health(now.rows, now.pages, best)


def _same_crawl(now: Health, before: Health) -> bool:
    return before.pages <= SAME_CRAWL * now.pages and now.pages <= SAME_CRAWL * before.pages


def _beyond_chance(former: float, present: float, rows_before: int, rows_now: int) -> bool:
    """Return whether two shares of so many rows differ by more than chance explains."""
    if not rows_before or not rows_now:
        return False  # without rows there are no fields; rows are judged apart
    if not present and former * min(rows_before, rows_now) >= ENOUGH:
        return True
    common = (former * rows_before + present * rows_now) / (rows_before + rows_now)
    error = math.sqrt(common * (1 - common) * (1 / rows_before + 1 / rows_now))
    return former - present > BEYOND_CHANCE * error


def expected_rows(now: Health, before: Health) -> float:
    """Return how many rows the pages of now would have given before.

    >>> expected_rows(Health(rows=40, pages=20, filled={}), Health(rows=300, pages=10, filled={}))
    600.0
    """
    return before.rows * now.pages / before.pages if before.pages else 0.0


def dwindled(now: Health, before: Health, allowed: float) -> bool:
    """Return whether pages give fewer rows than before, by more than a part that is allowed.

    >>> before = Health(rows=300, pages=10, filled={})
    >>> dwindled(Health(rows=179, pages=12, filled={}), before, allowed=0.5)
    True
    >>> dwindled(Health(rows=180, pages=12, filled={}), before, allowed=0.5)
    False
    """
    expected = expected_rows(now, before)
    limit = allowed if _same_crawl(now, before) else max(allowed, OTHER_CRAWL_DROP)
    return expected >= ENOUGH and expected - now.rows > limit * expected
