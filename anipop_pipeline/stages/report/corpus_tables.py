"""Tables of what was learned from, written from figures alone, for the report and for Dagster's pages.

Belongs here: from rows of statistics to one table each. Does not: computing a figure (statistics), the order in which
tables are told (corpus_sections).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from anipop_pipeline.stages.report import wording
from anipop_pipeline.stages.report.document import Block, Cell, Column, Missing, Table

MEASURES = ("samples", "max", "min", "mean")
PARTS = ("train", "test")
IMPORTED = "imported "  # what the parts of a split that a site brings are called by
Figures = Mapping[tuple[str, str, str], tuple[float | None, float | None]]  # (part, bucket, measure): ours, the paper's


def of_corpus(statistics: pl.DataFrame) -> dict[str, Block]:
    """Return every table of a corpus by name."""
    return {
        "funnel": funnel(statistics),
        "funnel_characters": funnel(statistics, "characters"),
        "left_out": left_out(statistics),
        "words": words(statistics),
        "titles_by_year": years(statistics),
    }


def of_split(statistics: pl.DataFrame) -> dict[str, Block]:
    """Return every table of a split by name."""
    tables = {
        "balance": balance(statistics),
        "clusters": cluster_sizes(statistics),
        "shared_characters": shared_characters(statistics),
        "words_by_part": words_by_part(statistics),
    }
    return {**tables, **imported(statistics)}


def figures_of(statistics: pl.DataFrame, statistic: str) -> Figures:
    """Return one statistic's figures by part, bucket and measure, in their order."""
    rows = statistics.filter(pl.col("statistic") == statistic)
    keys = rows.select("part", "bucket", "measure").rows()
    return dict(zip(keys, rows.select("value", "published").rows(), strict=True))


# The corpus


def funnel(statistics: pl.DataFrame, name: str = "anime") -> Block:
    """Return how many rows each rule removed, beside the paper's beginning and end."""
    known = {bucket: figure for (_, bucket, _), figure in figures_of(statistics, f"funnel_{name}").items()}
    what = "titles" if name == "anime" else name
    if "parsed" not in known or "kept" not in known:
        return Missing(f"How many {what} each rule removed was not recorded.")
    steps = {bucket: value or 0.0 for bucket, (value, _) in known.items()}
    rules = sorted(steps.keys() - {"parsed", "kept"}, key=lambda rule: (-steps[rule], rule))
    left = [
        (Cell(f"left: {wording.plain(rule)}"), Cell(f"−{steps[rule]:,.0f}"), _share(steps[rule], steps["parsed"]))
        for rule in rules
    ]
    rows = [
        (Cell("pages read"), _counted(known["parsed"]), Cell("100 %")),
        *left,
        (Cell("kept", mood="strong"), _counted(known["kept"], strong=True), _share(steps["kept"], steps["parsed"])),
    ]
    return Table(
        _way(steps, rules, what),
        (Column("Step", number=False), Column(what.capitalize()), Column("Share")),
        tuple(rows),
    )


def _way(steps: Mapping[str, float], rules: Sequence[str], what: str) -> str:
    way = f"From {steps['parsed']:,.0f} pages to {steps['kept']:,.0f} {what}"
    if not rules:
        return f"{way}: no rule removed any."
    return f"{way}. Each leaves under the first rule that it breaks; most leave for: {wording.plain(rules[0])}."


def left_out(statistics: pl.DataFrame) -> Block:
    """Return how known, liked and old titles are that left, rule by rule, beside those that were kept."""
    known, types = figures_of(statistics, "left_out"), figures_of(statistics, "left_out_types")
    buckets = list(dict.fromkeys(bucket for _, bucket, _ in known))
    if not {"left_out", "kept"} & set(buckets):
        return Missing("What was left out was not described.")
    names = {"left_out": "all that left", "kept": "kept"}
    rules = [bucket for bucket in buckets if bucket not in names]
    rules.sort(key=lambda rule: -(known["all", rule, "rows"][0] or 0))
    rows = []
    for bucket in [*rules, *(name for name in names if name in buckets)]:
        name = Cell(names[bucket], mood="strong") if bucket in names else Cell(f"left: {wording.plain(bucket)}")
        values = [known.get(("all", bucket, measure), (None, None))[0] for measure in _FAME]
        numbers = [Cell(wording.number(value, digits)) for value, digits in zip(values, _FAME.values(), strict=True)]
        rows.append((name, *numbers[:-1], Cell(_year(values[-1])), Cell(_commonest(types, bucket))))
    caption = "How known, liked and old titles are that left, by the rule that they broke, and those that were kept."
    titles = ("Titles", "Members, median", "Score, mean", "Year, median")
    columns = (Column("Titles that", number=False), *map(Column, titles), Column("Types", number=False))
    return Table(caption, columns, tuple(rows))


