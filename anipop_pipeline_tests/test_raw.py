"""Claims about raw pages: immutable segments, an index that can be rebuilt, a spool that loses nothing, one lease."""

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from anipop_pipeline import raw
from anipop_pipeline.errors import Blocked, CorruptFile, LakeError, LeaseTaken, SettingError
from anipop_pipeline.lake import clock, open_lake
from anipop_pipeline.lease import LEASE
from anipop_pipeline.raw import RawStore
from anipop_pipeline.stages import archive
from anipop_pipeline.stages.archive import Exchange
from anipop_pipeline.stages.tables.pages import PageIndex

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def store(root: str, tmp_path: Path) -> RawStore:
    return RawStore(open_lake(root, "demo", str(tmp_path / "spool")))


def page(number: int, *, days: int = 0, body: bytes | None = None) -> Exchange:
    body = f"<html>{number}</html>".encode() if body is None else body
    packed = gzip.compress(body, mtime=0)
    url, headers = f"https://demo.invalid/anime/{number}", (("Content-Encoding", "gzip"),)
    return Exchange(url, "anime", number, AT + timedelta(days=days), 200, "ok", headers, packed)


def missing(number: int, *, days: int = 0) -> Exchange:
    url = f"https://demo.invalid/anime/{number}"
    return Exchange(url, "anime", number, AT + timedelta(days=days), 404, "missing", (), b"gone")


def failed(number: int, outcome: str = "failed", *, days: int = 0) -> Exchange:
    url = f"https://demo.invalid/anime/{number}"
    return Exchange(url, "anime", number, AT + timedelta(days=days), 0, outcome, reason="no answer")


def bodies(store: RawStore, rows: pl.DataFrame, at_once: int = 2) -> dict[int, bytes]:
    tables = list(store.pages(rows, at_once))
    assert all(table.num_rows <= at_once for table in tables)
    return {row["id"]: row["body"] for table in tables for row in table.to_pylist()}


def names(store: RawStore, folder: str = "") -> list[str]:
    home = store.folder / folder if folder else store.folder
    return (
        sorted(path.name for path in home.iterdir() if path.name not in ("index", "lease.lock"))
        if home.exists()
        else []
    )


def spool(store: RawStore, *exchanges: Exchange) -> Path:
    """Leave an open segment behind, as a killed run does."""
    store.lake.spool.mkdir(parents=True, exist_ok=True)
    file = store.lake.spool / "open.warc.gz"
    with file.open("ab") as segment:
        for exchange in exchanges:
            archive.append(segment, exchange)
    return file


# Keeping


def test_what_is_kept_is_sealed_indexed_and_read_again(store: RawStore) -> None:
    kept = store.keep([page(1), page(2), missing(3), failed(4), failed(5, "blocked")])

    index = store.index()
    assert kept == 5
    assert names(store) == ["000000.warc.gz"]
    assert names(store, "index") == ["000000.parquet"]
    assert dict(index.select("id", "outcome").iter_rows()) == {
        1: "ok",
        2: "ok",
        3: "missing",
        4: "failed",
        5: "blocked",
    }
    assert not list(store.lake.spool.iterdir())
    assert bodies(store, store.latest()) == {1: b"<html>1</html>", 2: b"<html>2</html>", 3: b"gone"}


def test_the_index_says_where_each_record_lies(store: RawStore) -> None:
    store.keep([page(1), page(2)])

    segment = (store.folder / "000000.warc.gz").read_bytes()

    rows = store.index().sort("offset")
    assert rows["file"].to_list() == ["000000.warc.gz"] * 2
    assert segment.startswith(b"\x1f\x8b")
    assert gzip.decompress(segment[: rows["offset"][0]]).startswith(b"WARC/1.1\r\n")  # who made the file
    assert rows["offset"][1] == rows["offset"][0] + rows["length"][0]
    assert rows["offset"][1] + rows["length"][1] == len(segment)
    assert rows["digest"][0] == page(1).digest
    assert rows.schema == PageIndex.create_empty().schema


