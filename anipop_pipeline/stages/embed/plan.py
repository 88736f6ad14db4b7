"""How one kind of input becomes vectors, and the name under which each vector is kept.

A key is a hash of the input and of everything that shapes its vector, so that a cache can be shared by all sites and
deleting it changes nothing but time, and the last bits of numbers, which follow the batch that they were computed in.
What only makes it faster (device, batches, workers) is no part of it.

Belongs here: dials of an embedding, keys. Does not: what goes through a model (texts.py, images.py, models.py).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anipop_pipeline.stages.encoders import Encoder

VERSION = 3  # raise it when preprocessing changes: every cached vector is computed anew
EACH = 4  # batches for each core in a table: fewer leave cores waiting for each other, a kill loses more
QUEUED = 8  # batches that an accelerator is given at a time
PAPER = ("published", "literal")  # poolings of the papers; every other one is the encoder's own


@dataclass(frozen=True)
class Plan:
    """What a vector is (encoder, pooling, length, long_texts, dtype, kept_as), and how it is computed (the rest)."""

    encoder: Encoder
    pooling: str
    length: int  # tokens of a window; pictures have none
    long_texts: str = "cut"  # or "windows": the mean of all windows, each weighted by its tokens
    dtype: str = "float32"
    kept_as: str = "float32"
    device: str = "cpu"
    at_once: int = 0  # tokens or pictures in one batch; 0 is what suits the device
    workers: int = 1  # batches that the processor computes side by side, each on one core
    decoders: int = 1  # threads that read pictures; 0 is one for each core
    compiled: bool = False

    def about(self) -> dict[str, Any]:
        """Return what tells the vectors of this plan from others, for people and for keys."""
        encoder = self.encoder
        said = {
            "modality": encoder.modality,
            "model": encoder.model,
            "revision": encoder.revision,
            "identity": encoder.identity,
            "layer": encoder.layer,
            "preprocessing": encoder.preprocessing,
            "pooling": self.pooling,
            "dtype": self.dtype,
            "version": VERSION,
        }
        return {**said, "length": self.length, "long_texts": self.long_texts} if encoder.modality == "text" else said

    @property
    def together(self) -> int:
        """Return how many batches travel in one table."""
        return EACH * self.workers if self.device == "cpu" else QUEUED

    def share(self, work: int) -> int:
        """Return the size of a batch when there is so much work: little of it is shared by all workers.

        >>> plan = Plan(None, "mean", 128, at_once=1024, workers=2)
        >>> plan.share(100_000), plan.share(600)
        (1024, 300)
        """
        return max(1, min(self.at_once, -(-work // self.workers)))

    @property
    def shelf(self) -> str:
        """Return the name of the place where vectors of this plan are kept, all of one width."""
        return hashlib.sha256(f"{self._shape()}|{self.kept_as}".encode()).hexdigest()[:16]

    def _shape(self) -> str:
        """Return what shapes a vector; where a folder lies, and what a commit is called, does not."""
        told = {name: value for name, value in self.about().items() if name not in ("model", "revision")}
        return json.dumps(told, sort_keys=True)

    def keys(self, inputs: Sequence[Sequence[bytes]]) -> list[bytes]:
        """Return the name of the vector of each input, which is made of parts."""
        start = hashlib.sha256(self._shape().encode())
        found = []
        for parts in inputs:
            digest = start.copy()
            for part in parts:
                digest.update(len(part).to_bytes(8, "little"))
                digest.update(part)
            found.append(digest.digest())
        return found
