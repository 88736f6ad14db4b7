"""Claims about what a run borrows, and how every asset is declared: settings, absence, imports, refusals."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dataframely.exc import SchemaError
from polars.testing import assert_frame_equal

from anipop_pipeline import engine
from anipop_pipeline.assets.absence import asset
from anipop_pipeline.config import DemoConfig
from anipop_pipeline.errors import ModelMissing, PortInUse, SettingError
from anipop_pipeline.lake import AbsentTable, Folder, Lake, clock, reason_absent
from anipop_pipeline.resources import (
    HOME,
    EngineResource,
    LakeIOManager,
    LakeResource,
    Settings,
    SiteResource,
    lake_of,
    resources,
    settings,
    validated,
)
from anipop_pipeline.stages.tables.split import Clusters

CLUSTERS = pl.DataFrame({"anime_id": [1, 2], "cluster_id": [1, 1], "size": [2, 2]})
NUMBERS = pl.DataFrame({"number": [1, 2]})

# Settings


def test_without_an_environment_the_demo_lies_beside_the_code() -> None:
    assert settings({}) == Settings(
        site="demo", lake=str(HOME / "data_lake"), spool="", demo_port="", contact="", engine="local"
    )
    assert (HOME / "anipop_pipeline" / "resources.py").is_file()


def test_each_variable_has_its_setting() -> None:
    given = {
        "ANIPOP_SITE": "mal@2026-05-01",
        "ANIPOP_LAKE": "s3://bucket/lake",
        "ANIPOP_SPOOL": "/var/spool",
        "ANIPOP_DEMO_PORT": "8080",
        "ANIPOP_CONTACT": "you@example.org",
        "ANIPOP_ENGINE": "ray",
        "PATH": "/bin",
    }

    assert settings(given) == Settings(
        site="mal@2026-05-01",
        lake="s3://bucket/lake",
        spool="/var/spool",
        demo_port="8080",
        contact="you@example.org",
        engine="ray",
    )


def test_an_empty_variable_is_as_good_as_none() -> None:
    names = ("SITE", "LAKE", "SPOOL", "DEMO_PORT", "CONTACT", "ENGINE")

    assert settings({f"ANIPOP_{name}": "" for name in names}) == settings({})


def test_the_environment_of_the_process_counts_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIPOP_SITE", "mal")

    assert settings().site == "mal"


def test_settings_and_dials_become_what_runs_borrow(tmp_path: Path) -> None:
    given = settings({"ANIPOP_LAKE": str(tmp_path), "ANIPOP_DEMO_PORT": "8080"})

    borrowed = resources(given, DemoConfig(anime=33, seed=5))

    assert set(borrowed) == {"lake", "site", "engine", "io_manager"}
    assert borrowed["lake"].open() == lake_of(given)
    assert (borrowed["site"].demo_anime, borrowed["site"].demo_seed, borrowed["site"].demo_port) == (33, 5, "8080")


# Lake, site, engine


def test_a_relative_lake_is_a_folder_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert str(LakeResource(root="some/lake", site="demo").open().root) == str(tmp_path / "some" / "lake")
    assert str(LakeResource(root="memory://lake", site="demo").open().root).startswith("memory://")


def test_a_site_that_does_not_exist_is_an_error_when_the_lake_is_opened(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="there is no site 'marz'; there are: demo, mal"):
        LakeResource(root=str(tmp_path), site="marz").open()


@pytest.mark.parametrize("port", ["http", "-1", "65536", "99999999999", "80.5", " 80"])
def test_a_bad_port_is_an_error(port: str) -> None:
    with pytest.raises(SettingError) as wrong, SiteResource(site="demo", demo_port=port).visit(1.0):
        pass

    assert wrong.value.what == f"{port!r} is no port"
    assert wrong.value.where == "ANIPOP_DEMO_PORT"
    assert "65535" in wrong.value.fix


def test_the_demo_can_be_asked_on_any_free_port_and_on_the_one_that_is_set() -> None:
    site = SiteResource(site="demo", demo_anime=20)

    with site.visit(1.0) as visit:
        assert visit is not None
        port = visit.session.get_adapter("https://demo.invalid/")._port  # type: ignore[attr-defined]
        taken = SiteResource(site="demo", demo_anime=20, demo_port=str(port))
        with pytest.raises(PortInUse), taken.visit(1.0):
            pass
    with taken.visit(1.0) as again:
        assert again is not None


def test_a_real_site_needs_a_contact() -> None:
    with pytest.raises(SettingError) as wrong, SiteResource(site="mal").visit(1.0):
        pass
    with SiteResource(site="mal", contact="you@example.org").visit(0.25) as visit:
        assert visit is not None
        assert visit.requests_per_second == 0.25

    assert wrong.value.where == "ANIPOP_CONTACT"


@pytest.mark.parametrize("site", ["demo@2026-05-01", "mal@2026-05-01", "kitsu"])
def test_a_view_and_an_import_cannot_be_asked(site: str) -> None:
    with SiteResource(site=site).visit(1.0) as visit:
        assert visit is None


@pytest.mark.parametrize(("site", "invented"), [("demo", True), ("demo@2026-05-01", True), ("mal", False)])
def test_only_the_demo_is_invented(site: str, invented: bool) -> None:
    assert SiteResource(site=site).invented is invented


def test_an_unknown_engine_lists_what_there_is() -> None:
    assert EngineResource().map_batches is engine.map_batches

    with pytest.raises(SettingError) as wrong:
        EngineResource(name="steam").map_batches  # noqa: B018 - looking is asking

    assert (wrong.value.where, wrong.value.fix) == ("ANIPOP_ENGINE", "choose local")


# Values on their way into the lake


def test_a_table_is_cast_to_its_schema() -> None:
    narrow = CLUSTERS.cast(pl.Int32)

    made = validated("clusters", narrow)

    assert isinstance(made, pl.DataFrame)
    assert made.schema == CLUSTERS.schema


def test_a_table_that_is_not_what_its_schema_says_is_refused() -> None:
    with pytest.raises(SchemaError):
        validated("clusters", NUMBERS)
    with pytest.raises(SchemaError):
        validated("clusters", Folder({"table.parquet": NUMBERS}))


def test_an_absent_table_gets_the_columns_of_its_schema() -> None:
    for absent in (AbsentTable("why"), Folder(absent="why")):
        made = validated("clusters", absent)

        assert isinstance(made, Folder)
        assert made.table().schema == Clusters.create_empty().schema
        assert (made.absent, made.table().height) == ("why", 0)


def test_a_value_without_a_schema_passes_as_it_is() -> None:
    assert validated("number", NUMBERS) is NUMBERS


# A small graph of its own: how values travel, and what the decorator of assets does


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Graph:
    """Assets over one lake that can be materialised, and what became of them."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, site: str = "demo") -> None:
        self.resource = LakeResource(root=str(folder), site=site)
        self.instance = instance

    @property
    def lake(self) -> Lake:
        return self.resource.open()

    def save(self, name: str, value: pl.DataFrame | Folder) -> None:
        self.lake.save(name, value, {}, clock())

    def run(self, *stories: dg.AssetsDefinition, only: list[str] | None = None) -> dg.ExecuteInProcessResult:
        borrowed = {"lake": self.resource, "io_manager": LakeIOManager(lake=self.resource)}
        return dg.materialize(
            list(stories), resources=borrowed, instance=self.instance, selection=only, raise_on_error=False
        )

    def refusal(self, *stories: dg.AssetsDefinition, only: list[str] | None = None) -> str:
        result = self.run(*stories, only=only)
        assert not result.success
        (failure,) = [event.step_failure_data for event in result.get_step_failure_events()]
        assert failure.user_failure_data is not None
        return failure.user_failure_data.description or ""


