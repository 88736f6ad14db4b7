"""Assets of the split: what belongs together, and who is tested on what.

Belongs here: what clusters and splits are made from. Does not: how they are drawn (cluster).
"""

import dagster as dg
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.config import SplitConfig
from anipop_pipeline.lake import Folder
from anipop_pipeline.stages import cluster
from anipop_pipeline.stages.tables.reports import LABELS


@asset("split", kinds=("networkx",))
def clusters(corpus_anime: pl.DataFrame, corpus_roles: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime: the connected component, over shared main characters, that it belongs to."""
    rows = cluster.clusters(corpus_anime, corpus_roles)
    return dg.MaterializeResult(
        value=rows, metadata={"components": rows["cluster_id"].n_unique(), "largest": rows["size"].sort()[-1]}
    )


@asset("split")
def splits(corpus_anime: pl.DataFrame, clusters: pl.DataFrame, config: SplitConfig) -> dg.MaterializeResult[Folder]:
    """One row for each anime in each fold of each split; the range of each label is in the manifest."""
    rows = cluster.splits(
        corpus_anime,
        cluster.outside_lockbox(clusters) if config.lockbox else clusters,
        seed=config.seed,
        test_share=config.test_share,
        repeats=config.repeats,
        folds=config.folds,
        temporal_share=config.temporal_share,
    )
    ranges = {label: [corpus_anime[label].min(), corpus_anime[label].max()] for label in LABELS}
    return dg.MaterializeResult(value=Folder({"table.parquet": rows}, notes={"label_ranges": ranges}))


@asset("split", tolerant=True)
def split_statistics(
    corpus_anime: pl.DataFrame, corpus_characters: pl.DataFrame, corpus_roles: pl.DataFrame, splits: pl.DataFrame
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each figure that compares train and test, beside the published one."""
    return dg.MaterializeResult(value=cluster.split_statistics(corpus_anime, corpus_characters, corpus_roles, splits))


ASSETS = [clusters, splits, split_statistics]
