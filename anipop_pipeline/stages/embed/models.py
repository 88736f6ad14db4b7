"""Actors that put batches through a model: made once for each worker, called with one table after another.

A table holds several batches. On a processor they are computed side by side, each on one core, which wastes less than
spreading one batch over all cores; on an accelerator they are queued: inputs are copied while it is at those before,
and nothing waits until the last is on its way. A batch that does not fit into memory is halved, and so are those after
it.

Belongs here: batches to vectors. Does not: what is in a batch (texts.py, images.py), loading (encoders).
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from anipop_pipeline.errors import ModelMissing, SettingError
from anipop_pipeline.stages.embed import pooling
from anipop_pipeline.stages.embed.batches import answers
from anipop_pipeline.stages.embed.loaded import image_model, processor_of, text_model
from anipop_pipeline.stages.embed.plan import Plan

NO_ROOM = ("out of memory", "can't allocate memory", "alloc_failed")  # torch has a type for one of its refusals alone
Batch = list[np.ndarray]


class TextModel:
    """Turns tables of (unit, batch, tokens) into (unit, vector)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loaded = text_model(plan.encoder, plan.device, plan.dtype, plan.compiled)
        self.rows = Rows(plan)
        longest = self.loaded.longest
        if longest is not None and plan.length > longest:
            raise SettingError(
                f"a window of {plan.length} tokens does not fit: {plan.encoder.model} reads at most {longest}",
                where="EncoderConfig.synopsis_tokens and description_tokens",
                fix=f"ask for at most {longest}, or choose a model with a longer context",
            )

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the vectors of some batches of texts."""
        column = table["tokens"].combine_chunks()
        rows = np.split(column.values.to_numpy(), column.offsets.to_numpy()[1:-1])
        vectors, seconds = self.rows.through(_batches(table, rows), self._vectors)
        tokens = pooling.tokens_read(self.loaded, self.plan, rows)
        facts = {"seconds": seconds, "tokens": tokens, "flops": tokens * self.loaded.flops_each}
        return answers(table["unit"].to_numpy(), vectors, facts)

    def _vectors(self, rows: list[np.ndarray]) -> Any:
        return pooling.of_texts(self.loaded, self.plan, rows)


class ImageModel:
    """Turns tables of (unit, batch, shape, dtype, pixels) into (unit, vector)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.processor = processor_of(plan.encoder)
        self.loaded = image_model(plan.encoder, plan.device, plan.dtype, plan.compiled)
        self.rows = Rows(plan)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the vectors of some batches of pictures."""
        shapes, kinds = (table[name].to_pylist() for name in ("shape", "dtype"))
        files = [file.as_buffer() for file in table["pixels"]]
        arrays = [
            np.frombuffer(file, kind).reshape(shape) for file, kind, shape in zip(files, kinds, shapes, strict=True)
        ]
        vectors, seconds = self.rows.through(_batches(table, arrays), self._vectors)
        facts = {"seconds": seconds, "flops": len(arrays) * self.loaded.flops_each}
        return answers(table["unit"].to_numpy(), vectors, facts)

    def _vectors(self, arrays: list[np.ndarray]) -> Any:
        return pooling.of_images(self.loaded, self.plan, self.processor, arrays)


def _batches(table: pa.Table, rows: list[np.ndarray]) -> list[Batch]:
    """Return the rows of a table in its batches, which lie one after another in it."""
    ends = np.flatnonzero(np.diff(table["batch"].to_numpy())) + 1
    starts = [0, *ends.tolist(), len(rows)]
    return [rows[start:end] for start, end in pairwise(starts)]


class Rows:
    """Sends batches through a function, as many at once as there are workers, in pieces that fit into memory."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.most: int | None = None  # rows times their width, once a batch did not fit

    def through(self, batches: list[Batch], compute: Callable[[Any], Any]) -> tuple[np.ndarray, float]:
        """Return the vectors of all batches in order, and the seconds that it took."""
        started = time.perf_counter()
        with _cores(self.plan) as each:
            waiting = list(each(lambda batch: list(self._pieces(batch, compute)), batches))
        vectors = np.concatenate([np.asarray(piece.float().cpu()) for pieces in waiting for piece in pieces])
        self._refuse_nonsense(vectors)
        return vectors, time.perf_counter() - started

    def _pieces(self, rows: list[np.ndarray], compute: Callable[[Any], Any]) -> Iterator[Any]:
        """Yield the vectors of a batch, in one piece unless there is no room for it."""
        import torch

        size = len(rows) * max(row.size for row in rows)
        if len(rows) == 1 or self.most is None or size <= self.most:
            try:
                with torch.inference_mode():
                    found = compute(rows)
            except (RuntimeError, MemoryError) as refused:
                if not _is_no_room(refused):
                    raise
                if len(rows) == 1:
                    raise self._too_small(refused) from refused
                self.most = min(size // 2, self.most or size)
            else:
                yield found
                return
        _give_back_memory(self.plan.device)
        half = len(rows) // 2
        yield from self._pieces(rows[:half], compute)
        yield from self._pieces(rows[half:], compute)

    def _too_small(self, refused: BaseException) -> ModelMissing:
        return ModelMissing(
            f"{self.plan.encoder.model} has no room on {self.plan.device} even for one input: "
            f"{next(iter(str(refused).splitlines()), 'no memory')}",
            where="EncoderConfig",
            fix="choose a smaller model or window, dtype = 'bfloat16', or a device with more memory",
        )

    def _refuse_nonsense(self, vectors: np.ndarray) -> None:
        """Refuse vectors that are no numbers: kept once, they would spoil the cache for ever."""
        if not np.isfinite(vectors).all():
            raise ModelMissing(
                f"the model {self.plan.encoder.model!r} gives vectors that are not numbers",
                where=f"EncoderConfig, device {self.plan.device}, dtype {self.plan.dtype}",
                fix="choose dtype = 'float32' or another device, or fetch the checkpoint again",
            )


def _is_no_room(refused: BaseException) -> bool:
    return isinstance(refused, MemoryError) or any(words in str(refused).lower() for words in NO_ROOM)


def _give_back_memory(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def _cores(plan: Plan) -> Iterator[Callable[..., Any]]:
    """Give a way to map over batches: on one core each, or in this thread, which uses all of them."""
    import torch

    if plan.workers <= 1 or plan.device != "cpu":
        yield map
        return
    threads = torch.get_num_threads()

    def on_one_core(work: Callable[[Batch], Any], batches: list[Batch]) -> Iterator[Any]:
        def alone(batch: Batch) -> Any:
            torch.set_num_threads(1)
            return work(batch)

        return _pool(plan.workers).map(alone, batches)

    try:
        yield on_one_core
    finally:
        torch.set_num_threads(threads)  # torch's libraries keep one count for all threads


@lru_cache(maxsize=1)
def _pool(workers: int) -> ThreadPoolExecutor:
    """Return threads that stay: what a library has prepared for a layer, it keeps for each thread."""
    return ThreadPoolExecutor(workers, thread_name_prefix="anipop-core")
