"""The pages of one season: what is new in it, what goes on, and what came out beside the series.

Belongs here: which titles belong to a season, and how the real site shows them today. Does not: what surrounds the
page (chrome), or when a title is shown (drafts, ageing).
"""

import re
from collections.abc import Sequence
from datetime import date

from anipop_pipeline.demo.chrome import BASE, CDN, advertisement, breadcrumb, link, text
from anipop_pipeline.demo.drafts import season
from anipop_pipeline.demo.records import Anime, World
from anipop_pipeline.demo.sidebar import GENRE_IDS, company_path, day_shown, score_class

NAMES = ("winter", "spring", "summer", "fall")
PATH = re.compile(r"/anime/season/(\d{4})/(winter|spring|summer|fall)/?")
TYPE_KEYS = {"TV": 1, "OVA": 2, "Movie": 3, "Special": 4, "ONA": 5}
"""The numbers by which the site's script shows and hides types; music videos have no section."""
SECTIONS = ("TV (New)", "TV (Continuing)", "ONA", "OVA", "Movie", "Special")


def current(world: World) -> tuple[int, str]:
    """Return year and name of the season in which the world's day lies."""
    name, year = season(world.today.date()).split()
    return int(year), name.lower()


def listed(world: World, year: int, name: str) -> dict[str, list[Anime]]:
    """Return the season's titles under the heading where the site shows them, those with most members first."""
    sections: dict[str, list[Anime]] = {heading: [] for heading in SECTIONS}
    for one in sorted(world.anime, key=lambda one: (one.popularity, one.id)):
        heading = _section(one, _first_day(year, name), world.today.date())
        if heading:
            sections[heading].append(one)
    return {heading: titles for heading, titles in sections.items() if titles}


def _first_day(year: int, name: str) -> date:
    return date(year, 3 * NAMES.index(name) + 1, 1)


def _section(one: Anime, opening: date, today: date) -> str | None:
    """Return where the title stands in the season that opens on that day, if anywhere."""
    shown = one.airing
    if one.type == "TV" and shown.season == season(opening):
        return "TV (New)"
    if shown.first is None or one.type not in TYPE_KEYS:
        return None
    if one.type == "TV":
        known_end = shown.last or max(shown.first, today)
        return "TV (Continuing)" if shown.first < opening <= known_end else None
    return one.type if shown.precision != "year" and season(shown.first) == season(opening) else None


def body(world: World, year: int, name: str) -> str | None:
    """Return the season's page without its chrome; None for a season of which the world has nothing."""
    sections = listed(world, year, name) if year else {}
    if not sections:
        return None
    path = f"/anime/season/{year}/{name}"
    named = f"{name.title()} {year}"
    trail = breadcrumb([("/anime.php", "Anime"), ("/anime/season", "Seasonal Anime"), (path, named)])
    lists = "".join(_list(heading, titles, path) for heading, titles in sections.items())
    return f"""<div id="contentWrapper" >
          <div>
            <h1 class="h1">Seasonal Anime</h1>          </div>
          <div id="content" class="pl0 pr0">


                    {trail}




    <div class="navi-seasonal js-navi-seasonal">
{_navigation(year, name)}
{_filters(sections)}
        <p class="fs11 ar fn-grey2 pt8 pr4">
      Showing: <span class="js-visible-anime-count">?/?</span>
    </p>
  </div>


      <div class="js-categories-seasonal">{lists}</div>

    <div class="btn-top js-btn-top"></div>

      <div class="mauto clearfix pt24" style="width:760px;">{advertisement("728x90", 1, {"display": ["season"]})}</div>

</div>
"""


