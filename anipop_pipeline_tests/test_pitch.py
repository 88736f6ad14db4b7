"""What a pitch may say, what a model sees of it, and what follows from residuals and words."""

import json
import math
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anipop_pipeline.errors import PitchError
from anipop_pipeline.stages import pitch as pitches
from anipop_pipeline.stages.experiments import EXPERIMENTS, PITCHES
from anipop_pipeline.stages.pitch import Neighbourhood, Pitch, PitchCharacter, TrackRecord
from anipop_pipeline.stages.pitch.doubt import radius
from anipop_pipeline.stages.pitch.row import UNDECIDED
from anipop_pipeline.stages.tables.reports import Predictions

from .pitch_lake import BRIGHT_STORY, world

STORY = "word " * 20


def refused(fields: dict[str, object]) -> PitchError:
    with pytest.raises(PitchError) as caught:
        pitches.pitch_of({"synopsis": STORY, **fields})
    return caught.value


# Reading


def test_the_example_is_a_pitch_at_green_light() -> None:
    pitch = pitches.read_pitch(pitches.example(), ".toml")

    assert pitches.tier(pitch) == "greenlight"
    assert [character.name for character in pitch.characters] == ["Mio", "Old Tetsu"]


def test_every_line_that_the_example_leaves_out_can_be_put_in() -> None:
    whole = re.sub(r"(?m)^# (?=\w+ += )", "", pitches.example())

    pitch = pitches.read_pitch(whole, ".toml")

    assert pitches.tier(pitch) == "announcement"
    assert (pitch.quarter, pitch.year, pitch.relatives, pitch.relatives_score) == ("fall", 2026, 1, 7.4)


def test_the_example_names_every_field() -> None:
    named = set(re.findall(r"(?m)^(?:# )?\[*(\w+)\]* *(?:=|$)", pitches.example()))

    assert set(pitches.FIELDS) - named <= {"quarter", "year"}


def test_json_says_the_same_as_toml() -> None:
    said = {"title": "A", "synopsis": STORY, "type": "TV", "season": "Autumn 2026", "studios": ["B"], "themes": None}

    pitch = pitches.read_pitch(json.dumps(said), ".JSON")

    assert pitch == Pitch(STORY, title="A", type="TV", studios=("B",), quarter="fall", year=2026)


def test_texts_are_put_on_one_line_and_doubles_leave_a_list() -> None:
    pitch = pitches.pitch_of({"synopsis": "\n word\t" * 20, "genres": [" Drama", "Drama ", ""], "type": "  "})

    assert (pitch.synopsis, pitch.genres, pitch.type) == (" ".join(["word"] * 20), ("Drama",), None)


