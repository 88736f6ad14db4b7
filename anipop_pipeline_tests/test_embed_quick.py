"""A model made fast says what it said before, whatever the batch, the cores, the numbers and the memory."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anipop_pipeline.errors import ModelMissing, SettingError
from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.embed import attention, batches, quick, speed
from anipop_pipeline.stages.embed.loaded import text_model
from anipop_pipeline.stages.embed.models import Rows
from anipop_pipeline.stages.encoders import Encoder

from .embedding import TEXTS, gpt2, noise, plan, resnet, through, vectors

BFLOAT16 = 0.02  # of a vector's length: what eight bits cost in a model of a few layers
FLOAT32 = 1e-4


@pytest.fixture(scope="module")
def texts_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return gpt2(str(tmp_path_factory.mktemp("quick") / "gpt2"))


@pytest.fixture(scope="module")
def pictures_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return resnet(str(tmp_path_factory.mktemp("quick") / "resnet"))


def off(found: np.ndarray, expected: np.ndarray) -> float:
    """Return how far a vector lies from the one expected, as a share of its length, at worst."""
    return float((np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def plain_texts(encoder: Encoder, given: list[str], length: int) -> np.ndarray:
    """Return means from the library's own loop: batches as they come, padded, in float32."""
    import torch

    tokenizer, model = encoders.load_text(encoder, "cpu")
    found = []
    for start in range(0, len(given), 3):
        inputs = tokenizer(
            given[start : start + 3], return_tensors="pt", padding=True, truncation=True, max_length=length
        )
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        found.append(np.asarray((states * mask).sum(1) / mask.sum(1)))
    return np.concatenate(found)


def plain_pictures(encoder: Encoder, files: list[bytes]) -> np.ndarray:
    """Return means of the last map from the library's own processor and model."""
    import torch

    from anipop_pipeline.stages import pictures

    processor, model = encoders.load_image(encoder, "cpu")
    pixels = processor(images=[pictures.decode(file) for file in files], return_tensors="pt")
    with torch.inference_mode():
        return np.asarray(model(**pixels).last_hidden_state.mean((2, 3)))


def stories(count: int) -> list[str]:
    """Return texts of many lengths, out of order."""
    words = " ".join(TEXTS).split()
    order = np.random.default_rng(1)
    return [" ".join(order.choice(words, size)) for size in order.integers(1, 60, count)]


@pytest.mark.parametrize(("dtype", "most"), [("float32", FLOAT32), ("bfloat16", BFLOAT16)])
@pytest.mark.parametrize("more", [{}, {"at_once": 64, "workers": 2}, {"at_once": 1000, "workers": 3}])
def test_texts_have_the_vectors_of_the_plain_loop(
    texts_encoder: Encoder, dtype: str, most: float, more: dict[str, int]
) -> None:
    given = stories(25)

    found = vectors(through(given, plan(texts_encoder, length=40, dtype=dtype, **more)))

    assert off(found, plain_texts(texts_encoder, given, 40)) < most


@pytest.mark.parametrize(("dtype", "most"), [("float32", FLOAT32), ("bfloat16", BFLOAT16)])
@pytest.mark.parametrize("more", [{"at_once": 2}, {"at_once": 3, "workers": 2}])
def test_pictures_have_the_vectors_of_the_plain_loop(
    pictures_encoder: Encoder, dtype: str, most: float, more: dict[str, int]
) -> None:
    given = [noise(seed, (30 + 10 * seed, 40)) for seed in range(7)]

    found = vectors(through(given, plan(pictures_encoder, length=0, dtype=dtype, **more)))

    assert off(found, plain_pictures(pictures_encoder, given)) < most


def test_cores_change_no_vector(texts_encoder: Encoder) -> None:
    given = stories(30)

    one, three = (
        vectors(through(given, plan(texts_encoder, length=40, at_once=90, workers=workers))) for workers in (2, 3)
    )

    np.testing.assert_array_equal(one, three)


