"""What a part of a shelf is: a safetensors file with keys beside their vectors.

The header is read here, so that a file on a disk can be mapped into memory and only the rows that are asked for are
ever read.

Belongs here: the bytes of a part, sound and broken, and the precision of vectors. Does not: where parts lie (store.py).
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors.numpy import save
from upath import UPath

from anipop_pipeline.errors import CorruptFile, SettingError
from anipop_pipeline.storage import is_local

ENDING = ".safetensors"
KEY = np.dtype("S32")
PRECISIONS: Mapping[str, "np.dtype[Any]"] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}


@dataclass(frozen=True)
class Part:
    """Vectors by their keys, which are sorted and unique in a file."""

    keys: np.ndarray
    vectors: np.ndarray
    where: str = ""

    def __post_init__(self) -> None:
        assert self.keys.dtype == KEY
        assert self.vectors.ndim == 2
        assert len(self.keys) == len(self.vectors)

    @property
    def width(self) -> int:
        """Return how long each vector is."""
        return int(self.vectors.shape[1])

    def rows_of(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which of the keys are here, as a mask, and the rows of those.

        >>> Part(np.array([b"a", b"c"], KEY), np.eye(2)).rows_of(np.array([b"c", b"b"], KEY))
        (array([ True, False]), array([1]))
        """
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        here = self.keys[rows] == keys
        return here, rows[here]

    def as_bytes(self) -> bytes:
        """Return the part as a file; the same part is always the same bytes."""
        keys = np.ascontiguousarray(self.keys).view(np.uint8).reshape(-1, KEY.itemsize)
        return bytes(save({"keys": keys, "vectors": np.ascontiguousarray(self.vectors)}))


@dataclass(frozen=True)
class Layout:
    """Where the two tensors of a part lie among its bytes."""

    rows: int
    width: int
    dtype: "np.dtype[Any]"
    keys_at: int
    vectors_at: int
    size: int


def _layout(file: BinaryIO) -> Layout:
    """Return how a part is laid out; what cannot be so raises ValueError, KeyError or TypeError."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    begin = 8 + int.from_bytes(file.read(8), "little")
    if not 8 < begin <= size:
        raise ValueError("its header is not whole")
    header = json.loads(file.read(begin - 8))
    (rows, width), dtype = header["vectors"]["shape"], PRECISIONS[header["vectors"]["dtype"]]
    if header["keys"]["shape"] != [rows, KEY.itemsize] or header["keys"]["dtype"] != "U8" or min(rows, width) < 1:
        raise ValueError("its shapes are not those of keys and vectors")
    spans = {"keys": header["keys"]["data_offsets"], "vectors": header["vectors"]["data_offsets"]}
    lengths = {"keys": rows * KEY.itemsize, "vectors": rows * width * dtype.itemsize}
    (first, middle), second = sorted(spans.values())
    if first != 0 or second != [middle, size - begin] or {name: b - a for name, (a, b) in spans.items()} != lengths:
        raise ValueError("its size is not what its header says")
    return Layout(rows, width, dtype, begin + spans["keys"][0], begin + spans["vectors"][0], size)


def measured(path: UPath) -> Layout:
    """Return how a part is laid out, for which only its header is read."""
    with path.open("rb") as file, _naming(str(path)):
        return _layout(file)


def opened(path: UPath) -> Part:
    """Return a part: mapped into memory where it lies on a disk, else read as a whole."""
    if not is_local(path):
        return parsed(path.read_bytes(), str(path))
    with Path(path.path).open("rb") as file, _naming(str(path)):
        layout = _layout(file)
        keys = np.memmap(file, KEY, "r", layout.keys_at, layout.rows)
        vectors = np.memmap(file, layout.dtype, "r", layout.vectors_at, (layout.rows, layout.width))
    return Part(np.asarray(keys), np.asarray(vectors), str(path))


def parsed(content: bytes, where: str) -> Part:
    """Return the part that some bytes are."""
    with _naming(where):
        layout = _layout(BytesIO(content))
        keys = np.frombuffer(content, KEY, layout.rows, layout.keys_at)
        vectors = np.frombuffer(content, layout.dtype, layout.rows * layout.width, layout.vectors_at)
    return Part(keys, vectors.reshape(layout.rows, layout.width), where)


def merged(parts: Sequence[Part]) -> Part:
    """Return all vectors as one part; of those with the same key the first."""
    keys, first = np.unique(np.concatenate([part.keys for part in parts]), return_index=True)
    return Part(keys, np.concatenate([part.vectors for part in parts])[first])


def sound(contents: Mapping[UPath, bytes]) -> dict[UPath, Part]:
    """Return those parts that are what was written, all as wide as the first."""
    found: dict[UPath, Part] = {}
    for path, content in contents.items():
        with suppress(CorruptFile):  # left out
            part = parsed(content, str(path))
            if path.name == name_of(content) and part.width == next(iter(found.values()), part).width:
                found[path] = part
    return found


def name_of(content: bytes) -> str:
    """Return the name of the file that holds a part."""
    return hashlib.sha256(content).hexdigest()[:32] + ENDING


def check_precision(dtype: str) -> None:
    """Refuse a precision in which vectors are not kept."""
    known = [precision.name for precision in PRECISIONS.values()]
    if dtype not in known:
        raise SettingError(
            f"vectors are not kept as {dtype!r}", where="EncoderConfig", fix=f"choose {' or '.join(known)} for vectors"
        )


def check_widths(widths: Collection[int]) -> None:
    """Refuse vectors of several lengths on one shelf: nothing could be learned from them."""
    if len(widths) > 1:
        raise SettingError(
            f"this model gives vectors of several lengths: {', '.join(map(str, sorted(widths)))}",
            where="EncoderConfig",
            fix="choose a model whose vectors are all of one length",
        )


def cast(vectors: np.ndarray, dtype: str) -> np.ndarray:
    """Return vectors in the precision of their shelf; what is no number would spoil it for ever, and is an error."""
    if not np.isfinite(vectors).all():
        raise SettingError(
            "vectors that are not numbers cannot be kept",
            where="EncoderConfig",
            fix="fetch the model's checkpoint again, or choose another device",
        )
    with np.errstate(over="ignore"):
        kept = vectors.astype(dtype)
    if not np.isfinite(kept).all():
        raise SettingError(
            f"the vectors of this model are too large for {dtype}: up to {np.abs(vectors).max():g}",
            where="EncoderConfig",
            fix="choose float32 for vectors",
        )
    return kept


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Say of a part that cannot be read which file it is."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as broken:
        raise corrupt(f"{type(broken).__name__}: {broken}", where) from broken


def corrupt(why: str, where: str) -> CorruptFile:
    """Return what is said of a part that cannot be read."""
    return CorruptFile(
        f"cached vectors cannot be read: {why}",
        where=where,
        fix="anipop cache prune removes that file, and what it held is computed again",
    )
