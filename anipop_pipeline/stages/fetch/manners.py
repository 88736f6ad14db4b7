"""What is wanted, how a site is treated, and the pace that all threads share.

Belongs here: addresses, limits, waiting for one's turn. Does not: sending anything, judging an answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock

SLOWED_SECONDS, SLOWEST_SECONDS = 0.5, 60.0
SHORTEST_SECONDS = 1e-5  # less than that is no wait
NAP_SECONDS = 1.0  # a long wait is slept in naps, so that an abandoned crawl ends soon


@dataclass(frozen=True)
class Clock:
    """The time on the site, seconds that only grow, and a way to let them pass."""

    now: Callable[[], datetime]
    tick: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True)
class Known:
    """The version of a page that is here already: when it was fetched, and how the site names it."""

    fetched_at: datetime
    etag: str | None
    last_modified: str | None

    def conditions(self) -> dict[str, str]:
        """Return the headers that ask for a newer version alone."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class Request:
    """One address that is wanted, what it is about, and which version of it is known."""

    url: str
    kind: str
    id: int | None
    known: Known | None = None


@dataclass(frozen=True)
class SiteManners:
    """How a site is treated, and how much of it is put up with."""

    hosts: frozenset[str]
    user_agent: str
    requests_per_second: float | None = 0.5
    parallel: int = 1
    tries: int = 5
    patience_seconds: float = 900.0
    timeout_seconds: float = 30.0
    max_bytes: int = 16 * 2**20
    max_bytes_by_kind: Mapping[str, int] = field(default_factory=lambda: {"robots": 2**19})

    @property
    def product(self) -> str:
        """Return the name by which robots.txt may speak of us: no contact and no comment can pass for another's.

        >>> SiteManners(frozenset(), "anipop-pipeline/0.1 (contact: me@googlebot.example)").product
        'anipop-pipeline'
        """
        return self.user_agent.partition("/")[0].partition(" ")[0]

    def limit(self, kind: str) -> int:
        """Return how many bytes a body of this kind may have, on the wire and unpacked."""
        return self.max_bytes_by_kind.get(kind, self.max_bytes)


class Pace:
    """One rate for all threads, and one pause when the site asks for it.

    The first turn comes after a whole interval: whoever asked before us, in another process perhaps, may just have
    ended.
    """

    def __init__(self, requests_per_second: float | None, clock: Clock, stop: Event) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._clock, self._stop, self._lock = clock, stop, Lock()
        self._free_at = clock.tick() + self._interval

    def slow_to(self, seconds: float) -> None:
        """Leave at least so many seconds between two requests from now on."""
        with self._lock:
            self._interval = max(self._interval, seconds)

    def slow_down(self) -> None:
        """Leave twice as much time between two requests from now on: the site has said that they are too many."""
        with self._lock:
            self._interval = min(max(2 * self._interval, SLOWED_SECONDS), max(self._interval, SLOWEST_SECONDS))

    def pause(self, seconds: float) -> None:
        """Let nobody ask for so many seconds."""
        with self._lock:
            self._free_at = max(self._free_at, self._clock.tick() + seconds)

    def wait(self) -> bool:
        """Return True when it is the caller's turn, False when the crawl has stopped."""
        while not self._stop.is_set():
            rest = self._rest()
            if rest <= 0:
                return True
            self._clock.sleep(min(rest, NAP_SECONDS))
        return False

    def nap(self, seconds: float) -> None:
        """Sleep so many seconds, in naps, unless the crawl stops."""
        while seconds > 0 and not self._stop.is_set():
            self._clock.sleep(min(seconds, NAP_SECONDS))
            seconds -= NAP_SECONDS

    def _rest(self) -> float:
        """Return how long the next turn is off; when it is here, it is taken."""
        with self._lock:
            at = self._clock.tick()
            if self._free_at - at > SHORTEST_SECONDS:
                return self._free_at - at
            self._free_at = at + self._interval
            return 0.0


class Budget:
    """How many requests may still be made, by all threads together; None is no bound."""

    def __init__(self, requests: int | None) -> None:
        self._left, self._lock = requests, Lock()

    def take(self) -> bool:
        """Return whether one more request may be made, and count it as made."""
        with self._lock:
            if self._left is None:
                return True
            self._left -= 1
            return self._left >= 0
