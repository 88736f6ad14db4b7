"""Each input goes through an encoder once, and its vector is what a plain loop would give."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anipop_pipeline.engine import map_batches
from anipop_pipeline.errors import MissingTable, ModelMissing, SettingError
from anipop_pipeline.stages import embed, encoders
from anipop_pipeline.stages.embed import Embedded, Plan
from anipop_pipeline.stages.encoders import Encoder

TEXTS = ["a girl finds a cat by the sea", "the cat", "a ship sails the sea and the cat sails it", "sea"]
LENGTH = 6


@dataclass
class Shelf:
    """A cache that lies in memory."""

    vectors: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def find_vectors(self, encoder: str, keys: pl.Series) -> pl.DataFrame:
        here = self.vectors.get(encoder, {})
        rows = [(key, here[key]) for key in keys if key in here]
        return pl.DataFrame(rows, schema={"key": pl.String, "vector": pl.List(pl.Float32)}, orient="row")

    def keep_vectors(self, encoder: str, vectors: pl.DataFrame) -> None:
        self.vectors.setdefault(encoder, {}).update(vectors.iter_rows())


@pytest.fixture(scope="module")
def texts_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("embed") / "gpt2"
    encoders.build_tiny_gpt2(str(folder), TEXTS * 5, seed=1)
    return encoders.choose("text", str(folder), "main")


@pytest.fixture(scope="module")
def pictures_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("embed") / "resnet"
    encoders.build_tiny_resnet(str(folder), seed=1)
    return encoders.choose("image", str(folder), "main")


@pytest.fixture(scope="module")
def both_ways_encoder(texts_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """Return an encoder in which every token sees every other, as BERT's do."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("embed") / "bert"
    tokenizer = AutoTokenizer.from_pretrained(texts_encoder.model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
        )
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return encoders.choose("text", str(folder), "main")


def plan(encoder: Encoder, pooling: str, length: int = LENGTH, batch: int = 3) -> Plan:
    return Plan(encoder, pooling, length, "cpu", batch)


def through(contents: Iterable[str | bytes], how: Plan, cache: Shelf | None = None) -> Embedded:
    encoded = [content.encode() if isinstance(content, str) else content for content in contents]
    return embed.embed(encoded, how, cache=cache or Shelf(), map_batches=map_batches, progress=lambda done, total: None)


def picture(
    color: int | tuple[int, ...], mode: str = "RGB", size: tuple[int, int] = (20, 30), kind: str = "PNG"
) -> bytes:
    file = BytesIO()
    Image.new(mode, size, color).save(file, kind)
    return file.getvalue()


def noise(seed: int, size: tuple[int, int] = (60, 40)) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return embed.as_png(Image.fromarray(values))


# Texts


def mean_alone(encoder: Encoder, text: str, length: int) -> np.ndarray:
    """Return the mean state of one text's tokens, with no padding and no mask."""
    tokenizer, model = encoders.load_text(encoder, "cpu")
    inputs = tokenizer([text], return_tensors="pt", truncation=True, max_length=length)
    return np.asarray(encoders.hidden_states(model, input_ids=inputs["input_ids"])[0].mean(0))


def position_0(encoder: Encoder, text: str, length: int) -> np.ndarray:
    """Return the state at position 0 of the whole window, padded on the left."""
    tokenizer, model = encoders.load_text(encoder, "cpu")
    window = {"padding": "max_length", "padding_side": "left", "truncation": True, "max_length": length}
    return np.asarray(encoders.hidden_states(model, **tokenizer([text], return_tensors="pt", **window))[0, 0])


def test_mean_pooling_is_what_a_plain_loop_without_padding_gives(texts_encoder: Encoder) -> None:
    found = through(TEXTS, plan(texts_encoder, "mean")).vectors

    for text, vector in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector, mean_alone(texts_encoder, text, LENGTH), atol=1e-5)


def test_published_pooling_is_the_state_at_position_0_of_the_whole_window(texts_encoder: Encoder) -> None:
    found = through(TEXTS, plan(texts_encoder, "published")).vectors

    for text, vector in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(vector, position_0(texts_encoder, text, LENGTH), atol=1e-5)


