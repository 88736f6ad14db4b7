"""Claims about imports that lack something: what needs it is absent with a reason, and nothing else suffers."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from anipop_pipeline import cli
from anipop_pipeline.errors import SettingError
from anipop_pipeline.importing import Imported, import_tables, orphans
from anipop_pipeline.lake import Lake, open_lake

from .published_set import sentence
from .whole_graph import NAMES, materialise, opened

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MANY = 30  # anime; each has one main character of its own, but for the last two, who share theirs
NO_VECTORS = {name: {"encoders": "none"} for name in NAMES if name.endswith("_embeddings")}
CORPUS = ("corpus_anime", "corpus_characters", "corpus_roles", "corpus_rejects", "corpus_statistics")
SPLIT = ("clusters", "splits", "imported_split", "split_statistics", "poster_images")
MODELS = tuple(name for name in NAMES if name.startswith("model_") or name.endswith("_embeddings"))
ON_PORTRAITS = ("tabular_features", "portrait_embeddings", "model_portraits")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with anime of invented words, and nothing else."""
    luck = random.Random(5)
    rows = [
        {"anime_id": number, "title": f"T{number}", "score": 5 + number / 10, "synopsis": sentence(luck, 25)}
        for number in range(1, MANY + 1)
    ]
    folder = tmp_path / "set"
    folder.mkdir()
    pl.DataFrame(rows).with_columns(aired_from=pl.date(1990 + pl.col("anime_id"), 4, 3)).write_csv(folder / "anime.csv")
    return folder


def with_roles(folder: Path, part: str = "main") -> None:
    parts = [(number, 100 + min(number, MANY - 1), part) for number in range(1, MANY + 1)]
    pl.DataFrame(parts, ["anime_id", "character_id", "role"], orient="row").write_csv(folder / "roles.csv")


def with_characters(folder: Path) -> None:
    luck = random.Random(6)
    told = [(100 + number, sentence(luck, 8)) for number in range(1, MANY)]
    pl.DataFrame(told, ["character_id", "description"], orient="row").write_csv(folder / "characters.csv")


def portraits(images: Path, *numbers: int) -> Path:
    (images / "portraits").mkdir(parents=True)
    for number in numbers:
        Image.new("RGB", (5, 7)).save(images / "portraits" / f"{number}.png")
    return images


def brought(root: Path, folder: Path, **how: Any) -> Imported:
    return import_tables(Lake(open_lake(str(root), "demo").root, "part"), folder, NOW, **how)


def absent(root: Path, name: str) -> str | None:
    return opened(root, "part").manifest(name).absent


def height(root: Path, name: str) -> int:
    return opened(root, "part").load_table(name).height


# What a set lacks.


def test_without_synopses_there_is_no_corpus_and_the_graph_says_so(folder: Path, tmp_path: Path) -> None:
    anime = pl.read_csv(folder / "anime.csv").select(MAL_ID="anime_id", Name="title", Score="score")
    marks = [pl.lit(mark).alias(f"Score-{mark}") for mark in range(1, 11)]
    anime.with_columns(marks).write_csv(folder / "anime.csv")
    brought(tmp_path, folder, by="kaggle_2020")

    materialise(tmp_path, site="part", dials=NO_VECTORS)

    reason = "part is an import without synopses"
    after = ["corpus_anime", "corpus_roles", "corpus_rejects", "corpus_statistics", "clusters", "splits", "metrics"]
    after += ["split_statistics", "model_mean", "audit", "report", "dataset_card", "comparables"]
    assert {name: absent(tmp_path, name) for name in after} == dict.fromkeys(after, reason)
    assert height(tmp_path, "anime") == MANY


def test_a_summary_of_a_site_without_a_corpus_says_why_there_is_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.read_csv(folder / "anime.csv").drop("synopsis").write_csv(folder / "anime.csv")
    brought(tmp_path, folder)
    materialise(tmp_path, *CORPUS, *SPLIT, "tabular_features", "metrics", *MODELS, site="part")
    monkeypatch.setenv("ANIPOP_LAKE", str(tmp_path))
    monkeypatch.setenv("ANIPOP_SITE", "part")

    assert cli.main(["summary"]) == 0

    assert "part is an import without synopses" in capsys.readouterr().out


