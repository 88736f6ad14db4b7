import gzip
import io
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from selectolax.lexbor import LexborHTMLParser

from anipop_pipeline.demo import pictures, server
from anipop_pipeline.demo.chrome import BASE, CDN, NOTICE
from anipop_pipeline.demo.pages import Site
from anipop_pipeline.demo.world import PLANTED, WORLD_TODAY, Anime, Character, World, build, texts
from anipop_pipeline.errors import PortInUse


@pytest.fixture(scope="module")
def world() -> World:
    return build()


@pytest.fixture(scope="module")
def large() -> World:
    return build(size=3000)


@pytest.fixture(scope="module")
def site(world: World) -> Site:
    return Site(world)


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[server.Server]:
    with server.serve(world) as running:
        yield running


@pytest.fixture
def session(served: server.Server) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        server.connect(opened, served.port)
        yield opened


def explained(columns: np.ndarray, scores: np.ndarray) -> float:
    """Return the R2 of ordinary least squares."""
    design = np.column_stack([np.ones(len(scores)), columns])
    left = scores - design @ np.linalg.lstsq(design, scores, rcond=None)[0]
    return float(1 - left.var() / scores.var())


def scored(world: World) -> list[Anime]:
    return [one for one in world.anime if one.score is not None]


def told(world: World) -> list[Anime]:
    return [one for one in scored(world) if one.synopsis and len(one.synopsis.split()) >= 20]


def leads(world: World) -> list[Character]:
    ids = {role.character_id for one in world.anime for role in one.roles if role.main}
    return [one for one in world.characters if one.id in ids]


def share(part: int, whole: int) -> float:
    return part / whole


# The same seed, the same world


def test_the_same_size_and_seed_give_the_same_world() -> None:
    assert build(size=60, seed=3) == build(size=60, seed=3)


def test_another_seed_gives_other_titles_and_other_words() -> None:
    one, other = build(size=60, seed=3), build(size=60, seed=4)

    assert {a.title for a in one.anime} != {a.title for a in other.anime}
    assert set(texts(one)).isdisjoint(text for text in texts(other) if len(text.split()) > 30)


def test_pages_are_the_same_in_two_builds(world: World, site: Site) -> None:
    again = Site(build())
    anime, character = world.anime[7], world.characters[7]

    for path in ("/topanime.php", "/topanime.php?limit=50", anime.path, f"{anime.path}/characters", character.path):
        assert site.page(path) == again.page(path)


def test_pictures_are_the_same_bytes_twice_and_differ_between_seeds() -> None:
    assert pictures.portrait("7 1", 0.4) == pictures.portrait("7 1", 0.4)
    assert pictures.poster("7 1", 0.4, ("Drama", "Sports")) == pictures.poster("7 1", 0.4, ("Drama", "Sports"))
    assert pictures.portrait("7 1", 0.4) != pictures.portrait("7 2", 0.4)


def test_four_hundred_titles_are_built_in_half_a_second() -> None:
    start = time.process_time()
    build(size=400, seed=11)

    assert time.process_time() - start < 0.5


def test_even_a_tiny_world_has_everything() -> None:
    tiny = build(size=12, seed=5)

    assert len(tiny.anime) == 12
    assert tiny.dead_anime
    assert tiny.dead_characters
    assert tiny.dead_pictures
    assert any(one.score is None for one in tiny.anime)


# What is planted


@pytest.mark.parametrize(
    "name", ["text", "portraits", "posters", "pictures", "attributes", "relatives", "table", "noise", "fame"]
)
def test_a_component_explains_the_share_that_is_planted(large: World, name: str) -> None:
    rows = scored(large)
    scores = np.array([one.score for one in rows])

    measured = explained(np.array([getattr(one.components, name) for one in rows]), scores)

    assert measured == pytest.approx(PLANTED[name], abs=0.04)


def test_all_components_together_are_the_score(large: World) -> None:
    for one in scored(large):
        assert one.score == pytest.approx(min(max(6.6 + one.components.total, 1.5), 9.3), abs=0.0051)


def test_planted_shares_add_up_to_one() -> None:
    assert sum(PLANTED[name] for name in ("text", "pictures", "table", "noise")) == pytest.approx(1)


def test_scores_are_spread_like_those_of_the_real_site(large: World) -> None:
    scores = np.array([one.score for one in scored(large)])

    assert scores.mean() == pytest.approx(6.6, abs=0.05)
    assert scores.std() == pytest.approx(0.85, abs=0.04)
    assert scores.min() >= 1.5
    assert scores.max() <= 9.3


def test_length_alone_reaches_what_is_stated(large: World) -> None:
    rows = told(large)
    words = np.log([len(str(one.synopsis).split()) for one in rows])

    assert explained(words, np.array([one.score for one in rows])) == pytest.approx(PLANTED["length"], abs=0.03)