def test_published_pooling_tells_all_short_texts_alike_and_long_ones_by_their_first_token(
    texts_encoder: Encoder,
) -> None:
    long = ["sea " * 9, "sea " + "cat " * 9, "cat " * 9]

    short_one, short_other, *filled = through(["the cat", "sea", *long], plan(texts_encoder, "published")).vectors

    np.testing.assert_array_equal(short_one, short_other)
    np.testing.assert_array_equal(filled[0], filled[1])
    assert not np.allclose(filled[0], filled[2], atol=1e-3)
    assert not np.allclose(filled[0], short_one, atol=1e-3)


def test_published_pooling_of_a_model_that_sees_both_ways_reads_the_whole_text(both_ways_encoder: Encoder) -> None:
    texts = ["sea " * 9, "sea " + "cat " * 9, "the cat"]

    found = through(texts, plan(both_ways_encoder, "published")).vectors

    assert not np.allclose(found[0], found[1], atol=1e-3)
    for text, vector in zip(texts, found, strict=True):
        np.testing.assert_allclose(vector, position_0(both_ways_encoder, text, LENGTH), atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "published"])
@pytest.mark.parametrize("texts", [[""], ["", "the cat"], ["", "  \n"]])
def test_a_text_without_words_is_the_padding_token(texts_encoder: Encoder, pooling: str, texts: list[str]) -> None:
    found = through(texts, plan(texts_encoder, pooling)).vectors

    assert np.isfinite(found).all()
    if pooling == "mean":
        np.testing.assert_allclose(found[0], mean_alone(texts_encoder, "<|endoftext|>", LENGTH), atol=1e-5)


def test_a_very_long_text_is_cut_to_the_window(texts_encoder: Encoder) -> None:
    head = "the cat sails the sea and "
    long, cut = through([head + "sea " * 5000, head + "cat"], plan(texts_encoder, "mean", length=3)).vectors

    np.testing.assert_allclose(long, cut, atol=1e-5)


def test_a_window_longer_than_the_model_can_read_is_an_error_that_says_so(both_ways_encoder: Encoder) -> None:
    with pytest.raises(SettingError, match=r"33 tokens.*reads at most 32"):
        through(["the cat"], plan(both_ways_encoder, "mean", length=33))


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
        through(TEXTS, plan(encoders.choose("text", str(folder), "main"), "mean"), cache)

    assert not cache.vectors


# Pictures


@pytest.mark.parametrize("pooling", ["pooled", "published"])
def test_pooled_pictures_are_what_a_plain_loop_gives(pictures_encoder: Encoder, pooling: str) -> None:
    files = [noise(seed, (30 + 10 * seed, 40)) for seed in range(5)]

    found = through(files, plan(pictures_encoder, pooling, length=0)).vectors

    processor, model = encoders.load_image(pictures_encoder, "cpu")
    for file, vector in zip(files, found, strict=True):
        pixels = processor(images=[Image.open(BytesIO(file))], return_tensors="pt")["pixel_values"]
        maps = encoders.hidden_states(model, pixel_values=pixels)[0]
        plain = maps.mean((1, 2)) if pooling == "pooled" else maps[0].reshape(-1)
        np.testing.assert_allclose(vector, np.asarray(plain), atol=1e-5)


def animated() -> bytes:
    file = BytesIO()
    frames = [Image.new("P", (8, 8), number) for number in (0, 1)]
    frames[0].putpalette([200, 10, 30, 0, 0, 255])
    frames[1].putpalette([200, 10, 30, 0, 0, 255])
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "color"),
    [
        (picture((10, 20, 30)), (10, 20, 30)),
        (picture(77, mode="L"), (77, 77, 77)),
        (picture((77, 0), mode="LA"), (77, 77, 77)),
        (picture((10, 20, 30, 0), mode="RGBA"), (10, 20, 30)),
        (picture(1, mode="1"), (255, 255, 255)),
        (animated(), (200, 10, 30)),
    ],
    ids=["RGB", "grey", "grey with alpha", "alpha", "bitmap", "animated GIF"],
)
def test_every_kind_of_picture_decodes_to_rgb(file: bytes, color: tuple[int, int, int]) -> None:
    decoded = embed.decode(file)

    assert decoded.mode == "RGB"
    assert decoded.getpixel((0, 0)) == color


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_pictures_in_the_colours_of_print_and_film_decode_to_rgb(mode: str) -> None:
    white = Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode)
    file = BytesIO()
    white.save(file, "JPEG")

    assert embed.decode(file.getvalue()).getpixel((8, 8)) == (255, 255, 255)


