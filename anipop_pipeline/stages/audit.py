"""What the published numbers are made of: a recipe as published, and its defects switched off one at a time.

Every variant is fitted on the authors' own split where a site brings it, else on the first draw of `published`. A
defect is a field of Quirks: on as published, off as it should be. Where the paper and its code differ (learning rate,
dropout, curves), `as published` is the code: its numbers are the published ones. Whatever a variant is trained on, all
of them, baselines and the constant too, are judged on one scale: test labels from 0 to 1 by their own extremes, on
which the paper's errors are printed.

What cannot be switched: the paper fine-tuned its encoders end to end. Here they are frozen, in every variant, and
only the regressor on top of their vectors learns. So `as published` is the published regressor and its training, not
the published network; its errors need not come near the printed ones, the benchmark's apart, which has no encoder.
The authors watched the test rows after each epoch but reported the last: as that changes nothing, it is left out.

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
from anipop_pipeline.stages.train import Material
from anipop_pipeline.stages.train.material import WORD, scales
from anipop_pipeline.stages.train.neural import fitted_words, validation_rows

BATCH = 16
TFIDF_WIDTH = 750
PUBLISHED_RATE = 5e-5  # the authors' code; their paper prints 5e-2
CORRECTED_RATE = 1e-3


@dataclass(frozen=True)
class Quirks:
    """The defects of the published code, each of which can be switched off alone."""

    batch_softmax: bool = False  # a softmax over the batch: sixteen answers that sum to one
    tfidf_for_each_batch: bool = False  # refitted on sixteen texts at a time, then cast to integers
    published_pooling: bool = True  # position 0 of a causal model; channel 0 of an image model
    own_ranges: bool = True  # answers on the scale of the train labels are read as if on that of the test labels
    published_rate: bool = True  # meant for fine-tuning encoders: on few rows, a regressor hardly learns with it
    raw_inputs: bool = True  # vectors and pixels (0 to 255) as they come, each column with a scale of its own
    cold_start: bool = True  # first answers far from any label; a draw whose relu units are all silent stays so
    last_epoch: bool = True  # nothing decides when to stop
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
            "synopsis:pooled": ("synopsis", "pooled"),
            "descriptions:published": ("descriptions", "published"),
            "descriptions:pooled": ("descriptions", "pooled"),
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
    "own_ranges": "with answers read on the scale of the train labels, on which they were learned",
    "published_rate": "with a learning rate of 0.001 (the code's is 0.00005, the paper prints 0.05)",
    "raw_inputs": "with vectors and pixels standardised by the train rows",
    "cold_start": "with the mean label as first answer, and first weights drawn again where they let nothing through",
    "last_epoch": "with the best epoch on clusters held out of train",
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
    alone: tuple[str, ...] = ("published_pooling", "own_ranges", "published_rate")  # defects to switch off one by one


# Training is switched step by step for the two recipes that the paper compares; for the others it would say the same.
# The benchmark's softmax takes no notice of where its answers start, and its published error is the same in all epochs.
TRAINING = ("raw_inputs", "no_shuffling")
TRADITIONAL = Quirks(batch_softmax=True, tfidf_for_each_batch=True, published_pooling=False)
RECIPES = [
    Published(
        "traditional",
        {"pixels": ("pixels", "pixels")},
        "traditional",
        TRADITIONAL,
        epochs=30,
        alone=("batch_softmax", "tfidf_for_each_batch", "own_ranges", "published_rate", *TRAINING),
    ),
    Published("synopsis", {"synopsis": ("synopsis:published", "synopsis:pooled")}, "text", Quirks()),
    Published("descriptions", {"descriptions": ("descriptions:published", "descriptions:pooled")}, "text", Quirks()),
    Published("portraits", {"portraits": ("portraits:published", "portraits:pooled")}, "portraits", Quirks()),
    Published(
        "full",
        {
            "synopsis": ("synopsis:published", "synopsis:pooled"),
            "descriptions": ("descriptions:published", "descriptions:pooled"),
            "portraits": ("portraits:published", "portraits:pooled"),
        },
        "full",
        Quirks(),
        alone=("published_pooling", "own_ranges", "published_rate", "cold_start", "last_epoch", *TRAINING),
    ),
]


@dataclass(frozen=True)
class Rows:
    """What every variant is fitted on and judged by."""

    material: Material
    label: np.ndarray
    is_test: np.ndarray

    @property
    def trained(self) -> np.ndarray:
        """Return the labels of the train rows."""
        labels: np.ndarray = self.label[~self.is_test]
        return labels

    @property
    def tested(self) -> np.ndarray:
        """Return the labels of the test rows."""
        labels: np.ndarray = self.label[self.is_test]
        return labels


def audit(
    rows: Rows, seed: int, epochs: int, baselines: Mapping[str, np.ndarray], progress: Callable[[int, int], None]
) -> pl.DataFrame:
    """Return one row for each variant, fitted for `epochs` at most; `baselines` are answers for the test rows."""
    variants = [(recipe, name, quirks) for recipe in RECIPES for name, quirks in _variants(recipe)]
    judged = _constants(rows, baselines)
    fits: dict[tuple[str, Quirks], np.ndarray] = {}
    for done, (recipe, name, quirks) in enumerate(variants, start=1):
        fit = (recipe.name, replace(quirks, own_ranges=False))  # how answers are read changes nothing about the fit
        if fit not in fits:
            fits[fit] = _fit(recipe, quirks, rows, seed, epochs)
        answers = _judged_scale(fits[fit], quirks, rows)
        judged.append(_row(recipe.name, name, answers, _unit(rows.tested, rows.tested), _meaning(recipe, name, epochs)))
        progress(done, len(variants))
    return Audit.validate(pl.DataFrame(judged, schema=Audit.column_names(), orient="row"), cast=True)


def _variants(recipe: Published) -> list[tuple[str, Quirks]]:
    """Return a recipe as published, with its defects off one by one, and with all of them off."""
    alone = [(f"without {name}", replace(recipe.quirks, **{name: False})) for name in recipe.alone]
    none = Quirks(**{quirk.name: False for quirk in fields(Quirks)})
    return [("as published", recipe.quirks), *alone, ("corrected", none)]


def _meaning(recipe: Published, variant: str, epochs: int) -> str:
    cut = f" Trained for {epochs} of the {recipe.epochs} epochs." if epochs < recipe.epochs else ""
    frozen = "" if recipe.head == "traditional" else ", on frozen encoders"
    if variant == "as published":
        return f"The recipe with all its defects{frozen}.{cut}"
    if variant == "corrected":
        return f"The same layers with every defect off{frozen}.{cut}"
    return f"As published, but {MEANINGS[variant.removeprefix('without ')]}.{cut}"


def _constants(rows: Rows, baselines: Mapping[str, np.ndarray]) -> list[tuple[Any, ...]]:
    """Return the rows of answers that need no network: what every number must be read against."""
    truth = _unit(rows.tested, rows.tested)
    meaning = "Always answers 1/16, as a softmax over sixteen rows nearly does."
    judged = [_row("constant", "one sixteenth", np.full(len(truth), 1 / BATCH), truth, meaning)]
    for name, answers in baselines.items():
        unit = _unit(answers, rows.tested)
        judged.append(_row("baseline", name, unit, truth, f"The {name} baseline, fitted on train."))
    return judged


def _row(recipe: str, variant: str, answers: np.ndarray, truth: np.ndarray, meaning: str) -> tuple[Any, ...]:
    error = float(np.mean((answers - truth) ** 2))
    paper = published.RESULTS.get(recipe, {}).get("unit_mean_squared_error") if variant == "as published" else None
    explained = 1 - error / float(np.var(truth)) if np.ptp(truth) > 0 else None
    return (recipe, variant, error, explained, _spearman(answers, truth), paper, meaning)


def _spearman(answers: np.ndarray, truth: np.ndarray) -> float | None:
    """Return the correlation of ranks, None where all answers, or all truths, are the same."""
    from scipy.stats import spearmanr

    return None if np.ptp(answers) == 0 or np.ptp(truth) == 0 else float(spearmanr(answers, truth).statistic)


def _judged_scale(answers: np.ndarray, quirks: Quirks, rows: Rows) -> np.ndarray:
    """Return answers, learned on the scale of the train labels, on that of the test labels."""
    if quirks.own_ranges:
        return answers
    return _unit(rows.trained.min() + answers * (np.ptp(rows.trained) or 1.0), rows.tested)


def _fit(recipe: Published, quirks: Quirks, rows: Rows, seed: int, epochs: int) -> np.ndarray:
    """Return the answers for the test rows, on the 0..1 scale of the train labels; test labels play no part."""
    from anipop_pipeline.stages import networks

    train, test = np.flatnonzero(~rows.is_test), np.flatnonzero(rows.is_test)
    inputs = _inputs(recipe, quirks, rows.material, train, test)
    trained = networks.train(
        _design(recipe, quirks, networks),
        _schedule(recipe, quirks, epochs, networks),
        {name: values[train] for name, values in inputs.items()},
        _unit(rows.trained, rows.trained),
        _held(quirks, rows.material.take(train), seed),
        seed,
        from_mean=not quirks.cold_start,
        redraw=not quirks.cold_start,
    )
    answers: np.ndarray = trained.predict({name: values[test] for name, values in inputs.items()}, BATCH)
    return answers


def _schedule(recipe: Published, quirks: Quirks, epochs: int, networks: Any) -> Any:
    most = min(recipe.epochs, epochs)
    return networks.Schedule(
        epochs=most,
        batch=BATCH,
        rate=PUBLISHED_RATE if quirks.published_rate else CORRECTED_RATE,
        patience=most,
        shuffle=not quirks.no_shuffling,
        keep_best=not quirks.last_epoch,
    )


def _held(quirks: Quirks, learned: Material, seed: int) -> np.ndarray:
    """Return which train rows choose the epoch: none as published, a sixth of the clusters otherwise."""
    return np.zeros(learned.rows.height, dtype=bool) if quirks.last_epoch else validation_rows(learned, seed)


def _inputs(
    recipe: Published, quirks: Quirks, material: Material, train: np.ndarray, test: np.ndarray
) -> dict[str, np.ndarray]:
    """Return a recipe's inputs for all rows: raw, or scaled by the train rows."""
    chosen = {}
    for name, (as_published, corrected) in recipe.vectors.items():
        values = material.vectors[as_published if quirks.published_pooling else corrected]
        mean, spread = (0.0, 1.0) if quirks.raw_inputs else scales(values[train])
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
    if recipe.head == "text":  # a text alone enters the head behind its first layer
        return networks.Design(
            dict.fromkeys(recipe.vectors, ()), networks.PUBLISHED_HEAD[1:], networks.PUBLISHED_TANH - 1
        )
    branches = {"synopsis": (), "characters": networks.PUBLISHED_BRANCH}
    return networks.Design(branches, networks.PUBLISHED_HEAD, networks.PUBLISHED_TANH)


def _unit(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.asarray((values - of.min()) / (np.ptp(of) or 1.0))
