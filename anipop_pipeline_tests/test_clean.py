"""Cleaning keeps what can be learned from, says why it leaves the rest, and counts as the paper counts."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from anipop_pipeline.stages import clean, cluster, labels, oddities, parse
from anipop_pipeline.stages.parse import words
from anipop_pipeline.stages.parse.text import period
from anipop_pipeline.stages.tables.pages import Anime, Characters, Portraits, Roles

LISTS = ("genres", "themes", "demographics", "studios", "producers", "relations")
TWENTY = "word " * 20
ANIME_RULES = ["score_missing", "synopsis_missing", "title_missing", "synopsis_short", "no_main_character"]
CHARACTER_RULES = ["description_missing", "description_short", "portrait_missing"]


def anime(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return parsed anime 1, 2, ... that break no rule but by what a row says of itself."""
    usual = {"url": "u", "title": "T", "synopsis": TWENTY, "score": 7.0, **{key: [] for key in LISTS}}
    usual["title_synonyms"] = []
    numbered = [{**usual, "anime_id": number, **row} for number, row in enumerate(rows, start=1)]
    return Anime.validate(pl.DataFrame(numbered, schema=Anime.create_empty().schema))


def characters(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return parsed characters 1, 2, ..., described in three words but where a row says otherwise."""
    usual = {"url": "u", "name": "N", "description": "A tall man."}
    numbered = [{**usual, "character_id": number, **row} for number, row in enumerate(rows, start=1)]
    return Characters.validate(pl.DataFrame(numbered, schema=Characters.create_empty().schema))


def roles(*pairs: tuple[int, int], role: str = "main") -> pl.DataFrame:
    rows = [(one, other, None, role, "u", place) for place, (one, other) in enumerate(pairs)]
    return Roles.validate(pl.DataFrame(rows, schema=Roles.create_empty().schema, orient="row"))


def portraits(*ids: int) -> pl.DataFrame:
    rows = [(number, "u", b"", 1, 1) for number in ids]
    return Portraits.validate(pl.DataFrame(rows, schema=Portraits.create_empty().schema, orient="row"))


def usable(*words: int) -> pl.DataFrame:
    """Return usable characters 1, 2, ... with these numbers of words."""
    return pl.DataFrame({"character_id": range(1, len(words) + 1), "words": words})


def cleaned(parsed: pl.DataFrame, played: pl.DataFrame, known: pl.DataFrame | None, **dials: Any) -> clean.Kept:
    return clean.usable_anime(parsed, played, known, **{"min_words": 20, "need_characters": True, **dials})


def rules(kept: clean.Kept) -> dict[int, str]:
    return dict(kept.rejects.select("id", "rule").iter_rows())


def column(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"text": texts}, schema={"text": pl.String})


# Words


@pytest.mark.parametrize(
    ("text", "count"),
    [(None, 0), ("", 0), (" \n ", 0), ("  two words ", 2), ("a\nb\tc\u00a0d\u3000e", 5), ("sea-girl — it's me.", 4)],
)
def test_a_word_is_what_stands_between_white_space(text: str | None, count: int) -> None:
    assert column([text]).select(clean.words("text")).item() == count


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\t ")))
def test_words_are_those_of_python(text: str) -> None:
    assert column([text]).select(clean.words("text")).item() == len(text.split())


# The paper's markers


@pytest.mark.parametrize("marker", ["(source", "(Source", "[Written"])
def test_a_text_ends_where_the_papers_marker_begins(marker: str) -> None:
    text = f"A girl.\nA cat. {marker}: ANN)\n\nMore."

    assert column([text]).select(clean.cut("text")).item() == "A girl.\nA cat."


@pytest.mark.parametrize("text", ["A (SOURCE) of joy.", "A book [written by a cat].", "Source: a river."])
def test_what_is_none_of_the_three_markers_cuts_nothing(text: str) -> None:
    assert column([text]).select(clean.cut("text")).item() == text


@pytest.mark.parametrize("text", ["(Source: ANN)", "  [Written by MAL Rewrite]", "", " ", None])
def test_a_text_of_which_nothing_is_left_is_missing(text: str | None) -> None:
    assert column([text]).select(clean.cut("text")).item() is None


@given(st.lists(st.sampled_from(["a ", "sea", "\n", "(source", "(Source", "[Written", "(", "[", "Source", "Written"])))
def test_the_first_marker_counts(pieces: list[str]) -> None:
    text = "".join(pieces)
    starts = [text.find(marker) for marker in ("(source", "(Source", "[Written")]
    first = min((start for start in starts if start >= 0), default=len(text))

    assert column([text]).select(clean.cut("text")).item() == (text[:first].strip() or None)


# Stories, and texts as written


def test_the_paper_cuts_the_text_as_written_and_the_story_goes_on_after_a_credit() -> None:
    before, after = "word " * 20, "more " * 5
    both = {"synopsis": before + after, "synopsis_as_written": f"{before}(Source: ANN) {after}"}

    assert cleaned(anime(both), roles(), None).rows["words"].to_list() == [25]
    assert cleaned(anime(both), roles(), None, texts="paper").rows["words"].to_list() == [20]


def test_what_the_papers_cut_leaves_decides_on_a_title_and_no_story_stands_in_for_it() -> None:
    both = {"synopsis": TWENTY, "synopsis_as_written": f"(Source: ANN) {TWENTY}"}

    assert rules(cleaned(anime(both), roles(), None, texts="paper")) == {1: "synopsis_missing"}


def test_a_credit_that_the_paper_does_not_know_counts_among_its_words() -> None:
    both = {"synopsis": TWENTY, "synopsis_as_written": f"{TWENTY} [written by me]"}

    assert cleaned(anime(both), roles(), None, texts="paper").rows["words"].to_list() == [23]


def test_where_an_import_brings_no_text_as_written_the_story_is_used() -> None:
    kept = cleaned(anime({"synopsis_as_written": None}), roles(), None, texts="paper")

    assert kept.rows["synopsis"].to_list() == [TWENTY.strip()]


@pytest.mark.parametrize(
    ("dials", "described"),
    [
        ({}, ["He swims.", None]),
        ({"texts": "paper"}, ["Age: 17\n\nHe swims.", "Age: 18"]),
        ({"texts": "paper", "spoilers": True}, ["Age: 17\n\nHe swims. He dies.", "Age: 18"]),
    ],
)
def test_the_papers_descriptions_have_the_facts_before_them(dials: dict[str, Any], described: list[str | None]) -> None:
    people = characters(
        {"description": "He swims.", "description_as_written": "Age: 17\n\nHe swims.", "spoiler": "He dies."},
        {"description": None, "description_as_written": "Age: 18"},
    )

    found = clean.usable_characters(people, None, min_words=1, need_description=False, **{"spoilers": False, **dials})

    assert found.rows["description"].to_list() == described


# Anime


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"score": None}, "score_missing"),
        ({"synopsis": None}, "synopsis_missing"),
        ({"synopsis": "(Source: ANN)"}, "synopsis_missing"),
        ({"title": None}, "title_missing"),
        ({"synopsis": "word " * 19}, "synopsis_short"),
        ({"synopsis": "word " * 19 + "(Source: a b c)"}, "synopsis_short"),
        ({"anime_id": 9}, "no_main_character"),
    ],
)
def test_an_anime_leaves_under_the_rule_that_it_breaks(row: dict[str, Any], rule: str) -> None:
    kept = cleaned(anime(row, {"anime_id": 2}), roles((1, 1), (2, 1)), usable(3))

    assert kept.rows["anime_id"].to_list() == [2]
    assert list(rules(kept).values()) == [rule]


def test_twenty_words_are_enough_and_the_bound_is_a_dial() -> None:
    parsed = anime({"synopsis": "word " * 20}, {"synopsis": "word " * 21})

    assert cleaned(parsed, roles((1, 1), (2, 1)), usable(3)).rows["words"].to_list() == [20, 21]
    assert cleaned(parsed, roles((1, 1), (2, 1)), usable(3), min_words=21).rows["anime_id"].to_list() == [2]


def test_a_row_leaves_once_under_the_first_of_all_the_rules_that_it_breaks() -> None:
    breaks = [{"score": None}, {"synopsis": None}, {"title": None}, {"synopsis": "short"}]
    combinations = list(product([False, True], repeat=5))
    rows = []
    for broken in combinations:
        chosen = [row for row, breaks_it in zip(breaks, broken, strict=False) if breaks_it]
        rows.append({key: value for row in reversed(chosen) for key, value in row.items()})
    casts = [(number, 1) for number, broken in enumerate(combinations, start=1) if not broken[4]]

    kept = cleaned(anime(*rows), roles(*casts), usable(3))

    first = [
        next((rule for rule, yes in zip(ANIME_RULES, broken, strict=True) if yes), None) for broken in combinations
    ]
    assert rules(kept) == {number: rule for number, rule in enumerate(first, start=1) if rule is not None}
    assert kept.rows["anime_id"].to_list() == [1]
    assert kept.rows.height + kept.rejects.height == 32


def test_only_usable_main_characters_count_and_bring_their_words() -> None:
    played = pl.concat([roles((1, 1), (1, 2), (1, 7), (2, 2)), roles((2, 1), role="supporting")])

    kept = cleaned(anime({}, {}), played, usable(30, 12))

    counted = kept.rows.select("anime_id", "main_characters", "description_words").rows()
    assert counted == [(1, 2, 42), (2, 1, 12)]


def test_anime_without_characters_stay_where_the_dial_says_so() -> None:
    kept = cleaned(anime({}, {}), roles((1, 1)), usable(3), need_characters=False)

    assert kept.rows.select("anime_id", "main_characters").rows() == [(1, 1), (2, 0)]


def test_where_no_character_is_described_a_main_part_is_enough() -> None:
    kept = cleaned(anime({}, {}), roles((1, 1), (1, 2)), None)

    assert kept.rows.select("anime_id", "main_characters", "description_words").rows() == [(1, 2, 0)]
    assert rules(kept) == {2: "no_main_character"}


def test_where_nobody_plays_at_all_no_rule_asks_for_characters() -> None:
    assert cleaned(anime({}, {}), roles(), None).rows.height == 2


def test_a_title_is_asked_for_only_where_the_dial_says_so() -> None:
    parsed = anime({"title": None}, {})

    assert cleaned(parsed, roles(), None, need_title=False).rows["title"].to_list() == [None, "T"]
    assert rules(cleaned(parsed, roles(), None)) == {1: "title_missing"}


def test_another_language_stays_unless_the_dial_says_otherwise() -> None:
    english, foreign = "The cat of the sea " * 5, "El gato del mar " * 5
    parsed = anime({"synopsis": english}, {"synopsis": foreign})

    assert cleaned(parsed, roles(), None).rows.height == 2
    assert rules(cleaned(parsed, roles(), None, need_english=True)) == {2: "not_english"}


def test_a_story_told_twice_stays_unless_the_dial_says_otherwise() -> None:
    once, again, other = "sea moon " * 10, "Sea, moon! " * 10, "sword king " * 10
    parsed = anime({"synopsis": once}, {"synopsis": other}, {"synopsis": again})

    assert cleaned(parsed, roles(), None).rows.height == 3
    assert rules(cleaned(parsed, roles(), None, need_unique=True)) == {3: "duplicate_story"}


def test_a_story_does_not_leave_for_one_that_was_not_kept_itself() -> None:
    parsed = anime({"score": None}, {})

    kept = cleaned(parsed, roles(), None, need_unique=True)

    assert rules(kept) == {1: "score_missing"}
    assert kept.rows["anime_id"].to_list() == [2]


def test_a_story_does_not_leave_for_one_that_leaves_itself() -> None:
    # Of 56 runs of five words, neighbours share 54 of 58 together, and the first and the third 52 of 60.
    many = [f"w{number}" for number in range(60)]
    first, second, third = many, [*many[:-2], "a", "b"], ["c", "d", *many[2:-2], "a", "b"]
    parsed = anime(*({"synopsis": " ".join(one)} for one in (first, second, third)))

    kept = cleaned(parsed, roles(), None, need_unique=True)

    assert oddities.twins(parsed).select("anime_id", "twin_id").rows() == [(2, 1), (3, 2)]
    assert rules(kept) == {2: "duplicate_story"}


def test_the_dial_of_the_sites_mean_turns_scores_round() -> None:
    parsed = anime({"score": 7.0, "votes": 50}, {"score": 6.0, "votes": 25})

    kept = cleaned(parsed, roles(), None, site_mean=6.0).rows

    # Of 100 times 7, the site's 50 times 6 leave 400 for 50 votes; a score of 6 is a mean of 6.
    assert kept["plain"].to_list() == [8.0, 6.0]


def test_votes_that_only_a_page_of_statistics_tells_are_votes_of_the_corpus() -> None:
    marks = pl.DataFrame({"anime_id": [1, 1], "mark": [6, 10], "votes": [25, 25]})

    kept = cleaned(anime({"votes": None}, {"votes": 7}), roles(), None, histograms=marks).rows

    assert kept["votes"].to_list() == [50, 7]


def test_an_unknown_credit_counts_as_none_and_the_year_is_that_of_the_first_day() -> None:
    parsed = anime({"aired_from": date(2019, 12, 31), "synopsis_credit": "rewrite"}, {})

    kept = cleaned(parsed, roles(), None)

    assert kept.rows.select("year", "synopsis_credit").rows() == [(2019, "rewrite"), (None, "none")]


def test_nothing_in_gives_nothing_out() -> None:
    kept = cleaned(anime(), roles(), usable())

    assert kept.rows.height == kept.rejects.height == 0


# The label `audience`


def test_audience_is_the_share_of_titles_of_the_same_two_years_that_have_fewer_members() -> None:
    years_and_members = [(2020, 10), (2021, 30), (2020, 20), (2021, 20), (2022, 5), (2023, 900), (2024, 7)]
    parsed = anime(*({"aired_from": date(year, 5, 1), "members": count} for year, count in years_and_members))

    found = cleaned(parsed, roles(), None).rows["audience"].to_list()

    # 2020 and 2021: 10, 20, 20, 30 have ranks 1, 2.5, 2.5, 4 of 4, less a half; 2022 and 2023: ranks 1 and 2 of 2.
    assert found == [0.125, 0.875, 0.5, 0.5, 0.25, 0.75, 0.5]


def test_audience_is_unknown_without_year_or_members_and_unknown_rows_do_not_count() -> None:
    parsed = anime(
        {"aired_from": date(2020, 1, 1), "members": 1},
        {"aired_from": date(2020, 1, 1), "members": None},
        {"aired_from": None, "members": 5},
        {"aired_from": date(2020, 1, 1), "members": 2},
    )

    assert cleaned(parsed, roles(), None).rows["audience"].to_list() == [0.25, None, None, 0.75]


def test_audience_compares_with_titles_that_cleaning_removes() -> None:
    parsed = anime(
        {"aired_from": date(2020, 1, 1), "members": 9}, {"aired_from": date(2020, 1, 1), "members": 1, "score": None}
    )

    assert cleaned(parsed, roles(), None).rows["audience"].to_list() == [0.75]


# All labels


def test_a_corpus_carries_every_label() -> None:
    marks = pl.DataFrame({"anime_id": [1, 1], "mark": [6, 10], "votes": [25, 25]})
    brought = pl.DataFrame({"anime_id": [1, 2], "source": ["kitsu", "kitsu"], "score": [4.0, 3.0]})
    parsed = anime({"score": 7.3, "votes": 50}, {"score": 7.0, "votes": 50})

    kept = cleaned(parsed, roles(), None, histograms=marks, further=brought).rows

    # One title cannot tell the site's mean: the mean of both scores, 7.15, stands in for it.
    assert kept["plain"].to_list() == pytest.approx([8.0, 6.85])
    assert kept["weighted"].to_list() == [pytest.approx((8 + 7.15) / 2), None]
    assert kept["further_scores"].to_list()[1] == [{"source": "kitsu", "score": 3.0}]
    assert kept["votes_error"].is_not_null().all()


# Characters


@pytest.mark.parametrize(
    "text",
    [
        None,
        "No description available.",
        "No biography written.",
        "(no information has been added yet)",
        "No character biography.",
        "No Description Available!",
        "...",
        "(Source: Wikipedia)",
    ],
)
def test_a_character_without_a_useful_description_leaves(text: str | None) -> None:
    found = clean.usable_characters(characters({"description": text}), portraits(1), min_words=1, spoilers=False)

    assert rules(found) == {1: "description_missing"}


@pytest.mark.parametrize(
    "text",
    [
        "No one knows her.",
        "Nobody",
        "No description could do justice to the strange old captain who sails a paper ship across the sea.",
        "No information about him is known except he is a cat.",
        "No biography of hers would be short.",
        "彼女は猫です",
    ],
)
def test_a_description_that_only_begins_like_an_empty_one_stays(text: str) -> None:
    found = clean.usable_characters(characters({"description": text}), portraits(1), min_words=1, spoilers=False)

    assert found.rows["description"].to_list() == [text]


def test_a_character_leaves_once_under_the_first_of_all_the_rules_that_it_breaks() -> None:
    combinations = list(product([False, True], repeat=3))
    rows = [
        {"description": None if missing else "Short." if short else "A tall man."} for missing, short, _ in combinations
    ]
    pictured = [number for number, broken in enumerate(combinations, start=1) if not broken[2]]

    found = clean.usable_characters(characters(*rows), portraits(*pictured), min_words=2, spoilers=False)

    first = [next((rule for rule, yes in zip(CHARACTER_RULES, row, strict=True) if yes), None) for row in combinations]
    assert rules(found) == {number: rule for number, rule in enumerate(first, start=1) if rule is not None}
    assert found.rows["character_id"].to_list() == [1]
    assert found.rejects["table"].unique().to_list() == ["characters"]


def test_portraits_are_asked_for_only_where_a_site_has_them() -> None:
    assert clean.usable_characters(characters({}), None, min_words=1, spoilers=False).rows.height == 1
    assert clean.usable_characters(characters({}), portraits(), min_words=1, spoilers=False).rows.height == 0


def test_a_description_is_asked_for_only_where_the_dial_says_so() -> None:
    told = characters({"description": None}, {"description": "No biography written."}, {"description": "Short."}, {})

    found = clean.usable_characters(told, None, min_words=2, spoilers=False, need_description=False)

    assert found.rows.select("character_id", "description", "words").rows() == [
        (1, None, 0), (2, None, 0), (4, "A tall man.", 3)
    ]  # fmt: skip
    assert rules(found) == {3: "description_short"}
    assert clean.kept_characters(found, roles((1, 1)), pl.DataFrame({"anime_id": [1]})).rows.height == 1


@pytest.mark.parametrize(("spoilers", "words"), [(False, [3, None]), (True, [5, 2])])
def test_hidden_text_is_description_only_where_the_dial_says_so(spoilers: bool, words: list[int | None]) -> None:
    hidden = characters({"spoiler": "He dies."}, {"description": None, "spoiler": "He dies."})

    found = clean.usable_characters(hidden, None, min_words=1, spoilers=spoilers)

    counted = dict(found.rows.select("character_id", "words").iter_rows())
    assert [counted.get(number) for number in (1, 2)] == words


def test_characters_stay_only_with_a_main_part_in_a_kept_anime() -> None:
    found = clean.usable_characters(characters({}, {}, {}, {"description": None}), None, min_words=1, spoilers=False)
    played = pl.concat([roles((1, 1), (2, 2), (1, 4)), roles((1, 3), role="supporting")])

    kept = clean.kept_characters(found, played, pl.DataFrame({"anime_id": [1]}))

    assert kept.rows["character_id"].to_list() == [1]
    assert rules(kept) == {2: "no_kept_anime", 3: "no_kept_anime", 4: "description_missing"}


def test_roles_stay_where_both_anime_and_character_do() -> None:
    played = pl.concat([roles((1, 1), (1, 2), (2, 1), (3, 1)), roles((3, 2), role="supporting")])
    kept = pl.DataFrame({"anime_id": [1, 3]})

    assert clean.kept_roles(played, kept, pl.DataFrame({"character_id": [1]})).rows() == [(1, 1, 0), (3, 1, 3)]
    assert clean.kept_roles(played, kept, None)["character_id"].to_list() == [1, 2, 1]


# Real data


@pytest.fixture(scope="module")
def parsed_2021(real: Path) -> pl.DataFrame:
    """Return the tables of 2021 as the parser would have left them."""
    raw = pl.read_parquet(real / "tables" / "anime_2021.parquet").unique("anime_id", maintain_order=True)
    told = [None if text.startswith("No synopsis") else text or None for text in raw["synopsis"]]
    lists = {name: pl.col(name).fill_null("").str.split("|").list.filter(pl.element() != "") for name in LISTS[:-1]}
    rows = raw.with_columns(
        synopsis=pl.Series([text and (parse.story(text) or None) for text in told], dtype=pl.String),
        synopsis_as_written=pl.Series([text and (words.tidy(text) or None) for text in told], dtype=pl.String),
        synopsis_credit=pl.Series([text and parse.credit(text) for text in told], dtype=pl.String),
        aired_from=pl.Series([period(text)[0] if text else None for text in raw["aired"]], dtype=pl.Date),
        votes="scored_by",
        favourites="favorites",
        relations=pl.lit([], dtype=Anime.create_empty().schema["relations"]),
        title_synonyms=pl.lit([], dtype=pl.List(pl.String)),
        **lists,
    )
    empty = Anime.create_empty()
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in empty.schema.items() if name not in rows.columns]
    return Anime.validate(rows.with_columns(absent).select(empty.columns), cast=True)


@pytest.fixture(scope="module")
def roles_2021(real: Path) -> pl.DataFrame:
    links = pl.read_parquet(real / "tables" / "main_character_links.parquet").unique()
    return roles(*links.rows())


@pytest.fixture(scope="module")
def corpus_2021(parsed_2021: pl.DataFrame, roles_2021: pl.DataFrame) -> clean.Kept:
    return cleaned(parsed_2021, roles_2021, None)


def components(corpus: pl.DataFrame, played: pl.DataFrame) -> int:
    return cluster.clusters(corpus, clean.kept_roles(played, corpus, None))["cluster_id"].n_unique()


def test_the_site_of_2021_has_7531_usable_anime_in_4309_components(
    parsed_2021: pl.DataFrame, roles_2021: pl.DataFrame, corpus_2021: clean.Kept
) -> None:
    assert corpus_2021.rows.height == 7531
    assert components(corpus_2021.rows, roles_2021) == 4309
    assert corpus_2021.rows.height + corpus_2021.rejects.height == parsed_2021.height == 17682


def test_the_papers_texts_leave_the_same_titles_of_2021_and_other_words_in_49_of_them(
    parsed_2021: pl.DataFrame, roles_2021: pl.DataFrame, corpus_2021: clean.Kept
) -> None:
    papers = cleaned(parsed_2021, roles_2021, None, texts="paper").rows

    assert papers.height == 7531
    assert components(papers, roles_2021) == 4309
    assert papers["anime_id"].to_list() == corpus_2021.rows["anime_id"].to_list()
    more = papers["words"] - corpus_2021.rows["words"]
    assert ((more < 0).sum(), (more > 0).sum()) == (35, 14)
    by_space = papers.filter(pl.col("synopsis").str.split(" ").list.len() >= 20)
    assert (by_space.height, components(by_space, roles_2021)) == (7528, 4308)


def test_words_between_single_spaces_alone_give_the_7528_anime_and_4308_components_measured_before(
    corpus_2021: clean.Kept, roles_2021: pl.DataFrame
) -> None:
    # A word on either side of a line break is then one word, so three synopses of twenty words fall short.
    by_space = corpus_2021.rows.filter(pl.col("synopsis").str.split(" ").list.len() >= 20)

    assert by_space.height == 7528
    assert components(by_space, roles_2021) == 4308


def test_length_alone_ranks_the_titles_of_2021_as_well_as_the_published_model(corpus_2021: clean.Kept) -> None:
    found = corpus_2021.rows.select(pl.corr(pl.col("words").log1p(), "score", method="spearman")).item()

    assert found == pytest.approx(0.348, abs=0.002)


def test_the_corpus_of_2021_obeys_every_rule(corpus_2021: clean.Kept) -> None:
    rows = corpus_2021.rows

    assert rows["words"].min() == 20
    assert rows["main_characters"].min() == 1
    assert not rows["synopsis"].str.contains(r"\(source|\(Source|\[Written|No synopsis (information )?has been").any()
    assert rows["words"].to_list() == [len(text.split()) for text in rows["synopsis"]]
    assert rows.filter(pl.col("year").is_not_null())["audience"].is_between(0, 1, closed="none").all()


def test_the_papers_example_of_shared_characters_is_one_component(
    corpus_2021: clean.Kept, roles_2021: pl.DataFrame
) -> None:
    kept = clean.kept_roles(roles_2021, corpus_2021.rows, None)
    found = cluster.clusters(corpus_2021.rows, kept)

    together = found.filter(pl.col("anime_id").is_in([21, 38234, 466, 25161, 5252]))
    assert together["cluster_id"].to_list() == [21] * together.height
    assert together.height == 5


def test_voting_noise_alone_would_allow_nearly_everything_in_2021(corpus_2021: clean.Kept) -> None:
    assert labels.ceiling(corpus_2021.rows, "plain") == pytest.approx(0.9971, abs=0.0002)
    assert labels.ceiling(corpus_2021.rows, "score") == pytest.approx(0.9977, abs=0.0002)


def test_plain_means_of_2021_follow_from_displayed_scores(corpus_2021: clean.Kept, parsed_2021: pl.DataFrame) -> None:
    mean = labels.site_mean(parsed_2021)
    rows = corpus_2021.rows

    assert (round(mean.value or 0, 3), mean.how) == (6.512, labels.STAND_IN)
    assert rows["plain"].null_count() == rows["votes_error"].null_count() == 0
    again = rows.select(labels.weighted(pl.col("plain"), pl.col("votes"), mean.value or 0)).to_series()
    assert (again - rows["score"]).abs().max() == pytest.approx(0, abs=1e-9)


def test_the_corpus_of_2021_tells_63_stories_twice_and_all_of_them_in_english(corpus_2021: clean.Kept) -> None:
    found = oddities.of_anime(corpus_2021.rows)

    assert found["oddity"].cast(pl.String).value_counts().rows() == [("duplicate_story", 63)]
    assert found.filter(pl.col("id") == 30870)["twin_id"].to_list() == [30868]


def without_markup(text: str) -> str:
    return re.sub(r"\[/?[a-z*]+[^\]]*\]", " ", re.sub(r"(?s)\[source\].*", "", text))


def biographies(real: Path) -> Iterator[dict[str, Any]]:
    rows = pl.read_parquet(real / "tables" / "character_bios.parquet").filter(
        pl.col("character_id").is_between(299, 304)
    )
    for number, about in rows.sort("character_id").select("character_id", "about").iter_rows():
        shown, _, hidden = about.partition("[spoiler")
        spoiler = without_markup("[spoiler" + hidden) if hidden else None
        yield {"character_id": number, "description": without_markup(shown), "spoiler": spoiler}


def test_the_papers_example_of_an_input_has_the_papers_words_when_hidden_text_counts(real: Path) -> None:
    found = clean.usable_characters(characters(*biographies(real)), None, min_words=1, spoilers=True)

    assert found.rows["words"].to_list() == [144, 412, 133, 167, 73, 205]
    assert found.rows["words"].sum() == 1134


def test_the_papers_example_has_its_six_main_characters(real: Path, roles_2021: pl.DataFrame) -> None:
    assert sorted(roles_2021.filter(pl.col("anime_id") == 7)["character_id"]) == [299, 300, 301, 302, 303, 304]


def test_cleaning_does_not_depend_on_the_order_of_rows(parsed_2021: pl.DataFrame) -> None:
    kept = cleaned(parsed_2021.head(500).reverse(), roles(), None)

    assert_frame_equal(kept.rows, cleaned(parsed_2021.head(500), roles(), None).rows)
