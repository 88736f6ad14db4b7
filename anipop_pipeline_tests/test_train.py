"""Fits look at train rows alone, hold fame fixed, find nothing where nothing is, and can be read back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from anipop_pipeline.config import TrainConfig
from anipop_pipeline.errors import LaterTier, SettingError
from anipop_pipeline.stages import cluster, labels, train
from anipop_pipeline.stages.experiments import EXPERIMENTS, PITCHES, Experiment
from anipop_pipeline.stages.pictures import ImageTable
from anipop_pipeline.stages.tables.features import ImageRejects, PosterImages, TabularFeatures
from anipop_pipeline.stages.train import Material, Outcome, Settings
from anipop_pipeline.stages.train.material import columns, transformer
from anipop_pipeline.stages.train.neural import validation_rows

SETTINGS = Settings(seed=42, epochs=2, cheap_repeats=3)
CLASSIC = ("mean", "length", "credit", "tfidf_ridge", "pitch", "tabular")
GOOD = ("sea", "moon", "sword", "king")
PLAIN = tuple(f"{first}{last}" for first in ("ba", "ko", "mi", "ru", "te") for last in ("na", "shi", "ra", "lo", "den"))
EMBEDDED = ("synopsis", "descriptions", "portraits", "poster")
WIDTH = 12


@dataclass(frozen=True)
class World:
    """A small corpus whose score grows with good words, with one genre, and with the first number of each vector."""

    texts: pl.DataFrame
    tabular: pl.DataFrame
    clusters: pl.DataFrame
    labels: pl.DataFrame
    splits: pl.DataFrame
    embeddings: Mapping[str, pl.DataFrame]
    pictures: ImageTable


def world(rows: int = 120, *, folds: int = 2, repeats: int = 3, seed: int = 5) -> World:
    chance = Random(seed)
    ids = list(range(1, rows + 1))
    merit = [chance.choice([0, 1, 2, 3]) for _ in ids]
    clusters = pl.DataFrame({"anime_id": ids, "cluster_id": [one - (one - 1) % 2 for one in ids], "size": 2})
    titles = pl.DataFrame({"anime_id": ids, "year": [2000 + one % 10 for one in ids]})
    return World(
        texts=pl.DataFrame(
            {
                "anime_id": ids,
                "title": [chance.choice(PLAIN) for _ in ids],
                "synopsis": [told(chance, many) for many in merit],
                "descriptions": [told(chance, many) for many in merit],
            }
        ),
        tabular=tabular(chance, merit),
        clusters=clusters,
        labels=pl.DataFrame(
            {
                "anime_id": ids,
                "score": [5 + 0.8 * many + chance.gauss(0, 0.3) for many in merit],
                "audience": [None if one % 7 == 0 else (many + 0.5) / 4 for one, many in zip(ids, merit, strict=True)],
            }
        ),
        splits=cluster.splits(
            titles, clusters, seed=1, test_share=0.2, repeats=repeats, folds=folds, temporal_share=0.2
        ),
        embeddings={name: vectors(chance, merit) for name in EMBEDDED},
        pictures=painted({one: np.full((3, 16, 16), chance.randrange(256)) for one in ids}),
    )


def painted(small: Mapping[int, np.ndarray]) -> ImageTable:
    """Return small pictures whose rows in the array follow another order than ids do."""
    order = Random(4).sample(sorted(small), len(small))
    pixels = np.array([small[one] for one in order], dtype=np.uint8).reshape(-1, 3, 16, 16)
    table = pl.DataFrame({"anime_id": order, "place": range(len(order))}, schema=PosterImages.create_empty().schema)
    return ImageTable(table.sort("anime_id"), pixels, ImageRejects.create_empty())


def shown(here: World, *ids: int) -> World:
    """Return a world in which only some anime have a picture."""
    return replace(
        here, pictures=here.pictures._replace(table=here.pictures.table.filter(pl.col("anime_id").is_in(ids)))
    )


def told(chance: Random, good: int) -> str:
    said = [chance.choice(PLAIN) for _ in range(25)] + [GOOD[place] for place in range(good)]
    return " ".join(chance.sample(said, len(said)))


def tabular(chance: Random, merit: list[int]) -> pl.DataFrame:
    told = [
        {
            "anime_id": one,
            "type": chance.choice(["TV", "Movie"]),
            "source": "Manga",
            "genres": ["Drama"] if many > 1 else ["Comedy"],
            "themes": [],
            "demographics": ["Seinen"] if one % 3 else [],
            "episodes": float(chance.choice([1, 12, 24])),
            "sequel": False,
            "relatives": 0,
            "studios": [chance.choice(["Ark", "Boat"])],
            "quarter": "fall",
            "year": 2000.0 + one % 10,
            "rating": None,
            "synopsis_credit": chance.choice(["rewrite", "source", "none"]),
            "words": chance.randint(20, 200),
            "main_characters": chance.randint(1, 9),
            "description_words": 10,
            "award_winning": False,
            "members": float(chance.randint(1, 999)),
        }
        for one, many in enumerate(merit, start=1)
    ]
    return TabularFeatures.validate(pl.DataFrame(told, schema=TabularFeatures.create_empty().schema))


def vectors(chance: Random, merit: list[int]) -> pl.DataFrame:
    rows = [
        (one, name, 1, [many + chance.gauss(0, 0.2), *(chance.gauss(0, 1) for _ in range(WIDTH - 1))])
        for one, many in enumerate(merit, start=1)
        for name in ("pooled", "pixels")
    ]
    return pl.DataFrame(rows, schema=["anime_id", "pooling", "items", "vector"], orient="row")


def seen(experiment: Experiment, here: World) -> Material:
    pictures = here.pictures if "poster" in experiment.inputs else None
    return train.material(
        experiment,
        texts=here.texts,
        tabular=here.tabular,
        clusters=here.clusters,
        embeddings=here.embeddings,
        pictures=pictures,
    )


def ran(name: str, here: World, settings: Settings = SETTINGS, **changes: Any) -> Outcome:
    experiment = replace(EXPERIMENTS[name], **changes)
    return train.run(experiment, seen(experiment, here), here.labels, here.splits, settings, lambda done, total: None)


def said(outcome: Outcome) -> dict[int, float]:
    """Return what an outcome of one label and one fold predicts for each anime."""
    return dict(outcome.predictions.select("anime_id", "predicted").iter_rows())


def once(name: str, here: World, settings: Settings = SETTINGS) -> dict[int, float]:
    """Return the predictions of the score on the split to quote."""
    return said(ran(name, here, replace(settings, cheap_repeats=1), labels=("score",), splits=("published",)))


def rewritten(here: World, anime_id: int, **values: object) -> World:
    """Return a world in which one anime's texts or table features are other ones."""

    def changed(frame: pl.DataFrame) -> pl.DataFrame:
        mine = pl.col("anime_id") == anime_id
        there = {name: value for name, value in values.items() if name in frame.columns}
        new = [
            pl.when(mine).then(pl.lit(value, dtype=frame.schema[name])).otherwise(pl.col(name)).alias(name)
            for name, value in there.items()
        ]
        return frame.with_columns(new)

    return replace(here, texts=changed(here.texts), tabular=changed(here.tabular))


