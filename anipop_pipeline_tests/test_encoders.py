"""Encoders are named in a table, found in a folder, a cache or a hub, and never silently replaced."""

import errno
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from anipop_pipeline.errors import ModelMissing, SettingError
from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.encoders import hub, tiny

from . import families
from .embedding import hidden_states
from .families import TEXTS

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "gpt2"
    encoders.build_tiny_gpt2(str(folder), TEXTS, seed=1)
    return folder


@pytest.fixture(scope="module")
def image_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "resnet"
    encoders.build_tiny_resnet(str(folder), seed=1)
    return folder


class Hub(ThreadingHTTPServer):
    """A hub of one model on loopback, in the few answers that its client needs; it remembers what it was asked."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Desk)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Desk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        assert isinstance(self.server, Hub)
        if "someone" in self.path:  # the client also asks things that are no business of ours
            self.server.asked.append(self.path)
        files = sorted(path for path in self.server.folder.iterdir())
        name = self.path.rpartition("/")[2]
        if re.match(r"/api/models/someone/tiny/revision/(main|v1|[ab]{40})$", self.path):
            about = {"id": "someone/tiny", "sha": COMMIT, "siblings": [{"rfilename": file.name} for file in files]}
            self._answer(json.dumps(about).encode())
        elif self.path.startswith(f"/api/models/someone/tiny/tree/{COMMIT}"):
            tree = [{"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0"} for file in files]
            self._answer(json.dumps(tree).encode())
        elif self.path.startswith(f"/someone/tiny/resolve/{COMMIT}/"):
            self._answer((self.server.folder / name).read_bytes(), ETag=f'"{name}"', **{"X-Repo-Commit": COMMIT})
        elif self.path.startswith("/api/models/someone/tiny/"):
            self._answer(b"{}", 404, **{"X-Error-Code": "RevisionNotFound"})
        else:
            self._answer(b"{}", 404, **{"X-Error-Code": "RepoNotFound"})

    def _answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep tests quiet."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is the hub's cache meanwhile."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny_hub(text_model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a hub on loopback that keeps a copy of the text model as someone/tiny."""
    import huggingface_hub.constants

    shutil.copytree(text_model, tmp_path / "hub")
    server = Hub(tmp_path / "hub")
    files = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    huggingface_hub.close_session()


@pytest.fixture
def offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the hub's client from asking a network."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


# The table


@pytest.mark.parametrize("name", encoders.ENCODERS)
def test_every_model_of_the_table_is_pinned_and_used_in_a_way_that_exists(name: str) -> None:
    entry = encoders.ENCODERS[name]

    encoder = encoders.choose(entry.modality, name)

    assert (encoder.model, encoder.revision) == (entry.model, entry.revision)
    assert hub.is_commit(entry.revision)
    assert encoders.pinned(name, "")
    assert encoder.pooling in encoders.POOLINGS[entry.modality]
    assert encoders.choose(entry.modality, entry.model) == encoder


def test_both_modalities_have_a_default_in_the_table() -> None:
    assert {modality: encoders.ENCODERS[name].modality for modality, name in encoders.DEFAULTS.items()} == {
        "text": "text",
        "image": "image",
    }


def test_a_dial_that_is_set_wins_over_the_table() -> None:
    encoder = encoders.choose(
        "text", "gpt2", revision=OTHER, pooling="last", layer=3, dtype="float32", preprocessing="A: "
    )

    assert encoder.model == "openai-community/gpt2"
    assert (encoder.revision, encoder.pooling, encoder.layer) == (OTHER, "last", 3)
    assert (encoder.dtype, encoder.preprocessing) == ("float32", "A: ")
    assert encoder.length == encoders.ENCODERS["gpt2"].length


def test_what_the_table_does_not_know_has_plain_defaults() -> None:
    encoder = encoders.choose("image", "someone/tiny", revision=COMMIT)

    assert (encoder.pooling, encoder.length, encoder.layer, encoder.dtype) == ("mean", 0, 0, "auto")
    assert (encoder.preprocessing, encoder.remote_code) == ("crop", False)


