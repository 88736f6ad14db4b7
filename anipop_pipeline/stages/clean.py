"""Which parsed anime and characters are fit to learn from, and figures that describe them.

Words are counted as the paper does: pieces between white space. Each rule has a name; a row leaves under the first
rule that it breaks.

Belongs here: the rules of cleaning, labels, and statistics of a corpus. Does not: reading pages, drawing splits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from anipop_pipeline.stages.tables import published
from anipop_pipeline.stages.tables.corpus import CorpusAnime, CorpusCharacters, CorpusRejects, CorpusRoles, Statistics

# The authors' code cuts every synopsis and description at the first of these.
PAPER_CUTS = r"(?s)(\(source|\(Source|\[Written).*$"
USELESS = r"(?i)^\W*(no (description|biography|character biography|information)\b.{0,60})?\W*$"


class Kept(NamedTuple):
    """Rows that stay, and those that leave with the rule that they broke."""

    rows: pl.DataFrame
    rejects: pl.DataFrame


def words(column: str) -> pl.Expr:
    """Return the number of words in a text column, 0 for a missing text.

    >>> pl.DataFrame({"text": ["  two words ", None]}).select(words("text"))["text"].to_list()
    [2, 0]
    """
    return pl.col(column).fill_null("").str.extract_all(r"\S+").list.len().cast(pl.Int64)


def cut(column: str) -> pl.Expr:
    """Return a text column cut where the authors' code cuts it, null when nothing is left."""
    text = pl.col(column).str.replace(PAPER_CUTS, "").str.strip_chars()
    return pl.when(text != "").then(text).alias(column)


def usable_characters(
    characters: pl.DataFrame, portraits: pl.DataFrame | None, *, min_words: int, spoilers: bool
) -> Kept:
    """Return the characters whose description and portrait can be used; without portraits that rule is off."""
    told = pl.concat_str(["description", "spoiler"], separator=" ", ignore_nulls=True) if spoilers else "description"
    rows = characters.with_columns(description=told).with_columns(cut("description"))
    rows = rows.with_columns(words=words("description"))
    rules = {
        "description_missing": pl.col("description").is_null() | pl.col("description").str.contains(USELESS),
        "description_short": pl.col("words") < min_words,
    }
    if portraits is not None:
        rules["portrait_missing"] = ~pl.col("character_id").is_in(portraits["character_id"].to_list())
    return _apply(rules, rows, table="characters", id_column="character_id", name="name")


def usable_anime(
    anime: pl.DataFrame, roles: pl.DataFrame, usable: pl.DataFrame | None, *, min_words: int, need_characters: bool
) -> Kept:
    """Return the anime that tell a story and have a score.

    `usable` characters are None where a site describes none: then a main part is enough, where the site says who plays.
    """
    cast = _cast(roles, usable)
    rows = (
        anime.with_columns(cut("synopsis"))
        .with_columns(words=words("synopsis"), year=pl.col("aired_from").dt.year().cast(pl.Int64))
        .with_columns(pl.col("synopsis_credit").fill_null("none"))
        .with_columns(audience=audience())
        .join(cast, on="anime_id", how="left", validate="1:1")
        .with_columns(pl.col("main_characters", "description_words").fill_null(0))
    )
    rules = {
        "score_missing": pl.col("score").is_null(),
        "synopsis_missing": pl.col("synopsis").is_null(),
        "title_missing": pl.col("title").is_null(),
        "synopsis_short": pl.col("words") < min_words,
    }
    if need_characters and (usable is not None or cast.height):
        rules["no_main_character"] = pl.col("main_characters") == 0
    kept = _apply(rules, rows, table="anime", id_column="anime_id", name="title")
    return Kept(CorpusAnime.validate(kept.rows.sort("anime_id"), cast=True), kept.rejects)


def audience() -> pl.Expr:
    """Return the percentile of members among titles of the same two years, in the middle of ties; null if unknown."""
    window = pl.col("year") // 2
    place = pl.col("members").rank("average").over(window)
    share = (place - 0.5) / pl.col("members").count().over(window)
    return pl.when(pl.col("year").is_not_null() & pl.col("members").is_not_null()).then(share)


def kept_characters(usable: Kept, roles: pl.DataFrame, anime: pl.DataFrame) -> Kept:
    """Return the usable characters that play a main part in a kept anime."""
    playing = roles.filter(pl.col("role") == "main").join(anime, on="anime_id", how="semi")["character_id"].unique()
    rules = {"no_kept_anime": ~pl.col("character_id").is_in(playing.to_list())}
    kept = _apply(rules, usable.rows, table="characters", id_column="character_id", name="name")
    rows = CorpusCharacters.validate(kept.rows.select(CorpusCharacters.column_names()).sort("character_id"), cast=True)
    return Kept(rows, pl.concat([usable.rejects, kept.rejects]).sort("id"))


def kept_roles(roles: pl.DataFrame, anime: pl.DataFrame, characters: pl.DataFrame | None) -> pl.DataFrame:
    """Return who plays a main part where; `characters` is None where a site describes none."""
    main = roles.filter(pl.col("role") == "main").join(anime, on="anime_id", how="semi")
    if characters is not None:
        main = main.join(characters, on="character_id", how="semi")
    return CorpusRoles.validate(main.select(CorpusRoles.column_names()).sort("anime_id", "character_id"), cast=True)


def _cast(roles: pl.DataFrame, usable: pl.DataFrame | None) -> pl.DataFrame:
    """Return the number of main characters of each anime, and of the words that describe them."""
    main = roles.filter(pl.col("role") == "main").select("anime_id", "character_id")
    if usable is None:
        main = main.with_columns(words=pl.lit(0))
    else:
        main = main.join(usable.select("character_id", "words"), on="character_id", how="inner", validate="m:1")
    return main.group_by("anime_id").agg(
        main_characters=pl.len().cast(pl.Int64), description_words=pl.col("words").sum().cast(pl.Int64)
    )


