"""Figures say what the tables say, add up, and stand beside those of the paper."""

import runpy
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from anipop_pipeline.assets.split import clusters as clusters_asset
from anipop_pipeline.assets.split import split_statistics
from anipop_pipeline.assets.split import splits as splits_asset
from anipop_pipeline.config import SplitConfig
from anipop_pipeline.lake import AbsentTable, Folder
from anipop_pipeline.stages import clean, cluster, statistics
from anipop_pipeline.stages.features import FRANCHISE
from anipop_pipeline.stages.tables import published
from anipop_pipeline.stages.tables.corpus import CorpusAnime, CorpusCharacters, CorpusRejects, Statistics
from anipop_pipeline.stages.tables.pages import Anime
from anipop_pipeline.stages.tables.split import ImportedSplit

ROOT = Path(__file__).resolve().parents[1]
ANIME_LISTS = [name for name, kind in Anime.create_empty().schema.items() if isinstance(kind, pl.List)]
CORPUS_LISTS = [name for name, kind in CorpusAnime.create_empty().schema.items() if isinstance(kind, pl.List)]


def anime(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return parsed anime 1, 2, ... of which a row says what matters."""
    usual = {"url": "u", "title": "T", "synopsis": "S", "score": 7.0, **{name: [] for name in ANIME_LISTS}}
    numbered = [{**usual, "anime_id": number, **row} for number, row in enumerate(rows, start=1)]
    return Anime.validate(pl.DataFrame(numbered, schema=Anime.create_empty().schema))


def corpus(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return kept anime 1, 2, ... of which a row says what matters."""
    usual = {"url": "u", "title": "T", "synopsis": "S", "words": 20, "synopsis_credit": "none", "main_characters": 1,
             "description_words": 0, "score": 7.0, **{name: [] for name in CORPUS_LISTS}}  # fmt: skip
    numbered = [{**usual, "anime_id": number, **row} for number, row in enumerate(rows, start=1)]
    return CorpusAnime.validate(pl.DataFrame(numbered, schema=CorpusAnime.create_empty().schema))


def characters(*words: int) -> pl.DataFrame:
    """Return characters 1, 2, ... called A, B, ... and described in so many words."""
    rows = [(number, chr(64 + number), "d", amount) for number, amount in enumerate(words, start=1)]
    return CorpusCharacters.validate(pl.DataFrame(rows, schema=CorpusCharacters.create_empty().schema, orient="row"))


def rejects(*rows: tuple[str, int, str]) -> pl.DataFrame:
    named = [(table, number, None, rule) for table, number, rule in rows]
    return CorpusRejects.validate(pl.DataFrame(named, schema=CorpusRejects.create_empty().schema, orient="row"))


def played(*pairs: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"anime_id": pl.Int64, "character_id": pl.Int64}, orient="row")


def split(name: str, parts: dict[int, str], seen: Sequence[int] = (), fold: int = 0) -> pl.DataFrame:
    rows = [(name, 0, fold, number, part, number in seen) for number, part in parts.items()]
    return pl.DataFrame(rows, schema=["split", "repeat", "fold", "anime_id", "part", "seen"], orient="row")


def figures(
    table: pl.DataFrame, statistic: str, bucket: str, part: str = "all"
) -> dict[str, tuple[float | None, float | None]]:
    rows = table.filter(pl.col("statistic") == statistic, pl.col("bucket") == bucket, pl.col("part") == part)
    return {measure: (value, paper) for measure, value, paper in rows.select("measure", "value", "published").rows()}


def values(table: pl.DataFrame, statistic: str, bucket: str, part: str = "all") -> dict[str, float | None]:
    rows = table.filter(pl.col("statistic") == statistic, pl.col("bucket") == bucket, pl.col("part") == part)
    return dict(rows.select("measure", "value").rows())


# Words and main characters by score


