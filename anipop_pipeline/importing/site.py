"""What every import does alike: a name, files that can be told apart, a declaration, a whole-or-nothing write.

Belongs here: what does not depend on what the files hold. Does not: reading what they hold.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

import polars as pl
from upath import UPath

from anipop_pipeline.errors import CorruptFile, SettingError
from anipop_pipeline.importing import orphans
from anipop_pipeline.lake import CRAWLED, Folder, Lake, Manifest
from anipop_pipeline.stages.tables import schema_of
from anipop_pipeline.stages.tables.pages import ParseRejects
from anipop_pipeline.storage import place, staging, write_json, writing

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
RESERVED = (*CRAWLED, "cache", "spool")  # sites that are crawled, and folders of the lake that are no sites
PARENTS = {"portraits": "characters", "posters": "anime"}
SELDOM = ("further_scores", "imported_split")  # tables that few imports bring
CRAWL = ("anime_index", "anime_pages", "character_pages")  # tables that none can bring
DECLARATION = "site.json"
Say = Callable[[str], None]


def nobody(_line: str) -> None:
    """Tell a line to nobody."""


@dataclass(frozen=True)
class Source:
    """One file that was imported; its folder is nobody's business."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Imported:
    """What an import brought; `told` is what it has to say of the files."""

    lake: Lake
    told: tuple[str, ...]
    sources: tuple[Source, ...]
    folders: Mapping[str, Folder]
    manifests: tuple[Manifest, ...]

    def as_text(self) -> str:
        """Return the closing summary."""
        then = f"Next: ANIPOP_SITE={self.lake.site} anipop run"
        return "\n".join([*self.told, "", *self._tables(), "", then])

    def _tables(self) -> list[str]:
        lines = [f"{'table':<15}{'rows':>10}{'rejected':>10}"]
        for name, folder in self.folders.items():
            rows = 0 if folder.absent else folder.table().height
            lost = folder.table("rejects").height if "rejects.parquet" in folder.files else 0
            lines.append(f"{name:<15}{rows:>10,}{lost:>10,}  {_remark(folder)}".rstrip())
        return lines


def check_ready(lake: Lake, *, replace: bool) -> None:
    """Refuse a name that no import can have or another has, and a lake that cannot be written, before any work."""
    if not NAME.fullmatch(lake.site) or lake.site in RESERVED:
        what = f"no import can be called {lake.site!r}"
        fix = f"take small letters, digits and hyphens, at most 32, a letter first; not {', '.join(RESERVED)}"
        raise SettingError(what, where="--as", fix=fix)
    if lake.imported() is not None and not replace:
        fix = "choose another name, or add --replace to put the new import in its place"
        raise SettingError(f"there is already a site {lake.site}", where=str(lake.folder), fix=fix)
    with writing(lake.root), staging(lake.root):
        pass


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Give a file's bytes; CorruptFile when they cannot be read."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as refused:
        what = f"the file cannot be read: {refused.strerror or refused}"
        raise CorruptFile(what, where=str(path), fix="make it readable, or get it again") from refused


def source(path: Path) -> Source:
    """Return what tells a file from every other."""
    with opened(path) as stream:
        return Source(path.name, hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)


def absent(lake: Lake, table: str) -> Folder:
    """Return a table that an import has nothing for."""
    return _empty(table, f"{lake.site} is an import without {table}")


def valid(table: str, rows: pl.DataFrame) -> Folder:
    """Return rows that keep their schema as a folder; what an import refuses is refused whole, so none are rejects."""
    schema = schema_of(table)
    kept = rows if schema is None else schema.validate(rows, cast=True)
    return Folder({"table.parquet": kept, "rejects.parquet": ParseRejects.create_empty()})


