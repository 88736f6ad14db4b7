"""What a run borrows: the lake, the site, the engine. The only reader of the environment.

ANIPOP_SITE       demo (default), mal, or the name of an import, each also as NAME@YYYY-MM-DD
ANIPOP_LAKE       root of the lake: a folder or an address such as s3://bucket/prefix; default data_lake/
ANIPOP_SPOOL      local folder for WARC segments that are still open; default inside a local lake
ANIPOP_DEMO_PORT  loopback port of the demo site; default any free one
ANIPOP_CONTACT    whom the owners of a real site can write to; needed to crawl mal
ANIPOP_ENGINE     local: processes of this machine

Belongs here: the environment, and what Dagster hands to assets. Does not: what they do with it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import PrivateAttr

from anipop_pipeline import engine
from anipop_pipeline.config import DemoConfig
from anipop_pipeline.errors import AnipopError, SettingError
from anipop_pipeline.lake import Folder, Lake, Manifest, clock, merge_lineage, open_lake, reason_absent
from anipop_pipeline.raw import RawStore
from anipop_pipeline.sites import Visit, visit_demo, visit_mal
from anipop_pipeline.stages.tables import schema_of

HOME = Path(__file__).resolve().parents[1]
ENGINES = {"local": engine.map_batches}
LAST_PORT = 65_535


@dataclass(frozen=True)
class Settings:
    """What the environment says."""

    site: str
    lake: str
    spool: str
    demo_port: str
    contact: str
    engine: str


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process.

    >>> settings({"ANIPOP_SITE": "mal"}).site
    'mal'
    """
    given = os.environ if environment is None else environment
    return Settings(
        site=given.get("ANIPOP_SITE") or "demo",
        lake=given.get("ANIPOP_LAKE") or str(HOME / "data_lake"),
        spool=given.get("ANIPOP_SPOOL", ""),
        demo_port=given.get("ANIPOP_DEMO_PORT", ""),
        contact=given.get("ANIPOP_CONTACT", ""),
        engine=given.get("ANIPOP_ENGINE") or "local",
    )


def has_dagster_home() -> bool:
    """Return whether run history has a place that lasts."""
    return bool(os.environ.get("DAGSTER_HOME"))


class LakeResource(dg.ConfigurableResource[Any]):
    """Where bytes live, for one site."""

    root: str
    site: str
    spool: str = ""

    def open(self) -> Lake:
        """Return the lake of the site; a site that does not exist is an error that lists those that do."""
        root = self.root if "://" in self.root else str(Path(self.root).absolute())
        return open_lake(root, self.site, self.spool or None)

    def store(self) -> RawStore:
        """Return the raw pages of the site."""
        return RawStore(self.open())


def lake_of(given: Settings) -> Lake:
    """Return the lake that the settings name."""
    return LakeResource(root=given.lake, site=given.site, spool=given.spool).open()


class SiteResource(dg.ConfigurableResource[Any]):
    """Where pages come from."""

    site: str
    demo_port: str = ""
    contact: str = ""
    demo_anime: int = 400
    demo_seed: int = 7
    demo_days: int = 0

    @property
    def invented(self) -> bool:
        """Return whether all titles of this site are invented."""
        return self.site.partition("@")[0] == "demo"

    @contextmanager
    def visit(self, requests_per_second: float) -> Iterator[Visit | None]:
        """Give a way to ask the site; None where nothing may be asked: a view of the past, an import."""
        if self.site == "demo":
            with visit_demo(self.demo_anime, self.demo_seed, self._port(), self.demo_days) as visit:
                yield visit
        elif self.site == "mal":
            with visit_mal(self.contact, requests_per_second) as visit:
                yield visit
        else:
            yield None

    def _port(self) -> int:
        port = self.demo_port or "0"
        if not (port.isdecimal() and int(port) <= LAST_PORT):
            fix = f"set a number up to {LAST_PORT}, or unset it"
            raise SettingError(f"{port!r} is no port", where="ANIPOP_DEMO_PORT", fix=fix)
        return int(port)


class EngineResource(dg.ConfigurableResource[Any]):
    """How work on batches is spread."""

    name: str = "local"

    @property
    def map_batches(self) -> Callable[..., Any]:
        """Return the function that maps an actor over batches."""
        if self.name not in ENGINES:
            raise SettingError(
                f"there is no engine {self.name!r}", where="ANIPOP_ENGINE", fix=f"choose {', '.join(ENGINES)}"
            )
        return ENGINES[self.name]


