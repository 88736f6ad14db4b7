import re
from pathlib import Path

import numpy as np
import pytest
from selectolax.lexbor import LexborHTMLParser

from anipop_pipeline.demo.chrome import BASE, CDN, NOTICE
from anipop_pipeline.demo.pages import Site
from anipop_pipeline.demo.world import World

from .demo_reading import default_site, default_world, field, leads, living, one_text, page_of, real_page


@pytest.fixture(scope="module")
def world() -> World:
    return default_world()


@pytest.fixture(scope="module")
def site() -> Site:
    return default_site()


# Pages: what the world holds is what the pages say


def test_an_anime_page_says_what_the_world_holds(world: World, site: Site) -> None:
    for one in world.anime[::9]:
        if one.id in world.dead_anime:
            continue
        tree = page_of(site, one.path)

        assert one_text(tree, "h1.title-name") == one.title
        assert field(tree, "Type") == one.type
        assert field(tree, "Episodes") == str(one.episodes or "Unknown")
        assert field(tree, "Status") == one.airing.status
        assert field(tree, "Rating") == one.rating
        assert field(tree, "Members") == f"{one.members:,}"
        assert field(tree, "Favorites") == f"{one.favourites:,}"
        assert {mark.text() for mark in tree.css("span[itemprop=genre]")} == {
            *one.genres, *one.themes, *one.demographics,
        }  # fmt: skip
        if one.score is None:
            assert one_text(tree, "span.score-label") == "N/A"
            assert tree.css_first("span[itemprop=ratingValue]") is None
        else:
            assert one_text(tree, "span[itemprop=ratingValue]") == f"{one.score:.2f}"
            assert one_text(tree, "span[itemprop=ratingCount]") == str(one.votes)


def test_a_synopsis_ends_with_its_credit(world: World, site: Site) -> None:
    one = living(world, lambda one: one.credit == "rewrite")

    shown = one_text(page_of(site, one.path), "p[itemprop=description]")

    assert shown == " ".join(f"{one.synopsis} [Written by MAL Rewrite]".split())


def test_a_book_in_a_synopsis_stands_in_italics(world: World, site: Site) -> None:
    one = living(world, lambda one: "The Almanac of Tides" in (one.synopsis or ""))

    assert one_text(page_of(site, one.path), "p[itemprop=description] i") == "The Almanac of Tides"


def test_a_missing_synopsis_shows_the_sentence_of_the_site(world: World, site: Site) -> None:
    one = living(world, lambda one: one.synopsis is None)

    shown = one_text(page_of(site, one.path), "p[itemprop=description]")

    assert shown.startswith("No synopsis information has been added to this title.")


def test_one_genre_has_a_singular_label(world: World, site: Site) -> None:
    single = site.page(living(world, lambda one: len(one.genres) == 1).path).body
    several = site.page(living(world, lambda one: len(one.genres) > 1).path).body

    assert '<span class="dark_text">Genre:</span>' in single
    assert '<span class="dark_text">Genres:</span>' in several


def test_relations_stand_in_tiles_and_in_the_table(world: World, site: Site) -> None:
    one = living(world, lambda one: {"Sequel", "Side Story"} <= {link.relation for link in one.relations})
    tree = page_of(site, one.path)
    sequel = next(link for link in one.relations if link.relation == "Sequel")
    beside = next(link for link in one.relations if link.relation == "Side Story")

    tiles = {mark.attributes["href"] for mark in tree.css("div.related-entries .entries-tile .title a")}
    rows = {mark.attributes["href"] for mark in tree.css("div.related-entries table.entries-table li a")}

    assert f"{BASE}{sequel.path}" in tiles
    assert f"{BASE}{beside.path}" in rows


def test_the_cast_page_lists_every_role_in_order(world: World, site: Site) -> None:
    one = living(world, lambda one: len(one.roles) > 4)
    tables = page_of(site, f"{one.path}/characters").css("table.js-anime-character-table")

    shown = [re.search(r"/character/(\d+)/", str(table.html)) for table in tables]
    marks = [mark.css_first("div.js-chara-roll-and-name") for mark in tables]

    assert [int(found[1]) for found in shown if found] == [role.character_id for role in one.roles]
    assert [mark.text().strip()[0] for mark in marks if mark] == ["m" if role.main else "s" for role in one.roles]


