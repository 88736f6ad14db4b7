"""The front matter of the card: what the `datasets` library and a hub read of it.

Belongs here: YAML keys. Does not: anything that is meant for a person (text).
"""

from itertools import groupby
from typing import Any

import yaml

from anipop_pipeline.stages.card import kinds
from anipop_pipeline.stages.card.contents import Told
from anipop_pipeline.stages.card.parquet import DataFile

SIZES = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "n>1M"]


def matter(told: Told, files: list[DataFile]) -> str:
    """Return the front matter, with the lines that fence it."""
    tables = [list(group) for _, group in groupby(files, key=lambda file: file.config.name)]
    said: dict[str, Any] = {
        "language": ["en"],
        "license": "other",
        "license_name": "see-rights-in-this-card",
        "pretty_name": f"Anime popularity, site {told.site}",
        "task_categories": ["tabular-regression"],
        "annotations_creators": ["machine-generated" if told.invented else "crowdsourced"],
        "tags": ["anime", "popularity", *(["synthetic"] if told.invented else [])],
        "size_categories": [size(told.table("corpus_anime").height)],
    }
    if tables:  # without any, `datasets` says in its own words that there is nothing to load
        said |= {"configs": list(map(_config, tables)), "dataset_info": list(map(_info, tables))}
    written = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{written}---\n"


def size(rows: int) -> str:
    """Return the class of size that a hub files a dataset under.

    >>> size(999), size(7784)
    ('n<1K', '1K<n<10K')
    """
    return SIZES[sum(rows >= bound for bound in (10**3, 10**4, 10**5, 10**6))]


def _config(files: list[DataFile]) -> dict[str, Any]:
    """Return which files make up a table, the first of them the one that is loaded unasked."""
    name = files[0].config.name
    data = [{"split": file.part, "path": file.path} for file in files]
    return {"config_name": name, "data_files": data, **({"default": True} if name == "default" else {})}


def _info(files: list[DataFile]) -> dict[str, Any]:
    """Return the columns and the sizes of a table."""
    first = files[0]
    return {
        "config_name": first.config.name,
        "features": [{"name": name, **kinds.in_front_matter(kind)} for name, kind in first.schema.items()],
        "splits": [{"name": f.part, "num_bytes": f.memory_bytes, "num_examples": f.rows} for f in files],
        "download_size": sum(len(file.content) for file in files),
        "dataset_size": sum(file.memory_bytes for file in files),
    }
