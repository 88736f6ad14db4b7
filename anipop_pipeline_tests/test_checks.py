"""Claims about checks: what a schema cannot say of a table, and that each of them can fail."""

from typing import Any

import dagster as dg
import polars as pl
import pytest

from anipop_pipeline import assets, checks
from anipop_pipeline.config import ParseConfig
from anipop_pipeline.lake import Folder
from anipop_pipeline.stages.experiments import EXPERIMENTS, Experiment
from anipop_pipeline.stages.tables.pages import NOT_ON_SITE, ParseRejects
from anipop_pipeline.stages.tables.split import Clusters, Splits

CLUSTERS = pl.DataFrame({"anime_id": [1, 2, 3, 4], "cluster_id": [1, 1, 3, 4], "size": [2, 2, 1, 1]})
PARSED = ("anime", "roles", "characters", "portraits", "posters")


def judged(check: Any, *tables: Any, **more: Any) -> dg.AssetCheckResult:
    result = check(*tables, **more)
    assert isinstance(result, dg.AssetCheckResult)
    return result


def told(result: dg.AssetCheckResult, name: str) -> Any:
    return result.metadata[name].value


# Which tables are judged


def test_every_check_stops_the_graph_and_belongs_to_an_asset_that_there_is() -> None:
    known = {key for asset in assets.ALL for key in asset.keys}
    specs = [spec for check in checks.ALL for spec in check.check_specs]

    assert all(spec.blocking for spec in specs)
    assert {spec.asset_key for spec in specs} <= known
    assert {spec.asset_key.to_user_string() for spec in specs if spec.name == "few_rejects"} == set(PARSED)


# Rejects


def rejected(reasons: list[str], pages: int, *, field: str | None = None) -> Folder:
    """Return a parsed table of which a page each was rejected for one of these reasons."""
    return rejected_rows([("anime", None, number, field, reason) for number, reason in enumerate(reasons)], pages)


def rejected_rows(rows: list[tuple[str, str | None, int | None, str | None, str]], pages: int) -> Folder:
    rejects = pl.DataFrame(rows, schema=ParseRejects.create_empty().schema, orient="row")
    return Folder({"table.parquet": pl.DataFrame(), "rejects.parquet": rejects}, notes={"pages": pages})


@pytest.mark.parametrize("check", checks.ALL[: len(PARSED)], ids=PARSED)
@pytest.mark.parametrize(("field", "reason"), [("score", "the page has no score"), (None, "score|max")])
def test_few_unread_pages_pass_and_many_do_not(check: Any, field: str | None, reason: str) -> None:
    dials = ParseConfig(max_reject_share=0.2)

    few = judged(check, rejected([reason] * 20, 100, field=field), config=dials)
    many = judged(check, rejected([reason] * 21, 100, field=field), config=dials)

    assert (few.passed, told(few, "share")) == (True, 0.2)
    assert (many.passed, told(many, "share")) == (False, 0.21)
    assert many.description == (
        "21 of 100 pages could not be read, 0 are not on the site: the layout of the site probably changed"
    )


def test_pages_that_the_site_does_not_have_have_a_bound_of_their_own() -> None:
    half = judged(checks.ALL[0], rejected([NOT_ON_SITE] * 50, 100), config=ParseConfig())
    more = judged(checks.ALL[0], rejected([NOT_ON_SITE] * 51, 100), config=ParseConfig())

    assert (half.passed, told(half, "unread"), told(half, "missing")) == (True, 0, 50)
    assert (more.passed, told(more, "missing_share")) == (False, 0.51)
    assert "addresses" in (more.description or "")


def test_many_rows_of_one_page_are_one_page() -> None:
    row = [("roles", f"https://demo.invalid/character/{number}", 7, None, "name|min") for number in range(90)]
    unnamed: list[tuple[str, str | None, int | None, str | None, str]] = [("roles", "a", None, "id", "why")] * 3

    result = judged(checks.ALL[1], rejected_rows([*row, *unnamed], 100), config=ParseConfig())

    assert (result.passed, told(result, "unread")) == (True, 2)