def fit_for_rules(lake: Lake, folders: Mapping[str, Folder]) -> dict[str, Folder]:
    """Return the tables, those absent that say nothing which a rule could ask for: it would leave no anime."""
    fitted = dict(folders)
    for name in (name for name in orphans.TIES if name in folders):
        there = {other: folder.table() for other, folder in fitted.items() if folder.absent is None}
        lacking = _lacking(name, there) if name in there else None
        if lacking is not None and not _has_rejects(fitted[name]):
            fitted[name] = _empty(name, f"{lake.site} is an import without {lacking}")
    return fitted


def _lacking(name: str, there: Mapping[str, pl.DataFrame]) -> str | None:
    """Return what a table lacks to be of use, None when it lacks nothing."""
    rows = there[name]
    if rows.is_empty():
        return name
    if orphans.known(name, orphans.ids(there)).is_empty():
        return f"{name} that its other tables know of"
    if name == "roles" and not (rows["role"] == "main").any():
        return "main characters"
    is_described = name != "characters" or rows["description"].is_not_null().any()
    return None if is_described else "descriptions of characters"


def _has_rejects(folder: Folder) -> bool:
    """Return whether pages could not be read: then the table stays, for a check to judge."""
    return "rejects.parquet" in folder.files and not folder.table("rejects").is_empty()


def declaration(
    kind: str, host: str, sources: Collection[Source], folders: Mapping[str, Folder], now: datetime, **more: Any
) -> dict[str, Any]:
    """Return what the site says of itself: where it comes from, and what rules may ask of it."""
    there = {name: folder.absent is None and not folder.table().is_empty() for name, folder in folders.items()}
    return {
        "kind": kind,
        "site": host,
        "imported_at": now.isoformat(timespec="seconds"),
        "files": [asdict(one) for one in sources],
        **more,
        "has": {
            "titles": _told(folders["anime"], "title"),
            "synopses": _told(folders["anime"], "synopsis"),
            "descriptions": there["characters"] and _told(folders["characters"], "description"),
            "portraits": there["portraits"],
        },
    }


def _told(folder: Folder, column: str) -> bool:
    return bool(folder.table()[column].is_not_null().any())


def write(lake: Lake, folders: Mapping[str, Folder], said: Mapping[str, Any], now: datetime) -> tuple[Manifest, ...]:
    """Return the manifests of what is now in the lake; the declaration, which makes it a site, is written last.

    An import that it replaces is no site any more before the first of its tables is: a kill in between leaves none.
    What it cannot bring is written as absent, so that every asset can be made at once, and alone.
    """
    whole = {**folders, **{name: absent(lake, name) for name in (*SELDOM, *CRAWL) if name not in folders}}
    manifests: dict[str, Manifest] = {}
    with _undone_on_failure(lake, whole):
        with writing(lake.root):
            (lake.folder / DECLARATION).unlink(missing_ok=True)
        for name, folder in whole.items():
            parent = manifests.get(PARENTS.get(name, ""))
            manifests[name] = lake.save(name, folder, {} if parent is None else {parent.asset: parent}, now)
        with writing(lake.root), staging(lake.root) as stage:
            write_json(lake.folder / DECLARATION, said, stage)
    return tuple(manifests.values())


def told_of(left_over: Mapping[str, int]) -> list[str]:
    """Return what was left over in readable lines."""
    return [f"left over: {what}: {number:,}" for what, number in left_over.items()]


def count(number: int, thing: str) -> str:
    """Return a number of things in words.

    >>> count(1, "file"), count(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _empty(table: str, reason: str) -> Folder:
    schema = schema_of(table)
    return Folder({} if schema is None else {"table.parquet": schema.create_empty()}, absent=reason)


@contextmanager
def _undone_on_failure(lake: Lake, names: Mapping[str, Any]) -> Iterator[None]:
    """Put the manifests back when the block fails: the versions that they name are still there."""
    was_there = lake.folder.exists()
    paths = [*(lake.asset_folder(name) / "manifest.json" for name in names), lake.folder / DECLARATION]
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
    return folder.absent or (f"{count(lacking, 'wanted picture')} not in the files" if lacking else "")
