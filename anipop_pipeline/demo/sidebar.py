"""The left column of an anime's pages: poster, titles, information and statistics.

Belongs here: the fields that a table reads, in the words and order of the real site. Does not: the right-hand side
(details).
"""

from collections.abc import Sequence
from datetime import date

from anipop_pipeline.demo import words
from anipop_pipeline.demo.chrome import CDN, link, text
from anipop_pipeline.demo.drafts import slug
from anipop_pipeline.demo.records import Airing, Anime

GENRE_IDS = {
    "Action": 1, "Adventure": 2, "Comedy": 4, "Mystery": 7, "Drama": 8, "Fantasy": 10, "Romance": 22, "Sci-Fi": 24,
    "Sports": 30, "Slice of Life": 36, "Supernatural": 37, "Suspense": 41, "Award Winning": 46, "Gourmet": 47,
    "Detective": 39, "Gag Humor": 57, "Historical": 13, "Iyashikei": 63, "Love Polygon": 64, "Mecha": 18, "Music": 19,
    "Mythology": 6, "Pets": 68, "School": 23, "Space": 29, "Survival": 76, "Team Sports": 77, "Workplace": 48,
    "Kids": 15, "Seinen": 42, "Shoujo": 25, "Shounen": 27,
}  # fmt: skip
PLACEHOLDER = f"{CDN}/img/sp/icon/apple-touch-icon-256.png"
MARKS = (
    "(10) Masterpiece", "(9) Great", "(8) Very Good", "(7) Good", "(6) Fine", "(5) Average", "(4) Bad", "(3) Very Bad",
    "(2) Horrible", "(1) Appalling",
)  # fmt: skip


def left_column(anime: Anime) -> str:
    """Return the left column: poster, titles, information, statistics."""
    return f"""<td class="borderClass" width="225" style="border-width: 0 1px 0 0;" valign="top">\
<div class="leftside" style="width: 225px">

<div style="text-align: center;">
          {_poster(anime)}
  </div>

<!-- My List -->
{_my_list(anime)}
<!-- end My List -->
<div id="profileRows" class="pt0">{link(f"/login.php?from=%2Fanime%2F{anime.id}", "Add to Favorites")}</div>

  {_alternative_titles(anime)}

<h2>Information</h2>

{_information(anime)}
<br />

<h2>Statistics</h2>
{_statistics(anime)}
<br /><h2>Available At</h2><div class="external_links">\
<a href="https://shows.invalid/{anime.id}" class="link ga-click">\
<i class="link_icon fas fa-link"></i><div class="caption">Official Site</div></a></div><br />
<div class="clearfix mauto mt16" style="width:160px;padding-right:10px"></div>

</div></td>"""


def _poster(anime: Anime) -> str:
    if anime.poster_path is None:
        return link(
            f"/dbchanges.php?aid={anime.id}&t=pic",
            '<br><span class="text">Add Picture</span>',
            "btn-detail-add-picture",
        )
    picture = (
        f'\n      <img class="lazyload" data-src="{CDN}{anime.poster_path}" alt="{text(anime.title)}" class="ac" '
        'itemprop="image">\n    '
    )
    return link(f"{anime.path}/pics", picture)


def _my_list(anime: Anime) -> str:
    marks = "".join(f'<option value="{10 - i}">{mark}</option>' for i, mark in enumerate(MARKS))
    known = anime.episodes or "?"
    return f"""  <div id="addtolist" class="addtolist-block js-anime-addtolist-block" style="display: none;">
    <input type="hidden" id="myinfo_anime_id" value="{anime.id}">
    <table border="0" cellpadding="0" cellspacing="0" width="100%">
      <tr>
        <td class="spaceit">Status:</td>
        <td class="spaceit"><select name="myinfo_status" id="myinfo_status" class="inputtext">\
<option value="1">Watching\
</option><option value="2">Completed</option><option value="6">Plan to Watch</option></select></td>
      </tr>
      <tr>
        <td class="spaceit">Eps Seen:</td>
        <td class="spaceit"><input type="text" id="myinfo_watchedeps" size="3" class="inputtext" value=""> / \
<span id="curEps">{known}</span></td>
      </tr>
      <tr>
        <td class="spaceit">Your Score:</td>
        <td class="spaceit"><select name="myinfo_score" id="myinfo_score" class="inputtext">\
<option value="0">Select</option>\
{marks}</select></td>
      </tr>
    </table>
  </div>"""


def _row(label: str, value: str) -> str:
    return f'<div class="spaceit_pad">\n  <span class="dark_text">{label}:</span>\n  {value}\n  </div>\n'


def _alternative_titles(anime: Anime) -> str:
    english = (
        f"""<div class="js-alternative-titles hide"><div class="spaceit_pad">
        <span class="dark_text">English:</span> {text(anime.title_english)}
      </div>  </div>

  <a href="javascript:void(0);" class="viewOpEdMore js-anime-toggle-alternative-title-button">More titles</a>"""
        if (anime.title_english)
        else ""
    )
    return f"""<h2>Alternative Titles</h2>{_synonyms(anime)}<div class="spaceit_pad">
    <span class="dark_text">Japanese:</span> {text(anime.title_japanese)}
  </div>{english}<br /><br />
"""


def _synonyms(anime: Anime) -> str:
    if not anime.synonyms:
        return ""
    return f"""<div class="spaceit_pad">
    <span class="dark_text">Synonyms:</span> {text(", ".join(anime.synonyms))}
  </div>"""


