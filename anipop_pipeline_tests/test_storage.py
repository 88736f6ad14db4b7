"""Claims about files: whole or not at all, on a disk and on object storage."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from upath import UPath

from anipop_pipeline.errors import LakeError
from anipop_pipeline.storage import ONE_DAY, is_local, place, staging, write_json, writing

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def home(root: str) -> UPath:
    return UPath(root)


def staged(folder: Path, content: bytes) -> Path:
    file = folder / "staged"
    file.write_bytes(content)
    return file


def test_folders_of_this_machine_are_local_and_object_storage_is_not(tmp_path: Path) -> None:
    assert [is_local(UPath(place)) for place in (tmp_path, "lake", f"file://{tmp_path}")] == [True] * 3
    assert not is_local(UPath("memory://lake"))


def test_a_file_arrives_whole_in_a_folder_that_was_not_there(home: UPath, tmp_path: Path) -> None:
    place(staged(tmp_path, b"pages"), home / "a" / "b" / "file")

    assert (home / "a" / "b" / "file").read_bytes() == b"pages"
    assert [path.name for path in (home / "a" / "b").iterdir()] == ["file"]


def test_a_file_takes_the_place_of_an_older_one(home: UPath, tmp_path: Path) -> None:
    place(staged(tmp_path, b"old"), home / "file")

    place(staged(tmp_path, b"new"), home / "file")

    assert (home / "file").read_bytes() == b"new"


def test_a_file_that_cannot_be_placed_is_still_staged(tmp_path: Path) -> None:
    (tmp_path / "taken" / "by").mkdir(parents=True)
    waiting = staged(tmp_path, b"pages")

    with pytest.raises(OSError, match="directory"):
        place(waiting, UPath(tmp_path / "taken"))

    assert waiting.read_bytes() == b"pages"


def test_a_file_from_another_disk_arrives_whole_and_is_not_kept_twice(tmp_path: Path) -> None:
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk")
    other_disk = Path(tempfile.mkdtemp(dir=SHARED_MEMORY))
    waiting = staged(other_disk, b"pages")

    place(waiting, UPath(tmp_path / "lake" / "file"))

    assert (tmp_path / "lake" / "file").read_bytes() == b"pages"
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["file"]
    assert not waiting.exists()
    shutil.rmtree(other_disk)


def test_staging_is_gone_afterwards_also_when_the_work_fails(home: UPath) -> None:
    with staging(home) as stage:
        staged(stage, b"half")
    assert not stage.exists()

    with pytest.raises(FileNotFoundError), staging(home) as stage:
        staged(stage / "nowhere", b"half")
    assert not stage.exists()


def test_staging_of_a_local_lake_is_on_its_own_disk(tmp_path: Path) -> None:
    with staging(UPath(tmp_path / "lake")) as stage:
        assert stage.is_relative_to(tmp_path / "lake")


def test_what_a_killed_run_staged_is_swept_after_a_day_and_not_before(tmp_path: Path) -> None:
    killed, under_way = tmp_path / ".staging" / "anipop-old", tmp_path / ".staging" / "anipop-new"
    for stage in (killed, under_way):
        stage.mkdir(parents=True)
        staged(stage, b"half")
    long_ago = killed.stat().st_mtime - ONE_DAY - 60
    os.utime(killed, (long_ago, long_ago))

    with staging(UPath(tmp_path)):
        pass

    assert [path.name for path in (tmp_path / ".staging").iterdir()] == ["anipop-new"]


def test_a_small_file_is_readable_json(home: UPath) -> None:
    with staging(home) as stage:
        write_json(home / "site.json", {"name": "Ōkami", "rows": 3}, stage)

    assert json.loads((home / "site.json").read_text()) == {"name": "Ōkami", "rows": 3}


def test_a_refusal_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    home = UPath(tmp_path / "file" / "lake")

    with pytest.raises(LakeError) as refused, writing(home), staging(home):
        pass

    assert refused.value.what.startswith("the lake cannot be written: ")
    assert str(tmp_path / "file") in refused.value.where
    assert "ANIPOP_LAKE" in refused.value.fix
