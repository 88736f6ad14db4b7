"""The commands, typed as the README types them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from anipop_pipeline import cli
from anipop_pipeline.lake import Folder, Lake
from anipop_pipeline.vectors import VectorStore

from .whole_graph import copied

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def anipop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anipop_pipeline.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def one_message(said: subprocess.CompletedProcess[str]) -> str:
    """Return the message of a refusal, having checked that it is one, and no traceback."""
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert "To mend it: " in said.stderr
    return said.stderr


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake in which a first asset was made by the command."""
    lake = tmp_path_factory.mktemp("lake")
    done = anipop("run", "--select", "anime_index", ANIPOP_LAKE=str(lake), DAGSTER_HOME="")
    assert done.returncode == 0, done.stderr
    assert "1/1" in done.stderr
    assert "400 rows" in done.stderr
    return lake


def test_a_site_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    said = one_message(anipop("run", ANIPOP_SITE="marz", ANIPOP_LAKE=str(tmp_path)))

    assert "no site 'marz'; there are: demo, mal" in said
    assert list(tmp_path.iterdir()) == []


def test_a_lake_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    said = one_message(anipop("run", ANIPOP_LAKE=str(tmp_path / "file")))

    assert "the lake cannot be written" in said
    assert "ANIPOP_LAKE" in said


def test_a_port_in_use_is_named_and_the_lake_stays_as_it_is(crawled: Path) -> None:
    before = contents(crawled)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = anipop(
            "run", "--select", "anime_pages", ANIPOP_LAKE=str(crawled), ANIPOP_DEMO_PORT=port, DAGSTER_HOME=""
        )

    assert said.returncode == 1
    assert port in said.stderr
    assert "ANIPOP_DEMO_PORT" in said.stderr
    assert "Traceback" not in said.stderr
    assert contents(crawled) == before


def test_an_asset_that_does_not_exist_is_answered_with_those_that_do() -> None:
    said = one_message(anipop("run", "--select", "metricz", DAGSTER_HOME=""))

    assert "'metricz' names no asset" in said
    assert "corpus_anime" in said


def test_an_asset_whose_inputs_are_missing_names_the_command_that_makes_them(tmp_path: Path) -> None:
    said = anipop("run", "--select", "metrics", ANIPOP_LAKE=str(tmp_path), DAGSTER_HOME="")

    assert said.returncode == 1
    assert "has not been made for site demo" in said.stderr
    assert "dagster asset materialize --select '" in said.stderr
    assert "Traceback" not in said.stderr
    assert "Stack Trace" not in said.stderr