def test_a_lake_without_pages_has_an_empty_index(store: RawStore) -> None:
    assert store.index().is_empty()
    assert store.index().schema == PageIndex.create_empty().schema
    assert list(store.pages(store.latest(), 10)) == []
    assert store.keep([]) == 0
    assert names(store) == []


def test_a_full_segment_is_sealed_and_the_next_one_begun(store: RawStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "SEGMENT_BYTES", 1)

    store.keep([page(1), page(2), page(3)])

    assert names(store) == ["000000.warc.gz", "000001.warc.gz", "000002.warc.gz"]
    assert bodies(store, store.latest()) == {number: b"<html>%d</html>" % number for number in (1, 2, 3)}


def test_segments_are_never_overwritten(store: RawStore) -> None:
    store.keep([page(1)])
    first = (store.folder / "000000.warc.gz").read_bytes()

    store.keep([page(1, days=40, body=b"another")])

    assert (store.folder / "000000.warc.gz").read_bytes() == first
    assert store.index().height == 2


def test_a_segment_that_a_person_removed_leaves_a_gap_and_nothing_is_overwritten(store: RawStore) -> None:
    for number in (1, 2):
        store.keep([page(number)])
    (store.folder / "000000.warc.gz").unlink()
    second = (store.folder / "000001.warc.gz").read_bytes()

    store.keep([page(3)])

    assert names(store) == ["000001.warc.gz", "000002.warc.gz"]
    assert (store.folder / "000001.warc.gz").read_bytes() == second
    assert bodies(store, store.latest().filter(pl.col("id") > 1)) == {2: b"<html>2</html>", 3: b"<html>3</html>"}


def test_the_last_answer_counts_and_a_failure_does_not_hide_it(store: RawStore) -> None:
    store.keep([page(1, body=b"old"), page(2)])
    store.keep([page(1, days=40, body=b"new"), failed(2, days=40)])
    store.keep([failed(3, days=41)])

    assert bodies(store, store.latest()) == {1: b"new", 2: b"<html>2</html>"}
    assert store.index().height == 5


def test_a_view_sees_what_was_there_at_the_end_of_its_day(store: RawStore) -> None:
    store.keep([page(1, body=b"old")])
    store.keep([page(1, days=1, body=b"new"), page(2, days=1)])

    def view(day: str) -> dict[int, bytes]:
        seen = RawStore(open_lake(str(store.lake.root), f"demo@{day}"))
        return bodies(seen, seen.latest())

    assert view("2026-04-30") == {}
    assert view("2026-05-01") == {1: b"old"}
    assert view("2026-05-02") == {1: b"new", 2: b"<html>2</html>"}


def test_a_record_that_two_segments_hold_counts_once(store: RawStore) -> None:
    store.keep([page(1)])
    store.keep([page(1)])

    assert store.index().height == 1
    assert bodies(store, store.latest()) == {1: b"<html>1</html>"}


# What ends a crawl


@pytest.mark.parametrize("ending", [Blocked("the site asks us to stay away"), KeyboardInterrupt(), ValueError("bug")])
def test_everything_is_archived_whatever_ends_the_crawl(store: RawStore, ending: BaseException) -> None:
    def crawl() -> Iterator[Exchange]:
        yield page(1)
        yield failed(2, "blocked")
        raise ending

    with pytest.raises(type(ending)):
        store.keep(crawl())

    assert sorted(store.index()["outcome"].to_list()) == ["blocked", "ok"]
    assert bodies(store, store.latest()) == {1: b"<html>1</html>"}


KILLED = """
import os, sys
from datetime import UTC, datetime
from anipop_pipeline.lake import clock, open_lake
from anipop_pipeline.raw import RawStore
from anipop_pipeline.stages.archive import Exchange

def crawl():
    for number in range(5):
        url, at = f"https://demo.invalid/anime/{number}", datetime(2026, 5, 1, tzinfo=UTC)
        yield Exchange(url, "anime", number, at, 200, "ok")
    os._exit(9)

RawStore(open_lake(sys.argv[1], "demo")).keep(crawl())
"""


