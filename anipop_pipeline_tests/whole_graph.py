"""The whole graph on a tiny world, as several tests run it: every dial at its smallest."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from anipop_pipeline import assets, checks, resources
from anipop_pipeline.config import DemoConfig
from anipop_pipeline.lake import Lake
from anipop_pipeline.stages.experiments import EXPERIMENTS

ANIME = 60
NAMES = sorted(key.to_user_string() for asset in assets.ALL for key in asset.keys)
SMALL: dict[str, Any] = {
    "anime_pages": {"statistics": True},
    "splits": {"repeats": 3, "folds": 3},
    "metrics": {"samples": 50},
    **{f"model_{name}": {"epochs": 2, "cheap_repeats": 2} for name in EXPERIMENTS},
    "audit": {"epochs": 2, "audit_epochs": 1},
}
SMALL_AS_TOML = f"""
[DemoConfig]
anime = {ANIME}
seed = 11
[CrawlConfig]
statistics = true
[SplitConfig]
repeats = 3
folds = 3
[MetricsConfig]
samples = 50
[TrainConfig]
epochs = 2
audit_epochs = 1
cheap_repeats = 2
"""


def settings(lake: Path, site: str = "demo") -> resources.Settings:
    return resources.settings({"ANIPOP_LAKE": str(lake), "ANIPOP_SITE": site})


def materialise(
    lake: Path,
    *only: str,
    site: str = "demo",
    dials: Mapping[str, Any] | None = None,
    days: int = 0,
    expect: bool = True,
) -> dg.ExecuteInProcessResult:
    """Run some assets, or all, in a lake of their own, with every dial at its smallest."""
    chosen = {name: dial for name, dial in {**SMALL, **(dials or {})}.items() if not only or name in only}
    selection = dg.AssetSelection.assets(*(only or NAMES))
    result = dg.materialize(
        [*assets.ALL, *checks.ALL],
        selection=selection,
        resources=resources.resources(settings(lake, site), DemoConfig(anime=ANIME, seed=11, days=days)),
        run_config={"ops": {name: {"config": dial} for name, dial in chosen.items()}},
        raise_on_error=False,
    )
    assert result.success is expect
    return result


def opened(lake: Path, site: str = "demo") -> Lake:
    return resources.lake_of(settings(lake, site))


def copied(lake: Path, target: Path) -> None:
    """Give a test a lake that it may harm."""
    shutil.copytree(lake, target, dirs_exist_ok=True)


def failure(result: dg.ExecuteInProcessResult, step: str) -> str:
    """Return why a step failed, in its own words."""
    data = result.failure_data_for_node(step)
    assert data is not None
    assert data.user_failure_data is not None
    return str(data.user_failure_data.description)
