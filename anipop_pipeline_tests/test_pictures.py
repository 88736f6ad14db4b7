"""Any bytes become RGB pixels or one short reason, and small posters keep the name of their anime."""

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import dataframely as dy
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from polars.testing import assert_frame_equal

from anipop_pipeline.errors import CorruptFile, Undecodable
from anipop_pipeline.stages import pictures
from anipop_pipeline.stages.pictures import PictureRows, decode, image_table
from anipop_pipeline.stages.tables.features import ImageRejects, PosterImages

KINDS = ("JPEG", "PNG", "GIF", "WEBP")


def picture(
    color: int | tuple[int, ...], mode: str = "RGB", size: tuple[int, int] = (20, 30), kind: str = "PNG"
) -> bytes:
    file = BytesIO()
    Image.new(mode, size, color).save(file, kind)
    return file.getvalue()


def noise(seed: int, size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(values).save(file, kind)
    return file.getvalue()


NOISE = {kind: noise(1, kind=kind) for kind in KINDS}


def why_not(content: bytes) -> str:
    with pytest.raises(Undecodable) as refused:
        decode(content)
    return refused.value.what


# Every kind of picture


def animated(kind: str) -> bytes:
    file = BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ((200, 10, 30), (0, 0, 255))]
    frames[0].save(
        file, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "color"),
    [
        (picture((10, 20, 30)), (10, 20, 30)),
        (picture(77, mode="L"), (77, 77, 77)),
        (picture((77, 0), mode="LA"), (77, 77, 77)),
        (picture((10, 20, 30, 0), mode="RGBA"), (10, 20, 30)),
        (picture(1, mode="1"), (255, 255, 255)),
        (picture(0x8000, mode="I;16"), (128, 128, 128)),
        (animated("GIF"), (200, 10, 30)),
        (animated("WEBP"), (200, 10, 30)),
        (animated("PNG"), (200, 10, 30)),
    ],
    ids=[
        "RGB",
        "grey",
        "grey with alpha",
        "alpha",
        "bitmap",
        "16 bits of grey",
        "GIF",
        "animated WebP",
        "animated PNG",
    ],
)
def test_every_kind_of_picture_decodes_to_rgb(file: bytes, color: tuple[int, int, int]) -> None:
    decoded = decode(file)

    assert decoded.mode == "RGB"
    assert decoded.getpixel((0, 0)) == color


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_pictures_in_the_colours_of_print_and_film_decode_to_rgb(mode: str) -> None:
    white = Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode)
    file = BytesIO()
    white.save(file, "JPEG")

    assert decode(file.getvalue()).getpixel((8, 8)) == (255, 255, 255)


def test_a_palette_decodes_to_its_colours() -> None:
    file = BytesIO()
    Image.new("RGB", (8, 8), (9, 99, 199)).quantize(4).save(file, "PNG")

    assert decode(file.getvalue()).getpixel((3, 3)) == (9, 99, 199)


def test_a_palette_with_degrees_of_transparency_decodes_to_its_colours() -> None:
    file = BytesIO()
    paletted = Image.new("P", (8, 8), 1)
    paletted.putpalette([0, 0, 0, 9, 99, 199])
    paletted.save(file, "PNG", transparency=b"\x00\x80")

    assert decode(file.getvalue()).getpixel((3, 3)) == (9, 99, 199)


def test_lossless_files_decode_to_what_pillow_says() -> None:
    for kind in ("PNG", "GIF"):
        said = Image.open(BytesIO(NOISE[kind])).convert("RGB")

        assert decode(NOISE[kind]).tobytes() == said.tobytes()


# What cannot be decoded


def test_no_bytes_and_no_picture_say_so() -> None:
    assert why_not(b"") == "no bytes"
    for content in (b"\0", b"<html>no such poster</html>", b"\xff\xd8", picture((1, 2, 3), kind="BMP"), b"%!PS-Adobe"):
        assert why_not(content) == "not a picture"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_says_so(kind: str, share: float) -> None:
    assert why_not(NOISE[kind][: int(share * len(NOISE[kind]))]) == "cut off"


def test_a_file_that_is_whole_but_spoilt_is_damaged() -> None:
    spoilt = bytearray(NOISE["PNG"])
    spoilt[500:600] = bytes(100)

    assert why_not(bytes(spoilt)) == "damaged"


