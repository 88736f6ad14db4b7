"""What experiments reached: tables with intervals, comparisons, spread and figures.

Belongs here: sections on results. Does not: reading the table of metrics (standing), conclusions on the papers (audit).
"""

from collections.abc import Iterator, Sequence

import polars as pl

from anipop_pipeline.stages.labels import TYPICAL_SD
from anipop_pipeline.stages.report import figures, wording
from anipop_pipeline.stages.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Missing,
    Paragraph,
    Section,
    Table,
)
from anipop_pipeline.stages.report.drawing import picture
from anipop_pipeline.stages.report.facts import Facts
from anipop_pipeline.stages.report.standing import (
    SPLIT_ORDER,
    Estimate,
    ResultRow,
    best_by_tier,
    measured_labels,
    quoted_split,
    results_table,
)
from anipop_pipeline.stages.tables.features import TIERS
from anipop_pipeline.stages.tables.reports import FURTHER
from anipop_pipeline.stages.tables.split import AUTHORS, MAY_TEAR

SHOWN = {
    "r2_score": "R2",
    "spearman_score": "Spearman",
    "pearson_score": "Pearson",
    "kendall_score": "Kendall",
    "unit_mean_squared_error": "MSE, 0..1",
    "mean_absolute_error": "MAE",
    "mean_absolute_percentage_error": "MAPE, %",
}
LATER = {"r2_score": "R2", "r2_train_mean_score": "R2, past mean"}
SPREAD = ("r2_score", "spearman_score", "unit_mean_squared_error")
SIGNIFICANT = 0.05
PANELS = 6
LABEL_NAMES = {
    "score": "the displayed score",
    "weighted": "the weighted score, recomputed from the marks of members",
    "plain": "the plain mean of the marks of members",
    "audience": "the audience: the percentile of members among titles of the same two years",
}
SPLIT_NAMES = {
    "grouped": "Every title predicted once, out of fold, by models that saw no relative of it.",
    "published": "One draw of the split, as in the paper; one draw means little.",
    AUTHORS: "The split that came with this site, as its authors drew it.",
    "temporal": "Learned from earlier years, judged on later ones.",
}
READING = (
    (
        "R2:",
        "the share of the differences between titles that is explained; 0 is always answering the mean, 1 is perfect, "
        "below 0 is worse than the mean.",
    ),
    ("Spearman, Pearson, Kendall:", "whether titles come out in the right order; 0 is chance, 1 is perfect."),
    (
        "MSE, MAE and MAPE:",
        "mean squared, absolute and percentage error. On 0..1 the lowest label of the corpus is 0 and the highest 1, "
        "which is how the first paper quotes it; the others are on the label's own scale.",
    ),
    (
        "Brackets:",
        "95 % intervals from resampling whole clusters of related titles. Re-training is not in them, so the truth may "
        "lie a little further out.",
    ),
    (
        "Tier:",
        "the first moment at which all inputs of an experiment exist. Tier release knows what only fans can tell "
        "later: such rows are leaks, kept for comparison, and no forecast.",
    ),
    ("A dash:", "the metric is not defined there, such as a correlation of an answer that is always the same."),
)


def results_section(facts: Facts) -> Section:
    """Return the table and the forest of each label and split."""
    blocks: list[Block] = [Bullets(READING), *_ceiling(facts), *_experiments(facts)]
    reading = len(blocks)
    for label in measured_labels(facts.metrics):
        for split in _splits(facts.metrics, label):
            blocks += _standing(facts, split, label)
    if len(blocks) == reading:
        blocks.append(Missing("No experiment was measured on this site, so there are no results to show."))
    return Section("results", "Results", tuple(blocks))


