"""Which released titles are near to which: by words, by portraits, by table, and together.

Exact search over all pairs, block by block: enough up to some 50,000 titles.

Belongs here: similarity. Does not: what a producer should make of it.
"""

from typing import Any

import numpy as np
import polars as pl

from anipop_pipeline.stages import embed
from anipop_pipeline.stages.tables.reports import Comparables
from anipop_pipeline.stages.train.material import columns, transformer

BLOCK = 1024
TABLE_COLUMNS = ("type", "source", "genres", "themes", "demographics", "episodes", "duration_minutes")


def comparables(
    texts: pl.DataFrame, tabular: pl.DataFrame, portraits: pl.DataFrame | None, *, neighbours: int
) -> pl.DataFrame:
    """Return the nearest other titles of each anime, for each way of comparing."""
    ids = texts["anime_id"]
    spaces: dict[str, Any] = {"text": _words(texts), "table": _table(tabular, ids)}
    if portraits is not None:
        spaces["pictures"] = _directions(_centred(embed.matrix(portraits, "pooled", ids)))
    rows = []
    for start in range(0, len(ids), BLOCK):
        stop = min(start + BLOCK, len(ids))
        near = {name: _similar(space, start, stop) for name, space in spaces.items()}
        near["together"] = np.mean(list(near.values()), axis=0)
        rows += [_nearest(by, similar, ids, start, neighbours) for by, similar in near.items()]
    found = pl.concat(rows).sort("anime_id", "by", "place")
    return Comparables.validate(found, cast=True)


def _words(texts: pl.DataFrame) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(stop_words="english").fit_transform(texts["synopsis"].to_list())


def _table(tabular: pl.DataFrame, ids: pl.Series) -> np.ndarray:
    ordered = pl.DataFrame({"anime_id": ids}).join(
        tabular, on="anime_id", how="left", validate="1:1", maintain_order="left"
    )
    prepared = columns(ordered.select(TABLE_COLUMNS))
    numbers = transformer(prepared, dense=False).fit_transform(prepared)
    return _directions(np.asarray(numbers.toarray(), dtype=np.float32))


def _centred(vectors: np.ndarray) -> np.ndarray:
    return np.asarray((vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6))


def _directions(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1.0, lengths))


def _similar(space: Any, start: int, stop: int) -> np.ndarray:
    """Return the cosine of a block of rows with all rows."""
    product = space[start:stop] @ space.T
    return np.asarray(product if isinstance(product, np.ndarray) else product.toarray(), dtype=np.float64)


def _nearest(by: str, similar: np.ndarray, ids: pl.Series, start: int, neighbours: int) -> pl.DataFrame:
    similar = similar.copy()
    own = np.arange(similar.shape[0])
    similar[own, start + own] = -np.inf
    count = min(neighbours, similar.shape[1] - 1)
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :count]
    all_ids = ids.to_numpy()
    return pl.DataFrame(
        {
            "anime_id": np.repeat(all_ids[start + own], count),
            "by": by,
            "place": np.tile(np.arange(1, count + 1), len(own)),
            "neighbour_id": all_ids[nearest].reshape(-1),
            "similarity": np.clip(np.take_along_axis(similar, nearest, axis=1).reshape(-1), -1, 1),
        }
    )
