"""One step of a crawl: what is wanted and not fresh is asked for, archived, and looked up again.

Belongs here: the addresses of sites, and how a step meets archive and lease. Does not: manners (fetch.py), where bytes
lie (raw.py), what a page means (parse).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import polars as pl
import requests

from anipop_pipeline.config import CrawlConfig
from anipop_pipeline.demo import server, world
from anipop_pipeline.errors import SettingError
from anipop_pipeline.lake import clock
from anipop_pipeline.raw import RawStore
from anipop_pipeline.stages import fetch
from anipop_pipeline.stages.archive import Exchange

Progress = Callable[[int, int | None], None]
AGENT = "anipop-pipeline/0.1 (research crawler; contact: {contact})"


@dataclass(frozen=True)
class Visit:
    """A site that can be asked: how to reach it, at what address, and what time it is there."""

    base: str
    hosts: frozenset[str]
    session: requests.Session
    now: Callable[[], datetime]
    requests_per_second: float | None
    agent: str
    source: str  # whose pages these are; two sources never share a raw folder


@dataclass(frozen=True)
class Brought:
    """What a step has now: one index row for each wanted page that was answered, and how it came about."""

    rows: pl.DataFrame
    wanted: int
    asked: int

    @property
    def complete(self) -> bool:
        """Return whether every wanted page was answered."""
        return self.rows.height >= self.wanted

    def facts(self) -> dict[str, int | bool]:
        """Return the figures of the step."""
        missing = self.rows.filter(pl.col("outcome") == "missing").height
        return {
            "wanted": self.wanted,
            "asked": self.asked,
            "answered": self.rows.height,
            "missing_on_site": missing,
            "complete": self.complete,
        }


BASES = {"demo": "https://demo.invalid", "mal": "https://myanimelist.net"}


def base_of(site: str) -> str:
    """Return the address of a site that can be crawled, or of the site whose past a view shows."""
    return BASES[site.partition("@")[0]]


@lru_cache(maxsize=2)
def invented(anime: int, seed: int) -> world.World:
    """Return the demo's world; every step of a run serves the same one."""
    return world.build(anime, seed)


@contextmanager
def visit_demo(anime: int, seed: int, port: int) -> Iterator[Visit]:
    """Serve the invented site over loopback while the block runs; its clock stands still, so that runs agree."""
    with server.serve(invented(anime, seed), port) as running, requests.Session() as session:
        server.connect(session, running.port)
        hosts = frozenset({"demo.invalid", "cdn.demo.invalid"})
        agent = AGENT.format(contact="none")
        yield Visit(
            BASES["demo"], hosts, session, lambda: world.WORLD_TODAY, None, agent, f"{anime} anime of seed {seed}"
        )


@contextmanager
def visit_mal(contact: str, requests_per_second: float) -> Iterator[Visit]:
    """Reach myanimelist.net, which wants to know whom to write to."""
    if not contact:
        raise SettingError(
            "a crawl of myanimelist.net must say whom its owners can write to",
            where="ANIPOP_CONTACT",
            fix="set ANIPOP_CONTACT to an address that you read, such as you@example.org",
        )
    hosts = frozenset({"myanimelist.net", "cdn.myanimelist.net"})
    with requests.Session() as session:
        agent = AGENT.format(contact=contact)
        yield Visit(BASES["mal"], hosts, session, clock, requests_per_second, agent, "mal")


def bring(
    visit: Visit | None, store: RawStore, wanted: Iterable[fetch.Request], dials: CrawlConfig, progress: Progress
) -> Brought:
    """Return the last answers for what is wanted, having asked for those that are not fresh; no visit, no asking."""
    requests_wanted = list({request.url: request for request in wanted}.values())
    asked = 0
    if visit is not None:
        with store.lease(clock) as renew:  # a lease runs in our time, whatever time it is on the site
            store.claim(visit.source)
            store.recover()
            due = _due(store, requests_wanted, visit.now() - timedelta(days=dials.max_age_days))
            asked = min(len(due), dials.budget or len(due))
            if due:
                store.keep(_renewing(_crawl(visit, due, dials, progress), renew))
    urls = pl.DataFrame({"url": [request.url for request in requests_wanted]}, schema={"url": pl.String})
    rows = store.latest().join(urls, on="url", how="semi").sort("kind", "id", "url")
    return Brought(rows, len(requests_wanted), asked)


def _due(store: RawStore, wanted: list[fetch.Request], oldest: datetime) -> list[fetch.Request]:
    fresh = set(store.latest().filter(pl.col("fetched_at") > oldest)["url"])
    return [request for request in wanted if request.url not in fresh]


def _crawl(visit: Visit, due: list[fetch.Request], dials: CrawlConfig, progress: Progress) -> Iterator[Exchange]:
    manners = fetch.SiteManners(
        base=visit.base,
        hosts=visit.hosts,
        user_agent=visit.agent,
        requests_per_second=visit.requests_per_second,
        parallel=dials.parallel,
        tries=dials.tries,
    )
    return fetch.crawl(
        due,
        session=visit.session,
        manners=manners,
        now=visit.now,
        sleep=time.sleep,
        seed=len(due),
        progress=progress,
        budget=dials.budget or None,
    )


def _renewing(exchanges: Iterator[Exchange], renew: Callable[[], None]) -> Iterator[Exchange]:
    for exchange in exchanges:
        renew()
        yield exchange
