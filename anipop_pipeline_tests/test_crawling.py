"""Claims about one step of a crawl, against the invented site on loopback and a transport that answers as told."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from anipop_pipeline.config import CrawlAndParseConfig, CrawlConfig, ParseConfig
from anipop_pipeline.crawling import Brought, Figures, Progress, Step
from anipop_pipeline.errors import Blocked, FetchError, Forbidden, LeaseTaken, SettingError
from anipop_pipeline.lake import clock, open_lake
from anipop_pipeline.raw import RawStore
from anipop_pipeline.sites import Visit, base_of, real_time, visit_demo, visit_mal
from anipop_pipeline.stages import parse
from anipop_pipeline.stages.fetch import Request

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
BASE = "https://demo.invalid"
TOP = f"{BASE}/topanime.php"
FRAME = b'<html><div id="contentWrapper">a page</div></html>'


def silent(_figures: Figures) -> None:
    pass


def bring(
    visit: Visit | None, store: RawStore, wanted: list[Request], dials: CrawlConfig, progress: Progress
) -> Brought:
    """Return what a step of one call brings."""
    return Step(visit, store, dials).bring(wanted, progress)


def store_in(folder: Path, site: str = "demo") -> RawStore:
    return RawStore(open_lake(str(folder), site))


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return store_in(tmp_path / "lake")


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    with visit_demo(30, 7, 0) as visit:
        yield visit


def listed(visit: Visit, store: RawStore) -> list[Request]:
    """Return a request for each anime on the first page of the top list."""
    found = bring(visit, store, [Request(TOP, "listing", None)], CrawlConfig(), silent)
    (page,) = store.pages(found.rows, 1)
    rows, _ = parse.listing(page["body"][0].as_py(), TOP)
    return [Request(row["url"], "anime", row["anime_id"]) for row in rows]


# The invented site


def test_pages_of_two_worlds_are_never_mixed(visit: Visit, store: RawStore) -> None:
    bring(visit, store, [Request(TOP, "listing", None)], CrawlConfig(), silent)
    before = store.index()

    with visit_demo(31, 7, 0) as other, pytest.raises(SettingError, match=r"of 30 anime of seed 7, not of 31 anime"):
        bring(other, store, [Request(TOP, "listing", None)], CrawlConfig(), silent)

    assert store.index().equals(before)


def test_what_is_wanted_is_asked_for_archived_and_looked_up(visit: Visit, store: RawStore) -> None:
    wanted = listed(visit, store)
    heard: list[Figures] = []

    brought = bring(visit, store, wanted, CrawlConfig(), heard.append)

    assert len(wanted) == 30
    there = brought.rows.filter(outcome="ok")
    assert brought.facts() == {
        "wanted": 30,
        "answered": 30,
        "missing_on_site": 30 - there.height,
        "asked": 30,
        "requests": 31,  # and robots.txt
        "unchanged": 0,
        "refused": 0,
        "failed": 0,
        "blocked": 0,
        "left": 0,
        "complete": True,
    }
    assert (heard[0].total, heard[-1].done, heard[-1].requests) == (30, 30, 31)
    assert heard[-1].per_second > 0
    assert brought.rows["id"].to_list() == sorted(request.id for request in wanted if request.id)
    pages = [row for table in store.pages(there, 7) for row in table.to_pylist()]
    assert [parse.anime(page["body"], page["url"])["anime_id"] for page in pages] == [page["id"] for page in pages]
    assert {page["id"] for page in pages} == set(there["id"])


def test_a_second_call_asks_nothing(visit: Visit, store: RawStore) -> None:
    wanted = listed(visit, store)
    first = bring(visit, store, wanted, CrawlConfig(), silent)
    segments = len(list(store.folder.glob("*.warc.gz")))

    second = bring(visit, store, wanted, CrawlConfig(), silent)

    assert (second.asked, second.complete) == (0, True)
    assert second.rows.equals(first.rows)
    assert len(list(store.folder.glob("*.warc.gz"))) == segments


def test_only_what_is_not_there_is_asked(visit: Visit, store: RawStore) -> None:
    wanted = listed(visit, store)
    bring(visit, store, wanted[:20], CrawlConfig(), silent)

    brought = bring(visit, store, wanted, CrawlConfig(), silent)

    assert (brought.wanted, brought.asked, brought.complete) == (30, 10, True)


def test_no_page_is_fresh_when_nothing_may_be_old(visit: Visit, store: RawStore) -> None:
    wanted = listed(visit, store)[:4]
    bring(visit, store, wanted, CrawlConfig(), silent)

    again = bring(visit, store, wanted, CrawlConfig(anime_days=0), silent)

    assert (again.asked, again.complete) == (4, True)


def on(visit: Visit, at: datetime) -> Visit:
    """Return the visit at another time."""
    return replace(visit, clock=real_time(lambda: at))


def test_a_spent_budget_is_no_failure_and_the_next_day_goes_on(visit: Visit, store: RawStore) -> None:
    wanted, dials = listed(visit, store), CrawlConfig(daily_budget=13)
    days = [visit.clock.now() + timedelta(days=days, hours=hours) for days, hours in ((1, 0), (1, 9), (2, 0), (3, 0))]

    steps = [bring(on(visit, day), store, wanted, dials, silent) for day in days]

    assert [step.figures.requests for step in steps] == [13, 0, 13, 7]  # each with its robots.txt
    assert [step.asked for step in steps] == [12, 0, 12, 6]
    assert [step.left for step in steps] == [18, 18, 6, 0]
    assert [step.complete for step in steps] == [False, False, False, True]


def test_an_address_that_is_wanted_twice_is_asked_once(visit: Visit, store: RawStore) -> None:
    one = listed(visit, store)[0]

    brought = bring(visit, store, [one, one], CrawlConfig(), silent)

    assert (brought.wanted, brought.asked, brought.rows.height) == (1, 1, 1)


def test_nothing_wanted_is_complete(visit: Visit, store: RawStore) -> None:
    brought = bring(visit, store, [], CrawlConfig(), silent)

    assert brought.complete
    assert not store.folder.exists() or not list(store.folder.glob("*.warc.gz"))


def test_a_page_that_the_site_does_not_have_is_an_answer(visit: Visit, store: RawStore) -> None:
    nowhere = Request(f"{BASE}/anime/999999999", "anime", 999_999_999)

    brought = bring(visit, store, [nowhere], CrawlConfig(), silent)

    facts = brought.facts()
    assert (facts["asked"], facts["answered"], facts["missing_on_site"], facts["complete"]) == (1, 1, 1, True)


def test_a_view_of_the_past_asks_nothing_and_sees_what_was_there(visit: Visit, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    wanted = listed(visit, store)
    bring(visit, store, wanted[:5], CrawlConfig(), silent)
    day = visit.clock.now().date()

    seen = bring(None, store_in(tmp_path, f"demo@{day}"), wanted, CrawlConfig(anime_days=0), silent)
    before = bring(None, store_in(tmp_path, f"demo@{day - timedelta(days=1)}"), wanted, CrawlConfig(), silent)

    assert (seen.asked, seen.wanted, seen.rows.height, seen.left, seen.complete) == (0, 30, 5, 25, False)
    assert before.rows.is_empty()


def fingerprints(store: RawStore) -> dict[str, str]:
    files = [path for path in store.folder.glob("**/*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(store.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_two_fresh_lakes_hold_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with visit_demo(30, 7, 0) as visit:
            store = store_in(tmp_path / name)
            bring(visit, store, listed(visit, store), CrawlConfig(parallel=8), silent)

    first, second = fingerprints(store_in(tmp_path / "first")), fingerprints(store_in(tmp_path / "second"))

    segments = {"000000.warc.gz", "000001.warc.gz", "index/000000.parquet", "index/000001.parquet"}
    assert set(first) == {*segments, "source.json"}
    assert first == second


def test_another_crawl_of_the_site_is_refused(visit: Visit, store: RawStore) -> None:
    wanted = listed(visit, store)

    with pytest.raises(LeaseTaken), store.lease(clock):
        bring(visit, store, wanted, CrawlConfig(), silent)


# A site that answers as it is told


class Told(BaseAdapter):
    """A transport that answers 200 with a small page, but for the paths that are told otherwise."""

    def __init__(self, statuses: dict[str, int]) -> None:
        super().__init__()
        self.statuses, self.asked, self.page = statuses, list[str](), FRAME
        self.pages = dict[str, bytes]()

    def send(self, request: requests.PreparedRequest, *_args: Any, **_settings: Any) -> requests.Response:
        path = request.path_url
        self.asked.append(path)
        status = self.statuses.get(path, 404 if path == "/robots.txt" else 200)
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, str(request.url)
        response.raw = HTTPResponse(BytesIO(self.pages.get(path, self.page)), status=status, preload_content=False)
        return response

    def close(self) -> None:
        pass


@contextmanager
def told(statuses: dict[str, int]) -> Iterator[tuple[Visit, Told]]:
    with requests.Session() as session:
        session.mount("https://", site := Told(statuses))
        yield (
            Visit(BASE, frozenset({"demo.invalid"}), session, real_time(lambda: AT), None, "a test", "a test"),
            site,
        )


def anime(*numbers: int) -> list[Request]:
    return [Request(f"{BASE}/anime/{number}", "anime", number) for number in numbers]


def test_what_was_fetched_before_a_block_is_archived_and_not_asked_again(store: RawStore) -> None:
    with told({"/anime/4": 403}) as (visit, _), pytest.raises(Blocked):
        bring(visit, store, anime(1, 2, 3, 4, 5), CrawlConfig(parallel=1), silent)

    assert store.latest().filter(kind="anime")["id"].to_list() == [1, 2, 3]
    assert "blocked" in store.index()["outcome"].to_list()
    with told({}) as (visit, site):
        brought = bring(visit, store, anime(1, 2, 3, 4, 5), CrawlConfig(), silent)
    assert (brought.asked, brought.complete) == (2, True)
    assert sorted(site.asked) == ["/anime/4", "/anime/5", "/robots.txt"]


def test_a_page_that_always_blocks_is_asked_for_last_the_next_time(store: RawStore) -> None:
    runs = []
    for _ in range(3):
        with told({"/anime/2": 451}) as (visit, site), pytest.raises(Blocked) as blocked:
            bring(visit, store, anime(*range(1, 7)), CrawlConfig(parallel=1), silent)
        runs.append(site.asked[1:])

    assert runs == [
        ["/anime/1", "/anime/2"],
        ["/anime/3", "/anime/4", "/anime/5", "/anime/6", "/anime/2"],
        ["/anime/2"],
    ]
    assert blocked.value.facts["blocked"] == 1


def test_what_was_refused_is_not_left_and_not_tried_again_on_the_same_day(store: RawStore) -> None:
    wanted = [*anime(1), Request("https://elsewhere.invalid/1.jpg", "portrait", 1)]
    with told({}) as (visit, site):
        first = bring(visit, store, wanted, CrawlConfig(), silent)
        site.asked.clear()
        second = bring(visit, store, wanted, CrawlConfig(), silent)
        tomorrow = bring(on(visit, AT + timedelta(days=1)), store, wanted, CrawlConfig(), silent)

    assert [(step.asked, step.figures.refused, step.complete) for step in (first, second, tomorrow)] == [
        (2, 1, True),
        (0, 0, True),
        (1, 1, True),
    ]
    assert site.asked == []


def test_a_block_releases_the_lease(store: RawStore) -> None:
    with told({"/anime/1": 403}) as (visit, _), pytest.raises(Blocked):
        bring(visit, store, anime(1), CrawlConfig(), silent)

    assert not (store.folder / "lease.json").exists()


def test_an_unreadable_robots_forbids_and_leaves_a_trace(store: RawStore) -> None:
    with told({"/robots.txt": 500}) as (visit, _), pytest.raises(Forbidden):
        bring(visit, store, anime(1), CrawlConfig(tries=1), silent)

    assert store.index().select("kind", "outcome").rows() == [("robots", "failed")]


def test_a_page_that_fails_leaves_the_step_incomplete_and_is_asked_again(store: RawStore) -> None:
    with told({"/anime/2": 500}) as (visit, _):
        first = bring(visit, store, anime(1, 2), CrawlConfig(tries=1), silent)
    with told({}) as (visit, _):
        second = bring(visit, store, anime(1, 2), CrawlConfig(tries=1), silent)

    assert (first.complete, first.rows["id"].to_list()) == (False, [1])
    assert (second.asked, second.complete) == (1, True)


def test_an_answer_of_the_same_moment_that_came_later_counts(store: RawStore) -> None:
    with told({}) as (visit, site):
        bring(visit, store, anime(1), CrawlConfig(), silent)
        site.page = FRAME + b" and more"
        later = bring(visit, store, anime(1), CrawlConfig(anime_days=0), silent)

    (page,) = store.pages(later.rows, 1)
    assert page["body"][0].as_py() == FRAME + b" and more"


def test_a_page_that_fails_when_it_is_old_keeps_its_last_answer(store: RawStore) -> None:
    with told({}) as (visit, _):
        bring(visit, store, anime(1), CrawlConfig(), silent)

    with told({"/anime/1": 500}) as (visit, _):
        later = bring(visit, store, anime(1), CrawlConfig(tries=1, anime_days=0, listing_days=0), silent)

    assert (later.asked, later.rows["outcome"].to_list()) == (1, ["ok"])


def test_what_a_killed_run_left_in_the_spool_counts_as_fetched(store: RawStore, tmp_path: Path) -> None:
    elsewhere = store_in(tmp_path / "elsewhere")
    with told({}) as (visit, _):
        bring(visit, elsewhere, anime(1, 2), CrawlConfig(), silent)
    store.lake.spool.mkdir(parents=True)
    left = (elsewhere.folder / "000000.warc.gz").read_bytes()
    (store.lake.spool / "open.warc.gz").write_bytes(left[elsewhere.index()["offset"].min() :])  # records alone

    with told({}) as (visit, site):
        brought = bring(visit, store, anime(1, 2), CrawlConfig(), silent)

    assert (brought.asked, brought.complete, site.asked) == (0, True, [])


# Age


def test_each_kind_of_page_has_an_age(store: RawStore) -> None:
    pages = [
        Request(f"{BASE}/list", "listing", None),
        *anime(1),
        Request(f"{BASE}/character/1", "character", 1),
        Request(f"{BASE}/1.jpg", "portrait", 1),
    ]
    dials = CrawlConfig(listing_days=1, anime_days=2, character_days=3, picture_days=4)
    asked = []
    with told({}) as (visit, site):
        site.pages = {"/1.jpg": b"\xff\xd8\xff\x00 a picture"}
        for day in range(6):  # of a first crawl, and as if each day were the next visit to pages of that first day
            other = store_in(Path(str(store.folder.parent.parent / f"copy-{day}")))
            bring(visit, other, pages, dials, silent)
            later = bring(on(visit, AT + timedelta(days=day)), other, pages, dials, silent)
            asked.append(later.asked)

    assert asked == [0, 1, 2, 3, 4, 4]


def test_young_anime_are_asked_for_more_often(store: RawStore) -> None:
    dials = CrawlConfig(anime_days=30, young_days=5)
    with told({}) as (visit, site):
        bring(visit, store, anime(1, 2), dials, silent)
        site.asked.clear()
        step = Step(on(visit, AT + timedelta(days=6)), store, dials, young=frozenset({2}))
        brought = step.bring(anime(1, 2), silent)

    assert (brought.asked, site.asked) == (1, ["/robots.txt", "/anime/2"])


def test_what_was_never_answered_is_asked_first_then_the_oldest(store: RawStore) -> None:
    dials = CrawlConfig(parallel=1, anime_days=1)
    with told({}) as (visit, site):
        for days, number in enumerate((3, 1, 2)):
            bring(on(visit, AT + timedelta(days=days)), store, anime(number), dials, silent)
        site.asked.clear()
        bring(on(visit, AT + timedelta(days=9)), store, anime(1, 2, 3, 4), dials, silent)

    assert site.asked == ["/robots.txt", "/anime/4", "/anime/3", "/anime/1", "/anime/2"]


def test_a_page_that_did_not_change_costs_no_body_and_is_fresh_again(visit: Visit, store: RawStore) -> None:
    wanted, later = listed(visit, store), on(visit, visit.clock.now() + timedelta(days=40))
    first = bring(visit, store, wanted, CrawlConfig(), silent)

    again = bring(later, store, wanted, CrawlConfig(), silent)
    third = bring(later, store, wanted, CrawlConfig(), silent)

    there = first.rows.filter(outcome="ok").height
    assert (again.asked, again.figures.unchanged) == (30, there)
    assert again.rows.filter(outcome="ok").equals(first.rows.filter(outcome="ok"))
    assert (third.asked, third.complete) == (0, True)


def test_a_page_that_changed_has_two_versions_and_a_view_shows_the_older(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for page, days in ((b" before", 0), (b" after", 40)):
        with told({}) as (visit, site):
            site.page = FRAME + page
            bring(on(visit, AT + timedelta(days=days)), store, anime(1), CrawlConfig(), silent)

    def body(site: str) -> bytes:
        seen = store_in(tmp_path, site)
        (page,) = seen.pages(bring(None, seen, anime(1), CrawlConfig(), silent).rows, 1)
        content: bytes = page["body"][0].as_py()
        return content

    assert body("demo") == FRAME + b" after"
    assert body("demo@2026-06-09") == FRAME + b" before"
    assert body("demo@2026-06-10") == FRAME + b" after"
    assert store.index().filter(kind="anime").height == 2


# One step, several calls


def read(body: bytes, _url: str) -> str | None:
    """Return the address that a page of a chain leads to: the text after its frame."""
    onward = body.removeprefix(FRAME).decode()
    return f"{BASE}{onward}" if onward else None


CHAIN = {"/top/1": "/top/2", "/top/2": "/top/3", "/top/3": ""}
FIRST = Request(f"{BASE}/top/1", "listing", None)


@contextmanager
def chained(statuses: dict[str, int], links: dict[str, str] = CHAIN) -> Iterator[tuple[Visit, Told]]:
    with told(statuses) as (visit, site):
        site.pages = {path: FRAME + onward.encode() for path, onward in links.items()}
        yield visit, site


def test_the_calls_of_a_step_read_robots_once_and_share_one_pace(store: RawStore) -> None:
    with told({}) as (visit, site):
        step = Step(replace(visit, requests_per_second=20.0), store, CrawlConfig(parallel=1))
        began = time.monotonic()
        step.bring(anime(1, 2), silent)
        step.bring(anime(3, 4), silent)

    assert site.asked == ["/robots.txt", "/anime/1", "/anime/2", "/anime/3", "/anime/4"]
    assert time.monotonic() - began >= 5 * 0.05 - 0.01


def test_the_calls_of_a_step_share_one_budget(store: RawStore) -> None:
    with told({}) as (visit, site):
        step = Step(visit, store, CrawlConfig(daily_budget=4))
        first, second = step.bring(anime(1, 2), silent), step.bring(anime(3, 4), silent)
        third = step.bring(anime(5), silent)

    assert [first.asked, second.asked, third.asked] == [2, 1, 0]
    both = first + second
    assert (both.wanted, both.asked, both.rows.height, both.complete) == (4, 3, 3, False)
    assert "/anime/5" not in site.asked


def test_a_chain_is_one_visit_and_one_segment(store: RawStore) -> None:
    with chained({}) as (visit, site):
        brought = Step(visit, store, CrawlConfig()).bring_chain(FIRST, read, silent)

    assert site.asked == ["/robots.txt", "/top/1", "/top/2", "/top/3"]
    assert (brought.wanted, brought.asked, brought.complete) == (3, 3, True)
    assert [path.name for path in store.folder.glob("*.warc.gz")] == ["000000.warc.gz"]


def test_a_fresh_chain_is_read_from_the_archive(store: RawStore) -> None:
    with chained({}) as (visit, site):
        Step(visit, store, CrawlConfig()).bring_chain(FIRST, read, silent, longest=2)
        site.asked.clear()
        brought = Step(visit, store, CrawlConfig()).bring_chain(FIRST, read, silent)

    assert site.asked == ["/robots.txt", "/top/3"]
    assert (brought.wanted, brought.asked, brought.rows.height) == (3, 1, 3)


@pytest.mark.parametrize(("page", "archived"), [("/top/1", 0), ("/top/2", 1), ("/top/3", 2)])
def test_a_chain_that_breaks_off_is_an_error_that_keeps_what_came_before(
    store: RawStore, page: str, archived: int
) -> None:
    with chained({page: 500}) as (visit, _), pytest.raises(FetchError) as broken:
        Step(visit, store, CrawlConfig(tries=1)).bring_chain(FIRST, read, silent)

    assert broken.value.what == f"page {archived + 1} of the listing was not answered: the site answered 500"
    assert broken.value.where == f"{BASE}{page}"
    assert "again later" in broken.value.fix
    assert store.latest().filter(kind="listing").height == archived


def test_an_old_page_that_fails_does_not_break_a_chain_and_is_still_to_be_asked(store: RawStore) -> None:
    with chained({}) as (visit, _):
        Step(visit, store, CrawlConfig()).bring_chain(FIRST, read, silent)

    with chained({"/top/2": 500}) as (visit, _):
        brought = Step(visit, store, CrawlConfig(tries=1, listing_days=0)).bring_chain(FIRST, read, silent)

    assert (brought.wanted, brought.asked, brought.left, brought.complete) == (3, 3, 1, False)


def test_a_chain_keeps_to_the_budget_and_says_that_it_is_not_complete(store: RawStore) -> None:
    with chained({}) as (visit, _):
        dials = [CrawlConfig(daily_budget=budget) for budget in (3, 5)]
        steps = [Step(visit, store, dial).bring_chain(FIRST, read, silent) for dial in dials]

    assert [(step.wanted, step.asked, step.complete) for step in steps] == [(3, 2, False), (3, 1, True)]


def test_a_chain_ends_where_the_site_has_no_more_but_must_begin(store: RawStore) -> None:
    with chained({"/top/3": 404}) as (visit, _):
        ended = Step(visit, store, CrawlConfig()).bring_chain(FIRST, read, silent)
    with chained({"/other": 404}) as (visit, _), pytest.raises(FetchError, match="no such page"):
        Step(visit, store, CrawlConfig()).bring_chain(replace(FIRST, url=f"{BASE}/other"), read, silent)

    assert (ended.wanted, ended.complete, ended.facts()["missing_on_site"]) == (3, True, 1)


def test_a_chain_that_bites_its_tail_ends(store: RawStore) -> None:
    with chained({}, {"/top/1": "/top/2", "/top/2": "/top/1"}) as (visit, _):
        brought = Step(visit, store, CrawlConfig()).bring_chain(FIRST, read, silent)

    assert (brought.wanted, brought.asked, brought.complete) == (2, 2, True)


def test_a_view_follows_a_chain_as_far_as_it_was_archived(store: RawStore) -> None:
    with chained({}) as (visit, _):
        Step(visit, store, CrawlConfig()).bring_chain(FIRST, read, silent, longest=2)

    seen = Step(None, store, CrawlConfig()).bring_chain(FIRST, read, silent)

    assert (seen.wanted, seen.asked, seen.rows.height, seen.complete) == (3, 0, 2, False)


# Addresses


def test_each_site_and_its_past_have_an_address() -> None:
    assert base_of("demo@2026-05-01") == base_of("demo") == BASE
    assert base_of("mal") == "https://myanimelist.net"


def test_nobody_crawls_a_real_site_without_saying_who_they_are() -> None:
    with pytest.raises(SettingError) as refused, visit_mal("", 1.0):
        pass

    assert refused.value.where == "ANIPOP_CONTACT"
    assert "set ANIPOP_CONTACT" in refused.value.fix


def test_a_real_site_is_told_whom_to_write_to() -> None:
    with visit_mal("you@example.org", 0.5) as visit:
        assert "you@example.org" in visit.agent
        assert visit.requests_per_second == 0.5
        assert "myanimelist.net" in visit.hosts


# Dials


def test_a_step_that_also_parses_has_the_dials_and_defaults_of_both() -> None:
    both = CrawlAndParseConfig()

    assert both.model_dump() == CrawlConfig().model_dump() | ParseConfig().model_dump()
