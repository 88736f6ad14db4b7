"""What predictions are worth: metrics, how sure they are, and whether they beat the baselines.

Every number comes with a 95 % interval from a bootstrap over clusters, because sequels rise and fall together. Such an
interval says what other titles of the same kind would have given; it does not contain what re-training would change.
All experiments see the same resamples, so that their differences are paired. Where an experiment has several seeds, the
metric is averaged over its seeds, never the predictions: an average of models would be another, better model.

`rows` puts predictions beside what came true, `resample` draws clusters, `ranks` are correlations of order, `catalogue`
is the table of metrics, `compare` sets experiments against baselines.

Belongs here: from predictions to metrics. Does not: predicting, or how results are shown.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import polars as pl

from anipop_pipeline.stages.metrics.catalogue import Sample, measure
from anipop_pipeline.stages.metrics.compare import BASELINES, against_baselines, holm
from anipop_pipeline.stages.metrics.resample import Draws, Floats, draw, interval
from anipop_pipeline.stages.metrics.rows import spans, tested
from anipop_pipeline.stages.tables.reports import Comparisons, Metrics, SeedSpread
from anipop_pipeline.stages.tables.split import MAY_TEAR

__all__ = ["BASELINES", "Scores", "holm", "score"]


@dataclass(frozen=True)
class Scores:
    """Metrics of every experiment, their spread over repeats, and paired comparisons with the baselines."""

    metrics: pl.DataFrame
    seeds: pl.DataFrame
    comparisons: pl.DataFrame


def score(
    predictions: pl.DataFrame,
    corpus: pl.DataFrame,
    clusters: pl.DataFrame,
    splits: pl.DataFrame,
    *,
    samples: int,
    seed: int,
    own_range: bool = False,
) -> Scores:
    """Return what all predictions are worth, with intervals from `samples` resamples of clusters.

    Repeat 0 of each split is the one to quote; where there are further repeats, `seeds` says how far they lie apart.
    Errors named `unit_` are on the scale 0..1, between the smallest and the largest label of the corpus; with
    `own_range` between those of the test rows themselves, as the published figures were.
    """
    rows = spans(tested(predictions, corpus, clusters, splits), corpus, own_range=own_range)
    quoted = rows.filter(pl.col("repeat") == 0)
    with _one_thread():
        return Scores(
            metrics=Metrics.validate(_table(Metrics, _quoted(quoted, samples, seed)), cast=True),
            seeds=SeedSpread.validate(_spread(rows), cast=True),
            comparisons=Comparisons.validate(_table(Comparisons, _compared(quoted, samples, seed)), cast=True),
        )


def _one_thread() -> AbstractContextManager[object]:
    """Keep matrix products on one thread: they are many and small, and on a busy machine threads mostly wait."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


def _table(schema: type[Metrics | Comparisons], rows: Iterator[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=schema.create_empty().schema).sort(schema.primary_key())


def _quoted(rows: pl.DataFrame, samples: int, seed: int) -> Iterator[dict[str, object]]:
    for (label, split), tests in _parts(rows, "label", "split"):
        for group, members in _groups(tests, str(split)):
            draws = draw(members["cluster_id"].to_numpy(), samples=samples, seed=seed)
            for (experiment,), own in _parts(members, "experiment"):
                key = {"experiment": experiment, "label": label, "split": split, "group": group}
                rows_behind = own.select("fold", "anime_id").n_unique()
                for metric, values in _over_seeds(own, draws).items():
                    yield key | _estimate(metric, values, own["cluster_id"].n_unique()) | {"rows": rows_behind}


def _groups(tests: pl.DataFrame, split: str) -> Iterator[tuple[str, pl.DataFrame]]:
    yield "all", tests
    if split in MAY_TEAR:
        yield from (
            (name, members)
            for name, members in (("seen", tests.filter("seen")), ("unseen", tests.filter(~pl.col("seen"))))
            if members.height
        )


def _over_seeds(own: pl.DataFrame, draws: Draws) -> dict[str, Floats]:
    by_seed = [measure(Sample.of(fit, draws)) for _, fit in _parts(own, "seed")]
    return {metric: np.mean([values[metric] for values in by_seed], axis=0) for metric in by_seed[0]}


def _estimate(metric: str, values: Floats, clusters: int) -> dict[str, object]:
    value = float(values[0])
    low, high = interval(values[1:], clusters=clusters) if np.isfinite(value) else (None, None)
    return {"metric": metric, "value": value if np.isfinite(value) else None, "low": low, "high": high}


def _compared(rows: pl.DataFrame, samples: int, seed: int) -> Iterator[dict[str, object]]:
    for (label, split), tests in _parts(rows, "label", "split"):
        for row in against_baselines(tests, samples=samples, seed=seed):
            yield {"label": label, "split": split} | row


def _spread(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the metrics of experiments that have several repeats, as mean, smallest and largest over the repeats."""
    key = ["experiment", "label", "split"]
    repeated = rows.filter(pl.col("repeat").n_unique().over(key) > 1)
    found = [
        {"experiment": experiment, "label": label, "split": split, "metric": metric, "value": values[0]}
        for (experiment, label, split, _), fit in _parts(repeated, *key, "repeat")
        for metric, values in _over_seeds(fit, draw(fit["cluster_id"].to_numpy(), samples=0, seed=0)).items()
    ]
    schema = dict.fromkeys([*key, "metric"], pl.String) | {"value": pl.Float64}
    values = pl.col("value").drop_nulls()
    return (
        pl.DataFrame(found, schema=schema)
        .with_columns(pl.col("value").fill_nan(None))
        .group_by([*key, "metric"])
        .agg(repeats=pl.len().cast(pl.Int64), mean=values.mean(), low=values.min(), high=values.max())
        .sort([*key, "metric"])
    )


def _parts(rows: pl.DataFrame, *by: str) -> Iterator[tuple[tuple[object, ...], pl.DataFrame]]:
    """Yield the rows of each combination, in sorted order, so that the order of the input never shows."""
    yield from rows.sort([*by, "fold", "anime_id"]).partition_by(by, as_dict=True, maintain_order=True).items()
