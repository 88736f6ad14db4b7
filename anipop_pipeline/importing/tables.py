"""A site filled from tables: ours, or anybody's by a mapping; pictures from a folder of files named by id.

Belongs here: which files there are, and what they become. Does not: formats (sheets.py), what a mapping means
(stages/mapping), what every import does (site.py).
"""

import tomllib
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from anipop_pipeline.errors import SettingError
from anipop_pipeline.importing import orphans, site
from anipop_pipeline.importing.sheets import PICTURES, SUFFIXES, Opened, not_read, pictures
from anipop_pipeline.importing.site import Imported, Say, Source, count, nobody
from anipop_pipeline.lake import Folder, Lake
from anipop_pipeline.mappings import content_of, shipped
from anipop_pipeline.stages import mapping
from anipop_pipeline.stages.mapping import TABLES, Plan, Sheet, TablePlan, planned, sheet_of

BROUGHT = ("anime", "histograms", "roles", "characters", "portraits", "posters")  # tables of every import
OWNERS = {"portraits": ("characters", "character_id", "portrait_url"), "posters": ("anime", "anime_id", "poster_url")}


def import_tables(
    lake: Lake,
    folder: Path,
    now: datetime,
    *,
    by: str | None = None,
    images: Path | None = None,
    replace: bool = False,
    say: Say = nobody,
) -> Imported:
    """Return what the tables of a folder brought to a site of their own; `by` is a mapping, ours or a file."""
    sheets = Opened(folder, say)
    site.check_ready(lake, replace=replace)
    plan = _own(sheets) if by is None else loaded(by)
    host = f"{lake.site}.invalid"
    found = mapping.tables(plan, sheets, host)
    shown = _of_images(images, found, say) if images is not None else {}
    read = [(part, filter(None, [sheet_of(part, sheets)])) for part in plan.tables]
    sources = (*sheets.sources, *(one for _, one in shown.values()))
    found |= {name: rows for name, (rows, _) in shown.items()}
    return brought(lake, "tables", plan.host or host, found, sources, now, unread(read), _files_left(sheets, images))


def brought(
    lake: Lake,
    kind: str,
    host: str,
    found: Mapping[str, pl.DataFrame],
    sources: tuple[Source, ...],
    now: datetime,
    passed_over: Mapping[str, list[str]],
    files_left: Mapping[str, int],
) -> Imported:
    """Return what tables brought to a site, now whole in the lake; `passed_over` are columns nobody asked for."""
    there = {name: rows for name, rows in found.items() if not rows.is_empty()}
    if "anime" not in there:
        raise SettingError("the tables hold no anime", where="anime", fix="name tables with rows")
    orphans.check_some_known(there)
    left_over = {**orphans.counted(there), **files_left}
    present = {name: _folder(name, rows, there) for name, rows in mapping.joined(there).items()}
    folders = site.fit_for_rules(
        lake, {**{name: site.absent(lake, name) for name in BROUGHT if name not in present}, **present}
    )
    ordered = {name: folders[name] for name in [*BROUGHT, *site.SELDOM] if name in folders}
    said = site.declaration(kind, host, sources, ordered, now, passed_over=passed_over, left_over=left_over)
    told = [f"{lake.site}: {count(len(sources), 'file')}, {found['anime'].height:,} anime"]
    told += [f"not read: {file}: {', '.join(names)}" for file, names in passed_over.items()]
    told += site.told_of(left_over)
    return Imported(lake, tuple(told), sources, ordered, site.write(lake, ordered, said, now))


def loaded(by: str) -> Plan:
    """Return the plan of a mapping: the name of one that comes with the package, or a file."""
    ours, path = content_of(by), Path(by)
    if ours is None and not path.is_file():
        raise SettingError(
            "there is no such mapping", where=by, fix=f"name a TOML file, or one of {', '.join(shipped())}"
        )
    try:
        content = path.read_bytes() if ours is None else ours
        return planned(tomllib.loads(content.decode("utf-8")), by)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as broken:
        raise SettingError(f"the mapping cannot be read: {broken}", where=by, fix="correct it") from broken


