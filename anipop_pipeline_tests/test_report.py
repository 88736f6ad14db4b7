"""The report says what the tables say, says it to strangers safely, and says so where there is nothing to say."""

import dataclasses
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest

from anipop_pipeline.stages import report
from anipop_pipeline.stages.metrics import score
from anipop_pipeline.stages.report import ExperimentFacts, Facts, figures
from anipop_pipeline.stages.report.audit_sections import audit_section
from anipop_pipeline.stages.report.document import Bullets, Missing, Paragraph, Picture, Section, Table, Tiles
from anipop_pipeline.stages.report.producer import section as producer_section
from anipop_pipeline.stages.report.result_sections import planted_section
from anipop_pipeline.stages.tables.corpus import CorpusAnime, CorpusRejects, Statistics
from anipop_pipeline.stages.tables.pages import ParseRejects
from anipop_pipeline.stages.tables.reports import (
    AbsentExperiments,
    Audit,
    Comparables,
    Comparisons,
    History,
    Metrics,
    Predictions,
    SeedSpread,
)

HOSTILE = "<script>alert(1)</script> | *Stars* & 猫の国 \"quoted\" `code` $x$"
EXPERIMENTS = (
    ExperimentFacts("mean", "concept", (), what="Always answers the mean of what it was trained on."),
    ExperimentFacts("length", "release", ("words",), what="A line through the length of the synopsis."),
    ExperimentFacts("credit", "release", ("synopsis_credit",), what="Who wrote the synopsis, and nothing else."),
    ExperimentFacts("words_ridge", "concept", ("synopsis",), what="Words and pairs of words, ridge regression."),
    ExperimentFacts(
        "paper_full",
        "concept",
        ("synopsis", "descriptions", "portraits"),
        paper_row="full",
        what="GPT-2 twice and ResNet-50, as published.",
        published={"unit_mean_squared_error": 0.01056, "spearman_score": 0.4309, "pearson_score": 0.4360,
                   "kendall_score": 0.2970, "r2_score": 0.1866},
    ),
    ExperimentFacts(
        "paper_traditional",
        "concept",
        ("synopsis", "descriptions", "portraits"),
        paper_row="traditional",
        what="The broken benchmark, SoftMax over the batch and all.",
        published={"unit_mean_squared_error": 0.41286, "spearman_score": 0.1948, "r2_score": -30.795},
    ),
    ExperimentFacts("pitch", "concept", ("synopsis", "descriptions"), what="Our own recipe for a pitch."),
    ExperimentFacts("pitch_greenlight", "greenlight", ("synopsis", "type", "genres"), what="The same, with a table."),
    ExperimentFacts("pitch_announcement", "announcement", ("synopsis", "studios"), what="The same, with studios."),
    ExperimentFacts("leak_fame", "release", ("members",), what="Members and favourites: a deliberate leak."),
)  # fmt: skip
STRENGTH = {"mean": 0.0, "length": 0.1, "credit": 0.17, "words_ridge": 0.2, "paper_full": 0.19, "pitch": 0.27,
            "pitch_greenlight": 0.45, "pitch_announcement": 0.53, "leak_fame": 0.72}  # fmt: skip


def a_corpus(count: int, generator: np.random.Generator) -> pl.DataFrame:
    quality = generator.normal(size=count)
    words = np.maximum(20, np.exp(4.4 + 0.2 * quality + 0.4 * generator.normal(size=count))).astype(int)
    titles = [HOSTILE, *(f"Invented Title No. {number}" for number in range(2, count + 1))]
    rows = pl.DataFrame(
        {
            "anime_id": range(1, count + 1),
            "title": titles,
            "words": words,
            "main_characters": np.clip(np.round(2 + 0.6 * quality + generator.normal(size=count)), 0, 9).astype(int),
            "score": np.clip(np.round(6.6 + 0.85 * quality, 2), 1, 10),
            "audience": generator.permutation(np.arange(count) / count),
            "year": np.clip(2024 - generator.geometric(0.07, size=count), 1965, 2024),
        }
    )
    fixed = {"url": "", "synopsis": "A story.", "synopsis_credit": "none", "description_words": 100}
    rows = rows.with_columns(**{name: pl.lit(value) for name, value in fixed.items()})
    return CorpusAnime.cast(pl.concat([CorpusAnime.create_empty(), rows], how="diagonal_relaxed"))