def test_threads_of_torch_are_what_they_were(texts_encoder: Encoder) -> None:
    import torch

    before = torch.get_num_threads()

    through(stories(9), plan(texts_encoder, workers=2))

    assert torch.get_num_threads() == before


# Modules


def test_every_linear_layer_of_gpt2_is_packed_in_bfloat16_and_none_in_float32(texts_encoder: Encoder) -> None:
    if not quick.can_pack():
        pytest.skip("this build of torch cannot pack weights")
    from anipop_pipeline.stages.embed.layers import PackedLinear

    packed, plain = (text_model(texts_encoder, "cpu", dtype, False).model for dtype in ("bfloat16", "float32"))

    assert sum(isinstance(module, PackedLinear) for module in packed.modules()) == 4 * len(packed.h)
    assert {module.after for module in packed.modules() if isinstance(module, PackedLinear)} == {"none", "gelu"}
    assert not any(isinstance(module, PackedLinear) for module in plain.modules())


def test_a_pair_of_modules_that_is_more_than_a_layer_and_its_curve_stays_as_it_is() -> None:
    import torch
    from torch import nn

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.activation = nn.Linear(8, 8), nn.GELU(approximate="tanh")

        def forward(self, states: Any) -> Any:
            return self.activation(3 * self.fc1(states))

    model = nn.Sequential(Odd()).to(torch.bfloat16).eval()
    given = torch.linspace(-1, 1, 16).view(2, 8)
    expected = model(given.bfloat16()).float()

    made = quick.quicken(model, "cpu", "bfloat16", lambda model: model(given.bfloat16()))

    assert isinstance(made[0].activation, nn.GELU)
    np.testing.assert_allclose(made(given.bfloat16()).float().detach(), expected.detach(), atol=0.05)


def test_a_normalisation_that_comes_before_its_convolution_is_not_folded_into_it() -> None:
    import torch
    from torch import nn

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)

        def forward(self, pixels: Any) -> Any:
            return self.conv(self.norm(pixels))

    model = Odd().eval()
    model.norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    given = torch.linspace(-1, 1, 75).view(1, 3, 5, 5)
    expected = model(given).detach()

    quick.fold_normalisation(model, lambda model: model(given))

    assert isinstance(model.norm, nn.BatchNorm2d)
    np.testing.assert_array_equal(model(given).detach(), expected)


def test_a_dtype_that_was_chosen_gives_the_vectors_of_the_same_dtype_found_by_itself(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "resnet"
    resnet(str(folder))
    weights = load_file(folder / "model.safetensors")
    drawn = torch.Generator().manual_seed(1)
    for name, values in weights.items():
        if "running" in name:
            weights[name] = torch.rand(values.shape, generator=drawn) / 10 + (0.5 if "var" in name else -0.05)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    given = [noise(seed) for seed in range(3)]

    found, chosen = (
        vectors(through(given, plan(encoders.choose("image", str(folder), dtype=dtype), length=0, dtype="bfloat16")))
        for dtype in ("auto", "bfloat16")
    )

    np.testing.assert_array_equal(found, chosen)
    assert off(found, plain_pictures(encoders.choose("image", str(folder)), given)) < BFLOAT16


def test_a_compiled_model_and_a_middle_layer_do_not_go_together(texts_encoder: Encoder) -> None:
    with pytest.raises(SettingError, match=r"compiled model.*layer 0"):
        through(["the cat"], plan(replace(texts_encoder, layer=1), compiled=True))


def test_work_that_stops_at_a_layer_counts_up_to_it(texts_encoder: Encoder) -> None:
    whole, half = (through(["the cat"], plan(replace(texts_encoder, layer=layer))).figures.flops for layer in (0, 1))

    assert half == whole / 2


def test_a_layer_that_is_called_and_whose_weights_are_borrowed_too_stays_as_it_is() -> None:
    import torch
    from torch import nn

    class Borrowing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, states: Any) -> Any:
            return self.inner(states) @ self.inner.weight

    model = Borrowing().to(torch.bfloat16).eval()
    given = torch.linspace(-1, 1, 16).view(2, 8)

    made = quick.quicken(model, "cpu", "bfloat16", lambda model: model(given.bfloat16()))

    assert type(made.inner) is nn.Linear
    assert made(given.bfloat16()).shape == (2, 8)


