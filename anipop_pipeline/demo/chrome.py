"""What surrounds every page: head, menus, search box, advertisements, footer, and the notice that it is invented.

Belongs here: markup that says nothing about the page's subject but that a parser has to find its way through. Does
not: anything that a table is read from (pages).
"""

import html
import json
from collections.abc import Iterable, Sequence

BASE = "https://demo.invalid"
CDN = "https://cdn.demo.invalid"
SITE = "Invented Anime List"
NOTICE = "This is a demonstration. The site, its titles, characters, pictures and scores are all invented by a program."

_MENUS: dict[str, Sequence[tuple[str, str]]] = {
    "Anime": (
        ("Anime Search", "anime.php"),
        ("Top Anime", "topanime.php"),
        ("Seasonal Anime", "anime/season"),
        ("Videos", "watch/episode"),
        ("Reviews", "reviews.php?t=anime"),
        ("Recommendations", "recommendations.php?s=recentrecs&t=anime"),
        ("2025 Challenge", "forum?topicid=1"),
    ),
    "Manga": (
        ("Manga Search", "manga.php"),
        ("Top Manga", "topmanga.php"),
        ("Manga Store", "store"),
        ("Reviews", "reviews.php?t=manga"),
        ("Recommendations", "recommendations.php?s=recentrecs&t=manga"),
    ),
    "Community": (
        ("Interest Stacks", "stacks"),
        ("Forums", "forum/"),
        ("Clubs", "clubs.php"),
        ("Blogs", "blog.php"),
        ("Users", "users.php"),
    ),
    "Industry": (
        ("News", "news"),
        ("Featured Articles", "featured"),
        ("People", "people.php"),
        ("Characters", "character.php"),
        ("Companies", "company"),
    ),
    "Watch": (("Episode Videos", "watch/episode"), ("Anime Trailers", "watch/promotion")),
    "Read": (("Manga Store", "store"),),
    "Help": (
        ("About", "about.php"),
        ("Support", "about.php?go=support"),
        ("Advertising", "advertising"),
        ("FAQ", "forum/?topicid=2"),
        ("Report", "modules.php?go=report"),
        ("Staff", "staff"),
    ),
}
_SEARCHED = {
    "anime": "Anime", "manga": "Manga", "character": "Characters", "person": "People", "store": "Manga Store",
    "club": "Clubs", "user": "Users", "news": "News", "featured": "Featured Articles", "forum": "Forum",
}  # fmt: skip
_FOOTER_LINKS = (
    "About", "Press Room", "Support", "Advertising", "FAQ", "Terms", "Privacy", "Privacy Settings", "Cookie",
    "Notice at Collection", "Sitemap",
)  # fmt: skip


def text(raw: str) -> str:
    """Return the text with the site's own choice of entities.

    >>> text("Salt & Plum's — <b>")
    'Salt &amp; Plum&#039;s &mdash; &lt;b&gt;'
    """
    return html.escape(raw).replace("&#x27;", "&#039;").replace("—", "&mdash;")


def link(path: str, shown: str, css: str = "") -> str:
    """Return a link within the site; `shown` is markup already."""
    marked = f' class="{css}"' if css else ""
    return f'<a href="{BASE}{text(path)}"{marked}>{shown}</a>'


def advertisement(place: str, number: int, target: dict[str, object]) -> str:
    """Return an empty box where the real site would put an advertisement."""
    aimed = text(json.dumps(target, separators=(",", ":")))
    return f"""
                      <div class="sUaidzctQfngSNMH-pdatla">
        <div id="D_{place}_{number}" class="ad-sas mauto ac" data-ad-target="{aimed}" data-ad-id="{99450 + number}" \
data-ad-pid="1000000" data-ad-sid="100000"></div>

      </div>
    """


def breadcrumb(steps: Iterable[tuple[str, str]]) -> str:
    """Return the trail of links from the top, given as (path, name)."""
    items = [
        '<div class="di-ib" itemprop="itemListElement" itemscope itemtype="http://schema.org/ListItem">'
        f'<a href="{BASE}{text(path)}" itemprop="item"><span itemprop="name">\n              {text(name)}\n'
        f'                          </span></a><meta itemprop="position" content="{place}"></div>'
        for place, (path, name) in enumerate([("/", "Top"), *steps], start=1)
    ]
    trail = "&nbsp; &gt; &nbsp;".join(items)
    return f'<div class="breadcrumb " itemscope itemtype="http://schema.org/BreadcrumbList">{trail}</div>'


def thumbnail(path: str | None, alt: str, wide: int = 42, tall: int = 62) -> str:
    """Return a small lazy picture; one that is missing shows the site's question mark."""
    shown = path or "/images/questionmark_23.gif"
    sources = [f"{CDN}/r/{wide * k}x{tall * k}{shown}?s={_mark(shown, k)}" for k in (1, 2)]
    return (
        f'<img alt="{text(alt)}" width="{wide}" height="{tall}" data-src="{sources[0]}" '
        f'data-srcset="{sources[0]} 1x, {sources[1]} 2x" class="lazyload" />'
    )


