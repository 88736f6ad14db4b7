"""A site filled from WARC files that others made.

Belongs here: from archived pages to tables. Does not: reading WARC (stages/captures), reading pages (stages/parse),
what every import does (site.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import polars as pl

from anipop_pipeline.config import ParseConfig
from anipop_pipeline.engine import MapBatches
from anipop_pipeline.errors import SettingError
from anipop_pipeline.importing import orphans, site
from anipop_pipeline.importing.site import Imported, Say, count, nobody, opened
from anipop_pipeline.lake import Folder, Lake
from anipop_pipeline.parsing import parsed, wanted_portraits, wanted_posters
from anipop_pipeline.stages import captures
from anipop_pipeline.stages.captures import Survey
from anipop_pipeline.stages.parse.batches import READINGS
from anipop_pipeline.stages.tables import schema_of

PICTURES = {"portrait": ("characters", wanted_portraits), "poster": ("anime", wanted_posters)}
EVERY = 20_000  # records between two words of progress


@dataclass(frozen=True)
class FromWarc(Imported):
    """What an import of archived pages brought."""

    survey: Survey


def import_warc(
    lake: Lake,
    files: Sequence[Path],
    map_batches: MapBatches,
    dials: ParseConfig,
    now: datetime,
    *,
    replace: bool = False,
    say: Say = nobody,
) -> FromWarc:
    """Return what the pages in some WARC files brought to a site of their own, now whole in the lake."""
    paths = _named(files)
    site.check_ready(lake, replace=replace)
    sources = tuple(site.source(path) for path in paths.values())
    survey = captures.survey(_streams(paths, say), partial(_every, say))
    read = _folders(lake, survey, paths, map_batches, dials, say)
    left_over = orphans.counted({name: one.table() for name, one in read.items() if one.absent is None})
    folders = site.fit_for_rules(lake, read)
    first, last = survey.captures["fetched_at"].min(), survey.captures["fetched_at"].max()
    said = site.declaration(
        "warc",
        survey.captures["site"][0],
        sources,
        folders,
        now,
        captured=[str(first), str(last)],
        records=survey.records,
        pages=survey.pages,
        passed_over=survey.passed,
        left_over=left_over,
    )
    manifests = site.write(lake, folders, said, now)
    told = (*_told(lake, survey, len(sources)), *site.told_of(left_over))
    return FromWarc(lake, told, sources, folders, manifests, survey)


def _told(lake: Lake, survey: Survey, files: int) -> tuple[str, ...]:
    pages = ", ".join(f"{number:,} {kind}" for kind, number in survey.pages.items())
    passed = [f"passed over: {number:,} {why}" for why, number in survey.passed.items()]
    what = f"{lake.site}: {count(files, 'file')}, {count(survey.records, 'record')}"
    return (what, f"pages: {pages}", *passed)


def _named(files: Sequence[Path]) -> dict[str, Path]:
    """Return each file once by a name of its own: that of the file alone, so that no folder is told to anybody."""
    paths = list(dict.fromkeys(path.resolve() for path in files))
    for path in paths:
        if not path.is_file():
            what = "a folder was named" if path.is_dir() else "there is no such file"
            raise SettingError(what, where=str(path), fix="name WARC files, such as crawl/*.warc.gz")
    alone = [path.name for path in paths]
    return {name if alone.count(name) == 1 else str(path): path for name, path in zip(alone, paths, strict=True)}


def _streams(paths: Mapping[str, Path], say: Say) -> Iterator[tuple[str, BinaryIO]]:
    for number, (name, path) in enumerate(paths.items(), start=1):
        say(f"reading {name} ({number} of {len(paths)}, {path.stat().st_size / 2**20:,.1f} MiB)")
        with opened(path) as stream:
            yield name, stream


def _every(say: Say, name: str, records: int) -> None:
    if records % EVERY == 0:
        say(f"{name}: {records:,} records")


def _folders(
    lake: Lake, survey: Survey, paths: Mapping[str, Path], map_batches: MapBatches, dials: ParseConfig, say: Say
) -> dict[str, Folder]:
    """Return every table that an import can bring; one that it has no pages for is absent."""
    pages = partial(captures.pages, lambda name: opened(paths[name]))
    folders: dict[str, Folder] = {}
    for kind, reading in sorted(READINGS.items(), key=lambda entry: entry[0] in PICTURES):
        there, facts = _of_pictures(survey, folders, kind) if kind in PICTURES else (survey.of(kind), {})
        if there.is_empty():
            folders[reading.table] = site.absent(lake, reading.table)
            continue
        say(f"{reading.table}: {count(there.height, 'page')}")
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
        what = f"no page of an anime could be read; {count(said[1], 'page')}: {said[0]}"
        raise SettingError(what, fix="name files with whole pages of /anime/<id>")
