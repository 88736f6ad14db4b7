"""What a value of a foreign table says, read as the parser reads the site's own texts.

A reader is given a value that is there and returns what it says, None where it says nothing. A value in a form that it
does not know raises PageChanged; none is guessed.

Belongs here: one function for each way in which sets write their values, and their names in mappings. Does not: which
column is read how.
"""

import ast
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from anipop_pipeline.errors import PageChanged
from anipop_pipeline.stages.parse import text
from anipop_pipeline.stages.parse.anime_pages import NO_SYNOPSIS
from anipop_pipeline.stages.parse.character_pages import NO_BIOGRAPHY, ROLES
from anipop_pipeline.stages.parse.credits import story_and_credit
from anipop_pipeline.stages.parse.page import changed, numbered, picture

DIGITS = "(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,16})"  # commas stand between thousands, or nowhere
WHOLE = re.compile(rf"#?(-?{DIGITS})(?:\.0+)?")
DECIMAL = re.compile(rf"[-+]?(?:{DIGITS}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{{1,2}})?")
ISO_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?")
SEASON = re.compile(r"(winter|spring|summer|fall)\s+([0-9]{4})(?:\.0)?", re.IGNORECASE)
LARGEST = 10**15
NAMES_KEPT = ("name", "title")  # what a nested value of the site's interfaces is called by
RELATION = pl.Struct({"relation": pl.String, "kind": pl.String, "related_id": pl.Int64})


@dataclass(frozen=True)
class Reader:
    """How a value is read, and the type of what comes out."""

    read: Callable[[Any], Any]
    gives: pl.DataType


def plain(value: object) -> object:
    """Return a value without what its file's format did to it: white space, NaN for nothing, 26.0 for 26.

    >>> plain(" TV "), plain(26.0), plain(float("nan"))
    ('TV', 26, None)
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    return value


def words(value: object) -> str | None:
    """Return a value as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _unreadable(value, "text")
    return str(value) or None


def whole(value: object) -> int:
    """Return a whole number, with commas between thousands or without.

    >>> whole("1,057"), whole(26), whole("26.0")
    (1057, 26, 26)
    """
    found = WHOLE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None or abs(number := int(found[1].replace(",", ""))) > LARGEST:
        raise _unreadable(value, "a whole number")
    return number


def positive(value: object) -> int | None:
    """Return a whole number, None for zero, which says that none is known."""
    return whole(value) or None


def decimal(value: object) -> float:
    """Return a number, with commas between thousands or without; 71,5 is none, for it may mean two things.

    >>> decimal("1,000.5"), decimal(7)
    (1000.5, 7.0)
    """
    is_number = not isinstance(value, bool) and isinstance(value, str | int | float)
    if not is_number or not DECIMAL.fullmatch(str(value)):
        raise _unreadable(value, "a number")
    return float(str(value).replace(",", ""))


def score(value: object) -> float | None:
    """Return a score; no score that the site shows lies below 1, so zero is none."""
    return decimal(value) or None


def minutes(value: object) -> float | None:
    """Return a length of time in minutes, told in words or as their number.

    >>> minutes("1 hr. 55 min."), minutes("24 min per ep"), minutes("23.5")
    (115.0, 24.0, 23.5)
    """
    if isinstance(value, str) and not DECIMAL.fullmatch(value):
        return text.minutes(value)
    return decimal(value)


def day(value: object) -> date | None:
    """Return a day, whether written as the site or as a machine writes it.

    >>> day("1998-04-03T00:00:00+00:00") == day("Apr 3, 1998")
    True
    """
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    found = ISO_DAY.fullmatch(str(value))
    if found is None:
        return text.first_day(_text(value))
    try:
        return date.fromisoformat(found[1])
    except ValueError:
        raise _unreadable(value, "a date") from None


def season(value: object) -> str | None:
    """Return a season with its year.

    >>> season("fall 2021")
    'Fall 2021'
    """
    told = _text(value)
    found = SEASON.fullmatch(told)
    if found is None and text.said(told) is not None:
        raise _unreadable(value, "a season of a year")
    return f"{found[1].capitalize()} {found[2]}" if found else None


def pipes(value: object) -> list[str]:
    """Return the parts between upright strokes."""
    return _parts(_text(value).split("|"))


def commas(value: object) -> list[str]:
    """Return the parts between commas.

    >>> commas("Action, Sci-Fi,Drama")
    ['Action', 'Sci-Fi', 'Drama']
    """
    return _parts(_text(value).split(","))


def literal(value: object) -> list[str]:
    """Return the names in a list, written as Python or JSON writes it or given as one.

    >>> literal("['Action', 'Sci-Fi']"), literal('[{"mal_id": 1, "name": "Action"}]')
    (['Action', 'Sci-Fi'], ['Action'])
    """
    return _parts([_name(item) for item in _items(value)])


def anything_listed(value: object) -> list[str]:
    """Return the names in a list, or the parts between upright strokes."""
    return pipes(value) if isinstance(value, str) and not value.startswith("[") else literal(value)


def however_listed(value: object) -> list[str]:
    """Return the names in a list that is written in any of these ways.

    >>> however_listed("Action, Drama"), however_listed("Action|Drama"), however_listed("['Action']")
    (['Action', 'Drama'], ['Action', 'Drama'], ['Action'])
    """
    is_plain = isinstance(value, str) and "|" not in value and not value.startswith("[")
    return commas(value) if is_plain else anything_listed(value)