@pytest.mark.parametrize(
    ("fields", "what", "fix"),
    [
        ({"mood": "dark"}, "'mood' is no field of a pitch", "leave it out; there are title, synopsis"),
        ({"gneres": []}, "'gneres' is no field", "did you mean genres?"),
        ({"synopsis": None}, "synopsis is missing", "give at least 20 words"),
        ({"synopsis": " \n"}, "synopsis is missing", "give at least 20 words"),
        ({"synopsis": "A girl."}, "synopsis is 'A girl.'", "give at least 20 words; these are 2"),
        ({"synopsis": 7}, "synopsis is 7", "give a text"),
        ({"title": ["A"]}, "title is ['A']", "give a text"),
        ({"title": "\x1b[31mred"}, "title is '\\x1b[31mred'", "without control characters"),
        ({"title": "\ud800"}, "title is '\\ud800'", "without control characters"),
        ({"title": "x" * 301}, "title is 'xxxx", "at most 300 characters; these are 301"),
        ({"genres": "Drama"}, "genres is 'Drama'", 'a list of at most 30 names, such as ["Drama", "Mystery"]'),
        ({"genres": ["Drama", 3]}, "genres is 3", "give a text"),
        ({"episodes": -3}, "episodes is -3", "a whole number from 1 to 5000"),
        ({"episodes": True}, "episodes is True", "a whole number"),
        ({"episodes": 12.0}, "episodes is 12.0", "a whole number"),
        ({"episodes": "12"}, "episodes is '12'", "a whole number"),
        ({"duration_minutes": 0}, "duration_minutes is 0", "a number from 0.1 to 600"),
        ({"duration_minutes": math.nan}, "duration_minutes is nan", "a number from 0.1 to 600"),
        ({"relatives_score": 7.0}, "relatives_score is 7.0", "give relatives, too"),
        ({"relatives": 1, "relatives_score": 11}, "relatives_score is 11", "a number from 1 to 10"),
        ({"season": "Monsoon 2026"}, "season is 'Monsoon 2026'", 'such as "Fall 2026"'),
        ({"season": "Fall"}, "season is 'Fall'", 'such as "Fall 2026"'),
        ({"season": 2026}, "season is 2026", 'such as "Fall 2026"'),
        ({"season": "Fall 2026", "year": 2026}, "season is 'Fall 2026'", "either a season, or quarter and year"),
        ({"season": "Fall 9999"}, "year is 9999", "from 1900 to 2100"),
        ({"quarter": "Q3"}, "quarter is 'Q3'", "one of winter, spring, summer, fall"),
        ({"characters": "Mio"}, "characters is 'Mio'", "each with name and description"),
        ({"characters": [{"name": "A", "age": 3}]}, "character 1 is", "a name and a description, nothing else"),
        ({"characters": [{"name": "Mio"}]}, "character 1 is 'Mio'", "a description"),
        ({"characters": [{"description": 5}]}, "character 1 is 5", "give a text"),
    ],
)
def test_a_mistake_names_its_field_its_value_and_what_is_allowed(
    fields: dict[str, object], what: str, fix: str
) -> None:
    mistake = refused(fields)

    assert what in mistake.what
    assert fix in mistake.fix


def test_all_mistakes_are_told_at_once() -> None:
    mistake = refused({"episodes": 0, "rating": 13, "mood": "dark"})

    assert mistake.what.startswith("3 fields cannot be used: 'mood' is no field")
    assert "episodes is 0 (give a whole number" in mistake.what
    assert "rating is 13 (give a text)" in mistake.what


@pytest.mark.parametrize(
    ("text", "suffix", "what"),
    [
        ("synopsis: x", ".yaml", ".yaml is no format"),
        ("", "", "no suffix is no format"),
        ("synopsis = ", ".toml", "the pitch is no TOML: "),
        ("{", ".json", "the pitch is no JSON: "),
        ("[" * 100_000, ".json", "the pitch is no JSON: "),
        ("[1]", ".json", "the pitch is not one object"),
        ('{"title": "A", "title": "B"}', ".json", "title is said twice"),
    ],
)
def test_a_file_that_is_no_pitch_is_refused(text: str, suffix: str, what: str) -> None:
    with pytest.raises(PitchError, match=re.escape(what)):
        pitches.read_pitch(text, suffix)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*pitches.FIELDS, "season"]) | st.text(max_size=8), values, max_size=5))
def test_whatever_is_said_ends_in_a_pitch_or_in_a_pitch_error(fields: dict[str, object]) -> None:
    said = {"synopsis": STORY, **fields}

    wrong = pitches.mistakes(said)

    if wrong:
        with pytest.raises(PitchError):
            pitches.pitch_of(said)
    else:
        assert pitches.rows(pitches.pitch_of(said)).height == 1


# Tier, row, spelling


def test_a_tier_needs_all_that_the_tiers_before_it_need() -> None:
    green = {"type": "TV", "source": "Manga"}

    told = [
        pitches.tier(pitches.pitch_of({"synopsis": STORY, **fields}))
        for fields in (
            {"type": "TV", "genres": ["Drama"]},
            green,
            {**green, "studios": ["A"]},
            {**green, "year": 2026},
            {**green, "studios": ["A"], "year": 2026},
            {"studios": ["A"], "season": "Fall 2026"},
        )
    ]

    assert told == ["concept", "greenlight", "greenlight", "greenlight", "announcement", "concept"]


@pytest.mark.parametrize("name", PITCHES)
def test_a_row_has_the_columns_that_the_experiment_was_fitted_on(name: str) -> None:
    row = pitches.rows(Pitch(STORY), EXPERIMENTS[name])

    assert row.schema == world().materials[name].rows.schema


