"""Assets of the corpus: which anime and characters are fit to learn from.

Belongs here: what each table of the corpus is made from. Does not: the rules (clean).
"""

import dagster as dg
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.config import CorpusConfig
from anipop_pipeline.lake import Folder, reason_absent
from anipop_pipeline.stages import clean
from anipop_pipeline.stages.clean import Kept


@asset("corpus", tolerant=True)
def corpus_anime(
    anime: pl.DataFrame,
    roles: pl.DataFrame,
    characters: pl.DataFrame,
    portraits: pl.DataFrame,
    config: CorpusConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each scored anime whose synopsis and main characters tell a story."""
    usable = _usable(characters, portraits, config)
    kept = clean.usable_anime(
        anime,
        roles,
        None if usable is None else usable.rows,
        min_words=config.min_words,
        need_characters=config.need_characters,
    )
    return _cleaned(kept)


@asset("corpus")
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
    return _cleaned(clean.kept_characters(usable, roles, corpus_anime))


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
    anime: pl.DataFrame, corpus_anime: pl.DataFrame, corpus_characters: pl.DataFrame, corpus_rejects: pl.DataFrame
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each figure that describes the corpus, beside the published one."""
    return dg.MaterializeResult(value=clean.corpus_statistics(anime, corpus_anime, corpus_characters, corpus_rejects))


ASSETS = [corpus_anime, corpus_characters, corpus_roles, corpus_rejects, corpus_statistics]


def _usable(characters: pl.DataFrame, portraits: pl.DataFrame, dials: CorpusConfig) -> Kept | None:
    """Return the characters that can be used; None where a site describes none, so that no rule asks for them."""
    if reason_absent(characters):
        return None
    pictured = None if reason_absent(portraits) else portraits
    return clean.usable_characters(characters, pictured, min_words=dials.min_description_words, spoilers=dials.spoilers)


def _cleaned(kept: Kept) -> dg.MaterializeResult[Folder]:
    """Return a table with its rejects beside it."""
    counts = dict(kept.rejects.group_by("rule").len().sort("rule").rows())
    folder = Folder({"table.parquet": kept.rows, "rejects.parquet": kept.rejects})
    return dg.MaterializeResult(value=folder, metadata={"rejected": kept.rejects.height, "by_rule": counts})