class LakeIOManager(dg.ConfigurableIOManager):
    """Carries values between assets and the lake, and notes what each was made from.

    What a step has read is remembered as it is read: another run may replace a table before this step writes.
    """

    lake: dg.ResourceDependency[LakeResource]
    _read: dict[tuple[str, str], dict[str, Manifest]] = PrivateAttr(default_factory=dict)

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | Folder:
        """Return an upstream asset's table, or all its files where the asset's parameter is a Folder."""
        step, asset = context.step_context, context.asset_key.to_user_string()
        with plainly():
            lake = self.lake.open()
            manifest = lake.manifest(asset)
            read = self._read.setdefault((step.run_id, step.step.key), {})
            read[asset] = manifest
            merge_lineage(step.step.key, read, lake, lambda: _upstream(step))  # before the work, not after it
            wants_folder = context.dagster_type.typing_type is Folder
            return lake.load_folder_of(manifest) if wants_folder else lake.load_table_of(manifest)

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame | Folder) -> None:
        """Check a value against its schema and make it the asset's state."""
        asset = context.asset_key.to_user_string()
        inputs = self._read.pop((context.run_id, context.step_key), {})
        with plainly():
            lake = self.lake.open()
            manifest = lake.save(asset, validated(asset, obj), inputs, clock())
            context.add_output_metadata(facts(lake, manifest))


def _upstream(step: Any) -> list[str]:
    """Return the names of all assets that a step's asset stands on; a check has none of its own."""
    graph, key = step.job_def.asset_layer.asset_graph, dg.AssetKey(step.step.key)
    return [found.to_user_string() for found in graph.get_ancestor_asset_keys(key)] if graph.has(key) else []


@contextmanager
def plainly() -> Iterator[None]:
    """Turn a refusal into a failure that Dagster shows in the refusal's own words, and does not retry."""
    try:
        yield
    except AnipopError as refused:
        raise dg.Failure(description=str(refused), metadata=refused.facts, allow_retries=False) from None


def validated(asset: str, value: pl.DataFrame | Folder) -> pl.DataFrame | Folder:
    """Return the value, its table checked against the asset's schema; an absent one gets the schema's columns."""
    schema = schema_of(asset)
    if schema is None:
        return value
    if isinstance(value, Folder):
        empty = {"table.parquet": schema.create_empty()} if value.absent else {}
        table = (
            {"table.parquet": schema.validate(value.table(), cast=True)} if "table.parquet" in value.files else empty
        )
        return Folder({**value.files, **table}, value.absent, value.notes)
    if (reason := reason_absent(value)) is not None:
        return Folder({"table.parquet": schema.create_empty()}, reason)
    return schema.validate(value, cast=True)


def facts(lake: Lake, manifest: Manifest) -> dict[str, Any]:
    """Return what every materialisation says of itself."""
    said: dict[str, Any] = {
        "site": lake.site,
        "digest": manifest.digest,
        "path": dg.MetadataValue.path(str(lake.asset_folder(manifest.asset) / manifest.digest)),
    }
    table = manifest.files.get("table.parquet")
    if table is not None:
        said["dagster/row_count"] = table["rows"]
        schema = schema_of(manifest.asset)
        told = {} if schema is None else {name: column.description for name, column in schema.columns().items()}
        columns = [dg.TableColumn(name, kind, told.get(name)) for name, kind in table["columns"].items()]
        said["dagster/column_schema"] = dg.TableSchema(columns)
    if manifest.absent is not None:
        said["absent"] = manifest.absent
    return said


def resources(given: Settings, dials: DemoConfig) -> dict[str, Any]:
    """Return what runs borrow, as the environment and anipop.toml say."""
    lake = LakeResource(root=given.lake, site=given.site, spool=given.spool)
    return {
        "lake": lake,
        "site": SiteResource(
            site=given.site,
            demo_port=given.demo_port,
            contact=given.contact,
            demo_anime=dials.anime,
            demo_seed=dials.seed,
            demo_days=dials.days,
        ),
        "engine": EngineResource(name=given.engine),
        "io_manager": LakeIOManager(lake=lake),
    }
