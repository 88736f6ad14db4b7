"""What belongs together stays together, everybody is tested as promised, and a seed says all."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages import cluster
from anipop_pipeline.stages.tables.corpus import CorpusAnime, CorpusCharacters

DIALS = {"seed": 42, "test_share": 0.185, "repeats": 3, "folds": 5, "temporal_share": 0.2}


def anime(*years: int | None) -> pl.DataFrame:
    """Return anime 1, 2, ... that first aired in these years."""
    return pl.DataFrame(
        {"anime_id": range(1, len(years) + 1), "year": years}, schema={"anime_id": pl.Int64, "year": pl.Int64}
    )


def played(*pairs: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"anime_id": pl.Int64, "character_id": pl.Int64}, orient="row")


def clusters(*sizes: int) -> pl.DataFrame:
    """Return clusters of these sizes over anime 1, 2, ... in order."""
    firsts = [1 + sum(sizes[:place]) for place in range(len(sizes))]
    rows = [(first + extra, first, size) for first, size in zip(firsts, sizes, strict=True) for extra in range(size)]
    return pl.DataFrame(rows, schema=["anime_id", "cluster_id", "size"], orient="row")


def found(titles: pl.DataFrame, roles: pl.DataFrame) -> list[int]:
    return cluster.clusters(titles, roles)["cluster_id"].to_list()


def drawn(belongs: pl.DataFrame, titles: pl.DataFrame | None = None, **dials: float) -> pl.DataFrame:
    titles = anime(*[2000 + number % 20 for number in range(belongs.height)]) if titles is None else titles
    return cluster.splits(titles, belongs, **{**DIALS, **dials})


def mixed() -> pl.DataFrame:
    """Return 300 anime: many alone, some pairs, a few large families."""
    return clusters(*[1] * 150, *[2] * 45, *[10, 20, 30])


# Clusters


def test_a_chain_of_shared_characters_is_one_cluster_and_a_loner_another() -> None:
    roles = played((1, 10), (2, 10), (2, 20), (3, 20), (5, 30))

    rows = cluster.clusters(anime(*[None] * 5), roles)

    assert rows.rows() == [(1, 1, 3), (2, 1, 3), (3, 1, 3), (4, 4, 1), (5, 5, 1)]


def test_an_anime_that_was_not_kept_joins_nobody() -> None:
    assert found(anime(None, None), played((1, 10), (9, 10), (9, 20), (2, 20))) == [1, 2]


def test_an_anime_is_no_character_of_the_same_number() -> None:
    assert found(anime(None, None, None), played((1, 2), (2, 3), (3, 1))) == [1, 2, 3]


def test_no_anime_make_no_clusters_and_no_splits() -> None:
    assert found(anime(), played()) == []
    assert drawn(cluster.clusters(anime(), played()), anime()).height == 0


def by_union_find(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the smallest anime of each one's component, the slow and obvious way."""
    parent = list(range(count + 1))

    def root(one: int) -> int:
        while parent[one] != one:
            one = parent[one]
        return one

    for one, character in pairs:
        for other, same in pairs:
            if character == same:
                low, high = sorted((root(one), root(other)))
                parent[high] = low
    return [root(one) for one in range(1, count + 1)]


pairs_of = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 10)), max_size=25, unique=True)


@given(pairs_of)
def test_clusters_are_those_of_a_union_find(pairs: list[tuple[int, int]]) -> None:
    assert found(anime(*[None] * 12), played(*pairs)) == by_union_find(12, pairs)


