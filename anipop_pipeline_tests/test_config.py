"""Claims about dials: bounds, and an anipop.toml that overrides defaults or says what is wrong with it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from pydantic import Field, ValidationError

from anipop_pipeline import config
from anipop_pipeline.config import CorpusConfig, Dials, check_sections, override_defaults, section
from anipop_pipeline.errors import SettingError

Write = Callable[[str], Path]
ALL = [dials for dials in Dials.__subclasses__() if dials.__module__ == config.__name__]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def written(text: str) -> Path:
        (tmp_path / "anipop.toml").write_text(text, encoding="utf-8")
        return tmp_path / "anipop.toml"

    return written


def kettle() -> type[Dials]:
    """Return dials of its own for each test, since new defaults stay."""

    class Kettle(Dials):
        """How tea is made."""

        minutes: float = Field(default=3.0, gt=0, le=10, description="Longer is bitter.")
        cups: int = Field(default=1, ge=1, description="For how many.")

    return Kettle


# Dials


@pytest.mark.parametrize("dials", ALL, ids=lambda dials: dials.__name__)
def test_every_dial_has_a_default_that_it_allows_and_a_reason(dials: type[Dials]) -> None:
    made = dials()

    assert dials.__doc__
    for name, field in dials.model_fields.items():
        assert field.description, name
        assert getattr(made, name) == field.default


def test_a_misspelt_dial_is_an_error() -> None:
    with pytest.raises(ValidationError, match="minwords"):
        CorpusConfig(minwords=3)  # type: ignore[call-arg]


def test_a_dial_has_bounds() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        CorpusConfig(min_words=0)


# Sections of anipop.toml


def test_without_a_file_nothing_is_overridden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert section("CorpusConfig") == {}
    check_sections()


def test_a_section_says_new_defaults(write: Write) -> None:
    write("[Kettle]\nminutes = 5\n\n[CorpusConfig]\nmin_words = 30\n")

    assert section("Kettle") == {"minutes": 5}
    assert section("CrawlConfig") == {}


def test_new_defaults_are_taken_when_dials_are_declared(write: Write) -> None:
    write("[Kettle]\nminutes = 5\n")

    made = kettle()()

    assert (made.minutes, made.cups) == (5.0, 1)  # type: ignore[attr-defined]
    assert kettle()(minutes=2).minutes == 2  # type: ignore[attr-defined,call-arg]


def test_new_defaults_reach_a_run_and_its_launchpad_overrides_them(write: Write) -> None:
    write("[Kettle]\nminutes = 5\n")
    dials, seen = kettle(), list[tuple[float, int]]()

    def brew(config: Dials) -> None:
        seen.append((config.minutes, config.cups))  # type: ignore[attr-defined]

    brew.__annotations__["config"] = dials
    tea = dg.asset(brew)
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([tea], instance=instance)
        dg.materialize([tea], instance=instance, run_config={"ops": {"brew": {"config": {"minutes": 2.5}}}})

    assert seen == [(5.0, 1), (2.5, 1)]


def test_dials_that_no_section_names_are_as_they_were(write: Write) -> None:
    dials = kettle()

    override_defaults(dials, {})

    assert dials().minutes == 3.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "said", "fix"),
    [
        ({"minuets": 5}, "minuets: there is no such dial", "choose from minutes"),
        ({"sugar": 5}, "sugar: there is no such dial", "choose from minutes, cups"),
        ({"minutes": 11}, "minutes: Input should be less than or equal to 10", "minutes: "),
        ({"cups": "many"}, "cups: Input should be a valid integer", "cups: "),
        ({"cups": 1.5}, "cups: Input should be a valid integer", "cups: "),
    ],
)
def test_a_wrong_dial_is_one_clear_error(write: Write, values: dict[str, object], said: str, fix: str) -> None:
    file, dials = write(""), kettle()

    with pytest.raises(SettingError) as wrong:
        override_defaults(dials, values)

    assert wrong.value.what.startswith(f"[Kettle] {said}")
    assert wrong.value.where == str(file)
    assert wrong.value.fix.startswith(fix)
    assert (dials().minutes, dials().cups) == (3.0, 1)  # type: ignore[attr-defined]


def test_several_wrong_dials_are_said_at_once(write: Write) -> None:
    write("[Kettle]\nminutes = 0\ncups = 0\nsugar = true\n")

    with pytest.raises(SettingError, match=r"minutes: .*; cups: .*; sugar: "):
        kettle()


def test_a_section_that_no_dials_read_is_an_error(write: Write) -> None:
    file = write("[CorpusConfig]\nmin_words = 30\n[CorpsConfig]\nmin_words = 30\n[Crawl]\n")

    with pytest.raises(SettingError) as wrong:
        check_sections()

    assert wrong.value.what == "no dials are called CorpsConfig, Crawl"
    assert wrong.value.where == str(file)
    assert "CorpusConfig" in wrong.value.fix
    assert "CrawlConfig" in wrong.value.fix


@pytest.mark.parametrize("text", ["[CorpusConfig\n", "min_words = \n", "[A]\n[A]\n"])
def test_a_file_that_is_no_toml_is_one_clear_error(write: Write, text: str) -> None:
    file = write(text)

    for read in (lambda: section("CorpusConfig"), check_sections):
        with pytest.raises(SettingError) as wrong:
            read()
        assert wrong.value.what.startswith("cannot be read: ")
        assert wrong.value.where == str(file)


def test_a_file_that_is_no_text_is_one_clear_error(write: Write) -> None:
    write("").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingError, match="cannot be read"):
        section("CorpusConfig")


def test_a_section_that_is_a_value_is_one_clear_error(write: Write) -> None:
    write("CorpusConfig = 30\n")

    with pytest.raises(SettingError) as wrong:
        section("CorpusConfig")

    assert wrong.value.what == "CorpusConfig is a value"
    assert "[CorpusConfig]" in wrong.value.fix


# The whole way, in a process of its own

WHOLE_WAY = """
import dagster as dg
from anipop_pipeline.config import CorpusConfig, DemoConfig
from anipop_pipeline.resources import resources, settings

@dg.asset
def seen(config: CorpusConfig) -> None:
    site = resources(settings(), DemoConfig())["site"]
    print(config.min_words, CorpusConfig().min_words, DemoConfig().anime, site.demo_anime)

with dg.DagsterInstance.ephemeral() as instance:
    dg.materialize([seen], instance=instance, raise_on_error=True)
"""


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)


def test_the_file_reaches_dials_runs_and_resources(write: Write) -> None:
    folder = write("[CorpusConfig]\nmin_words = 31\n[DemoConfig]\nanime = 44\n").parent

    done = run(folder, WHOLE_WAY)

    assert done.stdout.split() == ["31", "31", "44", "44"], done.stderr


def test_a_wrong_file_stops_everything_with_its_own_words(write: Write) -> None:
    file = write("[DemoConfig]\nanime = 3\n")

    done = run(file.parent, "import anipop_pipeline.config")

    assert done.returncode != 0
    assert f"[DemoConfig] anime: Input should be greater than or equal to 20 (at {file})" in done.stderr
