"""The audit shows what each published defect costs, one at a time, and what every number must beat."""

from dataclasses import fields, replace
from random import Random

import numpy as np
import polars as pl
import pytest

from anipop_pipeline.stages import audit as auditing
from anipop_pipeline.stages import networks, train
from anipop_pipeline.stages.audit import AUDITED, RECIPES, Quirks, Rows
from anipop_pipeline.stages.tables.features import TabularFeatures
from anipop_pipeline.stages.tables.published import RESULTS
from anipop_pipeline.stages.train import Material

ROWS = 112  # 80 of train and 32, two whole batches, of test
SEED = 42
WORDS = ("sea", "moon", "sword", "king", "cat", "ship", "dragon", "castle", "robot", "planet")
EACH = {"own_ranges", "published_rate"}
TRAINING = {"raw_inputs", "no_shuffling"}
ON = Quirks()
OFF = Quirks(**{quirk.name: False for quirk in fields(Quirks)})


def vectors(chance: np.random.Generator, *poolings: str, width: int = 6) -> pl.DataFrame:
    rows = [(one, name, 1, chance.normal(size=width).tolist()) for one in range(1, ROWS + 1) for name in poolings]
    return pl.DataFrame(rows, schema=["anime_id", "pooling", "items", "vector"], orient="row")


@pytest.fixture(scope="module")
def material() -> Material:
    """Return texts and vectors that say nothing of the label."""
    chance, ids = Random(1), list(range(1, ROWS + 1))
    told = [" ".join(chance.choices(WORDS, k=12)) for _ in ids]
    numbers = np.random.default_rng(1)
    return train.material(
        AUDITED,
        texts=pl.DataFrame({"anime_id": ids, "title": "T", "synopsis": told, "descriptions": told[::-1]}),
        tabular=TabularFeatures.create_empty().clear(ROWS).with_columns(anime_id=pl.Series(ids)),
        clusters=pl.DataFrame({"anime_id": ids, "cluster_id": ids}),
        embeddings={
            "synopsis": vectors(numbers, "published", "pooled"),
            "descriptions": vectors(numbers, "published", "pooled"),
            "portraits": vectors(numbers, "published", "pooled", "pixels"),
        },
    )


@pytest.fixture(scope="module")
def label() -> np.ndarray:
    return np.random.default_rng(3).normal(6.5, 0.8, ROWS)


@pytest.fixture(scope="module")
def is_test() -> np.ndarray:
    return np.arange(ROWS) >= 80


@pytest.fixture(scope="module")
def rows(material: Material, label: np.ndarray, is_test: np.ndarray) -> Rows:
    return Rows(material, label, is_test)


@pytest.fixture(scope="module")
def audited(rows: Rows) -> pl.DataFrame:
    mean = np.full(len(rows.tested), rows.trained.mean())
    return auditing.audit(rows, SEED, 2, {"mean": mean}, lambda done, total: None)


def row(audited: pl.DataFrame, recipe: str, variant: str) -> dict[str, object]:
    return audited.row(by_predicate=(pl.col("recipe") == recipe) & (pl.col("variant") == variant), named=True)


