"""Assets of reports: what the models were worth, and what a reader is told.

Belongs here: which tables a report stands on, and what of it Dagster shows. Does not: judging (metrics), saying
(report).
"""

import base64
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.assets.models import ALWAYS, EMBEDDINGS, TEXTS_OF_CHARACTERS, material
from anipop_pipeline.config import CardConfig, ComparablesConfig, MetricsConfig, TrainConfig
from anipop_pipeline.demo import world
from anipop_pipeline.lake import CRAWLED, Folder, reason_absent
from anipop_pipeline.resources import LakeResource, SiteResource
from anipop_pipeline.stages import audit as audits
from anipop_pipeline.stages import card
from anipop_pipeline.stages import comparables as nearness
from anipop_pipeline.stages import metrics as judging
from anipop_pipeline.stages import report as telling
from anipop_pipeline.stages.experiments import BASELINES, EXPERIMENTS
from anipop_pipeline.stages.report import ExperimentFacts, Facts, figures
from anipop_pipeline.stages.tables import reports
from anipop_pipeline.stages.tables.split import quoted, split_of_the_papers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS = {f"model_{name}": dg.AssetIn() for name in EXPERIMENTS}
MODELS_WHOLE = {name: dg.AssetIn(dagster_type=Folder) for name in MODELS}
AUDITED_INPUTS = (
    *ALWAYS,
    *TEXTS_OF_CHARACTERS,
    *EMBEDDINGS.values(),
    *(f"model_{name}" for name in BASELINES),
)
EXPORTED = (
    "anime_pages",
    *("corpus_anime", "corpus_characters", "corpus_roles", "corpus_statistics"),
    *("clusters", "splits", "tabular_features", "portraits", "posters"),
)
ABOUT = [ExperimentFacts(e.name, e.tier, e.inputs, e.paper_row, e.what, e.published) for e in EXPERIMENTS.values()]


@asset("reports", ins=MODELS, tolerant=True, kinds=("scipy",))
def metrics(
    corpus_anime: pl.DataFrame,
    clusters: pl.DataFrame,
    splits: pl.DataFrame,
    config: MetricsConfig,
    **models: pl.DataFrame,
) -> dg.MaterializeResult[Folder]:
    """One row for each metric of each experiment on each split, with its interval; absent experiments beside."""
    scores = judging.score(
        _predictions(models),
        corpus_anime,
        clusters,
        splits,
        samples=config.samples,
        seed=config.seed,
        own_range=config.own_range,
    )
    tables = {
        "table.parquet": scores.metrics,
        "comparisons.parquet": scores.comparisons,
        "seeds.parquet": scores.seeds,
        "absent.parquet": _absent(models),
    }
    return dg.MaterializeResult(value=Folder(tables), metadata=_shown(scores.metrics))


