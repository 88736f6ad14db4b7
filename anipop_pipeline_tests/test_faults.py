"""Claims about the crawl on a site that breaks every rule: each fault has one right ending, and none spoils the rest.

A case names a fault, how the site commits it on the first page of two, and what must come of it. Waiting happens on a
clock that only sleep moves, so that an hour costs nothing; the socket's timeouts are real and short.
"""

import gzip
import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from anipop_pipeline.errors import Blocked, FetchError, Forbidden
from anipop_pipeline.stages.archive import Exchange
from anipop_pipeline.stages.fetch import Clock, Known, Request, SiteManners, Visitor, ask

from .faulty_site import (
    BASE,
    HTML,
    PAGE,
    Behaviour,
    FaultySite,
    bomb,
    chunked,
    endless,
    framed,
    hang_up,
    head,
    huge_png,
    packed,
    page,
    raw,
    raw_deflated,
    redirect,
    reset,
    serve,
    session_for,
    silence,
    status,
    trickle,
)

START = datetime(2026, 5, 1, tzinfo=UTC)
SILENCE, DEADLINE = 0.25, 0.35  # real seconds
CDN = "https://cdn.invalid"
MB = 2**20
NO_WAIT = (0.0, 0.0)
ONE_BACKOFF, TWO_BACKOFFS = (0.5, 10.0), (1.5, 30.0)  # simulated seconds: growing, with jitter
TORN_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/ht"
WHOLE_HEAD = head(200, {**HTML, "Content-Length": str(len(PAGE))})
LATIN = '<html><div id="contentWrapper">Café, an invented place</div></html>'.encode("latin-1")
NO_SUCH_ID = b'<html><div id="contentWrapper"><div class="badresult">Invalid ID provided.</div></div></html>'
NO_SUCH_PAGE = b'<html><div id="contentWrapper"><div class="error404" title="x"></div></div></html>'
OUT_OF_SERVICE = b'<html><div id="contentWrapper"><div class="error503" title="x"></div></div></html>'
CAPTCHA = b"<html><body>Please solve this captcha to go on.</body></html>"
HUMANS = b"<html><head><title>Human Verification</title></head><body></body></html>"
MOMENT = b"<html><head><title>Just a moment...</title></head><body></body></html>"
LOGIN = (
    b'<html><head><title>Login - An invented place</title></head><body><div id="contentWrapper">'
    b'<form name="loginForm" method="post" action="/login.php"><input name="user_name"><input type="password" '
    b'name="password"></form></div></body></html>'
)


class SimulatedClock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.slept, self._lock = 0.0, threading.Lock()

    def tick(self) -> float:
        return self.slept

    def now(self) -> datetime:
        return START + timedelta(seconds=self.slept)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept += seconds


class FastClock:
    """A clock that runs as real time does, but so many times faster: threads that wait let others go on."""

    def __init__(self, times: float) -> None:
        self._times, self._from = times, time.monotonic()

    def tick(self) -> float:
        return (time.monotonic() - self._from) * self._times

    def now(self) -> datetime:
        return START + timedelta(seconds=self.tick())

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._times)


@dataclass(frozen=True)
class Case:
    """A fault and its right ending: outcome, requests that the site saw, simulated waiting, what stops the crawl."""

    name: str
    script: list[Behaviour]
    outcome: str
    requests: int | range = 1
    waited: tuple[float, float] = NO_WAIT
    stops: type[FetchError] | None = None
    payload: bytes = PAGE
    most_sent: int = 10 * MB
    kind: str = "anime"
    manners: dict[str, Any] = field(default_factory=dict)

    def seen(self, requests: int) -> bool:
        """Return whether the site saw as many requests as it should."""
        return requests in self.requests if isinstance(self.requests, range) else requests == self.requests


def recovers(name: str, *faults: Behaviour, waited: tuple[float, float], **more: Any) -> Case:
    """A fault that passes: tried again after a wait, then a page like any other."""
    return Case(name, [*faults, page()], "ok", len(faults) + 1, waited, **more)


def lasts(name: str, fault: Behaviour, tries: int = 3, **more: Any) -> Case:
    """A fault that does not pass: tried as often as manners say, then given up; the crawl goes on."""
    waited = {2: ONE_BACKOFF, 3: TWO_BACKOFFS}[tries]
    return Case(name, [fault], "failed", tries, **{"waited": waited, "manners": {"tries": tries}, **more})


