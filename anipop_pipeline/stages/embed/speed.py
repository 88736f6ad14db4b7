"""How fast an embedding was, and what share of this machine's speed that is.

Belongs here: counting and timing. Does not: making it faster.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}  # of the matrices that are multiplied to learn the speed
WORTH_TELLING = 1.0  # seconds of work below which a pace means nothing


@dataclass(frozen=True)
class Figures:
    """What has been done so far, and what it took."""

    asked: int = 0
    unique: int = 0
    cached: int = 0
    computed: int = 0
    rejected: int = 0
    tokens: int = 0
    seconds: float = 0.0  # from the first batch asked for to the last one answered
    flops: float = 0.0  # multiplications and additions in products of matrices
    matrix_flops: float = 0.0  # the same a second, in one plain product on this machine

    def told(self, what: str) -> dict[str, float | int]:
        """Return the figures by name; `what` are texts or images.

        >>> Figures(asked=3, unique=3, computed=3, tokens=60, seconds=2.0, flops=6e9, matrix_flops=4e9).told("texts")
        {'asked': 3, 'unique': 3, 'cached': 0, 'computed': 3, 'rejected': 0, 'seconds': 2.0, 'texts_per_second': 1.5, \
'tokens_per_second': 30.0, 'share_of_matrix_speed': 0.75}
        """
        counts = ("asked", "unique", "cached", "computed", "rejected")
        said: dict[str, float | int] = {name: getattr(self, name) for name in counts}
        said["seconds"] = round(self.seconds, 3)
        if self.seconds >= WORTH_TELLING and self.computed:
            said[f"{what}_per_second"] = round(self.computed / self.seconds, 1)
            if self.tokens:
                said["tokens_per_second"] = round(self.tokens / self.seconds, 1)
            if self.matrix_flops:
                said["share_of_matrix_speed"] = round(self.flops / self.seconds / self.matrix_flops, 3)
        return said


def flops(work: Callable[[], Any]) -> float:
    """Return the multiplications and additions of a piece of work, in products and convolutions."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


@lru_cache(maxsize=8)
def matrix_flops(device: str, dtype: str) -> float:
    """Return what this machine multiplies and adds a second in one large product: the best of five."""
    import torch

    side = SIDE[device]
    one = torch.ones(side, side, dtype=getattr(torch, dtype), device=device)
    spent = []
    with torch.inference_mode():
        for _ in range(5):
            _finish(device)
            start = time.perf_counter()
            one @ one
            _finish(device)
            spent.append(time.perf_counter() - start)
    return float(2 * side**3 / min(spent))


def _finish(device: str) -> None:
    """Wait until an accelerator has done what it was told."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
