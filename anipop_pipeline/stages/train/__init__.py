"""How an experiment becomes predictions: folds, recipes, and what each recipe fits on train rows alone.

A new recipe is one entry in RECIPES. Vocabularies, scales, imputed values, penalties and the scale of the label are
fitted on the train rows of the fold; rows for stopping and for choosing a penalty are carved from them by cluster.

Belongs here: fitting and predicting. Does not: declarations (experiments.py), layers (networks.py), judging (metrics).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from anipop_pipeline.stages.experiments import Experiment
from anipop_pipeline.stages.tables.reports import History, Predictions
from anipop_pipeline.stages.train.classic import fit_linear, fit_mean, fit_ridge, fit_trees, load_classic
from anipop_pipeline.stages.train.material import Fitted, Material, Settings, material
from anipop_pipeline.stages.train.neural import fit_network

__all__ = ["RECIPES", "Material", "Outcome", "Settings", "load_classic", "material", "run"]

Recipe = Callable[[Experiment, Material, np.ndarray, Settings], Fitted]


@dataclass(frozen=True)
class Outcome:
    """All that an experiment leaves."""

    predictions: pl.DataFrame
    history: pl.DataFrame
    files: dict[str, bytes]


RECIPES: dict[str, Recipe] = {
    "mean": fit_mean,
    "linear": fit_linear,
    "ridge": fit_ridge,
    "trees": fit_trees,
    "network": fit_network,
}


def run(
    experiment: Experiment,
    material: Material,
    labels: pl.DataFrame,
    splits: pl.DataFrame,
    settings: Settings,
    progress: Callable[[int, int], None],
) -> Outcome:
    """Return the predictions for every test row of every fold, and the fits worth keeping."""
    work = [(label, *fold) for label in experiment.labels for fold in _folds(experiment, label, splits, settings)]
    predictions, history, files = [], [], {}
    for done, (label, key, rows) in enumerate(work, start=1):
        part = _labelled(material, labels, label, rows)
        if part.train.rows.height and part.test.rows.height:  # not so where nobody has the label
            fitted = RECIPES[experiment.recipe](experiment, part.train, part.train_label, settings)
            predictions.append(_predicted(experiment, label, key, settings, part.test, fitted.predict(part.test)))
            history.append(_history(experiment, label, key, settings, fitted))
            if key == ("published", 0, 0) and label == "score" and not experiment.on_all_rows:
                files = fitted.files()
        progress(done, len(work))
    if experiment.on_all_rows:
        files = _files_of_all_rows(experiment, material, labels, settings)
    return Outcome(
        Predictions.validate(pl.concat([Predictions.create_empty(), *predictions]), cast=True),
        History.validate(pl.concat([History.create_empty(), *history]), cast=True),
        {**files, "spec.json": spec(experiment, settings)},
    )


def spec(experiment: Experiment, settings: Settings) -> bytes:
    """Return what was fitted and how, as JSON."""
    said = {**experiment.__dict__, "settings": settings.__dict__, "published": experiment.published}
    return json.dumps(said, indent=1, sort_keys=True).encode()


Key = tuple[str, int, int]


@dataclass(frozen=True)
class _Part:
    train: Material
    train_label: np.ndarray
    test: Material


def _folds(
    experiment: Experiment, label: str, splits: pl.DataFrame, settings: Settings
) -> Iterator[tuple[Key, pl.DataFrame]]:
    """Yield the folds of an experiment; only cheap ones, and only on the score, run on every split seed."""
    repeats = settings.cheap_repeats if experiment.cheap and label == "score" else 1
    wanted = splits.filter(pl.col("split").is_in(list(experiment.splits)) & (pl.col("repeat") < repeats))
    for (split, repeat, fold), rows in wanted.group_by(["split", "repeat", "fold"], maintain_order=True):
        if rows["part"].n_unique() == 2:
            yield (str(split), int(str(repeat)), int(str(fold))), rows


def _labelled(material: Material, labels: pl.DataFrame, label: str, rows: pl.DataFrame) -> _Part:
    """Return the train and test rows of a fold that have the label."""
    joined = (
        material.rows.select("anime_id")
        .with_row_index("row")
        .join(rows.select("anime_id", "part"), on="anime_id", how="inner", validate="1:1")
        .join(labels.select("anime_id", label=label), on="anime_id", how="inner", validate="1:1")
        .filter(pl.col("label").is_not_null())
        .sort("row")
    )
    train, test = (joined.filter(pl.col("part") == part) for part in ("train", "test"))
    return _Part(
        material.take(train["row"].to_numpy()), train["label"].to_numpy(), material.take(test["row"].to_numpy())
    )


def _predicted(
    experiment: Experiment, label: str, key: Key, settings: Settings, test: Material, answers: np.ndarray
) -> pl.DataFrame:
    keyed = _keyed(experiment, label, key, settings)
    return test.rows.select(*keyed, "anime_id", predicted=pl.Series(answers, dtype=pl.Float64)).cast(
        Predictions.create_empty().schema
    )


def _history(experiment: Experiment, label: str, key: Key, settings: Settings, fitted: Fitted) -> pl.DataFrame:
    epochs = pl.DataFrame(fitted.history, schema=["epoch", "train_error", "validation_error"], orient="row")
    return epochs.select(*_keyed(experiment, label, key, settings), pl.all()).cast(History.create_empty().schema)


def _keyed(experiment: Experiment, label: str, key: Key, settings: Settings) -> list[pl.Expr]:
    values = (experiment.name, label, *key, settings.seed)
    names = ("experiment", "label", "split", "repeat", "fold", "seed")
    return [pl.lit(value).alias(name) for name, value in zip(names, values, strict=True)]


def _files_of_all_rows(
    experiment: Experiment, material: Material, labels: pl.DataFrame, settings: Settings
) -> dict[str, bytes]:
    """Return a fit on all rows for each label, which answers pitches."""
    files = {}
    for label in experiment.labels:
        everything = material.rows.select("anime_id", part=pl.lit("train"))
        part = _labelled(material, labels, label, everything)
        if part.train.rows.height:
            fitted = RECIPES[experiment.recipe](experiment, part.train, part.train_label, settings)
            files.update({f"{label}_{name}": content for name, content in fitted.files().items()})
    return files
