"""What several tests share: where the real pages lie, if they do."""

import os
from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real pages; skip where it is absent, fail when it is absent in CI."""
    if not REAL.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no real pages at {REAL}")
        pytest.skip(f"no real pages at {REAL}")
    return REAL
