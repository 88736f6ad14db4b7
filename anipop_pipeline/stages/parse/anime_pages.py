"""What a page of one anime and a page of the ranking list say.

Belongs here: where each field of an anime stands, in every layout since 2015. Does not: what a text means.
"""

import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from anipop_pipeline.stages.parse.page import (
    Page,
    absolute,
    changed,
    line,
    next_address,
    numbered,
    opened,
    picture_address,
    tree_of,
)
from anipop_pipeline.stages.parse.text import count, credit, minutes, period, prose, said, story

ALWAYS = ["Type", "Episodes", "Status", "Aired", "Score", "Ranked", "Popularity", "Members", "Favorites"]
SCORE = re.compile(r"(N/A|[0-9]{1,2}(?:\.[0-9]{1,2})?)\b.*?\(scored by ([0-9,]{1,15}|-)", re.DOTALL)
NO_SYNOPSIS = re.compile(r"no synopsis (?:information )?(?:has been added|yet)", re.IGNORECASE)
Fields = dict[str, LexborNode]


def listing(html: bytes, url: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return the anime of a page of the ranking list in its order, and the address of the next page."""
    tree = tree_of(html)
    rows = [_listed(row, url) for row in tree.css("tr.ranking-list")]
    if not rows:
        raise changed("listing", "the page lists no anime")
    link = tree.css_first('link[rel="next"]') or tree.css_first("a.next")
    href = link.attributes.get("href") if link is not None else None
    return rows, next_address(href, url) if href else None


def anime(html: bytes, url: str) -> dict[str, Any]:
    """Return the row of Anime that a page states."""
    page = opened(html, url, "anime")
    fields = _fields(page.tree)
    return {
        "anime_id": page.id,
        "url": page.url,
        "title": _title(page.tree),
        **_names(fields),
        **_synopsis(page.tree),
        **_statistics(fields),
        **_broadcast(fields),
        "genres": _links(fields, "Genre", "Genres") + _links(fields, "Explicit Genre", "Explicit Genres"),
        "themes": _links(fields, "Theme", "Themes"),
        "demographics": _links(fields, "Demographic", "Demographics"),
        "studios": _links(fields, "Studio", "Studios"),
        "producers": _links(fields, "Producer", "Producers"),
        "relations": _relations(page.tree),
        "poster_url": _poster(page),
    }


def _listed(row: LexborNode, url: str) -> dict[str, Any]:
    links = [link for link in row.css("a") if "/anime/" in (link.attributes.get("href") or "") and line(link)]
    href = links[0].attributes.get("href") if links else None
    about = numbered(href) if href else None
    if href is None or about is None or about[0] != "anime":
        raise changed("anime_id", "a row of the list names no anime")
    return {"url": absolute(href, url), "title": line(links[0]), "anime_id": about[1]}


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


def _names(fields: Fields) -> dict[str, Any]:
    return {
        "title_english": _value(fields, "English") or None,
        "title_japanese": _value(fields, "Japanese") or None,
    }


def _synopsis(tree: LexborHTMLParser) -> dict[str, Any]:
    node = tree.css_first('p[itemprop="description"], span[itemprop="description"]')
    text = prose(node.html or "" if node is not None else _after_heading(tree, "Synopsis"))
    told = "" if NO_SYNOPSIS.match(text) else story(text)
    return {"synopsis": told or None, "synopsis_credit": credit(text) if told else None}


def _after_heading(tree: LexborHTMLParser, name: str) -> str:
    """Return the HTML between a heading and the next one."""
    heading = next((node for node in tree.css("h2") if line(node, deep=False) == name), None)
    if heading is None:
        raise changed(name.lower(), f"the page has no section {name!r}")
    return html_until_heading(heading)


def html_until_heading(heading: LexborNode) -> str:
    """Return the HTML of what follows a node among its siblings, up to the next heading."""
    pieces, node = [], heading.next
    while node is not None and not _is_heading(node):
        pieces.append(node.html or "")
        node = node.next
    return "".join(pieces)


def _is_heading(node: LexborNode) -> bool:
    if node.is_text_node or node.is_comment_node:
        return False
    return node.tag == "h2" or "normal_header" in (node.attributes.get("class") or "") or bool(node.css_first("h2"))


def _statistics(fields: Fields) -> dict[str, Any]:
    found = SCORE.match(_value(fields, "Score"))
    if found is None:
        raise changed("score", f"{_value(fields, 'Score')[:60]!r} is no score")
    return {
        "score": None if found[1] == "N/A" else float(found[1]),
        "votes": count(found[2], "votes"),
        "members": count(_value(fields, "Members"), "members"),
        "favourites": count(_value(fields, "Favorites"), "favourites"),
        "rank": count(_value(fields, "Ranked"), "rank"),
        "popularity": count(_value(fields, "Popularity"), "popularity"),
    }


def _broadcast(fields: Fields) -> dict[str, Any]:
    first, last = period(_value(fields, "Aired"))
    return {
        "type": said(_value(fields, "Type")),
        "source": said(_value(fields, "Source")),
        "episodes": count(_value(fields, "Episodes"), "episodes"),
        "status": said(_value(fields, "Status")),
        "aired_from": first,
        "aired_to": last,
        "season": said(_value(fields, "Premiered")),
        "rating": said(_value(fields, "Rating")),
        "duration_minutes": minutes(_value(fields, "Duration")),
    }


def _links(fields: Fields, *names: str) -> list[str]:
    """Return what a field links to, each once; the link that asks to add something is no value."""
    nodes = [link for name in names if name in fields for link in fields[name].css("a")]
    texts = [line(link) for link in nodes if "dbchanges.php" not in (link.attributes.get("href") or "")]
    return list(dict.fromkeys(text for text in texts if text))


def _relations(tree: LexborHTMLParser) -> list[dict[str, Any]]:
    rows = tree.css("table.anime_detail_related_anime tr, .related-entries table.entries-table tr")
    found = [(row.css_first("td"), row) for row in rows]
    found += [(entry.css_first(".relation"), entry) for entry in tree.css(".related-entries .entry")]
    related = [link for label, block in found if label is not None for link in _related(label, block)]
    return [dict(pairs) for pairs in dict.fromkeys(tuple(relation.items()) for relation in related)]


def _related(label: LexborNode, block: LexborNode) -> list[dict[str, Any]]:
    """Return the relations of one block, each with the kind of work and its id."""
    relation = line(label).partition("(")[0].strip().removesuffix(":").capitalize()
    about = [numbered(link.attributes.get("href") or "") for link in block.css("a") if line(link)]
    return [{"relation": relation, "kind": kind, "related_id": number} for kind, number in filter(None, about)]


def _poster(page: Page) -> str | None:
    return picture_address(page.tree.css_first('img[itemprop="image"]'), page.url)
