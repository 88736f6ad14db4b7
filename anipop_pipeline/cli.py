"""The command `anipop`: a thin face over jobs, lake and predictor.

Belongs here: arguments, and how results look on a terminal. Does not: logic of any kind. A person's mistake ends in one
message and exit code 1, without a traceback.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anipop_pipeline.errors import AnipopError, PitchError, SettingError
from anipop_pipeline.lake import CRAWLED, Lake, Manifest, clock, sites
from anipop_pipeline.mappings import shipped
from anipop_pipeline.storage import staging, writing

if TYPE_CHECKING:
    from dagster import DagsterInstance

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

    from anipop_pipeline.importing import Imported
    from anipop_pipeline.stages.pitch import Pitch
    from anipop_pipeline.vectors import Shelf

CACHE_COLUMNS = ("shelf", "model", "pooling", "length", "precision", "vectors", "MB", "parts", "last used by")
PLAIN = ("cut", "crop")  # what is not worth telling of a shelf
Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code of one command."""
    parsed = _parser().parse_args(arguments)
    command: Command = parsed.command
    try:
        code = command(parsed)
        sys.stdout.flush()
        return code
    except AnipopError as refused:
        print(f"anipop: {refused}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("anipop: stopped; everything that was finished is kept, and the next run goes on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="anipop", description="How popular will an anime be? From crawl to report.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="materialise assets, with progress and a closing summary")
    run.add_argument("--select", default="*", help="assets, as in `dagster asset materialize` (default: all)")
    run.set_defaults(command=_run)
    summary = commands.add_parser("summary", help="print the table of results and where the report lies")
    summary.set_defaults(command=_summary)
    sites = commands.add_parser("sites", help="list the sites of this lake")
    sites.set_defaults(command=_sites)
    predict = commands.add_parser("predict", help="estimate the score of pitches")
    predict.add_argument("pitch", nargs="+", type=Path, help="TOML or JSON files; `anipop pitch new` writes an example")
    predict.add_argument("--json", action="store_true", help="print JSON")
    predict.set_defaults(command=_predict)
    pitch = commands.add_parser("pitch", help="write an example of a pitch").add_subparsers(required=True)
    pitch.add_parser("new", help="print a commented example").set_defaults(command=_pitch_new)
    serve = commands.add_parser("serve", help="a page on this machine where a pitch can be typed in")
    serve.add_argument("--port", type=int, default=8765)
    serve.set_defaults(command=_serve)
    _add_import(commands)
    lake = commands.add_parser("lake", help="look after the lake").add_subparsers(required=True, metavar="WHAT")
    reindex = lake.add_parser("reindex", help="build the index of raw pages anew, from the WARC segments alone")
    reindex.set_defaults(command=_reindex)
    _add_cache(commands)
    return parser


def _add_cache(commands: "Subparsers") -> None:
    cache = commands.add_parser("cache", help="look after cached vectors").add_subparsers(required=True, metavar="WHAT")
    info = cache.add_parser("info", help="list the vectors of each encoder, and which table was last made with them")
    info.set_defaults(command=_cache_info)
    prune = cache.add_parser("prune", help="delete vectors that no table of this lake was made with; pack the others")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    prune.add_argument(
        "--older-than",
        type=_hours,
        default=24.0,
        metavar="HOURS",
        help="spare younger ones (default: 24): a run that is going on finishes vectors before the table that uses"
        " them, so choose more than your longest run takes; 0 spares none",
    )
    prune.set_defaults(command=_cache_prune)


def _hours(text: str) -> float:
    """Return a time of zero hours or more.

    >>> _hours("1.5")
    1.5
    """
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if hours >= 0:  # which "nan" is not either
        return hours
    raise argparse.ArgumentTypeError(f"{text!r} is no number of hours")


def _add_import(commands: "Subparsers") -> None:
    what = commands.add_parser("import", help="fill a site of its own from files, without a crawl").add_subparsers(
        required=True, metavar="WHAT"
    )
    warc = what.add_parser("warc", help="pages of myanimelist.net that anyone archived as WARC")
    warc.add_argument("files", nargs="+", type=Path, metavar="FILE", help="WARC files, packed or not")
    published = what.add_parser("published", help="the dataset of paper A as its authors lay it out")
    published.add_argument("folder", type=Path, metavar="DIR", help="Anime_train.csv and what lies beside it")
    known = "; ".join(f"{name}: {about}" for name, about in shipped().items())
    tables = what.add_parser("tables", help="tables of ours, or of anybody by a mapping")
    tables.add_argument("folder", type=Path, metavar="DIR", help="CSV or Parquet files, by default named as our tables")
    tables.add_argument("--mapping", metavar="FILE.toml", help=f"a file, or the name of one that we bring: {known}")
    tables.add_argument(
        "--images", type=Path, metavar="DIR", help="posters as ID.jpg, .png or .webp; or folders posters and portraits"
    )
    for one, command in ((warc, _import_warc), (published, _import_published), (tables, _import_tables)):
        one.add_argument("--as", required=True, dest="name", metavar="NAME", help="name of the new site")
        one.add_argument("--replace", action="store_true", help="put it in the place of an import of that name")
        one.set_defaults(command=command)


def _run(parsed: argparse.Namespace) -> int:
    import dagster as dg

    lake = _lake()
    with writing(lake.root), staging(lake.root):
        pass  # an unwritable lake is said before anything starts
    from anipop_pipeline.definitions import defs

    started = time.monotonic()
    keys = _selected(parsed.select)
    _refuse_nameless(lake, keys)
    print(f"Site {lake.site}, lake {lake.root}: {len(keys)} assets", file=sys.stderr)
    with _instance() as instance:
        result = defs.resolve_job_def("everything").execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(key) for key in keys],
            raise_on_error=False,
            run_config={"loggers": {"console": {}}},
        )
    if not result.success:
        print("anipop: the run failed; what was finished is kept, and the next run goes on", file=sys.stderr)
        return 1
    print(f"Done in {time.monotonic() - started:.0f} s\n", file=sys.stderr)
    if "dataset_card" in keys and lake.manifest("dataset_card").absent is None:
        print(f"Dataset: {lake.path_of('dataset_card', 'README.md').parent}")
    return _summary(parsed) if {"metrics", "report"} & set(keys) and lake.has("metrics") else 0