def some_splits(corpus: pl.DataFrame, generator: np.random.Generator) -> pl.DataFrame:
    rows = corpus.select("anime_id", "year").with_columns(
        fold=pl.Series(generator.integers(0, 5, corpus.height)), seen=pl.Series(generator.random(corpus.height) < 0.3)
    )
    tests = [
        rows.select("anime_id", "fold", split=pl.lit("grouped"), repeat=0, seen=False),
        rows.filter(pl.col("year") > 2018).select("anime_id", "seen", split=pl.lit("temporal"), repeat=0, fold=0),
        *(
            rows.sample(fraction=0.185, seed=repeat).select(
                "anime_id", split=pl.lit("published"), repeat=repeat, fold=0, seen=False
            )
            for repeat in range(4)
        ),
    ]
    past = rows.filter(pl.col("year") <= 2018).select("anime_id", split=pl.lit("temporal"), repeat=0, fold=0, seen=False)
    columns = ["split", "repeat", "fold", "anime_id", "seen", "part"]
    parts = [*(test.with_columns(part=pl.lit("test")) for test in tests), past.with_columns(part=pl.lit("train"))]
    return pl.concat([part.select(columns) for part in parts], how="vertical_relaxed")


def some_predictions(corpus: pl.DataFrame, splits: pl.DataFrame, generator: np.random.Generator) -> pl.DataFrame:
    tables = []
    for label, columns in (("score", STRENGTH), ("audience", {"mean": 0.0, "pitch": 0.3, "pitch_announcement": 0.5})):
        tests = splits.filter(pl.col("part") == "test").join(corpus.select("anime_id", actual=label), on="anime_id")
        middle, width = float(corpus[label].mean() or 0), float(corpus[label].std() or 1)
        for name, share in columns.items():
            own = tests.filter((pl.col("repeat") == 0) | pl.lit(name in ("length", "words_ridge")))
            noise = pl.Series(generator.normal(size=own.height)) * width * np.sqrt(max(share * (1 - share), 0))
            guess = middle + share * (pl.col("actual") - middle) + noise
            tables.append(_said(own, name, label, guess))
    broken = splits.filter(pl.col("repeat") == 0, pl.col("split") != "temporal", pl.col("part") == "test")
    tables.append(_said(broken, "paper_traditional", "score", pl.lit(1.9) + 0.001 * pl.col("anime_id")))
    return Predictions.validate(pl.concat(tables), cast=True)


def _said(tests: pl.DataFrame, name: str, label: str, guess: pl.Expr) -> pl.DataFrame:
    return tests.select(
        pl.lit(name).alias("experiment"),
        pl.lit(label).alias("label"),
        "split", "repeat", "fold", pl.lit(42).alias("seed"), "anime_id", guess.alias("predicted"),
    )  # fmt: skip


def some_statistics(corpus: pl.DataFrame, parts: Sequence[str]) -> pl.DataFrame:
    floor = pl.col("score").floor().clip(1, 9).cast(pl.Int64)
    floors = pl.concat([corpus.with_columns(bucket=pl.format("{}-{}", floor, floor + 1)),
                        corpus.with_columns(bucket=pl.lit("all"))], how="diagonal_relaxed")  # fmt: skip
    found: list[dict[str, Any]] = []
    for column, statistic in (("words", "synopsis_words"), ("main_characters", "main_characters")):
        value = pl.col(column)
        wide = floors.group_by("bucket").agg(samples=pl.len(), max=value.max(), min=value.min(), mean=value.mean())
        found += [
            {"statistic": statistic, "part": part, "bucket": row["bucket"], "measure": measure,
             "value": float(row[measure]), "published": 104.73 if measure == "mean" and column == "words" else None}
            for part in parts for row in wide.sort("bucket").iter_rows(named=True)
            for measure in ("samples", "max", "min", "mean")
        ]  # fmt: skip
    return Statistics.validate(pl.DataFrame([*found, *_single_figures(parts)], infer_schema_length=None), cast=True)


def _single_figures(parts: Sequence[str]) -> list[dict[str, Any]]:
    if "all" in parts:
        rows = [("funnel_anime", "all", "parsed", "rows", 1290.0), ("funnel_anime", "all", "score_missing", "rows", 480.0),
                ("funnel_anime", "all", "synopsis_short", "rows", 210.0), ("funnel_anime", "all", "kept", "rows", 600.0),
                ("left_out", "all", "left_out", "members_median", 188.0), ("left_out", "all", "kept", "members_median", 9421.0)]  # fmt: skip
    else:
        rows = [("balance", part, split, "rows", rows) for split, part, rows in
                (("published", "train", 489.0), ("published", "test", 111.0), ("grouped", "train", 2400.0),
                 ("grouped", "test", 600.0), ("temporal", "train", 420.0), ("temporal", "test", 180.0))]  # fmt: skip
        rows.append(("balance", "test", "temporal", "seen", 60.0))
    names = ("statistic", "part", "bucket", "measure", "value")
    return [dict(zip(names, row, strict=True)) | {"published": None} for row in rows]