def described() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a corpus of three anime and its two characters."""
    titles = corpus(
        {"score": 7.0, "words": 20, "main_characters": 1},
        {"score": 7.99, "words": 30, "main_characters": 2},
        {"score": 10.0, "words": 40, "main_characters": 1},
    )
    return titles, characters(3, 1)


def test_words_by_floor_of_the_score_stand_beside_those_of_the_paper() -> None:
    table = statistics.describe(*described())

    assert figures(table, "synopsis_words", "7-8") == {
        "samples": (2, 3021), "max": (30, 581), "min": (20, 24), "mean": (25, 121.30),
    }  # fmt: skip
    assert figures(table, "synopsis_words", "9-10")["max"] == (40, 189)
    assert figures(table, "synopsis_words", "all")["mean"] == (30, None)
    assert figures(table, "synopsis_words", "all")["mean_of_rows"] == (32.5, 104.73)  # of 25 and 40
    assert "mean_of_rows" not in figures(table, "main_characters", "all")
    assert figures(table, "description_words", "all") == {
        "samples": (2, 14682), "max": (3, 3551), "min": (1, 4), "mean": (2, 121.34),
    }  # fmt: skip
    assert figures(table, "main_characters", "7-8")["mean"] == (1.5, None)


def test_another_part_stands_beside_the_papers_figures_of_that_part_whatever_it_is_called() -> None:
    titles, people = described()

    test = statistics.describe(titles, people, part="test")
    imported = statistics.describe(titles, people, part="imported test", paper_part="test")

    assert figures(test, "synopsis_words", "7-8", "test")["samples"] == (2, 534)
    assert figures(test, "description_words", "all", "test")["mean"] == (2, 124.84)
    assert figures(imported, "synopsis_words", "7-8", "imported test")["samples"] == (2, 534)


def test_a_floor_in_which_the_paper_alone_has_titles_stands_beside_nothing() -> None:
    table = statistics.describe(*described(), part="test")

    assert figures(table, "synopsis_words", "2-3", "test") == {
        "samples": (0, 1), "max": (None, 52), "min": (None, 52), "mean": (None, 52.0),
    }  # fmt: skip
    assert statistics.describe(corpus(), characters()).is_empty()


@given(st.lists(st.tuples(st.floats(1, 10), st.integers(1, 500)), max_size=30))
def test_floors_of_the_score_add_up_to_all(rows: list[tuple[float, int]]) -> None:
    titles = corpus(*({"score": score, "words": words} for score, words in rows))

    table = statistics.describe(titles, characters())

    own = table.filter(pl.col("statistic") == "synopsis_words", pl.col("measure") == "samples")
    by_floor = own.filter(pl.col("bucket") != "all")["value"].sum()
    assert by_floor == len(rows) == (values(table, "synopsis_words", "all").get("samples") or 0)


def test_the_papers_own_parts_add_up_to_its_whole() -> None:
    for floor in published.FLOORS:
        whole, train, test = (published.synopsis_words(part, floor)["samples"] for part in ("all", "train", "test"))
        assert whole == train + test
    assert published.FUNNEL["anime"][1] == sum(published.PARTS.values()) == 7784


# The way to the corpus, and what left it


def leaving() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return four parsed titles, the one that was kept, and why the others left."""
    parsed = anime(
        {"score": None, "members": 5, "type": "ONA"},
        {"score": None, "members": 9},
        {"members": 50, "score": 4.0, "type": "ONA", "aired_from": date(1990, 4, 1)},
        {"members": 100, "score": 8.0, "type": "TV", "aired_from": date(2001, 1, 1)},
    )
    kept = corpus({"anime_id": 4, "members": 100, "score": 8.0, "type": "TV", "year": 2001})
    lost = rejects(("anime", 1, "score_missing"), ("anime", 2, "score_missing"), ("anime", 3, "synopsis_short"))
    return parsed, kept, lost


def test_the_funnel_loses_nothing_and_both_its_ends_stand_beside_the_papers() -> None:
    parsed, kept, lost = leaving()

    table = statistics.corpus_statistics(parsed, kept, characters(), lost)

    funnel = table.filter(pl.col("statistic") == "funnel_anime").select("bucket", "value", "published").rows()
    assert funnel == [("parsed", 4, 11873), ("score_missing", 2, None), ("synopsis_short", 1, None), ("kept", 1, 7784)]
    assert values(table, "titles_by_year", "2001") == {"samples": 1}


