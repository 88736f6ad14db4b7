"""A site filled from WARC files that others made, without a crawl.

Everything is read and validated before the first table is written; the declaration of the site comes last, and whatever
goes wrong in between leaves the site as it was.

Belongs here: from files to the tables of a site and what it says of itself. Does not: reading WARC (stages/captures),
reading pages (stages/parse), telling Dagster (cli.py).
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from upath import UPath

from anipop_pipeline.config import ParseConfig
from anipop_pipeline.engine import MapBatches
from anipop_pipeline.errors import CorruptFile, SettingError
from anipop_pipeline.lake import CRAWLED, Folder, Lake, Manifest
from anipop_pipeline.parsing import parsed, wanted_portraits, wanted_posters
from anipop_pipeline.stages import captures
from anipop_pipeline.stages.captures import Survey
from anipop_pipeline.stages.parse.batches import READINGS
from anipop_pipeline.stages.tables import schema_of
from anipop_pipeline.storage import place, staging, write_json, writing

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
RESERVED = (*CRAWLED, "cache", "spool")  # sites that are crawled, and folders of the lake that are no sites
PICTURES = {"portrait": ("characters", wanted_portraits), "poster": ("anime", wanted_posters)}
PARENTS = {READINGS[kind].table: parent for kind, (parent, _) in PICTURES.items()}
DECLARATION = "site.json"
EVERY = 20_000  # records between two words of progress
Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """One file that was imported; its folder is nobody's business."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Imported:
    """What an import brought."""

    lake: Lake
    survey: Survey
    sources: tuple[Source, ...]
    folders: Mapping[str, Folder]
    manifests: tuple[Manifest, ...]

    def as_text(self) -> str:
        """Return the closing summary."""
        pages = ", ".join(f"{count:,} {kind}" for kind, count in self.survey.pages.items())
        passed = [f"passed over: {count:,} {why}" for why, count in self.survey.passed.items()]
        what = f"{self.lake.site}: {_count(len(self.sources), 'file')}, {_count(self.survey.records, 'record')}"
        then = f"Next: ANIPOP_SITE={self.lake.site} anipop run"
        return "\n".join([what, f"pages: {pages}", *passed, "", *self._tables(), "", then])

    def _tables(self) -> list[str]:
        lines = [f"{'table':<12}{'rows':>10}{'rejected':>10}"]
        for name, folder in self.folders.items():
            rows, lost = (0, 0) if folder.absent else (folder.table().height, folder.table("rejects").height)
            lines.append(f"{name:<12}{rows:>10,}{lost:>10,}  {_remark(folder)}".rstrip())
        return lines


def import_warc(
    lake: Lake,
    files: Sequence[Path],
    map_batches: MapBatches,
    dials: ParseConfig,
    now: datetime,
    *,
    replace: bool = False,
    say: Say = lambda _line: None,
) -> Imported:
    """Return what the pages in some WARC files brought to a site of their own, now whole in the lake."""
    _check_name(lake, replace=replace)
    paths = _named(files)
    with writing(lake.root), staging(lake.root):
        pass  # an unwritable lake is said before hours of reading
    sources = tuple(_source(path) for path in paths.values())
    survey = captures.survey(_streams(paths, say), partial(_every, say))
    folders = _folders(lake, survey, paths, map_batches, dials, say)
    said = _declaration(survey, sources, folders, now)
    return Imported(lake, survey, sources, folders, _write(lake, folders, said, now))


def _check_name(lake: Lake, *, replace: bool) -> None:
    if not NAME.fullmatch(lake.site) or lake.site in RESERVED:
        what = f"no import can be called {lake.site!r}"
        fix = f"take small letters, digits and hyphens, at most 32, a letter first; not {', '.join(RESERVED)}"
        raise SettingError(what, where="--as", fix=fix)
    if lake.imported() is not None and not replace:
        fix = "choose another name, or add --replace to put the new import in its place"
        raise SettingError(f"there is already a site {lake.site}", where=str(lake.folder), fix=fix)


def _named(files: Sequence[Path]) -> dict[str, Path]:
    """Return each file once by a name of its own: that of the file alone, so that no folder is told to anybody."""
    paths = list(dict.fromkeys(path.resolve() for path in files))
    for path in paths:
        if not path.is_file():
            what = "a folder was named" if path.is_dir() else "there is no such file"
            raise SettingError(what, where=str(path), fix="name WARC files, such as crawl/*.warc.gz")
    alone = [path.name for path in paths]
    return {name if alone.count(name) == 1 else str(path): path for name, path in zip(alone, paths, strict=True)}


def _source(path: Path) -> Source:
    with _open(path) as stream:
        return Source(path.name, hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)