@asset(
    "reports",
    ins={name: dg.AssetIn() for name in AUDITED_INPUTS},
    kinds=("torch",),
)
def audit(
    context: dg.AssetExecutionContext, config: TrainConfig, **inputs: pl.DataFrame
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each variant of a published recipe: its defects switched off one at a time."""
    name = split_of_the_papers(inputs["splits"])
    fold = quoted(inputs["splits"], name)
    labels = inputs["corpus_anime"].select("anime_id", "score").sort("anime_id")
    rows = labels.join(fold, on="anime_id", how="inner", validate="1:1", maintain_order="left")
    is_test = (rows["part"] == "test").to_numpy()
    tested = rows["anime_id"].filter(is_test)
    told = {baseline: _answers(inputs[f"model_{baseline}"], tested, name) for baseline in BASELINES}
    known = {baseline: answers for baseline, answers in told.items() if np.isfinite(answers).all()}  # on the score
    table = audits.audit(
        audits.Rows(material(audits.AUDITED, inputs), rows["score"].to_numpy(), is_test),
        config.seed,
        config.audit_epochs,
        known,
        lambda done, total: context.log.debug(f"variant {done} of {total}"),
    )
    return dg.MaterializeResult(value=table, metadata={"table": _table(table)})


@asset("reports", ins=MODELS_WHOLE, tolerant=True)
def learning_curves(**models: Folder) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each epoch of each neural fit."""
    there = [model.table("history") for model in models.values() if "history.parquet" in model.files]
    history = pl.concat([reports.History.create_empty(), *there])
    plot = {"curves": _inline(figures.learning_curves(history))} if history.height else {}
    return dg.MaterializeResult(value=history, metadata=plot)


@asset("reports", spare=("portrait_embeddings",))
def comparables(
    corpus_anime: pl.DataFrame,
    tabular_features: pl.DataFrame,
    portrait_embeddings: pl.DataFrame,
    config: ComparablesConfig,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each of the nearest other titles of an anime: by words, by portraits, by table, together."""
    pictured = None if reason_absent(portrait_embeddings) else portrait_embeddings
    near = nearness.comparables(corpus_anime, tabular_features, pictured, neighbours=config.neighbours)
    return dg.MaterializeResult(value=near)


@asset("reports", ins={name: dg.AssetIn() for name in EXPORTED}, tolerant=True, kinds=("parquet", "croissant"))
def dataset_card(lake: LakeResource, config: CardConfig, **tables: pl.DataFrame) -> dg.MaterializeResult[Folder]:
    """Card of the corpus with its ids, labels, splits and features as files; texts and pictures only when asked for."""
    absent = {name: reason for name, table in tables.items() if (reason := reason_absent(table)) is not None}
    there = {name: table for name, table in tables.items() if name not in absent}
    here = lake.open()
    sources = (here.imported() or {}).get("files", ())
    told = card.Told(here.site, here.invented, _crawled(here.site), there, absent, sources)
    files = card.build(told, card.Terms(**config.model_dump()))
    return dg.MaterializeResult(
        value=Folder(files), metadata={"card": dg.MetadataValue.md(files["README.md"].decode()), "files": len(files)}
    )


@asset("reports", ins=MODELS, tolerant=True, kinds=("html", "markdown"))
def report(
    corpus_anime: pl.DataFrame,
    corpus_rejects: pl.DataFrame,
    parse_rejects: pl.DataFrame,
    corpus_statistics: pl.DataFrame,
    split_statistics: pl.DataFrame,
    metrics: Folder,
    audit: pl.DataFrame,
    learning_curves: pl.DataFrame,
    comparables: pl.DataFrame,
    lake: LakeResource,
    site: SiteResource,
    **models: pl.DataFrame,
) -> dg.MaterializeResult[Folder]:
    """One self-contained HTML file and its Markdown twin: what can be known, how sure, and what stands behind it."""
    facts = Facts(
        site=site.site,
        invented=lake.open().invented,
        corpus=corpus_anime,
        corpus_rejects=corpus_rejects,
        parse_rejects=parse_rejects,
        statistics=corpus_statistics,
        split_statistics=split_statistics,
        metrics=metrics.table(),
        seeds=metrics.table("seeds"),
        comparisons=metrics.table("comparisons"),
        absent=metrics.table("absent"),
        history=learning_curves,
        predictions=_predictions(models),
        audit=audit,
        comparables=comparables,
        planted=_planted() if site.invented else None,
        crawled=_crawled(site.site),
        experiments=ABOUT,
    )
    return dg.MaterializeResult(value=Folder(telling.build(facts)))


ASSETS = [metrics, audit, learning_curves, comparables, dataset_card, report]


def _crawled(site: str) -> bool:
    return site.partition("@")[0] in CRAWLED


def _predictions(models: dict[str, pl.DataFrame]) -> pl.DataFrame:
    there = [table for table in models.values() if reason_absent(table) is None]
    return pl.concat([reports.Predictions.create_empty(), *there], how="vertical_relaxed")


def _absent(models: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the experiments that could not be run here, each with its reason."""
    reasons = [(name.removeprefix("model_"), reason_absent(table)) for name, table in models.items()]
    rows = [(name, reason) for name, reason in reasons if reason is not None]
    return reports.AbsentExperiments.validate(
        pl.DataFrame(rows, schema=reports.AbsentExperiments.create_empty().schema, orient="row")
    )


def _answers(predictions: pl.DataFrame, ids: pl.Series, split: str) -> "np.ndarray":
    """Return an experiment's answers on a split, in the order of the ids."""
    own = quoted(predictions, split).filter(pl.col("label") == "score")
    ordered = pl.DataFrame({"anime_id": ids}).join(
        own, on="anime_id", how="left", validate="1:1", maintain_order="left"
    )
    return ordered["predicted"].to_numpy()


def _planted() -> pl.DataFrame:
    """Return the share of the score's variance that the demo's world is made of, part by part."""
    rows = list(world.PLANTED.items())
    return pl.DataFrame(rows, schema={"part": pl.String, "share": pl.Float64}, orient="row")


def _shown(metrics: pl.DataFrame) -> dict[str, Any]:
    """Return the table and the plot of results that Dagster shows."""
    said: dict[str, Any] = {}
    for split in metrics["split"].unique().sort().to_list():
        rows = telling.results_table(metrics, ABOUT, split, "score")
        if rows:
            said[f"results_{split}"] = dg.MetadataValue.md(
                f"```\n{telling.terminal_table(metrics, ABOUT, split=split)}\n```"
            )
            said[f"forest_{split}"] = _inline(figures.forest(metrics, split, "score"))
    return said


def _table(frame: pl.DataFrame) -> dg.TableMetadataValue:
    records = [dg.TableRecord(row) for row in frame.to_dicts()]
    columns = [dg.TableColumn(name, str(kind)) for name, kind in frame.schema.items()]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _inline(figure: "Figure") -> dg.MarkdownMetadataValue:
    """Return a plot that Dagster's page shows inside itself."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(figures.png(figure)).decode()})")