def _refuse_nameless(lake: Lake, keys: Sequence[str]) -> None:
    """Refuse to crawl a real site for somebody whom its owners could not write to, before anything starts."""
    from anipop_pipeline import resources, sites
    from anipop_pipeline.automation import CRAWL

    if lake.site == "mal" and set(CRAWL) & set(keys):
        sites.require_contact(resources.settings().contact)


def _selected(selection: str) -> list[str]:
    """Return the names of the assets that a selection names."""
    import dagster as dg

    from anipop_pipeline import assets

    everything = sorted(key.to_user_string() for asset in assets.ALL for key in asset.keys)
    if selection == "*":
        return everything
    try:
        chosen = dg.AssetSelection.from_coercible(selection.split(",")).resolve(assets.ALL)
    except dg.DagsterError as wrong:
        raise SettingError(f"{selection!r} names no asset", fix=f"choose from {', '.join(everything)}") from wrong
    return sorted(key.to_user_string() for key in chosen)


@contextmanager
def _instance() -> Iterator["DagsterInstance"]:
    """Give the instance below DAGSTER_HOME, so that the UI shows the run; without one, a fleeting one."""
    import dagster as dg

    from anipop_pipeline import resources

    with dg.DagsterInstance.get() if resources.has_dagster_home() else dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _lake() -> Lake:
    from anipop_pipeline import resources  # reads anipop.toml: a mistake in it is a message, not a traceback

    return resources.lake_of(resources.settings())


def _summary(_parsed: argparse.Namespace) -> int:
    from anipop_pipeline.assets.reports import ABOUT
    from anipop_pipeline.stages.report import BANNER, terminal_table

    lake = _lake()
    metrics = lake.load_folder("metrics")
    if lake.invented:
        print(f"{BANNER}\n")
    if metrics.absent is not None:
        print(f"There is nothing to tell: {metrics.absent}")
        return 0
    print(terminal_table(metrics.table(), ABOUT))
    for experiment, reason in metrics.table("absent").iter_rows():
        print(f"absent: {experiment}: {reason}")
    if lake.has("report"):
        print(f"\nReport: {lake.path_of('report', 'report.html')}")
    return 0


def _sites(_parsed: argparse.Namespace) -> int:
    lake = _lake()
    for name in sites(lake.root):
        what = "an import" if name not in CRAWLED else "can be crawled"
        print(f"{name:<20}{what}")
    return 0


def _predict(parsed: argparse.Namespace) -> int:
    from anipop_pipeline.predictor import Predictor

    predictor = Predictor.load(_lake())
    answers = [predictor.predict(_pitch(file)) for file in parsed.pitch]
    if parsed.json:
        print(json.dumps([answer.as_dict() for answer in answers], indent=1, ensure_ascii=False))
    else:
        print("\n\n".join(answer.as_text() for answer in answers))
    return 0


def _pitch(file: Path) -> "Pitch":
    from anipop_pipeline.stages import pitch

    try:
        return pitch.read_pitch(file.read_text(encoding="utf-8"), file.suffix)
    except (OSError, UnicodeDecodeError) as unread:
        raise PitchError(f"cannot be read: {unread}", where=str(file), fix="anipop pitch new > my.toml") from unread


def _pitch_new(_parsed: argparse.Namespace) -> int:
    from anipop_pipeline.stages import pitch

    print(pitch.example())
    return 0


def _serve(parsed: argparse.Namespace) -> int:
    from anipop_pipeline import web
    from anipop_pipeline.predictor import Predictor

    web.serve(Predictor.load(_lake()), parsed.port)
    return 0


def _import_warc(parsed: argparse.Namespace) -> int:
    from anipop_pipeline import importing, resources
    from anipop_pipeline.config import ParseConfig

    engine = resources.EngineResource(name=resources.settings().engine)
    return _imported(
        parsed, lambda lake, **how: importing.import_warc(lake, parsed.files, engine.map_batches, ParseConfig(), **how)
    )


