"""Which address of the demo site shows what: list, seasons, anime with cast and statistics, characters, robots.txt.

Belongs here: the site's map, whole pages as text. Does not: bytes, headers and sockets (server), drawings
(pictures).
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from anipop_pipeline.demo import chrome, details, people, seasons, stats
from anipop_pipeline.demo.chrome import BASE, CDN, NOTICE, breadcrumb, link, text, thumbnail
from anipop_pipeline.demo.records import Anime, Character, World
from anipop_pipeline.demo.sidebar import PLACEHOLDER

PER_LIST = 50
HTML = "text/html; charset=UTF-8"
ROBOTS = """# An invented site, for demonstrations.
User-agent: *
Allow: /anime/
Allow: /character/
Allow: /topanime.php
Disallow: /panel.php
Disallow: /dbchanges.php
Disallow: /login.php
Disallow: /ownlist/

User-agent: BadBot
Disallow: /
"""
FULL_PATH = re.compile(r"/(anime|character)/(\d+)(?:/[^/]*)?(/characters|/stats)?/?")
LIST_TABS = {
    "topanime.php": "All Anime", "?type=airing": "Top Airing", "?type=upcoming": "Top Upcoming",
    "?type=tv": "Top TV Series",
    "?type=movie": "Top Movies", "?type=bypopularity": "Most Popular", "?type=favorite": "Most Favorited",
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """What an address answers: a status, a content type, text, and where to go instead."""

    status: int
    content_type: str
    body: str
    location: str | None = None


class Site:
    """The pages of one world, each made when it is asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._ranking = chrome.footer_ranking(_footer_units(world))

    def page(self, target: str) -> Page:
        """Return the page at that path and query."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        match parts.path:
            case "/robots.txt":
                return Page(200, "text/plain; charset=UTF-8", ROBOTS)
            case "/":
                return self._home()
            case "/topanime.php":
                return self._list(query.get("limit", ["0"])[0])
            case "/anime/season":
                return self._season(*seasons.current(self.world))
            case "/anime.php" if "id" in query:
                return self._moved(query["id"][0])
        if season := seasons.PATH.fullmatch(parts.path):
            return self._season(int(season[1]), season[2])
        found = FULL_PATH.fullmatch(parts.path)
        if found is None:
            return self._missing()
        kind, number, part = found[1], int(found[2]), found[3] or ""
        if kind == "character":
            return self._missing() if part else self._character(number)
        return self._anime(number, part)

    def _framed(self, status: int, body: str, title: str, told: str, path: str, image: str = PLACEHOLDER) -> Page:
        framed = chrome.frame(title=title, description=told, path=path, image=image, body=body, ranking=self._ranking)
        return Page(status, HTML, framed)

    def _home(self) -> Page:
        entry = f"<p>{NOTICE}</p><p>{link('/topanime.php', 'Top Anime')}</p>"
        return self._framed(200, _plain("Welcome", entry), "Home", "Where to begin.", "/")

    def _missing(self) -> Page:
        told = """
  <div class="error404" title="This page doesn't exist.">
    <p class="message">This page doesn't exist.</p>
  </div>
"""
        return self._framed(404, _plain("404 Not Found", told), "404 Not Found", "Nothing is here.", "/404")

    def _moved(self, number: str) -> Page:
        """Return the way from an address of the site's early years to today's."""
        anime = self.world.anime_by_id.get(int(number)) if number.isdecimal() else None
        if anime is None:
            return self._missing()
        return Page(301, HTML, "", BASE + anime.path)

    def _anime(self, number: int, part: str) -> Page:
        anime = self.world.anime_by_id.get(number)
        if anime is None or number in self.world.dead_anime:
            return self._missing()
        named, told, body = self._told(anime, part)
        image = CDN + anime.poster_path if anime.poster_path else PLACEHOLDER
        return self._framed(200, body, named, told, anime.path + part, image)

    def _told(self, anime: Anime, part: str) -> tuple[str, str, str]:
        """Return name, description and body of that part of an anime's pages."""
        above = details.heading(anime, part)
        match part:
            case "/characters":
                body = above + people.cast_body(self.world, anime, anime.path)
                return f"{_named(anime)} - Characters & Staff", f"Who appears in {anime.title}.", body
            case "/stats":
                body = above + stats.body(anime, self.world.seed)
                return f"{anime.title} - Statistics", f"How {anime.title} was received.", body
            case _:
                told = " ".join((anime.synopsis or anime.title).split())[:200]
                return _named(anime), told, above + details.body(self.world, anime)

    def _season(self, year: int, name: str) -> Page:
        body = seasons.body(self.world, year, name)
        if body is None:
            return self._missing()
        named = f"{name.title()} {year}"
        path = f"/anime/season/{year}/{name}"
        return self._framed(200, body, f"{named} - Anime", f"What was new in {named}.", path)

    def _character(self, number: int) -> Page:
        character = self.world.character_by_id.get(number)
        if character is None or number in self.world.dead_characters:
            invalid = _plain("Invalid", '<div class="badresult">Invalid ID provided.</div>')
            return self._framed(200, invalid, "", "Nobody is here.", f"/character/{number}")
        image = f"{CDN}{character.portrait_path or '/images/questionmark_23.gif'}"
        path, told = character.path, f"Who is {character.name}?"
        return self._framed(200, people.body(self.world, character), self._title_of(character), told, path, image)

    def _title_of(self, character: Character) -> str:
        return f"{character.name} ({self.world.appearances[character.id][0][0].title})"

    def _list(self, limit: str) -> Page:
        start = int(limit) if limit.isdecimal() else 0
        shown = self.world.anime[start : start + PER_LIST]
        if not shown:
            return self._missing()
        more = start + PER_LIST < len(self.world.anime)
        path = f"/topanime.php?limit={start}" if start else "/topanime.php"
        return self._framed(200, _list_body(shown, start, more), "Top Anime", "The highest-ranked titles.", path)