def test_a_character_page_says_facts_then_prose_and_hides_the_spoiler(world: World, site: Site) -> None:
    one = next(c for c in world.characters if c.facts and c.spoiler and c.id not in world.dead_characters)
    tree = page_of(site, one.path)
    body = site.page(one.path).body

    assert one_text(tree, "h2.normal_header") == f"{one.name} ({one.japanese})"
    assert one_text(tree, "div.spoiler span.spoiler_content") == one.spoiler
    assert f"</h2>{one.facts[0]}<br />\n" in body
    assert f"{one.facts[-1]}<br />\n<br />\n" in body
    assert f"Member Favorites: {one.favourites:,}" in body


def test_a_character_without_biography_says_so(world: World, site: Site) -> None:
    one = next(c for c in leads(world) if c.biography is None and c.id not in world.dead_characters)

    assert "</h2>No biography written.<br />" in site.page(one.path).body


def test_a_missing_portrait_is_a_question_mark_or_nothing(world: World, site: Site) -> None:
    faceless = [c for c in leads(world) if c.portrait_path is None and c.id not in world.dead_characters]

    shown = {str(page_of(site, c.path).css_matches("img.portrait-225x350")) for c in faceless}
    pictured = [page_of(site, c.path).css_first("img.portrait-225x350") for c in faceless]

    assert shown == {"True", "False"}
    assert {mark.attributes["data-src"] for mark in pictured if mark} == {f"{CDN}/images/questionmark_23.gif"}


def test_the_list_leads_from_page_to_page_and_names_every_title_once(world: World, site: Site) -> None:
    listed: list[str] = []
    path: str | None = "/topanime.php"
    pages = 0
    while path:
        tree = page_of(site, path)
        listed += [str(mark.attributes["href"]) for mark in tree.css("tr.ranking-list h3.anime_ranking_h3 a")]
        after = tree.css_first("a.link-blue-box.next")
        path = f"/topanime.php{after.attributes['href']}" if after else None
        pages += 1

    assert listed == [f"{BASE}{one.path}" for one in world.anime]
    assert pages == 8


def test_every_page_says_that_it_is_invented_outside_what_is_parsed(world: World, site: Site) -> None:
    anime, person = living(world, lambda one: one.score), world.characters[3]
    paths = (
        "/",
        "/topanime.php",
        anime.path,
        f"{anime.path}/characters",
        person.path,
        "/nothing",
        "/character/999999999",
    )

    for path in paths:
        tree = LexborHTMLParser(site.page(path).body)
        assert one_text(tree, "div.demo-notice") == NOTICE
        assert "invented" in one_text(tree, "title")
        assert NOTICE not in one_text(tree, "#contentWrapper") or path == "/"


def test_an_anime_page_has_the_weight_of_chrome_that_a_parser_must_dig_through(world: World, site: Site) -> None:
    sizes = [len(site.page(one.path).body) for one in world.anime if one.id not in world.dead_anime]

    assert 20_000 < np.median(sizes) < 50_000


# The real site's structure

