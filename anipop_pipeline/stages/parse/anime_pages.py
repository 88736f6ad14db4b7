"""What the pages of one anime say: its own and the one of its statistics.

Belongs here: where each field of an anime stands, in every layout since 2015. Does not: what a text means.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from anipop_pipeline.errors import PageChanged
from anipop_pipeline.stages.parse.credits import story_and_credit
from anipop_pipeline.stages.parse.page import (
    Page,
    changed,
    html_until_heading,
    line,
    numbered,
    opened,
    picture_address,
    until_heading,
)
from anipop_pipeline.stages.parse.text import count, first_day, last_day, minutes, names, said, some
from anipop_pipeline.stages.parse.words import prose

ALWAYS = ["Type", "Episodes", "Status", "Aired", "Score", "Ranked", "Popularity", "Members", "Favorites"]
SCORE = re.compile(r"(N/A|[0-9]{1,2}(?:\.[0-9]{1,2})?)\b.*?\(scored by ([0-9,]{1,15}|-)", re.DOTALL)
PARAGRAPH = re.compile(rb'<p itemprop="description"[^>]*>.*?</p>', re.DOTALL)
BLOCK = re.compile(rb"<(?:ul|ol|div|blockquote|table|h[1-6])\b", re.IGNORECASE)
NO_SYNOPSIS = re.compile(r"no synopsis (?:information )?(?:has been added|yet)", re.IGNORECASE)
MARK = re.compile(r"(10|[1-9]) .*?\(\s*([0-9,]{1,15}) votes?\s*\)")
VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {  # column: the field's label and how its text is read
    "members": ("Members", partial(count, field="members")),
    "favourites": ("Favorites", partial(count, field="favourites")),
    "rank": ("Ranked", partial(some, field="rank")),
    "popularity": ("Popularity", partial(count, field="popularity")),
    "type": ("Type", said),
    "source": ("Source", said),
    "episodes": ("Episodes", partial(some, field="episodes")),
    "status": ("Status", said),
    "aired_from": ("Aired", first_day),
    "aired_to": ("Aired", last_day),
    "season": ("Premiered", said),
    "rating": ("Rating", said),
    "duration_minutes": ("Duration", minutes),
}
Fields = dict[str, LexborNode]
Row = dict[str, Any]


def anime(html: bytes, url: str) -> Row:
    """Return the row of Anime that a page states; PageChanged when any of its values cannot be read."""
    row, unread = anime_as_told(html, url)
    for error in unread:
        raise error
    return row


def anime_as_told(html: bytes, url: str) -> tuple[Row, list[PageChanged]]:
    """Return the row of Anime that a page states, and what stands on the page but cannot be read.

    Who it is about, title, synopsis and score must be readable, and every field of ALWAYS must be there: without them
    the layout is not one that we know. Of the other values, one that cannot be read is None and costs itself alone.
    """
    page = opened(html, url, "anime")
    fields = _fields(page.tree)
    values, unread = _values(fields)
    row = {
        "anime_id": page.id,
        "url": page.url,
        "title": _title(page.tree),
        "title_english": _value(fields, "English") or None,
        "title_japanese": _value(fields, "Japanese") or None,
        "title_synonyms": names(_value(fields, "Synonyms")),
        **_synopsis(page.tree, html),
        **_score(fields),
        **values,
        "genres": _links(fields, "Genre", "Genres", "Explicit Genre", "Explicit Genres"),
        "themes": _links(fields, "Theme", "Themes"),
        "demographics": _links(fields, "Demographic", "Demographics"),
        "studios": _links(fields, "Studio", "Studios"),
        "producers": _links(fields, "Producer", "Producers"),
        "relations": _relations(page.tree),
        "poster_url": _poster(page),
    }
    return row, unread


def histogram(html: bytes, url: str) -> list[Row]:
    """Return the rows of Histograms that a page of statistics states; none where nobody has given a mark."""
    page = opened(html, url, "anime_stats")
    heading = next((node for node in page.tree.css("h2") if line(node) == "Score Stats"), None)
    if heading is None:
        raise changed("votes", "the page has no section 'Score Stats'")
    found = [_mark(row) for node in until_heading(heading) if node.tag == "table" for row in node.css("tr")]
    if len({mark for mark, _ in found}) != len(found):
        raise changed("mark", "the page tells the votes for one mark twice")
    if not found and _has_voters(page.tree):
        raise changed("votes", "the page says that members gave marks and does not show them")
    return [{"anime_id": page.id, "mark": mark, "votes": votes} for mark, votes in found]


def _fields(tree: LexborHTMLParser) -> Fields:
    """Return the block that each label of the side bar stands in."""
    fields: Fields = {}
    for label in tree.css("span.dark_text"):
        if label.parent is not None:
            fields.setdefault(line(label).removesuffix(":"), label.parent)
    for name in ALWAYS:
        if name not in fields:
            raise changed(name.lower(), f"the page has no field {name!r}")
    return fields


def _value(fields: Fields, name: str) -> str:
    """Return the text beside a label, or an empty string where the page has no such label."""
    text = line(fields.get(name))
    return text.removeprefix(f"{name}:").lstrip()


def _title(tree: LexborHTMLParser) -> str:
    heading = tree.css_first("h1")
    if heading is None:
        raise changed("title", "the page has no heading")
    for node in (heading.css_first("strong"), heading.css_first('[itemprop="name"]'), heading):
        title = line(node, deep=False)
        if title:
            return title
    raise changed("title", "the heading of the page is empty")


def _synopsis(tree: LexborHTMLParser, html: bytes) -> Row:
    node = tree.css_first('p[itemprop="description"], span[itemprop="description"]')
    text = prose(_as_written(html) or node.html or "" if node is not None else _after_heading(tree, "Synopsis"))
    if NO_SYNOPSIS.match(text):
        return {"synopsis": None, "synopsis_as_written": None, "synopsis_credit": None}
    told, by = story_and_credit(text)
    return {"synopsis": told or None, "synopsis_as_written": text or None, "synopsis_credit": by if told else None}


def _as_written(html: bytes) -> str:
    """Return the paragraph of the synopsis as the page has it where a block stands in it: a tree would end it there."""
    found = PARAGRAPH.search(html)
    return found[0].decode() if found and BLOCK.search(found[0]) else ""


def _after_heading(tree: LexborHTMLParser, name: str) -> str:
    """Return the HTML between a heading and the next one."""
    heading = next((node for node in tree.css("h2") if line(node, deep=False) == name), None)
    if heading is None:
        raise changed(name.lower(), f"the page has no section {name!r}")
    return html_until_heading(heading)


def _score(fields: Fields) -> Row:
    """Return the score and how many gave one; no score that the site shows lies below 1, so zero is none."""
    found = SCORE.match(_value(fields, "Score"))
    if found is None:
        raise changed("score", f"{_value(fields, 'Score')[:60]!r} is no score")
    return {"score": None if found[1] == "N/A" else float(found[1]) or None, "votes": count(found[2], "votes")}


def _values(fields: Fields) -> tuple[Row, list[PageChanged]]:
    """Return the columns of VALUES, None where a value cannot be read, and why."""
    row: Row = dict.fromkeys(VALUES)
    unread = []
    for column, (label, read) in VALUES.items():
        try:
            row[column] = read(_value(fields, label))
        except PageChanged as error:
            unread.append(changed(column, error.what))
    return row, unread


def _mark(row: LexborNode) -> tuple[int, int]:
    found = MARK.fullmatch(line(row))
    if found is None:
        raise changed("votes", f"{line(row)[:60]!r} does not say how many gave a mark")
    return int(found[1]), int(found[2].replace(",", ""))


def _has_voters(tree: LexborHTMLParser) -> bool:
    beside = (label.parent for label in tree.css("span.dark_text") if line(label) == "Score:")
    told = [SCORE.search(line(block)) for block in beside]
    return any(found is not None and bool(count(found[2], "votes")) for found in told)


def _links(fields: Fields, *names: str) -> list[str]:
    """Return what a field links to, each once; the link that asks to add something is no value."""
    nodes = [link for name in names if name in fields for link in fields[name].css("a")]
    texts = [line(link) for link in nodes if "dbchanges.php" not in (link.attributes.get("href") or "")]
    return list(dict.fromkeys(text for text in texts if text))


def _relations(tree: LexborHTMLParser) -> list[Row]:
    rows = tree.css("table.anime_detail_related_anime tr, .related-entries table.entries-table tr")
    found = [(row.css_first("td"), row) for row in rows]
    found += [(entry.css_first(".relation"), entry) for entry in tree.css(".related-entries .entry")]
    related = [link for label, block in found if label is not None for link in _related(label, block)]
    return [dict(pairs) for pairs in dict.fromkeys(tuple(relation.items()) for relation in related)]


def _related(label: LexborNode, block: LexborNode) -> list[Row]:
    """Return the relations of one block, each with the kind of work and its id."""
    relation = line(label).partition("(")[0].strip().removesuffix(":").capitalize()
    about = [numbered(link.attributes.get("href") or "") for link in block.css("a") if line(link)]
    return [
        {"relation": relation, "kind": kind, "related_id": number} for kind, number in filter(None, about) if number
    ]


def _poster(page: Page) -> str | None:
    return picture_address(page.tree.css_first('img[itemprop="image"]'), page.url)
