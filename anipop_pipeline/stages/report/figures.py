"""Figures of results, each also fit to stand alone, and the style that all figures share.

Colours are Okabe and Ito's, told apart by readers who are colour-blind; shape or line style says the same thing again.
Figures are drawn without pyplot, so that nothing outside changes, and with fixed fonts and no dates, so that equal
tables give equal bytes.

Belongs here: drawing. Does not: figures of the corpus (corpus_figures), what a figure means; captions are written
where it is shown.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from anipop_pipeline.stages.report.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
WIDTH = 8.4
WORST_SHOWN = -0.5  # an R2 below is drawn at the edge, with its value
CROWD = 1_500  # more points than these are counted in hexagons


@dataclass(frozen=True)
class Theme:
    """The colours of a page."""

    paper: str
    ink: str
    muted: str
    line: str
    colours: tuple[str, ...]
    density: str


LIGHT = Theme(
    "#ffffff", "#1c2431", "#5a6675", "#e4e8ee", ("#0072B2", "#009E73", "#D55E00", "#8a94a3", "#CC79A7"), "Blues"
)
DARK = Theme(
    "#161b24", "#e7ebf1", "#9aa6b6", "#2c3440", ("#56B4E9", "#2FC79A", "#F08A4B", "#8490a1", "#DE9BC0"), "viridis"
)
TIER_STYLE = {"concept": (0, "o"), "greenlight": (1, "s"), "announcement": (2, "D"), "release": (3, "X")}


@contextmanager
def styled(theme: Theme) -> Iterator[None]:
    """Draw under matplotlib's own defaults and ours, whatever the machine's settings say."""
    import matplotlib.style

    ours: dict[str, object] = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.facecolor": theme.paper,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": theme.line,
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "figure.facecolor": theme.paper,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.solid_capstyle": "round",
    }
    with matplotlib.style.context(["default", ours]):
        yield


def png(figure: "Figure") -> bytes:
    """Return a figure's bytes, the same for the same figure."""
    buffer = io.BytesIO()
    with styled(LIGHT):
        figure.savefig(
            buffer,
            format="png",
            dpi=DOTS_PER_INCH,
            facecolor=figure.get_facecolor(),
            metadata={"Software": None},
        )
    return buffer.getvalue()