def part(here: World, which: str, split: str = "published") -> list[int]:
    quoted = here.splits.filter(pl.col("split") == split, pl.col("repeat") == 0, pl.col("part") == which)
    return quoted["anime_id"].to_list()


@pytest.fixture(scope="module")
def here() -> World:
    return world()


# Material


def test_a_fit_sees_the_columns_that_it_declared_and_no_other(here: World) -> None:
    rows = seen(EXPERIMENTS["pitch"], here).rows

    assert {*rows.columns} == {
        "anime_id", "cluster_id", "title", "synopsis", "descriptions", "words", "main_characters", "synopsis_credit",
    }  # fmt: skip


def test_an_experiment_of_too_early_a_tier_gets_no_material(here: World) -> None:
    with pytest.raises(LaterTier):
        seen(Experiment("early", "", "concept", "trees", ("studios",)), here)


def test_material_is_aligned_by_id_whatever_the_order_of_the_tables(here: World) -> None:
    mixed = replace(
        here,
        texts=here.texts.sample(fraction=1, shuffle=True, seed=1),
        tabular=here.tabular.reverse(),
        clusters=here.clusters.sample(fraction=1, shuffle=True, seed=2),
        embeddings={name: table.reverse() for name, table in here.embeddings.items()},
    )

    for name in ("full", "pitch_announcement", "hybrid"):
        one, other = seen(EXPERIMENTS[name], here), seen(EXPERIMENTS[name], mixed)
        assert one.rows.equals(other.rows)
        for key, values in one.vectors.items():
            np.testing.assert_array_equal(values, other.vectors[key])


