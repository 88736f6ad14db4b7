"""A site filled from the dataset of paper A as its authors lay it out: anime and characters in two parts each.

`Anime_train.csv` and `Anime_test.csv` have at least Score, Synopsis and Main Characters; `Char_train.csv` and
`Char_test.csv` at least MAL ID and Description; portraits are `char train/<MAL ID>.png` and `char test/<MAL ID>.png`.
Characters and portraits may be lacking. Further columns are read where the mapping `published` knows their names. Where
no column gives an anime's id, its place is one: 1 to n, train first. Which part an anime is in becomes a table.

Belongs here: that layout. Does not: formats (sheets.py), what every import does (site.py).
"""

from dataclasses import replace as changed
from datetime import datetime
from pathlib import Path

import polars as pl

from anipop_pipeline.errors import SettingError
from anipop_pipeline.importing import site
from anipop_pipeline.importing.sheets import PICTURES, Opened, not_read, pictures
from anipop_pipeline.importing.site import Imported, Say, Source, nobody
from anipop_pipeline.importing.tables import addresses, brought, loaded, unread
from anipop_pipeline.lake import Lake
from anipop_pipeline.stages.mapping import Column, Sheet, TablePlan, cells, refused, settled

PARTS = ("train", "test")
ANIME, CHARACTERS, PORTRAITS = "Anime_{}.csv", "Char_{}.csv", "char {}"
PLACE = "place in the files"  # a column that we add to both parts of the anime


def import_published(lake: Lake, folder: Path, now: datetime, *, replace: bool = False, say: Say = nobody) -> Imported:
    """Return what the authors' dataset brought to a site of its own, its split kept beside."""
    files, plan, own_host = Opened(folder, say), loaded("published"), f"{lake.site}.invalid"
    site.check_ready(lake, replace=replace)
    anime, roles, characters = plan.tables
    sheets = _placed(_both(files, ANIME))
    numbered = _are_numbered(sheets, anime.columns["anime_id"])
    tables = {one.table: one if numbered else _by_place(one) for one in (anime, roles)}
    host = plan.host if numbered and plan.host else own_host
    found = {name: _settled(one, sheets, host) for name, one in tables.items()}
    found["imported_split"] = _split(tables["anime"], sheets)
    described = _both(files, CHARACTERS) if any(_named(files.folder, CHARACTERS)) else []
    if described:
        found["characters"] = _settled(characters, described, plan.host or own_host)
    pictured = _portraits(folder, found.get("characters"), say)
    if pictured:
        found["portraits"] = pl.concat([rows for rows, _ in pictured]).sort("character_id")
    sources = (*files.sources, *(source for _, source in pictured))
    passed_over = unread([*((one, sheets) for one in tables.values()), (characters, described)], {PLACE})
    left = not_read(folder, "the folder", [one.name for one in files.sources])
    for one in _named(folder, PORTRAITS):
        left |= not_read(one, f"{one.name}/", PICTURES)
    return brought(lake, "published", host, found, sources, now, passed_over, left)


def _named(folder: Path, pattern: str) -> list[Path]:
    """Return those of both parts that are there."""
    return [path for part in PARTS if (path := folder / pattern.format(part)).exists()]


def _both(files: Opened, pattern: str) -> list[Sheet]:
    """Return both parts, or refuse half a dataset."""
    sheets = []
    for part in PARTS:
        one = files(pattern.format(part))
        if one is None:
            what, where = "a part of the dataset is lacking", str(files.folder / pattern.format(part))
            raise SettingError(what, where=where, fix="name the folder that holds both parts, train and test")
        sheets.append(one)
    return sheets


def _placed(sheets: list[Sheet]) -> list[Sheet]:
    """Return both parts with the place of each row in them, from 1."""
    starts = (1, 1 + sheets[0].height)
    places = [range(start, start + sheet.height) for start, sheet in zip(starts, sheets, strict=True)]
    return [Sheet(one.file, {**one.columns, PLACE: place}) for one, place in zip(sheets, places, strict=True)]


def _are_numbered(sheets: list[Sheet], number: Column) -> bool:
    """Return whether the files give an id for each anime; one that does while the other does not is refused."""
    without = [sheet.file for sheet in sheets if number.found(sheet.columns) is None]
    if len(without) == 1:
        raise refused("the other part gives each anime an id, this one does not", without[0], field=number.said)
    return not without


def _by_place(table: TablePlan) -> TablePlan:
    return changed(table, columns={**table.columns, "anime_id": Column("whole", (PLACE,))})


def _settled(table: TablePlan, sheets: list[Sheet], host: str) -> pl.DataFrame:
    return settled([(table, cells(table, sheet)) for sheet in sheets], host)


def _split(anime: TablePlan, sheets: list[Sheet]) -> pl.DataFrame:
    """Return the part of each anime; an id in both parts was refused before."""
    by_part = zip(PARTS, (cells(anime, sheet) for sheet in sheets), strict=True)
    return pl.concat([frame.select("anime_id", part=pl.lit(part)) for part, frame in by_part]).sort("anime_id")


def _check_folders(folders: list[Path]) -> None:
    """Refuse half of the portraits, and a file where a folder of them belongs."""
    for one in folders:
        if not one.is_dir():
            fix = "put the portraits into a folder of this name, or take the file away"
            raise SettingError("a file lies where a folder of portraits belongs", where=str(one), fix=fix)
    if len(folders) == 1:
        what = "portraits of the other part are lacking"
        raise SettingError(what, where=str(folders[0]), fix="name the folder that holds both parts, train and test")


def _portraits(folder: Path, characters: pl.DataFrame | None, say: Say) -> list[tuple[pl.DataFrame, Source]]:
    """Return the portraits of each part; one that both have must be the same picture."""
    folders = _named(folder, PORTRAITS)
    _check_folders(folders)
    known = addresses(characters, "character_id", "portrait_url")
    read = [pictures(one, one.name, "character_id", known, say) for one in folders]
    if not any(rows.height for rows, _ in read):
        return []
    (first, one), (second, other) = read
    twice = first.join(second, on="character_id", suffix="_again")
    for number in twice.filter(pl.col("image") != pl.col("image_again"))["character_id"].head(1):
        raise refused("the other part has another portrait of this character", f"{other.name}, {number}", field="image")
    return [(first, one), (second.join(first, on="character_id", how="anti"), other)]
