"""Models that are ready to be used, and what had to be learned from them first.

Belongs here: from a checkpoint to a model in its dtype on its device. Does not: reading checkpoints
(encoders), batches.
"""

import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image

from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.embed import attention, speed
from anipop_pipeline.stages.embed.quick import quicken
from anipop_pipeline.stages.encoders import Encoder

SAMPLE_TOKENS = 32
SAMPLE_SIZE = (225, 350)


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
    """Return a text model that is ready."""
    import torch

    tokenizer, model = encoders.load_text(encoder, device)
    probe = torch.arange(SAMPLE_TOKENS, device=device).view(1, -1) % model.config.vocab_size

    def run(model: Any) -> Any:
        return model(input_ids=probe).last_hidden_state

    each = speed.flops(lambda: run(model)) / SAMPLE_TOKENS
    causal, accepts = _is_causal(model, device), _accepted(model)
    readable = attention.install(model) and causal and "position_ids" in accepts
    quick = quicken(model, device, dtype, run)
    return Loaded(
        model=_compiled(quick, compiled),
        device=device,
        dtype=getattr(torch, dtype),
        flops_each=each,
        accepts=accepts,
        blocks=_blocks(quick),
        padding=tokenizer.pad_token_id,
        causal=causal,
        readable=readable,
        longest=getattr(model.config, "max_position_embeddings", None),
    )


@lru_cache(maxsize=1)
def image_model(encoder: Encoder, device: str, dtype: str, compiled: bool) -> Loaded:
    """Return an image model that is ready."""
    import torch

    processor, model = encoders.load_image(encoder, device)
    gray = encoders.pixels(processor, Image.new("RGB", SAMPLE_SIZE, (128, 128, 128)), encoder.preprocessing)
    probe = encoders.model_inputs(processor, torch.from_numpy(gray)[None].to(device))

    def run(model: Any) -> Any:
        return model(
            **{name: value.to(model.dtype) if value.is_floating_point() else value for name, value in probe.items()}
        ).last_hidden_state

    each, accepts = speed.flops(lambda: run(model)), _accepted(model)
    attention.install(model)
    quick = quicken(model, device, dtype, run)
    return Loaded(
        model=_compiled(quick, compiled),
        device=device,
        dtype=getattr(torch, dtype),
        flops_each=each,
        accepts=accepts,
        blocks=_blocks(quick),
    )


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
