"""What the published numbers are made of: a recipe as published, and its defects switched off one at a time.

Every variant is fitted on the split to quote (`published`, repeat 0) and judged on the 0..1 scale. A defect is a field
of Quirks: on as published, off as it should be. Architectures are the paper's; encoders stay as they were loaded.

Belongs here: variants and their defects. Does not: experiments under the honest protocol (experiments, train).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl

from anipop_pipeline.stages.experiments import Experiment
from anipop_pipeline.stages.tables import published
from anipop_pipeline.stages.tables.reports import Audit
from anipop_pipeline.stages.train import Material, Settings
from anipop_pipeline.stages.train.material import WORD, scales
from anipop_pipeline.stages.train.neural import fitted_words, validation_rows

BATCH = 16
TFIDF_WIDTH = 750


@dataclass(frozen=True)
class Quirks:
    """The defects of the published code, each of which can be switched off alone."""

    batch_softmax: bool = False  # a softmax over the batch: sixteen answers that sum to one
    tfidf_for_each_batch: bool = False  # refitted on sixteen texts at a time, then cast to integers
    published_pooling: bool = True  # position 0 of a causal model; channel 0 of an image model
    own_ranges: bool = True  # train and test labels are scaled each by its own extremes
    test_is_validation: bool = True  # the epoch to report is chosen by looking at the test rows
    no_shuffling: bool = True  # rows come in the same order in each epoch


# Every vector that a variant may look at, as `<input>:<pooling>`; the audit uses what the papers used, on purpose.
AUDITED = Experiment(
    "audit",
    "All inputs of the published recipes, under the published pooling and under the right one.",
    "concept",
    "network",
    ("synopsis", "descriptions", "portraits"),
    options={
        "vectors": {
            "synopsis:published": ("synopsis", "published"),
            "synopsis:mean": ("synopsis", "mean"),
            "descriptions:published": ("descriptions", "published"),
            "descriptions:mean": ("descriptions", "mean"),
            "portraits:published": ("portraits", "published"),
            "portraits:pooled": ("portraits", "pooled"),
            "pixels": ("portraits", "pixels"),
        }
    },
)

MEANINGS = {
    "batch_softmax": "without the softmax over the batch",
    "tfidf_for_each_batch": "with TF-IDF fitted once on train, kept as numbers",
    "published_pooling": "with the mean over tokens, or all channels",
    "own_ranges": "with labels scaled by the train range alone",
    "test_is_validation": "stopped on clusters held out of train",
    "no_shuffling": "with rows shuffled in each epoch",
}


@dataclass(frozen=True)
class Published:
    """A recipe of the paper: its inputs under either pooling, its design, its defects."""

    name: str
    vectors: Mapping[str, tuple[str, str]]  # input -> (as published, as it should be), names in the material
    head: str
    quirks: Quirks
    epochs: int = 5


TRADITIONAL = Quirks(batch_softmax=True, tfidf_for_each_batch=True, published_pooling=False)
RECIPES = [
    Published("traditional", {"pixels": ("pixels", "pixels")}, "traditional", TRADITIONAL, epochs=30),
    Published("synopsis", {"synopsis": ("synopsis:published", "synopsis:mean")}, "published", Quirks()),
    Published("descriptions", {"descriptions": ("descriptions:published", "descriptions:mean")}, "published", Quirks()),
    Published("portraits", {"portraits": ("portraits:published", "portraits:pooled")}, "portraits", Quirks()),
    Published(
        "full",
        {
            "synopsis": ("synopsis:published", "synopsis:mean"),
            "descriptions": ("descriptions:published", "descriptions:mean"),
            "portraits": ("portraits:published", "portraits:pooled"),
        },
        "full",
        Quirks(),
    ),
]


def audit(
    material: Material,
    label: np.ndarray,
    is_test: np.ndarray,
    settings: Settings,
    baselines: Mapping[str, np.ndarray],
    progress: Callable[[int, int], None],
) -> pl.DataFrame:
    """Return one row for each variant; `baselines` are predictions of simple models for the test rows."""
    variants = [(recipe, name, quirks) for recipe in RECIPES for name, quirks in _variants(recipe.quirks)]
    rows = _constants(label, is_test, baselines)
    for done, (recipe, name, quirks) in enumerate(variants, start=1):
        answers, truth = _fit(recipe, quirks, material, label, is_test, settings)
        rows.append(_row(recipe.name, name, answers, truth, _meaning(name)))
        progress(done, len(variants))
    return Audit.validate(pl.DataFrame(rows, schema=Audit.column_names(), orient="row"), cast=True)


def _variants(quirks: Quirks) -> list[tuple[str, Quirks]]:
    """Return a recipe as published, with each of its defects off, and with all of them off."""
    on = [defect.name for defect in fields(quirks) if getattr(quirks, defect.name)]
    alone = [(f"without {name}", replace(quirks, **{name: False})) for name in on]
    return [("as published", quirks), *alone, ("corrected", replace(quirks, **dict.fromkeys(on, False)))]


def _meaning(variant: str) -> str:
    if variant == "as published":
        return "The recipe with all its defects."
    if variant == "corrected":
        return "The same architecture with every defect off."
    return f"As published, but {MEANINGS[variant.removeprefix('without ')]}."


def _constants(label: np.ndarray, is_test: np.ndarray, baselines: Mapping[str, np.ndarray]) -> list[tuple[Any, ...]]:
    """Return the rows of answers that need no network: what every number must be read against."""
    truth = _unit(label[is_test], label[is_test])
    meaning = "Always answers 1/16, as a softmax over sixteen rows nearly does."
    rows = [_row("constant", "one sixteenth", np.full(len(truth), 1 / BATCH), truth, meaning)]
    for name, answers in baselines.items():
        judged = _row("baseline", name, _unit(answers, label[is_test]), truth, f"The {name} baseline, fitted on train.")
        rows.append(judged)
    return rows


def _row(recipe: str, variant: str, answers: np.ndarray, truth: np.ndarray, meaning: str) -> tuple[Any, ...]:
    error = float(np.mean((answers - truth) ** 2))
    paper = published.RESULTS.get(recipe, {}).get("unit_mean_squared_error") if variant == "as published" else None
    explained = 1 - error / float(np.var(truth)) if np.ptp(truth) > 0 else None
    return (recipe, variant, error, explained, _spearman(answers, truth), paper, meaning)


def _spearman(answers: np.ndarray, truth: np.ndarray) -> float | None:
    """Return the correlation of ranks, None where all answers, or all truths, are the same."""
    from scipy.stats import spearmanr

    return None if np.ptp(answers) == 0 or np.ptp(truth) == 0 else float(spearmanr(answers, truth).statistic)


def _fit(
    recipe: Published, quirks: Quirks, material: Material, label: np.ndarray, is_test: np.ndarray, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers for the test rows and the truth, both as the variant scales them."""
    from anipop_pipeline.stages import networks

    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    inputs = _inputs(recipe, quirks, material, train, test)
    train_unit = _unit(label[train], label[train])
    test_unit = _unit(label[test], label[test] if quirks.own_ranges else label[train])
    if quirks.test_is_validation:
        rows, unit = np.concatenate([train, test]), np.concatenate([train_unit, test_unit])
        validation = np.arange(len(rows)) >= len(train)
    else:
        rows, unit = train, train_unit
        validation = validation_rows(material.take(train), settings.seed)
    epochs = min(recipe.epochs, settings.epochs)
    schedule = networks.Schedule(epochs=epochs, batch=BATCH, shuffle=not quirks.no_shuffling, patience=epochs)
    chosen = {name: values[rows] for name, values in inputs.items()}
    trained = networks.train(_design(recipe, quirks, networks), schedule, chosen, unit, validation, settings.seed)
    answers = trained.predict({name: values[test] for name, values in inputs.items()}, BATCH)
    return answers, test_unit


