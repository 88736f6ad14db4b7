"""From the vectors of items (a synopsis, each character) to the vector of an anime, and back to a matrix.

Belongs here: means, maxima, order of rows. Does not: what computed the vectors.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from anipop_pipeline.errors import MissingTable, Undecodable
from anipop_pipeline.stages.pictures import first_pixels, side_by_side
from anipop_pipeline.stages.tables.features import Embeddings

OVER = {"mean": np.add, "max": np.maximum}


def of_anime(
    ids: Sequence[int], vectors: np.ndarray, rows: np.ndarray, pooling: str, over: str = "mean"
) -> pl.DataFrame:
    """Return one row for each anime: mean or maximum of its items' vectors, and how many there were.

    `rows` says which vector is each item's, -1 where it has none.

    >>> of_anime([1, 1, 2], np.array([[0.0], [1.0]]), np.array([0, 1, 1]), "pooled")["vector"].to_list()
    [[0.5], [1.0]]
    """
    there = np.flatnonzero(np.asarray(rows) >= 0)
    if not len(there):
        return Embeddings.create_empty()
    order = there[np.argsort(np.asarray(ids)[there], kind="stable")]
    anime, starts, items = np.unique(np.asarray(ids)[order], return_index=True, return_counts=True)
    found = OVER[over].reduceat(np.asarray(vectors, dtype=np.float32)[np.asarray(rows)[order]], starts, axis=0)
    if over == "mean":
        found = found / items[:, np.newaxis]
    table = pl.DataFrame({"anime_id": anime, "pooling": pooling, "items": items, "vector": _lists(found)})
    return Embeddings.validate(table, cast=True)


def of_pixels(ids: Sequence[int], files: Sequence[Sequence[bytes]]) -> pl.DataFrame:
    """Return the first raw values of each anime's pictures side by side, with no model at all."""
    values, rows = [], []
    for parts in files:
        try:
            values.append(first_pixels(side_by_side(list(parts))))
            rows.append(len(values) - 1)
        except Undecodable:
            rows.append(-1)  # told where it goes through a model
    return of_anime(ids, np.array(values), np.array(rows), "pixels")


def together(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
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


def _lists(vectors: np.ndarray) -> pl.Series:
    """Return the rows of a matrix as lists."""
    return pl.Series("vector", np.ascontiguousarray(vectors, dtype=np.float32)).cast(pl.List(pl.Float32))


def _rows(vectors: pl.Series) -> np.ndarray:
    """Return lists of one length as the rows of a matrix."""
    assert vectors.list.len().n_unique() <= 1
    flat = vectors.explode(empty_as_null=False, keep_nulls=False).to_numpy()
    return np.asarray(flat, dtype=np.float32).reshape(len(vectors), -1 if len(vectors) else 0)
