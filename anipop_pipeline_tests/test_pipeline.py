"""The whole graph on a tiny world: from an empty folder to a report, twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from anipop_pipeline import assets, resources
from anipop_pipeline.lake import REPORTS, reason_absent
from anipop_pipeline.stages.tables import SCHEMAS
from anipop_pipeline.vectors import VectorStore

from .whole_graph import NAMES, SMALL_AS_TOML, copied, failure, materialise, opened


@pytest.fixture(scope="module")
def lake(filled_lake: Path) -> Path:
    return filled_lake


def test_every_asset_is_made_and_keeps_its_schema(lake: Path) -> None:
    here = opened(lake)

    for name in NAMES:
        assert (here.manifest(name).absent is None) == (name not in ("further_scores", "imported_split")), name
        if name in SCHEMAS:
            SCHEMAS[name].validate(here.load_table(name))


@pytest.mark.slow
def test_a_second_lake_of_another_process_is_the_same_to_the_last_digest(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "anipop.toml").write_text(SMALL_AS_TOML)
    given = {"ANIPOP_LAKE": str(tmp_path), "ANIPOP_SITE": "demo", "DAGSTER_HOME": "", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "anipop_pipeline.cli", "run"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **given}, check=True, capture_output=True)

    first, second = opened(lake), opened(tmp_path)
    assert {name: first.manifest(name).digest for name in NAMES} == {
        name: second.manifest(name).digest for name in NAMES
    }
    segments = {path.name: path.read_bytes() for path in first.raw_folder.glob("*.warc.gz")}
    assert segments == {path.name: path.read_bytes() for path in second.raw_folder.glob("*.warc.gz")}
    assert len(segments) > 4


def test_a_second_run_asks_the_site_for_nothing_and_computes_no_vector(lake: Path) -> None:
    result = materialise(lake, "anime_pages", "character_pages", "portraits", "synopsis_embeddings")

    said = {name: result.asset_materializations_for_node(name)[0].metadata for name in ("anime_pages", "portraits")}
    assert said["anime_pages"]["asked"].value == 0
    assert said["portraits"]["asked"].value == 0
    vectors = result.asset_materializations_for_node("synopsis_embeddings")[0].metadata
    assert {name: vectors[f"{name}/computed"].value for name in ("pooled", "published", "literal")} == {
        "pooled": 0, "published": 0, "literal": 0,
    }  # fmt: skip


def test_embeddings_have_every_pooling_and_say_where_their_vectors_are_kept(lake: Path) -> None:
    here = opened(lake)

    poolings = {
        name: set(here.load_table(f"{name}_embeddings")["pooling"])
        for name in ("synopsis", "description", "portrait", "poster")
    }
    shelves = {shelf for name in poolings for shelf in here.manifest(f"{name}_embeddings").notes["shelves"]}

    paper = {"published", "literal"}
    assert poolings == {
        "synopsis": {"pooled"} | paper,
        "description": {"pooled", "max", "joined"} | paper,
        "portrait": {"pooled", "max", "joined", "published", "pixels"},
        "poster": {"pooled"},
    }
    kept = {shelf.name: shelf for shelf in VectorStore(here).info()}
    assert shelves == set(kept)
    assert {shelf.about["modality"] for shelf in kept.values()} == {"text", "image"}
    assert all(shelf.vectors and not shelf.journaled for shelf in kept.values())


def test_readings_of_the_paper_do_not_follow_dials_of_other_vectors(lake: Path, tmp_path: Path) -> None:
    copied(lake, tmp_path)
    before = opened(tmp_path).load_table("synopsis_embeddings")

    other = {"text_layer": 1, "text_prefix": "query: ", "text_pooling": "last", "long_texts": "windows"}
    materialise(tmp_path, "synopsis_embeddings", dials={"synopsis_embeddings": other})

    after = opened(tmp_path).load_table("synopsis_embeddings")
    of_paper = pl.col("pooling") != "pooled"
    assert after.filter(of_paper).equals(before.filter(of_paper))
    assert not after.filter(~of_paper).equals(before.filter(~of_paper))


def test_a_character_of_several_anime_is_embedded_once(lake: Path) -> None:
    here = opened(lake)
    roles, characters = here.load_table("corpus_roles"), here.load_table("corpus_characters")
    played = roles.join(characters.filter(pl.col("description").is_not_null()), on="character_id")

    alone = here.load_table("description_embeddings").filter(pl.col("pooling") == "pooled")

    assert alone["items"].sum() == played.height > played["description"].n_unique()
    kept = [s for s in VectorStore(here).info() if s.about["modality"] == "text" and s.about["pooling"] == "mean"]
    joined = played.sort("anime_id", "position", "character_id").group_by("anime_id", maintain_order=True)
    texts = set(played["description"]) | set(joined.agg(pl.col("description").str.join(" "))["description"])
    assert len(texts) in {shelf.vectors for shelf in kept}


def test_manifests_say_how_complete_each_crawl_step_was(lake: Path) -> None:
    here = opened(lake)

    for name in ("anime_index", "anime_pages", "character_pages", "portraits", "posters"):
        notes = here.manifest(name).notes
        assert notes["complete"] is True, name
        assert notes["answered"] == notes["wanted"] > 0, name


def test_a_budget_binds_a_day_and_what_is_left_out_stands_in_the_manifest(tmp_path: Path) -> None:
    short = {
        "anime_index": {"daily_budget": 2},
        "anime_pages": {"daily_budget": 13, "workers": 1, "pages_at_once": 3},
    }

    materialise(tmp_path, "anime_index", "anime_pages", dials=short)

    here = opened(tmp_path)
    index, pages = here.manifest("anime_index").notes, here.manifest("anime_pages").notes
    assert (index["wanted"], index["asked"], index["left"], index["complete"]) == (2, 1, 1, False)
    assert (pages["asked"], pages["answered"], pages["requests"], pages["complete"]) == (10, 10, 11, False)
    assert set(here.load_table("anime_pages")["kind"]) == {"anime"}  # nothing was left for the characters
    assert here.load_table("anime_index").height == 50


def test_metrics_alone_can_be_made_again(lake: Path) -> None:
    before = opened(lake).manifest("metrics").digest

    result = materialise(lake, "metrics")

    assert opened(lake).manifest("metrics").digest == before
    shown = result.asset_materializations_for_node("metrics")[0].metadata
    assert {"results_grouped", "forest_grouped", "site", "dagster/row_count"} <= set(shown)


def test_an_asset_whose_inputs_were_never_made_names_them_and_the_command(tmp_path: Path) -> None:
    result = materialise(tmp_path, "clusters", expect=False)

    said = failure(result, "clusters")
    assert "corpus_anime has not been made" in said
    assert "dagster asset materialize --select 'corpus_anime'" in said


def test_inputs_of_different_generations_are_refused_until_the_named_assets_are_made_again(
    lake: Path, tmp_path: Path
) -> None:
    copied(lake, tmp_path)
    stricter = {"corpus_anime": {"min_words": 60}}
    materialise(tmp_path, "corpus_anime", dials=stricter)

    said = failure(materialise(tmp_path, "splits", expect=False), "splits")
    command = said.rpartition("--select ")[2].strip("'")

    assert "different versions of corpus_anime" in said
    assert command == "clusters,corpus_characters,corpus_roles"
    materialise(tmp_path, *command.split(","))
    materialise(tmp_path, "splits")


def test_one_command_mends_all_that_a_report_stands_on(lake: Path, tmp_path: Path) -> None:
    copied(lake, tmp_path)
    materialise(tmp_path, "corpus_anime", dials={"corpus_anime": {"min_words": 60}})

    said = failure(materialise(tmp_path, "metrics", expect=False), "metrics")
    named = said.rpartition("--select ")[2].strip("'").split(",")

    assert {"clusters", "splits", "tabular_features", "synopsis_embeddings", "model_mean", "model_full"} <= set(named)
    materialise(tmp_path, *named)
    materialise(tmp_path, "metrics")


def test_rows_in_are_rows_kept_and_rows_rejected(lake: Path) -> None:
    here = opened(lake)
    pages = here.load_table("anime_pages").filter(pl.col("kind") == "anime").height
    parsed, cleaned = here.load_folder("anime"), here.load_folder("corpus_anime")

    assert parsed.table().height + parsed.table("rejects").height == pages
    assert cleaned.table().height + cleaned.table("rejects").height == parsed.table().height


def test_without_encoders_what_stands_on_them_is_absent_and_metrics_says_why(lake: Path, tmp_path: Path) -> None:
    copied(lake, tmp_path)
    features = ("synopsis_embeddings", "description_embeddings", "portrait_embeddings", "poster_embeddings")
    models = tuple(
        f"model_{name}" for name in ("synopsis", "descriptions", "portraits", "full", "traditional", "poster")
    )
    off = {name: {"encoders": "none"} for name in features}

    materialise(tmp_path, *features, *models, "model_full_without_portraits", "audit", dials=off)
    materialise(tmp_path, "metrics", "learning_curves", "comparables", "report")

    here = opened(tmp_path)
    absent = here.load_folder("metrics").table("absent")
    assert set(absent["experiment"]) == {"synopsis", "descriptions", "portraits", "full", "traditional", "poster",
                                         "full_without_portraits"}  # fmt: skip
    assert set(absent["reason"]) == {"EncoderConfig.encoders = 'none'"}
    assert "encoders = &#39;none&#39;" in here.path_of("report", "report.html").read_text()


def test_franchises_are_kept_together_where_the_dial_says_so(lake: Path, tmp_path: Path) -> None:
    copied(lake, tmp_path)

    result = materialise(tmp_path, "clusters", "splits", "split_statistics", dials={"clusters": {"franchises": True}})

    assert opened(tmp_path).manifest("clusters").notes["franchises"] is True
    judged = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert judged["clusters_stay_whole"]
    assert judged["characters_stay_whole"]
    assert judged["franchises_stay_whole"]


def test_an_import_brings_its_tables_and_has_no_crawl(lake: Path, tmp_path: Path) -> None:
    here, brought = opened(lake), tmp_path / "old-set"
    brought.mkdir()
    (brought / "site.json").write_text(json.dumps({"kind": "import"}))
    imported = opened(tmp_path, "old-set")
    for name in ("anime", "roles"):
        imported.save(name, here.load_folder(name), {}, resources.clock())

    tiny = {"synopsis_embeddings": {"text_model": str(next(here.models_cache.glob("tiny-gpt2-*")))}}
    materialise(tmp_path, site="old-set", dials=tiny)

    assert "import" in str(imported.manifest("anime_pages").absent)
    assert imported.load_table("anime").equals(here.load_table("anime"))
    assert reason_absent(imported.load_table("portraits")) == "old-set is an import without portraits"
    assert imported.load_table("corpus_anime").height >= here.load_table("corpus_anime").height
    absent = set(imported.load_folder("metrics").table("absent")["experiment"])
    assert absent == {"descriptions", "portraits", "full", "full_without_portraits", "traditional", "hybrid", "poster"}


def test_a_view_of_the_past_asks_for_nothing_and_has_tables_of_its_own(lake: Path, tmp_path: Path) -> None:
    copied(lake, tmp_path)

    materialise(tmp_path, "anime_index", "anime_pages", "anime", site="demo@2025-07-01")
    materialise(tmp_path, "anime_index", site="demo@2020-01-01")

    assert opened(tmp_path, "demo@2025-07-01").load_table("anime").equals(opened(lake).load_table("anime"))
    assert opened(tmp_path, "demo@2020-01-01").load_table("anime_index").is_empty()


def test_a_model_that_does_not_exist_is_an_error_and_nothing_in_the_lake_changes(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(lake, tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = opened(tmp_path).manifest("synopsis_embeddings")

    wanted = {"synopsis_embeddings": {"text_model": "nobody/no-such-model"}}
    said = failure(materialise(tmp_path, "synopsis_embeddings", dials=wanted, expect=False), "synopsis_embeddings")

    assert "'nobody/no-such-model' cannot be loaded" in said
    assert "bring the model into the cache; or name a folder" in said
    assert opened(tmp_path).manifest("synopsis_embeddings") == before


@pytest.mark.parametrize("victim", ["table.parquet", "manifest.json"])
def test_a_corrupt_table_is_named_and_nothing_else_is_harmed(lake: Path, tmp_path: Path, victim: str) -> None:
    copied(lake, tmp_path)
    here = opened(tmp_path)
    path = here.path_of("clusters", victim) if victim == "table.parquet" else here.asset_folder("clusters") / victim
    path.write_bytes(b"PAR1 but not really")
    before = here.manifest("splits")

    said = failure(materialise(tmp_path, "splits", expect=False), "splits")

    assert "clusters" in said
    assert str(path) in said
    assert "dagster asset materialize --select 'clusters'" in said
    assert here.manifest("splits") == before


def test_a_corrupt_warc_segment_is_named_and_nothing_else_is_harmed(lake: Path, tmp_path: Path) -> None:
    copied(lake, tmp_path)
    here = opened(tmp_path)
    file = here.load_table("anime_pages")["file"][0]
    (here.raw_folder / file).write_bytes(b"no longer a WARC")
    before = here.manifest("anime")

    said = failure(materialise(tmp_path, "anime", expect=False), "anime")

    assert file in said
    assert here.manifest("anime") == before


def test_the_report_is_one_file_that_says_what_it_is(lake: Path) -> None:
    page = opened(lake).path_of("report", "report.html").read_text()

    assert "all titles on this site are invented" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("data:image/png;base64,") >= 5


def test_no_file_of_the_lake_is_a_pickle(lake: Path) -> None:
    endings = {path.suffix for path in lake.rglob("*") if path.is_file()}

    assert endings <= {".parquet", ".json", ".gz", ".html", ".md", ".png", ".npy", ".safetensors", ".skops", ".lock"}


def test_groups_and_rooms_of_the_lake_agree() -> None:
    in_reports = {key.to_user_string() for asset in assets.ALL for key in asset.keys
                  if asset.group_names_by_key[key] == "reports"}  # fmt: skip

    assert in_reports == REPORTS


def test_definitions_load_without_the_heavy_libraries() -> None:
    code = (
        "import sys, anipop_pipeline.definitions;"
        "print([m for m in ('torch', 'transformers', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"
