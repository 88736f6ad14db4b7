"""Features say what was known, and when; relatives count only if they aired strictly before."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anipop_pipeline.stages import features
from anipop_pipeline.stages.tables.corpus import CorpusAnime
from anipop_pipeline.stages.tables.features import LEDGER, TIERS, TabularFeatures, known_at
from anipop_pipeline.stages.tables.pages import Anime

LISTS = ("genres", "themes", "demographics", "studios", "producers", "relations")
Link = tuple[str, int]


def anime(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return anime 1, 2, ..., fit for a corpus as they are."""
    usual = {
        "url": "u",
        "title": "T",
        "synopsis": "S",
        "synopsis_credit": "none",
        "score": 7.0,
        "words": 1,
        "main_characters": 1,
        "description_words": 1,
        **{name: [] for name in LISTS},
    }
    told = [{**usual, "anime_id": number, **row} for number, row in enumerate(rows, start=1)]
    return pl.DataFrame(told, schema={**Anime.create_empty().schema, **CorpusAnime.create_empty().schema})


def relations(*links: Link, kind: str = "anime") -> list[dict[str, Any]]:
    return [{"relation": relation, "kind": kind, "related_id": other} for relation, other in links]


def tabular(parsed: pl.DataFrame, kept: list[int] | None = None) -> pl.DataFrame:
    corpus = parsed if kept is None else parsed.filter(pl.col("anime_id").is_in(kept))
    return features.tabular(CorpusAnime.validate(corpus.select(CorpusAnime.column_names()), cast=True), parsed)


def before(parsed: pl.DataFrame) -> dict[int, tuple[int, float | None]]:
    rows = tabular(parsed).select("anime_id", "relatives", "relatives_score").rows()
    return {one: (count, score) for one, count, score in rows}


# Relatives


def test_a_prequel_counts_for_its_sequel_whichever_page_names_it() -> None:
    old, new = {"aired_from": date(2000, 1, 1), "score": 8.0}, {"aired_from": date(2001, 1, 1), "score": 6.0}

    named_by_new = before(anime(old, {**new, "relations": relations(("Prequel", 1))}))
    named_by_old = before(anime({**old, "relations": relations(("Sequel", 2))}, new))
    named_by_both = before(
        anime({**old, "relations": relations(("Sequel", 2))}, {**new, "relations": relations(("Prequel", 1))})
    )

    assert named_by_new == named_by_old == named_by_both == {1: (0, None), 2: (1, 8.0)}


@pytest.mark.parametrize(
    ("theirs", "mine", "counts"),
    [
        (date(2000, 1, 2), date(2000, 1, 3), 1),
        (date(2000, 1, 2), date(2000, 1, 2), 0),  # the same day is not before
        (date(2000, 1, 3), date(2000, 1, 2), 0),
        (date(2000, 1, 1), date(2000, 12, 30), 0),  # "2000" alone may have been its last day
        (date(2000, 1, 1), date(2001, 1, 1), 1),
        (date(2000, 3, 1), date(2000, 3, 20), 0),  # "Mar 2000" alone may have been its last day, too
        (date(2000, 3, 1), date(2000, 4, 1), 1),
        (None, date(2000, 1, 2), 0),
        (date(2000, 1, 2), None, 0),
    ],
)
def test_only_what_aired_strictly_before_is_a_relative(theirs: date | None, mine: date | None, counts: int) -> None:
    parsed = anime({"aired_from": theirs}, {"aired_from": mine, "relations": relations(("Parent story", 1))})

    assert before(parsed)[2][0] == counts


def test_the_score_of_relatives_is_the_mean_of_those_that_have_one() -> None:
    parsed = anime(
        {"aired_from": date(2000, 1, 1), "score": 8.0},
        {"aired_from": date(2001, 1, 1), "score": 7.0},
        {"aired_from": date(2002, 1, 1), "score": None},
        {"aired_from": date(2003, 1, 1), "relations": relations(("Prequel", 1), ("Side story", 2), ("Summary", 3))},
    )

    found = features.earlier_relatives(parsed, parsed)

    assert found.rows() == [(4, 3, 7.5)]


def test_relatives_are_sought_among_all_parsed_anime_also_those_that_cleaning_removed() -> None:
    parsed = anime(
        {"aired_from": date(2000, 1, 1), "score": 5.0},
        {"aired_from": date(2001, 1, 1), "relations": relations(("Prequel", 1))},
    )

    found = tabular(parsed, kept=[2])

    assert found.select("anime_id", "relatives", "relatives_score", "sequel").rows() == [(2, 1, 5.0, True)]


