"""What was learned from: the corpus, what was left out of it, and how it was split.

Belongs here: sections on data. Does not: results.
"""

from collections.abc import Iterator, Sequence

import polars as pl

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

MEASURES = ("samples", "max", "min", "mean")
REASONS_SHOWN = 20


def corpus_section(facts: Facts) -> Section:
    """Return the corpus: the way to it, its texts beside the published ones, its scores and years."""
    return Section("corpus", "The corpus", tuple(_corpus(facts)))


def _corpus(facts: Facts) -> Iterator[Block]:
    yield _funnel(facts.statistics)
    flops = _flops(facts.statistics)
    if flops:
        yield Paragraph(flops)
    yield Heading("Texts")
    yield _words(facts.statistics)
    if _of(facts.statistics, "synopsis_words", "all").height:
        yield picture(
            "words_by_score",
            f"Mean words of the synopsis and mean number of main characters by score.{_trend(facts.statistics)} Fans "
            "write these pages after release, so that length is a trace of fame and not a quality of a pitch.",
            lambda theme: figures.words_by_score(facts.statistics, theme=theme),
        )
    yield Heading("Scores and years")
    if facts.corpus.is_empty():
        yield Missing("The corpus is empty, so there are no scores or years to show.")
        return
    yield picture(
        "scores",
        f"How many titles have which score. {_middle(facts.corpus)}",
        lambda theme: figures.score_histogram(facts.corpus, theme=theme),
    )
    if facts.corpus["year"].drop_nulls().len():
        yield picture(
            "years",
            "How many titles of each year are in the corpus; years with few titles teach little.",
            lambda theme: figures.titles_by_year(facts.corpus, theme=theme),
        )


def _of(statistics: pl.DataFrame, statistic: str, part: str) -> pl.DataFrame:
    return statistics.filter(pl.col("statistic") == statistic, pl.col("part") == part)


def _funnel(statistics: pl.DataFrame) -> Block:
    steps = {
        bucket: value or 0 for bucket, value in _of(statistics, "funnel_anime", "all").select("bucket", "value").rows()
    }
    if "parsed" not in steps or "kept" not in steps:
        return Missing("How many titles each rule removed was not recorded.")
    rules = sorted(steps.keys() - {"parsed", "kept"}, key=lambda rule: (-steps[rule], rule))
    rows = [
        (Cell("pages read"), _whole(steps["parsed"]), Cell("100 %")),
        *(
            (Cell(f"left: {wording.plain(rule)}"), _removed(steps[rule]), _share(steps[rule], steps["parsed"]))
            for rule in rules
        ),
        (
            Cell("kept", mood="strong"),
            Cell(f"{steps['kept']:,.0f}", mood="strong"),
            _share(steps["kept"], steps["parsed"]),
        ),
    ]
    caption = (
        f"From {steps['parsed']:,.0f} pages to {steps['kept']:,.0f} titles. "
        f"A title leaves under the first rule that it breaks; most leave for: {wording.plain(rules[0])}."
        if rules
        else f"From {steps['parsed']:,.0f} pages to {steps['kept']:,.0f} titles: no rule removed any."
    )
    return Table(caption, (Column("Step", number=False), Column("Titles"), Column("Share")), tuple(rows))


def _whole(value: float) -> Cell:
    return Cell(f"{value:,.0f}")


def _removed(value: float) -> Cell:
    return Cell(f"−{value:,.0f}")


def _share(part: float, whole: float) -> Cell:
    return Cell(wording.percent(part / whole) if whole else wording.NONE)


def _flops(statistics: pl.DataFrame) -> str:
    known = {(bucket, measure): value for bucket, measure, value in
             _of(statistics, "left_out", "all").select("bucket", "measure", "value").rows()}  # fmt: skip
    members = known.get(("left_out", "members_median")), known.get(("kept", "members_median"))
    if members[0] is None or members[1] is None:
        return ""
    return (
        f"What was left out is not a fair sample: its titles have a median of {members[0]:,.0f} members, those kept "
        f"{members[1]:,.0f}. Flops are missing, and every number below is about titles that found some audience."
    )


FEWEST_IN_FLOOR = 10


def _trend(statistics: pl.DataFrame) -> str:
    """Return where mean words start and end, from the lowest to the highest score with enough titles."""
    own = _of(statistics, "synopsis_words", "all").filter(pl.col("bucket") != "all")
    wide = own.pivot("measure", index="bucket", values="value", aggregate_function="first").sort("bucket")
    usual = wide.filter(pl.col("samples") >= FEWEST_IN_FLOOR) if "samples" in wide.columns else wide.clear()
    if usual.height < 2:
        return ""
    low, high = usual.row(0, named=True), usual.row(-1, named=True)
    verb = "grow" if high["mean"] > low["mean"] else "fall"
    return (
        f" Words {verb} from {low['mean']:.0f} at a score of {low['bucket']} to {high['mean']:.0f} at {high['bucket']}."
    )


def _middle(corpus: pl.DataFrame) -> str:
    low, high = (float(corpus["score"].quantile(share) or 0) for share in (0.05, 0.95))
    return (
        f"Nine in ten lie between {low:.1f} and {high:.1f}: always answering the mean is seldom far off, and that is "
        "the baseline to beat."
    )


