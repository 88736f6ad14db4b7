"""The card says what a corpus is, and passes on nothing that belongs to others."""

from datetime import date
from io import BytesIO

import polars as pl
import pytest

from anipop_pipeline.stages import card
from anipop_pipeline.stages.tables.corpus import CorpusAnime, Statistics

SECRET = "Nobody but the owner of this sentence may pass it on."


def corpus(*scores: float) -> pl.DataFrame:
    lists = {name: [] for name in ("genres", "themes", "demographics", "studios", "relations")}
    rows = [
        {
            **lists,
            "anime_id": number,
            "url": f"u{number}",
            "title": f"T{number}",
            "synopsis": SECRET,
            "words": 11,
            "synopsis_credit": "none",
            "main_characters": 1,
            "description_words": 0,
            "score": score,
            "aired_from": date(2001, 1, 1),
            "year": 2001,
            "type": "TV",
        }
        for number, score in enumerate(scores, start=1)
    ]
    return CorpusAnime.validate(pl.DataFrame(rows, schema=CorpusAnime.create_empty().schema))


def built(*, invented: bool, scores: tuple[float, ...] = (5.0, 6.5, 8.0)) -> dict[str, pl.DataFrame | bytes]:
    rows = corpus(*scores)
    ids = rows["anime_id"].to_list()
    clusters = pl.DataFrame(
        {"anime_id": ids, "cluster_id": [max(1, one - 1) for one in ids], "size": 1},
        schema={"anime_id": pl.Int64, "cluster_id": pl.Int64, "size": pl.Int64},
    )
    splits = pl.DataFrame(
        {"split": "published", "repeat": [0, 0, 1], "fold": 0, "anime_id": [1, 2, 1], "part": "train", "seen": False}
    )
    statistics = Statistics.validate(
        pl.DataFrame(
            [
                ("funnel_anime", "all", "parsed", "rows", 1234.0, None),
                ("funnel_anime", "all", "kept", "rows", 3.0, None),
                ("funnel_characters", "all", "kept", "rows", 99.0, None),
            ],
            schema=Statistics.create_empty().schema,
            orient="row",
        )
    )
    return card.build("demo", invented, rows, statistics, clusters, splits)


def text(files: dict[str, pl.DataFrame | bytes]) -> str:
    readme = files["README.md"]
    assert isinstance(readme, bytes)
    return readme.decode()


@pytest.mark.parametrize("invented", [True, False])
def test_a_card_says_demo_where_titles_are_invented_and_only_there(invented: bool) -> None:
    assert ("DEMO" in text(built(invented=invented))) == invented


def test_a_card_counts_titles_clusters_scores_and_the_funnel() -> None:
    said = text(built(invented=False))

    assert "3 anime in 2 clusters" in said
    assert "Scores from 5.00 to 8.00, mean 6.50." in said
    assert "| parsed | 1,234 |\n| kept | 3 |" in said
    assert "99" not in said


def test_no_text_of_others_leaves_with_the_card() -> None:
    files = built(invented=False)

    for content in files.values():
        if isinstance(content, bytes):
            assert SECRET.encode() not in content
        else:
            file = BytesIO()
            content.write_csv(file)
            assert SECRET.encode() not in file.getvalue()
            assert not {"synopsis", "description", "image"} & {*content.columns}


def test_beside_the_card_lie_facts_and_the_splits_to_quote() -> None:
    files = built(invented=False)

    anime, splits = files["anime.parquet"], files["splits.parquet"]
    assert isinstance(anime, pl.DataFrame)
    assert isinstance(splits, pl.DataFrame)
    assert anime.select("anime_id", "title", "score", "cluster_id").rows() == [
        (1, "T1", 5.0, 1), (2, "T2", 6.5, 1), (3, "T3", 8.0, 2),
    ]  # fmt: skip
    assert splits.select("split", "anime_id").rows() == [("published", 1), ("published", 2)]
    assert {*files} == {"README.md", "anime.parquet", "splits.parquet"}


def test_a_card_states_its_limits_and_whose_the_texts_are() -> None:
    said = text(built(invented=False))

    assert card.LIMITS in said
    assert card.RIGHTS in said


def test_the_card_of_an_empty_corpus_says_that_there_is_nothing() -> None:
    said = text(built(invented=False, scores=()))

    assert "0 anime in 0 clusters" in said
    assert "nan" not in said