def test_credit_alone_reaches_what_is_stated(large: World) -> None:
    rows = told(large)
    kinds = np.array([[one.credit == "rewrite", one.credit == "source"] for one in rows], dtype=float)

    assert explained(kinds, np.array([one.score for one in rows])) == pytest.approx(PLANTED["credit"], abs=0.03)
    assert kinds.mean(axis=0) == pytest.approx([0.45, 0.35], abs=0.03)


def test_the_number_of_main_characters_alone_reaches_what_is_stated(large: World) -> None:
    rows = scored(large)
    counts = np.array([sum(role.main for role in one.roles) for one in rows], dtype=float)

    assert explained(counts, np.array([one.score for one in rows])) == pytest.approx(PLANTED["cast"], abs=0.025)
    assert set(counts) == {1, 2, 3, 4, 5, 6}


def test_fame_brings_members_and_members_bring_favourites(large: World) -> None:
    rows = scored(large)
    fame, members, favourites = (
        np.array(column)
        for column in zip(*((one.components.fame, one.members, one.favourites) for one in rows), strict=True)
    )

    assert np.corrcoef(fame, np.log(members))[0, 1] > 0.9
    assert np.corrcoef(np.log(members), np.log1p(favourites))[0, 1] > 0.8
    assert all(one.votes <= one.members for one in large.anime)


def test_the_words_of_a_synopsis_tell_its_mood(world: World) -> None:
    marks = {"tender": "gentle|wistful|patient", "hurried": "frantic|breathless|clumsy"}

    found = {
        mood: {
            key: sum(bool(re.search(words, str(one.synopsis))) for one in told(world) if one.mood_key == key)
            for key in marks
        }
        for mood, words in marks.items()
    }

    assert found["tender"]["tender"] > 10 * found["tender"]["hurried"]
    assert found["hurried"]["hurried"] > 10 * found["hurried"]["tender"]


def test_the_world_speaks_with_several_hundred_words_and_rarely_repeats_a_sentence(world: World) -> None:
    written = list(texts(world))
    sentences = Counter(part for text in written for part in re.split(r"(?<=[.!?]) ", text) if len(part.split()) > 12)

    assert len({word for text in written for word in re.findall(r"[a-z]{4,}", text.lower())}) > 800
    assert share(len(sentences), sum(sentences.values())) > 0.95


def test_no_gap_of_the_grammar_stays_open(world: World) -> None:
    for text in texts(world):
        assert not re.search(r"[{}]|\b[Aa] [aeiou]|  ", text)


# Oddities


def test_oddities_are_as_frequent_as_on_the_real_site(large: World) -> None:
    count = len(large.anime)
    short = [one for one in large.anime if one.synopsis and len(one.synopsis.split()) < 20]
    faces = leads(large)

    assert share(sum(one.score is None for one in large.anime), count) == pytest.approx(0.06, abs=0.005)
    assert share(sum(one.synopsis is None for one in large.anime), count) == pytest.approx(0.04, abs=0.005)
    assert share(len(short), count) == pytest.approx(0.03, abs=0.005)
    assert share(sum(one.biography is None for one in faces), len(faces)) == pytest.approx(0.08, abs=0.005)
    assert share(sum(one.portrait_path is None for one in faces), len(faces)) == pytest.approx(0.06, abs=0.005)
    assert all(one.members < 1000 for one in large.anime if one.score is None)


def test_every_kind_of_oddity_is_in_the_default_world(world: World) -> None:
    statuses = {one.airing.status for one in world.anime}

    assert statuses == {"Finished Airing", "Currently Airing", "Not yet aired"}
    assert any(one.episodes is None for one in world.anime)
    assert any(one.poster_path is None for one in world.anime)
    assert any(one.spoiler for one in world.characters)
    assert any(one.facts for one in world.characters)
    assert any(one.biography and len(one.biography.split()) < 6 for one in world.characters)


def test_awards_go_to_a_few_loved_titles_alone(large: World) -> None:
    awarded = [one.score for one in large.anime if "Award Winning" in one.genres]

    assert 10 < len(awarded) < 90
    assert min(score for score in awarded if score) > 7.5


def test_statuses_agree_with_the_clock_that_stands_still(large: World) -> None:
    today = WORLD_TODAY.date()

    for one in large.anime:
        first, last = one.airing.first, one.airing.last
        match one.airing.status:
            case "Not yet aired":
                assert first is None or first > today
                assert one.score is None
            case "Currently Airing":
                assert first is not None
                assert first <= today
                assert last is None or last > today
            case _:
                assert first is not None
                assert last is not None
                assert first <= last <= today


