"""Layers that torch does not bring.

This module may import torch at its top; it is itself imported inside functions alone.

Belongs here: modules. Does not: which layers of a model they replace (quick.py).
"""

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """A linear layer on a processor, its weights in the order in which they are multiplied, GELU after it or not."""

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: str | None, rows: int) -> None:
        super().__init__()
        self.matrix = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
        self.bias = None if bias is None else nn.Parameter(bias.data, requires_grad=False)
        self.weight = torch.empty(0, dtype=weight.dtype)  # some models ask a layer for its dtype
        self.after, self.kind = ("none", "") if gelu is None else ("gelu", gelu)

    def forward(self, states: Tensor) -> Tensor:
        """Return weights times states, plus the bias."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(states, self.matrix, self.bias, self.after, [], self.kind)
        return product
