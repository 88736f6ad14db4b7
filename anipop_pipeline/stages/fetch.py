"""A polite crawl: robots.txt first, one pace for all threads, and an outcome for each request.

The exchanges come in the order of the requests, whatever the parallelism. Bodies are kept as the site sent them; they
are unpacked only to bound their size and to recognise what the site says with a 200: that an id does not exist, that it
is out of service, that it takes us for a robot. A block ends the crawl, and everything that was fetched is still
handed out; a page that fails does not.

Belongs here: asking, waiting, judging an answer. Does not: which pages are worth asking for, how an exchange is stored,
what a page means. The session, the clock, the sleep and the seed are passed in.
"""

import random
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from itertools import islice
from threading import Event, Lock
from urllib.parse import urljoin, urlsplit

import requests as http
from protego import Protego
from urllib3.exceptions import HTTPError

from anipop_pipeline.errors import Blocked, CorruptFile, Forbidden
from anipop_pipeline.stages.archive import TRANSFER_HEADERS, Exchange, decoded, header

CHUNK = 2**16
MAX_REDIRECTS = 5
LONGEST_BACKOFF_SECONDS = 120.0
NAP_SECONDS = 1.0  # a long wait is slept in naps, so that an abandoned crawl ends soon
TOO_MANY, TRY_AGAIN = 429, (408, 425)
NO_ENTRY = (401, 403, 405, 451)  # 405 is how the site's firewall asks for a human
GONE = (404, 410)

SITE_FRAME = b'id="contentWrapper"'  # every page of the site has it, also pages that load a captcha for their forms
INVALID_ID = re.compile(rb'class="badresult"[^>]*>\s*Invalid ID provided')
ERROR_404 = re.compile(rb'class="error404"|<title>\s*404 Not Found')
ERROR_503 = re.compile(rb'class="error50[0-9]"')
HUMANS_ONLY = re.compile(rb"(?i)captcha|human verification|verify (?:that )?you are (?:a )?human|are you a robot")
CHALLENGE_TITLE = re.compile(rb"(?i)<title>\s*(?:human verification|just a moment|attention required|access denied)")
CHALLENGE_HEADERS = ("x-amzn-waf-action", "cf-mitigated")
UNREACHABLE = (http.RequestException, HTTPError, HTTPException, OSError)


@dataclass(frozen=True)
class Request:
    """One address that is wanted, and what it is about."""

    url: str
    kind: str
    id: int | None


@dataclass(frozen=True)
class SiteManners:
    """How a site is treated, and how much of it is put up with."""

    base: str
    hosts: frozenset[str]
    user_agent: str
    requests_per_second: float | None = 0.5
    parallel: int = 1
    tries: int = 5
    patience_seconds: float = 900.0
    timeout_seconds: float = 30.0
    max_bytes: int = 16 * 2**20
    max_bytes_by_kind: Mapping[str, int] = field(default_factory=lambda: {"robots": 2**19})

    def limit(self, kind: str) -> int:
        """Return how many bytes a body of this kind may have, on the wire and unpacked."""
        return self.max_bytes_by_kind.get(kind, self.max_bytes)


@dataclass(frozen=True)
class _Verdict:
    """What one attempt came to; `again` is worth another one, and `then` is the outcome when there is none."""

    outcome: str
    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    wait_seconds: float | None = None
    then: str = "failed"


def crawl(
    requests: Iterable[Request],
    *,
    session: http.Session,
    manners: SiteManners,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    seed: int,
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    budget: int | None = None,
) -> Iterator[Exchange]:
    """Yield the exchange of each request in order, asked by a visitor of its own.

    At most `budget` requests of the list are asked; robots.txt and repeated attempts do not count.
    """
    wanted = requests if budget is None else islice(requests, budget)
    total = len(requests) if isinstance(requests, Sized) else None
    total = total if total is None or budget is None else min(total, budget)
    visitor = Visitor(session, manners, now, sleep, seed)
    yield from ask(visitor, wanted, progress=progress, total=total)


