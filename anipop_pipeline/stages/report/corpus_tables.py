"""Tables of what was learned from, written from figures alone, for the report and for Dagster's pages.

Belongs here: from rows of statistics to one table each. Does not: computing a figure (statistics), the order in which
tables are told (corpus_sections).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from anipop_pipeline.stages.report import cells, doubt_tables, wording
from anipop_pipeline.stages.report.document import Block, Cell, Column, Missing, Table
from anipop_pipeline.stages.tables import published

PARTS = ("train", "test")
IMPORTED = "imported "  # what the parts of a split that a site brings are called by


def of_corpus(statistics: pl.DataFrame) -> dict[str, Block]:
    """Return every table of a corpus by name."""
    return {
        "funnel": funnel(statistics),
        "funnel_characters": funnel(statistics, "characters"),
        "left_out": left_out(statistics),
        "words": words(statistics),
        "titles_by_year": years(statistics),
        "oddities": doubt_tables.oddities(statistics),
        "formula": doubt_tables.formula(statistics),
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


# The corpus


def funnel(statistics: pl.DataFrame, name: str = "anime", *, begin: str = "read") -> Block:
    """Return how many rows each rule removed, beside the paper's beginning and end.

    `begin` is what all of them are called: pages of a crawl, or what an import brings.
    """
    known = {bucket: figure for (_, bucket, _), figure in cells.figures_of(statistics, f"funnel_{name}").items()}
    what = "titles" if name == "anime" else name
    if "parsed" not in known or "kept" not in known:
        return Missing(f"How many {what} each rule removed was not recorded.")
    steps = {bucket: value or 0.0 for bucket, (value, _) in known.items()}
    rules = sorted(steps.keys() - {"parsed", "kept"}, key=lambda rule: (-steps[rule], rule))
    left = [
        (Cell(f"left: {wording.plain(rule)}"), Cell(f"−{steps[rule]:,.0f}"), cells.share(steps[rule], steps["parsed"]))
        for rule in rules
    ]
    kept = cells.share(steps["kept"], steps["parsed"])
    rows = [
        (Cell(begin), cells.counted(known["parsed"]), Cell("100 %")),
        *left,
        (Cell("kept", mood="strong"), cells.counted(known["kept"], strong=True), kept),
    ]
    return Table(
        _way(steps, rules, what, begin),
        (Column("Step", number=False), Column(what.capitalize()), Column("Share")),
        tuple(rows),
    )


def _way(steps: Mapping[str, float], rules: Sequence[str], what: str, begin: str) -> str:
    way = f"From {steps['parsed']:,.0f} {begin} to {steps['kept']:,.0f} {what}"
    if not rules:
        return f"{way}: no rule removed any."
    return f"{way}. Each leaves under the first rule that it breaks; most leave for: {wording.plain(rules[0])}."


def left_out(statistics: pl.DataFrame) -> Block:
    """Return how known, liked and old titles are that left, rule by rule, beside those that were kept."""
    known, types = cells.figures_of(statistics, "left_out"), cells.figures_of(statistics, "left_out_types")
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


def _commonest(types: cells.Figures, bucket: str) -> str:
    own = [(kind, value or 0.0) for (_, other, kind), (value, _) in types.items() if other == bucket]
    first = sorted(own, key=lambda one: (-one[1], one[0]))[:_TYPES_SHOWN]
    return ", ".join(f"{kind} {wording.percent(share)}" for kind, share in first) or wording.NONE


def words(statistics: pl.DataFrame) -> Block:
    """Return words of synopses and main characters by floor of the score, and words of descriptions."""
    own, casts, people = (cells.figures_of(statistics, name) for name in _WORDS)
    if not own:
        return Missing("Words of synopses were not counted.")
    rows = [
        (cells.floor(bucket), *cells.measured(own, "all", bucket), cells.mean(casts, "all", bucket))
        for bucket in cells.floors(own)
    ]
    rows += [(Cell(_OF_ROWS), *blank) for blank in _means_of_rows(own, ["all"])]
    if people:
        rows.append((Cell("descriptions of main characters"), *cells.measured(people, "all", "all"), Cell("")))
    beside = f" The published figure stands under ours. {_PLAIN}" if _has_paper(own) else ""
    caption = f"Words of synopses by floor of the score, main characters of a title, and words of descriptions.{beside}"
    columns = (Column("Score", number=False), *map(Column, cells.MEASURES), Column("main characters, mean"))
    return Table(caption, columns, tuple(rows))


_WORDS = ("synopsis_words", "main_characters", "description_words")
_OF_ROWS = "plain mean of the rows"
_PLAIN = (
    "What the paper prints as the mean of all is the plain mean of its nine rows, and stands beside ours of that kind; "
    "the mean over all titles is another."
)


def _has_paper(figures: cells.Figures) -> bool:
    return any(paper is not None for _, paper in figures.values())


def _means_of_rows(own: cells.Figures, parts: Sequence[str]) -> list[tuple[Cell, ...]]:
    """Return the cells of one row for each part that has a plain mean of the rows above."""
    known = [own.get((part, "all", "mean_of_rows"), cells.NOTHING) for part in parts]
    blank = (Cell(""),) * (len(cells.MEASURES) - 1)
    return [(*blank, cells.cell(figure, "mean_of_rows"), Cell("")) for figure in known if figure != cells.NOTHING]


def years(statistics: pl.DataFrame) -> Block:
    """Return how many titles of each year are in the corpus."""
    known = cells.figures_of(statistics, "titles_by_year")
    if not known:
        return Missing("No title has a year.")
    rows = [(Cell(year), cells.counted(figure)) for (_, year, _), figure in sorted(known.items())]
    return Table("Titles by year of first airing.", (Column("Year", number=False), Column("Titles")), tuple(rows))


# The split


def words_by_part(statistics: pl.DataFrame) -> Block:
    """Return train beside test, so that a lopsided draw is seen at once."""
    return _words_of(statistics, PARTS, "the published split")


def _words_of(statistics: pl.DataFrame, parts: Sequence[str], split: str) -> Block:
    own, casts, people = (cells.figures_of(statistics, name) for name in _WORDS)
    own = {key: figure for key, figure in own.items() if key[0] in parts}
    if not own:
        return Missing("Words of synopses were not counted for train and test.")
    names = {part: Cell(part.removeprefix(IMPORTED)) for part in parts}
    rows = [
        (cells.floor(bucket), names[part], *cells.measured(own, part, bucket), cells.mean(casts, part, bucket))
        for bucket in cells.floors(own)
        for part in parts
    ]
    described = [part for part in parts if (part, "all", "samples") in people]
    plain = [part for part in parts if (part, "all", "mean_of_rows") in own]
    rows += [
        (Cell(_OF_ROWS), names[part], *blank) for part, blank in zip(plain, _means_of_rows(own, plain), strict=True)
    ]
    rows += [(Cell("descriptions"), names[part], *cells.measured(people, part, "all"), Cell("")) for part in described]
    caption = (
        f"Words of synopses by floor of the score and main characters of a title in both parts of {split}, and words "
        "of the descriptions of main characters; published figures below ours. In a fair draw the means of train and "
        f"test are alike.{_footnotes(own, people, parts)}"
    )
    titles = (Column("Score", number=False), Column("Part", number=False), *map(Column, cells.MEASURES))
    return Table(caption, (*titles, Column("main characters, mean")), tuple(rows))


def _footnotes(own: cells.Figures, people: cells.Figures, parts: Sequence[str]) -> str:
    """Return what must be known of the paper's figures, where they stand here."""
    described = [people.get((part, "all", "samples"), cells.NOTHING)[1] for part in parts]
    plain = f" {_PLAIN}" if _has_paper(own) else ""
    if None in described:
        return plain
    train, test = (f"{amount:,.0f}" for amount in described if amount is not None)
    return (
        f"{plain} The paper's described characters of train ({train}) and test ({test}) add up to more than the "
        f"{published.DESCRIPTION_WORDS['all'][0]:,} that it has, although none may be in both."
    )


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
    known = cells.figures_of(statistics, "balance")
    if not known:
        return Missing("How many titles each part has was not recorded.")
    splits = sorted({split for _, split, _ in known})
    rows = [
        (Cell(name), *(cells.counted(known.get((part, split, measure), cells.NOTHING)) for split in splits))
        for (part, measure), name in _SIDES.items()
    ]
    caption = (
        "Titles, clusters and main characters of each split. Grouped counts each title once for each fold that it "
        "trains. Only time, and a split that a site brings, may part a cluster: the last rows count test titles that "
        "are not wholly new."
    )
    return Table(caption, (Column("What", number=False), *map(Column, splits)), tuple(rows))