@pytest.fixture
def graph(tmp_path: Path, instance: dg.DagsterInstance) -> Graph:
    return Graph(tmp_path, instance)


@asset("pages")
def number() -> dg.MaterializeResult[pl.DataFrame]:
    """Two numbers."""
    return dg.MaterializeResult(value=NUMBERS, metadata={"said": "two"})


@asset("pages")
def nothing() -> dg.MaterializeResult[pl.DataFrame]:
    """No numbers."""
    return dg.MaterializeResult(value=AbsentTable("the site counts nothing"))


@asset("pages")
def doubled(number: pl.DataFrame) -> dg.MaterializeResult[Folder]:
    """Each number twice, with a file beside."""
    return dg.MaterializeResult(value=Folder({"table.parquet": number * 2, "words.txt": b"twice"}))


@asset("pages")
def beside(doubled: Folder) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for what lies beside the doubled numbers."""
    return dg.MaterializeResult(value=pl.DataFrame({"words": [doubled.content("words.txt").decode()]}))


def test_values_travel_through_the_lake_and_the_manifest_says_from_where(graph: Graph) -> None:
    result = graph.run(number, doubled, beside)

    lake = graph.lake
    assert result.success
    assert lake.load_table("doubled")["number"].to_list() == [2, 4]
    assert lake.load_table("beside")["words"].to_list() == ["twice"]
    assert lake.manifest("beside").lineage == {name: lake.manifest(name).digest for name in ("number", "doubled")}


def test_each_materialisation_says_site_digest_rows_and_columns(graph: Graph) -> None:
    result = graph.run(number)

    (event,) = result.asset_materializations_for_node("number")
    said: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert (said["site"], said["dagster/row_count"], said["said"]) == ("demo", 2, "two")
    assert said["digest"] == graph.lake.manifest("number").digest
    assert Path(said["path"]).is_dir()
    assert [(column.name, column.type) for column in said["dagster/column_schema"].columns] == [("number", "Int64")]


def test_an_asset_alone_reads_what_an_earlier_run_made(graph: Graph) -> None:
    graph.run(number)

    assert graph.run(number, doubled, only=["doubled"]).success


def test_an_input_that_was_never_made_is_a_failure_with_the_command_that_makes_it(graph: Graph) -> None:
    said = graph.refusal(number, doubled, only=["doubled"])

    assert said.startswith("number has not been made for site demo")
    assert "dagster asset materialize --select 'number'" in said


def test_mixed_generations_are_a_failure_before_the_work_begins(graph: Graph) -> None:
    worked: list[str] = []

    @asset("pages")
    def both(number: pl.DataFrame, doubled: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
        """Both tables."""
        worked.append("both")
        return dg.MaterializeResult(value=pl.concat([number, doubled]))

    assert graph.run(number, doubled, both).success
    graph.save("number", NUMBERS * 7)

    said = graph.refusal(number, doubled, both, only=["both"])

    assert said.endswith("To mend it: dagster asset materialize --select 'doubled'")
    assert worked == ["both"]
    assert graph.run(number, doubled, both, only=["doubled"]).success
    assert graph.run(number, doubled, both, only=["both"]).success


# Absence


@asset("pages")
def upon_nothing(number: pl.DataFrame, nothing: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """What cannot be."""
    raise AssertionError("never called")


@asset("pages")
def upon_that(upon_nothing: pl.DataFrame) -> dg.MaterializeResult[Folder]:
    """What stands on what cannot be."""
    raise AssertionError("never called")


def test_absence_is_passed_on_with_its_reason_and_everything_materialises(graph: Graph) -> None:
    result = graph.run(number, nothing, upon_nothing, upon_that)

    assert result.success
    for name in ("nothing", "upon_nothing", "upon_that"):
        assert graph.lake.manifest(name).absent == "the site counts nothing"
        (event,) = result.asset_materializations_for_node(name)
        assert event.metadata["absent"].value == "the site counts nothing"
    assert "number" in graph.lake.manifest("upon_that").lineage


def test_a_tolerant_asset_is_called_and_told_why_an_input_is_absent(graph: Graph) -> None:
    told: list[str | None] = []

    @asset("pages", tolerant=True)
    def counted(number: pl.DataFrame, nothing: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
        """How many there are."""
        told.extend([reason_absent(number), reason_absent(nothing)])
        return dg.MaterializeResult(value=pl.DataFrame({"rows": [number.height, nothing.height]}))

    assert graph.run(number, nothing, counted).success

    assert told == [None, "the site counts nothing"]
    assert graph.lake.load_table("counted")["rows"].to_list() == [2, 0]


def test_a_spare_input_may_be_absent_and_no_other(graph: Graph) -> None:
    @asset("pages", spare=("nothing",))
    def without(number: pl.DataFrame, nothing: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
        """The numbers, with nothing if there is any."""
        return dg.MaterializeResult(value=number)

    @asset("pages", spare=("number",))
    def within(number: pl.DataFrame, nothing: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
        """Nothing, with the numbers if there are any."""
        raise AssertionError("never called")

    assert graph.run(number, nothing, without, within).success

    assert graph.lake.manifest("without").absent is None
    assert graph.lake.manifest("within").absent == "the site counts nothing"


# Imports


@asset("pages", on_import="absent")
def crawled(lake: LakeResource) -> dg.MaterializeResult[pl.DataFrame]:
    """What only a crawl brings."""
    return dg.MaterializeResult(value=NUMBERS)


@asset("pages", on_import="keep")
def read(crawled: pl.DataFrame, lake: LakeResource) -> dg.MaterializeResult[Folder]:
    """What is read from a crawl, or imported."""
    return dg.MaterializeResult(value=Folder({"table.parquet": crawled}))


@asset("corpus")
def learnt(read: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """What follows."""
    return dg.MaterializeResult(value=read * 10)


@pytest.fixture
def imported(tmp_path: Path, instance: dg.DagsterInstance) -> Graph:
    (tmp_path / "kitsu").mkdir()
    (tmp_path / "kitsu" / "site.json").write_text(json.dumps({"scores": ["kitsu"]}))
    return Graph(tmp_path, instance, "kitsu")


def test_on_a_site_that_is_crawled_no_import_is_looked_for(graph: Graph) -> None:
    assert graph.run(crawled, read, learnt).success

    assert graph.lake.load_table("learnt")["number"].to_list() == [10, 20]


def test_on_an_import_crawls_are_absent_and_imported_tables_unchanged(imported: Graph) -> None:
    imported.save("read", Folder({"table.parquet": NUMBERS * 3, "rejects.parquet": NUMBERS}, notes={"pages": 4}))
    before = imported.lake.manifest("read")

    assert imported.run(crawled, read, learnt).success

    assert imported.lake.manifest("crawled").absent == "kitsu is an import without crawled"
    assert imported.lake.manifest("read").digest == before.digest
    assert imported.lake.load_folder("read").notes == {"pages": 4}
    assert_frame_equal(imported.lake.load_table("learnt"), NUMBERS * 30)


def test_a_table_that_an_import_did_not_bring_is_absent_and_says_so(imported: Graph) -> None:
    assert imported.run(crawled, read, learnt).success

    assert imported.lake.manifest("learnt").absent == "kitsu is an import without read"


# Refusals


def test_a_refusal_becomes_a_failure_in_its_own_words(graph: Graph) -> None:
    @asset("features")
    def embedded() -> dg.MaterializeResult[pl.DataFrame]:
        """What a model says."""
        raise ModelMissing("no model gpt9", where="EncoderConfig.text_model", fix="choose one that there is")

    assert graph.refusal(embedded) == (
        "no model gpt9 (at EncoderConfig.text_model). To mend it: choose one that there is"
    )


def test_a_mistake_of_ours_is_not_dressed_up_as_a_refusal(graph: Graph) -> None:
    @asset("features")
    def wrong() -> dg.MaterializeResult[pl.DataFrame]:
        """A bug."""
        raise ZeroDivisionError("bug")

    result = graph.run(wrong)

    (failure,) = [event.step_failure_data for event in result.get_step_failure_events()]
    assert failure.user_failure_data is None
    assert failure.error is not None
    assert "ZeroDivisionError" in str(failure.error.cause)


def test_a_wrong_table_leaves_the_last_good_state(graph: Graph) -> None:
    graph.save("clusters", CLUSTERS)

    @asset("split")
    def clusters() -> dg.MaterializeResult[pl.DataFrame]:
        """What is no table of clusters."""
        return dg.MaterializeResult(value=NUMBERS)

    assert not graph.run(clusters).success

    assert_frame_equal(graph.lake.load_table("clusters"), CLUSTERS)


def test_declared_assets_keep_name_group_kinds_and_words() -> None:
    declared: dict[str, Any] = {
        "group": doubled.group_names_by_key[doubled.key],
        "kinds": doubled.specs_by_key[doubled.key].kinds,
        "words": doubled.descriptions_by_key[doubled.key],
    }

    assert declared == {
        "group": "pages",
        "kinds": {"polars"},
        "words": "Each number twice, with a file beside.",
    }
