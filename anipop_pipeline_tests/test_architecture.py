"""What the code promises about itself: charters, declared order, tables that are documented."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from anipop_pipeline import assets

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "anipop_pipeline").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_its_charter(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text()))

    assert said
    if path.name != "__init__.py":
        assert "elong" in said or "decides nothing" in said, "a charter says what belongs here and what does not"


def test_imports_keep_their_direction() -> None:
    said = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stdout


def test_every_asset_has_a_group_an_owner_a_kind_and_says_what_one_row_is() -> None:
    for definition in assets.ALL:
        for spec in definition.specs:
            assert spec.group_name in {"pages", "corpus", "split", "features", "models", "reports"}
            assert spec.owners
            assert spec.kinds
            assert spec.description


def test_the_page_about_data_is_what_the_schemas_say() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_data_page.py"))["page"]()

    assert (ROOT / "docs" / "data.md").read_text() == made, "run python docs/make_data_page.py"


def test_the_readme_has_no_gaps_and_its_links_lead_somewhere() -> None:
    said = (ROOT / "README.md").read_text()

    assert not re.findall(r"@[A-Z]+@", said)
    for link in re.findall(r"\]\(([^)#]+)\)", said):
        assert (ROOT / link).exists(), link
