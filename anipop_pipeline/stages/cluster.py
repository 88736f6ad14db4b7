"""Which anime belong together, and who is tested on what.

Anime that share a main character, however far the chain, are one cluster; where the dial says so, titles of one
franchise are, too. A cluster is never torn apart, but by time, and by a split that a site brings.

Belongs here: connected components and splits. Does not: anything that is fitted, what figures say of them (statistics).
"""

import hashlib
import random
from collections.abc import Collection, Iterator, Sequence

import networkx as nx
import polars as pl

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages.tables.split import AUTHORS, MAY_TEAR, Clusters, ImportedSplit, Splits, quoted


def clusters(anime: pl.DataFrame, roles: pl.DataFrame, franchises: Collection[str] = ()) -> pl.DataFrame:
    """Return the connected component of each anime over shared main characters, and over relations named here.

    >>> roles = pl.DataFrame({"anime_id": [1, 2, 3], "character_id": [7, 7, 8]})
    >>> clusters(pl.DataFrame({"anime_id": [1, 2, 3]}), roles)["cluster_id"].to_list()
    [1, 1, 3]
    """
    graph: nx.Graph[int] = nx.Graph()
    titles = (anime["anime_id"] * 2).to_list()
    links = meetings(anime, roles, franchises)
    graph.add_nodes_from(titles)
    graph.add_edges_from(zip((links["anime_id"] * 2).to_list(), links["meeting"].to_list(), strict=True))
    kept, first_of = set(titles), dict[int, int]()
    for component in nx.connected_components(graph):
        own = component & kept
        first_of.update(dict.fromkeys(own, min(own)))
    return _sized(anime.select("anime_id", label=pl.Series([first_of[title] // 2 for title in titles], dtype=pl.Int64)))


def meetings(anime: pl.DataFrame, roles: pl.DataFrame, franchises: Collection[str] = ()) -> pl.DataFrame:
    """Return what kept anime meet in (anime_id, meeting): odd numbers are characters, even ones related titles.

    Plain numbers, since a graph of tuples takes half as long again; without those who play in one title alone, since
    they join nobody.
    """
    casts = roles.join(anime, on="anime_id", how="semi").select("anime_id", meeting=pl.col("character_id") * 2 + 1)
    shared = casts.filter(pl.len().over("meeting") > 1)
    if not franchises:
        return shared
    return pl.concat([shared, relatives(anime, franchises).select("anime_id", meeting=pl.col("related_id") * 2)])


def relatives(anime: pl.DataFrame, franchises: Collection[str]) -> pl.DataFrame:
    """Return which title each anime names as one of its franchise (anime_id, related_id), kept or not.

    A title that was not kept still joins those that name it: two seasons are no strangers because the text of the first
    film is too short to learn from. It joins nobody by what it names itself, since its own page is no part of a corpus.
    """
    named = anime.select("anime_id", "relations").explode("relations", empty_as_null=True, keep_nulls=True)
    links = named.drop_nulls("relations").unnest("relations")
    own = (pl.col("kind") == "anime") & pl.col("relation").str.to_lowercase().is_in(sorted(franchises))
    return links.filter(own).select("anime_id", "related_id").unique(maintain_order=True)


def relabelled(anime: pl.DataFrame, roles: pl.DataFrame, franchises: Collection[str] = ()) -> pl.DataFrame:
    """Return the same clusters as the paper describes them: by labels that are merged until nothing changes.

    Each anime starts with a label of its own. Where anime share a character, all anime of their labels take the
    smallest of them, and so on. The paper does it by recursion; here each round follows whole chains of labels, so that
    the longest needs few rounds and no deep stack.

    >>> chain = pl.DataFrame({"anime_id": [1, 2, 2, 3], "character_id": [7, 7, 8, 8]})
    >>> relabelled(pl.DataFrame({"anime_id": [1, 2, 3]}), chain)["cluster_id"].to_list()
    [1, 1, 1]
    """
    itself = anime.select("anime_id", meeting=pl.col("anime_id") * 2)
    links = pl.concat([meetings(anime, roles, franchises), itself])
    labels = anime.select("anime_id", label="anime_id")
    while not (merged := _merged(labels, links)).equals(labels):
        labels = merged
    return _sized(labels)


def _merged(labels: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Return labels after each gave way to the smallest that it meets, and that one to its own, down to the last."""
    met = links.join(labels, on="anime_id", how="inner", validate="m:1")
    met = met.with_columns(least=pl.col("label").min().over("meeting"))
    gives_way = met.group_by("label").agg(pl.col("least").min())
    while True:
        steps = gives_way.select(least="label", further="least")
        onward = gives_way.join(steps, on="least", how="left", validate="m:1", maintain_order="left")
        onward = onward.select("label", least="further")
        if onward.equals(gives_way):
            break
        gives_way = onward
    renamed = labels.join(gives_way, on="label", how="left", validate="m:1", maintain_order="left")
    return renamed.select("anime_id", label="least")


def _sized(labels: pl.DataFrame) -> pl.DataFrame:
    rows = labels.select("anime_id", cluster_id="label", size=pl.len().over("label"))
    return Clusters.validate(rows.sort("anime_id"), cast=True)


def splits(
    anime: pl.DataFrame,
    clusters: pl.DataFrame,
    *,
    seed: int,
    test_share: float,
    repeats: int,
    folds: int,
    temporal_share: float,
    imported: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return every fold of the three splits, and of the one that a site brings, in one long table."""
    sizes = dict(clusters.group_by("cluster_id").len().sort("cluster_id").rows())
    published = [
        _fold(clusters, held_out(sizes, test_share, seed + repeat), "published", repeat, 0) for repeat in range(repeats)
    ]
    grouped = [
        _fold(clusters, held, "grouped", 0, fold)
        for fold, held in enumerate(balanced_folds(sizes, min(folds, len(sizes)), seed))
    ]
    temporal = _temporal(anime, clusters, temporal_share)
    authors = [] if imported is None else [_authors(imported, clusters)]
    return Splits.validate(pl.concat([*published, *grouped, temporal, *authors]), cast=True)


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


def torn(split: pl.DataFrame, groups: pl.DataFrame) -> int:
    """Return how many groups (anime_id, group) have rows on both sides of a fold, but those marked where it may be so.

    >>> split = pl.DataFrame({"anime_id": [1, 2, 3], "part": ["train", "test", "test"], "seen": False})
    >>> split = split.with_columns(split=pl.lit("published"), repeat=0, fold=0)
    >>> torn(split, pl.DataFrame({"anime_id": [1, 2, 2, 3], "group": [7, 7, 8, 8]}))
    1
    """
    marked = pl.col("seen") & pl.col("split").cast(pl.String).is_in(MAY_TEAR)
    placed = split.join(groups.select("anime_id", "group"), on="anime_id", how="inner")
    sides = placed.group_by("split", "repeat", "fold", "group").agg(
        parts=pl.col("part").n_unique(), unmarked=((pl.col("part") == "test") & ~marked).any()
    )
    return sides.filter((pl.col("parts") > 1) & pl.col("unmarked")).height


def torn_by_authors(split: pl.DataFrame, groups: pl.DataFrame) -> int:
    """Return how many groups (anime_id, group) the split that a site brings tears apart, marked or not."""
    own = split.filter(pl.col("split").cast(pl.String) == AUTHORS)
    return torn(own.with_columns(seen=pl.lit(value=False)), groups)


def compared(imported: pl.DataFrame, clusters: pl.DataFrame, roles: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    """Return a split that a site brings beside the one that we draw: its parts, and what each tears apart.

    Titles that it places but cleaning removed are `unknown`, kept ones that it does not place `unplaced`; `agreed` are
    titles that both put into the same part.
    """
    placed = ImportedSplit.validate(imported.select("anime_id", pl.col("part").cast(pl.String)), cast=True)
    theirs = placed.select("anime_id", pl.col("part").cast(pl.String)).join(clusters, on="anime_id", how="semi")
    mine = quoted(ours).select("anime_id", pl.col("part").cast(pl.String))
    both = theirs.join(mine, on=["anime_id", "part"], how="semi")
    figures = {
        ("all", "imported", "unknown"): placed.height - theirs.height,
        ("all", "imported", "unplaced"): clusters.height - theirs.height,
        ("all", "imported", "agreed"): both.height,
        **_sides("imported", theirs, clusters, roles),
        **_sides("ours", mine, clusters, roles),
    }
    rows = [("imported_split", *key, float(value)) for key, value in figures.items()]
    return pl.DataFrame(rows, schema=["statistic", "part", "bucket", "measure", "value"], orient="row")


def _sides(
    name: str, placed: pl.DataFrame, clusters: pl.DataFrame, roles: pl.DataFrame
) -> dict[tuple[str, str, str], int]:
    """Return the titles, clusters and characters of each part of one split, and how many of them both parts have."""
    families = clusters.select("anime_id", group="cluster_id")
    casts = roles.select("anime_id", group="character_id")
    split = placed.with_columns(split=pl.lit("published"), repeat=0, fold=0, seen=pl.lit(value=False))
    figures = {
        ("all", name, "torn_clusters"): torn(split, families),
        ("all", name, "torn_characters"): torn(split, casts),
    }
    for part in ("train", "test"):
        own = placed.filter(pl.col("part") == part)
        figures[part, name, "rows"] = own.height
        figures[part, name, "clusters"] = families.join(own, on="anime_id", how="semi")["group"].n_unique()
        figures[part, name, "characters"] = casts.join(own, on="anime_id", how="semi")["group"].n_unique()
    return figures


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
    dated = anime.filter(pl.col("year").is_not_null()).select("anime_id", "year")
    rows = dated.join(clusters, on="anime_id", how="inner", validate="1:1").sort("anime_id")
    if rows["year"].n_unique() < 2:
        return _fold(clusters, set(), "temporal", 0, 0).clear()
    first = _first_test_year(rows["year"], share)
    return _marked(rows, "temporal", tested=pl.col("year") >= first)


def _authors(imported: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """Return the split that a site brings, as far as its titles are here; nothing where a part of it has none."""
    rows = imported.select("anime_id", "part").join(clusters, on="anime_id", how="inner", validate="1:1")
    rows = rows.sort("anime_id") if rows["part"].n_unique() > 1 else rows.clear()
    return _marked(rows, AUTHORS, tested=pl.col("part").cast(pl.String) == "test")


def _marked(rows: pl.DataFrame, split: str, *, tested: pl.Expr) -> pl.DataFrame:
    """Return the fold of a split that may tear clusters, and marks as seen what it tests of those it trains on."""
    return rows.select(
        split=pl.lit(split),
        repeat=pl.lit(0, dtype=pl.Int64),
        fold=pl.lit(0, dtype=pl.Int64),
        anime_id=pl.col("anime_id"),
        part=pl.when(tested).then(pl.lit("test")).otherwise(pl.lit("train")),
        seen=tested & (~tested).any().over("cluster_id"),
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
