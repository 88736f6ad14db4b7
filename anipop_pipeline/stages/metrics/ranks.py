"""Correlations of order, exact on every resample, for all resamples at once.

A row that is drawn w times counts as w rows with the same value: ranks are those of the resample, ties included, not
the ranks of the data carried over. Spearman's coefficient costs rows times draws. Kendall's tau-b is a quadratic form
of the clusters' counts: the signs of all pairs of rows are added up by cluster, block by block so that memory stays
small, and one matrix product serves every draw. That is quadratic in rows, and still faster up to tens of thousands
than sorting each resample by itself.

Belongs here: Spearman and Kendall. Does not: metrics that are averages over rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anipop_pipeline.stages.metrics.resample import Draws, Floats, Integers

DRAWS_AT_ONCE = 64
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Levels:
    """Rows in the order of their values; equal values share a level."""

    order: Integers
    starts: Integers
    level: Integers

    def weights(self, row_weights: Floats) -> Floats:
        """Return how many rows of each draw lie on each level."""
        ordered = row_weights[:, self.order]
        tied = self.starts.size < self.order.size
        return np.add.reduceat(ordered, self.starts, axis=1) if tied else ordered


def levels(values: Floats) -> Levels:
    """Return the levels of some values.

    >>> levels(np.array([5.0, 2.0, 5.0])).level.tolist()
    [1, 0, 1]
    """
    order = np.argsort(values, kind="stable").astype(np.int64)
    distinct, level = np.unique(values, return_inverse=True)
    return Levels(order, np.searchsorted(values[order], distinct).astype(np.int64), level.astype(np.int64))


def spearman(actual: Floats, predicted: Floats, position: Integers, draws: Draws) -> Floats:
    """Return the rank correlation in each draw; nan where a draw holds one value alone.

    `position` is each row's column in the draws.
    """
    rising, guessed = levels(actual), levels(predicted)
    chunks = [_rank_correlation(rising, guessed, counts[:, position]) for counts in _chunks(draws.counts)]
    return np.concatenate(chunks)


def kendall(actual: Floats, predicted: Floats, position: Integers, draws: Draws) -> Floats:
    """Return tau-b in each draw: agreement of pairs, corrected for ties; nan where a draw holds one value alone."""
    rising, guessed = levels(actual), levels(predicted)
    pairs = [
        _untied_pairs(rising, weights) * _untied_pairs(guessed, weights)
        for weights in (counts[:, position] for counts in _chunks(draws.counts))
    ]
    return _ratio(_agreement(actual, predicted, position, draws), np.sqrt(np.concatenate(pairs)))


def _chunks(counts: Floats) -> Iterator[Floats]:
    yield from (counts[start : start + DRAWS_AT_ONCE] for start in range(0, len(counts), DRAWS_AT_ONCE))


def _rank_correlation(rising: Levels, guessed: Levels, weights: Floats) -> Floats:
    rank_actual, spread_actual = _centred_ranks(rising.weights(weights))
    rank_predicted, spread_predicted = _centred_ranks(guessed.weights(weights))
    product = rank_actual[:, rising.level] * rank_predicted[:, guessed.level]
    return _ratio(np.einsum("ij,ij->i", weights, product), np.sqrt(spread_actual * spread_predicted))


def _centred_ranks(weights: Floats) -> tuple[Floats, Floats]:
    """Return the mean rank of each level less the mean of all ranks, and the sum of squares over rows."""
    rank = np.cumsum(weights, axis=1)
    total = rank[:, -1:].copy()
    rank -= (weights + total) / 2
    return rank, np.einsum("ij,ij,ij->i", weights, rank, rank)


def _untied_pairs(values: Levels, weights: Floats) -> Floats:
    """Return twice the number of pairs that differ; copies of one row never do."""
    at_level = values.weights(weights)
    pairs: Floats = at_level.sum(axis=1) ** 2 - np.einsum("ij,ij->i", at_level, at_level)
    return pairs


def _agreement(actual: Floats, predicted: Floats, position: Integers, draws: Draws) -> Floats:
    """Return twice the number of pairs in the same order less twice those in opposite order."""
    by_cluster = np.argsort(position, kind="stable")
    present, starts = np.unique(position[by_cluster], return_index=True)
    counts = draws.single[:, present]
    ranks = [levels(values).level.astype(np.int32)[by_cluster] for values in (actual, predicted)]
    total = np.zeros(len(counts))
    for first, last in _blocks(starts):
        pairs = _signs_by_cluster(ranks, starts, first, last)
        own, later = counts[:, first:last], counts[:, last:]
        met = own @ pairs[:, : last - first] + 2 * (later @ pairs[:, last - first :].T)
        total += np.einsum("ij,ij->i", own, met, dtype=np.float64)
    return total


def _blocks(starts: npt.NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Yield ranges of clusters that hold some hundred rows together, or one larger cluster."""
    first = 0
    while first < starts.size:
        last = int(np.searchsorted(starts, starts[first] + ROWS_AT_ONCE))
        yield first, max(last, first + 1)
        first = max(last, first + 1)


def _signs_by_cluster(
    ranks: list[npt.NDArray[np.int32]], starts: npt.NDArray[np.intp], first: int, last: int
) -> npt.NDArray[np.float32]:
    """Return agreement less disagreement of a block's clusters (rows) with themselves and all later ones (columns)."""
    begin = starts[first]
    end = starts[last] if last < starts.size else len(ranks[0])
    signs = np.ones((end - begin, len(ranks[0]) - begin), dtype=np.int8)
    for rank in ranks:
        own, others = rank[begin:end, None], rank[None, begin:]
        signs *= (own > others).view(np.int8) - (own < others).view(np.int8)
    by_own = np.add.reduceat(signs, starts[first:last] - begin, axis=0, dtype=np.int32)
    return np.add.reduceat(by_own, starts[first:] - begin, axis=1).astype(np.float32)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return a correlation, nan where there is nothing to divide by."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