def cluster_sizes(statistics: pl.DataFrame) -> Block:
    """Return how many titles stand alone, and how many belong to small and large clusters."""
    known = cells.figures_of(statistics, "clusters")
    if not known.get(("all", "all", "clusters"), (None, None))[0]:
        return Missing("There are no clusters.")
    buckets = dict.fromkeys(bucket for _, bucket, _ in known)
    measures = {"clusters": "Clusters", "titles": "Titles", "largest": "Largest"}
    rows = [(cells.floor(one), *(cells.counted(known["all", one, measure]) for measure in measures)) for one in buckets]
    caption = "Clusters of titles that belong together, by the number of their titles."
    return Table(caption, (Column("Titles of a cluster", number=False), *map(Column, measures.values())), tuple(rows))


def shared_characters(statistics: pl.DataFrame) -> Block:
    """Return an example: who of the largest cluster plays in which of its titles."""
    known = cells.figures_of(statistics, "shared_characters")
    if not known:
        return Missing("No two titles share a main character.")
    people = list(dict.fromkeys(bucket for _, bucket, _ in known))
    titles = [title for title in dict.fromkeys(measure for _, _, measure in known) if title != "titles"]
    rows = [(Cell(title), *(_plays(known["all", one, title]) for one in people)) for title in titles]
    of_the_paper = _has_paper(known)
    total = Cell("of these titles" if of_the_paper else "titles in all", mood="strong")
    rows.append((total, *(cells.counted(known["all", one, "titles"]) for one in people)))
    caption = f"Why titles belong together: {_OF_THE_PAPER if of_the_paper else _OF_OURS}"
    return Table(caption, (Column("Title", number=False), *map(Column, people)), tuple(rows))


