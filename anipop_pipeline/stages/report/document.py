"""The report as a document: what is said, apart from how it looks.

HTML and Markdown are both written from this, so that the two never say different things. All text is plain; each
renderer escapes it.

Belongs here: kinds of blocks. Does not: numbers, wording, markup.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Cell:
    """One entry of a table: a value, and what belongs under it."""

    text: str
    interval: str = ""
    paper: str = ""
    note: str = ""
    mood: Literal["", "good", "bad", "strong"] = ""


@dataclass(frozen=True)
class Column:
    """A column's title, and whether it holds numbers."""

    title: str
    number: bool = True
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption that says what to see."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A figure, drawn once for light and once for dark pages."""

    kind: ClassVar[str] = "picture"
    name: str
    caption: str
    alt: str
    light: bytes
    dark: bytes


@dataclass(frozen=True)
class Paragraph:
    """A few sentences; a conclusion stands out."""

    kind: ClassVar[str] = "paragraph"
    text: str
    role: Literal["plain", "conclusion"] = "plain"


@dataclass(frozen=True)
class Heading:
    """A title inside a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of points, each with an optional opening in bold."""

    kind: ClassVar[str] = "bullets"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tiles:
    """A few numbers that carry the story, each with what it is."""

    kind: ClassVar[str] = "tiles"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Missing:
    """What is not there, and why: said, never left blank."""

    kind: ClassVar[str] = "missing"
    text: str


Block = Table | Picture | Paragraph | Heading | Bullets | Tiles | Missing


@dataclass(frozen=True)
class Section:
    """A part of the report with a place to link to."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """The whole report; a banner is repeated wherever numbers could be read alone."""

    title: str
    kicker: str
    lead: str
    banner: str
    sections: tuple[Section, ...]

    def pictures(self) -> Iterator[Picture]:
        """Yield every figure, in order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Picture))
