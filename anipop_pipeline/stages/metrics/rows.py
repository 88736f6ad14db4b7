"""Predictions beside what came true.

Belongs here: joining predictions with labels, clusters and splits, and the refusal of rows that do not fit together.
Does not: any metric.
"""

import polars as pl

from anipop_pipeline.errors import MixedGenerations
from anipop_pipeline.stages import labels

FIT = ["split", "repeat", "fold"]
ROW = [*FIT, "anime_id"]


def tested(
    predictions: pl.DataFrame, corpus: pl.DataFrame, clusters: pl.DataFrame, splits: pl.DataFrame
) -> pl.DataFrame:
    """Return each prediction with its label, its cluster, and the mean label of the rows that its fit was trained on.

    A prediction of an anime that the split does not test, or that has no label, is an error: it was made from other
    tables than those at hand.
    """
    truth = labels.long(corpus)
    splits = splits.with_columns(pl.col("split", "part").cast(pl.String))
    tests = splits.filter(pl.col("part") == "test").select([*ROW, "seen"])
    rows = (
        predictions.with_columns(pl.col("label", "split").cast(pl.String))
        .join(tests, on=ROW, how="left", validate="m:1")
        .join(truth, on=["anime_id", "label"], how="left", validate="m:1")
        .join(clusters.select("anime_id", "cluster_id"), on="anime_id", how="left", validate="m:1")
        .join(_train_means(splits, truth), on=[*FIT, "label"], how="left", validate="m:1")
    )
    _refuse_strangers(rows)
    return rows


def spans(rows: pl.DataFrame, corpus: pl.DataFrame, *, own_range: bool) -> pl.DataFrame:
    """Return the rows with `span`, the width of the label's range that becomes 0..1."""
    width = (pl.col("actual").max() - pl.col("actual").min()).alias("span")
    if own_range:
        return rows.with_columns(width.over("label", "split", "repeat"))
    return rows.join(labels.long(corpus).group_by("label").agg(width), on="label", how="left", validate="m:1")


def _train_means(splits: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return the mean label of each temporal fit's train rows; elsewhere the test mean says the same."""
    train = splits.filter((pl.col("part") == "train") & (pl.col("split") == "temporal")).select(ROW)
    return train.join(truth, on="anime_id").group_by([*FIT, "label"]).agg(train_mean=pl.col("actual").mean())


def _refuse_strangers(rows: pl.DataFrame) -> None:
    for column, lack in (
        ("seen", "is no test row of its split"),
        ("actual", "has no label"),
        ("cluster_id", "has no cluster"),
    ):
        strangers = rows.filter(pl.col(column).is_null())
        if strangers.height:
            who = strangers.row(0, named=True)
            where = f"{who['experiment']}, {who['label']}, {who['split']}, repeat {who['repeat']}, fold {who['fold']}"
            raise MixedGenerations(
                f"anime {who['anime_id']} was predicted but {lack} ({strangers.height} such rows)",
                where=where,
                fix="materialise the models again from the splits at hand",
            )