def test_characters_have_a_funnel_of_their_own_where_there_are_any() -> None:
    parsed, kept, lost = leaving()
    gone = rejects(("characters", 8, "no_kept_anime"), ("characters", 9, "no_kept_anime"))

    table = statistics.corpus_statistics(parsed, kept, characters(3), pl.concat([lost, gone]))
    without = statistics.corpus_statistics(parsed, kept, characters(), lost)

    steps = table.filter(pl.col("statistic") == "funnel_characters").select("bucket", "value", "published").rows()
    assert steps == [("parsed", 3, 21329), ("no_kept_anime", 2, None), ("kept", 1, 14682)]
    assert "funnel_characters" not in without["statistic"]


def test_flops_that_left_are_described_rule_by_rule_beside_what_was_kept() -> None:
    parsed, kept, lost = leaving()

    table = statistics.corpus_statistics(parsed, kept, characters(), lost)

    # Members 5, 9 and 50 left; the oldest of them alone has a day.
    assert values(table, "left_out", "left_out") == {
        "rows": 3, "members_median": 9, "score_mean": 4, "year_median": 1990,
    }  # fmt: skip
    assert values(table, "left_out", "score_missing") == {
        "rows": 2, "members_median": 7, "score_mean": None, "year_median": None,
    }  # fmt: skip
    assert values(table, "left_out", "kept") == {
        "rows": 1, "members_median": 100, "score_mean": 8, "year_median": 2001,
    }  # fmt: skip
    assert values(table, "left_out_types", "left_out") == pytest.approx({"ONA": 2 / 3, "unknown": 1 / 3})
    assert values(table, "left_out_types", "kept") == {"TV": 1.0}


def test_statistics_of_an_empty_corpus_are_few_and_no_error() -> None:
    lost = rejects(("anime", 1, "score_missing"))

    table = statistics.corpus_statistics(anime({"score": None}), CorpusAnime.create_empty(), characters(), lost)

    assert values(table, "left_out", "kept") == {}
    assert values(table, "left_out", "left_out")["members_median"] is None
    assert values(table, "funnel_anime", "kept") == {"rows": 0}


# The split


def test_train_and_test_are_described_apart_beside_the_paper() -> None:
    titles = corpus({"score": 7.5, "words": 20}, {"score": 7.5, "words": 40}, {"score": 6.5, "words": 30})
    roles = played((1, 1), (3, 1), (3, 2))
    parts = split("published", {1: "train", 2: "train", 3: "test"})

    table = statistics.split_statistics(titles, characters(1, 3), roles, cluster.clusters(titles, roles), parts)

    assert figures(table, "synopsis_words", "7-8", "train")["mean"] == (30.0, 121.14)
    assert figures(table, "synopsis_words", "6-7", "test")["samples"] == (1.0, 592.0)
    assert figures(table, "description_words", "all", "train")["samples"] == (1.0, 14168.0)
    assert figures(table, "description_words", "all", "test")["mean"] == (2.0, 124.84)
    assert figures(table, "balance", "published", "train")["rows"] == (2.0, 6345.0)
    assert figures(table, "clusters", "all")["clusters"] == (2.0, 4089.0)


def test_the_authors_own_parts_stand_beside_the_papers_numbers_too() -> None:
    parts = split("authors", {1: "train", 2: "test"}, seen=[2])

    table = statistics.balance(parts, cluster.clusters(corpus({}, {}), played((1, 1), (2, 1))), played((1, 1), (2, 1)))

    assert figures(table, "balance", "authors", "train")["rows"] == (1.0, 6345.0)
    assert values(table, "balance", "authors", "test")["seen"] == 1


def test_balance_counts_rows_clusters_characters_and_what_a_test_row_has_in_common_with_train() -> None:
    titles = corpus(*[{}] * 5)
    # 1, 2 and 3 are a chain over characters 1 and 2; 4 and 5 stand alone. 3 shares nobody with 1, but its cluster.
    roles = played((1, 1), (2, 1), (2, 2), (3, 2), (4, 3))
    clusters = cluster.clusters(titles, roles)
    parts = {1: "train", 4: "train", 2: "test", 3: "test", 5: "test"}

    table = statistics.balance(split("temporal", parts, seen=[2, 3]), clusters, roles)

    train, test = (values(table, "balance", "temporal", part) for part in ("train", "test"))
    assert train == {"rows": 2, "seen": 0, "clusters": 2, "characters": 2, "sharing": 0}
    assert test == {"rows": 3, "seen": 2, "clusters": 2, "characters": 2, "sharing": 1}


