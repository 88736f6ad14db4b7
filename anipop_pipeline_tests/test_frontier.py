"""Claims about which anime a crawl knows of, against the invented site."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from anipop_pipeline import frontier
from anipop_pipeline.config import CrawlConfig
from anipop_pipeline.crawling import Brought, Figures, Step
from anipop_pipeline.errors import FetchError, SettingError
from anipop_pipeline.frontier import Frontier
from anipop_pipeline.lake import open_lake
from anipop_pipeline.raw import RawStore
from anipop_pipeline.sites import Visit, invented, real_time, visit_demo
from anipop_pipeline.stages.tables.pages import AnimeIndex

BASE = "https://demo.invalid"
WORLD = invented(120, 7, 0)


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    with visit_demo(120, 7, 0) as visit:
        yield visit


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(open_lake(str(tmp_path / "lake"), "demo"))


def silent(_figures: Figures) -> None:
    pass


def index(visit: Visit | None, store: RawStore, listing: str, **dials: int) -> tuple[pl.DataFrame, Brought]:
    config = CrawlConfig(listing=listing, **dials)
    rows, brought = frontier.index(Step(visit, store, config), store, BASE, config, silent)
    AnimeIndex.validate(rows)
    return rows, brought


def test_the_top_list_names_every_anime_in_its_order(visit: Visit, store: RawStore) -> None:
    rows, brought = index(visit, store, "top")

    assert rows["anime_id"].to_list() == [one.id for one in WORLD.anime]
    assert rows["position"].to_list() == list(range(120))
    assert (brought.wanted, brought.complete) == (3, True)


def test_seasons_name_what_began_in_them_and_each_anime_once(visit: Visit, store: RawStore) -> None:
    rows, brought = index(visit, store, "seasons 2018-2020")

    began = {one.id for one in WORLD.anime if one.airing.season and one.airing.season[-4:] in ("2018", "2019", "2020")}
    assert began
    assert began <= set(rows["anime_id"])
    assert rows["anime_id"].is_unique().all()
    assert set(rows["anime_id"]) < {one.id for one in WORLD.anime}
    assert (brought.wanted, brought.asked, brought.complete) == (12, 12, True)


def test_a_season_of_which_the_site_has_nothing_names_nothing(visit: Visit, store: RawStore) -> None:
    rows, brought = index(visit, store, "seasons 1901-1901")

    assert rows.is_empty()
    assert (brought.facts()["missing_on_site"], brought.complete) == (4, True)


def test_ids_are_tried_one_by_one_without_a_listing(visit: Visit, store: RawStore) -> None:
    rows, brought = index(visit, store, "ids 1-40")

    assert rows["anime_id"].to_list() == list(range(1, 41))
    assert rows["url"][4] == f"{BASE}/anime/5"
    assert rows["title"].null_count() == 40
    assert (brought.wanted, brought.asked, brought.complete) == (0, 0, True)


def test_a_season_that_was_never_answered_is_an_error_that_keeps_the_others(visit: Visit, store: RawStore) -> None:
    deaf = replace(visit, hosts=frozenset({"elsewhere.invalid"}))

    with pytest.raises(FetchError, match="4 seasons were not answered") as unknown:
        index(deaf, store, "seasons 2019-2019")

    assert unknown.value.where == f"{BASE}/anime/season/2019/winter"


def test_a_spent_budget_leaves_seasons_for_the_next_day(visit: Visit, store: RawStore) -> None:
    first, brought = index(visit, store, "seasons 2018-2019", daily_budget=4, parallel=1)
    tomorrow = replace(visit, clock=real_time(lambda: visit.clock.now() + timedelta(days=1)))
    second, rest = index(tomorrow, store, "seasons 2018-2019", daily_budget=40, parallel=1)

    assert (brought.left, brought.complete) == (5, False)
    assert (rest.asked, rest.complete) == (5, True)
    assert set(first["anime_id"]) < set(second["anime_id"])


def test_a_view_reads_the_listing_of_its_day(visit: Visit, store: RawStore) -> None:
    before, _ = index(visit, store, "seasons 2019-2019")

    seen, brought = index(None, store, "seasons 2019-2019")

    assert seen.equals(before)
    assert (brought.asked, brought.complete) == (0, True)


@pytest.mark.parametrize("listing", ["seasons 2020-2019", "ids 9-1"])
def test_a_span_that_ends_before_it_begins_is_an_error(listing: str) -> None:
    with pytest.raises(SettingError, match="names no anime") as refused:
        frontier.frontier(listing)

    assert "ids 1-60000" in refused.value.fix


@pytest.mark.parametrize(
    "listing",
    [
        "bottom",
        "seasons 2019",
        "ids -5",
        "seasons winter-fall",
        "top 100",
        "",
        "ids 0-9",
        "ids 1-1000000",
        "seasons 1-2",
    ],
)
def test_the_dial_takes_what_names_anime_alone(listing: str) -> None:
    with pytest.raises(ValueError, match="listing"):
        CrawlConfig(listing=listing)


def test_a_span_says_its_bounds() -> None:
    assert frontier.frontier("top") == Frontier("top")
    assert frontier.frontier("ids 1-60000") == Frontier("ids", 1, 60_000)
