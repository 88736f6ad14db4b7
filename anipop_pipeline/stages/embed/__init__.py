"""Vectors of texts and pictures: each input goes through an encoder once, ever.

    plan        what a vector is, and its key
    texts       tokens, windows, batches by a budget of tokens
    images      files to pixels, in threads
    batches     rows of Arrow tables, whatever engine carries them
    loaded      a model that is ready: dtype, device, what it is like
    quick       the same model, faster on this machine
    layers      modules that torch does not bring
    attention   the papers' reading of position 0, and short products
    pooling     from states to one vector
    models      actors: batches to vectors, halved where memory ends
    speed       figures, and the machine's own speed
    anime       from the vectors of items to those of an anime

Belongs here: the way from inputs to vectors through cache, batches and engine. Does not: loading checkpoints
(encoders), single pictures (pictures.py), paths of the cache.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from anipop_pipeline.stages.embed import images, texts
from anipop_pipeline.stages.embed.anime import matrix, of_anime, of_pixels, together
from anipop_pipeline.stages.embed.batches import ahead, answered
from anipop_pipeline.stages.embed.loaded import processor_of, tokenizer_of
from anipop_pipeline.stages.embed.models import ImageModel, TextModel
from anipop_pipeline.stages.embed.plan import PAPER, Plan
from anipop_pipeline.stages.embed.speed import WORTH_TELLING, Figures, matrix_flops

__all__ = [
    "PAPER",
    "Embedded",
    "Figures",
    "Plan",
    "VectorCache",
    "embed",
    "matrix",
    "of_anime",
    "of_pixels",
    "suited",
    "together",
]

TABLES_AHEAD = 2
WHOLE_TABLES = 2**31  # a table is a few batches already: no engine needs to cut it
AT_ONCE = {"text": {"cpu": 1024, "cuda": 32_768, "mps": 8192}, "image": {"cpu": 8, "cuda": 256, "mps": 32}}
MapBatches = Callable[..., Iterator[pa.Table]]
Keep = Callable[[np.ndarray, np.ndarray], None]


class VectorCache(Protocol):
    """Where computed vectors are kept, on shelves of one width; keys are 32 bytes (S32)."""

    def find(self, shelf: str, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which keys are there, and their vectors in that order."""

    def keeping(self, shelf: str, about: Mapping[str, Any], dtype: str) -> AbstractContextManager[Keep]:
        """Give a function that keeps vectors as they come."""


@dataclass(frozen=True)
class Embedded:
    """Vectors of what was asked: `rows` says for each input which one is its own, -1 where it was rejected."""

    vectors: np.ndarray
    rows: np.ndarray
    rejected: Mapping[int, str]  # place of the input -> reason
    figures: Figures


def suited(plan: Plan, cores: int) -> Plan:
    """Return the plan with batches and workers that suit its device, where it leaves them open."""
    at_once = plan.at_once or AT_ONCE[plan.encoder.modality][plan.device]
    side_by_side = cores if plan.device == "cpu" and not plan.compiled else 1  # one thread at a time compiles
    return replace(plan, at_once=at_once, workers=plan.workers or side_by_side, decoders=plan.decoders or cores)


def embed(
    inputs: Sequence[Sequence[bytes]],
    plan: Plan,
    *,
    cache: VectorCache,
    map_batches: MapBatches,
    progress: Callable[[Figures], None],
) -> Embedded:
    """Return the vector of every input; one that occurs twice, or was seen before, is not computed again.

    An input is made of parts: the bytes of one text (parts are joined by a space), or of picture files (pasted side by
    side). What cannot be read is rejected, with a reason.
    """
    keys = plan.keys(inputs)
    unique = dict(zip(keys, inputs, strict=True))
    here, known = cache.find(plan.shelf, np.array(list(unique), dtype="S32"))
    missing = {key: parts for (key, parts), found in zip(unique.items(), here.tolist(), strict=True) if not found}
    work = _Work(plan, cache, map_batches, progress, Figures(len(inputs), len(unique), len(unique) - len(missing)))
    new, vectors = work.compute(missing) if missing else ([], known)
    order = [key for key, found in zip(unique, here.tolist(), strict=True) if found] + new
    places = {key: place for place, key in enumerate(order)}
    rows = np.array([places.get(key, -1) for key in keys], dtype=np.int64)
    rejected = {place: work.rejected[key] for place, key in enumerate(keys) if key in work.rejected}
    assert (rows < 0).sum() == len(rejected)
    joined = np.concatenate([known, vectors]) if missing and len(known) and len(new) else (vectors if new else known)
    return Embedded(joined, rows, rejected, work.final_figures())


