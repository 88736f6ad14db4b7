"""Files of rows opened: CSV in UTF-8 and Parquet, damage told with file and row; and folders of pictures.

Belongs here: formats of files. Does not: what a column or a value means.
"""

import csv
import hashlib
import io
from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from anipop_pipeline.errors import PageChanged, SettingError
from anipop_pipeline.importing.site import Say, Source, opened, source
from anipop_pipeline.stages import parse
from anipop_pipeline.stages.mapping import Sheet, refused

SUFFIXES = (".csv", ".parquet")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
LONGEST = 2**24  # characters of one cell
LARGEST = 2**26  # bytes of one picture
EVERY = 2_000  # pictures between two words of progress


class Opened:
    """The files of one folder, each opened once; remembers which were."""

    def __init__(self, folder: Path, say: Say) -> None:
        if not folder.is_dir():
            what = "a file was named" if folder.exists() else "there is no such folder"
            raise SettingError(what, where=str(folder), fix="name the folder that holds the tables")
        self.folder, self.sources = folder, list[Source]()
        self._say, self._sheets = say, dict[str, Sheet]()

    def __call__(self, file: str) -> Sheet | None:
        """Return a file's rows, None where there is no such file."""
        path = self.folder / file
        if file not in self._sheets:
            if not path.exists():
                return None
            self._say(f"reading {file} ({path.stat().st_size / 2**20:,.1f} MiB)")
            self._sheets[file] = sheet(path, file)
            self.sources.append(source(path))
        return self._sheets[file]


def sheet(path: Path, name: str) -> Sheet:
    """Return the rows of a CSV or Parquet file."""
    if path.suffix not in SUFFIXES:
        raise refused("only CSV and Parquet files can be read", name)
    with opened(path) as stream:
        content = stream.read()
    return _csv(content, name) if path.suffix == ".csv" else _parquet(content, name)


def _csv(content: bytes, name: str) -> Sheet:
    rows, number = csv.reader(io.StringIO(_decoded(content, name), newline=""), strict=True), 0
    before = csv.field_size_limit(LONGEST)
    try:
        header = _header(next(rows, []), name)
        columns: list[list[str]] = [[] for _ in header]
        for row in filter(None, rows):  # an empty line is no row
            number += 1
            if len(row) != len(header):
                raise refused(f"the row has {len(row)} cells, the header {len(header)}", name, number)
            for cells, cell in zip(columns, row, strict=True):
                cells.append(cell)
    except csv.Error as broken:
        raise refused(f"the row is no CSV: {broken}", name, number + 1) from broken
    finally:
        csv.field_size_limit(before)
    return Sheet(name, dict(zip(header, columns, strict=True)))


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        *rows, last = csv.reader(io.StringIO(f"{before}?", newline=""))
        header = next(iter(rows), [])
        field = header[len(last) - 1] if 0 < len(last) <= len(header) else None
        what = f"byte {error.start} is not UTF-8 ({error.reason}): the file has another encoding, or is damaged"
        raise refused(what, name, len([row for row in rows if row]) or None, field) from error


def _header(names: list[str], file: str) -> list[str]:
    """Return the names of the columns; the one of row numbers that some tools write may be empty."""
    header = [name.strip() for name in names]
    if not any(header):
        raise refused("the file has no header", file)
    for name in header:
        if header.count(name) > 1:
            raise refused("two columns have this name", file, field=name or "an empty name")
    return header


def _parquet(content: bytes, name: str) -> Sheet:
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        frame = pl.DataFrame(pl.from_arrow(table))
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as broken:
        raise refused(f"the file is no Parquet, or is damaged: {broken}", name) from broken
    return Sheet(name, {column.name: column.to_list() for column in frame})


def pictures(folder: Path, shown: str, key: str, addresses: Mapping[int, str], say: Say) -> tuple[pl.DataFrame, Source]:
    """Return a picture for each `<id>.jpg|png|webp|gif` of a folder, each decoded whole, and what tells the folder."""
    paths = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in PICTURES and path.name[0] != "."]
    found: dict[int, tuple[int, str, bytes, int, int]] = {}
    for number, path in enumerate(paths, start=1):
        if number % EVERY == 0:
            say(f"{shown}: {number:,} of {len(paths):,} pictures")
        file = f"{shown}/{path.name}"
        one = _number(path, file)
        if one in found:
            raise refused(f"{one} has another picture already", file, field=key)
        found[one] = _picture(path, file, one, addresses.get(one, f"file:{path.name}"))
    schema = {key: pl.Int64, "url": pl.String, "image": pl.Binary, "width": pl.Int64, "height": pl.Int64}
    rows = pl.DataFrame(list(found.values()), schema=schema, orient="row").sort(key)
    return rows, _of_folder(shown, rows)


def not_read(folder: Path, shown: str, read: Collection[str]) -> dict[str, int]:
    """Return how many files of a folder were not read, in words; `read` holds names, and endings of whatever was."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."]
    names = [path.name for path in paths if path.name not in read and path.suffix.lower() not in read]
    return {f"files not read in {shown}, such as {names[0]}": len(names)} if names else {}


def _number(path: Path, file: str) -> int:
    if not path.stem.isascii() or not path.stem.isdigit() or not 0 < int(path.stem[:18]) < 10**15:
        raise refused(f"{path.stem!r} is no id: pictures are called <id>.jpg, .png, .webp or .gif", file, field="name")
    return int(path.stem)


def _picture(path: Path, file: str, number: int, url: str) -> tuple[int, str, bytes, int, int]:
    if not path.is_file() or path.stat().st_size > LARGEST:
        what = "it is too large to be a picture of the site" if path.is_file() else "it is no file"
        raise refused(what, file, field="image")
    with opened(path) as stream:
        content = stream.read()
    try:
        return (number, url, content, *parse.picture(content))
    except PageChanged as broken:
        raise refused(broken.what, file, field="image") from broken


def _of_folder(shown: str, rows: pl.DataFrame) -> Source:
    digest = hashlib.sha256()
    for image in rows["image"]:
        digest.update(hashlib.sha256(image).digest())
    return Source(f"{shown}/ ({rows.height} pictures)", digest.hexdigest(), int(rows["image"].bin.size().sum()))