@contextmanager
def _open(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as refused:
        what = f"the file cannot be read: {refused.strerror or refused}"
        raise CorruptFile(what, where=str(path), fix="make it readable, or get it again") from refused


def _streams(paths: Mapping[str, Path], say: Say) -> Iterator[tuple[str, BinaryIO]]:
    for number, (name, path) in enumerate(paths.items(), start=1):
        say(f"reading {name} ({number} of {len(paths)}, {path.stat().st_size / 2**20:,.1f} MiB)")
        with _open(path) as stream:
            yield name, stream


def _every(say: Say, name: str, records: int) -> None:
    if records % EVERY == 0:
        say(f"{name}: {records:,} records")


def _folders(
    lake: Lake, survey: Survey, paths: Mapping[str, Path], map_batches: MapBatches, dials: ParseConfig, say: Say
) -> dict[str, Folder]:
    """Return every table that an import can bring; one that it has no pages for is absent."""
    pages = partial(captures.pages, lambda name: _open(paths[name]))
    folders: dict[str, Folder] = {}
    for kind, reading in sorted(READINGS.items(), key=lambda entry: entry[0] in PICTURES):
        there, facts = _of_pictures(survey, folders, kind) if kind in PICTURES else (survey.of(kind), {})
        if there.is_empty():
            folders[reading.table] = _absent(lake, reading.table)
            continue
        say(f"{reading.table}: {_count(there.height, 'page')}")
        folders[reading.table] = _valid(reading.table, parsed(kind, there, pages, map_batches, dials), facts)
    _check_anime(folders["anime"])
    return folders


def _of_pictures(
    survey: Survey, folders: Mapping[str, Folder], kind: str
) -> tuple[pl.DataFrame, dict[str, int | bool]]:
    """Return the captures of wanted pictures, one row for each owner, and how many were wanted; owners may share."""
    parent, wanted_of = PICTURES[kind]
    if folders[parent].absent is not None:
        return survey.captures.clear(), {}
    wanted = wanted_of(folders[parent].table())
    keys = pl.Series("key", [captures.picture_key(url) for url in wanted["url"]], dtype=pl.String)
    pictures = survey.captures.filter(pl.col("kind").is_in(list(PICTURES))).drop("kind", "id")
    owners = wanted.with_columns(keys).select("kind", "key", "id")
    joined = owners.join(pictures, on="key", how="inner", validate="m:1", maintain_order="left")
    facts = {"wanted": wanted.height, "answered": joined.height, "complete": joined.height == wanted.height}
    return joined.select(survey.captures.columns), facts


def _absent(lake: Lake, table: str) -> Folder:
    schema = schema_of(table)
    files = {} if schema is None else {"table.parquet": schema.create_empty()}
    return Folder(files, absent=f"{lake.site} is an import without {table}")


def _valid(table: str, folder: Folder, facts: Mapping[str, int | bool]) -> Folder:
    schema = schema_of(table)
    kept = folder.table() if schema is None else schema.validate(folder.table(), cast=True)
    return Folder({**folder.files, "table.parquet": kept}, notes={**folder.notes, **facts})


def _check_anime(anime: Folder) -> None:
    """Refuse an import without a single anime: every other table is about one."""
    if anime.absent is not None:
        raise SettingError("the files hold no page of an anime", fix="name files with pages of /anime/<id>")
    if anime.table().is_empty():
        said = anime.table("rejects").group_by("reason").len().sort("len", "reason", descending=True).row(0)
        what = f"no page of an anime could be read; {_count(said[1], 'page')}: {said[0]}"
        raise SettingError(what, fix="name files with whole pages of /anime/<id>")


def _declaration(
    survey: Survey, sources: tuple[Source, ...], folders: Mapping[str, Folder], now: datetime
) -> dict[str, Any]:
    """Return what the site says of itself: where it comes from, and what rules may ask of it."""
    there = {name: folder.absent is None and not folder.table().is_empty() for name, folder in folders.items()}
    described = there["characters"] and folders["characters"].table()["description"].is_not_null().any()
    first, last = survey.captures["fetched_at"].min(), survey.captures["fetched_at"].max()
    return {
        "kind": "warc",
        "site": survey.captures["site"][0],
        "imported_at": now.isoformat(timespec="seconds"),
        "captured": [str(first), str(last)],
        "files": [asdict(source) for source in sources],
        "records": survey.records,
        "pages": survey.pages,
        "passed_over": survey.passed,
        "has": {"descriptions": bool(described), "portraits": there["portraits"]},
    }


def _write(lake: Lake, folders: Mapping[str, Folder], said: Mapping[str, Any], now: datetime) -> tuple[Manifest, ...]:
    """Return the manifests of what is now in the lake; the declaration, which makes it a site, is written last."""
    manifests: dict[str, Manifest] = {}
    with _undone_on_failure(lake, folders):
        for name, folder in folders.items():
            parent = manifests.get(PARENTS.get(name, ""))
            manifests[name] = lake.save(name, folder, {} if parent is None else {parent.asset: parent}, now)
        with writing(lake.root), staging(lake.root) as stage:
            write_json(lake.folder / DECLARATION, said, stage)
    return tuple(manifests.values())


@contextmanager
def _undone_on_failure(lake: Lake, names: Mapping[str, Any]) -> Iterator[None]:
    """Put the manifests back when the block fails: the versions that they name are still there."""
    was_there = lake.folder.exists()
    paths = [lake.asset_folder(name) / "manifest.json" for name in names]
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    done = False
    try:
        yield
        done = True
    finally:
        if not done and not was_there and lake.folder.exists():
            lake.folder.fs.rm(lake.folder.path, recursive=True)
        elif not done:
            _put_back(lake, before)


def _put_back(lake: Lake, before: Mapping[UPath, bytes | None]) -> None:
    with writing(lake.root), staging(lake.root) as stage:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                (stage / path.name).write_bytes(content)
                place(stage / path.name, path)


def _remark(folder: Folder) -> str:
    lacking = folder.notes.get("wanted", 0) - folder.notes.get("answered", 0)
    return folder.absent or (f"{_count(lacking, 'wanted picture')} not in the files" if lacking else "")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
