"""Long proofs: runs that are killed at any moment lose nothing, and the next run goes on."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anipop_pipeline import assets, resources
from anipop_pipeline.lake import Lake

DIALS = """
[DemoConfig]
anime = 60
[SplitConfig]
repeats = 3
[TrainConfig]
epochs = 2
audit_epochs = 1
cheap_repeats = 2
[MetricsConfig]
samples = 50
"""
KILLS = 4
NAMES = sorted(key.to_user_string() for asset in assets.ALL for key in asset.keys)


def started(folder: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "ANIPOP_LAKE": str(folder / "lake"), "ANIPOP_SITE": "demo", "DAGSTER_HOME": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "anipop_pipeline.cli", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def lake_in(folder: Path) -> Lake:
    return resources.lake_of(resources.settings({"ANIPOP_LAKE": str(folder / "lake")}))


def digests(folder: Path) -> dict[str, str]:
    return {name: lake_in(folder).manifest(name).digest for name in NAMES if not name.endswith("_pages")}


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_in_the_same_lake(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for folder in (undisturbed, killed):
        folder.mkdir()
        (folder / "anipop.toml").write_text(DIALS)
    began = time.monotonic()
    assert started(undisturbed).wait() == 0
    whole = time.monotonic() - began
    moments = [random.Random(20261120 + kill).uniform(0.1, 0.9) * whole for kill in range(KILLS)]
    print(f"an undisturbed run takes {whole:.0f} s; killed after {', '.join(f'{m:.1f}' for m in moments)} s")

    for moment in moments:
        run = started(killed)
        time.sleep(moment)
        run.kill()
        run.wait()
    assert started(killed).wait() == 0

    # Which segment holds a page depends on when a run was killed; what the pages say does not.
    assert digests(killed) == digests(undisturbed)
