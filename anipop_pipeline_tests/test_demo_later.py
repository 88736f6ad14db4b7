from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from anipop_pipeline.demo import marks
from anipop_pipeline.demo.pages import Site
from anipop_pipeline.demo.world import WORLD_TODAY, Anime, World, build, later
from anipop_pipeline.errors import SettingError

from .demo_reading import default_world

DAYS = [1, 30, 120, 400, 3000]
MOVES = {
    "airing", "episodes", "duration_minutes", "score", "votes", "rank", "popularity", "members", "favourites"
}  # fmt: skip
"""All that days may change of a title."""


@pytest.fixture(scope="module")
def world() -> World:
    return default_world()


def pairs(before: World, after: World) -> list[tuple[Anime, Anime]]:
    return [(one, after.anime_by_id[one.id]) for one in before.anime]


def test_no_days_later_is_the_same_world(world: World) -> None:
    assert later(world, 0) is world
    assert world.today == WORLD_TODAY


def test_a_world_cannot_go_back(world: World) -> None:
    with pytest.raises(SettingError, match="cannot go back by 3 days"):
        later(world, -3)


def test_the_same_days_bring_the_same_world(world: World) -> None:
    assert later(world, 50) == later(build(), 50)


def test_days_add_up_however_they_are_taken(world: World) -> None:
    steps = world
    for days in (1, 9, 20, 90):
        steps = later(steps, days)

    assert steps == later(world, 120)
    assert steps.today == datetime(2025, 10, 28, tzinfo=UTC)


@pytest.mark.parametrize("days", DAYS)
def test_what_days_do_not_touch_stays(world: World, days: int) -> None:
    after = later(world, days)

    assert replace(after, anime=world.anime, today=world.today) == world
    for one, other in pairs(world, after):
        still = replace(other, **{name: getattr(one, name) for name in MOVES})
        assert still == one


@pytest.mark.parametrize("days", DAYS)
def test_every_audience_grows_and_no_favourite_is_lost(world: World, days: int) -> None:
    for one, other in pairs(world, later(world, days)):
        assert other.members > one.members
        assert other.votes > one.votes or one.airing.status == "Not yet aired"
        assert other.favourites >= one.favourites
        assert other.votes <= other.members


def test_an_audience_never_shrinks_from_day_to_day(world: World) -> None:
    before = world
    for _ in range(8):
        after = later(before, 20)
        for one, other in pairs(before, after):
            assert (other.members > one.members, other.votes >= one.votes) == (True, True)
        before = after


def test_new_titles_grow_faster_than_old_ones(world: World) -> None:
    growth = [(one, other.members / one.members) for one, other in pairs(world, later(world, 30))]

    airing = [share for one, share in growth if one.airing.status == "Currently Airing"]
    old = [share for one, share in growth if one.airing.last and one.airing.last < date(2020, 1, 1)]

    assert min(airing) > 1.05
    assert max(old) < 1.03


@pytest.mark.parametrize("days", DAYS)
def test_statuses_agree_with_the_day(world: World, days: int) -> None:
    after = later(world, days)
    today = after.today.date()

    for one in after.anime:
        first, last = one.airing.first, one.airing.last
        match one.airing.status:
            case "Not yet aired":
                assert first is None or first > today
                assert (one.score, one.votes, one.rank) == (None, 0, None)
            case "Currently Airing":
                assert first is not None
                assert first <= today
                assert last is None or last > today
            case _:
                assert first is not None
                assert last is not None
                assert first <= last <= today


def test_announced_titles_begin_are_marked_and_end(world: World) -> None:
    announced = [one.id for one in world.anime if one.airing.status == "Not yet aired" and one.airing.first]

    states = {days: [later(world, days).anime_by_id[number] for number in announced] for days in (60, 130, 500)}

    assert {one.airing.status for one in states[60]} == {"Not yet aired"}
    assert {one.airing.status for one in states[130]} == {"Not yet aired", "Currently Airing", "Finished Airing"}
    assert {one.airing.status for one in states[500]} == {"Finished Airing"}
    assert all(one.votes and one.episodes and one.duration_minutes for one in states[500])
    assert any(one.score for one in states[500])


