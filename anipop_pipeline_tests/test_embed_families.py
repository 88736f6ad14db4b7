"""Whatever its architecture, a model's vectors are those that it gives alone: made fast, in batches, on all cores."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages import encoders, pictures
from anipop_pipeline.stages.encoders import Encoder

from . import families
from .embedding import LENGTH, hidden_states, plan, through, vectors
from .families import IMAGE, TEXT, TEXTS

CAUSAL = ("gpt2", "llama", "mamba")
MOST = {"float32": 1e-4, "bfloat16": 0.03}  # of a vector's length
GIVEN = ["the cat", *TEXTS[:3], "sea", "a girl finds a cat by the sea and a ship sails the sea by the cat"]
SIZES = [(1, 1), (225, 350), (50, 400), (33, 32), (64, 64)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


def chosen(modality: Any, family: str, made: Path, **dials: Any) -> Encoder:
    return encoders.choose(modality, str(families.build(family, made / family)), **dials)


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float((np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def files() -> list[bytes]:
    made = []
    for size in SIZES:
        file = BytesIO()
        families.noise(*size).save(file, "PNG")
        made.append(file.getvalue())
    return made


def alone(encoder: Encoder, pool: Callable[[Any], Any]) -> np.ndarray:
    """Return what a text model gives for each text alone, cut to the window, with no padding."""
    tokenizer, model = encoders.load_text(encoder, "cpu")
    found = []
    for text in GIVEN:
        inputs = tokenizer([text], return_tensors="pt", truncation=True, max_length=LENGTH)
        found.append(np.asarray(pool(hidden_states(model, input_ids=inputs["input_ids"])[0])))
    return np.stack(found)


@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("family", TEXT)
def test_texts_have_the_means_that_the_model_gives_to_each_alone(family: str, made: Path, dtype: str) -> None:
    encoder = chosen("text", family, made)

    found = vectors(through(GIVEN, plan(encoder, dtype=dtype, at_once=24, workers=2)))

    assert off(found, alone(encoder, lambda states: states.mean(0))) < MOST[dtype]


@pytest.mark.parametrize(("pooling", "place"), [("last", -1), ("first", 0)])
@pytest.mark.parametrize("family", TEXT)
def test_texts_have_the_state_of_the_token_that_was_asked_for(
    family: str, made: Path, pooling: str, place: int
) -> None:
    encoder = chosen("text", family, made)

    found = vectors(through(GIVEN, plan(encoder, pooling)))

    assert off(found, alone(encoder, lambda states: states[place])) < MOST["float32"]


@pytest.mark.parametrize("pooling", ["published", "literal"])
@pytest.mark.parametrize("family", TEXT)
def test_every_family_has_a_position_0(family: str, made: Path, pooling: str) -> None:
    found = vectors(
        through(["sea " * 9, "sea " + "cat " * 9, "the cat", "sea"], plan(chosen("text", family, made), pooling))
    )

    assert np.isfinite(found).all()
    sees_its_first_token_alone = np.allclose(found[0], found[1], atol=1e-5)
    assert sees_its_first_token_alone == (family in CAUSAL)
    reads_short_texts = not np.allclose(found[2], found[3], atol=1e-5)
    assert reads_short_texts == (family not in CAUSAL or (pooling == "published" and family != "mamba"))


@pytest.mark.parametrize("family", TEXT)
def test_literal_is_what_the_installed_library_gives_at_position_0(family: str, made: Path) -> None:
    given, encoder = ["sea " * 9, "the cat", "sea"], chosen("text", family, made)
    tokenizer, model = encoders.load_text(encoder, "cpu")
    window = {"padding": "max_length", "padding_side": "left", "truncation": True, "max_length": LENGTH}
    expected = []
    for text in given:
        inputs = tokenizer([text], return_tensors="pt", **window)
        states = hidden_states(model, input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        expected.append(np.asarray(states[0, 0]))

    found = vectors(through(given, plan(encoder, "literal")))

    assert off(found, np.stack(expected)) < MOST["float32"]


@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_the_tower_that_reads_words_has_vectors_too_and_a_longest_text(family: str, made: Path) -> None:
    encoder = chosen("text", family, made)
    longest = encoders.load_text(encoder, "cpu")[1].config.max_position_embeddings

    found = vectors(through(GIVEN, plan(encoder, length=4)))

    assert np.isfinite(found).all()
    with pytest.raises(SettingError, match=f"reads at most {longest}"):
        through(GIVEN, plan(encoder, length=longest + 1))


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("family", TEXT)
def test_the_layer_that_was_asked_for_is_the_one_that_the_model_calls_so(family: str, made: Path, layer: int) -> None:
    import torch

    encoder = chosen("text", family, made, layer=layer)
    tokenizer, model = encoders.load_text(encoder, "cpu")
    ids = tokenizer(["a girl finds a cat"], return_tensors="pt", truncation=True, max_length=LENGTH)["input_ids"]
    with torch.inference_mode():
        states = model(input_ids=ids, output_hidden_states=True).hidden_states

    found = vectors(through(["a girl finds a cat"], plan(encoder)))

    if layer == 1:  # the last one comes with the norm after it in what models tell
        before = 0 if family == "mamba" else 1  # others tell the embeddings first
        np.testing.assert_allclose(found[0], states[before][0].mean(0), atol=1e-4)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("dtype", MOST)
@pytest.mark.parametrize("family", IMAGE)
def test_pictures_have_the_means_that_the_model_gives_to_each_alone(family: str, made: Path, dtype: str) -> None:
    encoder = chosen("image", family, made)
    processor, model = encoders.load_image(encoder, "cpu")
    expected = []
    for file in files():
        inputs = processor(images=[pictures.decode(file)], return_tensors="pt")
        states = hidden_states(model, **inputs)
        expected.append(np.asarray(states.mean((2, 3) if states.ndim == 4 else 1)[0]))

    found = vectors(through(files(), plan(encoder, length=0, dtype=dtype, at_once=2, workers=2)))

    assert off(found, np.stack(expected)) < MOST[dtype]


@pytest.mark.parametrize("family", IMAGE)
def test_pictures_have_a_first_row_and_a_head_where_the_model_has_one(family: str, made: Path) -> None:
    encoder = chosen("image", family, made, pooling="head")
    processor, model = encoders.load_image(encoder, "cpu")
    inputs = processor(images=[Image.open(BytesIO(files()[1]))], return_tensors="pt")
    states = hidden_states(model, **inputs)

    first = vectors(through(files(), plan(encoder, "published", length=0)))

    np.testing.assert_allclose(first[1], np.asarray(states[0, 0]).reshape(-1), atol=1e-4)
    if family == "imagegpt":
        with pytest.raises(SettingError, match="no head of its own"):
            through(files(), plan(encoder, "head", length=0))
        return
    head = vectors(through(files(), plan(encoder, "head", length=0)))
    np.testing.assert_allclose(head[1], np.asarray(model(**inputs).pooler_output.detach()).reshape(-1), atol=1e-4)
