"""Claims about the engine: the same results however many processes, bounded read-ahead, errors that surface."""

from collections.abc import Iterator
from multiprocessing import active_children

import polars as pl
import pyarrow as pa
import pytest

from anipop_pipeline.demo import world
from anipop_pipeline.demo.chrome import BASE
from anipop_pipeline.demo.pages import Site
from anipop_pipeline.engine import map_batches
from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages import parse
from anipop_pipeline.stages.parse import PageParser, collect

KIND = {"kind": "anime"}


def pages(*ids: int) -> pa.Table:
    """Return pages that no parser can read, so that each comes back as one row with its id and a reason."""
    return pa.table(
        {
            "url": [f"https://demo.invalid/anime/{number}" for number in ids],
            "id": pa.array(ids, pa.int64()),
            "body": pa.array([b"<html>no page</html>"] * len(ids), pa.large_binary()),
        }
    )


def rejected(batches: Iterator[pa.Table]) -> list[int]:
    kept, rejects = collect("anime", batches)
    assert kept.is_empty()
    return rejects["id"].to_list()


def invented_pages() -> pa.Table:
    """Return the anime pages that the demo's top list names, one of which leads nowhere."""
    site = Site(world.build(30, 7))
    listed, _ = parse.listing(site.page("/topanime.php").body.encode(), f"{BASE}/topanime.php")
    found = [site.page(row["url"].removeprefix(BASE)).body.encode() for row in listed]
    return pa.table(
        {
            "url": [row["url"] for row in listed],
            "id": pa.array([row["anime_id"] for row in listed], pa.int64()),
            "body": pa.array(found, pa.large_binary()),
        }
    )


def test_one_and_two_processes_give_the_same() -> None:
    batches = [invented_pages()]

    alone, together = (
        collect("anime", map_batches(batches, PageParser, KIND, batch_rows=4, actors=actors)) for actors in (1, 2)
    )

    assert alone[0].height + alone[1].height == 30
    assert alone[0].height > 20
    assert alone[0].equals(together[0])
    assert alone[1].equals(together[1])


@pytest.mark.parametrize("actors", [1, 2])
def test_every_row_comes_back_once_whatever_the_batches(actors: int) -> None:
    batches = [pages(*range(1, 8)), pages(), pages(8), pages(9, 10, 11)]

    answers = list(map_batches(batches, PageParser, KIND, batch_rows=3, actors=actors))

    assert sorted(answer.num_rows for answer in answers) == [1, 1, 3, 3, 3]
    assert rejected(iter(answers)) == list(range(1, 12))


def test_no_batches_give_no_answers_and_start_nothing() -> None:
    assert list(map_batches([], PageParser, KIND, batch_rows=3, actors=1)) == []
    assert list(map_batches([], PageParser, KIND, batch_rows=3, actors=2)) == []


@pytest.mark.parametrize(("actors", "ahead"), [(1, 1), (2, 4)])
def test_memory_does_not_grow_with_the_input(actors: int, ahead: int) -> None:
    read, answered, most = 0, 0, 0

    def source() -> Iterator[pa.Table]:
        nonlocal read
        for number in range(1, 31):
            read += 1
            yield pages(number)

    for _ in map_batches(source(), PageParser, KIND, batch_rows=1, actors=actors):
        most = max(most, read - answered)
        answered += 1

    assert answered == 30
    assert most <= ahead


@pytest.mark.parametrize("actors", [1, 2])
def test_an_error_in_an_actor_surfaces_as_it_is(actors: int) -> None:
    without_body = pages(1).drop_columns("body")

    with pytest.raises(KeyError, match="body"):
        list(map_batches([pages(2), without_body, pages(3)], PageParser, KIND, batch_rows=1, actors=actors))


@pytest.mark.parametrize("actors", [1, 2])
def test_an_actor_that_cannot_be_made_says_why_in_its_own_words(actors: int) -> None:
    with pytest.raises(SettingError) as wrong:
        list(map_batches([pages(1)], PageParser, {"kind": "recipe"}, batch_rows=1, actors=actors))

    assert wrong.value.what == "no such kind of page: recipe"
    assert wrong.value.fix.startswith("choose one of anime")


def test_who_stops_listening_leaves_no_process_behind() -> None:
    answers = map_batches((pages(number) for number in range(1, 9)), PageParser, KIND, batch_rows=1, actors=2)

    first = pl.DataFrame(pl.from_arrow(next(answers)))
    answers.close()  # type: ignore[attr-defined]

    assert first.height == 1
    assert active_children() == []
