"""Claims about imports of tables: ours come back as they are, others' by a mapping, and damage imports nothing."""

import csv
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal

from anipop_pipeline import cli
from anipop_pipeline.errors import AnipopError
from anipop_pipeline.importing import Imported, import_published, import_tables
from anipop_pipeline.importing.tables import loaded
from anipop_pipeline.lake import Lake, open_lake, sites
from anipop_pipeline.mappings import shipped
from anipop_pipeline.stages import clean, cluster

from .published_set import rows_to, written
from .whole_graph import opened

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MAPPINGS = Path(__file__).parent / "mappings"


def brought(root: Path | str, folder: Path, **how: Any) -> Imported:
    return import_tables(Lake(open_lake(str(root), "demo").root, "theirs"), folder, NOW, **how)


def here(root: Path) -> Lake:
    return opened(root, "theirs")


def contents(lake: Path) -> dict[str, bytes]:
    paths = (path for path in lake.rglob("*") if path.is_file() and ".staging" not in path.parts)
    return {str(path.relative_to(lake)): path.read_bytes() for path in paths}


def table_of(folder: Path, file: str, header: str, *rows: Sequence[object]) -> None:
    """Write a CSV file from its header as text, and its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / file).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([next(csv.reader([header])), *rows])


# The site of 2021.


@pytest.fixture(scope="module")
def site_of_2021(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real")
    brought(root, real / "tables", by=str(MAPPINGS / "real_tables.toml"), images=real / "posters")
    return root


def test_the_tables_of_2021_come_in_whole(site_of_2021: Path) -> None:
    anime = here(site_of_2021).load_table("anime")

    assert anime.height == 17_682  # 17,683 rows, of which two say the same
    assert here(site_of_2021).load_table("roles").height == 35_894
    assert anime["relations"].list.len().sum() == 25_234
    assert here(site_of_2021).load_table("posters").height == 249
    assert here(site_of_2021).manifest("posters").notes["wanted"] == 17_682


def test_a_title_of_2021_is_what_its_page_said(site_of_2021: Path) -> None:
    (row,) = here(site_of_2021).load_table("anime").filter(anime_id=1).iter_rows(named=True)

    assert {name: row[name] for name in ("title", "score", "votes", "members", "favourites", "popularity")} == {
        "title": "Cowboy Bebop",
        "score": 8.77,
        "votes": 716_327,
        "members": 1_481_991,
        "favourites": 64_943,
        "popularity": 44,
    }
    assert (row["episodes"], row["duration_minutes"], row["season"]) == (26, 24.0, "Spring 1998")
    assert (row["aired_from"], row["aired_to"]) == (date(1998, 4, 3), date(1999, 4, 24))
    assert row["genres"] == ["Action", "Adventure", "Comedy", "Drama", "Sci-Fi"]
    assert (row["themes"], row["demographics"], row["studios"]) == (["Space"], [], ["Sunrise"])
    assert {"relation": "Side story", "kind": "anime", "related_id": 5} in row["relations"]
    assert row["synopsis_credit"] == "rewrite"


def test_a_poster_has_the_address_that_the_tables_know(site_of_2021: Path, real: Path) -> None:
    (row,) = here(site_of_2021).load_table("posters").filter(anime_id=1).iter_rows(named=True)

    assert row["url"] == "https://cdn.myanimelist.net/images/anime/4/19644.jpg"
    assert row["image"] == (real / "posters" / "1.jpg").read_bytes()


def test_the_corpus_of_2021_has_7531_anime_in_4309_components(site_of_2021: Path) -> None:
    anime, roles = (here(site_of_2021).load_table(name) for name in ("anime", "roles"))

    kept = clean.usable_anime(anime, roles, None, min_words=20, need_characters=True).rows

    assert kept.height == 7531
    assert cluster.clusters(kept, clean.kept_roles(roles, kept, None))["cluster_id"].n_unique() == 4309


def test_a_set_of_one_theme_brings_casts_and_biographies(real: Path, tmp_path: Path) -> None:
    done = brought(tmp_path, real / "tables" / "isekai_2024", by=str(MAPPINGS / "isekai_2024.toml"))

    anime, roles, characters = (here(tmp_path).load_table(name) for name in ("anime", "roles", "characters"))
    (row,) = anime.filter(anime_id=48_895).iter_rows(named=True)
    assert (anime.height, roles.height, characters.height) == (396, 3138, 2247)
    assert (row["title"], row["score"], row["season"], row["duration_minutes"]) == (
        "Overlord IV",
        8.08,
        "Summer 2022",
        23.0,
    )
    assert (row["aired_from"], row["genres"]) == (date(2022, 7, 5), ["Action", "Adventure", "Fantasy"])
    assert characters["description"].is_not_null().sum() > 1000
    assert not characters["description"].str.contains(r"^Age: ").any()
    said = here(tmp_path).imported()
    assert said is not None
    assert said["has"] == {"titles": True, "synopses": True, "descriptions": True, "portraits": False}
    assert "not read: anime.csv: trailer_url" in done.as_text()


# Sets of others, with invented rows.


def only(root: Path, table: str = "anime") -> dict[str, Any]:
    (row,) = here(root).load_table(table).iter_rows(named=True)
    return row


def test_answers_of_jikan_are_read(tmp_path: Path) -> None:
    header = "mal_id,title,title_synonyms,synopsis,score,scored_by,aired.from,season,year,genres,duration,episodes"
    genres = "[{'mal_id': 1, 'type': 'anime', 'name': 'Action'}]"
    row = [
        7,
        "Sea",
        "['Sea, the']",
        "A sea. (Source: ANN)",
        7.1,
        12.0,
        "2001-02-03T00:00:00+00:00",
        "winter",
        2001.0,
        genres,
    ]
    table_of(tmp_path / "set", "anime.csv", header, [*row, "24 min per ep", ""])
    table_of(
        tmp_path / "set", "characters.csv", "mal_id,name,about,favorites", [3, "Ann", "Age: 20\n\nA tall woman.", 4]
    )
    table_of(tmp_path / "set", "roles.csv", "anime_id,character_id,role", [7, 3, "Main"])

    brought(tmp_path / "lake", tmp_path / "set", by="jikan")

    anime = only(tmp_path / "lake")
    assert (anime["anime_id"], anime["votes"], anime["season"], anime["genres"]) == (7, 12, "Winter 2001", ["Action"])
    assert (anime["synopsis"], anime["synopsis_credit"]) == ("A sea.", "source")
    assert (anime["synopsis_as_written"], anime["title_synonyms"]) == ("A sea. (Source: ANN)", ["Sea, the"])
    assert (anime["aired_from"], anime["duration_minutes"], anime["episodes"]) == (date(2001, 2, 3), 24.0, None)
    assert anime["url"] == "https://myanimelist.net/anime/7"
    person = only(tmp_path / "lake", "characters")
    assert (person["description"], person["facts"]) == ("A tall woman.", "Age: 20")
    assert person["description_as_written"] == "Age: 20\n\nA tall woman."
    assert only(tmp_path / "lake", "roles")["role"] == "main"


def test_the_set_of_2020_is_read_with_its_synopses_and_its_marks(tmp_path: Path) -> None:
    marks = ",".join(f"Score-{mark}" for mark in range(10, 0, -1))
    header = "MAL_ID,Name,Score,Genres,English name,Aired,Premiered,Duration,Ranked,Members,Episodes," + marks
    row = [7, "Sea", "7.1", "Action, Drama", "Unknown", "Apr 3, 1998 to ?", "Spring 1998", "24 min. per ep.", "28.0"]
    table_of(tmp_path / "set", "anime.csv", header, [*row, 100, "Unknown", *[f"{mark}.0" for mark in range(10)]])
    table_of(
        tmp_path / "set", "anime_with_synopsis.csv", "MAL_ID,Name,Score,Genres,sypnopsis", [7, "Sea", 7.1, "", "A."]
    )

    brought(tmp_path / "lake", tmp_path / "set", by="kaggle_2020")

    anime = only(tmp_path / "lake")
    assert (anime["title"], anime["title_english"], anime["synopsis"]) == ("Sea", None, "A.")
    assert (anime["rank"], anime["episodes"], anime["genres"]) == (28, None, ["Action", "Drama"])
    assert (anime["aired_from"], anime["aired_to"]) == (date(1998, 4, 3), None)
    assert here(tmp_path / "lake").load_table("histograms").filter(mark=10)["votes"].to_list() == [0]
    assert here(tmp_path / "lake").load_table("histograms").height == 10


def test_the_set_of_january_2020_is_read_though_it_tells_rows_twice(tmp_path: Path) -> None:
    header = "uid,title,synopsis,genre,aired,episodes,members,popularity,ranked,score,img_url,link"
    row = [7, "Sea", "A sea.", "['Action']", "Oct 4, 2015 to Mar 27, 2016", "25.0", 1, 2, "", "8.82", "", "https://x/7"]
    table_of(tmp_path / "set", "animes.csv", header, row, row)

    brought(tmp_path / "lake", tmp_path / "set", by="kaggle_uid")

    anime = only(tmp_path / "lake")
    assert (anime["anime_id"], anime["episodes"], anime["score"], anime["url"]) == (7, 25, 8.82, "https://x/7")
    assert (anime["genres"], anime["aired_to"], anime["rank"]) == (["Action"], date(2016, 3, 27), None)


def test_the_set_of_2023_is_read(tmp_path: Path) -> None:
    header = "anime_id,Name,English name,Score,Genres,Synopsis,Episodes,Aired,Premiered,Status,Duration,Rank,Scored By"
    none = "No description available for this anime."
    row = [7, "Sea", "UNKNOWN", "UNKNOWN", "UNKNOWN", none, "UNKNOWN", "Not available", "spring 1998", "x", "Unknown"]
    table_of(tmp_path / "set", "anime-dataset-2023.csv", header, [*row, "0.0", "UNKNOWN"])

    brought(tmp_path / "lake", tmp_path / "set", by="kaggle_2023")

    anime = only(tmp_path / "lake")
    assert (anime["title"], anime["season"], anime["status"], anime["genres"]) == ("Sea", "Spring 1998", "x", [])
    silent = (
        "title_english",
        "synopsis",
        "synopsis_as_written",
        "synopsis_credit",
        "score",
        "episodes",
        "aired_from",
        "rank",
        "votes",
    )
    assert [anime[name] for name in silent] == [None] * len(silent)


def test_every_mapping_that_we_bring_is_sound_and_the_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["import", "tables", "--help"])

    said = capsys.readouterr().out
    assert set(shipped()) == {"jikan", "kaggle_2020", "kaggle_2023", "kaggle_uid"}
    for name in [*shipped(), "published"]:
        assert loaded(name).host == "myanimelist.net"
        assert name == "published" or name in said


# Our own tables.


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Return a folder with tables in our schema, exported from an import."""
    import_published(Lake(open_lake(str(tmp_path / "first"), "demo").root, "paper"), written(tmp_path / "set"), NOW)
    folder = tmp_path / "ours"
    folder.mkdir()
    for name in ("anime", "roles", "characters", "portraits"):
        opened(tmp_path / "first", "paper").load_table(name).write_parquet(folder / f"{name}.parquet")
    return folder


