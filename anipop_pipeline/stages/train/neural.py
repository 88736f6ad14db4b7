"""Recipes with a network: what its inputs are, how they are scaled, when it stops.

Belongs here: from material to a network's inputs and back to the label's scale. Does not: layers (networks.py).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from anipop_pipeline.stages import cluster
from anipop_pipeline.stages.experiments import Experiment
from anipop_pipeline.stages.pictures import PictureRows
from anipop_pipeline.stages.train.material import WORD, Material, Settings, as_array, columns, scales, transformer

Prepare = Callable[[Material], dict[str, np.ndarray | PictureRows]]


@dataclass
class Neural:
    """A network with what turns material into its inputs, and the scale of its label."""

    trained: Any
    prepare: Prepare
    low: float
    high: float
    batch: int
    history: list[tuple[int, float, float]]

    def predict(self, material: Material) -> np.ndarray:
        """Return the network's answers on the label's raw scale."""
        answers: np.ndarray = self.trained.predict(self.prepare(material), self.batch)
        return self.low + answers * (self.high - self.low)

    def files(self) -> dict[str, bytes]:
        """Return the weights as safetensors."""
        from anipop_pipeline.stages import networks

        scale = {"low": self.low, "high": self.high}
        return {
            "weights.safetensors": networks.weights(self.trained),
            "scale.json": json.dumps(scale, sort_keys=True).encode(),
        }


def fit_network(experiment: Experiment, train: Material, label: np.ndarray, settings: Settings) -> Neural:
    """Return a network that stopped where clusters held out of train said so."""
    from anipop_pipeline.stages import networks

    validation = validation_rows(train, settings.seed)
    prepare = inputs(experiment, train.take(np.flatnonzero(~validation)))
    low, high = float(label.min()), float(label.max())
    design = _design(experiment, networks)
    schedule = networks.Schedule(epochs=settings.epochs, augment=experiment.options.get("augment", False))
    unit = (label - low) / (high - low if high > low else 1.0)
    trained = networks.train(design, schedule, prepare(train), unit, validation, settings.seed)
    return Neural(trained, prepare, low, high, 256, trained.history)


def validation_rows(train: Material, seed: int) -> np.ndarray:
    """Return which train rows are held out for stopping: a sixth of the clusters."""
    held = np.zeros(train.rows.height, dtype=bool)
    _, outside = cluster.hold_out(train.rows["cluster_id"].to_list(), 6, seed)
    held[outside] = True
    return held


def _design(experiment: Experiment, networks: Any) -> Any:
    head = experiment.options["head"]
    branches: dict[str, tuple[int, ...]] = {}
    if head == "published":
        joined = experiment.options.get("characters", ())
        branches = {name: () for name in experiment.options["vectors"] if name not in joined}
        branches |= {"characters": (768, 768)} if joined else {}
        return networks.Design(branches, networks.PUBLISHED_HEAD, networks.PUBLISHED_TANH)
    if head == "small":
        return networks.Design(dict.fromkeys(experiment.options["vectors"], ()), (21,), 1)
    if head == "traditional":
        return networks.Design({"traditional": ()}, networks.TRADITIONAL_HEAD, len(networks.TRADITIONAL_HEAD))
    return networks.Design({"table": (64,), "pictures": ()}, (64,), 0)


def inputs(experiment: Experiment, train: Material) -> Prepare:
    """Return the step from material to a network's inputs, its scales and vocabularies fitted on train rows."""
    fitted = {name: scales(values) for name, values in train.vectors.items()}
    table = _fitted_table(train) if experiment.options.get("table") else None
    vocabularies = [fitted_words(train, name) for name in experiment.options.get("tfidf", ())]

    def prepare(material: Material) -> dict[str, np.ndarray | PictureRows]:
        scaled = {name: _standard(values, *fitted[name]) for name, values in material.vectors.items()}
        if vocabularies:
            scaled = {"traditional": np.hstack([*(words(material) for words in vocabularies), *scaled.values()])}
        joined = experiment.options.get("characters", ())
        if joined:
            rest = {name: values for name, values in scaled.items() if name not in joined}
            scaled = {**rest, "characters": np.hstack([scaled[name] for name in joined])}
        if table is not None:
            scaled["table"] = table(material)
        pictures = {} if material.pictures is None else {"pictures": material.pictures}
        return {**scaled, **pictures}

    return prepare


def _standard(values: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.asarray((values - mean) / spread, dtype=np.float32)


def _fitted_table(train: Material) -> Callable[[Material], np.ndarray]:
    prepared = columns(train.rows)
    fitted = transformer(prepared, dense=False).fit(prepared)
    return lambda material: as_array(fitted.transform(columns(material.rows)))


def fitted_words(train: Material, name: str, width: int = 750) -> Callable[[Material], np.ndarray]:
    """Return the step from a text to at most `width` weights of words, its vocabulary taken from train rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not train.rows[name].str.contains(WORD).any():
        return lambda material: np.empty((material.rows.height, 0), dtype=np.float32)
    words = TfidfVectorizer(max_features=width).fit(train.rows[name].to_list())
    return lambda material: as_array(words.transform(material.rows[name].to_list()))