# Franchises


def components_of(world: World) -> list[int]:
    """Return the sizes of the groups of titles that share main characters."""
    group = {one.id: one.id for one in world.anime}

    def head(one: int) -> int:
        return one if group[one] == one else head(group[one])

    seen: dict[int, int] = {}
    for one in world.anime:
        for role in one.roles:
            if role.main:
                group[head(one.id)] = head(seen.setdefault(role.character_id, one.id))
    return list(Counter(head(one.id) for one in world.anime).values())


def test_titles_hang_together_by_main_characters_as_on_the_real_site(large: World) -> None:
    sizes = components_of(large)

    assert 0.58 < share(sizes.count(1), len(sizes)) < 0.68
    assert max(sizes) == 8
    assert len(sizes) == len({one.franchise for one in large.anime})


def test_a_sequel_airs_after_its_prequel_and_each_names_the_other(large: World) -> None:
    links = [(one, link) for one in large.anime for link in one.relations if link.relation == "Sequel"]

    assert len(links) > 300
    for one, link in links:
        later = large.anime_by_id[link.related_id]
        assert (link.title, link.type) == (later.title, later.type)
        assert ("Prequel", one.id) in {(back.relation, back.related_id) for back in later.relations}
        if later.airing.first and one.airing.first:
            assert later.airing.first > one.airing.first


def test_ids_are_unique_and_every_role_has_its_character(large: World) -> None:
    assert len(large.anime_by_id) == len(large.anime)
    assert len(large.character_by_id) == len(large.characters)
    assert all(role.character_id in large.character_by_id for one in large.anime for role in one.roles)
    assert len(large.posters) == sum(one.poster_path is not None for one in large.anime)


# Pages: what the world holds is what the pages say


def field(tree: LexborHTMLParser, label: str) -> str | None:
    """Return what stands beside a label of the left column."""
    for mark in tree.css("span.dark_text"):
        if mark.text().strip() in (f"{label}:", f"{label}s:") and mark.parent is not None:
            return " ".join(mark.parent.text().replace(mark.text(), "", 1).split())
    return None


def one_text(tree: LexborHTMLParser, selector: str) -> str:
    found = tree.css_first(selector)
    assert found is not None, selector
    return " ".join(found.text().split())


def page_of(site: Site, path: str) -> LexborHTMLParser:
    page = site.page(path)
    assert page.status == 200
    return LexborHTMLParser(page.body)


def living(world: World, wanted: Callable[[Anime], object]) -> Anime:
    return next(one for one in world.anime if one.id not in world.dead_anime and wanted(one))


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


def real_page(real: Path, name: str) -> LexborHTMLParser:
    return LexborHTMLParser((real / "pages" / name).read_text(encoding="utf-8"))


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


# Pictures


def saturation(file: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(file)).convert("HSV"), dtype=float)[..., 1].mean())


def test_pictures_are_small_jpegs_of_the_asked_size() -> None:
    for file, size in ((pictures.portrait("1", 0), (112, 158)), (pictures.poster("1", 0, (), (64, 90)), (64, 90))):
        with Image.open(io.BytesIO(file)) as image:
            assert (image.format, image.size) == ("JPEG", size)


@pytest.mark.parametrize("kind", ["portraits", "posters"])
def test_the_planted_craft_can_be_seen_in_the_mean_saturation(world: World, kind: str) -> None:
    shown = world.anime[:120]
    if kind == "posters":
        seen = [saturation(pictures.poster(f"7 {one.id}", one.poster_craft, one.genres)) for one in shown]
    else:
        first = [world.character_by_id[one.roles[0].character_id] for one in shown]
        seen = [saturation(pictures.portrait(f"7 {one.id}", one.craft)) for one in first]

    planted = [getattr(one.components, kind) for one in shown]

    assert np.corrcoef(seen, planted)[0, 1] > 0.75


def test_over_three_hundred_pictures_are_drawn_in_a_second() -> None:
    start = time.process_time()
    for number in range(60):
        pictures.portrait(str(number), 0.5)
        pictures.poster(str(number), 0.5, ("Sports",))

    assert time.process_time() - start < 120 / 300


# Served


def test_every_listed_anime_is_served_except_those_that_are_dead(world: World, session: requests.Session) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda one: session.get(BASE + one.path, timeout=10), world.anime))

    for one, answer in zip(world.anime, answers, strict=True):
        assert answer.status_code == (404 if one.id in world.dead_anime else 200)
        assert answer.url == BASE + one.path


