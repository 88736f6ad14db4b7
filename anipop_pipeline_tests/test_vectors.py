"""Claims about cached vectors: found as they were kept, safe from kills and full disks, merged and pruned."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from upath import UPath

from anipop_pipeline.errors import CorruptFile, LakeError, SettingError
from anipop_pipeline.lake import Folder, Lake
from anipop_pipeline.vectors import Pruned, VectorStore, journal, used

SHELF = "00c0ffee"
UNKNOWN = b"\xff no such key".ljust(32, b"\0")
ABOUT = {"model": "gpt2", "pooling": "mean", "length": 128}
NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = datetime(2999, 1, 1, tzinfo=UTC)  # all files are old by then


@pytest.fixture
def store(root: str, tmp_path: Path) -> VectorStore:
    return store_at(root, tmp_path / "spool")


@pytest.fixture
def local(tmp_path: Path) -> VectorStore:
    return store_at(str(tmp_path / "lake"), None)


def store_at(root: str, spool: Path | None) -> VectorStore:
    return VectorStore(Lake(UPath(root), "demo", spool))


def digests(*names: str) -> np.ndarray:
    """Return keys of 32 bytes that begin with a name; they have zeros inside and at the end, as real ones may."""
    return np.array([name.encode() for name in names], dtype="S32")


def rows(*values: float) -> np.ndarray:
    """Return vectors of two numbers, which tell each other by the first."""
    return np.array([[value, -value] for value in values], dtype=np.float32).reshape(-1, 2)


def kept(store: VectorStore, *batches: dict[str, float], shelf: str = SHELF, dtype: str = "float32") -> None:
    with store.keeping(shelf, ABOUT, dtype) as keep:
        for batch in batches:
            keep(digests(*batch), rows(*batch.values()))


def found(store: VectorStore, *names: str, shelf: str = SHELF) -> dict[str, float]:
    """Return the first number of what is here of some names."""
    here, vectors = store.find(shelf, digests(*names))
    present = [name for name, is_here in zip(names, here, strict=True) if is_here]
    return {name: float(vector[0]) for name, vector in zip(present, vectors, strict=True)}


def part_paths(store: VectorStore, shelf: str = SHELF) -> list[UPath]:
    folder = store.folder / shelf
    return sorted(path for path in folder.iterdir() if path.suffix == ".safetensors") if folder.exists() else []


def left_journals(store: VectorStore) -> list[Path]:
    return sorted(store.journals.iterdir()) if store.journals.exists() else []


# Finding what was kept


def test_vectors_come_back_by_key_in_the_order_of_asking(store: VectorStore) -> None:
    kept(store, {"b": 2.0, "a": 1.0}, {"c": 3.0})

    here, vectors = store.find(SHELF, digests("c", "nowhere", "a", "c"))

    assert here.tolist() == [True, False, True, True]
    assert vectors.tolist() == [[3.0, -3.0], [1.0, -1.0], [3.0, -3.0]]
    assert vectors.dtype == np.float32
    assert found(store, "a", "b", "c", shelf="another") == {}


def test_an_empty_store_and_an_empty_question_are_answered(store: VectorStore) -> None:
    here, vectors = store.find(SHELF, digests("a"))
    assert here.tolist() == [False]
    assert vectors.shape == (0, 0)

    kept(store, {"a": 1.0})
    here, vectors = store.find(SHELF, digests())

    assert (len(here), len(vectors)) == (0, 0)


def test_what_several_runs_kept_is_found_together(store: VectorStore) -> None:
    kept(store, {"a": 1.0})
    kept(store, {"b": 2.0}, {"c": 3.0})

    assert found(store, "c", "a", "b", "d") == {"c": 3.0, "a": 1.0, "b": 2.0}
    assert len(part_paths(store)) == 2


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
KEYS = st.binary(max_size=32) | st.binary(max_size=3).map(lambda tail: bytes(29) + tail)  # zeros anywhere


@given(st.lists(st.dictionaries(KEYS.map(lambda key: key.ljust(32, b"\0")), NUMBERS, max_size=9), max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_is_kept_is_found_exactly(runs: list[dict[bytes, float]]) -> None:
    expected: dict[bytes, set[float]] = {}
    with tempfile.TemporaryDirectory() as spool:
        store = store_at(f"memory://{uuid.uuid4().hex}", Path(spool))
        for run in runs:
            with store.keeping(SHELF, ABOUT, "float32") as keep:
                keep(np.array(list(run), dtype="S32"), rows(*run.values()))
            for key, value in run.items():
                expected.setdefault(key, set()).add(value)

        for _ in ("as kept", "merged"):
            asked = [*expected, UNKNOWN]
            here, vectors = store.find(SHELF, np.array(asked, dtype="S32"))

            assert here.tolist() == [*[True] * len(expected), UNKNOWN in expected]
            assert len(vectors) == here.sum()
            for key, vector in zip(asked, vectors.tolist(), strict=False):
                assert vector[0] in expected[key]
                assert vector[1] == -vector[0]
            store.prune([SHELF], dry=False, now=LATER)


def test_keys_that_differ_only_in_zeros_inside_are_different_keys(store: VectorStore) -> None:
    keys = np.array([b"a", b"a\0b", b"a\0\0b", bytes(31) + b"\1", b"\1", bytes(32)], dtype="S32")
    values = rows(*range(len(keys)))

    with store.keeping(SHELF, ABOUT, "float32") as keep:
        keep(keys, values)

    here, vectors = store.find(SHELF, keys[::-1].copy())
    assert here.all()
    assert vectors.tolist() == values[::-1].tolist()


def test_a_part_is_plain_safetensors_named_by_content_with_sorted_keys(store: VectorStore) -> None:
    kept(store, {"b": 2.0}, {"a": 1.0, "b": 9.0}, dtype="float16")

    (path,) = part_paths(store)
    content = path.read_bytes()
    tensors = load(content)

    assert path.stem == hashlib.sha256(content).hexdigest()[:32]
    assert tensors["keys"].tolist() == [list(name.ljust(32, b"\0")) for name in (b"a", b"b")]
    assert tensors["vectors"].dtype == np.float16
    assert tensors["vectors"].tolist() == [[1.0, -1.0], [2.0, -2.0]], "of one key the first vector counts"


def test_half_precision_halves_the_file_and_rounds_as_numpy_does(store: VectorStore) -> None:
    vectors = np.array([[0.1, 1 / 3, 65504.0]], dtype=np.float32)
    for dtype in ("float16", "float32"):
        with store.keeping(dtype, ABOUT, dtype) as keep:
            keep(digests("a"), vectors)

    half, single = (store.find(dtype, digests("a"))[1] for dtype in ("float16", "float32"))

    assert half.dtype == single.dtype == np.float32
    assert half.tolist() == vectors.astype(np.float16).astype(np.float32).tolist()
    assert single.tolist() == vectors.tolist()
    assert [shelf.dtype for shelf in store.info()] == ["float16", "float32"]


@pytest.mark.parametrize(
    ("value", "dtype", "fix"),
    [(65520.0, "float16", "float32"), (np.inf, "float16", "checkpoint"), (np.nan, "float32", "checkpoint")],
)
def test_what_would_not_be_a_number_is_refused_and_what_came_before_is_kept(
    store: VectorStore, value: float, dtype: str, fix: str
) -> None:
    with pytest.raises(SettingError) as refused:
        kept(store, {"a": 1.0}, {"b": value}, dtype=dtype)

    assert fix in refused.value.fix
    assert found(store, "a", "b") == {"a": 1.0}


def test_a_precision_that_is_not_known_is_refused(store: VectorStore) -> None:
    with pytest.raises(SettingError, match="float16 or float32"), store.keeping(SHELF, ABOUT, "int8"):
        pass

    assert left_journals(store) == []


def test_vectors_of_several_lengths_are_refused_and_spoil_nothing(store: VectorStore) -> None:
    with store.keeping(SHELF, ABOUT, "float32") as keep:
        keep(digests("a"), rows(1.0))
        with pytest.raises(SettingError, match="several lengths: 2, 3"):
            keep(digests("b"), np.ones((1, 3), np.float32))

    assert found(store, "a", "b") == {"a": 1.0}


def test_nothing_is_written_where_nothing_was_kept(store: VectorStore) -> None:
    kept(store)
    kept(store, {})

    assert not (store.lake.root / "cache").exists()
    assert left_journals(store) == []


def test_the_same_vectors_twice_are_one_part(store: VectorStore) -> None:
    kept(store, {"a": 1.0, "b": 2.0})
    kept(store, {"b": 2.0}, {"a": 1.0})

    assert len(part_paths(store)) == 1


def test_a_run_that_fails_seals_what_it_had(store: VectorStore) -> None:
    def failing() -> None:
        with store.keeping(SHELF, ABOUT, "float32") as keep:
            keep(digests("a"), rows(1.0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()

    assert found(store, "a", "b") == {"a": 1.0}
    assert left_journals(store) == []


def test_only_asked_rows_of_a_local_part_take_memory(local: VectorStore) -> None:
    keys = np.array([f"{number:032d}".encode() for number in range(10_000)], dtype="S32")
    with local.keeping(SHELF, ABOUT, "float32") as keep:
        keep(keys, np.ones((10_000, 1_000), np.float32))  # 40 MB
    local.find(SHELF, keys[:1])

    tracemalloc.start()
    here, vectors = local.find(SHELF, keys[7:8])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert here.all()
    assert vectors.tolist() == [[1.0] * 1_000]
    assert most < 1_000_000


# Journals


def test_a_journal_of_a_living_run_is_left_alone(store: VectorStore) -> None:
    with store.keeping(SHELF, ABOUT, "float32") as keep:
        keep(digests("a"), rows(1.0))

        assert found(store, "a") == {}
        kept(store, {"b": 2.0})
        assert store.prune([], dry=False, now=LATER) == Pruned(), "a shelf that is being filled is no waste"
        assert [shelf.journaled for shelf in store.info()] == [1]
        keep(digests("c"), rows(3.0))

    assert found(store, "a", "b", "c") == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert left_journals(store) == []


def written_journal(store: VectorStore, *batches: dict[str, float]) -> tuple[bytes, int]:
    """Return a journal as a run writes it, and where its last record begins."""
    start = 0
    with store.keeping("elsewhere", ABOUT, "float32") as keep:
        for batch in batches:
            (path,) = left_journals(store)
            start = path.stat().st_size
            keep(digests(*batch), rows(*batch.values()))
        content = path.read_bytes()
    return content, start


def test_a_record_torn_at_any_byte_is_dropped_and_those_before_it_are_sealed(tmp_path: Path) -> None:
    content, start = written_journal(store_at(str(tmp_path / "first"), None), {"a": 1.0}, {"b": 2.0}, {"c": 3.0})
    assert 200 < len(content) - start < 400

    for torn_at in range(start, len(content) + 1):
        store = store_at(str(tmp_path / f"lake{torn_at}"), None)
        store.journals.mkdir(parents=True)
        (store.journals / f"{SHELF}.killed.journal").write_bytes(content[:torn_at])

        whole = {"c": 3.0} if torn_at == len(content) else {}
        assert found(store, "a", "b", "c") == {"a": 1.0, "b": 2.0, **whole}
        assert left_journals(store) == []
        shutil.rmtree(tmp_path / f"lake{torn_at}")


def test_a_record_that_a_power_cut_left_full_of_zeros_is_dropped(local: VectorStore) -> None:
    content, start = written_journal(local, {"a": 1.0}, {"b": 2.0})
    (local.journals / f"{SHELF}.cut.journal").write_bytes(content[:start] + bytes(len(content) - start))

    assert found(local, "a", "b") == {"a": 1.0}


def test_a_journal_without_a_whole_record_leaves_nothing(store: VectorStore) -> None:
    store.journals.mkdir(parents=True)
    for name, content in {"empty": b"", "torn": b"\1\0\0\0"}.items():
        (store.journals / f"{SHELF}.{name}.journal").write_bytes(content)

    assert found(store, "a") == {}
    assert left_journals(store) == []
    assert part_paths(store) == []


def test_what_a_killed_run_left_is_sealed_by_the_next_that_keeps_and_described(store: VectorStore) -> None:
    content, _ = written_journal(store, {"a": 1.0})
    (store.journals / f"{SHELF}.killed.journal").write_bytes(content)

    with store.keeping(SHELF, {"model": "told later"}, "float32") as keep:
        assert found(store, "a") == {"a": 1.0}
        keep(digests("b"), rows(2.0))

    assert json.loads((store.folder / SHELF / "about.json").read_text()) == ABOUT


def test_journals_of_other_shelves_wait_for_who_asks_for_those(store: VectorStore) -> None:
    content, _ = written_journal(store, {"a": 1.0})
    (store.journals / "other.killed.journal").write_bytes(content)

    assert found(store, "a") == {}
    assert found(store, "a", shelf="other") == {"a": 1.0}


def test_two_lakes_never_share_journals(tmp_path: Path) -> None:
    one, other = (store_at(f"memory://{name}", tmp_path) for name in ("one", "other"))

    assert one.journals != other.journals
    assert store_at(str(tmp_path / "lake"), None).journals.is_relative_to(tmp_path / "lake")
    assert replace(one.lake, site="mal").spool.parent == one.journals.parent, "sites of a lake do"


CHILD = """
import os, resource, sys, threading, time
import numpy as np
from datetime import UTC, datetime
from pathlib import Path
from upath import UPath
from anipop_pipeline.lake import Lake
from anipop_pipeline.vectors import VectorStore

