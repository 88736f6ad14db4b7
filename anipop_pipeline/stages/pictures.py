"""Pictures: from the bytes of a file to pixels, and the table of small posters that a network learns from.

A picture is read with the four formats that the parser lets in and with no others, without asking Pillow to guess: its
check of the size says neither width nor height, and some of its formats start other programs. Transparent pixels show
the colour that lies under them, an animation its first frame, the colours of print and film become RGB.

Belongs here: decoding, shrinking, pasting. Does not: which picture belongs to whom (parse), what an encoder wants of a
picture (encoders).
"""

import re
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from threading import Lock
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from anipop_pipeline.errors import Undecodable
from anipop_pipeline.stages.parse.page import NO_PICTURE
from anipop_pipeline.stages.tables.features import ImageRejects, PosterImages

LARGEST = 100_000_000  # pixels: Pillow takes four bytes for each, and as much again while it converts them
LONGEST = 65_535  # pixels a side, the most that a JPEG can have: Pillow resizes all rows before it drops any
RAW_PIXELS = 750
AT_ONCE = 256  # files that wait for a thread
OPENING = Lock()  # filters of warnings belong to the whole process


@dataclass(frozen=True)
class Format:
    """One kind of file: how it begins, whether its end is there, and what reads it."""

    start: re.Pattern[bytes]
    is_whole: Callable[[bytes], bool]
    opened: Callable[[BytesIO], ImageFile]


FORMATS = (
    Format(re.compile(rb"\xff\xd8\xff"), lambda file: file.endswith(b"\xff\xd9"), JpegImagePlugin.JpegImageFile),
    Format(
        re.compile(rb"\x89PNG\r\n\x1a\n"), lambda file: file.endswith(b"IEND\xaeB`\x82"), PngImagePlugin.PngImageFile
    ),
    Format(re.compile(rb"GIF8[79]a"), lambda file: file.endswith(b";"), GifImagePlugin.GifImageFile),
    Format(
        re.compile(rb"RIFF....WEBP", re.DOTALL),
        lambda file: len(file) >= 8 + int.from_bytes(file[4:8], "little"),
        WebPImagePlugin.WebPImageFile,
    ),
)


class ImageTable(NamedTuple):
    """Posters, decoded and shrunk: which anime's pixels lie in which row of an array, and which have none."""

    table: pl.DataFrame  # PosterImages
    pixels: np.ndarray  # uint8 [row, 3, side, side]; perhaps mapped from a file
    rejects: pl.DataFrame  # ImageRejects