def test_rows_without_a_picture_are_left_out_where_pictures_are_an_input(here: World) -> None:
    found = seen(EXPERIMENTS["hybrid"], shown(here, 7, 3))

    assert found.rows["anime_id"].to_list() == [3, 7]
    assert "place" not in found.rows.columns
    assert found.pictures is not None
    assert found.pictures.rows.tolist() == [place_of(here, 3), place_of(here, 7)]


def test_no_picture_at_all_gives_no_predictions_and_no_error(here: World) -> None:
    assert ran("hybrid", shown(here)).predictions.height == 0


def place_of(here: World, anime_id: int) -> int:
    place: int = here.pictures.table.filter(pl.col("anime_id") == anime_id)["place"].item()
    return place


def test_every_anime_keeps_its_own_picture_however_often_rows_are_taken(here: World) -> None:
    taken = seen(EXPERIMENTS["hybrid"], here).take(np.array([9, 4, 40, 7])).take(np.array([2, 0]))

    assert taken.rows["anime_id"].to_list() == [41, 10]
    assert taken.pictures is not None
    assert taken.pictures.pixels is here.pictures.pixels  # nothing was copied
    own = here.pictures.pixels[[place_of(here, 41), place_of(here, 10)]]
    np.testing.assert_array_equal(taken.pictures[np.array([0, 1])], own)


def test_the_order_of_the_table_of_pictures_changes_nothing(here: World) -> None:
    mixed = here.pictures._replace(table=here.pictures.table.sample(fraction=1, shuffle=True, seed=3))

    assert once("hybrid", replace(here, pictures=mixed)) == once("hybrid", here)


def test_taking_rows_takes_texts_vectors_and_pictures_together(here: World) -> None:
    found = seen(EXPERIMENTS["full"], here).take(np.array([4, 1]))

    assert found.rows["anime_id"].to_list() == [5, 2]
    assert found.vectors["synopsis"].shape == (2, WIDTH)
    whole = seen(EXPERIMENTS["full"], here).vectors["synopsis"]
    np.testing.assert_array_equal(found.vectors["synopsis"], whole[[4, 1]])


# Columns to numbers


def numbers(frame: pl.DataFrame, *, fit_on: pl.DataFrame | None = None, dense: bool = False) -> np.ndarray:
    fitted = columns(frame if fit_on is None else fit_on)
    steps = transformer(fitted, dense=dense).fit(fitted)
    found = steps.transform(columns(frame))
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def test_sets_become_one_column_for_each_member_and_unknown_members_none() -> None:
    known = pl.DataFrame({"genres": [["Slice of Life", "Drama"], ["Drama"], []]})

    assert numbers(known).tolist() == [[1, 1], [1, 0], [0, 0]]
    assert numbers(pl.DataFrame({"genres": [["Horror"]]}), fit_on=known).tolist() == [[0, 0]]


def test_a_missing_number_is_the_median_of_train_and_counts_are_taken_as_logarithms() -> None:
    known = pl.DataFrame({"duration_minutes": [10.0, None, 30.0, 20.0], "words": [0, 1, 3, 0]})

    found = numbers(known)

    # 10, 20, 30, 20: mean 20 and variance 50; logarithms of 1, 2, 4, 1 are 0, 1, 2, 0 in twos.
    assert found[:, 0] == pytest.approx([-10 / 50**0.5, 0, 10 / 50**0.5, 0])
    assert found[:, 1] == pytest.approx(np.array([-0.75, 0.25, 1.25, -0.75]) / np.std([0, 1, 2, 0]))


def test_a_credit_becomes_two_columns() -> None:
    frame = pl.DataFrame({"synopsis_credit": ["rewrite", "source", "none"]})

    assert columns(frame).rows() == [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]


@pytest.mark.parametrize("dense", [False, True])
def test_a_column_that_is_empty_on_train_is_left_out(dense: bool) -> None:
    schema = {"themes": pl.List(pl.String), "members": pl.Float64, "synopsis": pl.String, "type": pl.String}
    train_rows = pl.DataFrame(
        {"themes": [[], []], "members": None, "synopsis": "", "type": ["TV", None]}, schema=schema
    )
    later = pl.DataFrame(
        {"themes": [["School"]], "members": [5.0], "synopsis": ["a cat"], "type": ["TV"]}, schema=schema
    )

    assert numbers(later, fit_on=train_rows, dense=dense).tolist() == [[1, 0]]


