"""Claims about time: a site that moves on is asked for what changed, and every day of its past can be seen again."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from anipop_pipeline.automation import CRAWL
from anipop_pipeline.lake import Lake
from anipop_pipeline_tests.whole_graph import materialise, opened

PAGES = ("anime_index", "anime_pages", "character_pages", "portraits", "posters")
LATER = 40  # days: pages of anime are old by then, those of characters and pictures are not
TABLES = ("anime_index", "anime", "histograms", "roles", "characters", "portraits", "posters")


def crawled(lake: Path, days: int, site: str = "demo") -> dg.ExecuteInProcessResult:
    statistics = {"anime_pages": {"statistics": True}}
    return materialise(lake, *CRAWL, days=days, site=site, dials=statistics)


def said(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: getattr(value, "value", None) for name, value in event.metadata.items()}


@pytest.fixture(scope="module")
def history(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, pl.DataFrame], dict[str, dict[str, Any]]]:
    """Return a lake that was filled on two days, its tables of the first, and what the second crawl said."""
    folder = tmp_path_factory.mktemp("history")
    crawled(folder, 0)
    first = tables(opened(folder))
    second = crawled(folder, LATER)
    return folder, first, {name: said(second, name) for name in PAGES}


def tables(lake: Lake) -> dict[str, pl.DataFrame]:
    return {name: lake.load_table(name) for name in TABLES}


def test_only_what_is_old_is_asked_for_again(history: Any) -> None:
    _, _, second = history

    assert second["anime_index"]["asked"] == second["anime_index"]["wanted"] > 0
    assert second["anime_pages"]["asked"] == second["anime_pages"]["wanted"] > 0
    # A character or a picture is asked for only where it is new: a title got its first score.
    assert second["character_pages"]["asked"] < second["character_pages"]["wanted"] / 4
    assert second["portraits"]["asked"] < second["portraits"]["wanted"] / 4
    assert all(second[name]["complete"] for name in PAGES)


def test_the_tables_follow_the_site(history: Any) -> None:
    folder, first, _ = history
    now = opened(folder).load_table("anime")

    both = first["anime"].join(now, on="anime_id", how="inner", suffix="_now")
    assert both.height == first["anime"].height
    assert (both["members_now"] >= both["members"]).all()
    assert (both["members_now"] > both["members"]).any()
    assert both["title"].equals(both["title_now"])


def test_a_view_of_the_first_day_has_the_tables_of_the_first_day(history: Any) -> None:
    folder, first, _ = history

    result = crawled(folder, LATER, site="demo@2025-06-30")

    seen = tables(opened(folder, "demo@2025-06-30"))
    assert all(seen[name].equals(first[name]) for name in TABLES)
    assert all(said(result, name)["asked"] == 0 for name in PAGES)


def test_a_view_from_before_the_first_day_has_nothing_to_show(history: Any) -> None:
    folder, _, _ = history

    materialise(folder, "anime_index", site="demo@2025-06-29")

    assert opened(folder, "demo@2025-06-29").load_table("anime_index").is_empty()


def test_a_third_crawl_on_the_same_day_asks_for_nothing(history: Any) -> None:
    folder, _, _ = history

    again = crawled(folder, LATER)

    assert [said(again, name)["requests"] for name in PAGES] == [0] * len(PAGES)


def test_young_titles_are_asked_for_again_after_a_week(tmp_path: Path) -> None:
    crawled(tmp_path, 0)

    week = said(crawled(tmp_path, 7), "anime_pages")

    assert 0 < week["asked"] < week["wanted"] / 2
