"""What a column's type is called in each format that describes an export.

The `datasets` library keeps the types of a Parquet file in the file's own schema, under the key `huggingface`: JSON of
the form {"info": {"features": {column: feature}}}, where a feature is {"dtype": "int64", "_type": "Value"}, a list of
such is {"feature": ..., "_type": "Sequence"} (read by old and new versions alike), and a picture is {"_type": "Image"}
over a struct of `bytes` and `path`. The front matter of the card says the same in YAML. Croissant has types of its own.

Belongs here: one table of types. Does not: which columns there are (contents).
"""

from typing import Any

import polars as pl
import pyarrow as pa

from anipop_pipeline.stages.card.contents import IMAGE

# The name in Arrow and `datasets`, and the name in Croissant.
KINDS: dict[type[pl.DataType], tuple[str, str]] = {
    pl.Int64: ("int64", "sc:Integer"),
    pl.Float64: ("float64", "sc:Float"),
    pl.Boolean: ("bool", "sc:Boolean"),
    pl.String: ("string", "sc:Text"),
    pl.Enum: ("string", "sc:Text"),
}
PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def is_list(kind: pl.DataType) -> bool:
    """Return whether a column holds several values in a row."""
    return isinstance(kind, pl.List)


def is_picture(kind: pl.DataType) -> bool:
    """Return whether a column holds pictures."""
    return kind == IMAGE


def arrow(kind: pl.DataType) -> pa.DataType:
    """Return the type in Arrow, in the narrow form that `datasets` uses."""
    if isinstance(kind, pl.List):
        return pa.list_(arrow(_inner(kind)))
    return PICTURE if is_picture(kind) else pa.type_for_alias(_name(kind))


def feature(kind: pl.DataType) -> dict[str, Any]:
    """Return the type as the schema metadata of `datasets` says it.

    >>> feature(pl.List(pl.String()))
    {'feature': {'dtype': 'string', '_type': 'Value'}, '_type': 'Sequence'}
    """
    if isinstance(kind, pl.List):
        return {"feature": feature(_inner(kind)), "_type": "Sequence"}
    return {"_type": "Image"} if is_picture(kind) else {"dtype": _name(kind), "_type": "Value"}


def in_front_matter(kind: pl.DataType) -> dict[str, str]:
    """Return the type as the card's front matter says it.

    >>> in_front_matter(pl.List(pl.String())), in_front_matter(IMAGE)
    ({'list': 'string'}, {'dtype': 'image'})
    """
    if isinstance(kind, pl.List):
        return {"list": _name(_inner(kind))}
    return {"dtype": "image" if is_picture(kind) else _name(kind)}


def in_croissant(kind: pl.DataType) -> str:
    """Return the type of a value in Croissant.

    >>> in_croissant(pl.List(pl.String())), in_croissant(IMAGE)
    ('sc:Text', 'sc:ImageObject')
    """
    if isinstance(kind, pl.List):
        return in_croissant(_inner(kind))
    return "sc:ImageObject" if is_picture(kind) else KINDS[type(kind)][1]


def in_words(kind: pl.DataType) -> str:
    """Return the type for a reader of the card.

    >>> in_words(pl.List(pl.String())), in_words(IMAGE), in_words(pl.Int64())
    ('list of string', 'picture', 'int64')
    """
    if isinstance(kind, pl.List):
        return f"list of {_name(_inner(kind))}"
    return "picture" if is_picture(kind) else _name(kind)


def _name(kind: pl.DataType) -> str:
    return KINDS[type(kind)][0]


def _inner(kind: pl.List) -> pl.DataType:
    return kind.inner() if isinstance(kind.inner, type) else kind.inner