@pytest.mark.parametrize(("unread", "pages", "passes"), [(1, 4, True), (2, 4, False), (1, 19, True)])
def test_one_page_alone_says_nothing_on_a_small_site(unread: int, pages: int, passes: bool) -> None:
    strict = ParseConfig(max_reject_share=0.0)

    assert judged(checks.ALL[0], rejected(["why"] * unread, pages), config=strict).passed is passes
    assert not judged(checks.ALL[0], rejected(["why"], 20), config=strict).passed


@pytest.mark.parametrize(
    "table", [Folder(absent="an import"), Folder({"table.parquet": pl.DataFrame()}), rejected([], 0)]
)
def test_what_was_not_crawled_is_not_judged(table: Folder) -> None:
    assert judged(checks.ALL[0], table, config=ParseConfig()).passed


# Clusters


def splits(*rows: tuple[str, int, str, bool]) -> pl.DataFrame:
    schema = {"split": pl.String, "anime_id": pl.Int64, "part": pl.String, "seen": pl.Boolean}
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(repeat=0, fold=0)
    return Splits.validate(frame, cast=True)


def whole(split: str) -> pl.DataFrame:
    parts = {1: "train", 2: "train", 3: "test", 4: "train"}
    return splits(*((split, number, part, False) for number, part in parts.items()))


def torn(split: str, *, seen: bool) -> pl.DataFrame:
    parts = {1: "train", 2: "test", 3: "test", 4: "train"}
    return splits(*((split, number, part, seen and number == 2) for number, part in parts.items()))


@pytest.mark.parametrize("split", ["published", "grouped", "temporal"])
def test_whole_clusters_pass_in_every_split(split: str) -> None:
    assert judged(checks.clusters_stay_whole, whole(split), Clusters.validate(CLUSTERS)).passed


@pytest.mark.parametrize("split", ["published", "grouped", "temporal"])
def test_a_torn_cluster_that_nothing_marks_fails_in_every_split(split: str) -> None:
    result = judged(checks.clusters_stay_whole, torn(split, seen=False), CLUSTERS)

    assert (result.passed, told(result, "torn_clusters")) == (False, 1)


def test_time_may_tear_a_cluster_when_every_test_row_of_it_says_so() -> None:
    marked = torn("temporal", seen=True)
    half = pl.concat([marked, splits(("temporal", 5, "test", False))])
    three = pl.concat([CLUSTERS, pl.DataFrame({"anime_id": [5], "cluster_id": [1], "size": [3]})])

    assert judged(checks.clusters_stay_whole, marked, CLUSTERS).passed
    assert told(judged(checks.clusters_stay_whole, half, three), "torn_clusters") == 1


def test_only_time_may_tear_a_cluster() -> None:
    mislabelled = torn("temporal", seen=True).with_columns(
        split=pl.lit("grouped", Splits.create_empty()["split"].dtype)
    )

    assert not judged(checks.clusters_stay_whole, mislabelled, CLUSTERS).passed


def test_each_fold_is_judged_alone() -> None:
    first, second = (
        whole("grouped"),
        whole("grouped").with_columns(
            fold=pl.lit(1, pl.Int64), part=pl.lit("test", Splits.create_empty()["part"].dtype)
        ),
    )

    assert judged(checks.clusters_stay_whole, pl.concat([first, second]), CLUSTERS).passed


def test_an_anime_without_a_cluster_is_not_passed_over() -> None:
    result = judged(checks.clusters_stay_whole, whole("grouped"), CLUSTERS.head(3))

    assert (result.passed, told(result, "without_cluster")) == (False, 1)


# The corpus and the ledger


@pytest.mark.parametrize(("rows", "passes"), [(9, False), (10, True)])
def test_ten_anime_are_the_least_to_learn_from(rows: int, passes: bool) -> None:
    corpus = pl.DataFrame({"anime_id": range(rows)})

    assert judged(checks.corpus_is_not_empty, corpus).passed is passes


def test_every_experiment_keeps_to_its_tier() -> None:
    result = judged(checks.inputs_exist_at_their_tier, pl.DataFrame())

    assert (result.passed, result.description) == (True, "every input exists at its tier")


def test_an_experiment_that_looks_ahead_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Experiment("clairvoyant", "Knows its fans.", "concept", "ridge", ("synopsis", "members"))
    monkeypatch.setitem(EXPERIMENTS, late.name, late)

    result = judged(checks.inputs_exist_at_their_tier, pl.DataFrame())

    assert not result.passed
    assert "clairvoyant" in (result.description or "")