@pytest.mark.parametrize("texts", [["one cat", "two ships"], ["?", "!"], ["sea", ""]])
def test_a_few_texts_without_a_common_word_are_no_error(texts: list[str]) -> None:
    frame = pl.DataFrame({"synopsis": texts, "words": [1, 2]})

    assert np.isfinite(numbers(frame)).all()


def test_the_same_text_twice_is_the_same_row_but_for_the_seam() -> None:
    frame = pl.DataFrame({"title": ["sea moon sword king", "sea moon sword king sea moon sword king", "moon"]})

    once, twice, _ = numbers(frame)
    assert once @ twice / np.linalg.norm(once) / np.linalg.norm(twice) > 0.8


# Predictions


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_predicts_exactly_the_test_rows_that_have_the_label(name: str, here: World) -> None:
    experiment = EXPERIMENTS[name]
    repeats = {label: 3 if experiment.cheap and label == "score" else 1 for label in experiment.labels}

    outcome = ran(name, here)

    keys = ["label", "split", "repeat", "fold", "anime_id"]
    expected = {
        (label, *key)
        for label, many in repeats.items()
        for key in here.splits.filter(pl.col("part") == "test", pl.col("repeat") < many)
        .join(here.labels.filter(pl.col(label).is_not_null()), on="anime_id", how="semi")
        .select(keys[1:])
        .rows()
    }
    assert {*outcome.predictions.select(keys).rows()} == expected
    assert outcome.predictions["predicted"].is_finite().all()
    assert outcome.predictions.select("experiment", "seed").unique().rows() == [(name, 42)]
    assert bool(outcome.history.height) == (experiment.recipe == "network")
    assert "spec.json" in outcome.files
    assert {file.rpartition(".")[2] for file in outcome.files} <= {"json", "skops", "safetensors"}


def test_only_cheap_experiments_run_on_every_seed_and_only_on_the_score(here: World) -> None:
    def repeats(name: str, label: str) -> set[int]:
        rows = ran(name, here).predictions.filter(pl.col("label") == label, pl.col("split") == "published")
        return {*rows["repeat"]}

    assert repeats("mean", "score") == {0, 1, 2}
    assert repeats("mean", "audience") == {0}
    assert repeats("pitch", "score") == {0}


def test_the_dial_says_on_how_many_seeds(here: World) -> None:
    outcome = ran("mean", here, replace(SETTINGS, cheap_repeats=2))

    assert {*outcome.predictions["repeat"]} == {0, 1}


def test_the_mean_is_that_of_the_train_titles(here: World) -> None:
    trained = here.labels.filter(pl.col("anime_id").is_in(part(here, "train")))["score"].mean()

    assert {*once("mean", here).values()} == {trained}


def test_a_line_is_the_line_of_least_squares_over_logarithms(here: World) -> None:
    table = here.tabular.join(here.labels, on="anime_id").select(
        "anime_id", "score", pl.col("words", "main_characters").cast(pl.Float64).log1p()
    )
    learned = table.filter(pl.col("anime_id").is_in(part(here, "train")))
    design = np.column_stack([np.ones(learned.height), learned.select("words", "main_characters").to_numpy()])
    weights = np.linalg.lstsq(design, learned["score"].to_numpy(), rcond=None)[0]

    found = once("length", here)

    for one, words, cast in table.select("anime_id", "words", "main_characters").rows():
        if one in found:
            assert found[one] == pytest.approx(weights @ [1, words, cast])


def test_an_answer_stays_within_what_train_has_seen(here: World) -> None:
    wild = rewritten(here, part(here, "test")[0], words=10**9)
    seen_scores = here.labels.filter(pl.col("anime_id").is_in(part(here, "train")))["score"]

    answers = once("length", wild).values()

    assert min(answers) >= seen_scores.min()
    assert max(answers) <= seen_scores.max()


@pytest.mark.parametrize("name", [*CLASSIC, "synopsis", "traditional", "hybrid"])
def test_the_same_seed_says_the_same(name: str, here: World) -> None:
    assert once(name, here) == once(name, here)