def some_history(generator: np.random.Generator) -> pl.DataFrame:
    rows = [
        {"experiment": name, "label": "score", "split": "grouped", "repeat": 0, "fold": fold, "seed": 42, "epoch": epoch,
         "train_error": 0.012 + 0.1 * 0.3**epoch * generator.uniform(0.8, 1.2),
         "validation_error": 0.0135 - 0.0005 * epoch + 0.0002 * epoch**2 + 0.001 * generator.random()}
        for name in ("paper_full", "paper_synopsis", "paper_descriptions", "pitch_network")
        for fold in range(3) for epoch in range(1, 6)
    ]  # fmt: skip
    return History.validate(pl.DataFrame(rows), cast=True)


AUDIT = [
    ("full", "published", 0.0107, 0.18, 0.42, 0.01056, "Two GPT-2 and a ResNet-50, trained as printed."),
    ("full", "mean pooling", 0.0102, 0.22, 0.46, None, "The mean of all positions instead of position 0."),
    ("traditional", "published", 0.4131, -30.9, 0.15, 0.41286, "SoftMax over the batch, TF-IDF cast to integers."),
    ("traditional", "no softmax", 0.0135, -0.04, 0.17, None, "A plain linear output."),
    ("traditional", "all mended", 0.0119, 0.08, 0.30, None, "A linear output, and TF-IDF fitted once and left alone."),
]


@pytest.fixture(scope="module")
def facts() -> Facts:
    """A made-up world of 600 titles, in which stronger experiments know more."""
    generator = np.random.default_rng(4)
    corpus = a_corpus(600, generator)
    splits = some_splits(corpus, generator)
    predictions = some_predictions(corpus, splits, generator)
    clusters = corpus.select("anime_id", cluster_id=pl.col("anime_id") // 2 + 1)
    scores = score(predictions, corpus, clusters, splits, samples=200, seed=0)
    neighbours = [(anime, "together", place, (anime * 7 + place * 31) % 600 + 1, 0.95 - 0.1 * place)
                  for anime in range(1, 601, 40) for place in range(1, 4)]  # fmt: skip
    return Facts(
        site="demo",
        invented=True,
        corpus=corpus,
        corpus_rejects=CorpusRejects.validate(pl.DataFrame(
            {"table": ["anime"] * 3 + ["characters"] * 2, "id": [701, 702, 703, 1, 2], "name": ["A", "B", None, "C", "D"],
             "rule": ["score_missing", "score_missing", "synopsis_short", "portrait_missing", "description_short"]}), cast=True),
        parse_rejects=ParseRejects.validate(pl.DataFrame(
            {"table": ["anime", "characters"], "url": ["https://demo.invalid/anime/9", None], "id": [9, 3],
             "field": ["score", None], "reason": ["not a number", "page is gone"]}), cast=True),
        statistics=some_statistics(corpus, ["all"]),
        split_statistics=some_statistics(corpus, ["train", "test"]),
        metrics=scores.metrics,
        seeds=scores.seeds,
        comparisons=scores.comparisons,
        absent=AbsentExperiments.validate(pl.DataFrame(
            {"experiment": ["paper_full_finetuned"], "reason": ["fine-tuning at full size needs a GPU"]})),
        history=some_history(generator),
        predictions=predictions,
        audit=_audit(AUDIT),
        comparables=Comparables.validate(pl.DataFrame(
            neighbours, schema=["anime_id", "by", "place", "neighbour_id", "similarity"], orient="row"), cast=True),
        planted=pl.DataFrame({"part": ["text", "portraits", "attributes", "noise", "credit"],
                              "share": [0.2, 0.05, 0.2, 0.45, 0.15]}),
        experiments=EXPERIMENTS,
    )  # fmt: skip


def _audit(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    names = ["recipe", "variant", "mean_squared_error", "r2_score", "spearman_score", "published_error", "meaning"]
    return Audit.validate(pl.DataFrame(rows, schema=names, orient="row"), cast=True)