def _navigation(year: int, name: str) -> str:
    """Return the links to the seasons of that year and to the same season a year before and after."""
    around = [(year - 1, name, "..."), *((year, other, f"{other.title()} {year}") for other in NAMES)]
    tabs = "".join(_tab(*one, here=one[:2] == (year, name)) for one in (*around, (year + 1, name, "...")))
    return f"""<div class="horiznav_nav">
  <ul>
{tabs}          <li>{link("/anime/season", "Current Season", "navtab")}</li>
          <li class="fl-r">
        <form method="POST" action="{BASE}/anime/season/jump">
          <span class="di-ib mr4">Jump to</span>
          <select name="season" id="filterByType" class="inputtext mr4">\
{"".join(f'<option value="{other}">{other.title()}</option>' for other in NAMES)}</select>
          <input type="text" name="year" class="inputtext mr4" size="4" placeholder="Year">
        </form>
      </li>
      </ul>
</div>"""


def _tab(year: int, name: str, shown: str, *, here: bool) -> str:
    linked = link(f"/anime/season/{year}/{name}", f"\n          {shown}\n        ", "on" if here else "")
    opened, closed = ('<h1 class="season_nav">\n                ', "\n                  </h1>") if here else ("", "")
    return f"          <li>\n                {opened}{linked}{closed}\n              </li>\n"


def _filters(sections: dict[str, list[Anime]]) -> str:
    present = {title.type for titles in sections.values() for title in titles}
    types = "".join(
        f'<li class="btn-type js-btn-seasonal" data-key="{key}">{kind}</li>'
        for kind, key in TYPE_KEYS.items()
        if kind in present
    )
    genres = "".join(
        f'<li class="js-btn-sort-order btn-sort-order fa-stack" id="{number}">'
        f'<i class="fa-regular fa-square fa-stack-2x"></i>{genre}</li>'
        for genre, number in GENRE_IDS.items()
    )
    return f"""<div class="horiznav-nav-seasonal po-r">
      <div class="seasonal-sort-order-block genres js-seasonal-sort-order-block js-genres">
          <ul class="sort-order-list" id="genres">{genres}</ul>
        </div>
            <ul class="btn-seasonal">
        <li class="btn-type js-btn-seasonal on" data-key="all">All</li>{types}</ul>
    </div>
"""


def _list(heading: str, titles: Sequence[Anime], path: str) -> str:
    key = TYPE_KEYS[titles[0].type]
    gap = '<div class="seasonal-middle">\n          <div class="item"></div>\n        </div>'
    return (
        f'<div class="seasonal-anime-list js-seasonal-anime-list js-seasonal-anime-list-key-{key}">\n'
        f'      <div class="anime-header">{heading}</div>\n{"".join(_card(one, path) for one in titles)}</div>'
        f"{gap if heading == SECTIONS[0] else ''}"
    )


def _card(one: Anime, path: str) -> str:
    numbers = sorted(GENRE_IDS[name] for name in (*one.genres, *one.themes, *one.demographics))
    kids = "kids js-kids " if "Kids" in one.demographics else ""
    return f"""<div class="js-anime-category-producer seasonal-anime js-seasonal-anime {kids}js-anime-type-all \
js-anime-type-{TYPE_KEYS[one.type]}" data-genre="{",".join(map(str, numbers))}">
  <div>
    {_title(one)}

    {_when(one)}

    <div class="genres js-genre" id="{one.id}">
      <div class="genres-inner js-genre-inner">{"".join(_genre(name, "genre") for name in one.genres)}</div>
    </div>
  </div>

  <div class="image">{link(one.path, _picture(one))}
        {link(one.path, text(one.title), "link-image")}
  </div>


  {_synopsis(one)}

  {_figures(one, path)}
</div>


"""


def _title(one: Anime) -> str:
    return f"""<div class="title"><div class="title-text">
        <h2 class="h2_anime_title">{link(one.path, text(one.title), "link-title")}</h2></div>
      <span style="display: none;" class="js-members">{one.members}</span>
      <span style="display: none;" class="js-score">{0 if one.score is None else f"{one.score:.2f}"}</span>
      <span style="display: none;" class="js-start_date">{_sortable(one)}</span>
      <span style="display: none;" class="js-title">{text(one.title)}</span>
    </div>"""


