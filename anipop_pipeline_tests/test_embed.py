"""Each input goes through an encoder once, comes back to whoever asked, and is kept or rejected on its own."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anipop_pipeline.engine import map_batches
from anipop_pipeline.errors import MissingTable, ModelMissing
from anipop_pipeline.lake import open_lake
from anipop_pipeline.stages import embed, encoders
from anipop_pipeline.stages.embed import Figures, Plan
from anipop_pipeline.stages.encoders import Encoder
from anipop_pipeline.vectors import VectorStore

from .embedding import TEXTS, Shelf, gpt2, noise, picture, plan, resnet, through, vectors


@pytest.fixture(scope="module")
def texts_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return gpt2(str(tmp_path_factory.mktemp("embed") / "gpt2"))


@pytest.fixture(scope="module")
def pictures_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return resnet(str(tmp_path_factory.mktemp("embed") / "resnet"))


# The cache


def test_what_was_computed_once_is_not_computed_again(texts_encoder: Encoder) -> None:
    cache, how = Shelf(), plan(texts_encoder)
    first = through(TEXTS, how, cache)

    again, more = through(TEXTS, how, cache), through([*TEXTS, "a new cat"], how, cache)

    assert [found.figures.computed for found in (first, again, more)] == [4, 0, 1]
    assert [found.figures.cached for found in (first, again, more)] == [0, 4, 4]
    np.testing.assert_array_equal(vectors(again), vectors(first))
    np.testing.assert_array_equal(vectors(more)[:4], vectors(first))


def test_the_same_text_is_computed_once_and_given_as_often_as_it_was_asked(texts_encoder: Encoder) -> None:
    found = through(["sea", "the cat", "sea", "sea"], plan(texts_encoder))

    assert (found.figures.asked, found.figures.unique, found.figures.computed) == (4, 2, 2)
    assert found.vectors.shape[0] == 2
    assert found.rows[0] == found.rows[2] == found.rows[3] != found.rows[1]


def test_deleting_the_cache_changes_no_vector(texts_encoder: Encoder) -> None:
    how, cache = plan(texts_encoder), Shelf()
    first = through(TEXTS, how, cache)
    cache.vectors.clear()

    np.testing.assert_array_equal(vectors(through(TEXTS, how, cache)), vectors(first))


def test_a_cache_that_grew_text_by_text_holds_the_same_vectors(texts_encoder: Encoder) -> None:
    how, cache = plan(texts_encoder), Shelf()
    for text in TEXTS:
        through([text], how, cache)

    found = through(TEXTS, how, cache)

    assert found.figures.computed == 0
    np.testing.assert_allclose(vectors(found), vectors(through(TEXTS, how)), atol=1e-5)


def test_the_order_of_inputs_changes_no_vector(texts_encoder: Encoder) -> None:
    how = plan(texts_encoder, at_once=12)

    np.testing.assert_array_equal(vectors(through(TEXTS[::-1], how))[::-1], vectors(through(TEXTS, how)))


@pytest.mark.parametrize("kept_as", ["float16", "float32"])
def test_a_first_run_and_a_second_one_see_the_same_vectors_in_the_lake(
    texts_encoder: Encoder, root: str, kept_as: str
) -> None:
    store, how = VectorStore(open_lake(root, "demo")), plan(texts_encoder, kept_as=kept_as)

    first, second = through(TEXTS, how, store), through(TEXTS, how, store)

    assert (first.figures.computed, second.figures.computed) == (4, 0)
    np.testing.assert_array_equal(vectors(first), vectors(second))


def test_a_killed_run_keeps_every_batch_that_was_done(texts_encoder: Encoder, root: str) -> None:
    store, how = VectorStore(open_lake(root, "demo")), plan(texts_encoder, at_once=1)

    def killed(batches: Iterable[pa.Table], *args: Any, **kwargs: Any) -> Iterator[pa.Table]:
        for number, result in enumerate(map_batches(batches, *args, **kwargs)):
            if number == 2:
                raise KeyboardInterrupt
            yield result

    given = [f"{number} {text}" for number in range(3) for text in TEXTS]
    with pytest.raises(KeyboardInterrupt):
        through(given, how, store, map_batches=killed)

    assert through(given, how, store).figures.computed == len(given) - 2 * how.together


def test_nothing_asked_loads_no_model() -> None:
    nowhere = Encoder("text", "no-such-model", "0" * 40, "mean", 0, 0, "auto", "", remote_code=False, identity="nobody")

    found = through([], plan(nowhere))

    assert (len(found.vectors), found.figures) == (0, Figures())


def test_a_key_changes_with_whatever_changes_the_vector(texts_encoder: Encoder) -> None:
    one = plan(texts_encoder)
    others = [
        replace(one, pooling="published"),
        replace(one, length=7),
        replace(one, long_texts="windows"),
        replace(one, dtype="bfloat16"),
        *(replace(one, encoder=replace(texts_encoder, **change)) for change in (
            {"identity": "another"}, {"layer": 1}, {"preprocessing": "query: "},
        )),
    ]  # fmt: skip

    keys = {key for how in (one, *others) for key in how.keys([(b"text",)])}
    keys |= set(one.keys([(b"other text",), (b"te", b"xt"), (b"tex", b"t"), ()]))

    assert len(keys) == len({how.shelf for how in (one, *others)}) + 4 == 12


def test_a_key_does_not_change_with_how_fast_it_is_computed_nor_with_where_a_model_lies(texts_encoder: Encoder) -> None:
    one = plan(texts_encoder)
    faster = replace(one, at_once=64, device="cuda", workers=9, compiled=True)
    moved = replace(one, encoder=replace(texts_encoder, model="/elsewhere", revision=""))

    assert faster.keys([(b"text",)]) == one.keys([(b"text",)]) == moved.keys([(b"text",)])
    assert faster.shelf == one.shelf == moved.shelf


# What cannot be read


def test_texts_without_words_are_rejected_and_all_others_have_their_vectors(texts_encoder: Encoder) -> None:
    found = through(["", "the cat", "  \n", "sea"], plan(texts_encoder))

    assert dict(found.rejected) == {0: "no words", 2: "no words"}
    assert found.rows.tolist() == [-1, found.rows[1], -1, found.rows[3]]
    expected = vectors(through(["the cat", "sea"], plan(texts_encoder)))
    np.testing.assert_array_equal(found.vectors[found.rows[[1, 3]]], expected)
    assert (found.figures.asked, found.figures.computed, found.figures.rejected) == (4, 2, 2)


def test_texts_of_any_length_and_script_have_vectors(texts_encoder: Encoder) -> None:
    odd = ["sea " * 100_000, "🐈‍⬛🌊", "猫と海", "a\x00b", "\u202eright to left", "é" * 500]

    found = through(odd, plan(texts_encoder))

    assert not found.rejected
    assert np.isfinite(vectors(found)).all()


BROKEN = {
    "no bytes": b"",
    "not a picture": b"<html>not here</html>",
    "cut off": noise(3)[:200],
    "20,000 x 20,000 pixels": picture(1, mode="1", size=(20_000, 20_000)),
}


def test_broken_pictures_are_rejected_with_a_reason_and_all_others_have_their_vectors(
    pictures_encoder: Encoder,
) -> None:
    good = [noise(1), picture((1, 2, 3), size=(1, 1)), picture((0, 0, 0, 0), mode="CMYK", kind="JPEG")]

    found = through([*BROKEN.values(), *good], plan(pictures_encoder, length=0))

    for place, reason in enumerate(BROKEN):
        assert reason in found.rejected[place]
    assert sorted(found.rejected) == [0, 1, 2, 3]
    np.testing.assert_array_equal(
        found.vectors[found.rows[4:]], vectors(through(good, plan(pictures_encoder, length=0)))
    )


def test_a_row_of_pictures_with_a_broken_one_is_made_of_the_others(pictures_encoder: Encoder) -> None:
    how = plan(pictures_encoder, length=0)

    found = through([(noise(1), b"", noise(2)), (b"", b"x")], how)

    assert list(found.rejected) == [1]
    np.testing.assert_array_equal(found.vectors[found.rows[0]], vectors(through([(noise(1), noise(2))], how))[0])


def test_where_nothing_can_be_read_there_are_no_vectors_and_no_error(pictures_encoder: Encoder) -> None:
    found = through([b"", b"x"], plan(pictures_encoder, length=0))

    assert found.rows.tolist() == [-1, -1]


def test_what_was_rejected_is_tried_again_by_the_next_run(pictures_encoder: Encoder) -> None:
    cache, how = Shelf(), plan(pictures_encoder, length=0)
    through([b"", noise(1)], how, cache)

    again = through([b"", noise(1)], how, cache)

    assert (again.figures.cached, again.figures.rejected) == (1, 1)


def test_a_model_that_gives_no_numbers_is_an_error_and_leaves_the_cache_clean(
    texts_encoder: Encoder, tmp_path: Path
) -> None:
    from safetensors.numpy import load, save

    folder, cache = tmp_path / "broken", Shelf()
    shutil.copytree(texts_encoder.model, folder)
    weights = load((folder / "model.safetensors").read_bytes())
    weights["ln_f.bias"] = weights["ln_f.bias"] * np.float32("nan")
    (folder / "model.safetensors").write_bytes(save(weights, {"format": "pt"}))

    with pytest.raises(ModelMissing, match="not numbers"):
        through(TEXTS, plan(encoders.choose("text", str(folder))), cache)

    assert not cache.vectors


# Figures


def test_progress_is_told_after_each_table_and_ends_with_everything(texts_encoder: Encoder) -> None:
    told: list[Figures] = []

    through([*TEXTS, "the ship", ""], plan(texts_encoder, at_once=1), progress=told.append)

    assert [figures.computed for figures in told] == [4, 5]
    assert {figures.rejected for figures in told} == {1}
    tokenizer = encoders.load_tokenizer(texts_encoder)
    assert told[-1].tokens == sum(min(6, len(tokenizer(text)["input_ids"])) for text in [*TEXTS, "the ship"])
    assert told[-1].flops > 0
    assert told[-1].seconds > 0


def test_batches_that_suit_the_device_are_chosen_where_a_plan_leaves_them_open(texts_encoder: Encoder) -> None:
    open_plan = plan(texts_encoder, at_once=0, workers=0)

    here, there = embed.suited(open_plan, cores=3), embed.suited(replace(open_plan, device="cuda"), cores=3)

    assert (here.at_once, here.workers) == (1024, 3)
    assert there.at_once > here.at_once
    assert embed.suited(plan(texts_encoder), cores=3) == plan(texts_encoder)


# From items to anime


def table(ids: list[int], found: list[list[float]], pooling: str = "pooled", over: str = "mean") -> pl.DataFrame:
    return embed.of_anime(ids, np.array(found), np.arange(len(ids)), pooling, over)


def rows_of(found: pl.DataFrame) -> dict[int, tuple[int, list[float]]]:
    return {one: (items, vector) for one, items, vector in found.select("anime_id", "items", "vector").rows()}


def test_the_vector_of_an_anime_is_the_mean_of_its_items() -> None:
    found = table([5, 2, 5, 5], [[1, 0], [7, 7], [2, 0], [6, 3]])

    assert rows_of(found) == {5: (3, [3.0, 1.0]), 2: (1, [7.0, 7.0])}


def test_the_maximum_is_what_is_largest_in_each_place() -> None:
    found = table([5, 2, 5, 5], [[1, 9], [7, 7], [2, 0], [-6, 3]], over="max")

    assert rows_of(found) == {5: (3, [2.0, 9.0]), 2: (1, [7.0, 7.0])}


def test_a_character_of_two_anime_is_one_vector_and_a_rejected_one_does_not_count() -> None:
    found = embed.of_anime([1, 2, 2, 3], np.array([[1.0], [3.0]]), np.array([0, 0, 1, -1]), "pooled")

    assert rows_of(found) == {1: (1, [1.0]), 2: (2, [2.0])}


def test_no_items_make_an_empty_table() -> None:
    assert table([], []).height == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3)), min_size=1))
def test_means_are_those_of_a_plain_loop(items: list[tuple[int, list[float]]]) -> None:
    found = table([one for one, _ in items], [vector for _, vector in items])

    for one, (count, vector) in rows_of(found).items():
        own = [values for other, values in items if other == one]
        assert count == len(own)
        np.testing.assert_allclose(vector, np.mean(own, axis=0), atol=1e-5)


def test_a_matrix_follows_the_ids_and_leaves_zeros_where_there_is_no_vector() -> None:
    found = embed.together([table([3, 1], [[3, 33], [1, 11]]), table([1, 2], [[9], [9]], "other")])

    rows = embed.matrix(found, "pooled", pl.Series([1, 2, 3, 4]))

    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 11], [0, 0], [3, 33], [0, 0]]


def test_a_pooling_that_was_never_made_is_an_error_that_names_it() -> None:
    with pytest.raises(MissingTable, match="no vector is pooled as 'published'"):
        embed.matrix(table([1], [[1]]), "published", pl.Series([1]))


def test_a_vector_travels_from_a_text_to_its_anime(texts_encoder: Encoder) -> None:
    found = through(TEXTS, plan(texts_encoder))

    table = embed.of_anime([4, 3, 2, 1], found.vectors, found.rows, "pooled")

    by_id = embed.matrix(table, "pooled", pl.Series([4, 3, 2, 1]))
    np.testing.assert_array_equal(by_id, vectors(found))


def test_raw_pixels_of_an_anime_are_those_of_its_pictures_side_by_side() -> None:
    found = embed.of_pixels([8, 9], [(picture((1, 2, 3), size=(1, 1)), picture((4, 5, 6), size=(1, 1))), (b"",)])

    assert found.select("anime_id", "pooling", "items").rows() == [(8, "pixels", 1)]
    assert found["vector"][0].to_list() == [1, 2, 3, 4, 5, 6] + [0] * 744


def test_a_plan_can_be_sent_to_another_process(texts_encoder: Encoder) -> None:
    import copy

    how: Plan = copy.deepcopy(plan(texts_encoder))

    assert how == plan(texts_encoder)
    assert hash(how) == hash(plan(texts_encoder))
