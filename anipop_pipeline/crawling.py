"""One step of a crawl: what is wanted and not fresh is asked for, archived, and looked up again.

Belongs here: how a step meets archive, lease, budget and age. Does not: the addresses of sites (sites.py), which anime
are listed (frontier.py), manners (fetch), where bytes lie (raw.py), what a page means (parse).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from anipop_pipeline.config import CrawlConfig
from anipop_pipeline.errors import FetchError
from anipop_pipeline.lake import clock
from anipop_pipeline.raw import RawStore
from anipop_pipeline.sites import Visit
from anipop_pipeline.stages import fetch
from anipop_pipeline.stages.archive import ANSWERED, HEARD, SETTLED, Exchange
from anipop_pipeline.stages.fetch import Known, Request

Onward = Callable[[bytes, str], str | None]
NOBODY: frozenset[int] = frozenset()
NEVER = datetime.min.replace(tzinfo=UTC)
REFUSED = timedelta(days=1)  # for so long nobody tries again what was not to be had
SEED = 0  # of the jitter of repeated attempts, which no archived byte shows


@dataclass(frozen=True)
class Figures:
    """How far the asking is, by outcome; `total` is None where nobody knows it."""

    total: int | None = None
    done: int = 0
    requests: int = 0
    missing: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0
    blocked: int = 0
    seconds: float = 0.0

    def after(self, exchange: Exchange, seconds: float) -> "Figures":
        """Return the figures with one more exchange; robots.txt costs requests, but is no page."""
        made = self.requests + exchange.requests
        if exchange.kind == "robots":
            return replace(self, requests=made, seconds=seconds)
        counted = {} if exchange.outcome == "ok" else {exchange.outcome: getattr(self, exchange.outcome) + 1}
        return replace(self, done=self.done + 1, requests=made, seconds=seconds, **counted)

    def told(self) -> dict[str, int | bool]:
        """Return what was done, and what came of it but for pages."""
        names = ("requests", "unchanged", "refused", "failed", "blocked")
        return {name: getattr(self, name) for name in names}

    @property
    def per_second(self) -> float:
        """Return how many pages a second were asked for."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return when the asking will probably end; None where nobody knows."""
        return (self.total - self.done) / self.per_second if self.total and self.done else None

    def __add__(self, other: "Figures") -> "Figures":
        """Return what two calls of one step did together."""
        mine, theirs = self.__dict__, other.__dict__
        return Figures(None, *(mine[name] + theirs[name] for name in mine if name != "total"))


Progress = Callable[[Figures], None]


@dataclass(frozen=True)
class Brought:
    """What a step has now: one index row for each wanted page that was answered, and how it came about.

    `left` is how many pages are still to be asked: never answered, or too old. What is refused, by us or by the site's
    rules, is not left.
    """

    rows: pl.DataFrame
    wanted: int
    left: int
    figures: Figures

    @property
    def asked(self) -> int:
        """Return how many pages were asked for now."""
        return self.figures.done

    @property
    def complete(self) -> bool:
        """Return whether nothing is left to ask."""
        return self.left == 0

    def __add__(self, other: "Brought") -> "Brought":
        """Return what two calls of one step have together."""
        rows = pl.concat([self.rows, other.rows])
        return Brought(rows, self.wanted + other.wanted, self.left + other.left, self.figures + other.figures)

    def facts(self) -> dict[str, int | bool]:
        """Return the figures of the step."""
        return {
            "wanted": self.wanted,
            "answered": self.rows.height,
            "missing_on_site": self.rows.filter(pl.col("outcome") == "missing").height,
            "asked": self.asked,
            **self.figures.told(),
            "left": self.left,
            "complete": self.complete,
        }

    def speed(self) -> dict[str, float]:
        """Return how long the asking took, which is another thing in every run."""
        return {"seconds": round(self.figures.seconds, 1), "pages_per_second": round(self.figures.per_second, 2)}