def _words(statistics: pl.DataFrame) -> Block:
    own, people = (_of(statistics, name, "all") for name in ("synopsis_words", "description_words"))
    if own.is_empty():
        return Missing("Words of synopses were not counted.")
    rows = [(_floor(bucket), *_measured(own, bucket)) for bucket in _floors(own)]
    rows += [(Cell("descriptions of main characters"), *_measured(people, "all"))] if people.height else []
    beside = " The published figure stands under ours." if own["published"].is_not_null().any() else ""
    caption = f"Words of synopses by floor of the score, and of descriptions.{beside}"
    return Table(caption, (Column("Score", number=False), *map(Column, MEASURES)), tuple(rows))


def _floors(rows: pl.DataFrame) -> list[str]:
    return sorted(set(rows["bucket"].to_list()) - {"all"}) + (["all"] if "all" in rows["bucket"] else [])


def _floor(bucket: str) -> Cell:
    return Cell("all", mood="strong") if bucket == "all" else Cell(bucket)


def _measured(rows: pl.DataFrame, bucket: str) -> list[Cell]:
    own = {
        measure: (value, published)
        for measure, value, published in rows.filter(pl.col("bucket") == bucket)
        .select("measure", "value", "published")
        .iter_rows()
    }
    cells = []
    for measure in MEASURES:
        value, published = own.get(measure, (None, None))
        digits = 1 if measure == "mean" else 0
        paper = wording.number(published, digits) if published is not None else ""
        cells.append(Cell(wording.number(value, digits), paper=paper))
    return cells


def rejects_section(facts: Facts) -> Section:
    """Return what could not be used, and why."""
    blocks = [
        _reasons(
            facts.parse_rejects.select("table", reason=_parse_reason()),
            "Pages and rows that could not be read, by table and reason.",
            "Every page could be read: nothing was rejected while parsing.",
        ),
        _reasons(
            facts.corpus_rejects.select(
                pl.col("table").cast(pl.String), reason=pl.col("rule").str.replace_all("_", " ")
            ),
            "Titles and characters that were read but are not fit to learn from, by the first rule that they broke.",
            "Cleaning removed nothing.",
        ),
    ]
    return Section("rejects", "What was left out", tuple(blocks))


def _parse_reason() -> pl.Expr:
    return pl.concat_str(["field", "reason"], separator=": ", ignore_nulls=True)


def _reasons(rejects: pl.DataFrame, caption: str, none: str) -> Block:
    if rejects.is_empty():
        return Missing(none)
    counts = rejects.group_by("table", "reason").len().sort("table", "len", "reason", descending=[False, True, False])
    rows = [
        (Cell(table), Cell(reason), Cell(f"{amount:,}")) for table, reason, amount in counts.head(REASONS_SHOWN).rows()
    ]
    rest = counts.slice(REASONS_SHOWN)
    if rest.height:
        rows.append((Cell("others"), Cell(f"{rest.height} further reasons"), Cell(f"{rest['len'].sum():,}")))
    return Table(
        f"{caption} {wording.count(rejects.height, 'row')} together.",
        (Column("Table", number=False), Column("Reason", number=False), Column("Rows")),
        tuple(rows),
    )


def split_section(facts: Facts) -> Section:
    """Return how titles were divided into those to learn from and those to be judged by."""
    texts = _words_by_part(facts.split_statistics)
    return Section("split", "The split", (Bullets(_SPLITS), _balance(facts.split_statistics), texts))


def _words_by_part(statistics: pl.DataFrame) -> Block:
    """Return train beside test, so that a lopsided draw is seen at once."""
    parts = {part: _of(statistics, "synopsis_words", part) for part in ("train", "test")}
    if all(own.is_empty() for own in parts.values()):
        return Missing("Words of synopses were not counted for train and test.")
    people = {part: _of(statistics, "description_words", part) for part in parts}
    rows = [
        (_floor(bucket), *(cell for own in parts.values() for cell in _measured(own, bucket)))
        for bucket in _floors(pl.concat(parts.values()))
    ]
    if any(own.height for own in people.values()):
        rows.append((Cell("descriptions"), *(cell for own in people.values() for cell in _measured(own, "all"))))
    caption = (
        "Words of synopses by floor of the score in both parts of the published split, and of descriptions of main "
        "characters; published figures below ours. In a fair draw the means of train and test are alike."
    )
    columns = (Column("Score", number=False), *(Column(f"{measure}, {part}") for part in parts for measure in MEASURES))
    return Table(caption, columns, tuple(rows))


_SPLITS = (
    ("published:", "titles that share a main character stay together; one draw of about four to one, as in the paper."),
    ("grouped:", "the same, in five folds, so that every title is predicted once by a model that has not seen it."),
    ("temporal:", "learned from earlier years, judged on later ones; sequels of known titles are reported apart."),
)


def _balance(statistics: pl.DataFrame) -> Block:
    own = statistics.filter(pl.col("statistic") == "balance")
    if own.is_empty():
        return Missing("How many titles each part has was not recorded.")
    known = {(split, part, measure): value for split, part, measure, value in
             own.select("bucket", "part", "measure", "value").rows()}  # fmt: skip
    splits = sorted({split for split, _, _ in known})
    wanted: Sequence[tuple[str, str]] = (("train", "rows"), ("test", "rows"), ("test", "seen"))
    rows = [(Cell(split), *(Cell(wording.number(known.get((split, *key)), 0)) for key in wanted)) for split in splits]
    caption = (
        "Rows of each split. Grouped counts each title once for each fold that it trains. "
        "Only time may part a cluster: the last column counts test rows with relatives in the train part."
    )
    titles = (Column("Split", number=False), Column("Train"), Column("Test"), Column("Test, relatives seen"))
    return Table(caption, titles, tuple(rows))