@given(pairs_of, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_cluster(pairs: list[tuple[int, int]], chance: Random) -> None:
    shuffled = sorted(pairs, key=lambda _: chance.random())

    assert found(anime(*[None] * 12).reverse(), played(*shuffled)) == found(anime(*[None] * 12), played(*pairs))


# Splits


@pytest.mark.parametrize("split", ["published", "grouped"])
def test_no_cluster_crosses_from_train_to_test(split: str) -> None:
    belongs = mixed()

    rows = drawn(belongs, repeats=10).filter(pl.col("split") == split).join(belongs, on="anime_id")

    parts = rows.group_by("repeat", "fold", "cluster_id").agg(pl.col("part").n_unique())
    assert parts["part"].to_list() == [1] * parts.height


def test_every_fold_has_every_anime_once() -> None:
    rows = drawn(mixed()).filter(pl.col("split") != "temporal")

    sizes = rows.group_by("split", "repeat", "fold").agg(pl.len(), different=pl.col("anime_id").n_unique())
    assert set(sizes.select("len", "different").rows()) == {(300, 300)}
    assert sizes.height == 3 + 5


def test_every_anime_is_tested_exactly_once_out_of_fold() -> None:
    rows = drawn(mixed()).filter((pl.col("split") == "grouped") & (pl.col("part") == "test"))

    assert sorted(rows["anime_id"]) == list(range(1, 301))
    assert rows["fold"].n_unique() == 5


def test_folds_are_as_equal_as_whole_clusters_allow() -> None:
    sizes = {1: 6, 2: 3, 3: 3, 4: 1, 5: 1, 6: 1}

    folds = cluster.balanced_folds(sizes, 3, seed=1)

    # 15 anime in 3 folds: 6 alone, a 3 with two loners, a 3 with the last.
    assert sorted(sum(sizes[one] for one in fold) for fold in folds) == [4, 5, 6]
    assert sorted(one for fold in folds for one in fold) == [1, 2, 3, 4, 5, 6]


def test_about_185_of_1000_are_tested_in_each_of_thirty_draws() -> None:
    rows = drawn(mixed(), repeats=30).filter((pl.col("split") == "published") & (pl.col("part") == "test"))

    counts = rows.group_by("repeat").len()["len"]
    # 18.5 % of 300 are 55.5, rounded to the even 56; loners fill every gap.
    assert counts.to_list() == [56] * 30


def test_a_cluster_that_is_too_large_for_what_is_left_is_passed_over() -> None:
    held = [cluster.held_out({1: 50, **dict.fromkeys(range(51, 101), 1)}, 0.2, seed) for seed in range(20)]

    assert all(1 not in one and len(one) == 20 for one in held)


def test_thirty_draws_differ_and_each_seed_repeats_itself() -> None:
    once, again = drawn(mixed(), repeats=30), drawn(mixed(), repeats=30)

    tested = once.filter((pl.col("split") == "published") & (pl.col("part") == "test"))
    draws = tested.group_by("repeat").agg(pl.col("anime_id").sort())["anime_id"].to_list()
    assert len({tuple(draw) for draw in draws}) == 30
    assert_frame_equal(once, again)


def test_another_seed_draws_another_split() -> None:
    one, other = drawn(mixed(), seed=1), drawn(mixed(), seed=2)

    for split in ("published", "grouped"):
        assert not one.filter(pl.col("split") == split).equals(other.filter(pl.col("split") == split))


def test_the_order_of_clusters_changes_no_draw() -> None:
    once = drawn(mixed()).sort("split", "repeat", "fold", "anime_id")

    again = drawn(mixed().reverse(), anime(*[2000 + number % 20 for number in range(300)]))
    assert_frame_equal(again.sort("split", "repeat", "fold", "anime_id"), once)


def test_further_seeds_are_drawn_alone_so_that_more_repeats_change_none_before() -> None:
    few, many = (drawn(mixed(), repeats=repeats).filter(pl.col("split") == "published") for repeats in (2, 5))

    assert_frame_equal(many.filter(pl.col("repeat") < 2), few)


# Time


def temporal(titles: pl.DataFrame, belongs: pl.DataFrame, share: float) -> dict[int, tuple[str, bool]]:
    rows = drawn(belongs, titles, temporal_share=share).filter(pl.col("split") == "temporal")
    return {one: (part, seen) for one, part, seen in rows.select("anime_id", "part", "seen").rows()}


def test_the_past_is_train_the_youngest_years_are_test_and_families_seen_before_are_marked() -> None:
    titles = anime(2001, 2002, 2003, 2005, 2005, None)
    belongs = clusters(1, 1, 1, 1, 1, 1).with_columns(cluster_id=pl.Series([1, 2, 3, 1, 5, 6]))

    found = temporal(titles, belongs, 0.4)

    train, seen, unseen = ("train", False), ("test", True), ("test", False)
    assert found == {1: train, 2: train, 3: train, 4: seen, 5: unseen}


def test_a_family_within_the_test_years_alone_is_unseen() -> None:
    titles = anime(2001, 2001, 2005, 2005)

    assert temporal(titles, clusters(1, 1, 2), 0.5) == {
        1: ("train", False), 2: ("train", False), 3: ("test", False), 4: ("test", False),
    }  # fmt: skip


def test_every_train_row_is_older_than_every_test_row() -> None:
    belongs = mixed()
    titles = anime(*[1990 + (number * 7) % 30 if number % 11 else None for number in range(300)])

    rows = drawn(belongs, titles).filter(pl.col("split") == "temporal").join(titles, on="anime_id")

    train, test = (rows.filter(pl.col("part") == part)["year"] for part in ("train", "test"))
    assert train.max() < test.min()
    assert rows.height == titles["year"].count()
    assert test.len() / rows.height == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("counts", "share", "first"),
    [
        ({2000: 7, 2001: 2, 2002: 1}, 0.15, 2002),  # 10 % and 30 % are as far: the younger counts
        ({2000: 7, 2001: 2, 2002: 1}, 0.25, 2001),
        ({2000: 1, 2001: 9}, 0.2, 2001),  # the oldest year is never tested
    ],
)
def test_the_first_test_year_is_the_one_that_comes_nearest_to_the_share(
    counts: dict[int, int], share: float, first: int
) -> None:
    years = [year for year, count in counts.items() for _ in range(count)]

    parts = temporal(anime(*years), clusters(*[1] * len(years)), share)

    assert [part for part, _ in parts.values()] == ["test" if year >= first else "train" for year in years]