def _import_published(parsed: argparse.Namespace) -> int:
    from anipop_pipeline import importing

    return _imported(parsed, lambda lake, **how: importing.import_published(lake, parsed.folder, **how))


def _import_tables(parsed: argparse.Namespace) -> int:
    from anipop_pipeline import importing

    by, images = parsed.mapping, parsed.images
    return _imported(
        parsed, lambda lake, **how: importing.import_tables(lake, parsed.folder, by=by, images=images, **how)
    )


def _imported(parsed: argparse.Namespace, bring: Callable[..., "Imported"]) -> int:
    """Fill the site that the arguments name, whichever is chosen now, and say what it has."""
    from anipop_pipeline import resources

    given = resources.settings()
    site = replace(resources.lake_of(replace(given, site=CRAWLED[0])), site=parsed.name)
    brought = bring(site, now=clock(), replace=parsed.replace, say=lambda line: print(line, file=sys.stderr))
    _report(site, brought.manifests)
    print(brought.as_text())
    return 0


def _report(site: Lake, manifests: Sequence[Manifest]) -> None:
    """Tell Dagster, where it keeps a history, of tables that no run of it has made."""
    import dagster as dg

    from anipop_pipeline import resources

    if not resources.has_dagster_home():
        return
    with _instance() as instance:
        for manifest in manifests:
            said = dg.AssetMaterialization(manifest.asset, metadata=resources.facts(site, manifest))
            instance.report_runless_asset_event(said)


def _reindex(_parsed: argparse.Namespace) -> int:
    from anipop_pipeline.raw import RawStore

    lake = _lake()
    found = RawStore(lake).reindex(clock)
    for segment in found:
        torn = f", {segment.torn_bytes:,} bytes after them are lost" if segment.torn_bytes else ""
        why = f" ({segment.damage})" if segment.damage else ""
        print(f"{segment.file:<24}{segment.records:>10,} records{torn}{why}")
    records, torn_bytes = sum(one.records for one in found), sum(one.torn_bytes for one in found)
    print(f"{lake.site}: {records:,} records in {len(found):,} segments, {torn_bytes:,} bytes lost")
    return 0


def _cache_info(_parsed: argparse.Namespace) -> int:
    from anipop_pipeline.vectors import VectorStore, used

    lake = _lake()
    store = VectorStore(lake)
    shelves, older, last = store.info(), store.older(), used(lake)
    if shelves:
        _print_table(
            [
                CACHE_COLUMNS,
                *(_cache_row(shelf, last.get(shelf.name)) for shelf in sorted(shelves, key=lambda one: str(one.about))),
            ]
        )
        print(
            f"{sum(shelf.vectors for shelf in shelves):,} vectors, {sum(shelf.bytes for shelf in shelves) / 1e6:.1f} MB"
        )
    else:
        print("No vectors are cached in this lake yet: `anipop run` computes them, and keeps them here.")
    if journaled := sum(shelf.journaled for shelf in shelves):
        print(
            f"{journaled:,} more are of a run that is going on or was killed; the next run finds those of a killed one"
        )
    if older:
        print(f"{len(older)} folders are of an older layout, which nothing reads: `anipop cache prune` removes them")
    return 0


def _cache_row(shelf: "Shelf", last: Manifest | None) -> tuple[str, ...]:
    told = shelf.about
    extra = [f"layer {told['layer']}"] if told.get("layer") else []
    extra += [what for what in (told.get("long_texts"), told.get("preprocessing")) if what not in (None, "", *PLAIN)]
    pooling = " ".join([str(told.get("pooling", "?")), *(f"({what})" for what in extra)])
    model = Path(str(told.get("model", "?"))).name  # of a folder, its own name
    named = [shelf.name[:8], model, pooling, str(told.get("length", "-"))]
    figures = [f"{shelf.vectors:,}", f"{shelf.bytes / 1e6:.1f}", f"{shelf.parts}"]
    return (*named, shelf.dtype, *figures, f"{last.site}: {last.asset}" if last else "no table now")


def _print_table(lines: Sequence[Sequence[str]]) -> None:
    """Print lines of cells below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _cache_prune(parsed: argparse.Namespace) -> int:
    from anipop_pipeline.vectors import VectorStore, used

    lake = _lake()
    pruned = VectorStore(lake).prune(used(lake), dry=parsed.dry_run, now=clock(), spare_hours=parsed.older_than)
    for path in pruned.broken:
        print(f"broken: {path}")
    print(
        f"{'Would free' if parsed.dry_run else 'Freed'} {pruned.bytes / 1e6:.1f} MB: {len(pruned.shelves)} unused "
        f"shelves, {len(pruned.older)} folders of an older layout, {len(pruned.broken)} broken parts, "
        f"{pruned.merged} parts packed into others"
    )
    if pruned.spared:
        print(f"{len(pruned.spared)} unused shelves are younger than {parsed.older_than:g} h and stay")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
