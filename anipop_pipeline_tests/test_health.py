"""Claims about health: what counts as filled, and which falls chance or another crawl do not explain."""

import json
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anipop_pipeline.stages.health import Health, dwindled, emptied, measure, remembered
from anipop_pipeline.stages.tables.pages import Anime, Portraits

COUNTS = st.integers(0, 500)


def with_score(share: float, rows: int, pages: int | None = None) -> Health:
    return Health(rows, rows if pages is None else pages, {"score": share})


def with_rows(rows: int, pages: int) -> Health:
    return Health(rows, pages, {})


# What is filled


@pytest.mark.parametrize(
    ("values", "dtype", "share"),
    [
        ([7.5, None, 0.0, 1.0], pl.Float64, 0.75),
        (["a", "", None, " "], pl.String, 0.5),
        ([["a"], [], None, [None]], pl.List(pl.String), 0.5),
        ([b"GIF", b"", None, b"\x00"], pl.Binary, 0.5),
        (["main", None, None, None], pl.Enum(["main"]), 0.25),
        ([False, False, True, None], pl.Boolean, 0.75),
        ([None, None, None, None], pl.Null, 0.0),
        ([{"a": None}, None, {"a": 1}, {"a": 2}], pl.Struct({"a": pl.Int64}), 0.75),
    ],
)
def test_nulls_and_what_is_empty_are_not_filled(values: list[object], dtype: pl.DataType, share: float) -> None:
    table = pl.DataFrame({"column": values}, schema={"column": dtype})

    assert measure(table, 9) == Health(4, 9, {"column": share})


@pytest.mark.parametrize("schema", [Anime, Portraits])
def test_a_table_without_rows_has_nothing_filled(schema: type[Anime] | type[Portraits]) -> None:
    health = measure(schema.create_empty(), 0)

    assert health.rows == 0
    assert list(health.filled) == schema.column_names()
    assert set(health.filled.values()) == {0.0}


def test_a_health_that_was_noted_comes_back_to_the_last_digit() -> None:
    health = measure(pl.DataFrame({"score": [1.0, None, 3.0]}), 7)

    assert Health(**json.loads(json.dumps(health.noted()))) == health
    assert health.filled == {"score": 2 / 3}


# Columns


def test_a_column_that_is_nearly_lost_is_named_with_both_shares() -> None:
    before = Health(100, 100, {"title": 1.0, "score": 0.92, "rank": 0.5})
    now = Health(100, 100, {"title": 1.0, "score": 0.03, "rank": 0.48})

    assert emptied(now, before, 0.25) == {"score": (0.92, 0.03)}


@pytest.mark.parametrize(("present", "falls"), [(0.5625, False), (0.57, False), (0.56, True), (1.0, False)])
def test_the_dial_is_a_part_of_the_former_share(present: float, falls: bool) -> None:
    # A quarter of 0.75 is 0.1875, so 0.5625 is just allowed; of 10,000 rows each, chance moves shares by 0.03 at most.
    assert bool(emptied(with_score(present, 10_000), with_score(0.75, 10_000), 0.25)) is falls


@pytest.mark.parametrize(("rows", "falls"), [(64, False), (128, False), (130, True), (1000, True)])
def test_a_fall_counts_beyond_four_standard_errors(rows: int, falls: bool) -> None:
    # 0.625 -> 0.375: the common share is 0.5, the error sqrt(0.25 * 2 / n), and 1/4 > 4 * sqrt(0.5 / n) where n > 128.
    assert bool(emptied(with_score(0.375, rows), with_score(0.625, rows), 0.25)) is falls


@pytest.mark.parametrize(("rows", "falls"), [(1, False), (8, False), (9, True)])
def test_a_field_that_all_rows_had_must_be_gone_from_nine(rows: int, falls: bool) -> None:
    # Common share 1/2, error sqrt(1/4 * 2/n): 1 > 4 * sqrt(1 / 2n) where n > 8.
    assert bool(emptied(with_score(0.0, rows), with_score(1.0, rows), 0.25)) is falls


@pytest.mark.parametrize(("filled", "falls"), [(9, False), (10, True)])
def test_a_rare_field_is_lost_when_ten_were_to_be_expected_and_none_came(filled: int, falls: bool) -> None:
    # 10 of 400 is 0.025, the common share 0.0125, the error 0.00786: only three errors, and yet none of ten is left.
    assert bool(emptied(with_score(0.0, 400), with_score(filled / 400, 400), 0.25)) is falls


def test_what_was_never_filled_cannot_fall_and_what_is_new_is_not_compared() -> None:
    before = Health(500, 500, {"never": 0.0, "dropped": 1.0})
    now = Health(500, 500, {"never": 0.0, "new": 0.0})

    assert emptied(now, before, 0.0) == {}


