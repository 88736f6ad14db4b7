"""Times the whole graph on the invented site, asset by asset, in a lake of its own.

Run: python benchmarks/pipeline.py [ANIME]. Prints a table; the last line is the whole run.
"""

import sys
import tempfile
import time

import dagster as dg

from anipop_pipeline import assets, checks, resources
from anipop_pipeline.config import DemoConfig


def main(anime: int) -> None:
    """Run everything once and print how long each asset took."""
    with tempfile.TemporaryDirectory() as lake:
        given = resources.settings({"ANIPOP_LAKE": lake})
        started = time.perf_counter()
        result = dg.materialize(
            [*assets.ALL, *checks.ALL],
            resources=resources.resources(given, DemoConfig(anime=anime)),
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
        whole = time.perf_counter() - started
    seconds = {
        event.step_key: event.step_success_data.duration_ms / 1000
        for event in result.all_events
        if event.is_step_success
    }
    print(f"{'asset':<44}{'seconds':>9}")
    for step, took in sorted(seconds.items(), key=lambda item: -item[1]):
        if took >= 0.05:
            print(f"{step:<44}{took:>9.2f}")
    print(f"{'whole run, ' + format(anime, ',') + ' anime':<44}{whole:>9.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
