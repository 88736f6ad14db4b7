"""How far our reading of real pages agrees with independent tables of the same crawl, field by field.

    python benchmarks/agreement.py REAL_FOLDER

REAL_FOLDER holds odd_pages/ (anime pages of November 2021, `<id>.html`), pages/ with its index.json, and tables/.
Lists are compared as sets and texts word by word. The tables keep the site's words for "nothing" ("Unknown", "?", "No
synopsis ..."), which count as nothing here. Prints the agreement of each field, then every disagreement.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from anipop_pipeline.stages.parse import anime, anime_characters, credit, story
from anipop_pipeline.stages.parse.text import minutes, period

MAL = "https://myanimelist.net"
NOTHING = frozenset({"Unknown", "None", "?"})
SAME = ["title", "title_english", "title_japanese", "score", "type", "source", "episodes", "status", "rating"]
RENAMED = {"votes": "scored_by", "members": "members", "favourites": "favorites", "popularity": "popularity"}
LISTS = ["genres", "themes", "demographics", "studios", "producers"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Compared:
    """What we read from a page for one field, and what the table says."""

    page: str
    field: str
    ours: Any
    theirs: Any


def anime_fields(real: Path) -> Iterator[Compared]:
    """Yield each field of each anime page beside the tables of anime and of relations."""
    table = {row["anime_id"]: row for row in pl.read_parquet(real / "tables/anime_2021.parquet").iter_rows(named=True)}
    links = pl.read_parquet(real / "tables/relations_2021.parquet").rows_by_key("anime_id", named=True)
    for path in sorted((real / "odd_pages").glob("*.html"), key=lambda path: int(path.stem)):
        number = int(path.stem)
        row = anime(path.read_bytes(), f"{MAL}/anime/{number}")
        pairs = compared(row, table[number]) | {"relations": (related(row), linked(links.get(number, [])))}
        yield from (Compared(path.name, field, *pair) for field, pair in pairs.items())


def main_characters(real: Path) -> Iterator[Compared]:
    """Yield the main characters of each list of characters, of whatever year, beside the table of 2021."""
    table = pl.read_parquet(real / "tables/main_character_links.parquet")
    for entry in json.loads((real / "pages/index.json").read_text()):
        if entry["kind"] != "anime_characters":
            continue
        number, body = int(entry["id"]), (real / "pages" / entry["file"]).read_bytes()
        rows = anime_characters(body, f"{MAL}/anime/{number}/x/characters")
        ours = {row["character_id"] for row in rows if row["role"] == "main"}
        theirs = set(table.filter(pl.col("anime_id") == number)["character_id"].to_list())
        yield Compared(entry["file"], "main characters", ours, theirs)


def compared(ours: Row, theirs: Row) -> dict[str, tuple[Any, Any]]:
    """Return what we read and what the table says for each field of an anime."""
    told = "" if (theirs["synopsis"] or "").startswith("No synopsis") else theirs["synopsis"] or ""
    return {
        **{name: (ours[name], said(theirs[name])) for name in SAME},
        **{name: (ours[name], theirs[other]) for name, other in RENAMED.items()},
        **{name: (set(ours[name]), set(filter(None, (theirs[name] or "").split("|")))) for name in LISTS},
        "season": (ours["season"], said(theirs["premiered"])),
        "aired": ((ours["aired_from"], ours["aired_to"]), period(theirs["aired"])),
        "duration": (ours["duration_minutes"], minutes(theirs["duration"])),
        "poster": (ours["poster_url"], theirs["image_url"]),
        "synopsis": ((ours["synopsis"] or "").split(), story(told).split()),
        "synopsis credit": (ours["synopsis_credit"], credit(told) if told else None),
    }


def said(value: Any) -> Any:
    return None if value in NOTHING else value


def related(row: Row) -> set[tuple[str, str, int]]:
    return {(link["relation"], link["kind"], link["related_id"]) for link in row["relations"]}


def linked(rows: list[Row]) -> set[tuple[str, str, int]]:
    return {(row["relation"], row["kind"], row["related_id"]) for row in rows}


def is_told(value: Any) -> bool:
    return value not in (None, "", (None, None)) and value != [] and value != set()


def main() -> None:
    real = Path(sys.argv[1])
    found = [*anime_fields(real), *main_characters(real)]
    print(f"{len({one.page for one in found})} pages, {len(found)} fields compared\n")
    print(f"{'field':18}{'pages':>7}{'told':>7}{'agree':>7}")
    for field in dict.fromkeys(one.field for one in found):
        ones = [one for one in found if one.field == field]
        told, agree = sum(is_told(one.ours) for one in ones), sum(one.ours == one.theirs for one in ones)
        print(f"{field:18}{len(ones):7}{told:7}{agree:7}")
    wrong = [one for one in found if one.ours != one.theirs]
    print(f"\n{len(wrong)} disagreements")
    for one in wrong:
        print(f"{one.page} {one.field}: ours {one.ours!r}, theirs {one.theirs!r}")


if __name__ == "__main__":
    main()
