"""What a text or a value says: numbers, dates, lengths of time, other names, and the facts that open a biography.

The site's own words for "nothing" are None. A value in a form that we do not know raises PageChanged; none is guessed.

Belongs here: what words mean, whatever page they stand on. Does not: how they are read from HTML, who wrote them.
"""

import re
from datetime import date

from anipop_pipeline.stages.parse.page import changed
from anipop_pipeline.stages.parse.words import tidy

FACT = re.compile(
    r"^[*•·\-–]?\s*(?!(?:note|source|quote)\b)[^\W\d_][^:：.!?\n]{0,34}(?<!\d)[:：](?!//)\s*\S", re.IGNORECASE
)
VITAL = re.compile(  # what is always listed, even where the line ends like a sentence
    r"^[*•·\-–]?\s*(?:(?:full )?name|age|birth ?(?:day|date|place)|height|weight|blood ?type|hair|eyes?|gender|sex|race"
    r"|species)(?: colou?r)?\s*[:：]",
    re.IGNORECASE,
)
FACT_CHARACTERS = 200
HEADING_CHARACTERS = 36
PROSE_WORDS = 14  # a line with more words and a full stop tells, it does not list
BULLET = re.compile(r"^[*•·\-–]\s*\S")

MONTHS = {
    month: number
    for number, month in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
DAY = re.compile(r"(?:([A-Z][a-z]{2})\.?,?\s+(?:([0-9]{1,2}),?\s+)?)?([0-9]{4})")
UNSAID = frozenset({"", "?", "-", "N/A", "None", "Unknown", "Not available", "Not Available", "None found"})
DURATION = re.compile(r"(?:([0-9]{1,4}) hr\.?)?\s*(?:([0-9]{1,4}) min\.?)?\s*(?:([0-9]{1,4}) sec\.?)?(?: per ep.*)?")
NUMBER = re.compile(r"#?([0-9][0-9,]{0,14})(?![0-9.])")


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
    found = NUMBER.match(text)
    if found:
        return int(found[1].replace(",", ""))
    if text.split(" ", 1)[0] in UNSAID or text in UNSAID:
        return None
    raise changed(field, f"{text[:60]!r} is no number")


def some(text: str, field: str) -> int | None:
    """Return the number that a text begins with, or None where it is zero or none is said.

    >>> some("26", "episodes"), some("0", "episodes")
    (26, None)
    """
    return count(text, field) or None


def names(text: str) -> list[str]:
    """Return the other names that a text lists, each once.

    The site puts a comma and a space between names, and marks in no way a comma inside a name: such a name falls in two
    here, and joining the list by ", " gives the site's text back (but for a name that it tells twice).

    >>> names("FMA, Fullmetal Alchemist (2009), FMA")
    ['FMA', 'Fullmetal Alchemist (2009)']
    """
    return list(dict.fromkeys(name for part in text.split(", ") if (name := part.strip())))


def first_day(text: str) -> date | None:
    """Return the first day of a period; the first of the month or year where only that is known.

    >>> first_day("Apr 2009 to ?")
    datetime.date(2009, 4, 1)
    """
    return _day(text.partition(" to ")[0])


def last_day(text: str) -> date | None:
    """Return the last day of a period that has one; the first of the month or year where only that is known."""
    return _day(text.partition(" to ")[2])


def period(text: str) -> tuple[date | None, date | None]:
    """Return first and last day.

    >>> period("Oct 3, 2021 to Dec 19, 2021")
    (datetime.date(2021, 10, 3), datetime.date(2021, 12, 19))
    """
    return first_day(text), last_day(text)


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


def facts_and_prose(text: str) -> tuple[str | None, str | None]:
    r"""Return the lines such as "Height: 170 cm" that open a biography, and what comes after them.

    >>> facts_and_prose("Age: 27\nHeight: 185 cm\n\nA tall man: that is Spike.")
    ('Age: 27\nHeight: 185 cm', 'A tall man: that is Spike.')
    """
    lines = text.split("\n")
    told = _facts_before_prose(lines)
    facts = "\n".join(part for part in lines[:told] if part)
    return facts or None, tidy("\n".join(lines[told:])) or None


def _facts_before_prose(lines: list[str]) -> int:
    """Return how many lines pass before the first that is no fact."""
    has_break, under_heading = False, False
    for at, line in enumerate(lines):
        if not line:
            has_break, under_heading = has_break or at > 0, False
        elif _is_heading(line) and _is_listed(next((part for part in lines[at + 1 :] if part), "")):
            under_heading = True
        elif not (_is_fact(line, has_break) or (at and _is_item(line)) or (under_heading and _is_phrase(line))):
            return at
    return len(lines)


def _is_fact(line: str, has_break: bool) -> bool:
    if not FACT.match(line) or len(line) > FACT_CHARACTERS:
        return False
    return bool(VITAL.match(line)) or not _is_sentence(line) or (len(line.split()) <= PROSE_WORDS and not has_break)


def _is_heading(line: str) -> bool:
    return line.endswith((":", "：")) and len(line) < HEADING_CHARACTERS


def _is_listed(line: str) -> bool:
    """Return whether a line may stand under a heading of facts."""
    return bool(_is_item(line) or FACT.match(line) or _is_heading(line) or _is_phrase(line))


def _is_item(line: str) -> bool:
    if not BULLET.match(line) or len(line) > FACT_CHARACTERS:
        return False
    return len(line.split()) <= PROSE_WORDS or not _is_sentence(line)


def _is_phrase(line: str) -> bool:
    """Return whether a line is a few words that are no sentence."""
    return 0 < len(line.split()) <= PROSE_WORDS and not _is_sentence(line)


def _is_sentence(line: str) -> bool:
    return line.rstrip(")\"'”’").endswith((".", "!", "?", "…"))


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