def test_a_row_says_what_the_pitch_says() -> None:
    cast = (PitchCharacter("A", "Tall and late."), PitchCharacter("B", "Small."))
    pitch = Pitch(
        STORY, characters=cast, type="TV", source="Manga", genres=("Drama",), relatives=2, relatives_score=7.5
    )

    row = pitches.rows(pitch).row(0, named=True)

    assert row["descriptions"] == "Tall and late. Small."
    assert (row["genres"], row["themes"]) == (["Drama"], [])
    assert (row["sequel"], row["relatives"], row["relatives_score"]) == (True, 2, 7.5)
    assert (row["words"], row["main_characters"], row["synopsis_credit"]) == (20, 2, "none")
    assert row["episodes"] is None
    assert "studios" not in row


def test_what_is_undecided_is_no_category_of_a_released_title() -> None:
    row = pitches.rows(Pitch(STORY), EXPERIMENTS["pitch_announcement"]).row(0, named=True)

    assert {row[name] for name in ("type", "source", "quarter", "rating")} == {UNDECIDED}


def test_fields_that_an_experiment_does_not_look_at_are_named() -> None:
    pitch = Pitch(STORY, type="TV", studios=("A",), year=2026, quarter="fall")

    assert pitches.unused(pitch, EXPERIMENTS["pitch"]) == ["type", "studios", "quarter", "year"]
    assert pitches.unused(pitch, EXPERIMENTS["pitch_announcement"]) == []


def test_values_take_the_spelling_of_the_corpus_or_are_told_to_count_for_nothing() -> None:
    known = pitches.known_values(world().corpus)
    pitch = Pitch(STORY, type="tv", source="Mango", rating="pg-13", studios=("PAPER MOTH", "Nobody"))

    changed, unheard = pitches.spelled(pitch, known)

    assert (changed.type, changed.source, changed.rating) == ("TV", None, "PG-13 - Teens 13 or older")
    assert changed.studios == ("Paper Moth",)
    assert unheard == [
        'No title learned from has "Mango" as its source, so it counts for nothing. Did you mean "Manga"?',
        'No title learned from has "Nobody" among its studios, so it counts for nothing.',
    ]


def test_awards_are_no_genre_that_a_pitch_can_have() -> None:
    assert pitches.known_values(world().corpus)["genres"] == ("Drama", "Horror")


# Doubt


def test_the_half_width_is_the_order_statistic_with_the_finite_sample_correction() -> None:
    errors = np.arange(1, 10) / 10  # nine of them: ceil(10 * 0.5) = 5th, ceil(10 * 0.8) = 8th, 10th of 9

    assert [radius(errors, coverage) for coverage in (0.5, 0.8, 0.95)] == [0.5, 0.8, math.inf]


def track_record() -> TrackRecord:
    corpus = pl.DataFrame({"anime_id": [1, 2, 3, 4], "score": [6.0, 7.0, 8.0, 9.0]})
    grouped = [(1, 6.5), (2, 6.5), (3, 8.0), (4, 8.0)]  # errors 0.5, 0.5, 0, 1
    temporal = [(3, 7.9), (4, 5.0)]  # errors 0.1, 4
    rows = [("grouped", 0, anime_id, said) for anime_id, said in grouped]
    rows += [("temporal", 0, anime_id, said) for anime_id, said in temporal] + [("published", 1, 1, 1.0)]
    told = pl.DataFrame(rows, schema=["split", "repeat", "anime_id", "predicted"], orient="row")
    keyed = told.with_columns(experiment=pl.lit("pitch"), label=pl.lit("score"), fold=0, seed=42)
    record = TrackRecord.of(Predictions.validate(keyed.select(Predictions.column_names()), cast=True), corpus, "score")
    assert record is not None
    return record


