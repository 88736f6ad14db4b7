"""Experiments set against baselines, row by row.

Belongs here: paired differences and the correction for having made many. Does not: metrics of one experiment.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from anipop_pipeline.stages.metrics.resample import FEWEST_CLUSTERS, Floats, Integers, interval, p_value, resamples

BASELINES = ("mean", "length", "credit")
TEST = ["fold", "anime_id"]
DRAWS_FOR_EACH = 100  # so that the smallest corrected p-value, comparisons / draws, lies near 0.01


def against_baselines(tests: pl.DataFrame, *, samples: int, seed: int) -> Iterator[dict[str, object]]:
    """Yield each experiment's paired difference of mean squared error from each baseline that is there.

    Rows that only one of the two predicted are left aside; so is a pair with too few clusters for an interval. The
    resamples begin with those of the metrics and go on until Holm's correction has something to resolve.
    """
    errors = _squared_errors(tests)
    experiments = sorted(errors.keys() - set(BASELINES))
    pairs = [(one, baseline) for one in experiments for baseline in BASELINES if baseline in errors]
    common = {pair: _paired(errors[pair[0]], errors[pair[1]]) for pair in pairs}
    common = {pair: rows for pair, rows in common.items() if rows["cluster_id"].n_unique() >= FEWEST_CLUSTERS}
    if common:
        draws = max(samples, DRAWS_FOR_EACH * len(common))
        yield from _judged(common, np.unique(tests["cluster_id"].to_numpy()), samples=draws, seed=seed)


def _judged(
    common: dict[tuple[str, str], pl.DataFrame], clusters: Integers, *, samples: int, seed: int
) -> Iterator[dict[str, object]]:
    differences = _mean_differences(list(common.values()), clusters, samples=samples, seed=seed)
    p_values = [p_value(found) for found in differences]
    for (one, baseline), found, p, corrected in zip(common, differences, p_values, holm(p_values), strict=True):
        low, high = interval(found[1:], clusters=clusters.size)
        row = {"experiment": one, "baseline": baseline, "difference": float(found[0]), "low": low, "high": high}
        yield row | {"p_value": p, "p_corrected": corrected}


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values made larger so that all of them may be read together.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(p_values) else steps
    return [float(p) for p in corrected]


def _squared_errors(tests: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return each experiment's squared error on each test row, averaged over its seeds."""
    error = ((pl.col("predicted") - pl.col("actual")) ** 2).mean().alias("error")
    averaged = tests.group_by(["experiment", *TEST, "cluster_id"]).agg(error).sort(["experiment", *TEST])
    return {str(name): rows for (name,), rows in averaged.partition_by("experiment", as_dict=True).items()}


def _paired(one: pl.DataFrame, baseline: pl.DataFrame) -> pl.DataFrame:
    """Return the difference of squared errors on the rows that both predicted."""
    both = one.join(baseline.select([*TEST, "error"]), on=TEST, suffix="_baseline", validate="1:1")
    return both.select("cluster_id", gained=pl.col("error") - pl.col("error_baseline"))


def _mean_differences(common: Sequence[pl.DataFrame], clusters: Integers, *, samples: int, seed: int) -> list[Floats]:
    """Return each pair's mean difference in each draw that holds any of its rows; first on the rows themselves."""
    places = [np.searchsorted(clusters, rows["cluster_id"].to_numpy()) for rows in common]
    sizes = np.stack([np.bincount(place, minlength=clusters.size) for place in places], axis=1)
    sums = np.stack(
        [
            np.bincount(place, weights=rows["gained"].to_numpy(), minlength=clusters.size)
            for place, rows in zip(places, common, strict=True)
        ],
        axis=1,
    )
    blocks = [(block @ sums, block @ sizes) for block in resamples(clusters.size, samples=samples, seed=seed)]
    totals, rows_drawn = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    drawn = rows_drawn > 0
    return [totals[keep, pair] / rows_drawn[keep, pair] for pair, keep in enumerate(drawn.T)]
