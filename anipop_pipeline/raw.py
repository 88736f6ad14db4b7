"""Where raw pages live: WARC segments, their index, the open segment of a crawl, and the lease of a site.

A crawl appends to one open segment in a local spool. Sealing moves it into the lake, then writes its part of the
index; what a killed run left behind is recovered from the records themselves before the next crawl.

Belongs here: everything that knows a path below a site's raw folder. Does not: what a record looks like (archive.py),
nor what is asked for.
"""

import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import polars as pl
import pyarrow as pa
from dataframely.exc import SchemaError, ValidationError
from upath import UPath

from anipop_pipeline.errors import CorruptFile, LakeError, LeaseTaken, SettingError
from anipop_pipeline.lake import Lake
from anipop_pipeline.stages import archive
from anipop_pipeline.stages.tables.pages import PageIndex
from anipop_pipeline.storage import place, staging, write_json, writing

SEGMENT, INDEX_PART = ".warc.gz", ".parquet"
SEGMENT_BYTES = 256 * 1024 * 1024
LEASE = timedelta(hours=1)  # longer than the patience with any one page, since each page may renew it
PROCESS = uuid4().hex  # a process id alone may have been an earlier process's, in a container above all
PAGES = pa.schema([("url", pa.string()), ("id", pa.int64()), ("body", pa.large_binary())])


@dataclass(frozen=True)
class RawStore:
    """The raw pages of one site."""

    lake: Lake

    @property
    def folder(self) -> UPath:
        """Return the folder of segments."""
        return self.lake.raw_folder

    def index(self) -> pl.DataFrame:
        """Return every record that the lake holds, once; a view sees those up to the end of its day."""
        parts = [self._index_part(path) for path in self._names("index", INDEX_PART)]
        index = _once(pl.concat([PageIndex.create_empty(), *parts]))
        day = self.lake.as_of
        return index if day is None else index.filter(pl.col("fetched_at").dt.date() <= day)

    def latest(self) -> pl.DataFrame:
        """Return the last answer with a body for each address."""
        answered = self.index().filter(pl.col("outcome").is_in(archive.ANSWERED))
        return answered.sort("url", "fetched_at").unique("url", keep="last", maintain_order=True)

    def pages(self, rows: pl.DataFrame, at_once: int) -> Iterator[pa.Table]:
        """Yield the pages of index rows as Arrow tables (url, id, body), a bounded number at a time."""
        for (file,), of_file in rows.sort("file", "offset").group_by("file", maintain_order=True):
            with self._open(str(file)) as segment:
                for start in range(0, of_file.height, at_once):
                    yield _bodies(segment, of_file.slice(start, at_once))

    def keep(self, exchanges: Iterable[archive.Exchange]) -> int:
        """Archive what a crawl yields and return how much that was; whatever ends the crawl, all of it is kept."""
        self.recover()
        kept = 0
        try:
            for exchange in exchanges:
                size = self._append(exchange)
                kept += 1
                if size >= SEGMENT_BYTES:
                    self._seal()
        finally:
            self._seal()
        return kept

    def claim(self, source: str) -> None:
        """Say whose pages these are, or refuse to mix them with those of another source."""
        path = self.folder / "source.json"
        said = _read_source(path)
        if said is None:
            self._refuse_unclaimed(path, source)
            with writing(self.folder), staging(self.lake.root) as stage:
                write_json(path, {"source": source}, stage)
        elif said != source:
            raise SettingError(
                f"the raw pages of {self.lake.name} are of {said}, not of {source}",
                where=str(path),
                fix="set the dials back, set ANIPOP_LAKE to another folder, or delete this site's folder",
            )

    def _refuse_unclaimed(self, path: UPath, source: str) -> None:
        if self._names("", SEGMENT):
            written = json.dumps({"source": source})
            raise LakeError(
                f"nothing says whose the raw pages of {self.lake.name} are",
                where=str(path),
                fix=f"write {written} into that file if they are that source's, or delete this site's folder",
            )

    def recover(self) -> None:
        """Bring home what a killed run left: its spooled records, and segments without an index."""
        self._seal()
        indexed = {_stem(path) for path in self._names("index", INDEX_PART)}
        for path in self._names("", SEGMENT):
            if _stem(path) not in indexed:
                with self._open(path.name) as segment:
                    rows, _ = _rows(segment, path.name)
                self._write_index(_stem(path), rows)

    @property
    def _spooled(self) -> Path:
        return self.lake.spool / f"open{SEGMENT}"

    def _append(self, exchange: archive.Exchange) -> int:
        """Return the size of the open segment, now with one more record."""
        with writing(self.folder):
            self.lake.spool.mkdir(parents=True, exist_ok=True)
            with self._spooled.open("ab") as segment:
                archive.append(segment, exchange)
                return segment.tell()

    def _seal(self) -> None:
        """Move the complete records of the open segment into the lake, then index them."""
        if not self._spooled.exists():
            return
        name = self._next_name()
        fix = "move that file away: the next crawl begins a new one"
        with _naming(self._spooled, fix), self._spooled.open("rb") as spooled:
            rows, end = _rows(spooled, f"{name}{SEGMENT}")
        with writing(self.folder):
            if rows:
                os.truncate(self._spooled, end)  # a torn record at the end was never complete
                place(self._spooled, self.folder / f"{name}{SEGMENT}")
            self._spooled.unlink(missing_ok=True)
        if rows:
            self._write_index(name, rows)

    def _next_name(self) -> str:
        """Return a name that no segment has or had: what a person removed leaves a gap, and is never overwritten."""
        known = [_stem(path) for path in (*self._names("", SEGMENT), *self._names("index", INDEX_PART))]
        return f"{max((int(name) for name in known if name.isdecimal()), default=-1) + 1:06d}"

    def _write_index(self, name: str, rows: list[dict[str, Any]]) -> None:
        frame = PageIndex.validate(_once(pl.DataFrame(rows, schema=PageIndex.create_empty().schema)))
        with writing(self.folder), staging(self.lake.root) as stage:
            frame.write_parquet(stage / "index.parquet")
            place(stage / "index.parquet", self.folder / "index" / f"{name}{INDEX_PART}")

    def _index_part(self, path: UPath) -> pl.DataFrame:
        try:
            return PageIndex.validate(pl.read_parquet(BytesIO(path.read_bytes())), cast=True)
        except (pl.exceptions.PolarsError, SchemaError, ValidationError) as broken:
            raise CorruptFile(
                f"a part of the raw index cannot be read: {broken}",
                where=str(path),
                fix="delete that file: the next crawl rebuilds it from the WARC segment of the same name",
            ) from broken

    def _names(self, folder: str, ending: str) -> list[UPath]:
        home = self.folder / folder if folder else self.folder
        return sorted(path for path in home.iterdir() if path.name.endswith(ending)) if home.exists() else []

    @contextmanager
    def _open(self, file: str) -> Iterator[BinaryIO]:
        """Give a sealed segment to read; whatever is wrong with it is said with its path."""
        path = self.folder / file
        part = f"index/{file.removesuffix(SEGMENT)}{INDEX_PART}"
        fix = f"restore it from a copy, or delete it and {part}, and crawl again"
        try:
            with _naming(path, fix), path.open("rb") as segment:
                yield segment
        except FileNotFoundError:
            raise CorruptFile(
                "a WARC segment that the index names is gone",
                where=str(path),
                fix=fix,
            ) from None

    @contextmanager
    def lease(self, now: Callable[[], datetime]) -> Iterator[Callable[[], None]]:
        """Hold the site's one crawl lease, renewed by calling what it gives; a dead holder's lease is taken over."""
        path = self.folder / "lease.json"
        if (holder := _read_lease(path)) is not None and holder.binds(now()):
            raise self._taken(holder)
        until = now()

        def renew() -> None:
            nonlocal until
            if until - now() < LEASE / 2:
                self._refuse_another(now())
                until = now() + LEASE
                mine = Holder(socket.gethostname(), os.getpid(), PROCESS, until.isoformat())
                with writing(self.folder), staging(self.lake.root) as stage:
                    write_json(path, asdict(mine), stage)
                self._refuse_another(now())  # of two that start at once, the later one stays

        renew()
        try:
            yield renew
        finally:
            if (holder := _read_lease(path)) is not None and holder.process == PROCESS:
                path.unlink(missing_ok=True)

    def _refuse_another(self, now: datetime) -> None:
        holder = _read_lease(self.folder / "lease.json")
        if holder is not None and holder.process != PROCESS and holder.binds(now):
            raise self._taken(holder)

    def _taken(self, holder: "Holder") -> LeaseTaken:
        return LeaseTaken(
            f"another crawl of {self.lake.name} is running (process {holder.pid} on {holder.host})",
            where=str(self.folder / "lease.json"),
            fix="wait for it, or delete that file if no such process is running",
        )


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