def _sortable(one: Anime) -> str:
    """Return the first day as eight figures, zeros for what is not known."""
    first = one.airing.first
    if first is None:
        return "00000000"
    known = {"year": "%Y0000", "month": "%Y%m00"}.get(one.airing.precision, "%Y%m%d")
    return first.strftime(known)


def _when(one: Anime) -> str:
    first = one.airing.first
    episodes = f"{one.episodes or '?'} ep{'' if one.episodes == 1 else 's'}"
    return f"""<div class="prodsrc">
      <div class="video"></div>
      <div class="info"><span class="item">\
{"" if first is None else day_shown(first, one.airing.precision)}</span><span class="item">
          <span>{episodes}</span>,
          <span>{one.duration_minutes or "?"} min </span>
        </span>
      </div>
      <div class="broadcast"></div>
    </div>"""


def _picture(one: Anime) -> str:
    source = f"{CDN}{one.poster_path or '/images/questionmark_23.gif'}"
    named = text(one.title)
    return (
        f'<img width="167" alt="{named}" data-src="{source}" data-srcset="{source} 1x, {source} 2x" class="lazyload" />'
    )


def _genre(name: str, css: str) -> str:
    linked = f'<a href="/anime/genre/{GENRE_IDS[name]}/{name.replace(" ", "_")}" title="{name}">{name}</a>'
    return f'<span class="{css}">\n            {linked}\n          </span>'


def _synopsis(one: Anime) -> str:
    told = "(No synopsis yet.)" if one.synopsis is None else one.synopsis
    credit = f"\n\n{one.credit_line}" if one.credit_line else ""
    studios = "".join(
        f'<span class="item"><a href="{company_path(name)}" title="{text(name)}">{text(name)}</a></span>'
        for name in one.studios
    )
    rows = [("Studio", studios), ("Source", f'<span class="item">{one.source}</span>')]
    for label, names in (("Theme", one.themes), ("Demographic", one.demographics)):
        plural = f"{label}s" if len(names) > 1 else label
        rows += [(plural, "".join(_genre(name, "item") for name in names))] * bool(names)
    properties = "".join(
        f'<div class="property">\n        <span class="caption">{label}</span>{shown}</div>' for label, shown in rows
    )
    return f"""<div class="synopsis js-synopsis" >
    <p class="preline">{text(told + credit)}</p>
    <button class="js-toggle-text" style="display: block; margin: 0 auto; background: none; border: none;">
      <i class="fa-solid fa-angle-down" style="pointer-events: none;"></i>
    </button>

    <div class="properties">
      {properties}</div>
  </div>"""


def _figures(one: Anime, path: str) -> str:
    back = path.replace("/", "%2F")
    added = link(
        f"/login.php?error=login_required&from={back}",
        "Add to List",
        "button_add ga-click btn-anime-watch-status js-anime-watch-status button notinmylist addtolist",
    )
    return f"""<div class="information ">
    <div class="information-item scormem">
      <div class="scormem-container">
        <div class="scormem-item score score-label {score_class(one.score)}" title="Score">
          <i class="fa-regular fa-star mr4"></i>{"N/A" if one.score is None else f"{one.score:.2f}"}
        </div>
        <div class="scormem-item member" title="Members">
          <i class="fa-solid fa-user mr4"></i>{short_count(one.members)}
        </div>
      </div>
    </div>
    <div class="information-item buttons">
      {added}
                </div>
  </div>"""


def short_count(count: int) -> str:
    """Return a number of members as a card has room for it.

    >>> [short_count(count) for count in (823, 5_649, 57_950, 1_000_000, 1_895_170)]
    ['823', '5.6K', '58K', '1.0M', '1.9M']
    """
    if count < 1000:
        return str(count)
    for unit, name in ((1000, "K"), (1_000_000, "M")):
        many = count / unit
        if many < 9.95:
            return f"{many:.1f}{name}"
        if many < 999.5:
            return f"{many:.0f}{name}"
    return f"{count / 1_000_000:.0f}M"
