"""One step of a crawl: what is wanted and not fresh is asked for, archived, and looked up again.

Belongs here: the addresses of sites, and how a step meets archive and lease. Does not: manners (fetch.py), where bytes
lie (raw.py), what a page means (parse).
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import polars as pl
import requests

from anipop_pipeline.config import CrawlConfig
from anipop_pipeline.demo import server, world
from anipop_pipeline.errors import FetchError, SettingError
from anipop_pipeline.lake import clock
from anipop_pipeline.raw import RawStore
from anipop_pipeline.stages import fetch
from anipop_pipeline.stages.archive import ANSWERED, Exchange

Progress = Callable[[int, int | None], None]
Onward = Callable[[bytes, str], str | None]
SEED = 0  # of the jitter of repeated attempts, which no archived byte shows
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

    def __add__(self, other: "Brought") -> "Brought":
        """Return what two calls of one step have together."""
        return Brought(pl.concat([self.rows, other.rows]), self.wanted + other.wanted, self.asked + other.asked)

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


class Step:
    """One step of a crawl; all that it asks shares one pace, one reading of robots.txt, and one budget."""

    def __init__(self, visit: Visit | None, store: RawStore, dials: CrawlConfig) -> None:
        self._visit, self._store, self._dials = visit, store, dials
        self._visitor = None if visit is None else _visitor(visit, dials)
        self._left = dials.budget or None  # requests that may still be made; None is no bound

    def bring(self, wanted: Iterable[fetch.Request], progress: Progress) -> Brought:
        """Return the last answers for what is wanted, having asked for those that are not fresh."""
        requests_wanted = list({request.url: request for request in wanted}.values())
        asked = 0
        if self._visitor is not None:
            with self._held() as renew:
                fresh = self._fresh()
                due = [request for request in requests_wanted if request.url not in fresh]
                asked = self._take(len(due))
                if asked:
                    exchanges = fetch.ask(self._visitor, due[:asked], progress=progress, total=asked)
                    self._store.keep(_renewing(exchanges, renew))
        return Brought(self._last([request.url for request in requests_wanted]), len(requests_wanted), asked)

    def bring_chain(self, first: fetch.Request, onward: Onward, *, longest: int = 0) -> Brought:
        """Return the last answers of pages of which each leads onward to the next, archived in one go.

        `onward` reads each page once, in the order of the chain. A chain that breaks off is a FetchError, since nobody
        knows what came after it, unless the page was not asked: the budget is spent, or this is a view.
        """
        chain = _Chain(first, onward, longest)
        if self._visitor is None:
            deque(self._walk(chain, set()), maxlen=0)
        else:
            with self._held() as renew:
                self._store.keep(_renewing(self._walk(chain, self._fresh()), renew))
        if chain.broken is not None:
            raise chain.broken
        return Brought(self._last(chain.answered), len(chain.answered) + chain.goes_on, chain.asked)

    def _walk(self, chain: "_Chain", fresh: set[str]) -> Iterator[Exchange]:
        """Yield what must be asked of a chain, and tell the chain each page: a fresh one, a new one, or the last."""
        archived = self._store.latest()
        while (request := chain.next()) is not None:
            answer = None
            if self._visitor is not None and request.url not in fresh and self._take(1):
                chain.asked += 1
                for answer in fetch.ask(self._visitor, [request]):
                    yield answer
            rows = archived.filter(pl.col("url") == request.url)
            if answer is not None and (answer.outcome in ANSWERED or rows.is_empty()):
                chain.heard(request, answer.outcome, answer.payload, answer.reason)
            elif rows.is_empty():
                return
            else:
                chain.heard(request, rows["outcome"][0], _body(self._store, rows), "")

    @contextmanager
    def _held(self) -> Iterator[Callable[[], None]]:
        """Hold the site's lease, in a store that is this site's and whole."""
        if self._visit is None:
            raise ValueError("nothing may be asked without a visit")
        with self._store.lease(clock) as renew:  # a lease runs in our time, whatever time it is on the site
            self._store.claim(self._visit.source)
            self._store.recover()
            yield renew

    def _fresh(self) -> set[str]:
        if self._visit is None:
            return set()
        oldest = self._visit.now() - timedelta(days=self._dials.max_age_days)
        return set(self._store.latest().filter(pl.col("fetched_at") > oldest)["url"])

    def _take(self, requests_wanted: int) -> int:
        """Return how many of so many requests the budget still allows, and count them as made."""
        if self._left is None:
            return requests_wanted
        taken = min(requests_wanted, self._left)
        self._left -= taken
        return taken

    def _last(self, urls: list[str]) -> pl.DataFrame:
        wanted = pl.DataFrame({"url": urls}, schema={"url": pl.String})
        return self._store.latest().join(wanted, on="url", how="semi").sort("kind", "id", "url")


class _Chain:
    """Pages of which each leads onward: how far it is known, and whether it broke."""

    def __init__(self, first: fetch.Request, onward: Onward, longest: int) -> None:
        self.answered: list[str] = []
        self.asked = 0
        self.broken: FetchError | None = None
        self._first, self._onward, self._longest = first, onward, longest
        self._url: str | None = first.url

    @property
    def goes_on(self) -> bool:
        """Return whether a page is wanted that was not answered."""
        return self.next() is not None

    def next(self) -> fetch.Request | None:
        """Return the page to read next; a chain ends with its last link, at its bound, or where it bites its tail."""
        url, full = self._url, 0 < self._longest <= len(self.answered)
        return None if url is None or full or url in self.answered else replace(self._first, url=url)

    def heard(self, request: fetch.Request, outcome: str, body: bytes, reason: str) -> None:
        """Go on to the next page; one that the site does not have is the end, unless it is the first."""
        self._url = None
        if outcome not in ANSWERED or (outcome == "missing" and not self.answered):
            self.broken = FetchError(
                f"page {len(self.answered) + 1} of the {request.kind} was not answered: "
                f"{reason or 'the site has no such page'}",
                where=request.url,
                fix="run this step again later; what was fetched is kept, and the last good table still counts",
            )
            return
        self.answered.append(request.url)
        if outcome == "ok":
            self._url = self._onward(body, request.url)


def _visitor(visit: Visit, dials: CrawlConfig) -> fetch.Visitor:
    manners = fetch.SiteManners(
        base=visit.base,
        hosts=visit.hosts,
        user_agent=visit.agent,
        requests_per_second=visit.requests_per_second,
        parallel=dials.parallel,
        tries=dials.tries,
    )
    return fetch.Visitor(visit.session, manners, visit.now, time.sleep, SEED)


def _body(store: RawStore, rows: pl.DataFrame) -> bytes:
    page = next(store.pages(rows, at_once=1))
    body: bytes = page["body"][0].as_py()
    return body


def _renewing(exchanges: Iterator[Exchange], renew: Callable[[], None]) -> Iterator[Exchange]:
    for exchange in exchanges:
        renew()
        yield exchange