class _Work:
    """One pass of missing inputs through a model."""

    def __init__(
        self,
        plan: Plan,
        cache: VectorCache,
        map_batches: MapBatches,
        progress: Callable[[Figures], None],
        figures: Figures,
    ) -> None:
        self.plan, self.cache, self.map_batches, self.progress = plan, cache, map_batches, progress
        self.figures = figures
        self.rejected: dict[bytes, str] = {}
        self.started: float | None = None

    def compute(self, missing: Mapping[bytes, Sequence[bytes]]) -> tuple[list[bytes], np.ndarray]:
        """Return keys and vectors of what could be computed, each kept as soon as it is there."""
        keys: list[bytes] = []
        vectors: list[np.ndarray] = []
        with self.cache.keeping(self.plan.shelf, self.plan.about(), self.plan.kept_as) as keep:
            steps = self._texts(missing) if self.plan.encoder.modality == "text" else self._images(missing)
            for done, rows in steps:
                if done:
                    keep(np.array(done, dtype="S32"), rows)
                    keys += done
                    vectors.append(_as_kept(rows, self.plan.kept_as))
                self._count(computed=len(done))
        return keys, np.concatenate(vectors) if vectors else np.empty((0, 0), dtype=np.float32)

    def _texts(self, missing: Mapping[bytes, Sequence[bytes]]) -> Iterator[tuple[list[bytes], np.ndarray]]:
        told = {key: " ".join(part.decode() for part in parts) for key, parts in missing.items()}
        self.rejected |= {key: "no words" for key, text in told.items() if not text.strip()}
        words = {key: text for key, text in told.items() if key not in self.rejected}
        assembly = texts.Assembly()
        if words:
            tokenizer = tokenizer_of(self.plan.encoder)
            for table in self._answers(texts.batches(words, self.plan, tokenizer, assembly), TextModel):
                yield assembly.take(*self._noted(table))
            if (rest := assembly.rest())[0]:
                yield rest

    def _images(self, missing: Mapping[bytes, Sequence[bytes]]) -> Iterator[tuple[list[bytes], np.ndarray]]:
        names: dict[int, bytes] = {}
        processor = processor_of(self.plan.encoder)
        batches = images.batches(missing, self.plan, processor, names, self.rejected.__setitem__)
        for table in self._answers(batches, ImageModel):
            numbers, vectors = self._noted(table)
            yield [names.pop(number) for number in numbers.tolist()], vectors

    def _answers(self, batches: Iterator[pa.Table], actor: type[Any]) -> Iterator[pa.Table]:
        """Yield what the engine makes of batches, which are prepared while it is at those before.

        Where the model runs on the same cores, decoding beside it only takes them away from it (docs/decisions/0008).
        """
        here = self.plan.device == "cpu" and actor is ImageModel
        work = batches if here else ahead(batches, TABLES_AHEAD)
        return self.map_batches(work, actor, {"plan": self.plan}, batch_rows=WHOLE_TABLES, actors=1)

    def _noted(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        """Return units and vectors of an answer, its figures counted."""
        numbers, vectors, facts = answered(table)
        now = time.perf_counter()
        self.started = now - facts["seconds"] if self.started is None else self.started
        self.figures = replace(
            self.figures,
            tokens=self.figures.tokens + int(facts.get("tokens", 0)),
            flops=self.figures.flops + facts["flops"],
            seconds=now - self.started,
        )
        return numbers, vectors

    def _count(self, computed: int) -> None:
        self.figures = replace(self.figures, computed=self.figures.computed + computed, rejected=len(self.rejected))
        self.progress(self.figures)

    def final_figures(self) -> Figures:
        """Return all figures; work that was long enough is held against the machine's own speed."""
        counted = replace(self.figures, rejected=len(self.rejected))
        if counted.seconds < WORTH_TELLING:
            return counted
        return replace(counted, matrix_flops=matrix_flops(self.plan.device, self.plan.dtype))


def _as_kept(rows: np.ndarray, kept_as: str) -> np.ndarray:
    """Return vectors as a later run will find them, so that the first run says the same."""
    return rows.astype(kept_as).astype(np.float32)
