"""Long proofs: runs that are killed at any moment lose nothing, and the next run goes on."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from anipop_pipeline import assets, resources
from anipop_pipeline.demo import server
from anipop_pipeline.lake import Lake
from anipop_pipeline.sites import invented
from anipop_pipeline.stages import archive

DIALS = """
[DemoConfig]
anime = 60
[SplitConfig]
repeats = 3
[TrainConfig]
epochs = 2
audit_epochs = 1
cheap_repeats = 2
[MetricsConfig]
samples = 50
"""
KILLS = 4
NAMES = sorted(key.to_user_string() for asset in assets.ALL for key in asset.keys)


def started(folder: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "ANIPOP_LAKE": str(folder / "lake"), "ANIPOP_SITE": "demo", "DAGSTER_HOME": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "anipop_pipeline.cli", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def lake_in(folder: Path) -> Lake:
    return resources.lake_of(resources.settings({"ANIPOP_LAKE": str(folder / "lake")}))


def digests(folder: Path) -> dict[str, str]:
    return {name: lake_in(folder).manifest(name).digest for name in NAMES if not name.endswith("_pages")}


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_in_the_same_lake(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for folder in (undisturbed, killed):
        folder.mkdir()
        (folder / "anipop.toml").write_text(DIALS)
    began = time.monotonic()
    assert started(undisturbed).wait() == 0
    whole = time.monotonic() - began
    moments = [random.Random(20261120 + kill).uniform(0.1, 0.9) * whole for kill in range(KILLS)]
    print(f"an undisturbed run takes {whole:.0f} s; killed after {', '.join(f'{m:.1f}' for m in moments)} s")

    for moment in moments:
        run = started(killed)
        time.sleep(moment)
        run.kill()
        run.wait()
    assert started(killed).wait() == 0

    # Which segment holds a page depends on when a run was killed; what the pages say does not.
    assert digests(killed) == digests(undisturbed)


CRAWL = """
import sys
from pathlib import Path
import requests
from anipop_pipeline import crawling, engine, frontier, parsing
from anipop_pipeline.config import CrawlAndParseConfig
from anipop_pipeline.demo import server
from anipop_pipeline.lake import open_lake
from anipop_pipeline.raw import RawStore
from anipop_pipeline.sites import BASES, Visit, real_time
from anipop_pipeline.stages.fetch import Request
from anipop_pipeline.demo.records import WORLD_TODAY

def silent(_figures): pass

lake, port = sys.argv[1], int(sys.argv[2])
dials, store = CrawlAndParseConfig(parallel=4, workers=1), RawStore(open_lake(lake, "demo"))

def table(kind, rows):
    return parsing.parsed(kind, rows, store.pages, engine.map_batches, dials).table()

with requests.Session() as session:
    server.connect(session, port)
    hosts = frozenset({"demo.invalid", "cdn.demo.invalid"})
    visit = Visit(BASES["demo"], hosts, session, real_time(lambda: WORLD_TODAY), float(sys.argv[3]), "a test", "a test")
    def brought(wanted):
        return crawling.Step(visit, store, dials).bring(wanted, silent).rows
    listed, _ = frontier.index(crawling.Step(visit, store, dials), store, visit.base, dials, silent)
    pages = brought([Request(url, "anime", id) for url, id in listed.select("url", "anime_id").iter_rows()])
    anime = table("anime", pages)
    casts = [Request(f"{url}/characters", "anime_characters", id) for url, id in parsing.usable(anime).iter_rows()]
    roles = table("anime_characters", brought(casts)).filter(role="main").unique("character_id")
    people = [Request(url, "character", id) for url, id in roles.select("url", "character_id").iter_rows()]
    characters = table("character", brought(people))
    for wanted in (parsing.wanted_portraits(characters), parsing.wanted_posters(anime)):
        brought([Request(url, kind, id) for url, kind, id in wanted.iter_rows()])
"""


def crawl(folder: Path, site: server.Server, per_second: int) -> "subprocess.Popen[bytes]":
    """Return a crawl that has made its first request."""
    before, run = site.requests_served, [sys.executable, "-c", CRAWL, str(folder), str(site.port), str(per_second)]
    begun = subprocess.Popen(run)
    while site.requests_served == before and begun.poll() is None:
        time.sleep(0.01)
    return begun


def archived(folder: Path) -> Counter[tuple[str, str, str | None]]:
    """Return how many records there are of each address, outcome and digest, robots.txt aside."""
    records: Counter[tuple[str, str, str | None]] = Counter()
    for segment in sorted((folder / "demo" / "raw").glob("*.warc.gz")):
        with segment.open("rb") as stream:
            exchanges = [exchange for exchange, _, _ in archive.scan(stream)]
        records.update((one.url, one.outcome, one.digest) for one in exchanges if one.kind != "robots")
    return records


@pytest.mark.slow
def test_a_crawl_killed_at_twenty_moments_archives_what_an_undisturbed_one_does_and_nothing_twice(
    tmp_path: Path,
) -> None:
    with server.serve(invented(120, 7, 0)) as site:
        assert crawl(tmp_path / "undisturbed", site, 500).wait() == 0
        asked, chance = site.requests_served, random.Random(20261120)
        for kill in range(20):
            run = crawl(tmp_path / "killed", site, 80)
            time.sleep(moment := chance.uniform(0, 0.7))
            run.kill()
            run.wait()
            home = sum(archived(tmp_path / "killed").values())
            print(f"kill {kill + 1}: {moment:.2f} s after its first request, {home} pages in sealed segments")
        assert crawl(tmp_path / "killed", site, 500).wait() == 0
        again = site.requests_served - asked

    expected = archived(tmp_path / "undisturbed")
    assert archived(tmp_path / "killed") == expected
    assert set(expected.values()) == {1}
    print(f"{again} requests with 20 kills, {asked} without")
    # What was on its way at a kill is asked again: four pages at most, and robots.txt of each host in each run.
    assert again <= asked + 20 * (4 + 2)
