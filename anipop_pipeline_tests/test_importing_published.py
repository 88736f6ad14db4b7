"""Claims about the published dataset: its layout becomes our tables, and damage anywhere in it imports nothing."""

import csv
import shutil
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from anipop_pipeline import cli
from anipop_pipeline.importing import Imported, import_published
from anipop_pipeline.lake import Lake, open_lake

from .published_set import EACH, FIRST_CHARACTER, TEST, TRAIN, rows_of, rows_to, written
from .whole_graph import NAMES, materialise, opened

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FIRST, SHARED = FIRST_CHARACTER, 2  # the first character; how many play in two anime
CHARACTERS = EACH * (TRAIN + TEST) - SHARED
NO_VECTORS = {name: {"encoders": "none"} for name in NAMES if name.endswith("_embeddings")}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def harmed(dataset: Path, tmp_path: Path) -> Path:
    """Return a copy of the dataset that a test may harm."""
    return Path(shutil.copytree(dataset, tmp_path / "harmed"))


def brought(root: Path, folder: Path) -> Imported:
    return import_published(Lake(open_lake(str(root), "demo").root, "paper"), folder, NOW)


def contents(lake: Path) -> dict[str, bytes]:
    paths = (path for path in lake.rglob("*") if path.is_file() and ".staging" not in path.parts)
    return {str(path.relative_to(lake)): path.read_bytes() for path in paths}


# What it becomes.


def test_both_parts_become_our_tables(dataset: Path, tmp_path: Path) -> None:
    done = brought(tmp_path, dataset)

    here = opened(tmp_path, "paper")
    first = here.load_table("anime").row(0, named=True)
    told = rows_of(dataset / "Anime_train.csv")[0]
    heights = {name: here.load_table(name).height for name in done.folders}
    assert heights == {
        "anime": TRAIN + TEST,
        "histograms": 0,
        "roles": EACH * (TRAIN + TEST),
        "characters": CHARACTERS,
        "portraits": CHARACTERS,
        "posters": 0,
        "imported_split": TRAIN + TEST,
    }
    assert (first["anime_id"], first["score"]) == (1, float(told["Score"]))
    assert first["synopsis"] == told["Synopsis"]
    assert (first["synopsis_credit"], first["title"]) == (None, None)
    assert first["url"] == "https://paper.invalid/anime/1"
    assert "not read: Anime_train.csv: Mood" in done.as_text()


def test_an_anime_has_its_main_characters_in_the_order_of_the_text(dataset: Path, tmp_path: Path) -> None:
    brought(tmp_path, dataset)

    roles = opened(tmp_path, "paper").load_table("roles").filter(pl.col("anime_id").is_in([1, TRAIN]))
    rows = roles.sort("anime_id", "position").select("anime_id", "character_id", "role", "position").rows()
    last = FIRST + EACH * TRAIN - 1
    assert rows == [
        (1, FIRST, "main", 0),
        (1, FIRST + 1, "main", 1),
        (TRAIN, FIRST, "main", 0),
        (TRAIN, last, "main", 1),
    ]


def test_the_split_of_the_files_is_kept(dataset: Path, tmp_path: Path) -> None:
    brought(tmp_path, dataset)

    split = opened(tmp_path, "paper").load_table("imported_split")
    assert split["anime_id"].to_list() == list(range(1, TRAIN + TEST + 1))
    assert split["part"].to_list() == ["train"] * TRAIN + ["test"] * TEST


def test_a_portrait_is_the_file_as_it_lies_there(dataset: Path, tmp_path: Path) -> None:
    brought(tmp_path, dataset)

    row = opened(tmp_path, "paper").load_table("portraits").row(0, named=True)
    assert row["image"] == (dataset / "char train" / f"{FIRST}.png").read_bytes()
    assert (row["character_id"], row["width"], row["height"]) == (FIRST, 24, 32)


def test_ids_and_titles_are_taken_where_both_files_give_them(harmed: Path, tmp_path: Path) -> None:
    for part, start in (("train", 5000), ("test", 7000)):
        path = harmed / f"Anime_{part}.csv"
        rows_to(path, [{"MAL ID": start + at, "Title": f"T{at}", **row} for at, row in enumerate(rows_of(path))])

    brought(tmp_path / "lake", harmed)

    here = opened(tmp_path / "lake", "paper")
    row = here.load_table("anime").row(-1, named=True)
    assert (row["anime_id"], row["title"]) == (7000 + TEST - 1, f"T{TEST - 1}")
    assert row["url"] == f"https://myanimelist.net/anime/{row['anime_id']}"
    assert here.load_table("imported_split").filter(part="test")["anime_id"].min() == 7000


