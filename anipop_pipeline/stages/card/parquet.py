"""Rows as the bytes of Parquet files that the `datasets` library reads, pictures included.

The same rows give the same bytes: no clock, no paths, one codec.

Belongs here: writing. Does not: which rows (contents).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from anipop_pipeline.stages.card import kinds
from anipop_pipeline.stages.card.contents import Config

GROUP_ROWS = 50_000
PICTURED_GROUP_ROWS = 100  # a reader of one row unpacks its whole group


@dataclass(frozen=True)
class DataFile:
    """One file of the export, with what its descriptions say about it."""

    config: Config
    part: str
    content: bytes
    memory_bytes: int

    @property
    def path(self) -> str:
        """Return where it lies in the export, in the layout of `datasets`."""
        folder = "data" if self.config.name == "default" else self.config.name
        return f"{folder}/{self.part}-00000-of-00001.parquet"

    @property
    def rows(self) -> int:
        """Return how many rows it has."""
        return self.config.parts[self.part].height

    @property
    def schema(self) -> pl.Schema:
        """Return its columns and their types."""
        return self.config.parts[self.part].schema

    @cached_property
    def sha256(self) -> str:
        """Return the digest of its bytes."""
        return hashlib.sha256(self.content).hexdigest()


def written(config: Config) -> Iterator[DataFile]:
    """Give a file for each part of a table."""
    for part, rows in config.parts.items():
        content, size = _encoded(rows)
        yield DataFile(config, part, content, size)


def schema_of(rows: pl.DataFrame) -> pa.Schema:
    """Return the Arrow schema of the rows, with the metadata from which `datasets` knows a picture.

    >>> schema_of(pl.DataFrame({"n": [1]})).metadata[b"huggingface"]
    b'{"info": {"features": {"n": {"dtype": "int64", "_type": "Value"}}}}'
    """
    features = {name: kinds.feature(kind) for name, kind in rows.schema.items()}
    fields = [pa.field(name, kinds.arrow(kind)) for name, kind in rows.schema.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _encoded(rows: pl.DataFrame) -> tuple[bytes, int]:
    """Return the bytes of a file and how many its rows take in memory; group by group, since pictures are large."""
    file, schema, size = BytesIO(), schema_of(rows), 0
    pictured = any(kinds.is_picture(kind) for kind in rows.schema.values())
    plain = rows.with_columns(pl.col(pl.Enum).cast(pl.String))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in plain.iter_slices(PICTURED_GROUP_ROWS if pictured else GROUP_ROWS):
            table = group.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
            writer.write_table(table)
            size += table.nbytes
    return file.getvalue(), size
