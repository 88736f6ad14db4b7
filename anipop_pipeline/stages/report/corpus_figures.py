"""Figures of the corpus and of the parts of its split, in the style of all figures.

Belongs here: drawing what was learned from. Does not: results (figures), what a figure means; captions are written
where it is shown.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from anipop_pipeline.stages.report.figures import LIGHT, Theme, blank, grid_of_panels, sheet, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HATCHES = ("", "////")  # the second part is told from the first without colour, too
PANELS = {"synopsis_words": "mean words of the synopsis", "main_characters": "mean main characters"}


def score_histogram(corpus: pl.DataFrame, *, theme: Theme = LIGHT) -> "Figure":
    """Return how many titles have which score."""
    if corpus.is_empty():
        return blank(theme, "the corpus is empty")
    scores = corpus["score"].to_numpy()
    with styled(theme):
        figure = sheet(2.5)
        axes = figure.subplots()
        axes.hist(scores, bins=np.arange(1, 10.01, 0.25).tolist(), color=theme.colours[0], edgecolor=theme.paper)
        axes.axvline(float(scores.mean()), color=theme.colours[2], linewidth=1.8, linestyle="--")
        axes.annotate(
            f"mean {scores.mean():.2f}", (float(scores.mean()), 1.01), (0, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", color=theme.ink,
        )  # fmt: skip
        axes.set(xlabel="score", ylabel="titles", xlim=(1, 10))
        axes.grid(visible=False, axis="x")
    return figure


def titles_by_year(corpus: pl.DataFrame, *, theme: Theme = LIGHT) -> "Figure":
    """Return how many titles of each year are in the corpus."""
    from matplotlib.ticker import MaxNLocator

    years = corpus.drop_nulls("year")["year"] if "year" in corpus.columns else pl.Series(dtype=pl.Int64)
    if years.is_empty():
        return blank(theme, "no title has a year")
    counts = years.value_counts().sort("year")
    with styled(theme):
        figure = sheet(2.3)
        axes = figure.subplots()
        axes.bar(counts["year"].to_list(), counts["count"].to_list(), color=theme.colours[0], width=0.85)
        axes.set(xlabel="year of first airing", ylabel="titles")
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def words_by_score(statistics: pl.DataFrame, parts: Sequence[str] = ("all",), *, theme: Theme = LIGHT) -> "Figure":
    """Return mean words of a synopsis and mean number of main characters by floor of the score, ours and published."""
    means = statistics.filter(
        pl.col("statistic").is_in(list(PANELS)),
        pl.col("part").is_in(list(parts)),
        pl.col("bucket") != "all",
        pl.col("measure") == "mean",
    )
    if means.is_empty():
        return blank(theme, "no figures by score")
    floors = means["bucket"].unique().sort().to_list()
    with styled(theme):
        figure, axes = grid_of_panels(2, columns=2, height=2.4)
        for panel, (statistic, title) in zip(axes, PANELS.items(), strict=True):
            own = means.filter(pl.col("statistic") == statistic)
            for place, part in enumerate(parts):
                _bars(panel, own.filter(pl.col("part") == part), floors, (place, len(parts)), theme)
            panel.set_title(title, fontsize=9.5)
            panel.set_xticks(range(len(floors)), floors, fontsize=8)
            panel.grid(visible=False, axis="x")
        figure.supxlabel("score", fontsize=9.5)
        _legend(figure, axes[0], parts)
    return figure


def _bars(panel: "Axes", means: pl.DataFrame, floors: Sequence[str], place: tuple[int, int], theme: Theme) -> None:
    """Draw one part's bars beside those of the other, and the paper's figures as diamonds on them."""
    number, among = place
    width = 0.76 / among
    rows = means.sort("bucket").select("part", "bucket", "value", "published").rows()
    at = [floors.index(bucket) + (number - (among - 1) / 2) * width for _, bucket, _, _ in rows]
    panel.bar(
        at, [value or 0 for _, _, value, _ in rows], width * 0.94, color=theme.colours[number * 2],
        hatch=HATCHES[number % 2], edgecolor=theme.paper, linewidth=0, label=rows[0][0] if rows else None,
    )  # fmt: skip
    paper = [(where, row[3]) for where, row in zip(at, rows, strict=True) if row[3] is not None]
    if paper:
        panel.plot(
            *zip(*paper, strict=True), "D", color=theme.ink, markeredgecolor=theme.paper, markersize=5.5 - among / 2,
            label="published",
        )  # fmt: skip


def _legend(figure: "Figure", panel: "Axes", parts: Sequence[str]) -> None:
    """Name each part once, and the paper once for all parts."""
    handles, labels = panel.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    order = [label for label in (*parts, "published") if label in named]
    shown = ["this corpus" if label == "all" else label for label in order]
    figure.legend([named[label] for label in order], shown, loc="outside upper right", ncols=len(order))