@pytest.mark.parametrize(
    ("choose", "said"),
    [
        (partial(encoders.choose, "image", "gpt2"), "'gpt2' is a model of texts, not of images"),
        (partial(encoders.choose, "text", "microsoft/resnet-50"), "'microsoft/resnet-50' is a model of images"),
        (partial(encoders.choose, "text", "gpt2", pooling="head"), "no text pooling 'head'.*mean or last or first"),
        (partial(encoders.choose, "image", "resnet-50", pooling="literal"), "pooling 'literal'.*mean or first or head"),
        (partial(encoders.choose, "image", "resnet-50", preprocessing="stretch"), "crop or whole"),
        (partial(encoders.choose, "text", "gpt2", dtype="float8"), "no dtype 'float8'"),
    ],
)
def test_a_choice_that_cannot_be_says_what_could(choose: Callable[[], object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        choose()


def test_a_folder_named_like_a_model_of_the_table_is_told_from_it_by_its_path(
    text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(text_model, tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)

    assert encoders.choose("text", "gpt2").revision
    assert not encoders.choose("text", "./gpt2").revision
    assert encoders.pinned("./gpt2", "")


# Tiny models


def test_the_same_seed_builds_the_same_text_model_and_another_seed_another(text_model: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 1), ("other", 2)):
        encoders.build_tiny_gpt2(str(tmp_path / name), TEXTS, seed)

    assert contents(tmp_path / "same") == contents(text_model)
    identities = [encoders.choose("text", str(folder)).identity for folder in (text_model, tmp_path / "other")]
    assert identities[0] != identities[1]
    assert contents(tmp_path / "other")["tokenizer.json"] == contents(text_model)["tokenizer.json"]


def test_the_same_seed_builds_the_same_image_model_and_another_seed_another(image_model: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 1), ("other", 2)):
        encoders.build_tiny_resnet(str(tmp_path / name), seed)

    assert contents(tmp_path / "same") == contents(image_model)
    assert contents(tmp_path / "other")["model.safetensors"] != contents(image_model)["model.safetensors"]


def test_building_leaves_the_random_state_alone(tmp_path: Path) -> None:
    import torch

    before = torch.random.get_rng_state()

    encoders.build_tiny_resnet(str(tmp_path / "model"), seed=3)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_is_whole_or_not_there_and_holds_no_pickle(text_model: Path, image_model: Path) -> None:
    assert not list(text_model.parent.glob("*.part"))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {*contents(text_model)}
    assert {"config.json", "model.safetensors", "preprocessor_config.json"} == {*contents(image_model)}


def test_what_a_killed_build_left_beside_does_no_harm(text_model: Path, tmp_path: Path) -> None:
    (tmp_path / "gpt2.part").mkdir()
    (tmp_path / "gpt2.part" / "model.safetensors").write_bytes(b"half a file")

    encoders.build_tiny_gpt2(str(tmp_path / "gpt2"), TEXTS, seed=1)

    assert contents(tmp_path / "gpt2") == contents(text_model)


BUILD = """
import sys
from anipop_pipeline.stages import encoders
encoders.build_tiny_resnet(sys.argv[1] + "/first", 1)
print("ready", flush=True)
sys.stdin.readline()
for number in range(5):
    encoders.build_tiny_resnet(f"{sys.argv[1]}/{number}", 1)
"""


def test_two_processes_that_build_one_model_at_once_both_find_it_whole(image_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILD, str(tmp_path)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    builds = [subprocess.Popen(command, **pipes) for _ in range(2)]
    assert [build.stdout.readline() for build in builds] == ["ready\n"] * 2

    for build in builds:
        build.stdin.write("\n")
        build.stdin.flush()
    ended = [(build.communicate(timeout=120)[1], build.returncode) for build in builds]

    assert [code for _, code in ended] == [0, 0], ended
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3", "4", "first"]
    assert all(contents(folder) == contents(image_model) for folder in tmp_path.iterdir())


class Written:
    """A part of a model that is one file, and during whose writing something else may happen."""

    def __init__(self, name: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.name, self.meanwhile = name, meanwhile

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.meanwhile()
        (folder / self.name).write_text(self.name)


def test_of_two_builds_that_overlap_the_first_to_end_stays_and_nothing_of_the_other(tmp_path: Path) -> None:
    target = str(tmp_path / "model")

    tiny._save(target, Written("late", meanwhile=lambda: tiny._save(target, Written("early"))), Written("later"))

    assert contents(tmp_path / "model") == {"early": b"early"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        tiny._save(str(tmp_path / "model"), Written("whole"), Written("half", meanwhile=lambda: print(1 / 0)))
    (tmp_path / "model").write_text("a file in the way")
    with pytest.raises(NotADirectoryError):
        tiny._save(str(tmp_path / "model"), Written("whole"))

    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# Loading


def test_a_text_folder_loads_as_tokenizer_and_model_in_evaluation_mode(text_model: Path) -> None:
    tokenizer, model = encoders.load_text(encoders.choose("text", str(text_model)), "cpu")

    inputs = tokenizer(["the sea"], return_tensors="pt")
    assert tokenizer.decode(inputs["input_ids"][0]) == "the sea"
    assert tokenizer.pad_token == "<|endoftext|>"
    assert not model.training
    assert hidden_states(model, **inputs).shape[2] == model.config.hidden_size
    assert not hidden_states(model, **inputs).requires_grad


def test_an_image_folder_loads_as_processor_and_model_in_evaluation_mode(image_model: Path) -> None:
    from PIL import Image

    processor, model = encoders.load_image(encoders.choose("image", str(image_model)), "cpu")

    pixels = processor(images=[Image.new("RGB", (30, 50))], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, encoders.TINY_SIDE, encoders.TINY_SIDE)
    assert not model.training
    assert hidden_states(model, pixel_values=pixels).shape == (1, 96, 3, 3)


def lose(name: str, folder: Path) -> None:
    (folder / name).unlink()


def cut(name: str, folder: Path) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:1000])


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def torn(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"wte.weight": "model-00001-of-00002.safetensors", "wpe.weight": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def with_config(folder: Path, **changes: object) -> None:
    edit(folder / "config.json", **changes)


FOREIGN = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (partial(lose, "config.json"), "there is no config.json"),
    "half a config": (partial(cut, "tokenizer.json"), "JSONDecodeError"),
    "no weights": (partial(lose, "model.safetensors"), "there is no model.safetensors"),
    "half of the weights": (partial(cut, "model.safetensors"), "damaged.*fetch it again"),
    "pickled weights alone": (as_pickle, "pickled"),
    "a lost shard": (torn, "there is no model-00002-of-00002.safetensors"),
    "no tokenizer": (partial(lose, "tokenizer.json"), "nothing says how it reads texts"),
    "another tokenizer's": (partial(with_config, vocab_size=100), "wte.weight"),
    "layers that were never trained": (partial(with_config, n_layer=3), "random numbers: h.2"),
    "weights of another size": (partial(with_config, n_embd=32, n_head=4), "random numbers: h.0"),
    "no number where one must be": (partial(with_config, n_embd="many"), "n_embd"),
    "an unknown architecture": (partial(with_config, model_type="strange"), "strange"),
    "code of its own": (partial(with_config, model_type="strange", auto_map=FOREIGN), "EncoderConfig.remote_code"),
}


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_a_missing_model_that_says_why(text_model: Path, tmp_path: Path, damage: str) -> None:
    harm, said = DAMAGES[damage]
    shutil.copytree(text_model, tmp_path / "model")
    harm(tmp_path / "model")

    with pytest.raises(ModelMissing, match=f"cannot be loaded: .*{said}"):
        encoders.load_text(encoders.choose("text", str(tmp_path / "model")), "cpu")


@pytest.mark.usefixtures("offline")
def test_a_tokenizer_with_more_tokens_than_the_model_is_refused_before_it_harms(
    text_model: Path, tmp_path: Path
) -> None:
    tokenizer, model = encoders.load_text(encoders.choose("text", str(text_model)), "cpu")
    tokenizer.add_tokens([f"<{number}>" for number in range(3)])
    families.save(tmp_path / "model", model, tokenizer)

    with pytest.raises(ModelMissing, match=f"tokenizer knows {len(tokenizer)} tokens, and the model"):
        encoders.load_text(encoders.choose("text", str(tmp_path / "model")), "cpu")


@pytest.mark.usefixtures("offline")
def test_pictures_need_a_processor(image_model: Path, tmp_path: Path) -> None:
    shutil.copytree(image_model, tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").unlink()

    with pytest.raises(ModelMissing, match="nothing says how it reads images"):
        encoders.load_image(encoders.choose("image", str(tmp_path / "model")), "cpu")


@pytest.mark.usefixtures("offline")
def test_code_of_a_checkpoint_runs_only_when_it_may(
    text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers.dynamic_module_utils

    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    shutil.copytree(text_model, tmp_path / "model")
    edit(tmp_path / "model" / "config.json", auto_map={"AutoModel": "own.Own"})
    (tmp_path / "model" / "own.py").write_text(
        "from transformers import GPT2Model\n\n\nclass Own(GPT2Model):\n    pass\n"
    )
    asleep = encoders.choose("text", str(tmp_path / "model"))
    awake = encoders.choose("text", str(tmp_path / "model"), remote_code=True)

    names = [type(encoders.load_text(encoder, "cpu")[1]).__name__ for encoder in (asleep, awake)]

    assert names == ["GPT2Model", "Own"]


@pytest.mark.parametrize(("asked", "there"), [("auto", "float32"), ("bfloat16", "bfloat16"), ("float32", "float32")])
def test_weights_are_loaded_as_float32_unless_a_dial_says_otherwise(text_model: Path, asked: str, there: str) -> None:
    encoder = encoders.choose("text", str(text_model), dtype=asked)

    _, model = encoders.load_text(encoder, "cpu")

    assert {str(weights.dtype) for weights in model.parameters()} == {f"torch.{there}"}


# Hub and cache


def test_a_branch_becomes_a_commit_and_the_next_run_asks_nobody(tiny_hub: Hub) -> None:
    first = encoders.choose("text", "someone/tiny")
    asked = len(tiny_hub.asked)

    second = encoders.choose("text", "someone/tiny")

    assert first.revision == second.revision == COMMIT
    assert (asked, len(tiny_hub.asked)) == (1, 1)
    assert not encoders.pinned("someone/tiny", "")
    assert encoders.pinned("someone/tiny", first.revision)


def test_what_is_fetched_once_loads_from_the_cache_without_a_question(tiny_hub: Hub, text_model: Path) -> None:
    import torch

    encoder = encoders.choose("text", "someone/tiny")
    encoders.load_text(encoder, "cpu")
    asked = len(tiny_hub.asked)

    _, again = encoders.load_text(encoder, "cpu")

    _, model = encoders.load_text(encoders.choose("text", str(text_model)), "cpu")
    assert asked == len(tiny_hub.asked)
    assert torch.equal(again.wte.weight, model.wte.weight)


def test_pickles_and_code_are_not_even_fetched(tiny_hub: Hub, cache: Path) -> None:
    for name in ("pytorch_model.bin", "own.py", "model.fp16.safetensors"):
        (tiny_hub.folder / name).write_bytes(b"unwanted")

    encoders.load_text(encoders.choose("text", "someone/tiny"), "cpu")

    fetched = {path.name for path in cache.rglob("snapshots/*/*")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    assert not fetched & {"pytorch_model.bin", "own.py", "model.fp16.safetensors"}


def test_a_model_with_pickled_weights_alone_is_refused_before_anything_is_fetched(tiny_hub: Hub) -> None:
    as_pickle(tiny_hub.folder)

    with pytest.raises(ModelMissing, match="pickled"):
        encoders.load_text(encoders.choose("text", "someone/tiny", revision="v1"), "cpu")

    assert not [path for path in tiny_hub.asked if "/resolve/" in path]


def test_half_of_a_snapshot_is_completed(tiny_hub: Hub, cache: Path) -> None:
    half = cache / "models--someone--tiny" / "snapshots" / COMMIT
    half.mkdir(parents=True)
    shutil.copy(tiny_hub.folder / "config.json", half)

    _, model = encoders.load_text(encoders.choose("text", "someone/tiny", revision=COMMIT), "cpu")

    assert model.config.model_type == "gpt2"


@pytest.mark.usefixtures("tiny_hub")
@pytest.mark.parametrize(
    ("model", "revision", "said"),
    [
        ("someone/tiny", "no-such-branch", "no such revision"),
        ("someone/none", "main", "knows no such model"),
        ("not an id", "main", "neither a folder nor an id"),
        ("/no/such/folder", "main", "neither a folder nor an id"),
    ],
)
def test_what_the_hub_does_not_have_is_a_missing_model(model: str, revision: str, said: str) -> None:
    with pytest.raises(ModelMissing, match=f"{model}.* cannot be loaded: .*{said}"):
        encoders.choose("text", model, revision=revision)


@pytest.mark.parametrize(("modality", "family"), [("text", "llama"), ("image", "vit")])
@pytest.mark.usefixtures("offline")
def test_what_lies_in_the_cache_needs_no_network(modality: Any, family: str, tmp_path: Path, cache: Path) -> None:
    families.as_cached(families.build(family, tmp_path / family), cache, "someone/tiny", COMMIT)
    encoder = encoders.choose(modality, "someone/tiny")

    load = encoders.load_text if modality == "text" else encoders.load_image
    _, model = load(encoder, "cpu")

    assert encoder.revision == COMMIT
    assert model.config.model_type == family


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("modality", "load"), [("text", encoders.load_text), ("image", encoders.load_image)])
def test_a_model_that_is_nowhere_is_an_error_that_names_it_and_never_a_substitute(
    modality: Any, load: Callable[..., object]
) -> None:
    with pytest.raises(ModelMissing, match=r"no-such-owner/no-such-model.* cannot be loaded"):
        encoders.choose(modality, "no-such-owner/no-such-model")

    pinned = encoders.choose(modality, "no-such-owner/no-such-model", revision=COMMIT)
    with pytest.raises(ModelMissing, match=r"no-such-owner/no-such-model.* cannot be loaded: it is not in the local"):
        load(pinned, "cpu")


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("listens", [True, False], ids=["says nothing", "is not there"])
def test_a_hub_that_does_not_answer_is_not_waited_for(listens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(hub, "PATIENCE_SECONDS", 0.5)
        started = time.monotonic()

        with pytest.raises(ModelMissing, match="the hub does not answer"):
            encoders.load_text(encoders.choose("text", "someone/tiny", revision=COMMIT), "cpu")

        assert time.monotonic() - started < 8
    huggingface_hub.close_session()


def blocked(number: int, file: str | None = None) -> OSError:
    """Return an error of the system, which names a file or does not."""
    return OSError(number, os.strerror(number), *([file] if file else []))


def wrapped(refusal: OSError) -> OSError:
    outer = OSError("the client could not go on")
    outer.__cause__ = refusal
    return outer


DISK = "its files cannot be written: "
REFUSALS = {
    "full": (blocked(errno.ENOSPC), f"{DISK}No space left"),
    "over quota": (blocked(errno.EDQUOT), f"{DISK}Disk quota exceeded"),
    "not ours": (blocked(errno.EACCES, "/its/blobs"), rf"{DISK}Permission denied \(/its/blobs\)"),
    "read-only": (blocked(errno.EROFS, "/its/blobs"), rf"{DISK}Read-only file system \(/its/blobs\)"),
    "full, wrapped": (wrapped(blocked(errno.ENOSPC)), f"{DISK}No space left"),
    "a firewall": (wrapped(blocked(errno.EACCES)), "the hub does not answer"),
    "no route": (blocked(errno.ENETUNREACH), "the hub does not answer"),
}


@pytest.mark.usefixtures("tiny_hub")
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_disk_that_refuses_is_not_taken_for_a_dead_network(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    refusal, said = REFUSALS[kind]

    def refuse(*_: object, **__: object) -> None:
        raise refusal

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)

    with pytest.raises(ModelMissing, match=said) as missing:
        encoders.load_text(encoders.choose("text", "someone/tiny"), "cpu")

    assert ("HF_HOME" in missing.value.fix) == said.startswith(DISK)


FETCH = """
import resource
from anipop_pipeline.stages import encoders
encoder = encoders.choose("text", "someone/tiny")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
encoders.load_text(encoder, "cpu")
"""


def test_a_fetch_that_outgrows_its_disk_says_so(tiny_hub: Hub, cache: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": tiny_hub.url, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0"}

    fetch = [sys.executable, "-c", FETCH]
    said = subprocess.run(fetch, env=environment, capture_output=True, text=True, check=False)

    assert "'someone/tiny' cannot be loaded: its files cannot be written: File too large" in said.stderr
    assert "set HF_HOME to another place" in said.stderr


# Identity


def test_a_folder_is_known_by_its_content_not_by_its_place(text_model: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(text_model, moved)

    assert encoders.choose("text", str(moved)).identity == encoders.choose("text", str(text_model)).identity


def test_a_changed_byte_makes_another_encoder(text_model: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(text_model, changed)
    (changed / "config.json").write_bytes((changed / "config.json").read_bytes() + b" ")

    assert encoders.choose("text", str(changed)).identity != encoders.choose("text", str(text_model)).identity


def test_a_checkpoint_with_folders_inside_is_known_by_all_of_it(text_model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, content in ((first, b"1"), (second, b"2")):
        shutil.copytree(text_model, folder)
        (folder / "onnx").mkdir()
        (folder / "onnx" / "model").write_bytes(content)

    assert encoders.choose("text", str(first)).identity != encoders.choose("text", str(second)).identity


def test_an_id_of_a_hub_is_known_by_its_revision() -> None:
    one, same, other = (encoders.choose("text", "gpt2", revision=commit) for commit in (COMMIT, COMMIT, OTHER))

    assert one.identity == same.identity
    assert one.identity != other.identity


# Devices


def test_auto_takes_a_device_that_is_there() -> None:
    assert encoders.device("auto") in {"cuda", "mps", "cpu"}
    assert encoders.device("cpu") == "cpu"


@pytest.mark.parametrize("asked", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_an_error(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.backends.mps if asked == "mps" else torch.cuda, "is_available", lambda: False)

    with pytest.raises(SettingError, match=f"no device {asked}"):
        encoders.device(asked)


def test_a_device_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(SettingError, match="no device abacus"):
        encoders.device("abacus")


@pytest.mark.parametrize(
    ("capability", "auto", "works"),
    [((9, 0), "bfloat16", True), ((8, 0), "bfloat16", True), ((7, 5), "float32", False)],
)
def test_a_gpu_computes_in_bfloat16_when_its_generation_multiplies_it(
    capability: tuple[int, int], auto: str, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)

    assert encoders.dtype("auto", "cuda") == auto
    assert encoders.dtype("float16", "cuda") == "float16"
    if works:
        assert encoders.dtype("bfloat16", "cuda") == "bfloat16"
    else:
        with pytest.raises(SettingError, match=r"bfloat16 does not work.*cuda.*float32 or float16"):
            encoders.dtype("bfloat16", "cuda")


@pytest.mark.parametrize(
    ("there", "auto"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_a_cpu_computes_in_bfloat16_when_it_multiplies_it(
    there: dict[str, bool], auto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: there, raising=False)

    assert encoders.dtype("auto", "cpu") == auto
    assert encoders.dtype("bfloat16", "cpu") == "bfloat16"


@pytest.mark.parametrize(("asked", "device"), [("float16", "cpu"), ("bfloat16", "mps"), ("float8", "cpu")])
def test_numbers_that_a_device_cannot_compute_in_are_an_error(asked: str, device: str) -> None:
    with pytest.raises(SettingError, match=f"{asked} does not work on this machine's {device}.*float32"):
        encoders.dtype(asked, device)


def test_an_apple_gpu_computes_in_float32_unless_told_otherwise() -> None:
    assert encoders.dtype("auto", "mps") == "float32"


def test_importing_the_module_loads_no_heavy_library() -> None:
    code = (
        "import sys, anipop_pipeline.stages.encoders, anipop_pipeline.stages.embed, anipop_pipeline.stages.train,"
        " anipop_pipeline.stages.audit, anipop_pipeline.stages.comparables;"
        "print([name for name in ('torch', 'transformers', 'sklearn', 'skops') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