def test_dead_links_lead_nowhere(world: World, session: requests.Session) -> None:
    anime, character, picture = min(world.dead_anime), min(world.dead_characters), min(world.dead_pictures)

    assert session.get(BASE + world.anime_by_id[anime].path, timeout=10).status_code == 404
    assert session.get(BASE + world.anime_by_id[anime].path + "/characters", timeout=10).status_code == 404
    assert session.get(CDN + picture, timeout=10).status_code == 404
    answer = session.get(BASE + world.character_by_id[character].path, timeout=10)
    assert (answer.status_code, "Invalid ID provided." in answer.text) == (200, True)


def test_pictures_are_served_from_the_other_host(world: World, session: requests.Session) -> None:
    poster = next(path for path in world.posters if path not in world.dead_pictures)

    answer = session.get(CDN + poster, timeout=10)

    assert answer.url == CDN + poster
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (112, 158)


def test_no_port_is_visible_in_answers_requests_redirects_or_bodies(
    world: World, served: server.Server, session: requests.Session
) -> None:
    one = living(world, lambda one: one.score)

    answer = session.get(f"{BASE}/anime.php?id={one.id}", timeout=10)

    assert [step.status_code for step in answer.history] == [301]
    assert answer.url == BASE + one.path
    for step in (*answer.history, answer):
        seen = f"{step.url} {step.request.url} {step.headers} {step.request.headers} {step.text}"
        assert "127.0.0.1" not in seen
        assert f":{served.port}" not in seen
    assert answer.request.headers["Host"] == "demo.invalid"


def test_a_proxy_in_the_environment_is_not_asked(session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert session.get(f"{BASE}/robots.txt", timeout=10).status_code == 200


def test_robots_allows_pages_and_forbids_the_panel(session: requests.Session) -> None:
    rules = session.get(f"{BASE}/robots.txt", timeout=10).text

    assert "Disallow: /panel.php" in rules
    assert "Crawl-delay" not in rules


def test_one_connection_carries_many_requests(world: World, served: server.Server) -> None:
    before = served.requests_served
    with socket.create_connection(("127.0.0.1", served.port)) as line, line.makefile("rb") as reply:
        for _ in range(3):
            line.sendall(b"HEAD /robots.txt HTTP/1.1\r\nHost: demo.invalid\r\n\r\n")
            status = reply.readline()
            headers = dict(part.strip().split(b": ", 1) for part in iter(reply.readline, b"\r\n"))
            assert status == b"HTTP/1.1 200 OK\r\n"
            assert int(headers[b"Content-Length"]) > 50
            assert headers[b"Date"] == b"Mon, 30 Jun 2025 00:00:00 GMT"

    assert served.requests_served == before + 3


def test_a_page_is_compressed_for_those_who_accept_it(world: World, session: requests.Session) -> None:
    path = BASE + living(world, lambda one: one.score).path

    with session.get(path, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10) as packed:
        raw = packed.raw.read(decode_content=False)
    plain = session.get(path, headers={"Accept-Encoding": "identity"}, timeout=10)

    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content
    assert "Content-Encoding" not in plain.headers


def test_only_reading_is_allowed(session: requests.Session) -> None:
    answer = session.post(f"{BASE}/panel.php", data={"do": "add"}, timeout=10)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_nothing_is_left_running_when_the_block_ends() -> None:
    before = set(threading.enumerate())  # others may end meanwhile; only new ones count

    with server.serve(build(size=10)) as running, requests.Session() as opened:
        server.connect(opened, running.port)
        opened.get(f"{BASE}/", timeout=10)
        assert len(set(threading.enumerate()) - before) == 2

    assert not set(threading.enumerate()) - before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port))


def test_an_error_names_the_canonical_address_and_no_port() -> None:
    with server.serve(build(size=10)) as running:
        gone = running.port
    with requests.Session() as opened:
        server.connect(opened, gone)
        with pytest.raises(requests.ConnectionError) as problem:
            opened.get(f"{BASE}/robots.txt", timeout=10)

    assert str(problem.value) == f"no answer from {BASE}/robots.txt"


def test_a_taken_port_is_an_error_that_says_what_to_do(world: World, served: server.Server) -> None:
    with pytest.raises(PortInUse) as problem, server.serve(world, port=served.port):
        pass

    for told_word in (str(served.port), "ANIPOP_DEMO_PORT", "unset"):
        assert told_word in str(problem.value)


def test_the_demo_knows_neither_dagster_nor_its_readers() -> None:
    folder = Path(server.__file__).parent

    imported = {
        name
        for file in folder.glob("*.py")
        for name in re.findall(r"^(?:from|import) ([\w.]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert not {name for name in imported if name.startswith("dagster")}
    ours = {name for name in imported if name.startswith("anipop_pipeline")}
    assert all(name.startswith(("anipop_pipeline.demo", "anipop_pipeline.errors")) for name in ours)
