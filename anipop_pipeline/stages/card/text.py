"""The card itself: what the corpus is for, where it comes from, what it cannot tell, whose it is.

Belongs here: words and tables for a person. Does not: keys for machines (front, croissant).
"""

from collections.abc import Iterator, Sequence

import polars as pl

from anipop_pipeline.stages.card import kinds
from anipop_pipeline.stages.card.contents import Terms, Told, fetched, kept_back, quoted, tiers
from anipop_pipeline.stages.card.parquet import DataFile
from anipop_pipeline.stages.tables.features import LEDGER, TIERS

LABEL = "label: "  # how the meaning of a label begins
INVENTED = "> **DEMO: all titles of this corpus are invented.** Nothing in it says anything about real anime."
KEEP = (
    "> **This folder must not be passed on.** It holds {what} that belong to the site, its users and the rights "
    "holders. Keep it where you work; to hand the corpus on, export it again with the dials of `CardConfig` off."
)
KEEP_INVENTED = (
    "> This folder holds {what}. Here they are invented like everything else; from any other site, such a folder must "
    "not be passed on."
)
RIGHTS = (
    "Synopses, biographies and pictures belong to the site, its users and the rights holders; no licence to them is "
    "given here, and none can be. {held} are facts, and all that this folder holds unless its head says otherwise."
)
FACTS = {  # columns that name what is a fact in an export
    "ids": {"anime_id", "character_id"},
    "titles": {"title"},
    "names of characters": {"name"},
    "addresses of pages": {"url"},
    "labels": {"score"},
    "groups of related titles": {"cluster_id"},
    "splits": {"split"},
    "features": {"type", "source"},
}
RIGHTS_INVENTED = (
    "On the demo site the titles, words and pictures are made by this program from a seed: nobody else owns them."
)
PURPOSE = (
    "For estimating how an anime will be received from what is known before much money is spent on it, for repeating "
    "published estimates, and for finding out what they really rest on. Not for judging people, and not for judging a "
    "title that has been released: its score is already there."
)
LIMITS = (
    "Texts and pictures were written after release, by people who already knew how a title was received; a pitch is "
    "not. Titles without a score and titles without described main characters are missing: the flops among them."
)
LEAKS = (
    "Fans write and rewrite the pages of titles that are loved already, so the length of a synopsis, who is credited "
    "for it, the number of characters and the length of their biographies are traces of fame. They are marked "
    "`release`, with votes, members, favourites and awards: a model that reads them does not predict."
)
FORMULA = (
    "The displayed score is W = v / (v + m) * S + m / (v + m) * C, where S is the plain mean of the v votes, C the "
    "mean score of the whole site and m = 50 on MyAnimeList and on the demo. It changes while people vote."
)
SPLITS = (
    "Titles that share a main character, directly or over others, form a cluster (titles of one franchise, "
    "too, where the dial asks for it). `published` is the split to quote "
    "(repeat 0; the further repeats use further seeds, since one split means little) and `grouped` tests every title "
    "once; both keep clusters whole. `temporal` trains on the past and tests on the future, and `authors` is the split "
    "that the corpus came with, where it came with one: their test rows whose cluster has rows in train are marked "
    "`seen`. Fit scalers, vocabularies and thresholds on train alone."
)
CITE = (
    "This folder has no citation of its own; name the site and the days above. The task, the cleaning and the "
    "`published` split follow Armenta-Segura and Sidorov, arXiv 2406.16961 (PeerJ Computer Science 11:e2715)."
)


def body(told: Told, terms: Terms, files: Sequence[DataFile]) -> str:
    """Return the card below its front matter."""
    sections = [
        ("What it is for", PURPOSE),
        ("Where it comes from", provenance(told)),
        ("Funnel", _table(("rule", "rows"), [(rule, f"{count:,.0f}") for rule, count in _funnel(told)])),
        ("What lies here", _inventory(told, files)),
        ("Columns", "\n\n".join(_columns(files))),
        ("Labels", f"{FORMULA}\n\n{_labels(files)}".rstrip()),
        ("Splits", f"{SPLITS}{_lockbox(told)}"),
        ("When each feature exists", f"{LEAKS}\n\n{_ledger()}"),
        ("Limits", LIMITS),
        ("Rights", " ".join([rights(files), *([RIGHTS_INVENTED] if told.invented else [])])),
        ("Citing", CITE),
    ]
    below = "\n\n".join(f"## {title}\n\n{said}" for title, said in sections)
    return f"{_head(told, terms, files)}\n\n{below}\n"


def provenance(told: Told) -> str:
    """Return where the rows come from and when the site said so."""
    made = "The pages of an invented site, built from a seed by this program," if told.invented else "Public pages"
    crawled = f"{made} were read one by one, as the site's robots.txt allows."
    how = crawled if told.crawled else f"Imported from files that others made{_named(told)}."
    days = fetched(told)
    if days is None:
        return f"{how} When its pages were fetched is not known here."
    when = f"on {days[0]}" if days[0] == days[1] else f"between {days[0]} and {days[1]}"
    return f"{how} The site last answered for these titles {when} (UTC)."


