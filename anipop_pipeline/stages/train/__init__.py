"""How an experiment becomes predictions: folds, recipes, and what each recipe fits on train rows alone.

A new recipe is one entry in RECIPES. Vocabularies, scales, imputed values, penalties and the scale of the label are
fitted on the train rows of the fold; rows for stopping and for choosing a penalty are carved from them by cluster.

Belongs here: fitting and predicting. Does not: declarations (experiments.py), layers (networks.py), judging (metrics).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from anipop_pipeline.stages import labels as truths
from anipop_pipeline.stages.experiments import Experiment
from anipop_pipeline.stages.tables.reports import History, Predictions
from anipop_pipeline.stages.train.classic import fit_linear, fit_mean, fit_ridge, fit_trees, load_classic
from anipop_pipeline.stages.train.material import Fitted, Material, Settings, material
from anipop_pipeline.stages.train.neural import fit_network

__all__ = ["RECIPES", "Material", "Outcome", "Settings", "load_classic", "material", "run", "weights"]

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
    """Return the predictions for every test row of every fold, and the fits worth keeping.

    `labels` has one column for each label that the site knows (labels.wide); a row without a label is left out of its
    fits and tests. A label that was asked for by name, and that nobody has, is an error; so is weighing rows by votes
    that nobody knows.
    """
    truths.refuse_unknown(settings.labels, labels)
    learned = _learned(experiment, labels, settings)
    if settings.weigh_by_votes:
        truths.refuse_weightless(learned, labels)
    work = [(label, *fold) for label in learned for fold in _folds(experiment, label == learned[0], splits, settings)]
    predictions, history, files = [], [], {}
    for done, (label, key, rows) in enumerate(work, start=1):
        part = _labelled(material, labels, label, rows, settings)
        if part.train.rows.height and part.test.rows.height:  # not so where nobody has the label
            fitted = RECIPES[experiment.recipe](experiment, part.train, part.train_label, settings)
            predictions.append(_predicted(experiment, label, key, settings, part.test, fitted.predict(part.test)))
            history.append(_history(experiment, label, key, settings, fitted))
            if key == ("published", 0, 0) and label == learned[0] and not experiment.on_all_rows:
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


def _learned(experiment: Experiment, labels: pl.DataFrame, settings: Settings) -> list[str]:
    """Return what an experiment learns here, the label to quote first: what was asked for, else what it declares."""
    there = truths.present(labels)
    return [label for label in settings.labels or experiment.labels if label in there]


def _folds(
    experiment: Experiment, quoted: bool, splits: pl.DataFrame, settings: Settings
) -> Iterator[tuple[Key, pl.DataFrame]]:
    """Yield the folds of an experiment; only cheap ones, and only on the label to quote, run on every split seed."""
    repeats = settings.cheap_repeats if experiment.cheap and quoted else 1
    wanted = splits.filter(pl.col("split").is_in(list(experiment.splits)) & (pl.col("repeat") < repeats))
    for (split, repeat, fold), rows in wanted.group_by(["split", "repeat", "fold"], maintain_order=True):
        if rows["part"].n_unique() == 2:
            yield (str(split), int(str(repeat)), int(str(fold))), rows


def _labelled(material: Material, labels: pl.DataFrame, label: str, rows: pl.DataFrame, settings: Settings) -> _Part:
    """Return the train and test rows of a fold that have the label."""
    error = truths.mean_error(label) if settings.weigh_by_votes else pl.lit(None, dtype=pl.Float64)
    joined = (
        material.rows.select("anime_id")
        .with_row_index("row")
        .join(rows.select("anime_id", "part"), on="anime_id", how="inner", validate="1:1")
        .join(labels.select("anime_id", label=label, error=error), on="anime_id", how="inner", validate="1:1")
        .filter(pl.col("label").is_not_null())
        .sort("row")
    )
    train, test = (joined.filter(pl.col("part") == part) for part in ("train", "test"))
    label_of_train = train["label"].to_numpy()
    learned = replace(
        material.take(train["row"].to_numpy()), weights=weights(label_of_train, train["error"].to_numpy())
    )
    return _Part(learned, label_of_train, material.take(test["row"].to_numpy()))


def weights(label: np.ndarray, errors: np.ndarray) -> np.ndarray | None:
    """Return how much each train row counts, 1 on average; None where nothing is known of its votes.

    A row counts by 1 / (variance of the label + squared error of its plain mean): at the same spread of marks, more
    votes never count less. Votes alone would let one famous title count as much as a thousand others, but a title with
    a million votes teaches no more than one with a thousand: what they share is the label's own variance. A row whose
    error is unknown counts as the least sure one.

    >>> weights(np.array([6.0, 8.0]), np.array([0.0, 1.0])).round(3).tolist()
    [1.333, 0.667]
    """
    if np.isnan(errors).all():
        return None
    squared = np.where(np.isnan(errors), np.nanmax(errors), errors) ** 2
    spread = float(np.var(label)) + squared
    counting = 1 / np.where(spread > 0, spread, 1.0)
    return np.asarray(counting / counting.mean(), dtype=np.float64)


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
    for label in _learned(experiment, labels, settings):
        everything = material.rows.select("anime_id", part=pl.lit("train"))
        part = _labelled(material, labels, label, everything, settings)
        if part.train.rows.height:
            fitted = RECIPES[experiment.recipe](experiment, part.train, part.train_label, settings)
            files.update({f"{label}_{name}": content for name, content in fitted.files().items()})
    return files
