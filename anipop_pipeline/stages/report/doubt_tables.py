"""Tables of what calls for care in a corpus: odd rows that were kept, and how displayed scores hold up.

Belongs here: from rows of statistics to one table each. Does not: finding what is odd (oddities), the formula (labels).
"""

import polars as pl

from anipop_pipeline.stages.report import cells, wording
from anipop_pipeline.stages.report.document import Block, Cell, Column, Missing, Table


def oddities(statistics: pl.DataFrame) -> Block:
    """Return how many rows that were kept are odd, and in which way."""
    known = cells.figures_of(statistics, "oddities")
    if not known:
        return Missing("No kept row is marked as odd.")
    rows = [(Cell(_ODD.get(kind, wording.plain(kind))), cells.counted(known[key])) for key in known if (kind := key[1])]
    caption = "What was kept and is odd; each row can be looked up beside the tables of the corpus."
    return Table(caption, (Column("What", number=False), Column("Rows")), tuple(rows))


_ODD = {
    "not_english": "synopses that are hardly English",
    "duplicate_story": "titles that tell the story of another one again",
    "near_empty": "characters described in fewer than five words",
}


def formula(statistics: pl.DataFrame) -> Block:
    """Return the C of the formula behind displayed scores, and how well the formula gives them."""
    mean, checked = (cells.figures_of(statistics, name) for name in ("site_mean", "label_check"))
    if not mean:
        return Missing("How displayed scores come from votes was not looked at.")
    (_, how, _), (value, _) = next(iter(mean.items()))
    titles, *told = (checked.get(("all", "all", name), cells.NOTHING)[0] for name in _CHECKED)
    rows = [(Cell("C, the mean score of the site"), Cell(wording.number(value, 3)))]
    if titles:
        shares = [Cell(wording.NONE if share is None else wording.percent(share)) for share in told[:-1]]
        figures = (Cell(wording.number(titles, 0)), *shares, Cell(wording.number(told[-1], 4)))
        rows += zip(map(Cell, _CHECKED.values()), figures, strict=True)
    caption = f"The formula W = v / (v + 50) S + 50 / (v + 50) C behind displayed scores. {_HOW.get(how, '')}".rstrip()
    return Table(caption, (Column("What", number=False), Column("Value")), tuple(rows))


_CHECKED = {
    "titles": "titles with marks to check it by",
    "within_rounding_share": "of these, right within rounding",
    "within_one_cent_share": "of these, right within one cent",
    "largest_error": "largest difference",
}
_HOW = {
    "given": "C was given.",
    "fitted": "C is fitted on the same titles that the formula is checked by, so that the check flatters a little.",
    "mean_of_displayed": "C could not be fitted: the mean of all displayed scores stands in for it, near it at best.",
    "unknown": "C is not known here.",
}