def _own(sheets: Opened) -> Plan:
    """Return the plan of a folder whose files are named as our tables."""
    files = [f"{table}{suffix}" for table in TABLES for suffix in SUFFIXES]
    there = [file for file in files if (sheets.folder / file).exists()]
    tables = [file.rpartition(".")[0] for file in there]
    twice = sorted({table for table in tables if tables.count(table) > 1})
    if "anime" not in tables or twice:
        what = f"{twice[0]} is there as CSV and as Parquet" if twice else "there is no anime.csv or anime.parquet"
        known = f"name one file for each table ({', '.join(TABLES)}), or add --mapping"
        raise SettingError(what, where=str(sheets.folder), fix=known)
    columns = {file: list(one.columns) for file in there if (one := sheets(file)) is not None}
    return mapping.own_tables(there, columns)


def _of_images(images: Path, found: Mapping[str, pl.DataFrame], say: Say) -> dict[str, tuple[pl.DataFrame, Source]]:
    """Return the tables of pictures: of the folders posters and portraits, or else of posters that lie there alone."""
    if not images.is_dir():
        raise SettingError("there is no such folder", where=str(images), fix="name a folder of <id>.jpg, .png or .webp")
    folders = {name: images / name for name in OWNERS if (images / name).is_dir()} or {"posters": images}
    read = {}
    for name, folder in folders.items():
        if name in found:
            raise SettingError(f"{name} are there as a table, too", where=str(folder), fix="bring them in one way")
        parent, key, column = OWNERS[name]
        rows, source = pictures(folder, name, key, addresses(found.get(parent), key, column), say)
        if rows.is_empty():
            raise SettingError("the folder holds no picture", where=str(folder), fix="name <id>.jpg, .png or .webp")
        read[name] = (rows, source)
    return read


def _files_left(sheets: Opened, images: Path | None) -> dict[str, int]:
    """Return how many files lie in the folders of a set that nothing was read from."""
    opened = [one.name for one in sheets.sources]
    folders = [] if images is None else [one for name in OWNERS if (one := images / name).is_dir()] or [images]
    is_shared = any(one.resolve() == sheets.folder.resolve() for one in folders)
    left = not_read(sheets.folder, "the folder", [*opened, *(PICTURES if is_shared else ())])
    for one in folders if not is_shared else []:
        left |= not_read(one, f"{one.name}/", PICTURES)
    return left


def addresses(owners: pl.DataFrame | None, key: str, column: str) -> dict[int, str]:
    """Return the address of each owner's picture, where the tables know it."""
    return {} if owners is None else dict(owners.drop_nulls(column).select(key, column).iter_rows())


def _folder(name: str, rows: pl.DataFrame, found: Mapping[str, pl.DataFrame]) -> Folder:
    """Return a valid table; pictures that nobody owns are left out, and counted with those that are lacking."""
    if name not in OWNERS:
        return site.valid(name, rows)
    tie, kept = orphans.TIES[name], orphans.known(name, found)
    owners = next((found[one] for one in tie.owners if one in found), kept)
    wanted = owners[tie.key].n_unique()
    notes = {"wanted": wanted, "answered": kept.height, "complete": kept.height == wanted}
    return Folder(site.valid(name, kept).files, notes={**notes, "of_nobody": rows.height - kept.height})


def unread(read: Iterable[tuple[TablePlan, Iterable[Sheet]]], added: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the columns that nothing was read from, by file."""
    left: dict[str, list[str]] = {}
    for part, sheets in read:
        for sheet in sheets:
            names = left.get(sheet.file, [name for name in sheet.columns if name and name not in added])
            used = {name for column in part.columns.values() for name in column.found(sheet.columns) or ()}
            left[sheet.file] = [name for name in names if name not in used]
    return {file: names for file, names in left.items() if names}
