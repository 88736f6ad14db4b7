"""Tables of what was fetched and what was read from it.

Belongs here: columns, types, keys and rules of raw pages and parsed rows. Does not: how a value is read from HTML.
"""

import dataframely as dy
import polars as pl

OUTCOMES = ["ok", "missing", "unchanged", "refused", "blocked", "failed"]
PAGE_KINDS = ["robots", "listing", "anime", "anime_characters", "anime_stats", "character", "portrait", "poster"]
CREDITS = ["rewrite", "source", "none"]
NOT_ON_SITE = "the site has no such page"  # the reason of a reject that no parser has seen


class PageIndex(dy.Schema):
    """One row for each answer that the archive holds, wherever it lies."""

    url = dy.String(primary_key=True, description="canonical address that was asked for")
    fetched_at = dy.Datetime(time_unit="us", time_zone="UTC", primary_key=True, description="when it was fetched")
    kind = dy.Enum(PAGE_KINDS, description="what the page is about")
    id = dy.Int64(nullable=True, description="the anime's or character's id, where the page has one")
    status = dy.Int64(description="HTTP status; 0 when no answer came")
    outcome = dy.Enum(OUTCOMES, description="ok and missing hold a body, the others none")
    requests = dy.Int64(min=0, description="how many requests it took, repeated and redirected ones included")
    digest = dy.String(nullable=True, description="sha256 of the body as archived")
    etag = dy.String(nullable=True, description="what the site calls this version of the page")
    last_modified = dy.String(nullable=True, description="when the site says that the page was changed")
    file = dy.String(description="WARC file inside the site's raw folder")
    offset = dy.Int64(min=0, description="where the record starts in that file")
    length = dy.Int64(min=1, description="bytes of the record in that file")


class AnimeIndex(dy.Schema):
    """One row for each anime that the site lists."""

    anime_id = dy.Int64(primary_key=True, min=1)
    url = dy.String(description="canonical address of its page")
    title = dy.String(nullable=True, min_length=1, description="title as listed; null for an id that was only tried")
    position = dy.Int64(min=0, description="place in the list, from 0")


class Anime(dy.Schema):
    """One row for each anime page that could be read."""

    anime_id = dy.Int64(primary_key=True, min=1)
    url = dy.String()
    title = dy.String(nullable=True, min_length=1)
    title_english = dy.String(nullable=True)
    title_japanese = dy.String(nullable=True)
    title_synonyms = dy.List(dy.String(), description="other names; empty when none is told")
    synopsis = dy.String(nullable=True, description="the story alone, credits removed")
    synopsis_as_written = dy.String(nullable=True, description="the whole text with its credits; never an input")
    synopsis_credit = dy.Enum(CREDITS, nullable=True, description="who wrote it: rewrite, source, none")
    score = dy.Float64(nullable=True, min=1, max=10, description="displayed (weighted) score")
    votes = dy.Int64(nullable=True, min=0)
    members = dy.Int64(nullable=True, min=0)
    favourites = dy.Int64(nullable=True, min=0)
    rank = dy.Int64(nullable=True, min=1)
    popularity = dy.Int64(nullable=True, min=0)
    type = dy.String(nullable=True, description="TV, Movie, OVA, ...")
    source = dy.String(nullable=True, description="Manga, Original, ...")
    episodes = dy.Int64(nullable=True, min=1)
    status = dy.String(nullable=True)
    aired_from = dy.Date(
        nullable=True, description="first day; the first of the period when only month or year is known"
    )
    aired_to = dy.Date(nullable=True)
    season = dy.String(nullable=True, description='such as "Fall 2021"')
    rating = dy.String(nullable=True)
    duration_minutes = dy.Float64(nullable=True, min=0, description="of one episode")
    genres = dy.List(dy.String(), description="empty when none is named")
    themes = dy.List(dy.String())
    demographics = dy.List(dy.String())
    studios = dy.List(dy.String())
    producers = dy.List(dy.String())
    relations = dy.List(dy.Struct({"relation": dy.String(), "kind": dy.String(), "related_id": dy.Int64()}))
    poster_url = dy.String(nullable=True)


class Histograms(dy.Schema):
    """One row for each mark that an anime was given, where its page of statistics was read."""

    anime_id = dy.Int64(primary_key=True, min=1)
    mark = dy.Int64(primary_key=True, min=1, max=10)
    votes = dy.Int64(min=0, description="how many members gave this mark")


