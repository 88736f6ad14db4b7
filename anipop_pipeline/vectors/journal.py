"""The journal of a run: what it has computed and not sealed yet, on a local disk, safe from kill -9.

A journal is a file of records. Who writes or seals it holds its lock, which the system gives back when the process
ends in whatever way; so a journal whose lock is free is one that a killed run has left.

Belongs here: records, locks and names of journals. Does not: what a record says (store.py).
"""

import fcntl
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from io import SEEK_END, FileIO
from pathlib import Path
from uuid import uuid4

ENDING = ".journal"
LENGTH, DIGEST = 8, 32  # bytes before the content of a record


@dataclass(frozen=True)
class Journal:
    """A journal that is ours until its file is closed."""

    path: Path
    file: FileIO

    def append(self, content: bytes) -> None:
        """Add a record. The system has it when this returns: a kill loses nothing, and a power cut only time."""
        head = len(content).to_bytes(LENGTH, "little") + hashlib.sha256(content).digest()
        start, left = self.file.seek(0, SEEK_END), memoryview(head + content)
        try:
            while left:
                left = left[self.file.write(left) :]
        except OSError:
            self.file.truncate(start)  # what came after a torn record would never be found
            raise

    def records(self) -> list[bytes]:
        """Return the contents of all whole records; a torn one is what was under way when the run was killed."""
        self.file.seek(0)
        return _whole(self.file.readall())

    def size(self) -> int:
        """Return how many bytes were written."""
        return self.file.seek(0, SEEK_END)


def begun(folder: Path, shelf: str) -> Journal:
    """Return a new journal; one that another run has taken for a killed run's is left to that."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        path = folder / f"{shelf}.{uuid4().hex}{ENDING}"
        file = path.open("x+b", buffering=0)
        if _is_ours(file):
            return Journal(path, file)
        file.close()


def adopted(path: Path) -> Journal | None:
    """Return a journal that a killed run has left; None where its owner lives, or another run is sealing it."""
    with suppress(FileNotFoundError):  # the other run was faster
        file = path.open("r+b", buffering=0)
        if _is_ours(file):
            return Journal(path, file)
        file.close()
    return None


def lives(path: Path) -> bool:
    """Return whether somebody holds a journal now."""
    if (journal := adopted(path)) is None:
        return True
    journal.file.close()
    return False


def peeked(path: Path) -> list[bytes]:
    """Return the contents of all whole records of a journal, whoever holds it; none where it is gone."""
    try:
        return _whole(path.read_bytes())
    except FileNotFoundError:
        return []


def of_shelf(folder: Path, shelf: str) -> list[Path]:
    """Return where the journals of a shelf are."""
    return sorted(folder.glob(f"{shelf}.*{ENDING}"))


def shelves(folder: Path) -> set[str]:
    """Return the names of shelves that have a journal."""
    return {path.name.partition(".")[0] for path in folder.glob(f"*{ENDING}")}


def _is_ours(file: FileIO) -> bool:
    """Return whether we hold the lock of a journal that is still there."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file.fileno()).st_nlink > 0


def _whole(written: bytes) -> list[bytes]:
    """Return the contents of records up to the first that is torn."""
    found, at = list[bytes](), 0
    while len(written) >= (start := at + LENGTH + DIGEST):
        length, digest = int.from_bytes(written[at : at + LENGTH], "little"), written[at + LENGTH : start]
        content = written[start : start + length]
        if len(content) < length or hashlib.sha256(content).digest() != digest:
            break
        found.append(content)
        at = start + length
    return found
