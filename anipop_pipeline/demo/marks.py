"""How an audience marks a title: the weighted score, the plain mean behind it, who voted what, on which shelf it lies.

The site displays W = v / (v + 50) * S + 50 / (v + 50) * C: v votes of the plain mean S, and fifty more that think what
the site thinks on average. C is the planted mean of all scores, 6.6, and does not move with the world, so that a
displayed score can be worked back from the votes. The votes of a histogram are whole, so their sum meets the plain
mean within half a vote; of a scored title the displayed score comes back to the last decimal.

Belongs here: arithmetic on votes and marks. Does not: how many vote (world, ageing), or how it is shown (stats).
"""

import math
import random
from collections.abc import Sequence

from anipop_pipeline.demo.records import Anime

MEAN, LOWEST, HIGHEST = 6.6, 1.5, 9.3
"""What all scores are drawn around, which is C, and the bounds of a displayed score."""
DOUBT = 50
"""How many votes for the mean are added to those of the audience."""
MARKS = range(1, 11)
ENOUGH = 100
"""With fewer votes a title shows no score."""
STEEPEST = 40.0
SHELVES = ("Watching", "Completed", "On-Hold", "Dropped", "Plan to Watch")


def weighted(plain: float, votes: int) -> float:
    """Return the score that is displayed for a plain mean.

    >>> weighted(8.1, 200)
    7.8
    """
    return (votes * plain + DOUBT * MEAN) / (votes + DOUBT)


def plain_mean(anime: Anime) -> float:
    """Return the mean of the marks behind a displayed score; without one, what the title's planted truth says."""
    if anime.score is None:
        return min(max(MEAN + anime.components.total, 1.0), 10.0)
    plain = (anime.score * (anime.votes + DOUBT) - DOUBT * MEAN) / anime.votes
    return min(max(plain, 1.0), 10.0)


def histogram(anime: Anime, seed: int) -> tuple[int, ...]:
    """Return how many voted 1, 2, ... 10; the votes and their mean are those of the title.

    >>> shares(7.25, random.Random("a")).index(max(shares(7.25, random.Random("a")))) + 1
    7
    """
    if not anime.votes:
        return (0,) * len(MARKS)
    plain = plain_mean(anime)
    drawn = shares(plain, random.Random(f"anipop demo marks {seed} {anime.id}"))
    return _levelled(_whole(drawn, anime.votes), round(plain * anime.votes))


def shares(plain: float, rng: random.Random) -> list[float]:
    """Return the share of each mark: a hill around the mean, a few who love or hate everything, tilted to the mean."""
    width = rng.uniform(1.4, 2.6)
    lovers, haters = rng.uniform(0.01, 0.12), rng.uniform(0.003, 0.03)
    hill = [(1 + ((mark - plain) / width) ** 2) ** -2 for mark in MARKS]
    hill[-1] += lovers * sum(hill)
    hill[0] += haters * sum(hill)
    low, high = -STEEPEST, STEEPEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(_tilted(hill, middle)) < plain else (low, middle)
    return _tilted(hill, (low + high) / 2)


def _tilted(hill: Sequence[float], slope: float) -> list[float]:
    raised = [share * math.exp(slope * (mark - 5.5)) for share, mark in zip(hill, MARKS, strict=True)]
    whole = math.fsum(raised)
    return [share / whole for share in raised]


def _mean(drawn: Sequence[float]) -> float:
    return math.fsum(share * mark for share, mark in zip(drawn, MARKS, strict=True))


def _whole(drawn: Sequence[float], votes: int) -> list[int]:
    """Return whole votes that add up, the largest remainders rounded up."""
    exact = [share * votes for share in drawn]
    counted = [math.floor(one) for one in exact]
    nearest = sorted(range(len(exact)), key=lambda i: (counted[i] - exact[i], i))
    for i in nearest[: votes - sum(counted)]:
        counted[i] += 1
    return counted


def _levelled(counted: Sequence[int], wanted: int) -> tuple[int, ...]:
    """Return the votes with single ones moved to the next mark until all marks add up to what is wanted."""
    moved = list(counted)
    missing = wanted - sum(mark * count for mark, count in zip(MARKS, moved, strict=True))
    step = 1 if missing > 0 else -1
    for _ in range(abs(missing)):
        movable = [i for i in range(len(moved)) if moved[i] and 0 <= i + step < len(moved)]
        fullest = max(movable, key=lambda i: moved[i])
        moved[fullest] -= 1
        moved[fullest + step] += 1
    return tuple(moved)


def shelves(anime: Anime, seed: int) -> dict[str, int]:
    """Return how many members are at what with the title; together they are its members."""
    rng = random.Random(f"anipop demo shelves {seed} {anime.id}")
    planned = round((anime.members - anime.votes) * rng.uniform(0.3, 0.6))
    held, dropped = rng.uniform(0.01, 0.07), rng.uniform(0.01, 0.12)
    if anime.airing.status == "Not yet aired":
        return dict(zip(SHELVES, (0, 0, 0, 0, anime.members), strict=True))
    begun = anime.members - planned
    on_hold, gone = round(begun * held), round(begun * dropped)
    seen = begun - on_hold - gone
    watching = seen if anime.airing.status == "Currently Airing" else round(seen * rng.uniform(0.01, 0.08))
    return dict(zip(SHELVES, (watching, seen - watching, on_hold, gone, planned), strict=True))
