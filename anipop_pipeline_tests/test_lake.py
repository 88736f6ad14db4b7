"""Claims about the lake: whole-or-nothing tables, manifests, generations, sites, cached vectors."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from anipop_pipeline import assets
from anipop_pipeline.errors import CorruptFile, LakeError, MissingTable, MixedGenerations, SettingError
from anipop_pipeline.lake import (
    REPORTS,
    AbsentTable,
    Folder,
    Lake,
    Manifest,
    merge_lineage,
    open_lake,
    reason_absent,
    sites,
)
from anipop_pipeline.storage import is_local

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
ANIME = pl.DataFrame(
    {
        "anime_id": [1, 2],
        "score": [7.5, None],
        "genres": [["Action"], []],
        "aired": [date(2020, 1, 1), None],
        "image": [b"\x00\xff", b""],
    }
)
OTHER = pl.DataFrame({"anime_id": [3]})


@pytest.fixture
def lake(root: str, tmp_path: Path) -> Lake:
    return open_lake(root, "demo", str(tmp_path / "spool"))


def save(lake: Lake, asset: str, value: pl.DataFrame | Folder, *inputs: str) -> Manifest:
    return lake.save(asset, value, {name: lake.manifest(name) for name in inputs}, NOW)


def table(number: int) -> pl.DataFrame:
    return pl.DataFrame({"number": [number]})


def file_of(lake: Lake, asset: str, name: str = "table.parquet") -> UPath:
    return lake.path_of(asset, name)


def versions(lake: Lake, asset: str) -> set[str]:
    return {path.name for path in lake.asset_folder(asset).iterdir() if path.is_dir()}


# Round trips


def test_a_table_comes_back_as_it_was_saved(lake: Lake) -> None:
    save(lake, "anime", ANIME)

    assert_frame_equal(lake.load_table("anime"), ANIME)


def test_a_table_without_rows_keeps_its_columns_and_is_not_absent(lake: Lake) -> None:
    save(lake, "anime", ANIME.clear())

    loaded = lake.load_table("anime")
    assert loaded.schema == ANIME.schema
    assert loaded.is_empty()
    assert reason_absent(loaded) is None


def test_a_folder_comes_back_with_every_file_and_its_notes(lake: Lake) -> None:
    files: dict[str, pl.DataFrame | bytes] = {
        "table.parquet": ANIME,
        "rejects.parquet": OTHER,
        "fits/0.safetensors": b"\x00\x01",
    }
    save(lake, "model_full", Folder(files, notes={"pages": 7}))

    loaded = lake.load_folder("model_full")

    assert set(loaded.files) == set(files)
    assert_frame_equal(loaded.table(), ANIME)
    assert_frame_equal(loaded.table("rejects"), OTHER)
    assert loaded.content("fits/0.safetensors") == b"\x00\x01"
    assert (loaded.notes, loaded.absent) == ({"pages": 7}, None)


ARRAYS = [
    np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2),
    np.asfortranarray(np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)),
    np.empty((0, 3, 4, 4), dtype=np.uint8),
    np.arange(10)[::-2],
]


@pytest.mark.parametrize("values", ARRAYS, ids=["bytes", "columns first", "empty", "a view"])
def test_an_array_comes_back_as_it_was_saved_and_cannot_be_changed_in_its_file(lake: Lake, values: np.ndarray) -> None:
    manifest = save(lake, "poster_images", Folder({"table.parquet": OTHER, "pixels.npy": values}))

    loaded = lake.load_folder("poster_images").array("pixels")

    np.testing.assert_array_equal(loaded, values, strict=True)
    entry = manifest.files["pixels.npy"]
    assert (entry["shape"], entry["type"]) == (list(values.shape), str(values.dtype))
    assert entry["bytes"] == len(file_of(lake, "poster_images", "pixels.npy").read_bytes())
    assert isinstance(loaded, np.memmap) == is_local(lake.root)
    assert not (is_local(lake.root) and loaded.flags.writeable)


def test_a_folder_that_was_loaded_can_be_saved_again_over_itself(lake: Lake) -> None:
    first = save(lake, "poster_images", Folder({"pixels.npy": ARRAYS[0]}))

    again = save(lake, "poster_images", lake.load_folder("poster_images"))

    assert again.digest == first.digest
    np.testing.assert_array_equal(lake.load_folder("poster_images").array("pixels"), ARRAYS[0])


def test_an_array_stays_readable_when_its_version_is_forgotten(lake: Lake) -> None:
    save(lake, "poster_images", Folder({"pixels.npy": ARRAYS[0]}))
    held = lake.load_folder("poster_images").array("pixels")

    for number in range(3):
        save(lake, "poster_images", Folder({"pixels.npy": np.full(9, number)}))

    np.testing.assert_array_equal(held, ARRAYS[0])


def test_objects_are_no_array_and_leave_the_last_good_state(lake: Lake) -> None:
    save(lake, "poster_images", Folder({"pixels.npy": ARRAYS[0]}))

    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save(lake, "poster_images", Folder({"pixels.npy": np.array([{}, None])}))

    np.testing.assert_array_equal(lake.load_folder("poster_images").array("pixels"), ARRAYS[0])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "is not what was written"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\xff"), "is not what was written"),
        (lambda file: file.write_bytes(b""), "is not what was written"),
        (lambda file: file.write_bytes(b"garbage"), "is not what was written"),
        (lambda file: file.unlink(), "is gone"),
    ],
    ids=["cut short", "changed byte", "emptied", "garbage", "deleted"],
)
def test_a_damaged_array_is_named_and_leaves_the_table_readable(
    lake: Lake, spoil: Callable[[UPath], object], said: str
) -> None:
    save(lake, "poster_images", Folder({"table.parquet": OTHER, "pixels.npy": ARRAYS[0]}))
    spoil(file_of(lake, "poster_images", "pixels.npy"))

    with pytest.raises(CorruptFile) as corrupt:
        lake.load_folder("poster_images")

    assert corrupt.value.what == f"pixels.npy of poster_images {said}"
    assert corrupt.value.fix == "dagster asset materialize --select 'poster_images'"
    assert_frame_equal(lake.load_table("poster_images"), OTHER)


def test_the_table_of_a_folder_can_be_loaded_alone(lake: Lake) -> None:
    save(lake, "anime", Folder({"table.parquet": ANIME, "rejects.parquet": OTHER}))

    assert_frame_equal(lake.load_table("anime"), ANIME)


def test_a_manifest_says_what_counts_and_what_it_was_made_from(lake: Lake) -> None:
    up = save(lake, "anime", OTHER)

    down = save(lake, "clusters", ANIME, "anime")

    assert (down.asset, down.site, down.absent) == ("clusters", "demo", None)
    assert down.written_at == "2026-05-01T12:30:00+00:00"
    assert down.lineage == {"anime": up.digest}
    assert down.ancestry() == {"anime": up.digest, "clusters": down.digest}
    entry = down.files["table.parquet"]
    assert (entry["rows"], entry["columns"]["anime_id"]) == (2, "Int64")
    assert entry["bytes"] == len(file_of(lake, "clusters").read_bytes())
    assert lake.manifest("clusters") == down


def test_one_lake_holds_many_sites_apart(lake: Lake, root: str) -> None:
    save(lake, "anime", OTHER)

    mal = open_lake(root, "mal")

    assert lake.has("anime")
    assert not mal.has("anime")


@pytest.mark.parametrize(("asset", "room"), [("model_full", "models"), ("metrics", "reports"), ("anime", "tables")])
def test_each_kind_of_asset_has_its_room(lake: Lake, asset: str, room: str) -> None:
    assert lake.asset_folder(asset).parent == lake.root / "demo" / room


def test_rooms_agree_with_the_groups_of_assets() -> None:
    groups = {key.to_user_string(): group for asset in assets.ALL for key, group in asset.group_names_by_key.items()}

    assert {name for name, group in groups.items() if group == "reports"} == REPORTS
    assert {name for name, group in groups.items() if group == "models"} == {
        name for name in groups if name.startswith("model_")
    }


# Whole or nothing


def test_a_refusal_before_the_manifest_leaves_the_last_good_state(lake: Lake) -> None:
    save(lake, "anime", ANIME)
    wrong = Folder({"a.bin": b"new", "table.parquet": OTHER}, notes={"no JSON": object()})

    with pytest.raises(TypeError, match="JSON"):
        save(lake, "anime", wrong)

    assert len(versions(lake, "anime")) == 2  # all new files were there: the manifest comes last
    assert_frame_equal(lake.load_table("anime"), ANIME)


def test_a_file_that_cannot_be_written_leaves_the_last_good_state(lake: Lake) -> None:
    save(lake, "anime", ANIME)
    unwritable = pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)})

    with pytest.raises(pl.exceptions.PolarsError):
        save(lake, "anime", Folder({"a.parquet": OTHER, "b.parquet": unwritable}))

    assert_frame_equal(lake.load_table("anime"), ANIME)


def test_a_disk_that_refuses_in_the_middle_leaves_the_last_good_state(tmp_path: Path) -> None:
    lake, elsewhere = open_lake(str(tmp_path / "a"), "demo"), open_lake(str(tmp_path / "b"), "demo")
    new = Folder({"a.bin": b"new", "b.bin": b"new", "table.parquet": OTHER})
    save(lake, "anime", ANIME)
    version = lake.asset_folder("anime") / save(elsewhere, "anime", new).digest
    (version / "b.bin").mkdir(parents=True)  # in the way of the second of three files

    with pytest.raises(LakeError, match="cannot be written"):
        save(lake, "anime", new)

    assert (version / "a.bin").read_bytes() == b"new"
    assert not (version / "table.parquet").exists()
    assert_frame_equal(lake.load_table("anime"), ANIME)
    assert not list((tmp_path / "a" / ".staging").iterdir())


KILLED = """
import sys
from datetime import UTC, datetime
import polars as pl
from anipop_pipeline.lake import Folder, open_lake

