"""Every architecture that an encoder may have is loaded whole, and is shown what its own processor would show it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anipop_pipeline.errors import ModelMissing, Undecodable
from anipop_pipeline.stages import encoders

from . import families
from .families import IMAGE, SIDE, TEXT, noise

SIZES = [(1, 1), (225, 350), (50, 400), (20, 600), (SIDE, SIDE), (100, 1)]
LINES = [(1, 60_000), (60_000, 1), (2, 60_001)]
ROOM = 2**29  # bytes
INPUTS = {"imagegpt": "input_ids"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


def text(family: str, made: Path, **dials: Any) -> tuple[Any, Any]:
    return encoders.load_text(encoders.choose("text", str(families.build(family, made / family)), **dials), "cpu")


def image(family: str, made: Path, **dials: Any) -> tuple[Any, Any]:
    return encoders.load_image(encoders.choose("image", str(families.build(family, made / family)), **dials), "cpu")


def shown(processor: Any, picture: Image.Image, preprocessing: str = "crop") -> dict[str, Any]:
    """Return what a model is shown of one picture."""
    import torch

    return encoders.model_inputs(processor, torch.from_numpy(encoders.pixels(processor, picture, preprocessing))[None])


def saved(folder: Path) -> list[Any]:
    from safetensors.torch import load_file

    return list(load_file(folder / "model.safetensors").values())


# Loading


@pytest.mark.parametrize("family", [*TEXT, *IMAGE])
def test_every_weight_of_a_loaded_model_is_one_that_was_saved(family: str, made: Path) -> None:
    _, model = text(family, made) if family in TEXT else image(family, made, pooling="head")

    stored = saved(made / family)
    assert [*model.parameters()]
    assert all(any(weights.equal(one) for one in stored) for weights in model.parameters())
    assert not model.training


@pytest.mark.parametrize("family", TEXT)
def test_a_text_model_answers_with_a_state_for_each_token_after_each_layer(family: str, made: Path) -> None:
    tokenizer, model = text(family, made)
    inputs = tokenizer(["the sea", "a girl finds a ship"], return_tensors="pt", padding=True)

    told = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], output_hidden_states=True)

    assert inputs["attention_mask"].sum(1).tolist()[0] < inputs["input_ids"].shape[1]
    assert told.last_hidden_state.shape == (*inputs["input_ids"].shape, 16)
    assert len(told.hidden_states) == 3


@pytest.mark.parametrize("family", IMAGE)
def test_an_image_model_answers_to_what_it_is_shown(family: str, made: Path) -> None:
    processor, model = image(family, made)

    states = model(**shown(processor, noise(50, 40))).last_hidden_state

    patches = (SIDE // 8) ** 2
    shapes = {"resnet": (1, 40, 1, 1), "imagegpt": (1, 64, 16), "siglip": (1, patches, 16)}
    with_class = dict.fromkeys(("vit", "dinov2", "clip"), (1, 1 + patches, 16)) | {"dinov3": (1, 1 + 2 + patches, 16)}
    assert states.shape == (shapes | with_class)[family]


@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_of_a_model_with_two_towers_only_the_one_that_reads_is_kept(family: str, made: Path) -> None:
    _, sees = image(family, made)
    tokenizer, reads = text(family, made)

    words = reads(tokenizer(["the sea"], return_tensors="pt")["input_ids"], output_hidden_states=True)
    seen = sees(**shown(image(family, made)[0], noise(50, 40)), output_hidden_states=True)

    assert words.last_hidden_state.shape[2] == seen.last_hidden_state.shape[2] == 16
    assert len(words.hidden_states) == len(seen.hidden_states) == 3
    assert sum(one.numel() for one in sees.parameters()) < sum(one.numel() for one in saved(made / family))


def test_of_an_encoder_decoder_the_encoder_is_kept(made: Path) -> None:
    _, model = text("t5", made)

    assert not model.config.is_decoder
    assert len(model.block) == 2


def test_a_head_that_was_never_trained_is_refused_only_when_it_is_asked(made: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = families.build("vit", tmp_path / "vit")
    weights = load_file(folder / "model.safetensors")
    bare = {name: values for name, values in weights.items() if "pooler" not in name}
    save_file(bare, folder / "model.safetensors", {"format": "pt"})

    image("vit", tmp_path, pooling="first")

    assert len(bare) < len(weights)
    with pytest.raises(ModelMissing, match=r"random numbers: pooler\.dense\.bias, pooler\.dense\.weight.*pooling"):
        image("vit", tmp_path, pooling="head")


def test_statistics_of_a_batch_norm_that_are_missing_are_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = families.build("resnet", tmp_path / "resnet")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: values for name, values in weights.items() if "running_mean" not in name}, folder / "model.safetensors"
    )

    with pytest.raises(ModelMissing, match="running_mean"):
        image("resnet", tmp_path)


# Pictures


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("family", IMAGE)
def test_both_steps_give_what_the_processor_gives_in_one(family: str, size: tuple[int, int], made: Path) -> None:
    import torch

    processor, _ = image(family, made)
    picture = noise(*size)

    inputs = shown(processor, picture)

    expected = processor(images=[picture], return_tensors="pt")
    assert set(inputs) == {INPUTS.get(family, "pixel_values")}
    torch.testing.assert_close(dict(inputs), dict(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", [family for family in IMAGE if family != "imagegpt"])
def test_the_first_step_gives_bytes_so_that_little_travels_to_the_device(family: str, made: Path) -> None:
    processor, _ = image(family, made)

    pixels = encoders.pixels(processor, noise(50, 400), "crop")

    assert (pixels.dtype, pixels.shape) == (np.uint8, (3, SIDE, SIDE))


def test_imagegpt_is_shown_the_nearest_colour_of_each_pixel(made: Path) -> None:
    processor, _ = image("imagegpt", made)
    picture = noise(8, 8)

    ids = shown(processor, picture)["input_ids"][0].numpy()

    values = np.asarray(picture).reshape(-1, 1, 3) / 127.5 - 1
    distances = ((values - np.asarray(processor.clusters)[None]) ** 2).sum(axis=2)
    assert ids.tolist() == distances.argmin(axis=1).tolist()


def test_dinov3_sees_what_it_would_see_without_pillow_but_for_rounding(made: Path) -> None:
    import torch

    processor, _ = image("dinov3", made)
    picture = noise(50, 120)

    seen = shown(processor, picture)["pixel_values"]

    exact = torch.from_numpy(np.moveaxis(np.asarray(picture), -1, 0).copy())[None] / 255
    resized = torch.nn.functional.interpolate(exact, (SIDE, SIDE), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (processor.image_mean, processor.image_std))
    assert ((seen - (resized - mean) / std) * std).abs().max() < 1.5 / 255


@pytest.mark.parametrize("family", IMAGE)
def test_whole_cuts_nothing_off_a_poster(family: str, made: Path) -> None:
    processor, _ = image(family, made)
    plain = Image.new("RGB", (225, 350), (128, 128, 128))
    marked = plain.copy()
    marked.paste((255, 0, 0), (0, 0, 225, 20))
    marked.paste((0, 0, 255), (0, 330, 225, 350))

    cropped, whole = ([shown(processor, picture, how) for picture in (plain, marked)] for how in ("crop", "whole"))

    name = INPUTS.get(family, "pixel_values")
    size = 8 if family == "imagegpt" else SIDE
    there = (whole[0][name] != whole[1][name]).reshape(-1, size, size).any(0)
    assert there[:2].any()
    assert there[-2:].any()
    assert not there[size // 2].any()
    assert cropped[0][name].shape == whole[0][name].shape


@pytest.mark.parametrize("family", ["resnet", "dinov2"])
def test_crop_cuts_the_ends_off_a_poster_as_these_checkpoints_mean_it(family: str, made: Path) -> None:
    processor, _ = image(family, made)
    plain = Image.new("RGB", (225, 350), (128, 128, 128))
    marked = plain.copy()
    marked.paste((255, 0, 0), (0, 0, 225, 20))

    first, second = (shown(processor, picture)["pixel_values"] for picture in (plain, marked))

    assert first.equal(second)


def test_whole_pads_with_what_the_model_takes_for_nothing(made: Path) -> None:
    processor, _ = image("dinov3", made)

    seen = shown(processor, Image.new("RGB", (10, 320), (255, 255, 255)), "whole")["pixel_values"][0]

    assert seen[:, :, 0].abs().max() < 0.5 / 255 / min(processor.image_std) + 1e-6
    assert seen[:, :, SIDE // 2].min() > 1


def test_a_processor_that_cannot_be_split_runs_whole(made: Path) -> None:
    import torch
    from transformers import ViTImageProcessorPil

    class Late(ViTImageProcessorPil):
        """One that mirrors a picture after normalising it, when asked for that."""

        def normalize(self, image: Any, *about: Any, **more: Any) -> Any:
            return super().normalize(image, *about, **more)[:, :, ::-1]

    processor = Late(size=families.SQUARE)
    picture = noise(50, 40)

    pixels = encoders.pixels(processor, picture, "crop")

    expected = processor(images=[picture], return_tensors="pt")["pixel_values"]
    assert pixels.dtype == np.float32
    assert encoders.model_inputs(processor, torch.from_numpy(pixels)[None])["pixel_values"].equal(expected)


# Lines of pixels


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process have no more than some memory on top of what it has."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
@pytest.mark.parametrize("how", ["crop", "whole"])
@pytest.mark.parametrize("family", IMAGE)
def test_a_line_of_pixels_is_shown_within_little_memory(family: str, how: str, made: Path) -> None:
    processor, _ = image(family, made)
    usual = encoders.pixels(processor, noise(50, 40), how)

    with little_memory():
        lines = [encoders.pixels(processor, noise(*size), how) for size in LINES]

    assert [(line.shape, line.dtype) for line in lines] == [(usual.shape, usual.dtype)] * len(LINES)


@pytest.mark.parametrize("size", [(7, 1500), (1501, 7), (1, 333)], ids=str)
@pytest.mark.parametrize("family", ["resnet", "dinov2", "clip"])
def test_of_a_line_the_middle_is_shown_that_the_processor_shows(family: str, size: tuple[int, int], made: Path) -> None:
    processor, _ = image(family, made)
    waves = np.sin(np.arange(size[0] * size[1]) / (4 * min(size))).reshape(size[1], size[0], 1)
    line = Image.fromarray((127.5 + 120 * waves.repeat(3, axis=2)).astype(np.uint8))

    seen = encoders.pixels(processor, line, "crop").astype(int)

    expected = processor(images=[line], return_tensors="np", do_rescale=False, do_normalize=False)["pixel_values"][0]
    assert np.abs(seen - expected).max() <= 6  # of 255: the lengths that are resized to are whole numbers
    assert min(size) == 1 or np.ptp(seen) > 30


def test_whole_shows_all_of_a_long_picture_in_its_place(made: Path) -> None:
    processor, _ = image("dinov3", made)
    row = Image.new("RGB", (12_000, 3_000), (255, 0, 0))
    row.paste((0, 0, 255), (6_000, 0, 12_000, 3_000))

    seen = encoders.pixels(processor, row, "whole").astype(int)

    assert seen[:, SIDE // 2, 2].tolist() == [255, 0, 0]
    assert seen[:, SIDE // 2, -3].tolist() == [0, 0, 255]
    assert np.ptp(seen[:, 0]) < 80  # above it lies the colour that means nothing


def test_a_line_is_refused_where_the_processor_would_show_all_of_it(made: Path) -> None:
    from transformers import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, do_center_crop=False)

    with pytest.raises(Undecodable) as refused:
        encoders.pixels(processor, Image.new("RGB", (1, 3_000)), "crop")

    assert refused.value.what == "too thin: 1 x 3,000 pixels"
    assert encoders.pixels(processor, noise(20, 600), "crop").shape == (3, 30 * SIDE, SIDE)
    assert encoders.pixels(processor, Image.new("RGB", (1, 3_000)), "whole").shape == (3, SIDE, SIDE)
