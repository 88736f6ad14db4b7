"""Metrics are what the textbooks say, intervals cover what they promise, and comparisons are fair."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as judge  # noqa: TID253 - the referee of this file

from anipop_pipeline.errors import MixedGenerations
from anipop_pipeline.stages.metrics import Scores, holm, score
from anipop_pipeline.stages.metrics.catalogue import METRICS, TEMPORAL
from anipop_pipeline.stages.metrics.ranks import kendall, spearman
from anipop_pipeline.stages.metrics.resample import draw

Said = Mapping[str, Sequence[float]]


def judged(
    actual: Sequence[float],
    said: Said,
    *,
    clusters: Sequence[int] | None = None,
    folds: Sequence[int] | None = None,
    samples: int = 50,
    own_range: bool = False,
    corpus: Sequence[float] = (),
) -> Scores:
    """Return the scores of experiments on anime 1, 2, ...; `corpus` adds scores of anime that nobody is tested on."""
    count = len(actual)
    ids = list(range(1, count + 1))
    everything = pl.DataFrame(
        {"anime_id": range(1, count + len(corpus) + 1), "score": [*map(float, actual), *map(float, corpus)]}
    )
    splits = pl.DataFrame(
        {"anime_id": ids, "fold": folds or [0] * count, "split": "grouped", "repeat": 0, "part": "test", "seen": False}
    )
    predictions = pl.concat(
        splits.select(
            "anime_id", "fold", "split", "repeat", experiment=pl.lit(name), label=pl.lit("score"), seed=pl.lit(42)
        ).with_columns(predicted=pl.Series([float(value) for value in values]))
        for name, values in said.items()
    )
    belongs = pl.DataFrame({"anime_id": ids, "cluster_id": clusters or ids})
    return score(predictions, everything, belongs, splits, samples=samples, seed=1, own_range=own_range)


def values(scores: Scores, experiment: str = "words", group: str = "all") -> dict[str, float | None]:
    rows = scores.metrics.filter(pl.col("experiment") == experiment, pl.col("group") == group)
    return dict(rows.select("metric", "value").iter_rows())


def test_every_metric_of_four_rows_is_what_pencil_and_paper_give() -> None:
    scores = judged([2, 4, 6, 8], {"words": [3, 4, 8, 6]}, corpus=[1, 9])

    found = values(scores)
    # Errors 1, 0, 2, -2: squares 1, 0, 4, 4; labels 2..8 around 5 with squares 9, 1, 1, 9; corpus 1..9 is 8 wide.
    assert found == pytest.approx(
        {
            "mean_squared_error": 9 / 4,
            "root_mean_squared_error": 1.5,
            "mean_absolute_error": 5 / 4,
            "mean_absolute_percentage_error": 100 * (1 / 2 + 0 + 2 / 6 + 2 / 8) / 4,
            "unit_mean_squared_error": 9 / 4 / 64,
            "unit_mean_absolute_error": 5 / 4 / 8,
            "r2_score": 1 - 9 / 20,
            # Predictions around 5.25: -2.25, -1.25, 2.75, 0.75; products with -3, -1, 1, 3 give 13.
            "pearson_score": 13 / np.sqrt(20 * 14.75),
            "spearman_score": 0.8,  # ranks 1 2 4 3: 1 - 6 * 2 / (4 * 15)
            "kendall_score": 4 / 6,  # five pairs agree, one does not
        }
    )


def test_the_published_scale_takes_the_range_of_the_test_rows_themselves() -> None:
    actual, said = [2, 4, 6, 8], {"words": [3, 4, 8, 6]}

    own = values(judged(actual, said, corpus=[1, 9], own_range=True))

    assert own["unit_mean_squared_error"] == pytest.approx(9 / 4 / 36)
    assert own["unit_mean_absolute_error"] == pytest.approx(5 / 4 / 6)
    assert own["mean_squared_error"] == 9 / 4


@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_scipy_and_scikit_learn_on_labels_full_of_ties(seed: int) -> None:
    generator = np.random.default_rng(seed)
    actual = np.round(generator.normal(6.5, 0.8, 300), 1)
    said = np.round(actual + generator.normal(0, 1, 300), 1)

    found = values(judged(actual.tolist(), {"words": said.tolist()}, samples=0))

    assert found["mean_squared_error"] == pytest.approx(judge.mean_squared_error(actual, said))
    assert found["root_mean_squared_error"] == pytest.approx(judge.root_mean_squared_error(actual, said))
    assert found["mean_absolute_error"] == pytest.approx(judge.mean_absolute_error(actual, said))
    assert found["mean_absolute_percentage_error"] == pytest.approx(
        100 * judge.mean_absolute_percentage_error(actual, said)
    )
    assert found["r2_score"] == pytest.approx(judge.r2_score(actual, said))
    assert found["pearson_score"] == pytest.approx(stats.pearsonr(actual, said).statistic)
    assert found["spearman_score"] == pytest.approx(stats.spearmanr(actual, said).statistic)
    assert found["kendall_score"] == pytest.approx(stats.kendalltau(actual, said).statistic)


@pytest.mark.parametrize("rows", [30, 1300])  # one block of pairs, and several
def test_correlations_of_a_resample_are_those_of_its_rows_written_out(rows: int) -> None:
    generator = np.random.default_rng(rows)
    clusters = generator.integers(0, rows // 2, rows)
    actual = np.round(generator.normal(size=rows), 1)
    said = np.round(actual + generator.normal(size=rows), 1)
    draws = draw(clusters, samples=5, seed=3)
    position = draws.positions(clusters)

    by_rank, by_pair = spearman(actual, said, position, draws), kendall(actual, said, position, draws)

    for number, counts in enumerate(draws.counts):
        drawn = np.repeat(np.arange(rows), counts[position].astype(int))
        assert by_rank[number] == pytest.approx(stats.spearmanr(actual[drawn], said[drawn]).statistic)
        assert by_pair[number] == pytest.approx(stats.kendalltau(actual[drawn], said[drawn]).statistic)


def test_clusters_are_drawn_whole() -> None:
    clusters = [1, 1, 1, 2, 2, 3, 4, 5]

    draws = draw(np.array(clusters), samples=200, seed=0)

    assert draws.counts.shape == (201, 5)
    assert (draws.counts.sum(axis=1) == 5).all()
    assert draws.counts[1:].max() > 1
    assert draws.counts[1:].min() == 0


def test_a_constant_answer_has_errors_but_no_correlation() -> None:
    found = values(judged([2, 4, 6, 8, 5], {"words": [5, 5, 5, 5, 5]}))

    assert {name for name, value in found.items() if value is None} == {
        "pearson_score",
        "spearman_score",
        "kendall_score",
    }
    assert found["mean_squared_error"] == 4
    assert found["r2_score"] == 0


def test_the_means_of_train_folds_rank_nothing() -> None:
    actual = [2, 4, 6, 8, 5, 7]

    found = values(judged(actual, {"words": [5.9, 5.9, 5.9, 4.1, 4.1, 4.1]}, folds=[0, 0, 0, 1, 1, 1]))

    assert found["pearson_score"] is None
    assert found["spearman_score"] is None
    assert found["kendall_score"] is None


@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_than_three_rows_have_errors_but_no_scores(rows: int) -> None:
    found = values(judged([2, 4][:rows], {"words": [3, 3.5][:rows]}))

    assert found["mean_absolute_error"] == pytest.approx([1, 0.75][rows - 1])
    assert all(value is None for name, value in found.items() if name.endswith("_score"))


def test_labels_that_are_all_alike_leave_no_variance_to_explain() -> None:
    found = values(judged([5, 5, 5, 5], {"words": [4, 5, 6, 7]}))

    assert found["mean_squared_error"] == 1.5
    assert all(value is None for name, value in found.items() if name.endswith("_score") or name.startswith("unit_"))


def test_an_error_in_percent_of_zero_is_not_a_number_to_quote() -> None:
    found = values(judged([0, 0.5, 1], {"words": [0.1, 0.5, 0.9]}))

    assert found["mean_absolute_percentage_error"] is None
    assert found["mean_absolute_error"] == pytest.approx(0.2 / 3)


def test_an_interval_holds_its_value_and_needs_clusters_to_stand_on() -> None:
    generator = np.random.default_rng(5)
    actual = generator.normal(6, 1, 60)
    said = {"words": (actual + generator.normal(0, 1, 60)).tolist()}

    many = judged(actual.tolist(), said, samples=300).metrics
    few = judged(actual.tolist(), said, samples=300, clusters=[1, 2, 3, 4] * 15).metrics

    assert many.select((pl.col("low") < pl.col("value")).all()).item()
    assert many.select((pl.col("value") < pl.col("high")).all()).item()
    assert few["low"].null_count() == few["high"].null_count() == few.height
    assert few["value"].null_count() == 0


def test_rows_that_rise_and_fall_together_widen_the_interval() -> None:
    generator = np.random.default_rng(6)
    family = np.repeat(np.arange(20), 10)
    error = generator.normal(size=20)[family]
    actual = generator.normal(6, 1, 200)
    said = {"words": (actual + error).tolist()}

    together = judged(actual.tolist(), said, clusters=(family + 1).tolist(), samples=300)
    apart = judged(actual.tolist(), said, samples=300)

    assert _width(together, "mean_squared_error") > 2 * _width(apart, "mean_squared_error")


def _width(scores: Scores, metric: str) -> float:
    row = scores.metrics.row(by_predicate=pl.col("metric") == metric, named=True)
    return float(row["high"] - row["low"])


def test_an_interval_of_95_percent_covers_the_truth_about_95_times_in_100() -> None:
    generator = np.random.default_rng(7)
    family = np.repeat(np.arange(60), 3)
    truth = 1.0 + 0.5  # variance of an error shared by a family, and of each title's own
    covered = []

    for _ in range(200):
        error = generator.normal(size=60)[family] + generator.normal(0, np.sqrt(0.5), 180)
        actual = generator.normal(6, 1, 180)
        draws = judged(actual.tolist(), {"words": (actual + error).tolist()}, clusters=family.tolist(), samples=200)
        row = draws.metrics.row(by_predicate=pl.col("metric") == "mean_squared_error", named=True)
        covered.append(row["low"] <= truth <= row["high"])

    assert 0.86 <= np.mean(covered) <= 0.99


def test_all_experiments_see_the_same_resamples() -> None:
    generator = np.random.default_rng(8)
    actual = generator.normal(6, 1, 40).tolist()
    said = generator.normal(6, 1, 40).tolist()

    alone = judged(actual, {"words": said}).metrics
    beside = judged(actual, {"also": actual, "words": said}).metrics.filter(pl.col("experiment") == "words")

    assert alone.equals(beside)


def test_several_seeds_average_the_metric_and_not_the_predictions() -> None:
    corpus = pl.DataFrame({"anime_id": [1, 2, 3], "score": [4.0, 6.0, 8.0]})
    splits = pl.DataFrame(
        {"anime_id": [1, 2, 3], "split": "grouped", "repeat": 0, "fold": 0, "part": "test", "seen": False}
    )
    row = {"experiment": "net", "label": "score", "split": "grouped", "repeat": 0, "fold": 0}
    predictions = pl.DataFrame(
        [
            row | {"seed": seed, "anime_id": anime, "predicted": score_ + off}
            for seed, off in ((1, 1.0), (2, -3.0))
            for anime, score_ in corpus.rows()
        ]
    )
    clusters = pl.DataFrame({"anime_id": [1, 2, 3], "cluster_id": [1, 2, 3]})

    scores = score(predictions, corpus, clusters, splits, samples=10, seed=0)

    assert values(scores, "net")["mean_squared_error"] == (1 + 9) / 2
    assert scores.metrics["rows"].unique().to_list() == [3]


@pytest.fixture
def dated() -> Scores:
    """What an experiment is worth on a split by time."""
    return with_a_sequel("temporal")


def with_a_sequel(split: str) -> Scores:
    """Return scores where anime 1 and 2 train, 3 to 6 are tested; 3 is a sequel of 1."""
    corpus = pl.DataFrame({"anime_id": range(1, 7), "score": [4.0, 6.0, 6.0, 7.0, 8.0, 9.0]})
    splits = pl.DataFrame(
        {
            "anime_id": range(1, 7),
            "split": split,
            "repeat": 0,
            "fold": 0,
            "part": ["train"] * 2 + ["test"] * 4,
            "seen": [False, False, True, False, False, False],
        }
    )
    tested = splits.filter(pl.col("part") == "test").select("anime_id", "split", "repeat", "fold")
    predictions = tested.with_columns(
        experiment=pl.lit("words"), label=pl.lit("score"), seed=pl.lit(0), predicted=pl.Series([6.0, 6.0, 8.0, 8.0])
    )
    clusters = pl.DataFrame({"anime_id": range(1, 7), "cluster_id": [1, 2, 1, 4, 5, 6]})
    return score(predictions, corpus, clusters, splits, samples=20, seed=0)


def test_the_future_is_judged_against_the_mean_of_the_past_too(dated: Scores) -> None:
    found = values(dated)

    # Squared errors 0, 1, 0, 1. Around the test mean 7.5: 2.25, 0.25, 0.25, 2.25; around the train mean 5: 1, 4, 9, 16.
    assert found["r2_score"] == pytest.approx(1 - 2 / 5)
    assert found["r2_train_mean_score"] == pytest.approx(1 - 2 / 30)


def test_seen_and_unseen_clusters_are_reported_apart(dated: Scores) -> None:
    rows = dict(dated.metrics.select("group", "rows").unique().iter_rows())

    assert rows == {"all": 4, "seen": 1, "unseen": 3}
    assert values(dated, group="seen")["mean_squared_error"] == 0
    assert values(dated, group="unseen")["mean_squared_error"] == pytest.approx(2 / 3)


def test_what_the_authors_own_split_tears_is_reported_apart_too() -> None:
    scores = with_a_sequel("authors")

    assert values(scores, group="seen")["mean_squared_error"] == 0
    assert values(scores, group="unseen")["mean_squared_error"] == pytest.approx(2 / 3)
    assert "r2_train_mean_score" not in values(scores)


@pytest.fixture
def repeated() -> Scores:
    """One cheap experiment on three draws of the split, and one that ran on the first alone."""
    corpus = pl.DataFrame({"anime_id": range(1, 7), "score": [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]})
    splits = pl.DataFrame(
        [
            {"split": "published", "repeat": repeat, "fold": 0, "anime_id": anime, "part": "test", "seen": False}
            for repeat in range(3)
            for anime in range(1 + repeat, 5 + repeat)
            if anime <= 6
        ]
    )
    cheap = splits.join(corpus, on="anime_id").select(
        "split", "repeat", "fold", "anime_id", experiment=pl.lit("cheap"), predicted=pl.col("score") + pl.col("repeat")
    )
    dear = cheap.filter(pl.col("repeat") == 0).with_columns(experiment=pl.lit("dear"))
    predictions = pl.concat([cheap, dear]).with_columns(label=pl.lit("score"), seed=pl.lit(0))
    clusters = pl.DataFrame({"anime_id": range(1, 7), "cluster_id": range(1, 7)})
    return score(predictions, corpus, clusters, splits, samples=20, seed=0)


def test_only_the_first_repeat_is_quoted_and_the_others_say_how_far_repeats_lie_apart(repeated: Scores) -> None:
    errors = repeated.seeds.filter(pl.col("metric") == "mean_squared_error")

    assert values(repeated, "cheap")["mean_squared_error"] == 0
    assert errors.rows(named=True) == [
        {
            "experiment": "cheap",
            "label": "score",
            "split": "published",
            "metric": "mean_squared_error",
            "repeats": 3,
            "mean": pytest.approx(5 / 3),
            "low": 0.0,
            "high": pytest.approx(4.0),
        }
    ]


def test_experiments_are_compared_with_each_baseline_on_common_rows() -> None:
    actual = [float(value) for value in range(1, 31)]
    said = {"mean": [15.5] * 30, "length": [value + 2 for value in actual], "words": [value + 1 for value in actual]}

    found = judged(actual, said, samples=200).comparisons

    assert found.select("experiment", "baseline").rows() == [("words", "length"), ("words", "mean")]
    assert found["difference"].to_list() == pytest.approx([1 - 4, 1 - (30**2 - 1) / 12])
    assert (found["high"] < 0).all()


def test_a_p_value_is_never_zero_and_equal_answers_differ_by_chance_alone() -> None:
    actual = [float(value) for value in range(1, 31)]
    said = {"mean": [15.5] * 30, "same": [15.5] * 30, "words": actual}

    found = judged(actual, said, samples=99).comparisons

    p = dict(found.select("experiment", "p_value").iter_rows())
    assert p["same"] == 1
    assert p["words"] == 1 / 201  # two comparisons, a hundred draws for each
    assert dict(found.select("experiment", "p_corrected").iter_rows()) == {"same": 1, "words": pytest.approx(2 / 201)}


def test_many_comparisons_can_still_be_told_apart_after_correction() -> None:
    actual = [float(value) for value in range(1, 31)]
    said = {"mean": [15.5] * 30, **{f"words_{number}": actual for number in range(40)}}

    found = judged(actual, said, samples=10).comparisons

    assert found.height == 40
    assert (found["p_corrected"] < 0.05).all()


def test_comparisons_of_noise_are_rarely_significant() -> None:
    generator = np.random.default_rng(11)
    found = []

    for _ in range(100):
        actual = generator.normal(size=80)
        said = {name: (actual + generator.normal(size=80)).tolist() for name in ("length", "words")}
        found.append(judged(actual.tolist(), said, samples=99).comparisons["p_value"].item())

    assert np.mean(np.array(found) <= 0.05) <= 0.13
    assert 0.35 <= np.mean(found) <= 0.65


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_makes_a_p_value_smaller(p_values: list[float]) -> None:
    corrected = holm(p_values)

    assert all(after >= before for before, after in zip(p_values, corrected, strict=True))
    assert all(after <= 1 for after in corrected)
    assert [corrected[place] for place in np.argsort(p_values)] == sorted(corrected)


SCORES = st.lists(st.integers(100, 1000), min_size=3, max_size=12).map(lambda cents: [cent / 100 for cent in cents])


@settings(max_examples=25)
@given(SCORES, st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(actual: list[float], chance: int) -> None:
    corpus = pl.DataFrame({"anime_id": range(1, len(actual) + 1), "score": actual})
    splits = corpus.select("anime_id", split=pl.lit("grouped"), repeat=0, fold=0, part=pl.lit("test"), seen=False)
    clusters = corpus.select("anime_id", cluster_id=pl.col("anime_id") // 2 + 1)
    predictions = splits.select(
        "anime_id", "split", "repeat", "fold", experiment=pl.lit("words"), label=pl.lit("score"), seed=0
    ).with_columns(predicted=pl.Series(actual[::-1]))
    shuffled = [
        table.sample(fraction=1, shuffle=True, seed=chance) for table in (predictions, corpus, clusters, splits)
    ]

    one = score(predictions, corpus, clusters, splits, samples=20, seed=0)
    other = score(*shuffled, samples=20, seed=0)

    assert one.metrics.equals(other.metrics)


@settings(max_examples=25)
@given(SCORES, st.sampled_from([0.5, 2.0, 4.0]), st.sampled_from([0.0, 1.0, 8.0]))
def test_unit_errors_and_scores_do_not_depend_on_the_scale_of_the_label(
    actual: list[float], factor: float, shift: float
) -> None:
    said = [6.0 + 0.5 * place for place in range(len(actual))]

    one = values(judged(actual, {"words": said}, samples=0))
    other = values(
        judged(
            [factor * value + shift for value in actual],
            {"words": [factor * value + shift for value in said]},
            samples=0,
        )
    )

    free = [name for name in one if name.endswith("_score") or name.startswith("unit_")]
    assert [other[name] for name in free] == [pytest.approx(one[name], abs=1e-9) for name in free]


@settings(max_examples=25)
@given(SCORES)
def test_correlations_of_order_see_only_the_order(actual: list[float]) -> None:
    said = list(range(len(actual)))

    one = values(judged(actual, {"words": said}, samples=0))
    other = values(judged([value**3 for value in actual], {"words": [2.0**rank for rank in said]}, samples=0))

    assert other["spearman_score"] == pytest.approx(one["spearman_score"])
    assert other["kendall_score"] == pytest.approx(one["kendall_score"])


def test_every_label_is_judged_on_its_own_range() -> None:
    titles = [1, 2, 3, 4]
    corpus = pl.DataFrame(
        {
            "anime_id": titles,
            "score": [6.0, 7.0, 8.0, 10.0],
            "plain": [6.0, 7.0, 8.0, None],
            "further_scores": [[{"source": "kitsu", "score": 10.0 * one}] for one in titles],
        }
    )
    splits = pl.DataFrame(
        {"anime_id": titles, "fold": 0, "split": "grouped", "repeat": 0, "part": "test", "seen": False}
    )
    said = pl.concat(
        splits.filter(pl.col("anime_id") < 4).select(
            "anime_id", "fold", "split", "repeat", experiment=pl.lit("always"), label=pl.lit(label), seed=pl.lit(42),
            predicted=pl.lit(answer),
        )
        for label, answer in {"score": 7.0, "plain": 7.0, "score_kitsu": 20.0}.items()
    )  # fmt: skip

    found = score(said, corpus, pl.DataFrame({"anime_id": titles, "cluster_id": titles}), splits, samples=50, seed=1)

    # Each is off by one step at either end; the ranges, of all the corpus, are 4, 2 and 30.
    errors = found.metrics.filter(pl.col("metric") == "unit_mean_absolute_error")
    assert dict(errors.select("label", "value").iter_rows()) == {
        "score": pytest.approx(2 / 3 / 4), "plain": pytest.approx(2 / 3 / 2), "score_kitsu": pytest.approx(20 / 3 / 30),
    }  # fmt: skip


def test_no_predictions_give_empty_tables() -> None:
    scores = judged([2, 4, 6], {"words": [2, 4, 6]})
    nothing = pl.DataFrame(
        schema={
            "experiment": pl.String,
            "label": pl.String,
            "split": pl.String,
            "repeat": pl.Int64,
            "fold": pl.Int64,
            "seed": pl.Int64,
            "anime_id": pl.Int64,
            "predicted": pl.Float64,
        }
    )
    corpus = pl.DataFrame({"anime_id": [1], "score": [5.0]})
    splits = pl.DataFrame(
        {"anime_id": [1], "split": ["grouped"], "repeat": 0, "fold": 0, "part": "test", "seen": False}
    )
    clusters = pl.DataFrame({"anime_id": [1], "cluster_id": [1]})

    empty = score(nothing, corpus, clusters, splits, samples=5, seed=0)

    assert empty.metrics.schema == scores.metrics.schema
    assert (empty.metrics.height, empty.seeds.height, empty.comparisons.height) == (0, 0, 0)


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [("splits", "no test row"), ("corpus", "no label"), ("clusters", "no cluster")],
)
def test_a_prediction_that_fits_no_table_at_hand_is_refused(spoilt: str, says: str) -> None:
    tables = {
        "corpus": pl.DataFrame({"anime_id": [1, 2], "score": [5.0, 6.0]}),
        "clusters": pl.DataFrame({"anime_id": [1, 2], "cluster_id": [1, 2]}),
        "splits": pl.DataFrame(
            {"anime_id": [1, 2], "split": "grouped", "repeat": 0, "fold": 0, "part": "test", "seen": False}
        ),
    }
    predictions = tables["splits"].select(
        "anime_id", "split", "repeat", "fold", experiment=pl.lit("words"), label=pl.lit("score"), seed=0, predicted=5.0
    )
    tables[spoilt] = tables[spoilt].filter(pl.col("anime_id") == 1)

    with pytest.raises(MixedGenerations, match=says):
        score(predictions, tables["corpus"], tables["clusters"], tables["splits"], samples=5, seed=0)


def test_the_name_of_a_metric_says_which_way_is_better() -> None:
    assert all(name.endswith(("_error", "_score")) for name in METRICS | TEMPORAL)