def test_characters_without_roles_leave_every_anime_on_its_own(folder: Path, tmp_path: Path) -> None:
    with_characters(folder)
    images = portraits(tmp_path / "images", 101, 102)
    brought(tmp_path, folder, images=images)

    materialise(tmp_path, *CORPUS, *SPLIT, *ON_PORTRAITS, site="part")

    assert height(tmp_path, "corpus_anime") == MANY
    clusters = opened(tmp_path, "part").load_table("clusters")
    assert clusters["cluster_id"].n_unique() == MANY
    assert absent(tmp_path, "corpus_characters") == "part is an import without roles"
    assert absent(tmp_path, "model_portraits") == "no main character of a kept anime has a portrait"
    assert height(tmp_path, "characters") == MANY - 1


def test_roles_without_characters_still_tell_who_belongs_together(folder: Path, tmp_path: Path) -> None:
    with_roles(folder)
    brought(tmp_path, folder)

    materialise(tmp_path, *CORPUS, *SPLIT, *ON_PORTRAITS, site="part")

    assert height(tmp_path, "corpus_anime") == height(tmp_path, "corpus_roles") == MANY
    assert opened(tmp_path, "part").load_table("clusters")["cluster_id"].n_unique() == MANY - 1
    assert absent(tmp_path, "model_portraits") == "part is an import without portraits"


def test_roles_that_name_no_main_character_leave_every_anime_on_its_own(folder: Path, tmp_path: Path) -> None:
    with_roles(folder, "supporting")
    with_characters(folder)
    brought(tmp_path, folder)

    materialise(tmp_path, *CORPUS, *SPLIT, site="part")

    assert absent(tmp_path, "roles") == "part is an import without main characters"
    assert opened(tmp_path, "part").load_table("clusters")["cluster_id"].n_unique() == MANY


def test_a_file_without_rows_is_a_table_that_is_absent(folder: Path, tmp_path: Path) -> None:
    for file, header in {"portraits": "character_id,image", "roles": "anime_id,character_id,role"}.items():
        (folder / f"{file}.csv").write_text(f"{header}\n")
    with_characters(folder)

    brought(tmp_path, folder)

    assert absent(tmp_path, "portraits") == "part is an import without portraits"
    assert absent(tmp_path, "roles") == "part is an import without roles"
    assert absent(tmp_path, "characters") is None


def test_posters_of_anime_that_were_not_kept_leave_models_on_posters_out(folder: Path, tmp_path: Path) -> None:
    anime = pl.read_csv(folder / "anime.csv", schema_overrides={"synopsis": pl.String})
    lost = pl.when(pl.col("anime_id") == 1).then(pl.lit("Too short.")).otherwise("synopsis")
    anime.with_columns(synopsis=lost).write_csv(folder / "anime.csv")
    (tmp_path / "images" / "posters").mkdir(parents=True)
    Image.new("RGB", (5, 7)).save(tmp_path / "images" / "posters" / "1.png")
    brought(tmp_path, folder, images=tmp_path / "images")

    made = [name for name in NAMES if name.startswith("model_poster")]
    materialise(tmp_path, *CORPUS, *SPLIT, "tabular_features", "poster_embeddings", *made, site="part")

    assert {absent(tmp_path, name) for name in ["poster_embeddings", *made]} == {"no kept anime has a poster"}


def test_a_set_without_titles_is_not_asked_for_them_and_one_with_some_is(folder: Path, tmp_path: Path) -> None:
    anime = pl.read_csv(folder / "anime.csv")
    anime.drop("title").write_csv(folder / "anime.csv")
    brought(tmp_path / "none", folder)
    first = pl.when(pl.col("anime_id") > 2).then("title")
    anime.with_columns(title=first).write_csv(folder / "anime.csv")
    brought(tmp_path / "some", folder)

    for lake in ("none", "some"):
        materialise(tmp_path / lake, *CORPUS, site="part")

    without = opened(tmp_path / "none", "part").load_table("corpus_anime")
    assert (without.height, without["title"].null_count()) == (MANY, MANY)
    assert height(tmp_path / "some", "corpus_anime") == MANY - 2
    assert set(opened(tmp_path / "some", "part").load_table("corpus_rejects")["rule"]) == {"title_missing"}


# Right after an import.


