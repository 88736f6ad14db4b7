"""Where bytes live: paths, whole-or-nothing writes, manifests, generations.

Layout: <root>/<site>/{raw,tables,models,reports} and <root>/cache. An asset is a folder; each version of it lies in a
folder of its own, named by content; `manifest.json` names the version that counts and is written last, so that a
killed run leaves the last good state.

Belongs here: everything that knows a path below the lake's root, but for raw pages (raw.py) and cached vectors
(vectors). Does not: what a table means, and anything of Dagster (resources.py carries values between assets and this
module).
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from upath import UPath

from anipop_pipeline.errors import CorruptFile, MissingTable, MixedGenerations, SettingError
from anipop_pipeline.storage import is_local, place, staging, write_json, writing

SITE_NAME = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,31})(@(?P<as_of>\d{4}-\d{2}-\d{2}))?")
CRAWLED = ("demo", "mal")
INVENTED = "demo.invalid"
REPORTS = frozenset({"metrics", "audit", "learning_curves", "report", "dataset_card", "comparables"})
TABLE = "table.parquet"
ARRAY = ".npy"
Content = pl.DataFrame | np.ndarray | bytes


class AbsentTable(pl.DataFrame):
    """An empty table that says why it is empty."""

    def __init__(self, reason: str, schema: Mapping[str, Any] | None = None) -> None:
        super().__init__(schema=dict(schema or {}))
        self.reason = reason


@dataclass(frozen=True)
class Folder:
    """An artefact of several files; a Parquet file is a frame, an .npy file an array, everything else bytes."""

    files: Mapping[str, Content] = field(default_factory=dict)
    absent: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def table(self, name: str = "table") -> pl.DataFrame:
        """Return one of its tables; an absent folder has none."""
        frame = self.files[f"{name}.parquet"]
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(f"{name} is no table")
        return frame

    def array(self, name: str) -> np.ndarray:
        """Return one of its arrays; from a local lake it is mapped: what is not asked for takes no memory."""
        values = self.files[f"{name}.npy"]
        if not isinstance(values, np.ndarray):
            raise TypeError(f"{name} is no array")
        return values

    def content(self, name: str) -> bytes:
        """Return one of its plain files."""
        content = self.files[name]
        if not isinstance(content, bytes):
            raise TypeError(f"{name} is a table or an array")
        return content


def reason_absent(value: object) -> str | None:
    """Return why a value is absent, or None when it is there.

    >>> reason_absent(AbsentTable("no portraits")), reason_absent(pl.DataFrame())
    ('no portraits', None)
    """
    if isinstance(value, AbsentTable):
        return getattr(value, "reason", None)  # polars makes a slice of it without its reason: just an empty table
    return value.absent if isinstance(value, Folder) else None


@dataclass(frozen=True)
class Manifest:
    """What counts as an asset's present state, and what it was made from."""

    asset: str
    site: str
    digest: str
    files: Mapping[str, Mapping[str, Any]]
    lineage: Mapping[str, str]
    absent: str | None
    notes: Mapping[str, Any]
    written_at: str

    def ancestry(self) -> dict[str, str]:
        """Return the digest of this asset and of everything that it stands on."""
        return {**self.lineage, self.asset: self.digest}