def test_our_tables_come_back_as_they_were(ours: Path, tmp_path: Path) -> None:
    brought(tmp_path / "lake", ours)

    for name in ("anime", "roles", "characters", "portraits"):
        again = here(tmp_path / "lake").load_table(name)
        assert_frame_equal(again, pl.read_parquet(ours / f"{name}.parquet"))


def test_our_tables_may_be_csv_with_lists_in_json(tmp_path: Path) -> None:
    relations = json.dumps([{"relation": "Sequel", "kind": "anime", "related_id": 8}])
    header = "anime_id,title,score,genres,studios,relations,aired_from,score_anilist"
    table_of(tmp_path / "set", "anime.csv", header, [7, "Sea", 7.1, '["Action"]', "A|B", relations, "2001-02-03", 71])

    brought(tmp_path / "lake", tmp_path / "set")

    anime = only(tmp_path / "lake")
    assert (anime["genres"], anime["studios"], anime["aired_from"]) == (["Action"], ["A", "B"], date(2001, 2, 3))
    assert anime["relations"] == json.loads(relations)
    assert only(tmp_path / "lake", "further_scores") == {"anime_id": 7, "source": "anilist", "score": 71.0}


def test_further_scores_of_an_import_that_was_replaced_are_gone(tmp_path: Path) -> None:
    table_of(tmp_path / "set", "anime.csv", "anime_id,title,score_anilist", [7, "Sea", 71])
    table_of(tmp_path / "less", "anime.csv", "anime_id,title", [7, "Sea"])
    brought(tmp_path / "lake", tmp_path / "set")

    brought(tmp_path / "lake", tmp_path / "less", replace=True)

    assert here(tmp_path / "lake").manifest("further_scores").absent == "theirs is an import without further_scores"


