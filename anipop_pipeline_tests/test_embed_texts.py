"""Texts become tokens, windows and batches without loss, and each pooling is what its words say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.embed import texts
from anipop_pipeline.stages.encoders import Encoder

from .embedding import LENGTH, TEXTS, gpt2, hidden_states, plan, through, vectors

LONG = "a girl finds a cat by the sea and the ship sails the sea by the girl and finds a cat " * 3


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return gpt2(str(tmp_path_factory.mktemp("texts") / "gpt2"))


@pytest.fixture(scope="module")
def both_ways(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """Return an encoder in which every token sees every other, as BERT's do."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("texts") / "bert"
    tokenizer = AutoTokenizer.from_pretrained(encoder.model)
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
    return encoders.choose("text", str(folder))


def states(encoder: Encoder, text: str, length: int = LENGTH) -> np.ndarray:
    """Return the states of one text's tokens, with no padding and no mask, from the library's own model."""
    tokenizer, model = encoders.load_text(encoder, "cpu")
    inputs = tokenizer([text], return_tensors="pt", truncation=True, max_length=length)
    return np.asarray(hidden_states(model, input_ids=inputs["input_ids"])[0])


# Poolings


def test_the_mean_is_what_a_plain_loop_without_padding_gives(encoder: Encoder, both_ways: Encoder) -> None:
    for one in (encoder, both_ways):
        for text, vector in zip(TEXTS, vectors(through(TEXTS, plan(one))), strict=True):
            np.testing.assert_allclose(vector, states(one, text).mean(0), atol=1e-5)


@pytest.mark.parametrize(("pooling", "place"), [("last", -1), ("first", 0)])
def test_the_state_of_one_token_is_taken_where_the_text_ends_or_starts(
    encoder: Encoder, both_ways: Encoder, pooling: str, place: int
) -> None:
    for one in (encoder, both_ways):
        for text, vector in zip(TEXTS, vectors(through(TEXTS, plan(one, pooling))), strict=True):
            np.testing.assert_allclose(vector, states(one, text)[place], atol=1e-5)


@pytest.mark.parametrize("layer", [1, 2])
def test_a_middle_layer_is_what_the_model_says_it_is(encoder: Encoder, layer: int) -> None:
    import torch

    found = vectors(through(TEXTS, plan(replace(encoder, layer=layer), workers=2)))

    tokenizer, model = encoders.load_text(encoder, "cpu")
    blocks: list[Any] = []
    model.h[layer - 1].register_forward_hook(lambda _module, _inputs, output: blocks.append(output))
    for text, vector in zip(TEXTS, found, strict=True):
        ids = tokenizer([text], return_tensors="pt", truncation=True, max_length=LENGTH)["input_ids"]
        with torch.inference_mode():
            model(ids)
        state = blocks[-1][0] if isinstance(blocks[-1], tuple) else blocks[-1]
        np.testing.assert_allclose(vector, np.asarray(state).reshape(ids.shape[1], -1).mean(0), atol=1e-5)


def test_a_layer_that_the_model_does_not_have_is_an_error_that_says_how_many_it_has(encoder: Encoder) -> None:
    with pytest.raises(SettingError, match=r"no layer 3.*has 2"):
        through(TEXTS, plan(replace(encoder, layer=3)))


def test_words_before_every_text_are_read_with_it(encoder: Encoder) -> None:
    found = vectors(through(["the cat"], plan(replace(encoder, preprocessing="sea "))))

    np.testing.assert_allclose(found[0], states(encoder, "sea the cat").mean(0), atol=1e-5)


def test_a_window_longer_than_the_model_can_read_is_an_error_that_says_so(both_ways: Encoder) -> None:
    with pytest.raises(SettingError, match=r"33 tokens.*reads at most 32"):
        through(["the cat"], plan(both_ways, length=33))


# Position 0 under padding on the left, as two generations of the library read it


def old_library(encoder: Encoder, text: str, length: int) -> np.ndarray:
    """Return position 0 as a GPT-2 of the paper's day computed it, written out from its weights.

    Padding on the left up to the window; positions are counted from its start; scores of what is later are replaced by
    the lowest float, and the lowest float is added to scores of padding.
    """
    import torch
    from torch.nn import functional as nn

    tokenizer, model = encoders.load_text(encoder, "cpu")
    row = tokenizer([text], truncation=True, max_length=length)["input_ids"][0]
    ids = torch.tensor([tokenizer.pad_token_id] * (length - len(row)) + row)
    real = torch.tensor([0.0] * (length - len(row)) + [1.0] * len(row))
    lowest = torch.finfo(torch.float32).min
    padding = (1.0 - real) * lowest
    earlier = torch.ones(length, length).tril().bool()
    heads = model.config.n_head
    with torch.inference_mode():
        flow = model.wte(ids) + model.wpe(torch.arange(length))
        for block in model.h:
            normed = nn.layer_norm(flow, (flow.shape[1],), block.ln_1.weight, block.ln_1.bias)
            mixed = normed @ block.attn.c_attn.weight + block.attn.c_attn.bias
            query, key, value = (part.view(length, heads, -1).transpose(0, 1) for part in mixed.chunk(3, dim=1))
            scores = query @ key.transpose(1, 2) / key.shape[-1] ** 0.5
            scores = torch.where(earlier, scores, torch.tensor(lowest)) + padding
            read = (torch.softmax(scores, -1) @ value).transpose(0, 1).reshape(length, -1)
            flow = flow + read @ block.attn.c_proj.weight + block.attn.c_proj.bias
            normed = nn.layer_norm(flow, (flow.shape[1],), block.ln_2.weight, block.ln_2.bias)
            wide = nn.gelu(normed @ block.mlp.c_fc.weight + block.mlp.c_fc.bias, approximate="tanh")
            flow = flow + wide @ block.mlp.c_proj.weight + block.mlp.c_proj.bias
        first = nn.layer_norm(flow, (flow.shape[1],), model.ln_f.weight, model.ln_f.bias)[0]
    return np.asarray(first)


