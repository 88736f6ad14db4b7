"""Where each experiment stands: one row each, for the report and for a terminal.

Belongs here: reading the long table of metrics. Does not: prose, markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from anipop_pipeline.stages.report.facts import ExperimentFacts
from anipop_pipeline.stages.tables.features import TIERS
from anipop_pipeline.stages.tables.reports import LABELS, in_order
from anipop_pipeline.stages.tables.split import AUTHORS

SPLIT_ORDER = [
    "grouped",
    "published",
    AUTHORS,
    "temporal",
]  # what to quote first: every anime predicted once, out of fold
FLOOR = "mean"  # the baseline that always answers the mean


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval; any of the three may be undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def beats_zero(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low is not None and self.low > 0


@dataclass(frozen=True)
class ResultRow:
    """One experiment on one split: its metrics by name, and the published ones where there are some."""

    experiment: str
    tier: str
    rows: int
    metrics: Mapping[str, Estimate]
    published: Mapping[str, float] = field(default_factory=dict)
    what: str = ""
    paper_row: str | None = None

    def value(self, metric: str) -> float | None:
        """Return a metric's value, none where it is undefined or absent."""
        return self.metrics[metric].value if metric in self.metrics else None


def results_table(
    metrics: pl.DataFrame, experiments: Sequence[ExperimentFacts], split: str, label: str, *, group: str = "all"
) -> list[ResultRow]:
    """Return the experiments measured on a split, by tier and then the best first.

    Published figures are of the score and of one random split: they come along on the authors' own split where anything
    was measured on it, else everywhere but beside a forecast of later years.
    """
    brought = AUTHORS in metrics["split"].cast(pl.String)
    at_home = split == AUTHORS if brought else split != "temporal"
    known = {experiment.name: experiment for experiment in experiments}
    asked = metrics.filter(pl.col("split") == split, pl.col("label") == label, pl.col("group") == group)
    found = []
    for (name,), rows in asked.sort("experiment").partition_by("experiment", as_dict=True, maintain_order=True).items():
        about = known.get(str(name), ExperimentFacts(str(name), tier=""))
        found.append(_row(about, rows, quotable=label == LABELS[0] and at_home))
    return sorted(found, key=lambda row: (_place(row.tier), -_rank(row), row.experiment))


def _row(about: ExperimentFacts, rows: pl.DataFrame, *, quotable: bool) -> ResultRow:
    values = {
        str(metric): Estimate(value, low, high)
        for metric, value, low, high in rows.select("metric", "value", "low", "high").iter_rows()
    }
    published = dict(about.published or {}) if quotable else {}
    return ResultRow(about.name, about.tier, rows["rows"].item(0), values, published, about.what, about.paper_row)


def _place(tier: str) -> int:
    return TIERS.index(tier) if tier in TIERS else len(TIERS)


def _rank(row: ResultRow) -> float:
    value = row.value("r2_score")
    return value if value is not None else float("-inf")


def quoted_split(metrics: pl.DataFrame, label: str) -> str | None:
    """Return the split whose numbers are quoted first, none where nothing was measured."""
    present = set(metrics.filter(pl.col("label") == label)["split"].unique().to_list())
    return next((split for split in SPLIT_ORDER if split in present), None)


def measured_labels(metrics: pl.DataFrame) -> list[str]:
    """Return the labels that anything was measured on, the one to quote first."""
    return in_order(metrics["label"].unique().to_list())


def best_by_tier(table: Sequence[ResultRow]) -> dict[str, ResultRow]:
    """Return the best experiment of each tier that is known before release, baselines of the mean aside."""
    honest = [row for row in table if row.tier in TIERS[:-1] and row.experiment != FLOOR]
    defined = [row for row in honest if row.value("r2_score") is not None]
    return {tier: max(own, key=_rank) for tier in TIERS if (own := [row for row in defined if row.tier == tier])}


def terminal_table(
    metrics: pl.DataFrame,
    experiments: Sequence[ExperimentFacts] = (),
    *,
    split: str | None = None,
    label: str = "score",
) -> str:
    """Return the results as plain text, for the end of a run on the command line."""
    split = split or quoted_split(metrics, label)
    table = results_table(metrics, experiments, split, label) if split else []
    if not table:
        return f"No experiment was measured on {label}."
    lines = [("experiment", "tier", "R2", "95 %", "Spearman", "MAE"), *(_terminal_line(row) for row in table)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [_terminal_text(line, widths) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    rows = max(row.rows for row in table)
    return "\n".join([f"{label}, split {split}, {rows:,} test rows", *text])


def _terminal_line(row: ResultRow) -> tuple[str, ...]:
    r2 = row.metrics.get("r2_score", Estimate(None))
    bracket = "" if r2.low is None or r2.high is None else f"[{_short(r2.low)}, {_short(r2.high)}]"
    values = (row.value("spearman_score"), row.value("mean_absolute_error"))
    return (row.experiment, row.tier, _short(r2.value), bracket, *map(_short, values))


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value if abs(value) >= 0.0005 else 0:.3f}"


def _terminal_text(line: Sequence[str], widths: Sequence[int]) -> str:
    """Return one line in columns: names to the left, numbers to the right."""
    cells = zip(line, widths, strict=True)
    padded = [cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in enumerate(cells)]
    return "  ".join(padded).rstrip()