@pytest.mark.parametrize(("now", "before"), [(0, 500), (500, 0), (0, 0)])
def test_without_rows_no_column_falls(now: int, before: int) -> None:
    assert emptied(with_score(0.0, now), with_score(1.0, before), 0.25) == {}


@pytest.mark.parametrize(("pages", "falls"), [(1000, True), (1250, True), (1251, False), (800, True), (799, False)])
def test_a_crawl_of_many_more_or_fewer_pages_is_about_other_anime(pages: int, falls: bool) -> None:
    # The first pages of a top list name scored anime alone, all of it many without a score.
    assert bool(emptied(with_score(0.5, pages), with_score(1.0, 1000), 0.25)) is falls


def test_a_field_that_is_nearly_lost_counts_in_a_crawl_of_other_anime_too() -> None:
    assert emptied(with_score(0.03, 10_000), with_score(0.92, 200), 0.25) == {"score": (0.92, 0.03)}


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.floats(0, 1))
def test_no_fall_counts_when_all_is_allowed_and_no_rise_ever(a: int, b: int, c: int, d: int, allowed: float) -> None:
    (few, many), (little, much) = sorted((a, b)), sorted((c, d))
    low = with_score(few / many if many else 0.0, many)
    high = with_score(1.0, max(much, 1), max(little, 1))

    assert emptied(low, high, 1.0) == {}
    assert emptied(high, low, allowed) == {}


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
def test_more_rows_never_excuse_a_fall(rows: int, more: int, share: float, allowed: float) -> None:
    fell = emptied(with_score(0.0, rows), with_score(share, rows), allowed)
    fell_of_more = emptied(with_score(0.0, rows + more), with_score(share, rows + more), allowed)

    assert set(fell) <= set(fell_of_more)


def test_chance_alone_cries_wolf_less_than_once_in_ten_thousand_tables() -> None:
    # Every table of 30 rows against every other, both drawn at the same share, weighed by how likely the two are.
    rows, wolves = 30, 0.0
    for share in (0.1, 0.5, 0.9):
        likely = [math.comb(rows, k) * share**k * (1 - share) ** (rows - k) for k in range(rows + 1)]
        wolves = max(
            wolves,
            sum(
                likely[then] * likely[now]
                for then in range(rows + 1)
                for now in range(then)
                if emptied(with_score(now / rows, rows), with_score(then / rows, rows), 0.25)
            ),
        )

    assert wolves < 1e-4


# Rows


@pytest.mark.parametrize(("rows", "falls"), [(200, False), (100, False), (99, True), (0, True)])
def test_half_of_the_rows_may_go(rows: int, falls: bool) -> None:
    assert dwindled(with_rows(rows, 20), with_rows(200, 20), 0.5) is falls


def test_fewer_pages_may_give_fewer_rows() -> None:
    # Of 8 pages instead of 10, 80 rows are expected; a quarter of them is 20.
    assert not dwindled(with_rows(80, 8), with_rows(100, 10), 0.0)
    assert not dwindled(with_rows(60, 8), with_rows(100, 10), 0.25)
    assert dwindled(with_rows(59, 8), with_rows(100, 10), 0.25)


def test_pages_of_other_anime_must_give_some_rows() -> None:
    # Of 30 pages, 300 rows would be expected; a tenth of them is enough, since famous anime name more characters.
    assert not dwindled(with_rows(30, 30), with_rows(100, 10), 0.5)
    assert dwindled(with_rows(29, 30), with_rows(100, 10), 0.5)


@pytest.mark.parametrize(("before", "falls"), [(9, False), (10, True)])
def test_a_few_rows_may_all_be_gone(before: int, falls: bool) -> None:
    assert dwindled(with_rows(0, 10), with_rows(before, 10), 0.5) is falls


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_any_loss_of_rows_may_be_allowed(a: int, b: int, c: int, d: int) -> None:
    assert not dwindled(with_rows(a, b), with_rows(c, d), 1.0)


def test_a_field_that_fades_a_little_with_every_crawl_is_noticed_as_soon_as_one_that_goes_at_once() -> None:
    best, noticed = Health(1000, 1000, {"source": 0.80}), None
    for day in range(1, 31):
        now = Health(1000, 1000, {"source": 0.80 * (1 - day / 30)})
        if emptied(now, best, 0.25):
            noticed = now.filled["source"]
            break
        best = remembered(now, best, 0.25)

    assert noticed == pytest.approx(0.80 * 22 / 30)  # the first that is below three quarters of 80 %
