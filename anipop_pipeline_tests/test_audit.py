"""The audit shows what each published defect costs, one at a time, and what every number must beat."""

from dataclasses import fields
from random import Random

import numpy as np
import polars as pl
import pytest

from anipop_pipeline.stages import audit as auditing
from anipop_pipeline.stages import train
from anipop_pipeline.stages.audit import AUDITED, RECIPES, Quirks
from anipop_pipeline.stages.tables.features import TabularFeatures
from anipop_pipeline.stages.tables.published import RESULTS
from anipop_pipeline.stages.train import Material, Settings

ROWS = 112  # 80 of train and 32, two whole batches, of test
QUICK = Settings(seed=42, epochs=1, cheap_repeats=1)
WORDS = ("sea", "moon", "sword", "king", "cat", "ship", "dragon", "castle", "robot", "planet")
COMMON = {"own_ranges", "test_is_validation", "no_shuffling"}


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
            "synopsis": vectors(numbers, "published", "mean"),
            "descriptions": vectors(numbers, "published", "mean"),
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
def audited(material: Material, label: np.ndarray, is_test: np.ndarray) -> pl.DataFrame:
    mean = np.full(int(is_test.sum()), label[~is_test].mean())
    return auditing.audit(material, label, is_test, QUICK, {"mean": mean}, lambda done, total: None)


def row(audited: pl.DataFrame, recipe: str, variant: str) -> dict[str, object]:
    return audited.row(by_predicate=(pl.col("recipe") == recipe) & (pl.col("variant") == variant), named=True)


def unit(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_each_recipe_is_run_as_published_without_each_of_its_defects_and_corrected(
    recipe: auditing.Published, audited: pl.DataFrame
) -> None:
    own = {"batch_softmax", "tfidf_for_each_batch"} if recipe.name == "traditional" else {"published_pooling"}
    expected = ["as published", *(f"without {quirk.name}" for quirk in fields(Quirks) if quirk.name in own | COMMON)]

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


def test_without_the_softmax_the_benchmark_comes_near_to_the_mean(audited: pl.DataFrame) -> None:
    mean = row(audited, "baseline", "mean")["mean_squared_error"]

    for variant in ("without batch_softmax", "corrected"):
        assert row(audited, "traditional", variant)["mean_squared_error"] < 3 * mean  # type: ignore[operator]


def test_baselines_are_judged_on_the_scale_of_the_test_rows(
    audited: pl.DataFrame, label: np.ndarray, is_test: np.ndarray
) -> None:
    tested = label[is_test]
    error = ((label[~is_test].mean() - tested) ** 2).mean() / (tested.max() - tested.min()) ** 2

    assert row(audited, "baseline", "mean")["mean_squared_error"] == pytest.approx(error)


def test_progress_is_told_for_every_variant(
    material: Material, label: np.ndarray, is_test: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "RECIPES", RECIPES[3:4])
    told: list[tuple[int, int]] = []

    auditing.audit(material, label, is_test, QUICK, {}, lambda *step: told.append(step))

    assert told == [(done, 6) for done in range(1, 7)]


# Single defects


def fitted(
    recipe: str, quirks: Quirks, material: Material, label: np.ndarray, is_test: np.ndarray
) -> tuple[np.ndarray, ...]:
    chosen = next(one for one in RECIPES if one.name == recipe)
    return auditing._fit(chosen, quirks, material, label, is_test, QUICK)


NONE = Quirks(published_pooling=False, own_ranges=False, test_is_validation=False, no_shuffling=False)


def test_each_scaled_by_its_own_range_makes_test_labels_fill_0_to_1(
    material: Material, label: np.ndarray, is_test: np.ndarray
) -> None:
    own = fitted("portraits", Quirks(own_ranges=True), material, label, is_test)[1]
    shared = fitted("portraits", NONE, material, label, is_test)[1]

    trained = label[~is_test]
    np.testing.assert_allclose(own, unit(label[is_test]))
    np.testing.assert_allclose(shared, (label[is_test] - trained.min()) / (trained.max() - trained.min()))


def test_only_where_test_rows_judge_do_their_labels_matter(
    material: Material, label: np.ndarray, is_test: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = np.where(is_test, label[::-1], label)

    honest = [fitted("portraits", NONE, material, told, is_test)[0] for told in (label, lies)]

    np.testing.assert_array_equal(*honest)


def test_words_refitted_on_every_batch_and_cast_to_integers_are_nearly_all_zero(
    material: Material, is_test: np.ndarray
) -> None:
    train_rows, test_rows = np.flatnonzero(~is_test), np.flatnonzero(is_test)

    broken = auditing._words_by_batch(material, train_rows, test_rows)
    mended = auditing._words_once(material, train_rows)

    assert broken.shape == mended.shape == (ROWS, 1500)
    assert (broken != 0).mean() < 0.001 < (mended != 0).mean()


def test_a_vector_that_hardly_changes_is_not_blown_up(
    material: Material, label: np.ndarray, is_test: np.ndarray
) -> None:
    flat = {name: values * np.float32(1e-7) + np.float32(3000) for name, values in material.vectors.items()}
    same = Material(material.rows, {**material.vectors, "portraits:published": flat["portraits:published"]})
    chosen = next(one for one in RECIPES if one.name == "portraits")

    inputs = auditing._inputs(chosen, Quirks(), same, np.flatnonzero(~is_test), np.flatnonzero(is_test))

    assert np.abs(inputs["portraits"]).max() < 1


def test_texts_that_are_empty_or_without_words_are_no_error(
    material: Material, label: np.ndarray, is_test: np.ndarray
) -> None:
    rows = material.rows.with_columns(descriptions=pl.lit(""), synopsis=pl.lit("?"))

    answers, _ = fitted("traditional", auditing.TRADITIONAL, Material(rows, material.vectors), label, is_test)

    assert np.isfinite(answers).all()


def test_equal_labels_have_no_explained_share_and_no_rank(material: Material, is_test: np.ndarray) -> None:
    alike = np.full(ROWS, 7.0)

    found = pl.DataFrame(auditing._constants(alike, is_test, {"mean": alike[is_test]}), orient="row")

    assert found.rows()[1][2:5] == (0.0, None, None)
