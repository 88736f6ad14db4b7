"""Figures that describe a corpus, what left it and the parts of its split, beside those that the papers print.

Every figure is one row: statistic, part, bucket, measure, value, published. Nothing is rounded here.

Belongs here: counts, means and shares of tables. Does not: the rules of cleaning (clean), what belongs together
(cluster), how a figure is shown (report).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from anipop_pipeline.stages.tables import published
from anipop_pipeline.stages.tables.corpus import Statistics
from anipop_pipeline.stages.tables.split import AUTHORS, quoted

Paper = Mapping[Any, float]  # (statistic, part, bucket, measure): the published figure
EVERYTHING = "all"
SIZES = {1: "1", 2: "2", 3: "3-5", 6: "6-10", 11: "11-50", 51: "51 and more"}  # classes of clusters by their smallest
SHARED = 2  # of the paper's titles, that each of its characters must play in to be taken for the same
SHOWN_CHARACTERS, SHOWN_TITLES, ALIKE_TITLES = 5, 8, 3  # of the example of shared characters


def floor_of_score() -> pl.Expr:
    """Return the bucket of the score, such as 7-8.

    >>> pl.DataFrame({"score": [7.99, 8.0]}).select(floor_of_score())["bucket"].to_list()
    ['7-8', '8-9']
    """
    floor = pl.col("score").floor().clip(1, 9).cast(pl.Int64)
    return pl.concat_str([floor, floor + 1], separator="-").alias("bucket")


def describe(
    corpus: pl.DataFrame, characters: pl.DataFrame, *, part: str = EVERYTHING, paper_part: str | None = None
) -> pl.DataFrame:
    """Return words of synopses, main characters and words of descriptions by floor of the score.

    They stand beside the paper's figures of the same part, or of `paper_part` where ours is named otherwise; a floor in
    which the paper alone has titles is there, too.
    """
    floors = pl.concat([corpus.with_columns(floor_of_score()), corpus.with_columns(bucket=pl.lit(EVERYTHING))])
    by_words = _with_mean_of_rows(_measures(floors, "words", "synopsis_words", part))
    by_cast = _measures(floors, "main_characters", "main_characters", part)
    by_bio = _measures(characters.with_columns(bucket=pl.lit(EVERYTHING)), "words", "description_words", part)
    paper = _published_words(part, paper_part or part)
    own = pl.concat([by_words, by_cast, by_bio])
    return _beside(pl.concat([own, _nowhere(own, paper)]) if corpus.height else own, paper)


# The corpus


def corpus_statistics(
    anime: pl.DataFrame, corpus: pl.DataFrame, characters: pl.DataFrame, rejects: pl.DataFrame
) -> pl.DataFrame:
    """Return the funnels, Tables 1 and 2, Figure 2, titles by year, and what the flops that left look like."""
    lost = {table: rejects.filter(pl.col("table") == table) for table in ("anime", "characters")}
    people = characters.height + lost["characters"].height
    by_year = corpus.drop_nulls("year").group_by(bucket=pl.col("year").cast(pl.String)).agg(samples=pl.len())
    tables = [
        funnel(anime.height, lost["anime"], "anime"),
        *([funnel(people, lost["characters"], "characters")] if people else []),
        describe(corpus, characters),
        _long(by_year.sort("bucket"), "titles_by_year"),
        *left_out(anime, corpus, lost["anime"]),
    ]
    return finish(tables)


def funnel(rows_in: int, rejects: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return how many rows each rule removed, from all to what is left; both ends beside the paper's."""
    counts = rejects.group_by("rule").len().sort("len", "rule", descending=[True, False])
    buckets = ["parsed", *counts["rule"].to_list(), "kept"]
    values = [rows_in, *counts["len"].to_list(), rows_in - rejects.height]
    steps = pl.DataFrame({"bucket": buckets, "value": [float(value) for value in values]})
    figures = steps.with_columns(statistic=pl.lit(f"funnel_{name}"), part=pl.lit(EVERYTHING), measure=pl.lit("rows"))
    ends = zip(("parsed", "kept"), published.FUNNEL[name], strict=True)
    return _beside(figures, {(f"funnel_{name}", EVERYTHING, end, "rows"): float(number) for end, number in ends})


