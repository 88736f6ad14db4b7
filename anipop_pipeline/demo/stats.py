"""The page of one anime's statistics: how many are at what with it, who gave which mark, who was here last.

Belongs here: how the real site shows it today. A mark that nobody gave has no row, and a title without votes has no
table. Does not: how many voted what (marks), the head line and left column (details, sidebar).
"""

import random
from collections.abc import Iterator

from anipop_pipeline.demo import marks
from anipop_pipeline.demo.chrome import BASE, advertisement, breadcrumb, link, text
from anipop_pipeline.demo.records import Anime

LATEST = 6
COLUMNS = {"Member": "member", "Score": "score", "Status": "status", "Eps Seen": "eps_seen", "Activity": "activity"}
NICKNAMES = ("lamplighter", "rowboat", "teapot", "owlet", "signal_box", "moth", "umbrella", "kettle")
"""No name of the real site's members: each is a thing and a number."""


def body(anime: Anime, seed: int) -> str:
    """Return what stands below the head line of the page of statistics."""
    path = f"{anime.path}/stats"
    trail = breadcrumb([("/anime.php", "Anime"), (anime.path, anime.title), (path, "Stats")])
    return f"""


                          {trail}




<h2>Summary Stats</h2>{_summary(anime, seed)}<br><h2>Score Stats</h2>{_score_stats(anime, seed)}\
{_advertisements(anime)}<br><a name="members"></a>{_latest(anime, seed)}\
  <div class="mauto clearfix pt24" style="width:760px;">
    <div class="fl-l">
      </div>
      <div class="fl-r">
      </div>
    </div>

</div></td></tr></table></div>"""


def _summary(anime: Anime, seed: int) -> str:
    counted = {**marks.shelves(anime, seed), "Total": anime.members}
    return "".join(
        f'<div class="spaceit_pad"><span class="dark_text">{name}:</span> {count:,}</div>'
        for name, count in counted.items()
    )


def _score_stats(anime: Anime, seed: int) -> str:
    """Return the histogram, best mark first, or the words by which a reader knows that there is none."""
    if not anime.votes:
        return "No scores have been recorded for this anime."
    voted = zip(marks.MARKS, marks.histogram(anime, seed), strict=True)
    rows = "".join(_mark_row(mark, votes, 100 * votes / anime.votes) for mark, votes in reversed(list(voted)) if votes)
    return f"""
\t\t<table border="0" cellpadding="0" cellspacing="0" width="100%" class="score-stats">
\t\t{rows}
\t\t</table>
\t\t"""


def _mark_row(mark: int, votes: int, percent: float) -> str:
    return f"""
\t\t\t<tr>
\t\t\t\t<td width="20" class="score-label score-{mark}">{mark}</td>
\t\t\t\t<td><div class="spaceit_pad"><div class="updatesBar" style="float: left; height: 15px; \
width: {percent:.1f}%;"></div><span>&nbsp;{percent:.1f}% <small>({votes} votes)</small></span></div></td>
\t\t\t</tr>
\t\t\t"""


def _advertisements(anime: Anime) -> str:
    target: dict[str, object] = {"anime_id": [anime.id], "display": ["stats"], "country": ["XX"]}
    boxes = "".join(
        f'<div style="padding: 20px {side}px;display: inline-block;">{advertisement("300x250", i, target)}</div>'
        for i, side in ((1, 40), (2, 0))
    )
    return f'<div class="border_top" style="padding:20px 0;">{boxes}</div>'


def _latest(anime: Anime, seed: int) -> str:
    """Return the table of who changed their list last: it has marks too, which are no histogram."""
    path = f"{anime.path}/stats"
    heads = "".join(
        f'<td class="borderClass fw-b{" ac" if i else ""}">{link(f"{path}?sort={sorting}", name)}</td>'
        for i, (name, sorting) in enumerate(COLUMNS.items())
    )
    onward = f'<div class="spaceit">{link(f"{path}?show=75", "Next Page")}</div>' if anime.members > LATEST else ""
    return (
        '<div><span style="float: right; font-weight: normal; font-size: 11px;">All Members</span>'
        f"<h2>Recently Updated By</h2></div>{onward}"
        '<table border="0" cellpadding="0" cellspacing="0" width="100%" class="table-recently-updated">'
        f"<tr>{heads}</tr>{''.join(_visits(anime, seed))}</table>{onward}"
    )


def _visits(anime: Anime, seed: int) -> Iterator[str]:
    rng = random.Random(f"anipop demo visits {seed} {anime.id}")
    unseen = anime.airing.status == "Not yet aired"
    for minutes in sorted(rng.sample(range(2, 60), LATEST)):
        name = f"{rng.choice(NICKNAMES)}{rng.randint(10, 9999)}"
        status = "Plan to Watch" if unseen else rng.choice(marks.SHELVES)
        mark = rng.randint(5, 10) if anime.votes and status == "Completed" else "-"
        seen = f"{anime.episodes or '-'} / {anime.episodes or '?'}" if status == "Completed" else ""
        yield (
            '<tr><td class="borderClass di-t w100"><div class="di-tc" style="width:30px;">'
            f'<a href="{BASE}/profile/{name}" class="image-member"></a></div>'
            f'<div class="di-tc va-m al pl4">{link(f"/profile/{name}", text(name))}</div></td>'
            f'<td class="borderClass ac">{mark}</td><td class="borderClass ac">{status}</td>'
            f'<td class="borderClass ac">\n                        {seen}\n                  </td>'
            f'<td class="borderClass ac">{minutes} minutes ago</td></tr>'
        )
