"""Texts on their way to a model: tokens, windows, and batches that waste nothing on padding.

Long ones go first: what does not fit into memory shows at once, and the time that is left looks too long rather than
too short. Texts that are the same within their window are one unit of work.

Belongs here: tokens. Does not: what a model makes of them (models.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from anipop_pipeline.stages.embed.batches import grouped
from anipop_pipeline.stages.embed.plan import Plan

CHUNK = 4096  # texts that are tokenised together, while the model is at those before them
Unit = tuple[int, np.ndarray]  # its number, its tokens


@dataclass
class Assembly:
    """Puts the vectors of units together to the vectors of the texts that they are parts of.

    One thread adds texts while another takes what was computed of those before.
    """

    numbers: dict[bytes, int] = field(default_factory=dict)  # tokens -> unit
    owners: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)  # unit -> those who wait for it
    sums: dict[bytes, tuple[np.ndarray, int]] = field(default_factory=dict)
    waits: dict[bytes, int] = field(default_factory=dict)
    vectors: dict[int, np.ndarray] = field(default_factory=dict)
    ready: list[bytes] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def add(self, key: bytes, windows: list[np.ndarray]) -> list[Unit]:
        """Return those of a text's windows that no text before it has; what they become is remembered for it."""
        new: list[Unit] = []
        with self.lock:
            self.waits[key] = len(windows)
            for window in windows:
                fresh = len(self.numbers)
                number = self.numbers.setdefault(window.tobytes(), fresh)
                if number == fresh:
                    new.append((number, window))
                if number in self.vectors:
                    self._count(key, self.vectors[number], len(window))
                else:
                    self.owners.setdefault(number, []).append((key, len(window)))
        return new

    def take(self, numbers: np.ndarray, vectors: np.ndarray) -> tuple[list[bytes], np.ndarray]:
        """Return the texts that these units make whole, and their vectors: means weighted by tokens."""
        with self.lock:
            for number, vector in zip(numbers.tolist(), vectors, strict=True):
                self.vectors[number] = vector
                for key, weight in self.owners.pop(number):
                    self._count(key, vector, weight)
        return self.rest()

    def rest(self) -> tuple[list[bytes], np.ndarray]:
        """Return the texts that are whole and were not taken yet, and their vectors."""
        with self.lock:
            whole, self.ready = self.ready, []
            rows = [total / weight for total, weight in (self.sums.pop(key) for key in whole)]
        return whole, np.stack(rows) if rows else np.empty((0, 0), dtype=np.float32)

    def _count(self, key: bytes, vector: np.ndarray, weight: int) -> None:
        total, weights = self.sums.get(key, (np.float32(0), 0))
        self.sums[key] = (np.asarray(total + vector * np.float32(weight)), weights + weight)
        self.waits[key] -= 1
        if not self.waits[key]:
            self.ready.append(key)
            del self.waits[key]


def batches(texts: Mapping[bytes, str], plan: Plan, tokenizer: Any, assembly: Assembly) -> Iterator[pa.Table]:
    """Yield all units of work, several batches to a table: (unit, batch, tokens)."""
    order = sorted(texts, key=lambda key: (-len(texts[key]), key))
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        rows = tokens(tokenizer, [texts[key] for key in chunk], plan)
        cut = {key: windows(row, plan) for key, row in zip(chunk, rows, strict=True)}
        longest_first = sorted(chunk, key=lambda key: (-len(cut[key][0]), -len(cut[key]), key))
        units = [unit for key in longest_first for unit in assembly.add(key, cut[key])]
        budget = plan.share(sum(len(tokens) for _, tokens in units))
        for group in grouped(_by_budget(units, budget), plan.together):
            yield _table(group)


def tokens(tokenizer: Any, texts: list[str], plan: Plan) -> list[np.ndarray]:
    """Return the tokens of each text, cut to the window unless there are several; a text always has one."""
    told = [plan.encoder.preprocessing + text for text in texts]
    cut = {"truncation": True, "max_length": plan.length} if plan.long_texts == "cut" else {}
    rows = tokenizer(told, return_attention_mask=False, verbose=False, **cut)["input_ids"]
    return [np.asarray(row or [tokenizer.pad_token_id], dtype=np.int32) for row in rows]


def windows(row: np.ndarray, plan: Plan) -> list[np.ndarray]:
    """Return a text's tokens in as few windows as they need, all of nearly the same size."""
    return list(np.array_split(row, -(-len(row) // plan.length)))


def _by_budget(units: list[Unit], budget: int) -> Iterator[list[Unit]]:
    """Yield units in batches whose rows times their widest do not pass the budget."""
    batch: list[Unit] = []
    widest = 0
    for unit in units:
        widest = max(widest, len(unit[1]))
        if batch and (len(batch) + 1) * widest > budget:
            yield batch
            batch, widest = [], len(unit[1])
        batch.append(unit)
    if batch:
        yield batch


def _table(group: list[Any]) -> pa.Table:
    rows = [(number, place, row) for place, batch in enumerate(group) for number, row in batch]
    numbers, places, values = zip(*rows, strict=True)
    ends = np.cumsum([0, *(len(value) for value in values)], dtype=np.int32)
    lists = pa.ListArray.from_arrays(pa.array(ends), pa.array(np.concatenate(values)))
    return pa.table({"unit": pa.array(numbers, pa.int64()), "batch": pa.array(places, pa.int32()), "tokens": lists})
