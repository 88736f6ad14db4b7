"""The table of metrics: one entry each, computed on every draw of a fit's test rows.

A name ends in `_error` (lower is better) or `_score` (higher is better); `unit_` errors are on the scale 0..1.
A metric that is not defined is nan here and null in tables: a score of fewer than three rows, of labels that are all
alike, a correlation of predictions that are constant in every fold (whatever order the pooled folds seem to have comes
from the means of their train parts), a percentage of a label that is 0.

Belongs here: metrics. Does not: intervals, comparisons.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from anipop_pipeline.stages.metrics.ranks import kendall, spearman
from anipop_pipeline.stages.metrics.resample import Draws, Floats, Integers

FEWEST_ROWS = 3
NEGLIGIBLE = 1e-12  # of the spread of the data: what is left of a variance that ought to be 0


@dataclass(frozen=True)
class Sample:
    """The test rows of one fit, on every draw of their clusters."""

    actual: Floats
    predicted: Floats
    train_mean: Floats
    span: float
    ranks_nothing: bool
    position: Integers
    draws: Draws

    @classmethod
    def of(cls, fit: pl.DataFrame, draws: Draws) -> "Sample":
        """Return the rows of one seed; see `rows.tested` for their columns."""
        actual, predicted = fit["actual"].to_numpy(), fit["predicted"].to_numpy()
        return cls(
            actual=actual,
            predicted=predicted,
            train_mean=fit["train_mean"].fill_null(float("nan")).to_numpy(),
            span=float(fit["span"].item(0)),
            ranks_nothing=_constant_in_every_fold(fit),
            position=draws.positions(fit["cluster_id"].to_numpy()),
            draws=draws,
        )

    @cached_property
    def rows(self) -> Floats:
        """How many rows each draw has."""
        return self.total(np.ones_like(self.actual))

    def total(self, values: Floats) -> Floats:
        """Return the sum over the rows of each draw."""
        by_cluster = np.bincount(self.position, weights=values, minlength=self.draws.clusters.size)
        return self.draws.counts @ by_cluster

    def mean(self, values: Floats) -> Floats:
        """Return the mean over the rows of each draw; nan for a draw without rows."""
        return np.divide(self.total(values), self.rows, out=np.full_like(self.rows, np.nan), where=self.rows > 0)

    def covariance(self, one: Floats, other: Floats) -> Floats:
        """Return the covariance in each draw; rounding is kept small by centring first."""
        one, other = one - one.mean(), other - other.mean()
        return self.mean(one * other) - self.mean(one) * self.mean(other)

    @property
    def orders(self) -> bool:
        """Whether there is any order to compare."""
        return self.actual.size >= FEWEST_ROWS and not self.ranks_nothing

    @property
    def undefined(self) -> Floats:
        """No value on any draw."""
        return np.full(len(self.draws.counts), np.nan)


def _constant_in_every_fold(fit: pl.DataFrame) -> bool:
    predicted = pl.col("predicted")
    spread = (predicted.max() - predicted.min()) > NEGLIGIBLE * predicted.abs().max()
    return not fit.group_by("fold").agg(spread.alias("spread"))["spread"].any()


def squared(sample: Sample) -> Floats:
    """Return the mean squared error."""
    return sample.mean((sample.predicted - sample.actual) ** 2)


def absolute(sample: Sample) -> Floats:
    """Return the mean absolute error."""
    return sample.mean(np.abs(sample.predicted - sample.actual))


def percentage(sample: Sample) -> Floats:
    """Return the mean error in percent of the label."""
    if np.any(sample.actual == 0):
        return sample.undefined
    return 100 * sample.mean(np.abs((sample.predicted - sample.actual) / sample.actual))


def on_unit_scale(values: Floats, width: float) -> Floats:
    """Return an error divided by the width of the label's range."""
    return values / width if width > 0 else np.full_like(values, np.nan)


def determination(sample: Sample) -> Floats:
    """Return R2: the share of the variance around the mean of each draw's rows that is explained."""
    if sample.actual.size < FEWEST_ROWS:
        return sample.undefined
    return _explained(squared(sample), sample.covariance(sample.actual, sample.actual), sample)


def determination_from_train(sample: Sample) -> Floats:
    """Return R2 against the mean of the train rows: what a forecaster could have said beforehand."""
    if sample.actual.size < FEWEST_ROWS:
        return sample.undefined
    return _explained(squared(sample), sample.mean((sample.actual - sample.train_mean) ** 2), sample)


def _explained(error: Floats, floor: Floats, sample: Sample) -> Floats:
    least = NEGLIGIBLE * float(np.var(sample.actual))
    ratio = np.divide(error, floor, out=np.full_like(error, np.nan), where=floor > least)
    return 1 - ratio


def pearson(sample: Sample) -> Floats:
    """Return the linear correlation."""
    if not sample.orders:
        return sample.undefined
    one, other = sample.actual, sample.predicted
    below = sample.covariance(one, one) * sample.covariance(other, other)
    least = NEGLIGIBLE * float(np.var(one)) * float(np.var(other))
    root = np.sqrt(np.where(below > least, below, np.nan))
    return np.clip(sample.covariance(one, other) / root, -1, 1)


def by_order(correlation: Callable[[Floats, Floats, Integers, Draws], Floats]) -> Callable[[Sample], Floats]:
    """Return a metric that compares the order of rows."""

    def metric(sample: Sample) -> Floats:
        if not sample.orders:
            return sample.undefined
        return correlation(sample.actual, sample.predicted, sample.position, sample.draws)

    return metric


METRICS: dict[str, Callable[[Sample], Floats]] = {
    "mean_squared_error": squared,
    "root_mean_squared_error": lambda sample: np.sqrt(squared(sample)),
    "mean_absolute_error": absolute,
    "mean_absolute_percentage_error": percentage,
    "unit_mean_squared_error": lambda sample: on_unit_scale(squared(sample), sample.span**2),
    "unit_mean_absolute_error": lambda sample: on_unit_scale(absolute(sample), sample.span),
    "r2_score": determination,
    "pearson_score": pearson,
    "spearman_score": by_order(spearman),
    "kendall_score": by_order(kendall),
}

# Elsewhere the train part is drawn like the test part, and both means say the same.
TEMPORAL = {"r2_train_mean_score": determination_from_train}


def measure(sample: Sample) -> dict[str, Floats]:
    """Return every metric on every draw; the first entry of each is the value on the rows themselves."""
    dated = bool(np.isfinite(sample.train_mean).all())
    return {name: metric(sample) for name, metric in (METRICS | TEMPORAL if dated else METRICS).items()}
