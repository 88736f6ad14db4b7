"""Words of a page: prose from HTML, credits apart from the story, facts apart from prose, dates and lengths of time.

BeautifulSoup reads the messy fragments that people wrote (synopsis, biography); the tree of the whole page never comes
here.

Belongs here: what a text or a value means, whatever page it stands on. Does not: where on a page it stands.
"""

import re
from datetime import date

from bs4 import BeautifulSoup, NavigableString, Tag
from bs4.element import PageElement, PreformattedString, Script, Stylesheet, TemplateString

from anipop_pipeline.stages.parse.page import changed

BLOCKS = dict.fromkeys(["div", "tr", "li", "dd", "dt"], 1) | dict.fromkeys(
    ["p", "table", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4"], 2
)
CELLS = ("td", "th")
SPOILERS = frozenset({"spoiler", "spoiler_content"})
NOT_WORDS = (PreformattedString, Script, Stylesheet, TemplateString)

SOURCE = r"s(?:ou?r[cs]e?|ouce|oure)s?d?\b"  # people misspell it
INNER = r"[^()\[\]\n]{0,200}"
REWRITE = re.compile(r"[\[(]\s*writt+en by mal rewrite\s*[\])]", re.IGNORECASE)
CREDIT = re.compile(rf"[\[(]\s*(?:writt+en by\b|{SOURCE}){INNER}(?:\([^()\n]{{0,80}}\){INNER})?[\])]", re.IGNORECASE)
LAST_CREDIT = re.compile(  # these words may also open an aside of the story, so they count at its end alone
    r"[\[(]\s*(?:adapted|translated|taken|from|edited|via|summary|(?:original )?description|wiki(?:pedia|a)?)\b"
    rf"{INNER}[\])]\s*\Z",
    re.IGNORECASE,
)
LAST_LINE_CREDIT = re.compile(rf"(?:\A|\n)\s*{SOURCE}\s*:[^\n]{{0,120}}\Z", re.IGNORECASE)

FACT = re.compile(r"^[*•·\-–]?\s*(?!(?:note|source|quote)\b)[^\W\d_][^:.!?\n]{0,34}:\s+\S", re.IGNORECASE)
FACT_CHARACTERS = 200
PROSE_WORDS = 14  # a line with more words and a full stop tells, it does not list
BULLET = re.compile(r"^[*•·\-–]\s*\S")

MONTHS = {
    month: number
    for number, month in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
DAY = re.compile(r"(?:([A-Z][a-z]{2})\.?,?\s+)?(?:([0-9]{1,2}),?\s+)?([0-9]{4})")
UNSAID = frozenset({"", "?", "-", "N/A", "None", "Unknown", "Not available", "Not Available", "None found"})
DURATION = re.compile(r"(?:([0-9]{1,4}) hr\.?)?\s*(?:([0-9]{1,4}) min\.?)?\s*(?:([0-9]{1,4}) sec\.?)?(?: per ep.*)?")


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


def story(synopsis: str) -> str:
    r"""Return the story alone, without the credits; what follows a credit is kept.

    >>> story("A girl finds a cat.  [Written by MAL Rewrite]")
    'A girl finds a cat.'
    >>> story("A girl finds a cat. (Source: ANN, edited)\n\nBundled with the manga.")
    'A girl finds a cat.\n\nBundled with the manga.'
    """
    text, before = tidy(synopsis), ""
    while text != before:  # what closes up around a credit may be one itself
        before, text = text, CREDIT.sub("", text)
        text = tidy(LAST_LINE_CREDIT.sub("", LAST_CREDIT.sub("", tidy(text))))
    return text


def credit(synopsis: str) -> str:
    """Return who wrote a synopsis: 'rewrite', 'source' or 'none'.

    >>> [credit("A cat. " + tail) for tail in ("[Written by MAL Rewrite]", "(Source: ANN)", "(It purrs.)")]
    ['rewrite', 'source', 'none']
    """
    if REWRITE.search(synopsis):
        return "rewrite"
    return "none" if story(synopsis) == tidy(synopsis) else "source"


def facts_and_prose(text: str) -> tuple[str | None, str | None]:
    r"""Return the lines such as "Height: 170 cm" that open a biography, and what comes after them.

    >>> facts_and_prose("Age: 27\nHeight: 185 cm\n\nA tall man: that is Spike.")
    ('Age: 27\nHeight: 185 cm', 'A tall man: that is Spike.')
    """
    lines = text.split("\n")
    count = next((at for at, part in enumerate(lines) if part and not _is_fact(lines, at)), len(lines))
    facts = "\n".join(part for part in lines[:count] if part)
    return facts or None, tidy("\n".join(lines[count:])) or None


def said(text: str) -> str | None:
    """Return the text, or None where the site's word for "nothing" stands in its place.

    >>> said("Manga"), said("Unknown")
    ('Manga', None)
    """
    return None if text in UNSAID else text


def count(text: str, field: str) -> int | None:
    """Return the number that a text begins with, or None where none is said.

    >>> count("#1,057 2 based on the top anime page", "rank"), count("N/A 2", "rank")
    (1057, None)
    """
    found = re.match(r"#?([0-9][0-9,]{0,14})(?![0-9.])", text)
    if found:
        return int(found[1].replace(",", ""))
    if text.split(" ", 1)[0] in UNSAID or text in UNSAID:
        return None
    raise changed(field, f"{text[:60]!r} is no number")


def period(text: str) -> tuple[date | None, date | None]:
    """Return first and last day; the first of the month or year where only that is known.

    >>> period("Oct 3, 2021 to Dec 19, 2021")
    (datetime.date(2021, 10, 3), datetime.date(2021, 12, 19))
    >>> period("Apr 2009 to ?")
    (datetime.date(2009, 4, 1), None)
    """
    first, _, last = text.partition(" to ")
    return _day(first), _day(last)


def minutes(text: str) -> float | None:
    """Return a length of time in minutes.

    >>> minutes("1 hr. 40 min. per ep."), minutes("30 sec."), minutes("Unknown")
    (100.0, 0.5, None)
    """
    if said(text) is None:
        return None
    found = DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise changed("duration_minutes", f"{text[:60]!r} is no length of time")
    hours, whole, seconds = (int(part or 0) for part in found.groups())
    return hours * 60 + whole + seconds / 60


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


def _is_fact(lines: list[str], at: int) -> bool:
    text = lines[at]
    if FACT.match(text) and len(text) <= FACT_CHARACTERS:
        is_sentence = text.rstrip(')"').endswith((".", "!", "?"))
        return not is_sentence or (len(text.split()) <= PROSE_WORDS and "" not in lines[:at])
    is_heading = text.endswith(":") and len(text) < 36
    following = lines[at + 1] if at + 1 < len(lines) else ""
    if is_heading:
        return bool(BULLET.match(following) or FACT.match(following))
    return bool(at and BULLET.match(text) and len(text.split()) <= PROSE_WORDS)


def _day(text: str) -> date | None:
    text = text.strip()
    if said(text) is None:
        return None
    found = DAY.fullmatch(text)
    month = MONTHS.get((found[1] or "jan").lower()) if found else None
    if found is None or month is None:
        raise changed("aired", f"{text[:60]!r} is no date")
    try:
        return date(int(found[3]), month, int(found[2] or 1))
    except ValueError as error:
        raise changed("aired", f"{text[:60]!r} is no date ({error})") from error