def unit(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_each_recipe_is_run_as_published_without_each_of_its_defects_and_corrected(
    recipe: auditing.Published, audited: pl.DataFrame
) -> None:
    own = {"batch_softmax", "tfidf_for_each_batch"} if recipe.name == "traditional" else {"published_pooling"}
    own |= {"cold_start", "last_epoch"} if recipe.name == "full" else set()
    own |= EACH | (TRAINING if recipe.name in ("traditional", "full") else set())
    expected = ["as published", *(f"without {name}" for name in own)]

    found = audited.filter(pl.col("recipe") == recipe.name)["variant"].to_list()

    assert sorted(found) == sorted([*expected, "corrected"])


def test_every_variant_says_in_one_sentence_what_it_is(audited: pl.DataFrame) -> None:
    assert {*auditing.MEANINGS} == {quirk.name for quirk in fields(Quirks)}
    assert audited["meaning"].str.ends_with(".").all()
    assert audited["mean_squared_error"].is_finite().all()


def test_the_published_error_stands_beside_the_variant_that_was_published_alone(audited: pl.DataFrame) -> None:
    told = dict(audited.select("recipe", "published_error").drop_nulls().rows())

    assert told == {recipe.name: RESULTS[recipe.name]["unit_mean_squared_error"] for recipe in RECIPES}
    assert set(audited.filter(pl.col("published_error").is_not_null())["variant"]) == {"as published"}


def test_the_constant_is_one_sixteenth_worked_out_by_hand(
    audited: pl.DataFrame, label: np.ndarray, is_test: np.ndarray
) -> None:
    truth = unit(label[is_test])

    found = row(audited, "constant", "one sixteenth")

    assert found["mean_squared_error"] == pytest.approx(((truth - 0.0625) ** 2).mean())
    assert found["r2_score"] == pytest.approx(1 - ((truth - 0.0625) ** 2).mean() / truth.var())
    assert found["spearman_score"] is None


def test_a_softmax_over_the_batch_is_no_better_than_one_sixteenth(audited: pl.DataFrame) -> None:
    constant = row(audited, "constant", "one sixteenth")["mean_squared_error"]

    assert row(audited, "traditional", "as published")["mean_squared_error"] == pytest.approx(constant, rel=0.05)
    assert row(audited, "traditional", "without tfidf_for_each_batch")["mean_squared_error"] == pytest.approx(
        constant, rel=0.1
    )


def test_with_every_defect_off_the_benchmark_comes_near_to_the_mean(audited: pl.DataFrame) -> None:
    mean = row(audited, "baseline", "mean")["mean_squared_error"]

    assert row(audited, "traditional", "corrected")["mean_squared_error"] < 3 * mean  # type: ignore[operator]


def test_baselines_are_judged_on_the_scale_of_the_test_rows(
    audited: pl.DataFrame, label: np.ndarray, is_test: np.ndarray
) -> None:
    tested = label[is_test]
    error = ((label[~is_test].mean() - tested) ** 2).mean() / (tested.max() - tested.min()) ** 2

    assert row(audited, "baseline", "mean")["mean_squared_error"] == pytest.approx(error)


def test_progress_is_told_for_every_variant(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "RECIPES", RECIPES[3:4])
    told: list[tuple[int, int]] = []

    auditing.audit(rows, SEED, 1, {}, lambda *step: told.append(step))

    assert told == [(done, 5) for done in range(1, 6)]


def test_a_fit_that_is_cut_short_says_by_how_much(audited: pl.DataFrame) -> None:
    short = dict(audited.filter(variant="as published").select("recipe", "meaning").rows())

    assert short["traditional"].endswith("Trained for 2 of the 30 epochs.")
    assert short["full"].endswith("Trained for 2 of the 5 epochs.")
    assert auditing._meaning(RECIPES[1], "corrected", 5) == "The same layers with every defect off, on frozen encoders."


def test_the_same_seed_audits_alike(rows: Rows, audited: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "RECIPES", RECIPES[4:])

    again = auditing.audit(rows, SEED, 2, {}, lambda done, total: None)

    assert again.filter(recipe="full").equals(audited.filter(recipe="full"))


# Single defects


def recipe(name: str) -> auditing.Published:
    return next(one for one in RECIPES if one.name == name)


def fitted(name: str, quirks: Quirks, rows: Rows, epochs: int = 1) -> np.ndarray:
    return auditing._fit(recipe(name), quirks, rows, SEED, epochs)


def inputs(name: str, quirks: Quirks, rows: Rows) -> dict[str, np.ndarray]:
    train_rows, test_rows = np.flatnonzero(~rows.is_test), np.flatnonzero(rows.is_test)
    return auditing._inputs(recipe(name), quirks, rows.material, train_rows, test_rows)


def design(name: str, quirks: Quirks = ON) -> networks.Design:
    chosen: networks.Design = auditing._design(recipe(name), quirks, networks)
    return chosen


def schedule(name: str, quirks: Quirks, epochs: int) -> networks.Schedule:
    chosen: networks.Schedule = auditing._schedule(recipe(name), quirks, epochs, networks)
    return chosen


def layers(name: str, **widths: int) -> list[str]:
    """Return the layers of a recipe's character branch and of its head, as torch names them."""
    network = networks.Regressor(design(name), widths)
    parts = [network.branches["characters"], network.head] if "characters" in widths else [network.head]
    return [
        f"{layer.in_features}>{layer.out_features}" if hasattr(layer, "in_features") else str(layer)
        for part in parts
        for layer in part.children()
    ]


REGRESSOR = [
    *("768>384", "Tanh()", "384>192", "Tanh()", "192>96", "ReLU()", "96>48", "ReLU()"),
    *("48>24", "ReLU()", "24>12", "ReLU()", "12>6", "ReLU()", "6>1"),
]


def test_a_text_alone_enters_the_head_behind_its_first_layer_and_without_dropout() -> None:
    assert layers("synopsis", synopsis=768) == REGRESSOR
    assert layers("descriptions", descriptions=768) == REGRESSOR


def test_characters_end_linear_and_only_their_branch_has_dropout() -> None:
    characters = ["Dropout(p=0.1, inplace=False)", "817>768", "Tanh()", "Dropout(p=0.1, inplace=False)", "768>768"]

    assert layers("full", synopsis=768, characters=817) == [*characters, "1536>768", "Tanh()", *REGRESSOR]


def test_portraits_alone_have_one_layer_between() -> None:
    assert layers("portraits", portraits=49) == ["49>21", "Tanh()", "21>1"]


def test_the_softmax_over_the_batch_is_a_switch_of_the_benchmark_alone() -> None:
    assert [one.name for one in RECIPES if one.quirks.batch_softmax] == ["traditional"]
    assert design("traditional", auditing.TRADITIONAL).batch_softmax
    assert not design("traditional", replace(auditing.TRADITIONAL, batch_softmax=False)).batch_softmax


def test_the_published_rate_is_that_of_the_code() -> None:
    assert schedule("full", ON, 10).rate == 5e-5
    assert schedule("full", replace(ON, published_rate=False), 10) == replace(schedule("full", ON, 10), rate=1e-3)


def test_the_published_order_is_that_of_the_rows() -> None:
    assert not schedule("full", ON, 10).shuffle
    assert schedule("full", replace(ON, no_shuffling=False), 10) == replace(schedule("full", ON, 10), shuffle=True)


def test_a_recipe_runs_for_the_epochs_of_the_paper_or_for_fewer() -> None:
    assert [schedule(name, ON, 30).epochs for name in ("full", "traditional")] == [5, 30]
    assert [schedule(name, ON, 3).epochs for name in ("full", "traditional")] == [3, 3]


def test_the_published_epoch_is_the_last_and_the_corrected_one_is_chosen_by_clusters_of_train(rows: Rows) -> None:
    learned = rows.material.take(np.flatnonzero(~rows.is_test))

    assert not schedule("full", ON, 5).keep_best
    assert not auditing._held(ON, learned, SEED).any()
    assert schedule("full", replace(ON, last_epoch=False), 5).keep_best
    assert auditing._held(replace(ON, last_epoch=False), learned, SEED).sum() == pytest.approx(80 / 6, abs=1)


def test_published_inputs_are_raw_and_corrected_ones_standardised_by_train(rows: Rows) -> None:
    raw = inputs("portraits", ON, rows)["portraits"]
    mended = inputs("portraits", replace(ON, raw_inputs=False), rows)["portraits"]

    learned = raw[~rows.is_test].astype(np.float64)
    np.testing.assert_array_equal(raw, rows.material.vectors["portraits:published"].astype(np.float32))
    np.testing.assert_allclose(mended, (raw - learned.mean(axis=0)) / learned.std(axis=0), atol=1e-5)


def test_the_benchmark_reads_pixels_from_0_to_255_as_they_are(rows: Rows) -> None:
    pixels = np.tile(np.arange(ROWS, dtype=np.float32)[:, None] * 2, (1, 6))
    bright = replace(rows, material=replace(rows.material, vectors={**rows.material.vectors, "pixels": pixels}))

    np.testing.assert_array_equal(inputs("traditional", auditing.TRADITIONAL, bright)["traditional"][:, 1500:], pixels)


def test_published_pooling_chooses_the_vector(rows: Rows) -> None:
    vectors = rows.material.vectors
    mended = replace(ON, published_pooling=False)

    np.testing.assert_array_equal(inputs("synopsis", ON, rows)["synopsis"], vectors["synopsis:published"])
    np.testing.assert_array_equal(inputs("synopsis", mended, rows)["synopsis"], vectors["synopsis:pooled"])
    np.testing.assert_array_equal(inputs("portraits", mended, rows)["portraits"], vectors["portraits:pooled"])


def test_a_cold_start_is_not_set_to_the_mean_of_the_labels(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "PUBLISHED_RATE", 0.0)  # nothing is learned: the first answers remain
    seven = replace(rows, label=np.where(np.arange(ROWS) == 0, 6.0, 7.0))  # on 0..1, all of train but one is 1

    cold = fitted("synopsis", ON, seven)
    warm = fitted("synopsis", replace(ON, cold_start=False), seven)

    # The last of six units, whose weights are drawn within 1 / sqrt(6), is all that moves a warm answer from the mean.
    assert np.abs(warm - 79 / 80).max() < 0.3 < np.abs(cold - 79 / 80).min()


def test_answers_on_the_train_scale_are_read_as_the_variant_says_and_judged_on_one_scale(material: Material) -> None:
    label = np.where(np.arange(ROWS) >= 80, 6.0, 4.0)
    label[[0, 80]] = 9.0, 8.0  # train from 4 to 9, test from 6 to 8
    rows, answers = Rows(material, label, np.arange(ROWS) >= 80), np.array([0.0, 0.5, 0.6])

    np.testing.assert_allclose(auditing._judged_scale(answers, ON, rows), answers)
    # 0, 0.5 and 0.6 of 4..9 are 4, 6.5 and 7, which are -1, 0.25 and 0.5 of 6..8.
    np.testing.assert_allclose(auditing._judged_scale(answers, OFF, rows), [-1.0, 0.25, 0.5])


def test_how_answers_are_read_needs_no_other_fit(rows: Rows, audited: pl.DataFrame) -> None:
    published, mended = (row(audited, "portraits", name) for name in ("as published", "without own_ranges"))

    assert published["spearman_score"] == pytest.approx(mended["spearman_score"])
    assert published["mean_squared_error"] != mended["mean_squared_error"]


@pytest.mark.parametrize("quirks", [ON, OFF], ids=["as published", "corrected"])
def test_labels_of_test_rows_teach_nothing(quirks: Quirks, rows: Rows) -> None:
    lies = replace(rows, label=np.where(rows.is_test, rows.label[::-1], rows.label))

    np.testing.assert_array_equal(fitted("portraits", quirks, lies, 2), fitted("portraits", quirks, rows, 2))


def test_words_refitted_on_every_batch_and_cast_to_integers_are_nearly_all_zero(
    material: Material, is_test: np.ndarray
) -> None:
    train_rows, test_rows = np.flatnonzero(~is_test), np.flatnonzero(is_test)

    broken = auditing._words_by_batch(material, train_rows, test_rows)
    mended = auditing._words_once(material, train_rows)

    assert broken.shape == mended.shape == (ROWS, 1500)
    assert (broken != 0).mean() < 0.001 < (mended != 0).mean()


def test_refitting_words_for_each_batch_is_a_switch(rows: Rows) -> None:
    broken = inputs("traditional", auditing.TRADITIONAL, rows)["traditional"]
    mended = inputs("traditional", replace(auditing.TRADITIONAL, tfidf_for_each_batch=False), rows)["traditional"]

    words = auditing._words_once(rows.material, np.flatnonzero(~rows.is_test))
    np.testing.assert_allclose(mended[:, :1500], words, atol=1e-6)
    assert not np.array_equal(broken[:, :1500], mended[:, :1500])
    np.testing.assert_array_equal(broken[:, 1500:], mended[:, 1500:])


def test_a_vector_that_hardly_changes_is_not_blown_up(rows: Rows) -> None:
    flat = rows.material.vectors["portraits:published"] * np.float32(1e-7) + np.float32(3000)
    vectors = {**rows.material.vectors, "portraits:published": flat}

    scaled = inputs(
        "portraits", replace(ON, raw_inputs=False), replace(rows, material=replace(rows.material, vectors=vectors))
    )

    assert np.abs(scaled["portraits"]).max() < 1


def test_texts_that_are_empty_or_without_words_are_no_error(rows: Rows) -> None:
    told = rows.material.rows.with_columns(descriptions=pl.lit(""), synopsis=pl.lit("?"))

    answers = fitted("traditional", auditing.TRADITIONAL, replace(rows, material=replace(rows.material, rows=told)))

    assert np.isfinite(answers).all()


def test_equal_labels_have_no_explained_share_and_no_rank(material: Material, is_test: np.ndarray) -> None:
    alike = np.full(ROWS, 7.0)

    found = pl.DataFrame(auditing._constants(Rows(material, alike, is_test), {"mean": alike[is_test]}), orient="row")

    assert found.rows()[1][2:5] == (0.0, None, None)
