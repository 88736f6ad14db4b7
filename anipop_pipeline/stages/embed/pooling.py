"""From the states of a model to one vector: which positions, which layer, which mean.

Poolings of texts: `mean` over all real tokens, the state of the `last` or the `first` one; `published`, the state at
position 0 of the window under padding on the left, as the library of the paper's day computed it; `literal`, the same
position as it is read today (attention.py). Where the text fills the window, position 0 is its first token, which sees
nothing but itself: both say the same.
Poolings of pictures: `mean` over the last map, or over all states, a class token among them where there is one;
`first`, the first state: the class token, or else the corner patch; `head`, what the model's own head makes of them;
`published`, the first row of the states, which is channel 0 alone of a convolutional model.

Belongs here: numbers. Does not: batches and memory (models.py).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.embed import attention
from anipop_pipeline.stages.embed.loaded import Loaded
from anipop_pipeline.stages.embed.plan import PAPER, Plan

if TYPE_CHECKING:
    from torch import Tensor

_here = threading.local()


class _Reached(Exception):
    """The layer that was asked for has been computed; those after it need not be."""


def of_texts(loaded: Loaded, plan: Plan, rows: list[np.ndarray]) -> "Tensor":
    """Return one vector for each row of tokens."""
    if plan.pooling in PAPER and not loaded.readable:
        return _left_padded(loaded, plan, rows)
    if plan.pooling in PAPER:
        return (_published if plan.pooling == "published" else _position_0)(loaded, plan, rows)
    states, lengths = _states_of_rows(loaded, plan, rows)
    return TEXT_POOLINGS[plan.pooling](states, lengths)


def tokens_read(loaded: Loaded, plan: Plan, rows: list[np.ndarray]) -> int:
    """Return how many tokens go through the model for these rows; padding does not count."""
    if plan.pooling not in PAPER:
        return sum(len(row) for row in rows)
    if not loaded.readable:
        return len(rows) * plan.length
    accident = plan.pooling == "published"
    return len(rows) + sum(len(row) + 1 for row in rows if accident and len(row) < plan.length)


def _mean(states: "Tensor", lengths: "Tensor") -> "Tensor":
    import torch

    real = torch.arange(states.shape[1], device=states.device)[None, :] < lengths[:, None]
    return (states.float() * real.unsqueeze(-1)).sum(1) / lengths[:, None]


def _last(states: "Tensor", lengths: "Tensor") -> "Tensor":
    import torch

    return states[torch.arange(len(states), device=states.device), lengths - 1]


TEXT_POOLINGS: dict[str, Callable[["Tensor", "Tensor"], "Tensor"]] = {
    "mean": _mean,
    "last": _last,
    "first": lambda states, _lengths: states[:, 0],
}


def _states_of_rows(loaded: Loaded, plan: Plan, rows: list[np.ndarray]) -> tuple["Tensor", "Tensor"]:
    """Return the states of rows that are padded on the right, and how long each is."""
    lengths = np.array([len(row) for row in rows])
    ids = _to(loaded.device, _padded(rows))
    counts = _to(loaded.device, lengths)
    if loaded.causal or lengths.min() == lengths.max():
        return _states(loaded, plan, input_ids=ids), counts
    mask = _to(loaded.device, (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64))
    return _states(loaded, plan, input_ids=ids, attention_mask=mask), counts


def _padded(rows: list[np.ndarray], before: int = 0) -> np.ndarray:
    """Return rows of tokens as one array, `before` places free on the left, zeros on the right."""
    found = np.zeros((len(rows), before + max(len(row) for row in rows)), dtype=np.int64)
    for place, row in enumerate(rows):
        found[place, before : before + len(row)] = row
    return found


def _to(device: str, values: np.ndarray) -> "Tensor":
    """Return an array on a device; CUDA fetches it on a stream of its own, while it works on what came before."""
    import torch

    here = torch.from_numpy(np.ascontiguousarray(values))
    if device != "cuda":
        return here.to(device)
    pinned, work = here.pin_memory(), torch.cuda.current_stream()
    with torch.cuda.stream(_copies()):
        there = pinned.to(device, non_blocking=True)
    work.wait_stream(_copies())
    there.record_stream(work)
    return there


@lru_cache(maxsize=1)
def _copies() -> Any:
    import torch

    return torch.cuda.Stream()


# Position 0 under padding on the left


def _published(loaded: Loaded, plan: Plan, rows: list[np.ndarray]) -> "Tensor":
    """Return the paper's vectors: texts that fill the window by their first token, others by the accidental mean.

    One padding token stands for all: the others are read by nobody. Positions are those of the whole window.
    """
    import torch

    short = np.array([len(row) < plan.length for row in rows])
    found = _position_0(loaded, plan, rows)
    if short.any():
        texts = [row for row, is_short in zip(rows, short, strict=True) if is_short]
        lengths = np.array([len(text) for text in texts])
        ids = _padded(texts, before=1)
        ids[:, 0] = loaded.padding
        starts = plan.length - lengths
        places = np.minimum(starts[:, None] + np.arange(ids.shape[1]) - 1, plan.length - 1)
        places[:, 0] = 0
        with attention.reading(attention.uniform_start(_to(loaded.device, lengths))):
            inputs = {"input_ids": _to(loaded.device, ids), "position_ids": _to(loaded.device, places)}
            found[torch.from_numpy(short).to(found.device)] = _states(loaded, plan, **inputs)[:, 0]
    return found


def _position_0(loaded: Loaded, plan: Plan, rows: list[np.ndarray]) -> "Tensor":
    """Return the state at position 0, where no attention falls back on anything."""
    fills = np.array([len(row) == plan.length for row in rows])
    ids = np.array([row[0] if full else loaded.padding for row, full in zip(rows, fills, strict=True)])
    with attention.reading(attention.blind_start(_to(loaded.device, fills))):
        return _states(loaded, plan, input_ids=_to(loaded.device, ids[:, None]))[:, 0]


def _left_padded(loaded: Loaded, plan: Plan, rows: list[np.ndarray]) -> "Tensor":
    """Return the state at position 0 of a model that sees both ways, or whose attention is its own: a whole window."""
    ids = np.full((len(rows), plan.length), loaded.padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, plan.length - len(row) :] = row
        mask[place, plan.length - len(row) :] = 1
    inputs = {"input_ids": _to(loaded.device, ids), "attention_mask": _to(loaded.device, mask)}
    return _states(loaded, plan, **inputs)[:, 0]


# Pictures


def of_images(loaded: Loaded, plan: Plan, processor: Any, arrays: list[np.ndarray]) -> "Tensor":
    """Return one vector for each picture; rescaling and normalising is done where the model is."""
    made = encoders.model_inputs(processor, _to(loaded.device, np.stack(arrays)))
    inputs = {name: _as_read(value, loaded) for name, value in made.items()}
    if plan.pooling == "head":
        head: Tensor | None = getattr(loaded.model(**inputs), "pooler_output", None)
        if head is None:
            raise SettingError(
                f"{plan.encoder.model} has no head of its own",
                where="EncoderConfig.image_pooling",
                fix="choose mean or first",
            )
        return head.flatten(1)
    states = _states(loaded, plan, **inputs)
    if plan.pooling in ("published", "first"):
        return states[:, 0].flatten(1)
    return states.float().mean(dim=(2, 3) if states.ndim == 4 else 1)


def _as_read(value: "Tensor", loaded: Loaded) -> "Tensor":
    """Return pixels in the model's dtype, channels last; numbers of colours as they are."""
    import torch

    if not value.is_floating_point():
        return value
    kind: torch.dtype = loaded.dtype
    return value.to(kind, memory_format=torch.channels_last if value.ndim == 4 else torch.preserve_format)


