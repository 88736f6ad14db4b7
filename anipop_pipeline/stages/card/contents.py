"""What leaves the lake in an export: which rows, which columns, in which file.

Each `Config` is a table that the reader asks for by name. Those that are about titles alone are cut into the train and
test part of the split to quote, so that nobody looks at a test row by accident; what a lockbox keeps is in none.

Belongs here: the choice of rows and columns. Does not: file formats (parquet), words (text).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dataframely as dy
import polars as pl

from anipop_pipeline.stages import labels
from anipop_pipeline.stages.tables import corpus, features, pages, schema_of, split
from anipop_pipeline.stages.tables.reports import FURTHER

WHOLE = "whole"  # the only part of a table that is not cut
IMAGE = pl.Struct({"bytes": pl.Binary(), "path": pl.String()})
MAGIC = {"png": b"\x89PNG", "jpg": b"\xff\xd8\xff", "gif": b"GIF8", "webp": b"RIFF"}
ONE_OF = {"description": "descriptions", "portrait": "portraits"}
OWN_WORDS = {
    "anime_id": "the site's number of the title",
    "character_id": "the site's number of the character",
    "title": "title as the site gives it",
    "url": "address of its page",
    "name": "name as the site gives it",
    "synopsis": "the story alone, credits removed; belongs to its writers and the site",
    "description": "biography without spoilers; belongs to its writers and the site",
    "poster": "the poster as served; belongs to the rights holders",
    "portrait": "the portrait as served; belongs to the rights holders",
    "split": "published, grouped, temporal, or the authors' own",
    "fold": "each fold tests other titles",
    "part": "whether the row is learned from or judged on",
    "votes": "members who gave it a mark",
    "members": "members who have it on a list",
    "favourites": "members who call it a favourite",
    "episodes": "how many it has",
    "rating": "age rating",
    "themes": "as the site names them",
    "demographics": "for whom, as the site names it",
    "studios": "who animates it",
    "award_winning": "the site files it under titles that won an award",
}


@dataclass(frozen=True)
class Terms:
    """What the one who exports has decided: what to pass on, and where it will lie."""

    texts: bool = False
    pictures: bool = False
    address: str = ""
    creator: str = ""
    published: str = ""


@dataclass(frozen=True)
class Told:
    """What is known of a corpus: its tables by name, and why others are not there."""

    site: str
    invented: bool
    crawled: bool
    tables: Mapping[str, pl.DataFrame]
    absent: Mapping[str, str] = field(default_factory=dict)
    sources: Sequence[Mapping[str, Any]] = ()  # the files of an import: name, sha256, bytes

    def table(self, name: str) -> pl.DataFrame:
        """Return a table, an empty one where there is none."""
        schema = schema_of(name)
        assert schema is not None
        return self.tables[name] if name in self.tables else schema.create_empty()


@dataclass(frozen=True)
class Config:
    """One table of the export, whole or cut into parts."""

    name: str
    row: str
    parts: Mapping[str, pl.DataFrame]
    meanings: Mapping[str, str]


def contents(told: Told, terms: Terms) -> list[Config]:
    """Return the tables of the export that have rows, the titles first."""
    makers: list[Callable[[Told, Terms], Config]] = [_titles, _features, _characters, _roles, _clusters, _splits]
    return [config for config in (make(told, terms) for make in makers) if config.parts]


def quoted(told: Told) -> pl.DataFrame:
    """Return the part (anime_id, part) of each title in the split to quote; all of them train where there is none."""
    splits = told.table("splits")
    rows = split.quoted(splits).select("anime_id", pl.col("part").cast(pl.String))
    if rows.height:
        return rows
    return told.table("corpus_anime").select("anime_id", part=pl.lit("train"))


def kept_back(told: Told) -> int:
    """Return how many titles of the corpus are in no file, since a lockbox keeps them."""
    return told.table("corpus_anime").join(quoted(told), on="anime_id", how="anti").height


def fetched(told: Told) -> tuple[date, date] | None:
    """Return the first and the last day on which the site last answered for one of the exported titles."""
    answers = told.table("anime_pages").filter(
        (pl.col("kind") == "anime") & pl.col("outcome").cast(pl.String).is_in(["ok", "unchanged"])
    )
    latest = answers.join(quoted(told), left_on="id", right_on="anime_id", how="semi").group_by("id")
    days = latest.agg(pl.col("fetched_at").max())["fetched_at"].dt.date()
    return (days.min(), days.max()) if len(days) else None  # type: ignore[return-value]  # polars types any scalar


def _titles(told: Told, terms: Terms) -> Config:
    known = labels.wide(told.table("corpus_anime"))
    wanted = labels.present(known)
    rows = _described(told).join(known.select("anime_id", *wanted), on="anime_id", how="left", validate="1:1")
    columns = ["anime_id", "title", "url", *wanted, "year", "type", "cluster_id"]
    if terms.texts:
        columns.append("synopsis")
    if terms.pictures and "posters" in told.tables:
        rows = _illustrated(rows, told.table("posters"), "anime_id", "poster")
        columns.append("poster")
    brought = {name: f"label: {name.removeprefix(FURTHER)}, on its own scale" for name in wanted if FURTHER in name}
    meanings = {**brought, **_meanings(corpus.CorpusAnime, split.Clusters)}
    row = "an anime: its labels, when it came, the cluster it belongs to"
    return Config("default", row, _cut(rows.select(columns), quoted(told)), meanings)


def _described(told: Told) -> pl.DataFrame:
    """Return what is known of each title but its labels."""
    facts = told.table("corpus_anime").select("anime_id", "title", "url", "year", "type", "synopsis")
    return facts.join(told.table("clusters"), on="anime_id", how="left", validate="1:1")


def _features(told: Told, _: Terms) -> Config:
    parts = _cut(told.table("tabular_features"), quoted(told))
    meanings = _meanings(corpus.CorpusAnime, features.TabularFeatures)
    row = "an anime: what a table can say about it; mind when each column exists"
    return Config("features", row, parts, meanings)


def _characters(told: Told, terms: Terms) -> Config:
    rows = told.table("corpus_characters").join(_cast(told), on="character_id", how="semi")
    columns = ["character_id", "name", "words"]
    if terms.texts:
        columns.append("description")
    if terms.pictures and "portraits" in told.tables:
        rows = _illustrated(rows, told.table("portraits"), "character_id", "portrait")
        columns.append("portrait")
    meanings = {**_meanings(corpus.CorpusCharacters), "words": "words of the description, split at white space"}
    return Config("characters", "a main character", _whole(rows.select(columns), "character_id"), meanings)


def _roles(told: Told, _: Terms) -> Config:
    rows = _whole(_cast(told), "anime_id", "position", "character_id")
    return Config("roles", "a main character in an anime", rows, _meanings(corpus.CorpusRoles))


def _clusters(told: Told, _: Terms) -> Config:
    rows = told.table("clusters").join(quoted(told), on="anime_id", how="semi")
    row = "an anime: the group, linked by shared main characters, that must not be torn apart"
    return Config("clusters", row, _whole(rows, "anime_id"), _meanings(split.Clusters))


def _splits(told: Told, _: Terms) -> Config:
    rows = _whole(told.table("splits"), "split", "repeat", "fold", "anime_id")
    return Config("splits", "an anime in a fold of a repeat of a split", rows, _meanings(split.Splits))


def _cast(told: Told) -> pl.DataFrame:
    return told.table("corpus_roles").join(quoted(told), on="anime_id", how="semi")


def _cut(rows: pl.DataFrame, parts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the rows of train and of test, in the order of their ids; a part without rows is left out."""
    placed = rows.join(parts, on="anime_id", how="inner", validate="1:1").sort("anime_id")
    cut = {part: placed.filter(pl.col("part") == part).drop("part") for part in ("train", "test")}
    return {part: frame for part, frame in cut.items() if frame.height}