def empty_png(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds no pixel."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def lossless(size: tuple[int, int]) -> bytes:
    file = BytesIO()
    Image.new("RGB", size).save(file, "WEBP", lossless=True)
    return file.getvalue()


def claiming(kind: str, side: int) -> bytes:
    """Return a small file whose head claims a square of another side."""
    file = bytearray(picture((1, 2, 3), size=(16, 16), kind=kind))
    if kind == "WEBP":
        file = bytearray(lossless((16, 16)))
        file[21:25] = struct.pack("<I", (side - 1) | (side - 1) << 14)
    elif kind == "GIF":
        file[6:10] = struct.pack("<HH", side, side)
        screen = file.index(b",", 13)
        file[screen + 5 : screen + 9] = struct.pack("<HH", side, side)
    else:
        at = file.index(b"\xff\xc0")
        file[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(file)


def test_what_is_larger_than_a_hundred_megapixels_is_refused_before_it_is_decoded() -> None:
    assert why_not(empty_png(20_000, 20_000)) == "20,000 x 20,000 pixels: more than 100 megapixels"
    assert why_not(claiming("JPEG", 20_000)) == "20,000 x 20,000 pixels: more than 100 megapixels"
    assert why_not(empty_png(10_001, 10_000)) == "10,001 x 10,000 pixels: more than 100 megapixels"
    assert why_not(claiming("GIF", 20_000)) == "20,000 x 20,000 pixels: more than 100 megapixels"
    assert why_not(claiming("WEBP", 16_383)) == "more than 100 megapixels"  # which Pillow itself will not open
    assert why_not(empty_png(10_000, 10_000)) == "cut off"  # small enough to be tried


def test_a_side_that_no_jpeg_can_have_is_refused_before_it_is_decoded() -> None:
    assert why_not(empty_png(1, 65_536)) == "1 x 65,536 pixels: a side is longer than 65,535"
    assert why_not(empty_png(100_000, 3)) == "100,000 x 3 pixels: a side is longer than 65,535"
    assert decode(picture((1, 2, 3), size=(1, 65_535))).size == (1, 65_535)


def test_what_is_undecodable_is_a_corrupt_file_that_says_what_to_do() -> None:
    with pytest.raises(CorruptFile) as refused:
        decode(b"<html>")

    assert str(refused.value) == "not a picture. To mend it: fetch that picture again, or go on without it"


def with_broken_metadata() -> bytes:
    """Return a JPEG with EXIF data that make Pillow warn: an entry that points far behind their end."""
    entry = struct.pack(">HHII", 0x011A, 5, 1, 60_000)  # XResolution
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    marker = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    plain = NOISE["JPEG"]
    end_of_jfif = 4 + struct.unpack(">H", plain[4:6])[0] - 2 + 2
    return plain[:2] + marker + plain[end_of_jfif:]


def test_what_pillow_warns_of_is_no_concern_of_ours() -> None:
    with pytest.warns(UserWarning, match="Truncated"), Image.open(BytesIO(with_broken_metadata())) as opened:
        opened.load()

    assert decode(with_broken_metadata()).size == (60, 40)


def test_many_threads_leave_the_filters_of_warnings_as_they_were() -> None:
    before = list(warnings.filters)

    with ThreadPoolExecutor(8) as pool:
        sizes = set(pool.map(lambda file: decode(file).size, [with_broken_metadata()] * 200))

    assert sizes == {(60, 40)}
    assert warnings.filters == before


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=9))
def test_mutilated_files_decode_or_say_why_and_nothing_else(kind: str, changes: list[tuple[int, int]]) -> None:
    mutilated = bytearray(NOISE[kind])
    for place, value in changes:
        mutilated[place % len(mutilated)] = value

    with suppress(Undecodable):
        assert decode(bytes(mutilated)).mode == "RGB"


@given(st.binary(max_size=200), st.sampled_from([b"", *(file[:12] for file in NOISE.values())]))
def test_no_bytes_at_all_escape_as_another_error(rest: bytes, start: bytes) -> None:
    with suppress(Undecodable):
        assert decode(start + rest).mode == "RGB"


# Pasting and shrinking


def test_pictures_stand_side_by_side_from_the_left_aligned_at_the_top_on_black() -> None:
    row = pictures.side_by_side([picture((255, 0, 0), size=(3, 2)), picture((0, 255, 0), size=(2, 4))])

    assert row.size == (5, 4)
    assert [row.getpixel(at) for at in [(0, 0), (2, 1), (0, 2), (3, 0), (4, 3)]] == [
        (255, 0, 0), (255, 0, 0), (0, 0, 0), (0, 255, 0), (0, 255, 0),
    ]  # fmt: skip


def test_pictures_that_are_larger_than_a_picture_may_be_together_are_refused_before_all_are_decoded() -> None:
    wide, tall = picture((1, 2, 3), size=(60_000, 1)), picture((1, 2, 3), size=(1, 60_000))

    for files in ([wide, tall], [tall, wide, b""], [b"", tall, wide, tall]):
        with pytest.raises(Undecodable) as refused:
            pictures.side_by_side(files)
        assert refused.value.what == f"{len(files)} pictures: too wide together"
    assert pictures.side_by_side([wide, b"", wide]).size == (120_000, 1)


