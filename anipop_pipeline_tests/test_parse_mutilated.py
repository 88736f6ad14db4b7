"""The claim that a mutilated page raises PageChanged or is read, whatever was done to it, and never anything else.

Real pages are mutilated where they are present; pages of the demo site and small ones of our own always are.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anipop_pipeline.demo import world
from anipop_pipeline.demo.pages import Site
from anipop_pipeline.errors import PageChanged
from anipop_pipeline.stages.parse import (
    anime_as_told,
    anime_characters,
    character,
    histogram,
    listing,
    season,
)
from anipop_pipeline.stages.parse.batches import READINGS

MAL, DEMO = "https://myanimelist.net", "https://demo.invalid"
READERS: dict[str, Callable[[bytes, str], Any]] = {
    "anime": anime_as_told,
    "anime_characters": anime_characters,
    "anime_stats": histogram,
    "character": character,
    "listing": listing,
    "season": season,
}
TAILS = {"anime": "/x", "anime_characters": "/x/characters", "anime_stats": "/x/stats", "character": "/x"}
LONGEST = 200_000
RUBBISH = [
    *(b"", b"<", b'"', b"<td>", b"</table>", b"</div>", b"<!--", b"]]>", b"<select>", b"<svg>", b"<template>", b"<h2>"),
    *(b"http://[/", b"//[", b"&#0;", b"&#xD800;", b"\x00", b"9" * 25, b"%zz", b"-1", b"1,,2", b"Feb 31, 2021", b"\xff"),
    *(b"\xc0\x80", "\u202e\ufeff海".encode(), "é".encode("latin-1"), b"0" * 5000, b"[" * 50, b"(Source:" * 20),
]
Page = tuple[bytes, str]


@cache
def invented_pages() -> dict[str, list[Page]]:
    """Return pages of the demo site, and small ones for the kinds that need no whole site."""
    built = world.build(30, 7)
    site, people, titles = Site(built), built.characters[:2], built.anime[:3]
    body = {path: site.page(path).body.encode() for path in _paths(titles, people)}
    link = '<div class="seasonal-anime"><a class="link-title" href="/anime/{0}/A">A {0}</a></div>'
    spring = (
        f'<html><meta property="og:url" content="/anime/season/2018/spring">{link.format(1)}{link.format(2)}</html>'
    )
    marks = "".join(f"<tr><td>{mark}</td><td>1.0% (<small>{mark * 7} votes)</small></td></tr>" for mark in range(1, 11))
    stats = f'<html><link rel="canonical" href="/anime/7/A/stats"><h2>Score Stats</h2><table>{marks}</table></html>'
    return {
        "anime": [(body[one.path], DEMO + one.path) for one in titles],
        "anime_characters": [(body[f"{one.path}/characters"], f"{DEMO}{one.path}/characters") for one in titles],
        "anime_stats": [
            (stats.encode(), f"{DEMO}/anime/7/A/stats"),
            *((body[f"{one.path}/stats"], f"{DEMO}{one.path}/stats") for one in titles),
        ],
        "character": [(body[one.path], DEMO + one.path) for one in people],
        "listing": [(body["/topanime.php"], f"{DEMO}/topanime.php")],
        "season": [(spring.encode(), f"{DEMO}/anime/season/2018/spring")],
    }


def _paths(titles: Any, people: Any) -> list[str]:
    of_titles = [path for one in titles for path in (one.path, f"{one.path}/characters", f"{one.path}/stats")]
    return ["/topanime.php", *of_titles, *(one.path for one in people)]


@cache
def real_pages(real: Path) -> dict[str, list[Page]]:
    """Return real pages of every kind that are not too long; seasons, which all are, without their middle."""
    found: dict[str, list[Page]] = {kind: [] for kind in READERS}
    index = json.loads((real / "pages" / "index.json").read_text())
    for entry in index:
        kind = {"topanime": "listing"}.get(entry["kind"], entry["kind"])
        body = (real / "pages" / entry["file"]).read_bytes()
        if kind in READERS and (len(body) < LONGEST or kind == "listing"):
            tail = TAILS.get(kind)
            about = "character" if kind == "character" else "anime"
            found[kind].append((body, f"{MAL}/{about}/{entry['id']}{tail}" if tail else entry["url"]))
    seasons = [entry for entry in index if entry["kind"] == "season"]
    found["season"] += [(short((real / "pages" / entry["file"]).read_bytes()), entry["url"]) for entry in seasons[:2]]
    return found


def short(page: bytes) -> bytes:
    """Return a long page without its middle."""
    return page if len(page) < LONGEST else page[: LONGEST // 2] + page[-LONGEST // 2 :]


def somewhere(data: st.DataObject, page: bytes) -> int:
    return data.draw(st.integers(0, len(page)), label="at")


def cut(data: st.DataObject, page: bytes) -> bytes:
    """Return the page without its end, with or without the closing tag put back."""
    return page[: somewhere(data, page)] + data.draw(st.sampled_from([b"", b"</html>"]))


def replaced(data: st.DataObject, page: bytes) -> bytes:
    """Return the page with rubbish in the place of a stretch of it."""
    at = somewhere(data, page)
    until = at + data.draw(st.integers(0, 3000))
    return page[:at] + data.draw(st.sampled_from(RUBBISH) | st.binary(max_size=20)) + page[until:]


def flipped(data: st.DataObject, page: bytes) -> bytes:
    """Return the page with some of its bytes changed."""
    changed = bytearray(page)
    for at in data.draw(st.lists(st.integers(0, max(len(page) - 1, 0)), max_size=8)) if page else []:
        changed[at] = data.draw(st.integers(0, 255))
    return bytes(changed)


def without_tag(data: st.DataObject, page: bytes) -> bytes:
    """Return the page without some tags of one name."""
    name = data.draw(st.sampled_from([b"td", b"tr", b"table", b"div", b"span", b"h1", b"h2", b"a", b"p", b"strong"]))
    return re.sub(rb"</?" + name + rb"\b[^>]*>", b"", page, count=data.draw(st.integers(1, 400)))


def twice(data: st.DataObject, page: bytes) -> bytes:
    """Return the page with a stretch of it repeated."""
    at = somewhere(data, page)
    piece = page[at : at + data.draw(st.integers(1, 2000))]
    return page[:at] + piece * data.draw(st.integers(2, 5)) + page[at + len(piece) :]


def nested(data: st.DataObject, page: bytes) -> bytes:
    """Return the page with very many tags opened inside it."""
    at = somewhere(data, page)
    tag = data.draw(st.sampled_from([b"<div>", b"<b>", b"<table><tr><td>", b"<h2>", b"<ul><li>", b"<span class=x>"]))
    return page[:at] + tag * data.draw(st.sampled_from([3, 600, 5000])) + page[at:]


def reworded(data: st.DataObject, page: bytes) -> bytes:
    """Return the page with the text between two tags, or an attribute's value, replaced."""
    spots = [found.span(1) for found in re.finditer(rb'[>"]([^<>"]{1,200})[<"]', page)]
    if not spots:
        return page
    start, end = data.draw(st.sampled_from(spots))
    text = data.draw(st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace")) | st.sampled_from(RUBBISH))
    return page[:start] + text + page[end:]


def recoded(data: st.DataObject, page: bytes) -> bytes:
    """Return the page in another encoding."""
    return page.decode("utf-8", "replace").encode(
        data.draw(st.sampled_from(["utf-16", "latin-1", "shift-jis", "utf-8-sig"])), "replace"
    )


HARMS = [cut, replaced, flipped, without_tag, twice, nested, reworded, recoded]


def check(kind: str, page: Page, data: st.DataObject) -> None:
    body, url = page
    for harm in data.draw(st.lists(st.sampled_from(HARMS), min_size=1, max_size=3), label="harms"):
        body = harm(data, body)
    try:
        READERS[kind](body, url)
    except PageChanged as error:
        assert error.where  # noqa: PT017 -- many mutilations do no harm, so raises() does not fit


def test_every_kind_of_page_is_mutilated_here() -> None:
    assert set(READINGS) - {"portrait", "poster"} < set(READERS)
    for kind, pages in invented_pages().items():
        for body, url in pages:
            assert READERS[kind](body, url)


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_mutilated_invented_pages_raise_page_changed_or_nothing(kind: str, data: st.DataObject) -> None:
    check(kind, data.draw(st.sampled_from(invented_pages()[kind])), data)


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutilated_real_pages_raise_page_changed_or_nothing(real: Path, kind: str, data: st.DataObject) -> None:
    check(kind, data.draw(st.sampled_from(real_pages(real)[kind])), data)


@pytest.mark.parametrize("kind", READERS)
@given(body=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
@settings(max_examples=30, deadline=None)
def test_bytes_that_are_no_page_raise_page_changed(kind: str, body: bytes) -> None:
    _, url = invented_pages()[kind][0]

    with pytest.raises(PageChanged):
        READERS[kind](body + b"</html>", url)