_OF_OURS = "main characters who play in most titles of the largest cluster, and some of these titles."
_OF_THE_PAPER = (
    "the paper's example of main characters and the titles that they share, as printed under what is known here. A "
    "dash stands for no main part, and for a title that is not here."
)


def _plays(figure: cells.Figure) -> Cell:
    value, paper = figure
    yes_or_no = {True: "yes", False: "no"}
    return Cell("yes" if value else wording.NONE, paper="" if paper is None else yes_or_no[paper > 0])


def imported(statistics: pl.DataFrame) -> dict[str, Block]:
    """Return the tables of the split that a site brings, by name; none where it brings none."""
    known = cells.figures_of(statistics, "imported_split")
    if not known:
        return {}
    parts = [f"{IMPORTED}{part}" for part in PARTS]
    words_of_both = _words_of(statistics, parts, "the split that came with this site")
    return {"imported_split": _imported_split(known), "words_by_imported_part": words_of_both}


def _imported_split(known: cells.Figures) -> Table:
    """Return the split that a site brings beside ours."""
    lines = [(wording.plain(measure) + _OF_PART[part], part, measure) for part, measure in _COMPARED]
    rows = [
        (
            Cell(name),
            *(cells.counted(known.get((part, split, measure), cells.NOTHING)) for split in ("imported", "ours")),
        )
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