# Attention


def qkv(length: int, heads: int = 4, shared: int = 4) -> tuple[Any, Any, Any]:
    import torch

    drawn = torch.Generator().manual_seed(length)
    return tuple(torch.randn(2, count, length, 8, generator=drawn) for count in (heads, shared, shared))


class Module:
    def __init__(self, *, is_causal: bool, groups: int = 1) -> None:
        self.is_causal, self.num_key_value_groups = is_causal, groups


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 2, 17])
@pytest.mark.parametrize("shared", [4, 2])
def test_short_attention_is_the_library_s_own(causal: bool, length: int, shared: int) -> None:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    parts, module = qkv(length, shared=shared), Module(is_causal=causal, groups=4 // shared)

    found, _ = attention.attend(module, *parts, None, scaling=0.3)

    expected, _ = sdpa_attention_forward(module, *parts, None, scaling=0.3)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_reading_is_that_of_its_thread_alone() -> None:
    import torch

    module, parts, seen = Module(is_causal=True), qkv(1), []

    with attention.reading(attention.blind_start(torch.tensor([False, False]))):
        other = threading.Thread(target=lambda: seen.append(attention.attend(module, *parts, None)[0]))
        other.start()
        other.join()
        own = attention.attend(module, *parts, None)[0]

    assert not own.any()
    assert seen[0].any()
    assert attention.attend(module, *parts, None)[0].any()


# Memory


class Small:
    """A model with room for so many tokens at once."""

    def __init__(self, room: int, refusal: Callable[[], Exception]) -> None:
        self.room, self.refusal = room, refusal
        self.tried: list[int] = []

    def __call__(self, rows: list[np.ndarray]) -> Any:
        import torch

        size = len(rows) * max(row.size for row in rows)
        self.tried.append(size)
        if size > self.room:
            raise self.refusal()
        return torch.tensor([[float(row[0])] for row in rows])


def no_room_on_device() -> Exception:
    import torch

    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


NO_ROOM = [
    no_room_on_device,
    lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    lambda: RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    lambda: RuntimeError("CUDA error: out of memory"),
    MemoryError,
]


def rows_of(count: int, width: int = 4) -> list[np.ndarray]:
    return [np.full(width, number) for number in range(count)]


@pytest.mark.parametrize("refusal", NO_ROOM)
def test_a_batch_without_room_is_halved_and_so_are_those_after_it(
    texts_encoder: Encoder, refusal: Callable[[], Exception]
) -> None:
    model = Small(8, refusal)

    found, _ = Rows(plan(texts_encoder)).through([rows_of(8), rows_of(8)], model)

    assert found[:, 0].tolist() == [*range(8), *range(8)]
    assert model.tried == [32, 16, 8, 8, 8, 8] + [8] * 4
    assert max(model.tried[2:]) == 8


def test_one_input_without_room_is_an_error_that_says_what_to_do(texts_encoder: Encoder) -> None:
    with pytest.raises(ModelMissing, match=r"no room on cpu even for one input.*smaller model"):
        Rows(plan(texts_encoder)).through([rows_of(4)], Small(3, no_room_on_device))


def test_any_other_failure_of_a_model_is_not_taken_for_a_lack_of_memory(texts_encoder: Encoder) -> None:
    model = Small(3, lambda: RuntimeError("shapes do not match"))

    with pytest.raises(RuntimeError, match="shapes"):
        Rows(plan(texts_encoder)).through([rows_of(4)], model)

    assert model.tried == [16]


NO_MEMORY = """
import resource, sys
import numpy as np
from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.embed import pooling
from anipop_pipeline.stages.embed.loaded import text_model
from anipop_pipeline.stages.embed.models import Rows
from anipop_pipeline_tests.embedding import plan

how = plan(encoders.choose("text", sys.argv[1]), length=256)
loaded = text_model(how.encoder, "cpu", "float32", False)
batch = [np.full(256, number, dtype=np.int32) for number in range(120)]
few, _ = Rows(how).through([batch[:4]], lambda rows: pooling.of_texts(loaded, how, rows))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100 * 2**20,) * 2)
sent = Rows(how)
found, _ = sent.through([batch], lambda rows: pooling.of_texts(loaded, how, rows))
np.testing.assert_allclose(found[:4], few, atol=1e-4)
print(len(found), "in less" if sent.most and sent.most < 120 * 256 else "at once")
"""


def test_a_processor_that_runs_out_of_memory_goes_on_with_less(texts_encoder: Encoder) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", NO_MEMORY, texts_encoder.model],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).resolve().parents[1],
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
    )

    assert ran.stdout.strip() == "120 in less", ran.stderr[-2000:]


