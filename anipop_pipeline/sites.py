"""The sites that can be crawled: their addresses, how they are reached, and what time it is there.

Belongs here: bases, hosts, sessions, user agents. Does not: what is asked of a site.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version

import requests

from anipop_pipeline.demo import server, world
from anipop_pipeline.errors import SettingError
from anipop_pipeline.lake import clock
from anipop_pipeline.stages.fetch import Clock
from anipop_pipeline.stages.wire import DeadlineAdapter

BASES = {"demo": "https://demo.invalid", "mal": "https://myanimelist.net"}
AGENT = f"anipop-pipeline/{version('anipop-pipeline')} (research crawler; contact: {{contact}})"
CONTACT = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|https?://\S+")  # a mail address, or a page that says more
ANSWER_SECONDS = 300.0  # for a whole answer, however it trickles in


@dataclass(frozen=True)
class Visit:
    """A site that can be asked: how to reach it, at what address, and what time it is there."""

    base: str
    hosts: frozenset[str]
    session: requests.Session
    clock: Clock
    requests_per_second: float | None
    agent: str
    source: str  # whose pages these are; two sources never share a raw folder


def base_of(site: str) -> str:
    """Return the address of a site that can be crawled, or of the site whose past a view shows.

    >>> base_of("mal@2026-05-01")
    'https://myanimelist.net'
    """
    return BASES[site.partition("@")[0]]


def real_time(now: Callable[[], datetime] = clock) -> Clock:
    """Return a clock that runs as ours does, whatever date it shows."""
    return Clock(now, time.monotonic, time.sleep)


@lru_cache(maxsize=2)
def invented(anime: int, seed: int, days: int) -> world.World:
    """Return the demo's world so many days after its first; every step of a run serves the same one."""
    return world.later(world.build(anime, seed), days)


@contextmanager
def visit_demo(anime: int, seed: int, port: int, days: int = 0) -> Iterator[Visit]:
    """Serve the invented site over loopback while the block runs; its clock stands still, so that runs agree."""
    shown = invented(anime, seed, days)
    with server.serve(shown, port) as running, requests.Session() as session:
        server.connect(session, running.port)
        hosts = frozenset({"demo.invalid", "cdn.demo.invalid"})
        agent = AGENT.format(contact="none")
        here = real_time(lambda: shown.today)
        yield Visit(BASES["demo"], hosts, session, here, None, agent, f"{anime} anime of seed {seed}")


def require_contact(contact: str) -> None:
    """Refuse to crawl a real site without an address that its owners can write to."""
    if not (contact.isascii() and CONTACT.search(contact)):
        raise SettingError(
            "a crawl of myanimelist.net must say whom its owners can write to",
            where="ANIPOP_CONTACT",
            fix="set ANIPOP_CONTACT to an address that you read, in plain ASCII, such as you@example.org",
        )


@contextmanager
def visit_mal(contact: str, requests_per_second: float) -> Iterator[Visit]:
    """Reach myanimelist.net, which wants to know whom to write to."""
    require_contact(contact)
    hosts = frozenset({"myanimelist.net", "cdn.myanimelist.net"})
    with requests.Session() as session:
        session.mount("https://", DeadlineAdapter(ANSWER_SECONDS))
        agent = AGENT.format(contact=" ".join(contact.split()))
        yield Visit(BASES["mal"], hosts, session, real_time(), requests_per_second, agent, "mal")