def _mark(path: str, scale: int) -> str:
    """Return something that looks like a signature of a resized picture."""
    return f"{sum(ord(letter) * (place + 7) * 2654435761 for place, letter in enumerate(path, scale)):032x}"[-32:]


def frame(*, title: str, description: str, path: str, image: str, body: str, ranking: str) -> str:
    """Return the whole page around a body; title and description are plain text."""
    return "".join(
        (
            _HEAD_START,
            _identity(title, description, path, image),
            _HEAD_REST,
            _TOP,
            body,
            _END_OF_BODY,
            ranking,
            _FOOTER,
        )
    )


def _identity(title: str, description: str, path: str, image: str) -> str:
    name, told, address = text(title), text(f"{description} {NOTICE}"), BASE + text(path)
    return f"""<title>
{name}{" " if name else ""}- {SITE} (all titles invented)
</title>
<meta name="description" content="{told}" />
<meta name="keywords" content="anime, invented, demonstration, manga" />
<link rel="canonical" href="{address}" />
<meta property="og:locale" content="en_US"><meta property="og:site_name" content="{SITE} (invented)">\
<meta name="twitter:card" content="summary"><meta property="og:title" content="{name}">\
<meta property="og:type" content="video.tv_show"><meta property="og:image" content="{image}">\
<meta name="twitter:image:src" content="{image}"><meta property="og:url" content="{address}">\
<meta property="og:description" content="{told}">
"""


def _menu(name: str, entries: Sequence[tuple[str, str]]) -> str:
    addresses = ((shown, f"/{path}{'&' if '?' in path else '?'}_location=mal_h_m") for shown, path in entries)
    items = "\n".join(f"            <li>{link(path, text(shown))}</li>" for shown, path in addresses)
    return f"""        <li class="small"><a href="#" class="non-link">{name}</a>
          <ul class="wider">
{items}
          </ul>
        </li>
"""


def _search_template(kind: str) -> str:
    """Return the template of one kind of search result: a script that is no code, full of markup that is no page."""
    return (
        f'<script type="text/x-template" id="incremental-result-item-{kind}"><div class="list {kind}" '
        ':class="{\'focus\': focus}"><a :href="url" class="clearfix"><div class="on" v-if="focus">'
        "<span class=\"image\" :style=\"{'background-image': 'url(' + item.image_url + ')'}\"></span>"
        f'<div class="info {kind}"><div class="name">${{ item.name }} <span class="media-type">'
        '(${ item.payload.media_type })</span></div><div class="extra-info">Aired: ${ item.payload.aired }<br>'
        "Score: ${ item.payload.score }<br>Status: ${ item.payload.status }</div></div></div>"
        '<div class="off" v-if="!focus"><div class="info">${ item.name }</div></div></a></div></script>'
    )


def _search_box() -> str:
    options = "".join(f'<option value="{kind}">{shown}</option>' for kind, shown in _SEARCHED.items())
    templates = "".join(_search_template(kind) for kind in ("anime", "character", "person"))
    return f"""<div id="menu_right">{templates}<div id="top-search-bar"><form id="searchBar" method="get" \
class="searchBar" @submit.prevent="jump()"><div class="form-select-outer fl-l"><select name="type" id="topSearchValue" \
class="inputtext" v-model="type"><option value="all">All</option>{options}</select></div><input v-model="keyword" \
id="topSearchText" type="text" name="topkeyword" class="inputtext fl-l" placeholder="Search Anime, Manga, and more..." \
size="30" autocomplete="off"><button id="topSearchButon" class="fl-l" type="submit"><i class="fa-solid \
fa-magnifying-glass"></i></button></form></div></div>"""


_HEAD_START = f"""
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
    "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">

<html lang="en" xmlns:og="http://ogp.me/ns#" class="appearance-none">
<head>

<meta charset="utf-8"><meta name="robots" content="noindex">
<link rel="preconnect" href="{CDN}" crossorigin="anonymous"/>
"""
_HEAD_REST = f"""
<meta name="referrer" content="default"><link rel="manifest" href="/manifest.json">
<meta name='csrf_token' content='0000000000000000000000000000000000000000'>
<meta name="viewport" content="initial-scale=1" />
<link rel="preload" as="style" href="{CDN}/static/assets/css/pc/style.css" />
<link rel="preload" as="script" href="{CDN}/static/assets/js/pc/header.js" />
<link rel="stylesheet" type="text/css" href="{CDN}/static/assets/css/pc/style.css" />
<link rel="stylesheet" type="text/css" href="{CDN}/static/assets/css/pc/dark.css" />
<script type="text/javascript" src="{CDN}/static/assets/js/pc/header.js"></script>
<script type="text/javascript" src="{CDN}/static/assets/js/pc/all.js" id="alljs" \
data-params='{{&quot;origin_url&quot;:&quot;https:\\/\\/demo.invalid&quot;}}' async="async"></script>
<link rel="shortcut icon" href="{CDN}/images/favicon.ico" />
<script>
  const wantsDark = window.matchMedia("(prefers-color-scheme:dark)").matches;
  const root = document.documentElement;
  if (wantsDark && !root.classList.contains("appearance-light")) {{
    root.classList.add("dark-mode");
  }}
</script>
</head>

<body class="page-common " data-ms="true" data-country-code="XX" data-time="1751241600">
<div id="myanimelist">

    <script type='text/javascript'>
    window.MAL = window.MAL || {{}};
  </script>
    <div id="ad-skin-bg-left" class="ad-skin-side-outer ad-skin-side-bg bg-left">
    <div id="ad-skin-left" class="ad-skin-side left" style="display: none;"></div>
  </div>
        <div class="wrapper ">"""