def test_another_seed_trains_another_network(here: World) -> None:
    assert once("synopsis", here) != once("synopsis", here, replace(SETTINGS, seed=43))


def test_progress_is_told_for_every_fit(here: World) -> None:
    told: list[tuple[int, int]] = []
    experiment = EXPERIMENTS["length"]

    train.run(experiment, seen(experiment, here), here.labels, here.splits, SETTINGS, lambda *step: told.append(step))

    assert told == [(done, 6) for done in range(1, 7)]  # 3 draws, 2 folds, 1 split by time


# Fit on train alone


@pytest.mark.parametrize("name", [*CLASSIC, "synopsis", "full", "traditional", "hybrid"])
def test_labels_of_test_rows_teach_nothing(name: str, here: World) -> None:
    tested = pl.col("anime_id").is_in(part(here, "test"))
    lies = here.labels.with_columns(score=pl.when(tested).then(1.0).otherwise(pl.col("score")))

    assert once(name, replace(here, labels=lies)) == once(name, here)


@pytest.mark.parametrize("name", ["tfidf_ridge", "pitch", "pitch_announcement", "traditional"])
def test_the_text_of_a_test_row_moves_no_other_row(name: str, here: World) -> None:
    changed = part(here, "test")[0]
    story = " ".join([*GOOD, "never", "seen", "words"] * 9)

    before, after = once(name, here), once(name, rewritten(here, changed, synopsis=story))

    assert before.pop(changed) != after.pop(changed)
    assert before == after


@pytest.mark.parametrize("name", ["synopsis", "full", "portraits"])
def test_the_vector_of_a_test_row_moves_no_other_row(name: str, here: World) -> None:
    changed = part(here, "test")[0]
    moved = pl.when(pl.col("anime_id") == changed).then(pl.col("vector").list.eval(pl.element() + 3.0))
    embeddings = {
        key: table.with_columns(vector=moved.otherwise(pl.col("vector"))) for key, table in here.embeddings.items()
    }

    before, after = once(name, here), once(name, replace(here, embeddings=embeddings))

    assert before.pop(changed) != after.pop(changed)
    assert before == pytest.approx(after, abs=1e-6)


@pytest.mark.parametrize("name", ["tabular", "pitch_greenlight"])
def test_the_table_of_a_test_row_moves_no_other_row(name: str, here: World) -> None:
    changed = part(here, "test")[0]
    other = rewritten(here, changed, type="Never Seen", episodes=999.0, genres=["Never Seen"])

    before, after = once(name, here), once(name, other)

    before.pop(changed), after.pop(changed)
    assert before == after


# Nuisances


@pytest.mark.parametrize("name", PITCHES)
def test_fame_of_a_test_row_changes_nothing(name: str, here: World) -> None:
    changed = part(here, "test")[0]
    famous = rewritten(here, changed, words=5000, main_characters=99, synopsis_credit="rewrite")

    assert once(name, famous) == once(name, here)


def test_fame_of_train_rows_is_taken_into_account(here: World) -> None:
    words = pl.when(pl.col("anime_id").is_in(part(here, "train"))).then(10 * pl.int_range(pl.len()))
    other = replace(here, tabular=here.tabular.with_columns(words=words.otherwise(pl.col("words"))))

    assert once("pitch", other) != once("pitch", here)


def test_telling_the_same_story_twice_gains_nothing(here: World) -> None:
    changed = part(here, "test")
    padded = here
    for one in changed:
        story = here.texts.filter(pl.col("anime_id") == one)["synopsis"].item()
        padded = rewritten(padded, one, synopsis=f"{story} {story}", words=2 * len(story.split()))

    before, after = once("pitch", here), once("pitch", padded)

    assert max(abs(after[one] - before[one]) for one in changed) < 0.05


# Nothing where nothing is


def shuffled(here: World) -> World:
    """Return a world in which whole clusters have swapped their scores."""
    chance = Random(3)
    firsts = here.clusters["cluster_id"].unique().sort().to_list()
    order = dict(zip(firsts, chance.sample(firsts, len(firsts)), strict=True))
    places = [order[first] + one - first for one, first in here.clusters.select("anime_id", "cluster_id").rows()]
    scores = dict(here.labels.select("anime_id", "score").iter_rows())
    return replace(here, labels=here.labels.with_columns(score=pl.Series([scores[one] for one in places])))