def test_folds_of_one_split_are_added_up_and_further_draws_are_not() -> None:
    titles = corpus(*[{}] * 4)
    clusters, roles = cluster.clusters(titles, played()), played((1, 1), (2, 2), (3, 3), (4, 4))
    first = split("grouped", {1: "test", 2: "test", 3: "train", 4: "train"})
    second = split("grouped", {1: "train", 2: "train", 3: "test", 4: "test"}, fold=1)
    again = second.with_columns(repeat=pl.lit(1, pl.Int64))

    table = statistics.balance(pl.concat([first, second, again]), clusters, roles)

    assert values(table, "balance", "grouped", "test") == {
        "rows": 4, "seen": 0, "clusters": 4, "characters": 4, "sharing": 0,
    }  # fmt: skip


def test_clusters_are_counted_by_their_size() -> None:
    sizes = [1, 1, 2, 4, 5, 60]
    firsts = [1 + sum(sizes[:place]) for place in range(len(sizes))]
    rows = [(first + extra, first, size) for first, size in zip(firsts, sizes, strict=True) for extra in range(size)]
    clusters = pl.DataFrame(rows, schema=["anime_id", "cluster_id", "size"], orient="row")

    table = statistics.finish([statistics.cluster_sizes(clusters)])

    found = {bucket: values(table, "clusters", bucket) for bucket in ("1", "2", "3-5", "51 and more", "all")}
    assert found == {
        "1": {"clusters": 2, "titles": 2, "largest": 1},
        "2": {"clusters": 1, "titles": 2, "largest": 2},
        "3-5": {"clusters": 2, "titles": 9, "largest": 5},
        "51 and more": {"clusters": 1, "titles": 60, "largest": 60},
        "all": {"clusters": 6, "titles": 73, "largest": 60},
    }
    assert "6-10" not in table["bucket"]


# The example of shared characters


def example(titles: pl.DataFrame, people: pl.DataFrame, roles: pl.DataFrame) -> dict[tuple[str, str], float]:
    table = statistics.shared_characters(titles, people, roles, cluster.clusters(titles, roles))
    return {(bucket, measure): value for bucket, measure, value in table.select("bucket", "measure", "value").rows()}


def test_the_example_shows_who_of_the_largest_cluster_plays_where() -> None:
    titles = corpus({"title": "One"}, {"title": "Two"}, {"title": None}, {"title": "Alone"}, {"title": "Pair"})
    roles = played((1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 3), (4, 4))

    found = example(titles, characters(1, 1, 1, 1), roles)

    assert found == {
        ("A (1)", "titles"): 3, ("B (2)", "titles"): 2,
        ("A (1)", "One (1)"): 1, ("A (1)", "Two (2)"): 1, ("A (1)", "no. 3"): 1,
        ("B (2)", "One (1)"): 1, ("B (2)", "Two (2)"): 1, ("B (2)", "no. 3"): 0,
    }  # fmt: skip


def test_a_site_that_describes_no_characters_has_an_example_by_their_numbers() -> None:
    found = example(corpus({}, {}), characters(), played((1, 7), (2, 7)))

    assert found == {("no. 7", "titles"): 2, ("no. 7", "T (1)"): 1, ("no. 7", "T (2)"): 1}


def test_the_example_has_titles_with_many_shared_characters_and_titles_with_few() -> None:
    pairs = [(title, person) for title in range(1, 7) for person in (1, 2)] + [(title, 1) for title in range(7, 13)]

    found = example(corpus(*[{}] * 12), characters(1, 1), played(*pairs))

    shown = {measure for _, measure in found} - {"titles"}
    assert shown == {f"T ({number})" for number in (1, 2, 3, 7, 8, 9)}


def test_without_a_shared_character_there_is_no_example() -> None:
    assert example(corpus({}, {}), characters(1), played((1, 1))) == {}
    assert example(corpus(), characters(), played()) == {}