_TOP = f"""<div class="demo-notice" role="note" style="background:#fd6;padding:6px;text-align:center"><strong>\
{NOTICE}</strong></div>\
<div id="headerSmall" class=""><a href="/" class="link-mal-logo">{SITE}</a>
<div id="header-menu" ><div class="header-menu-login">\
{link("/membership?_location=mal_h_u", "Hide Ads", "btn-mal-service")}\
{link("/login.php", "Login", "btn-login")}{link("/register.php", "Sign Up", "btn-signup")}</div></div></div>  \
<div id="menu" class="">
    {_search_box()}<div id="menu_left">
      <ul id="nav" class="js-color-pc-constant">
{"".join(_menu(name, entries) for name, entries in _MENUS.items())}
      </ul>
    </div>  </div>"""
_END_OF_BODY = """<!-- end of contentHome -->
</div><!-- end of contentWrapper -->
  <script>
    document.addEventListener("scroll", () => {
      const tall = document.getElementById("myanimelist").offsetHeight;
      document.querySelectorAll("div[data-ad-sticky='manual']").forEach((box) => {
        const overlap = window.pageYOffset + box.offsetHeight - tall;
        box.style.top = overlap > 0 ? `${-overlap}px` : "";
        box.classList.toggle("sticky", overlap <= 0 && window.pageYOffset >= box.parentNode.offsetTop);
      });
    });
  </script>

<!--  control container height -->
<div style="clear:both;"></div>

<!-- end rightbody -->

</div><!-- wrapper -->

    <div id="ad-skin-bg-right" class="ad-skin-side-outer ad-skin-side-bg bg-right">
    <div id="ad-skin-right" class="ad-skin-side right" style="display: none;"></div>
  </div>
</div>
"""
_FOOTER = f"""
<footer>
  <div id="footer-block">
    <div class="footer-link-icon-block">
      <div class="footer-social-media ac">
        <a class="icon-footer-sns" title="Nobody to follow" href="#"><i class="fa-brands fa-fw fa-x-twitter"></i></a>
        <a class="icon-footer-sns" title="Nobody to chat with" href="#"><i class="fa-brands fa-fw fa-discord"></i></a>
      </div>
    </div>
    <div class="footer-link-block">
      <p class="footer-link home di-ib">{link("/", "Home")}</p>
      <p class="footer-link di-ib">
        {" ".join(link("/about/" + name.lower().replace(" ", "_"), name) for name in _FOOTER_LINKS)}
      </p>
    </div>
    <div id="copyright">{NOTICE} Nothing here belongs to, or speaks for, any real site.</div>
  </div>
</footer>

<script>
  window.dataLayer = window.dataLayer || [];
  dataLayer.push({{'anime_temporary_list_num': 0, 'manga_temporary_list_num': 0, 'is_banned': 0}});
</script>
<script type="text/javascript">
  window.MAL.CDN_URL = "{CDN}";
  window.MAL.CURRENT_TUTORIAL_STEP_ID = null;
  window.MAL.USER_NAME = "";
</script>

</body>
</html>
"""


def footer_ranking(units: Iterable[tuple[str, str, Sequence[tuple[str, str]]]]) -> str:
    """Return the three short lists below every page, each as (heading, path, [(path, name)])."""
    boxes = []
    for heading, more, entries in units:
        rows = "".join(
            f'                      <li>\n              <span class="rank">{place}</span>\n'
            f"              {link(path, text(name))}\n            </li>\n"
            for place, (path, name) in enumerate(entries, start=1)
        )
        boxes.append(
            '          <div class="ranking-unit">\n        <h3 class="title">'
            f"{link(more, 'More', 'view_more fl-r')}{heading}\n        "
            f"</h3>\n        <ol>\n{rows}                  </ol>\n      </div>\n"
        )
    return f'\n<div class="footer-ranking">\n  <div class="ranking-container">\n{"".join(boxes)}      </div>\n</div>\n'