ANIME_SELECTORS = [
    "h1.title-name > strong",
    "div.leftside span.dark_text",
    "div.leftside img.lazyload[itemprop=image][data-src]",
    "span[itemprop=ratingValue].score-label",
    "span[itemprop=ratingCount]",
    "span[itemprop=genre]",
    "div.anime-detail-header-stats div.score[data-user] > div.score-label",
    "span.numbers.ranked > strong",
    "span.numbers.popularity > strong",
    "span.numbers.members > strong",
    "p[itemprop=description]",
    "h2#synopsis",
    "div.related-entries table.entries-table ul.entries li a",
    "div.detail-characters-list h3.h3_characters_voice_actors a",
    "div#horiznav_nav a.horiznav_active",
    "div.breadcrumb meta[itemprop=position]",
    "a[href*='/anime/producer/']",
    "link[rel=canonical]",
    "meta[property='og:image']",
    "div#contentWrapper[itemscope]",
]
CHARACTER_SELECTORS = [
    "h1.title-name > strong",
    "h2.normal_header > span > small",
    "img.portrait-225x350.lazyload[data-src]",
    "div.normal_header.character-anime + table a[href*='/anime/']",
    "div#horiznav_nav a.horiznav_active",
    "div.breadcrumb meta[itemprop=position]",
]
CAST_SELECTORS = [
    "table.js-anime-character-table div.js-chara-roll-and-name",
    "table.js-anime-character-table h3.h3_character_name",
    "table.js-anime-character-table a[href*='/character/'] img.lazyload[data-src]",
    "table.js-anime-character-table table.js-anime-character-va tr.js-anime-character-va-lang a[href*='/people/']",
    "div.js-anime-character-favorites",
    "h2.h2_overwrite",
]
LIST_SELECTORS = [
    "tr.ranking-list h3.anime_ranking_h3 > a[href*='/anime/']",
    "tr.ranking-list td.rank span.top-anime-rank-text",
    "tr.ranking-list td.score span.score-label",
    "tr.ranking-list div.information",
    "tr.ranking-list a.hoverinfo_trigger img.lazyload[data-src]",
    "a.link-blue-box.next[href='?limit=50']",
]


@pytest.mark.parametrize("selector", ANIME_SELECTORS)
def test_what_finds_a_field_on_a_real_anime_page_finds_it_here(
    world: World, site: Site, real: Path, selector: str
) -> None:
    ours = living(world, lambda one: one.score and any(link.relation == "Side Story" for link in one.relations))

    assert real_page(real, "anime__39893__2024-05-24.html").css_first(selector) is not None
    assert page_of(site, ours.path).css_first(selector) is not None


@pytest.mark.parametrize("selector", CHARACTER_SELECTORS)
def test_what_finds_a_field_on_a_real_character_page_finds_it_here(
    world: World, site: Site, real: Path, selector: str
) -> None:
    ours = next(one for one in leads(world) if one.portrait_path and one.id not in world.dead_characters)

    assert real_page(real, "character__1__2024-05-24.html").css_first(selector) is not None
    assert page_of(site, ours.path).css_first(selector) is not None


@pytest.mark.parametrize("selector", CAST_SELECTORS)
def test_what_finds_a_field_on_a_real_cast_page_finds_it_here(
    world: World, site: Site, real: Path, selector: str
) -> None:
    ours = living(world, lambda one: len(one.roles) > 5)

    assert real_page(real, "anime_characters__32948__2024-05-24.html").css_first(selector) is not None
    assert page_of(site, f"{ours.path}/characters").css_first(selector) is not None


@pytest.mark.parametrize("selector", LIST_SELECTORS)
def test_what_finds_a_field_on_the_real_list_finds_it_here(site: Site, real: Path, selector: str) -> None:
    assert real_page(real, "topanime__p0__2022-06-06.html").css_first(selector) is not None
    assert page_of(site, "/topanime.php").css_first(selector) is not None


def test_labels_of_the_left_column_stand_in_the_real_order(world: World, site: Site, real: Path) -> None:
    ours = living(world, lambda one: one.score and one.airing.broadcast and one.themes and one.title_english)

    def labels(tree: LexborHTMLParser) -> list[str]:
        return [mark.text().strip().rstrip(":").removesuffix("s") for mark in tree.css("div.leftside span.dark_text")]

    known = labels(real_page(real, "anime__1__2024-05-24.html"))
    shown = [label for label in labels(page_of(site, ours.path)) if label in known]

    assert [label for label in known if label in shown] == shown
    assert len(shown) >= 18


