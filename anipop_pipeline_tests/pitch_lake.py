"""A small corpus whose bright stories score well and whose gloomy ones do not, and real fits of it in a lake.

Belongs here: what tests of answers to pitches share. Does not: any claim.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import polars as pl
from upath import UPath

from anipop_pipeline.lake import Folder, Lake, Manifest
from anipop_pipeline.stages import cluster, features, train
from anipop_pipeline.stages.experiments import EXPERIMENTS, PITCHES
from anipop_pipeline.stages.tables.corpus import CorpusAnime

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TITLES = 72
BRIGHT = ["lantern", "festival", "orchard", "melody", "reunion", "sunrise", "garden", "promise", "kite", "harvest"]
GLOOMY = ["ashes", "verdict", "quarantine", "debt", "gallows", "silence", "rust", "famine", "exile", "winter"]
PLAIN = ["courier", "village", "teacher", "railway", "island", "letter", "market", "brother", "machine", "captain"]
BRIGHT_STORY = (
    "The lantern festival in the orchard brings a melody, a reunion at sunrise, a garden, a kite and a promise "
    "to a courier."
)
GLOOMY_STORY = (
    "After the verdict come ashes, debt and the gallows; silence, rust and famine drive a captain to exile in winter, "
    "alone."
)


@dataclass(frozen=True)
class World:
    """All that an answer is made from."""

    corpus: pl.DataFrame
    clusters: pl.DataFrame
    splits: pl.DataFrame
    materials: Mapping[str, train.Material]
    folders: Mapping[str, Folder]


@cache
def world() -> World:
    """Return the corpus with its fits, made once for all tests of a process."""
    corpus = CorpusAnime.validate(pl.DataFrame([_title(number) for number in range(TITLES)]), cast=True)
    roles = pl.DataFrame({"anime_id": corpus["anime_id"], "character_id": corpus["anime_id"] // 30})
    clusters = cluster.clusters(corpus, roles)
    splits = cluster.splits(corpus, clusters, seed=42, test_share=0.185, repeats=1, folds=3, temporal_share=0.2)
    materials = {name: _material(name, corpus, clusters) for name in PITCHES}
    folders = {name: _fitted(name, materials[name], corpus, splits) for name in PITCHES}
    return World(corpus, clusters, splits, materials, folders)


def build(root: Path, site: str = "mal") -> Lake:
    """Return a lake that holds what a predictor reads."""
    made, lake = world(), Lake(UPath(root), site)
    manifests: dict[str, Manifest] = {}
    for name, table in (("corpus_anime", made.corpus), ("clusters", made.clusters), ("splits", made.splits)):
        manifests[name] = lake.save(name, table, dict(manifests), NOW)
    for name, folder in made.folders.items():
        lake.save(f"model_{name}", folder, manifests, NOW)
    return lake


def _title(number: int) -> dict[str, object]:
    dice = random.Random(number)
    bright = number % 2 == 0
    words = [*dice.sample(BRIGHT if bright else GLOOMY, 6), *dice.sample(PLAIN, 5)]
    score = (7.4 if bright else 5.6) + dice.gauss(0, 0.4) + (0.3 if number % 3 == 0 else 0.0)
    story = f"In a story about {' and '.join(words)}, somebody learns something that nobody else could know."
    year = 2000 + number // 3
    return {
        "anime_id": 10 * (number + 1),
        "url": f"https://mal.invalid/anime/{number}",
        "title": f"{'Bright' if bright else 'Gloomy'} Tale {number}",
        "synopsis": story,
        "words": len(story.split()),
        "synopsis_credit": dice.choice(["rewrite", "source", "none"]),
        "main_characters": 1,
        "description_words": 8,
        "score": round(min(9.5, max(2.0, score)), 2),
        "audience": (number + 0.5) / TITLES,
        **dict.fromkeys(("weighted", "plain", "votes_error", "further_scores")),
        "votes": 1000,
        "members": 1000 + number,
        "favourites": 3,
        "type": "TV" if number % 3 == 0 else "Movie",
        "source": dice.choice(["Manga", "Original"]),
        "episodes": 12,
        "duration_minutes": 24.0,
        "aired_from": date(year, 4, 1),
        "aired_to": None,
        "year": year,
        "season": f"Spring {year}",
        "rating": dice.choice(["G - All Ages", "PG-13 - Teens 13 or older"]),
        "genres": ["Drama"] if bright else ["Horror", "Award Winning"],
        "themes": [],
        "demographics": [],
        "studios": [dice.choice(["Paper Moth", "Tin Comet"])],
        "relations": [],
    }


def _material(name: str, corpus: pl.DataFrame, clusters: pl.DataFrame) -> train.Material:
    described = corpus.select("anime_id", descriptions=pl.lit("A quiet person who keeps a secret from everybody."))
    return train.material(
        EXPERIMENTS[name],
        texts=features.texts(corpus, described),
        tabular=features.tabular(corpus, corpus),
        clusters=clusters,
        embeddings={},
    )


def _fitted(name: str, material: train.Material, corpus: pl.DataFrame, splits: pl.DataFrame) -> Folder:
    settings = train.Settings(seed=42, epochs=1, cheap_repeats=1)
    outcome = train.run(EXPERIMENTS[name], material, corpus, splits, settings, lambda done, total: None)
    return Folder({"table.parquet": outcome.predictions, "history.parquet": outcome.history, **outcome.files})