def fails(name: str, fault: Behaviour, **more: Any) -> Case:
    """A fault that may be tried again or not: given up in the end; the crawl goes on."""
    return Case(name, [fault], "failed", **more)


def hopeless(name: str, fault: Behaviour, **more: Any) -> Case:
    """A fault that another attempt would only repeat: given up at once; the crawl goes on."""
    return Case(name, [fault], "refused", **more)


def blocks(name: str, *script: Behaviour, **more: Any) -> Case:
    """The site wants us gone: no second attempt, and nothing after it."""
    return Case(name, list(script), "blocked", stops=Blocked, **more)


def in_seconds(seconds: float) -> str:
    return format_datetime(START + timedelta(seconds=seconds), usegmt=True)


SLOW_DOWN = [
    recovers("429, Retry-After in seconds", status(429, Retry_After="30"), waited=(30, 46)),
    recovers("429, Retry-After as a date", status(429, Retry_After=in_seconds(42)), waited=(42, 64)),
    recovers("429 without Retry-After", status(429), waited=ONE_BACKOFF),
    recovers("429 twice", status(429), status(429), waited=TWO_BACKOFFS),
    recovers("429, Retry-After of 0", status(429, Retry_After="0"), waited=ONE_BACKOFF),
    recovers("429, Retry-After in the past", status(429, Retry_After=in_seconds(-500)), waited=ONE_BACKOFF),
    recovers("429, negative Retry-After", status(429, Retry_After="-30"), waited=ONE_BACKOFF),
    recovers("429, garbled Retry-After", status(429, Retry_After="soon, perhaps"), waited=ONE_BACKOFF),
    recovers("503, Retry-After in seconds", status(503, Retry_After="20"), waited=(20, 31)),
    blocks("429 for ever", status(429), requests=3, waited=TWO_BACKOFFS),
    blocks("429, Retry-After of ten years", status(429, Retry_After="315360000")),
    blocks("429, Retry-After of more digits than time has", status(429, Retry_After="9" * 30)),
    blocks("429, Retry-After at the end of time", status(429, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT")),
    blocks("503, Retry-After of ten years", status(503, Retry_After="315360000")),
    blocks(
        "429 beyond patience",
        status(429, Retry_After="100"),
        requests=2,
        waited=(100, 150),
        manners={"tries": 9, "patience_seconds": 160.0},
    ),
]
ERRORS = [
    lasts("500 for ever", status(500)),
    lasts("502 for ever", status(502)),
    lasts("504 for ever", status(504)),
    lasts("408 for ever", status(408)),
    lasts("503, Retry-After for ever", status(503, Retry_After="20"), waited=(40, 61)),
    recovers("500 once", status(500), waited=ONE_BACKOFF),
    recovers("an error, then a reset", status(502), reset(), waited=TWO_BACKOFFS),
    hopeless("400", status(400)),
    hopeless("204", page(b"", status=204), requests=range(1, 4), waited=(0, 30)),
    hopeless("206 that nobody asked for", page(status=206), requests=range(1, 4), waited=(0, 30)),
    hopeless("304 that nobody asked for", raw(head(304, {})), requests=range(1, 4), waited=(0, 30)),
    fails("999", status(999), requests=range(1, 4), waited=(0, 30)),
]
CONNECTIONS = [
    lasts("closed without an answer", hang_up()),
    lasts("reset before the answer", reset()),
    lasts("reset in the headers", reset(TORN_HEAD)),
    lasts("reset in the body", reset(WHOLE_HEAD + PAGE[:20])),
    lasts("closed in the headers", hang_up(TORN_HEAD)),
    lasts("closed in the body", hang_up(WHOLE_HEAD + PAGE[:20])),
    lasts("never answered", silence(), tries=2),
    lasts("silent in the body", silence(WHOLE_HEAD + PAGE[:20]), tries=2),
    lasts("headers that trickle", trickle(b"X-Slow: " + b"a" * 999, first=b"HTTP/1.1 200 OK\r\n"), tries=2),
    lasts("a body that trickles", trickle(PAGE, first=WHOLE_HEAD), tries=2),
    recovers("reset once", reset(), waited=ONE_BACKOFF),
    recovers("a torn body once", hang_up(WHOLE_HEAD + PAGE[:20]), waited=ONE_BACKOFF),
]
FRAMING = [
    lasts("Content-Length too large", framed({"Content-Length": str(len(PAGE) + 50)})),
    lasts("Content-Length too small", framed({"Content-Length": str(len(PAGE) - 30)})),
    lasts("negative Content-Length", framed({"Content-Length": "-1"})),
    lasts("Content-Length that is no number", framed({"Content-Length": "plenty"})),
    lasts("two Content-Lengths", framed({"Content-Length": "10", "content-length": str(len(PAGE))})),
    lasts("a chunk of unreadable size", framed({"Transfer-Encoding": "chunked"}, b"zz\r\n" + chunked(PAGE))),
    lasts("no last chunk", framed({"Transfer-Encoding": "chunked"}, chunked(PAGE, end=b""))),
    lasts(
        "an unknown transfer coding",
        framed({"Transfer-Encoding": "gzip, chunked"}, chunked(gzip.compress(PAGE, mtime=0))),
    ),
    lasts("no HTTP at all", raw(PAGE)),
    lasts("an empty body", page(b"")),
    lasts("a page that the site itself cut", page(PAGE[:-12])),
    Case("chunks", [framed({"Transfer-Encoding": "chunked"}, chunked(PAGE[:9], PAGE[9:]))], "ok"),
    Case("to the end of the connection", [framed(HTML)], "ok"),
    Case("100 Continue first", [raw(head(100, {}) + WHOLE_HEAD + PAGE)], "ok"),
]
CODINGS = [
    lasts("gzip that is plain", packed(PAGE)),
    lasts("truncated gzip", packed(gzip.compress(PAGE, mtime=0)[:-6])),
    lasts("corrupt gzip", packed(gzip.compress(PAGE, mtime=0)[:-8] + bytes(8))),
    lasts("gzip twice, said once", packed(gzip.compress(gzip.compress(PAGE, mtime=0), mtime=0))),
    fails("br, never asked for", packed(b"\x0b\x02\x80page\x03", "br"), requests=range(1, 4), waited=(0, 30)),
    Case("gzip", [packed(gzip.compress(PAGE, mtime=0))], "ok"),
    Case("gzip twice, said twice", [packed(gzip.compress(gzip.compress(PAGE, mtime=0), mtime=0), "gzip, gzip")], "ok"),
    Case("deflate without its header", [packed(raw_deflated(PAGE), "deflate")], "ok"),
    Case("latin-1 that is said to be UTF-8", [page(LATIN)], "ok", payload=LATIN),
]
SIZES = [
    hopeless("a gzip bomb", packed(bomb(50))),
    hopeless(
        "a bomb in a bomb, 10 GB",
        packed(gzip.compress(bomb(10_000), mtime=0), "gzip, gzip"),
        manners={"max_bytes": 16 * MB},
    ),
    hopeless("10 GB, it says", endless(head(200, {"Content-Length": str(10**10)}), bytes(50_000)), most_sent=MB),
    hopeless("a body without end", endless(head(200, HTML), bytes(50_000)), most_sent=2 * MB),
    hopeless(
        "chunks without end",
        endless(head(200, {"Transfer-Encoding": "chunked"}), chunked(bytes(50_000), end=b"")),
        most_sent=2 * MB,
    ),
    fails(
        "headers without end",
        endless(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 5000 + b"\r\n"),
        requests=range(1, 4),
        waited=(0, 30),
        most_sent=3 * MB,
    ),
    fails("a header of 1 MB", page(PAGE, {"X-Long": "a" * MB}), requests=range(1, 4), waited=(0, 30), most_sent=3 * MB),
    Case("a picture of 60,000 x 60,000", [page(huge_png(60_000))], "ok", payload=huge_png(60_000), kind="portrait"),
    lasts("a page in place of a picture", page(), kind="portrait"),
]
BLOCKS = [
    blocks("401", status(401)),
    blocks("403", status(403)),
    blocks("405", status(405)),
    blocks("451", status(451)),
    blocks("a captcha with 200", page(CAPTCHA)),
    blocks("a packed captcha with 200", packed(gzip.compress(CAPTCHA, mtime=0))),
    blocks("a captcha in place of a picture", page(CAPTCHA), kind="portrait"),
    blocks("a captcha with 404", page(CAPTCHA, status=404)),
    blocks("human verification in the title", page(HUMANS)),
    blocks("a firewall's 202", page(b"", {"x-amzn-waf-action": "challenge"}, status=202)),
    blocks("a firewall's 405", page(HUMANS, {"x-amzn-waf-action": "captcha"}, status=405)),
    blocks("a firewall's 200", page(PAGE, {"x-amzn-waf-action": "challenge"})),
    blocks("Cloudflare's 403", page(MOMENT, {**HTML, "cf-mitigated": "challenge"}, status=403)),
    blocks("Cloudflare's 503 of old", page(MOMENT, status=503)),
    blocks("a wall that wants a login", page(LOGIN)),
    blocks("a block after an error", status(500), status(403), requests=2, waited=ONE_BACKOFF),
]
MISSING = [
    Case("404", [page(NO_SUCH_PAGE, status=404)], "missing", payload=NO_SUCH_PAGE),
    Case("410", [page(NO_SUCH_PAGE, status=410)], "missing", payload=NO_SUCH_PAGE),
    lasts("404 by somebody between us and the site", page(b"<html>no backend</html>", status=404)),
    Case("404 of a picture", [page(b"gone", status=404)], "missing", payload=b"gone", kind="portrait"),
    Case("an invalid id with 200", [page(NO_SUCH_ID)], "missing", payload=NO_SUCH_ID),
    Case("the error page with 200", [page(NO_SUCH_PAGE)], "missing", payload=NO_SUCH_PAGE),
    lasts("out of service with 200", page(OUT_OF_SERVICE)),
    recovers("out of service once", page(OUT_OF_SERVICE), waited=ONE_BACKOFF),
]
REDIRECTS = [
    Case("a redirect inside the site", [redirect("/anime/1/Sea")], "ok", 2),
    hopeless("a redirect to itself", redirect("/anime/1"), requests=range(1, 8)),
    hopeless("a redirect to a scheme alone, which is to itself", redirect("https://"), requests=range(1, 8)),
    Case(
        "a redirect with a body without end",
        [endless(head(302, {"Location": "/anime/1/Sea"}), bytes(50_000)), page()],
        "ok",
        2,
        most_sent=MB,
    ),
    *(
        hopeless(f"a redirect to {where}", redirect(where))
        for where in [
            "http://demo.invalid/anime/1",
            "https://elsewhere.invalid/",
            "https://demo.invalid@elsewhere.invalid/",
            "https://demo.invalid.elsewhere.invalid/",
            "https://demo.invalid:8443/",
            "//elsewhere.invalid/anime/1",
            "/panel.php?go=x",
            "javascript:alert(1)",
            "file:///etc/hostname",
            "data:text/html,x",
            "https://[",
            "https://demo.invalid:plenty/",
        ]
    ),
    hopeless("a redirect to an empty address", redirect("")),
    hopeless("a redirect to nowhere", redirect(None)),
]
CASES = [*SLOW_DOWN, *ERRORS, *CONNECTIONS, *FRAMING, *CODINGS, *SIZES, *BLOCKS, *MISSING, *REDIRECTS]


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def site(clock: SimulatedClock) -> Iterator[FaultySite]:
    with serve(FaultySite(clock.tick)) as site:
        yield site


def wanted(*ids: int, kind: str = "anime") -> list[Request]:
    return [Request(f"{BASE}/anime/{number}", kind, number) for number in ids]


def crawl(
    site: FaultySite, clock: SimulatedClock | FastClock, requests: Iterable[Request], **changes: Any
) -> tuple[list[Exchange], FetchError | None]:
    """Return all exchanges and what ended the crawl, if something did."""
    known: dict[str, Any] = {
        "hosts": frozenset({"demo.invalid", "cdn.invalid"}),
        "user_agent": "anipop-pipeline/0.1 (+https://example.org)",
        "requests_per_second": None,
        "tries": 3,
        "timeout_seconds": SILENCE,
        "max_bytes": MB,
    }
    got: list[Exchange] = []
    with session_for(site, DEADLINE) as session:
        visitor = Visitor(session, SiteManners(**known | changes), Clock(clock.now, clock.tick, clock.sleep), 0)
        try:
            got.extend(ask(visitor, requests))  # extend keeps what came before an error
        except FetchError as error:
            return got, error
    return got, None


def outcomes(exchanges: Iterable[Exchange]) -> dict[int | None, str]:
    return {exchange.id: exchange.outcome for exchange in exchanges}


def test_the_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 80


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_fault_has_its_right_ending(site: FaultySite, clock: SimulatedClock, case: Case) -> None:
    site.script["/anime/1"] = case.script
    first, second = [*wanted(1, kind=case.kind), *wanted(2)]

    got, error = crawl(site, clock, [first, second], **case.manners)

    judged = {exchange.id: exchange for exchange in got}
    faulty = [path for path in site.pages() if path != "/anime/2"]
    assert (judged[1].outcome, type(error)) == (case.outcome, case.stops or type(None))
    assert case.seen(len(faulty)), faulty
    assert case.waited[0] <= clock.slept <= case.waited[1]
    assert judged[1].payload == (case.payload if case.outcome in ("ok", "missing") else b"")
    assert sum(one.sent for one in site.asked if one.path != "/anime/2") <= case.most_sent
    assert ("/anime/2" in site.pages()) == (case.stops is None)
    assert judged[2].outcome == "ok" if case.stops is None else 2 not in judged
    assert [exchange.id for exchange in got] == [None, 1, 2][: 2 + (case.stops is None)]


def test_nothing_is_unchanged_that_was_asked_for_without_a_condition(site: FaultySite, clock: SimulatedClock) -> None:
    unnamed = Known(START, etag=None, last_modified=None)
    site.script["/anime/1"] = [raw(head(304, {}))]

    got, _ = crawl(site, clock, [Request(f"{BASE}/anime/1", "anime", 1, unnamed)])

    assert outcomes(got)[1] == "refused"


def test_waits_grow_from_attempt_to_attempt(site: FaultySite, clock: SimulatedClock) -> None:
    site.script["/anime/1"] = [status(500)]

    crawl(site, clock, wanted(1), tries=6)

    times = [one.at for one in site.seen("/anime/1")]
    assert len(times) == 6
    assert times[5] - times[4] > 3 * (times[1] - times[0]) > 0


@pytest.mark.parametrize(
    "fault", [status(500), hang_up(), page(CAPTCHA), page(b""), redirect("https://elsewhere.invalid/")]
)
def test_what_is_no_robots_file_allows_nothing(site: FaultySite, clock: SimulatedClock, fault: Behaviour) -> None:
    site.script["/robots.txt"] = [fault]

    got, error = crawl(site, clock, wanted(1))

    empty_file = got[0].outcome == "ok" and not got[0].payload  # an empty robots.txt is one that forbids nothing
    assert empty_file or isinstance(error, Forbidden | Blocked)
    assert empty_file or site.pages() == []


def test_a_robots_file_that_is_a_bomb_allows_nothing(site: FaultySite, clock: SimulatedClock) -> None:
    site.script["/robots.txt"] = [packed(bomb(50))]

    got, error = crawl(site, clock, wanted(1))

    assert [exchange.outcome for exchange in got] == ["refused"]
    assert isinstance(error, Forbidden)
    assert [one.path for one in site.asked] == ["/robots.txt"]


def test_redirects_that_go_in_circles_are_left_soon(site: FaultySite, clock: SimulatedClock) -> None:
    site.script |= {"/anime/1": [redirect("/b")], "/b": [redirect("/c")], "/c": [redirect("/b")]}

    got, _ = crawl(site, clock, wanted(1, 2))

    assert outcomes(got) == {None: "ok", 1: "refused", 2: "ok"}
    assert len(site.pages()) < 10
    assert clock.slept == 0


def test_a_long_chain_of_redirects_is_not_followed_to_its_end(site: FaultySite, clock: SimulatedClock) -> None:
    site.script |= {"/anime/1": [redirect("/1")]} | {
        f"/{number}": [redirect(f"/{number + 1}")] for number in range(1, 12)
    }

    got, _ = crawl(site, clock, wanted(1))

    assert outcomes(got)[1] == "refused"
    assert "/11" not in site.pages()


def test_a_redirect_may_name_a_title_in_utf_8(site: FaultySite, clock: SimulatedClock) -> None:
    there = "/anime/1/Café".encode().decode("latin-1")  # as its bytes stand in the header
    site.script["/anime/1"] = [redirect(there)]

    got, _ = crawl(site, clock, wanted(1))

    assert outcomes(got)[1] == "ok"
    assert site.pages() == ["/anime/1", "/anime/1/Caf%C3%A9"]


def test_a_redirect_in_bytes_of_no_known_charset_spoils_nothing(site: FaultySite, clock: SimulatedClock) -> None:
    site.script["/anime/1"] = [redirect("/anime/1/Caf\xe9")]

    got, error = crawl(site, clock, wanted(1, 2))

    assert error is None
    assert outcomes(got)[1] in ("ok", "refused")
    assert outcomes(got)[2] == "ok"


@pytest.mark.parametrize("code", [200, 302, 403, 404, 500])
def test_a_bomb_is_not_unpacked_whatever_its_status(site: FaultySite, clock: SimulatedClock, code: int) -> None:
    headers = {"Content-Encoding": "gzip", "Location": "https://elsewhere.invalid/"}
    site.script["/anime/1"] = [page(bomb(40), headers, status=code)]

    tracemalloc.start()
    got, _ = crawl(site, clock, wanted(1), tries=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert outcomes(got)[1] == {403: "blocked", 500: "failed"}.get(code, "refused")
    assert peak < 10 * MB


def test_the_rules_of_another_host_are_read_before_a_redirect_there_is_followed(
    site: FaultySite, clock: SimulatedClock
) -> None:
    site.script["/anime/1"] = [redirect(f"{CDN}/a.html")]

    got, error = crawl(site, clock, wanted(1))

    asked = [one.host + one.path for one in site.asked]
    assert asked == ["demo.invalid/robots.txt", "demo.invalid/anime/1", "cdn.invalid/robots.txt", "cdn.invalid/a.html"]
    assert [(exchange.kind, exchange.outcome) for exchange in got] == [
        ("robots", "ok"),
        ("robots", "ok"),
        ("anime", "ok"),
    ]
    assert error is None


def test_a_redirect_to_another_host_keeps_to_the_rules_there(site: FaultySite, clock: SimulatedClock) -> None:
    site.script["cdn.invalid/robots.txt"] = [page(b"User-agent: *\nDisallow: /\n", {"Content-Type": "text/plain"})]
    site.script["/anime/1"] = [redirect(f"{CDN}/a.html")]

    got, _ = crawl(site, clock, wanted(1, 2))

    assert outcomes(got) | {None: "ok"} == {None: "ok", 1: "refused", 2: "ok"}
    assert site.seen("cdn.invalid/a.html") == []


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_site_that_is_down_is_left_alone(site: FaultySite, clock: SimulatedClock, parallel: int) -> None:
    site.script |= {f"/anime/{number}": [status(500)] for number in range(1, 61)}

    got, error = crawl(site, clock, wanted(*range(1, 61)), tries=1, parallel=parallel)

    assert type(error) is FetchError
    assert "20 pages in a row came to nothing" in str(error)
    assert 20 <= len(site.pages()) <= 20 + 2 * parallel
    assert len(got) == 1 + len(site.pages())  # nothing that was asked is lost


def test_failures_with_answers_between_them_do_not_end_the_crawl(site: FaultySite, clock: SimulatedClock) -> None:
    site.script |= {f"/anime/{number}": [hang_up()] for number in range(1, 40) if number != 20}

    got, error = crawl(site, clock, wanted(*range(1, 41)), tries=1)

    assert error is None
    assert sum(exchange.outcome == "failed" for exchange in got) == 38
    assert outcomes(got)[40] == "ok"


@pytest.mark.parametrize("code", [429, 503])
def test_one_retry_after_pauses_all_threads(code: int) -> None:
    clock = FastClock(200)
    pause = 120.0  # 0.6 real seconds, in which an unpaused crawl would ask all the other pages
    with serve(FaultySite(clock.tick)) as site:
        site.script["/anime/9"] = [status(code, Retry_After=f"{pause:.0f}"), page()]
        got, error = crawl(site, clock, wanted(*range(1, 101)), parallel=4)

    heard_at = site.seen("/anime/9")[0].answered_at
    assert heard_at is not None
    meanwhile = [one.path for one in site.asked if heard_at < one.at < heard_at + 0.9 * pause]
    assert len(meanwhile) <= 15  # what the other three ask until the answer is read, a few milliseconds
    assert error is None
    assert set(outcomes(got).values()) == {"ok"}
    assert len(got) == 101


def test_a_block_stops_all_threads(site: FaultySite, clock: SimulatedClock) -> None:
    site.script["/anime/9"] = [status(403)]

    got, error = crawl(site, clock, wanted(*range(1, 201)), parallel=4)

    assert isinstance(error, Blocked)
    assert len(site.pages()) < 30
    assert len(got) == 1 + len(site.pages())  # nothing that was asked is lost


def test_every_request_is_counted(site: FaultySite, clock: SimulatedClock) -> None:
    site.script["/anime/1"] = [status(500), redirect("/anime/1/Sea"), hang_up(), page()]
    site.script["/anime/1/Sea"] = [reset(), page()]

    got, _ = crawl(site, clock, wanted(1), tries=5)

    assert sum(exchange.requests for exchange in got) == len(site.asked)
