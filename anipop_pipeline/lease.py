"""The lease of a site: one crawl at a time, also from several machines.

Belongs here: who crawls, until when, and when a lease is nobody's any more. Does not: what is crawled.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from upath import UPath

from anipop_pipeline.errors import CorruptFile, LeaseTaken
from anipop_pipeline.lake import Lake
from anipop_pipeline.storage import staging, write_json, writing

LEASE = timedelta(hours=1)  # longer than the patience with any one page, since each page may renew it
PROCESS = uuid4().hex  # a process id alone may have been an earlier process's, in a container above all


@contextmanager
def held(path: UPath, lake: Lake, now: Callable[[], datetime]) -> Iterator[Callable[[], None]]:
    """Hold the lease that a file stands for while the block runs; what it gives renews it."""
    until = now()

    def renew() -> None:
        nonlocal until
        if until - now() < LEASE / 2:
            _refuse_another(path, lake, now())
            until = now() + LEASE
            mine = Holder(socket.gethostname(), os.getpid(), PROCESS, until.isoformat())
            with writing(path.parent), staging(lake.root) as stage:
                write_json(path, asdict(mine), stage)
            _refuse_another(path, lake, now())  # of two that start at once, the later one stays

    if (holder := _read(path)) is not None and holder.binds(now()):
        raise _taken(path, lake, holder)  # also when this very process crawls the site in another thread
    renew()
    try:
        yield renew
    finally:
        if (holder := _read(path)) is not None and holder.process == PROCESS:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Holder:
    """Who crawls a site, and until when unless the lease is renewed."""

    host: str
    pid: int
    process: str
    until: str

    def binds(self, now: datetime) -> bool:
        """Return whether others must stay away: the time is not over and, on this host, the process is alive."""
        if datetime.fromisoformat(self.until) <= now:
            return False
        if self.host != socket.gethostname():
            return True
        return self.process == PROCESS if self.pid == os.getpid() else _runs(self.pid)


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


def _refuse_another(path: UPath, lake: Lake, now: datetime) -> None:
    holder = _read(path)
    if holder is not None and holder.process != PROCESS and holder.binds(now):
        raise _taken(path, lake, holder)


def _taken(path: UPath, lake: Lake, holder: Holder) -> LeaseTaken:
    return LeaseTaken(
        f"another crawl of {lake.name} is running (process {holder.pid} on {holder.host})",
        where=str(path),
        fix="wait for it, or delete that file if no such process is running",
    )
