"""Tables of the cleaned corpus.

Belongs here: columns, types, keys and rules of what is fit to learn from. Does not: the rules of cleaning.
"""

import dataframely as dy
import polars as pl

from anipop_pipeline.stages.tables.pages import CREDITS

ODDITIES = ["not_english", "duplicate_story", "near_empty"]


def shown_title() -> pl.Expr:
    """Return the title of an anime, its number where it has none.

    >>> pl.DataFrame({"anime_id": [1, 2], "title": ["Sea", None]}).select(shown_title())["title"].to_list()
    ['Sea', 'anime 2']
    """
    return pl.coalesce("title", pl.format("anime {}", "anime_id")).alias("title")


class CorpusAnime(dy.Schema):
    """One row for each scored anime whose synopsis and characters tell a story."""

    anime_id = dy.Int64(primary_key=True, min=1)
    url = dy.String()
    title = dy.String(nullable=True, min_length=1, description="null only where the dial need_title is off")
    synopsis = dy.String(min_length=1, description="the story, or what the paper's cut leaves of the text as written")
    words = dy.Int64(min=1, description="words of the synopsis, split at white space")
    synopsis_credit = dy.Enum(CREDITS, description="who wrote the synopsis; a trace of fame")
    main_characters = dy.Int64(min=0, description="main characters left after cleaning")
    description_words = dy.Int64(min=0, description="words of all their descriptions together")
    score = dy.Float64(min=1, max=10, description="label: displayed (weighted) score")
    weighted = dy.Float64(
        nullable=True, min=1, max=10, description="label: the same recomputed from the marks of a page of statistics"
    )
    plain = dy.Float64(
        nullable=True,
        min=1,
        max=10,
        description="label: mean of all votes; from marks, else the formula turned round, where that is no guess",
    )
    audience = dy.Float64(
        nullable=True, min=0, max=1, description="label: percentile of members among titles of the same two years"
    )
    further_scores = dy.List(
        dy.Struct({"source": dy.String(), "score": dy.Float64()}),
        nullable=True,
        description="labels score_<source>: scores that the site brings from elsewhere, on their own scales",
    )
    votes_error = dy.Float64(nullable=True, min=0, description="standard error of the plain mean, from voting alone")
    votes = dy.Int64(nullable=True, min=0, description="as the page tells, else all marks of its page of statistics")
    members = dy.Int64(nullable=True, min=0)
    favourites = dy.Int64(nullable=True, min=0)
    type = dy.String(nullable=True)
    source = dy.String(nullable=True)
    episodes = dy.Int64(nullable=True, min=1)
    duration_minutes = dy.Float64(nullable=True, min=0)
    aired_from = dy.Date(nullable=True)
    aired_to = dy.Date(nullable=True)
    year = dy.Int64(nullable=True, description="year of first airing")
    season = dy.String(nullable=True)
    rating = dy.String(nullable=True)
    genres = dy.List(dy.String())
    themes = dy.List(dy.String())
    demographics = dy.List(dy.String())
    studios = dy.List(dy.String())
    relations = dy.List(dy.Struct({"relation": dy.String(), "kind": dy.String(), "related_id": dy.Int64()}))


class CorpusCharacters(dy.Schema):
    """One row for each main character with a useful description and a portrait."""

    character_id = dy.Int64(primary_key=True, min=1)
    name = dy.String(nullable=True)
    description = dy.String(nullable=True, min_length=1, description="null only where need_description is off")
    words = dy.Int64(min=0)


class CorpusRoles(dy.Schema):
    """One row for each main character kept, in each anime kept."""

    anime_id = dy.Int64(primary_key=True, min=1)
    character_id = dy.Int64(primary_key=True, min=1)
    position = dy.Int64(min=0, description="place on the page, from 0")


class CorpusRejects(dy.Schema):
    """One row for each anime or character that cleaning removed, with the first rule that it broke."""

    table = dy.Enum(["anime", "characters"], primary_key=True)
    id = dy.Int64(primary_key=True)
    name = dy.String(nullable=True)
    rule = dy.String(min_length=1)


class Oddities(dy.Schema):
    """One row for each thing about a kept anime or character that a reader of the corpus should know."""

    table = dy.Enum(["anime", "characters"], primary_key=True)
    id = dy.Int64(primary_key=True)
    oddity = dy.Enum(ODDITIES, primary_key=True)
    value = dy.Float64(description="share of common English words, likeness to the twin, or words")
    twin_id = dy.Int64(nullable=True, description="smallest other id that tells the same story")


class Statistics(dy.Schema):
    """One row for each figure that describes a corpus or a split, beside the published one where there is one."""

    statistic = dy.String(primary_key=True, description="funnel, synopsis_words, description_words, characters, ...")
    part = dy.String(primary_key=True, description="all, train or test")
    bucket = dy.String(primary_key=True, description='rule of the funnel, floor of the score such as "7-8", or year')
    measure = dy.String(primary_key=True, description="samples, max, min, mean, ...")
    value = dy.Float64(nullable=True)
    published = dy.Float64(nullable=True, description="the same figure in the paper, where it gives one")