def test_a_real_site_wants_to_know_whom_to_write_to(tmp_path: Path) -> None:
    said = anipop("run", "--select", "anime_index", ANIPOP_SITE="mal", ANIPOP_LAKE=str(tmp_path), ANIPOP_CONTACT="",
                  DAGSTER_HOME="")  # fmt: skip

    assert said.returncode == 1
    assert "set ANIPOP_CONTACT" in said.stderr


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[CorpusConfig]\nmin_words = 0", "greater than or equal to 1"),
        ("[CorpusConfig]\nmin_word = 30", "[CorpusConfig] min_word"),
        ("[CorpsConfig]\nmin_words = 30", "no dials are called CorpsConfig"),
        ("[CorpusConfig", "cannot be read"),
    ],
)
def test_a_mistake_in_the_dials_is_one_message(tmp_path: Path, toml: str, message: str) -> None:
    (tmp_path / "anipop.toml").write_text(toml)
    said = subprocess.run(
        [sys.executable, "-m", "anipop_pipeline.cli", "run", "--select", "metrics"],
        cwd=tmp_path,
        env={**os.environ, "ANIPOP_LAKE": str(tmp_path / "lake"), "DAGSTER_HOME": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert message in one_message(said)
    assert "anipop.toml" in said.stderr


def test_a_summary_without_metrics_names_the_command(tmp_path: Path) -> None:
    said = one_message(anipop("summary", ANIPOP_LAKE=str(tmp_path)))

    assert "metrics has not been made" in said


def test_a_pitch_that_is_not_there_is_named(crawled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", str(crawled / "no.toml")]) == 1

    assert "To mend it" in capsys.readouterr().err


def test_a_pitch_is_answered_on_the_terminal(filled_lake: Path, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(anipop("pitch", "new").stdout)

    said = anipop("predict", str(tmp_path / "my.toml"), ANIPOP_LAKE=str(filled_lake))

    assert said.returncode == 0, said.stderr
    assert "DEMO, INVENTED TITLES" in said.stdout


def test_a_summary_shows_the_results_and_where_the_report_lies(filled_lake: Path) -> None:
    said = anipop("summary", ANIPOP_LAKE=str(filled_lake))

    assert said.returncode == 0, said.stderr
    assert "tfidf_ridge" in said.stdout
    assert Path(said.stdout.rpartition("Report: ")[2].strip()).exists()


def harm_table(lake: Path) -> Path:
    (table,) = (lake / "demo" / "tables" / "clusters").glob("*/table.parquet")
    return table


def harm_manifest(lake: Path) -> Path:
    return lake / "demo" / "tables" / "clusters" / "manifest.json"


def harm_segment(lake: Path) -> Path:
    return lake / "demo" / "raw" / "000001.warc.gz"


@pytest.mark.parametrize(
    ("victim", "asset"), [(harm_table, "splits"), (harm_manifest, "splits"), (harm_segment, "anime")]
)
def test_a_damaged_file_is_named_and_nothing_in_the_lake_changes(
    filled_lake: Path, tmp_path: Path, victim: Callable[[Path], Path], asset: str
) -> None:
    copied(filled_lake, tmp_path)
    harmed = victim(tmp_path)
    harmed.write_bytes(b"PAR1 no longer what it was")
    before = contents(tmp_path)

    said = anipop("run", "--select", asset, ANIPOP_LAKE=str(tmp_path), DAGSTER_HOME="")

    assert said.returncode == 1
    assert str(harmed) in said.stderr
    assert "To mend it: " in said.stderr
    assert "Traceback" not in said.stderr
    assert contents(tmp_path) == before


def test_a_model_that_does_not_exist_is_named_and_nothing_in_the_lake_changes(
    filled_lake: Path, tmp_path: Path
) -> None:
    lake, here = tmp_path / "lake", tmp_path / "here"
    copied(filled_lake, lake)
    here.mkdir()
    (here / "anipop.toml").write_text('[EncoderConfig]\ntext_model = "nobody/no-such-model"\n')
    before = contents(lake)

    said = subprocess.run(
        [sys.executable, "-m", "anipop_pipeline.cli", "run", "--select", "synopsis_embeddings"],
        cwd=here,
        env={**os.environ, "ANIPOP_LAKE": str(lake), "DAGSTER_HOME": "", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 1
    assert "'nobody/no-such-model' cannot be loaded" in said.stderr
    assert "To mend it: mend the network, or bring the model into the cache" in said.stderr
    assert contents(lake) == before


def test_an_example_of_a_pitch_can_be_read_back(tmp_path: Path) -> None:
    from anipop_pipeline.stages.pitch import read_pitch

    written = anipop("pitch", "new").stdout

    assert read_pitch(written, ".toml").synopsis


# Cached vectors


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return the command `anipop cache`, given a lake and arguments, as what it prints."""

    def command(lake: Path, *arguments: str) -> str:
        monkeypatch.setenv("ANIPOP_LAKE", str(lake))
        assert cli.main(["cache", *arguments]) == 0
        return capsys.readouterr().out

    return command


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """Return a lake with two shelves of vectors, the first of which a table was made with."""
    lake = Lake(UPath(tmp_path), "demo")
    keys = np.array([b"one", b"two"], dtype="S32")
    for shelf, pooling in (("0a", "mean"), ("0b", "published")):
        about = {"model": "gpt2", "pooling": pooling, "length": 128}
        for number in (1, 2):
            with VectorStore(lake).keeping(shelf, about, "float16") as keep:
                keep(keys[:number], np.ones((number, 100_000), np.float32))
    lake.save("synopsis_embeddings", Folder(notes={"shelves": ["0a"]}), {}, datetime(2026, 5, 1, tzinfo=UTC))
    return tmp_path


def test_a_cache_without_vectors_says_so_and_has_nothing_to_free(cache: Callable[..., str], tmp_path: Path) -> None:
    assert cache(tmp_path, "info").startswith("No vectors are cached in this lake yet")
    assert cache(tmp_path, "prune").startswith("Freed 0.0 MB: 0 unused shelves")


def test_the_cache_says_what_it_holds_and_who_used_it(cache: Callable[..., str], cached: Path) -> None:
    head, first, second, total = cache(cached, "info").splitlines()

    assert head.split()[:2] == ["shelf", "model"]
    assert first.split() == ["0a", "gpt2", "mean", "128", "float16", "3", "0.6", "2", "demo:", "synopsis_embeddings"]
    assert second.split() == ["0b", "gpt2", "published", "128", "float16", "3", "0.6", "2", "no", "table", "now"]
    assert head.index("last used by") == first.index("demo: ") == second.index("no table now")
    assert total == "6 vectors, 1.2 MB"


def test_pruning_the_cache_frees_what_no_table_used_and_a_dry_run_only_says_so(
    cache: Callable[..., str], cached: Path
) -> None:
    shelves = cached / "cache" / "embeddings"
    for path in shelves.glob("*/*"):
        os.utime(path, (0, 0))
    older = shelves / "0123456789abcdef"
    older.mkdir()
    (older / "part.parquet").write_bytes(bytes(300_000))
    before = contents(cached)
    freed = "1.1 MB: 1 unused shelves, 1 folders of an older layout, 0 broken parts, 1 parts"

    assert "1 folders are of an older layout" in cache(cached, "info")
    assert cache(cached, "prune", "--dry-run").startswith(f"Would free {freed}")
    assert contents(cached) == before
    assert cache(cached, "prune").startswith(f"Freed {freed}")
    assert [line.split()[2] for line in cache(cached, "info").splitlines()[1:-1]] == ["mean"]
    assert cache(cached, "prune").startswith("Freed 0.0 MB")


def test_pruning_the_cache_spares_what_is_young_and_says_so(cache: Callable[..., str], cached: Path) -> None:
    first = cache(cached, "prune").splitlines()

    assert " 0 unused shelves" in first[0]
    assert first[1] == "1 unused shelves are younger than 24 h and stay"
    assert cache(cached, "prune", "--older-than", "1.5").splitlines()[1].endswith("younger than 1.5 h and stay")
    (all_at_once,) = cache(cached, "prune", "--older-than", "0").splitlines()
    assert " 1 unused shelves" in all_at_once


@pytest.mark.parametrize("hours", ["-1", "nan", "a day"])
def test_an_age_that_is_none_is_refused(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["cache", "prune", f"--older-than={hours}"])

    assert f"'{hours}' is no number of hours" in capsys.readouterr().err


def test_a_broken_part_of_the_cache_is_named_and_pruned(cache: Callable[..., str], cached: Path) -> None:
    harmed = min((cached / "cache" / "embeddings" / "0a").glob("*.safetensors"))
    harmed.write_bytes(b"no longer what it was")

    said = one_message(anipop("cache", "info", ANIPOP_LAKE=str(cached)))

    assert str(harmed) in said
    assert "anipop cache prune" in said
    assert f"broken: {harmed}\n" in cache(cached, "prune")
    assert "gpt2" in cache(cached, "info")


def test_vectors_that_are_not_sealed_yet_are_counted_apart(cache: Callable[..., str], cached: Path) -> None:
    with VectorStore(Lake(UPath(cached), "demo")).keeping("0a", {}, "float16") as keep:
        keep(np.array([b"three"], dtype="S32"), np.ones((1, 100_000), np.float32))
        said = cache(cached, "info")

    assert "1 more are of a run that is going on or was killed" in said


# What activation sets. The venv of a clone is stood in for by a folder that holds our own activation lines.


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an `activate` as the Makefile's own line writes it, and a Dagster home of its own."""
    home = tmp_path_factory.mktemp("clone")
    (home / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "activate.sh", home / "deploy" / "activate.sh")
    (home / "activate").write_text(f'export PATH="{BIN}:$PATH"\n')
    (line,) = re.findall(r"^\t(sed .*activate)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    command = line.replace("$(CURDIR)", str(home)).replace("$(BIN)", ".")
    subprocess.run(["bash", "-c", command], cwd=home, check=True)
    (home / ".dagster").mkdir()
    shutil.copy(ROOT / "deploy" / "dagster.yaml", home / ".dagster" / "dagster.yaml")
    return home


def typed(shell: Path, command: str, lake: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return subprocess.run(
        ["bash", "-c", f". {shell}/activate && {command}"],
        cwd=ROOT,
        env={**environment, "ANIPOP_LAKE": str(lake)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_materialize_typed_literally_works_after_activation(shell: Path, filled_lake: Path, tmp_path: Path) -> None:
    copied(filled_lake, tmp_path)

    said = typed(shell, "dagster asset materialize --select metrics", tmp_path)

    assert said.returncode == 0, said.stderr
    assert "DEBUG" not in said.stderr
    assert list((shell / ".dagster").glob("**/*.db")), "run history persists"


@pytest.mark.parametrize("arguments", ["", "-w workspace.yaml"])
def test_the_ui_typed_literally_shows_the_graph(shell: Path, crawled: Path, arguments: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    ui = subprocess.Popen(
        ["bash", "-c", f". {shell}/activate && dagster dev {arguments} -h 127.0.0.1 -p {port}"],
        cwd=ROOT,
        env={**environment, "ANIPOP_LAKE": str(crawled)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert "corpus_anime" in asked(port, "{ assetNodes { assetKey { path } groupName } }")
        if not arguments:
            assert launched(port, "anime_index") == "SUCCESS"
    finally:
        os.killpg(ui.pid, signal.SIGTERM)
        ui.wait(30)


LAUNCH = """mutation($asked: ExecutionParams!) {
  launchRun(executionParams: $asked) { ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}"""


def launched(port: int, asset: str) -> str:
    """Return how a run ends that was launched as the button Materialize launches it."""
    selector = {
        "repositoryLocationName": "anipop_pipeline.definitions",
        "repositoryName": "__repository__",
        "jobName": "__ASSET_JOB",
        "assetSelection": [{"path": [asset]}],
    }
    answer = json.loads(asked(port, LAUNCH, asked={"selector": selector, "runConfigData": {}}))
    run = answer["data"]["launchRun"]["run"]["runId"]
    for _ in range(120):
        status = json.loads(asked(port, f'{{ runOrError(runId: "{run}") {{ ... on Run {{ status }} }} }}'))
        said = str(status["data"]["runOrError"]["status"])
        if said in {"SUCCESS", "FAILURE", "CANCELED"}:
            return said
        time.sleep(0.5)
    pytest.fail(f"run {run} did not end")


def asked(port: int, query: str, **variables: object) -> str:
    """Return the UI's answer to a query, waiting until it is up."""
    for _ in range(120):
        try:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/graphql",
                json.dumps({"query": query, "variables": variables}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=20) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.5)
    pytest.fail("the UI did not come up")


def contents(lake: Path) -> dict[str, bytes]:
    """Return every file of a lake that a reader would open."""
    return {
        str(path.relative_to(lake)): path.read_bytes()
        for path in lake.rglob("*")
        if path.is_file() and ".staging" not in path.parts and "spool" not in path.parts
    }
