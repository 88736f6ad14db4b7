"""Our own attention, in which a processor's small products and the papers' reading of position 0 find their place.

Under left padding, position 0 of a causal model is padding wherever the text is shorter than the window: a row of
attention that may look at nothing. What comes out then is an accident of the code, not of the model:

- the library of the paper's day added the lowest number there is to every score of such a row, which made all scores
  equal: the row took the plain mean of itself and of every real token, in each layer (`uniform_start`);
- today's attention gives such a row nothing at all (`blind_start`).

Both are written out here, and depend on no library's version. Elsewhere `attend` is what the library does; on a
processor, short rows without a mask go through plain matrix products, twice as fast as its fused attention.

Belongs here: attention. Does not: which tokens go in (texts.py), and at which positions (models.py).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAME = "anipop"
SHORT = 256  # tokens up to which plain products beat the fused attention on a processor
Reading = Callable[[Any, Any, Any, float], Any]  # query, key, value, scale -> what each position has read

_here = threading.local()  # each thread computes its own batch


def install(model: Any) -> bool:
    """Return whether the model now looks through our attention; some have none, or none that can be exchanged."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if getattr(model.config, "_attn_implementation", None) != "sdpa" or not model._can_set_attn_implementation():
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    return True


@contextmanager
def reading(how: Reading) -> Iterator[None]:
    """Let this thread's attention read in another way inside."""
    _here.reading = how
    try:
        yield
    finally:
        _here.reading = None


def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **more: Any) -> tuple[Any, None]:
    """Return what each position has read, as the library's own attention returns it."""
    how = getattr(_here, "reading", None)
    scale = more.get("scaling") or query.shape[-1] ** -0.5
    if how is not None:
        return _positions_first(how(query, *_repeated(query, key, value), scale)), None
    if attention_mask is None and _is_short(query, key, more):
        causal = more.get("is_causal")
        causal = getattr(module, "is_causal", True) if causal is None else causal
        return _positions_first(_products(query, *_repeated(query, key, value), scale, causal)), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    found: tuple[Any, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **more)
    return found


def _is_short(query: Any, key: Any, more: dict[str, Any]) -> bool:
    plain = all(more.get(name) is None for name in ("position_bias", "cache", "softcap", "s_aux"))
    return bool(plain and query.device.type == "cpu" and query.shape[2] == key.shape[2] <= SHORT)


def _positions_first(read: Any) -> Any:
    return read.transpose(1, 2).contiguous()


def _repeated(query: Any, key: Any, value: Any) -> tuple[Any, Any]:
    """Return keys and values, one for each head of the query: some models share them."""
    groups = query.shape[1] // key.shape[1]
    return (key, value) if groups == 1 else (key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1))


def _products(query: Any, key: Any, value: Any, scale: float, causal: bool) -> Any:
    """Return attention as two products and a softmax; a causal row sees itself and what is before it."""
    import torch

    rows, heads, length, _ = query.shape
    query, key, value = (part.reshape(rows * heads, length, part.shape[-1]) for part in (query, key, value))
    if causal:
        later = torch.full((length, length), float("-inf"), dtype=query.dtype).triu(1)
        scores = torch.baddbmm(later.expand(rows * heads, -1, -1), query, key.transpose(1, 2), alpha=scale)
    else:
        scores = torch.bmm(query, key.transpose(1, 2)) * scale
    read = torch.bmm(torch.softmax(scores, -1), value)
    return read.view(rows, heads, length, -1)


def uniform_start(lengths: Any) -> Reading:
    """Return the paper's reading of [padding, text]: the first position takes the mean of itself and all of the text.

    The text's own positions see each other as ever, and never the padding. `lengths` are tokens of text in each row.
    """
    import torch

    def read(query: Any, key: Any, value: Any, scale: float) -> Any:
        found = torch.empty_like(query[..., : value.shape[-1]])
        found[:, :, 1:] = torch.nn.functional.scaled_dot_product_attention(
            query[:, :, 1:], key[:, :, 1:], value[:, :, 1:], is_causal=True, scale=scale
        )
        real = torch.arange(value.shape[2], device=value.device)[None, :] <= lengths[:, None]
        weights = (real / (lengths[:, None] + 1)).to(value.dtype)
        found[:, :, 0] = torch.einsum("bt,bhtd->bhd", weights, value)
        return found

    return read


def blind_start(sees: Any) -> Reading:
    """Return today's reading of position 0 alone: itself where there is text, nothing where there is padding."""

    def read(_query: Any, _key: Any, value: Any, _scale: float) -> Any:
        return value * sees[:, None, None, None].to(value.dtype)

    return read
