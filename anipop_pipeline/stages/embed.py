"""Vectors of texts and pictures: each input goes through an encoder once, ever.

A vector's key is a hash of its normalised input and of everything that shapes the result, so that a cache can be
shared by all sites and deleting it changes nothing but time.

Poolings of text: `mean`, the average over all real tokens; `published`, the state at position 0 under left padding,
read literally: a causal model sees there the first token alone when the text fills the window, and otherwise one
padding token that is masked even from itself (not the accidental mean that old library versions fell into).
Poolings of pictures: `pooled`, the average over the last feature map; `published`, its channel 0 alone;
`pixels`, the first 750 raw values of the picture, with no model at all.

Belongs here: batching, pooling, caching. Does not: loading models (encoders.py), paths of the cache (lake.py).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
from PIL import Image

from anipop_pipeline.errors import MissingTable, ModelMissing, SettingError
from anipop_pipeline.stages import encoders
from anipop_pipeline.stages.encoders import Encoder
from anipop_pipeline.stages.tables.features import Embeddings

VERSION = "2"  # raise it when preprocessing changes: every cached vector is computed anew
RAW_PIXELS = 750
BATCHES_KEPT_AT_ONCE = 16
MapBatches = Callable[..., Iterator[pa.Table]]


class VectorCache(Protocol):
    """Where computed vectors are kept."""

    def find_vectors(self, encoder: str, keys: pl.Series) -> pl.DataFrame:
        """Return the vectors that are there."""

    def keep_vectors(self, encoder: str, vectors: pl.DataFrame) -> None:
        """Keep new ones."""


@dataclass(frozen=True)
class Plan:
    """How one kind of input becomes vectors."""

    encoder: Encoder
    pooling: str
    length: int
    device: str
    batch: int

    def key(self, content: bytes) -> str:
        """Return the name of the vector of one normalised input."""
        shape = f"{self.encoder.identity}|{self.pooling}|{self.length}|float32|{VERSION}|"
        return hashlib.sha256(shape.encode() + content).hexdigest()


@dataclass(frozen=True)
class Embedded:
    """Vectors, row by row in the order of what was asked, and how much of it had to be computed."""

    vectors: np.ndarray
    computed: int
    asked: int


class TextEmbedder:
    """An actor that turns (key, content) of texts into (key, vector)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tokenizer, self.model = encoders.load_text(plan.encoder, plan.device)
        longest = getattr(self.model.config, "max_position_embeddings", None)
        if longest is not None and plan.length > longest:
            raise SettingError(
                f"a window of {plan.length} tokens does not fit: {plan.encoder.model} reads at most {longest}",
                where="EncoderConfig.synopsis_tokens and description_tokens",
                fix=f"ask for at most {longest}, or choose a model with a longer context",
            )

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the vectors of one batch of texts."""
        texts = [content.decode() for content in batch["content"].to_pylist()]
        pooled = self._first_state(texts) if self.plan.pooling == "published" else self._mean(texts)
        return _vectors(self.plan, batch["key"], pooled)

    def _mean(self, texts: list[str]) -> np.ndarray:
        told = [text if text.strip() else self.tokenizer.pad_token for text in texts]  # a mean needs a token
        inputs = self._tokens(told, padding=True, padding_side="right")
        states = encoders.hidden_states(self.model, **inputs)
        mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
        return np.asarray(((states * mask).sum(1) / mask.sum(1)).float().cpu().numpy())

    def _first_state(self, texts: list[str]) -> np.ndarray:
        inputs = self._tokens(texts, padding="max_length", padding_side="left")
        seen = 1 if self._causal else self.plan.length  # what cannot be seen from position 0 need not be computed
        ids, mask = (inputs[name][:, :seen] for name in ("input_ids", "attention_mask"))
        states = encoders.hidden_states(self.model, input_ids=ids, attention_mask=mask)
        return np.asarray(states[:, 0, :].float().cpu().numpy())

    def _tokens(self, texts: list[str], **padding: bool | str) -> Any:
        cut = self.tokenizer(texts, return_tensors="pt", truncation=True, max_length=self.plan.length, **padding)
        return cut.to(self.plan.device)

    @cached_property
    def _causal(self) -> bool:
        """Whether the first state stays what it is, whatever token follows."""
        import torch

        pairs = torch.tensor([[0, 0], [0, 1]], device=self.plan.device)
        first = encoders.hidden_states(self.model, input_ids=pairs)[:, 0, :]
        return bool(torch.allclose(first[0], first[1], atol=1e-5))


class ImageEmbedder:
    """An actor that turns (key, content) of picture files into (key, vector)."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.processor, self.model = encoders.load_image(plan.encoder, plan.device)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the vectors of one batch of pictures."""
        pictures = [decode(content) for content in batch["content"].to_pylist()]
        pixels = self.processor(images=pictures, return_tensors="pt")["pixel_values"].to(self.plan.device)
        maps = encoders.hidden_states(self.model, pixel_values=pixels).float().cpu().numpy()
        published = maps[:, 0, :, :].reshape(len(pictures), -1)
        pooled = published if self.plan.pooling == "published" else maps.mean(axis=(2, 3))
        return _vectors(self.plan, batch["key"], pooled)