def _named(told: Told) -> str:
    """Return the files of an import with their digests, so that anybody can tell whether theirs are the same."""
    named = [f"`{one['name']}` (sha256 `{one['sha256']}`)" for one in told.sources]
    return f": {', '.join(named)}" if named else ""


def withheld(told: Told, terms: Terms, files: Sequence[DataFile]) -> str:
    """Return the warning that a folder with texts or pictures of others carries, nothing for one without."""
    columns = {name for file in files for name in file.schema}
    texts = "texts" if terms.texts and columns & {"synopsis", "description"} else ""
    pictures = "pictures" if terms.pictures and columns & {"poster", "portrait"} else ""
    what = " and ".join(filter(None, (texts, pictures)))
    return (KEEP_INVENTED if told.invented else KEEP).format(what=what) if what else ""


def rights(files: Sequence[DataFile]) -> str:
    """Return whose the texts and pictures are, and what else the folder really holds."""
    columns = {name for file in files for name in file.schema}
    held = [what for what, names in FACTS.items() if columns & names]
    return RIGHTS.format(held=_begun(held)) if held else RIGHTS.partition(" {held}")[0]


def _begun(things: Sequence[str]) -> str:
    """Return things as a sentence begins with them.

    >>> _begun(["ids", "titles", "labels"])
    'Ids, titles and labels'
    """
    return " and ".join(filter(None, [", ".join(things[:-1]), *things[-1:]])).capitalize()


def summary(told: Told) -> str:
    """Return the corpus in one sentence or two."""
    rows, clusters = told.table("corpus_anime"), told.table("clusters")
    said = f"{rows.height:,} anime in {clusters['cluster_id'].n_unique():,} clusters that share no main character."
    if not rows.height:
        return said
    low, high, mean = rows.select(pl.min("score"), high=pl.max("score"), mean=pl.mean("score")).row(0)
    return f"{said} Scores from {low:.2f} to {high:.2f}, mean {mean:.2f}."


def _head(told: Told, terms: Terms, files: Sequence[DataFile]) -> str:
    banners = [INVENTED if told.invented else "", withheld(told, terms, files)]
    return "\n\n".join([f"# Anime popularity: {told.site}", *filter(None, banners), summary(told)])


def _funnel(told: Told) -> list[tuple[str, float]]:
    rows = told.table("corpus_statistics").filter(pl.col("statistic") == "funnel_anime")
    begin = "pages read" if told.crawled else "titles brought"
    return [(begin if rule == "parsed" else rule, count) for rule, count in rows.select("bucket", "value").iter_rows()]


def _inventory(told: Told, files: Sequence[DataFile]) -> str:
    """Return a table of the files, how to read them, and what is not there."""
    rows = [(f"`{f.config.name}`", f"`{f.path}`", f"{f.rows:,}", f.config.row) for f in files]
    said = [_table(("table", "file", "rows", "one row is"), rows)] if rows else ["Nothing: the corpus is empty."]
    if rows:
        said.append('```python\nfrom datasets import load_dataset\n\ntitles = load_dataset("PATH OF THIS FOLDER")\n```')
    missing = [(f"`{name}`", reason) for name, reason in sorted(told.absent.items())]
    if missing:
        said.append(f"Not here, and why:\n\n{_table(('table', 'reason'), missing)}")
    return "\n\n".join(said)


def _labels(files: Sequence[DataFile]) -> str:
    """Return a line for each label of the titles."""
    meanings = {name: file.config.meanings.get(name, "") for file in files for name in file.schema}
    named = [(name, meaning) for name, meaning in meanings.items() if meaning.startswith(LABEL)]
    return "\n".join(f"- `{name}`: {meaning.removeprefix(LABEL)}" for name, meaning in named)


def _columns(files: Sequence[DataFile]) -> Iterator[str]:
    """Give a table of columns for each table of the export."""
    for name, file in {file.config.name: file for file in files}.items():
        exists, meanings = tiers(iter(file.schema)), file.config.meanings
        rows = [
            (f"`{column}`", kinds.in_words(kind), meanings.get(column, ""), exists.get(column, ""))
            for column, kind in file.schema.items()
        ]
        yield f"### `{name}`\n\n{_table(('column', 'type', 'meaning', 'known from'), rows)}"


def _ledger() -> str:
    """Return the table of tiers, in the order in which they come."""
    by_tier = [(tier, ", ".join(f"`{name}`" for name, first in LEDGER.items() if first == tier)) for tier in TIERS]
    return _table(("known from", "what"), by_tier)


def _lockbox(told: Told) -> str:
    kept = kept_back(told)
    whole = (
        "" if quoted(told).filter(pl.col("part") == "test").height else " Here nothing has been split: all is train."
    )
    return whole + (f" Kept for the end by a lockbox, and in no file: {kept:,}." if kept else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table in Markdown; a bar inside a cell would end it.

    >>> print(_table(("rule", "rows"), [("a|b", "3")]))
    | rule | rows |
    |---|---|
    | a\|b | 3 |
    """
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], written[1].replace(" ", ""), *written[2:]])