def test_a_palette_decodes_to_its_colours() -> None:
    file = BytesIO()
    Image.new("RGB", (8, 8), (9, 99, 199)).quantize(4).save(file, "PNG")

    assert embed.decode(file.getvalue()).getpixel((3, 3)) == (9, 99, 199)


def test_a_palette_with_degrees_of_transparency_decodes_to_its_colours() -> None:
    file = BytesIO()
    paletted = Image.new("P", (8, 8), 1)
    paletted.putpalette([0, 0, 0, 9, 99, 199])
    paletted.save(file, "PNG", transparency=b"\x00\x80")

    assert embed.decode(file.getvalue()).getpixel((3, 3)) == (9, 99, 199)


def test_pictures_stand_side_by_side_from_the_left_aligned_at_the_top_on_black() -> None:
    row = embed.side_by_side([picture((255, 0, 0), size=(3, 2)), picture((0, 255, 0), size=(2, 4))])

    assert row.size == (5, 4)
    assert [row.getpixel(at) for at in [(0, 0), (2, 1), (0, 2), (3, 0), (4, 3)]] == [
        (255, 0, 0), (255, 0, 0), (0, 0, 0), (0, 255, 0), (0, 255, 0),
    ]  # fmt: skip
    assert embed.decode(embed.as_png(row)).tobytes() == row.tobytes()


def test_first_pixels_are_cut_or_padded_to_750() -> None:
    small = embed.first_pixels(Image.new("RGB", (2, 1), (1, 2, 3)))
    large = embed.first_pixels(Image.new("RGB", (400, 2), (1, 2, 3)))

    assert small == [1, 2, 3, 1, 2, 3] + [0] * 744
    assert large == [1, 2, 3] * 250


def test_a_shrunk_picture_is_channels_first_whatever_its_proportions() -> None:
    shrunk = embed.shrunk(picture((10, 20, 30), size=(90, 10)), 16)

    assert shrunk.shape == (3, 16, 16)
    assert [channel.flat[0] for channel in shrunk] == [10, 20, 30]


# The cache


@dataclass
class Counting:
    """An engine that remembers what it was asked to compute."""

    batches: list[int] = field(default_factory=list)

    def __call__(self, batches: Iterable[pa.Table], *args: Any, **kwargs: Any) -> Iterator[pa.Table]:
        for result in map_batches(batches, *args, **kwargs):
            self.batches.append(result.num_rows)
            yield result


def test_what_was_computed_once_is_not_computed_again(texts_encoder: Encoder) -> None:
    cache, how = Shelf(), plan(texts_encoder, "mean")
    first = through(TEXTS, how, cache)

    again, more = through(TEXTS, how, cache), through([*TEXTS, "a new cat"], how, cache)

    assert (first.computed, again.computed, more.computed) == (4, 0, 1)
    assert (first.asked, again.asked, more.asked) == (4, 4, 5)
    np.testing.assert_array_equal(again.vectors, first.vectors)
    np.testing.assert_array_equal(more.vectors[:4], first.vectors)


def test_the_same_text_is_computed_once_and_given_as_often_as_it_was_asked(texts_encoder: Encoder) -> None:
    found = through(["sea", "the cat", "sea", "sea"], plan(texts_encoder, "mean"))

    assert (found.computed, found.asked) == (2, 4)
    np.testing.assert_array_equal(found.vectors[0], found.vectors[2])
    np.testing.assert_array_equal(found.vectors[0], found.vectors[3])
    assert not np.allclose(found.vectors[0], found.vectors[1], atol=1e-3)


def test_deleting_the_cache_changes_no_vector(texts_encoder: Encoder) -> None:
    how, cache = plan(texts_encoder, "mean"), Shelf()
    first = through(TEXTS, how, cache)
    cache.vectors.clear()

    np.testing.assert_array_equal(through(TEXTS, how, cache).vectors, first.vectors)


def test_a_cache_that_grew_text_by_text_holds_the_same_vectors(texts_encoder: Encoder) -> None:
    how, cache = plan(texts_encoder, "mean"), Shelf()
    for text in TEXTS:
        through([text], how, cache)

    found = through(TEXTS, how, cache)

    assert found.computed == 0
    np.testing.assert_allclose(found.vectors, through(TEXTS, how).vectors, atol=1e-5)


def test_the_order_of_inputs_changes_no_vector(texts_encoder: Encoder) -> None:
    how = plan(texts_encoder, "mean", batch=2)

    np.testing.assert_array_equal(through(TEXTS[::-1], how).vectors[::-1], through(TEXTS, how).vectors)


