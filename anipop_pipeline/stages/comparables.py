"""Which released titles are near to which: by words, by portraits, by table, and together.

Exact search over all pairs, block by block: enough up to some 50,000 titles.

Belongs here: similarity. Does not: what a producer should make of it.
"""

from typing import Any

import numpy as np
import polars as pl

from anipop_pipeline.stages import embed
from anipop_pipeline.stages.tables.reports import Comparables
from anipop_pipeline.stages.train.material import as_array, columns, scales, transformer

BLOCK = 1024
TABLE_COLUMNS = ("type", "source", "genres", "themes", "demographics", "episodes", "duration_minutes")


def comparables(
    texts: pl.DataFrame, tabular: pl.DataFrame, portraits: pl.DataFrame | None, *, neighbours: int
) -> pl.DataFrame:
    """Return the nearest other titles of each anime, for each way of comparing that knows anything of it."""
    ids = texts["anime_id"]
    if len(ids) < 2:
        return Comparables.create_empty()
    spaces: dict[str, Any] = {"text": _words(texts), "table": _table(tabular, ids)}
    if portraits is not None:
        spaces["pictures"] = _pictures(portraits, ids)
    rows = []
    for start in range(0, len(ids), BLOCK):
        near = {name: _similar(space, start) for name, space in spaces.items()}
        near["together"] = np.mean(list(near.values()), axis=0)
        rows += [_nearest(by, similar, ids, start, neighbours) for by, similar in near.items()]
    found = pl.concat(rows).sort("anime_id", "by", "place")
    return Comparables.validate(found, cast=True)


def _words(texts: pl.DataFrame) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(stop_words="english", dtype=np.float32).fit_transform(texts["synopsis"].to_list())


def _table(tabular: pl.DataFrame, ids: pl.Series) -> np.ndarray:
    ordered = pl.DataFrame({"anime_id": ids}).join(
        tabular, on="anime_id", how="left", validate="1:1", maintain_order="left"
    )
    prepared = columns(ordered.select(TABLE_COLUMNS))
    return _directions(as_array(transformer(prepared, dense=False).fit_transform(prepared)))


def _pictures(portraits: pl.DataFrame, ids: pl.Series) -> np.ndarray:
    """Return directions from the middle of all pictures; a title without one points nowhere."""
    vectors = embed.matrix(portraits, "pooled", ids)
    shown = ids.is_in(portraits["anime_id"].to_list()).to_numpy()
    mean, spread = scales(vectors[shown])
    vectors[shown] = (vectors[shown] - mean) / spread
    return _directions(vectors)


def _directions(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1.0, lengths))


def _similar(space: Any, start: int) -> np.ndarray:
    """Return the cosine of a block of rows with all rows."""
    return as_array(space[start : start + BLOCK] @ space.T)


def _nearest(by: str, similar: np.ndarray, ids: pl.Series, start: int, neighbours: int) -> pl.DataFrame:
    """Return the nearest of each row of a block; a row of which nothing is known is not even near to itself."""
    own = np.arange(similar.shape[0])
    known = own[similar[own, start + own] > 0]
    others = similar.copy()
    others[own, start + own] = -np.inf
    count = min(neighbours, len(ids) - 1)
    nearest = _best(others[known], count)
    all_ids = ids.to_numpy()
    return pl.DataFrame(
        {
            "anime_id": np.repeat(all_ids[start + known], count),
            "by": by,
            "place": np.tile(np.arange(1, count + 1), len(known)),
            "neighbour_id": all_ids[nearest].reshape(-1),
            "similarity": np.clip(np.take_along_axis(others[known], nearest, axis=1).reshape(-1), -1, 1),
        }
    )


def _best(similar: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the largest values of each row, largest first; of equals the first comes first."""
    least = np.partition(similar, -count, axis=1)[:, -count]
    best = np.empty((len(similar), count), dtype=np.int64)
    for row, (values, floor) in enumerate(zip(similar, least, strict=True)):
        candidates = np.flatnonzero(values >= floor)
        best[row] = candidates[np.argsort(-values[candidates], kind="stable")[:count]]
    return best