def test_a_title_without_score_looks_as_on_the_real_site(world: World, site: Site, real: Path) -> None:
    ours = site.page(living(world, lambda one: one.score is None).path).body
    theirs = (real / "pages" / "anime__34746__2022-09-18.html").read_text(encoding="utf-8")

    for shown in (
        '<span class="score-label score-na">N/A</span><sup>1</sup> (scored by - users)',
        'data-user="- users"',
        '<div class="score-label score-na">N/A</div>',
    ):
        assert shown in theirs
        assert shown in ours


def test_a_spoiler_is_hidden_as_on_the_real_site(world: World, site: Site, real: Path) -> None:
    ours = next(one for one in world.characters if one.spoiler and one.id not in world.dead_characters)
    theirs = (real / "pages" / "character__116281__2022-06-06.html").read_text(encoding="utf-8")

    found = re.search(r'<div class="spoiler">.*?value="Hide spoiler"><br>', theirs)

    assert found is not None
    assert found[0] in site.page(ours.path).body


def test_missing_pages_look_as_on_the_real_site(site: Site, real: Path) -> None:
    invalid = real_page(real, "error404__character_999999999__2022-09-18.html")
    missing = real_page(real, "error404__anime_999999999__2022-09-18.html")

    for tree, path in ((invalid, "/character/999999999"), (missing, "/anime/999999999")):
        ours = LexborHTMLParser(site.page(path).body)
        assert one_text(ours, "#contentWrapper h1") == one_text(tree, "#contentWrapper h1")
    assert one_text(invalid, "div.badresult") == one_text(page_of(site, "/character/999999999"), "div.badresult")


# Synonyms


def test_synonyms_stand_in_the_left_column_one_after_another(world: World, site: Site) -> None:
    for count in (1, 2, 3):
        one = living(world, lambda one, count=count: len(one.synonyms) == count)

        assert field(page_of(site, one.path), "Synonym") == ", ".join(one.synonyms)


def test_a_title_without_synonyms_has_no_such_field(world: World, site: Site) -> None:
    one = living(world, lambda one: not one.synonyms)

    assert "Synonyms:" not in site.page(one.path).body


def test_synonyms_come_first_among_the_other_titles_as_on_the_real_site(world: World, site: Site, real: Path) -> None:
    ours = living(world, lambda one: one.synonyms and one.title_english)

    for tree in (real_page(real, "anime__28367__2024-05-24.html"), page_of(site, ours.path)):
        labels = [mark.text().strip() for mark in tree.css("div.leftside span.dark_text")]
        assert labels[:4] == ["Synonyms:", "Japanese:", "English:", "Type:"]


# Addresses


def test_an_address_needs_no_slug(world: World, site: Site) -> None:
    one = living(world, lambda one: one.score)

    for part in ("", "/stats"):
        assert site.page(f"/anime/{one.id}/x{part}") == site.page(one.path + part)
    assert site.page(f"/anime/{one.id}") == site.page(one.path)


@pytest.mark.parametrize("end", ["", "/x", "/x/characters", "/x/stats"])
def test_an_id_that_nobody_has_is_missing(site: Site, end: str) -> None:
    assert site.page(f"/anime/999999999{end}").status == 404


def test_the_tab_of_the_page_is_the_one_that_is_lit(world: World, site: Site) -> None:
    one = living(world, lambda one: one.score)

    for end, name in (("", "Details"), ("/characters", "Characters & Staff"), ("/stats", "Stats")):
        assert one_text(page_of(site, one.path + end), "div#horiznav_nav a.horiznav_active") == name


# Statistics

STATS_SELECTORS = [
    "table.score-stats td.score-label.score-10",
    "table.score-stats td div.spaceit_pad > div.updatesBar",
    "table.score-stats td div.spaceit_pad > span > small",
    "div.rightside > div.spaceit_pad > span.dark_text",
    "table.table-recently-updated td.borderClass a[href*='/profile/']",
    "div#horiznav_nav a.horiznav_active[href$='/stats']",
    "link[rel=canonical][href$='/stats']",
]


