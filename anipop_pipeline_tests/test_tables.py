"""Schemas refuse what may not be, and the figures of the papers are as printed."""

from collections.abc import Callable

import dataframely as dy
import polars as pl
import pytest

from anipop_pipeline.stages.tables import SCHEMAS, published, schema_of
from anipop_pipeline.stages.tables.corpus import CorpusRoles
from anipop_pipeline.stages.tables.pages import AnimeIndex, split_rejects
from anipop_pipeline.stages.tables.reports import Audit, Metrics, Predictions
from anipop_pipeline.stages.tables.split import Splits

FLOORS = published.FLOORS[:-1]


# Schemas


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_table_says_what_one_row_is_and_has_a_key_or_gathers_rejects(name: str) -> None:
    schema = SCHEMAS[name]

    assert (schema.__doc__ or "").startswith("One row for each")
    assert schema.primary_key() or name == "parse_rejects"


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), Predictions], ids=lambda schema: schema.__name__)
def test_an_empty_table_is_valid(schema: type[dy.Schema]) -> None:
    assert schema.is_valid(schema.create_empty())


def test_models_predict_and_other_names_have_no_table() -> None:
    assert schema_of("model_full") is Predictions
    assert schema_of("metrics") is Metrics
    assert schema_of("report") is None


def test_only_time_may_tear_a_cluster() -> None:
    rows = pl.DataFrame(
        {
            "split": ["published", "grouped", "temporal"],
            "repeat": 0,
            "fold": 0,
            "anime_id": 1,
            "part": "test",
            "seen": True,
        }
    )

    kept, failure = Splits.filter(rows, cast=True)

    assert kept["split"].to_list() == ["temporal"]
    assert failure.counts() == {"only_time_and_authors_may_see": 2}


def test_the_same_key_twice_is_refused() -> None:
    twice = pl.DataFrame({"anime_id": [1, 1, 2], "character_id": [5, 5, 5], "position": [0, 1, 0]})

    kept, failure = CorpusRoles.filter(twice)

    assert kept["anime_id"].to_list() == [2]
    assert failure.counts() == {"primary_key": 2}


# Rejects


def test_rows_in_are_rows_kept_and_rows_rejected_each_with_all_its_reasons() -> None:
    rows = pl.DataFrame(
        {
            "anime_id": [1, -2, 3, 4],
            "url": ["a", "b", "c", None],
            "title": ["A", "", "C", "D"],
            "position": [0, 1, -1, 3],
        }
    )

    kept, rejects = split_rejects(AnimeIndex, rows, table="anime_index", id_column="anime_id")

    assert kept["anime_id"].to_list() == [1]
    assert rejects.select("table", "url", "id", "reason").rows() == [
        ("anime_index", "b", -2, "anime_id|min, title|min_length"),
        ("anime_index", "c", 3, "position|min"),
        ("anime_index", None, 4, "url|nullability"),
    ]


def test_a_table_without_faults_has_no_rejects() -> None:
    rows = pl.DataFrame({"anime_id": [1], "url": ["a"], "title": ["A"], "position": [0]})

    kept, rejects = split_rejects(AnimeIndex, rows, table="anime_index", id_column="anime_id")

    assert (kept.height, rejects.height) == (1, 0)


# Figures of the papers


def samples(part: str) -> dict[str, float]:
    return {floor: published.synopsis_words(part, floor)["samples"] for floor in published.FLOORS}


@pytest.mark.parametrize("part", ["all", "train", "test"])
def test_the_papers_rows_add_up_to_their_last(part: str) -> None:
    told = samples(part)

    assert sum(told[floor] for floor in FLOORS) == told["all"]


def test_train_and_test_add_up_to_all_in_every_floor() -> None:
    assert [samples("train")[floor] + samples("test")[floor] for floor in published.FLOORS] == [
        *samples("all").values()
    ]
    assert samples("test")["all"] / samples("all")["all"] == pytest.approx(0.185, abs=0.0005)


@pytest.mark.parametrize(("fold", "whole"), [(max, 1), (min, 2)], ids=["max", "min"])
@pytest.mark.parametrize("part", ["all", "train", "test"])
def test_the_extremes_of_the_last_row_are_those_of_the_rows_above(
    part: str, fold: Callable[[list[float]], float], whole: int
) -> None:
    rows = published.SYNOPSIS_WORDS[part]

    assert fold([row[whole] for row in rows[:-1]]) == rows[-1][whole]


@pytest.mark.parametrize("part", ["all", "train", "test"])
def test_the_published_mean_of_all_is_that_of_the_nine_floors_and_not_of_the_titles(part: str) -> None:
    *rows, (count, _, _, mean) = published.SYNOPSIS_WORDS[part]

    assert sum(row[3] for row in rows) / 9 == pytest.approx(mean, abs=0.006)
    assert sum(row[0] * row[3] for row in rows) / count > mean + 3


def test_the_published_descriptions_do_not_add_up_and_are_given_as_printed() -> None:
    counts = {part: numbers[0] for part, numbers in published.DESCRIPTION_WORDS.items()}

    assert counts == {"all": 14682, "train": 14168, "test": 3288}
    assert counts["train"] + counts["test"] > counts["all"]


@pytest.mark.parametrize("name", ["full", "synopsis", "descriptions", "portraits", "traditional"])
def test_all_published_reports_imply_the_same_test_variance(name: str) -> None:
    told = published.RESULTS[name]

    assert told["unit_mean_squared_error"] / (1 - told["r2_score"]) == pytest.approx(0.01298, abs=0.00001)


def test_an_unknown_floor_has_no_figures() -> None:
    assert published.synopsis_words("all", "10-11") == {}


def test_every_published_name_of_a_figure_is_one_of_our_metrics() -> None:
    from anipop_pipeline.stages.metrics.catalogue import METRICS

    told = {name for figures in published.RESULTS.values() for name in figures}
    assert told <= {*METRICS}
    assert all(name.endswith(("_error", "_score")) for name in told)


def test_the_audit_has_room_for_what_is_not_defined() -> None:
    row = pl.DataFrame([("a", "b", 0.1, None, None, None, "c")], schema=Audit.create_empty().schema, orient="row")

    assert Audit.is_valid(row)