def test_first_pixels_are_cut_or_padded_to_750() -> None:
    small = pictures.first_pixels(Image.new("RGB", (2, 1), (1, 2, 3)))
    large = pictures.first_pixels(Image.new("RGB", (400, 2), (1, 2, 3)))

    assert small == [1, 2, 3, 1, 2, 3] + [0] * 744
    assert large == [1, 2, 3] * 250


def test_a_shrunk_picture_is_channels_first_whatever_its_proportions() -> None:
    shrunk = pictures.shrunk(picture((10, 20, 30), size=(90, 10)), 16)

    assert shrunk.shape == (3, 16, 16)
    assert shrunk.dtype == np.uint8
    assert [channel.flat[0] for channel in shrunk] == [10, 20, 30]


def scene(size: tuple[int, int]) -> bytes:
    """Return a JPEG with a soft gradient and a hard edge."""
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    edge = np.where(across > 100, 220, 30)
    file = BytesIO()
    Image.fromarray(np.stack([across, down, edge], axis=2).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.mark.parametrize("size", [(1700, 2400), (225, 318), (90, 40), (10, 2000)])
def test_a_large_jpeg_that_is_decoded_small_hardly_differs_from_one_decoded_whole(size: tuple[int, int]) -> None:
    file = scene(size)

    quick = pictures.shrunk(file, 32).astype(int)

    whole = np.asarray(decode(file).resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1).astype(int)
    assert np.abs(quick - whole).mean() < 2
    assert np.abs(quick - whole).max() < 40  # next to the edge
    assert min(decode(file, at_least=64).size) >= min(64, *size)


# The table of posters


def posters(*files: tuple[int, bytes]) -> pl.DataFrame:
    return pl.DataFrame(files, schema={"anime_id": pl.Int64, "image": pl.Binary}, orient="row")


def test_posters_are_in_order_of_anime_and_those_that_cannot_be_decoded_are_kept_apart() -> None:
    files = posters(
        (7, picture((70, 0, 0))), (9, b""), (3, picture((30, 0, 0))), (5, b"<html>"), (4, NOISE["JPEG"][:99])
    )

    table, pixels, rejects = image_table(files, side=16, workers=2)

    PosterImages.validate(table)
    ImageRejects.validate(rejects)
    assert table.rows() == [(3, 0), (7, 1)]
    assert pixels.shape == (2, 3, 16, 16)
    assert [small[0, 0, 0] for small in pixels] == [30, 70]
    assert rejects.rows() == [(4, "cut off"), (5, "not a picture"), (9, "no bytes")]


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_neither_the_number_of_threads_nor_the_order_of_rows_changes_a_table(workers: int) -> None:
    files = posters(*((number, noise(number) if number % 5 else b"") for number in range(1, 2 * pictures.AT_ONCE // 3)))

    one, other = image_table(files, 16, workers=2), image_table(files.reverse(), 16, workers)

    assert_frame_equal(one.table, other.table)
    assert_frame_equal(one.rejects, other.rejects)
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.table.height + one.rejects.height == files.height


def test_more_posters_than_wait_at_once_all_arrive() -> None:
    many = pictures.AT_ONCE * 2 + 3
    files = posters(*((number, picture((number % 256, number // 256, 0))) for number in range(1, many + 1)))

    table, pixels, _ = image_table(files, 16, 4)

    assert table["anime_id"].to_list() == list(range(1, many + 1))
    assert (pixels[:, 0, 8, 8] + 256 * pixels[:, 1, 8, 8].astype(int)).tolist() == list(range(1, many + 1))


def test_no_posters_give_an_empty_table_of_the_same_shape() -> None:
    table, pixels, rejects = image_table(posters(), 16, 2)

    assert (table.height, rejects.height, pixels.shape) == (0, 0, (0, 3, 16, 16))


def test_real_posters_all_decode(real: Path) -> None:
    files = posters(*((int(path.stem), path.read_bytes()) for path in (real / "posters").glob("*.jpg")))

    table, pixels, rejects = image_table(files, 32, 2)

    assert (table.height, rejects.height) == (files.height, 0)
    assert pixels.std(axis=(1, 2, 3)).min() > 5  # each shows something


def test_two_anime_never_share_a_row_of_pixels() -> None:
    shared = pl.DataFrame({"anime_id": [1, 2], "place": [0, 0]})

    with pytest.raises(dy.exc.ValidationError, match="place_is_its_own"):
        PosterImages.validate(shared)


# A view of some rows


def test_rows_of_rows_are_composed_by_number_and_copied_only_when_asked() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    view = PictureRows(pixels, np.array([5, 3, 1, 0]))

    taken = view.take(np.array([2, 0, 0]))

    assert taken.rows.tolist() == [1, 5, 5]
    assert taken.pixels is pixels
    assert (len(taken), taken.shape) == (3, (3, 1, 1, 1))
    assert taken[np.array([1, 2, 0])].reshape(-1).tolist() == [5, 5, 1]