@pytest.mark.parametrize("selector", STATS_SELECTORS)
def test_what_finds_a_field_on_a_real_page_of_statistics_finds_it_here(
    world: World, site: Site, real: Path, selector: str
) -> None:
    ours = living(world, lambda one: one.votes > 10_000)

    assert real_page(real, "anime_stats__37405__2022-06-06.html").css_first(selector) is not None
    assert page_of(site, f"{ours.path}/stats").css_first(selector) is not None


def bars(tree: LexborHTMLParser) -> list[tuple[int, float, int]]:
    """Return mark, percent and votes of each row of the histogram."""
    rows = [" ".join(row.text().split()) for row in tree.css("table.score-stats tr")]
    found = [re.fullmatch(r"(\d+) ([\d.]+)% \((\d+) votes\)", row) for row in rows]
    return [(int(one[1]), float(one[2]), int(one[3])) for one in found if one]


def test_a_histogram_reads_like_a_real_one(world: World, site: Site, real: Path) -> None:
    ours = living(world, lambda one: one.votes > 10_000)

    known = bars(real_page(real, "anime_stats__1__2022-06-06.html"))
    shown = bars(page_of(site, f"{ours.path}/stats"))

    for rows in (known, shown):
        votes = sum(count for _, _, count in rows)
        assert [mark for mark, _, _ in rows] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1][: len(rows)]
        assert all(percent == pytest.approx(100 * count / votes, abs=0.051) for _, percent, count in rows)


def test_a_histogram_adds_up_to_the_votes_and_to_the_displayed_score(world: World, site: Site) -> None:
    for one in world.anime[::13]:
        if one.id in world.dead_anime or one.score is None:
            continue
        rows = bars(page_of(site, f"{one.path}/stats"))

        votes = sum(count for _, _, count in rows)
        marks = sum(mark * count for mark, _, count in rows)
        assert votes == one.votes
        assert f"{(marks + 50 * 6.6) / (votes + 50):.2f}" == f"{one.score:.2f}"


def test_a_mark_that_nobody_gave_has_no_row(world: World, site: Site) -> None:
    few = living(world, lambda one: 0 < one.votes < 20)

    rows = bars(page_of(site, f"{few.path}/stats"))

    assert all(count for _, _, count in rows)
    assert len(rows) < 10


def test_a_title_without_votes_has_no_histogram_and_says_so(world: World, site: Site) -> None:
    tree = page_of(site, f"{living(world, lambda one: not one.votes).path}/stats")

    assert tree.css_first("table.score-stats") is None
    assert "No scores have been recorded for this anime." in one_text(tree, "#contentWrapper")


def test_members_are_counted_by_what_they_are_at(world: World, site: Site) -> None:
    for status in ("Finished Airing", "Currently Airing", "Not yet aired"):
        one = living(world, lambda one, status=status: one.airing.status == status)
        tree = page_of(site, f"{one.path}/stats")

        counts = [
            int(field(tree, label).replace(",", ""))  # type: ignore[union-attr] - a missing one fails the test
            for label in ("Watching", "Completed", "On-Hold", "Dropped", "Plan to Watch", "Total")
        ]
        assert sum(counts[:-1]) == counts[-1] == one.members
        assert bool(counts[1]) == (status == "Finished Airing")
        assert counts[4] == one.members or status != "Not yet aired"


# Seasons

SEASON_SELECTORS = [
    "div.js-categories-seasonal > div.seasonal-anime-list.js-seasonal-anime-list-key-1 > div.anime-header",
    "div.seasonal-anime.js-seasonal-anime.js-anime-type-1[data-genre]",
    "div.seasonal-anime div.title h2.h2_anime_title > a.link-title[href*='/anime/']",
    "div.seasonal-anime span.js-members",
    "div.seasonal-anime span.js-start_date",
    "div.seasonal-anime div.info > span.item > span",
    "div.seasonal-anime div.genres-inner > span.genre > a[href*='/anime/genre/']",
    "div.seasonal-anime div.image a.link-image",
    "div.seasonal-anime div.image img.lazyload[data-src]",
    "div.seasonal-anime div.synopsis > p.preline",
    "div.seasonal-anime div.property > span.caption + span.item",
    "div.seasonal-anime div.scormem-item.score.score-label",
    "div.seasonal-anime div.scormem-item.member",
    "h1.season_nav > a.on",
    "ul.btn-seasonal > li.btn-type[data-key]",
    "div.breadcrumb meta[itemprop=position]",
]


