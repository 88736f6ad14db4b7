"""Tables of what belongs together and who is tested on what.

Belongs here: columns, types, keys and rules of clusters and splits, and which of their rows are quoted. Does not: how
they are drawn.
"""

import dataframely as dy
import polars as pl

AUTHORS = "authors"  # the split that a site brings, where it brings one
SPLITS = ["published", "grouped", "temporal", AUTHORS]
MAY_TEAR = ("temporal", AUTHORS)  # time and strangers part what belongs together, and mark it


class Clusters(dy.Schema):
    """One row for each anime of the corpus: the connected component that it belongs to."""

    anime_id = dy.Int64(primary_key=True, min=1)
    cluster_id = dy.Int64(min=1, description="smallest anime_id of the component")
    size = dy.Int64(min=1, description="anime in the component")


class Splits(dy.Schema):
    """One row for each anime in each fold of each repeat of each split."""

    split = dy.Enum(SPLITS, primary_key=True)
    repeat = dy.Int64(primary_key=True, min=0, description="0 is the one to quote; others use further seeds")
    fold = dy.Int64(primary_key=True, min=0)
    anime_id = dy.Int64(primary_key=True, min=1)
    part = dy.Enum(["train", "test"])
    seen = dy.Bool(description="a test row whose cluster has rows in train, too (temporal and authors)")

    @dy.rule()
    def only_time_and_authors_may_see(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules take the class
        """Keep clusters whole wherever neither time nor a site's own split forbids it."""
        return ~pl.col("seen") | pl.col("split").is_in(MAY_TEAR)


class ImportedSplit(dy.Schema):
    """One row for each anime that a site's own split places, where a site brings one."""

    anime_id = dy.Int64(primary_key=True, min=1)
    part = dy.Enum(["train", "test"])


def quoted(rows: pl.DataFrame, split: str = "published") -> pl.DataFrame:
    """Return the rows of a split, or of predictions on it, that are quoted: those of its first draw.

    >>> rows = pl.DataFrame({"split": ["published", "published", "grouped"], "repeat": [0, 1, 0]})
    >>> quoted(rows).height
    1
    """
    return rows.filter(pl.col("split") == split, pl.col("repeat") == 0)


def split_of_the_papers(splits: pl.DataFrame) -> str:
    """Return the split that the papers' figures belong to: the one that a site brings, else the one drawn like it.

    >>> split_of_the_papers(pl.DataFrame({"split": ["grouped", "published"]}))
    'published'
    """
    return AUTHORS if AUTHORS in splits["split"].cast(pl.String) else "published"