def _read_lease(path: UPath) -> Holder | None:
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


def _read_source(path: UPath) -> str | None:
    """Return whose pages the file says these are, None where there is no such file."""
    try:
        return str(json.loads(path.read_text())["source"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as broken:
        raise CorruptFile(
            f"whose pages these are cannot be read: {broken}",
            where=str(path),
            fix="delete that file: the next crawl says what to write into it",
        ) from broken


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stem(path: UPath) -> str:
    return path.name.partition(".")[0]


def _once(index: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each address and moment: the answer that was archived last, if there is one.

    There are several where a kill left a segment in the spool, too, and where a site's clock stands still.
    """
    answers_last = index.sort(pl.col("outcome").is_in(archive.ANSWERED), maintain_order=True)
    return answers_last.unique(PageIndex.primary_key(), keep="last", maintain_order=True)


def _rows(segment: BinaryIO, file: str) -> tuple[list[dict[str, Any]], int]:
    """Return what the index says of each whole record, and where the last of them ends."""
    rows, end = [], 0
    for exchange, offset, length in archive.scan(segment):
        rows.append(archive.index_row(exchange, file, offset, length))
        end = offset + length
    return rows, end


def _bodies(segment: BinaryIO, rows: pl.DataFrame) -> pa.Table:
    """Return the pages of index rows, which are looked up in the segment and must be the ones that lie there."""
    bodies = []
    for url, fetched_at, offset in rows.select("url", "fetched_at", "offset").iter_rows():
        exchange = archive.read(segment, offset)
        if (exchange.url, exchange.fetched_at) != (url, fetched_at):
            raise CorruptFile("another page lies there than the index says", where=f"offset {offset}, {url}")
        bodies.append(exchange.payload)
    columns = [rows["url"].to_list(), rows["id"].to_list(), bodies]
    return pa.table(dict(zip(PAGES.names, columns, strict=True)), schema=PAGES)


@contextmanager
def _naming(path: Path | UPath, fix: str) -> Iterator[None]:
    """Say of a broken record in which file it lies, and what can be done about that file."""
    try:
        yield
    except CorruptFile as broken:
        raise CorruptFile(broken.what, where=f"{path}, {broken.where}", fix=fix) from broken