def ask(
    visitor: "Visitor",
    wanted: Iterable[Request],
    *,
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    total: int | None = None,
) -> Iterator[Exchange]:
    """Yield the exchange of each request in order, robots.txt of a host before the first page that the visitor asks.

    A visitor may be given to several calls, one after another: they share one pace and what robots.txt said.
    `progress` hears how many are done and how many there are, if that is known.

    Raises Blocked after the exchanges when the site asks us to stay away, Forbidden when robots.txt cannot be read or
    does not allow an address.
    """
    block: Exchange | None = None
    done = 0
    for exchange in _in_order(visitor, wanted):
        block = block or (exchange if exchange.outcome == "blocked" else None)
        done += exchange.kind != "robots"
        yield exchange
        progress(done, total)
    if block is not None:
        fix = "wait some hours, then go on with fewer requests_per_second; what was fetched is kept"
        raise Blocked(f"the site asks us to stay away: {block.reason}", where=block.url, fix=fix)


def _in_order(visitor: "Visitor", wanted: Iterable[Request]) -> Iterator[Exchange]:
    """Yield the results of a bounded window of visits; None is a visit that a block made needless."""
    parallel = visitor.manners.parallel
    window: deque[Future[Exchange | None]] = deque()
    with ThreadPoolExecutor(parallel) as pool:
        try:
            for visit in _visits(visitor, wanted, pool):
                window.append(visit)
                if len(window) > 2 * parallel:
                    yield from _settled(window.popleft())
            while window:
                yield from _settled(window.popleft())
        finally:
            if window:  # left early: what is under way need not go on
                visitor.stop.set()


def _settled(visit: Future[Exchange | None]) -> Iterator[Exchange]:
    exchange = visit.result()
    if exchange is not None:
        yield exchange


def _visits(
    visitor: "Visitor", wanted: Iterable[Request], pool: ThreadPoolExecutor
) -> Iterator[Future[Exchange | None]]:
    if urlsplit(visitor.manners.base).netloc not in visitor.rules:
        yield from _robots(visitor, visitor.manners.base)
    for request in wanted:
        if visitor.stop.is_set():
            return
        if elsewhere := visitor.is_elsewhere(request.url):
            yield _known(visitor.refused(request, elsewhere))
            continue
        if urlsplit(request.url).netloc not in visitor.rules:
            yield from _robots(visitor, request.url)
        if not visitor.stop.is_set() and not visitor.may_ask(request.url):
            yield _known(Forbidden("robots.txt does not allow it", where=request.url, fix="leave this address out"))
            return
        yield pool.submit(visitor.visit, request)


def _robots(visitor: "Visitor", url: str) -> Iterator[Future[Exchange | None]]:
    """Read the robots.txt of the address's host: hand out the exchange, then learn its rules or stop."""
    address = urljoin(url, "/robots.txt")
    exchange = visitor.visit(Request(address, "robots", None))
    yield _known(exchange)
    if exchange is None or exchange.outcome == "blocked":
        return
    text = _robots_text(exchange)
    if text is None:
        visitor.stop.set()
        fix = "try again when the site answers; without its robots.txt nothing may be asked"
        yield _known(Forbidden(f"robots.txt cannot be read: {exchange.reason or 'no text'}", where=address, fix=fix))
        return
    visitor.learn(urlsplit(address).netloc, Protego.parse(text))


def _robots_text(exchange: Exchange) -> str | None:
    """Return the rules; nothing is forbidden where there is no file, and a page in its place is no permission."""
    if exchange.outcome == "missing":
        return ""
    payload = exchange.payload if exchange.outcome == "ok" else b"<"
    return None if payload.lstrip().startswith(b"<") else payload.decode("utf-8", errors="replace")


def _known(result: Exchange | Forbidden | None) -> Future[Exchange | None]:
    """Return what needs no thread, as if a thread had found it."""
    future: Future[Exchange | None] = Future()
    if isinstance(result, Forbidden):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