_FAME = {"rows": 0, "members_median": 0, "score_mean": 2, "year_median": 0}  # measures and their decimals
_TYPES_SHOWN = 3


def _year(value: float | None) -> str:
    return wording.NONE if value is None else f"{value:.0f}"


def _commonest(types: Figures, bucket: str) -> str:
    own = [(kind, value or 0.0) for (_, other, kind), (value, _) in types.items() if other == bucket]
    first = sorted(own, key=lambda one: (-one[1], one[0]))[:_TYPES_SHOWN]
    return ", ".join(f"{kind} {wording.percent(share)}" for kind, share in first) or wording.NONE


def words(statistics: pl.DataFrame) -> Block:
    """Return words of synopses and main characters by floor of the score, and words of descriptions."""
    own, casts, people = (figures_of(statistics, name) for name in _WORDS)
    if not own:
        return Missing("Words of synopses were not counted.")
    rows = [(_floor(bucket), *_measured(own, "all", bucket), _mean(casts, "all", bucket)) for bucket in _floors(own)]
    if people:
        rows.append((Cell("descriptions of main characters"), *_measured(people, "all", "all"), Cell("")))
    beside = " The published figure stands under ours." if any(paper is not None for _, paper in own.values()) else ""
    caption = f"Words of synopses by floor of the score, main characters of a title, and words of descriptions.{beside}"
    columns = (Column("Score", number=False), *map(Column, MEASURES), Column("main characters, mean"))
    return Table(caption, columns, tuple(rows))


_WORDS = ("synopsis_words", "main_characters", "description_words")


def years(statistics: pl.DataFrame) -> Block:
    """Return how many titles of each year are in the corpus."""
    known = figures_of(statistics, "titles_by_year")
    if not known:
        return Missing("No title has a year.")
    rows = [(Cell(year), _counted(figure)) for (_, year, _), figure in sorted(known.items())]
    return Table("Titles by year of first airing.", (Column("Year", number=False), Column("Titles")), tuple(rows))


# The split


def words_by_part(statistics: pl.DataFrame) -> Block:
    """Return train beside test, so that a lopsided draw is seen at once."""
    return _words_of(statistics, PARTS, "the published split")


def _words_of(statistics: pl.DataFrame, parts: Sequence[str], split: str) -> Block:
    own, casts, people = (figures_of(statistics, name) for name in _WORDS)
    own = {key: figure for key, figure in own.items() if key[0] in parts}
    if not own:
        return Missing("Words of synopses were not counted for train and test.")
    names = {part: Cell(part.removeprefix(IMPORTED)) for part in parts}
    rows = [
        (_floor(bucket), names[part], *_measured(own, part, bucket), _mean(casts, part, bucket))
        for bucket in _floors(own)
        for part in parts
    ]
    described = [part for part in parts if (part, "all", "samples") in people]
    rows += [(Cell("descriptions"), names[part], *_measured(people, part, "all"), Cell("")) for part in described]
    caption = (
        f"Words of synopses by floor of the score and main characters of a title in both parts of {split}, and words "
        "of the descriptions of main characters; published figures below ours. In a fair draw the means of train and "
        "test are alike."
    )
    titles = (Column("Score", number=False), Column("Part", number=False), *map(Column, MEASURES))
    return Table(caption, (*titles, Column("main characters, mean")), tuple(rows))


_SIDES = {
    ("train", "rows"): "train, titles",
    ("test", "rows"): "test, titles",
    ("train", "clusters"): "train, clusters",
    ("test", "clusters"): "test, clusters",
    ("train", "characters"): "train, main characters",
    ("test", "characters"): "test, main characters",
    ("test", "seen"): "test titles with relatives in train",
    ("test", "sharing"): "test titles that share a character with one",
}


def balance(statistics: pl.DataFrame) -> Block:
    """Return the rows of each part of each split, and how many test rows have relatives in train."""
    known = figures_of(statistics, "balance")
    if not known:
        return Missing("How many titles each part has was not recorded.")
    splits = sorted({split for _, split, _ in known})
    rows = [
        (Cell(name), *(_counted(known.get((part, split, measure), (None, None))) for split in splits))
        for (part, measure), name in _SIDES.items()
    ]
    caption = (
        "Titles, clusters and main characters of each split. Grouped counts each title once for each fold that it "
        "trains. Only time may part a cluster: the last rows count test titles that are not wholly new."
    )
    return Table(caption, (Column("What", number=False), *map(Column, splits)), tuple(rows))