@dataclass(frozen=True)
class Lake:
    """One site's part of a lake; a view `NAME@DATE` has tables of its own over the raw pages of NAME."""

    root: UPath
    site: str
    spool_root: Path | None = None

    @property
    def name(self) -> str:
        """Return the site's name without its date."""
        return self.site.partition("@")[0]

    @property
    def invented(self) -> bool:
        """Return whether all titles of this site are invented: the demo's, also those of its pages imported again."""
        return self.name == "demo" or (self.imported() or {}).get("site") == INVENTED

    @property
    def as_of(self) -> date | None:
        """Return the date of a view, None for the present."""
        day = self.site.partition("@")[2]
        return date.fromisoformat(day) if day else None

    @property
    def folder(self) -> UPath:
        """Return the folder of this site's tables, models and reports."""
        return self.root / self.site

    @property
    def raw_folder(self) -> UPath:
        """Return the folder of this site's raw pages, which views share."""
        return self.root / self.name / "raw"

    @property
    def spool(self) -> Path:
        """Return a local folder for files that are still being written."""
        return self._local("spool") / self.name

    @property
    def models_cache(self) -> Path:
        """Return a local folder for checkpoints that were built here."""
        return self._local("cache") / "models"

    def _local(self, what: str) -> Path:
        if is_local(self.root) and not (what == "spool" and self.spool_root is not None):
            return Path(self.root.path) / what
        elsewhere = self.spool_root if what == "spool" else None
        mine = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]  # two lakes never share a spool
        return (elsewhere or Path(tempfile.gettempdir()) / "anipop") / mine / what

    def asset_folder(self, asset: str) -> UPath:
        """Return the folder that holds every version of an asset."""
        room = "models" if asset.startswith("model_") else "reports" if asset in REPORTS else "tables"
        return self.folder / room / asset

    def imported(self) -> dict[str, Any] | None:
        """Return what an import said about itself; None for a site that is crawled."""
        if not self._declaration.exists():
            return None
        try:
            return dict(json.loads(self._declaration.read_text()))
        except (ValueError, TypeError) as broken:
            raise CorruptFile(
                f"what the import {self.name} says of itself cannot be read: {broken}",
                where=str(self._declaration),
                fix=f"import {self.name} again",
            ) from broken

    @property
    def _declaration(self) -> UPath:
        return self.root / self.name / "site.json"

    # Reading

    def manifest(self, asset: str) -> Manifest:
        """Return an asset's manifest; MissingTable names the command that makes it."""
        path = self.asset_folder(asset) / "manifest.json"
        try:
            return Manifest(**json.loads(path.read_text()))
        except (FileNotFoundError, NotADirectoryError):
            raise MissingTable(
                f"{asset} has not been made for site {self.site}",
                where=str(path),
                fix=f"dagster asset materialize --select '{asset}', or '*{asset}' with everything before it",
            ) from None
        except (ValueError, TypeError) as broken:
            raise CorruptFile(
                f"the manifest of {asset} cannot be read: {broken}",
                where=str(path),
                fix=self._made_anew(asset),
            ) from broken

    def _made_anew(self, asset: str) -> str:
        """Return the command that writes an asset over whatever lies there."""
        imported = f", or import {self.name} again if it came from there" if self._declaration.exists() else ""
        return f"dagster asset materialize --select '{asset}'{imported}"

    def has(self, asset: str) -> bool:
        """Return whether an asset was ever made here."""
        return (self.asset_folder(asset) / "manifest.json").exists()

    def load_table(self, asset: str) -> pl.DataFrame:
        """Return an asset's table, an AbsentTable when it is absent."""
        return self.load_table_of(self.manifest(asset))

    def load_table_of(self, manifest: Manifest) -> pl.DataFrame:
        """Return the table that a manifest names."""
        frame = self._read(manifest, TABLE) if TABLE in manifest.files else pl.DataFrame()
        if manifest.absent is not None:
            return AbsentTable(manifest.absent, frame.schema if isinstance(frame, pl.DataFrame) else None)
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(f"{manifest.asset} has no table")
        return frame

    def load_folder(self, asset: str) -> Folder:
        """Return all files of an asset."""
        return self.load_folder_of(self.manifest(asset))

    def load_folder_of(self, manifest: Manifest) -> Folder:
        """Return all files that a manifest names."""
        files = {name: self._read(manifest, name) for name in manifest.files}
        return Folder(files=files, absent=manifest.absent, notes=manifest.notes)

    def path_of(self, asset: str, file: str) -> UPath:
        """Return where a file of an asset's present version lies."""
        return self.asset_folder(asset) / self.manifest(asset).digest / file

    def _read(self, manifest: Manifest, name: str) -> Content:
        path = self.asset_folder(manifest.asset) / manifest.digest / name
        fix, digest = self._made_anew(manifest.asset), manifest.files[name]["sha256"]
        try:
            content = _mapped(path, digest) if is_local(path) and name.endswith(ARRAY) else _loaded(path, digest)
        except FileNotFoundError:
            raise CorruptFile(f"{name} of {manifest.asset} is gone", where=str(path), fix=fix) from None
        if content is None:
            raise CorruptFile(f"{name} of {manifest.asset} is not what was written", where=str(path), fix=fix)
        return content

    # Writing

    def save(self, asset: str, value: pl.DataFrame | Folder, inputs: Mapping[str, Manifest], now: datetime) -> Manifest:
        """Return the manifest of a value that now counts as the asset's state."""
        folder = _as_folder(value)
        with writing(self.root), staging(self.root) as stage:
            files = {name: _stage(stage / name, content) for name, content in sorted(folder.files.items())}
            manifest = Manifest(
                asset=asset,
                site=self.site,
                digest=_digest(files, folder.absent),
                files=files,
                lineage=merge_lineage(asset, inputs, self),
                absent=folder.absent,
                notes=dict(folder.notes),
                written_at=now.isoformat(timespec="seconds"),
            )
            target, previous = self.asset_folder(asset), self._present_digest(asset)
            for name in files:
                place(stage / name, target / manifest.digest / name)
            write_json(target / "manifest.json", manifest.__dict__, stage)
            if previous != manifest.digest:
                self._forget(target, keep={manifest.digest, previous})
        return manifest

    def _present_digest(self, asset: str) -> str | None:
        """Return the version that counts now; a manifest that cannot be read is about to be replaced."""
        try:
            return self.manifest(asset).digest
        except (MissingTable, CorruptFile):
            return None

    def _forget(self, target: UPath, keep: set[str | None]) -> None:
        """Delete versions before the last one: a reader may still be in the last."""
        for version in target.iterdir():
            if version.is_dir() and version.name not in keep:
                version.fs.rm(version.path, recursive=True)