lake = open_lake(sys.argv[1], "demo")
for number in range(10**9):
    table = pl.DataFrame({"number": [number] * 1000})
    lake.save("anime", Folder({"table.parquet": table, "twin.parquet": table}), {}, datetime.now(UTC))
    if number == 3:
        print("under way", flush=True)
"""


def test_a_killed_run_leaves_a_whole_state_and_the_next_one_goes_on(tmp_path: Path) -> None:
    for wait in (0.0003, 0.0017, 0.0052):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            assert run.stdout.readline() == b"under way\n"
            time.sleep(wait)
            run.send_signal(signal.SIGKILL)

        lake = open_lake(str(tmp_path), "demo")
        whole = lake.load_folder("anime")
        assert whole.table()["number"].n_unique() == 1
        assert_frame_equal(whole.table(), whole.table("twin"))

    save(lake, "anime", ANIME)
    assert_frame_equal(lake.load_table("anime"), ANIME)


# Versions


def test_identical_content_gives_the_identical_digest(lake: Lake) -> None:
    first = save(lake, "anime", ANIME)

    assert save(lake, "anime", ANIME.clone()).digest == first.digest
    assert save(lake, "anime", ANIME.reverse()).digest != first.digest
    assert save(lake, "anime", AbsentTable("why", ANIME.schema)).digest != save(lake, "anime", ANIME.clear()).digest


def test_one_old_version_is_kept_for_who_still_reads_it_and_older_ones_are_forgotten(lake: Lake) -> None:
    first, second, third = (save(lake, "anime", table(number)) for number in (1, 2, 3))

    assert versions(lake, "anime") == {second.digest, third.digest}
    assert lake.load_table_of(second)["number"].to_list() == [2]
    with pytest.raises(CorruptFile, match="gone"):
        lake.load_table_of(first)


def test_saving_the_same_again_forgets_nothing(lake: Lake) -> None:
    first, second = save(lake, "anime", table(1)), save(lake, "anime", table(2))

    save(lake, "anime", table(2))

    assert versions(lake, "anime") == {first.digest, second.digest}


def test_going_back_to_an_older_version_is_a_save_like_any_other(lake: Lake) -> None:
    for number in (1, 2, 1):
        save(lake, "anime", table(number))

    assert lake.load_table("anime")["number"].to_list() == [1]


# What is missing or corrupt


def test_a_table_that_was_never_made_names_the_command_that_makes_it(lake: Lake) -> None:
    with pytest.raises(MissingTable) as missing:
        lake.load_table("clusters")

    assert missing.value.what == "clusters has not been made for site demo"
    assert missing.value.where == str(lake.asset_folder("clusters") / "manifest.json")
    assert "dagster asset materialize --select 'clusters'" in missing.value.fix


def garbage(lake: Lake) -> str:
    file_of(lake, "anime").write_bytes(b"PAR1 no more PAR1")
    return "is not what was written"


def flipped_bit(lake: Lake) -> str:
    content = bytearray(file_of(lake, "anime").read_bytes())
    content[len(content) // 2] ^= 1
    file_of(lake, "anime").write_bytes(bytes(content))
    return "is not what was written"


def missing_file(lake: Lake) -> str:
    file_of(lake, "anime").unlink()
    return "is gone"


def truncated_manifest(lake: Lake) -> str:
    manifest = lake.asset_folder("anime") / "manifest.json"
    manifest.write_text(manifest.read_text()[:40])
    return "manifest of anime cannot be read"


def other_manifest(lake: Lake) -> str:
    (lake.asset_folder("anime") / "manifest.json").write_text('{"asset": "anime", "version": 2}')
    return "manifest of anime cannot be read"


def binary_manifest(lake: Lake) -> str:
    (lake.asset_folder("anime") / "manifest.json").write_bytes(b"\xff\xfe\x00")
    return "manifest of anime cannot be read"


DAMAGES = [garbage, flipped_bit, missing_file, truncated_manifest, other_manifest, binary_manifest]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_harms_nothing_else_and_its_fix_mends_it(lake: Lake, damage: Callable[[Lake], str]) -> None:
    save(lake, "anime", ANIME)
    save(lake, "roles", OTHER)
    said = damage(lake)

    with pytest.raises(CorruptFile) as corrupt:
        lake.load_table("anime")

    assert said in corrupt.value.what
    assert corrupt.value.where.startswith(str(lake.asset_folder("anime")))
    assert corrupt.value.fix == "dagster asset materialize --select 'anime'"
    assert_frame_equal(lake.load_table("roles"), OTHER)
    save(lake, "anime", ANIME)  # what that command does
    assert_frame_equal(lake.load_table("anime"), ANIME)


def test_damage_in_one_file_of_a_folder_leaves_its_table_readable(lake: Lake) -> None:
    save(lake, "anime", Folder({"table.parquet": ANIME, "rejects.parquet": OTHER}))
    file_of(lake, "anime", "rejects.parquet").write_bytes(b"garbage")

    assert_frame_equal(lake.load_table("anime"), ANIME)
    with pytest.raises(CorruptFile, match=r"rejects\.parquet of anime"):
        lake.load_folder("anime")


def test_damage_on_an_import_is_mended_by_importing_again(lake: Lake, root: str) -> None:
    (lake.root / "anilist").mkdir(parents=True)
    (lake.root / "anilist" / "site.json").write_text("{}")
    imported = open_lake(root, "anilist")
    save(imported, "anime", ANIME)
    garbage(imported)

    with pytest.raises(CorruptFile) as corrupt:
        imported.load_table("anime")

    assert "import anilist again" in corrupt.value.fix


def test_a_lake_below_a_plain_file_cannot_be_written_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    lake = open_lake(str(tmp_path / "file" / "lake"), "demo")

    with pytest.raises(LakeError) as refused:
        save(lake, "anime", ANIME)

    assert "the lake cannot be written" in refused.value.what
    assert str(tmp_path / "file") in refused.value.where
    assert "ANIPOP_LAKE" in refused.value.fix
    with pytest.raises(MissingTable):
        lake.load_table("anime")


# Absence


def test_an_absent_table_keeps_its_reason_and_its_columns(lake: Lake) -> None:
    save(lake, "portraits", AbsentTable("no portraits", ANIME.schema))

    loaded = lake.load_table("portraits")

    assert isinstance(loaded, AbsentTable)
    assert (loaded.reason, loaded.schema, loaded.height) == ("no portraits", ANIME.schema, 0)
    assert lake.manifest("portraits").absent == "no portraits"


def test_an_absent_folder_keeps_its_reason(lake: Lake) -> None:
    save(lake, "model_full", Folder(absent="no GPU"))

    assert lake.load_folder("model_full") == Folder(absent="no GPU")
    assert reason_absent(lake.load_table("model_full")) == "no GPU"


def test_what_was_absent_can_be_there_later(lake: Lake) -> None:
    save(lake, "anime", AbsentTable("not yet"))

    save(lake, "anime", ANIME)

    assert reason_absent(lake.load_table("anime")) is None


def test_a_part_of_an_absent_table_is_just_a_table_without_rows() -> None:
    absent = AbsentTable("no portraits", {"anime_id": pl.Int64})

    assert reason_absent(absent.head(3)) is None
    assert absent.head(3).schema == absent.schema


def test_a_folder_knows_tables_from_plain_files() -> None:
    folder = Folder({"table.parquet": OTHER, "notes.parquet": b"", "card.md": b"words", "bad.npy": b""})

    assert folder.content("card.md") == b"words"
    with pytest.raises(TypeError, match="bad is no array"):
        folder.array("bad")
    with pytest.raises(TypeError, match="notes is no table"):
        folder.table("notes")
    with pytest.raises(TypeError, match="is a table"):
        folder.content("table.parquet")


# Generations: a -> b, a -> c, b -> d, (c, d) -> e

DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b",), "e": ("c", "d")}


def make(lake: Lake, asset: str, number: int = 0) -> Manifest:
    return save(lake, asset, table(number), *DIAMOND[asset])


def mended(lake: Lake, error: MixedGenerations, number: int) -> list[str]:
    """Do what the message says, in the order of the graph, and return which assets that were."""
    named = re.fullmatch(r"dagster asset materialize --select '([a-z,]+)'", error.fix)
    assert named is not None
    for asset in DIAMOND:
        if asset in named[1].split(","):
            make(lake, asset, number)
    return named[1].split(",")


@pytest.mark.parametrize(
    ("made_again", "stale"),
    [
        (["a", "b", "d"], ["c"]),
        (["a", "c"], ["b", "d"]),
        (["a", "b", "c"], ["d"]),
    ],
)
def test_mixed_generations_name_exactly_what_is_stale_and_that_heals(
    lake: Lake, made_again: list[str], stale: list[str]
) -> None:
    for asset in DIAMOND:
        make(lake, asset)
    for asset in made_again:
        make(lake, asset, 1)

    with pytest.raises(MixedGenerations) as mixed:
        make(lake, "e", 1)

    assert mixed.value.what == "the inputs of e were made from different versions of a"
    assert mixed.value.where == "site demo: c, d"
    assert lake.load_table("e")["number"].to_list() == [0]
    assert mended(lake, mixed.value, 1) == stale
    assert make(lake, "e", 1).lineage == {name: lake.manifest(name).digest for name in "abcd"}


def test_inputs_that_are_old_together_do_agree(lake: Lake) -> None:
    for asset in DIAMOND:
        make(lake, asset)

    make(lake, "a", 1)

    assert make(lake, "e", 1).lineage["a"] != lake.manifest("a").digest


def test_an_input_that_is_its_neighbours_ancestor_counts_as_well(lake: Lake) -> None:
    for asset in ("a", "b"):
        make(lake, asset)
    make(lake, "a", 1)

    with pytest.raises(MixedGenerations) as mixed:
        save(lake, "f", table(0), "a", "b")

    assert mended(lake, mixed.value, 1) == ["b"]
    save(lake, "f", table(0), "a", "b")


def test_identical_content_makes_nothing_stale(lake: Lake) -> None:
    for asset in DIAMOND:
        make(lake, asset)

    make(lake, "a")
    make(lake, "b")

    assert make(lake, "e").lineage["a"] == lake.manifest("a").digest


def test_inputs_that_another_run_mended_meanwhile_ask_for_the_asset_alone(lake: Lake) -> None:
    for asset in DIAMOND:
        make(lake, asset)
    read = {"c": lake.manifest("c")}
    for asset in ("a", "b", "c", "d"):
        make(lake, asset, 1)

    with pytest.raises(MixedGenerations) as mixed:
        merge_lineage("e", read | {"d": lake.manifest("d")}, lake)

    assert mixed.value.fix == "dagster asset materialize --select 'e'"


# Sites


def declare(root: str, name: str, content: str = "{}") -> None:
    folder = UPath(root) / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.json").write_text(content)


@pytest.mark.parametrize("site", ["demo", "mal", "demo@2026-05-01", "mal@2024-02-29", "a-list-2"])
def test_sites_that_there_are_can_be_opened(root: str, site: str) -> None:
    declare(root, "a-list-2")

    assert open_lake(root, site).site == site


@pytest.mark.parametrize(
    "site", ["marz", "", "Demo", "demo@", "demo@2026", "@2026-05-01", "../demo", "demo/x", "2demo"]
)
def test_any_other_site_is_an_error_that_lists_what_there_is(root: str, site: str) -> None:
    declare(root, "anilist")

    with pytest.raises(SettingError) as wrong:
        open_lake(root, site)

    assert wrong.value.what.startswith(f"there is no site {site!r}; there are: demo, mal, anilist")
    assert wrong.value.where == "ANIPOP_SITE"
    assert wrong.value.fix == "set ANIPOP_SITE to one of demo, mal, anilist"


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "0000-01-01"])
def test_a_date_that_does_not_exist_is_an_error(root: str, day: str) -> None:
    with pytest.raises(SettingError) as wrong:
        open_lake(root, f"demo@{day}")

    assert (wrong.value.where, wrong.value.fix) == ("ANIPOP_SITE", "write NAME@YYYY-MM-DD")


def test_imports_are_found_by_what_they_declare(root: str) -> None:
    assert sites(UPath(root)) == ["demo", "mal"]

    declare(root, "kitsu", '{"scores": ["kitsu"]}')
    declare(root, "anilist")

    assert sites(UPath(root)) == ["demo", "mal", "anilist", "kitsu"]
    assert open_lake(root, "kitsu").imported() == {"scores": ["kitsu"]}
    assert open_lake(root, "demo").imported() is None


def test_an_import_has_no_past_to_look_back_on(root: str) -> None:
    declare(root, "old")

    with pytest.raises(SettingError) as wrong:
        open_lake(root, "old@2026-05-01")

    assert wrong.value.what == "old is an import: it has no history to look back on, such as at 2026-05-01"
    assert (wrong.value.where, wrong.value.fix) == (
        "ANIPOP_SITE",
        "set ANIPOP_SITE to old, or look back on demo or mal",
    )


@pytest.mark.parametrize("content", ['{"scores": ', "3", ""])
def test_a_declaration_that_cannot_be_read_names_its_import(root: str, content: str) -> None:
    declare(root, "kitsu", content)

    with pytest.raises(CorruptFile) as corrupt:
        open_lake(root, "kitsu").imported()

    assert corrupt.value.where.endswith("kitsu/site.json")
    assert corrupt.value.fix == "import kitsu again"


def test_a_view_has_tables_of_its_own_over_the_raw_pages_of_its_site(root: str) -> None:
    present, view = open_lake(root, "demo"), open_lake(root, "demo@2026-01-31")
    save(present, "anime", ANIME)

    assert (view.name, view.as_of, present.as_of) == ("demo", date(2026, 1, 31), None)
    assert view.raw_folder == present.raw_folder
    assert not view.has("anime")
    save(view, "anime", OTHER)
    assert_frame_equal(present.load_table("anime"), ANIME)


def test_a_relative_root_is_a_folder_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    save(open_lake("some/lake", "demo"), "anime", ANIME)

    assert (tmp_path / "some" / "lake" / "demo" / "tables" / "anime" / "manifest.json").is_file()
    assert_frame_equal(open_lake(str(tmp_path / "some" / "lake"), "demo").load_table("anime"), ANIME)


def test_what_is_not_whole_yet_lies_on_this_machine(tmp_path: Path) -> None:
    local = open_lake(str(tmp_path), "demo@2026-01-01")
    remote, told = open_lake("memory://lake", "mal"), open_lake("memory://lake", "mal", str(tmp_path))

    assert local.spool == tmp_path / "spool" / "demo"
    assert local.models_cache == tmp_path / "cache" / "models"
    assert told.spool.is_relative_to(tmp_path)
    assert told.spool.name == "mal"
    assert told.spool != open_lake("memory://other", "mal", str(tmp_path)).spool  # lakes never share one
    assert remote.spool.is_absolute()
    assert remote.spool != open_lake("memory://other", "mal").spool


def test_the_manifest_is_plain_json_for_other_tools(lake: Lake) -> None:
    save(lake, "anime", ANIME)

    said = json.loads((lake.asset_folder("anime") / "manifest.json").read_text())

    assert {"asset", "site", "digest", "files", "lineage", "absent", "notes", "written_at"} == set(said)
