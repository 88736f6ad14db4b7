"""What is odd about rows that break no rule: another language, a story told twice, a description of a word or two.

The paper keeps such rows, so oddities are counted and shown; dials that are off by default remove them (clean).

A story is told twice when two synopses have the same words in the same order, or share nine tenths of all runs of five
words. Pairs that share so many must share one of their rarest runs, so that only those pairs are compared.

Belongs here: finding oddities. Does not: removing rows.
"""

import polars as pl

from anipop_pipeline.stages.tables.corpus import Oddities, Statistics

# Words that English prose can hardly do without, and that no other large language of Latin letters writes.
ENGLISH = (
    *("the", "and", "of", "to", "with", "his", "her", "their", "from", "by", "for"),
    *("who", "that", "this", "they", "she", "it", "be", "which", "into", "when"),
)
# English synopses of 2021 have 0.03 (lists of episodes) and more, 0.21 in the middle; prose of nine others 0 to 0.02.
FEWEST_ENGLISH = 0.03
FEWEST_WORDS = 5
RUN = 5
ALIKE = 0.9


def english_share(column: str) -> pl.Expr:
    """Return the share of common English words among all words of a text; null where it has none.

    >>> texts = pl.DataFrame({"text": ["The cat of the sea", "El gato del mar", "..."]})
    >>> texts.select(english_share("text"))["text"].to_list()
    [0.6, 0.0, None]
    """
    words = pl.col(column).str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")
    return words.list.eval(pl.element().is_in(ENGLISH)).list.mean()


def not_english(column: str) -> pl.Expr:
    """Return whether hardly any word of a text is a common English one."""
    return english_share(column).fill_null(0.0) < FEWEST_ENGLISH


def normalised(column: str) -> pl.Expr:
    """Return a text without case, punctuation and differences of white space.

    >>> pl.DataFrame({"text": ["A girl's  CAT!"]}).select(normalised("text")).item()
    'a girl s cat'
    """
    return pl.col(column).str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()


def of_anime(corpus: pl.DataFrame) -> pl.DataFrame:
    """Return the kept anime whose synopsis is not in English, or tells the story of one with a smaller id."""
    foreign = corpus.filter(not_english("synopsis")).select(
        "anime_id",
        oddity=pl.lit("not_english"),
        value=english_share("synopsis").fill_null(0.0),
        twin_id=pl.lit(None, dtype=pl.Int64),
    )
    again = twins(corpus).select("anime_id", pl.lit("duplicate_story").alias("oddity"), "value", "twin_id")
    return _table("anime", pl.concat([foreign, again]).rename({"anime_id": "id"}))


def of_characters(characters: pl.DataFrame) -> pl.DataFrame:
    """Return the kept characters that are described in fewer than five words."""
    short = characters.filter((pl.col("words") < FEWEST_WORDS) & pl.col("description").is_not_null())
    near_empty = short.select(
        pl.col("character_id").alias("id"),
        oddity=pl.lit("near_empty"),
        value=pl.col("words").cast(pl.Float64),
        twin_id=pl.lit(None, dtype=pl.Int64),
    )
    return _table("characters", near_empty)


def _table(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    whole = rows.select(pl.lit(name).alias("table"), "id", "oddity", "value", "twin_id").sort("oddity", "id")
    return Oddities.validate(whole, cast=True)


def statistics(oddities: pl.DataFrame) -> pl.DataFrame:
    """Return how many rows have each oddity."""
    counts = oddities.group_by(bucket=pl.col("oddity").cast(pl.String)).agg(value=pl.len().cast(pl.Float64))
    told = counts.with_columns(
        statistic=pl.lit("oddities"),
        part=pl.lit("all"),
        measure=pl.lit("rows"),
        published=pl.lit(None, dtype=pl.Float64),
    )
    return Statistics.validate(told.select(Statistics.column_names()).sort("bucket"), cast=True)


def twins(anime: pl.DataFrame) -> pl.DataFrame:
    """Return each anime that tells the story of another one with a smaller id: anime_id, value (likeness), twin_id."""
    found = pl.concat(_alike(anime))
    return found.sort("anime_id", "twin_id").unique("anime_id", keep="first", maintain_order=True)


def _alike(anime: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the anime whose text is that of a smaller id, and all pairs of different texts that are nearly alike."""
    texts = anime.select("anime_id", text=normalised("synopsis")).filter(pl.col("text") != "")
    firsts = texts.with_columns(twin_id=pl.col("anime_id").min().over("text"))
    is_first = pl.col("anime_id") == pl.col("twin_id")
    exact = firsts.filter(~is_first).select("anime_id", pl.lit(1.0).alias("value"), "twin_id")
    return exact, _near(firsts.filter(is_first).select("anime_id", "text"))


def repeats(anime: pl.DataFrame) -> list[int]:
    """Return the anime that tell again the story of one that stays, judged in the order of their ids.

    A text that is like a repeated one, but not like the one that stays, is a story of its own.

    >>> texts = ["A girl's cat.", "a girl's CAT", "A dog."]
    >>> repeats(pl.DataFrame({"anime_id": [3, 5, 8], "synopsis": texts}))
    [5]
    """
    exact, near = _alike(anime)
    alike = near.group_by("anime_id").agg("twin_id").sort("anime_id")
    gone: set[int] = set()
    for anime_id, smaller in alike.iter_rows():
        if not gone.issuperset(smaller):
            gone.add(anime_id)
    return sorted(gone.union(exact["anime_id"]))  # the first of equal texts stays, or left for one that does


def _near(texts: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of texts that share nine tenths of their runs of words."""
    runs = _runs(texts)
    pairs = _candidates(runs)
    own = runs.select("anime_id", "run", "many")
    shared = (
        pairs.join(own, on="anime_id", how="inner", validate="m:m")
        .join(own.rename({"anime_id": "twin_id", "many": "twins_many"}), on=["twin_id", "run"], how="inner")
        .group_by("anime_id", "twin_id")
        .agg(shared=pl.len(), together=(pl.col("many") + pl.col("twins_many")).first() - pl.len())
    )
    alike = shared.with_columns(value=pl.col("shared") / pl.col("together")).filter(pl.col("value") >= ALIKE)
    return alike.select("anime_id", "value", "twin_id")


def _runs(texts: pl.DataFrame) -> pl.DataFrame:
    """Return each text's different runs of five words, with their number and how many texts have each."""
    words = texts.select("anime_id", word=pl.col("text").str.split(" ")).explode("word", empty_as_null=True)
    following = [pl.col("word").shift(-step).over("anime_id") for step in range(RUN)]
    runs = words.select("anime_id", run=pl.concat_str(following, separator=" ")).drop_nulls().unique()
    return runs.with_columns(many=pl.len().over("anime_id").cast(pl.Int64), texts=pl.len().over("run").cast(pl.Int64))


def _candidates(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of texts that share one of their rarest runs.

    In one order of all runs, rarest first, the first n - ceil(0.9 n) + 1 of n runs are those that cannot all be missing
    from a text that shares nine tenths of them.
    """
    place = pl.struct("texts", "run").rank("ordinal").over("anime_id")
    needed = pl.col("many") - (pl.col("many") * ALIKE - 1e-9).ceil().cast(pl.Int64) + 1
    rarest = runs.filter((place <= needed) & (pl.col("texts") > 1)).select("anime_id", "run")
    pairs = rarest.join(rarest.rename({"anime_id": "twin_id"}), on="run", how="inner", validate="m:m")
    return pairs.filter(pl.col("twin_id") < pl.col("anime_id")).select("anime_id", "twin_id").unique()
