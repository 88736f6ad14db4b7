"""The first page: what can be known from a pitch, and how sure, in sentences that a producer can use.

Belongs here: sentences drawn from the numbers. Does not: tables for the referee.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from anipop_pipeline.stages.report import wording
from anipop_pipeline.stages.report.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Missing,
    Paragraph,
    Section,
    Table,
    Tiles,
)
from anipop_pipeline.stages.report.facts import Facts
from anipop_pipeline.stages.report.figures import out_of_fold
from anipop_pipeline.stages.report.standing import FLOOR, Estimate, ResultRow, best_by_tier, quoted_split, results_table
from anipop_pipeline.stages.tables.split import AUTHORS

KNOWN_THEN = {
    "concept": "title, synopsis, characters and portraits",
    "greenlight": "also type, source, genres, planned episodes and earlier titles of the series",
    "announcement": "also studio, season, age rating and poster",
}
HONESTLY = {
    "grouped": "Every title was predicted by a model that had seen neither it nor a title that shares its characters.",
    "published": "The test titles share no character with those that the models learned from.",
    AUTHORS: "The test titles are those that this site's own split tests; some may have relatives among the others.",
    "temporal": "The test titles are younger than those that the models learned from.",
}
FEWEST_TO_RANK = 40


def section(facts: Facts) -> Section:
    """Return what a producer needs to know."""
    split = quoted_split(facts.metrics, "score")
    if split is None:
        return _section([Missing("No experiment was measured on this site yet, so nothing can be said about a pitch.")])
    table = results_table(facts.metrics, facts.experiments, split, "score")
    best = best_by_tier(table)
    floor = next((row for row in table if row.experiment == FLOOR), None)
    if not best:
        return _section([Missing("No experiment that uses only what is known before release was measured here.")])
    return _section(list(_story(facts, split, table, best, floor)))


def _section(blocks: Sequence[Block]) -> Section:
    return Section("pitch", "What a pitch can tell", tuple(blocks))


def _story(
    facts: Facts, split: str, table: Sequence[ResultRow], best: Mapping[str, ResultRow], floor: ResultRow | None
) -> Iterator[Block]:
    yield Tiles(tuple(_tiles(facts, best, floor)))
    yield Paragraph(_verdict(best), role="conclusion")
    yield Bullets(tuple((f"{tier.capitalize()}.", _sentence(row, floor)) for tier, row in best.items()))
    yield Paragraph(f"{HONESTLY[split]} {_flattery(table, best)}")
    yield _table(facts, split, best)
    later = _later(facts, best)
    if later:
        yield Paragraph(later)
    audience = _audience(facts)
    if audience:
        yield Paragraph(audience)


def _tiles(facts: Facts, best: Mapping[str, ResultRow], floor: ResultRow | None) -> Iterator[tuple[str, str]]:
    yield f"{facts.corpus.height:,}", "titles learned from"
    for tier, row in best.items():
        share = row.value("r2_score")
        yield wording.percent(max(share, 0) if share is not None else 0), f"of the differences explained at {tier}"
    error = floor.value("mean_absolute_error") if floor else None
    if error is not None:
        yield wording.number(error), "points off on average when always answering the mean"


def _verdict(best: Mapping[str, ResultRow]) -> str:
    told = [tier for tier, row in best.items() if row.metrics["r2_score"].beats_zero]
    if not told:
        return "On this corpus nothing that is known before release does better than always answering the mean."
    strongest = max(told, key=lambda tier: best[tier].value("r2_score") or 0)
    share = best[strongest].value("r2_score") or 0
    silent = [tier for tier in best if tier not in told]
    rest = (
        f" At {wording.listed(silent)} no experiment surely does better than always answering the mean."
        if silent
        else ""
    )
    return (
        f"The most that can be told before release is told at {strongest}: {wording.percent(share)} of the differences "
        f"between titles. The other {wording.percent(1 - share)} stay open.{rest}"
    )


def _sentence(row: ResultRow, floor: ResultRow | None) -> str:
    known = KNOWN_THEN[row.tier]
    return f"Known by then: {known}. {_explains(row)} {_misses(row, floor)}"


def _explains(row: ResultRow) -> str:
    r2 = row.metrics["r2_score"]
    if r2.value is None or r2.value <= 0:
        return f"The best experiment, {row.experiment}, does no better than always answering the mean{_between(r2)}."
    claim = (
        f"The best experiment, {row.experiment}, explains {wording.percent(r2.value)} of the differences{_between(r2)}."
    )
    if r2.low is None:
        return f"{claim} There are too few titles to say how sure that is."
    return claim if r2.beats_zero else f"{claim} The interval reaches 0, so that this may be chance."


def _between(r2: Estimate) -> str:
    if r2.low is None or r2.high is None:
        return ""
    return f" (95 % interval {wording.percent(r2.low)} to {wording.percent(r2.high)})"


def _misses(row: ResultRow, floor: ResultRow | None) -> str:
    own, mean = row.value("mean_absolute_error"), floor.value("mean_absolute_error") if floor else None
    if own is None:
        return ""
    off = f"Its answer is {wording.number(own)} points off on average"
    return f"{off}." if mean is None else f"{off}; always answering the mean is {wording.number(mean)} points off."


def _flattery(table: Sequence[ResultRow], best: Mapping[str, ResultRow]) -> str:
    tried = sum(row.tier in best for row in table)
    return (
        f"The best of {wording.count(tried, 'experiment')} is shown, chosen on the same titles that it is judged by, "
        "which flatters it a little."
    )


def _table(facts: Facts, split: str, best: Mapping[str, ResultRow]) -> Table:
    columns = ("Tier", "Experiment", "Half of its answers within", "Nine in ten within", "Top picks that came true")
    rows = [
        (Cell(tier), Cell(row.experiment), *(Cell(text, note=note) for text, note in _practice(facts, split, row)))
        for tier, row in best.items()
    ]
    caption = (
        "What that means in practice. The last column takes the tenth of titles that an experiment ranks highest and "
        "counts how many came out in the top quarter of all; pure chance gives 25 %."
    )
    return Table(caption, tuple(Column(title, number=place > 1) for place, title in enumerate(columns)), tuple(rows))


def _practice(facts: Facts, split: str, row: ResultRow) -> list[tuple[str, str]]:
    pair = out_of_fold(facts.predictions, facts.corpus, row.experiment, label="score", split=split)
    if pair.is_empty():
        return [(wording.NONE, "")] * 3
    missed = np.abs((pair["predicted"] - pair["actual"]).to_numpy())
    within = [(f"{wording.number(float(np.quantile(missed, share)))} points", "") for share in (0.5, 0.9)]
    return [*within, _picked(pair)]


def _picked(pair: pl.DataFrame) -> tuple[str, str]:
    """Return which share of the tenth ranked highest came out in the top quarter."""
    if pair.height < FEWEST_TO_RANK:
        return wording.NONE, "too few titles"
    picks = pair.sort("predicted", "anime_id", descending=[True, False]).head(pair.height // 10)
    bar = float(np.quantile(pair["actual"].to_numpy(), 0.75))
    hits = int((picks["actual"] >= bar).sum())
    return wording.percent(hits / picks.height), f"{hits} of {picks.height}"


def _later(facts: Facts, best: Mapping[str, ResultRow]) -> str:
    """Return how the same experiments fare on years that they had not seen."""
    table = {row.experiment: row for row in results_table(facts.metrics, facts.experiments, "temporal", "score")}
    told = [
        f"{table[row.experiment].experiment} explains {wording.percent(r2.value)}{_between(r2)}"
        for row in best.values()
        if row.experiment in table and (r2 := table[row.experiment].metrics["r2_score"]).value is not None
    ]
    if not told:
        return ""
    rows = max(table[row.experiment].rows for row in best.values() if row.experiment in table)
    return (
        f"A pitch is always about a later year. Trained on earlier years alone and asked about "
        f"{wording.count(rows, 'title')} of later ones, {'; '.join(told)}."
    )


def _audience(facts: Facts) -> str:
    split = quoted_split(facts.metrics, "audience")
    best = best_by_tier(results_table(facts.metrics, facts.experiments, split, "audience")) if split else {}
    told = [
        f"{wording.percent(r2.value)} at {tier}{_between(r2)}"
        for tier, row in best.items()
        if (r2 := row.metrics["r2_score"]).value is not None
    ]
    if not told:
        return ""
    return (
        "A score is an opinion; the size of the audience is nearer to money. Of the differences in audience "
        "(the percentile of members among titles of the same two years), the best experiments explain "
        f"{wording.listed(told)}."
    )
