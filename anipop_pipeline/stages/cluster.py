"""Which anime belong together, and who is tested on what.

Anime that share a main character, however far the chain, are one cluster; a cluster is never torn apart, but by time.

Belongs here: connected components and splits. Does not: anything that is fitted.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence

import networkx as nx
import polars as pl

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages import clean
from anipop_pipeline.stages.tables.split import Clusters, Splits


def clusters(anime: pl.DataFrame, roles: pl.DataFrame) -> pl.DataFrame:
    """Return the connected component of each anime over shared main characters.

    >>> roles = pl.DataFrame({"anime_id": [1, 2, 3], "character_id": [7, 7, 8]})
    >>> clusters(pl.DataFrame({"anime_id": [1, 2, 3]}), roles)["cluster_id"].to_list()
    [1, 1, 3]
    """
    graph: nx.Graph[tuple[str, int]] = nx.Graph()
    graph.add_nodes_from(("anime", anime_id) for anime_id in anime["anime_id"])
    links = roles.join(anime, on="anime_id", how="semi").select("anime_id", "character_id").rows()
    graph.add_edges_from((("anime", anime_id), ("character", character_id)) for anime_id, character_id in links)
    members = [
        sorted(number for kind, number in component if kind == "anime") for component in nx.connected_components(graph)
    ]
    rows = [(one, group[0], len(group)) for group in members for one in group]
    return Clusters.validate(pl.DataFrame(rows, schema=Clusters.create_empty().schema, orient="row").sort("anime_id"))


def splits(
    anime: pl.DataFrame,
    clusters: pl.DataFrame,
    *,
    seed: int,
    test_share: float,
    repeats: int,
    folds: int,
    temporal_share: float,
) -> pl.DataFrame:
    """Return every fold of the three splits, in one long table."""
    sizes = dict(clusters.group_by("cluster_id").len().sort("cluster_id").rows())
    published = [
        _fold(clusters, held_out(sizes, test_share, seed + repeat), "published", repeat, 0) for repeat in range(repeats)
    ]
    grouped = [
        _fold(clusters, held, "grouped", 0, fold) for fold, held in enumerate(balanced_folds(sizes, folds, seed))
    ]
    temporal = _temporal(anime, clusters, temporal_share)
    return Splits.validate(pl.concat([*published, *grouped, temporal]), cast=True)


def outside_lockbox(clusters: pl.DataFrame) -> pl.DataFrame:
    """Return the clusters that may be looked at while recipes are tuned: four fifths, chosen by hash for ever.

    >>> outside_lockbox(pl.DataFrame({"cluster_id": range(1, 1001)})).height
    807
    """
    digests = [hashlib.sha256(str(cluster).encode()).digest()[0] % 5 for cluster in clusters["cluster_id"]]
    return clusters.filter(pl.Series(digests, dtype=pl.Int64) != 0)


def held_out(sizes: dict[int, int], share: float, seed: int) -> set[int]:
    """Return whole clusters, drawn at random, that hold as near to `share` of all anime as they can.

    >>> len(held_out({cluster: 1 for cluster in range(100)}, 0.185, seed=42))
    18
    """
    room = round(share * sum(sizes.values()))
    held = set()
    for cluster in _shuffled(list(sizes), seed):
        if sizes[cluster] <= room:
            held.add(cluster)
            room -= sizes[cluster]
    return held


def balanced_folds(sizes: dict[int, int], folds: int, seed: int) -> list[set[int]]:
    """Return folds of whole clusters with as equal a number of anime as they can have."""
    held: list[set[int]] = [set() for _ in range(folds)]
    filled = [0] * folds
    for cluster in sorted(_shuffled(list(sizes), seed), key=lambda cluster: -sizes[cluster]):
        emptiest = filled.index(min(filled))
        held[emptiest].add(cluster)
        filled[emptiest] += sizes[cluster]
    return held


def inner_folds(groups: Sequence[int], folds: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield (train, validation) row numbers for folds inside a train part, clusters whole."""
    sizes: dict[int, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    for held in balanced_folds(sizes, min(folds, len(sizes)), seed):
        inside = [row for row, group in enumerate(groups) if group not in held]
        outside = [row for row, group in enumerate(groups) if group in held]
        if inside and outside:
            yield inside, outside


def hold_out(groups: Sequence[int], share: int, seed: int) -> tuple[list[int], list[int]]:
    """Return (train, validation) row numbers: about one in `share` is held out, clusters whole."""
    for fold in inner_folds(groups, share, seed):
        return fold
    raise SettingError(
        "a fit cannot be told when to stop: all train rows belong to one cluster",
        where="splits",
        fix="use a corpus with more titles that share no character",
    )


def split_statistics(
    corpus: pl.DataFrame, characters: pl.DataFrame, roles: pl.DataFrame, split: pl.DataFrame
) -> pl.DataFrame:
    """Return words and main characters by floor of the score, for train and test of the split to quote."""
    quoted = split.filter((pl.col("split") == "published") & (pl.col("repeat") == 0))
    tables = []
    for part in ("train", "test"):
        anime = corpus.join(quoted.filter(pl.col("part") == part), on="anime_id", how="semi")
        cast = characters.join(roles.join(anime, on="anime_id", how="semi"), on="character_id", how="semi")
        tables.append(clean.describe(anime, cast, part=part))
    return clean.finish([*tables, _balance(split)])


def _balance(split: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of each part of each split, and how many test rows have relatives in train."""
    quoted = split.filter(pl.col("repeat") == 0)
    counts = quoted.group_by("split", "part").agg(rows=pl.len(), seen=pl.col("seen").sum()).sort("split", "part")
    long = counts.unpivot(index=["split", "part"], variable_name="measure", value_name="value")
    return long.select(
        statistic=pl.lit("balance"),
        part=pl.col("part").cast(pl.String),
        bucket=pl.col("split").cast(pl.String),
        measure=pl.col("measure"),
        value=pl.col("value").cast(pl.Float64),
    )


def _fold(clusters: pl.DataFrame, held: set[int], split: str, repeat: int, fold: int) -> pl.DataFrame:
    outside = pl.col("cluster_id").is_in(sorted(held))
    return clusters.select(
        split=pl.lit(split),
        repeat=pl.lit(repeat, dtype=pl.Int64),
        fold=pl.lit(fold, dtype=pl.Int64),
        anime_id=pl.col("anime_id"),
        part=pl.when(outside).then(pl.lit("test")).otherwise(pl.lit("train")),
        seen=pl.lit(False),
    )


def _temporal(anime: pl.DataFrame, clusters: pl.DataFrame, share: float) -> pl.DataFrame:
    """Return the split by year: the youngest years that hold about `share` of all dated anime are tested."""
    dated = anime.filter(pl.col("year").is_not_null()).select("anime_id", "year").sort("year", "anime_id")
    if dated["year"].n_unique() < 2:
        return _fold(clusters, set(), "temporal", 0, 0).clear()
    first = _first_test_year(dated["year"], share)
    rows = dated.join(clusters, on="anime_id", how="inner", validate="1:1").sort("anime_id")
    known = rows.filter(pl.col("year") < first)["cluster_id"].unique().to_list()
    tested = pl.col("year") >= first
    return rows.select(
        split=pl.lit("temporal"),
        repeat=pl.lit(0, dtype=pl.Int64),
        fold=pl.lit(0, dtype=pl.Int64),
        anime_id=pl.col("anime_id"),
        part=pl.when(tested).then(pl.lit("test")).otherwise(pl.lit("train")),
        seen=tested & pl.col("cluster_id").is_in(known),
    )


def _first_test_year(years: pl.Series, share: float) -> int:
    """Return the year whose titles and younger ones come nearest to a share, never the oldest year.

    >>> _first_test_year(pl.Series([2000] * 7 + [2001] * 2 + [2002]), 0.15)
    2002
    """
    candidates = years.unique().sort().to_list()[1:]
    return int(min(candidates, key=lambda year: (abs(int((years >= year).sum()) / len(years) - share), -year)))


def _shuffled(items: list[int], seed: int) -> list[int]:
    order = sorted(items)
    random.Random(seed).shuffle(order)  # noqa: S311 - a reproducible draw, no secret
    return order
