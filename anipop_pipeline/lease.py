"""The lease of a site: one crawl at a time, also from several machines.

Belongs here: who crawls, until when, and when a lease is nobody's any more. Does not: what is crawled.
"""

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from upath import UPath

from anipop_pipeline.errors import CorruptFile, LeaseTaken
from anipop_pipeline.lake import Lake
from anipop_pipeline.storage import is_local, staging, write_json, writing

LEASE = timedelta(hours=3)  # longer than any one page can take, since each page may renew it
RENEWED_AFTER = timedelta(minutes=5)
LIVE = set[str]()  # the leases that this process holds, by their names


@contextmanager
def held(path: UPath, lake: Lake, now: Callable[[], datetime]) -> Iterator[Callable[[], None]]:
    """Hold the lease that a file stands for while the block runs; what it gives renews it."""
    name, until = uuid4().hex, now()

    def take() -> None:
        nonlocal until
        with _alone(path):
            if (holder := _read(path)) is not None and holder.name != name and holder.binds(now()):
                raise _taken(path, lake, holder)
            until = now() + LEASE
            mine = Holder(socket.gethostname(), os.getpid(), name, until.isoformat())
            with writing(path.parent), staging(lake.root) as stage:
                write_json(path, asdict(mine), stage)

    def renew() -> None:
        if until - now() < LEASE - RENEWED_AFTER:
            take()

    LIVE.add(name)  # before it is taken: another thread must find it alive
    try:
        take()
        yield renew
    finally:
        LIVE.discard(name)
        if (holder := _read(path)) is not None and holder.name == name:
            path.unlink(missing_ok=True)


@contextmanager
def _alone(path: UPath) -> Iterator[None]:
    """Let one at a time read and write a lease on this machine's disks.

    Object storage has no such lock: of two machines that take a lease in the same moment the later one keeps it, and
    the earlier one finds out when it renews.
    """
    if not is_local(path):
        yield
        return
    with writing(path.parent):
        Path(path.path).parent.mkdir(parents=True, exist_ok=True)
        lock = Path(path.path).with_suffix(".lock").open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed
        yield


@dataclass(frozen=True)
class Holder:
    """Who crawls a site, and until when unless the lease is renewed."""

    host: str
    pid: int
    name: str
    until: str

    def binds(self, now: datetime) -> bool:
        """Return whether others must stay away: the time is not over and, on this host, the process is alive."""
        if datetime.fromisoformat(self.until) <= now:
            return False
        if self.host != socket.gethostname():
            return True
        return self.name in LIVE if self.pid == os.getpid() else _runs(self.pid)


def _read(path: UPath) -> Holder | None:
    try:
        holder = Holder(**json.loads(path.read_text()))
        if datetime.fromisoformat(holder.until).tzinfo is None:
            raise ValueError("its time has no zone")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError) as broken:
        raise CorruptFile(
            f"the crawl lease cannot be read: {broken}", where=str(path), fix="delete that file if no crawl is running"
        ) from broken
    return holder


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _taken(path: UPath, lake: Lake, holder: Holder) -> LeaseTaken:
    return LeaseTaken(
        f"another crawl of {lake.name} is running (process {holder.pid} on {holder.host})",
        where=str(path),
        fix="wait for it, or delete that file if no such process is running",
    )
