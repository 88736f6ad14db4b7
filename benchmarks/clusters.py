"""Processor seconds and memory to find clusters, from 10,000 to 1,000,000 links, beside scipy on the same links.

    python benchmarks/clusters.py

A link says that a main character plays in an anime. Most characters play in one or two titles and a few in hundreds;
`chain` is the hardest case for labels that travel: one cluster in which every anime shares a character with the next,
in random order. Every measurement has a process of its own; its memory is what it needs beyond the tables, its time is
that of the processor, so that other work on the machine counts little. All three must find the same clusters.
"""

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from anipop_pipeline.stages import cluster

LINKS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
LIMIT_SECONDS = 20
Tables = tuple[pl.DataFrame, pl.DataFrame]


def a_site(links: int) -> Tables:
    """Return anime with about three main characters each, some of whom are in many titles."""
    chance = np.random.default_rng(links)
    titles = links // 3
    famous = (chance.pareto(1.2, links // 10) * 20).astype(int) % (links // 50)
    person = np.concatenate(
        [links + np.arange(links - len(famous)) // 2 + chance.integers(0, 2, links - len(famous)), famous]
    )
    played = pl.DataFrame({"anime_id": chance.integers(1, titles + 1, links), "character_id": person + 1}).unique()
    return pl.DataFrame({"anime_id": range(1, titles + 1)}), played


def a_chain(links: int) -> Tables:
    order = np.random.default_rng(links).permutation(links // 2) + 1
    places = np.arange(links // 2) + 1
    played = pl.DataFrame(
        {"anime_id": np.concatenate([order, order]), "character_id": np.concatenate([places, places + 1])}
    )
    return pl.DataFrame({"anime_id": np.sort(order)}), played


def by_networkx(anime: pl.DataFrame, roles: pl.DataFrame) -> pl.DataFrame:
    return cluster.clusters(anime, roles)


def by_labels(anime: pl.DataFrame, roles: pl.DataFrame) -> pl.DataFrame:
    return cluster.relabelled(anime, roles)


def by_scipy(anime: pl.DataFrame, roles: pl.DataFrame) -> pl.DataFrame:
    """Return the clusters that scipy finds on anime and characters side by side."""
    titles, (_, people) = anime.height, np.unique(roles["character_id"].to_numpy(), return_inverse=True)
    rows = np.searchsorted(anime["anime_id"].to_numpy(), roles["anime_id"].to_numpy())
    size = titles + int(people.max()) + 1
    matrix = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, titles + people)), shape=(size, size))
    _, found = connected_components(matrix.tocsr(), directed=False)
    labelled = anime.with_columns(label=pl.Series(found[:titles]))
    return labelled.select("anime_id", cluster_id=pl.col("anime_id").min().over("label"), size=pl.len().over("label"))


def measured(make: Callable[[int], Tables], find: Callable[..., pl.DataFrame], links: int) -> tuple[float, float, int]:
    """Return processor seconds, megabytes beyond the tables, and a digest of the clusters."""
    anime, roles = make(links)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    found = find(anime, roles)
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return spent, peak / 1024, hash(tuple(found.sort("anime_id")["cluster_id"]))


def apart(*task: object) -> tuple[float, float, int]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(measured, *task).result()  # type: ignore[arg-type]


def main() -> None:
    ways = {"networkx (ours)": by_networkx, "labels (ours)": by_labels, "scipy": by_scipy}
    print(f"{'':10}{'links':>10}" + "".join(f"{name:>26}" for name in ways))
    slowest = 0.0
    for make, sizes in ((a_site, LINKS), (a_chain, LINKS[-1:])):
        for links in sizes:
            found = [apart(make, find, links) for find in ways.values()]
            assert len({digest for _, _, digest in found}) == 1, "they disagree"
            slowest = max(slowest, found[0][0])
            cells = "".join(f"{seconds:15.2f} s {megabytes:5.0f} MB" for seconds, megabytes, _ in found)
            print(f"{make.__name__[2:]:10}{links:10,}{cells}", flush=True)
    if slowest > LIMIT_SECONDS:
        sys.exit(f"networkx took {slowest:.0f} s, more than {LIMIT_SECONDS} s")


if __name__ == "__main__":
    main()
