"""What a pitch may say, field by field: a Pitch that exists is one that can be answered.

A new field is one entry in FIELDS, one attribute of Pitch, and its column in row.py.

Belongs here: fields, their bounds, and what a mistake is called. Does not: file formats (text.py), what a model sees
of a pitch (row.py).
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from anipop_pipeline.errors import PitchError

FEWEST_WORDS = 20  # the corpus has no shorter synopsis
MOST_CHARACTERS = 50
MOST_OF_A_LIST = 30
LONGEST = {"synopsis": 20_000, "description": 10_000}
LONGEST_NAME = 300
SHOWN = 60
QUARTERS = ("winter", "spring", "summer", "fall")
SEASON = re.compile(r"(?i)(?P<quarter>winter|spring|summer|fall|autumn)\s+(?P<year>\d{4})")
A_SEASON = 'a season and a year, such as "Fall 2026"'


class _Wrong(ValueError):
    """A value that cannot be used, and what would be."""

    def __init__(self, value: object, allowed: str, *, field: str = "") -> None:
        super().__init__(allowed)
        self.value, self.allowed, self.field = value, allowed, field


@dataclass(frozen=True)
class PitchCharacter:
    """A main character: models read the description, people the name."""

    name: str = ""
    description: str = ""


@dataclass(frozen=True)
class Pitch:
    """What a producer knows of a title so far; only the synopsis must be there.

    Its texts are tidied when it is made, and a value that cannot be used is refused.

    >>> Pitch("A cat.")
    Traceback (most recent call last):
    anipop_pipeline.errors.PitchError: synopsis is 'A cat.'. To mend it: give at least 20 words; these are 2
    """

    synopsis: str
    title: str = ""
    characters: tuple[PitchCharacter, ...] = ()
    type: str | None = None
    source: str | None = None
    genres: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    demographics: tuple[str, ...] = ()
    episodes: int | None = None
    duration_minutes: float | None = None
    relatives: int = 0
    relatives_score: float | None = None
    studios: tuple[str, ...] = ()
    quarter: str | None = None
    year: int | None = None
    rating: str | None = None

    def __post_init__(self) -> None:
        values, wrong = _read({field.name: getattr(self, field.name) for field in fields(self)})
        _refuse(wrong)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def given(self, name: str) -> bool:
        """Return whether the pitch says anything about a field."""
        return bool(getattr(self, name))


def pitch_of(said: Mapping[str, object]) -> Pitch:
    """Return the pitch that fields by name describe; PitchError names every mistake."""
    values, wrong = _read(said)
    _refuse(wrong)
    return Pitch(**values)


def mistakes(said: Mapping[str, object]) -> dict[str, PitchError]:
    """Return what is wrong with each field, nothing where a pitch can be made.

    >>> list(mistakes({"synopsis": "word " * 20, "episodes": -3, "mood": "dark"}))
    ['mood', 'episodes']
    """
    return _read(said)[1]


# Kinds of values: each returns the value tidied, or raises _Wrong


def _text(value: object, longest: int) -> str:
    """Return a text on one line, without characters that a terminal or a table would trip over."""
    if not isinstance(value, str):
        raise _Wrong(value, "a text")
    line = " ".join(value.split())
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in line):
        raise _Wrong(value, "a text without control characters")
    if len(line) > longest:
        raise _Wrong(value, f"at most {longest:,} characters; these are {len(line):,}")
    return line


def _synopsis(value: object) -> str:
    line = _text("" if value is None else value, LONGEST["synopsis"])
    if not line:
        raise _Wrong(None, f"at least {FEWEST_WORDS} words of story")
    if (words := len(line.split())) < FEWEST_WORDS:
        raise _Wrong(value, f"at least {FEWEST_WORDS} words; these are {words}")
    return line


def _name(value: object) -> str | None:
    return None if value is None else _text(value, LONGEST_NAME) or None


def _title(value: object) -> str:
    return _name(value) or ""


def _names(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_OF_A_LIST:
        raise _Wrong(value, f'a list of at most {MOST_OF_A_LIST} names, such as ["Drama", "Mystery"]')
    named = [_name(entry) for entry in value]
    return tuple(dict.fromkeys(name for name in named if name))


def _whole(low: int, high: int, *, otherwise: int | None = None) -> Callable[[object], int | None]:
    def read(value: object) -> int | None:
        if value is None:
            return otherwise
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _Wrong(value, f"a whole number from {low} to {high}")
        return value

    return read


def _number(low: float, high: float) -> Callable[[object], float | None]:
    def read(value: object) -> float | None:
        if value is None:
            return None
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not fits or not isinstance(value, int | float) or not low <= value <= high:
            raise _Wrong(value, f"a number from {low:g} to {high:g}")
        return float(value)

    return read


def _quarter(value: object) -> str | None:
    name = _name(value)
    if name is None:
        return None
    quarter = "fall" if name.lower() == "autumn" else name.lower()
    if quarter not in QUARTERS:
        raise _Wrong(value, f"one of {', '.join(QUARTERS)}")
    return quarter


def _characters(value: object) -> tuple[PitchCharacter, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_CHARACTERS:
        raise _Wrong(value, f"a list of at most {MOST_CHARACTERS} characters, each with name and description")
    return tuple(_character(entry, place) for place, entry in enumerate(value, start=1))


def _character(value: object, place: int) -> PitchCharacter:
    said = value.__dict__ if isinstance(value, PitchCharacter) else value
    if not isinstance(said, Mapping) or set(said) - {"name", "description"}:
        raise _Wrong(value, "a name and a description, nothing else", field=f"character {place}")
    try:
        name = _text(said.get("name") or "", LONGEST_NAME)
        description = _text(said.get("description") or "", LONGEST["description"])
    except _Wrong as wrong:
        raise _Wrong(wrong.value, wrong.allowed, field=f"character {place}") from None
    if not description:
        raise _Wrong(
            name, f"character {place} a description, which is all that a model reads", field=f"character {place}"
        )
    return PitchCharacter(name, description)


FIELDS: dict[str, Callable[[object], Any]] = {
    "title": _title,
    "synopsis": _synopsis,
    "characters": _characters,
    "type": _name,
    "source": _name,
    "genres": _names,
    "themes": _names,
    "demographics": _names,
    "episodes": _whole(1, 5000),
    "duration_minutes": _number(0.1, 600),
    "relatives": _whole(0, 500, otherwise=0),
    "relatives_score": _number(1, 10),
    "studios": _names,
    "quarter": _quarter,
    "year": _whole(1900, 2100),
    "rating": _name,
}


# Reading all fields, so that all mistakes are told at once


def _read(said: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, PitchError]]:
    """Return the values of all fields that can be used, and what is wrong with the others."""
    wrong = {name: _unknown(name) for name in said if name not in FIELDS and name != "season"}
    given: dict[str, object] = {"synopsis": None, **{name: value for name, value in said.items() if name in FIELDS}}
    if said.get("season"):
        try:
            given |= _season(said)
        except _Wrong as refused:
            wrong["season"] = _mistake("season", refused)
    values: dict[str, Any] = {}
    for name, value in given.items():
        try:
            values[name] = FIELDS[name](value)
        except _Wrong as refused:
            wrong[name] = _mistake(name, refused)
    if values.get("relatives_score") is not None and not given.get("relatives") and "relatives" not in wrong:
        counted = _Wrong(given["relatives_score"], "relatives, too: how many earlier titles of the series have aired")
        wrong["relatives_score"] = _mistake("relatives_score", counted)
    return values, wrong


def _season(said: Mapping[str, object]) -> dict[str, object]:
    """Return quarter and year of a season."""
    if said.get("quarter") or said.get("year"):
        raise _Wrong(said["season"], "either a season, or quarter and year")
    season = said["season"]
    match = SEASON.fullmatch(season.strip()) if isinstance(season, str) else None
    if match is None:
        raise _Wrong(season, A_SEASON)
    return {"quarter": match["quarter"], "year": int(match["year"])}


def _unknown(name: str) -> PitchError:
    known = [*FIELDS, "season"]
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]}?" if near else f"leave it out; there are {', '.join(known)}"
    return PitchError(f"{_shown(name)} is no field of a pitch", fix=fix)


def _mistake(name: str, wrong: _Wrong) -> PitchError:
    subject = wrong.field or name
    if wrong.value is None or wrong.value == "":
        return PitchError(f"{subject} is missing", fix=f"give {wrong.allowed}")
    return PitchError(f"{subject} is {_shown(wrong.value)}", fix=f"give {wrong.allowed}")


def _shown(value: object) -> str:
    """Return a value as a message shows it: short, and with what does not print escaped."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _refuse(wrong: Mapping[str, PitchError]) -> None:
    if len(wrong) == 1:
        raise next(iter(wrong.values()))
    if wrong:
        told = "; ".join(f"{mistake.what} ({mistake.fix})" for mistake in wrong.values())
        raise PitchError(f"{len(wrong)} fields cannot be used: {told}", fix="change them as each bracket says")