@pytest.mark.parametrize("name", ["anime", "roles", "further_scores", "imported_split", "anime_index", "corpus_anime"])
def test_any_asset_can_be_made_alone_right_after_an_import(folder: Path, tmp_path: Path, name: str) -> None:
    brought(tmp_path, folder)

    materialise(tmp_path, name, site="part")

    is_there = name in ("anime", "corpus_anime")
    assert absent(tmp_path, name) == (None if is_there else f"part is an import without {name}")


def test_what_is_made_again_after_an_import_agrees_with_it(folder: Path, tmp_path: Path) -> None:
    brought(tmp_path, folder)
    tables = ("anime_pages", "roles", "further_scores", "imported_split", "histograms", "portraits")
    before = {name: opened(tmp_path, "part").manifest(name).digest for name in tables}

    materialise(tmp_path, *tables, site="part")

    assert {name: opened(tmp_path, "part").manifest(name).digest for name in tables} == before


# Rows about something that the set does not have.


def test_rows_about_what_is_not_there_are_counted_and_said(folder: Path, tmp_path: Path) -> None:
    with_roles(folder)
    with_characters(folder)
    pl.DataFrame({"anime_id": [1, 77, 78], "character_id": [101] * 3, "role": ["main"] * 3}).write_csv(
        folder / "roles.csv"
    )
    (folder / "relations.csv").write_text("anime_id,relation,kind,related_id\n1,Sequel,anime,2\n99,Sequel,anime,1\n")
    (folder / "histograms.csv").write_text("anime_id,mark,votes\n1,10,5\n1,9,4\n90,9,4\n")
    images = portraits(tmp_path / "images", 101, 999)
    (images / "portraits" / "102.bmp").write_bytes(b"BM")
    (folder / "charcters.csv").write_text("character_id\n1\n")

    done = brought(tmp_path, folder, images=images)

    said = opened(tmp_path, "part").imported()
    assert said is not None
    assert said["left_over"] == {
        "marks of unknown anime": 1,
        "roles in unknown anime": 2,
        "relations of unknown anime": 1,
        "characters without a role": MANY - 2,
        "portraits of unknown characters": 1,
        "files not read in the folder, such as charcters.csv": 1,
        "files not read in portraits/, such as 102.bmp": 1,
    }
    assert "left over: roles in unknown anime: 2" in done.as_text()
    assert "left over: files not read in portraits/, such as 102.bmp: 1" in done.as_text()
    assert str(tmp_path) not in json.dumps(said)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("roles", "anime_id,character_id,role\n500,1,main\n", "no anime_id of roles is one of anime, such as 500 here"),
        ("relations", "anime_id,relation,kind,related_id\n500,Sequel,anime,1\n", "no anime_id of relations"),
        ("histograms", "anime_id,mark,votes\n500,10,1\n", "no anime_id of histograms"),
        ("characters", "character_id,description\n7,A tall man.\n", "no character_id of characters is one of roles"),
    ],
)
def test_a_table_of_another_set_is_refused(folder: Path, tmp_path: Path, file: str, content: str, says: str) -> None:
    with_roles(folder)
    (folder / f"{file}.csv").write_text(content)

    with pytest.raises(SettingError) as caught:
        brought(tmp_path / "lake", folder)

    assert says in caught.value.what
    assert caught.value.where == file
    assert not (tmp_path / "lake" / "part").exists()


def test_portraits_are_those_of_characters_or_else_of_whoever_has_a_role() -> None:
    people = {name: pl.DataFrame({"character_id": ids}) for name, ids in {"characters": [1], "roles": [1, 2]}.items()}
    pictured = {"portraits": pl.DataFrame({"character_id": [1, 2, 3]})}

    described = orphans.known("portraits", {**people, **pictured})
    playing = orphans.known("portraits", {"roles": people["roles"], **pictured})

    assert described["character_id"].to_list() == [1]
    assert playing["character_id"].to_list() == [1, 2]
    assert orphans.known("portraits", pictured).height == 3


def test_a_column_of_scores_is_named_when_it_is_refused(folder: Path, tmp_path: Path) -> None:
    pl.read_csv(folder / "anime.csv").with_columns(score_AniList=71).write_csv(folder / "anime.csv")

    with pytest.raises(SettingError, match=r"lower case.*score_AniList.*call the column score_anilist"):
        brought(tmp_path / "lake", folder)