def grouped_r2(name: str, here: World) -> float:
    rows = ran(name, here, replace(SETTINGS, epochs=12), labels=("score",), splits=("grouped",)).predictions.join(
        here.labels, on="anime_id", validate="1:1"
    )
    assert rows.height == here.labels.height
    wrong = ((rows["predicted"] - rows["score"]) ** 2).mean()
    return 1 - wrong / float(rows["score"].var(ddof=0))


@pytest.fixture(scope="module")
def large() -> World:
    return world(400, folds=5, repeats=1)


@pytest.mark.parametrize("name", ["mean", "length", "credit", "tfidf_ridge", "pitch", "tabular", "synopsis", "full"])
def test_nobody_predicts_labels_that_were_shuffled_by_cluster(name: str, large: World) -> None:
    assert grouped_r2(name, shuffled(large)) < 0.02


@pytest.mark.parametrize(("name", "at_least"), [("tfidf_ridge", 0.5), ("tabular", 0.5), ("synopsis", 0.7)])
def test_the_same_recipes_find_what_was_planted(name: str, at_least: float, large: World) -> None:
    assert grouped_r2(name, large) > at_least


def coloured(here: World) -> World:
    """Return a world whose score is told by nothing but the colour of the picture, below a lot of noise."""
    chance = np.random.default_rng(8)
    scores = dict(here.labels.select("anime_id", "score").iter_rows())
    mixed = {one: chance.uniform(-1, 1) for one in scores}
    colours = {one: np.array([128 + 60 * red, 128, 128 - 60 * red]) for one, red in mixed.items()}
    noise = {one: chance.normal(0, 30, (3, 16, 16)) for one in scores}
    pixels = {one: (colours[one][:, None, None] + noise[one]).clip(0, 255) for one in scores}
    said = here.labels.with_columns(score=pl.Series([6 + 1.5 * mixed[one] for one in scores]))
    return replace(here, labels=said, pictures=painted(pixels))


@pytest.mark.parametrize("augment", [True, False])
def test_what_pictures_tell_is_found_also_when_they_are_shown_otherwise_each_time(augment: bool, large: World) -> None:
    here, options = coloured(large), {**EXPERIMENTS["hybrid"].options, "augment": augment}

    rows = ran("hybrid", here, replace(SETTINGS, epochs=12), labels=("score",), splits=("published",), options=options)

    joined = rows.predictions.join(here.labels, on="anime_id", validate="1:1")
    assert 1 - ((joined["predicted"] - joined["score"]) ** 2).mean() / float(joined["score"].var(ddof=0)) > 0.5


def test_pictures_are_shown_otherwise_each_time_unless_it_is_switched_off(here: World) -> None:
    plain = {**EXPERIMENTS["hybrid"].options, "augment": False}

    with_it, without = (
        said(ran("hybrid", here, labels=("score",), splits=("published",), **changes))
        for changes in ({}, {"options": plain})
    )

    assert with_it.keys() == without.keys()
    assert with_it != without


# Which label, and how much a row counts


def elsewhere(here: World) -> World:
    """Return a world with a label of another site, known of half the titles."""
    known = pl.col("anime_id") % 2 == 0
    return replace(here, labels=here.labels.with_columns(score_kitsu=pl.when(known).then(pl.col("score") * 10)))


def test_the_dial_says_what_is_learned(here: World) -> None:
    outcome = ran("pitch", elsewhere(here), replace(SETTINGS, labels=("score_kitsu", "audience")))

    assert {*outcome.predictions["label"]} == {"score_kitsu", "audience"}
    assert {*outcome.files} == {
        "score_kitsu_pipeline.skops", "score_kitsu_held.json", "audience_pipeline.skops", "audience_held.json",
        "spec.json",
    }  # fmt: skip


def test_rows_without_the_label_are_neither_learned_nor_tested(here: World) -> None:
    other = elsewhere(here)

    found = said(ran("mean", other, replace(SETTINGS, labels=("score_kitsu",), cheap_repeats=1), splits=("published",)))

    trained = other.labels.filter(pl.col("anime_id").is_in(part(here, "train")))["score_kitsu"].mean()
    assert {*found} == {one for one in part(here, "test") if one % 2 == 0}
    assert list(found.values()) == pytest.approx([trained] * len(found))


