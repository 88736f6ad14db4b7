"""What a page of one character and the list of an anime's characters say.

Belongs here: where names, roles and biographies stand, in every layout since 2015. Does not: what a text means.
"""

import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from anipop_pipeline.stages.parse.credits import story
from anipop_pipeline.stages.parse.page import (
    absolute,
    changed,
    html_until_heading,
    line,
    numbered,
    opened,
    picture_address,
)
from anipop_pipeline.stages.parse.text import count, facts_and_prose
from anipop_pipeline.stages.parse.words import soup_of, words_apart

ROLES = {"Main": "main", "Supporting": "supporting"}
NO_CHARACTERS = re.compile(r"No characters", re.IGNORECASE)
NO_BIOGRAPHY = re.compile(r"No biography written\.?", re.IGNORECASE)
FAVOURITES = re.compile(r"Member Favorites:\s*(\S*)")
NAME_HEADER = '.breadcrumb ~ .normal_header, .normal_header[style*="height"]'


def anime_characters(html: bytes, url: str) -> list[dict[str, Any]]:
    """Return the rows of Roles that a list of characters states, in its order."""
    page = opened(html, url, "anime_characters")
    if not any(line(node, deep=False).startswith("Characters") for node in page.tree.css("h2")):
        raise changed("characters", "the page has no section of characters")
    links = [link for link in page.tree.css("td.borderClass a") if _is_character(link)]
    if not links and not NO_CHARACTERS.search(line(page.tree.body)):
        raise changed("characters", "the page names no character and does not say that there is none")
    return [_role(link, page.id, url, position) for position, link in enumerate(links)]


def character(html: bytes, url: str) -> dict[str, Any]:
    """Return the row of Characters that a page states."""
    page = opened(html, url, "character")
    header = page.tree.css_first(NAME_HEADER)
    name = line(header, deep=False)
    if header is None or not name:
        raise changed("name", "the page names no character")
    return {
        "character_id": page.id,
        "url": page.url,
        "name": name,
        **_biography(html_until_heading(header)),
        "favourites": _favourites(page.tree),
        "portrait_url": picture_address(page.tree.css_first("#content td.borderClass img"), page.url),
    }


def _is_character(link: LexborNode) -> bool:
    about = numbered(link.attributes.get("href") or "")
    return about is not None and about[0] == "character" and bool(line(link))


def _role(link: LexborNode, anime_id: int, url: str, position: int) -> dict[str, Any]:
    href = link.attributes.get("href") or ""
    about = numbered(href)
    cell = link.parent
    while cell is not None and cell.tag != "td":
        cell = cell.parent
    said = [line(node, deep=False) for node in cell.css("small, .spaceit_pad")] if cell is not None else []
    role = next((ROLES[text] for text in said if text in ROLES), None)
    if about is None or role is None:
        raise changed("role", f"the page does not say which part {line(link)[:60]!r} has")
    return {
        "anime_id": anime_id,
        "character_id": about[1],
        "name": line(link),
        "role": role,
        "url": absolute(href, url),
        "position": position,
    }


def _biography(html: str) -> dict[str, str | None]:
    """Return prose, spoiler and facts, of which the credit is none, and all that is shown as it is written."""
    shown, hidden = words_apart(soup_of(html))
    text = story(shown)
    is_written = not NO_BIOGRAPHY.fullmatch(text)
    facts, description = facts_and_prose(text) if is_written else (None, None)
    return {
        "description": description,
        "description_as_written": (shown or None) if is_written else None,
        "spoiler": story(hidden) or None,
        "facts": facts,
    }


def _favourites(tree: LexborHTMLParser) -> int | None:
    found = FAVOURITES.search(line(tree.css_first("#content td.borderClass")))
    if found is None:
        raise changed("favourites", "the page does not say how many members love the character")
    return count(found[1], "favourites")
