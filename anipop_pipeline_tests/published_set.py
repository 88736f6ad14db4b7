"""A dataset laid out as paper A's authors lay out theirs, of invented words and drawn pictures, from a seed."""

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

TRAIN, TEST = 40, 12  # anime
EACH = 2  # main characters of an anime; those of the last anime of a series are the first ones' as well
FIRST_CHARACTER = 300
WORDS = ["lantern", "harbour", "winter", "sword", "promise", "village", "ghost", "engine", "forest", "letter", "bridge"]


def written(folder: Path) -> Path:
    """Return the folder, now with both parts of a dataset."""
    luck = random.Random(42)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = iter(range(FIRST_CHARACTER, 10_000))
    for part, count in (("train", TRAIN), ("test", TEST)):
        casts = [[next(numbers) for _ in range(EACH)] for _ in range(count)]
        casts[-1] = [casts[0][0], *casts[-1][1:]]
        anime = [_anime(luck, cast) for cast in casts]
        known = sorted({number for cast in casts for number in cast})
        rows_to(folder / f"Anime_{part}.csv", anime)
        rows_to(folder / f"Char_{part}.csv", [{"MAL ID": one, "Description": sentence(luck, 30)} for one in known])
        portraits = folder / f"char {part}"
        portraits.mkdir()
        for number in known:
            colour = tuple(luck.randrange(256) for _ in range(3))
            Image.new("RGB", (24, 32), colour).save(portraits / f"{number}.png")
    return folder


def _anime(luck: random.Random, cast: Sequence[int]) -> dict[str, object]:
    score = round(luck.uniform(5, 9), 2)
    story = f"{sentence(luck, 10)}\n{sentence(luck, 20)} [Written by MAL Rewrite]"
    return {"": luck.random(), "Score": score, "Synopsis": story, "Main Characters": str(list(cast)), "Mood": "calm"}


def sentence(luck: random.Random, count: int) -> str:
    return " ".join(luck.choice(WORDS) for _ in range(count)).capitalize() + "."


def rows_to(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
