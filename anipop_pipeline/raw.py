"""Where raw pages live: WARC segments, their index, the open segment of a crawl, and the lease of a site.

A crawl appends to one open segment in a local spool. Sealing moves it into the lake, then writes its part of the
index; what a killed run left behind is recovered from the records themselves before the next crawl.

Belongs here: everything that knows a path below a site's raw folder. Does not: what a record looks like (archive.py),
nor what is asked for.
"""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
from upath import UPath

from anipop_pipeline.errors import CorruptFile, LeaseTaken
from anipop_pipeline.lake import Lake
from anipop_pipeline.stages import archive
from anipop_pipeline.stages.tables.pages import PageIndex
from anipop_pipeline.storage import place, staging, write_json, writing

SEGMENT_BYTES = 256 * 1024 * 1024
LEASE = timedelta(minutes=10)
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
        """Return every record that the lake holds; a view sees those up to the end of its day."""
        parts = [self._index_part(path) for path in self._names("index", ".parquet")]
        index = pl.concat([PageIndex.create_empty(), *parts])
        day = self.lake.as_of
        return index if day is None else index.filter(pl.col("fetched_at").dt.date() <= day)

    def latest(self) -> pl.DataFrame:
        """Return the last answer with a body for each address."""
        answered = self.index().filter(pl.col("outcome").is_in(["ok", "missing"]))
        return answered.sort("url", "fetched_at").unique("url", keep="last", maintain_order=True)

    def pages(self, rows: pl.DataFrame, at_once: int) -> Iterator[pa.Table]:
        """Yield the pages of index rows as Arrow tables (url, id, body), a bounded number at a time."""
        for (file,), of_file in rows.sort("file", "offset").group_by("file", maintain_order=True):
            with self._open(str(file)) as segment:
                for start in range(0, of_file.height, at_once):
                    found = of_file.slice(start, at_once)
                    bodies = [archive.read(segment, offset).payload for offset in found["offset"]]
                    columns = [found["url"].to_list(), found["id"].to_list(), bodies]
                    yield pa.table(dict(zip(PAGES.names, columns, strict=True)), schema=PAGES)

    def keep(self, exchanges: Iterable[archive.Exchange]) -> int:
        """Archive what a crawl yields and return how much that was; whatever ends the crawl, all of it is kept."""
        self.recover()
        kept = 0
        self.lake.spool.mkdir(parents=True, exist_ok=True)
        try:
            for exchange in exchanges:
                with writing(self.folder), self._spooled.open("ab") as segment:
                    archive.append(segment, exchange)
                    full = segment.tell() >= SEGMENT_BYTES
                kept += 1
                if full:
                    self._seal()
        finally:
            self._seal()
        return kept

    def recover(self) -> None:
        """Bring home what a killed run left: its spooled records, and segments without an index."""
        with contextlib.suppress(FileNotFoundError):
            self._seal()
        indexed = {path.stem for path in self._names("index", ".parquet")}
        for path in self._names("", ".warc.gz"):
            if path.name.removesuffix(".warc.gz") not in indexed:
                self._write_index(path.name.removesuffix(".warc.gz"), BytesIO(path.read_bytes()))

    @property
    def _spooled(self) -> Path:
        return self.lake.spool / "open.warc.gz"

    def _seal(self) -> None:
        """Move the complete records of the open segment into the lake, then index them."""
        if not self._spooled.exists():
            return
        with self._spooled.open("rb") as spooled:
            records = list(archive.scan(spooled))
        if records:
            end = max(offset + length for _, offset, length in records)
            os.truncate(self._spooled, end)  # a torn record at the end was never complete
            name = f"{len(self._names('', '.warc.gz')):06d}"
            with writing(self.folder):
                part = self._spooled.read_bytes()
                place(self._spooled, self.folder / f"{name}.warc.gz")
            self._write_index(name, BytesIO(part))
        self._spooled.unlink(missing_ok=True)

    def _write_index(self, name: str, segment: BytesIO) -> None:
        rows = [
            archive.index_row(exchange, f"{name}.warc.gz", at, size) for exchange, at, size in archive.scan(segment)
        ]
        frame = PageIndex.validate(pl.DataFrame(rows, schema=PageIndex.create_empty().schema))
        with writing(self.folder), staging(self.lake.root) as stage:
            frame.write_parquet(stage / "index.parquet")
            place(stage / "index.parquet", self.folder / "index" / f"{name}.parquet")

    def _index_part(self, path: UPath) -> pl.DataFrame:
        try:
            return PageIndex.validate(pl.read_parquet(BytesIO(path.read_bytes())), cast=True)
        except (pl.exceptions.PolarsError, ValueError) as broken:
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
        path = self.folder / file
        try:
            with path.open("rb") as segment:
                yield segment
        except FileNotFoundError:
            raise CorruptFile(
                "a WARC segment that the index names is gone",
                where=str(path),
                fix=f"restore it, or delete index/{file.removesuffix('.warc.gz')}.parquet and crawl again",
            ) from None

    @contextmanager
    def lease(self, now: Callable[[], datetime]) -> Iterator[Callable[[], None]]:
        """Hold the site's one crawl lease, renewed by calling what it gives; a dead holder's lease is taken over."""
        path = self.folder / "lease.json"
        taken = _read_lease(path)
        if taken is not None and _alive(taken, now()):
            raise LeaseTaken(
                f"another crawl of {self.lake.name} is running (process {taken['pid']} on {taken['host']})",
                where=str(path),
                fix="wait for it, or delete that file if no such process is running",
            )
        until = now()

        def renew() -> None:
            nonlocal until
            if until - now() < LEASE / 2:
                until = now() + LEASE
                mine = {"host": socket.gethostname(), "pid": os.getpid(), "until": until.isoformat()}
                with writing(self.folder), staging(self.lake.root) as stage:
                    write_json(path, mine, stage)

        renew()
        try:
            yield renew
        finally:
            path.unlink(missing_ok=True)


def _read_lease(path: UPath) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content


def _alive(lease: dict[str, Any], now: datetime) -> bool:
    """Return whether a lease still binds: its process runs here or, elsewhere, its time is not over."""
    if lease["host"] != socket.gethostname():
        return datetime.fromisoformat(lease["until"]) > now
    try:
        os.kill(lease["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