def _vectors(plan: Plan, keys: pa.ChunkedArray, vectors: np.ndarray) -> pa.Table:
    """Return vectors with their keys; one that is no number would spoil the cache for ever, and is an error."""
    if not np.isfinite(vectors).all():
        raise ModelMissing(
            f"the model {plan.encoder.model!r} gives vectors that are not numbers",
            where=f"EncoderConfig, device {plan.device}",
            fix="fetch the checkpoint again, or choose another device",
        )
    return pl.DataFrame({"key": keys.to_pylist(), "vector": _lists(vectors)}).to_arrow()


def _lists(vectors: np.ndarray) -> pl.Series:
    """Return the rows of a matrix as lists."""
    return pl.Series("vector", np.ascontiguousarray(vectors, dtype=np.float32)).cast(pl.List(pl.Float32))


def _rows(vectors: pl.Series) -> np.ndarray:
    """Return lists of one length as the rows of a matrix."""
    assert vectors.list.len().n_unique() <= 1
    flat = vectors.explode(empty_as_null=False, keep_nulls=False).to_numpy()
    return np.asarray(flat, dtype=np.float32).reshape(len(vectors), -1 if len(vectors) else 0)


def embed(
    contents: list[bytes],
    plan: Plan,
    *,
    cache: VectorCache,
    map_batches: MapBatches,
    progress: Callable[[int, int], None],
) -> Embedded:
    """Return the vector of every input; an input that occurs twice, or was seen before, is not computed again."""
    keys = [plan.key(content) for content in contents]
    unique = dict(zip(keys, contents, strict=True))
    known = cache.find_vectors(plan.encoder.identity, pl.Series("key", list(unique), dtype=pl.String))
    there = set(known["key"])
    missing = {key: content for key, content in unique.items() if key not in there}
    found = pl.concat([known, *_compute(missing, plan, cache, map_batches, progress)])
    asked = pl.DataFrame({"key": keys}, schema={"key": pl.String})
    ordered = asked.join(found, on="key", how="inner", validate="m:1", maintain_order="left")
    assert ordered.height == len(contents)
    return Embedded(_rows(ordered["vector"]), computed=len(missing), asked=len(contents))


def _compute(
    missing: Mapping[str, bytes],
    plan: Plan,
    cache: VectorCache,
    map_batches: MapBatches,
    progress: Callable[[int, int], None],
) -> list[pl.DataFrame]:
    """Return new vectors, kept as they come, so that a killed run loses little."""
    if not missing:
        return []
    actor = TextEmbedder if plan.encoder.modality == "text" else ImageEmbedder
    results = map_batches(_by_length(missing), actor, {"plan": plan}, batch_rows=plan.batch, actors=1)
    done, fresh = 0, []
    for group in _grouped(results, BATCHES_KEPT_AT_ONCE):
        frame = pl.concat([_frame(batch) for batch in group])
        cache.keep_vectors(plan.encoder.identity, frame)
        fresh.append(frame)
        done += frame.height
        progress(done, len(missing))
    return fresh


