"""What lies in a folder, on a disk and on object storage: its files, their size and their age.

Belongs here: what every storage can be asked. Does not: which folders and files there are (store.py).
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from upath import UPath

NEVER, UNKNOWN = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def listed(folder: UPath) -> list[UPath]:
    """Return what lies in a folder now, by name; nothing where there is none."""
    folder.fs.invalidate_cache(folder.path)  # object storage remembers what it listed
    try:
        return sorted(folder.iterdir(), key=lambda path: str(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove(folder: UPath, dry: bool) -> int:
    """Return how many bytes the files of a folder have that is gone now, or would be."""
    size = sum(path.stat().st_size for path in listed(folder))
    if folder.exists() and not dry:
        folder.fs.rm(folder.path, recursive=True)
    return size


def last_written(paths: Iterable[UPath]) -> datetime:
    """Return when the newest of some files was written; where that cannot be told, it counts as newer than all."""
    return max(map(_written, paths), default=NEVER)


def _written(path: UPath) -> datetime:
    try:
        written: datetime = path.fs.modified(path.path)
    except (NotImplementedError, FileNotFoundError):  # the storage keeps no times, or a run is at work here now
        return UNKNOWN
    return written
