"""The page of one anime: left column, synopsis, relations, a short cast, reviews and recommendations.

Belongs here: how an anime is shown today by the real site, field by field. Does not: what surrounds every page
(chrome), the cast's own page and its people (people), or which address shows what (pages).
"""

from collections.abc import Sequence

from anipop_pipeline.demo import words
from anipop_pipeline.demo.chrome import BASE, advertisement, breadcrumb, link, text, thumbnail
from anipop_pipeline.demo.people import short_cast, short_staff
from anipop_pipeline.demo.records import Anime, Relation, World
from anipop_pipeline.demo.sidebar import companies, left_column, score_class

TABS = (
    ("Details", ""), ("Characters &amp; Staff", "/characters"), ("Episodes", "/episode"), ("Videos", "/video"),
    ("Stats", "/stats"), ("Reviews", "/reviews"), ("Recommendations", "/userrecs"), ("Interest Stacks", "/stacks"),
    ("News", "/news"), ("Forum", "/forum"), ("Clubs", "/clubs"), ("Pictures", "/pics"),
)  # fmt: skip
EDITABLE = (
    "Synopsis", "Background", "Alternative Titles", "Picture", "Airing Dates", "Producers", "Relations", "Rating",
    "Duration", "Broadcast Time", "Theme Songs", "Source",
)  # fmt: skip
IN_TILES = ("Adaptation", "Prequel", "Sequel")


def heading(anime: Anime, tab: str = "") -> str:
    """Return the head line with the title, as on every page about this anime; the tab is the end of its path."""
    english = anime.title_english
    second = f'<br><p class="title-english title-inherit">{text(english)}</p>' if english else ""
    options = "".join(f'<option value="{name.lower().replace(" ", "_")}">{name}</option>' for name in EDITABLE)
    return f"""<div id="contentWrapper" itemscope itemtype="http://schema.org/TVSeries"><div><div class="h1 edit-info">
      <div class="h1-title"><div itemprop="name"><h1 class="title-name h1_bold_none"><strong>\
{text(anime.title)}</strong></h1>\
{second}</div></div><div class="header-right">
          {link(f"/login.php?from=%2Fanime%2F{anime.id}&error=login_required", "Edit", "js-anime-edit-info-button")}
<div id="editdiv" class="fw-n fs11">
  <form method="GET" action="{BASE}/dbchanges.php" class="di-i">
    <input type="hidden" name="aid" value="{anime.id}">
    <div class="pb8">What would you like to edit?</div>
    <select name="t" id="t" class="inputtext">{options}</select>
  </form>
</div>
</div></div></div><div id="content" >

<table border="0" cellpadding="0" cellspacing="0" width="100%">
<tr>
   {left_column(anime)}<td valign="top" style="padding-left: 5px;"><div class="rightside js-scrollfix-bottom-rel">\
<div style="width:728px; margin:0 auto"></div>
<a name="lower"></a>
{_tabs(anime, tab)}"""


def body(world: World, anime: Anime) -> str:
    """Return what stands below the head line of the anime's page."""
    trail = breadcrumb([("/anime.php", "Anime"), (anime.path, anime.title)])
    return f"""


                    {trail}

<table border="0" cellspacing="0" cellpadding="0" width="100%">
  <tr>
  <td valign="top" class="pb24"><div class="pb16">{_header_stats(anime)}</div>\
<div>{_edit(anime, "synopsis")}<h2 id="synopsis">Synopsis</h2></div>\
<p itemprop="description">{_description(anime)}</p>\
<div style="margin-top: 15px;">{_edit(anime, "background")}<h2 id="background">Background</h2></div>\
Nobody has told how this invented title came about: <a href="/dbchanges.php?aid={anime.id}&t=background">invent it</a>.\
{_advertisements(anime)}</td></tr>{_related(anime)}<tr><td class="pb24">{short_cast(world, anime, anime.path)}
<br>
<a name="staff"></a>
{short_staff(world, anime, anime.path)}
<br><br>{_theme_songs(anime)}{_reviews(anime)}{_recommendations(world, anime)}
</td></tr></table></div></td></tr></table></div>"""


def _edit(anime: Anime, what: str) -> str:
    target = f"/dbchanges.php?aid={anime.id}&t={what}"
    return f'<div class="floatRightHeader"><a href="{target}" style="font-weight: normal;">Edit</a></div>'


def _tabs(anime: Anime, tab: str) -> str:
    rows = "".join(
        f"        <li>{link(anime.path + end, name, 'horiznav_active' if end == tab else '')}\n    </li>\n"
        for name, end in TABS
    )
    return f"""<div id="horiznav_nav" style="margin: 5px 0 10px 0;">
  <ul style="margin-right: 0; padding-right: 0;">
{rows}    </ul>
</div>
"""


def _header_stats(anime: Anime) -> str:
    """Return the bar above the synopsis, which repeats the score."""
    rank = "N/A" if anime.rank is None else f"#{anime.rank}"
    shown, users = ("N/A", "-") if anime.score is None else (f"{anime.score:.2f}", f"{anime.votes:,}")
    season = ""
    if anime.airing.season:
        name, year = anime.airing.season.split()
        named = link(f"/anime/season/{year}/{name.lower()}", anime.airing.season)
        season = f'<span class="information season">{named}</span>'
    kind = link(f"/topanime.php?type={anime.type.lower()}", anime.type)
    return f"""<div class="di-t w100 mt12"><div class="anime-detail-header-stats di-tc va-t">\
<div class="stats-block po-r clearfix">\
<div class="fl-l score" data-title="score" data-user="{users} users" title="indicates a weighted score.">\
<div class="score-label {score_class(anime.score)}">{shown}</div></div><div class="di-ib ml12 pl20 pt8">\
<span class="numbers ranked" title="based on the top anime page.">Ranked <strong>{rank}</strong></span>\
<span class="numbers popularity">Popularity <strong>#{anime.popularity}</strong></span>\
<span class="numbers members">Members <strong>{anime.members:,}</strong></span></div>\
<div class="information-block di-ib clearfix">{season}<span class="information type">{kind}</span>\
<span class="information studio author">{companies(anime, anime.studios)}</span></div></div></div></div>"""


