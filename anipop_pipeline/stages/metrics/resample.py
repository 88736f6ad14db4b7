"""The bootstrap over clusters: whole clusters are drawn with replacement, again and again.

Belongs here: drawing clusters, and what an interval and a p-value are. Does not: what is measured on a draw.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FEWEST_CLUSTERS = 5  # with fewer, resamples repeat each other and an interval would feign certainty
LOW, HIGH = 0.025, 0.975
BLOCK = 256  # draws that are held at once where only their sums are wanted


@dataclass(frozen=True)
class Draws:
    """How often each cluster was drawn; the first draw is the data themselves, each cluster once."""

    clusters: Integers
    counts: Floats

    def positions(self, cluster_ids: Integers) -> Integers:
        """Return the column of each row's cluster."""
        return np.searchsorted(self.clusters, cluster_ids).astype(np.int64)

    @cached_property
    def single(self) -> npt.NDArray[np.float32]:
        """The same counts in single precision, for products of whole numbers that it holds exactly."""
        return self.counts.astype(np.float32)


def draw(cluster_ids: Integers, *, samples: int, seed: int) -> Draws:
    """Return `samples` resamples of the clusters, drawn alike whoever asks.

    >>> draws = draw(np.array([7, 3, 3]), samples=2, seed=0)
    >>> draws.clusters.tolist(), draws.counts[0].tolist(), draws.counts.sum(axis=1).tolist()
    ([3, 7], [1.0, 1.0], [2.0, 2.0, 2.0])
    """
    clusters = np.unique(cluster_ids)
    return Draws(clusters, np.concatenate(list(resamples(clusters.size, samples=samples, seed=seed))))


def resamples(clusters: int, *, samples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each cluster was drawn, in blocks of draws; more samples begin with the same draws as fewer.

    >>> [block.shape for block in resamples(3, samples=300, seed=0)]
    [(1, 3), (256, 3), (44, 3)]
    """
    yield np.ones((1, clusters))
    generator = np.random.default_rng(seed)
    for first in range(0, samples, BLOCK):
        picks = (generator.integers(0, clusters, size=clusters) for _ in range(min(BLOCK, samples - first)))
        yield np.array([np.bincount(pick, minlength=clusters) for pick in picks], dtype=np.float64)


def interval(values: Floats, *, clusters: int) -> tuple[float, float] | tuple[None, None]:
    """Return the middle 95 % of the resampled values, or nothing where they cannot say.

    That is: too few clusters, or a metric that most resamples leave undefined.

    >>> interval(np.arange(41.0), clusters=30)
    (1.0, 39.0)
    >>> interval(np.arange(41.0), clusters=4)
    (None, None)
    """
    defined = values[np.isfinite(values)]
    if clusters < FEWEST_CLUSTERS or defined.size == 0 or defined.size < values.size / 2:
        return None, None
    low, high = np.quantile(defined, [LOW, HIGH])
    return float(low), float(high)


def p_value(differences: Floats) -> float:
    """Return how often chance alone moves a difference as far from its value as that value is from 0.

    The first entry is the difference itself, the others its resamples. Never 0: one more resample might have done it.

    >>> p_value(np.array([1.0, 0.9, 1.1, 1.2]))
    0.25
    >>> p_value(np.array([0.1, 0.9, -0.8, 0.1]))
    0.75
    """
    moved = np.abs(differences[1:] - differences[0])
    return float((1 + np.count_nonzero(moved >= abs(differences[0]))) / differences.size)