class _Pace:
    """One rate for all threads; waiting is done outside the lock.

    Nobody waits longer than the queue of all threads is long, also when the clock stands still or is set back.
    """

    def __init__(self, manners: SiteManners, now: Callable[[], datetime], sleep: Callable[[float], None]) -> None:
        per_second = manners.requests_per_second
        self._interval = timedelta(seconds=1 / per_second) if per_second else timedelta(0)
        self._queue = manners.parallel + 1  # the threads, and the reader of robots.txt
        self._now, self._sleep, self._lock = now, sleep, Lock()
        self._next: datetime | None = None

    def slow_to(self, seconds: float) -> None:
        with self._lock:
            self._interval = max(self._interval, timedelta(seconds=seconds))

    def wait(self) -> None:
        with self._lock:
            at = self._now()
            turn = at if self._next is None else min(max(at, self._next), at + self._queue * self._interval)
            self._next = turn + self._interval
        if turn > at:
            self._sleep((turn - at).total_seconds())


class Visitor:
    """What all requests of one step share, in any thread: session, pace, rules, and the sign to stop."""

    def __init__(
        self,
        session: http.Session,
        manners: SiteManners,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        seed: int,
    ) -> None:
        self.manners, self.stop = manners, Event()
        self.rules: dict[str, Protego] = {}
        self._session, self._now, self._sleep, self._seed = session, now, sleep, seed
        self._pace = _Pace(manners, now, sleep)

    def learn(self, host: str, rules: Protego) -> None:
        """Keep to the rules of a host from now on."""
        self._pace.slow_to(float(rules.crawl_delay(self.manners.user_agent) or 0))
        self.rules[host] = rules

    def may_ask(self, url: str) -> bool:
        """Return whether the rules of the address's host are known and allow it."""
        rules = self.rules.get(urlsplit(url).netloc)
        return rules is not None and bool(rules.can_fetch(url, self.manners.user_agent))

    def is_elsewhere(self, url: str) -> str:
        """Return why an address is not the site's, or an empty string."""
        parts = urlsplit(url)
        if parts.scheme != "https":
            return f"not https: {url}"
        return "" if parts.netloc in self.manners.hosts else f"outside the allowed hosts: {url}"

    def refused(self, request: Request, reason: str) -> Exchange:
        """Return what becomes of a request that is not made."""
        return Exchange(request.url, request.kind, request.id, self._now(), 0, "failed", reason=reason)

    def visit(self, request: Request) -> Exchange | None:
        """Return what became of a request after as many attempts as manners allow; None when the crawl stopped."""
        waited = 0.0
        for attempt in range(1, self.manners.tries + 1):
            if self.stop.is_set():
                return None
            verdict = self._ask(request)
            if verdict.outcome != "again":
                return self._exchange(request, verdict, verdict.outcome)
            wait = self._wait_seconds(request, verdict, attempt)
            waited += wait
            if attempt == self.manners.tries or waited > self.manners.patience_seconds:
                break
            self._nap(wait)
        return self._exchange(request, verdict, verdict.then)

    def _exchange(self, request: Request, verdict: _Verdict, outcome: str) -> Exchange:
        if outcome == "blocked":
            self.stop.set()
        answer = (verdict.headers, verdict.body) if outcome in ("ok", "missing") else ((), b"")
        return Exchange(
            request.url, request.kind, request.id, self._now(), verdict.status, outcome, *answer, verdict.reason
        )

    def _wait_seconds(self, request: Request, verdict: _Verdict, attempt: int) -> float:
        if verdict.wait_seconds is not None:
            return verdict.wait_seconds
        jitter = random.Random(f"{self._seed} {request.url} {attempt}").uniform(0.5, 1.5)  # noqa: S311 -- no secret
        return min(LONGEST_BACKOFF_SECONDS, float(2**attempt)) * jitter

    def _nap(self, seconds: float) -> None:
        while seconds > 0 and not self.stop.is_set():
            self._sleep(min(seconds, NAP_SECONDS))
            seconds -= NAP_SECONDS

    def _ask(self, request: Request) -> _Verdict:
        """Return the verdict on one attempt, redirects followed."""
        url = request.url
        for _ in range(MAX_REDIRECTS + 1):
            self._pace.wait()
            try:
                with self._get(url) as response:
                    location = response.headers.get("location")
                    if not (response.is_redirect and location):
                        return self._judge(request, response)
            except UNREACHABLE as error:
                return _Verdict("again", 0, f"no whole answer ({type(error).__name__})")
            url = urljoin(url, location)
            reason = self.is_elsewhere(url) or ("" if self._may_follow(request, url) else f"not allowed: {url}")
            if reason:
                return _Verdict("failed", response.status_code, f"redirected to an address that is {reason}")
        return _Verdict("failed", response.status_code, f"more than {MAX_REDIRECTS} redirects")

    def _may_follow(self, request: Request, url: str) -> bool:
        return request.kind == "robots" or self.may_ask(url)

    def _get(self, url: str) -> http.Response:
        headers = {"User-Agent": self.manners.user_agent, "Accept-Encoding": "gzip", "Accept": "*/*"}
        timeout = self.manners.timeout_seconds
        return self._session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout)

    def _judge(self, request: Request, response: http.Response) -> _Verdict:
        status = response.status_code
        wait = _retry_after(response.headers.get("retry-after", ""), self._now())
        if status in NO_ENTRY or any(name in response.headers for name in CHALLENGE_HEADERS):
            return _Verdict("blocked", status, f"the site answered {status}")
        if status == TOO_MANY:
            return _Verdict("again", status, f"the site answered {status}", wait_seconds=wait, then="blocked")
        if status >= 500 or status in TRY_AGAIN:
            return _Verdict("again", status, f"the site answered {status}", wait_seconds=wait)
        if status != 200 and status not in GONE:
            return _Verdict("failed", status, f"the site answered {status}")
        return self._judge_body(request, response)

    def _judge_body(self, request: Request, response: http.Response) -> _Verdict:
        status, limit = response.status_code, self.manners.limit(request.kind)
        headers = tuple((key, value) for key, value in response.raw.headers.items())
        headers = tuple(pair for pair in headers if pair[0].lower() not in TRANSFER_HEADERS)
        body = self._read(response, limit)
        if body is None:
            return _Verdict("failed", status, f"the body has more than {limit} bytes")
        try:
            payload = decoded(body, header(headers, "content-encoding"), limit=limit, where=request.url)
        except CorruptFile as error:
            return _Verdict("again", status, error.what)
        outcome, reason = ("missing", "") if status in GONE else recognised(request.kind, payload)
        if outcome == "ok" and not payload and request.kind != "robots":
            return _Verdict("again", status, "the body is empty")
        return _Verdict(outcome, status, reason, headers, body)

    def _read(self, response: http.Response, limit: int) -> bytes | None:
        """Return the body as it was sent, or None when it is larger than the limit."""
        pieces, size, until = [], 0, self._now() + timedelta(seconds=self.manners.patience_seconds)
        while piece := response.raw.read(CHUNK, decode_content=False):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                return None
            if self._now() > until:
                raise http.Timeout("the body trickles in")
        return b"".join(pieces)


