"""Where raw pages live: WARC segments, their index, the open segment of a crawl, and the lease of a site.

A crawl appends to one open segment in a local spool. Sealing moves it into the lake, then writes its part of the
index; what a killed run left behind is recovered from the records themselves before the next crawl.

Belongs here: everything that knows a path below a site's raw folder. Does not: what a record looks like (archive.py),
nor what is asked for.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
from dataframely.exc import SchemaError, ValidationError
from upath import UPath

from anipop_pipeline import lease
from anipop_pipeline.errors import CorruptFile, LakeError, SettingError
from anipop_pipeline.lake import Lake
from anipop_pipeline.stages import archive
from anipop_pipeline.stages.tables.pages import PageIndex
from anipop_pipeline.storage import place, staging, write_json, writing

SEGMENT, INDEX_PART = ".warc.gz", ".parquet"
SEGMENT_BYTES = 256 * 1024 * 1024
SEGMENT_SECONDS = 3600.0  # a slow crawl brings its pages home every hour
OPEN = f"open{SEGMENT}"
INFO = {
    "software": f"anipop-pipeline/{version('anipop-pipeline')}",
    "format": "WARC File Format 1.1",
    "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
    "robots": "obey",
}
LOG = logging.getLogger(__name__)
PAGES = pa.schema([("url", pa.string()), ("id", pa.int64()), ("body", pa.large_binary())])


@dataclass(frozen=True)
class Reindexed:
    """One segment whose index was built anew: how much of it is whole, and what is wrong with the rest."""

    file: str
    records: int
    torn_bytes: int
    damage: str = ""  # empty where the end is clean, or only torn


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

    def tried(self) -> pl.DataFrame:
        """Return when each address was last asked for, answered and refused (url, tried_at, heard_at, refused_at)."""

        def last(*outcomes: str) -> pl.Expr:
            return pl.col("fetched_at").filter(pl.col("outcome").is_in(outcomes)).max()

        return (
            self.index()
            .group_by("url")
            .agg(tried_at=pl.col("fetched_at").max(), heard_at=last(*archive.HEARD), refused_at=last("refused"))
        )

    def requests_on(self, day: date) -> int:
        """Return how many requests of a day are on record."""
        return int(self.index().filter(pl.col("fetched_at").dt.date() == day)["requests"].sum())

    def pages(self, rows: pl.DataFrame, at_once: int) -> Iterator[pa.Table]:
        """Yield the pages of index rows as Arrow tables (url, id, body), a bounded number at a time."""
        for (file,), of_file in rows.sort("file", "offset").group_by("file", maintain_order=True):
            with self._open(str(file)) as segment:
                for start in range(0, of_file.height, at_once):
                    yield _bodies(segment, of_file.slice(start, at_once))

    def keep(self, exchanges: Iterable[archive.Exchange]) -> int:
        """Archive what a crawl yields and return how much that was; whatever ends the crawl, all of it is kept."""
        self.recover()
        kept, opened = 0, time.monotonic()
        try:
            for exchange in exchanges:
                size = self._append(exchange)
                kept += 1
                if size >= SEGMENT_BYTES or time.monotonic() - opened >= SEGMENT_SECONDS:
                    self._seal()
                    opened = time.monotonic()
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
                self._write_index(_stem(path), self._scanned(path))

    def reindex(self, now: Callable[[], datetime]) -> list[Reindexed]:
        """Build the index anew from the segments alone: of one that is damaged, from the records before the damage."""
        with self.lease(now):
            self._seal()
            found = [self._salvaged(path) for path in self._names("", SEGMENT)]
            for one, rows in found:
                self._write_index(one.file.removesuffix(SEGMENT), rows)
            kept = {one.file.removesuffix(SEGMENT) for one, _ in found}
            for part in self._names("index", INDEX_PART):
                if _stem(part) not in kept:
                    part.unlink()
        return [one for one, _ in found]

    def _salvaged(self, path: UPath) -> tuple[Reindexed, list[dict[str, Any]]]:
        with path.open("rb") as segment:
            rows, damage = _whole_rows(segment, path.name)
            end = rows[-1]["offset"] + rows[-1]["length"] if rows else 0
            left = segment.seek(0, SEEK_END) - end
        return Reindexed(path.name, len(rows), left, damage.what if damage else ""), rows

    def _scanned(self, path: UPath) -> list[dict[str, Any]]:
        """Return what the index says of a segment's whole records."""
        with self._open(path.name) as segment:
            return _rows(segment, path.name)[0]

    def _append(self, exchange: archive.Exchange) -> int:
        """Return the size of the open segment, now with one more record."""
        with writing(self.folder):
            self.lake.spool.mkdir(parents=True, exist_ok=True)
            with (self.lake.spool / OPEN).open("ab") as segment:
                archive.append(segment, exchange)
                return segment.tell()

    def _seal(self) -> None:
        """Bring the whole records of the open segment home; what a kill interrupted here is done again, the same."""
        if (spooled := self.lake.spool / OPEN).exists():
            with writing(self.folder):
                spooled.rename(self.lake.spool / f"{self._next_name()}{SEGMENT}")
        for closed in sorted(self.lake.spool.glob(f"[0-9]*{SEGMENT}")):
            self._bring_home(closed)

    def _bring_home(self, closed: Path) -> None:
        """Move a closed segment of the spool into the lake, its records in the order of their addresses.

        What lies after a damaged place is asked for again; the damaged file stays in the spool, under another name.
        """
        with writing(self.folder), staging(self.lake.root) as stage:
            staged = stage / closed.name
            with closed.open("rb") as spooled:
                rows, damage = _whole_rows(spooled, closed.name)
                if rows:
                    _write_in_order(spooled, rows, staged)
            if rows:
                name = self._free_name(staged)
                with staged.open("rb") as segment:
                    rows, _ = _rows(segment, name)
                place(staged, self.folder / name)
                self._write_index(_stem(self.folder / name), rows)
            if damage is None:
                closed.unlink()
            else:
                aside = closed.replace(closed.with_suffix(".damaged"))
                LOG.warning("kept %d records of a spool; the rest is damaged and set aside: %s", len(rows), aside)

    def _free_name(self, staged: Path) -> str:
        """Return the name for a segment: its own, unless another crawl has taken that for something else."""
        taken = self.folder / staged.name
        is_other = taken.exists() and taken.read_bytes() != staged.read_bytes()
        return f"{self._next_name()}{SEGMENT}" if is_other else staged.name

    def _next_name(self) -> str:
        """Return a name that no segment has or had: what a person removed leaves a gap, and is never overwritten."""
        spooled = [UPath(path) for path in self.lake.spool.glob(f"[0-9]*{SEGMENT}")]
        known = [_stem(path) for path in (*self._names("", SEGMENT), *self._names("index", INDEX_PART), *spooled)]
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
                fix="anipop lake reindex",
            ) from broken

    def _names(self, folder: str, ending: str) -> list[UPath]:
        home = self.folder / folder if folder else self.folder
        return sorted(path for path in home.iterdir() if path.name.endswith(ending)) if home.exists() else []

    @contextmanager
    def _open(self, file: str) -> Iterator[BinaryIO]:
        """Give a sealed segment to read; whatever is wrong with it is said with its path."""
        path = self.folder / file
        part = f"index/{file.removesuffix(SEGMENT)}{INDEX_PART}"
        fix = (
            "restore it from a copy; or run anipop lake reindex, which keeps the records before the damage, and crawl "
            f"again; or delete it and {part}, and crawl again"
        )
        try:
            with _naming(path, fix), path.open("rb") as segment:
                yield segment
        except FileNotFoundError:
            raise CorruptFile(
                "a WARC segment that the index names is gone",
                where=str(path),
                fix=fix,
            ) from None

    def lease(self, now: Callable[[], datetime]) -> AbstractContextManager[Callable[[], None]]:
        """Hold the site's one crawl lease, renewed by calling what it gives; a dead holder's lease is taken over."""
        return lease.held(self.folder / "lease.json", self.lake, now)


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


def _write_in_order(spooled: BinaryIO, rows: list[dict[str, Any]], target: Path) -> None:
    """Write a segment: who made it, then the records by address, whatever order they came in."""
    first = min(row["fetched_at"] for row in rows)
    with target.open("wb") as segment:
        archive.append_info(segment, target.name, first, INFO)
        for row in sorted(rows, key=lambda row: (row["url"], row["fetched_at"])):
            spooled.seek(row["offset"])
            segment.write(spooled.read(row["length"]))
        segment.flush()
        os.fsync(segment.fileno())  # the spool is given up for it


def _whole_rows(spooled: BinaryIO, file: str) -> tuple[list[dict[str, Any]], CorruptFile | None]:
    """Return what the index says of the records before the first damage, and that damage."""
    rows: list[dict[str, Any]] = []
    try:
        for exchange, offset, length in archive.scan(spooled):
            rows.append(archive.index_row(exchange, file, offset, length))
    except CorruptFile as damage:
        return rows, damage
    return rows, None


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
