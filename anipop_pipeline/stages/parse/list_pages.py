"""Which anime a page of the ranking list or of a season names.

Belongs here: where lists name their anime, in every layout since 2015. Does not: what the page of one anime says.
"""

import re
from typing import Any

from selectolax.lexbor import LexborNode

from anipop_pipeline.stages.parse.page import (
    absolute,
    changed,
    line,
    next_address,
    numbered,
    path_of,
    stated_path,
    tree_of,
)

SEASON = re.compile(r"/anime/season(?:/([0-9]{4})/(winter|spring|summer|fall))?")
CURRENT_SEASON = "/anime/season"


def listing(html: bytes, url: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return the anime of a page of the ranking list in its order, and the address of the next page."""
    tree = tree_of(html)
    rows = [_listed(row.css("a"), url) for row in tree.css("tr.ranking-list")]
    if not rows:
        raise changed("listing", "the page lists no anime")
    link = tree.css_first('link[rel="next"]') or tree.css_first("a.next")
    href = link.attributes.get("href") if link is not None else None
    return rows, next_address(href, url) if href else None


def season(html: bytes, url: str) -> list[dict[str, Any]]:
    """Return the anime of a season in the page's order, from every section (new, continuing, ONA, ...), each once."""
    tree = tree_of(html)
    asked, stated = (path.rstrip("/") for path in (path_of(url), stated_path(tree)))
    about = SEASON.fullmatch(asked)
    if about is None:
        raise changed("url", f"{asked[:80]!r} is no address of a season")
    if stated not in (asked, CURRENT_SEASON):
        raise changed("season", f"the page is about {stated[:80]!r}, which is not what was asked for: {asked[:80]!r}")
    if stated != asked and f"{about[2]} {about[1]}" not in line(tree.css_first("title")).lower():
        raise changed("season", f"the page is about the current season, not the one that was asked for: {asked[:80]!r}")
    rows = [_listed(row.css("a.link-title"), url) for row in tree.css(".seasonal-anime")]
    if not rows:
        raise changed("season", "the page lists no anime")
    first = {row["anime_id"]: at for at, row in reversed(list(enumerate(rows)))}
    return [row for at, row in enumerate(rows) if first[row["anime_id"]] == at]


def _listed(links: list[LexborNode], url: str) -> dict[str, Any]:
    """Return what the first link to an anime says that has words."""
    for link in links:
        href = link.attributes.get("href") or ""
        about = numbered(href)
        if about is not None and about[0] == "anime" and line(link):
            return {"url": absolute(href, url), "title": line(link), "anime_id": about[1]}
    raise changed("anime_id", "a row of the list names no anime")
