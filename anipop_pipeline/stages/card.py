"""The card of a corpus: what it is, what it is not, and what may be passed on.

Belongs here: facts about a corpus in the layout of a dataset card. Does not: texts or pictures, which belong to the
site, its users and the rights holders.
"""

import polars as pl

INVENTED = "> **DEMO: all titles of this corpus are invented.** Nothing in it says anything about real anime.\n"
RIGHTS = (
    "Synopses, biographies and pictures belong to the site, its users and the rights holders. They are not in this "
    "folder: it holds ids, labels, clusters and splits, which are facts."
)
LIMITS = (
    "Texts and pictures were written after release, by people who already knew how a title was received; a pitch is "
    "not. Titles without a score and titles without described main characters are missing: the flops among them."
)


def build(
    site: str,
    invented: bool,
    corpus: pl.DataFrame,
    statistics: pl.DataFrame,
    clusters: pl.DataFrame,
    splits: pl.DataFrame,
) -> dict[str, pl.DataFrame | bytes]:
    """Return the card and the tables that it describes, by file name."""
    rows = corpus.select("anime_id", "title", "url", "score", "audience", "year", "type").join(
        clusters, on="anime_id", how="left", validate="1:1"
    )
    quoted = splits.filter(pl.col("repeat") == 0).select("split", "fold", "anime_id", "part", "seen")
    text = _text(site, invented, corpus, statistics, clusters)
    return {"README.md": text.encode(), "anime.parquet": rows, "splits.parquet": quoted}


def _text(site: str, invented: bool, corpus: pl.DataFrame, statistics: pl.DataFrame, clusters: pl.DataFrame) -> str:
    lines = [
        "---",
        "language: en",
        "task_categories: [tabular-regression, text-regression]",
        f"pretty_name: anime popularity, site {site}",
        "---",
        f"# Anime popularity: {site}",
        "",
        *([INVENTED] if invented else []),
        f"{corpus.height:,} anime in {clusters['cluster_id'].n_unique():,} clusters that share no main character."
        f"{_scores(corpus)}",
        "",
        "## Funnel",
        "",
        "| rule | rows |",
        "|---|---:|",
        *[f"| {bucket} | {value:,.0f} |" for bucket, value in _funnel(statistics)],
        "",
        "## Files",
        "",
        "- `anime.parquet`: one row for each anime: id, title, address, labels, year, type, cluster.",
        "- `splits.parquet`: one row for each anime in each fold: which part it plays.",
        "",
        "## Limits",
        "",
        LIMITS,
        "",
        "## Rights",
        "",
        RIGHTS,
        "",
    ]
    return "\n".join(lines)


def _scores(corpus: pl.DataFrame) -> str:
    """Return the range of the scores in words, nothing where there is none."""
    if not corpus.height:
        return ""
    low, high, mean = corpus.select(pl.min("score"), pl.max("score").alias("high"), pl.mean("score").alias("mean")).row(
        0
    )
    return f" Scores from {low:.2f} to {high:.2f}, mean {mean:.2f}."


def _funnel(statistics: pl.DataFrame) -> list[tuple[str, float]]:
    return statistics.filter(pl.col("statistic") == "funnel_anime").select("bucket", "value").rows()