def _ceiling(facts: Facts) -> Iterator[Block]:
    """Yield what voting noise alone would allow, where votes are known."""
    own = facts.statistics.filter(pl.col("statistic") == "ceiling").drop_nulls("value")
    known = dict(own.select("bucket", "value").iter_rows())
    labels = [label for label in measured_labels(facts.metrics) if label in known]
    told = [f"{wording.number(known[label], 3)} ({label})" for label in labels]
    if told:
        yield Paragraph(
            f"Voting noise alone would allow an R2 of about {wording.listed(told)}{_spread_behind(facts)}: it is no "
            "excuse. No forecast attains "
            "that ceiling, for it counts only who happened to vote, and not what nobody can know before a title airs."
        )


def _spread_behind(facts: Facts) -> str:
    """Return which spread of marks a ceiling rests on where a title's own is not known."""
    spread = facts.statistics.filter(pl.col("statistic") == "marks", pl.col("measure") == "sd")["value"].drop_nulls()
    if spread.is_empty():
        return ""
    if spread[0] == TYPICAL_SD:
        return f", with an assumed spread of {wording.number(spread[0], 1)} where no marks are known"
    return f", with the spread of the known marks, {wording.number(spread[0])}, where a title has none"


def _experiments(facts: Facts) -> Iterator[Block]:
    if not facts.experiments:
        return
    order = sorted(facts.experiments, key=lambda about: TIERS.index(about.tier) if about.tier in TIERS else len(TIERS))
    rows = [
        (
            Cell(about.name, mood="strong"),
            Cell(_tier(about.tier)),
            Cell(about.what, note=f"after the paper's {about.paper_row}" if about.paper_row else ""),
            Cell(", ".join(wording.plain(name) for name in about.inputs) or "nothing"),
        )
        for about in order
    ]
    columns = tuple(Column(title, number=False) for title in ("Experiment", "Tier", "What it is", "What it reads"))
    yield Table("The experiments, by the first moment at which all that they read exists.", columns, tuple(rows))


def _tier(tier: str) -> str:
    return f"{tier} (a leak)" if tier == TIERS[-1] else tier


def _splits(metrics: pl.DataFrame, label: str) -> list[str]:
    present = set(metrics.filter(pl.col("label") == label)["split"].unique().to_list())
    return [split for split in SPLIT_ORDER if split in present]


def _standing(facts: Facts, split: str, label: str) -> Iterator[Block]:
    table = results_table(facts.metrics, facts.experiments, split, label)
    yield Heading(f"{label.capitalize()}, split {split}")
    yield _results(table, split, label)
    if split in MAY_TEAR:
        yield _seen(facts, split, label)
    yield picture(
        f"forest_{split}_{label}",
        f"R2 with 95 % intervals: label {label}, split {split}. Whatever reaches the line at 0 cannot be told from "
        f"always answering the mean.{_outside(table)}",
        lambda theme: figures.forest(
            facts.metrics,
            split,
            label,
            tiers={row.experiment: row.tier for row in table},
            published={row.experiment: row.published["r2_score"] for row in table if "r2_score" in row.published},
            theme=theme,
        ),
    )


def _outside(table: Sequence[ResultRow]) -> str:
    lost = [row.experiment for row in table if (row.value("r2_score") or 0) < figures.WORST_SHOWN]
    return f" Too low to show, and marked by an arrow with its value: {wording.listed(lost)}." if lost else ""


def _results(table: Sequence[ResultRow], split: str, label: str) -> Table:
    shown = (
        LATER | {name: title for name, title in SHOWN.items() if name != "r2_score"} if split == "temporal" else SHOWN
    )
    shown = {name: title for name, title in shown.items() if any(row.value(name) is not None for row in table)}
    own = "this very split" if split == AUTHORS else "the paper's own split"
    quoted = f" Figures marked paper are the published ones, of {own}." if _quotes(table) else ""
    caption = (
        f"Label: {_label_name(label)}. {SPLIT_NAMES[split]} "
        f"{wording.count(max(row.rows for row in table), 'test row')}.{quoted}"
    )
    columns = (Column("Experiment", number=False), *(Column(title) for title in shown.values()))
    return Table(caption, columns, tuple((_name(row), *(metric_cell(row, name) for name in shown)) for row in table))