class Roles(dy.Schema):
    """One row for each appearance of a character in an anime."""

    anime_id = dy.Int64(primary_key=True, min=1)
    character_id = dy.Int64(primary_key=True, min=1)
    name = dy.String(nullable=True)
    role = dy.Enum(["main", "supporting"])
    url = dy.String(description="canonical address of the character's page")
    position = dy.Int64(min=0, description="place on the page, from 0")


class Characters(dy.Schema):
    """One row for each character page that could be read."""

    character_id = dy.Int64(primary_key=True, min=1)
    url = dy.String()
    name = dy.String(nullable=True)
    description = dy.String(nullable=True, description="prose without spoilers and without the facts before it")
    description_as_written = dy.String(
        nullable=True, description="the whole text shown, with facts before it and credits; never an input"
    )
    spoiler = dy.String(nullable=True, description="text that the page hides behind a button")
    facts = dy.String(nullable=True, description='lines such as "Height: 170 cm", joined by line breaks')
    favourites = dy.Int64(nullable=True, min=0)
    portrait_url = dy.String(nullable=True)


class Portraits(dy.Schema):
    """One row for each portrait, with the picture inside."""

    character_id = dy.Int64(primary_key=True, min=1)
    url = dy.String()
    image = dy.Binary(description="the file as served")
    width = dy.Int64(min=1)
    height = dy.Int64(min=1)


class Posters(dy.Schema):
    """One row for each poster, with the picture inside."""

    anime_id = dy.Int64(primary_key=True, min=1)
    url = dy.String()
    image = dy.Binary(description="the file as served")
    width = dy.Int64(min=1)
    height = dy.Int64(min=1)


class RelationLinks(dy.Schema):
    """One row for each relation of an anime, where a set keeps them in a table of their own."""

    anime_id = dy.Int64(primary_key=True, min=1)
    relation = dy.String(primary_key=True, min_length=1)
    kind = dy.String(primary_key=True, min_length=1, description="what kind of work the other is: anime, manga, ...")
    related_id = dy.Int64(primary_key=True, min=1)


class FurtherScores(dy.Schema):
    """One row for each score that another site, or another formula, gives an anime, on that source's own scale."""

    anime_id = dy.Int64(primary_key=True, min=1)
    source = dy.String(primary_key=True, regex="^[a-z][a-z0-9_]*$", description="who gives it, such as anilist")
    score = dy.Float64(allow_inf=False, allow_nan=False)


class ParseRejects(dy.Schema):
    """One row for each page or row that could not be used, and why."""

    table = dy.String(description="table that it was meant for")
    url = dy.String(nullable=True)
    id = dy.Int64(nullable=True)
    field = dy.String(nullable=True)
    reason = dy.String(min_length=1)


def split_rejects(
    schema: type[dy.Schema], rows: pl.DataFrame, *, table: str, id_column: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that keep the schema's rules, and the others as ParseRejects.

    >>> rows = pl.DataFrame({"anime_id": [1, -2], "url": ["a", "b"], "title": ["A", "B"], "position": [0, 1]})
    >>> kept, rejects = split_rejects(AnimeIndex, rows, table="anime_index", id_column="anime_id")
    >>> kept["anime_id"].to_list(), rejects["reason"].to_list()
    ([1], ['anime_id|min'])
    """
    kept, failure = schema.filter(rows, cast=True)
    lost = failure.invalid()
    rules = [name for name in failure.counts() if name]
    why = (
        failure.details().select(
            pl.concat_str(
                [pl.when(pl.col(rule) != "valid").then(pl.lit(rule)) for rule in rules],
                separator=", ",
                ignore_nulls=True,
            ).alias("reason")
        )
        if rules
        else pl.DataFrame({"reason": []}, schema={"reason": pl.String})
    )
    rejects = pl.DataFrame(
        {
            "table": [table] * lost.height,
            "url": lost["url"].to_list() if "url" in lost.columns else [None] * lost.height,
            "id": lost[id_column].to_list(),
            "field": [None] * lost.height,
            "reason": why["reason"].to_list() if lost.height else [],
        },
        schema=ParseRejects.create_empty().schema,
    )
    return kept, ParseRejects.validate(rejects)