def test_a_title_that_nobody_has_dated_stays_announced(world: World) -> None:
    undated = [one.id for one in world.anime if one.airing.first is None]

    after = later(world, 3000)

    assert undated
    assert {after.anime_by_id[number].airing.status for number in undated} == {"Not yet aired"}


@pytest.mark.parametrize("days", DAYS)
def test_only_marks_of_titles_that_were_on_drift_and_only_slightly(world: World, days: int) -> None:
    for one, other in pairs(world, later(world, days)):
        if one.score is None:
            continue
        assert other.score == pytest.approx(one.score, abs=0.25)
        assert other.score == one.score or one.airing.status == "Currently Airing"


def test_some_marks_drift(world: World) -> None:
    moved = Counter(one.score != other.score for one, other in pairs(world, later(world, 60)) if one.score)

    assert moved[True] >= 3


@pytest.mark.parametrize("days", DAYS)
def test_scores_come_back_from_the_votes_mark_by_mark(world: World, days: int) -> None:
    after = later(world, days)

    for one in after.anime:
        votes = marks.histogram(one, after.seed)
        assert sum(votes) == one.votes
        if one.score is None:
            assert one.votes < 102
            continue
        mean = sum(mark * count for mark, count in enumerate(votes, start=1)) / one.votes
        assert f"{(one.votes * mean + 50 * 6.6) / (one.votes + 50):.2f}" == f"{one.score:.2f}"


@pytest.mark.parametrize("days", [1, 400])
def test_ranks_follow_scores_and_popularity_follows_members(world: World, days: int) -> None:
    after = later(world, days)

    shown = [one for one in after.anime if one.rank is not None]
    assert [one.rank for one in shown] == list(range(1, len(shown) + 1))
    scores = [one.score for one in shown if one.score is not None]
    assert scores == sorted(scores, reverse=True)
    popular = sorted(after.anime, key=lambda one: one.popularity)
    assert [one.members for one in popular] == sorted((one.members for one in after.anime), reverse=True)


def test_the_season_of_the_day_moves_on(world: World) -> None:
    assert Site(later(world, 110)).page("/anime/season") == Site(later(world, 110)).page("/anime/season/2025/fall")
    assert "Fall 2025" in Site(later(world, 110)).page("/anime/season").body


# Votes and marks, worked by hand


def one_title(world: World, **changed: object) -> Anime:
    return replace(world.anime[0], **changed)  # type: ignore[arg-type] - each test names fields of its own


def test_a_displayed_score_is_pulled_to_the_mean_by_fifty_votes() -> None:
    assert marks.weighted(9.0, 150) == pytest.approx((150 * 9 + 50 * 6.6) / 200)
    assert marks.weighted(6.6, 1) == pytest.approx(6.6)


def test_the_mean_behind_a_displayed_score_undoes_the_pull(world: World) -> None:
    assert marks.plain_mean(one_title(world, score=8.4, votes=150)) == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("score", "votes"), [(1.5, 101), (9.3, 101), (6.6, 1_000_000), (2.0, 5000), (9.3, 191), (7.0, 200)]
)
def test_a_histogram_is_whole_wherever_the_score_lies(world: World, score: float, votes: int) -> None:
    one = one_title(world, score=score, votes=votes)

    counts = marks.histogram(one, 7)

    assert (len(counts), sum(counts), min(counts) >= 0) == (10, votes, True)
    total = sum(mark * count for mark, count in enumerate(counts, start=1))
    assert total == pytest.approx(marks.plain_mean(one) * votes, abs=0.5)


def test_a_histogram_has_one_hill_and_its_foot_at_both_ends(world: World) -> None:
    counts = marks.histogram(one_title(world, score=7.0, votes=100_000), 7)

    assert counts.index(max(counts)) + 1 in (7, 8)
    assert counts[0] > counts[1]
    assert list(counts[1:6]) == sorted(counts[1:6])