def _label_name(label: str) -> str:
    """Return what a label is, in words.

    >>> _label_name("score_anilist")
    'the score that anilist gives, on its own scale'
    """
    return LABEL_NAMES.get(label) or f"the score that {label.removeprefix(FURTHER)} gives, on its own scale"


def _quotes(table: Sequence[ResultRow]) -> bool:
    return any(row.published for row in table)


def _name(row: ResultRow) -> Cell:
    return Cell(row.experiment, note=_tier(row.tier), mood="strong")


def metric_cell(row: ResultRow, metric: str) -> Cell:
    """Return a metric with its interval, the paper's below."""
    found = row.metrics.get(metric, Estimate(None))
    published = row.published.get(metric)
    return Cell(
        wording.figure(found.value, metric),
        interval=wording.interval(found.low, found.high, metric),
        paper=wording.figure(published, metric) if published is not None else "",
    )


def _seen(facts: Facts, split: str, label: str) -> Block:
    groups = {
        group: {
            row.experiment: row for row in results_table(facts.metrics, facts.experiments, split, label, group=group)
        }
        for group in ("seen", "unseen")
    }
    names = [row.experiment for row in results_table(facts.metrics, facts.experiments, split, label)]
    if not any(groups.values()):
        return Missing(f"No test row of the {split} split was set apart by whether its relatives were seen.")
    pairs = [(group, metric) for group in groups for metric in ("r2_score", "mean_absolute_error")]
    rows = [
        (
            Cell(name),
            *(
                metric_cell(groups[group][name], metric) if name in groups[group] else Cell(wording.NONE)
                for group, metric in pairs
            ),
        )
        for name in names
    ]
    sizes = {group: max((row.rows for row in own.values()), default=0) for group, own in groups.items()}
    caption = (
        f"The same, apart for the {wording.count(sizes['seen'], 'title')} with relatives among those learned from "
        f"(seen) and the {sizes['unseen']:,} without (unseen). A gap between the two is knowledge of a series, "
        "not of a story."
    )
    columns = (Column("Experiment", number=False), *(Column(f"{SHOWN[metric]}, {group}") for group, metric in pairs))
    return Table(caption, columns, tuple(rows))


def comparisons_section(facts: Facts) -> Section:
    """Return each experiment against each baseline, paired on the same titles."""
    blocks: list[Block] = []
    for label in measured_labels(facts.metrics):
        for split in _splits(facts.metrics, label):
            own = facts.comparisons.filter(pl.col("label") == label, pl.col("split") == split)
            if own.height:
                blocks.append(_against(own, split, label))
    if not blocks:
        blocks.append(
            Missing("No experiment could be compared with a baseline: there is none, or there are too few clusters.")
        )
    return Section("comparisons", "Against the baselines", tuple(blocks))


def _against(own: pl.DataFrame, split: str, label: str) -> Table:
    baselines = [name for name in ("mean", "length", "credit") if name in own["baseline"]]
    cells = {
        (row["experiment"], row["baseline"]): _difference(row)
        for row in own.iter_rows(named=True)
    }  # fmt: skip
    better = own.filter(pl.col("p_corrected") < SIGNIFICANT, pl.col("difference") < 0).height
    order = own.group_by("experiment").agg(pl.col("difference").min()).sort("difference", "experiment")["experiment"]
    caption = (
        f"Label {label}, split {split}: mean squared error less that of the baseline, on the same titles (below 0 is "
        f"better). After Holm's correction {better} of {wording.count(own.height, 'comparison')} are better beyond "
        "chance. The baselines know no story: the mean, the length of the synopsis, the kind of credit at its end."
    )
    rows = [
        (Cell(name), *(cells.get((name, baseline), Cell(wording.NONE)) for baseline in baselines)) for name in order
    ]
    columns = (Column("Experiment", number=False), *(Column(f"against {baseline}") for baseline in baselines))
    return Table(caption, columns, tuple(rows))