def _named(anime: Anime) -> str:
    return f"{anime.title} ({anime.title_english})" if anime.title_english else anime.title


def _plain(heading: str, content: str) -> str:
    return f'<div id="contentWrapper"><div><h1 class="h1">{heading}</h1></div><div id="content">{content}</div>'


def _footer_units(world: World) -> list[tuple[str, str, list[tuple[str, str]]]]:
    airing = [one for one in world.anime if one.airing.status == "Currently Airing"]
    loved = sorted(world.characters, key=lambda one: (-one.favourites, one.id))[:5]

    def entries(titles: list[Anime]) -> list[tuple[str, str]]:
        return [(one.path, one.title) for one in titles[:5]]

    return [
        ("Top Anime", "/topanime.php", entries(list(world.anime[:5]))),
        ("Top Airing Anime", "/topanime.php?type=airing", entries(airing)),
        ("Most Popular Characters", "/character.php", [(one.path, one.listed_name) for one in loved]),
    ]


def _list_body(shown: tuple[Anime, ...], start: int, more: bool) -> str:
    tabs = "\n".join(f'<li><a href="{href}">{name}</a></li>' for href, name in LIST_TABS.items())
    around = _pagination(start, more)
    return f"""<div id="contentWrapper"><div><h1 class="h1">Top Anime</h1></div><div id="content">

                              {breadcrumb([("/anime.php", "Anime"), ("/topanime.php", "Top Anime")])}

<div id="horiznav_nav" class="horiznav_nav_list">
<ul style="margin-right: 0; padding-right: 0;">
{tabs}
</ul>
</div>
    <div class="pb12"><h2 class="fs18 fw-b ff-avenir mt24 top-rank-header2">\
<span class="fl-r di-ib icon-top-ranking-page">\
{around}</span>Top Anime Series</h2>\
<table border="0" cellpadding="0" cellspacing="0" width="100%" class="top-ranking-table">\
<tr class="table-header"><td class="rank">Rank</td><td class="title">Title</td><td class="score">Score</td>\
<td class="your-score">Your Score</td><td class="status">Status</td></tr>{"".join(_ranked_row(one) for one in shown)}\
</table><div class="di-b ac pt16 pb16 pagination icon-top-ranking-page-bottom">{around}</div>
</div></div>"""


def _pagination(start: int, more: bool) -> str:
    before = (
        f'<a href="?limit={max(start - PER_LIST, 0)}" class="link-blue-box prev">Prev {PER_LIST}</a>' if start else ""
    )
    after = (
        f'<a href="?limit={start + PER_LIST}" class="link-blue-box next">Next {PER_LIST}'
        '<i class="fa-solid fa-chevron-right ml4"></i></a>'
    )
    return before + (after if more else "")


def _ranked_row(one: Anime) -> str:
    path, number = one.path, one.id
    score, css = ("N/A", "score-na") if one.score is None else (f"{one.score:.2f}", f"score-{int(one.score)}")
    hover = f'id="#area{number}" rel="#info{number}"'
    return f"""
<tr class="ranking-list">
    <td class="rank ac" valign="top">
    <span class="lightLink top-anime-rank-text rank1">{one.rank or "-"}</span>
  </td>
    <td class="title al va-t word-break">
    <a class="hoverinfo_trigger fl-l ml12 mr8" href="{BASE}{text(path)}" {hover}>
      {thumbnail(one.poster_path, f"Anime: {one.title}", 50, 70)}
    </a>

    <div class="detail"><div id="area{number}">
  <div id="info{number}" rel="a{number}" class="hoverinfo"></div>
</div>
<div class="di-ib clearfix"><h3 class="hoverinfo_trigger fl-l fs14 fw-b anime_ranking_h3">\
<a href="{BASE}{text(path)}" {hover}>\
{text(one.title)}</a></h3><div class="icon-watch2">{link(f"{path}/video", "", "mal-icon ml8 ga-click")}</div></div><br>\
<div class="information di-ib mt4">
        {one.type} ({one.episodes or "?"} eps)<br>
        {_months(one)}<br>
        {one.members:,} members
      </div></div>
  </td>

    <td class="score ac fs14"><div class="js-top-ranking-score-col di-ib al">\
<i class="icon-score-star fa-solid fa-star mr4 on"></i>\
<span class="text on score-label {css}">{score}</span></div>
  </td>

    <td class="your-score ac fs14">
    <div class="js-top-ranking-your-score-col di-ib al">\
{link("/login.php", '<span class="text  score-label score-na">N/A</span>')}</div>
  </td>

    <td class="status ac">{link("/login.php", "Add to list", "btn-addEdit-large btn-anime-watch-status notinmylist")}
</td>
</tr>"""


def _months(one: Anime) -> str:
    first, last = (f"{day:%b %Y}" if day else "" for day in (one.airing.first, one.airing.last))
    return f"{first} - {last}"