def todays_library(encoder: Encoder, text: str, length: int) -> np.ndarray:
    """Return position 0 of the whole window, padded on the left, from the installed library."""
    tokenizer, model = encoders.load_text(encoder, "cpu")
    inputs = tokenizer([text], return_tensors="pt", padding="max_length", padding_side="left", truncation=True,
                       max_length=length)  # fmt: skip
    return np.asarray(hidden_states(model, **inputs)[0, 0])


FILLING = ["sea " * 9, "sea " + "cat " * 9, "cat " * 9]


def test_published_is_the_mean_that_the_library_of_the_paper_fell_into(encoder: Encoder) -> None:
    given = [*TEXTS, *FILLING, "cat"]

    for length in (LENGTH, 20):
        found = vectors(through(given, plan(encoder, "published", length=length, at_once=60)))

        for text, vector in zip(given, found, strict=True):
            np.testing.assert_allclose(vector, old_library(encoder, text, length), atol=2e-5)


def test_published_and_literal_differ_where_there_is_padding_and_nowhere_else(encoder: Encoder) -> None:
    given = ["the cat", *FILLING]

    published, literal = (vectors(through(given, plan(encoder, name))) for name in ("published", "literal"))

    assert not np.allclose(published[0], literal[0], atol=1e-2)
    np.testing.assert_allclose(published[1:], literal[1:], atol=1e-5)


def test_literal_is_what_the_installed_library_gives_at_position_0(encoder: Encoder) -> None:
    given = [*TEXTS, *FILLING]

    for text, vector in zip(given, vectors(through(given, plan(encoder, "literal"))), strict=True):
        np.testing.assert_allclose(vector, todays_library(encoder, text, LENGTH), atol=1e-5)


def test_literal_tells_all_short_texts_alike_and_long_ones_by_their_first_token(encoder: Encoder) -> None:
    short_one, short_other, *filled = vectors(through(["the cat", "sea", *FILLING], plan(encoder, "literal")))

    np.testing.assert_array_equal(short_one, short_other)
    np.testing.assert_array_equal(filled[0], filled[1])
    assert not np.allclose(filled[0], filled[2], atol=1e-3)
    assert not np.allclose(filled[0], short_one, atol=1e-3)


def test_short_texts_differ_in_what_the_paper_read(encoder: Encoder) -> None:
    one, other, longer = vectors(through(["the cat", "sea", "sea by the cat"], plan(encoder, "published", length=9)))

    assert min(np.linalg.norm(one - other), np.linalg.norm(other - longer)) > 0.05 * np.linalg.norm(one)


@pytest.mark.parametrize("pooling", ["published", "literal"])
def test_a_model_that_sees_both_ways_reads_the_whole_text_at_position_0(both_ways: Encoder, pooling: str) -> None:
    given = ["sea " * 9, "sea " + "cat " * 9, "the cat"]

    found = vectors(through(given, plan(both_ways, pooling)))

    assert not np.allclose(found[0], found[1], atol=1e-3)
    for text, vector in zip(given, found, strict=True):
        np.testing.assert_allclose(vector, todays_library(both_ways, text, LENGTH), atol=1e-5)


# Windows


def test_a_long_text_is_cut_to_the_window(encoder: Encoder) -> None:
    head = "the cat sails the sea and "

    long, cut = vectors(through([head + "sea " * 5000, head + "cat"], plan(encoder, length=3)))

    np.testing.assert_allclose(long, cut, atol=1e-5)


