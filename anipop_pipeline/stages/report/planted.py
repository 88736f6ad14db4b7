"""The truth that an invented site was made from, beside what experiments found of it.

Belongs here: which experiment reads which planted part. Does not: planting it.
"""

from collections.abc import Sequence

from anipop_pipeline.stages.report import wording
from anipop_pipeline.stages.report.document import Cell, Column, Paragraph, Section, Table
from anipop_pipeline.stages.report.facts import Facts
from anipop_pipeline.stages.report.result_sections import metric_cell
from anipop_pipeline.stages.report.standing import ResultRow, quoted_split, results_table
from anipop_pipeline.stages.tables.features import LEDGER, TIERS

# Inputs that carry each planted part; a part without inputs can be told by nothing.
CARRIERS: dict[str, set[str]] = {
    "text": {"title", "synopsis", "descriptions"},
    "portraits": {"portraits"},
    "posters": {"poster"},
    "pictures": {"portraits", "poster"},
    "attributes": {"type", "source", "genres", "themes", "demographics", "episodes", "duration_minutes", "studios",
                   "quarter", "year", "rating"},
    "relatives": {"sequel", "relatives", "relatives_score"},
    "table": {name for name, tier in LEDGER.items() if tier in TIERS[1:3]} - {"poster"},
    "length": {"words"},
    "credit": {"synopsis_credit"},
    "cast": {"main_characters"},
    "fame": {"votes", "members", "favourites"},
}  # fmt: skip


def section(facts: Facts) -> Section:
    """Return the truth that an invented site was made from, beside what experiments found of it."""
    assert facts.planted is not None
    split = quoted_split(facts.metrics, "score")
    table = results_table(facts.metrics, facts.experiments, split, "score") if split else []
    inputs = {experiment.name: set(experiment.inputs) for experiment in facts.experiments}
    rows = [
        (Cell(part), Cell(wording.number(share, 2)), *_found(part, table, inputs))
        for part, share in facts.planted.select("part", "share").iter_rows()
    ]
    caption = (
        "Planted and found: the share of the score's variance that each part was given, beside the best R2 of an "
        "experiment that reads nothing but that part. Found can stay below planted, since few titles teach little; "
        "found far above planted would mean that something leaks."
    )
    columns = (Column("Part", number=False), Column("Planted"), Column("Found, R2"), Column("By", number=False))
    words = Paragraph(
        "The scores of this site were made from parts of known strength, so that the pipeline can be judged: it should "
        "find what is there, and nothing that is not."
    )
    return Section("planted", "The planted truth", (words, Table(caption, columns, tuple(rows))))


def _found(part: str, table: Sequence[ResultRow], inputs: dict[str, set[str]]) -> tuple[Cell, Cell]:
    carriers = CARRIERS.get(part, set())
    own = [row for row in table if (read := inputs.get(row.experiment, set())) and read <= carriers]
    defined = [row for row in own if row.value("r2_score") is not None]
    if not defined:
        return Cell(wording.NONE), Cell("nothing can" if not carriers else "none here reads this alone")
    best = max(defined, key=lambda row: row.value("r2_score") or 0)
    return metric_cell(best, "r2_score"), Cell(best.experiment)
