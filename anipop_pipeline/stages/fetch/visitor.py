"""One visitor of a site, in any thread: asks a page, tries again, follows redirects, reads robots.txt before all that.

Belongs here: what becomes of one request. Does not: in which order many are asked, what an answer means.
"""

import math
import random
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from threading import Event, Lock
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests as http
from protego import Protego
from urllib3.exceptions import HTTPError

from anipop_pipeline.errors import Forbidden
from anipop_pipeline.stages.archive import ANSWERED, HEARD, Exchange
from anipop_pipeline.stages.fetch.answers import Verdict, judged
from anipop_pipeline.stages.fetch.manners import Budget, Clock, Pace, Request, SiteManners

MAX_REDIRECTS = 5
LONGEST_BACKOFF_SECONDS = 120.0
UNREACHABLE = (http.RequestException, HTTPError, HTTPException, OSError)
RULES_SECONDS = 24 * 60 * 60.0  # for so long what robots.txt said is believed
DISALLOWED = "robots.txt does not allow it"
UNDECIDED = "the crawl stopped, or its budget was spent, before an answer came"


@dataclass
class Visit:
    """What one visit hands out: its exchanges, rules that it had to read first, and why nothing more may be asked."""

    exchanges: list[Exchange] = field(default_factory=list)
    refusal: Forbidden | None = None
    in_vain: bool = False  # it came to nothing that the site can be believed to have said


