"""Which released titles a story reads like, and whether its words are those of the corpus at all.

Belongs here: comparison of one new text with the corpus. Does not: comparisons within the corpus (comparables.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

SHOWN = 5
NEARLY = 0.5  # a failure stands in for the last neighbour when it is at least half as near
FAILURES = 0.25  # the lowest quarter of scores
FEWEST_USES = 2  # franchises that use a word before it counts as known
STRANGE = 0.01  # fewer known words than all but this share of titles
ENOUGH = 0.8  # no text is strange when so many of its words are known, however alike the titles of a corpus are


@dataclass(frozen=True)
class Neighbour:
    """A released title near to a pitch."""

    anime_id: int
    similarity: float
    failed: bool


@dataclass(frozen=True)
class Neighbourhood:
    """The words of a corpus, ready to be compared with a text."""

    ids: np.ndarray
    scores: np.ndarray
    cluster_ids: np.ndarray
    counter: Any  # words of a text to counts
    weights: Any  # counts to TF-IDF
    space: Any  # one TF-IDF row for each title
    known: np.ndarray  # which words enough franchises use
    usual_share: float  # of known words, in all but the strangest titles, and never more than ENOUGH

    @classmethod
    def of(cls, corpus: pl.DataFrame, clusters: pl.DataFrame) -> "Neighbourhood":
        """Return the neighbourhood of a corpus."""
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

        titles = corpus.join(clusters.select("anime_id", "cluster_id"), on="anime_id", how="inner", validate="1:1")
        counter = CountVectorizer(stop_words="english")
        counts = counter.fit_transform(titles["synopsis"].to_list())
        weights = TfidfTransformer()
        cluster_ids = titles["cluster_id"].to_numpy()
        uses = _franchises_with(counts, cluster_ids)
        return cls(
            ids=titles["anime_id"].to_numpy(),
            scores=titles["score"].to_numpy(),
            cluster_ids=cluster_ids,
            counter=counter,
            weights=weights,
            space=weights.fit_transform(counts),
            known=uses >= FEWEST_USES,
            usual_share=_usual_share(counts, uses),
        )

    def nearest(self, story: str) -> list[Neighbour]:
        """Return the nearest titles, one of each franchise; at least one failed, if any near one did."""
        similar = (self.space @ self.weights.transform(self.counter.transform([story])).T).toarray().ravel()
        bar = float(np.quantile(self.scores, FAILURES))
        near = [
            Neighbour(int(self.ids[row]), min(1.0, float(similar[row])), bool(self.scores[row] < bar))
            for row in self._one_of_each_franchise(similar)
        ]
        shown, further = near[:SHOWN], near[SHOWN:]
        if not further or any(neighbour.failed for neighbour in shown):
            return shown
        *nearer, last = shown
        failures = (other for other in further if other.failed and other.similarity >= NEARLY * last.similarity)
        return [*nearer, next(failures, last)]

    def _one_of_each_franchise(self, similar: np.ndarray) -> Iterator[int]:
        """Yield rows that share a word with the text, nearest first."""
        met: set[int] = set()
        for row in np.argsort(-similar, kind="stable"):
            if similar[row] <= 0:
                return
            if self.cluster_ids[row] not in met:
                met.add(self.cluster_ids[row])
                yield int(row)

    def known_share(self, story: str) -> float:
        """Return the share of a text's different words, common English aside, that the corpus knows."""
        words = set(self.counter.build_analyzer()(story))
        places = [place for word in words if (place := self.counter.vocabulary_.get(word)) is not None]
        return float(np.count_nonzero(self.known[places])) / len(words) if words else 0.0


def _franchises_with(counts: Any, cluster_ids: np.ndarray) -> np.ndarray:
    """Return how many franchises use each word."""
    from scipy.sparse import csr_matrix

    _, franchise = np.unique(cluster_ids, return_inverse=True)
    titles = np.arange(len(franchise))
    gathered = csr_matrix((np.ones(len(titles)), (franchise, titles))) @ counts
    return np.asarray((gathered > 0).sum(axis=0)).ravel()


def _usual_share(counts: Any, uses: np.ndarray) -> float:
    """Return the share of known words of the strangest titles, each judged by the other franchises."""
    present = (counts > 0).astype(np.float64)
    words = np.asarray(present.sum(axis=1)).ravel()
    known = present @ (uses - 1 >= FEWEST_USES).astype(np.float64)
    return min(ENOUGH, float(np.quantile(known[words > 0] / words[words > 0], STRANGE)))