store = VectorStore(Lake(UPath(sys.argv[1]), "demo"))

def batch(own, number):
    keys = np.array([f"{own}-{number}-{row}-".encode() for row in range(50)], dtype="S32")
    return keys, np.full((50, 300), number, np.float32)
"""
FILL = """
with store.keeping("00c0ffee", {}, "float32") as keep:
    for number in range(1_000_000):
        keep(*batch("killed", number))
        print(number, flush=True)
"""


def started(lake: Path, script: str, *arguments: str) -> "subprocess.Popen[str]":
    """Return a process of its own that has a store."""
    run = [sys.executable, "-c", CHILD + script, str(lake), *arguments]
    return subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def batch(own: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a process of its own keeps."""
    keys = np.array([f"{own}-{number}-{row}-".encode() for row in range(50)], dtype="S32")
    return keys, np.full((50, 300), number, np.float32)


def assert_whole(store: VectorStore, own: str, number: int) -> None:
    keys, expected = batch(own, number)
    here, vectors = store.find(SHELF, keys)
    assert here.all()
    assert np.array_equal(vectors, expected)


@pytest.mark.parametrize("finished", [0, 7, 60])
def test_every_batch_that_was_finished_before_a_kill_is_there_and_none_is_torn(
    local: VectorStore, finished: int
) -> None:
    with started(Path(local.lake.root.path), FILL) as run:
        assert run.stdout is not None
        while run.stdout.readline() != f"{finished}\n":
            assert run.poll() is None
        run.kill()
        last = max([finished, *map(int, run.stdout.read().split())])
    assert run.returncode == -9
    assert part_paths(local) == []

    for number in range(last + 1):
        assert_whole(local, "killed", number)
    beyond = np.concatenate([batch("killed", number)[0] for number in range(last + 1, last + 3)])
    assert local.find(SHELF, beyond)[0].sum() in {0, 50}, "of the batch under way there is all or nothing"
    assert left_journals(local) == []