@pytest.mark.parametrize(("relation", "counts"), [("Sequel", 1), ("SPIN-OFF", 1), ("Character", 0), ("Other", 0)])
def test_a_shared_character_is_no_franchise(relation: str, counts: int) -> None:
    old, new = {"aired_from": date(2000, 1, 1)}, {"aired_from": date(2001, 1, 1)}

    assert before(anime(old, {**new, "relations": relations((relation, 1))}))[2][0] == counts


def test_manga_unknown_titles_and_oneself_are_no_relatives() -> None:
    links = [
        *relations(("Prequel", 1), kind="manga"),
        *relations(("Prequel", 99), ("Prequel", 2)),
    ]

    parsed = anime({"aired_from": date(2000, 1, 1)}, {"aired_from": date(2001, 1, 1), "relations": links})
    assert before(parsed) == {1: (0, None), 2: (0, None)}


def test_a_relative_named_twice_counts_once() -> None:
    links = relations(("Prequel", 1), ("Parent story", 1))

    parsed = anime({"aired_from": date(2000, 1, 1)}, {"aired_from": date(2001, 1, 1), "relations": links})
    assert before(parsed)[2] == (1, 7.0)


# Columns


def test_an_award_is_no_genre_but_a_flag() -> None:
    found = tabular(anime({"genres": ["Drama", "Award Winning"]}, {"genres": ["Drama"]}, {}))

    assert found.select("genres", "award_winning").rows() == [(["Drama"], True), (["Drama"], False), ([], False)]


@pytest.mark.parametrize(
    ("season", "day", "quarter"),
    [
        ("Fall 2021", date(2021, 1, 1), "fall"),  # the season counts before the month
        ("Winter 2021", None, "winter"),
        (None, date(2021, 3, 31), "winter"),
        (None, date(2021, 4, 1), "spring"),
        (None, date(2021, 9, 30), "summer"),
        (None, date(2021, 10, 1), "fall"),
        ("?", date(2021, 12, 1), "fall"),
        (None, None, None),
    ],
)
def test_the_quarter_comes_from_the_season_or_else_from_the_month(
    season: str | None, day: date | None, quarter: str | None
) -> None:
    assert tabular(anime({"season": season, "aired_from": day}))["quarter"].to_list() == [quarter]


def test_every_anime_of_the_corpus_has_one_row_in_order() -> None:
    found = tabular(anime({}, {}, {}).reverse(), kept=[1, 3])

    assert found["anime_id"].to_list() == [1, 3]


def test_an_empty_corpus_has_no_features() -> None:
    assert tabular(anime({}), kept=[]).height == 0


# Texts


def characters() -> pl.DataFrame:
    return pl.DataFrame({"character_id": [1, 2, 3], "description": ["one", "two", "three"]})


def played(*rows: tuple[int, int, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["anime_id", "character_id", "position"], orient="row")


def test_descriptions_are_joined_by_a_space_in_the_order_of_the_page() -> None:
    roles = played((8, 1, 2), (8, 2, 0), (7, 3, 0), (8, 3, 1), (7, 9, 1))

    found = features.descriptions(roles, characters())

    assert found.rows() == [(7, "three"), (8, "two three one")]


def test_texts_of_an_anime_without_descriptions_are_empty_not_missing() -> None:
    corpus = anime({"title": "A", "synopsis": "a"}, {"title": "B", "synopsis": "b"}).reverse()

    found = features.texts(corpus, pl.DataFrame({"anime_id": [2], "descriptions": ["two"]}))

    assert found.rows() == [(1, "A", "a", ""), (2, "B", "b", "two")]


# The ledger


def test_every_column_of_the_table_is_in_the_ledger() -> None:
    assert {*TabularFeatures.column_names()} - {"anime_id"} <= {*LEDGER}
    assert {*LEDGER.values()} == {*TIERS}


@given(st.sampled_from(list(LEDGER)))
def test_what_is_known_stays_known(name: str) -> None:
    known = [name in known_at(tier) for tier in TIERS]

    assert known == sorted(known)
    assert known[-1]
    assert known.index(True) == TIERS.index(LEDGER[name])


@pytest.mark.parametrize("name", ["words", "main_characters", "synopsis_credit", "members", "award_winning"])
def test_what_fans_grow_is_known_only_after_release(name: str) -> None:
    assert LEDGER[name] == "release"
