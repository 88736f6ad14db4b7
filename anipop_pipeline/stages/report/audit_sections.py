"""What the numbers mean for the papers, what is absent, what is alike, and where the limits lie.

Belongs here: conclusions that are drawn from the numbers, and limits that no number shows. Does not: results.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from anipop_pipeline.stages.report import wording
from anipop_pipeline.stages.report.document import Block, Bullets, Cell, Column, Missing, Paragraph, Section, Table
from anipop_pipeline.stages.report.facts import Facts
from anipop_pipeline.stages.tables.corpus import shown_title

TITLES_SHOWN = 5
PLACES = (1, 2, 3)


def audit_section(facts: Facts) -> Section:
    """Return the published recipes with their defects switched one at a time, and what follows from it."""
    if facts.audit.is_empty():
        none = Missing("The published recipes were not audited here: no variant of them was trained.")
        return Section("audit", "Audit of the published recipes", (none,))
    blocks: list[Block] = [Paragraph(text, role="conclusion") for text in _conclusions(facts.audit)]
    return Section("audit", "Audit of the published recipes", (*blocks, _audit(facts.audit)))


def _conclusions(audit: pl.DataFrame) -> Iterator[str]:
    """Yield what the audit shows: which share of the published advantage is owed to a broken benchmark."""
    # The paper's own errors say which recipe it praises and which it compares with: ours would choose by the test rows.
    published = audit.filter(pl.col("published_error").is_not_null()).sort("published_error", "recipe", "variant")
    if published["recipe"].n_unique() < 2:
        return
    model, benchmark = published.row(0, named=True), published.row(-1, named=True)
    mended = audit.filter(pl.col("recipe") == benchmark["recipe"], pl.col("variant") == "corrected")
    advantage = benchmark["mean_squared_error"] - model["mean_squared_error"]
    for row in mended.iter_rows(named=True):
        gained = benchmark["mean_squared_error"] - row["mean_squared_error"]
        if advantage > 0 and gained > 0:
            yield _advantage(model, benchmark, row, gained / advantage)
    if model["r2_score"] is not None:
        yield _floor(model)


def _floor(model: dict[str, Any]) -> str:
    if model["r2_score"] <= 0:
        return f"{model['recipe']}, as published, does no better here than always answering the mean."
    share = wording.percent(model["r2_score"])
    return (
        f"Against always answering the mean, {model['recipe']} explains {share} of the differences: that is its gain."
    )


def _advantage(model: dict[str, Any], benchmark: dict[str, Any], mended: dict[str, Any], share: float) -> str:
    opening = (
        f"With the defects of the published code, but frozen encoders, {model['recipe']} has a mean squared error here "
        f"of {_error(model)} and the benchmark {benchmark['recipe']} one of {_error(benchmark)}. With every defect "
        f"off, the same benchmark reaches {_error(mended)}"
    )
    if share >= 1:
        return f"{opening}, which is as good or better: all of that advantage is due to the broken benchmark."
    due = f"{wording.percent(share)} of that advantage is due to the broken benchmark, not to the model."
    return f"{opening}: {due}"


def _error(row: dict[str, Any]) -> str:
    return wording.number(row["mean_squared_error"], 4)


def _audit(audit: pl.DataFrame) -> Table:
    rows = [
        (
            Cell(row["recipe"], mood="strong"),
            Cell(row["variant"], note=row["meaning"]),
            Cell(wording.number(row["mean_squared_error"], 4),
                 paper=wording.number(row["published_error"], 4) if row["published_error"] is not None else ""),
            Cell(wording.number(row["r2_score"], 3)),
            Cell(wording.number(row["spearman_score"], 3)),
        )
        for row in audit.iter_rows(named=True)
    ]  # fmt: skip
    caption = (
        "Each published recipe as its authors' code trains it, then with one defect off at a time, then with all off. "
        "One thing differs in every row but the benchmark's: the paper fine-tuned its encoders end to end, here they "
        "are frozen and only the regressor learns. All errors are on one scale, on which the paper's are printed: the "
        "test titles' own extremes are 0 and 1. Where a fit ran for fewer epochs than the paper's, its note says so."
    )
    columns = (
        Column("Recipe", number=False),
        Column("Variant", number=False),
        Column("MSE, 0..1"),
        Column("R2"),
        Column("Spearman"),
    )
    return Table(caption, columns, tuple(rows))


def absent_section(facts: Facts) -> Section:
    """Return the experiments that could not be run here, and why."""
    if facts.absent.is_empty():
        block: Block = Missing("Nothing is absent: every experiment was run here.")
    else:
        rows = [(Cell(name), Cell(reason)) for name, reason in facts.absent.select("experiment", "reason").iter_rows()]
        caption = (
            f"{wording.count(facts.absent.height, 'experiment')} could not be run here. No number stands in for them."
        )
        block = Table(caption, (Column("Experiment", number=False), Column("Why", number=False)), tuple(rows))
    return Section("absent", "What was not run", (block,))


def comparables_section(facts: Facts) -> Section:
    """Return a few titles with those that are most like them."""
    titles = dict(facts.corpus.select("anime_id", shown_title()).iter_rows())
    scores = dict(facts.corpus.select("anime_id", "score").iter_rows())
    known = facts.comparables.filter(
        pl.col("anime_id").is_in(list(titles)),
        pl.col("neighbour_id").is_in(list(titles)),
        pl.col("place").is_in(PLACES),
    )
    if known.is_empty():
        none = Missing("No title has comparable ones here: there are no embeddings to measure likeness with.")
        return Section("comparables", "Comparable titles", (none,))
    by = next(kind for kind in ("together", "text", "table", "pictures") if kind in known["by"].cast(pl.String))
    near = _evenly(known.filter(pl.col("by").cast(pl.String) == by))
    rows = [
        (
            Cell(_titled(titles, scores, anime)),
            *(_neighbour(titles, scores, near.get((anime, place))) for place in PLACES),
        )
        for anime in sorted({anime for anime, _ in near})
    ]
    known_by = "all that is known" if by == "together" else by
    caption = (
        f"A sample of titles with those most alike by {known_by}, scores in brackets, cosine below. Likeness helps to "
        "see what a model sees; like titles need not have like scores."
    )
    columns = ("Title", "Most alike", "Second", "Third")
    table = Table(caption, tuple(Column(title, number=False) for title in columns), tuple(rows))
    return Section("comparables", "Comparable titles", (table,))


def _titled(titles: dict[int, str], scores: dict[int, float], anime: int) -> str:
    return f"{titles[anime]} ({scores[anime]:.2f})"


def _neighbour(titles: dict[int, str], scores: dict[int, float], found: tuple[int, float] | None) -> Cell:
    if found is None:
        return Cell(wording.NONE)
    neighbour, similarity = found
    return Cell(_titled(titles, scores, neighbour), note=wording.number(similarity))


def _evenly(known: pl.DataFrame) -> dict[tuple[int, int], tuple[int, float]]:
    """Return the neighbours of a few titles, evenly spaced by id: (title, place) to (neighbour, similarity)."""
    ids = known["anime_id"].unique().sort()
    chosen = ids.gather_every(max(1, ids.len() // TITLES_SHOWN)).head(TITLES_SHOWN)
    kept = known.filter(pl.col("anime_id").is_in(chosen.to_list()))
    rows = kept.select("anime_id", "place", "neighbour_id", "similarity").iter_rows()
    return {(anime, place): (neighbour, similarity) for anime, place, neighbour, similarity in rows}


def limits_section() -> Section:
    """Return what no number in this report shows."""
    return Section("limits", "Limits", (Bullets(_LIMITS),))


_LIMITS = (
    (
        "Written after release.",
        "Synopses, descriptions and pictures were written or chosen once titles had aired, by fans who write more and "
        "better about what they love. A pitch is written before. Length and credit are shown as baselines because they "
        "carry this trace, and a model that reads words can pick it up, too.",
    ),
    (
        "Flops are missing.",
        "Titles without a score or without described characters are not in the corpus. They are mostly those that "
        "nobody watched.",
    ),
    ("A score is not revenue.", "It is the opinion of people who chose to watch and to vote on one site."),
    (
        "Intervals do not contain re-training.",
        "They say what other titles of the same kind would have given for the same models. Another seed or another "
        "crawl moves the numbers, too.",
    ),
    (
        "The past is not the future.",
        "Taste, studios and the site's users change; the split temporal shows by how much so far.",
    ),
    (
        "Chosen after looking.",
        "Where the best of several experiments is named, it was chosen on the titles that it is judged by.",
    ),
)
