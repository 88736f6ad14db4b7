"""What a table, the texts and the pictures of an anime say about it, before anything is fitted.

Belongs here: features that need no training. Does not: scaling, vocabularies, imputation, which are fitted on train
parts alone (train.py), and vectors of encoders (embed.py).
"""

import polars as pl

from anipop_pipeline.stages.tables.features import TabularFeatures

AWARDS = "Award Winning"
FRANCHISE = [
    "sequel",
    "prequel",
    "parent story",
    "side story",
    "full story",
    "summary",
    "spin-off",
    "alternative version",
    "alternative setting",
]
QUARTERS = "(?i)^(winter|spring|summer|fall)"


def tabular(corpus: pl.DataFrame, anime: pl.DataFrame) -> pl.DataFrame:
    """Return one row of table features for each anime of the corpus; relatives are sought among all parsed anime."""
    relatives = earlier_relatives(corpus, anime)
    season = pl.col("season").str.extract(QUARTERS).str.to_lowercase()
    by_month = pl.Series(["winter", "spring", "summer", "fall"])
    day = pl.col("aired_from").dt
    month = pl.when(~((day.day() == 1) & (day.month() == 1))).then((day.month() - 1) // 3)  # 1 January is a bare year
    rows = corpus.join(relatives, on="anime_id", how="left", validate="1:1").with_columns(
        genres=pl.col("genres").list.filter(pl.element() != AWARDS),
        award_winning=pl.col("genres").list.contains(AWARDS),
        relatives=pl.col("relatives").fill_null(0),
        sequel=pl.col("relatives").fill_null(0) > 0,
        quarter=pl.coalesce(season, month.replace_strict(range(4), by_month, default=None, return_dtype=pl.String)),
    )
    return TabularFeatures.validate(rows.select(TabularFeatures.column_names()).sort("anime_id"), cast=True)


def earlier_relatives(corpus: pl.DataFrame, anime: pl.DataFrame) -> pl.DataFrame:
    """Return how many relatives of each anime aired strictly before it, and their mean score."""
    links = (
        anime.select("anime_id", "relations")
        .explode("relations", empty_as_null=True, keep_nulls=True)
        .filter(pl.col("relations").is_not_null())
        .unnest("relations")
        .filter((pl.col("kind") == "anime") & pl.col("relation").str.to_lowercase().is_in(FRANCHISE))
        .select("anime_id", "related_id")
    )
    both = pl.concat([links, links.select(anime_id="related_id", related_id="anime_id")]).unique()
    mine = corpus.select("anime_id", "aired_from")
    theirs = anime.select(related_id="anime_id", their_start=latest_start(), their_score="score")
    earlier = (
        both.join(mine, on="anime_id", how="inner", validate="m:1")
        .join(theirs, on="related_id", how="inner", validate="m:1")
        .filter(pl.col("their_start") < pl.col("aired_from"))
    )
    return (
        earlier.group_by("anime_id")
        .agg(relatives=pl.len().cast(pl.Int64), relatives_score=pl.col("their_score").mean())
        .sort("anime_id")
    )


def latest_start() -> pl.Expr:
    """Return the last day on which a title may have started.

    Pages often give a year or a month alone, which is read as its first day; a relative must not seem earlier than it
    can be proven to be, or its score would leak.

    >>> from datetime import date
    >>> days = pl.DataFrame({"aired_from": [date(2012, 1, 1), date(2012, 2, 1), date(2012, 2, 3)]})
    >>> [str(day) for day in days.select(latest_start())["aired_from"]]
    ['2012-12-31', '2012-02-29', '2012-02-03']
    """
    day = pl.col("aired_from")
    in_month = pl.when(day.dt.day() == 1).then(day.dt.month_end()).otherwise(day)
    year_end = pl.date(day.dt.year(), 12, 31)
    return pl.when((day.dt.day() == 1) & (day.dt.month() == 1)).then(year_end).otherwise(in_month).alias("aired_from")


def cast(roles: pl.DataFrame, characters: pl.DataFrame) -> pl.DataFrame:
    """Return what is known of each main character of each anime, in the order of its page."""
    played = roles.join(characters, on="character_id", how="inner", validate="m:1")
    return played.sort("anime_id", "position", "character_id")


def descriptions(roles: pl.DataFrame, characters: pl.DataFrame) -> pl.DataFrame:
    """Return the descriptions of an anime's main characters joined by a space."""
    played = cast(roles, characters).filter(pl.col("description").is_not_null())
    return played.group_by("anime_id", maintain_order=True).agg(descriptions=pl.col("description").str.join(" "))


def texts(corpus: pl.DataFrame, joined: pl.DataFrame) -> pl.DataFrame:
    """Return title, synopsis and joined descriptions (empty where there are none) of each anime."""
    return (
        corpus.select("anime_id", "title", "synopsis")
        .join(joined, on="anime_id", how="left", validate="1:1")
        .with_columns(pl.col("descriptions").fill_null(""))
        .sort("anime_id")
    )
