"""The store of cached vectors: finding, keeping, counting and pruning them.

Belongs here: where shelves, parts and journals lie, and which of them count. Does not: what the files look like
(parts.py, journal.py).
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from upath import UPath

from anipop_pipeline.errors import CorruptFile
from anipop_pipeline.lake import SITE_NAME, Lake, Manifest
from anipop_pipeline.storage import place, staging, write_json, writing
from anipop_pipeline.vectors import journal, parts
from anipop_pipeline.vectors.files import last_written, listed, remove
from anipop_pipeline.vectors.journal import Journal
from anipop_pipeline.vectors.parts import Part

ABOUT, OLDER = "about.json", ".parquet"
MADE_OF_VECTORS = ("synopsis_embeddings", "description_embeddings", "portrait_embeddings", "poster_embeddings")
Keep = Callable[[np.ndarray, np.ndarray], None]
Read = TypeVar("Read")


@dataclass(frozen=True)
class Shelf:
    """What one shelf holds; a vector that two runs have kept counts twice until their parts are merged."""

    name: str
    about: Mapping[str, Any]
    vectors: int
    bytes: int
    parts: int
    width: int
    dtype: str
    journaled: int  # vectors that are not in a part yet


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be."""

    shelves: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()  # shelves that no table names, and that are too young to go
    older: tuple[str, ...] = ()  # folders of an older layout
    merged: int = 0  # parts whose vectors are in another part now
    broken: tuple[str, ...] = ()  # parts that cannot be read, or are not what was written
    bytes: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        """Return both together."""
        return Pruned(
            self.shelves + other.shelves,
            self.spared + other.spared,
            self.older + other.older,
            self.merged + other.merged,
            self.broken + other.broken,
            self.bytes + other.bytes,
        )