def the_papers(*lacking: tuple[int, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return titles 21, 466 and 38234 of the paper's example, and who plays there but for some."""
    parts = [(title, person) for person, own in published.SHARED_CHARACTERS.items() for title in own]
    titles = [{"anime_id": number, "title": f"No. {number}"} for number in (21, 466, 38234)]
    here = [(title, person) for title, person in parts if title in (21, 466, 38234) and (title, person) not in lacking]
    return corpus(*titles), played(*here)


def test_the_papers_example_stands_beside_itself_where_its_characters_are_here() -> None:
    titles, roles = the_papers((466, 62))

    rows = statistics.shared_characters(titles, characters(), roles, cluster.clusters(titles, roles))

    found = {(who, where): (ours, paper) for _, _, who, where, ours, paper in rows.rows()}
    assert len(found) == 5 * 8
    assert found["no. 40", "titles"] == (3, 7)
    assert found["no. 62", "titles"] == (2, 4)
    assert found["no. 724", "titles"] == (2, 3)
    assert found["no. 62", "No. 21 (21)"] == (1, 1)
    assert found["no. 62", "No. 466 (466)"] == (0, 1)  # printed, and no main part here
    assert found["no. 724", "No. 466 (466)"] == (0, 0)
    assert found["no. 40", "no. 22661"] == (None, 1)  # not here


def test_the_same_numbers_of_somebody_else_are_not_the_papers_example() -> None:
    titles, roles = the_papers((21, 305))
    both = pl.concat([roles, played((21, 999), (466, 999))])

    assert ("no. 305", "titles") not in example(titles, characters(), both)
    assert (
        "published"
        not in statistics.shared_characters(titles, characters(), both, cluster.clusters(titles, both)).columns
    )


def test_figures_come_out_in_one_form_with_and_without_published_ones() -> None:
    rows = pl.DataFrame({"statistic": ["a"], "part": ["all"], "bucket": ["b"], "measure": ["m"], "value": [1]})

    table = statistics.finish([rows, rows.with_columns(part=pl.lit("test"), published=pl.lit(2.0))])

    assert table.rows() == [("a", "all", "b", "m", 1.0, None), ("a", "test", "b", "m", 1.0, 2.0)]
    assert table.columns == Statistics.column_names()


# In Dagster


def drawn(imported: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """Return what the asset makes of three titles, two of which share a character."""
    titles, roles = corpus({}, {}, {}), played((1, 1), (2, 1), (3, 2))
    parts = split("published", {1: "train", 2: "train", 3: "test"})
    made = split_statistics(titles, characters(1, 3), roles, cluster.clusters(titles, roles), parts, imported)
    assert isinstance(made, dg.MaterializeResult)
    return made


def test_the_page_of_an_asset_shows_the_tables_of_the_report() -> None:
    made = drawn(AbsentTable("a crawl brings no split"))

    assert set(made.metadata or {}) == {"balance", "clusters", "shared_characters", "words_by_part"}
    shown = (made.metadata or {})["shared_characters"]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    assert "| T (1) | yes |" in (shown.value or "")


def test_a_split_that_a_site_brings_is_described_where_there_is_one() -> None:
    brought = pl.DataFrame({"anime_id": [1, 2, 3, 99], "part": ["train", "test", "test", "train"]})

    made = drawn(ImportedSplit.validate(brought, cast=True))

    assert values(made.value, "imported_split", "imported", "all") == {
        "unknown": 1, "unplaced": 0, "agreed": 2, "torn_clusters": 1, "torn_characters": 1,
    }  # fmt: skip
    assert figures(made.value, "synopsis_words", "7-8", "imported test")["samples"] == (2, 534)
    assert {"imported_split", "words_by_imported_part"} <= set(made.metadata or {})


def test_a_split_that_a_site_brings_becomes_one_of_the_splits_and_a_crawl_has_none() -> None:
    titles = corpus({"year": 2001}, {"year": 2002}, {"year": 2003})
    belongs = cluster.clusters(titles, played((1, 1), (2, 1)))
    brought = ImportedSplit.validate(pl.DataFrame({"anime_id": [1, 2], "part": ["train", "test"]}), cast=True)

    names = []
    for imported in (AbsentTable("a crawl brings no split"), brought):
        made = splits_asset(titles, belongs, imported, SplitConfig(repeats=1))
        assert isinstance(made, dg.MaterializeResult)
        assert isinstance(made.value, Folder)
        assert set(made.value.notes) == {"label_ranges"}
        names.append(set(made.value.table()["split"]))

    assert names == [{"published", "grouped", "temporal"}, {"published", "grouped", "temporal", "authors"}]


def test_franchises_join_titles_where_the_dial_says_so_and_the_manifest_remembers() -> None:
    named = [{"relation": "Sequel", "kind": "anime", "related_id": 1}]
    titles = corpus({}, {"relations": named})

    counts = {}
    for franchises in (False, True):
        made = clusters_asset(titles, played(), SplitConfig(franchises=franchises))
        assert isinstance(made, dg.MaterializeResult)
        assert isinstance(made.value, Folder)
        assert made.value.notes == {"franchises": franchises}
        counts[franchises] = made.value.table()["cluster_id"].n_unique()

    assert counts == {False: 2, True: 1}


# Real data


@pytest.fixture(scope="module")
def of_2021(real: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return parsed titles, kept ones, rejects and main parts of 2021, as the script reads them."""
    script = runpy.run_path(str(ROOT / "benchmarks" / "paper_tables.py"))
    parsed, roles = script["parsed"](real / "tables"), script["roles"](real / "tables")
    kept = clean.usable_anime(parsed, roles, None, min_words=20, need_characters=True)
    return parsed, kept.rows, kept.rejects, clean.kept_roles(roles, kept.rows, None)


Site = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]


def test_words_grow_with_the_score_on_the_real_site_as_the_paper_found_them(of_2021: Site) -> None:
    parsed, kept, lost, _ = of_2021

    table = statistics.corpus_statistics(parsed, kept, characters(), lost)

    for floor in ("5-6", "6-7", "7-8", "8-9"):
        ours, paper = figures(table, "synopsis_words", floor)["mean"]
        assert ours == pytest.approx(paper, rel=0.06)
    assert values(table, "left_out", "score_missing")["members_median"] == 188
    assert values(table, "left_out", "no_main_character")["score_mean"] == pytest.approx(5.82, abs=0.005)
    assert values(table, "left_out", "kept")["score_mean"] == pytest.approx(6.79, abs=0.005)


def test_labels_and_components_agree_on_the_real_site_with_and_without_franchises(of_2021: Site) -> None:
    _, kept, _, roles = of_2021

    counts = []
    for franchises in ((), FRANCHISE):
        found = cluster.clusters(kept, roles, franchises)
        assert_frame_equal(cluster.relabelled(kept, roles, franchises), found)
        counts.append(found["cluster_id"].n_unique())

    assert counts == [4309, 3943]


def test_who_plays_where_in_the_papers_example_plays_there_on_the_real_site(of_2021: Site) -> None:
    _, kept, _, roles = of_2021
    links, there = set(roles.select("anime_id", "character_id").rows()), set(kept["anime_id"])

    parts = [(title, person) for person, titles in published.SHARED_CHARACTERS.items() for title in titles]

    assert {title for title, _ in parts} - there == {50410}  # released in 2022
    assert [part for part in parts if part[0] in there and part not in links] == [(22661, 40)]  # no main part in 2021


def test_the_papers_example_is_shown_with_the_real_sites_parts(of_2021: Site) -> None:
    _, kept, _, roles = of_2021

    rows = statistics.shared_characters(kept, characters(), roles, cluster.clusters(kept, roles))

    totals = rows.filter(pl.col("measure") == "titles").select("bucket", "value", "published").rows()
    # 50410 came later, and 40 had no main part in 22661.
    assert totals == [
        ("no. 40", 5, 7), ("no. 62", 3, 4), ("no. 723", 3, 4), ("no. 724", 2, 3), ("no. 305", 2, 3),
    ]  # fmt: skip


def test_the_largest_family_of_the_real_site_and_its_most_shared_characters(of_2021: Site) -> None:
    _, kept, _, roles = of_2021

    found = example(kept, characters(), roles.filter(pl.col("character_id") != 305))  # else the paper's is shown

    assert next(bucket for bucket, measure in found if measure == "titles") == "no. 1044"
    assert found["no. 1044", "titles"] == 51
    assert found["no. 1044", "Lupin III (1412)"] == 1