def open_lake(root: str, site: str, spool: str | None = None) -> Lake:
    """Return the lake of a site; SettingError lists the sites that there are.

    >>> open_lake("memory://doc", "demo@2025-01-31").as_of
    datetime.date(2025, 1, 31)
    """
    lake = Lake(UPath(root), site, Path(spool) if spool else None)
    match = SITE_NAME.fullmatch(site)
    known, crawled = sites(lake.root), " and ".join(CRAWLED)
    if match is None or match["name"] not in known:
        raise SettingError(
            f"there is no site {site!r}; there are: {', '.join(known)}, and {crawled} with @YYYY-MM-DD as of that date",
            where="ANIPOP_SITE",
            fix=f"set ANIPOP_SITE to one of {', '.join(known)}",
        )
    if match["as_of"]:
        _check_view(match["name"], match["as_of"])
    return lake


def _check_view(name: str, day: str) -> None:
    """Refuse a view of what has no history, and a day that the calendar does not have."""
    if name not in CRAWLED:
        raise SettingError(
            f"{name} is an import: it has no history to look back on, such as at {day}",
            where="ANIPOP_SITE",
            fix=f"set ANIPOP_SITE to {name}, or look back on {' or '.join(CRAWLED)}",
        )
    try:
        date.fromisoformat(day)
    except ValueError as wrong:
        raise SettingError(f"no date: {wrong}", where="ANIPOP_SITE", fix="write NAME@YYYY-MM-DD") from None


def sites(root: UPath) -> list[str]:
    """Return the names of all sites: those that can be crawled, then imports."""
    imports = sorted(folder.parent.name for folder in root.glob("*/site.json")) if root.exists() else []
    return [*CRAWLED, *imports]


def merge_lineage(
    asset: str, inputs: Mapping[str, Manifest], lake: Lake, upstream: Callable[[], Iterable[str]] = tuple
) -> dict[str, str]:
    """Return the digests of all ancestors; inputs that disagree about one raise MixedGenerations.

    `upstream` names all assets that the asset stands on, so that the message names everything to make again at once;
    without it the message knows only of what the inputs stand on.
    """
    seen: dict[str, str] = {}
    for manifest in inputs.values():
        for ancestor, digest in manifest.ancestry().items():
            if seen.setdefault(ancestor, digest) != digest:
                known = {name for read in inputs.values() for name in read.ancestry()} | set(upstream())
                stale = _stale(ancestor, known, lake) or [asset]  # mended since this step has read: just once more
                raise MixedGenerations(
                    f"the inputs of {asset} were made from different versions of {ancestor}",
                    where=f"site {lake.site}: {', '.join(sorted(inputs))}",
                    fix=f"dagster asset materialize --select '{','.join(stale)}'",
                )
    return seen


def _stale(ancestor: str, names: Iterable[str], lake: Lake) -> list[str]:
    """Return those of the named assets that stand on the ancestor and on an old version of something."""
    present = {name: lake.manifest(name) for name in sorted(names) if lake.has(name)}
    after = {name for name, manifest in present.items() if ancestor in manifest.lineage}
    current = {name: manifest.digest for name, manifest in present.items()}

    def stale(name: str) -> bool:
        return any(current.get(up) != digest for up, digest in present[name].lineage.items())

    old = {name for name in after if stale(name)}
    onward = {name for name in after if old & set(present[name].lineage)}
    return sorted(old | onward)


def _as_folder(value: pl.DataFrame | Folder) -> Folder:
    if isinstance(value, Folder):
        return value
    return Folder({TABLE: pl.DataFrame(schema=value.schema) if value.is_empty() else value}, reason_absent(value))


def _digest(files: Mapping[str, Mapping[str, Any]], absent: str | None) -> str:
    parts = [f"{name}={entry['sha256']}" for name, entry in sorted(files.items())]
    return hashlib.sha256("\n".join([*parts, f"absent={absent}"]).encode()).hexdigest()[:16]


def _stage(path: Path, content: Content) -> dict[str, Any]:
    """Return what a manifest says about a file, having written it to local staging."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entry: dict[str, Any] = {}
    if isinstance(content, pl.DataFrame):
        content.write_parquet(path, compression="zstd")
        entry = {"rows": content.height, "columns": {name: str(kind) for name, kind in content.schema.items()}}
    elif isinstance(content, np.ndarray):
        assert path.suffix == ARRAY  # numpy would add it
        np.save(path, content, allow_pickle=False)
        entry = {"shape": list(content.shape), "type": str(content.dtype)}
    else:
        path.write_bytes(content)
    return {"sha256": _digest_of(path), "bytes": path.stat().st_size, **entry}


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mapped(path: UPath, digest: str) -> np.ndarray | None:
    """Return an array that stays in its file, None where the file, which is read through once, has another digest."""
    file = Path(path.path)
    return np.load(file, mmap_mode="r", allow_pickle=False) if _digest_of(file) == digest else None


def _loaded(path: UPath, digest: str) -> Content | None:
    """Return what a file holds, None where it has another digest."""
    content: bytes = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        return None
    if path.name.endswith(ARRAY):
        return np.asarray(np.load(BytesIO(content), allow_pickle=False))
    return pl.read_parquet(BytesIO(content)) if path.name.endswith(".parquet") else content


def clock() -> datetime:
    """Return the time now; everything else is told the time."""
    return datetime.now(UTC)