class Step:
    """One step of a crawl; all that it asks shares one pace, one reading of robots.txt, and one budget.

    `young` holds the ids of the anime whose pages still change, so that they are asked for more often.
    """

    def __init__(
        self, visit: Visit | None, store: RawStore, dials: CrawlConfig, young: frozenset[int] = NOBODY
    ) -> None:
        self._visit, self._store, self._dials, self._young = visit, store, dials, young
        self._known_visitor: fetch.Visitor | None = None

    def bring(self, wanted: Iterable[Request], progress: Progress) -> Brought:
        """Return the last answers for what is wanted, having asked for those that are not fresh."""
        requests = list({request.url: request for request in wanted}.values())
        figures, left = Figures(), 0
        if self._visit is not None:
            with self._held(self._visit) as renew:
                due = self._due(requests, self._visit.clock.now(), self._before())
                tally = _Tally(len(due), progress, self._visit.clock.tick)
                if due:
                    self._store.keep(tally.counting(self._asked(self._visit, due), renew))
                figures, left = tally.figures, len(due) - len(tally.settled)
        rows = self._last([request.url for request in requests])
        return Brought(rows, len(requests), left if self._visit else len(requests) - rows.height, figures)

    def bring_chain(self, first: Request, onward: Onward, progress: Progress, *, longest: int = 0) -> Brought:
        """Return the last answers of pages of which each leads onward to the next, archived in one go.

        `onward` reads each page once, in the order of the chain. A chain that breaks off is a FetchError, since nobody
        knows what came after it, unless the page was not asked: the budget is spent, or this is a view.
        """
        chain, figures = _Chain(first, onward, longest), Figures()
        if self._visit is None:
            deque(self._walk(chain, None), maxlen=0)
        else:
            with self._held(self._visit) as renew:
                tally = _Tally(None, progress, self._visit.clock.tick)
                self._store.keep(tally.counting(self._walk(chain, self._visit), renew))
                figures = tally.figures
        if chain.broken is not None:
            raise chain.broken
        rows = self._last(chain.answered)
        return Brought(rows, len(chain.answered) + chain.goes_on, chain.stale + chain.goes_on, figures)

    def _walk(self, chain: "_Chain", visit: Visit | None) -> Iterator[Exchange]:
        """Yield what must be asked of a chain, and tell the chain each page: a fresh one, a new one, or the last."""
        archived, before = self._store.latest(), self._before()
        while (request := chain.next()) is not None:
            due = [] if visit is None else self._due([request], visit.clock.now(), before)
            answer = None
            if visit is not None and due:
                for answer in self._asked(visit, due):
                    yield answer
            rows = archived.filter(pl.col("url") == request.url)
            if answer is not None and (answer.outcome in ANSWERED or rows.is_empty()):
                chain.heard(request, answer.outcome, answer.payload, answer.reason)
            elif rows.is_empty():
                return
            else:
                chain.stale += bool(due) and (answer is None or answer.outcome not in HEARD)
                chain.heard(request, rows["outcome"][0], _body(self._store, rows), "")

    @contextmanager
    def _held(self, visit: Visit) -> Iterator[Callable[[], None]]:
        """Hold the site's lease, in a store that is this site's and whole."""
        with self._store.lease(clock) as renew:  # a lease runs in our time, whatever time it is on the site
            self._store.claim(visit.source)
            self._store.recover()
            yield renew

    def _asked(self, visit: Visit, due: list[Request]) -> Iterator[Exchange]:
        """Yield what comes of asking; the first time, what is left of the day's budget is looked up."""
        if self._known_visitor is None:
            spent = self._store.requests_on(visit.clock.now().date())
            budget = max(self._dials.daily_budget - spent, 0) if self._dials.daily_budget else None
            manners = _manners(visit, self._dials)
            self._known_visitor = fetch.Visitor(visit.session, manners, visit.clock, SEED, budget)
        yield from fetch.ask(self._known_visitor, due)

    def _before(self) -> "_Before":
        tried = {url: times for url, *times in self._store.tried().iter_rows()}
        return _Before(tried, _versions(self._store.latest()))

    def _due(self, requests: list[Request], now: datetime, before: "_Before") -> list[Request]:
        """Return what must be asked, what was never asked for first, then what was last tried longest ago.

        So a page on which a crawl broke off is the last that the next one asks for. Each comes with the version that is
        known of it.
        """
        due = [request for request in requests if before.is_old(request.url, now, self._max_age(request))]
        by_age = sorted(due, key=lambda request: before.tried_at(request.url))
        return [replace(request, known=before.versions.get(request.url)) for request in by_age]

    def _max_age(self, request: Request) -> timedelta:
        """Return how old an answer may be before it is asked for again."""
        is_young = request.kind in ("anime", "anime_characters", "anime_stats") and request.id in self._young
        return timedelta(days=self._dials.young_days if is_young else self._dials.days_of(request.kind))

    def _last(self, urls: list[str]) -> pl.DataFrame:
        wanted = pl.DataFrame({"url": urls}, schema={"url": pl.String})
        return self._store.latest().join(wanted, on="url", how="semi").sort("kind", "id", "url")


