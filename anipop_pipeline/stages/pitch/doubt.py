"""How sure an estimate is, learned from how wrong the same experiment was on titles that it had not seen.

Belongs here: out-of-fold residuals and what follows from them. Does not: the estimate itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from anipop_pipeline.stages.metrics.catalogue import FEWEST_ROWS, NEGLIGIBLE

COVERAGES = (0.5, 0.8, 0.95)
SCALES = {"score": (1.0, 10.0), "audience": (0.0, 1.0)}
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Interval:
    """Where a released title of such an estimate would be expected to lie."""

    coverage: float
    low: float
    high: float
    later_coverage: float | None  # share of later titles that intervals of this width held; None where not measured


@dataclass(frozen=True)
class Estimate:
    """A label's estimate with its intervals, and what estimates of this kind were worth."""

    value: float
    intervals: tuple[Interval, ...]
    r2_score: float | None
    titles: int

    def interval(self, coverage: float) -> Interval:
        """Return one of the intervals."""
        return next(interval for interval in self.intervals if interval.coverage == coverage)


@dataclass(frozen=True)
class TrackRecord:
    """What an experiment said of titles out of fold, beside what came true."""

    label: str
    predicted: Mapping[int, float]  # by anime_id, split `grouped`
    residuals: Floats  # actual less predicted, split `grouped`
    later_residuals: Floats  # the same for titles later than all that the fit had seen, split `temporal`
    actual_variance: float

    @classmethod
    def of(cls, predictions: pl.DataFrame, corpus: pl.DataFrame, label: str) -> "TrackRecord | None":
        """Return the record on one label; None where the experiment was never tested on it."""
        told = predictions.filter((pl.col("label") == label) & (pl.col("repeat") == 0)).join(
            corpus.select("anime_id", actual=pl.col(label)).drop_nulls(), on="anime_id", how="inner", validate="m:1"
        )
        grouped = told.filter(pl.col("split") == "grouped")
        if grouped.is_empty():
            return None
        return cls(
            label,
            dict(grouped.select("anime_id", "predicted").iter_rows()),
            _residuals(grouped),
            _residuals(told.filter(pl.col("split") == "temporal")),
            float(np.var(grouped["actual"].to_numpy())),
        )

    @property
    def r2_score(self) -> float | None:
        """Return the share of the label's variance that was explained out of fold; None where it is not defined."""
        if self.residuals.size < FEWEST_ROWS or self.actual_variance <= NEGLIGIBLE:
            return None
        return 1 - float(np.mean(self.residuals**2)) / self.actual_variance

    def estimate(self, value: float) -> Estimate:
        """Return an estimate with split-conformal intervals of 50, 80 and 95 %.

        The half-width is the ceil((n + 1) * coverage)-th smallest absolute residual out of n; with fewer residuals
        than that, the interval is the label's whole scale.

        Covered: were a pitch drawn like the titles of the corpus, the interval of such pitches would hold the truth
        at least that often, on average over all of them. Not covered:

        - a pitch is not drawn like them: it lies in the future, and its text was not written by fans after release
          (`later_coverage` tells how such intervals fared on later titles, whose texts are still of that kind);
        - the average hides groups: films, sequels or unusual stories may be missed more often;
        - titles of one series are wrong together, so the number of independent residuals is smaller than n;
        - residuals come from fits on a part of the corpus, the estimate from a fit on all of it, which is slightly
          better: this errs on the wide side;
        - a title that is never released, or never scored, has no score at all.
        """
        return Estimate(
            value, tuple(self._around(value, coverage) for coverage in COVERAGES), self.r2_score, self.residuals.size
        )

    def _around(self, value: float, coverage: float) -> Interval:
        width = radius(np.abs(self.residuals), coverage)
        low, high = SCALES[self.label]
        later = float(np.mean(np.abs(self.later_residuals) <= width)) if self.later_residuals.size else None
        return Interval(coverage, max(low, value - width), min(high, value + width), later)

    def chance_above(self, value: float, bar: float) -> float:
        """Return how often an estimate of this value ended above a bar, judged by all residuals alike.

        One residual more is counted half on each side, so that no chance is ever 0 or 1.
        """
        above = float(np.count_nonzero(value + self.residuals > bar))
        return (above + 0.5) / (self.residuals.size + 1)


def radius(errors: Floats, coverage: float) -> float:
    """Return the split-conformal half-width: an order statistic of absolute errors, infinite where too few.

    >>> radius(np.array([0.1, 0.4, 0.2, 0.3]), 0.8), radius(np.array([0.1, 0.4, 0.2, 0.3]), 0.95)
    (0.4, inf)
    """
    place = math.ceil((errors.size + 1) * coverage - 1e-9)  # 0.8 of 5 is 4, whatever floats make of it
    return float(np.partition(errors, place - 1)[place - 1]) if place <= errors.size else math.inf


def percentile(value: float, among: Floats) -> float:
    """Return the share of values below one, counting equals half.

    >>> percentile(7.0, np.array([6.0, 7.0, 7.0, 8.0]))
    0.5
    """
    below, equal = np.count_nonzero(among < value), np.count_nonzero(among == value)
    return float((below + 0.5 * equal) / among.size)


def _residuals(tested: pl.DataFrame) -> Floats:
    return np.asarray((tested["actual"] - tested["predicted"]).to_numpy(), dtype=np.float64)