def recognised(kind: str, payload: bytes) -> tuple[str, str]:
    """Return the outcome that a page with status 200 states, and the reason.

    >>> recognised("character", b'<div class="badresult">Invalid ID provided.</div>')
    ('missing', '')
    >>> recognised("anime", b"<title>Human Verification</title>")
    ('blocked', 'the site asks for a human')
    """
    if kind == "robots":
        return "ok", ""
    is_text = b"\0" not in payload[:512]
    framed = SITE_FRAME in payload
    if is_text and (CHALLENGE_TITLE.search(payload) or (not framed and HUMANS_ONLY.search(payload))):
        return "blocked", "the site asks for a human"
    if kind in ("portrait", "poster"):
        return "ok", ""
    if INVALID_ID.search(payload) or ERROR_404.search(payload):
        return "missing", ""
    return ("again", "the site says that it is out of service") if ERROR_503.search(payload) else ("ok", "")


def _retry_after(value: str, now: datetime) -> float | None:
    """Return how many seconds a Retry-After header asks for, or None where it says nothing.

    >>> _retry_after("120", datetime(2026, 5, 1, tzinfo=UTC))
    120.0
    >>> _retry_after("Fri, 01 May 2026 00:00:30 GMT", datetime(2026, 5, 1, tzinfo=UTC))
    30.0
    """
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - now).total_seconds())
