"""What days do to a world: audiences grow, seasons open and close, marks drift while a series is on.

Every later state is worked out from the world as it was built and from the number of days since, each title with a
generator of its own. So later days never undo earlier ones, and ten days and then twenty are thirty.

Belongs here: how titles change with the calendar, and ranks, which follow. Does not: what a title is worth (world), or
its votes mark by mark (marks).
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from anipop_pipeline.demo import drafts, marks
from anipop_pipeline.demo.records import Airing, Anime, World
from anipop_pipeline.errors import SettingError

WAITING = 0.008
"""By which share of its members an announced title grows in a day."""
SETTLED = 0.0004
"""The same for an old title."""
BUZZ, BUZZ_DAYS = 0.02, 45
"""What a new title has on top on its first day, and in how many days that falls to a third."""
DRIFT = 0.4
"""How far the mean of new marks may lie from that of the marks before, while a title is on."""
FIRST_VOTERS, FIRST_DAYS = 0.35, 25
"""Which share of the members of a new title votes in the end, and after how many days two thirds of these have."""


@dataclass(frozen=True)
class _Span:
    """From which day to which day a title grows older, and its own temper."""

    since: date
    until: date
    bias: float
    pace: float
    lively: float


def later(world: World, days: int) -> World:
    """Return the same site that many days later; what time does not touch stays as it is.

    >>> from anipop_pipeline.demo.world import build
    >>> world = build(size=12, seed=5)
    >>> later(world, 0) is world, later(later(world, 10), 20) == later(world, 30), later(world, 30).today.date()
    (True, True, datetime.date(2025, 7, 30))
    """
    if days < 0:
        raise SettingError(f"an invented world cannot go back by {-days} days", fix="ask for 0 days or more")
    if days == 0:
        return world
    first, today = world.first or world, world.today + timedelta(days=days)
    aged = [_aged(one, _span(one, first, today.date())) for one in first.anime]
    return replace(world, anime=tuple(ranked(aged)), today=today, first=first)


def ranked(listed: Sequence[Anime]) -> list[Anime]:
    """Return the titles in the order of the site's list, each with its rank and popularity."""
    popular = sorted(listed, key=lambda one: (-one.members, one.id))
    popularity = {one.id: place for place, one in enumerate(popular, start=1)}

    def place(one: Anime) -> tuple[bool, bool, float, int]:
        return one.airing.status == "Not yet aired", one.score is None, -(one.score or 0), one.id

    ranks = enumerate(sorted(listed, key=place), start=1)
    return [
        replace(one, rank=rank if one.airing.status != "Not yet aired" else None, popularity=popularity[one.id])
        for rank, one in ranks
    ]


def _span(one: Anime, first: World, today: date) -> _Span:
    rng = random.Random(f"anipop demo days {first.seed} {one.id}")
    return _Span(first.today.date(), today, rng.uniform(-DRIFT, DRIFT), rng.uniform(0.7, 1.4), rng.uniform(0.2, 1.0))


def _aged(one: Anime, span: _Span) -> Anime:
    """Return the title as it is on the last day of the span."""
    begun = one.airing.status == "Not yet aired" and one.airing.first is not None and one.airing.first <= span.until
    shown = _begun(one) if begun else one
    shown = replace(shown, airing=_closed(shown, span.until))
    grown = _growth(one, span.since, span.until) * span.pace
    members = one.members + math.ceil(one.members * grown)
    votes = _first_votes(shown, members, span.until) if begun else one.votes + math.ceil(one.votes * grown)
    counted = replace(shown, members=members, votes=votes, favourites=round(one.favourites * (1 + grown * span.lively)))
    return replace(counted, score=_score(one, counted, span))


def _begun(one: Anime) -> Anime:
    """Return an announced title as it is on its first day: now it is known how long it is and when it began."""
    first = one.airing.first or date.min
    episodes, minutes = drafts.length(random.Random(f"anipop demo length {one.id} {one.title}"), one.type)
    season = drafts.season(first) if one.type == "TV" else None
    shown = Airing(first, None, "day", "Currently Airing", season, one.airing.broadcast)
    return replace(one, airing=shown, episodes=episodes, duration_minutes=minutes)


def _closed(one: Anime, today: date) -> Airing:
    """Return the airing of a title that may have ended by that day."""
    shown = one.airing
    last = _last_day(one)
    if shown.status != "Currently Airing" or last is None or last > today:
        return shown
    return replace(shown, last=last, status="Finished Airing")


def _last_day(one: Anime) -> date | None:
    """Return when a title that is on will have ended: each week one episode, where there is no word of it."""
    if one.airing.last or one.airing.first is None:
        return one.airing.last
    weekly = one.episodes or 12
    return one.airing.first + timedelta(days=7 * (weekly - 1))


def _growth(one: Anime, since: date, until: date) -> float:
    """Return by which share of itself an audience grows between two days."""
    first = one.airing.first
    if first is None:
        return WAITING * (until - since).days
    return _grown_at((until - first).days) - _grown_at((since - first).days)


def _grown_at(age: int) -> float:
    """Return all growth up to an age in days; before the first day it is below nothing.

    >>> _grown_at(0), round(_grown_at(1) - _grown_at(0), 3), round(_grown_at(4001) - _grown_at(4000), 4)
    (0.0, 0.02, 0.0004)
    """
    if age <= 0:
        return WAITING * age
    return SETTLED * age + BUZZ * BUZZ_DAYS * (1 - math.exp(-age / BUZZ_DAYS))


def _first_votes(one: Anime, members: int, today: date) -> int:
    """Return how many have voted for a title that had not begun when the world was built."""
    age = (today - (one.airing.first or today)).days
    return math.floor(members * FIRST_VOTERS * (1 - math.exp(-age / FIRST_DAYS)))


def _score(before: Anime, now: Anime, span: _Span) -> float | None:
    """Return the displayed score: a finished title keeps its own, the others follow their votes."""
    if before.score is not None and before.airing.status == "Finished Airing":
        return before.score
    if now.votes < marks.ENOUGH:
        return None
    mean = marks.plain_mean(before)
    if before.airing.status == "Currently Airing":
        mean += span.bias * _new_share(before, now, span)
    return round(min(max(marks.weighted(mean, now.votes), marks.LOWEST), marks.HIGHEST), 2)


def _new_share(before: Anime, now: Anime, span: _Span) -> float:
    """Return which share of all votes was given while the title was still on."""
    closing = max(span.since, min(span.until, now.airing.last or span.until))
    fresh = before.votes * _growth(before, span.since, closing) * span.pace
    return fresh / (before.votes + fresh)