def ids(value: object) -> list[int]:
    """Return the ids in a list, each once.

    >>> ids("[299, 300, 301]")
    [299, 300, 301]
    """
    found = [whole(plain(item)) for item in _items(value)]
    if any(number < 1 for number in found):
        raise _unreadable(value, "a list of ids")
    return list(dict.fromkeys(found))


def number_of(value: object) -> int:
    """Return an id, alone or from the address of a page.

    >>> number_of("https://myanimelist.net/anime/5114/Fullmetal_Alchemist__Brotherhood")
    5114
    """
    about = numbered(value) if isinstance(value, str) else None
    return whole(value) if about is None else about[1]


def as_written(value: object) -> str | None:
    """Return a text as its page shows it, None for the site's words for none."""
    told = words(value) or ""
    return None if NO_SYNOPSIS.match(told) or NO_BIOGRAPHY.fullmatch(told) else told or None


def story(value: object) -> str | None:
    """Return a synopsis without its credits, None for the site's words for none."""
    return _story_and_credit(value)[0] or None


def credit(value: object) -> str | None:
    """Return who wrote a synopsis."""
    told, by = _story_and_credit(value)
    return by if told else None


def biography(value: object) -> str | None:
    """Return the prose of a biography, without the facts before it and the credits."""
    return _facts_and_prose(value)[1]


def facts(value: object) -> str | None:
    """Return the facts that open a biography."""
    return _facts_and_prose(value)[0]


def role(value: object) -> str:
    """Return what part a character has.

    >>> role("Main"), role("supporting")
    ('main', 'supporting')
    """
    told = _text(value).capitalize()
    if told not in ROLES:
        raise _unreadable(value, "main or supporting")
    return ROLES[told]


def relation(value: object) -> str:
    """Return a relation as the site's pages write it.

    >>> relation("side_story")
    'Side story'
    """
    return _text(value).replace("_", " ").capitalize()


def kind(value: object) -> str:
    """Return what kind of work is meant."""
    return _text(value).lower()


def relations(value: object) -> list[dict[str, Any]]:
    """Return the relations of one anime, from a list of entries with relation, kind and related_id."""
    found = []
    for item in _items(value):
        if not isinstance(item, dict) or set(item) != {"relation", "kind", "related_id"}:
            raise _unreadable(value, "a list of relations (relation, kind, related_id)")
        told = {"relation": relation(item["relation"]), "kind": kind(item["kind"])}
        found.append({**told, "related_id": whole(plain(item["related_id"]))})
    return found


def image(value: object) -> bytes:
    """Return the bytes of a picture that can be decoded whole."""
    if not isinstance(value, bytes):
        raise _unreadable(value, "a picture")
    picture(value)
    return value


LIST = pl.List(pl.String())
READERS = {
    "text": Reader(words, pl.String()),
    "said": Reader(lambda value: text.said(words(value) or ""), pl.String()),
    "whole": Reader(whole, pl.Int64()),
    "positive": Reader(positive, pl.Int64()),
    "id": Reader(number_of, pl.Int64()),
    "number": Reader(decimal, pl.Float64()),
    "score": Reader(score, pl.Float64()),
    "minutes": Reader(minutes, pl.Float64()),
    "day": Reader(day, pl.Date()),
    "first_day": Reader(lambda value: text.first_day(_text(value)), pl.Date()),
    "last_day": Reader(lambda value: text.last_day(_text(value)), pl.Date()),
    "season": Reader(season, pl.String()),
    "pipes": Reader(pipes, LIST),
    "commas": Reader(commas, LIST),
    "literal": Reader(literal, LIST),
    "list": Reader(anything_listed, LIST),
    "any_list": Reader(however_listed, LIST),
    "ids": Reader(ids, pl.List(pl.Int64())),
    "as_written": Reader(as_written, pl.String()),
    "story": Reader(story, pl.String()),
    "credit": Reader(credit, pl.String()),
    "biography": Reader(biography, pl.String()),
    "facts": Reader(facts, pl.String()),
    "role": Reader(role, pl.String()),
    "relation": Reader(relation, pl.String()),
    "kind": Reader(kind, pl.String()),
    "relations": Reader(relations, pl.List(RELATION)),
    "image": Reader(image, pl.Binary()),
}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _unreadable(value, "text")
    return value


def _parts(found: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(part for one in found if (part := one.strip())))


def _items(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    told = _text(value)
    for load in (json.loads, ast.literal_eval):
        try:
            found = load(told)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(found, list):
            return found
    raise _unreadable(value, "a list")


def _name(item: object) -> str:
    if isinstance(item, dict):
        item = next((item[name] for name in NAMES_KEPT if name in item), None)
    return _text(item)


def _story_and_credit(value: object) -> tuple[str, str]:
    told = _text(value)
    return ("", "") if NO_SYNOPSIS.match(told) else story_and_credit(told)


def _facts_and_prose(value: object) -> tuple[str | None, str | None]:
    told = story_and_credit(_text(value))[0]
    return (None, None) if not told or NO_BIOGRAPHY.fullmatch(told) else text.facts_and_prose(told)


def _unreadable(value: object, what: str) -> PageChanged:
    shown = repr(value) if isinstance(value, str | int | float | date) else f"a value of type {type(value).__name__}"
    return changed("value", f"{shown[:60]} is not {what}")
