"""From a decoded picture to what an image model reads, in two steps.

The first step, resizing and cropping, is done by processors of the host and gives bytes; the second, rescaling and
normalising, is cheap arithmetic for the device. Together they give what the checkpoint's own processor gives. Whether
a processor can be split so is tried on one picture; one that cannot runs whole, in the first step.

Belongs here: pictures to tensors. Does not: decoding files, or the model (load.py).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

BARE = {"do_rescale": False, "do_normalize": False}


def pixels(processor: Any, picture: Image.Image, preprocessing: str) -> np.ndarray:
    """Return a picture as a model's processor sizes and crops it; `whole` pads it first so that nothing is cut away.

    Bytes of shape 3, height, width; or whatever the whole processor gives, where it cannot be split.
    """
    if preprocessing == "whole":
        picture = _padded(processor, picture)
        if _splits(processor):
            return _channels_first(picture.resize(_size(processor), processor.resample))
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


def _padded(processor: Any, picture: Image.Image) -> Image.Image:
    """Return a picture in the middle of a square of the colour that normalises to zero."""
    side = max(picture.size)
    colour = tuple(round(255 * mean) for mean in processor.image_mean or (0.5, 0.5, 0.5))
    square = Image.new("RGB", (side, side), colour)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def _channels_first(picture: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(np.asarray(picture), -1, 0))
