"""Oddities are found, told apart from what is usual, and found alike by the quick way and by the long one."""

from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anipop_pipeline.stages import oddities

WORDS = [f"w{number}" for number in range(60)]


def synopses(*texts: str) -> pl.DataFrame:
    rows = list(enumerate(texts, start=1))
    return pl.DataFrame(rows, schema={"anime_id": pl.Int64, "synopsis": pl.String}, orient="row")


def told(*words: str) -> str:
    return " ".join(words)


def twins(*texts: str) -> dict[int, tuple[int, float]]:
    return {one: (other, value) for one, value, other in oddities.twins(synopses(*texts)).iter_rows()}


# Language


@pytest.mark.parametrize(
    "text",
    [
        "Una chica que vive junto al mar encuentra un gato perdido y decide llevarlo a casa de su hermano.",
        "Ein Mädchen, das am Meer wohnt, findet eine Katze und nimmt sie mit nach Hause, doch ihr Bruder ist dagegen.",
        "Une fille qui habite au bord de la mer trouve un chat et décide de le ramener chez elle.",
        "Uma menina que mora à beira do mar encontra um gato e decide levá-lo para casa.",
        "umi no soba no mura ni sumu shoujo wa aru hi neko wo hiroi ie e tsurete kaeru",
        "海の村に住む少女は、ある日、猫を拾って家に連れて帰る。",
        "Девочка, живущая у моря, находит кошку и несёт её домой.",
        "?!",
    ],
)
def test_a_text_without_common_english_words_is_not_english(text: str) -> None:
    assert synopses(text).select(oddities.not_english("synopsis").alias("foreign")).item() is True


@pytest.mark.parametrize(
    "text",
    [
        "A girl who lives by the sea finds a cat.",
        "Four specials: Sea, Moon, Sword and King, each of two minutes.",
        "THE CAT OF THE SEA",
    ],
)
def test_english_prose_is_english_even_where_it_only_lists(text: str) -> None:
    assert synopses(text).select(oddities.not_english("synopsis").alias("foreign")).item() is False


# Stories told twice


def test_case_punctuation_and_white_space_make_no_other_story() -> None:
    found = twins("The cat's sea.", "A dog on land.", "the CAT s\n sea!")

    assert found == {3: (1, 1.0)}


def test_a_story_with_few_words_changed_is_told_twice() -> None:
    # 60 words are 56 runs of five; another last word changes one of them: 55 shared of 57 together.
    found = twins(told(*WORDS), told(*WORDS[:-1], "other"))

    assert found == {2: (1, 55 / 57)}


def test_a_word_in_the_middle_changes_five_runs_and_makes_another_story() -> None:
    # 51 of 61 runs are 0.84.
    assert twins(told(*WORDS), told(*WORDS[:30], "other", *WORDS[31:])) == {}


def test_a_story_of_a_series_is_found_however_many_tell_it() -> None:
    episodes = [told(*WORDS, f"part{number}") for number in range(40)]

    assert twins(*episodes) == dict.fromkeys(range(2, 41), (1, 56 / 58))


def test_the_smallest_id_is_the_twin_and_short_texts_must_be_equal() -> None:
    assert twins("one two", "one two three", "one two", "one two") == {3: (1, 1.0), 4: (1, 1.0)}


def test_no_text_at_all_has_no_twin() -> None:
    assert twins() == twins("?", "!") == {}


def runs(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}


def alike(one: str, other: str) -> bool:
    mine, theirs = runs(one), runs(other)
    return one == other or (bool(mine and theirs) and len(mine & theirs) / len(mine | theirs) >= 0.9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.sampled_from(["x", "y"])), min_size=2, max_size=9))
def test_the_quick_way_finds_what_comparing_all_pairs_finds(made: list[tuple[int, int, str]]) -> None:
    stories = [WORDS[base:] + WORDS[:base] for base in (0, 5, 20, 40)]
    texts = [told(*stories[which][:place], new, *stories[which][place:]) for which, place, new in made]

    pairs = [(one, other) for one, other in combinations(range(len(texts)), 2) if alike(texts[one], texts[other])]
    assert {*twins(*texts)} == {other + 1 for _, other in pairs}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["x", "y"])), min_size=2, max_size=9))
def test_no_two_stories_that_stay_are_alike_and_each_that_leaves_is_like_one_that_stays(
    made: list[tuple[int, int, str]],
) -> None:
    texts = [told(*[new] * first, *WORDS[first : 60 - last], *[new] * last) for first, last, new in made]

    gone = {one - 1 for one in oddities.repeats(synopses(*texts))}

    stays = [one for one in range(len(texts)) if one not in gone]
    assert not [pair for pair in combinations(stays, 2) if alike(texts[pair[0]], texts[pair[1]])]
    assert all(any(alike(texts[one], texts[other]) for other in stays if other < one) for one in gone)


# The tables


def test_oddities_of_a_corpus_are_told_with_their_size_and_their_twin() -> None:
    corpus = synopses("The cat of the sea.", "El gato del mar.", "the cat of the sea")

    found = oddities.of_anime(corpus)

    assert {*found.select("table", "id", "oddity", "value", "twin_id").rows()} == {
        ("anime", 2, "not_english", 0.0, None),
        ("anime", 3, "duplicate_story", 1.0, 1),
    }


def test_a_description_of_four_words_is_near_empty_and_one_of_five_is_not() -> None:
    people = pl.DataFrame({"character_id": [1, 2, 3], "description": ["A", "B", None], "words": [4, 5, 0]})

    found = oddities.of_characters(people)

    assert found.select("table", "id", "oddity", "value").rows() == [("characters", 1, "near_empty", 4.0)]


def test_statistics_count_each_oddity() -> None:
    found = oddities.of_anime(synopses("El gato.", "El mar.", "El gato!"))

    table = oddities.statistics(found)

    assert table.select("statistic", "bucket", "measure", "value").rows() == [
        ("oddities", "duplicate_story", "rows", 1.0),
        ("oddities", "not_english", "rows", 3.0),
    ]
