"""Pictures on their way to a model: decoded, pasted side by side, cut to size, by all cores.

Belongs here: from files to batches of pixels. Does not: single pictures (pictures.py), what a model makes of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from anipop_pipeline.errors import Undecodable
from anipop_pipeline.stages import encoders, pictures
from anipop_pipeline.stages.embed.batches import grouped
from anipop_pipeline.stages.embed.plan import Plan

Reject = Callable[[bytes, str], None]
Made = np.ndarray | Undecodable


def batches(
    files: Mapping[bytes, Sequence[bytes]], plan: Plan, processor: Any, names: dict[int, bytes], reject: Reject
) -> Iterator[pa.Table]:
    """Yield all pictures, several batches to a table: (unit, batch, pixels); what cannot be read is rejected."""
    size = plan.share(len(files))
    made = _decoded(files, plan, processor, size * plan.together)
    for group in grouped(_alike(_accepted(made, names, reject), size), plan.together):
        yield _table(group)


def _decoded(
    files: Mapping[bytes, Sequence[bytes]], plan: Plan, processor: Any, size: int
) -> Iterator[tuple[bytes, Made]]:
    """Yield the pixels of each picture in order, a table's worth decoded at a time by all cores."""
    preprocessing = plan.encoder.preprocessing

    def decode(parts: Sequence[bytes]) -> Made:
        try:
            picture = pictures.side_by_side(list(parts))
            return np.ascontiguousarray(encoders.pixels(processor, picture, preprocessing))
        except Undecodable as refused:
            return refused

    keys = list(files)
    with ThreadPoolExecutor(plan.decoders, thread_name_prefix="anipop-decode") as pool:
        for start in range(0, len(keys), size):
            some = keys[start : start + size]
            yield from zip(some, pool.map(decode, [files[key] for key in some]), strict=True)


def _accepted(
    made: Iterator[tuple[bytes, Made]], names: dict[int, bytes], reject: Reject
) -> Iterator[tuple[int, np.ndarray]]:
    for number, (key, pixels) in enumerate(made):
        if isinstance(pixels, Undecodable):
            reject(key, pixels.what)
        else:
            names[number] = key
            yield number, pixels


def _alike(units: Iterator[tuple[int, np.ndarray]], size: int) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Yield batches of pictures of one shape: most processors make all of them the same."""
    batch: list[tuple[int, np.ndarray]] = []
    for unit in units:
        if batch and (len(batch) == size or unit[1].shape != batch[0][1].shape or unit[1].dtype != batch[0][1].dtype):
            yield batch
            batch = []
        batch.append(unit)
    if batch:
        yield batch


def _table(group: list[Any]) -> pa.Table:
    rows = [(number, place, pixels) for place, batch in enumerate(group) for number, pixels in batch]
    numbers, places, values = zip(*rows, strict=True)
    return pa.table(
        {
            "unit": pa.array(numbers, pa.int64()),
            "batch": pa.array(places, pa.int32()),
            "shape": pa.array([list(value.shape) for value in values], pa.list_(pa.int32())),
            "dtype": [value.dtype.str for value in values],
            "pixels": pa.array([memoryview(value).cast("B") for value in values], pa.large_binary()),
        }
    )
