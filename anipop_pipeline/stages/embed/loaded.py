"""Models that are ready to be used, and what had to be learned from them first.

Belongs here: from a checkpoint to a model in its dtype on its device. Does not: reading checkpoints
(encoders), batches.
"""

import inspect
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from PIL import Image

from anipop_pipeline.errors import ModelMissing, SettingError
from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.embed import attention, speed
from anipop_pipeline.stages.embed.quick import fold_normalisation, quicken
from anipop_pipeline.stages.encoders import Encoder

SAMPLE_TOKENS = 32
SAMPLE_SIZE = (225, 350)
UNLIMITED = 10**9  # tokenizers that know no limit say a huge one


@dataclass(frozen=True)
class Loaded:
    """A model that is ready, with what had to be learned from it."""

    model: Any
    device: str
    dtype: Any
    flops_each: float  # for each token, or picture
    accepts: frozenset[str]  # what its forward names
    blocks: Any  # its layers, in order
    padding: int = 0
    causal: bool = False  # no position sees what is after it: padding on the right is never read
    readable: bool = False  # it looks through our attention, at positions that it is told
    longest: int | None = None


@lru_cache(maxsize=2)  # here and below: the next asset of this process wants the same one
def tokenizer_of(encoder: Encoder) -> Any:
    """Return the tokenizer that goes with a text model."""
    return encoders.load_tokenizer(encoder)


@lru_cache(maxsize=2)
def processor_of(encoder: Encoder) -> Any:
    """Return the image processor that goes with an image model."""
    return encoders.load_processor(encoder)


@lru_cache(maxsize=1)
def text_model(encoder: Encoder, device: str, dtype: str, compiled: bool) -> Loaded:
    """Return a text model that is ready; weights are read in their dtype, so that nothing larger is ever held."""
    import torch

    _refuse_both(encoder, compiled)
    tokenizer, held = encoders.load_text(replace(encoder, dtype=dtype), "cpu")
    model, longest = _moved(held, encoder, device), _longest(encoder, held, tokenizer)
    size = min(SAMPLE_TOKENS, longest or SAMPLE_TOKENS)
    probe = torch.arange(size, device=device).view(1, -1) % model.get_input_embeddings().num_embeddings

    def run(model: Any) -> Any:
        return model(input_ids=probe).last_hidden_state

    each = speed.flops(lambda: run(model)) / size
    causal, accepts = _is_causal(model, device), _accepted(model)
    readable = attention.install(model) and causal and "position_ids" in accepts
    quick = quicken(model, device, dtype, run)
    return Loaded(
        model=_compiled(quick, compiled),
        device=device,
        dtype=getattr(torch, dtype),
        flops_each=each * _share_of_layers(encoder, quick),
        accepts=accepts,
        blocks=_blocks(quick),
        padding=tokenizer.pad_token_id,
        causal=causal,
        readable=readable,
        longest=longest,
    )


@lru_cache(maxsize=1)
def image_model(encoder: Encoder, device: str, dtype: str, compiled: bool) -> Loaded:
    """Return an image model that is ready; it is read and folded in float32, whatever it will compute in."""
    import torch

    _refuse_both(encoder, compiled)
    processor, model = encoders.load_image(replace(encoder, dtype="float32"), "cpu")
    gray = encoders.pixels(processor, Image.new("RGB", SAMPLE_SIZE, (128, 128, 128)), encoder.preprocessing)
    probe = encoders.model_inputs(processor, torch.from_numpy(gray)[None])

    def run(model: Any) -> Any:
        kind, place = next((one.dtype, one.device) for one in model.parameters())
        floats = {name: value.to(place, kind if value.is_floating_point() else None) for name, value in probe.items()}
        return model(**floats).last_hidden_state

    each, accepts = speed.flops(lambda: run(model)), _accepted(model)
    attention.install(model)
    fold_normalisation(model, run)
    quick = quicken(_moved(model.to(getattr(torch, dtype)), encoder, device), device, dtype, run)
    return Loaded(
        model=_compiled(quick, compiled),
        device=device,
        dtype=getattr(torch, dtype),
        flops_each=each * _share_of_layers(encoder, quick),
        accepts=accepts,
        blocks=_blocks(quick),
    )


def _refuse_both(encoder: Encoder, compiled: bool) -> None:
    if compiled and encoder.layer:
        raise SettingError(
            "a compiled model cannot be stopped at a layer",
            where="EncoderConfig",
            fix="set compiled = false, or layer 0",
        )


def _moved(model: Any, encoder: Encoder, device: str) -> Any:
    """Return the model on its device."""
    import torch

    try:
        return model.to(device)
    except torch.OutOfMemoryError as refused:
        raise ModelMissing(
            f"{encoder.model} does not fit into the memory of {device}",
            where="EncoderConfig",
            fix="choose a smaller model, dtype = 'bfloat16', or device = 'cpu'",
        ) from refused


def _longest(encoder: Encoder, model: Any, tokenizer: Any) -> int | None:
    """Return how many tokens a model reads at most: the least of what it, its tokenizer and the table say."""
    told = (getattr(model.config, "max_position_embeddings", None), tokenizer.model_max_length, encoder.length)
    return min((limit for limit in told if limit and 0 < limit < UNLIMITED), default=None)


def _share_of_layers(encoder: Encoder, model: Any) -> float:
    """Return how much of a model is computed."""
    layers = len(_blocks(model))
    return min(1.0, encoder.layer / layers) if encoder.layer and layers else 1.0


def _compiled(model: Any, wanted: bool) -> Any:
    import torch

    return torch.compile(model, dynamic=True) if wanted else model


def _accepted(model: Any) -> frozenset[str]:
    return frozenset(inspect.signature(model.forward).parameters)


def _blocks(model: Any) -> Any:
    """Return the model's layers: the first list of modules in it."""
    from torch import nn

    return next((module for module in model.modules() if isinstance(module, nn.ModuleList)), nn.ModuleList())


def _is_causal(model: Any, device: str) -> bool:
    """Return whether the first state stays what it is, whatever token follows."""
    import torch

    pairs = torch.tensor([[0, 0], [0, 1]], device=device)
    with torch.inference_mode():
        first = model(input_ids=pairs).last_hidden_state[:, 0, :]
    return bool(torch.allclose(first[0], first[1], atol=1e-5))