def _frame(batch: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame.cast({"key": pl.String, "vector": pl.List(pl.Float32)})


def _by_length(contents: Mapping[str, bytes]) -> Iterator[pa.Table]:
    """Yield all inputs, short ones together, in an order that depends on nothing but them."""
    order = sorted(contents, key=lambda key: (len(contents[key]), key))
    yield pa.table({"key": order, "content": pa.array([contents[key] for key in order], pa.large_binary())})


def _grouped(results: Iterable[pa.Table], size: int) -> Iterator[list[pa.Table]]:
    group: list[pa.Table] = []
    for result in results:
        group.append(result)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


# Pictures


def decode(content: bytes) -> Image.Image:
    """Return a picture file's pixels as RGB."""
    with Image.open(BytesIO(content)) as picture:
        opened = picture.convert("RGBA") if "transparency" in picture.info else picture
        return opened.convert("RGB")


def side_by_side(contents: list[bytes]) -> Image.Image:
    """Return pictures pasted left to right, top-aligned, on black, as the paper pastes portraits."""
    pictures = [decode(content) for content in contents]
    canvas = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)))
    left = 0
    for picture in pictures:
        canvas.paste(picture, (left, 0))
        left += picture.width
    return canvas


def as_png(picture: Image.Image) -> bytes:
    """Return a picture as a lossless file, fast rather than small."""
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def first_pixels(picture: Image.Image) -> list[float]:
    """Return the first 750 raw values, cut or padded with zeros, as the traditional benchmark reads them."""
    values = np.asarray(picture).reshape(-1)[:RAW_PIXELS].astype(np.float32)
    return [*values.tolist(), *[0.0] * (RAW_PIXELS - len(values))]


def shrunk(content: bytes, side: int) -> np.ndarray:
    """Return a picture as channels x side x side bytes, whatever its proportions."""
    small = decode(content).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1)


# From the vectors of items to the vector of an anime


def averaged(ids: Sequence[int], vectors: np.ndarray | Sequence[Sequence[float]], pooling: str) -> pl.DataFrame:
    """Return one row for each anime: the mean of its items' vectors.

    >>> averaged([1, 1, 2], [[0.0], [1.0], [3.0]], "mean")["vector"].to_list()
    [[0.5], [3.0]]
    """
    if not len(ids):
        return Embeddings.create_empty()
    order = np.argsort(ids, kind="stable")
    anime, starts, items = np.unique(np.asarray(ids)[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(np.asarray(vectors, dtype=np.float32)[order], starts, axis=0)
    means = _lists(sums / items[:, np.newaxis])
    rows = pl.DataFrame({"anime_id": anime, "pooling": pooling, "items": items, "vector": means})
    return Embeddings.validate(rows, cast=True)


def together(*tables: pl.DataFrame) -> pl.DataFrame:
    """Return several poolings as one table of embeddings."""
    return Embeddings.validate(pl.concat(tables).sort("anime_id", "pooling"))


def matrix(embeddings: pl.DataFrame, pooling: str, anime_ids: pl.Series) -> np.ndarray:
    """Return the vectors of one pooling in the order of the ids; an anime without one gets zeros."""
    rows = embeddings.filter(pl.col("pooling") == pooling)
    if not rows.height:
        raise MissingTable(
            f"no vector is pooled as {pooling!r}",
            where="embeddings",
            fix="materialise the embeddings again with the settings of this run",
        )
    places = pl.DataFrame({"anime_id": anime_ids}).with_row_index("place")
    here = rows.join(places, on="anime_id", how="inner", validate="1:1")
    vectors = _rows(here["vector"])
    found = np.zeros((len(anime_ids), vectors.shape[1]), dtype=np.float32)
    found[here["place"].to_numpy()] = vectors
    return found