def _information(anime: Anime) -> str:
    airing = anime.airing
    rows = [
        _row("Type", link(f"/topanime.php?type={anime.type.lower()}", anime.type)),
        _row("Episodes", str(anime.episodes or "Unknown")),
        _row("Status", airing.status),
        _row("Aired", aired(airing)),
    ]
    if airing.season:
        season, year = airing.season.split()
        rows.append(_row("Premiered", link(f"/anime/season/{year}/{season.lower()}", airing.season)))
    if airing.broadcast:
        rows.append(_row("Broadcast", airing.broadcast))
    rows += [
        _row("Producers", companies(anime, anime.producers)),
        _row("Licensors", companies(anime, ())),
        _row("Studios", companies(anime, anime.studios)),
        _row("Source", _source(anime)),
        _genres("Genre", anime.genres),
        _genres("Theme", anime.themes),
        _genres("Demographic", anime.demographics),
        _row("Duration", duration(anime.duration_minutes, anime.episodes)),
        _row("Rating", text(anime.rating)),
    ]
    return "\n".join(row for row in rows if row)


def aired(airing: Airing) -> str:
    """Return the dates of airing in the site's words.

    >>> aired(Airing(date(2021, 10, 3), date(2021, 12, 19), "day", "Finished Airing", None, None))
    'Oct 3, 2021 to Dec 19, 2021'
    >>> aired(Airing(date(1998, 1, 1), date(1998, 1, 1), "year", "Finished Airing", None, None))
    '1998'
    """
    if airing.first is None:
        return "Not available"
    first = day_shown(airing.first, airing.precision)
    last = day_shown(airing.last, airing.precision) if airing.last else "?"
    return first if first == last else f"{first} to {last}"


def day_shown(day: date, precision: str) -> str:
    """Return a day as far as it is known."""
    match precision:
        case "year":
            return str(day.year)
        case "month":
            return f"{day:%b} {day.year}"
        case _:
            return f"{day:%b} {day.day}, {day.year}"


def duration(minutes: int | None, episodes: int | None) -> str:
    """Return the running time in the site's words.

    >>> duration(24, 12), duration(105, 1), duration(None, None)
    ('24 min. per ep.', '1 hr. 45 min.', 'Unknown')
    """
    if minutes is None:
        return "Unknown"
    hours, rest = divmod(minutes, 60)
    told = " ".join([f"{hours} hr."] * (hours > 0) + [f"{rest} min."] * (rest > 0))
    return told if episodes == 1 else f"{told} per ep."


def companies(anime: Anime, names: Sequence[str]) -> str:
    """Return links to companies, or what the site shows when it knows of none."""
    if not names:
        return f"None found, {link(f'/dbchanges.php?aid={anime.id}&t=producers', 'add some')}"
    return ",       ".join(f'<a href="{company_path(name)}" title="{text(name)}">{text(name)}</a>' for name in names)


def company_path(name: str) -> str:
    """Return the path of a company's page, which this site does not have."""
    return f"/anime/producer/{(*words.STUDIOS, *words.PRODUCERS).index(name) + 101}/{slug(name)}"


def _source(anime: Anime) -> str:
    if any(one.relation == "Adaptation" for one in anime.relations):
        return link(f"{anime.path}#related_entries", f"\n      {anime.source}\n    ")
    return anime.source


def _genres(label: str, names: Sequence[str]) -> str:
    """Return a row of genres, its label in the singular when there is one, and no row when there is none."""
    if not names:
        return ""
    listed = ",         ".join(
        f'<span itemprop="genre" style="display: none">{name}</span>'
        f'<a href="/anime/genre/{GENRE_IDS[name]}/{name.replace(" ", "_")}" title="{name}">{name}</a>'
        for name in names
    )
    return _row(label if len(names) == 1 else f"{label}s", listed)


def score_class(score: float | None) -> str:
    """Return the style of a score, which goes by its whole points."""
    return "score-na" if score is None else f"score-{int(score)}"


def _statistics(anime: Anime) -> str:
    rank = "N/A" if anime.rank is None else f"#{anime.rank}"
    if anime.score is None:
        opening = '<div class="spaceit_pad po-r js-statistics-info di-ib" data-id="info1">'
        score = '<span class="score-label score-na">N/A</span><sup>1</sup> (scored by - users)'
    else:
        opening = (
            '<div itemprop="aggregateRating" itemscope itemtype="http://schema.org/AggregateRating" '
            'class="spaceit_pad po-r js-statistics-info di-ib" data-id="info1">'
        )
        score = (
            f'<span itemprop="ratingValue" class="score-label {score_class(anime.score)}">{anime.score:.2f}</span>'
            f'<sup>1</sup> (scored by <span itemprop="ratingCount" style="display: none">{anime.votes}</span>'
            f"{anime.votes:,} users)\n"
            '      <meta itemprop="bestRating" content="10">\n    <meta itemprop="worstRating" content="1">'
        )
    return f"""{opening}
  <span class="dark_text">Score:</span>
  {score}
      <div class="statistics-info info1">
    <small><sup>1</sup>
          indicates a <a href="javascript:void(0);">weighted score</a>.
    </small>
  </div>
</div>
<div class="spaceit_pad po-r js-statistics-info di-ib" data-id="info2">
  <span class="dark_text">Ranked:</span>
  {rank}<sup>2</sup>
    <div class="statistics-info info2">
    <small><sup>2</sup>
    based on the <a href="/topanime.php">top anime</a> page. Titles that have not aired yet are left out.
    </small>
  </div>
</div>
{_counts(anime)}"""


def _counts(anime: Anime) -> str:
    rows = (("Popularity", f"#{anime.popularity}"), ("Members", f"  {anime.members:,}"))
    return "".join(_row(label, value) for label, value in (*rows, ("Favorites", f"{anime.favourites:,}")))
