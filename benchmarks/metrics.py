"""How long metrics take: 12 experiments on 7,500 anime, three splits, 1,000 resamples of clusters.

Prints one row for each part of the work. Target: all of it under 20 s on 2 cores.
"""

import argparse
import time

import numpy as np
import polars as pl

from anipop_pipeline.stages.metrics import BASELINES, score

CHEAP = 5  # experiments with 30 repeats of the published split; one of the others has three seeds


def world(anime: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return a corpus, its clusters (about 57 for each 100 anime, one of them large) and its splits."""
    generator = np.random.default_rng(seed)
    ids = np.arange(1, anime + 1)
    cluster = np.where(generator.random(anime) < 0.01, 1, generator.integers(1, int(anime * 0.7), size=anime))
    score_ = np.clip(np.round(generator.normal(6.7, 0.85, anime), 2), 1, 10)
    corpus = pl.DataFrame({"anime_id": ids, "score": score_, "audience": generator.random(anime)})
    clusters = pl.DataFrame({"anime_id": ids, "cluster_id": cluster})
    return (
        corpus,
        clusters,
        pl.concat([*_published(ids, cluster, generator), *_folds(ids, cluster), _dated(ids, cluster)]),
    )


def _part(split: str, repeat: int, fold: int, ids: np.ndarray, test: np.ndarray, seen: np.ndarray) -> pl.DataFrame:
    part = np.where(test, "test", "train")
    return pl.DataFrame({"anime_id": ids, "part": part, "seen": seen & test}).select(
        pl.lit(split).alias("split"), pl.lit(repeat).alias("repeat"), pl.lit(fold).alias("fold"), pl.all()
    )


def _published(ids: np.ndarray, cluster: np.ndarray, generator: np.random.Generator) -> list[pl.DataFrame]:
    never = np.zeros(ids.size, dtype=bool)
    chosen = [np.isin(cluster, np.flatnonzero(generator.random(cluster.max() + 1) < 0.185)) for _ in range(30)]
    return [_part("published", repeat, 0, ids, test, never) for repeat, test in enumerate(chosen)]


def _folds(ids: np.ndarray, cluster: np.ndarray) -> list[pl.DataFrame]:
    never = np.zeros(ids.size, dtype=bool)
    return [_part("grouped", 0, fold, ids, cluster % 5 == fold, never) for fold in range(5)]


def _dated(ids: np.ndarray, cluster: np.ndarray) -> pl.DataFrame:
    test = ids > ids.size * 0.8
    return _part("temporal", 0, 0, ids, test, np.isin(cluster, cluster[~test]))


def predictions(corpus: pl.DataFrame, splits: pl.DataFrame, label: str, seed: int) -> pl.DataFrame:
    """Return what 12 experiments say: three baselines and nine of growing strength."""
    generator = np.random.default_rng(seed)
    names = [*BASELINES, *(f"experiment_{number}" for number in range(4, 13))]
    tests = splits.filter(pl.col("part") == "test").join(corpus.select("anime_id", actual=label), on="anime_id")
    fits = [
        tests.filter((pl.col("repeat") == 0) | (number < CHEAP)).with_columns(
            experiment=pl.lit(name),
            label=pl.lit(label),
            seed=pl.lit(fit),
            noise=pl.Series(generator.normal(size=tests.filter((pl.col("repeat") == 0) | (number < CHEAP)).height)),
            strength=pl.lit(number / 12),
        )
        for number, name in enumerate(names)
        for fit in range(3 if name == "experiment_12" else 1)
    ]
    middle = pl.col("actual").mean()
    guess = middle + pl.col("strength") * (pl.col("actual") - middle + 0.5 * pl.col("noise"))
    return pl.concat(fits).with_columns(predicted=guess)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--anime", type=int, default=7_500)
    options.add_argument("--samples", type=int, default=1_000)
    options.add_argument("--label", default="score")
    asked = options.parse_args()
    corpus, clusters, splits = world(asked.anime, seed=1)
    said = predictions(corpus, splits, asked.label, seed=2)

    groups = clusters["cluster_id"].n_unique()
    print(f"{asked.anime} anime, {groups} clusters, {said.height} predictions, {asked.samples} samples")
    for split in ["published", "grouped", "temporal", None]:
        part = said if split is None else said.filter(pl.col("split") == split)
        started = time.perf_counter()
        scores = score(part, corpus, clusters, splits, samples=asked.samples, seed=0)
        took = time.perf_counter() - started
        counts = f"{scores.metrics.height} metrics, {scores.seeds.height} spreads"
        print(f"{split or 'together':<10} {took:6.1f} s  {counts}")


if __name__ == "__main__":
    main()