def _inputs(
    recipe: Published, quirks: Quirks, material: Material, train: np.ndarray, test: np.ndarray
) -> dict[str, np.ndarray]:
    """Return a recipe's inputs for all rows, scaled by the train rows."""
    chosen = {}
    for name, (as_published, corrected) in recipe.vectors.items():
        values = material.vectors[as_published if quirks.published_pooling else corrected]
        mean, spread = scales(values[train])
        chosen[name] = np.asarray((values - mean) / spread, dtype=np.float32)
    if recipe.head == "traditional":
        words = _words_by_batch(material, train, test) if quirks.tfidf_for_each_batch else _words_once(material, train)
        return {"traditional": np.hstack([words, *chosen.values()]).astype(np.float32)}
    if recipe.head == "full":
        characters = np.hstack([chosen["descriptions"], chosen["portraits"]])
        return {"synopsis": chosen["synopsis"], "characters": characters}
    return chosen


def _words_once(material: Material, train: np.ndarray) -> np.ndarray:
    learned = material.take(train)
    blocks = [fitted_words(learned, name, TFIDF_WIDTH)(material) for name in ("synopsis", "descriptions")]
    return np.hstack([_padded(block) for block in blocks])


def _words_by_batch(material: Material, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return TF-IDF refitted on every sixteen rows and cast to integers: nearly all of it becomes zero."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = np.zeros((material.rows.height, 2 * TFIDF_WIDTH))
    for part in (train, test):
        for start in range(0, len(part), BATCH):
            rows = part[start : start + BATCH]
            for place, name in enumerate(("synopsis", "descriptions")):
                texts = material.rows[name][rows.tolist()]
                if texts.str.contains(WORD).any():
                    block = _padded(TfidfVectorizer().fit_transform(texts.to_list()).toarray().astype(int))
                    words[rows, place * TFIDF_WIDTH : (place + 1) * TFIDF_WIDTH] = block
    return words


def _padded(block: np.ndarray) -> np.ndarray:
    cut = block[:, :TFIDF_WIDTH]
    return np.pad(cut, ((0, 0), (0, TFIDF_WIDTH - cut.shape[1])))


def _design(recipe: Published, quirks: Quirks, networks: Any) -> Any:
    if recipe.head == "traditional":
        return networks.Design(
            {"traditional": ()},
            networks.TRADITIONAL_HEAD,
            len(networks.TRADITIONAL_HEAD),
            batch_softmax=quirks.batch_softmax,
        )
    if recipe.head == "portraits":
        return networks.Design({"portraits": ()}, (21,), 1)
    branches = (
        {"synopsis": (), "characters": (768, 768)} if recipe.head == "full" else dict.fromkeys(recipe.vectors, ())
    )
    return networks.Design(branches, networks.PUBLISHED_HEAD, networks.PUBLISHED_TANH)


def _unit(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.asarray((values - of.min()) / (np.ptp(of) or 1.0))