def test_what_a_killed_run_fetched_is_there_for_the_next_one(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == 9
    store = RawStore(open_lake(str(tmp_path), "demo"))
    assert store.index().is_empty()

    store.recover()

    assert store.index()["id"].to_list() == [0, 1, 2, 3, 4]


def test_a_spool_torn_anywhere_in_a_record_loses_that_record_alone(store: RawStore) -> None:
    whole = spool(store, page(1), page(2)).stat().st_size
    file = spool(store, page(3))
    content = file.read_bytes()
    expected = {1: b"<html>1</html>", 2: b"<html>2</html>"}

    for end in (whole, whole + 1, whole + 9, (whole + len(content)) // 2, len(content) - 1):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content[:end])
        before = len(names(store))
        store.keep([page(number := 10 + before)])  # the next crawl
        expected |= {number: b"<html>%d</html>" % number}

        assert bodies(store, store.latest()) == expected
        assert len(names(store)) == before + 2


def test_a_spool_without_one_whole_record_is_dropped(store: RawStore) -> None:
    file = spool(store, page(1))
    file.write_bytes(file.read_bytes()[:50])

    store.recover()

    assert not file.exists()
    assert names(store) == []


@pytest.mark.parametrize("garbage", [b"garbage", bytes(4096)], ids=["noise", "zeros after a power failure"])
def test_whole_records_before_garbage_are_kept_and_the_garbage_is_set_aside(
    store: RawStore, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.keep([page(1)])
    file = spool(store, page(2), page(3))
    file.write_bytes(content := file.read_bytes() + garbage)

    store.recover()

    assert set(bodies(store, store.latest())) == {1, 2, 3}
    (aside,) = store.lake.spool.iterdir()
    assert aside.read_bytes() == content
    assert str(aside) in caplog.text
    store.keep([page(4)])
    assert set(bodies(store, store.latest())) == {1, 2, 3, 4}


def test_sealing_that_a_kill_interrupted_anywhere_ends_in_the_same_segment(store: RawStore) -> None:
    spool(store, page(2), page(1)).rename(store.lake.spool / "000000.warc.gz")
    closed = (store.lake.spool / "000000.warc.gz").read_bytes()
    store.recover()
    sealed = (store.folder / "000000.warc.gz").read_bytes()

    (store.lake.spool / "000000.warc.gz").write_bytes(closed)  # killed before the spool was emptied
    (store.folder / "index" / "000000.parquet").unlink()  # and before the index was written
    store.recover()

    assert names(store) == ["000000.warc.gz"]
    assert (store.folder / "000000.warc.gz").read_bytes() == sealed
    assert store.index().sort("offset")["id"].to_list() == [1, 2]
    assert not list(store.lake.spool.iterdir())


def test_a_spool_never_overwrites_what_another_crawl_sealed_under_its_name(store: RawStore) -> None:
    spool(store, page(1)).rename(store.lake.spool / "000000.warc.gz")
    elsewhere = RawStore(open_lake(str(store.lake.root), "demo", f"{store.lake.spool_root}-of-another-machine"))
    elsewhere.folder.mkdir(parents=True, exist_ok=True)
    elsewhere.keep([page(2)])

    store.recover()

    assert names(store) == ["000000.warc.gz", "000001.warc.gz"]
    assert set(bodies(store, store.latest())) == {1, 2}


def test_a_spool_on_another_disk_comes_home(tmp_path: Path) -> None:
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk")
    other_disk = tempfile.mkdtemp(dir=SHARED_MEMORY)
    store = RawStore(open_lake(str(tmp_path), "demo", other_disk))

    store.keep([page(1)])

    assert bodies(store, store.latest()) == {1: b"<html>1</html>"}
    assert names(store) == ["000000.warc.gz"]
    assert not list(store.lake.spool.iterdir())
    shutil.rmtree(other_disk)


def test_a_lake_that_refuses_keeps_the_pages_in_the_spool(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = RawStore(open_lake(str(tmp_path / "file" / "lake"), "demo", str(tmp_path / "spool")))

    with pytest.raises(LakeError) as refused:
        store.keep([page(1), page(2)])

    assert "ANIPOP_LAKE" in refused.value.fix
    (tmp_path / "file").unlink()
    store.recover()
    assert set(bodies(store, store.latest())) == {1, 2}


def test_a_spool_that_cannot_be_written_is_an_error_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = RawStore(open_lake(str(tmp_path / "lake"), "demo", str(tmp_path / "file" / "spool")))

    with pytest.raises(LakeError) as refused:
        store.keep([page(1)])

    assert str(tmp_path / "file") in refused.value.where


# The index


def unchanged(number: int, *, days: int) -> Exchange:
    url, at = f"https://demo.invalid/anime/{number}", AT + timedelta(days=days)
    return Exchange(url, "anime", number, at, 304, "unchanged", requests=2, earlier=AT)


def test_the_index_can_be_rebuilt_from_the_segments_alone(store: RawStore) -> None:
    store.keep([page(1), failed(2)])
    store.keep([missing(3), page(1, days=9), unchanged(1, days=10)])
    before = store.index()
    for name in names(store, "index"):
        (store.folder / "index" / name).unlink()
    write_frame(store.folder / "index" / "000007.parquet", before)  # of a segment that is gone

    found = store.reindex(clock)

    assert before.height == 5
    assert_frame_equal(store.index(), before)
    assert [(one.file, one.records, one.torn_bytes) for one in found] == [
        ("000000.warc.gz", 2, 0),
        ("000001.warc.gz", 3, 0),
    ]
    assert names(store, "index") == ["000000.parquet", "000001.parquet"]


def test_of_a_torn_segment_the_whole_records_are_indexed(store: RawStore) -> None:
    store.keep([page(1), page(2), page(3)])
    last = store.index().sort("offset").row(-1, named=True)
    segment = store.folder / "000000.warc.gz"
    segment.write_bytes(segment.read_bytes()[: last["offset"] + 100])

    (found,) = store.reindex(clock)

    assert (found.records, found.torn_bytes) == (2, 100)
    assert bodies(store, store.latest()) == {1: b"<html>1</html>", 2: b"<html>2</html>"}


def test_of_a_damaged_segment_the_records_before_the_damage_are_indexed(store: RawStore) -> None:
    store.keep([page(1), page(2), page(3)])
    store.keep([page(4)])
    second, segment = store.index().sort("file", "offset").row(1, named=True), store.folder / "000000.warc.gz"
    content = bytearray(segment.read_bytes())
    content[second["offset"] : second["offset"] + 60] = bytes(60)
    segment.write_bytes(bytes(content))

    damaged, whole = store.reindex(clock)

    assert (damaged.records, damaged.torn_bytes) == (1, len(content) - second["offset"])
    assert "no gzip member" in damaged.damage
    assert (whole.records, whole.torn_bytes, whole.damage) == (1, 0, "")
    assert set(bodies(store, store.latest())) == {1, 4}


def test_nobody_reindexes_while_a_crawl_writes(store: RawStore) -> None:
    with store.lease(clock), pytest.raises(LeaseTaken):
        store.reindex(clock)


def test_an_unchanged_page_is_heard_of_and_keeps_its_body(store: RawStore) -> None:
    store.keep([page(1), missing(2), failed(3)])

    store.keep([unchanged(1, days=5), failed(1, days=6)])

    assert bodies(store, store.latest().filter(id=1)) == {1: b"<html>1</html>"}
    tried = {url: times for url, *times in store.tried().iter_rows()}
    assert tried == {
        page(1).url: [AT + timedelta(days=6), AT + timedelta(days=5), None],
        page(2).url: [AT, AT, None],
        page(3).url: [AT, None, None],
    }


def test_the_requests_of_a_day_are_counted_whatever_came_of_them(store: RawStore) -> None:
    store.keep([page(1), replace(failed(2), requests=4), unchanged(3, days=1)])

    days = [store.requests_on((AT + timedelta(days=days)).date()) for days in (-1, 0, 1)]

    assert days == [0, 5, 2]


def test_a_slow_crawl_brings_its_pages_home_now_and_then(store: RawStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "SEGMENT_SECONDS", 0.0)

    store.keep([page(1), page(2)])

    assert names(store) == ["000000.warc.gz", "000001.warc.gz"]


def test_a_segment_that_a_killed_run_did_not_index_is_indexed_by_the_next(store: RawStore) -> None:
    store.keep([page(1)])
    store.keep([page(2)])
    (store.folder / "index" / "000001.parquet").unlink()
    assert set(bodies(store, store.latest())) == {1}

    store.keep([page(3)])

    assert set(bodies(store, store.latest())) == {1, 2, 3}
    assert names(store, "index") == ["000000.parquet", "000001.parquet", "000002.parquet"]


def write_frame(path: UPath, frame: pl.DataFrame) -> None:
    with path.open("wb") as file:
        frame.write_parquet(file)


@pytest.mark.parametrize("kind", ["garbage", "torn", "other columns", "broken rule"])
def test_a_corrupt_part_of_the_index_is_named_and_its_fix_mends_it(store: RawStore, kind: str) -> None:
    store.keep([page(1)])
    store.keep([page(2)])
    before, part = store.index(), store.folder / "index" / "000000.parquet"
    if kind in ("garbage", "torn"):
        part.write_bytes(b"garbage" if kind == "garbage" else part.read_bytes()[:-7])
    else:
        rows = before.drop("file") if kind == "other columns" else before.with_columns(offset=pl.lit(-1, pl.Int64))
        write_frame(part, rows)

    with pytest.raises(CorruptFile) as corrupt:
        store.index()

    assert corrupt.value.where == str(part)
    assert corrupt.value.fix == "anipop lake reindex"
    assert [found.records for found in store.reindex(clock)] == [1, 1]
    assert_frame_equal(store.index(), before)


# Broken segments


def missing_segment(store: RawStore) -> None:
    (store.folder / "000000.warc.gz").unlink()


def garbage_segment(store: RawStore) -> None:
    (store.folder / "000000.warc.gz").write_bytes(b"garbage" * 100)


def torn_segment(store: RawStore) -> None:
    path = store.folder / "000000.warc.gz"
    path.write_bytes(path.read_bytes()[:-20])


def flipped_bit(store: RawStore) -> None:
    path = store.folder / "000000.warc.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


def other_segment(store: RawStore) -> None:
    (store.folder / "000000.warc.gz").write_bytes((store.folder / "000001.warc.gz").read_bytes())


@pytest.mark.parametrize("damage", [missing_segment, garbage_segment, torn_segment, flipped_bit, other_segment])
def test_a_broken_segment_is_named_harms_nothing_else_and_its_fix_mends_it(
    store: RawStore, damage: Callable[[RawStore], None]
) -> None:
    store.keep([page(1)])
    store.keep([page(2)])
    rows = store.latest()
    damage(store)

    with pytest.raises(CorruptFile) as corrupt:
        bodies(store, rows.filter(pl.col("id") == 1))

    assert corrupt.value.where.startswith(str(store.folder / "000000.warc.gz"))
    assert "anipop lake reindex" in corrupt.value.fix
    assert corrupt.value.fix.endswith("delete it and index/000000.parquet, and crawl again")
    assert bodies(store, rows.filter(pl.col("id") == 2)) == {2: b"<html>2</html>"}
    (store.folder / "000000.warc.gz").unlink(missing_ok=True)
    (store.folder / "index" / "000000.parquet").unlink()
    store.keep([page(1)])
    assert bodies(store, store.latest()) == {1: b"<html>1</html>", 2: b"<html>2</html>"}


def test_a_segment_that_cannot_be_indexed_is_named(store: RawStore) -> None:
    store.keep([page(1)])
    (store.folder / "index" / "000000.parquet").unlink()
    garbage_segment(store)

    with pytest.raises(CorruptFile) as corrupt:
        store.recover()

    assert corrupt.value.where.startswith(str(store.folder / "000000.warc.gz"))


# Whose pages these are


def test_pages_belong_to_the_source_that_came_first(store: RawStore) -> None:
    store.claim("one")
    store.keep([page(1)])
    store.claim("one")

    with pytest.raises(SettingError, match="are of one, not of another"):
        store.claim("another")


def test_pages_of_which_nothing_says_whose_they_are_are_not_claimed_by_who_comes_first(store: RawStore) -> None:
    store.keep([page(1)])

    with pytest.raises(LakeError) as refused:
        store.claim("one")

    assert refused.value.what == "nothing says whose the raw pages of demo are"
    assert refused.value.where == str(store.folder / "source.json")
    assert refused.value.fix.endswith("or delete this site's folder")
    assert not (store.folder / "source.json").exists()
    (store.folder / "source.json").write_text('{"source": "one"}')  # what the message says
    assert '{"source": "one"}' in refused.value.fix
    store.claim("one")


@pytest.mark.parametrize("content", ['{"sou', "", "3", "{}"])
def test_a_broken_statement_of_the_source_is_named_and_its_fix_mends_it(store: RawStore, content: str) -> None:
    store.claim("one")
    (store.folder / "source.json").write_text(content)

    with pytest.raises(CorruptFile) as corrupt:
        store.claim("one")

    assert corrupt.value.where == str(store.folder / "source.json")
    assert corrupt.value.fix.startswith("delete that file")
    (store.folder / "source.json").unlink()
    store.claim("one")


# The lease


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> datetime:
        return self.at


def written(store: RawStore) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((store.folder / "lease.json").read_text())
    return content


def leave_lease(store: RawStore, **changes: Any) -> None:
    known = {"host": socket.gethostname(), "pid": os.getppid(), "name": "x", "until": (AT + LEASE).isoformat()}
    store.folder.mkdir(parents=True, exist_ok=True)
    (store.folder / "lease.json").write_text(json.dumps(known | changes))


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_a_lease_is_there_while_it_is_held_and_gone_afterwards(store: RawStore) -> None:
    with store.lease(Clock()):
        assert written(store)["pid"] == os.getpid()
        assert written(store)["until"] == (AT + LEASE).isoformat()

    assert names(store) == []


def test_a_lease_is_released_when_the_crawl_fails(store: RawStore) -> None:
    with pytest.raises(Blocked), store.lease(Clock()):
        raise Blocked("the site asks us to stay away")

    with store.lease(Clock()):
        pass


def test_a_second_crawl_is_refused_while_the_first_one_lives(store: RawStore) -> None:
    with store.lease(Clock()):
        with pytest.raises(LeaseTaken) as taken, store.lease(Clock()):
            pass
        assert written(store)["pid"] == os.getpid()  # and the first one still holds it

    assert f"process {os.getpid()} on {socket.gethostname()}" in taken.value.what
    assert taken.value.where == str(store.folder / "lease.json")
    assert "delete that file" in taken.value.fix


def test_a_view_shares_its_sites_lease_and_another_site_does_not(store: RawStore) -> None:
    root = str(store.lake.root)
    other, view = RawStore(open_lake(root, "mal")), RawStore(open_lake(root, "demo@2026-01-01"))

    with store.lease(Clock()), other.lease(Clock()), pytest.raises(LeaseTaken), view.lease(Clock()):
        pass


@pytest.mark.parametrize(
    "lease",
    [{}, {"host": "another.example"}, {"host": "another.example", "pid": 1}],
    ids=["a living process", "another machine", "another machine with any process"],
)
def test_who_may_still_be_crawling_is_left_in_peace(store: RawStore, lease: dict[str, Any]) -> None:
    leave_lease(store, **lease)

    with pytest.raises(LeaseTaken), store.lease(Clock()):
        pass

    assert written(store)["name"] == "x"


@pytest.mark.parametrize("kind", ["dead", "over", "over elsewhere", "earlier process of this id"])
def test_a_lease_that_nobody_holds_any_more_is_taken_over(store: RawStore, kind: str) -> None:
    over = {"until": AT.isoformat()}
    leases: dict[str, dict[str, Any]] = {
        "dead": {"pid": dead_pid()},
        "over": over,
        "over elsewhere": over | {"host": "another.example"},
        "earlier process of this id": {"pid": os.getpid()},
    }
    leave_lease(store, **leases[kind])

    with store.lease(Clock()):
        assert written(store)["pid"] == os.getpid()
        assert written(store)["name"] != "x"

    assert names(store) == []


def test_a_lease_is_renewed_now_and_then(store: RawStore) -> None:
    clock = Clock()

    with store.lease(clock) as renew:
        clock.at = AT + timedelta(minutes=4)
        renew()
        early = written(store)["until"]
        clock.at = AT + timedelta(minutes=6)
        renew()

        assert early == (AT + LEASE).isoformat()
        assert written(store)["until"] == (clock.at + LEASE).isoformat()


def test_of_many_that_start_at_once_on_one_machine_one_crawls(tmp_path: Path) -> None:
    store = RawStore(open_lake(str(tmp_path), "demo"))
    together, holding, taken = threading.Barrier(8), threading.Event(), list[bool]()

    def start() -> None:
        together.wait()
        try:
            with store.lease(clock):
                taken.append(True)
                holding.wait()
        except LeaseTaken:
            taken.append(False)
        if len(taken) == 8:
            holding.set()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(taken) < 8:
        time.sleep(0.01)
    holding.set()
    for thread in threads:
        thread.join()

    assert sorted(taken) == [False] * 7 + [True]


def test_two_lakes_never_share_a_spool(tmp_path: Path) -> None:
    first, second = (RawStore(open_lake(str(tmp_path / name), "demo", str(tmp_path / "spool"))) for name in "ab")
    spool(first, page(1))

    second.recover()
    first.recover()

    assert second.index().is_empty()
    assert set(bodies(first, first.latest())) == {1}


def test_a_crawl_that_slept_over_its_lease_stops_and_leaves_the_new_holder_alone(store: RawStore) -> None:
    clock = Clock()

    with store.lease(clock) as renew:
        clock.at = AT + 2 * LEASE
        leave_lease(store, until=(clock.at + LEASE).isoformat())
        with pytest.raises(LeaseTaken):
            renew()

    assert written(store)["name"] == "x"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"host": "a", "pid": 1, "name": "x", "until": "soon"}'])
def test_a_lease_that_cannot_be_read_is_no_permission(store: RawStore, content: str) -> None:
    store.folder.mkdir(parents=True)
    (store.folder / "lease.json").write_text(content)

    with pytest.raises(CorruptFile) as corrupt, store.lease(Clock()):
        pass

    assert corrupt.value.where == str(store.folder / "lease.json")
    assert corrupt.value.fix == "delete that file if no crawl is running"


def test_a_lease_on_a_lake_that_refuses_is_an_error_with_a_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = RawStore(open_lake(str(tmp_path / "file" / "lake"), "demo", str(tmp_path)))

    with pytest.raises(LakeError) as refused, store.lease(Clock()):
        pass

    assert "ANIPOP_LAKE" in refused.value.fix
