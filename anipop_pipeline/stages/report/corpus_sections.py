"""What was learned from: the corpus, what was left out of it, and how it was split.

Belongs here: sections on data. Does not: results, the tables themselves (corpus_tables).
"""

from collections.abc import Iterator

import polars as pl

from anipop_pipeline.stages.report import cells, corpus_figures, corpus_tables, doubt_tables, wording
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
from anipop_pipeline.stages.tables.split import AUTHORS

REASONS_SHOWN = 20
FEWEST_IN_FLOOR = 10


def corpus_section(facts: Facts) -> Section:
    """Return the corpus: the way to it, its texts beside the published ones, its scores and years."""
    return Section("corpus", "The corpus", tuple(_corpus(facts)))


def _corpus(facts: Facts) -> Iterator[Block]:
    yield corpus_tables.funnel(facts.statistics, begin="pages read" if facts.crawled else "titles brought")
    if _has(facts.statistics, "funnel_characters"):
        begin = "pages read" if facts.crawled else "characters brought"
        yield corpus_tables.funnel(facts.statistics, "characters", begin=begin)
    if _has(facts.statistics, "left_out"):
        yield corpus_tables.left_out(facts.statistics)
    flops = _flops(facts.statistics)
    if flops:
        yield Paragraph(flops)
    yield Heading("Texts")
    yield corpus_tables.words(facts.statistics)
    if _has(facts.statistics, "synopsis_words"):
        yield picture(
            "words_by_score",
            f"Mean words of the synopsis and mean number of main characters by score.{_trend(facts.statistics)} Fans "
            "write these pages after release, so that length is a trace of fame and not a quality of a pitch.",
            lambda theme: corpus_figures.words_by_score(facts.statistics, theme=theme),
        )
    if _has(facts.statistics, "oddities"):
        yield doubt_tables.oddities(facts.statistics)
    yield Heading("Scores and years")
    yield from _scores_and_years(facts.corpus)
    if _has(facts.statistics, "site_mean"):
        yield doubt_tables.formula(facts.statistics)


def _scores_and_years(corpus: pl.DataFrame) -> Iterator[Block]:
    if corpus.is_empty():
        yield Missing("The corpus is empty, so there are no scores or years to show.")
        return
    yield picture(
        "scores",
        f"How many titles have which score. {_middle(corpus)}",
        lambda theme: corpus_figures.score_histogram(corpus, theme=theme),
    )
    if corpus["year"].drop_nulls().len():
        yield picture(
            "years",
            "How many titles of each year are in the corpus; years with few titles teach little.",
            lambda theme: corpus_figures.titles_by_year(corpus, theme=theme),
        )


def _has(statistics: pl.DataFrame, statistic: str) -> bool:
    return not statistics.filter(pl.col("statistic") == statistic).is_empty()


def _flops(statistics: pl.DataFrame) -> str:
    known = cells.figures_of(statistics, "left_out")
    left, kept = (known.get(("all", bucket, "members_median"), (None, None))[0] for bucket in ("left_out", "kept"))
    if left is None or kept is None:
        return ""
    if left >= kept:
        return (
            f"What was left out has a median of {left:,.0f} members, what was kept {kept:,.0f}: here it is not the "
            "unknown titles that are missing."
        )
    return (
        f"What was left out is not a fair sample: its titles have a median of {left:,.0f} members, those kept "
        f"{kept:,.0f}. Flops are missing, and every number below is about titles that found some audience."
    )


def _trend(statistics: pl.DataFrame) -> str:
    """Return where mean words start and end, from the lowest to the highest score with enough titles."""
    own = cells.figures_of(statistics, "synopsis_words")
    floors = sorted({bucket for part, bucket, _ in own if part == "all" and bucket != "all"})
    usual = [floor for floor in floors if (own["all", floor, "samples"][0] or 0) >= FEWEST_IN_FLOOR]
    if len(usual) < 2:
        return ""
    low, high = (own["all", floor, "mean"][0] or 0.0 for floor in (usual[0], usual[-1]))
    verb = "grow" if high > low else "fall"
    return f" Words {verb} from {low:.0f} at a score of {usual[0]} to {high:.0f} at {usual[-1]}."


def _middle(corpus: pl.DataFrame) -> str:
    low, high = (float(corpus["score"].quantile(share) or 0) for share in (0.05, 0.95))
    return (
        f"Nine in ten lie between {low:.1f} and {high:.1f}: always answering the mean is seldom far off, and that is "
        "the baseline to beat."
    )


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
    """Return what belongs together, and how titles were divided into those to learn from and those to be judged by."""
    return Section("split", "The split", tuple(_split(facts.split_statistics)))


_SPLIT_BROUGHT = (
    "authors:",
    "the split that came with this site; test titles that it parts from their relatives are reported apart.",
)
_SPLITS = (
    ("published:", "titles that share a main character stay together; one draw of about four to one, as in the paper."),
    ("grouped:", "the same, in five folds, so that every title is predicted once by a model that has not seen it."),
    ("temporal:", "learned from earlier years, judged on later ones; sequels of known titles are reported apart."),
)


def _split(statistics: pl.DataFrame) -> Iterator[Block]:
    brought = {split for _, split, _ in cells.figures_of(statistics, "balance")} & {AUTHORS}
    yield Bullets((*_SPLITS, _SPLIT_BROUGHT) if brought else _SPLITS)
    yield corpus_tables.balance(statistics)
    yield from corpus_tables.imported(statistics).values()
    yield Heading("What belongs together")
    yield corpus_tables.cluster_sizes(statistics)
    yield corpus_tables.shared_characters(statistics)
    yield Heading("Train beside test")
    yield corpus_tables.words_by_part(statistics)
    if _has(statistics, "synopsis_words"):
        yield picture(
            "words_by_part",
            "Mean words of the synopsis and mean number of main characters by score, in train and in test of the "
            "published split. Floors of the score with few titles differ by chance.",
            lambda theme: corpus_figures.words_by_score(statistics, corpus_tables.PARTS, theme=theme),
        )
