"""Tables of what belongs together and who is tested on what.

Belongs here: columns, types, keys and rules of clusters and splits. Does not: how they are drawn.
"""

import dataframely as dy
import polars as pl

SPLITS = ["published", "grouped", "temporal"]


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
    seen = dy.Bool(description="a test row whose cluster has rows in train, too (temporal alone)")

    @dy.rule()
    def only_temporal_may_see(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules take the class
        """Keep clusters whole wherever time does not forbid it."""
        return ~pl.col("seen") | (pl.col("split") == "temporal")


class ImportedSplit(dy.Schema):
    """One row for each anime that a site's own split places, where a site brings one."""

    anime_id = dy.Int64(primary_key=True, min=1)
    part = dy.Enum(["train", "test"])
