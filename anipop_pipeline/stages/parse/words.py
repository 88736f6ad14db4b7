"""Words of an HTML fragment that people wrote: lines where it breaks them, spoilers apart.

BeautifulSoup reads these messy fragments (synopsis, biography); the tree of the whole page never comes here.

Belongs here: from markup to words. Does not: what the words mean, where on a page they stand.
"""

import re

from bs4 import BeautifulSoup, NavigableString, Tag
from bs4.element import PageElement, PreformattedString, Script, Stylesheet, TemplateString

BLOCKS = dict.fromkeys(["div", "tr", "li", "dd", "dt"], 1) | dict.fromkeys(
    ["p", "table", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4"], 2
)
CELLS = ("td", "th")
SPOILERS = frozenset({"spoiler", "spoiler_content"})
NOT_WORDS = (PreformattedString, Script, Stylesheet, TemplateString)


def prose(html: str) -> str:
    r"""Return the words of a fragment: lines where it breaks them, a blank line between paragraphs.

    >>> prose("A <b>sea</b><br>calls.<p>Fish</p><table><tr><td>a</td><td>b</td></tr></table>")
    'A sea\ncalls.\n\nFish\n\na b'
    """
    return words(soup_of(html))


def soup_of(html: str) -> BeautifulSoup:
    """Return the fragment inside a div, so that it is never taken for an address or a file name."""
    return BeautifulSoup(f"<div>{html}</div>", "html.parser")


def words(root: Tag) -> str:
    """Return all words of a tree in lines and paragraphs."""
    return _walked(root, apart=False)[0]


def words_apart(root: Tag) -> tuple[str, str]:
    """Return the words that a page shows, and those that it hides behind a button."""
    shown, hidden = _walked(root, apart=True)
    return shown, "\n\n".join(words(tag) for tag in hidden)


def tidy(text: str) -> str:
    r"""Return the text with single spaces, at most one blank line in a row, and no space at its ends.

    >>> tidy("  A  girl \n\n\n\n finds a cat. ")
    'A girl\n\nfinds a cat.'
    """
    lines = "\n".join(" ".join(part.split()) for part in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def _walked(root: Tag, *, apart: bool) -> tuple[str, list[Tag]]:
    """Return the words of a tree and the spoilers that were kept apart; the walk is linear, however deep the tree."""
    lines: list[list[str]] = [[]]
    hidden: list[Tag] = []
    waiting: list[PageElement | int] = [root]
    while waiting:
        part = waiting.pop()
        if isinstance(part, int):
            _break(lines, blank=part > 1)
        elif isinstance(part, Tag):
            if apart and SPOILERS.intersection(part.get_attribute_list("class")):
                hidden.append(part)
            else:
                waiting.extend(_opened(part, lines))
        elif isinstance(part, NavigableString) and not isinstance(part, NOT_WORDS):
            lines[-1].append(part)
    return tidy("\n".join(" ".join("".join(pieces).split()) for pieces in lines)), hidden


def _opened(tag: Tag, lines: list[list[str]]) -> list[PageElement | int]:
    """Return the inside of a tag, last part first, with the breaks that a block has around it."""
    if tag.name == "br":
        lines.append([])
    breaks = [BLOCKS[tag.name]] if tag.name in BLOCKS else []
    space = [NavigableString(" ")] if tag.name in CELLS else []
    return [*breaks, *space, *reversed(tag.contents), *space, *breaks]


def _break(lines: list[list[str]], *, blank: bool) -> None:
    """Begin a new line, and a blank one before it, where that has not happened yet."""
    if "".join(lines[-1]).strip():
        lines.append([])
    lines[-1].clear()
    if blank and len(lines) > 1 and lines[-2]:
        lines.append([])