def cluster_sizes(statistics: pl.DataFrame) -> Block:
    """Return how many titles stand alone, and how many belong to small and large clusters."""
    known = figures_of(statistics, "clusters")
    if not known.get(("all", "all", "clusters"), (None, None))[0]:
        return Missing("There are no clusters.")
    buckets = dict.fromkeys(bucket for _, bucket, _ in known)
    measures = {"clusters": "Clusters", "titles": "Titles", "largest": "Largest"}
    rows = [(_floor(one), *(_counted(known["all", one, measure]) for measure in measures)) for one in buckets]
    caption = "Clusters of titles that belong together, by the number of their titles."
    return Table(caption, (Column("Titles of a cluster", number=False), *map(Column, measures.values())), tuple(rows))


def shared_characters(statistics: pl.DataFrame) -> Block:
    """Return an example: who of the largest cluster plays in which of its titles."""
    known = figures_of(statistics, "shared_characters")
    if not known:
        return Missing("No two titles share a main character.")
    people = list(dict.fromkeys(bucket for _, bucket, _ in known))
    titles = [title for title in dict.fromkeys(measure for _, _, measure in known) if title != "titles"]
    rows = [
        (Cell(title), *(Cell("yes" if known["all", one, title][0] else wording.NONE) for one in people))
        for title in titles
    ]
    rows.append((Cell("titles in all", mood="strong"), *(_counted(known["all", one, "titles"]) for one in people)))
    caption = (
        "Why titles belong together: main characters who play in most titles of the largest cluster, and some of these "
        "titles."
    )
    return Table(caption, (Column("Title", number=False), *map(Column, people)), tuple(rows))


def imported(statistics: pl.DataFrame) -> dict[str, Block]:
    """Return the tables of the split that a site brings, by name; none where it brings none."""
    known = figures_of(statistics, "imported_split")
    if not known:
        return {}
    parts = [f"{IMPORTED}{part}" for part in PARTS]
    words_of_both = _words_of(statistics, parts, "the split that came with this site")
    return {"imported_split": _imported_split(known), "words_by_imported_part": words_of_both}


def _imported_split(known: Figures) -> Table:
    """Return the split that a site brings beside ours."""
    lines = [(wording.plain(measure) + _OF_PART[part], part, measure) for part, measure in _COMPARED]
    rows = [
        (Cell(name), *(_counted(known.get((part, split, measure), (None, None))) for split in ("imported", "ours")))
        for name, part, measure in lines
    ]
    caption = (
        "The split that came with this site beside the one drawn here. What is torn has rows in both parts, so that "
        "its test titles are not new to a model. Unknown are titles that it places and cleaning removed, unplaced kept "
        "ones that it does not place, agreed those that both put into the same part."
    )
    return Table(caption, (Column("What", number=False), Column("imported"), Column("ours")), tuple(rows))


_OF_PART = {"train": ", train", "test": ", test", "all": ""}
_COMPARED = [
    *((part, measure) for measure in ("rows", "clusters", "characters") for part in PARTS),
    *(("all", measure) for measure in ("torn_clusters", "torn_characters", "unknown", "unplaced", "agreed")),
]


# Cells


def _counted(figure: tuple[float | None, float | None], *, strong: bool = False) -> Cell:
    value, paper = figure
    beside = wording.number(paper, 0) if paper is not None else ""
    return Cell(wording.number(value, 0), paper=beside, mood="strong" if strong else "")


def _share(part: float, whole: float) -> Cell:
    return Cell(wording.percent(part / whole) if whole else wording.NONE)


def _floors(figures: Figures) -> list[str]:
    buckets = {bucket for _, bucket, _ in figures}
    return sorted(buckets - {"all"}) + (["all"] if "all" in buckets else [])


def _floor(bucket: str) -> Cell:
    return Cell("all", mood="strong") if bucket == "all" else Cell(bucket)


def _measured(figures: Figures, part: str, bucket: str) -> list[Cell]:
    """Return samples, max, min and mean with the paper's below each."""
    return [_cell(figures.get((part, bucket, measure), (None, None)), measure) for measure in MEASURES]


def _mean(figures: Figures, part: str, bucket: str) -> Cell:
    return _cell(figures.get((part, bucket, "mean"), (None, None)), "mean")


def _cell(figure: tuple[float | None, float | None], measure: str) -> Cell:
    value, paper = figure
    digits = 1 if measure == "mean" else 0
    return Cell(wording.number(value, digits), paper=wording.number(paper, digits) if paper is not None else "")
