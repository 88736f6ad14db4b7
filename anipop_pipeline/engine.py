"""How work on batches is spread over what this machine has.

One small interface, `map_batches(batches, actor, kwargs, *, batch_rows, actors, gpus)`: the actor is a picklable
top-level class, made once for each worker and called with one Arrow table after another. Results come unordered, so
they must carry their keys.

Belongs here: processes and back-pressure. Does not: what is computed in them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from multiprocessing import get_context
from typing import Any

import pyarrow as pa

Actor = Callable[[pa.Table], pa.Table]
MapBatches = Callable[..., Iterator[pa.Table]]

_recipe: tuple[type[Any], Mapping[str, Any]] | None = None  # what a worker process makes its one actor from


def _hire(actor: type[Any], kwargs: Mapping[str, Any]) -> None:
    global _recipe  # a worker process has exactly one actor
    _recipe = (actor, kwargs)


@cache
def _actor() -> Actor:
    """Return this process's actor, made with its first batch, so that its refusal reaches the caller as it is."""
    assert _recipe is not None
    actor, kwargs = _recipe
    made: Actor = actor(**kwargs)
    return made


def _work(batch: pa.Table) -> pa.Table:
    return _actor()(batch)


def map_batches(
    batches: Iterable[pa.Table],
    actor: type[Any],
    kwargs: Mapping[str, Any],
    *,
    batch_rows: int,
    actors: int = 1,
    gpus: int = 0,  # noqa: ARG001 - on one machine the actor itself picks its device; a cluster reserves it
) -> Iterator[pa.Table]:
    """Yield the actor's answer to every batch of at most `batch_rows` rows, in any order."""
    pieces = _cut(batches, batch_rows)
    if actors <= 1:
        worker = actor(**kwargs)
        yield from (worker(piece) for piece in pieces)
        return
    context = get_context("spawn")  # never fork: polars and torch hold threads and locks
    pool = ProcessPoolExecutor(actors, mp_context=context, initializer=_hire, initargs=(actor, kwargs))
    try:
        yield from _drain(pool, pieces, ahead=2 * actors)
    finally:
        pool.shutdown(cancel_futures=True)


def _drain(pool: ProcessPoolExecutor, pieces: Iterator[pa.Table], ahead: int) -> Iterator[pa.Table]:
    """Keep a bounded number of pieces under way, so that memory does not grow with the input."""
    running: set[Future[pa.Table]] = set()
    for piece in pieces:
        running.add(pool.submit(_work, piece))
        if len(running) >= ahead:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


def _cut(batches: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)