def test_intervals_come_from_grouped_errors_and_are_judged_on_later_titles() -> None:
    estimate = track_record().estimate(7.0)

    half, likely, nearly_all = estimate.intervals
    assert (half.low, half.high, half.later_coverage) == (6.5, 7.5, 0.5)  # third of 0, 0.5, 0.5, 1
    assert (likely.low, likely.high) == (6.0, 8.0)  # fourth
    assert (nearly_all.low, nearly_all.high, nearly_all.later_coverage) == (1.0, 10.0, 1.0)  # too few: the whole scale
    assert estimate.titles == 4


def test_r2_is_one_less_the_errors_over_the_variance() -> None:
    assert track_record().r2_score == pytest.approx(1 - (0.25 + 0.25 + 0 + 1) / 5.0)


def test_chances_count_where_such_estimates_ended() -> None:
    record = track_record()  # residuals -0.5, 0.5, 0, 1: of 7 they make 6.5, 7.5, 7, 8

    assert record.chance_above(7.0, 7.2) == pytest.approx(2.5 / 5)
    assert record.chance_above(7.0, 9.9) == pytest.approx(0.5 / 5)


def test_an_experiment_that_was_never_tested_has_no_record() -> None:
    corpus = pl.DataFrame({"anime_id": [1], "audience": [0.5]})

    assert TrackRecord.of(Predictions.create_empty(), corpus, "audience") is None


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.sampled_from((0.5, 0.8, 0.95)))
def test_an_interval_holds_its_share_of_the_errors_it_was_drawn_from(errors: list[float], coverage: float) -> None:
    width = radius(np.array(errors), coverage)

    assert np.count_nonzero(np.array(errors) <= width) >= min(len(errors), coverage * (len(errors) + 1) - 1e-9)


# Neighbours


def neighbourhood(stories: list[str], scores: list[float], franchises: list[int] | None = None) -> Neighbourhood:
    ids = list(range(1, len(stories) + 1))
    corpus = pl.DataFrame({"anime_id": ids, "synopsis": stories, "score": scores})
    return Neighbourhood.of(corpus, pl.DataFrame({"anime_id": ids, "cluster_id": franchises or ids}))


def test_one_title_of_each_franchise_is_near() -> None:
    stories = ["dragon castle", "dragon castle knight", "dragon market", "harbour tax"]

    near = neighbourhood(stories, [5, 6, 7, 8], [1, 1, 3, 4]).nearest("dragon castle")

    assert [neighbour.anime_id for neighbour in near] == [1, 3]
    assert near[0].similarity == pytest.approx(1)


def test_a_near_failure_takes_the_last_place() -> None:
    stories = [
        *(f"dragon castle knight {word}" for word in ["abbot", "baker", "clerk", "diver", "elder"]),
        "dragon castle x2",
    ]

    near = neighbourhood([*stories, "harbour tax"], [8, 8, 8, 8, 8, 2, 7]).nearest("dragon castle knight")

    assert [neighbour.failed for neighbour in near] == [False, False, False, False, True]
    assert near[-1].anime_id == 6


def test_a_failure_that_is_not_near_is_not_shown() -> None:
    stories = [f"dragon castle knight {word}" for word in ["abbot", "baker", "clerk", "diver", "elder"]]
    far = "dragon harbour tax office ledger stamp clerkship quarrel"

    near = neighbourhood([*stories, far], [8, 8, 8, 8, 8, 2]).nearest("castle knight dragon")

    assert not any(neighbour.failed for neighbour in near)


def test_a_word_is_known_when_two_franchises_use_it() -> None:
    stories = ["dragon castle", "dragon castle", "dragon harbour"]

    words = neighbourhood(stories, [5, 6, 7], [1, 1, 3])

    assert words.known_share("The dragon, the DRAGON and a castle") == 0.5
    assert words.known_share("Zaubern") == 0.0
    assert words.known_share("the and") == 0.0


def test_a_text_without_a_common_word_has_no_neighbour() -> None:
    assert neighbourhood(["dragon castle"], [5]).nearest("harbour tax") == []


def test_stories_of_the_corpus_do_not_count_as_unlike_it() -> None:
    made = world()
    words = Neighbourhood.of(made.corpus, made.clusters)

    assert words.known_share(BRIGHT_STORY) >= words.usual_share
    assert words.known_share("Ein Zauberer verliert im Wald seinen Hut") < words.usual_share
