"""The same model, faster on this machine: weights in the processor's own order, steps that were two made one.

Nothing here changes what a model computes beyond rounding: where two modules are made one, what comes out is compared
on the spot, and a pair that does not agree stays as it was.

Belongs here: exchanging modules of a loaded model. Does not: loading it (encoders), running it (models.py).
"""

from collections.abc import Callable, Iterator
from typing import Any

# Names under which models of the hub keep a linear layer and what follows it at once, in the same parent.
THEN_CURVED = (("c_fc", "act"), ("fc1", "activation_fn"), ("dense", "intermediate_act_fn"), ("fc1", "activation"))
NORMALISED = (("convolution", "normalization"), ("conv", "bn"), ("conv", "norm"))
CLOSE = 0.02  # of the length of what came out before: bfloat16 keeps eight bits
ROWS_PACKED_FOR = 1024


def quicken(model: Any, device: str, dtype: str, run: Callable[[Any], Any]) -> Any:
    """Return a model, which is in its dtype on its device, with modules exchanged for faster ones that say the same.

    `run` is one pass through a model, and returns its states.
    """
    import torch

    if any(isinstance(module, torch.nn.Conv2d) for module in model.modules()):
        model = model.to(memory_format=torch.channels_last)
    packs = device == "cpu" and dtype == "bfloat16" and can_pack()
    _merge_curves(model, packs=packs)
    if packs:
        _pack(model, run)
    return model


def can_pack() -> bool:
    """Return whether this build of torch can keep weights in the order in which the processor multiplies them."""
    import torch

    ops = torch.ops.mkldnn
    return torch.backends.mkldnn.is_available() and all(
        hasattr(ops, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


def fold_normalisation(model: Any, run: Callable[[Any], Any]) -> None:
    """Multiply what a normalisation after a convolution does into its weights, while these are float32."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    with torch.inference_mode():
        expected = run(model)
    before: list[tuple[Any, str, Any]] = []
    for parent, first, second in _pairs(model, NORMALISED):
        convolution, norm = getattr(parent, first), getattr(parent, second)
        if type(convolution) is torch.nn.Conv2d and isinstance(norm, torch.nn.BatchNorm2d):
            before += [(parent, first, convolution), (parent, second, norm)]
            setattr(parent, first, fuse_conv_bn_eval(convolution, norm))
            setattr(parent, second, torch.nn.Identity())
            if type(curve := getattr(parent, "activation", None)) is torch.nn.ReLU:
                before.append((parent, "activation", curve))
                parent.activation = torch.nn.ReLU(inplace=True)  # nobody else holds what the convolution made
    _put_back_unless_alike(before, expected, model, run)


def _merge_curves(model: Any, *, packs: bool) -> None:
    """Let GELU be one step instead of seven, and, where weights are packed, part of the layer before it."""
    import torch
    from torch import nn

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ in ("NewGELUActivation", "GELUTanh", "PytorchGELUTanh", "FastGELUActivation"):
                setattr(parent, name, nn.GELU(approximate="tanh"))
    for parent, first, second in _pairs(model, THEN_CURVED) if packs else ():
        linear, curve = getattr(parent, first), getattr(parent, second)
        if not isinstance(curve, nn.GELU) or not _is_linear(linear):
            continue
        probe = torch.linspace(-2, 2, 4 * _weight(linear).shape[1], dtype=_weight(linear).dtype).view(1, 4, -1)
        with torch.inference_mode():
            expected = parent(probe) if _takes_one(parent) else None
            setattr(parent, first, packed(linear, curve.approximate))
            setattr(parent, second, nn.Identity())
            found = parent(probe) if expected is not None else None
        if expected is None or not _alike(expected, found):
            setattr(parent, first, linear)
            setattr(parent, second, curve)


def _takes_one(parent: Any) -> bool:
    """Return whether a module is called with hidden states alone, so that it can be tried."""
    import inspect

    wanted = [p for p in inspect.signature(parent.forward).parameters.values() if p.default is p.empty]
    return len([p for p in wanted if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]) == 1


def _alike(expected: Any, found: Any) -> bool:
    return bool((found.float() - expected.float()).norm() <= CLOSE * expected.float().norm())


def _pairs(model: Any, names: tuple[tuple[str, str], ...]) -> Iterator[tuple[Any, str, str]]:
    """Yield each module that has a pair of children by these names."""
    for parent in list(model.modules()):
        for first, second in names:
            if hasattr(parent, first) and hasattr(parent, second):
                yield parent, first, second
                break


def _pack(model: Any, run: Callable[[Any], Any]) -> None:
    """Exchange the linear layers that a pass calls; some models only borrow the weights of others."""
    import torch

    called: set[int] = set()
    linear = [module for module in model.modules() if _is_linear(module)]
    hooks = [module.register_forward_hook(lambda module, *_: called.add(id(module))) for module in linear]
    with torch.inference_mode():
        expected = run(model)
    for hook in hooks:
        hook.remove()
    before = [
        (parent, name, child)
        for parent in list(model.modules())
        for name, child in parent.named_children()
        if id(child) in called
    ]
    for parent, name, child in before:
        setattr(parent, name, packed(child, None))
    _put_back_unless_alike(before, expected, model, run)


def _put_back_unless_alike(
    before: list[tuple[Any, str, Any]], expected: Any, model: Any, run: Callable[[Any], Any]
) -> None:
    """Give a model its own modules back if it no longer says what it said."""
    import torch

    try:
        with torch.inference_mode():
            alike = _alike(expected, run(model))
    except (RuntimeError, AttributeError, TypeError):  # what it asks of a module, the new one does not have
        alike = False
    for parent, name, child in () if alike else before:
        setattr(parent, name, child)


def _is_linear(module: Any) -> bool:
    """Return whether a module multiplies by a matrix and does nothing else; subclasses may do more."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return type(module) in (nn.Linear, Conv1D)


def _weight(linear: Any) -> Any:
    """Return the weights of a layer as (out, in): GPT-2 keeps its own the other way round."""
    from torch import nn

    return linear.weight.data if type(linear) is nn.Linear else linear.weight.data.t()


def packed(linear: Any, gelu: str | None) -> Any:
    """Return a linear layer whose weights lie as the processor reads them, with GELU after it if asked."""
    from anipop_pipeline.stages.embed.layers import PackedLinear

    return PackedLinear(_weight(linear), linear.bias, gelu, ROWS_PACKED_FOR)