def _whole(rows: pl.DataFrame, *key: str) -> dict[str, pl.DataFrame]:
    return {WHOLE: rows.with_columns(pl.col(pl.Enum).cast(pl.String)).sort(*key)} if rows.height else {}


def _illustrated(rows: pl.DataFrame, pictures: pl.DataFrame, key: str, name: str) -> pl.DataFrame:
    """Return the rows with a picture as a struct of bytes and file name, null where there is none."""
    picture = pl.struct(bytes="image", path=pl.concat_str(pl.col(key), pl.lit("."), _suffix())).cast(IMAGE)
    return rows.join(pictures.select(key, picture.alias(name)), on=key, how="left", validate="1:1")


def _suffix() -> pl.Expr:
    """Return what a picture's first bytes say that it is; `bin` where they say nothing known.

    >>> pl.DataFrame({"image": [b"GIF89a", b"?"]}).select(_suffix())["image"].to_list()
    ['gif', 'bin']
    """
    image = pl.col("image")
    known = [pl.when(image.bin.starts_with(magic)).then(pl.lit(suffix)) for suffix, magic in MAGIC.items()]
    return pl.coalesce(*known, pl.lit("bin")).alias("image")


def _meanings(*schemas: type[dy.Schema]) -> dict[str, str]:
    """Return what the schemas say of their columns, later ones first, and our own words where they are silent."""
    parsed = {name: column.description or "" for name, column in pages.Anime.columns().items()}
    said = {name: meaning for name, meaning in parsed.items() if meaning}
    for schema in schemas:
        said |= {name: column.description for name, column in schema.columns().items() if column.description}
    return {**said, **OWN_WORDS}


def tiers(names: Iterator[str]) -> dict[str, str]:
    """Return when each column that is a feature exists; a column for one item is called after it, not after many.

    >>> tiers(iter(["anime_id", "studios"]))
    {'studios': 'announcement'}
    """
    known = {**features.LEDGER, **{one: features.LEDGER[many] for one, many in ONE_OF.items()}}
    return {name: known[name] for name in names if name in known}
