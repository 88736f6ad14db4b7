"""The paper's Tables 1, 7, 8 and 9 and its clusters, from a real table of MyAnimeList, beside the published figures.

    python benchmarks/paper_tables.py FOLDER

FOLDER, or its folder `tables`, holds `anime_2021.parquet`, `main_character_links.parquet`, `relations_2021.parquet` and
`character_bios.parquet`. Rows go through the same cleaning, clusters and splits as a crawl of our own. Only some
characters are described there, so a main part alone is asked for, as the pipeline does on a site without descriptions;
words of descriptions are counted for those that are described.
"""

import sys
from pathlib import Path

import polars as pl

from anipop_pipeline.config import CorpusConfig, SplitConfig
from anipop_pipeline.stages import clean, cluster, parse, statistics
from anipop_pipeline.stages.features import FRANCHISE
from anipop_pipeline.stages.parse.text import period
from anipop_pipeline.stages.report import corpus_tables, markdown
from anipop_pipeline.stages.tables import published
from anipop_pipeline.stages.tables.corpus import CorpusCharacters
from anipop_pipeline.stages.tables.pages import Anime, Roles

EMPTY = Anime.create_empty()
LISTS = ("genres", "themes", "demographics", "studios", "producers")


def parsed(folder: Path) -> pl.DataFrame:
    """Return the titles as our parser would have left them."""
    raw = pl.read_parquet(folder / "anime_2021.parquet").unique("anime_id", maintain_order=True)
    told = [None if text is None or text.startswith("No synopsis") else text or None for text in raw["synopsis"]]
    rows = raw.join(related(folder), on="anime_id", how="left", validate="1:1").with_columns(
        synopsis=pl.Series([text and (parse.story(text) or None) for text in told], dtype=pl.String),
        synopsis_credit=pl.Series([text and parse.credit(text) for text in told], dtype=pl.String),
        aired_from=pl.Series([period(text)[0] if text else None for text in raw["aired"]], dtype=pl.Date),
        votes="scored_by",
        favourites="favorites",
        relations=pl.col("relations").fill_null(pl.lit([], dtype=EMPTY.schema["relations"])),
        title_synonyms=pl.lit([], dtype=pl.List(pl.String)),
        **{name: pl.col(name).fill_null("").str.split("|").list.filter(pl.element() != "") for name in LISTS},
    )
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in EMPTY.schema.items() if name not in rows.columns]
    return Anime.validate(rows.with_columns(absent).select(EMPTY.columns), cast=True)


def related(folder: Path) -> pl.DataFrame:
    fields = pl.struct(pl.col("relation").str.to_lowercase(), "kind", "related_id")
    return pl.read_parquet(folder / "relations_2021.parquet").group_by("anime_id").agg(relations=fields)


def roles(folder: Path) -> pl.DataFrame:
    links = pl.read_parquet(folder / "main_character_links.parquet").unique(maintain_order=True)
    rows = links.with_columns(name=None, role=pl.lit("main"), url=pl.lit("u"), position=pl.int_range(pl.len()))
    absent = [pl.lit(None).alias(name) for name in Roles.column_names() if name not in rows.columns]
    return Roles.validate(rows.with_columns(absent).select(Roles.column_names()), cast=True)


def people(folder: Path, played: pl.DataFrame) -> pl.DataFrame:
    """Return the described main characters of kept titles; a spoiler and a source are no part of a description."""
    bios = pl.read_parquet(folder / "character_bios.parquet").unique("character_id", maintain_order=True)
    about = (
        pl.col("about").str.replace_all(r"(?s)\[(spoiler|source).*$", "").str.replace_all(r"\[/?[a-z*]+[^\]]*\]", " ")
    )
    rows = bios.join(played, on="character_id", how="semi").with_columns(description=about.str.strip_chars())
    counted = rows.with_columns(words=clean.words("description")).filter(pl.col("words") > 0)
    return CorpusCharacters.validate(counted.select(CorpusCharacters.column_names()), cast=True)


def clustered(corpus: pl.DataFrame, played: pl.DataFrame, name: str) -> None:
    print(f"{name}: {corpus.height:,} titles")
    for what, franchises in (("main characters", ()), ("main characters and franchises", FRANCHISE)):
        found = cluster.clusters(corpus, played, franchises)
        assert found.equals(cluster.relabelled(corpus, played, franchises))
        sizes = found.unique("cluster_id")["size"]
        largest, alone = sizes.max(), (sizes == 1).sum()
        print(f"  by {what}: {sizes.len():,} components, the largest of {largest} titles, {alone:,} of one title")
    print()


def same_example(played: pl.DataFrame, corpus: pl.DataFrame) -> None:
    """Say which parts of the paper's example of shared characters this table has."""
    links = set(played.select("anime_id", "character_id").rows())
    kept = set(corpus["anime_id"])
    pairs = [(title, person) for person, titles in published.SHARED_CHARACTERS.items() for title in titles]
    there = [pair for pair in pairs if pair[0] in kept]
    late = sorted({title for title, _ in pairs} - kept)
    found = f"{sum(pair in links for pair in there)} of {len(there)} published parts in titles that are here"
    print(f"Table 7: {found}; titles that are not: {late}\n")


def main() -> None:
    folder = Path(sys.argv[1])
    folder = folder / "tables" if (folder / "tables").is_dir() else folder
    dials, draw = CorpusConfig(), SplitConfig()
    anime, played = parsed(folder), roles(folder)
    kept = clean.usable_anime(anime, played, None, min_words=dials.min_words, need_characters=True)
    main_parts = clean.kept_roles(played, kept.rows, None)
    described = people(folder, main_parts)
    by_space = kept.rows.filter(pl.col("synopsis").str.split(" ").list.len() >= dials.min_words)
    clustered(kept.rows, main_parts, "words between white space")
    clustered(by_space, clean.kept_roles(played, by_space, None), "words between single spaces")
    same_example(main_parts, kept.rows)
    found = cluster.clusters(kept.rows, main_parts)
    split = cluster.splits(
        kept.rows, found, seed=draw.seed, test_share=draw.test_share, repeats=1, folds=draw.folds,
        temporal_share=draw.temporal_share,
    )  # fmt: skip
    of_corpus = statistics.corpus_statistics(anime, kept.rows, described, kept.rejects)
    of_split = statistics.split_statistics(kept.rows, described, main_parts, found, split)
    print(markdown.passage([*corpus_tables.of_corpus(of_corpus).values(), *corpus_tables.of_split(of_split).values()]))


if __name__ == "__main__":
    main()
