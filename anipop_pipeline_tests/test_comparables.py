"""Near titles are those that arithmetic calls near, and nobody is near to himself."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anipop_pipeline.stages import comparables as nearness
from anipop_pipeline.stages.tables.features import TabularFeatures

STORIES = {1: "dragon castle", 2: "dragon castle", 3: "dragon ship", 4: "robot planet"}


def texts(stories: dict[int, str]) -> pl.DataFrame:
    return pl.DataFrame({"anime_id": [*stories], "synopsis": [*stories.values()]})


def tabular(kinds: dict[int, str]) -> pl.DataFrame:
    """Return table features of titles that differ in their type and genre alone."""
    rows = [
        {
            "anime_id": one,
            "type": kind,
            "source": "Manga",
            "genres": [kind],
            "themes": [],
            "demographics": [],
            "studios": [],
            "sequel": False,
            "relatives": 0,
            "synopsis_credit": "none",
            "award_winning": False,
            **dict.fromkeys(("words", "main_characters", "description_words"), 1),
        }
        for one, kind in kinds.items()
    ]
    return TabularFeatures.validate(pl.DataFrame(rows, schema=TabularFeatures.create_empty().schema))


def portraits(vectors: dict[int, list[float]]) -> pl.DataFrame:
    return pl.DataFrame(
        [(one, "pooled", 1, vector) for one, vector in vectors.items()],
        schema=["anime_id", "pooling", "items", "vector"],
        orient="row",
    )


def near(
    stories: dict[int, str], shown: dict[int, list[float]] | None = None, *, neighbours: int = 2
) -> dict[tuple[int, str], list[tuple[int, float]]]:
    """Return the neighbours of each title by each way of comparing, nearest first."""
    kinds = {one: "TV" if one < 3 else "Movie" for one in stories}
    found = nearness.comparables(
        texts(stories), tabular(kinds), None if shown is None else portraits(shown), neighbours=neighbours
    )
    rows: dict[tuple[int, str], list[tuple[int, float]]] = {}
    for one, by, place, other, similarity in found.rows():
        rows.setdefault((one, by), []).append((other, similarity))
        assert place == len(rows[one, by])
    return rows


def test_texts_are_near_by_the_cosine_of_their_rare_words() -> None:
    found = near(STORIES)

    # Of 4 texts, "dragon" stands in 3, "castle" in 2, "ship" in 1: weights ln(5/4)+1, ln(5/3)+1, ln(5/2)+1.
    dragon, castle, ship = (1 + np.log(5 / (1 + count)) for count in (3, 2, 1))
    cosine = dragon**2 / np.hypot(dragon, castle) / np.hypot(dragon, ship)
    assert found[1, "text"] == [(2, pytest.approx(1)), (3, pytest.approx(cosine))]
    assert found[3, "text"] == [(1, pytest.approx(cosine)), (2, pytest.approx(cosine))]
    assert [similarity for _, similarity in found[4, "text"]] == [0, 0]


def test_tables_are_near_where_their_entries_agree() -> None:
    found = near(STORIES)

    # Three entries each (type, source, genre): all agree, or the source alone does.
    assert found[1, "table"] == [(2, pytest.approx(1)), (3, pytest.approx(1 / 3))]
    assert found[4, "table"] == [(3, pytest.approx(1)), (1, pytest.approx(1 / 3))]


def test_pictures_are_near_by_their_direction_from_the_middle() -> None:
    found = near(STORIES, {1: [9, 5], 2: [11, 5], 3: [9, 7], 4: [11, 7]})

    # From the middle (10, 6) in units of the spread: (-1,-1), (1,-1), (-1,1), (1,1).
    assert found[1, "pictures"] == [(2, pytest.approx(0, abs=1e-6)), (3, pytest.approx(0, abs=1e-6))]
    assert near(STORIES, {1: [9, 5], 2: [11, 5], 3: [9, 7], 4: [11, 7]}, neighbours=3)[1, "pictures"][2] == (
        4,
        pytest.approx(-1),
    )


def test_together_is_the_mean_of_all_ways() -> None:
    found = near(STORIES, {1: [9, 5], 2: [11, 5], 3: [9, 7], 4: [11, 7]}, neighbours=3)

    alone = {by: dict(found[1, by]) for by in ("text", "table", "pictures", "together")}
    for other in (2, 3, 4):
        expected = np.mean([alone[by][other] for by in ("text", "table", "pictures")])
        assert alone["together"][other] == pytest.approx(expected)


def test_without_pictures_there_are_three_ways() -> None:
    assert {by for _, by in near(STORIES)} == {"text", "table", "together"}


def test_a_title_without_a_picture_has_no_neighbours_by_pictures_but_all_others() -> None:
    found = near(STORIES, {1: [9, 5], 2: [11, 5], 3: [9, 7]})

    assert {one for one, by in found if by == "pictures"} == {1, 2, 3}
    assert {one for one, by in found if by == "together"} == {1, 2, 3, 4}


@given(st.lists(st.sampled_from(["dragon castle", "dragon", "ship sails", "robot"]), min_size=2, max_size=8))
def test_nobody_is_near_to_himself_and_nobody_is_named_twice(stories: list[str]) -> None:
    found = near(dict(enumerate(stories, start=1)), neighbours=5)

    for (one, _), others in found.items():
        ids = [other for other, _ in others]
        assert one not in ids
        assert len({*ids}) == len(ids) == min(5, len(stories) - 1)
        similarities = [similarity for _, similarity in others]
        assert similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize(("stories", "count"), [({1: "dragon"}, 0), ({}, 0), ({1: "dragon", 3: "ship"}, 1)])
def test_fewer_titles_than_neighbours_are_no_error(stories: dict[int, str], count: int) -> None:
    found = near(stories, neighbours=5)

    assert len(found) == (3 * len(stories) if count else 0)
    assert all(len(others) == count for others in found.values())


def test_blocks_do_not_change_who_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(1)
    words = ["dragon", "castle", "ship", "robot", "planet", "sea"]
    stories = {one: " ".join(chance.choice(words, 4)) for one in range(1, 30)}
    whole = near(stories)

    monkeypatch.setattr(nearness, "BLOCK", 7)

    for key, others in near(stories).items():
        assert [other for other, _ in others] == [other for other, _ in whole[key]]


def test_neighbours_are_those_of_a_full_sort() -> None:
    similar = np.random.default_rng(2).integers(0, 6, (40, 50)).astype(np.float32)

    best = nearness._best(similar, 5)

    np.testing.assert_array_equal(best, np.argsort(-similar, axis=1, kind="stable")[:, :5])
