"""Recipes without a network: a constant, a line, a ridge, boosted trees.

Belongs here: fits of scikit-learn and how they are written down. Does not: networks (neural.py).
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from typing import Any

import numpy as np
import polars as pl

from anipop_pipeline.stages import cluster
from anipop_pipeline.stages.experiments import Experiment
from anipop_pipeline.stages.train.material import Material, Settings, columns, transformer

PENALTIES = (0.5, 2.0, 8.0, 32.0)
MOST_TREES = 200
OBJECT, ARRAY = re.compile(r'"__id__": \d+'), re.compile(r"\d+\.npy")
STOP_WORDS = re.compile(r'("_stop_words_id": {[^}]*"content": ")\d+')  # an address that a vectoriser remembers
SKOPS_TYPES = ["numpy.dtype"]  # all that a linear fit holds beyond what skops trusts; trees are never read back


@dataclass
class Constant:
    """Always the same answer."""

    answer: float
    history: list[tuple[int, float, float]] = field(default_factory=list)

    def predict(self, material: Material) -> np.ndarray:
        """Return the answer for each row."""
        return np.full(material.rows.height, self.answer)

    def files(self) -> dict[str, bytes]:
        """Return the answer as JSON."""
        return {"constant.json": json.dumps({"answer": self.answer}).encode()}


@dataclass
class Classic:
    """A scikit-learn pipeline, with the values at which nuisances are held when predicting."""

    pipeline: Any
    fixed: dict[str, float]
    bounds: tuple[float, float]
    history: list[tuple[int, float, float]] = field(default_factory=list)

    def predict(self, material: Material) -> np.ndarray:
        """Return the pipeline's answers, inside the range of labels that it has seen."""
        held = columns(material.rows).with_columns(**{name: pl.lit(value) for name, value in self.fixed.items()})
        with _one_thread():
            return np.clip(np.asarray(self.pipeline.predict(held), dtype=np.float64), *self.bounds)

    def files(self) -> dict[str, bytes]:
        """Return the pipeline in skops' format, which runs no code when it is read."""
        import skops.io

        held = {"fixed": self.fixed, "bounds": list(self.bounds)}
        return {
            "pipeline.skops": steady(skops.io.dumps(self.pipeline)),
            "held.json": json.dumps(held, sort_keys=True).encode(),
        }


def steady(archive: bytes) -> bytes:
    """Return a skops archive in which nothing depends on the process that wrote it: no clock, no memory addresses.

    skops names objects and arrays by their address. Here objects are numbered as they appear, and arrays are named by
    content; that two parts once were one object is forgotten, which a fitted pipeline does not notice.
    """
    with zipfile.ZipFile(BytesIO(archive)) as written:
        arrays = {name: written.read(name) for name in written.namelist() if name != "schema.json"}
        schema = written.read("schema.json").decode()
    names = {name: f"{hashlib.sha256(content).hexdigest()[:16]}.npy" for name, content in arrays.items()}
    place = count(1)
    schema = OBJECT.sub(lambda _: f'"__id__": {next(place)}', schema)
    schema = STOP_WORDS.sub(r"\g<1>0", schema)
    schema = ARRAY.sub(lambda found: names[found[0]], schema)
    members = {"schema.json": schema.encode(), **{names[name]: content for name, content in arrays.items()}}
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as steadied:
        for name in sorted(members):
            steadied.writestr(zipfile.ZipInfo(name), members[name], zipfile.ZIP_DEFLATED)
    return file.getvalue()


def load_classic(pipeline: bytes, held: bytes) -> Classic:
    """Return a fit that was written down."""
    import skops.io

    said = json.loads(held)
    return Classic(skops.io.loads(pipeline, trusted=SKOPS_TYPES), said["fixed"], tuple(said["bounds"]))


def _one_thread() -> AbstractContextManager[object]:
    """Keep trees on one thread: threads that wait for each other cost more than they bring at this size."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, "openmp")
    return limits


def fit_mean(experiment: Experiment, train: Material, label: np.ndarray, settings: Settings) -> Constant:  # noqa: ARG001
    """Return the mean of the train labels."""
    return Constant(float(label.mean()))


def fit_linear(experiment: Experiment, train: Material, label: np.ndarray, settings: Settings) -> Classic:  # noqa: ARG001
    """Return a least-squares line over a few numbers."""
    from sklearn.linear_model import LinearRegression

    return _assembled(experiment, train, label, lambda numbers: LinearRegression().fit(numbers, label, train.weights))


def fit_ridge(experiment: Experiment, train: Material, label: np.ndarray, settings: Settings) -> Classic:
    """Return a ridge regression over words and table, its penalty chosen on folds by cluster inside train."""
    from sklearn.linear_model import Ridge

    folds = list(cluster.inner_folds(train.rows["cluster_id"].to_list(), 3, settings.seed))
    counts = _counts(train)

    def fit(numbers: Any) -> Any:
        def error(penalty: float) -> float:
            lost = 0.0
            for inside, outside in folds:
                model = Ridge(penalty, solver="sparse_cg", tol=1e-3)
                model.fit(numbers[inside], label[inside], None if train.weights is None else counts[inside])
                lost += float((model.predict(numbers[outside]) - label[outside]) ** 2 @ counts[outside])
            return lost

        return Ridge(min(PENALTIES, key=error), solver="sparse_cg").fit(numbers, label, train.weights)

    return _assembled(experiment, train, label, fit)


def fit_trees(experiment: Experiment, train: Material, label: np.ndarray, settings: Settings) -> Classic:
    """Return boosted trees over the table, as many as clusters held out of train ask for."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    inside, outside = cluster.hold_out(train.rows["cluster_id"].to_list(), 4, settings.seed)
    counts = _counts(train)
    first = None if train.weights is None else counts[inside]

    def trees(count: int) -> Any:
        return HistGradientBoostingRegressor(
            learning_rate=0.05,
            max_iter=count,
            max_leaf_nodes=8,
            l2_regularization=5.0,
            early_stopping=False,  # scikit-learn would hold out rows at random and tear clusters apart
            random_state=settings.seed,
        )

    def fit(numbers: Any) -> Any:
        stages = trees(MOST_TREES).fit(numbers[inside], label[inside], first).staged_predict(numbers[outside])
        errors = [float((answers - label[outside]) ** 2 @ counts[outside]) for answers in stages]
        return trees(1 + int(np.argmin(errors))).fit(numbers, label, train.weights)

    with _one_thread():
        return _assembled(experiment, train, label, fit, dense=True)


def _counts(train: Material) -> np.ndarray:
    """Return how much each row counts, 1 where all count alike."""
    return np.ones(train.rows.height) if train.weights is None else train.weights


def _assembled(
    experiment: Experiment, train: Material, label: np.ndarray, fit: Callable[[Any], Any], *, dense: bool = False
) -> Classic:
    """Return a learner behind the columns that it was fitted on, which are turned into numbers only once."""
    from sklearn.pipeline import Pipeline

    prepared = columns(train.rows)
    steps = transformer(prepared, dense=dense)
    learner = fit(steps.fit_transform(prepared))
    pipeline = Pipeline([("columns", steps), ("learner", learner)])
    return Classic(pipeline, _held_fixed(experiment, prepared), (float(label.min()), float(label.max())))


def _held_fixed(experiment: Experiment, prepared: pl.DataFrame) -> dict[str, float]:
    """Return the train mean of each column that a nuisance became."""
    own = [name for name in prepared.columns if any(name.startswith(nuisance) for nuisance in experiment.nuisances)]
    means = {name: prepared[name].mean() for name in own}
    return {name: mean for name, mean in means.items() if isinstance(mean, float)}
