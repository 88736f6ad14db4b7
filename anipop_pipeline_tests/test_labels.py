"""Labels follow the site's formula, say what they do not know, and never become features."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from anipop_pipeline.config import CorpusConfig
from anipop_pipeline.demo import marks, world
from anipop_pipeline.errors import LaterTier, SettingError
from anipop_pipeline.lake import Folder, Lake, clock
from anipop_pipeline.stages import labels, parse
from anipop_pipeline.stages.experiments import Experiment, check_ledger
from anipop_pipeline.stages.tables.corpus import CorpusAnime
from anipop_pipeline.stages.tables.features import LEDGER, TabularFeatures
from anipop_pipeline.stages.tables.pages import Anime, FurtherScores, Histograms, Roles
from anipop_pipeline.stages.tables.reports import LABELS, Metrics, Predictions

from .whole_graph import failure, materialise, opened

LISTS = [name for name, kind in Anime.create_empty().schema.items() if isinstance(kind, pl.List)]
NEVER_INPUTS = (*LABELS, "score_anilist", "votes_error", "further_scores")


def anime(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return parsed anime 1, 2, ..."""
    usual = {"url": "u", "title": "T", **{name: [] for name in LISTS}}
    numbered = [{**usual, "anime_id": number, **row} for number, row in enumerate(rows, start=1)]
    return Anime.validate(pl.DataFrame(numbered, schema=Anime.create_empty().schema))


def histograms(*anime_marks: dict[int, int]) -> pl.DataFrame:
    """Return the marks of anime 1, 2, ...: how many gave each."""
    rows = [(number, mark, many) for number, own in enumerate(anime_marks, 1) for mark, many in own.items()]
    return Histograms.validate(pl.DataFrame(rows, schema=Histograms.create_empty().schema, orient="row"))


