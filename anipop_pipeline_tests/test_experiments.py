"""Each experiment says what it sees, and may see nothing that is not there yet."""

import json

import pytest

from anipop_pipeline.errors import LaterTier
from anipop_pipeline.stages import train
from anipop_pipeline.stages.experiments import (
    BASELINES,
    EVERY_SPLIT,
    EXPERIMENTS,
    PITCHES,
    Experiment,
    check_ledger,
)
from anipop_pipeline.stages.tables.features import LEDGER, TIERS, known_at
from anipop_pipeline.stages.tables.published import RESULTS
from anipop_pipeline.stages.tables.reports import LABELS
from anipop_pipeline.stages.tables.split import SPLITS
from anipop_pipeline.stages.train.material import Settings

each = pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=list(EXPERIMENTS))
FANS = {"words", "main_characters", "description_words", "synopsis_credit", "votes", "members", "favourites"}


@each
def test_it_sees_only_what_its_tier_knows(experiment: Experiment) -> None:
    check_ledger(experiment)

    assert {*experiment.inputs} <= known_at(experiment.tier)


@each
def test_everything_that_it_names_exists(experiment: Experiment) -> None:
    assert {*experiment.inputs, *experiment.nuisances} <= {*LEDGER}
    assert {*experiment.spare} <= {*experiment.inputs}
    assert experiment.tier in TIERS
    assert experiment.recipe in train.RECIPES
    assert {*experiment.labels} <= {*LABELS}
    assert {*experiment.splits} <= {*SPLITS}
    assert experiment.paper_row in (None, *RESULTS)


@each
def test_its_vectors_are_of_inputs_that_it_declares(experiment: Experiment) -> None:
    sources = {source for source, _ in experiment.options.get("vectors", {}).values()}

    assert sources <= {*experiment.inputs}
    assert {*experiment.options.get("tfidf", ())} <= {*experiment.inputs}
    assert {*experiment.options.get("characters", ())} <= {*experiment.options.get("vectors", {})}


@each
def test_what_fans_grow_is_an_input_only_where_the_tier_says_release(experiment: Experiment) -> None:
    assert bool({*experiment.inputs} & FANS) == (experiment.tier == "release")


@each
def test_its_name_is_its_key_and_it_says_what_it_is(experiment: Experiment) -> None:
    assert EXPERIMENTS[experiment.name] is experiment
    assert experiment.what.endswith(".")


@each
def test_its_declaration_can_be_written_down(experiment: Experiment) -> None:
    settings = Settings(seed=1, epochs=2, cheap_repeats=3, labels=("plain",), weigh_by_votes=True)

    said = json.loads(train.spec(experiment, settings))

    assert said["name"] == experiment.name
    assert said["settings"] == {
        "seed": 1, "epochs": 2, "cheap_repeats": 3, "labels": ["plain"], "weigh_by_votes": True
    }  # fmt: skip
    assert said["published"] == experiment.published


@pytest.mark.parametrize(
    ("tier", "early"),
    [
        ("concept", "type"),
        ("concept", "words"),
        ("greenlight", "studios"),
        ("greenlight", "poster"),
        ("announcement", "members"),
        ("announcement", "award_winning"),
        ("release", "no_such_feature"),
    ],
)
def test_an_early_use_is_refused_by_name(tier: str, early: str) -> None:
    with pytest.raises(LaterTier, match=rf"experiment early is of tier {tier} and uses {early} \("):
        check_ledger(Experiment("early", "", tier, "trees", (early,)))


def test_a_nuisance_may_be_of_any_tier() -> None:
    check_ledger(Experiment("held", "", "concept", "ridge", ("synopsis",), nuisances=("members", "words")))


def test_a_table_that_holds_a_deliberate_leak_says_so_in_its_name() -> None:
    leaks = [one.name for one in EXPERIMENTS.values() if {*one.inputs} & {"members", "favourites", "votes"}]

    assert leaks == ["tabular_release_leak"]


def test_pitches_go_from_the_lowest_tier_to_the_highest_and_hold_fame_fixed() -> None:
    tiers = [EXPERIMENTS[name].tier for name in PITCHES]

    assert PITCHES == ("pitch", "pitch_greenlight", "pitch_announcement")
    assert tiers == ["concept", "greenlight", "announcement"]
    assert all({*EXPERIMENTS[name].nuisances} == {"words", "main_characters", "synopsis_credit"} for name in PITCHES)


def test_baselines_run_on_every_split_and_every_seed() -> None:
    assert all(EXPERIMENTS[name].cheap and EXPERIMENTS[name].splits == EVERY_SPLIT for name in BASELINES)


def test_the_run_that_the_paper_never_made_differs_from_full_by_portraits_alone() -> None:
    full, without = EXPERIMENTS["full"], EXPERIMENTS["full_without_portraits"]

    assert {*full.inputs} - {*without.inputs} == {"portraits"}
    assert (full.recipe, full.tier, full.options["head"]) == (without.recipe, without.tier, without.options["head"])


def test_published_figures_stand_beside_the_rows_that_the_papers_have() -> None:
    assert EXPERIMENTS["full"].published == {
        "unit_mean_squared_error": 0.01056, "spearman_score": 0.4309, "pearson_score": 0.4360,
        "kendall_score": 0.2970, "r2_score": 0.1866, "unit_mean_absolute_error": 0.0800,
    }  # fmt: skip
    assert EXPERIMENTS["pitch"].published is None
    assert {one.paper_row for one in EXPERIMENTS.values()} - {None} == {*RESULTS}
