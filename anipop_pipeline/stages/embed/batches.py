"""Batches as they travel to a model: rows of Arrow tables, whatever engine carries them.

Belongs here: rows to tables and back, one step of looking ahead. Does not: what is in the rows.
"""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

Item = TypeVar("Item")
END = object()


def answers(units: Sequence[int] | np.ndarray, vectors: np.ndarray, facts: dict[str, float]) -> pa.Table:
    """Return vectors with the units that they belong to, and figures of how they were computed."""
    flat = np.ascontiguousarray(vectors, dtype=np.float32)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    table = pa.table({"unit": pa.array(np.asarray(units, dtype=np.int64)), "vector": lists})
    return table.replace_schema_metadata({name: repr(float(value)) for name, value in facts.items()})


def answered(table: pa.Table) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Return units, vectors and figures again.

    >>> units, vectors, facts = answered(answers([7], np.ones((1, 2)), {"seconds": 0.5}))
    >>> units.tolist(), vectors.tolist(), facts
    ([7], [[1.0, 1.0]], {'seconds': 0.5})
    """
    column = table["vector"].combine_chunks()
    rows = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
    facts = {name.decode(): float(value) for name, value in (table.schema.metadata or {}).items()}
    return table["unit"].to_numpy(), rows, facts


def grouped(batches: Iterable[Sequence[Item]], size: int) -> Iterator[list[Sequence[Item]]]:
    """Yield so many batches together.

    >>> list(grouped([[1], [2], [3]], 2))
    [[[1], [2]], [[3]]]
    """
    group: list[Sequence[Item]] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """Yield the same items, made by a thread of its own that is at most `depth` items ahead of who takes them.

    >>> list(ahead(range(5), 2))
    [0, 1, 2, 3, 4]
    """
    ready: queue.Queue[Any] = queue.Queue(depth)
    stop = threading.Event()
    failed: list[BaseException] = []

    def put(item: object) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as refused:  # noqa: BLE001 - raised again where the items are taken
            failed.append(refused)
        put(END)

    maker = threading.Thread(target=make, name="anipop-ahead", daemon=True)
    maker.start()
    try:
        while (item := ready.get()) is not END:
            yield item
    finally:
        stop.set()
        maker.join()
    if failed:
        raise failed[0]