def test_lists_dates_and_texts_are_read_as_they_are(harmed: Path, tmp_path: Path) -> None:
    description = "Age: 27\n\nA tall man who cooks. (Source: a book)"
    for part in ("train", "test"):
        path, cast = harmed / f"Anime_{part}.csv", harmed / f"Char_{part}.csv"
        more = {"Genres": "Action, Sci-Fi", "Studios": "['Sun, Inc.']", "Aired": "Apr 3, 1998 to Apr 24, 1999"}
        rows_to(path, [{**row, **more} for row in rows_of(path)])
        rows_to(cast, [{**row, "Description": description} for row in rows_of(cast)])

    brought(tmp_path / "lake", harmed)

    here = opened(tmp_path / "lake", "paper")
    row = here.load_table("anime").row(0, named=True)
    assert (row["genres"], row["studios"]) == (["Action", "Sci-Fi"], ["Sun, Inc."])
    assert (row["aired_from"], row["aired_to"]) == (date(1998, 4, 3), date(1999, 4, 24))
    person = here.load_table("characters").row(0, named=True)
    assert (person["description"], person["facts"]) == (description, None)


def test_rows_of_one_character_that_agree_are_one(harmed: Path, tmp_path: Path) -> None:
    path = harmed / "Char_test.csv"
    rows_to(path, [*rows_of(path), *rows_of(path)])

    brought(tmp_path / "lake", harmed)

    assert opened(tmp_path / "lake", "paper").load_table("characters").height == CHARACTERS


def test_the_site_says_what_it_has(dataset: Path, tmp_path: Path) -> None:
    brought(tmp_path, dataset)

    said = opened(tmp_path, "paper").imported()
    assert said is not None
    assert (said["kind"], said["site"]) == ("published", "paper.invalid")
    assert said["has"] == {"titles": False, "synopses": True, "descriptions": True, "portraits": True}
    assert said["left_over"] == {}
    assert [one["name"] for one in said["files"]][:2] == ["Anime_train.csv", "Anime_test.csv"]
    assert f"char test/ ({EACH * TEST - 1} pictures)" in [one["name"] for one in said["files"]]


# Partial sets, and what comes after.


