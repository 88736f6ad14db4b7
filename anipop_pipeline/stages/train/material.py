"""What a fit may look at: declared inputs, row by row, and how columns become numbers.

Belongs here: alignment, the ledger's gate, transformers that are fitted on train rows. Does not: learners.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl

from anipop_pipeline.stages import embed, experiments
from anipop_pipeline.stages.experiments import Experiment
from anipop_pipeline.stages.pictures import ImageTable, PictureRows
from anipop_pipeline.stages.tables.features import TabularFeatures

TEXTS = ("title", "synopsis", "descriptions")
SETS = ("genres", "themes", "demographics", "studios")
SKEWED = ("words", "main_characters", "description_words", "episodes", "members", "favourites", "votes", "relatives")
NOTHING_KNOWN = "unknown"
FEW_TEXTS = 20  # so few may have no word in common
WORD = r"\w\w"
BETWEEN_ITEMS = r"[^|]+"


@dataclass(frozen=True)
class Settings:
    """What all fits of a run share."""

    seed: int
    epochs: int
    cheap_repeats: int
    labels: tuple[str, ...] = ()  # what to learn; none is what each experiment declares
    weigh_by_votes: bool = False


@dataclass(frozen=True)
class Material:
    """What one experiment may look at, row by row: no column is here that it did not declare."""

    rows: pl.DataFrame  # anime_id, cluster_id, and the declared texts and table features
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)
    pictures: PictureRows | None = None
    weights: np.ndarray | None = None  # how much each row counts in training; None where all count alike

    def take(self, rows: np.ndarray) -> "Material":
        """Return some of the rows, by number."""
        return Material(
            self.rows[rows.tolist()],
            {name: values[rows] for name, values in self.vectors.items()},
            None if self.pictures is None else self.pictures.take(rows),
            None if self.weights is None else self.weights[rows],
        )


class Fitted(Protocol):
    """A fit: it predicts, it may have a history, and it can be written down."""

    history: list[tuple[int, float, float]]

    def predict(self, material: Material) -> np.ndarray:
        """Return one answer for each row, on the label's raw scale."""

    def files(self) -> dict[str, bytes]:
        """Return the fit in plain formats."""


def material(
    experiment: Experiment,
    *,
    texts: pl.DataFrame,
    tabular: pl.DataFrame,
    clusters: pl.DataFrame,
    embeddings: Mapping[str, pl.DataFrame],
    pictures: ImageTable | None = None,
) -> Material:
    """Return what an experiment declared, aligned by anime_id; a later tier than its own raises LaterTier."""
    experiments.check_ledger(experiment)
    declared = {*experiment.inputs, *experiment.nuisances}
    columns = [name for name in (*TEXTS, *TabularFeatures.column_names()) if name in declared]
    everything = texts.join(tabular, on="anime_id", how="inner", validate="1:1").join(
        clusters.select("anime_id", "cluster_id"), on="anime_id", how="inner", validate="1:1"
    )
    rows = everything.sort("anime_id").select("anime_id", "cluster_id", *columns)
    shown = None
    if pictures is not None:
        rows = rows.join(pictures.table, on="anime_id", how="inner", validate="1:1", maintain_order="left")
        shown = PictureRows(pictures.pixels, rows["place"].to_numpy())
        rows = rows.drop("place")
    vectors = {
        name: embed.matrix(embeddings[source], pooling, rows["anime_id"])
        for name, (source, pooling) in experiment.options.get("vectors", {}).items()
    }
    return Material(rows, vectors, shown)


def columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Return inputs as the transformers read them: texts, `|`-joined lists, categories, and floats.

    >>> columns(pl.DataFrame({"genres": [["Action", "Drama"]], "words": [0], "type": [None]}).cast({"type": pl.String}))
    shape: (1, 3)
    ┌──────────────┬───────┬─────────┐
    │ genres       ┆ words ┆ type    │
    │ ---          ┆ ---   ┆ ---     │
    │ str          ┆ f64   ┆ str     │
    ╞══════════════╪═══════╪═════════╡
    │ Action|Drama ┆ 0.0   ┆ unknown │
    └──────────────┴───────┴─────────┘
    """
    prepared = []
    for name, kind in rows.schema.items():
        if name in ("anime_id", "cluster_id"):
            continue
        if name == "synopsis_credit":
            credit = pl.col(name).cast(pl.String)
            prepared += [(credit == said).cast(pl.Float64).alias(f"{name}_{said}") for said in ("rewrite", "source")]
        elif isinstance(kind, pl.List):
            prepared.append(pl.col(name).list.join("|"))
        elif kind == pl.String:
            prepared.append(pl.col(name).fill_null("" if name in TEXTS else NOTHING_KNOWN))
        else:
            number = pl.col(name).cast(pl.Float64)
            prepared.append(number.log1p() if name in SKEWED else number)
    return rows.select(prepared)


def transformer(prepared: pl.DataFrame, *, dense: bool) -> Any:
    """Return the unfitted step from columns to numbers; a column that is empty on train is left out."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    steps: list[tuple[str, Any, Any]] = []
    for name, kind in prepared.schema.items():
        if kind != pl.String:
            if prepared[name].is_not_null().any():
                number = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
                steps.append((name, "passthrough" if dense else number, [name]))
        elif name in TEXTS:
            told = int(prepared[name].str.contains(WORD).sum())
            if told:
                # Binary and normalised: the same text twice is the same row, so padding gains nothing.
                smallest = 1 if name == "title" or told < FEW_TEXTS else 2
                words = TfidfVectorizer(ngram_range=(1, 2), binary=True, min_df=smallest, dtype=np.float64)
                steps.append((name, words, name))
        elif name in SETS:
            if (prepared[name] != "").any():
                steps.append((name, CountVectorizer(binary=True, token_pattern=BETWEEN_ITEMS, lowercase=False), name))
        else:
            steps.append((name, OneHotEncoder(handle_unknown="ignore", sparse_output=not dense), [name]))
    return ColumnTransformer(steps, sparse_threshold=0.0 if dense else 1.0)


def scales(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the spread of each column; a column that hardly ever changes keeps its unit.

    >>> mean, spread = scales(np.array([[1.0, 3000.0], [3.0, 3000.0]]))
    >>> mean.tolist(), spread.tolist()
    ([2.0, 3000.0], [1.0, 1.0])
    """
    mean, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    # Rounding alone moves large values: dividing by that would blow a constant up.
    return mean, np.where(spread > 1e-6 * (1.0 + np.abs(mean)), spread, 1.0)


def as_array(numbers: Any) -> np.ndarray:
    """Return what a transformer gives, sparse or not, as a plain array."""
    return np.asarray(numbers.toarray() if hasattr(numbers, "toarray") else numbers, dtype=np.float32)