@dataclass(frozen=True)
class _Before:
    """What was known before a step: when each address was tried, answered, refused, and versions that have a name."""

    tried: dict[str, list[datetime | None]]
    versions: dict[str, Known]

    def tried_at(self, url: str) -> datetime:
        """Return when an address was last asked for, the beginning of time if never."""
        return (self.tried.get(url) or [None])[0] or NEVER

    def is_old(self, url: str, now: datetime, max_age: timedelta) -> bool:
        """Return whether an address must be asked for: its answer is too old, and it was not refused today."""
        _, heard_at, refused_at = self.tried.get(url) or (None, None, None)
        return (heard_at or NEVER) <= now - max_age and (refused_at or NEVER) <= now - REFUSED


class _Tally:
    """Counts exchanges on their way into the archive."""

    def __init__(self, total: int | None, progress: Progress, tick: Callable[[], float]) -> None:
        self.figures, self.settled = Figures(total), set[str]()
        self._progress, self._tick, self._began = progress, tick, tick()

    def counting(self, exchanges: Iterator[Exchange], renew: Callable[[], None]) -> Iterator[Exchange]:
        """Yield the exchanges; an error that ends them tells how far they came."""
        try:
            for exchange in exchanges:
                renew()
                yield exchange
                self.figures = self.figures.after(exchange, self._tick() - self._began)
                if exchange.outcome in SETTLED and exchange.kind != "robots":
                    self.settled.add(exchange.url)
                self._progress(self.figures)
        except FetchError as stopped:
            stopped.facts = {"asked": self.figures.done, **self.figures.told()}
            raise


class _Chain:
    """Pages of which each leads onward: how far it is known, and whether it broke."""

    def __init__(self, first: Request, onward: Onward, longest: int) -> None:
        self.answered: list[str] = []
        self.stale = 0
        self.broken: FetchError | None = None
        self._first, self._onward, self._longest = first, onward, longest
        self._url: str | None = first.url

    @property
    def goes_on(self) -> bool:
        """Return whether a page is wanted that was not answered."""
        return self.next() is not None

    def next(self) -> Request | None:
        """Return the page to read next; a chain ends with its last link, at its bound, or where it bites its tail."""
        url, full = self._url, 0 < self._longest <= len(self.answered)
        return None if url is None or full or url in self.answered else replace(self._first, url=url)

    def heard(self, request: Request, outcome: str, body: bytes, reason: str) -> None:
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


def _manners(visit: Visit, dials: CrawlConfig) -> fetch.SiteManners:
    return fetch.SiteManners(
        hosts=visit.hosts,
        user_agent=visit.agent,
        requests_per_second=visit.requests_per_second,
        parallel=dials.parallel,
        tries=dials.tries,
    )


def _versions(latest: pl.DataFrame) -> dict[str, Known]:
    """Return the version that is here of each page that the site gave a name or a date."""
    named = latest.filter(
        pl.col("outcome") == "ok", pl.col("etag").is_not_null() | pl.col("last_modified").is_not_null()
    )
    columns = named.select("url", "fetched_at", "etag", "last_modified").iter_rows()
    return {url: Known(fetched_at, etag, modified) for url, fetched_at, etag, modified in columns}


def _body(store: RawStore, rows: pl.DataFrame) -> bytes:
    page = next(store.pages(rows, at_once=1))
    body: bytes = page["body"][0].as_py()
    return body
