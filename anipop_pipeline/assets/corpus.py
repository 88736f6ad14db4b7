"""Assets of the corpus: which anime and characters are fit to learn from.

Belongs here: what each table of the corpus is made from. Does not: the rules (clean).
"""

import dagster as dg
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.config import CorpusConfig
from anipop_pipeline.lake import Folder, Lake, reason_absent
from anipop_pipeline.resources import LakeResource
from anipop_pipeline.stages import clean, labels, oddities, statistics
from anipop_pipeline.stages.clean import Kept
from anipop_pipeline.stages.report import corpus_tables, markdown
from anipop_pipeline.stages.tables.corpus import CorpusCharacters


@asset("corpus", tolerant=True)
def corpus_anime(
    anime: pl.DataFrame,
    roles: pl.DataFrame,
    characters: pl.DataFrame,
    portraits: pl.DataFrame,
    histograms: pl.DataFrame,
    further_scores: pl.DataFrame,
    lake: LakeResource,
    config: CorpusConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each scored anime whose synopsis and main characters tell a story, with every label that it has."""
    site = lake.open()
    if not _has(site, "synopses"):
        return dg.MaterializeResult(value=Folder(absent=f"{site.name} is an import without synopses"))
    usable = None if reason_absent(roles) else _usable(characters, portraits, config)
    kept = clean.usable_anime(
        anime,
        roles,
        None if usable is None else usable.rows,
        min_words=config.min_words,
        need_title=config.need_title and _has(site, "titles"),
        need_characters=config.need_characters,
        need_english=config.need_english,
        need_unique=config.need_unique,
        texts=config.texts,
        histograms=_there(histograms),
        further=_there(further_scores),
        site_mean=config.site_mean,
    )
    return _cleaned(kept, oddities.of_anime(kept.rows), site_mean=config.site_mean)


@asset("corpus", spare=("portraits",))
def corpus_characters(
    characters: pl.DataFrame,
    portraits: pl.DataFrame,
    roles: pl.DataFrame,
    corpus_anime: pl.DataFrame,
    config: CorpusConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each main character with a useful description and a portrait, in an anime that was kept."""
    usable = _usable(characters, portraits, config)
    assert usable is not None
    kept = clean.kept_characters(usable, roles, corpus_anime)
    return _cleaned(kept, oddities.of_characters(kept.rows))


@asset("corpus", tolerant=True)
def corpus_roles(
    roles: pl.DataFrame, corpus_anime: pl.DataFrame, corpus_characters: pl.DataFrame
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each kept main character in each kept anime."""
    described = None if reason_absent(corpus_characters) else corpus_characters
    return dg.MaterializeResult(value=clean.kept_roles(roles, corpus_anime, described))


@asset("corpus", tolerant=True)
def corpus_rejects(corpus_anime: Folder, corpus_characters: Folder) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime and character that cleaning removed, with the rule that it broke."""
    there = [part for part in (corpus_anime, corpus_characters) if part.absent is None]
    rejects = pl.concat([part.table("rejects") for part in there])
    by_rule = dict(rejects.group_by("rule").len().sort("rule").rows())
    return dg.MaterializeResult(value=rejects, metadata={"by_rule": by_rule})


@asset("corpus", tolerant=True)
def corpus_statistics(
    anime: pl.DataFrame,
    histograms: pl.DataFrame,
    corpus_anime: Folder,
    corpus_characters: Folder,
    corpus_rejects: pl.DataFrame,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each figure that describes the corpus, beside the published one."""
    titles, parts = corpus_anime.table(), (corpus_anime, corpus_characters)
    people = CorpusCharacters.create_empty() if corpus_characters.absent else corpus_characters.table()
    odd = pl.concat([part.table("oddities") for part in parts if "oddities.parquet" in part.files])
    described = [
        statistics.corpus_statistics(anime, titles, people, corpus_rejects),
        oddities.statistics(odd),
        labels.statistics(anime, titles, _there(histograms), corpus_anime.notes.get("site_mean", 0.0)),
    ]
    figures = pl.concat(described)
    shown = corpus_tables.of_corpus(figures)
    return dg.MaterializeResult(
        value=figures, metadata={name: dg.MetadataValue.md(markdown.passage([table])) for name, table in shown.items()}
    )


ASSETS = [corpus_anime, corpus_characters, corpus_roles, corpus_rejects, corpus_statistics]


def _usable(characters: pl.DataFrame, portraits: pl.DataFrame, dials: CorpusConfig) -> Kept | None:
    """Return the characters that can be used; None where a site describes none, so that no rule asks for them."""
    if reason_absent(characters):
        return None
    return clean.usable_characters(
        characters,
        _there(portraits) if dials.need_portrait else None,
        min_words=dials.min_description_words,
        spoilers=dials.spoilers,
        need_description=dials.need_description,
        texts=dials.texts,
    )


def _has(site: Lake, what: str) -> bool:
    """Return whether a rule may ask for something; an import says what it has none of, a crawl has everything."""
    said = site.imported() or {}
    return bool(said.get("has", {}).get(what, True))


def _there(table: pl.DataFrame) -> pl.DataFrame | None:
    return None if reason_absent(table) else table


def _cleaned(kept: Kept, odd: pl.DataFrame, **notes: float) -> dg.MaterializeResult[Folder]:
    """Return a table with its rejects, and what is odd about the rows that it keeps, beside it."""
    by_rule = dict(kept.rejects.group_by("rule").len().sort("rule").rows())
    kinds = dict(odd.group_by(pl.col("oddity").cast(pl.String)).len().sort("oddity").rows())
    files = {"table.parquet": kept.rows, "rejects.parquet": kept.rejects, "oddities.parquet": odd}
    folder = Folder(files, notes=notes)
    return dg.MaterializeResult(
        value=folder, metadata={"rejected": kept.rejects.height, "by_rule": by_rule, "oddities": kinds}
    )