def sheet(height: float) -> "Figure":
    """Return an empty figure as wide as a page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def blank(theme: Theme, message: str) -> "Figure":
    """Return a figure that says why there is nothing to draw."""
    with styled(theme):
        figure = sheet(1.2)
        figure.text(0.5, 0.5, message, ha="center", va="center", color=theme.muted)
    return figure


def grid_of_panels(panels: int, *, columns: int, height: float) -> "tuple[Figure, list[Axes]]":
    """Return a figure and its panels, row by row."""
    columns = min(columns, panels)
    figure = sheet(height * math.ceil(panels / columns) + 0.5)
    axes = figure.subplots(math.ceil(panels / columns), columns, squeeze=False).ravel().tolist()
    for spare in axes[panels:]:
        spare.set_axis_off()
    return figure, axes[:panels]


def forest(
    metrics: pl.DataFrame,
    split: str,
    label: str,
    *,
    tiers: Mapping[str, str] | None = None,
    published: Mapping[str, float] | None = None,
    theme: Theme = LIGHT,
) -> "Figure":
    """Return R2 of every experiment with its interval, best on top, beside the published figure where there is one."""
    rows = metrics.filter(
        pl.col("split") == split, pl.col("label") == label, pl.col("group") == "all", pl.col("metric") == "r2_score"
    ).drop_nulls("value")
    rows = rows.sort("value", "experiment")
    if rows.is_empty():
        return blank(theme, f"no R2 of {label} on the split {split}")
    with styled(theme):
        figure = sheet(0.9 + 0.3 * rows.height)
        axes = figure.subplots()
        for place, row in enumerate(rows.iter_rows(named=True)):
            _forest_row(axes, place, row, (tiers or {}).get(row["experiment"], "release"), theme)
        _forest_papers(axes, rows["experiment"].to_list(), published or {}, theme)
        axes.axvline(0, color=theme.ink, linewidth=1)
        axes.set_yticks(range(rows.height), rows["experiment"].to_list())
        axes.tick_params(axis="y", labelcolor=theme.ink, length=0)
        axes.set_ylim(-0.7, rows.height - 0.3)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("R2: share of the variance explained; 0 is always answering the mean")
        _forest_legend(axes, rows["experiment"].to_list(), tiers or {}, theme, published=bool(published))
    return figure


def _forest_row(axes: "Axes", place: int, row: Mapping[str, Any], tier: str, theme: Theme) -> None:
    colour, marker = TIER_STYLE.get(tier, TIER_STYLE["release"])
    shade, value = theme.colours[colour], row["value"]
    if value < WORST_SHOWN:
        axes.plot(WORST_SHOWN, place, marker="<", color=shade, markersize=7)
        axes.annotate(
            number(value), (WORST_SHOWN, place), (8, 0), textcoords="offset points", va="center", fontsize=8.5
        )
        return
    if row["low"] is not None and row["high"] is not None:
        axes.plot([max(row["low"], WORST_SHOWN), row["high"]], [place, place], color=shade, linewidth=2)
    axes.plot(value, place, marker=marker, color=shade, markersize=5.5)


def _forest_papers(axes: "Axes", names: Sequence[str], published: Mapping[str, float], theme: Theme) -> None:
    for name, value in published.items():
        if name in names and value >= WORST_SHOWN:
            axes.plot(value, names.index(name), marker="|", color=theme.ink, markersize=13, markeredgewidth=1.6)


def _forest_legend(
    axes: "Axes", names: Sequence[str], tiers: Mapping[str, str], theme: Theme, *, published: bool
) -> None:
    from matplotlib.lines import Line2D

    present = [tier for tier in TIER_STYLE if tier in {tiers.get(name) for name in names}]
    handles = [
        Line2D([], [], color=theme.colours[colour], marker=marker, markersize=5.5, linewidth=2, label=tier)
        for tier, (colour, marker) in ((tier, TIER_STYLE[tier]) for tier in present)
    ]
    if published:
        handles.append(Line2D([], [], color=theme.ink, marker="|", linestyle="", markersize=11, label="published"))
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.75 / len(names)), ncols=5)


def learning_curves(history: pl.DataFrame, *, theme: Theme = LIGHT) -> "Figure":
    """Return the error of training and validation by epoch, one panel for each experiment and label."""
    if history.is_empty():
        return blank(theme, "no neural experiment was trained")
    panels = list(history.sort("experiment", "label").partition_by(["experiment", "label"], as_dict=True).items())
    labels = history["label"].n_unique()
    with styled(theme):
        figure, axes = grid_of_panels(len(panels), columns=3, height=2.0)
        for panel, ((experiment, label), fits) in zip(axes, panels, strict=True):
            _learning_panel(panel, fits, theme)
            panel.set_title(f"{experiment} ({label})" if labels > 1 else str(experiment), fontsize=9)
        figure.supxlabel("epoch", fontsize=9.5)
        figure.supylabel("mean squared error", fontsize=9.5)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def _learning_panel(panel: "Axes", fits: pl.DataFrame, theme: Theme) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    lines = (("train_error", "training", 0, "-"), ("validation_error", "validation", 2, "--"))
    for column, name, colour, dash in lines:
        for fit in fits.sort("epoch").partition_by(["split", "repeat", "fold", "seed"], maintain_order=True):
            panel.plot(fit["epoch"], fit[column], dash, color=theme.colours[colour], linewidth=0.7, alpha=0.35)
        mean = fits.group_by("epoch").agg(pl.col(column).mean()).sort("epoch")
        panel.plot(mean["epoch"], mean[column], dash, color=theme.colours[colour], linewidth=2, label=name)
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5)))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def predicted_against_actual(
    predictions: pl.DataFrame,
    corpus: pl.DataFrame,
    experiments: Sequence[str],
    *,
    label: str = "score",
    split: str = "grouped",
    theme: Theme = LIGHT,
) -> "Figure":
    """Return what came true for what was predicted, one panel for each experiment, with the mean of each tenth."""
    pairs = {name: out_of_fold(predictions, corpus, name, label=label, split=split) for name in experiments}
    pairs = {name: pair for name, pair in pairs.items() if pair.height}
    if not pairs:
        return blank(theme, f"no predictions of {label} on the split {split}")
    every = np.concatenate([pair[column].to_numpy() for pair in pairs.values() for column in ("predicted", "actual")])
    margin = 0.02 * float(np.ptp(every)) or 1.0
    with styled(theme):
        figure, axes = grid_of_panels(len(pairs), columns=3, height=2.7)
        for panel, (name, pair) in zip(axes, pairs.items(), strict=True):
            _scatter_panel(panel, pair, theme, (float(every.min()) - margin, float(every.max()) + margin))
            panel.set_title(name, fontsize=9)
        figure.supxlabel(f"predicted {label}", fontsize=9.5)
        figure.supylabel(f"{label} that came true", fontsize=9.5)
    return figure


def out_of_fold(
    predictions: pl.DataFrame, corpus: pl.DataFrame, experiment: str, *, label: str, split: str
) -> pl.DataFrame:
    """Return predicted and actual of one experiment's first repeat, averaged over its seeds."""
    own = predictions.filter(
        pl.col("experiment") == experiment, pl.col("label") == label, pl.col("split") == split, pl.col("repeat") == 0
    )
    averaged = own.group_by("anime_id").agg(pl.col("predicted").mean())
    truth = corpus.select("anime_id", actual=pl.col(label).cast(pl.Float64))
    return averaged.join(truth, on="anime_id", validate="1:1").drop_nulls().sort("anime_id")


def _scatter_panel(panel: "Axes", pair: pl.DataFrame, theme: Theme, limits: tuple[float, float]) -> None:
    predicted, actual = pair["predicted"].to_numpy(), pair["actual"].to_numpy()
    if pair.height > CROWD:
        panel.hexbin(
            predicted, actual, gridsize=38, extent=(*limits, *limits), bins="log", mincnt=1, cmap=theme.density
        )
    else:
        panel.scatter(predicted, actual, s=9, color=theme.colours[0], alpha=0.45, linewidths=0)
    panel.plot(limits, limits, color=theme.muted, linewidth=1, linestyle=":")
    tenths = np.array_split(np.argsort(predicted, kind="stable"), min(10, max(1, pair.height // 5)))
    means = np.array([[predicted[rows].mean(), actual[rows].mean()] for rows in tenths])
    panel.plot(means[:, 0], means[:, 1], color=theme.colours[2], linewidth=1.6, marker="o", markersize=3.5)
    panel.set_xlim(limits)
    panel.set_ylim(limits)
    panel.set_aspect("equal")
