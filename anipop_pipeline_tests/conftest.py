"""What several tests share: where the real pages lie, if they do, and the two kinds of storage for a lake."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from upath import UPath

from .whole_graph import materialise

hypothesis.settings.register_profile("patient", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("patient")  # no test asserts on time; in CI the default is derandomised, too

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real pages; skip where it is absent, fail when it is absent in CI."""
    if not REAL.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no real pages at {REAL}")
        pytest.skip(f"no real pages at {REAL}")
    return REAL


@pytest.fixture(params=["folder", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return where a lake may lie: a folder, then an object store in memory."""
    if request.param == "folder":
        yield str(tmp_path / "lake")
        return
    root = f"memory://{uuid.uuid4().hex}"
    yield root
    if UPath(root).exists():
        UPath(root).fs.rm(UPath(root).path, recursive=True)


@pytest.fixture(scope="session")
def filled_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake that the whole graph has filled once; a test that harms it works on a copy."""
    folder = tmp_path_factory.mktemp("filled")
    materialise(folder)
    return folder
