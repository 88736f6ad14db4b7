"""What belongs together stays together, everybody is tested as promised, and a seed says all."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from anipop_pipeline.config import SplitConfig
from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages import cluster
from anipop_pipeline.stages.features import FRANCHISE
from anipop_pipeline.stages.tables.published import PARTS
from anipop_pipeline.stages.tables.split import ImportedSplit, quoted, split_of_the_papers

DIALS: dict[str, Any] = {
    "seed": 42,
    "test_share": SplitConfig().test_share,
    "repeats": 3,
    "folds": 5,
    "temporal_share": 0.2,
}


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


@given(pairs_of)
def test_merging_labels_as_the_paper_does_gives_the_same_clusters(pairs: list[tuple[int, int]]) -> None:
    titles = anime(*[None] * 12)

    assert_frame_equal(cluster.relabelled(titles, played(*pairs)), cluster.clusters(titles, played(*pairs)))


@pytest.mark.parametrize("seed", [None, 1])
def test_a_chain_of_three_thousand_anime_is_one_cluster_by_labels_too(seed: int | None) -> None:
    order = list(range(1, 3001))
    if seed is not None:
        Random(seed).shuffle(order)
    links = [pair for place, one in enumerate(order) for pair in ((one, place), (one, place + 1))]

    rows = cluster.relabelled(anime(*[None] * 3000), played(*links))

    assert set(rows.select("cluster_id", "size").rows()) == {(1, 3000)}


# Franchises


def named(*relations: tuple[int, str, int], kept: int = 4, kind: str = "anime") -> pl.DataFrame:
    """Return kept anime 1, 2, ... with what each says of others."""
    rows = [
        (
            one,
            [
                {"relation": relation, "kind": kind, "related_id": other}
                for own, relation, other in relations
                if own == one
            ],
        )
        for one in range(1, kept + 1)
    ]
    related = pl.List(pl.Struct({"relation": pl.String, "kind": pl.String, "related_id": pl.Int64}))
    return pl.DataFrame(rows, schema={"anime_id": pl.Int64, "relations": related}, orient="row")


def families(titles: pl.DataFrame, *roles: tuple[int, int]) -> list[int]:
    rows = cluster.clusters(titles, played(*roles), FRANCHISE)
    assert_frame_equal(cluster.relabelled(titles, played(*roles), FRANCHISE), rows)
    return rows["cluster_id"].to_list()


def test_a_sequel_belongs_to_its_franchise_where_the_dial_says_so_and_else_not() -> None:
    titles = named((2, "Sequel", 1), (3, "side story", 2))

    assert families(titles) == [1, 1, 1, 4]
    assert found(titles, played()) == [1, 2, 3, 4]


@pytest.mark.parametrize(("relation", "kind"), [("Other", "anime"), ("Character", "anime"), ("Sequel", "manga")])
def test_a_crossover_or_a_book_makes_no_franchise(relation: str, kind: str) -> None:
    assert families(named((2, relation, 1), kind=kind)) == [1, 2, 3, 4]


def test_a_title_that_was_not_kept_joins_those_that_name_it() -> None:
    # 99 left; 1 and 2 name it. 98 names 3, but says so on a page that is no part of the corpus.
    assert families(named((1, "sequel", 99), (2, "prequel", 99), (4, "prequel", 98))) == [1, 1, 3, 4]


def test_characters_and_relations_make_one_chain() -> None:
    assert families(named((3, "sequel", 2)), (1, 7), (2, 7), (3, 8), (4, 8)) == [1, 1, 1, 1]


def test_a_title_is_no_character_of_the_same_number() -> None:
    assert families(named((1, "sequel", 7)), (2, 7), (3, 3)) == [1, 2, 3, 4]


related_to = st.lists(
    st.tuples(st.integers(1, 8), st.sampled_from(["Sequel", "Prequel", "Other"]), st.integers(1, 12)), max_size=12
)


@given(related_to, pairs_of)
def test_labels_and_components_agree_on_franchises_too(
    relations: list[tuple[int, str, int]], pairs: list[tuple[int, int]]
) -> None:
    assert len(families(named(*relations, kept=8), *pairs)) == 8


@given(related_to)
def test_no_franchise_crosses_a_split(relations: list[tuple[int, str, int]]) -> None:
    titles = named(*relations, kept=8)
    belongs = cluster.clusters(titles, played(), FRANCHISE)

    rows = drawn(belongs, anime(*range(2000, 2008))).filter(pl.col("split") != "temporal")

    kin = cluster.relatives(titles, FRANCHISE).select("anime_id", group="related_id")
    itself = titles.select("anime_id", group="anime_id")
    assert cluster.torn(rows, pl.concat([kin, itself])) == 0


# Splits


@pytest.mark.parametrize("split", ["published", "grouped"])
def test_no_cluster_crosses_from_train_to_test(split: str) -> None:
    belongs = mixed()

    rows = drawn(belongs, repeats=10).filter(pl.col("split") == split).join(belongs, on="anime_id")

    parts = rows.group_by("repeat", "fold", "cluster_id").agg(pl.col("part").n_unique())
    assert parts["part"].to_list() == [1] * parts.height


@given(pairs_of)
def test_no_character_crosses_but_by_time_and_then_it_is_marked(pairs: list[tuple[int, int]]) -> None:
    titles = anime(*[2000 + number % 4 for number in range(12)])

    rows = drawn(cluster.clusters(titles, played(*pairs)), titles)

    casts = played(*pairs).rename({"character_id": "group"})
    assert cluster.torn(rows, casts) == 0
    unmarked = rows.with_columns(seen=pl.lit(value=False)).filter(pl.col("split") == "temporal")
    assert cluster.torn(unmarked, casts) == crossing(unmarked, pairs)


def crossing(rows: pl.DataFrame, pairs: list[tuple[int, int]]) -> int:
    """Return how many characters play in train and in test, counted one by one."""
    part_of = dict(rows.select("anime_id", "part").rows())
    parts: dict[int, set[str]] = {}
    for one, character in pairs:
        parts.setdefault(character, set()).add(part_of[one])
    return sum(len(own) > 1 for own in parts.values())


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


def test_by_default_as_many_are_tested_as_in_the_paper() -> None:
    held = cluster.held_out(dict.fromkeys(range(7784), 1), SplitConfig().test_share, seed=42)

    assert (len(held), 7784 - len(held)) == (PARTS["test"], PARTS["train"]) == (1439, 6345)


def test_fewer_clusters_than_folds_make_as_many_folds_as_can_be_tested() -> None:
    rows = drawn(clusters(2, 1)).filter(pl.col("split") == "grouped")

    assert rows.filter(pl.col("part") == "test").select("fold", "anime_id").rows() == [(0, 1), (0, 2), (1, 3)]


def test_about_185_of_1000_are_tested_in_each_of_thirty_draws() -> None:
    rows = drawn(mixed(), repeats=30).filter((pl.col("split") == "published") & (pl.col("part") == "test"))

    counts = rows.group_by("repeat").len()["len"]
    # 0.18487 of 300 are 55.46; loners fill every gap.
    assert counts.to_list() == [55] * 30


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


# A split that a site brings


def test_a_split_that_a_site_brings_is_one_more_that_marks_what_it_tears() -> None:
    # 1 and 2 are a family that the authors tear; 3 is not placed, 99 is not here.
    titles, belongs = anime(*[2000] * 5), clusters(2, 1, 1, 1)
    theirs = brought(no1="train", no2="test", no4="test", no5="train", no99="test")

    rows = cluster.splits(titles, belongs, imported=theirs, **DIALS).filter(pl.col("split") == "authors")

    assert rows.select("repeat", "fold", "anime_id", "part", "seen").rows() == [
        (0, 0, 1, "train", False), (0, 0, 2, "test", True), (0, 0, 4, "test", False), (0, 0, 5, "train", False),
    ]  # fmt: skip
    families = belongs.select("anime_id", group="cluster_id")
    assert (cluster.torn(rows, families), cluster.torn_by_authors(rows, families)) == (0, 1)


def test_a_split_of_which_one_part_alone_is_here_is_none() -> None:
    rows = cluster.splits(anime(2000, 2000), clusters(1, 1), imported=brought(no1="test", no99="train"), **DIALS)

    assert "authors" not in rows["split"]


def test_the_split_of_the_papers_is_the_authors_own_where_there_is_one() -> None:
    ours = drawn(clusters(1, 1, 1))
    both = cluster.splits(
        anime(2000, 2001, 2002), clusters(1, 1, 1), imported=brought(no1="test", no2="train"), **DIALS
    )

    assert (split_of_the_papers(ours), split_of_the_papers(both)) == ("published", "authors")
    assert quoted(ours)["repeat"].to_list() == [0, 0, 0]
    assert quoted(both, "authors")["anime_id"].to_list() == [1, 2]


def brought(**parts: str) -> pl.DataFrame:
    rows = [(int(number.removeprefix("no")), part) for number, part in parts.items()]
    return ImportedSplit.validate(pl.DataFrame(rows, schema=["anime_id", "part"], orient="row"), cast=True)


def beside(imported: pl.DataFrame, titles: pl.DataFrame, roles: pl.DataFrame) -> dict[tuple[str, str, str], float]:
    belongs = cluster.clusters(titles, roles)
    rows = cluster.compared(imported, belongs, roles, drawn(belongs, titles, test_share=0.5, seed=2))
    assert set(rows["statistic"]) == {"imported_split"}
    return {(part, bucket, measure): value for _, part, bucket, measure, value in rows.rows()}


def test_a_split_that_tears_a_cluster_says_so_beside_ours_that_does_not() -> None:
    titles, roles = anime(*[2000] * 6), played((1, 7), (2, 7), (2, 8), (3, 8), (4, 9))

    found = beside(brought(no1="train", no2="test", no3="test", no4="train", no5="train", no99="test"), titles, roles)

    assert found["train", "imported", "rows"] == 3
    assert found["test", "imported", "rows"] == 2
    # Character 7 plays on both sides; 8 in test alone, 9 in train alone.
    assert found["all", "imported", "torn_clusters"] == found["all", "imported", "torn_characters"] == 1
    assert found["all", "ours", "torn_clusters"] == found["all", "ours", "torn_characters"] == 0
    assert (found["train", "imported", "characters"], found["test", "imported", "characters"]) == (2, 2)
    assert (found["train", "imported", "clusters"], found["test", "imported", "clusters"]) == (3, 1)
    assert (found["all", "imported", "unknown"], found["all", "imported", "unplaced"]) == (1, 1)


def test_our_own_split_agrees_with_itself() -> None:
    titles = anime(*[2000] * 6)
    belongs = cluster.clusters(titles, played((1, 7), (2, 7)))
    ours = drawn(belongs, titles)
    same = ours.filter((pl.col("split") == "published") & (pl.col("repeat") == 0)).select("anime_id", "part")

    rows = cluster.compared(same, belongs, played((1, 7), (2, 7)), ours)

    said = {(part, bucket, measure): value for _, part, bucket, measure, value in rows.rows()}
    assert said["all", "imported", "agreed"] == 6
    for part in ("train", "test"):
        assert said[part, "imported", "rows"] == said[part, "ours", "rows"]
