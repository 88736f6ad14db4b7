"""Figures of the tables of statistics as cells.

Belongs here: finding a figure, and writing it with the paper's below. Does not: which figures make a table.
"""

from collections.abc import Mapping

import polars as pl

from anipop_pipeline.stages.report import wording
from anipop_pipeline.stages.report.document import Cell

MEASURES = ("samples", "max", "min", "mean")
Figure = tuple[float | None, float | None]  # ours, the paper's
Figures = Mapping[tuple[str, str, str], Figure]  # by part, bucket and measure
NOTHING: Figure = (None, None)


def figures_of(statistics: pl.DataFrame, statistic: str) -> Figures:
    """Return one statistic's figures by part, bucket and measure, in their order."""
    rows = statistics.filter(pl.col("statistic") == statistic)
    keys = rows.select("part", "bucket", "measure").rows()
    return dict(zip(keys, rows.select("value", "published").rows(), strict=True))


def counted(figure: Figure, *, strong: bool = False) -> Cell:
    """Return a number of things, the paper's below."""
    value, paper = figure
    beside = wording.number(paper, 0) if paper is not None else ""
    return Cell(wording.number(value, 0), paper=beside, mood="strong" if strong else "")


def share(part: float, whole: float) -> Cell:
    """Return a part of a whole in percent."""
    return Cell(wording.percent(part / whole) if whole else wording.NONE)


def floors(figures: Figures) -> list[str]:
    """Return the buckets of figures in order, all of them together last."""
    buckets = {bucket for _, bucket, _ in figures}
    return sorted(buckets - {"all"}) + (["all"] if "all" in buckets else [])


def floor(bucket: str) -> Cell:
    """Return the name of a bucket."""
    return Cell("all", mood="strong") if bucket == "all" else Cell(bucket)


def measured(figures: Figures, part: str, bucket: str) -> list[Cell]:
    """Return samples, max, min and mean with the paper's below each."""
    return [cell(figures.get((part, bucket, measure), NOTHING), measure) for measure in MEASURES]


def mean(figures: Figures, part: str, bucket: str) -> Cell:
    """Return a mean, the paper's below."""
    return cell(figures.get((part, bucket, "mean"), NOTHING), "mean")


def cell(figure: Figure, measure: str) -> Cell:
    """Return a figure, the paper's below; means have two decimals, as the paper's have."""
    value, paper = figure
    digits = 2 if measure.startswith("mean") else 0
    return Cell(wording.number(value, digits), paper=wording.number(paper, digits) if paper is not None else "")
