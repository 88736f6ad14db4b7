"""Checkpoints are built from a seed, found by id or folder, and never silently replaced."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anipop_pipeline.errors import ModelMissing, SettingError
from anipop_pipeline.stages import encoders

TEXTS = ["a girl finds a cat by the sea", "the cat finds a ship", "a ship sails the sea"] * 5
Build = Callable[[str, int], str]


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


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the hub's client from asking a network."""
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# Tiny models


def test_the_same_seed_builds_the_same_text_model_and_another_seed_another(text_model: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 1), ("other", 2)):
        encoders.build_tiny_gpt2(str(tmp_path / name), TEXTS, seed)

    assert contents(tmp_path / "same") == contents(text_model)
    identities = [encoders.choose("text", str(folder), "main").identity for folder in (text_model, tmp_path / "other")]
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


# Loading


def test_a_text_folder_loads_as_tokenizer_and_model_in_evaluation_mode(text_model: Path) -> None:
    tokenizer, model = encoders.load_text(encoders.choose("text", str(text_model), "main"), "cpu")

    inputs = tokenizer(["the sea"], return_tensors="pt")
    assert tokenizer.decode(inputs["input_ids"][0]) == "the sea"
    assert tokenizer.pad_token == "<|endoftext|>"
    assert not model.training
    assert encoders.hidden_states(model, **inputs).shape[2] == model.config.hidden_size
    assert not encoders.hidden_states(model, **inputs).requires_grad


def test_an_image_folder_loads_as_processor_and_model_in_evaluation_mode(image_model: Path) -> None:
    from PIL import Image

    processor, model = encoders.load_image(encoders.choose("image", str(image_model), "main"), "cpu")

    pixels = processor(images=[Image.new("RGB", (30, 50))], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, encoders.TINY_SIDE, encoders.TINY_SIDE)
    assert not model.training
    assert encoders.hidden_states(model, pixel_values=pixels).shape == (1, 96, 3, 3)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("modality", "load"), [("text", encoders.load_text), ("image", encoders.load_image)])
def test_a_model_that_is_nowhere_is_an_error_that_names_it_and_never_a_substitute(
    modality: str, load: Callable[..., object]
) -> None:
    encoder = encoders.choose(modality, "no-such-owner/no-such-model", "main")  # type: ignore[arg-type]

    with pytest.raises(ModelMissing, match=r"no-such-owner/no-such-model.* cannot be loaded"):
        load(encoder, "cpu")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("broken", ["config.json", "model.safetensors"])
def test_a_folder_that_lost_a_file_is_a_missing_model(text_model: Path, tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(text_model, folder)
    (folder / broken).unlink()

    with pytest.raises(ModelMissing, match="cannot be loaded"):
        encoders.load_text(encoders.choose("text", str(folder), "main"), "cpu")


@pytest.mark.usefixtures("offline")
def test_weights_that_were_cut_short_are_a_missing_model(text_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(text_model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    with pytest.raises(ModelMissing, match="cannot be loaded"):
        encoders.load_text(encoders.choose("text", str(folder), "main"), "cpu")


# Identity


def test_a_folder_is_known_by_its_content_not_by_its_place(text_model: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(text_model, moved)

    assert encoders.choose("text", str(moved), "a").identity == encoders.choose("text", str(text_model), "b").identity


def test_a_changed_byte_makes_another_encoder(text_model: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(text_model, changed)
    (changed / "config.json").write_bytes((changed / "config.json").read_bytes() + b" ")

    assert encoders.choose("text", str(changed), "").identity != encoders.choose("text", str(text_model), "").identity


def test_a_checkpoint_with_folders_inside_is_known_by_all_of_it(text_model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, content in ((first, b"1"), (second, b"2")):
        shutil.copytree(text_model, folder)
        (folder / "onnx").mkdir()
        (folder / "onnx" / "model").write_bytes(content)

    assert encoders.choose("text", str(first), "").identity != encoders.choose("text", str(second), "").identity


def test_an_id_of_a_hub_is_known_by_its_revision() -> None:
    one, same, other = (encoders.choose("text", "gpt2", revision) for revision in ("main", "main", "607a30d"))

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


def test_importing_the_module_loads_no_heavy_library() -> None:
    code = (
        "import sys, anipop_pipeline.stages.encoders, anipop_pipeline.stages.embed, anipop_pipeline.stages.train,"
        " anipop_pipeline.stages.audit, anipop_pipeline.stages.comparables;"
        "print([name for name in ('torch', 'transformers', 'sklearn', 'skops') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
