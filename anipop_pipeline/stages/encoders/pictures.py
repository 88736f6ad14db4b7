"""From a decoded picture to what an image model reads, in two steps.

The first step, resizing and cropping, is done by processors of the host and gives bytes; the second, rescaling and
normalising, is cheap arithmetic for the device. Together they give what the checkpoint's own processor gives. Whether
a processor can be split so is tried on one picture; one that cannot runs whole, in the first step.

A processor may resize the short edge of a picture to hundreds of pixels before it cuts the long one. A line of pixels
would fill the memory so, and is cut before.

Belongs here: pictures to tensors. Does not: decoding files, or the model (load.py).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from anipop_pipeline.errors import Undecodable

if TYPE_CHECKING:
    import torch

BARE = {"do_rescale": False, "do_normalize": False}
THIN = 100  # times as long as it is short: more than a hundred portraits side by side
WIDEST = 5_000  # pixels a side of a padded square


def pixels(processor: Any, picture: Image.Image, preprocessing: str) -> np.ndarray:
    """Return a picture as a model's processor sizes and crops it; `whole` pads it first so that nothing is cut away.

    Bytes of shape 3, height, width; or whatever the whole processor gives, where it cannot be split. Undecodable says
    that a picture is too thin for a processor that would cut nothing away.
    """
    if preprocessing == "whole":
        picture = _padded(processor, picture)
        if _splits(processor):
            return _channels_first(picture.resize(_size(processor), processor.resample))
    picture = _middle(processor, picture)
    return _run(processor, picture, **(BARE if _splits(processor) else {}))


def model_inputs(processor: Any, batch: "torch.Tensor") -> dict[str, "torch.Tensor"]:
    """Return what a model's forward takes for a batch of `pixels`, on the device where the batch lies."""
    import torch

    if batch.dtype != torch.uint8:
        return {processor.model_input_names[0]: batch}
    values = batch.to(torch.float32)
    if processor.do_rescale:
        values = values * processor.rescale_factor
    if processor.do_normalize:
        mean, std = (
            batch.new_tensor(each, dtype=torch.float32) for each in (processor.image_mean, processor.image_std)
        )
        values = (values - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    return {processor.model_input_names[0]: values}


@lru_cache(maxsize=16)
def _splits(processor: Any) -> bool:
    """Return whether the two steps give what the processor gives in one, tried on a picture of all colours."""
    import torch

    ramp = np.linspace(0, 255, 50 * 400 * 3).reshape(50, 400, 3).astype(np.uint8)
    picture = Image.fromarray(ramp)
    first = _run(processor, picture, **BARE)
    if first.dtype != np.uint8 or processor.model_input_names[0] != "pixel_values":
        return False
    both = model_inputs(processor, torch.from_numpy(first))["pixel_values"].numpy()
    once = _run(processor, picture)
    return once.shape == both.shape and np.allclose(once, both, atol=1e-5)


@lru_cache(maxsize=16)
def _size(processor: Any) -> tuple[int, int]:
    """Return width and height of what a processor makes of a square."""
    height, width = _run(processor, Image.new("RGB", (64, 64)), **BARE).shape[-2:]
    return width, height


def _run(processor: Any, picture: Image.Image, **options: bool) -> np.ndarray:
    prepared = processor(images=[picture], return_tensors="pt", **options)
    return np.asarray(prepared[processor.model_input_names[0]][0].numpy())


@lru_cache(maxsize=16)
def _treats(processor: Any) -> Literal["crops", "warps", "follows"]:
    """Return what becomes of a long picture: its middle, all of it in a fixed size, or one as long.

    It is tried on a picture with white ends: many settings, and some that only one processor has, decide about it.
    """
    picture = Image.new("RGB", (400, 50), "white")
    picture.paste("black", (100, 0, 300, 50))
    long, tall = (_run(processor, each) for each in (picture, picture.transpose(Image.Transpose.ROTATE_90)))
    if long.shape != tall.shape:
        return "follows"
    black = _run(processor, Image.new("RGB", (400, 50)))
    return "crops" if np.array_equal(long, black) and np.array_equal(tall, black) else "warps"


def _middle(processor: Any, picture: Image.Image) -> Image.Image:
    """Return what a processor can resize in little memory: of a line, the middle, where it would show no more."""
    short, long = sorted(picture.size)
    if long <= THIN * short or _treats(processor) == "warps":
        return picture
    if _treats(processor) == "follows":
        size = f"{picture.width:,} x {picture.height:,} pixels"
        raise Undecodable(f"too thin: {size}", fix="fetch that picture again, or go on without it")
    end = (long - THIN * short + 1) // 2  # the same at both, so that the middle stays where it is
    left, top = (end, 0) if picture.width > picture.height else (0, end)
    return picture.crop((left, top, picture.width - left, picture.height - top))


def _padded(processor: Any, picture: Image.Image) -> Image.Image:
    """Return a picture in the middle of a square of the colour that normalises to zero."""
    side = min(max(picture.size), WIDEST)
    if side < max(picture.size):
        width, height = (max(1, round(edge * side / max(picture.size))) for edge in picture.size)
        picture = picture.resize((width, height))
    colour = tuple(round(255 * mean) for mean in processor.image_mean or (0.5, 0.5, 0.5))
    square = Image.new("RGB", (side, side), colour)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def _channels_first(picture: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(np.asarray(picture), -1, 0))