def test_without_portraits_descriptions_alone_are_asked_for(harmed: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        shutil.rmtree(harmed / f"char {part}")
    brought(tmp_path / "lake", harmed)

    materialise(tmp_path / "lake", "corpus_anime", "corpus_characters", "corpus_roles", site="paper")

    here = opened(tmp_path / "lake", "paper")
    assert here.manifest("portraits").absent == "paper is an import without portraits"
    assert here.load_table("corpus_anime").height == TRAIN + TEST
    assert here.load_table("corpus_characters").height == CHARACTERS


def test_without_descriptions_the_whole_graph_runs_and_says_what_stays_out(harmed: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        shutil.rmtree(harmed / f"char {part}")
        (harmed / f"Char_{part}.csv").unlink()
    brought(tmp_path / "lake", harmed)

    materialise(tmp_path / "lake", site="paper", dials=NO_VECTORS)

    here = opened(tmp_path / "lake", "paper")
    reasons = {name: here.manifest(name).absent for name in NAMES}
    assert reasons["corpus_characters"] == reasons["model_full"] == "paper is an import without characters"
    assert reasons["model_portraits"] == reasons["portrait_embeddings"] == "paper is an import without portraits"
    assert reasons["model_poster"] == "paper is an import without posters"
    there = ["corpus_anime", "clusters", "splits", "model_tfidf_ridge", "model_pitch", "metrics", "report"]
    assert [reasons[name] for name in there] == [None] * len(there)
    assert here.load_table("corpus_anime").height == TRAIN + TEST


def test_characters_of_whom_nothing_is_told_ask_for_no_description(harmed: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        path = harmed / f"Char_{part}.csv"
        rows_to(path, [{**row, "Description": ""} for row in rows_of(path)])

    brought(tmp_path / "lake", harmed)

    here = opened(tmp_path / "lake", "paper")
    assert here.manifest("characters").absent == "paper is an import without descriptions of characters"
    said = here.imported()
    assert said is not None
    assert said["has"] == {"titles": False, "synopses": True, "descriptions": False, "portraits": True}


# Damage.

Harm = Callable[[Path], None]


def cell(file: str, row: int, column: str, value: str) -> Harm:
    """Return the harm of one changed cell; rows are counted from 1."""

    def harm(folder: Path) -> None:
        rows = rows_of(folder / file)
        rows[row - 1][column] = value
        rows_to(folder / file, rows)

    return harm


def without_column(file: str, column: str) -> Harm:
    def harm(folder: Path) -> None:
        rows_to(folder / file, [{name: row[name] for name in row if name != column} for row in rows_of(folder / file)])

    return harm


def again(file: str, row: int, value: str) -> Harm:
    def harm(folder: Path) -> None:
        rows = rows_of(folder / file)
        rows_to(folder / file, [*rows, {**rows[row - 1], "Description": value}])

    return harm


def lines(file: str, change: Callable[[list[bytes]], list[bytes]]) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / file
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return harm


def latin(table: list[bytes]) -> list[bytes]:
    return [*table[:5], b'303,"caf\xe9 keeper"\r\n', *table[6:]]


def short(table: list[bytes]) -> list[bytes]:
    return [*table[:3], b"301\r\n", *table[4:]]


def unclosed(table: list[bytes]) -> list[bytes]:
    return [*table[:4], b'302,"A tall man\r\n', *table[5:]]


def picture(name: str, content: Callable[[bytes], bytes]) -> Harm:
    def harm(folder: Path) -> None:
        whole = (folder / "char train" / f"{FIRST}.png").read_bytes()
        (folder / "char train" / name).write_bytes(content(whole))

    return harm


def in_place_of_portraits(folder: Path) -> None:
    shutil.rmtree(folder / "char train")
    (folder / "char train").write_bytes(b"portraits")


def renumbered(folder: Path) -> None:
    for one in folder.glob("char */*.png"):
        one.rename(one.with_name(f"{5000 + int(one.stem)}.png"))


def bomb(_whole: bytes) -> bytes:
    """Return the head of a PNG that says it is 60,000 pixels wide and high."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    first = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + first + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


HARMS: dict[str, tuple[Harm, tuple[str, ...]]] = {  # the harm, and what the message must name
    "score in words": (cell("Anime_train.csv", 3, "Score", "eleven"), ("Anime_train.csv, row 3, Score", "'eleven'")),
    "score too high": (cell("Anime_test.csv", 2, "Score", "11.5"), ("Anime_test.csv, row 2, Score", "11.5")),
    "no score": (without_column("Anime_test.csv", "Score"), ("Anime_test.csv, Score", "no such column")),
    "cast cut short": (
        cell("Anime_train.csv", 7, "Main Characters", "[312, 313"),
        ("Anime_train.csv, row 7, Main Characters", "is not a list"),
    ),
    "negative in a cast": (
        cell("Anime_train.csv", 8, "Main Characters", "[-5]"),
        ("Anime_train.csv, row 8, Main Characters", "[-5]"),
    ),
    "id in words": (cell("Char_test.csv", 4, "MAL ID", "Spike"), ("Char_test.csv, row 4, MAL ID", "'Spike'")),
    "negative id": (cell("Char_train.csv", 1, "MAL ID", "-300"), ("Char_train.csv, row 1, MAL ID", "-300")),
    "no id": (cell("Char_train.csv", 5, "MAL ID", ""), ("Char_train.csv, row 5, MAL ID", "says nothing")),
    "id with two stories": (again("Char_train.csv", 2, "Another."), (", Description", "about the same as row 2")),
    "id twice": (cell("Char_test.csv", 6, "MAL ID", "301"), ("Char_test.csv, row 6", "Char_train.csv, row 2")),
    "encoding": (lines("Char_train.csv", latin), ("Char_train.csv, row 5, Description", "not UTF-8")),
    "row cut short": (lines("Char_train.csv", short), ("Char_train.csv, row 3", "1 cells, the header 2")),
    "quote not closed": (lines("Char_train.csv", unclosed), ("Char_train.csv, row ",)),
    "broken picture": (picture("305.png", lambda whole: whole[:-40]), ("char train/305.png, image", "decoded")),
    "no picture": (picture("306.png", lambda _: b"<html>"), ("char train/306.png, image", "no picture")),
    "bomb": (picture("307.png", bomb), ("char train/307.png, image", "too large")),
    "picture of nobody's name": (picture("Spike.png", lambda whole: whole), ("char train/Spike.png, name", "no id")),
    "no test part": (lambda folder: (folder / "Anime_test.csv").unlink(), ("Anime_test.csv", "lacking")),
    "a file in place of portraits": (in_place_of_portraits, ("char train", "a file lies where a folder")),
    "nobody's portraits": (renumbered, ("no character_id of portraits is one of characters", "5300 here")),
    "one part of the portraits": (lambda folder: shutil.rmtree(folder / "char test"), ("char train", "lacking")),
    "empty": (lambda folder: (folder / "Anime_train.csv").write_bytes(b"") and None, ("Anime_train.csv", "no header")),
}


@pytest.mark.parametrize("harm", HARMS)
def test_damage_is_refused_with_its_place_and_the_lake_stays_as_it_is(
    harmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    monkeypatch.setenv("ANIPOP_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    brought(tmp_path / "lake", harmed)
    before = contents(tmp_path / "lake")
    HARMS[harm][0](harmed)

    code = cli.main(["import", "published", str(harmed), "--as", "paper", "--replace"])

    (message,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("anipop: ")]
    assert code == 1
    assert [part for part in HARMS[harm][1] if part not in message] == [], message
    assert contents(tmp_path / "lake") == before


def test_it_is_typed_and_the_site_is_there(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANIPOP_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("DAGSTER_HOME", "")

    assert cli.main(["import", "published", str(dataset), "--as", "paper"]) == 0

    said = capsys.readouterr()
    assert "Next: ANIPOP_SITE=paper anipop run" in said.out
    assert "reading Anime_train.csv" in said.err
    assert opened(tmp_path / "lake", "paper").load_table("anime").height == TRAIN + TEST


def test_the_limit_of_the_csv_reader_is_left_as_it_was(dataset: Path, tmp_path: Path) -> None:
    before = csv.field_size_limit()

    brought(tmp_path, dataset)

    assert csv.field_size_limit() == before