def test_a_killed_run_keeps_the_batches_that_were_done(texts_encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "BATCHES_KEPT_AT_ONCE", 2)
    cache, how = Shelf(), plan(texts_encoder, "mean", batch=1)

    def killed(batches: Iterable[pa.Table], *args: Any, **kwargs: Any) -> Iterator[pa.Table]:
        for number, result in enumerate(map_batches(batches, *args, **kwargs)):
            if number == 3:
                raise KeyboardInterrupt
            yield result

    with pytest.raises(KeyboardInterrupt):
        embed.embed(
            [text.encode() for text in TEXTS], how, cache=cache, map_batches=killed, progress=lambda done, total: None
        )

    assert through(TEXTS, how, cache).computed == 2


def test_short_inputs_go_together_and_progress_is_told(texts_encoder: Encoder) -> None:
    engine, told = Counting(), []

    embed.embed(
        [text.encode() for text in TEXTS],
        plan(texts_encoder, "mean", batch=3),
        cache=Shelf(),
        map_batches=engine,
        progress=lambda done, total: told.append((done, total)),
    )

    assert engine.batches == [3, 1]
    assert told == [(4, 4)]


def test_nothing_asked_loads_no_model() -> None:
    nowhere = Encoder("text", "no-such-model", "main", "nobody")

    found = through([], plan(nowhere, "mean"))

    assert (len(found.vectors), found.computed, found.asked) == (0, 0, 0)


def test_a_key_changes_with_whatever_changes_the_vector(texts_encoder: Encoder) -> None:
    one = plan(texts_encoder, "mean")
    others = [
        replace(one, pooling="published"),
        replace(one, length=7),
        replace(one, encoder=replace(texts_encoder, identity="another")),
    ]

    keys = {how.key(b"text") for how in (one, *others)} | {one.key(b"other text")}
    assert len(keys) == 5


def test_a_key_does_not_change_with_how_fast_it_is_computed(texts_encoder: Encoder) -> None:
    one = plan(texts_encoder, "mean")

    assert replace(one, batch=64, device="cuda").key(b"text") == one.key(b"text")


# From items to anime


def table(ids: list[int], vectors: list[list[float]], pooling: str = "mean") -> pl.DataFrame:
    return embed.averaged(ids, vectors, pooling)


def test_the_vector_of_an_anime_is_the_mean_of_its_items() -> None:
    found = table([5, 2, 5, 5], [[1, 0], [7, 7], [2, 0], [6, 3]])

    rows = {one: (items, vector) for one, items, vector in found.select("anime_id", "items", "vector").rows()}
    assert rows == {5: (3, [3.0, 1.0]), 2: (1, [7.0, 7.0])}


def test_no_items_make_an_empty_table() -> None:
    assert table([], []).height == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3)), min_size=1))
def test_means_are_those_of_a_plain_loop(items: list[tuple[int, list[float]]]) -> None:
    found = table([one for one, _ in items], [vector for _, vector in items])

    for one, count, vector in found.select("anime_id", "items", "vector").rows():
        own = [values for other, values in items if other == one]
        assert count == len(own)
        np.testing.assert_allclose(vector, np.mean(own, axis=0), atol=1e-5)


def test_a_matrix_follows_the_ids_and_leaves_zeros_where_there_is_no_vector() -> None:
    vectors = embed.together(table([3, 1], [[3, 33], [1, 11]]), table([1, 2], [[9], [9]], "other"))

    found = embed.matrix(vectors, "mean", pl.Series([1, 2, 3, 4]))

    assert found.dtype == np.float32
    assert found.tolist() == [[1, 11], [0, 0], [3, 33], [0, 0]]


def test_a_pooling_that_was_never_made_is_an_error_that_names_it() -> None:
    with pytest.raises(MissingTable, match="no vector is pooled as 'published'"):
        embed.matrix(table([1], [[1]]), "published", pl.Series([1]))


def test_a_vector_travels_from_a_text_to_its_anime(texts_encoder: Encoder, tmp_path: Path) -> None:
    found = through(TEXTS, plan(texts_encoder, "mean"))

    rows = embed.matrix(embed.averaged([4, 3, 2, 1], found.vectors, "mean"), "mean", pl.Series([1, 2, 3, 4]))

    for text, vector in zip(TEXTS[::-1], rows, strict=True):
        np.testing.assert_allclose(vector, mean_alone(texts_encoder, text, LENGTH), atol=1e-5)
