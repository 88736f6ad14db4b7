"""From a lake to an answer: real fits of a small corpus, written to a lake and read back."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from anipop_pipeline.errors import MissingTable, MixedGenerations, ModelMissing
from anipop_pipeline.lake import Folder
from anipop_pipeline.predictor import Answer, Predictor
from anipop_pipeline.stages import metrics
from anipop_pipeline.stages.pitch import Pitch, PitchCharacter

from .pitch_lake import BRIGHT_STORY, GLOOMY_STORY, NOW, build, world

CAST = (PitchCharacter("Mio", "A quiet person who keeps a secret from everybody."),)
GREEN = {"type": "TV", "source": "Manga", "genres": ("Drama",), "episodes": 12}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(build(tmp_path_factory.mktemp("lake")))


@pytest.fixture(scope="module")
def answer(predictor: Predictor) -> Answer:
    return predictor.predict(Pitch(BRIGHT_STORY, title="The Orchard Festival", characters=CAST))


def test_the_planted_words_move_the_estimate(predictor: Predictor, answer: Answer) -> None:
    gloomy = predictor.predict(Pitch(GLOOMY_STORY, characters=CAST))

    assert answer.score.value > gloomy.score.value + 0.5
    assert answer.percentile > 0.5 > gloomy.percentile
    assert answer.above_middle > 0.5 > gloomy.above_middle


def test_padding_gains_nothing(predictor: Predictor, answer: Answer) -> None:
    padded = predictor.predict(Pitch(f"{BRIGHT_STORY} {BRIGHT_STORY} {BRIGHT_STORY}", characters=CAST * 3))

    once, thrice = answer.score.value, padded.score.value
    assert thrice == pytest.approx(once, abs=0.05)  # the pairs of words where the copies meet are all that is new


def test_intervals_grow_with_their_coverage_and_hold_the_estimate(answer: Answer) -> None:
    lows = [interval.low for interval in answer.score.intervals]
    highs = [interval.high for interval in answer.score.intervals]

    assert [interval.coverage for interval in answer.score.intervals] == [0.5, 0.8, 0.95]
    assert 1 <= lows[2] < lows[1] < lows[0] < answer.score.value < highs[0] < highs[1] < highs[2] <= 10


def test_the_80_percent_interval_is_the_residual_that_a_hand_would_count(answer: Answer) -> None:
    made = world()
    told = made.folders["pitch"].table().filter((pl.col("label") == "score") & (pl.col("split") == "grouped"))
    errors = told.join(made.corpus, on="anime_id").select((pl.col("score") - pl.col("predicted")).abs())
    width = errors.to_series().sort()[math.ceil(0.8 * 73) - 1]  # 72 titles

    likely = answer.score.interval(0.8)

    assert likely.high - answer.score.value == pytest.approx(width)
    assert answer.score.value - likely.low == pytest.approx(width)


def test_r2_is_the_one_that_the_report_shows(answer: Answer) -> None:
    made = world()
    told = made.folders["pitch"].table()

    shown = metrics.score(told, made.corpus, made.clusters, made.splits, samples=50, seed=1).metrics

    r2 = shown.filter(experiment="pitch", label="score", split="grouped", group="all", metric="r2_score")[
        "value"
    ].item()
    assert answer.score.r2_score == pytest.approx(r2)


def test_the_fit_in_the_lake_answers_like_the_fit_that_was_saved(predictor: Predictor) -> None:
    made = world()
    tier = predictor.tiers["announcement"]

    answers = tier.score.model.predict(made.materials["pitch_announcement"])

    assert np.corrcoef(answers, made.corpus["score"].to_numpy())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("fields", "tier", "looked_at"),
    [
        ({}, "concept", ("title", "synopsis", "characters")),
        (GREEN, "greenlight", ("title", "synopsis", "characters", "type", "source", "genres", "episodes")),
        (
            {**GREEN, "studios": ("Paper Moth",), "year": 2024, "quarter": "fall"},
            "announcement",
            ("title", "synopsis", "characters", "type", "source", "genres", "episodes", "studios", "quarter", "year"),
        ),
    ],
)
def test_the_highest_tier_that_the_fields_allow_answers(
    predictor: Predictor, fields: dict[str, object], tier: str, looked_at: tuple[str, ...]
) -> None:
    answer = predictor.predict(replace(Pitch(BRIGHT_STORY, title="T", characters=CAST), **fields))

    assert (answer.tier, answer.looked_at) == (tier, looked_at)
    assert answer.experiment == predictor.tiers[tier].experiment.name
    assert answer.warnings == ()


def test_audience_is_a_percentile_with_intervals(answer: Answer) -> None:
    assert answer.audience is not None
    assert 0 <= answer.audience.interval(0.8).low <= answer.audience.value <= answer.audience.interval(0.8).high <= 1


def test_comparables_are_real_titles_with_what_was_said_of_them_unseen(answer: Answer) -> None:
    made = world()
    told = made.folders["pitch"].table().filter((pl.col("label") == "score") & (pl.col("split") == "grouped"))
    franchise = dict(made.clusters.select("anime_id", "cluster_id").iter_rows())

    ids = [near.anime_id for near in answer.comparables]

    assert len(ids) == len({franchise[anime_id] for anime_id in ids}) == 5
    for near in answer.comparables:
        title = made.corpus.row(by_predicate=pl.col("anime_id") == near.anime_id, named=True)
        predicted = told.filter(anime_id=near.anime_id)["predicted"].item()
        assert (near.title, near.year, near.score, near.predicted) == (
            title["title"],
            title["year"],
            title["score"],
            predicted,
        )
    assert answer.comparables[0].similarity > 0.3


# Warnings


def warned(predictor: Predictor, pitch: Pitch) -> str:
    return " / ".join(predictor.predict(pitch).warnings)


def test_a_text_in_other_words_is_called_unlike_the_corpus(predictor: Predictor) -> None:
    strange = (
        "Un magicien perd son chapeau dans la forêt, le cherche avec un renard, le trouve dans un arbre et dort enfin."
    )

    assert "unlike the corpus: of its words, 0.0 % are known there" in warned(
        predictor, Pitch(strange, characters=CAST)
    )


def test_a_copy_of_a_released_story_is_called_one(predictor: Predictor) -> None:
    story = world().corpus["synopsis"][0]

    assert 'reads almost like "Bright Tale 0"' in warned(predictor, Pitch(story, characters=CAST))


def test_a_pitch_without_characters_is_told_so(predictor: Predictor) -> None:
    assert "No character is described; 100 % of the titles" in warned(predictor, Pitch(BRIGHT_STORY))


def test_fields_that_no_tier_can_look_at_are_told(predictor: Predictor) -> None:
    told = warned(predictor, Pitch(BRIGHT_STORY, characters=CAST, type="TV", studios=("Paper Moth",)))

    assert told == "Not looked at: type and studios. An estimate at greenlight needs type and source, too."


def test_a_value_that_the_corpus_does_not_have_is_told_and_changes_nothing(predictor: Predictor) -> None:
    pitch = Pitch(BRIGHT_STORY, characters=CAST, **GREEN)
    odd = replace(pitch, genres=("Drama", "Crime"))

    assert '"Crime" among its genres, so it counts for nothing' in warned(predictor, odd)
    assert predictor.predict(odd).score == predictor.predict(pitch).score


def test_a_year_far_ahead_is_told(predictor: Predictor) -> None:
    far = Pitch(BRIGHT_STORY, characters=CAST, **GREEN, studios=("Paper Moth",), year=2040)

    assert "The pitch is for 2040, and no title learned from is later than 2023" in warned(predictor, far)


# Verdict and demo


def test_a_verdict_says_which_half_or_that_it_cannot_tell(predictor: Predictor, answer: Answer) -> None:
    gloomy = predictor.predict(Pitch(GLOOMY_STORY, characters=CAST))

    assert answer.verdict is not None
    assert "upper half" in answer.verdict
    assert gloomy.verdict is not None
    assert (
        f"about {round(100 * gloomy.above_middle)} scored above the middle title's {gloomy.middle:.2f}"
        in gloomy.verdict
    )


def test_estimates_that_are_worth_nothing_give_no_verdict(predictor: Predictor) -> None:
    made = world()
    wrong = made.folders["pitch"].table().with_columns(predicted=-pl.col("predicted") % 9 + 1)
    folders = {**made.folders, "pitch": Folder({**made.folders["pitch"].files, "table.parquet": wrong})}

    answer = Predictor.of(made.corpus, made.clusters, folders, site="mal", invented=False).predict(Pitch(BRIGHT_STORY))

    assert answer.verdict is not None
    assert answer.verdict.startswith("No verdict:")


def test_invented_titles_give_no_verdict_and_say_so(tmp_path: Path) -> None:
    answer = Predictor.load(build(tmp_path, "demo")).predict(Pitch(BRIGHT_STORY))

    assert (answer.invented, answer.verdict) == (True, None)
    assert answer.as_text().startswith("*** DEMO, INVENTED TITLES")


# Forms of an answer


def test_an_answer_survives_json(answer: Answer) -> None:
    said = json.loads(json.dumps(answer.as_dict(), allow_nan=False))

    assert said["score"]["intervals"][1]["coverage"] == 0.8
    assert said["comparables"][0]["title"] == answer.comparables[0].title
    assert said["caveats"][0].startswith("A score is an opinion, not revenue")
    assert "written after release" in said["caveats"][1]


def test_the_card_fits_a_terminal_and_says_what_counts(answer: Answer) -> None:
    card = answer.as_text()

    assert max(map(len, card.splitlines())) <= 80
    assert card.startswith("The Orchard Festival\n====")
    assert f"Score        {answer.score.value:.2f} of 10" in card
    assert "concept: looked at title, synopsis and characters" in card
    assert "DEMO" not in card
    assert all(near.title in card for near in answer.comparables)


# Lakes that cannot answer


def test_a_lake_without_models_names_the_command_that_makes_them(tmp_path: Path) -> None:
    lake = build(tmp_path)
    (lake.asset_folder("model_pitch_greenlight") / "manifest.json").unlink()

    with pytest.raises(MissingTable, match="dagster asset materialize --select 'model_pitch_greenlight'"):
        Predictor.load(lake)


def test_fits_of_another_corpus_are_refused(tmp_path: Path) -> None:
    lake = build(tmp_path)
    lake.save("corpus_anime", world().corpus.head(60), {}, NOW)

    with pytest.raises(MixedGenerations, match="corpus_anime"):
        Predictor.load(lake)


def test_a_tier_that_is_absent_is_answered_by_the_one_below_and_says_so(tmp_path: Path) -> None:
    lake = build(tmp_path)
    inputs = {name: lake.manifest(name) for name in ("corpus_anime", "clusters", "splits")}
    lake.save("model_pitch_announcement", Folder(absent="no studios here"), inputs, NOW)

    answer = Predictor.load(lake).predict(Pitch(BRIGHT_STORY, **GREEN, studios=("Paper Moth",), year=2024))

    assert answer.tier == "greenlight"
    assert answer.warnings[0] == (
        "No estimate at announcement can be made for mal: no studios here. This one is at greenlight."
    )


def test_a_site_without_any_model_for_pitches_is_refused() -> None:
    made = world()
    absent = {name: Folder(absent="no text") for name in made.folders}

    with pytest.raises(ModelMissing, match="mal has no model that answers pitches"):
        Predictor.of(made.corpus, made.clusters, absent, site="mal", invented=False)


# Weight


def test_the_package_hands_out_the_predictor_and_stays_light() -> None:
    script = (
        "import sys, anipop_pipeline\n"
        "assert 'Predictor' in dir(anipop_pipeline)\n"
        "light = {'torch', 'sklearn', 'polars', 'dagster', 'anipop_pipeline.predictor'} & set(sys.modules)\n"
        "from anipop_pipeline import Predictor\n"
        "heavy = {'torch', 'sklearn', 'skops', 'matplotlib', 'dagster'} & set(sys.modules)\n"
        "print(sorted(light), Predictor.__name__, sorted(heavy))\n"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert said.stdout.strip() == "[] Predictor []"


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    import anipop_pipeline

    with pytest.raises(AttributeError, match="has no attribute 'Oracle'"):
        _ = anipop_pipeline.Oracle  # type: ignore[attr-defined]