def _apply(rules: dict[str, pl.Expr], rows: pl.DataFrame, *, table: str, id_column: str, name: str) -> Kept:
    broken = pl.coalesce([pl.when(leaves).then(pl.lit(rule)) for rule, leaves in rules.items()])
    judged = rows.with_columns(rule=broken)
    lost = judged.filter(pl.col("rule").is_not_null())
    rejects = lost.select(table=pl.lit(table), id=pl.col(id_column), name=pl.col(name), rule=pl.col("rule"))
    kept = judged.filter(pl.col("rule").is_null()).drop("rule")
    assert kept.height + rejects.height == rows.height
    return Kept(kept, CorpusRejects.validate(rejects.sort("id"), cast=True))


# Statistics


def floor_of_score() -> pl.Expr:
    """Return the bucket of the score, such as 7-8.

    >>> pl.DataFrame({"score": [7.99, 8.0]}).select(floor_of_score())["bucket"].to_list()
    ['7-8', '8-9']
    """
    floor = pl.col("score").floor().clip(1, 9).cast(pl.Int64)
    return pl.concat_str([floor, floor + 1], separator="-").alias("bucket")


def describe(corpus: pl.DataFrame, characters: pl.DataFrame, *, part: str = "all") -> pl.DataFrame:
    """Return words of synopses, main characters and words of descriptions by floor of the score."""
    floors = pl.concat([corpus.with_columns(floor_of_score()), corpus.with_columns(bucket=pl.lit("all"))])
    by_words = _measures(floors, "words", "synopsis_words", part)
    by_cast = _measures(floors, "main_characters", "main_characters", part)
    by_bio = _measures(characters.with_columns(bucket=pl.lit("all")), "words", "description_words", part)
    return pl.concat([_beside_published(by_words), by_cast, _beside_published(by_bio)])


def corpus_statistics(
    anime: pl.DataFrame, corpus: pl.DataFrame, characters: pl.DataFrame, rejects: pl.DataFrame
) -> pl.DataFrame:
    """Return the funnel, Tables 1 and 2, Figure 2, titles by year, and what the flops that left look like."""
    lost = anime.join(corpus, on="anime_id", how="anti")
    by_year = _counts(corpus.filter(pl.col("year").is_not_null()).group_by(bucket=pl.col("year").cast(pl.String)).len())
    flops = [
        ("members_median", "left_out", _number(lost["members"].median())),
        ("members_median", "kept", _number(corpus["members"].median())),
        ("score_mean", "left_out", _number(lost["score"].mean())),
        ("score_mean", "kept", _number(corpus["score"].mean())),
    ]
    tables = [
        funnel(anime.height, rejects.filter(pl.col("table") == "anime"), "anime"),
        describe(corpus, characters),
        by_year.with_columns(statistic=pl.lit("titles_by_year"), part=pl.lit("all")),
        pl.DataFrame(
            {
                "statistic": ["left_out"] * 4,
                "part": ["all"] * 4,
                "bucket": [bucket for _, bucket, _ in flops],
                "measure": [measure for measure, _, _ in flops],
                "value": [value for _, _, value in flops],
            },
            schema_overrides={"value": pl.Float64},
        ),
    ]
    return finish(tables)


def funnel(rows_in: int, rejects: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return how many rows each rule removed, from all to what is left."""
    counts = rejects.group_by("rule").len().sort("len", "rule", descending=[True, False])
    buckets = ["parsed", *counts["rule"].to_list(), "kept"]
    values = [rows_in, *counts["len"].to_list(), rows_in - rejects.height]
    return pl.DataFrame({"bucket": buckets, "value": [float(value) for value in values]}).with_columns(
        statistic=pl.lit(f"funnel_{name}"), part=pl.lit("all"), measure=pl.lit("rows")
    )


def finish(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return several tables of figures as one valid Statistics table."""
    columns = Statistics.column_names()
    whole = [table.with_columns(published=_column(table, "published")).select(columns) for table in tables]
    return Statistics.validate(pl.concat(whole, how="vertical_relaxed"), cast=True)


def _column(table: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name) if name in table.columns else pl.lit(None, dtype=pl.Float64).alias(name)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _counts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("bucket").select("bucket", measure=pl.lit("samples"), value=pl.col("len").cast(pl.Float64))


def _measures(rows: pl.DataFrame, column: str, statistic: str, part: str) -> pl.DataFrame:
    """Return samples, max, min and mean of a column for each bucket, in long form."""
    value = pl.col(column).cast(pl.Float64)
    wide = rows.group_by("bucket").agg(
        samples=pl.len().cast(pl.Float64), max=value.max(), min=value.min(), mean=value.mean()
    )
    long = wide.unpivot(index="bucket", variable_name="measure", value_name="value")
    return long.sort("bucket", "measure").with_columns(
        statistic=pl.lit(statistic), part=pl.lit(part), published=pl.lit(None, dtype=pl.Float64)
    )


def _beside_published(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with the paper's figure in each row that the paper has."""
    figures = {
        ("synopsis_words", part, floor, measure): value
        for part in published.SYNOPSIS_WORDS
        for floor in published.FLOORS
        for measure, value in published.synopsis_words(part, floor).items()
    }
    for part, numbers in published.DESCRIPTION_WORDS.items():
        for measure, number in zip(("samples", "max", "min", "mean"), numbers, strict=True):
            figures["description_words", part, "all", measure] = float(number)
    keys = table.select("statistic", "part", "bucket", "measure").rows()
    return table.with_columns(published=pl.Series([figures.get(key) for key in keys], dtype=pl.Float64))
