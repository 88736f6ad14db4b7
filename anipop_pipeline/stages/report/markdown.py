"""The document as Markdown, with its figures in files beside it.

Belongs here: Markdown's grammar and what must be escaped in it. Does not: words.
"""

import re
from collections.abc import Iterable, Iterator

from anipop_pipeline.stages.report.document import (
    Block,
    Bullets,
    Cell,
    Document,
    Heading,
    Missing,
    Paragraph,
    Picture,
    Table,
    Tiles,
)

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")
AT_LINE_START = re.compile(r"^(\s*)([-+]|\d+(?=[.)](?:\s|$)))")


def render(document: Document) -> bytes:
    """Return the Markdown twin of the page."""
    parts = [f"# {escape(document.title)}", escape(document.kicker), *_banner(document), escape(document.lead)]
    for section in document.sections:
        parts.append(f"## {escape(section.title)}")
        for block in section.blocks:
            parts += _block(block, document)
    return ("\n\n".join(parts) + "\n").replace(" %", "\N{NO-BREAK SPACE}%").encode()


def passage(blocks: Iterable[Block]) -> str:
    """Return blocks alone as Markdown, for a page that is not the report."""
    bare = Document(title="", kicker="", lead="", banner="", sections=())
    return "\n\n".join(part for block in blocks for part in _block(block, bare))


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    >>> escape("a|b *c* <script>\n- d"), escape("1. no list")
    ('a\\|b \\*c\\* \\<script\\> - d', '1\\. no list')
    """
    line = SPECIAL.sub(r"\\\1", " ".join(text.replace("&", "&amp;").split()))
    return AT_LINE_START.sub(lambda found: f"{found[1]}\\{found[2]}" if found[2] in "-+" else found[0] + "\\", line)


def _banner(document: Document) -> list[str]:
    return [f"> **{escape(document.banner)}**"] if document.banner else []


def _block(block: Block, document: Document) -> Iterator[str]:
    match block:
        case Paragraph(text, "conclusion"):
            yield f"**{escape(text)}**"
        case Paragraph(text):
            yield escape(text)
        case Heading(text):
            yield f"### {escape(text)}"
        case Missing(text):
            yield f"*{escape(text)}*"
        case Bullets(items):
            yield "\n".join(f"- **{escape(opening)}** {escape(text)}" for opening, text in items)
        case Tiles(items):
            yield "\n".join(f"- **{escape(value)}** {escape(meaning)}" for value, meaning in items)
        case Picture(name, caption, alt):
            yield f"![{escape(alt)}](figures/{name}.png)"
            yield from (*_banner(document), f"*{escape(caption)}*")
        case Table():
            yield from (*_banner(document), f"*{escape(block.caption)}*", _table(block))


def _table(table: Table) -> str:
    head = "| " + " | ".join(escape(column.title) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if column.number else "---" for column in table.columns) + "|"
    rows = ("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table.rows)
    return "\n".join([head, rule, *rows])


def _cell(cell: Cell) -> str:
    text = f"**{escape(cell.text)}**" if cell.mood and cell.text else escape(cell.text)
    paper = f"(paper {cell.paper})" if cell.paper else ""
    note = f"({escape(cell.note)})" if cell.note else ""
    return " ".join(part for part in (text, escape(cell.interval), paper, note) if part)
