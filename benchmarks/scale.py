"""Time and memory of parse, clean, cluster and split as the corpus grows, through the assets that users run.

    python benchmarks/scale.py [ANIME ...]

For each size a world of so many anime is archived without a server, then parsed and split in a process of its own; its
peak is that of the process and of its largest worker. The last column is the time for each 1,000 pages: flat is linear.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO

import dagster as dg
import polars as pl
from PIL import Image

from anipop_pipeline import assets, checks, resources
from anipop_pipeline.config import DemoConfig
from anipop_pipeline.demo.pages import Site
from anipop_pipeline.demo.world import World
from anipop_pipeline.lake import Folder, Lake, clock
from anipop_pipeline.raw import RawStore
from anipop_pipeline.sites import BASES, invented
from anipop_pipeline.stages.archive import Exchange

STAGES = {
    "parse": ("anime", "roles", "characters"),
    "clean": ("corpus_anime", "corpus_characters", "corpus_roles", "corpus_rejects"),
    "cluster": ("clusters",),
    "split": ("splits",),
}


def exchanges(world: World) -> Iterator[Exchange]:
    """Yield every page that the corpus could use, as if it had been fetched."""
    site = Site(world)
    for anime in world.anime:
        yield _fetched(site, world, anime.path, "anime", anime.id)
        if anime.score is not None and anime.synopsis:
            yield _fetched(site, world, f"{anime.path}/characters", "anime_characters", anime.id)
    main = {role.character_id for anime in world.anime for role in anime.roles if role.main}
    for number in sorted(main):
        yield _fetched(site, world, world.character_by_id[number].path, "character", number)


def _fetched(site: Site, world: World, path: str, kind: str, number: int) -> Exchange:
    page = site.page(path)
    there = page.status == 200 and "badresult" not in page.body
    url, body = f"{BASES['demo']}{path}", page.body.encode()
    return Exchange(url, kind, number, world.today, page.status, "ok" if there else "missing", (), body)


def fill(lake: Lake, anime: int) -> int:
    """Put the raw pages and what stands on pictures into a lake; return the number of pages."""
    world = invented(anime, 7, 0)
    store = RawStore(lake)
    store.claim("a benchmark")
    store.keep(exchanges(world))
    rows = store.latest().sort("kind", "id", "url")
    people = rows.filter(kind="character")
    for name, pages in (("anime_pages", rows.filter(pl.col("kind") != "character")), ("character_pages", people)):
        lake.save(name, pages, {}, clock())
    dot = BytesIO()
    Image.new("RGB", (1, 1)).save(dot, "PNG")
    shown = people.select(character_id="id", url="url", image=pl.lit(dot.getvalue()), width=1, height=1)
    lake.save("portraits", Folder({"table.parquet": shown}), {}, clock())
    for name in ("histograms", "further_scores", "imported_split"):
        lake.save(name, Folder(absent="a benchmark has none"), {}, clock())
    return rows.height


def measure(root: str, anime: int) -> dict[str, float]:
    """Return seconds for each stage, and the peak of memory, in this process."""
    given = resources.settings({"ANIPOP_LAKE": root})
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    took = {}
    for stage, names in STAGES.items():
        began = time.perf_counter()
        result = dg.materialize(
            [*assets.ALL, *checks.ALL],
            selection=dg.AssetSelection.assets(*names).without_checks(),
            resources=resources.resources(given, DemoConfig(anime=anime)),
            run_config=quiet,
        )
        assert result.success
        took[stage] = time.perf_counter() - began
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {**took, "own_mb": own / 1024, "worker_mb": children / 1024}


def main(sizes: list[int]) -> None:
    """Print a line for each size."""
    print(f"{'anime':>7}{'pages':>9}{'parse s':>9}{'clean s':>9}{'cluster s':>11}{'split s':>9}{'all s':>8}", end="")
    print(f"{'peak MB':>9}{'worker MB':>11}{'s/1000 pages':>14}")
    for anime in sizes:
        with tempfile.TemporaryDirectory() as root:
            pages = fill(resources.lake_of(resources.settings({"ANIPOP_LAKE": root})), anime)
            said = subprocess.run(
                [sys.executable, __file__, "--in", root, str(anime)], check=True, capture_output=True, text=True
            )
        took = json.loads(said.stdout.splitlines()[-1])
        whole = sum(took[stage] for stage in STAGES)
        print(f"{anime:>7,}{pages:>9,}{took['parse']:>9.1f}{took['clean']:>9.1f}{took['cluster']:>11.1f}", end="")
        print(f"{took['split']:>9.1f}{whole:>8.1f}{took['own_mb']:>9.0f}{took['worker_mb']:>11.0f}", end="")
        print(f"{1000 * whole / pages:>14.2f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        main([int(size) for size in sys.argv[1:]] or [3_000, 10_000, 30_000])
