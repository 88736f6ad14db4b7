"""Which parsed anime and characters are fit to learn from.

The rules are the paper's by default, and so is what a word is: a piece between white space. The texts are not, unless
the dial `texts` says so:

    story (default)   what the parser read: a credit goes wherever it stands and what follows it stays; the facts before
                      a biography and its hidden text are no description
    paper             the text as written, its facts included; where an import brings none, the story

Either is cut at the first of the authors' three markers, which a parsed story has only where a credit never closes. The
paper's one example of an input counts the hidden text of biographies, too: the dial `spoilers`, off by default.

Each rule has a name and a dial; a row leaves under the first that it breaks. In their order, with the dial of
CorpusConfig:

    score_missing         always on: the score is the label
    synopsis_missing      always on: nothing is left before the first credit
    title_missing         need_title
    synopsis_short        min_words (20); 1 switches it off
    no_main_character     need_characters; off by itself where a site tells of no characters
    not_english           need_english; off in the paper
    duplicate_story       need_unique; off in the paper; judged last, in the order of ids, against titles that stay

    description_missing   need_description; a sentence of NOTHING_SAID is none
    description_short     min_description_words (1, which is off)
    portrait_missing      need_portrait; off by itself where a site has no portraits
    no_kept_anime         always on: nobody plays a main part in a kept anime

Belongs here: the rules of cleaning. Does not: labels, what is odd about rows (oddities), counting them (statistics).
"""

from typing import NamedTuple

import polars as pl

from anipop_pipeline.stages import labels, oddities
from anipop_pipeline.stages.tables.corpus import CorpusAnime, CorpusCharacters, CorpusRejects, CorpusRoles

# The authors' code cuts every synopsis and description at the first of these.
PAPER_CUTS = r"(?s)(\(source|\(Source|\[Written).*$"
# All that some descriptions say, without case and punctuation; whoever says more describes.
NOTHING_SAID = (
    "",
    *("no description", "no description yet", "no description available", "no description available yet"),
    *("no description has been added", "no description has been added yet", "no description is available"),
    *("no biography", "no biography yet", "no biography written", "no biography written yet", "no biography available"),
    *("no character biography", "no character biography written", "no character biography available"),
    *("no information", "no information yet", "no information available", "no information is available"),
    *("no information has been added", "no information has been added yet"),
)


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


def chosen(column: str, texts: str) -> pl.Expr:
    """Return the text that a corpus is made of: the story, or for the paper the text as written where it is known.

    >>> told = pl.DataFrame({"synopsis": ["A cat.", "A dog."], "synopsis_as_written": ["A cat. (Source: me)", None]})
    >>> told.select(chosen("synopsis", "paper"))["synopsis"].to_list()
    ['A cat. (Source: me)', 'A dog.']
    """
    return pl.coalesce(f"{column}_as_written", column).alias(column) if texts == "paper" else pl.col(column)


def usable_characters(
    characters: pl.DataFrame,
    portraits: pl.DataFrame | None,
    *,
    min_words: int,
    spoilers: bool,
    need_description: bool = True,
    texts: str = "story",
) -> Kept:
    """Return the characters whose description and portrait can be used; without portraits that rule is off."""
    told = [chosen("description", texts), *([pl.col("spoiler")] if spoilers else [])]
    rows = characters.with_columns(description=pl.concat_str(told, separator=" ", ignore_nulls=True))
    useless = oddities.normalised("description").is_in(NOTHING_SAID)
    useful = pl.when(~useless).then("description").alias("description")
    rows = rows.with_columns(cut("description")).with_columns(useful).with_columns(words=words("description"))
    rules: dict[str, pl.Expr] = {}
    if need_description:
        rules["description_missing"] = pl.col("description").is_null()
    rules["description_short"] = pl.col("description").is_not_null() & (pl.col("words") < min_words)
    if portraits is not None:
        rules["portrait_missing"] = ~pl.col("character_id").is_in(portraits["character_id"].to_list())
    return _apply(rules, rows, table="characters", id_column="character_id", name="name")


def usable_anime(
    anime: pl.DataFrame,
    roles: pl.DataFrame,
    usable: pl.DataFrame | None,
    *,
    min_words: int,
    need_characters: bool,
    need_title: bool = True,
    need_english: bool = False,
    need_unique: bool = False,
    texts: str = "story",
    histograms: pl.DataFrame | None = None,
    further: pl.DataFrame | None = None,
    site_mean: float = 0.0,
) -> Kept:
    """Return the anime that tell a story and have a score, with all their labels.

    `usable` characters are None where a site describes none: then a main part is enough, where the site says who plays.
    Labels are read from all parsed anime, for cleaning changes neither the site's mean nor who is compared with whom.
    """
    cast = _cast(roles, usable)
    rows = (
        anime.drop("votes")
        .with_columns(chosen("synopsis", texts))
        .with_columns(cut("synopsis"))
        .with_columns(words=words("synopsis"), year=pl.col("aired_from").dt.year().cast(pl.Int64))
        .with_columns(pl.col("synopsis_credit").fill_null("none"))
        .join(labels.labelled(anime, histograms, further, site_mean), on="anime_id", how="left", validate="1:1")
        .join(cast, on="anime_id", how="left", validate="1:1")
        .with_columns(pl.col("main_characters", "description_words").fill_null(0))
    )
    optional = {
        "title_missing": (need_title, pl.col("title").is_null()),
        "synopsis_short": (True, pl.col("words") < min_words),
        "no_main_character": (
            need_characters and (usable is not None or cast.height > 0),
            pl.col("main_characters") == 0,
        ),
        "not_english": (need_english, oddities.not_english("synopsis")),
    }
    rules = {"score_missing": pl.col("score").is_null(), "synopsis_missing": pl.col("synopsis").is_null()}
    rules |= {name: broken for name, (on, broken) in optional.items() if on}
    kept = _apply(rules, rows, table="anime", id_column="anime_id", name="title")
    if need_unique:
        kept = _without_twins(kept)
    return Kept(CorpusAnime.validate(kept.rows.sort("anime_id"), cast=True), kept.rejects)


def _without_twins(kept: Kept) -> Kept:
    """Return each story once, in the order of ids."""
    told_before = {"duplicate_story": pl.col("anime_id").is_in(oddities.repeats(kept.rows))}
    once = _apply(told_before, kept.rows, table="anime", id_column="anime_id", name="title")
    return Kept(once.rows, pl.concat([kept.rejects, once.rejects]).sort("id"))


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