def left_out(anime: pl.DataFrame, corpus: pl.DataFrame, rejects: pl.DataFrame) -> list[pl.DataFrame]:
    """Return how known, how liked, how old and of which type titles are: what left, by rule, and what was kept."""
    year = pl.col("aired_from").dt.year().cast(pl.Int64).alias("year")
    lost = anime.with_columns(year).join(
        rejects.select(anime_id="id", bucket="rule"), on="anime_id", how="inner", validate="1:1"
    )
    seen = ["bucket", "members", "score", "year", "type"]
    rows = pl.concat(
        [
            lost.select(seen),
            lost.with_columns(bucket=pl.lit("left_out")).select(seen),
            corpus.with_columns(bucket=pl.lit("kept")).select(seen),
        ],
        how="vertical_relaxed",
    )
    fame = rows.group_by("bucket", maintain_order=True).agg(
        rows=pl.len(),
        members_median=pl.col("members").median(),
        score_mean=pl.col("score").mean(),
        year_median=pl.col("year").median(),
    )
    return [_long(fame, "left_out"), _shares(rows.with_columns(pl.col("type").fill_null("unknown")))]


def _shares(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the share of each type within its bucket."""
    counts = rows.group_by("bucket", "type").agg(amount=pl.len()).sort("bucket", "type")
    return counts.select(
        statistic=pl.lit("left_out_types"),
        part=pl.lit(EVERYTHING),
        bucket="bucket",
        measure="type",
        value=pl.col("amount") / pl.col("amount").sum().over("bucket"),
    )


# The split


def split_statistics(
    corpus: pl.DataFrame,
    characters: pl.DataFrame,
    roles: pl.DataFrame,
    clusters: pl.DataFrame,
    split: pl.DataFrame,
) -> pl.DataFrame:
    """Return Tables 7, 8 and 9, Figures 3 and 4, the sizes of clusters, and how each split fell out."""
    tables = [
        *describe_parts(corpus, characters, roles, quoted(split)),
        cluster_sizes(clusters),
        shared_characters(corpus, characters, roles, clusters),
        balance(split, clusters, roles),
    ]
    return finish(tables)


def describe_parts(
    corpus: pl.DataFrame, characters: pl.DataFrame, roles: pl.DataFrame, placed: pl.DataFrame, prefix: str = ""
) -> list[pl.DataFrame]:
    """Return the words and main characters of train and of test, as `placed` (anime_id, part) has them."""
    tables = []
    for part in published.PARTS:
        anime = corpus.join(placed.filter(pl.col("part") == part), on="anime_id", how="semi")
        cast = characters.join(roles.join(anime, on="anime_id", how="semi"), on="character_id", how="semi")
        tables.append(describe(anime, cast, part=prefix + part, paper_part=part))
    return tables


def cluster_sizes(clusters: pl.DataFrame) -> pl.DataFrame:
    """Return how many clusters there are, how many titles they hold, and the largest, by class of size."""
    sizes = clusters.unique("cluster_id").select("cluster_id", "size")
    classes = pl.DataFrame({"size": SIZES.keys(), "bucket": SIZES.values()}, schema={"size": pl.Int64, "bucket": str})
    classed = sizes.sort("size").join_asof(classes, on="size")
    measures = {"clusters": pl.len(), "titles": pl.col("size").sum(), "largest": pl.col("size").max()}
    by_class = classed.group_by("bucket", maintain_order=True).agg(**measures)
    whole = classed.select(bucket=pl.lit(EVERYTHING), **measures)
    figures = _long(pl.concat([by_class, whole]), "clusters")
    return _beside(figures, {("clusters", EVERYTHING, EVERYTHING, "clusters"): float(published.CLUSTERS)})


def shared_characters(
    corpus: pl.DataFrame, characters: pl.DataFrame, roles: pl.DataFrame, clusters: pl.DataFrame
) -> pl.DataFrame:
    """Return who plays where, 1 for a part and 0 for none: in the paper's example where it is here, else in ours.

    The bucket is a character, the measure one of its titles, or `titles` for the number of them all. Our example is of
    those who play in most titles of the largest cluster, and of titles that share few and many of them.
    """
    if of_the_paper := papers_example(corpus, characters, roles):
        return pl.DataFrame(of_the_paper, schema=_EXAMPLE, orient="row")
    largest = clusters.filter(pl.col("size") > 1).sort("size", "cluster_id", descending=[True, False])
    family = largest.filter(pl.col("cluster_id") == pl.col("cluster_id").first())
    parts = roles.join(family, on="anime_id", how="semi").select("anime_id", "character_id")
    casts = parts.group_by("character_id").agg(titles=pl.len()).filter(pl.col("titles") > 1)
    stars = casts.sort("titles", "character_id", descending=[True, False]).head(SHOWN_CHARACTERS)
    shown = _telling_titles(parts.join(stars, on="character_id", how="semi"))
    names = characters.select("character_id", "name").with_columns(pl.col("name").cast(pl.String))
    people = stars.join(names, on="character_id", how="left", validate="1:1", maintain_order="left")
    named = people.with_columns(bucket=_called("name", "character_id"))
    titled = shown.join(corpus.select("anime_id", "title"), on="anime_id", how="inner", maintain_order="left")
    grid = named.join(titled.select("anime_id", measure=_called("title", "anime_id")), how="cross")
    played = grid.join(
        parts.with_columns(value=1.0), on=["anime_id", "character_id"], how="left", maintain_order="left"
    )
    totals = named.select("bucket", measure=pl.lit("titles"), value=pl.col("titles").cast(pl.Float64))
    both = pl.concat([totals, played.select("bucket", "measure", pl.col("value").fill_null(0.0))])
    return both.with_columns(statistic=pl.lit("shared_characters"), part=pl.lit(EVERYTHING))


_EXAMPLE = {"statistic": str, "part": str, "bucket": str, "measure": str, "value": pl.Float64, "published": pl.Float64}


def papers_example(
    corpus: pl.DataFrame, characters: pl.DataFrame, roles: pl.DataFrame
) -> list[tuple[str, str, str, str, float | None, float]]:
    """Return Table 7 as rows of figures beside the printed ones; nothing where its characters are not here.

    The numbers are one site's: where they do not share the paper's titles they belong to somebody else. A title that is
    not here says nothing of who plays in it.
    """
    parts = set(roles.select("anime_id", "character_id").iter_rows())
    people, titles = published.SHARED_CHARACTERS, published.SHARED_TITLES
    if any(sum((title, person) in parts for title in own) < SHARED for person, own in people.items()):
        return []
    names, called = _names(characters, "character_id", "name"), _names(corpus, "anime_id", "title")
    rows: list[tuple[str, float | None, str, float]] = []
    for person, own in people.items():
        here = float(sum((title, person) in parts for title in titles))
        rows.append((_numbered(names, person), here, "titles", float(len(own))))
        for title in titles:
            plays = float((title, person) in parts) if title in called else None
            rows.append((_numbered(names, person), plays, _numbered(called, title), float(title in own)))
    return [("shared_characters", EVERYTHING, who, where, value, paper) for who, value, where, paper in rows]


def _names(table: pl.DataFrame, key: str, name: str) -> dict[int, str | None]:
    return dict(table.select(key, pl.col(name).cast(pl.String)).iter_rows())


def _numbered(names: Mapping[int, str | None], number: int) -> str:
    return f"{name} ({number})" if (name := names.get(number)) else f"no. {number}"


def _called(name: str, number: str) -> pl.Expr:
    """Return a name with its number, which alone tells namesakes apart."""
    return (
        pl.when(pl.col(name).is_null()).then(pl.format("no. {}", number)).otherwise(pl.format("{} ({})", name, number))
    )


def _telling_titles(parts: pl.DataFrame) -> pl.DataFrame:
    """Return titles with many of some characters first, and no more than three that have as many of them."""
    amounts = parts.group_by("anime_id").agg(amount=pl.len()).sort("amount", "anime_id", descending=[True, False])
    place = pl.int_range(pl.len()).over("amount")
    return amounts.filter(place < ALIKE_TITLES).head(SHOWN_TITLES).select("anime_id")


def balance(split: pl.DataFrame, clusters: pl.DataFrame, roles: pl.DataFrame) -> pl.DataFrame:
    """Return the rows, clusters and characters of each part of each split, and which test rows have relatives in train.

    `seen` counts test rows whose cluster is in train, `sharing` those that share a character with it directly. Folds of
    one split are added up.
    """
    fold = ["split", "fold", "part"]
    plain = pl.col("split", "part").cast(pl.String)
    first = split.filter(pl.col("repeat") == 0).select(*fold, "anime_id", "seen").with_columns(plain)
    grouped = first.join(clusters, on="anime_id", how="left", validate="m:1").group_by(fold)
    counts = grouped.agg(rows=pl.len(), seen=pl.col("seen").sum(), clusters=pl.col("cluster_id").n_unique())
    played = first.join(roles.select("anime_id", "character_id"), on="anime_id", how="inner")
    people = played.group_by(fold).agg(characters=pl.col("character_id").n_unique())
    known = played.filter(pl.col("part") == "train").select("split", "fold", "character_id")
    tested = played.filter(pl.col("part") == "test").join(known, on=["split", "fold", "character_id"], how="semi")
    sharing = tested.group_by(fold).agg(sharing=pl.col("anime_id").n_unique())
    wide = counts.join(people, on=fold, how="left", validate="1:1").join(sharing, on=fold, how="left", validate="1:1")
    added = wide.group_by("split", "part").agg(pl.exclude("fold").fill_null(0).sum()).sort("split", "part")
    long = added.unpivot(index=["split", "part"], variable_name="measure", value_name="value")
    figures = long.rename({"split": "bucket"}).with_columns(statistic=pl.lit("balance"))
    alike = ("published", AUTHORS)
    paper = {("balance", part, name, "rows"): float(rows) for part, rows in published.PARTS.items() for name in alike}
    return _beside(figures, paper)


# Rows


def finish(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return several tables of figures as one valid Statistics table."""
    whole = [table if "published" in table.columns else _beside(table, {}) for table in tables]
    columns = Statistics.column_names()
    return Statistics.validate(pl.concat([table.select(columns) for table in whole], how="vertical_relaxed"), cast=True)


def _long(wide: pl.DataFrame, statistic: str, part: str = EVERYTHING) -> pl.DataFrame:
    """Return one row for each measure of each bucket."""
    values = wide.with_columns(pl.exclude("bucket").cast(pl.Float64))
    long = values.unpivot(index="bucket", variable_name="measure", value_name="value")
    return long.select(pl.lit(statistic).alias("statistic"), pl.lit(part).alias("part"), "bucket", "measure", "value")


def _measures(rows: pl.DataFrame, column: str, statistic: str, part: str) -> pl.DataFrame:
    """Return samples, max, min and mean of a column for each bucket."""
    value = pl.col(column)
    wide = rows.group_by("bucket").agg(samples=pl.len(), max=value.max(), min=value.min(), mean=value.mean())
    return _long(wide, statistic, part).sort("bucket", "measure")


def _with_mean_of_rows(table: pl.DataFrame) -> pl.DataFrame:
    """Return the figures with the plain mean of all buckets' means, which a paper may give as that of all."""
    means = table.filter(pl.col("bucket") != EVERYTHING, pl.col("measure") == "mean")
    whole = means.group_by("statistic", "part").agg(pl.col("value").mean())
    named = whole.with_columns(bucket=pl.lit(EVERYTHING), measure=pl.lit("mean_of_rows"))
    return pl.concat([table, named.select(table.columns)])


def _beside(table: pl.DataFrame, paper: Paper) -> pl.DataFrame:
    """Return the table with the paper's figure in each row that the paper has."""
    keys = table.select("statistic", "part", "bucket", "measure").rows()
    return table.with_columns(published=pl.Series([paper.get(key) for key in keys], dtype=pl.Float64))


def _nowhere(own: pl.DataFrame, paper: Paper) -> pl.DataFrame:
    """Return rows for the floors of the score in which the paper has titles and we have none."""
    there = set(own.select("statistic", "part", "bucket").rows())
    rows = [(*key, 0.0 if key[3] == "samples" else None) for key in paper if key[:3] not in there]
    return pl.DataFrame(rows, schema=own.schema, orient="row")


def _published_words(part: str, paper_part: str) -> Paper:
    """Return the paper's figures on words, as if its part were called as ours is."""
    figures = {
        ("synopsis_words", part, floor, measure): value
        for floor in published.FLOORS
        for measure, value in published.synopsis_words(paper_part, floor).items()
    }
    numbers = published.DESCRIPTION_WORDS[paper_part]
    for measure, number in zip(("samples", "max", "min", "mean"), numbers, strict=True):
        figures["description_words", part, EVERYTHING, measure] = float(number)
    return figures