@pytest.mark.parametrize("selector", SEASON_SELECTORS)
def test_what_finds_a_field_on_a_real_page_of_a_season_finds_it_here(site: Site, real: Path, selector: str) -> None:
    assert real_page(real, "season__2018_spring__2022-06-06.html").css_first(selector) is not None
    assert page_of(site, "/anime/season/2025/spring").css_first(selector) is not None


def headings(tree: LexborHTMLParser) -> dict[str, list[str]]:
    """Return the addresses of the titles under each heading."""
    return {
        one_text(LexborHTMLParser(part.html or ""), "div.anime-header"): [
            str(mark.attributes["href"]) for mark in part.css("a.link-title")
        ]
        for part in tree.css("div.seasonal-anime-list")
    }


def test_sections_of_a_season_stand_in_the_real_order(site: Site, real: Path) -> None:
    known = list(headings(real_page(real, "season__2018_spring__2022-06-06.html")))

    for path in ("/anime/season/2025/spring", "/anime/season/2019/fall"):
        shown = list(headings(page_of(site, path)))
        assert shown == [heading for heading in known if heading in shown]
        assert len(shown) >= 3


def test_every_series_with_a_season_is_new_in_it_and_nowhere_else(world: World, site: Site) -> None:
    series = [one for one in world.anime if one.type == "TV" and one.airing.season]

    found: dict[str, list[str]] = {}
    for season in {str(one.airing.season) for one in series}:
        name, year = season.lower().split()
        for href in headings(page_of(site, f"/anime/season/{year}/{name}"))["TV (New)"]:
            found.setdefault(href, []).append(season)

    assert found == {BASE + one.path: [one.airing.season] for one in series}


def test_a_series_goes_on_in_the_seasons_after_its_first(world: World, site: Site) -> None:
    one = living(
        world, lambda one: one.type == "TV" and one.episodes == 50 and one.airing.last and one.airing.precision == "day"
    )
    first = one.airing.first
    assert first is not None
    names = ("winter", "spring", "summer", "fall")
    after = [divmod(first.year * 4 + (first.month - 1) // 3 + step, 4) for step in (1, 2, 3)]

    for year, place in after:
        assert BASE + one.path in headings(page_of(site, f"/anime/season/{year}/{names[place]}"))["TV (Continuing)"]


def test_a_season_of_which_nothing_is_known_is_missing(site: Site) -> None:
    for path in ("/anime/season/1950/fall", "/anime/season/2099/winter", "/anime/season/0000/winter"):
        assert site.page(path).status == 404
    for path in ("/anime/season/2025/autumn", "/anime/season/25/spring"):
        assert site.page(path).status == 404


def test_the_season_without_a_name_is_that_of_the_day(site: Site) -> None:
    assert site.page("/anime/season") == site.page("/anime/season/2025/spring")


def test_a_card_without_score_and_synopsis_says_so_as_on_the_real_site(world: World, site: Site, real: Path) -> None:
    theirs = (real / "pages" / "season__2018_spring__2022-06-06.html").read_text(encoding="utf-8")
    for wanted, words in (("score", "N/A"), ("synopsis", '<p class="preline">(No synopsis yet.)</p>')):
        one = living(world, lambda one, wanted=wanted: one.airing.season and getattr(one, wanted) is None)
        name, year = str(one.airing.season).lower().split()

        assert words in theirs
        assert words in site.page(f"/anime/season/{year}/{name}").body


def test_pages_of_seasons_and_statistics_say_that_they_are_invented(world: World, site: Site) -> None:
    one = living(world, lambda one: one.score)

    for path in ("/anime/season/2025/spring", f"{one.path}/stats"):
        tree = page_of(site, path)
        assert one_text(tree, "div.demo-notice") == NOTICE
        assert "invented" in one_text(tree, "title")