def _description(anime: Anime) -> str:
    """Return the synopsis as the site writes it: line breaks, entities, titles of books in italics, the credit last."""
    if anime.synopsis is None:
        return (  # the first words are the site's: by them a parser knows that there is nothing
            "No synopsis information has been added to this title. "
            f'Whoever has seen it may <a href="/dbchanges.php?aid={anime.id}&t=synopsis">make one up</a>.'
        )
    told = text(anime.synopsis)
    for book in words.BOOKS:
        told = told.replace(text(book), f"<i>{text(book)}</i>")
    ending = f"\n\n{text(anime.credit_line)}" if anime.credit_line else ""
    return (told + ending).replace("\n", "<br />\n")


def _advertisements(anime: Anime) -> str:
    target: dict[str, object] = {"anime_id": [anime.id], "display": ["details"], "country": ["XX"]}
    boxes = "".join(
        '<div style="padding: 20px 0 20px 40px; float: left; position: relative;">'
        f"{advertisement('300x250', i, target)}</div>"
        for i in (1, 2)
    )
    return f'<div class="border_top" style="padding:16px 0px 0px 0px;margin:14px 0px 0px 0px;">{boxes}</div>'


def _related(anime: Anime) -> str:
    if not anime.relations:
        return ""
    tiles = [one for one in anime.relations if one.relation in IN_TILES]
    rest = [one for one in anime.relations if one.relation not in IN_TILES]
    rows = {name: [one for one in rest if one.relation == name] for name in dict.fromkeys(one.relation for one in rest)}
    tiled = f'<div class="entries-tile">{"".join(_tile(one) for one in tiles)}</div>' if tiles else ""
    table = "".join(_relation_row(name, entries) for name, entries in rows.items())
    listed = f'\n        <table class="entries-table">{table}</table>' if rows else ""
    return f"""<tr><td class="pb24"><div>{_edit(anime, "relations")}<h2 id="related_entries">Related Entries</h2></div>\
<div class="related-entries">
        {tiled}{listed}
    </div>
</td></tr>"""


def _tile(one: Relation) -> str:
    return f"""
            <div class="entry borderClass ">
              <div class="image">
                {link(one.path, thumbnail(None, one.title, 50, 70))}
              </div>
              <div class="content">
                <div class="relation">
                  {one.relation}
                  ({one.type})
                </div>
                <div class="title">
                  {link(one.path, text(one.title))}
                </div>
              </div>
            </div>"""


def _relation_row(name: str, entries: Sequence[Relation]) -> str:
    items = "\n".join(
        f'                  <li class="">{link(one.path, text(one.title))} ({one.type})</li>' for one in entries
    )
    return f"""
          <tr class="">
            <td valign="top" class="ar fw-n borderClass nowrap">
              {name}:
            </td>
            <td width="100%" class="borderClass">
              <ul class="entries">
{items}
                                                </ul>
            </td>
          </tr>
"""


def _theme_songs(anime: Anime) -> str:
    return f"""<div class="di-t">
  <div class="di-tc va-t " style="width:392px;">
    <div>{_edit(anime, "theme")}<h2>Opening Theme</h2></div>
    <div class="theme-songs js-theme-songs opnening"><table border="0" cellpadding="0" cellspacing="0" width="100%">\
<tr>\
<td width="84%"><span class="theme-song-title">"{text(anime.title_japanese)}"</span> \
<span class="theme-song-artist"> by The Invented Band</span></td></tr></table></div>
  </div>
</div>"""


def _reviews(anime: Anime) -> str:
    shares = (
        ("recommended", "Recommended", 900),
        ("mixed-feelings", "Mixed Feelings", 2500),
        ("not-recommended", "Not Recommended", 4000),
    )
    boxes = "".join(
        f'<div class="{css}">'
        f"{link(f'{anime.path}/reviews?filter_check={i}', f'<strong>{anime.votes // cut}</strong> {name}')}</div>"
        for i, (css, name, cut) in enumerate(shares, start=1)
    )
    return f"""<br><br>
<h2>Reviews</h2>
<div class="anime-info-review__header mal-navbar">
  <div class="left">{link(f"/myreviews.php?seriesid={anime.id}&go=write", "Write review")}</div>
    <div class="center">
    <div class="review-ratio__box">{boxes}</div>
  </div>
</div>"""


def _recommendations(world: World, anime: Anime) -> str:
    """Return links to a few others of the same genre: they stand on the page, but are no relations."""
    place = world.places[anime.id]
    others = [world.anime[(place + step) % len(world.anime)] for step in (3, 11, 29, 47)]
    items = "".join(
        f"""<li class="btn-anime" style="width:90px">\
<a href="{BASE}/recommendations/anime/{anime.id}-{one.id}" class="link bg-center">\
<span class="title fs10">{text(one.title)}</span><span class="users">{1 + (anime.id * one.id) % 23} Users</span>\
{thumbnail(one.poster_path, one.title, 90, 140)}</a></li>"""
        for one in others
    )
    return f"""<br><div class="floatRightHeader">{link(f"{anime.path}/userrecs", "More")}</div><h2>Recommendations</h2>\
<div class="anime-slide-block" id="anime_recommendation"><ul class="anime-slide js-anime-slide">{items}</ul></div>"""
