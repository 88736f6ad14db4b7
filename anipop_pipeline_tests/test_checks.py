"""Claims about checks: what a schema cannot say of a table, and that each of them can fail."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from anipop_pipeline import assets, checks, engine, resources
from anipop_pipeline.config import CheckConfig, DemoConfig
from anipop_pipeline.lake import Folder, Lake, clock, open_lake
from anipop_pipeline.stages import cluster
from anipop_pipeline.stages.experiments import EXPERIMENTS, Experiment
from anipop_pipeline.stages.health import Health, measure
from anipop_pipeline.stages.tables.pages import NOT_ON_SITE, ParseRejects
from anipop_pipeline.stages.tables.split import Clusters, Splits

from .whole_graph import ANIME, copied, opened

CLUSTERS = pl.DataFrame({"anime_id": [1, 2, 3, 4], "cluster_id": [1, 1, 3, 4], "size": [2, 2, 1, 1]})
PARSED = ("anime", "histograms", "roles", "characters", "portraits", "posters")
FILLED = dict(zip(PARSED, checks.ALL[len(PARSED) : 2 * len(PARSED)], strict=True))


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
    for name in ("few_rejects", "fields_stay_filled"):
        assert {spec.asset_key.to_user_string() for spec in specs if spec.name == name} == set(PARSED)


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
    dials = CheckConfig(max_reject_share=0.2)

    few = judged(check, rejected([reason] * 20, 100, field=field), config=dials)
    many = judged(check, rejected([reason] * 21, 100, field=field), config=dials)

    assert (few.passed, told(few, "share")) == (True, 0.2)
    assert (many.passed, told(many, "share")) == (False, 0.21)
    assert many.description == (
        "21 of 100 pages could not be read, 0 are not on the site: the layout of the site probably changed"
    )


def test_pages_that_the_site_does_not_have_have_a_bound_of_their_own() -> None:
    half = judged(checks.ALL[0], rejected([NOT_ON_SITE] * 50, 100), config=CheckConfig())
    more = judged(checks.ALL[0], rejected([NOT_ON_SITE] * 51, 100), config=CheckConfig())

    assert (half.passed, told(half, "unread"), told(half, "missing")) == (True, 0, 50)
    assert (more.passed, told(more, "missing_share")) == (False, 0.51)
    assert "addresses" in (more.description or "")


def test_many_rows_of_one_page_are_one_page() -> None:
    row = [("roles", f"https://demo.invalid/character/{number}", 7, None, "name|min") for number in range(90)]
    unnamed: list[tuple[str, str | None, int | None, str | None, str]] = [("roles", "a", None, "id", "why")] * 3

    result = judged(checks.ALL[1], rejected_rows([*row, *unnamed], 100), config=CheckConfig())

    assert (result.passed, told(result, "unread")) == (True, 2)


@pytest.mark.parametrize(("unread", "pages", "passes"), [(1, 4, True), (2, 4, False), (1, 19, True)])
def test_one_page_alone_says_nothing_on_a_small_site(unread: int, pages: int, passes: bool) -> None:
    strict = CheckConfig(max_reject_share=0.0)

    assert judged(checks.ALL[0], rejected(["why"] * unread, pages), config=strict).passed is passes
    assert not judged(checks.ALL[0], rejected(["why"], 20), config=strict).passed


@pytest.mark.parametrize(
    "table", [Folder(absent="an import"), Folder({"table.parquet": pl.DataFrame()}), rejected([], 0)]
)
def test_what_was_not_crawled_is_not_judged(table: Folder) -> None:
    assert judged(checks.ALL[0], table, config=CheckConfig()).passed


# Fields


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path), "demo")


def written(lake: Lake, name: str, scored: int, rows: int = 100, *, pages: int | None = None, **notes: Any) -> None:
    """Make a table of which so many rows have a score."""
    table = pl.DataFrame({"anime_id": range(1, rows + 1), "score": [7.0] * scored + [None] * (rows - scored)})
    told = {"health": measure(table, rows if pages is None else pages).noted(), **notes}
    lake.save(name, Folder({"table.parquet": table}, notes=told), {}, clock())


def filled(lake: Lake, name: str = "anime", **dials: float) -> dg.AssetCheckResult:
    """Return what the check says of a table, as a run would ask it."""
    borrowed = resources.LakeResource(root=str(lake.root), site=lake.site)
    check: Any = checks.enough_listed if name == "anime_index" else FILLED[name]
    return judged(check, lake=borrowed, config=CheckConfig(**dials))


def accepted(lake: Lake, name: str = "anime") -> Any:
    return lake.manifest(f"{name}_accepted").notes["health"]


@pytest.mark.parametrize("name", PARSED)
def test_the_first_table_passes_and_is_what_the_next_is_compared_with(lake: Lake, name: str) -> None:
    written(lake, name, scored=92)

    result = filled(lake, name)

    assert (result.passed, told(result, "before")) == (True, None)
    assert accepted(lake, name) == {"rows": 100, "pages": 100, "filled": {"anime_id": 1.0, "score": 0.92}}


def test_a_field_that_is_lost_is_said_in_one_line_and_what_to_do_in_another(lake: Lake) -> None:
    written(lake, "anime", scored=92)
    filled(lake)
    written(lake, "anime", scored=3)

    result = filled(lake)

    assert not result.passed
    assert result.description == (
        "score filled 92 % -> 3 %\n"
        "the layout of the anime pages has probably changed; if it is right, run once with CheckConfig max_fill_drop=1 "
        "(launchpad or anipop.toml), which accepts it for good"
    )


def test_lost_rows_are_said_too_and_both_dials_are_named(lake: Lake) -> None:
    written(lake, "roles", scored=100, rows=100, pages=10)
    filled(lake, "roles")
    written(lake, "roles", scored=0, rows=49, pages=10)

    result = filled(lake, "roles")

    assert (result.description or "").splitlines()[:2] == [
        "score filled 100 % -> 0 %",
        "roles has 49 rows, 100 were expected",
    ]
    assert "CheckConfig max_fill_drop=1 max_row_drop=1 (" in (result.description or "")
    assert not filled(lake, "roles", max_fill_drop=1).passed
    assert filled(lake, "roles", max_fill_drop=1, max_row_drop=1).passed


def test_a_broken_table_fails_again_and_again_until_the_good_one_is_back(lake: Lake) -> None:
    written(lake, "anime", scored=92)
    filled(lake)

    for scored in (3, 3, 4, 2):
        written(lake, "anime", scored)
        assert not filled(lake).passed
    written(lake, "anime", scored=90)

    assert filled(lake).passed
    assert accepted(lake)["filled"]["score"] == 0.92  # the best that was seen stays the measure


def test_what_a_raised_dial_lets_pass_is_accepted_for_good(lake: Lake) -> None:
    written(lake, "anime", scored=92)
    filled(lake)
    written(lake, "anime", scored=3)

    assert filled(lake, max_fill_drop=1).passed

    assert filled(lake).passed
    written(lake, "anime", scored=5)
    assert filled(lake).passed


def test_even_a_table_without_rows_can_be_accepted(lake: Lake) -> None:
    written(lake, "posters", scored=92)
    filled(lake, "posters")
    written(lake, "posters", scored=0, rows=0, pages=100)

    assert not filled(lake, "posters").passed
    assert filled(lake, "posters", max_row_drop=1).passed
    assert filled(lake, "posters").passed


def test_what_was_accepted_lies_in_the_lake_wherever_that_is(root: str) -> None:
    lake = open_lake(root, "demo")
    written(lake, "anime", scored=92)
    filled(lake)
    written(lake, "anime", scored=3)

    assert not filled(lake).passed
    assert lake.manifest("anime_accepted").notes["of"] != lake.manifest("anime").digest


def test_a_slow_fall_is_noticed_as_soon_as_one_that_comes_at_once(lake: Lake) -> None:
    judged = []
    for scored in (100, 90, 80, 76, 70):
        written(lake, "anime", scored)
        judged.append(filled(lake).passed)

    assert judged == [True, True, True, True, False]


def test_a_table_that_became_empty_fails_and_one_that_had_nothing_to_read_is_no_measure(lake: Lake) -> None:
    written(lake, "characters", scored=92)
    filled(lake, "characters")

    written(lake, "characters", scored=0, rows=0, pages=100)
    lost = filled(lake, "characters")
    written(lake, "characters", scored=0, rows=0, pages=0)
    unread = filled(lake, "characters")

    assert (lost.passed, unread.passed) == (False, True)
    assert accepted(lake, "characters")["rows"] == 100


def test_an_import_and_what_was_not_crawled_are_not_compared(lake: Lake) -> None:
    lake.save("anime", Folder(absent="no crawl"), {}, clock())
    absent = filled(lake)
    (lake.root / "old-set").mkdir(parents=True)
    (lake.root / "old-set" / "site.json").write_text(json.dumps({"kind": "import"}))
    brought = open_lake(str(lake.root), "old-set")
    written(brought, "anime", scored=92)
    imported = filled(brought)

    assert (absent.passed, absent.description) == (True, "not crawled here")
    assert (imported.passed, imported.description) == (True, "not crawled here")
    assert not lake.has("anime_accepted")
    assert not brought.has("anime_accepted")


def test_a_view_of_the_past_is_compared_with_itself(lake: Lake) -> None:
    view = open_lake(str(lake.root), "demo@2025-07-01")
    written(lake, "anime", scored=92)
    filled(lake)
    written(view, "anime", scored=3)

    assert filled(view).passed
    assert accepted(lake)["filled"]["score"] == 0.92


def test_the_health_of_a_table_is_no_part_of_its_version(lake: Lake) -> None:
    table = pl.DataFrame({"anime_id": [1, 2]})

    plain = lake.save("anime", Folder({"table.parquet": table}), {}, clock())
    noted = lake.save("anime", Folder({"table.parquet": table}, notes={"health": {"rows": 2}}), {}, clock())

    assert plain.digest == noted.digest


# The list


def listed(lake: Lake, rows: int, **notes: Any) -> dg.AssetCheckResult:
    table = pl.DataFrame({"anime_id": range(1, rows + 1)})
    lake.save("anime_index", Folder({"table.parquet": table}, notes=notes), {}, clock())
    return filled(lake, "anime_index")


@pytest.mark.parametrize(("rows", "passes"), [(400, True), (200, True), (199, False), (50, False), (0, False)])
def test_a_list_that_names_half_as_many_has_lost_a_link(lake: Lake, rows: int, passes: bool) -> None:
    listed(lake, 400)

    assert listed(lake, rows).passed is passes


def test_a_short_list_says_what_it_lost_and_how_to_accept_it(lake: Lake) -> None:
    listed(lake, 400)

    result = listed(lake, 50)

    assert result.description == (
        "anime_index has 50 rows, 400 were expected\n"
        "the link to the next page of the list is probably no longer found; if it is right, run once with CheckConfig "
        "max_row_drop=1 (launchpad or anipop.toml), which accepts it for good"
    )
    assert not listed(lake, 50).passed
    assert filled(lake, "anime_index", max_row_drop=1).passed
    assert listed(lake, 50).passed


@pytest.mark.parametrize(
    ("then", "now", "passes"),
    [
        ({"listing": "top", "first_pages": 0}, {"listing": "top", "first_pages": 0}, False),
        ({"listing": "top", "first_pages": 0}, {"listing": "top", "first_pages": 1}, True),
        ({"listing": "top", "first_pages": 0}, {"listing": "seasons", "first_pages": 0}, True),
        ({}, {"listing": "top", "first_pages": 0}, False),
        ({"listing": "top"}, {}, False),
    ],
)
def test_lists_are_compared_where_the_same_was_asked_for(
    lake: Lake, then: Mapping[str, Any], now: Mapping[str, Any], passes: bool
) -> None:
    listed(lake, 400, **then)

    assert listed(lake, 50, **now).passed is passes


def test_a_list_that_a_budget_cut_off_is_neither_judged_nor_a_measure(lake: Lake) -> None:
    listed(lake, 400, complete=True)

    cut = listed(lake, 50, complete=False)

    assert cut.passed
    assert accepted(lake, "anime_index")["rows"] == 400


# Fields, in the whole graph


SCORE = re.compile(rb'(itemprop="ratingValue"[^>]*>)[0-9.]+')


def faded(batches: Iterable[pa.Table], *args: Any, **kwargs: Any) -> Iterator[pa.Table]:
    """Read pages as they would look if the site showed no score any more."""
    return engine.map_batches((_without_scores(batch) for batch in batches), *args, **kwargs)


def _without_scores(batch: pa.Table) -> pa.Table:
    bodies = [SCORE.sub(rb"\1N/A", body) for body in batch["body"].to_pylist()]
    place = batch.column_names.index("body")
    return batch.set_column(place, batch.field("body"), pa.array(bodies, batch.field("body").type))


def run(lake: Path, *names: str, engine: str = "local", **dials: Mapping[str, Any]) -> dg.ExecuteInProcessResult:
    """Run some assets and their checks; dials are those of a launchpad."""
    given = resources.settings({"ANIPOP_LAKE": str(lake), "ANIPOP_ENGINE": engine})
    return dg.materialize(
        [*assets.ALL, *checks.ALL],
        selection=dg.AssetSelection.assets(*names),
        resources=resources.resources(given, DemoConfig(anime=ANIME, seed=11)),
        run_config={"ops": {op: {"config": dial} for op, dial in dials.items()}},
        raise_on_error=False,
    )


def failed(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    judged = result.get_asset_check_evaluations()
    return {
        f"{one.asset_key.to_user_string()}_{one.check_name}": one.description or "" for one in judged if not one.passed
    }


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = tmp_path_factory.mktemp("crawled")
    assert run(lake, "anime_index", "anime_pages", "anime", "posters").success
    return lake


def test_pages_that_lose_their_score_stop_the_graph_until_somebody_accepts_it(
    crawled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(crawled, tmp_path)
    monkeypatch.setitem(resources.ENGINES, "faded", faded)
    posters = opened(tmp_path).manifest("posters")

    for _ in range(2):
        broken = run(tmp_path, "anime", "posters", engine="faded")
        assert not broken.success
        assert list(failed(broken)) == ["anime_fields_stay_filled"]
        assert re.match(r"score filled \d+(\.\d)? % -> 0 %\n", failed(broken)["anime_fields_stay_filled"])
        assert opened(tmp_path).manifest("posters") == posters
    raised = run(tmp_path, "anime", "posters", engine="faded", anime_fields_stay_filled={"max_fill_drop": 1})
    later = run(tmp_path, "anime", "posters", engine="faded")

    assert (raised.success, later.success) == (True, True)
    assert opened(tmp_path).load_table("posters").is_empty()


def test_an_unchanged_site_keeps_digests_and_passes_again(crawled: Path, tmp_path: Path) -> None:
    copied(crawled, tmp_path)
    before = opened(tmp_path)
    digests = {name: before.manifest(name).digest for name in ("anime_index", "anime", "posters")}

    again = run(tmp_path, "anime_index", "anime_pages", "anime", "posters")

    assert again.success
    assert {name: opened(tmp_path).manifest(name).digest for name in digests} == digests
    health = Health(**opened(tmp_path).manifest("anime").notes["health"])
    assert health == measure(opened(tmp_path).load_table("anime"), pages=ANIME)


def test_a_check_that_is_asked_before_its_table_was_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(dg.Failure, match="anime has not been made for site demo"):
        filled(opened(tmp_path))


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


def test_a_character_on_both_sides_fails_but_where_time_marks_it() -> None:
    roles = pl.DataFrame({"anime_id": [1, 2, 3], "character_id": [7, 7, 8]})

    assert judged(checks.characters_stay_whole, whole("grouped"), roles).passed
    result = judged(checks.characters_stay_whole, torn("grouped", seen=False), roles)
    assert (result.passed, told(result, "torn_characters")) == (False, 1)
    assert judged(checks.characters_stay_whole, torn("temporal", seen=True), roles).passed
    assert not judged(checks.characters_stay_whole, torn("temporal", seen=False), roles).passed


def franchise(related: int) -> pl.DataFrame:
    """Return four anime of which the second calls another one its prequel."""
    names = pl.Struct({"relation": pl.String, "kind": pl.String, "related_id": pl.Int64})
    second = [{"relation": "Prequel", "kind": "anime", "related_id": related}]
    rows = {"anime_id": [1, 2, 3, 4], "relations": [[], second, [], []]}
    return pl.DataFrame(rows, schema={"anime_id": pl.Int64, "relations": pl.List(names)})


@pytest.mark.parametrize(("franchises", "related", "passes"), [(True, 1, False), (True, 99, True), (False, 1, True)])
def test_a_franchise_may_be_torn_only_where_the_dial_is_off(franchises: bool, related: int, passes: bool) -> None:
    clusters = Folder({"table.parquet": Clusters.create_empty()}, notes={"franchises": franchises})

    result = judged(checks.franchises_stay_whole, torn("grouped", seen=False), clusters, franchise(related))

    assert result.passed is passes
    assert judged(checks.franchises_stay_whole, whole("grouped"), clusters, franchise(related)).passed


def test_a_split_that_a_site_brings_may_tear_what_it_marks_and_the_check_says_so() -> None:
    brought = torn("authors", seen=True)

    result = judged(checks.clusters_stay_whole, pl.concat([whole("grouped"), brought]), CLUSTERS)

    assert (result.passed, told(result, "torn_by_authors"), told(result, "torn_clusters")) == (True, 1, 0)
    assert result.description == "the split that this site brings tears 1 clusters apart"
    assert not judged(checks.clusters_stay_whole, torn("authors", seen=False), CLUSTERS).passed


# Everybody in place


TEN = pl.DataFrame({"anime_id": range(1, 11), "year": [2000, 2001, 2002, 2003, 2004, 2005, 2006, 2020, 2021, None]})
FAMILIES = pl.DataFrame(
    {"anime_id": range(1, 11), "cluster_id": [1, 2, 3, 4, 5, 6, 7, 1, 9, 10], "size": [2, 1, 1, 1, 1, 1, 1, 2, 1, 1]}
)


def drawn(lockbox: bool = False) -> pl.DataFrame:
    """Return the splits of ten anime, of which 8 is a late sequel of 1, with the one that their authors drew."""
    theirs = pl.DataFrame({"anime_id": [1, 2, 8, 9, 99], "part": ["train", "train", "test", "test", "test"]})
    belongs = cluster.outside_lockbox(FAMILIES) if lockbox else FAMILIES
    return cluster.splits(TEN, belongs, seed=1, test_share=0.2, repeats=2, folds=3, temporal_share=0.2, imported=theirs)


def damaged(split: str, number: int, fold: int = 0, **changed: object) -> pl.DataFrame:
    """Return the splits with one row changed, or without it."""
    rows = drawn()
    key = {"split": split, "repeat": 0, "fold": fold, "anime_id": number}
    own = pl.all_horizontal(pl.col(name) == value for name, value in key.items())
    assert rows.filter(own).height == 1
    if not changed:
        return rows.filter(~own)
    values = {name: pl.lit(value, rows[name].dtype) for name, value in changed.items()}
    return rows.with_columns(pl.when(own).then(value).otherwise(name).alias(name) for name, value in values.items())


def fault(rows: pl.DataFrame) -> str:
    result = judged(checks.splits_are_complete, rows, FAMILIES, TEN)
    assert not result.passed
    return result.description or ""


@pytest.mark.parametrize("lockbox", [False, True])
def test_splits_as_they_are_drawn_are_complete(lockbox: bool) -> None:
    result = judged(checks.splits_are_complete, drawn(lockbox), FAMILIES, TEN)

    assert (result.passed, result.description) == (True, "every title is in its place")


def test_a_row_that_stands_twice_is_found() -> None:
    rows = drawn()

    assert fault(pl.concat([rows, rows.filter(split="temporal").head(1)])) == "rows that stand twice in a fold: 1"


@pytest.mark.parametrize(("split", "number"), [("published", 10), ("temporal", 5)])
def test_a_title_that_a_fold_lacks_is_found(split: str, number: int) -> None:
    assert fault(damaged(split, number)) == "rows that a fold lacks: 1"


@pytest.mark.parametrize("split", ["published", "grouped", "temporal"])
def test_a_split_that_is_not_there_is_found(split: str) -> None:
    assert "rows that a fold lacks" in fault(drawn().filter(pl.col("split") != split))


def test_a_fold_without_test_rows_is_found() -> None:
    all_train = drawn().with_columns(
        part=pl.when(pl.col("split") == "published", pl.col("repeat") == 1)
        .then(pl.lit("train", drawn()["part"].dtype))
        .otherwise("part")
    )

    assert fault(all_train) == "folds without train or without test: 1"


def test_a_title_that_is_never_tested_or_tested_twice_is_found() -> None:
    folds = drawn().filter(split="grouped", part="test")
    number, fold = folds.select("anime_id", "fold").row(0)

    for changed, part in ((fold, "train"), ((fold + 1) % 3, "test")):
        assert fault(damaged("grouped", number, changed, part=part)) == (
            "titles that `grouped` does not test exactly once: 1"
        )


@pytest.mark.parametrize(
    ("split", "number", "seen"), [("temporal", 8, False), ("temporal", 9, True), ("authors", 8, False)]
)
def test_a_mark_that_is_lacking_or_one_too_many_is_found(split: str, number: int, seen: bool) -> None:
    assert fault(damaged(split, number, seen=seen)) == "rows whose mark `seen` is wrong: 1"


def test_a_test_title_that_is_no_younger_than_train_is_found() -> None:
    # 7 is of 2006, and 2020 is the first year that is tested: once 9 is learned from, 8 is no later than train.
    assert fault(damaged("temporal", 9, part="train")) == "rows of `temporal` that are out of their time: 1"
    # Tested, 6 of 2005 is older than 7, which is learned from.
    assert fault(damaged("temporal", 6, part="test")) == "rows of `temporal` that are out of their time: 1"


def test_a_title_without_a_year_has_no_place_in_time() -> None:
    stray = drawn().filter(split="temporal", anime_id=7).with_columns(anime_id=pl.lit(10, pl.Int64))

    assert fault(pl.concat([drawn(), stray])) == "rows of `temporal` that are out of their time: 1"


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
