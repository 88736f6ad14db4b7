"""What tests of embeddings share: a cache in memory, small encoders, plans."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from anipop_pipeline.engine import map_batches
from anipop_pipeline.stages import embed, encoders
from anipop_pipeline.stages.embed import Embedded, Figures, Plan
from anipop_pipeline.stages.encoders import Encoder

TEXTS = ["a girl finds a cat by the sea", "the cat", "a ship sails the sea and the cat sails it", "sea"]
LENGTH = 6


@dataclass
class Shelf:
    """A cache that lies in memory."""

    vectors: dict[str, dict[bytes, np.ndarray]] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)  # how many were kept at a time

    def find(self, shelf: str, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        here = self.vectors.get(shelf, {})
        mask = np.array([key in here for key in keys.tolist()], dtype=bool)
        rows = [here[key] for key in keys.tolist() if key in here]
        return mask, np.stack(rows) if rows else np.empty((0, 0), dtype=np.float32)

    @contextmanager
    def keeping(
        self, shelf: str, about: Mapping[str, Any], dtype: str
    ) -> Iterator[Callable[[np.ndarray, np.ndarray], None]]:
        def keep(keys: np.ndarray, vectors: np.ndarray) -> None:
            self.kept.append(len(keys))
            lasting = vectors.astype(dtype).astype(np.float32)
            self.vectors.setdefault(shelf, {}).update(zip(keys.tolist(), lasting, strict=True))

        yield keep


def plan(encoder: Encoder, pooling: str = "mean", length: int = LENGTH, **more: Any) -> Plan:
    return Plan(encoder, pooling, length, **{"at_once": 18, "workers": 1, **more})


def through(contents: Iterable[Any], how: Plan, cache: Shelf | None = None, **more: Any) -> Embedded:
    """Return what becomes of inputs: texts, bytes, or tuples of them."""
    given = {"map_batches": map_batches, "progress": told_to_nobody, **more}
    return embed.embed([_parts(content) for content in contents], how, cache=cache or Shelf(), **given)


def told_to_nobody(_figures: Figures) -> None:
    pass


def vectors(found: Embedded) -> np.ndarray:
    """Return the vector of each input, in order."""
    assert (found.rows >= 0).all()
    return np.asarray(found.vectors[found.rows])


def _parts(content: Any) -> tuple[bytes, ...]:
    parts = content if isinstance(content, tuple) else (content,)
    return tuple(part.encode() if isinstance(part, str) else part for part in parts)


def gpt2(folder: str, seed: int = 1) -> Encoder:
    encoders.build_tiny_gpt2(folder, TEXTS * 5, seed=seed)
    return encoders.choose("text", folder)


def resnet(folder: str, seed: int = 1) -> Encoder:
    encoders.build_tiny_resnet(folder, seed=seed)
    return encoders.choose("image", folder)


def picture(
    color: int | tuple[int, ...], mode: str = "RGB", size: tuple[int, int] = (20, 30), kind: str = "PNG", **more: Any
) -> bytes:
    file = BytesIO()
    Image.new(mode, size, color).save(file, kind, **more)
    return file.getvalue()


def noise(seed: int, size: tuple[int, int] = (60, 40)) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def hidden_states(model: Any, **inputs: Any) -> Any:
    """Return the model's last hidden state."""
    import torch

    with torch.inference_mode():
        return model(**inputs).last_hidden_state