@pytest.mark.parametrize("years", [[2000, 2000, None], [None, None, None], [2000, None, None]])
def test_without_two_years_there_is_no_split_by_time(years: list[int | None]) -> None:
    assert temporal(anime(*years), clusters(1, 1, 1), 0.2) == {}


# Folds inside train


@given(st.lists(st.integers(1, 8), min_size=2, max_size=40), st.integers(2, 6), st.integers(0, 3))
def test_inner_folds_test_each_row_once_and_tear_no_cluster(groups: list[int], folds: int, seed: int) -> None:
    made = list(cluster.inner_folds(groups, folds, seed))

    several = len(set(groups)) > 1
    tested = Counter(row for _, outside in made for row in outside)
    assert tested == (Counter(range(len(groups))) if several else Counter())
    for inside, outside in made:
        assert sorted([*inside, *outside]) == list(range(len(groups)))
        assert not {groups[row] for row in inside} & {groups[row] for row in outside}


def test_one_row_in_four_is_held_out_and_one_cluster_cannot_be() -> None:
    inside, outside = cluster.hold_out([1, 1, 2, 2, 3, 3, 4, 4], 4, seed=1)

    assert (len(inside), len(outside)) == (6, 2)
    with pytest.raises(SettingError, match="one cluster"):
        cluster.hold_out([7, 7, 7], 4, seed=1)


# Statistics


def corpus(*rows: tuple[float, int]) -> pl.DataFrame:
    """Return anime 1, 2, ... with these scores and words."""
    usual = {"url": "u", "title": "T", "synopsis": "S", "synopsis_credit": "none", "description_words": 0}
    lists = {name: [] for name in ("genres", "themes", "demographics", "studios", "relations")}
    told = [
        {**usual, **lists, "anime_id": number, "score": score, "words": words, "main_characters": 1}
        for number, (score, words) in enumerate(rows, start=1)
    ]
    return CorpusAnime.validate(pl.DataFrame(told, schema=CorpusAnime.create_empty().schema))


def test_train_and_test_are_described_apart_beside_the_paper_and_their_balance_is_told() -> None:
    anime_rows = corpus((7.5, 20), (7.5, 40), (6.5, 30))
    characters = CorpusCharacters.validate(
        pl.DataFrame({"character_id": [1, 2], "name": ["A", "B"], "description": ["a", "b c d"], "words": [1, 3]})
    )
    split = pl.DataFrame(
        {"anime_id": [1, 2, 3, 1, 3], "split": ["published"] * 3 + ["temporal"] * 2, "repeat": 0, "fold": 0,
         "part": ["train", "train", "test", "train", "test"], "seen": [False] * 4 + [True]}
    )  # fmt: skip

    table = cluster.split_statistics(anime_rows, characters, played((1, 1), (3, 1), (3, 2)), split)

    said = {key: (value, paper) for *key, value, paper in table.rows() for key in [tuple(key)]}
    assert said["synopsis_words", "train", "7-8", "mean"] == (30.0, 121.14)
    assert said["synopsis_words", "test", "6-7", "samples"] == (1.0, 592.0)
    assert said["description_words", "train", "all", "samples"] == (1.0, 14168.0)
    assert said["description_words", "test", "all", "mean"] == (2.0, 124.84)
    assert said["balance", "train", "published", "rows"] == (2.0, None)
    assert said["balance", "test", "temporal", "seen"] == (1.0, None)