@dataclass(frozen=True)
class PictureRows:
    """Some rows of an array of pictures, in an order of their own: nothing is copied until a row is asked for."""

    pixels: np.ndarray
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Return what the shape of a copy would be."""
        return (len(self.rows), *self.pixels.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        return np.asarray(self.pixels[self.rows[places]])

    def take(self, places: np.ndarray) -> "PictureRows":
        """Return some of these rows, by number."""
        return PictureRows(self.pixels, self.rows[places])


# From bytes to pixels


def decode(content: bytes, at_least: int = 0) -> Image.Image:
    """Return a picture file's pixels as RGB; Undecodable says in few words why there are none.

    Where few pixels will do, a large JPEG is decoded at a fraction of its size, but to no less than `at_least` pixels
    a side.

    >>> decode(b"<html>")
    Traceback (most recent call last):
    anipop_pipeline.errors.Undecodable: not a picture. To mend it: ...
    """
    if not content:
        raise _undecodable("no bytes")
    known = next((kind for kind in FORMATS if kind.start.match(content)), None)
    if known is None:
        raise _undecodable("not a picture")
    try:
        return _pixels(_opened(content, known), at_least)
    except Image.DecompressionBombError as error:  # some formats look at the size before we can
        raise _undecodable(f"more than {LARGEST // 1_000_000} megapixels") from error
    except NO_PICTURE as error:
        cut = "truncated" in str(error) or not known.is_whole(content)
        raise _undecodable("cut off" if cut else "damaged") from error


def _undecodable(why: str) -> Undecodable:
    return Undecodable(why, fix="fetch that picture again, or go on without it")


def _opened(content: bytes, known: Format) -> ImageFile:
    """Return a picture whose size is known; what Pillow has to say of its metadata is of no use here."""
    with OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = known.opened(BytesIO(content))
    size = f"{picture.width:,} x {picture.height:,} pixels"
    if picture.width * picture.height > LARGEST:
        raise _undecodable(f"{size}: more than {LARGEST // 1_000_000} megapixels")
    if max(picture.size) > LONGEST:
        raise _undecodable(f"{size}: a side is longer than {LONGEST:,}")
    return picture


def _pixels(picture: ImageFile, at_least: int) -> Image.Image:
    with picture:
        if at_least:
            picture.draft(None, (at_least, at_least))
        if picture.mode == "I;16":  # Pillow would show all but the darkest of its 65,536 greys as white
            return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
        opened = picture.convert("RGBA") if "transparency" in picture.info else picture
        return opened.convert("RGB")


# From pixels to what a model reads


def shrunk(content: bytes, side: int) -> np.ndarray:
    """Return a picture as channels x side x side bytes, whatever its proportions."""
    small = decode(content, 2 * side).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1)


def side_by_side(contents: list[bytes]) -> Image.Image:
    """Return pictures pasted left to right, top-aligned, on black, as the paper pastes portraits.

    Those that cannot be decoded are left out; where none can, Undecodable says why the first cannot. It also says so
    where all of them together are larger than one picture may be.
    """
    pictures, refused = list[Image.Image](), list[Undecodable]()
    width = height = 0
    for content in contents:
        try:
            pictures.append(decode(content))
        except Undecodable as why:
            refused.append(why)
            continue
        width, height = width + pictures[-1].width, max(height, pictures[-1].height)
        if width * height > LARGEST:  # before the rest is decoded
            raise _undecodable(f"{len(contents):,} pictures: too wide together")
    if not pictures:
        raise refused[0]
    canvas = Image.new("RGB", (width, height))
    left = 0
    for picture in pictures:
        canvas.paste(picture, (left, 0))
        left += picture.width
    return canvas


def first_pixels(picture: Image.Image) -> list[float]:
    """Return the first 750 raw values, cut or padded with zeros, as the traditional benchmark reads them."""
    values = np.asarray(picture).reshape(-1)[:RAW_PIXELS].astype(np.float32)
    return [*values.tolist(), *[0.0] * (RAW_PIXELS - len(values))]


# The table of posters


def image_table(posters: pl.DataFrame, side: int, workers: int) -> ImageTable:
    """Return all posters decoded and shrunk, by anime_id; those that cannot be decoded are kept apart with a reason."""
    shown = posters.sort("anime_id")
    pixels = np.empty((shown.height, 3, side, side), dtype=np.uint8)
    kept, rejects = list[int](), list[tuple[int, str]]()
    for anime_id, small in zip(shown["anime_id"], _all_shrunk(shown["image"], side, workers), strict=True):
        if isinstance(small, Undecodable):
            rejects.append((anime_id, small.what))
        else:
            pixels[len(kept)] = small
            kept.append(anime_id)
    table = pl.DataFrame({"anime_id": kept, "place": range(len(kept))}, schema=["anime_id", "place"])
    why = pl.DataFrame(rejects, schema=ImageRejects.create_empty().schema, orient="row")
    return ImageTable(PosterImages.validate(table, cast=True), pixels[: len(kept)], ImageRejects.validate(why))


def _all_shrunk(images: pl.Series, side: int, workers: int) -> Iterator[np.ndarray | Undecodable]:
    """Yield small pictures in the order of their files, decoded in threads: Pillow works without Python's lock."""
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(images), AT_ONCE):
            yield from pool.map(partial(_shrunk_or_why, side=side), images[start : start + AT_ONCE])


def _shrunk_or_why(content: bytes, side: int) -> np.ndarray | Undecodable:
    try:
        return shrunk(content, side)
    except Undecodable as why:
        return why
