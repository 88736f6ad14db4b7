"""How an asset says how far it is: rarely enough to be read.

Belongs here: throttling. Does not: what is counted.
"""

import time
from collections.abc import Callable

import dagster as dg

SECONDS_BETWEEN = 5.0


def shown(context: dg.AssetExecutionContext, what: str) -> Callable[[int, int | None], None]:
    """Return a progress that says in the log, every few seconds, how far something is and when it will end."""
    started = last = time.monotonic()

    def show(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN and total and done < total:
            last = now
            left = (now - started) * (total - done) / max(done, 1)
            context.log.info(f"{what}: {done} of {total}, about {left:.0f} s left")

    return show