def _difference(row: dict[str, float]) -> Cell:
    told = row["p_corrected"] < SIGNIFICANT
    word = ("better" if row["difference"] < 0 else "worse") if told else "not told apart"
    return Cell(
        wording.number(row["difference"], 3),
        interval=f"[{wording.number(row['low'], 3)}, {wording.number(row['high'], 3)}]",
        note=f"{word}, {wording.p_value(row['p_corrected'])}",
        mood=("good" if row["difference"] < 0 else "bad") if told else "",
    )


def spread_section(facts: Facts) -> Section:
    """Return how far apart further draws of the same split lie."""
    tables = [
        _spread(own, str(label), str(split))
        for (label, split), own in facts.seeds.sort("label", "split")
        .partition_by(["label", "split"], as_dict=True, maintain_order=True)
        .items()
    ]
    none = Missing("No experiment ran on more than one draw of a split, so the luck of the draw is not known here.")
    return Section("spread", "The luck of the draw", tuple(tables) or (none,))


def _spread(own: pl.DataFrame, label: str, split: str) -> Table:
    cells = {
        (row["experiment"], row["metric"]): Cell(
            wording.figure(row["mean"], row["metric"]),
            interval=wording.interval(row["low"], row["high"], row["metric"]),
        )
        for row in own.iter_rows(named=True)
    }
    repeats = dict(own.select("experiment", "repeats").unique().iter_rows())
    rows = [
        (Cell(name), Cell(str(repeats[name])), *(cells.get((name, metric), Cell(wording.NONE)) for metric in SPREAD))
        for name in sorted(repeats)
    ]
    caption = (
        f"Label {label}, split {split}: mean over draws of the split by further seeds, with the smallest and largest "
        "in brackets. A difference smaller than such a range proves nothing when it rests on a single draw."
    )
    columns = (Column("Experiment", number=False), Column("Draws"), *(Column(SHOWN[metric]) for metric in SPREAD))
    return Table(caption, columns, tuple(rows))


def fits_section(facts: Facts) -> Section:
    """Return pictures of the fits: what was predicted against what came true, and how the networks learned."""
    return Section("fits", "A closer look at the fits", (_predicted(facts), _learning(facts)))


def _predicted(facts: Facts) -> Block:
    split = quoted_split(facts.metrics, "score")
    names = _worth_a_panel(facts, split) if split else []
    if not split or not names or facts.predictions.is_empty():
        return Missing("There are no predictions of the score to set against what came true.")
    return picture(
        "predicted_against_actual",
        f"Predicted against actual score on the split {split}. A perfect model lies on the dotted line; the joined "
        "dots are the means of each tenth of the predictions, and follow that line where a prediction can be taken at "
        "its word. A narrow cloud dares little: it stays near the mean.",
        lambda theme: figures.predicted_against_actual(
            facts.predictions, facts.corpus, names, split=split, theme=theme
        ),
    )


def _worth_a_panel(facts: Facts, split: str) -> list[str]:
    """Return the best experiment of each tier, then baselines and others by R2, as many as there are panels."""
    table = results_table(facts.metrics, facts.experiments, split, "score")
    first = [row.experiment for row in best_by_tier(table).values()]
    others = [row.experiment for row in table if row.experiment not in first and (row.value("r2_score") or -1) > 0]
    return [*first, *others][:PANELS]


def _learning(facts: Facts) -> Block:
    if facts.history.is_empty():
        return Missing("No network was trained here, so there are no learning curves.")
    return picture(
        "learning_curves",
        "Learning curves: mean squared error by epoch on the scale of training, one thin line for each fit and the "
        "mean in bold. Where validation turns up while training still falls, the network has begun to learn by heart.",
        lambda theme: figures.learning_curves(facts.history, theme=theme),
    )