def test_the_first_label_takes_the_place_of_the_score(here: World) -> None:
    outcome = ran("mean", here, replace(SETTINGS, labels=("audience", "score")))

    repeats = outcome.predictions.group_by("label").agg(pl.col("repeat").max())
    assert dict(repeats.iter_rows()) == {"audience": 2, "score": 0}
    assert "constant.json" in outcome.files


def test_a_label_that_was_asked_for_and_that_nobody_has_is_refused(here: World) -> None:
    with pytest.raises(SettingError, match=r"label plain .*TrainConfig.labels.*choose from score, audience"):
        ran("mean", here, replace(SETTINGS, labels=("score", "plain")))


def unsure(here: World, *, told: bool) -> World:
    """Return a world in which every third train title has a nonsense score, and votes that say so where they tell."""
    wrong = pl.col("anime_id").is_in(part(here, "train")) & (pl.col("anime_id") % 3 == 0)
    return replace(
        here,
        labels=here.labels.with_columns(
            score=pl.when(wrong).then(10.0).otherwise(pl.col("score")),
            votes=pl.lit(10**9),
            votes_error=pl.when(wrong).then(1000.0).otherwise(0.01) if told else pl.lit(0.01),
        ),
    )


@pytest.mark.parametrize("name", ["length", "tfidf_ridge", "tabular"])
def test_titles_whose_votes_say_little_teach_little_where_the_dial_says_so(name: str, here: World) -> None:
    weighed = replace(SETTINGS, weigh_by_votes=True)
    truth = dict(here.labels.select("anime_id", "score").iter_rows())

    def bias(world: World, settings: Settings) -> float:
        found = once(name, world, settings)
        return abs(float(np.mean([found[one] - truth[one] for one in found])))

    assert bias(unsure(here, told=True), weighed) < 0.25
    assert bias(unsure(here, told=True), SETTINGS) > 0.5


def test_titles_of_equal_votes_count_alike(here: World) -> None:
    alike = unsure(here, told=False)

    weighed = once("length", alike, replace(SETTINGS, weigh_by_votes=True))

    assert list(weighed.values()) == pytest.approx(list(once("length", alike).values()))


@pytest.mark.parametrize("label", labels.NOISY)
def test_more_votes_never_count_less(label: str) -> None:
    many = [1, 2, 10, 29, 50, 100, 1000, 10**6]
    titles = pl.DataFrame({"votes": many}).with_columns(votes_error=labels.TYPICAL_SD / pl.col("votes").sqrt())
    error = titles.select(labels.mean_error(label)).to_series().to_numpy()

    found = train.weights(np.linspace(6, 8, len(many)), error)

    assert found is not None
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("without", ["errors", "columns", "a label of votes"])
def test_rows_that_no_votes_can_weigh_are_refused_where_the_dial_asks_for_it(without: str, here: World) -> None:
    doubtful = unsure(here, told=True)
    known = {
        "errors": doubtful.labels.with_columns(votes_error=pl.lit(None, dtype=pl.Float64)),
        "columns": here.labels,
        "a label of votes": doubtful.labels,
    }
    wanted = ("audience",) if without == "a label of votes" else ("score",)

    with pytest.raises(SettingError, match=r"cannot be weighed.*TrainConfig\.weigh_by_votes.*switch it off"):
        ran("length", replace(here, labels=known[without]), replace(SETTINGS, labels=wanted, weigh_by_votes=True))


def test_a_label_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="score is named twice"):
        TrainConfig(labels=["score", "plain", "score"])


@pytest.mark.parametrize("name", ["mean", "synopsis"])
def test_what_cannot_weigh_its_rows_is_left_as_it_is(name: str, here: World) -> None:
    doubtful = unsure(here, told=True)

    assert once(name, doubtful, replace(SETTINGS, weigh_by_votes=True)) == once(name, doubtful)


def test_weights_are_one_on_average_and_a_title_of_unknown_votes_counts_as_the_least_sure() -> None:
    found = train.weights(np.array([6.0, 8.0, 7.0, 7.0]), np.array([0.0, 1.0, np.nan, 0.0]))

    assert found is not None
    # Variance 0.5: 1 / 0.5 twice, 1 / 1.5 twice.
    assert found.tolist() == pytest.approx([1.5, 0.5, 0.5, 1.5])
    assert train.weights(np.array([6.0, 8.0]), np.array([np.nan, np.nan])) is None


# What is missing