def test_windows_read_all_of_a_text_and_weigh_each_by_its_tokens(encoder: Encoder) -> None:
    import torch

    tokenizer, model = encoders.load_text(encoder, "cpu")
    row = tokenizer(LONG)["input_ids"]
    size = -(-len(row) // LENGTH)

    found = vectors(through([LONG], plan(encoder, long_texts="windows")))[0]

    parts = np.array_split(np.array(row), size)
    assert sum(len(part) for part in parts) == len(row) > 3 * LENGTH
    means = [
        len(part) * np.asarray(hidden_states(model, input_ids=torch.tensor(part[None]))[0].mean(0)) for part in parts
    ]
    np.testing.assert_allclose(found, np.sum(means, axis=0) / len(row), atol=1e-5)


def test_a_text_that_fits_is_the_same_with_windows_and_without(encoder: Encoder) -> None:
    one, other = (vectors(through(["the cat"], plan(encoder, long_texts=how))) for how in ("cut", "windows"))

    np.testing.assert_array_equal(one, other)


@given(st.integers(1, 500), st.integers(1, 40))
def test_windows_hold_every_token_once_in_order_and_are_nearly_equal(tokens: int, length: int) -> None:
    row = np.arange(tokens, dtype=np.int32)

    cut = texts.windows(row, plan(NOBODY, length=length))

    np.testing.assert_array_equal(np.concatenate(cut), row)
    assert max(len(part) for part in cut) <= length
    assert max(len(part) for part in cut) - min(len(part) for part in cut) <= 1
    assert len(cut) == -(-tokens // length)


# Batches


NOBODY = Encoder("text", "nobody", "", "mean", 0, 0, "auto", "", remote_code=False, identity="nobody")


class Letters:
    """A tokenizer whose tokens are letters."""

    pad_token_id = 0

    def __call__(self, told: list[str], *, max_length: int = 10**9, **_more: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) for letter in text[:max_length]] for text in told]}


def batched(given: list[str], **more: Any) -> tuple[list[list[list[int]]], texts.Assembly]:
    assembly = texts.Assembly()
    named = {f"{place:032}".encode(): text for place, text in enumerate(given)}
    found = []
    for table in texts.batches(named, plan(NOBODY, **more), Letters(), assembly):
        rows, places = table["tokens"].to_pylist(), table["batch"].to_pylist()
        found += [[row for row, at in zip(rows, places, strict=True) if at == place] for place in sorted(set(places))]
    return found, assembly


@given(st.lists(st.text("abc", min_size=1, max_size=30), min_size=1, max_size=40), st.integers(4, 60))
def test_batches_hold_each_different_text_once_and_keep_to_their_budget(given: list[str], budget: int) -> None:
    found, _ = batched(given, at_once=budget, length=10, workers=3)

    rows = [tuple(row) for batch in found for row in batch]
    assert sorted(rows) == sorted({tuple(ord(letter) for letter in text[:10]) for text in given})
    assert all(len(batch) == 1 or len(batch) * max(map(len, batch)) <= budget for batch in found)


@given(st.lists(st.text("abc", min_size=1, max_size=30), min_size=2, max_size=40))
def test_long_texts_go_first_so_that_no_batch_pads_more_than_it_must(given: list[str]) -> None:
    found, _ = batched(given, at_once=30, length=30)

    lengths = [len(row) for batch in found for row in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_texts_that_are_the_same_in_their_window_are_computed_once(encoder: Encoder) -> None:
    head = "a girl finds a cat by the sea and "

    found = through([head + "sea", head + "ship", "the cat"], plan(encoder))

    assert (found.figures.unique, found.figures.computed, found.figures.tokens) == (3, 3, LENGTH + 2)
    np.testing.assert_array_equal(vectors(found)[0], vectors(found)[1])


def test_a_text_whose_windows_were_seen_in_others_needs_no_computing() -> None:
    found, assembly = batched(["aabb", "aa", "bb", "bbaa"], length=2, long_texts="windows")

    assert sorted(map(bytes, (row for batch in found for row in batch))) == [b"aa", b"bb"]
    numbers = np.array([assembly.numbers[np.array([ord(x)] * 2, dtype=np.int32).tobytes()] for x in "ab"])
    keys, means = assembly.take(numbers, np.array([[1.0], [3.0]], dtype=np.float32))
    by_place = {int(key): float(mean[0]) for key, mean in zip(keys, means, strict=True)}
    assert by_place == {0: 2.0, 1: 1.0, 2: 3.0, 3: 2.0}


def test_a_text_that_comes_after_its_window_was_done_is_whole_at_once() -> None:
    window, assembly = np.array([1, 2], dtype=np.int32), texts.Assembly()
    first = assembly.add(b"one", [window])
    taken = assembly.take(np.array([0]), np.array([[5.0]], dtype=np.float32))

    second = assembly.add(b"other", [window])

    assert (len(first), second) == (1, [])
    assert taken[0] == [b"one"]
    keys, rows = assembly.rest()
    assert (keys, rows.tolist()) == ([b"other"], [[5.0]])
    assert assembly.rest()[0] == []


def test_texts_in_many_small_chunks_all_get_their_vectors(monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> None:
    monkeypatch.setattr(texts, "CHUNK", 1)
    head = "a girl finds a cat by the sea and "
    given = [head + end for end in ("sea", "ship and more", "cats " * 30, "x")] + [head]

    found = through(given, plan(encoder, at_once=1))

    assert (found.figures.tokens, found.figures.computed) == (LENGTH, 5)
    assert len(np.unique(vectors(found), axis=0)) == 1
