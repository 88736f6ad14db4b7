"""Assets of models: one for each entry of EXPERIMENTS, with its fits, its history and its predictions.

Belongs here: which tables an experiment's declared inputs come from. Does not: fitting (train), declarations
(experiments).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.assets.news import shown
from anipop_pipeline.config import TrainConfig
from anipop_pipeline.lake import Folder, reason_absent
from anipop_pipeline.stages import features, labels, train
from anipop_pipeline.stages.experiments import EXPERIMENTS, Experiment
from anipop_pipeline.stages.pictures import ImageTable

ALWAYS = ("corpus_anime", "tabular_features", "clusters", "splits")
TEXTS_OF_CHARACTERS = ("corpus_roles", "corpus_characters")
EMBEDDINGS = {
    "synopsis": "synopsis_embeddings",
    "descriptions": "description_embeddings",
    "portraits": "portrait_embeddings",
    "poster": "poster_embeddings",
}
PICTURES = "poster_images"


def upstream(experiment: Experiment) -> list[str]:
    """Return the assets that hold what an experiment declares.

    >>> upstream(EXPERIMENTS["synopsis"])
    ['corpus_anime', 'tabular_features', 'clusters', 'splits', 'synopsis_embeddings']
    """
    sources = {source for source, _ in experiment.options.get("vectors", {}).values()}
    reads_descriptions = "descriptions" in experiment.inputs and experiment.recipe != "network"
    reads_descriptions |= "descriptions" in experiment.options.get("tfidf", ())
    return [
        *ALWAYS,
        *(TEXTS_OF_CHARACTERS if reads_descriptions else ()),
        *(EMBEDDINGS[source] for source in sorted(sources)),
        *((PICTURES,) if experiment.options.get("pictures") else ()),
    ]


def material(experiment: Experiment, inputs: Mapping[str, Any]) -> train.Material:
    """Return what an experiment may look at, from the assets that it stands on."""
    described = inputs.get("corpus_characters")
    joined = pl.DataFrame(schema={"anime_id": pl.Int64, "descriptions": pl.String})
    if described is not None and reason_absent(described) is None:
        joined = features.descriptions(inputs["corpus_roles"], described)
    return train.material(
        experiment,
        texts=features.texts(inputs["corpus_anime"], joined),
        tabular=inputs["tabular_features"],
        clusters=inputs["clusters"],
        embeddings={source: inputs[name] for source, name in EMBEDDINGS.items() if name in inputs},
        pictures=_pictures(inputs[PICTURES]) if PICTURES in inputs else None,
    )


def _pictures(folder: Folder) -> ImageTable:
    return ImageTable(folder.table(), folder.array("pixels"), folder.table("rejects"))


def _model(experiment: Experiment) -> dg.AssetsDefinition:
    """Return the asset of one experiment."""

    def fit(context: dg.AssetExecutionContext, config: TrainConfig, **inputs: Any) -> dg.MaterializeResult[Folder]:
        settings = train.Settings(
            config.seed, config.epochs, config.cheap_repeats, tuple(config.labels), config.weigh_by_votes
        )
        known = material(experiment, inputs)
        if known.rows.is_empty():
            return dg.MaterializeResult(value=Folder(absent="no kept anime has a poster"))
        outcome = train.run(
            experiment,
            known,
            labels.wide(inputs["corpus_anime"]),
            inputs["splits"],
            settings,
            shown(context, "fits"),
        )
        folder = Folder(
            {"table.parquet": outcome.predictions, "history.parquet": outcome.history, **outcome.files},
        )
        return dg.MaterializeResult(value=folder, metadata=_facts(experiment, outcome))

    return asset(
        "models",
        name=f"model_{experiment.name}",
        kinds=("torch",) if experiment.recipe == "network" else ("scikitlearn",),
        description=f"One row for each prediction. {experiment.what}",
        ins={
            name: dg.AssetIn(dagster_type=Folder) if name == PICTURES else dg.AssetIn() for name in upstream(experiment)
        },
        spare=TEXTS_OF_CHARACTERS if "descriptions" in experiment.spare else (),
        tags={"tier": experiment.tier},
    )(fit)


def _facts(experiment: Experiment, outcome: train.Outcome) -> dict[str, Any]:
    return {
        "tier": experiment.tier,
        "inputs": ", ".join(experiment.inputs) or "none",
        "fits": outcome.predictions.select(pl.struct("label", "split", "repeat", "fold").n_unique()).item(),
    }


ASSETS = [_model(experiment) for experiment in EXPERIMENTS.values()]