# Layers


def _states(loaded: Loaded, plan: Plan, **inputs: "Tensor") -> "Tensor":
    """Return the last hidden states, or those after so many layers."""
    flags = {"use_cache": False} if "use_cache" in loaded.accepts else {}
    if not plan.encoder.layer:
        last: Tensor = loaded.model(**inputs, **flags).last_hidden_state
        return last
    with _until(loaded.blocks, plan.encoder.layer):
        try:
            loaded.model(**inputs, **flags)
        except _Reached:
            reached: Tensor = _here.__dict__.pop("states")
            return reached
    raise SettingError(
        f"{plan.encoder.model} did not come to its layer {plan.encoder.layer}",
        where="EncoderConfig.text_layer and image_layer",
        fix="use 0, the last",
    )


@contextmanager
def _until(blocks: Any, layer: int) -> Iterator[None]:
    """Stop this thread's forward pass after a layer."""
    if layer > len(blocks):
        raise SettingError(
            f"there is no layer {layer}: the model has {len(blocks)}",
            where="EncoderConfig.text_layer and image_layer",
            fix=f"choose 1 to {len(blocks)}, or 0 for the last with what comes after it",
        )
    own = threading.get_ident()

    def stop(_block: Any, _inputs: Any, outputs: Any) -> None:
        if threading.get_ident() == own:
            _here.states = outputs[0] if isinstance(outputs, tuple) else outputs
            raise _Reached

    hook = blocks[layer - 1].register_forward_hook(stop)
    try:
        yield
    finally:
        hook.remove()