# Looking ahead, figures


def test_what_goes_wrong_while_looking_ahead_is_raised_where_the_items_are_taken() -> None:
    def broken() -> Any:
        yield 1
        raise ModelMissing("gone")

    taken = batches.ahead(broken(), 2)

    assert next(taken) == 1
    with pytest.raises(ModelMissing, match="gone"):
        next(taken)


def test_nobody_goes_on_looking_ahead_when_the_items_are_no_longer_wanted() -> None:
    made = []

    def endless() -> Any:
        while True:
            made.append(len(made))
            yield made[-1]

    taken = batches.ahead(endless(), 2)
    next(taken)
    taken.close()  # type: ignore[attr-defined]

    assert len(made) <= 5
    assert not any(thread.name == "anipop-ahead" for thread in threading.enumerate())


def test_work_is_counted_in_products_of_matrices() -> None:
    import torch

    layer = torch.nn.Linear(3, 5)

    assert speed.flops(lambda: layer(torch.ones(7, 3))) == 2 * 3 * 5 * 7


def test_the_speed_of_this_machine_is_a_number_that_can_be() -> None:
    assert 1e8 < speed.matrix_flops("cpu", "float32") < 1e16


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")  # torch's own compiler uses it
def test_a_compiled_model_has_the_same_vectors(texts_encoder: Encoder) -> None:
    import shutil

    if shutil.which("g++") is None:
        pytest.skip("torch compiles with g++")
    given = stories(6)

    found = vectors(through(given, replace(plan(texts_encoder, length=20), compiled=True)))

    assert off(found, plain_texts(texts_encoder, given, 20)) < FLOAT32


# Real texts and posters


def test_real_synopses_have_the_vectors_of_the_plain_loop(real: Path, tmp_path: Path) -> None:
    import polars as pl
    import torch
    from transformers import GPT2Config, GPT2Model, GPT2TokenizerFast

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        GPT2Model(GPT2Config(n_embd=32, n_layer=2, n_head=4)).save_pretrained(tmp_path)
    GPT2TokenizerFast.from_pretrained(real / "tokenizer").save_pretrained(tmp_path)
    encoder = encoders.choose("text", str(tmp_path))
    told = pl.read_parquet(real / "tables" / "anime_2021.parquet")["synopsis"].drop_nulls()
    given = told.filter(told.str.len_chars() > 0).head(200).to_list()

    found = {
        dtype: vectors(through(given, plan(encoder, length=128, dtype=dtype, at_once=1024, workers=2)))
        for dtype in ("float32", "bfloat16")
    }

    expected = plain_texts(encoder, given, 128)
    assert off(found["float32"], expected) < FLOAT32
    assert off(found["bfloat16"], expected) < BFLOAT16


def test_real_posters_have_the_vectors_of_the_plain_loop(real: Path, pictures_encoder: Encoder) -> None:
    given = [path.read_bytes() for path in sorted((real / "posters").glob("*.jpg"))]

    found = through(given, plan(pictures_encoder, length=0, at_once=8, workers=2))

    assert not found.rejected
    assert off(vectors(found), plain_pictures(pictures_encoder, given)) < FLOAT32