TURNS = """
for turn in range(12):
    with store.keeping("00c0ffee", {}, "float32") as keep:
        keep(*batch(sys.argv[2], turn))
        keep(*batch("both", turn))
    keys, vectors = batch(sys.argv[2], turn)
    here, read = store.find("00c0ffee", keys)
    assert here.all() and np.array_equal(read, vectors)
    if turn % 4 == 3:
        store.prune(["00c0ffee"], dry=False, now=datetime.now(UTC))
"""


def test_processes_at_once_on_one_shelf_lose_nothing(local: VectorStore) -> None:
    runs = [started(Path(local.lake.root.path), TURNS, own) for own in ("one", "two", "three")]

    ended = [(run.communicate(timeout=120)[1], run.returncode) for run in runs]

    assert [code for _, code in ended] == [0, 0, 0], ended
    for own in ("one", "two", "three", "both"):
        for turn in range(12):
            assert_whole(local, own, turn)
    assert left_journals(local) == []


def test_recoverers_at_once_do_no_harm(local: VectorStore) -> None:
    content, _ = written_journal(local, *({f"{number}": float(number)} for number in range(30)))
    failures: list[BaseException] = []

    def recover() -> None:
        try:
            local.find(SHELF, digests("1"))
        except BaseException as failure:  # noqa: BLE001  # a thread's failure must reach the test
            failures.append(failure)

    for turn in range(10):
        (local.journals / f"{SHELF}.killed{turn}.journal").write_bytes(content)
        threads = [threading.Thread(target=recover) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert failures == []
    assert found(local, *map(str, range(30))) == {f"{number}": float(number) for number in range(30)}
    assert left_journals(local) == []
    assert len(part_paths(local)) == 1


def test_a_new_journal_that_another_run_took_for_a_dead_one_is_begun_again(tmp_path: Path) -> None:
    stop = threading.Event()

    def recover() -> None:
        while not stop.is_set():
            for path in journal.of_shelf(tmp_path, SHELF):
                if left := journal.adopted(path):
                    with left.file:
                        path.unlink()

    recoverer = threading.Thread(target=recover)
    recoverer.start()
    seen = []
    for number in range(300):
        mine = journal.begun(tmp_path, SHELF)
        with mine.file:
            mine.append(str(number).encode())
            seen += journal.peeked(mine.path)
    stop.set()
    recoverer.join()

    assert seen == [str(number).encode() for number in range(300)], "ours, and where the next run looks for it"


# Full disks

FULL = """
with store.keeping("00c0ffee", {}, "float32") as keep:
    keep(*batch("full", 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    if sys.argv[3:]:
        keep(*batch("full", 1))
"""


def test_a_batch_that_finds_the_disk_full_is_an_error_and_those_before_it_are_kept(local: VectorStore) -> None:
    run = started(Path(local.lake.root.path), FULL, "100000", "one more")

    said = run.communicate(timeout=60)[1]

    assert "LakeError: the lake cannot be written: File too large" in said
    assert "free some disk" in said
    assert_whole(local, "full", 0)
    assert not local.find(SHELF, batch("full", 1)[0])[0].any()


def test_a_part_that_finds_the_disk_full_is_an_error_and_the_next_run_seals_it(local: VectorStore) -> None:
    run = started(Path(local.lake.root.path), FULL, "1000")

    said = run.communicate(timeout=60)[1]

    assert "LakeError: the lake cannot be written: File too large" in said
    assert part_paths(local) == []
    assert [path.name for path in Path(local.lake.root.path, ".staging").iterdir()] == []
    assert len(left_journals(local)) == 1
    assert_whole(local, "full", 0)
    assert left_journals(local) == []


def test_a_run_goes_on_keeping_when_the_disk_has_room_again(local: VectorStore) -> None:
    script = """
    except Exception as full:
        print(type(full).__name__)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    keep(*batch("full", 2))
"""
    tried = FULL.replace('        keep(*batch("full", 1))', '        pass\n    try:\n        keep(*batch("full", 1))')
    run = started(Path(local.lake.root.path), tried.rstrip() + script, "100000")

    said, failed = run.communicate(timeout=60)

    assert (said, failed) == ("LakeError\n", "")
    assert_whole(local, "full", 0)
    assert_whole(local, "full", 2)


def test_a_spool_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = store_at("memory://nowhere", tmp_path / "file")

    with pytest.raises(LakeError, match="cannot be written") as refused, store.keeping(SHELF, ABOUT, "float32"):
        pass

    assert str(tmp_path / "file") in refused.value.where


# Broken and vanished parts


def header_says(content: bytes, **changed: Any) -> bytes:
    """Return a part whose header says something else of its vectors."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["vectors"].update(changed)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "garbage": lambda _: b"garbage",
    "torn header": lambda content: content[:60],
    "torn tensors": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "no JSON": lambda content: content[:8] + b"?" + content[9:],
    "no text": lambda content: content[:8] + b"\xff" + content[9:],
    "other tensors": lambda _: save({"keys": np.zeros((1, 32), np.uint8)}),
    "other keys": lambda _: save({"keys": np.zeros((1, 31), np.uint8), "vectors": rows(1.0)}),
    "other numbers": lambda _: save({"keys": np.zeros((1, 32), np.uint8), "vectors": np.ones((1, 2))}),
    "one vector too many": lambda _: save({"keys": np.zeros((1, 32), np.uint8), "vectors": rows(1.0, 2.0)}),
    "no vectors": lambda _: save({"keys": np.zeros((0, 32), np.uint8), "vectors": np.zeros((0, 2), np.float32)}),
    "no width": lambda _: save({"keys": np.zeros((1, 32), np.uint8), "vectors": np.zeros((1, 0), np.float32)}),
    "negative shape": lambda content: header_says(content, shape=[-1, 2]),
    "no shape": lambda content: header_says(content, shape=None),
    "wrong shape": lambda content: header_says(content, shape=[1, 3]),
    "wrong place": lambda content: header_says(content, data_offsets=[1, 9]),
    "other width": lambda _: save({"keys": np.zeros((1, 32), np.uint8), "vectors": np.ones((1, 3), np.float32)}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_part_is_an_error_that_names_it_and_pruning_mends_it(store: VectorStore, kind: str) -> None:
    kept(store, {"good": 1.0})
    (good,) = part_paths(store)
    bad = store.folder / SHELF / f"{'f' * 32}.safetensors"  # is read after the other
    bad.write_bytes(BROKEN[kind](good.read_bytes()))

    with pytest.raises(CorruptFile) as corrupt:
        found(store, "asked")

    assert corrupt.value.where == str(bad)
    assert "anipop cache prune" in corrupt.value.fix
    assert store.prune([SHELF], dry=True, now=LATER).broken == (str(bad),)
    assert bad.exists()
    assert store.prune([SHELF], dry=False, now=LATER).broken == (str(bad),)
    assert found(store, "good", "asked") == {"good": 1.0}
    assert part_paths(store) == [good]


def test_a_number_that_a_bad_disk_changed_is_found_by_pruning(store: VectorStore) -> None:
    kept(store, {"a": 1.0})
    (part,) = part_paths(store)
    content = bytearray(part.read_bytes())
    content[-33] ^= 1
    part.write_bytes(bytes(content))

    assert store.prune([SHELF], dry=False, now=LATER).broken == (str(part),)
    assert found(store, "a") == {}


def test_a_part_that_vanished_between_listing_and_opening_is_no_error(local: VectorStore) -> None:
    kept(local, {"a": 1.0})
    Path(local.folder.path, SHELF, "0.safetensors").symlink_to("gone")

    assert found(local, "a", "b") == {"a": 1.0}
    assert [shelf.parts for shelf in local.info()] == [1]
    assert local.prune([SHELF], dry=True, now=LATER) == Pruned()


# Not in memory: there fsspec gives all threads one open file with one position, as no real storage does.
def test_readers_under_a_merge_find_everything_all_the_time(local: VectorStore) -> None:
    names = [f"{number}" for number in range(12)]
    wrong: list[Any] = []

    for _ in range(8):
        for name in names:
            kept(local, {name: float(name)})
        stop = threading.Event()

        def read(stop: threading.Event = stop) -> None:
            while not stop.is_set():
                try:
                    if len(seen := found(local, *names)) != len(names):
                        wrong.append(seen)
                except Exception as failure:  # noqa: BLE001  # a thread's failure must reach the test
                    wrong.append(failure)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        local.prune([SHELF], dry=False, now=LATER)
        stop.set()
        for reader in readers:
            reader.join()
        assert len(part_paths(local)) == 1

    assert wrong == []


# Counting and pruning


def test_the_figures_of_a_shelf_are_those_of_its_files(store: VectorStore) -> None:
    kept(store, {"a": 1.0, "b": 2.0}, {"c": 3.0}, dtype="float16")
    kept(store, {"a": 1.0}, dtype="float16")
    content, _ = written_journal(store, {"d": 4.0, "e": 5.0})
    (store.journals / f"{SHELF}.killed.journal").write_bytes(content)

    shelf, elsewhere = store.info()

    assert (shelf.name, shelf.about) == (SHELF, ABOUT)
    assert (shelf.vectors, shelf.parts, shelf.width, shelf.dtype, shelf.journaled) == (4, 2, 2, "float16", 2)
    assert shelf.bytes == sum(path.stat().st_size for path in part_paths(store))
    assert (elsewhere.name, elsewhere.vectors, elsewhere.dtype, elsewhere.journaled) == ("elsewhere", 2, "float32", 0)


def test_a_shelf_that_is_only_in_a_journal_is_listed(store: VectorStore) -> None:
    with store.keeping(SHELF, ABOUT, "float16") as keep:
        keep(digests("a", "b"), rows(1.0, 2.0))
        (shelf,) = store.info()

    assert (shelf.name, shelf.about, shelf.vectors, shelf.parts) == (SHELF, {}, 0, 0)
    assert (shelf.width, shelf.dtype, shelf.journaled) == (2, "float16", 2)


def test_a_description_that_cannot_be_read_is_named_and_written_again(store: VectorStore) -> None:
    kept(store, {"a": 1.0})
    about = store.folder / SHELF / "about.json"
    about.write_text("{")

    with pytest.raises(CorruptFile, match="delete that file") as corrupt:
        store.info()
    about.unlink()
    kept(store, {"b": 2.0})

    assert corrupt.value.where == str(about)
    assert [shelf.about for shelf in store.info()] == [ABOUT]


def test_merging_makes_one_part_without_duplicates_and_changes_no_answer(store: VectorStore) -> None:
    for batch in ({"a": 1.0, "b": 2.0}, {"b": 2.0, "c": 3.0}, {"d": 4.0}):
        kept(store, batch)
    before = sum(path.stat().st_size for path in part_paths(store))

    pruned = store.prune([SHELF], dry=False, now=LATER)

    (part,) = part_paths(store)
    assert pruned == Pruned(merged=2, bytes=before - part.stat().st_size)
    assert load(part.read_bytes())["vectors"].tolist() == rows(1.0, 2.0, 3.0, 4.0).tolist()
    assert found(store, "a", "b", "c", "d") == {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert store.prune([SHELF], dry=False, now=LATER) == Pruned(), "there is nothing left to do"


def test_of_one_key_with_two_vectors_the_one_that_was_read_is_merged(store: VectorStore) -> None:
    kept(store, {"a": 1.0})
    kept(store, {"a": 2.0})
    before = found(store, "a", "looked for everywhere")

    store.prune([SHELF], dry=False, now=LATER)

    assert found(store, "a") == before


def test_merging_keeps_a_part_that_has_everything_already(store: VectorStore) -> None:
    kept(store, {"a": 1.0, "b": 2.0})
    (whole,) = part_paths(store)
    kept(store, {"a": 1.0})

    assert store.prune([SHELF], dry=False, now=LATER).merged == 1
    assert part_paths(store) == [whole]


def test_pruning_takes_what_is_not_to_be_kept_and_a_dry_run_takes_nothing(store: VectorStore) -> None:
    kept(store, {"a": 1.0}, shelf="used")
    kept(store, {"b": 2.0}, shelf="used")
    kept(store, {"a": 1.0}, shelf="unused")
    content, _ = written_journal(store, {"c": 3.0})
    (store.journals / "unused.killed.journal").write_bytes(content)
    older = store.folder / "0123456789abcdef"
    older.mkdir(parents=True)
    (older / "part.parquet").write_bytes(b"PAR1")
    there = everything(store)

    would = store.prune(["used", "elsewhere"], dry=True, now=LATER)
    assert everything(store) == there
    did = store.prune(["used", "elsewhere"], dry=False, now=LATER)

    assert would == did
    assert (did.shelves, did.older, did.merged, did.broken) == (("unused",), ("0123456789abcdef",), 1, ())
    assert did.bytes == sum(there.values()) - sum(everything(store).values())
    assert sorted(shelf.name for shelf in store.info()) == ["elsewhere", "used"]
    assert store.older() == []
    assert found(store, "a", "b", "c", shelf="used") == {"a": 1.0, "b": 2.0}
    assert left_journals(store) == []


def test_pruning_brings_home_what_a_killed_run_left_on_a_shelf_that_is_kept(store: VectorStore) -> None:
    kept(store, {"a": 1.0})
    content, _ = written_journal(store, {"c": 3.0})
    (store.journals / f"{SHELF}.killed.journal").write_bytes(content)

    assert store.prune([SHELF, "elsewhere"], dry=False, now=LATER).merged == 1
    assert left_journals(store) == []
    assert found(store, "a", "c") == {"a": 1.0, "c": 3.0}


@pytest.mark.parametrize(
    ("hours_later", "spare_hours", "stays"), [(1, 24.0, True), (25, 24.0, False), (25, 26.0, True), (0, 0.0, False)]
)
def test_a_shelf_that_no_table_names_yet_stays_while_it_is_young(
    store: VectorStore, hours_later: int, spare_hours: float, stays: bool
) -> None:
    kept(store, {"a": 1.0}, shelf="finished")
    now = datetime.now(UTC) + timedelta(hours=hours_later)

    would = store.prune([], dry=True, now=now, spare_hours=spare_hours)
    did = store.prune([], dry=False, now=now, spare_hours=spare_hours)

    assert would == did
    assert (did.spared, did.shelves) == ((("finished",), ()) if stays else ((), ("finished",)))
    assert found(store, "a", shelf="finished") == ({"a": 1.0} if stays else {})


def test_what_an_asset_finished_stays_while_it_fills_its_next_shelf(store: VectorStore) -> None:
    kept(store, {"a": 1.0}, shelf="pooled")

    with store.keeping("published", ABOUT, "float32") as keep:
        keep(digests("a"), rows(2.0))
        pruned = store.prune([], dry=False, now=datetime.now(UTC))

    assert pruned == Pruned(spared=("pooled",))
    assert [found(store, "a", shelf=shelf) for shelf in ("pooled", "published")] == [{"a": 1.0}, {"a": 2.0}]


def aged(*paths: Path) -> None:
    """Make some files two days old."""
    for path in paths:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 48 * 60 * 60))


@pytest.mark.parametrize("young", ["part", "about", "journal", "nothing"])
def test_a_shelf_is_as_young_as_its_newest_file(local: VectorStore, young: str) -> None:
    content, _ = written_journal(local, {"b": 2.0})
    kept(local, {"a": 1.0})
    left = local.journals / f"{SHELF}.killed.journal"
    left.write_bytes(content)
    about = Path(local.folder.path, SHELF, "about.json")
    files = {"part": Path(part_paths(local)[0].path), "about": about, "journal": left}
    aged(*(path for name, path in files.items() if name != young))

    pruned = local.prune(["elsewhere"], dry=False, now=datetime.now(UTC))

    assert (pruned.spared, pruned.shelves) == (((), (SHELF,)) if young == "nothing" else ((SHELF,), ()))


def test_a_broken_part_of_a_young_shelf_is_mended(store: VectorStore) -> None:
    kept(store, {"a": 1.0})
    bad = store.folder / SHELF / f"{'f' * 32}.safetensors"
    bad.write_bytes(b"garbage")

    assert store.prune([], dry=False, now=datetime.now(UTC)).broken == (str(bad),)
    assert found(store, "a", "b") == {"a": 1.0}


def test_where_the_storage_keeps_no_times_a_shelf_stays_unless_none_is_spared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryFileSystem, "modified", AbstractFileSystem.modified)  # as storages without times have it
    store = store_at(f"memory://{uuid.uuid4().hex}", tmp_path)
    kept(store, {"a": 1.0})

    assert store.prune([], dry=False, now=LATER) == Pruned(spared=(SHELF,))
    assert found(store, "a") == {"a": 1.0}
    assert store.prune([], dry=False, now=LATER, spare_hours=0).shelves == (SHELF,)


def everything(store: VectorStore) -> dict[str, int]:
    """Return the size of every file of the store."""
    sealed = {str(path): path.stat().st_size for folder in store.folder.iterdir() for path in folder.iterdir()}
    return {**sealed, **{str(path): path.stat().st_size for path in left_journals(store)}}


def test_a_shelf_is_used_by_the_last_table_that_names_it(store: VectorStore) -> None:
    def made(site: str, table: str, day: int, *shelves: str, **notes: Any) -> None:
        notes |= {"shelves": list(shelves)} if shelves else {}
        replace(store.lake, site=site).save(table, Folder(notes=notes), {}, NOW.replace(day=day))

    made("demo", "synopsis_embeddings", 1, "text-mean", "text-published")
    made("mal@2025-01-31", "description_embeddings", 3, "text-mean")
    made("mine", "poster_embeddings", 2, "text-mean", "pictures")
    made("mine", "portrait_embeddings", 9)
    made("mine", "metrics", 9, "no table of vectors")

    last = {shelf: (manifest.site, manifest.asset) for shelf, manifest in used(store.lake).items()}

    assert last == {
        "text-mean": ("mal@2025-01-31", "description_embeddings"),
        "text-published": ("demo", "synopsis_embeddings"),
        "pictures": ("mine", "poster_embeddings"),
    }


def test_nothing_is_pruned_while_a_manifest_cannot_be_read(store: VectorStore) -> None:
    store.lake.save("synopsis_embeddings", pl.DataFrame({"anime_id": [1]}), {}, NOW)
    (store.lake.asset_folder("synopsis_embeddings") / "manifest.json").write_text("{")

    with pytest.raises(CorruptFile, match="synopsis_embeddings"):
        used(store.lake)
