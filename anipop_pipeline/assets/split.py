"""Assets of the split: what belongs together, and who is tested on what.

Belongs here: what clusters and splits are made from, and what of it Dagster shows. Does not: how they are drawn
(cluster), figures (statistics).
"""

import dagster as dg
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.config import SplitConfig
from anipop_pipeline.lake import Folder, reason_absent
from anipop_pipeline.resources import LakeResource
from anipop_pipeline.stages import cluster, labels, statistics
from anipop_pipeline.stages.features import FRANCHISE
from anipop_pipeline.stages.report import corpus_tables, markdown


@asset("split", kinds=("networkx",))
def clusters(
    corpus_anime: pl.DataFrame, corpus_roles: pl.DataFrame, config: SplitConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each anime: the connected component, over shared main characters, that it belongs to."""
    rows = cluster.clusters(corpus_anime, corpus_roles, FRANCHISE if config.franchises else ())
    return dg.MaterializeResult(
        value=Folder({"table.parquet": rows}, notes={"franchises": config.franchises}),
        metadata={"components": rows["cluster_id"].n_unique(), "largest": rows["size"].sort()[-1]},
    )


@asset("split", spare=("imported_split",))
def splits(
    corpus_anime: pl.DataFrame, clusters: pl.DataFrame, imported_split: pl.DataFrame, config: SplitConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each anime in each fold of each split; the range of each label is in the manifest."""
    rows = cluster.splits(
        corpus_anime,
        cluster.outside_lockbox(clusters) if config.lockbox else clusters,
        seed=config.seed,
        test_share=config.test_share,
        repeats=config.repeats,
        folds=config.folds,
        temporal_share=config.temporal_share,
        imported=None if reason_absent(imported_split) else imported_split,
    )
    return dg.MaterializeResult(
        value=Folder({"table.parquet": rows}, notes={"label_ranges": labels.ranges(corpus_anime)})
    )


@asset("split", on_import="keep")
def imported_split(lake: LakeResource) -> dg.MaterializeResult[Folder]:
    """One row for each anime that an import has placed in train or test itself; a crawl places none."""
    return dg.MaterializeResult(value=Folder(absent=f"{lake.site} is crawled, and brings no split"))


@asset("split", tolerant=True)
def split_statistics(
    corpus_anime: pl.DataFrame,
    corpus_characters: pl.DataFrame,
    corpus_roles: pl.DataFrame,
    clusters: pl.DataFrame,
    splits: pl.DataFrame,
    imported_split: pl.DataFrame,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each figure that compares train and test, beside the published one, and beside a split of its own."""
    drawn = statistics.split_statistics(corpus_anime, corpus_characters, corpus_roles, clusters, splits)
    brought = (
        []
        if reason_absent(imported_split)
        else [
            *statistics.describe_parts(
                corpus_anime, corpus_characters, corpus_roles, imported_split, corpus_tables.IMPORTED
            ),
            cluster.compared(imported_split, clusters, corpus_roles, splits),
        ]
    )
    figures = statistics.finish([drawn, *brought])
    shown = corpus_tables.of_split(figures)
    return dg.MaterializeResult(
        value=figures, metadata={name: dg.MetadataValue.md(markdown.passage([table])) for name, table in shown.items()}
    )


ASSETS = [clusters, splits, imported_split, split_statistics]