@dataclass(frozen=True)
class VectorStore:
    """The cached vectors of a lake, which all its sites share."""

    lake: Lake

    @property
    def folder(self) -> UPath:
        """Return the folder of shelves."""
        return self.lake.root / "cache" / "embeddings"

    @property
    def journals(self) -> Path:
        """Return a local folder of this lake alone; no site can have its name."""
        return self.lake.spool.parent / ".vectors"

    def find(self, shelf: str, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which of the keys are here, as a mask, and the vectors of those, in their order."""
        assert keys.dtype == parts.KEY
        self._take_over(shelf)
        here, vectors = np.zeros(len(keys), dtype=bool), None
        for part in self._each(shelf, parts.opened):
            if vectors is None:  # of its rows only those that are filled take memory
                vectors = np.empty((len(keys), part.width), dtype=np.float32)
            if part.width != vectors.shape[1]:
                raise parts.corrupt(f"{part.width} columns; others of its shelf have {vectors.shape[1]}", part.where)
            asked = np.flatnonzero(~here)
            hit, rows = part.rows_of(keys[asked])
            vectors[asked[hit]] = part.vectors[rows]
            here[asked[hit]] = True
            if here.all():
                return here, vectors
        return here, np.empty((0, 0), dtype=np.float32) if vectors is None else vectors[here]

    @contextmanager
    def keeping(self, shelf: str, about: Mapping[str, Any], dtype: str) -> Iterator[Keep]:
        """Give a function that keeps vectors by their keys at once; however the block ends, they become one part."""
        parts.check_precision(dtype)
        self._take_over(shelf)
        with writing(UPath(self.journals)):
            mine, widths = journal.begun(self.journals, shelf), set[int]()

        def keep(keys: np.ndarray, vectors: np.ndarray) -> None:
            if not len(keys):
                return
            part = Part(keys, parts.cast(vectors, dtype))
            widths.add(part.width)
            parts.check_widths(widths)  # what is in the journal can always be sealed
            with writing(UPath(mine.path)):
                mine.append(part.as_bytes())

        with mine.file:
            try:
                with writing(UPath(mine.path)):
                    mine.append(json.dumps(about).encode())
                yield keep
            finally:
                self._seal(shelf, mine)

    def info(self) -> list[Shelf]:
        """Return what each shelf holds."""
        return [self._shelf(name) for name in self._shelves()]

    def older(self) -> list[UPath]:
        """Return the folders of an older layout, which nothing reads any more."""
        return [folder for folder in listed(self.folder) if any(path.suffix == OLDER for path in listed(folder))]

    def prune(self, keep: Collection[str], *, dry: bool, now: datetime, spare_hours: float = 24.0) -> Pruned:
        """Return what was removed: shelves that are not to be kept, and what the others have twice or broken.

        A shelf that a run of this machine is filling is kept: nothing can say yet that it is used. So is one that was
        written in the last hours: an asset fills several shelves, and only its manifest, which comes last, names them.
        """
        with writing(self.folder):
            pruned = Pruned()
            for folder in self.older():
                pruned += Pruned(older=(folder.name,), bytes=remove(folder, dry))
            for name in self._shelves():
                if name in keep or any(map(journal.lives, self._journals(name))):
                    pruned += self._merge(name, dry)
                elif self._is_young(name, now, spare_hours):
                    pruned += Pruned(spared=(name,)) + self._merge(name, dry)
                else:
                    pruned += self._drop(name, dry)
        return pruned

    # Reading

    def _shelves(self) -> list[str]:
        """Return the names of all shelves, also of those that are only in journals yet."""
        older = {folder.name for folder in self.older()}
        sealed = {folder.name for folder in listed(self.folder) if folder.is_dir()}
        return sorted((sealed - older) | journal.shelves(self.journals))

    def _journals(self, shelf: str) -> list[Path]:
        return journal.of_shelf(self.journals, shelf)

    def _each(self, shelf: str, read: Callable[[UPath], Read]) -> Iterator[Read]:
        """Yield what is read of each part; where one has vanished, a merge has put another in its place meanwhile."""
        seen, vanished = set[str](), True
        while vanished:
            vanished = False
            for path in listed(self.folder / shelf):
                if path.suffix != parts.ENDING or path.name in seen:
                    continue
                seen.add(path.name)
                try:
                    value = read(path)
                except FileNotFoundError:
                    vanished = True
                else:
                    yield value

    def _shelf(self, name: str) -> Shelf:
        layouts = list(self._each(name, parts.measured))
        unsealed = [part for path in self._journals(name) for part in _kept(journal.peeked(path))]
        shapes = [(one.width, one.dtype.name) for one in layouts] + [(p.width, p.vectors.dtype.name) for p in unsealed]
        width, dtype = shapes[0] if shapes else (0, "")
        return Shelf(
            name,
            self._about(name),
            vectors=sum(layout.rows for layout in layouts),
            bytes=sum(layout.size for layout in layouts),
            parts=len(layouts),
            width=width,
            dtype=dtype,
            journaled=sum(len(part.keys) for part in unsealed),
        )

    def _about(self, shelf: str) -> dict[str, Any]:
        """Return what a shelf says of itself; nothing where it is only in a journal yet."""
        path = self.folder / shelf / ABOUT
        try:
            return dict(json.loads(path.read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, TypeError) as broken:
            raise CorruptFile(
                f"what a shelf of vectors says of itself cannot be read: {broken}",
                where=str(path),
                fix="delete that file: the next run that fills the shelf writes it again",
            ) from broken

    # Writing

    def _take_over(self, shelf: str) -> None:
        """Seal what killed runs have left."""
        with writing(UPath(self.journals)):
            for path in self._journals(shelf):
                if left := journal.adopted(path):
                    with left.file:
                        self._seal(shelf, left)

    def _seal(self, shelf: str, ours: Journal) -> None:
        """Make one part of what a journal holds, and give the journal up; done twice, it is the same part."""
        records = ours.records()
        if kept := _kept(records):
            self._describe(shelf, json.loads(records[0]))
            self._place(shelf, parts.merged(kept).as_bytes())
        with writing(UPath(ours.path)):
            ours.path.unlink(missing_ok=True)

    def _describe(self, shelf: str, about: Mapping[str, Any]) -> None:
        path = self.folder / shelf / ABOUT
        if not path.exists():
            with writing(path), staging(self.lake.root) as stage:
                write_json(path, about, stage)

    def _place(self, shelf: str, content: bytes) -> None:
        with writing(self.folder), staging(self.lake.root) as stage:
            with (stage / "part").open("wb") as staged:
                staged.write(content)
                staged.flush()
                os.fsync(staged.fileno())  # a journal or other parts are given up for it
            place(stage / "part", self.folder / shelf / parts.name_of(content))

    # Pruning

    def _is_young(self, shelf: str, now: datetime, hours: float) -> bool:
        """Return whether a shelf was written in the last hours, or may have been; in the last zero hours none was."""
        files = [*map(UPath, self._journals(shelf)), *listed(self.folder / shelf)]  # in the order of sealing
        return hours > 0 and (now - last_written(files)) / timedelta(hours=1) < hours

    def _merge(self, shelf: str, dry: bool) -> Pruned:
        """Return what a shelf can do without once all its sound parts are one."""
        if not dry:
            self._take_over(shelf)
        contents = dict(self._each(shelf, lambda path: (path, path.read_bytes())))
        sound = parts.sound(contents)
        whole = parts.merged(list(sound.values())).as_bytes() if sound else b""
        spare = [path for path in contents if path.name != parts.name_of(whole)]
        is_new = bool(sound) and len(spare) == len(contents)
        if is_new and not dry:
            self._place(shelf, whole)
        for path in spare:
            if not dry:
                path.unlink(missing_ok=True)
        broken = tuple(str(path) for path in contents if path not in sound)
        freed = sum(len(contents[path]) for path in spare) - (len(whole) if is_new else 0)
        return Pruned(merged=max(len(sound) - 1, 0), broken=broken, bytes=freed)

    def _drop(self, shelf: str, dry: bool) -> Pruned:
        freed = 0
        for path in self._journals(shelf):
            if left := journal.adopted(path):
                with left.file:
                    freed += left.size()
                    if not dry:
                        path.unlink(missing_ok=True)
        return Pruned(shelves=(shelf,), bytes=freed + remove(self.folder / shelf, dry))


def used(lake: Lake) -> dict[str, Manifest]:
    """Return the shelves that tables of a lake's sites were made with, each with the table that was made last."""
    names = [folder.name for folder in listed(lake.root) if SITE_NAME.fullmatch(folder.name)]
    sites = [replace(lake, site=name) for name in names]
    manifests = [site.manifest(table) for site in sites for table in MADE_OF_VECTORS if site.has(table)]
    in_order = sorted(manifests, key=lambda manifest: manifest.written_at)
    return {shelf: manifest for manifest in in_order for shelf in manifest.notes.get("shelves", ())}


def _kept(records: list[bytes]) -> list[Part]:
    """Return what was kept in a journal; its first record says what its shelf is."""
    return [parts.parsed(record, "a journal") for record in records[1:]]