def test_pictures_of_both_kinds_come_from_folders_of_their_names_and_those_of_nobody_are_left_out(
    ours: Path, tmp_path: Path
) -> None:
    (ours / "portraits.parquet").unlink()
    for kind, names in {"posters": ["1.png", "9999.jpg"], "portraits": ["300.webp", ".hidden.png"]}.items():
        (tmp_path / "images" / kind).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (5, 7)).save(tmp_path / "images" / kind / name)

    brought(tmp_path / "lake", ours, images=tmp_path / "images")

    assert only(tmp_path / "lake", "portraits")["character_id"] == 300
    poster = only(tmp_path / "lake", "posters")
    assert (poster["anime_id"], poster["width"], poster["height"], poster["url"]) == (1, 5, 7, "file:1.png")
    assert here(tmp_path / "lake").manifest("posters").notes["of_nobody"] == 1


def test_a_lake_in_an_object_store_takes_tables(root: str, tmp_path: Path) -> None:
    table_of(tmp_path / "set", "anime.csv", "anime_id,title", [7, "Sea"])

    brought(root, tmp_path / "set")

    assert sites(open_lake(root, "demo").root) == ["demo", "mal", "theirs"]


# Refusals.


def damaged(folder: Path, harm: str) -> dict[str, Any]:
    """Harm tables of ours in one way and return how they are asked for."""
    anime = folder / "anime.parquet"
    if harm == "cut short":
        anime.write_bytes(anime.read_bytes()[:-200])
    if harm == "changed":
        whole = anime.read_bytes()
        anime.write_bytes(whole[:4] + bytes(200) + whole[204:])
    if harm == "no table":
        anime.rename(folder / "anmie.parquet")
    if harm == "twice":
        shutil.copy(anime, folder / "anime.csv")
    if harm == "id twice":
        pl.concat([pl.read_parquet(anime), pl.read_parquet(anime).head(1)]).write_parquet(anime)
    if harm == "negative":
        pl.read_parquet(anime).with_columns(members=pl.lit(-1)).write_parquet(anime)
    if harm == "no rows":
        pl.read_parquet(anime).clear().write_parquet(anime)
    if harm == "no image":
        portraits = pl.read_parquet(folder / "portraits.parquet").with_columns(image=pl.lit(b"<html>"))
        portraits.write_parquet(folder / "portraits.parquet")
    if harm == "two columns of a name":
        anime.unlink()
        table_of(folder, "anime.csv", "anime_id,title,title", [1, "a", "b"])
    return {
        "no such mapping": {"by": "kagle"},
        "broken mapping": {"by": str(folder / "roles.parquet")},
        "no such images": {"images": folder / "none"},
        "images twice": {"images": folder},
    }.get(harm, {})


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("cut short", "anime.parquet"),
        ("changed", "anime.parquet"),
        ("no table", "no anime.csv or anime.parquet"),
        ("twice", "anime is there as CSV and as Parquet"),
        ("id twice", "1 stands in row 1 already (at anime.parquet, row 53, anime_id)"),
        ("negative", "'-1' breaks the rule 'min' of members (at anime.parquet, row 1, members)"),
        ("no rows", "hold no anime"),
        ("no image", "no picture that we know (at portraits.parquet, row 1, image)"),
        ("two columns of a name", "two columns have this name (at anime.csv, title)"),
        ("no such mapping", "no such mapping (at kagle)"),
        ("broken mapping", "the mapping cannot be read"),
        ("no such images", "there is no such folder"),
        ("images twice", "portraits are there as a table, too"),
    ],
)
def test_a_damaged_set_is_refused_and_the_lake_stays_as_it_is(ours: Path, tmp_path: Path, harm: str, says: str) -> None:
    brought(tmp_path / "lake", ours)
    before = contents(tmp_path / "lake")
    if harm == "images twice":
        (ours / "portraits").mkdir()
    how = damaged(ours, harm)

    with pytest.raises(AnipopError) as caught:
        brought(tmp_path / "lake", ours, replace=True, **how)

    assert says in str(caught.value)
    assert contents(tmp_path / "lake") == before


def test_a_set_is_typed_with_mapping_and_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANIPOP_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    rows_to(tmp_path / "anime.csv", [{"mal_id": 7, "title": "Sea"}])
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (5, 7)).save(tmp_path / "pictures" / "7.jpg")
    how = ["--mapping", "jikan", "--images", str(tmp_path / "pictures")]

    code = cli.main(["import", "tables", str(tmp_path), "--as", "theirs", *how])

    assert code == 0
    assert "Next: ANIPOP_SITE=theirs anipop run" in capsys.readouterr().out
    assert here(tmp_path / "lake").load_table("posters").height == 1