class Visitor:
    """What all requests of a crawl share: session, pace, budget, rules, and the sign to stop.

    At most `budget` requests are made, repeated and redirected ones and those for robots.txt included.
    """

    def __init__(
        self, session: http.Session, manners: SiteManners, clock: Clock, seed: int, budget: int | None = None
    ) -> None:
        self.manners, self.stop = manners, Event()
        self._session, self._clock, self._seed = session, clock, seed
        self._pace, self._budget = Pace(manners.requests_per_second, clock, self.stop), Budget(budget)
        self._rules: dict[str, tuple[Protego, float]] = {}
        self._reading_rules = Lock()
        self._ways: dict[str, dict[str, Any]] = {}

    def visit(self, request: Request) -> Visit:
        """Return what became of a request; nothing when the crawl stopped before it was made."""
        visit = Visit()
        if elsewhere := self._is_elsewhere(request.url):
            visit.exchanges.append(self._exchange(request, Verdict("refused", 0, elsewhere), 0))
            return visit
        try:
            if self._knows_rules(request.url, visit):
                if self._may_ask(request.url):
                    self._attempt(request, visit)
                else:
                    visit.exchanges.append(self._exchange(request, Verdict("refused", 0, DISALLOWED), 0))
                    visit.in_vain = True
        except Forbidden as refusal:
            self.stop.set()
            visit.refusal = refusal
        return visit

    # Rules

    def _knows_rules(self, url: str, visit: Visit) -> bool:
        """Return whether the rules of the address's host are known now, having read them if need be."""
        host = urlsplit(url).netloc
        with self._reading_rules:
            _, read_at = self._rules.get(host, (None, -math.inf))
            if self._clock.tick() - read_at > RULES_SECONDS and not self.stop.is_set():
                self._rules.pop(host, None)
                self._read_rules(urljoin(url, "/robots.txt"), visit)
            return host in self._rules

    def _read_rules(self, url: str, visit: Visit) -> None:
        """Read the rules of a host; what cannot be read forbids everything."""
        exchange = self._attempt(Request(url, "robots", None), visit)
        visit.in_vain = False
        if exchange is None or exchange.outcome == "blocked" or exchange.reason == UNDECIDED:
            return
        if (text := _rules_text(exchange)) is None:
            fix = "try again when the site answers; without its robots.txt nothing may be asked"
            raise Forbidden(f"robots.txt cannot be read: {exchange.reason or 'no text'}", where=url, fix=fix)
        rules, product = Protego.parse(text), self.manners.product
        rate = rules.request_rate(product)
        self._pace.slow_to(max(float(rules.crawl_delay(product) or 0), rate.seconds / rate.requests if rate else 0.0))
        self._rules[urlsplit(url).netloc] = rules, self._clock.tick()

    def _may_ask(self, url: str) -> bool:
        rules, _ = self._rules.get(urlsplit(url).netloc, (None, 0.0))
        return rules is not None and bool(rules.can_fetch(url, self.manners.product))

    def _is_elsewhere(self, url: str) -> str:
        """Return why an address is not the site's, or an empty string."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return f"no address: {url}"
        if parts.scheme != "https":
            return f"not https: {url}"
        return "" if parts.netloc in self.manners.hosts else f"outside the allowed hosts: {url}"

    # Attempts

    def _attempt(self, request: Request, visit: Visit) -> Exchange | None:
        """Add to the visit what came of as many attempts as manners allow, and return it; None when there was none."""
        waited, made = 0.0, 0
        for attempt in range(1, self.manners.tries + 1):
            verdict, sent = self._ask(request, visit)
            made += sent
            if verdict is None or verdict.outcome != "again":
                break
            wait = self._wait_seconds(request, verdict, attempt)
            waited += wait
            if waited > self.manners.patience_seconds:
                verdict = _out_of_patience(verdict, wait)
                break
            self._rest(verdict, wait, is_last=attempt == self.manners.tries)
        if verdict is None and made == 0:
            return None  # stopped before anything was sent
        exchange = self._exchange(request, verdict or Verdict("failed", 0, UNDECIDED), made)
        visit.in_vain = verdict is not None and exchange.outcome in ("failed", "refused")
        visit.exchanges.append(exchange)
        return exchange

    def _exchange(self, request: Request, verdict: Verdict, made: int) -> Exchange:
        outcome = verdict.then if verdict.outcome == "again" else verdict.outcome
        if outcome == "blocked":
            self.stop.set()
        return Exchange(
            request.url,
            request.kind,
            request.id,
            self._clock.now(),
            verdict.status,
            outcome,
            headers=verdict.headers if outcome in HEARD else (),
            body=verdict.body if outcome in ANSWERED else b"",
            reason=verdict.reason,
            requests=made,
            earlier=request.known.fetched_at if outcome == "unchanged" and request.known else None,
            came_from=verdict.came_from if outcome in HEARD else "",
        )

    def _wait_seconds(self, request: Request, verdict: Verdict, attempt: int) -> float:
        """Return what the site asks for, and never less than grows with every attempt."""
        jitter = random.Random(f"{self._seed} {request.url} {attempt}").uniform(0.5, 1.5)  # noqa: S311 -- no secret
        return max(verdict.wait_seconds or 0.0, min(LONGEST_BACKOFF_SECONDS, float(2**attempt)) * jitter)

    def _rest(self, verdict: Verdict, seconds: float, *, is_last: bool) -> None:
        """Wait before the next attempt; when the site itself asks for it, everybody waits, after the last one, too."""
        if verdict.then == "blocked":
            self._pace.slow_down()
        if verdict.wait_seconds is not None or verdict.then == "blocked":
            self._pace.pause(seconds)
        elif not is_last:
            self._pace.nap(seconds)

    def _ask(self, request: Request, visit: Visit) -> tuple[Verdict | None, int]:
        """Return the verdict on one attempt, redirects followed, and the number of requests that it took.

        There is no verdict when the crawl stopped on the way, or the budget is spent.
        """
        url, wanted, status = request.url, request, 0
        for sent in range(MAX_REDIRECTS + 1):
            if not self._pace.wait():
                return None, sent
            if not self._budget.take():
                self.stop.set()
                return None, sent
            try:
                with self._get(url, wanted) as response:
                    location = response.headers.get("location")
                    if not (response.is_redirect and location):
                        limit = self.manners.limit(request.kind)
                        verdict = judged(wanted, response, limit, self._clock.now)
                        return replace(verdict, came_from="" if url == request.url else url), sent + 1
                    status = response.status_code
            except UNREACHABLE as error:
                return Verdict("again", 0, f"no whole answer ({type(error).__name__})"), sent + 1
            url, wanted = _joined(url, location), replace(request, known=None)
            if refused := self._may_not_follow(request, url, visit):
                return Verdict("refused", status, f"redirected to an address that is {refused}"), sent + 1
        return Verdict("refused", status, f"more than {MAX_REDIRECTS} redirects"), MAX_REDIRECTS + 1

    def _may_not_follow(self, request: Request, url: str, visit: Visit) -> str:
        """Return why a redirect is not followed, or an empty string."""
        if elsewhere := self._is_elsewhere(url):
            return elsewhere
        if request.kind == "robots":
            return ""
        return "" if self._knows_rules(url, visit) and self._may_ask(url) else f"not allowed: {url}"

    def _get(self, url: str, request: Request) -> http.Response:
        """Return an answer whose body is still to be read; the session itself would read that of a redirect whole."""
        conditions = request.known.conditions() if request.known else {}
        headers = {"User-Agent": self.manners.user_agent, "Accept-Encoding": "gzip", "Accept": "*/*", **conditions}
        asked = self._session.prepare_request(http.Request("GET", url, headers=headers, auth=_anonymous))
        adapter, timeout = self._session.get_adapter(url), self.manners.timeout_seconds
        return adapter.send(asked, timeout=timeout, **self._settings(url))

    def _settings(self, url: str) -> dict[str, Any]:
        """Return proxies and certificates for the address's host; looking them up takes as long as many answers do."""
        host = urlsplit(url).netloc
        if host not in self._ways:
            self._ways[host] = dict(self._session.merge_environment_settings(url, {}, True, None, None))
        return self._ways[host]


def _anonymous(request: http.PreparedRequest) -> http.PreparedRequest:
    """Return the request as it is: without this, credentials from a .netrc would be sent along."""
    return request


def _out_of_patience(verdict: Verdict, wait: float) -> Verdict:
    """Return the verdict on a site that asks for more patience than there is: to ask on would be rude."""
    if verdict.wait_seconds is None:
        return verdict
    return replace(verdict, then="blocked", reason=f"{verdict.reason} and asks to wait for {wait:.0f} s")


def _joined(url: str, location: str) -> str:
    """Return where a redirect leads; a header comes as Latin-1, whatever it was written in."""
    try:
        return urljoin(url, location.encode("latin-1").decode("utf-8"))
    except ValueError:  # such as an unclosed [ in the host, or no UTF-8
        return location


def _rules_text(exchange: Exchange) -> str | None:
    """Return the rules; nothing is forbidden where there is no file, and a page in its place is no permission."""
    if exchange.outcome == "missing":
        return ""
    payload = exchange.payload if exchange.outcome == "ok" else b"<"
    return None if payload.lstrip().startswith(b"<") else payload.decode("utf-8", errors="replace")
