"""The corpus as a folder that can be handed on: a card, Parquet files, and metadata that machines read.

`contents` says which rows and columns leave; `kinds` says what a column is called in each format; `parquet` writes them
down; `front`, `text` and `croissant` describe what was written, from the same facts.

Belongs here: assembling. Does not: texts and pictures that nobody asked for by name, since they belong to others.
"""

from anipop_pipeline.stages.card import croissant, front, text
from anipop_pipeline.stages.card.contents import Terms, Told, contents
from anipop_pipeline.stages.card.parquet import DataFile, written
from anipop_pipeline.stages.card.text import LIMITS, RIGHTS

__all__ = ["LIMITS", "RIGHTS", "DataFile", "Terms", "Told", "build"]


def build(told: Told, terms: Terms) -> dict[str, bytes]:
    """Return the files of the export by name; `README.md` and `croissant.json` describe the others."""
    files = [file for config in contents(told, terms) for file in written(config)]
    readme = front.matter(told, files) + text.body(told, terms, files)
    described = croissant.described(told, terms, files)
    return {"README.md": readme.encode(), "croissant.json": described, **{file.path: file.content for file in files}}
