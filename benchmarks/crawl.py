"""Pages a second that a crawl of the invented site brings home at an unlimited rate, server and crawler on one machine.

    python benchmarks/crawl.py [ANIME]

Each step is the asset that users run: robots.txt, asking, archiving, sealing and looking up are in the time.
"""

import sys
import tempfile

import dagster as dg

from anipop_pipeline import assets, resources
from anipop_pipeline.automation import CRAWL
from anipop_pipeline.config import DemoConfig

STEPS = ("anime_index", "anime_pages", "character_pages", "portraits", "posters")


def main(anime: int) -> None:
    """Crawl once and print a line for each step."""
    with tempfile.TemporaryDirectory() as lake:
        result = dg.materialize(
            assets.ALL,
            selection=dg.AssetSelection.assets(*CRAWL),
            resources=resources.resources(resources.settings({"ANIPOP_LAKE": lake}), DemoConfig(anime=anime)),
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
    print(f"{'step':<18}{'pages':>8}{'requests':>10}{'seconds':>9}{'pages/s':>9}")
    pages, seconds = 0, 0.0
    for step in STEPS:
        (made,) = result.asset_materializations_for_node(step)
        said = {name: made.metadata[name].value for name in ("asked", "requests", "seconds")}
        pages, seconds = pages + said["asked"], seconds + said["seconds"]
        rate = said["asked"] / max(said["seconds"], 0.1)
        print(f"{step:<18}{said['asked']:>8,}{said['requests']:>10,}{said['seconds']:>9.1f}{rate:>9.0f}")
    print(f"{'all':<18}{pages:>8,}{'':>10}{seconds:>9.1f}{pages / seconds:>9.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
