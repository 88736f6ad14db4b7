"""Many visits at once: a bounded number under way, exchanges as they come, and when to stop.

Belongs here: threads, and what ends a crawl. Does not: what becomes of one request.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from anipop_pipeline.errors import Blocked, FetchError, Forbidden
from anipop_pipeline.stages.archive import Exchange
from anipop_pipeline.stages.fetch.manners import Request
from anipop_pipeline.stages.fetch.visitor import Visit, Visitor

IN_VAIN = 20  # pages in a row that came to nothing: the site is down, or a wall that we do not know


def ask(visitor: Visitor, wanted: Iterable[Request]) -> Iterator[Exchange]:
    """Yield exchanges as they come, robots.txt of a host before the first page that the visitor asks of it.

    A visitor may be given to several calls, one after another: they share one pace, one budget, and what robots.txt
    said. What is handed out is never more than `parallel` exchanges behind what was fetched.

    Raises, after the exchanges: Blocked when the site asks us to stay away, Forbidden when robots.txt cannot be read,
    FetchError when too many pages in a row came to nothing.
    """
    ending = _Ending(visitor)
    for visit in _as_they_come(visitor, wanted):
        for exchange in visit.exchanges:
            ending.heard(exchange)
            yield exchange
        ending.visited(visit)
    ending.tell()


class _Ending:
    """Why a crawl ends before everything was asked."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._block: Exchange | None = None
        self._refusal: Forbidden | None = None
        self._in_vain: list[Exchange] = []

    def heard(self, exchange: Exchange) -> None:
        if exchange.outcome == "blocked":
            self._block = self._block or exchange

    def visited(self, visit: Visit) -> None:
        self._refusal = self._refusal or visit.refusal
        if visit.exchanges and len(self._in_vain) < IN_VAIN:
            self._in_vain = [*self._in_vain, visit.exchanges[-1]] if visit.in_vain else []
        if len(self._in_vain) >= IN_VAIN:
            self._visitor.stop.set()

    def tell(self) -> None:
        """Raise what has to be said."""
        if self._block is not None:
            fix = "wait some hours, then go on with fewer requests_per_second; what was fetched is kept"
            raise Blocked(f"the site asks us to stay away: {self._block.reason}", where=self._block.url, fix=fix)
        if self._refusal is not None:
            raise self._refusal
        if len(self._in_vain) >= IN_VAIN:
            last = self._in_vain[-1]
            raise FetchError(
                f"{IN_VAIN} pages in a row came to nothing, the last: {last.reason}",
                where=last.url,
                fix="look at the site with a browser; go on later, with other pages first; what was fetched is kept",
            )


def _as_they_come(visitor: Visitor, wanted: Iterable[Request]) -> Iterator[Visit]:
    """Yield the results of a bounded number of visits under way, also of those that an interruption finds there."""
    running = set[Future[Visit]]()
    with ThreadPoolExecutor(visitor.manners.parallel) as pool:
        try:
            yield from _filling(visitor, iter(wanted), pool, running)
        except KeyboardInterrupt:
            visitor.stop.set()
            yield from (visit.result() for visit in wait(running).done)
            raise
        finally:
            if running:  # left early: what is under way need not go on
                visitor.stop.set()


def _filling(
    visitor: Visitor, waiting: Iterator[Request], pool: ThreadPoolExecutor, running: set[Future[Visit]]
) -> Iterator[Visit]:
    """Yield visits as they end, and begin others in their place."""
    while True:
        while len(running) < visitor.manners.parallel and not visitor.stop.is_set():
            if (request := next(waiting, None)) is None:
                break
            running.add(pool.submit(visitor.visit, request))
        if not running:
            return
        for visit in wait(running, return_when=FIRST_COMPLETED).done:
            running.remove(visit)
            yield visit.result()
