"""Claims about the crawl, against a small site on loopback that answers as it is told."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from anipop_pipeline.errors import Blocked, FetchError, Forbidden
from anipop_pipeline.stages import fetch as fetching
from anipop_pipeline.stages.archive import Exchange
from anipop_pipeline.stages.fetch import Known, Request, SiteManners, Visitor, ask, recognised

BASE = "https://demo.invalid"
PAGE = b'<html><div id="contentWrapper"><h1>A page</h1></div></html>'
ROBOTS = {"/robots.txt": [(200, {}, b"User-agent: *\nDisallow: /panel.php\n")]}
Answer = tuple[int, dict[str, str], bytes]


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.at, self.slept, self._lock = datetime(2026, 5, 1, tzinfo=UTC), 0.0, threading.Lock()

    def now(self) -> datetime:
        return self.at

    def tick(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.at += timedelta(seconds=seconds)
            self.slept += seconds

    def clock(self) -> fetching.Clock:
        return fetching.Clock(self.now, self.tick, self.sleep)


@dataclass
class Site:
    """Answers by path, the last one for ever; remembers what was asked and when."""

    clock: Clock = field(default_factory=Clock)
    answers: dict[str, list[Answer]] = field(default_factory=lambda: dict(ROBOTS))
    asked: list[str] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        with self.lock:
            earlier = self.asked.count(path)
            self.asked.append(path)
            self.times.append(self.clock.now())
            self.headers.append(headers)
        answers = self.answers.get(path, [(200, {}, PAGE)])
        return answers[min(earlier, len(answers) - 1)]

    def pages_asked(self) -> list[str]:
        return [path for path in self.asked if path != "/robots.txt"]


def handler_of(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = site.answer(self.path, dict(self.headers))
            if status == 0:  # no answer at all
                self.close_connection = True
                return
            self.send_response(status)
            for key, value in ({"Content-Length": str(len(body)), "Connection": "close"} | headers).items():
                if value:
                    self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


class Loopback(HTTPAdapter):
    """Connects every https address to the port of the small site."""

    def __init__(self, port: int) -> None:
        super().__init__(pool_maxsize=32)
        self.port = port

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        request.url = f"http://127.0.0.1:{self.port}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **kwargs)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(site))
    server.daemon_threads = False
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def manners(**changes: Any) -> SiteManners:
    known: dict[str, Any] = {
        "hosts": frozenset({"demo.invalid", "cdn.invalid"}),
        "user_agent": "anipop-pipeline/0.1 (+https://example.org)",
        "requests_per_second": None,
        "tries": 3,
    }
    return SiteManners(**(known | changes))


@contextmanager
def visiting(site: Site, *, budget: int | None = None, seed: int = 0, **changes: Any) -> Iterator[Visitor]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Loopback(site.port))
        yield Visitor(session, manners(**changes), site.clock.clock(), seed, budget)


def fetch(site: Site, wanted: list[Request], **changes: Any) -> Iterator[Exchange]:
    with visiting(site, **changes) as visitor:
        yield from ask(visitor, wanted)


def anime(*ids: int) -> list[Request]:
    return [Request(f"{BASE}/anime/{number}", "anime", number) for number in ids]


def one(site: Site, **changes: Any) -> Exchange:
    return list(fetch(site, anime(1), **changes))[-1]


def until_error(exchanges: Iterator[Exchange], error: type[Exception]) -> tuple[list[Exchange], Exception]:
    got: list[Exchange] = []
    with pytest.raises(error) as raised:
        got.extend(exchanges)  # extend keeps what came before the error
    return got, raised.value


def test_robots_comes_first_and_every_page_is_asked_once_at_any_parallelism(site: Site) -> None:
    wanted = anime(*range(1, 31))

    got = list(fetch(site, wanted, parallel=8))

    assert sorted(exchange.id or 0 for exchange in got) == list(range(31))
    assert [exchange.kind for exchange in got if exchange.id is None] == ["robots"]
    assert {exchange.outcome for exchange in got} == {"ok"}
    assert site.asked[0] == "/robots.txt"
    assert sorted(site.pages_asked()) == sorted(urlsplit(request.url).path for request in wanted)


def test_we_say_who_we_are_and_ask_for_gzip(site: Site) -> None:
    list(fetch(site, anime(1)))

    assert {headers["User-Agent"] for headers in site.headers} == {"anipop-pipeline/0.1 (+https://example.org)"}
    assert {headers["Accept-Encoding"] for headers in site.headers} == {"gzip"}


def test_the_body_is_kept_as_it_was_sent(site: Site) -> None:
    packed = gzip.compress(PAGE, mtime=0)
    site.answers["/anime/1"] = [(200, {"Content-Encoding": "gzip"}, packed)]

    got = one(site)

    assert (got.body, got.payload, got.status) == (packed, PAGE, 200)


def test_the_transfer_coding_is_removed_with_its_header(site: Site) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE)
    site.answers["/anime/1"] = [(200, {"Transfer-Encoding": "chunked", "Content-Length": ""}, body)]

    got = one(site)

    assert got.body == PAGE
    assert "transfer-encoding" not in {key.lower() for key, _ in got.headers}


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, PAGE, "ok"),
        (404, PAGE, "missing"),
        (410, PAGE, "missing"),
        (404, b"<html>no backend</html>", "failed"),  # the word of somebody between us and the site
        (200, b"\xef\xbb\xbf<html><title>Welcome</title></html>", "failed"),
        (200, PAGE.removesuffix(b"</html>"), "failed"),
        (200, b"<html>a page of somebody else</html>", "failed"),
        (200, b'<div id="contentWrapper"><div class="badresult">Invalid ID provided.</div></div>', "missing"),
        (200, b'<div id="contentWrapper"><div class="error404" title="x"></div></div>', "missing"),
        (200, b'<div id="contentWrapper"><div class="error503" title="x"></div></div>', "failed"),
        (200, PAGE.replace(b"A page", b"This site is protected by reCAPTCHA"), "ok"),
        (304, b"", "refused"),
        (200, b"", "failed"),
        (400, b"what?", "refused"),
        (500, b"", "failed"),
        (503, b"", "failed"),
        (0, b"", "failed"),
    ],
)
def test_each_answer_has_its_outcome(site: Site, status: int, body: bytes, outcome: str) -> None:
    site.answers["/anime/1"] = [(status, {}, body)]

    got = one(site)

    assert (got.outcome, got.status) == (outcome, status)
    assert bool(got.reason) == (outcome in ("failed", "refused"))
    assert got.body == (body if outcome in ("ok", "missing") else b"")


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {}, b"no"),
        (405, {}, b"<html>Human Verification</html>"),
        (429, {}, b"slow down"),
        (429, {"Retry-After": "100000"}, b"slow down"),
        (200, {}, b"<html><title>Human Verification</title></html>"),
        (200, {}, b"<html>Please solve this captcha</html>"),
        (200, {}, b"Access denied"),
        (202, {"x-amzn-waf-action": "challenge"}, b""),
        (404, {}, b"<html><title>Just a moment</title></html>"),
        (503, {"Retry-After": "100000"}, b"away for long"),
    ],
)
def test_a_block_is_handed_out_then_raised_and_nothing_more_is_asked(
    site: Site, status: int, headers: dict[str, str], body: bytes
) -> None:
    site.answers["/anime/2"] = [(status, headers, body)]

    got, error = until_error(fetch(site, anime(1, 2, 3, 4)), Blocked)

    assert [(exchange.id, exchange.outcome) for exchange in got] == [(None, "ok"), (1, "ok"), (2, "blocked")]
    assert got[-1].body == b""
    assert "/anime/3" not in site.asked
    assert "https://demo.invalid/anime/2" in str(error)
    assert "requests_per_second" in str(error)


def test_what_other_threads_fetched_before_a_block_is_not_lost(site: Site) -> None:
    site.answers["/anime/5"] = [(403, {}, b"")]

    got, _ = until_error(fetch(site, anime(*range(1, 41)), parallel=4), Blocked)

    kept = {exchange.url.removeprefix(BASE) for exchange in got}
    assert set(site.asked) == kept


def test_a_failed_page_does_not_stop_the_crawl(site: Site) -> None:
    site.answers["/anime/1"] = [(500, {}, b"")]

    got = list(fetch(site, anime(1, 2)))

    assert [exchange.outcome for exchange in got] == ["ok", "failed", "ok"]
    assert site.asked.count("/anime/1") == 3


def test_a_page_that_recovers_is_ok(site: Site) -> None:
    site.answers["/anime/1"] = [(500, {}, b""), (429, {"Retry-After": "7"}, b""), (200, {}, PAGE)]

    got = one(site)

    assert got.outcome == "ok"
    assert 8 <= site.clock.slept <= 10  # 1 to 3 seconds after the 500, then the 7 that were asked for


def test_what_the_site_asks_for_after_the_last_attempt_is_heeded_too(site: Site) -> None:
    site.answers["/anime/1"] = [(503, {"Retry-After": "600"}, b"")]

    got = list(fetch(site, anime(1, 2), tries=1))

    assert [exchange.outcome for exchange in got] == ["ok", "failed", "ok"]
    assert (site.times[-1] - site.times[-2]).total_seconds() >= 600


def test_a_site_that_finds_us_too_fast_again_and_again_is_asked_ever_slower(site: Site) -> None:
    for number in range(1, 7):
        site.answers[f"/anime/{number}"] = [(429, {"Retry-After": "1"}, b""), (200, {}, PAGE)]

    list(fetch(site, anime(*range(1, 13)), requests_per_second=4.0))

    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(site.times[-5:])]
    assert gaps == [pytest.approx(16)] * 4  # a quarter of a second, doubled six times


def test_credentials_of_this_machine_are_not_sent_along(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine demo.invalid login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with requests.Session() as session:
        session.mount("https://", Loopback(site.port))
        list(ask(Visitor(session, manners(), site.clock.clock(), 0), anime(1)))

    assert not any("Authorization" in headers for headers in site.headers)


def test_retry_after_may_be_a_date(site: Site) -> None:
    site.answers["/anime/1"] = [(503, {"Retry-After": "Fri, 01 May 2026 00:00:42 GMT"}, b""), (200, {}, PAGE)]

    assert one(site).outcome == "ok"
    assert site.clock.slept == pytest.approx(42)


def test_patience_bounds_the_waiting(site: Site) -> None:
    site.answers["/anime/1"] = [(503, {"Retry-After": "50"}, b"")]

    got, _ = until_error(fetch(site, anime(1), tries=100, patience_seconds=120), Blocked)

    assert (got[-1].outcome, got[-1].reason) == ("blocked", "the site answered 503 and asks to wait for 50 s")
    assert site.clock.slept == pytest.approx(100)


def test_the_jitter_comes_from_the_seed(site: Site) -> None:
    site.answers["/anime/1"] = [(500, {}, b"")]

    slept = []
    for seed in (1, 1, 2):
        before = site.clock.slept
        one(site, seed=seed)
        slept.append(site.clock.slept - before)

    assert slept[0] == pytest.approx(slept[1])
    assert slept[0] != pytest.approx(slept[2])


def test_a_torn_body_is_asked_for_again(site: Site) -> None:
    torn = gzip.compress(PAGE, mtime=0)[:-9]
    gzipped = {"Content-Encoding": "gzip", "Content-Length": ""}
    site.answers["/anime/1"] = [(200, {"Content-Length": "9999"}, PAGE), (200, gzipped, torn), (200, {}, PAGE)]

    assert one(site).body == PAGE


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, bytes(2000)),
        ({"Content-Length": "10000000000"}, b""),
        ({"Content-Encoding": "gzip"}, gzip.compress(bytes(2000), mtime=0)),
    ],
    ids=["on the wire", "as it says", "unpacked"],
)
def test_a_body_beyond_the_limit_is_refused_at_once(site: Site, headers: dict[str, str], body: bytes) -> None:
    site.answers["/anime/1"] = [(200, headers, body)]

    got = one(site, max_bytes_by_kind={"anime": 1000})

    assert (got.outcome, got.body) == ("refused", b"")
    assert "1000 bytes" in got.reason
    assert site.asked.count("/anime/1") == 1  # it would be no smaller the next time


def test_redirects_are_followed_inside_the_site(site: Site) -> None:
    site.answers["/anime/1"] = [(301, {"Location": "/anime/1/Sea"}, b"")]

    got = one(site)

    assert (got.outcome, got.url, got.came_from) == ("ok", f"{BASE}/anime/1", f"{BASE}/anime/1/Sea")
    assert site.pages_asked() == ["/anime/1", "/anime/1/Sea"]


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.invalid/x",
        "http://demo.invalid/plain",
        "https://[demo.invalid/",
        "/panel.php",
        "/anime/1",
        "https://demo.invalid.evil.invalid/",
    ],
)
def test_redirects_out_of_bounds_are_refused_with_a_reason(site: Site, location: str) -> None:
    site.answers["/anime/1"] = [(302, {"Location": location}, b"")]

    got = one(site)

    assert got.outcome == "refused"
    assert "redirect" in got.reason
    assert set(site.pages_asked()) == {"/anime/1"}


def test_a_redirect_to_another_host_of_the_site_reads_its_robots_first(site: Site) -> None:
    site.answers["/anime/1"] = [(302, {"Location": "https://cdn.invalid/anime/one"}, b"")]

    got = list(fetch(site, anime(1, 2)))

    assert [(exchange.kind, exchange.outcome) for exchange in got] == [
        ("robots", "ok"),
        ("robots", "ok"),
        ("anime", "ok"),
        ("anime", "ok"),
    ]
    assert site.asked == ["/robots.txt", "/anime/1", "/robots.txt", "/anime/one", "/anime/2"]
    assert [exchange.requests for exchange in got] == [1, 1, 2, 1]


KNOWN = Known(datetime(2026, 4, 1, tzinfo=UTC), '"v1"', "Wed, 01 Apr 2026 00:00:00 GMT")


def test_a_known_page_is_asked_for_only_if_it_changed(site: Site) -> None:
    site.answers["/anime/1"] = [(304, {"ETag": '"v1"', "Content-Length": ""}, b"")]

    got = list(fetch(site, [Request(f"{BASE}/anime/1", "anime", 1, KNOWN)]))[-1]

    assert (got.outcome, got.status, got.body, got.earlier) == ("unchanged", 304, b"", KNOWN.fetched_at)
    assert site.headers[-1]["If-None-Match"] == '"v1"'
    assert site.headers[-1]["If-Modified-Since"] == "Wed, 01 Apr 2026 00:00:00 GMT"


def test_where_a_known_page_leads_to_is_asked_without_conditions(site: Site) -> None:
    site.answers["/anime/1"] = [(301, {"Location": "/anime/1/Sea"}, b"")]

    got = list(fetch(site, [Request(f"{BASE}/anime/1", "anime", 1, KNOWN)]))[-1]

    assert got.outcome == "ok"
    assert ["If-None-Match" in headers for headers in site.headers] == [False, True, False]


def test_addresses_outside_the_site_are_refused_unasked(site: Site) -> None:
    wanted = [Request("https://elsewhere.invalid/a.jpg", "portrait", 1), Request("http://demo.invalid/b", "anime", 2)]

    got = list(fetch(site, wanted))

    assert [(exchange.outcome, exchange.requests) for exchange in got] == [("refused", 0), ("refused", 0)]
    assert site.asked == []


def test_each_host_has_its_own_robots(site: Site) -> None:
    wanted = [*anime(1), Request("https://cdn.invalid/images/1.jpg", "portrait", 1)]
    site.answers["/images/1.jpg"] = [(200, {}, b"\xff\xd8\xff\x00 a picture")]

    got = list(fetch(site, wanted))

    assert [exchange.url for exchange in got if exchange.kind == "robots"] == [
        "https://demo.invalid/robots.txt",
        "https://cdn.invalid/robots.txt",
    ]
    assert [exchange.kind for exchange in got] == ["robots", "anime", "robots", "portrait"]


def test_a_disallowed_address_is_refused_and_the_crawl_goes_on(site: Site) -> None:
    wanted = [*anime(1), Request(f"{BASE}/panel.php?go=x", "anime", 2), *anime(3)]

    got = list(fetch(site, wanted))

    assert [exchange.outcome for exchange in got] == ["ok", "ok", "refused", "ok"]
    assert (got[2].reason, got[2].requests) == ("robots.txt does not allow it", 0)
    assert site.pages_asked() == ["/anime/1", "/anime/3"]


def test_a_site_that_allows_nothing_is_left_alone(site: Site) -> None:
    site.answers["/robots.txt"] = [(200, {}, b"User-agent: *\nDisallow: /\n")]

    got, error = until_error(fetch(site, anime(*range(1, 100))), FetchError)

    assert len(got) == 21
    assert "20 pages in a row came to nothing, the last: robots.txt does not allow it" in str(error)
    assert site.asked == ["/robots.txt"]


def test_robots_speaks_of_us_by_our_product_alone(site: Site) -> None:
    site.answers["/robots.txt"] = [(200, {}, b"User-agent: *\nDisallow: /\n\nUser-agent: googlebot\nAllow: /\n")]

    got = list(fetch(site, anime(1), user_agent="anipop-pipeline/0.1 (contact: me@googlebot.example)"))

    assert got[-1].outcome == "refused"


def test_robots_is_read_again_after_a_day(site: Site) -> None:
    with visiting(site) as visitor:
        list(ask(visitor, anime(1)))
        site.clock.sleep(23 * 3600)
        list(ask(visitor, anime(2)))
        site.clock.sleep(2 * 3600)
        list(ask(visitor, anime(3)))

    assert site.asked == ["/robots.txt", "/anime/1", "/anime/2", "/robots.txt", "/anime/3"]


def test_a_request_rate_slows_us_down(site: Site) -> None:
    site.answers["/robots.txt"] = [(200, {}, b"User-agent: *\nRequest-rate: 1/5\n")]

    list(fetch(site, anime(1, 2, 3)))

    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(site.times[1:])]
    assert gaps == [pytest.approx(5)] * 2


@pytest.mark.parametrize(
    "answer", [(500, {}, b""), (0, {}, b""), (200, {}, b"<html>be right back</html>"), (302, {"Location": "/x"}, b"")]
)
def test_an_unreadable_robots_forbids_everything(site: Site, answer: Answer) -> None:
    site.answers = {"/robots.txt": [answer], "/x": [(500, {}, b"")]}

    got, error = until_error(fetch(site, anime(1)), Forbidden)

    assert [exchange.kind for exchange in got] == ["robots"]
    assert "robots.txt" in str(error)
    assert "/anime/1" not in site.asked


def test_without_a_robots_file_everything_is_allowed(site: Site) -> None:
    site.answers = {"/robots.txt": [(404, {}, b"<html>404</html>")], "/anime/1": [(200, {}, PAGE)]}

    got = list(fetch(site, anime(1)))

    assert [exchange.outcome for exchange in got] == ["missing", "ok"]


def test_one_pace_binds_all_threads(site: Site) -> None:
    list(fetch(site, anime(*range(1, 11)), parallel=5, requests_per_second=2.0))

    spent = (max(site.times) - min(site.times)).total_seconds()
    assert spent >= 5 - 0.5  # eleven requests, half a second apart


def test_a_page_that_asks_for_patience_makes_everybody_wait(site: Site) -> None:
    site.answers["/anime/3"] = [(429, {"Retry-After": "60"}, b""), (200, {}, PAGE)]

    list(fetch(site, anime(*range(1, 21)), parallel=4, requests_per_second=10.0))

    refused = site.times[site.asked.index("/anime/3")]
    within = [at for at in site.times if timedelta(0) < at - refused < timedelta(seconds=59)]
    assert len(within) <= 3  # what was on its way already
    assert site.asked.count("/anime/3") == 2


def test_the_first_request_waits_for_its_turn_since_another_crawl_may_just_have_ended(site: Site) -> None:
    began = site.clock.now()

    list(fetch(site, anime(1), requests_per_second=0.5))

    assert [(at - began).total_seconds() for at in site.times] == [pytest.approx(2), pytest.approx(4)]


def test_a_crawl_delay_slows_us_down(site: Site) -> None:
    site.answers["/robots.txt"] = [(200, {}, b"User-agent: *\nCrawl-delay: 3\n")]

    list(fetch(site, anime(1, 2, 3)))

    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(site.times[1:])]
    assert gaps == [pytest.approx(3)] * 2


def test_a_spent_budget_ends_the_crawl_quietly(site: Site) -> None:
    got = list(fetch(site, anime(1, 2, 3, 4), budget=3))

    assert [exchange.id for exchange in got] == [None, 1, 2]
    assert len(site.asked) == 3


def test_repeated_and_redirected_requests_are_paid_from_the_budget(site: Site) -> None:
    site.answers["/anime/1"] = [(301, {"Location": "/anime/1/Sea"}, b"")]
    site.answers["/anime/2"] = [(500, {}, b"")]

    got = list(fetch(site, anime(1, 2, 3), budget=5))

    assert [(exchange.outcome, exchange.requests) for exchange in got] == [("ok", 1), ("ok", 2), ("failed", 2)]
    assert got[-1].reason == "the crawl stopped, or its budget was spent, before an answer came"
    assert len(site.asked) == 5


@pytest.mark.parametrize("parallel", [1, 8])
def test_a_budget_is_never_exceeded_by_any_number_of_threads(site: Site, parallel: int) -> None:
    list(fetch(site, anime(*range(1, 60)), budget=20, parallel=parallel))

    assert len(site.asked) == 20


def test_a_budget_that_robots_spends_asks_no_page(site: Site) -> None:
    assert [exchange.kind for exchange in fetch(site, anime(1), budget=1)] == ["robots"]
    assert list(fetch(site, anime(1), budget=0)) == []


def test_a_site_that_is_down_is_left_alone(site: Site) -> None:
    for number in range(5, 100):
        site.answers[f"/anime/{number}"] = [(503, {}, b"")]

    got, error = until_error(fetch(site, anime(*range(1, 100)), tries=2), FetchError)

    assert [exchange.outcome for exchange in got] == ["ok"] * 5 + ["failed"] * 20
    assert str(error).startswith("20 pages in a row came to nothing, the last: the site answered 503")


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (302, {"Location": "https://captcha.invalid/"}),
        (302, {"Location": "http://demo.invalid/x"}),
        (202, {}),
        (418, {}),
    ],
)
def test_a_wall_of_a_kind_that_we_do_not_know_is_not_run_against(
    site: Site, status: int, headers: dict[str, str]
) -> None:
    for number in range(1, 100):
        site.answers[f"/anime/{number}"] = [(status, headers, b"")]

    got, _ = until_error(fetch(site, anime(*range(1, 100))), FetchError)

    assert [exchange.outcome for exchange in got] == ["ok"] + ["refused"] * 20


def test_pages_that_fail_now_and_then_do_not_mean_that_a_site_is_down(site: Site) -> None:
    for number in range(1, 60):
        site.answers[f"/anime/{number}"] = [(503, {}, b"")] if number % 15 else [(404, {}, PAGE)]

    got = list(fetch(site, anime(*range(1, 60)), tries=1))

    assert len(got) == 60


def test_a_visitor_reads_robots_once_and_keeps_its_pace_over_several_calls(site: Site) -> None:
    with visiting(site, requests_per_second=0.5, parallel=3) as visitor:
        got = [exchange.id or 0 for wanted in (anime(1, 2), anime(3)) for exchange in ask(visitor, wanted)]

    assert sorted(got) == [0, 1, 2, 3]
    assert site.asked.count("/robots.txt") == 1
    assert (site.times[-1] - site.times[0]).total_seconds() >= 4  # four requests, two seconds apart


class SlowClock(Clock):
    """A clock whose sleep also takes a moment of real time."""

    def sleep(self, seconds: float) -> None:
        time.sleep(0.2)
        super().sleep(seconds)


def test_a_page_that_is_tried_again_holds_back_no_other(site: Site) -> None:
    site.clock = SlowClock()
    site.answers["/anime/1"] = [(500, {}, b""), (200, {}, PAGE)]

    got = [exchange.id for exchange in fetch(site, anime(*range(1, 30)), parallel=2)]

    assert got.index(1) > 3  # others were handed out, and archived, while it waited
    assert len(got) == 30


def test_an_abandoned_crawl_asks_no_more(site: Site) -> None:
    exchanges = fetch(site, anime(*range(1, 200)))

    next(exchanges), next(exchanges)
    exchanges.close()  # type: ignore[attr-defined]

    assert len(site.asked) < 10


def test_real_pages_are_recognised_for_what_they_are(real: Any) -> None:
    outcomes = {
        path.name: recognised("anime", path.read_bytes())[0] for path in sorted((real / "pages").glob("*.html"))
    }

    assert {name for name, outcome in outcomes.items() if outcome == "missing"} == {
        name for name in outcomes if name.startswith("error404")
    }
    assert [name for name, outcome in outcomes.items() if outcome == "again"] == ["error503__x__2018-07-03.html"]
    assert {recognised("anime", path.read_bytes())[0] for path in (real / "odd_pages").glob("*.html")} == {"ok"}
    assert "blocked" not in outcomes.values()