def corpus(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return the labels of anime 1, 2, ... as a corpus has them."""
    names = ("anime_id", *LABELS, "votes", "votes_error", "further_scores")
    schema = {name: kind for name, kind in CorpusAnime.create_empty().schema.items() if name in names}
    return pl.DataFrame([{"anime_id": number, **row} for number, row in enumerate(rows, 1)], schema=schema)


# The formula


def test_fifty_votes_of_the_site_are_added_to_those_of_the_audience() -> None:
    # 150 votes of 8 and 50 of 6.4 are 1200 + 320 of 200.
    assert labels.weighted(8.0, 150, 6.4) == 7.6
    assert labels.plain(7.6, 150, 6.4) == pytest.approx(8.0)


@given(st.floats(1, 10), st.integers(1, 3_000_000), st.floats(1, 10))
def test_the_formula_turned_round_gives_back_what_went_in(plain: float, votes: int, mean: float) -> None:
    shown = labels.weighted(plain, votes, mean)

    assert labels.plain(shown, votes, mean) == pytest.approx(plain, abs=1e-9)
    assert min(plain, mean) - 1e-9 <= shown <= max(plain, mean) + 1e-9


def test_columns_obey_the_formula_as_numbers_do() -> None:
    rows = pl.DataFrame({"plain": [8.0, 4.0], "votes": [150, 50]})

    shown = rows.select(labels.weighted(pl.col("plain"), pl.col("votes"), 6.4)).to_series()

    assert shown.to_list() == [7.6, 5.2]


# The site's mean


def test_the_sites_mean_is_fitted_where_scores_stand_beside_their_marks() -> None:
    # At 50 votes, half of a score is the site's mean: 7 = 8/2 + C/2 and 5 = 4/2 + C/2 agree on C = 6.
    shown = anime({"score": 7.0, "votes": 50}, {"score": 5.0, "votes": 50}, {"score": 9.9, "votes": 50})

    found = labels.site_mean(shown, histograms({8: 50}, {4: 50}))

    assert found == (pytest.approx(6.0), labels.FITTED, 2)


@pytest.mark.parametrize(
    "votes_and_scores",
    [
        pytest.param([(1_000_000, 8.0), (1_000_000, 4.0)], id="famous titles hardly speak of it"),
        pytest.param([(50, 7.5), (50, 4.5)], id="titles that contradict each other"),
        pytest.param([(50, 7.0)], id="one title"),
        pytest.param([(50, 10.0), (50, 8.0)], id="a mean that no site can have"),
    ],
)
def test_an_unsure_fit_gives_way_to_the_mean_of_displayed_scores(votes_and_scores: list[tuple[int, float]]) -> None:
    shown = anime(*({"score": score, "votes": votes} for votes, score in votes_and_scores))
    displayed = [score for _, score in votes_and_scores]

    found = labels.site_mean(shown, histograms({8: 50}, {4: 50}))

    assert found == (pytest.approx(sum(displayed) / len(displayed)), labels.STAND_IN, len(displayed))


def test_a_mean_that_is_given_needs_no_estimate() -> None:
    shown = anime({"score": 7.0, "votes": 50}, {"score": 5.0, "votes": 50})

    assert labels.site_mean(shown, histograms({8: 50}, {4: 50}), 6.605) == (6.605, labels.GIVEN, 0)


@pytest.mark.parametrize("mean", [0.5, -1, 10.5])
def test_a_mean_that_no_site_can_have_is_no_dial(mean: float) -> None:
    with pytest.raises(ValidationError, match="site_mean"):
        CorpusConfig(site_mean=mean)


def test_the_stand_in_says_so_and_nothing_displayed_leaves_it_unknown() -> None:
    assert labels.site_mean(anime({"score": 7.0}, {"score": 6.0}, {})) == (6.5, labels.STAND_IN, 2)
    assert labels.site_mean(anime({})) == (None, labels.UNKNOWN, 0)


# The check of displayed scores


def test_displayed_scores_are_compared_with_recomputed_ones() -> None:
    # With C = 6, 150 votes and marks of 8, 6, 4: 7.5, 6 and 4.5.
    shown = anime(*({"score": score, "votes": 150} for score in (7.505, 6.0075, 4.4)), {"score": 5.0, "votes": 9})

    found = labels.check(shown, histograms({8: 150}, {6: 150}, {4: 150}), 6.0)

    assert found == (3, pytest.approx(1 / 3), pytest.approx(2 / 3), pytest.approx(0.1))


def test_without_marks_there_is_nothing_to_check() -> None:
    assert labels.check(anime({"score": 7.0, "votes": 9}), histograms(), 6.0) == (0, None, None, None)


# The labels of a title


def test_marks_give_the_plain_mean_and_the_weighted_score() -> None:
    shown = anime({"score": 7.0, "votes": 50}, {"score": 5.0, "votes": 50})

    rows = labels.labelled(shown, histograms({6: 25, 10: 25}, {4: 50}))

    assert rows["plain"].to_list() == [8.0, 4.0]
    assert rows["weighted"].to_list() == pytest.approx([7.0, 5.0])


def test_the_votes_of_the_page_count_where_the_marks_are_of_another_number() -> None:
    # 8 of 150 votes and C = 6 are 7.5, whatever the 40 marks that another page showed.
    shown = anime({"score": 7.5, "votes": 150}, {"score": 5.0, "votes": 50})

    rows = labels.labelled(shown, histograms({8: 40}, {4: 50}))

    assert rows["weighted"].to_list() == pytest.approx([7.5, 5.0])


def test_without_marks_the_formula_is_turned_round_and_a_recomputed_score_would_say_nothing() -> None:
    # The stand-in is (7.5 + 4.5) / 2 = 6, so 150 votes of 8 are behind 7.5, and 150 of 4 behind 4.5.
    rows = labels.labelled(anime({"score": 7.5, "votes": 150}, {"score": 4.5, "votes": 150}))

    assert rows["plain"].to_list() == [8.0, 4.0]
    assert rows["weighted"].to_list() == [None, None]


def test_fewer_votes_than_the_formula_adds_give_no_plain_mean_where_the_sites_mean_is_a_stand_in() -> None:
    parsed = anime({"score": 6.5, "votes": 49}, {"score": 6.5, "votes": 50}, {"score": 6.5, "votes": 49})

    assert labels.labelled(parsed)["plain"].to_list() == [None, pytest.approx(6.5), None]
    assert labels.labelled(parsed, given_mean=6.5)["plain"].to_list() == pytest.approx([6.5] * 3)
    # Marks tell the mean whatever their number.
    assert labels.labelled(parsed, histograms({7: 49}))["plain"].to_list() == [7.0, pytest.approx(6.5), None]


def test_a_plain_mean_that_no_marks_can_have_contradicts_the_formula() -> None:
    # The ten votes would need a mean of 9 + 5 * (9 - 6), the forty one of (90 * 22 / 3 - 300) / 40.
    parsed = anime({"score": 9.0, "votes": 10}, {"score": 22 / 3, "votes": 40})

    assert labels.labelled(parsed, given_mean=6.0)["plain"].to_list() == [None, pytest.approx(9.0)]


def test_votes_that_only_a_histogram_tells_are_the_votes() -> None:
    parsed = anime({"score": 7.0}, {"score": 5.0, "votes": 60})
    rows = labels.labelled(parsed, histograms({6: 25, 10: 25}, {4: 50}))
    spread = math.sqrt(4 * 50 / 49)

    assert rows["votes"].to_list() == [50, 60]
    noise = rows.select(labels.voting_error("score").alias("score"), labels.voting_error("plain").alias("plain"))
    assert noise.row(0) == pytest.approx((spread / math.sqrt(50) / 2, spread / math.sqrt(50)))


def test_what_votes_cannot_tell_is_unknown() -> None:
    parsed = anime({"score": 9.9, "votes": 1}, {"score": 6.0}, {"votes": 40}, {"score": 2.1, "votes": 0})

    rows = labels.labelled(parsed)

    assert rows["plain"].to_list() == [None] * 4
    assert rows["votes_error"].to_list() == pytest.approx([1.6, None, 1.6 / math.sqrt(40), None], nan_ok=True)


def test_a_standard_error_is_the_spread_of_marks_over_the_root_of_their_number() -> None:
    # 50 marks, 2 on either side of 8: variance 4 * 50 / 49.
    spread = math.sqrt(4 * 50 / 49)

    rows = labels.labelled(anime({"score": 7.0, "votes": 50}, {"votes": 100}), histograms({6: 25, 10: 25}))

    # Where no mark is known, the spread is that of the titles whose marks are.
    assert rows["votes_error"].to_list() == pytest.approx([spread / math.sqrt(50), spread / 10])


def test_a_handful_of_marks_does_not_tell_its_own_spread() -> None:
    rows = labels.labelled(anime({"score": 7.0, "votes": 4}), histograms({7: 4}))

    assert rows["plain"].to_list() == [7.0]
    assert rows["votes_error"].to_list() == [labels.TYPICAL_SD / 2]


def test_a_page_on_which_nobody_voted_gives_no_mean() -> None:
    rows = labels.labelled(anime({}), histograms(dict.fromkeys(range(1, 11), 0)))

    assert rows.select("plain", "weighted", "votes_error").row(0) == (None, None, None)


# Scores from elsewhere


def test_scores_from_elsewhere_are_labels_of_their_own() -> None:
    brought = FurtherScores.validate(
        pl.DataFrame({"anime_id": [1, 1, 9], "source": ["kitsu", "anilist", "kitsu"], "score": [4.0, 71.0, 1.0]})
    )
    parsed = anime({"score": 7.0}, {"score": 6.0})

    rows = labels.labelled(parsed, None, brought).join(parsed.select("anime_id", "score"), on="anime_id")
    table = labels.wide(rows)

    assert labels.present(table) == ["score", "score_anilist", "score_kitsu"]
    assert table.select("anime_id", "score_anilist", "score_kitsu").rows() == [(1, 71.0, 4.0), (2, None, None)]
    assert labels.ranges(rows) == {"score": [6.0, 7.0], "score_anilist": [71.0, 71.0], "score_kitsu": [4.0, 4.0]}


def test_the_range_of_every_label_is_known() -> None:
    rows = corpus(
        {"score": 7.0, "plain": 7.5, "audience": 0.25, "further_scores": [{"source": "kitsu", "score": 4.0}]},
        {"score": 6.0, "plain": 5.0, "audience": None, "further_scores": [{"source": "kitsu", "score": 2.0}]},
    )

    assert labels.ranges(rows) == {
        "score": [6.0, 7.0], "plain": [5.0, 7.5], "audience": [0.25, 0.25], "score_kitsu": [2.0, 4.0],
    }  # fmt: skip
    assert {*labels.long(rows)["label"]} == {*labels.ranges(rows)}


@pytest.mark.parametrize("label", [*LABELS, "score_anilist"])
def test_tables_of_results_take_every_label(label: str) -> None:
    for schema in (Predictions, Metrics):
        assert schema.create_empty().schema["label"] == pl.String

    told = Predictions.create_empty().clear(1).with_columns(
        label=pl.lit(label), experiment=pl.lit("e"), split=pl.lit("grouped"), predicted=pl.lit(1.0),
        anime_id=pl.lit(1), repeat=pl.lit(0), fold=pl.lit(0), seed=pl.lit(0),
    )  # fmt: skip
    assert Predictions.is_valid(told, cast=True)
    assert not Predictions.is_valid(told.with_columns(label=pl.lit("scores")), cast=True)


def test_a_label_that_nobody_has_is_refused_and_those_there_are_listed() -> None:
    table = labels.wide(corpus({"score": 7.0, "audience": 0.5}))

    labels.refuse_unknown(["audience", "score"], table)
    with pytest.raises(SettingError, match=r"no title has the label plain, rank .*choose from score, audience"):
        labels.refuse_unknown(["plain", "score", "rank"], table)


# Labels are no features


def test_no_label_is_in_the_ledger_or_in_the_table_of_features() -> None:
    assert not {*NEVER_INPUTS} & {*LEDGER, *TabularFeatures.column_names()}


@pytest.mark.parametrize("label", NEVER_INPUTS)
def test_the_ledger_refuses_a_label_as_input_and_as_nuisance(label: str) -> None:
    with pytest.raises(LaterTier, match=label):
        check_ledger(Experiment("peeking", "", "release", "trees", (label,)))
    with pytest.raises(LaterTier, match=label):
        check_ledger(Experiment("peeking", "", "release", "trees", ("words",), nuisances=(label,)))


# What voting noise would allow


def test_the_ceiling_is_what_voting_leaves_of_the_variance() -> None:
    # The labels 6 and 8 have variance 1; the squared errors 0.01 and 0.09 are 0.05 on average.
    rows = corpus({"plain": 6.0, "votes_error": 0.1}, {"plain": 8.0, "votes_error": 0.3}, {"plain": 9.0})

    assert labels.ceiling(rows, "plain") == pytest.approx(0.95)


def test_a_weighted_score_wavers_less_than_the_plain_mean() -> None:
    # Of 50 votes, half of the score is theirs, so that half of their error is in it.
    rows = corpus(*({"score": score, "votes": 50, "votes_error": 0.4} for score in (6.0, 8.0)))

    assert labels.ceiling(rows, "score") == pytest.approx(1 - 0.04)


def test_a_displayed_score_of_no_votes_has_no_error_of_voting() -> None:
    row = corpus({"score": 7.0, "votes": 0, "votes_error": 0.4})

    assert row.select(labels.voting_error("score")).item() is None


@pytest.mark.parametrize("label", ["audience", "score_anilist", "plain"])
def test_where_votes_say_nothing_of_a_label_no_ceiling_is_known(label: str) -> None:
    assert labels.ceiling(corpus({"audience": 0.1, "score": 7.0}, {"audience": 0.9, "score": 8.0}), label) is None


def test_labels_that_are_all_alike_have_no_ceiling() -> None:
    assert labels.ceiling(corpus(*({"plain": 7.0, "votes_error": 0.1},) * 2), "plain") is None


def test_the_statistics_say_how_each_figure_was_found() -> None:
    parsed = anime({"score": 7.0, "votes": 50}, {"score": 5.0, "votes": 50})
    own = histograms({8: 50}, {4: 50})
    rows = labels.labelled(parsed, own).join(parsed.select("anime_id", "score"), on="anime_id")

    table = labels.statistics(parsed, rows, own)

    told = {(name, bucket, measure): value for name, bucket, measure, value in
            table.select("statistic", "bucket", "measure", "value").iter_rows()}  # fmt: skip
    assert told["site_mean", labels.FITTED, "score"] == pytest.approx(6.0)
    assert told["label_check", "all", "titles"] == 2
    assert told["label_check", "all", "within_rounding_share"] == 1
    assert told["labels", "weighted", "titles"] == 2
    assert told["ceiling", "score", "r2_score"] == 1  # nobody's marks differ


def test_statistics_of_nothing_are_nulls_and_no_error() -> None:
    table = labels.statistics(anime({"aired_from": date(2020, 1, 1)}), corpus(), None)

    assert table.filter(pl.col("statistic") == "site_mean")["value"].to_list() == [None]


# From the lake to predictions


LACKING = ("characters", "portraits", "histograms", "further_scores")


def a_lake(folder: Path, **more: Folder) -> Lake:
    """Return a lake of forty scored titles that share nobody, where no page of statistics was read."""
    titles = anime(
        *(
            {"score": 5 + number / 10, "votes": 100 + number, "synopsis": f"word{number} " * 20,
             "aired_from": date(1990 + number % 30, 4, 2)}
            for number in range(40)
        )
    )  # fmt: skip
    cast = [(number, number, None, "main", "u", 0) for number in range(1, 41)]
    tables = {
        "anime": Folder({"table.parquet": titles}),
        "roles": Folder({"table.parquet": pl.DataFrame(cast, schema=Roles.create_empty().schema, orient="row")}),
        **{name: Folder(absent=f"no {name} here") for name in (*LACKING, "imported_split")},
        **more,
    }
    lake = opened(folder)
    for name, table in tables.items():
        lake.save(name, table, {}, clock())
    return lake


LEARNING = ("corpus_anime", "corpus_characters", "corpus_roles", "clusters", "splits", "tabular_features", "model_mean")


def test_a_score_that_a_site_brings_is_learned_where_the_dial_names_it(tmp_path: Path) -> None:
    brought = pl.DataFrame({"anime_id": range(1, 31), "source": "kitsu", "score": [float(one) for one in range(1, 31)]})
    lake = a_lake(tmp_path, further_scores=Folder({"table.parquet": FurtherScores.validate(brought, cast=True)}))

    materialise(tmp_path, *LEARNING, dials={"model_mean": {"labels": ["score_kitsu"]}})

    predicted = lake.load_table("model_mean")
    assert predicted["label"].unique().to_list() == ["score_kitsu"]
    assert {*predicted["anime_id"]} == {*range(1, 31)}
    # The mean of the site is 6.95: (150 * 5 - 50 * 6.95) / 100 and (189 * 8.9 - 50 * 6.95) / 139 bound the plain means.
    assert lake.manifest("splits").notes["label_ranges"] == {
        "score": [5.0, 8.9], "plain": pytest.approx([4.025, 1334.6 / 139]), "score_kitsu": [1.0, 30.0],
    }  # fmt: skip


def test_a_label_that_a_site_lacks_stops_its_models_in_plain_words(tmp_path: Path) -> None:
    a_lake(tmp_path)

    result = materialise(tmp_path, *LEARNING, dials={"model_mean": {"labels": ["weighted"]}}, expect=False)

    said = failure(result, "model_mean")
    assert "no title has the label weighted (at TrainConfig.labels)" in said
    assert "choose from score, plain" in said


def test_a_given_mean_stands_in_the_statistics_of_the_corpus_that_was_made_with_it(tmp_path: Path) -> None:
    lake = a_lake(tmp_path)

    materialise(
        tmp_path, "corpus_anime", "corpus_characters", "corpus_roles", "corpus_rejects", "corpus_statistics",
        dials={"corpus_anime": {"site_mean": 6.605}},
    )  # fmt: skip

    found = lake.load_table("corpus_statistics").filter(pl.col("statistic") == "site_mean")
    assert found.select("bucket", "value").rows() == [(labels.GIVEN, 6.605)]


# The demo and the real site


def test_the_demos_scores_come_back_from_their_marks_and_so_does_its_mean() -> None:
    invented = [one for one in world.build(60, 11).anime if one.score is not None]
    shown = anime(*({"score": one.score, "votes": one.votes} for one in invented))
    told = histograms(*(dict(zip(marks.MARKS, marks.histogram(one, 11), strict=True)) for one in invented))

    mean = labels.site_mean(shown, told)

    assert mean == (pytest.approx(marks.MEAN, abs=0.02), labels.FITTED, len(invented))
    assert labels.check(shown, told, marks.MEAN).within_one_cent_share == 1


def marks_of(real: Path, *pages: dict[str, Any]) -> pl.DataFrame:
    """Return the marks that real pages of statistics show, of anime 1, 2, ... in the order of the pages."""
    told = [
        parse.histogram(
            (real / "pages" / page["file"]).read_bytes(), f"https://myanimelist.net/anime/{page['id']}/stats"
        )
        for page in pages
    ]
    return histograms(*({row["mark"]: row["votes"] for row in rows} for rows in told))


def statistics_pages(real: Path) -> list[dict[str, Any]]:
    pages = json.loads((real / "pages" / "index.json").read_text())
    return [page for page in pages if page["kind"] == "anime_stats"]


def test_real_scores_lie_within_four_hundredths_of_their_marks(real: Path) -> None:
    # The site leaves votes of members who saw too little out of the score but not out of the marks.
    displayed = {"1": (8.76, 831444), "37405": (7.14, 7399)}
    pages = [page for page in statistics_pages(real) if page["date"] == "2022-06-06"]
    shown = anime(*({"score": displayed[page["id"]][0], "votes": displayed[page["id"]][1]} for page in pages))

    found = labels.check(shown, marks_of(real, *pages), 6.6)

    assert found.titles == 2
    assert found.within_rounding_share == 0
    assert 0.03 < (found.largest_error or 0) < 0.04


def test_the_spread_of_real_marks_is_about_what_stands_in_for_it(real: Path) -> None:
    pages = statistics_pages(real)

    assert len(pages) == 6
    assert labels.typical_sd(marks_of(real, *pages)) == pytest.approx(1.58, abs=0.005)