def test_a_label_that_nobody_has_is_skipped(here: World) -> None:
    bare = replace(here, labels=here.labels.with_columns(audience=pl.lit(None, dtype=pl.Float64)))

    outcome = ran("pitch", bare)

    assert outcome.predictions["label"].unique().to_list() == ["score"]
    assert {*outcome.files} == {"score_pipeline.skops", "score_held.json", "spec.json"}


@pytest.mark.parametrize("which", ["train", "test"])
def test_a_fold_whose_train_or_test_rows_lack_the_label_is_skipped(which: str, here: World) -> None:
    lacking = pl.col("anime_id").is_in(part(here, which))
    bare = here.labels.with_columns(score=pl.when(~lacking).then(pl.col("score")))

    outcome = ran("tfidf_ridge", replace(here, labels=bare), labels=("score",), splits=("published",), cheap=False)

    assert outcome.predictions.height == 0


def test_a_feature_that_train_lacks_is_left_out_without_an_error(here: World) -> None:
    trained = pl.col("anime_id").is_in(part(here, "train"))
    bare = here.tabular.with_columns(
        studios=pl.when(~trained).then(pl.col("studios")).otherwise(pl.lit([], dtype=pl.List(pl.String))),
        episodes=pl.when(~trained).then(pl.col("episodes")),
        type=pl.lit(None, dtype=pl.String),
    )
    silent = here.texts.with_columns(descriptions=pl.when(trained).then(pl.lit("")).otherwise(pl.col("descriptions")))
    other = replace(here, tabular=bare, texts=silent)

    for name in ("pitch_announcement", "tabular_announcement", "hybrid", "traditional"):
        assert len(once(name, other)) == len(part(here, "test"))


def test_rows_held_out_for_stopping_are_whole_clusters_about_a_sixth_of_all(here: World) -> None:
    material = seen(EXPERIMENTS["synopsis"], here)

    held = validation_rows(material, seed=1)

    groups = material.rows["cluster_id"].to_numpy()
    assert held.sum() == 20
    assert not {*groups[held]} & {*groups[~held]}


@pytest.mark.parametrize("name", ["synopsis", "tabular"])
def test_what_learns_in_steps_cannot_stop_on_one_cluster_and_says_so(name: str, here: World) -> None:
    experiment = EXPERIMENTS[name]
    material = seen(experiment, here).take(np.array([0, 1]))

    with pytest.raises(SettingError, match="one cluster"):
        train.RECIPES[experiment.recipe](experiment, material, np.array([5.0, 6.0]), SETTINGS)


# Fits that answer pitches


@pytest.mark.parametrize("name", PITCHES)
def test_a_fit_on_all_rows_comes_back_from_its_files_and_says_the_same(name: str, here: World) -> None:
    experiment = EXPERIMENTS[name]
    material = seen(experiment, here)
    files = train.run(experiment, material, here.labels, here.splits, SETTINGS, lambda done, total: None).files

    scores = here.labels["score"].to_numpy()
    fresh = train.RECIPES[experiment.recipe](experiment, material, scores, SETTINGS).predict(material)
    again = train.load_classic(files["score_pipeline.skops"], files["score_held.json"]).predict(material)

    np.testing.assert_array_equal(again, fresh)
    assert {*files} == {
        "spec.json", "score_pipeline.skops", "score_held.json", "audience_pipeline.skops", "audience_held.json",
    }  # fmt: skip


def test_a_fit_that_was_read_back_needs_no_fame_of_a_pitch(here: World) -> None:
    files = ran("pitch", here).files
    material = seen(EXPERIMENTS["pitch"], here)
    pitch = Material(material.rows.select("title", "synopsis", "descriptions"))

    fitted = train.load_classic(files["score_pipeline.skops"], files["score_held.json"])

    np.testing.assert_array_equal(fitted.predict(pitch), fitted.predict(material))


def test_a_file_of_a_fit_holds_nothing_that_could_run_code(here: World) -> None:
    import skops.io

    from anipop_pipeline.stages.train.classic import SKOPS_TYPES

    for name in PITCHES:
        files = ran(name, here, splits=()).files
        for file, content in files.items():
            if file.endswith(".skops"):
                assert {*skops.io.get_untrusted_types(data=content)} <= {*SKOPS_TYPES}


def test_the_same_fit_is_the_same_bytes(here: World) -> None:
    one, other = (ran("pitch_greenlight", here, splits=()).files for _ in range(2))

    assert one == other
