"""Claims about reading pages: real ones of ten years, small ones of our own, and mutilated ones."""

import io
import json
import re
import runpy
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anipop_pipeline.errors import PageChanged, SettingError
from anipop_pipeline.stages.parse import (
    CREDIT,
    PageParser,
    anime,
    anime_characters,
    character,
    collect,
    credit,
    listing,
    picture,
    story,
)
from anipop_pipeline.stages.parse.text import facts_and_prose, minutes, names, period
from anipop_pipeline.stages.parse.words import prose
from anipop_pipeline.stages.tables.pages import Anime, Characters, ParseRejects, Portraits, Roles

MAL = "https://myanimelist.net"
AGREEMENT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "agreement.py"), run_name="agreement")
READERS: dict[str, Callable[[bytes, str], Any]] = {
    "anime": anime,
    "anime_characters": anime_characters,
    "character": character,
    "topanime": listing,
}


def side_bar(**values: str) -> str:
    known = {
        "Type": '<a href="/topanime.php?type=tv">TV</a>',
        "Episodes": "12",
        "Status": "Finished Airing",
        "Aired": "Oct 3, 2021 to Dec 19, 2021",
        "Score": '<span>7.50</span><sup>1</sup> (scored by <span style="display: none">1234</span>1,234 users)',
        "Ranked": "#1,057<sup>2</sup> <small>based on the top</small>",
        "Popularity": "#66",
        "Members": "232,193",
        "Favorites": "3,609",
    } | values
    return "".join(f'<div><span class="dark_text">{name}:</span> {value}</div>' for name, value in known.items())


def anime_page(body: str = "", *, synopsis: str = "A girl finds a cat.", address: str = "", **values: str) -> bytes:
    address = address or "https://demo.invalid/anime/7/Sea"
    page = f"""<html><head><link rel="canonical" href="{address}"></head><body>
      <div id="contentWrapper"><h1 class="title-name"><strong>The Sea</strong></h1>{side_bar(**values)}
      <h2>Synopsis</h2><p itemprop="description">{synopsis}</p>{body}</div></body></html>"""
    return page.encode()


def character_page(biography: str = "She swims.", *, portrait: str = "/images/characters/1/2.jpg") -> bytes:
    return f"""<html><head><link rel="canonical" href="https://demo.invalid/character/9/Umi"></head><body>
      <div id="content"><table><tr><td class="borderClass"><img data-src="{portrait}">
      <div class="normal_header">Animeography</div>Member Favorites: 1,234</td>
      <td><div class="breadcrumb"></div>
      <h2 class="normal_header" style="height: 15px;">Umi <span><small>(海)</small></span></h2>{biography}
      <div class="normal_header">Voice Actors</div>Nobody</td></tr></table></div></body></html>""".encode()


def read_anime(**values: str) -> dict[str, Any]:
    return anime(anime_page(**values), "https://demo.invalid/anime/7")


def read_character(*args: str, **values: str) -> dict[str, Any]:
    return character(character_page(*args, **values), "https://demo.invalid/character/9")


def real_pages(real: Path, kind: str) -> Iterator[tuple[str, bytes, str]]:
    index = json.loads((real / "pages" / "index.json").read_text())
    for entry in sorted(index, key=lambda entry: str(entry["file"])):
        if entry["kind"] == kind:
            tail = "/x/characters" if kind == "anime_characters" else "/x"
            url = entry["url"] or f"{MAL}/anime/{entry['id']}{tail}"
            yield entry["file"], (real / "pages" / entry["file"]).read_bytes(), url


# Real pages


def test_every_real_anime_page_since_2015_keeps_the_rules_of_its_table(real: Path) -> None:
    pages = [page for page in real_pages(real, "anime") if "anime__270__" not in page[0]]

    rows = [anime(body, url) for _, body, url in pages]

    assert len(rows) == 46
    for row in rows:
        Anime.validate(pl.DataFrame([row], schema=Anime.create_empty().schema))
    assert all(row["url"].startswith(f"{MAL}/anime/{row['anime_id']}/") for row in rows)


def test_one_anime_reads_the_same_through_all_layouts(real: Path) -> None:
    rows = [anime(body, url) for name, body, url in real_pages(real, "anime") if name.startswith("anime__1__")]

    assert len(rows) == 11
    for row in rows:
        assert (row["title"], row["title_english"], row["type"]) == ("Cowboy Bebop", "Cowboy Bebop", "TV")
        assert (row["episodes"], row["duration_minutes"], row["season"]) == (26, 24.0, "Spring 1998")
        assert (row["aired_from"], row["aired_to"]) == (date(1998, 4, 3), date(1999, 4, 24))
        assert (row["source"], row["studios"], row["producers"]) == ("Original", ["Sunrise"], ["Bandai Visual"])
        assert row["poster_url"].endswith("/images/anime/4/19644.jpg")
        assert {"relation": "Side story", "kind": "anime", "related_id": 5} in row["relations"]
        assert {"Action", "Sci-Fi", "Space"} <= {*row["genres"], *row["themes"]}
    assert rows[0]["synopsis_credit"] == "source"  # 2015; rewritten since
    assert {row["synopsis_credit"] for row in rows[1:]} == {"rewrite"}
    assert all(row["synopsis_as_written"].endswith("[Written by MAL Rewrite]") for row in rows[1:])
    assert [row["score"] for row in rows[:2]] == [8.83, 8.83]


def test_a_list_of_characters_that_stands_where_an_anime_should_is_noticed(real: Path) -> None:
    [(_, body, url)] = [page for page in real_pages(real, "anime") if "anime__270__" in page[0]]

    with pytest.raises(PageChanged) as raised:
        anime(body, url)

    assert raised.value.where == "canonical"
    roles = anime_characters(body, "http://myanimelist.net/anime/270/Hellsing/characters")
    assert (roles[0]["character_id"], roles[0]["name"], roles[0]["role"]) == (601, "Alucard", "main")


@pytest.mark.parametrize(
    ("name", "roles", "mains"),
    [
        ("anime_characters__1__2015-12-22.html", 115, 4),
        ("anime_characters__1__2021-02-20.html", 125, 4),
        ("anime_characters__32948__2019-03-24.html", 18, 2),
        ("anime_characters__32948__2024-05-24.html", 18, 2),
        ("anime_characters__35073__2022-06-06.html", 56, 2),
    ],
)
def test_roles_are_read_from_old_and_new_lists(real: Path, name: str, roles: int, mains: int) -> None:
    [(_, body, url)] = [page for page in real_pages(real, "anime_characters") if page[0] == name]

    rows = anime_characters(body, url)

    assert (len(rows), sum(row["role"] == "main" for row in rows)) == (roles, mains)
    assert [row["position"] for row in rows] == list(range(roles))
    Roles.validate(pl.DataFrame(rows, schema=Roles.create_empty().schema, strict=False).sort("character_id"), cast=True)


def test_a_list_of_2015_and_one_of_2024_name_the_same_main_characters(real: Path) -> None:
    found = [
        {row["character_id"]: row["name"] for row in anime_characters(body, url) if row["role"] == "main"}
        for name, body, url in real_pages(real, "anime_characters")
        if name.startswith("anime_characters__1__")
    ]

    assert found == [{1: "Spiegel, Spike", 2: "Valentine, Faye", 3: "Black, Jet", 16: found[0][16]}] * 3


def test_real_characters_are_read_in_every_layout(real: Path) -> None:
    rows = {name: character(body, url) for name, body, url in real_pages(real, "character")}

    assert len(rows) == 25
    for row in rows.values():
        Characters.validate(pl.DataFrame([row], schema=Characters.create_empty().schema))
        assert "/images/characters/" in row["portrait_url"]
        assert "Voice Actors" not in (row["description"] or "")
    spike = rows["character__1__2024-05-24.html"]
    assert (spike["name"], spike["favourites"]) == ("Spike Spiegel", 46857)
    assert [line.split(":")[0] for line in spike["facts"].split("\n")] == [
        "Birthdate",
        "Height",
        "Weight",
        "Blood type",
        "Planet of Origin",
    ]
    assert spike["description"].startswith("Spike Spiegel is")
    assert rows["character__8177__2016-08-27.html"]["description"] is None
    momonga = rows["character__116281__2018-06-29.html"]
    assert "Suzuki" in momonga["spoiler"]
    assert "Suzuki" not in momonga["description"]
    assert "Source" not in momonga["description"]
    assert "Suzuki" not in momonga["description_as_written"]
    assert "Source" in momonga["description_as_written"]
    assert spike["description_as_written"].startswith("Birthdate")
    for row in rows.values():
        written = (row["description_as_written"] or "").split()
        assert {*(row["description"] or "").split()} <= {*written}


@pytest.mark.parametrize("name", ["topanime__p0__2018-07-08.html", "topanime__p0__2022-06-06.html"])
def test_the_ranking_list_is_read_in_order(real: Path, name: str) -> None:
    rows, following = listing((real / "pages" / name).read_bytes(), f"{MAL}/topanime.php")

    assert len(rows) == len({row["anime_id"] for row in rows}) == 50
    assert rows[0]["title"] == "Fullmetal Alchemist: Brotherhood"
    assert rows[0]["url"] == f"{MAL}/anime/5114/Fullmetal_Alchemist__Brotherhood"
    assert following == f"{MAL}/topanime.php?limit=50"


def test_pages_of_another_kind_are_never_read_as_something(real: Path) -> None:
    others = [path for path in sorted((real / "pages").glob("*.html")) if path.name.startswith(("error", "season"))]

    for path in others:
        for kind, url in [("anime", "/anime/999999999"), ("character", "/character/999999999"), ("topanime", "/t")]:
            with pytest.raises(PageChanged):
                READERS[kind](path.read_bytes(), MAL + url)
    assert len(others) == 37


def test_the_fields_agree_with_independent_tables_of_the_same_crawl(real: Path) -> None:
    """The tables' words for "nothing" are None on both sides; nothing else had to be explained away."""
    found = list(AGREEMENT["anime_fields"](real))

    assert len(found) == 105 * 25
    assert [one for one in found if one.ours != one.theirs] == []


def test_main_characters_agree_with_an_independent_table(real: Path) -> None:
    """One list is of December 2016, when the site still gave the main role to one more, 143628."""
    found = list(AGREEMENT["main_characters"](real))

    assert len(found) == 13
    assert [(one.page, one.ours ^ one.theirs) for one in found if one.ours != one.theirs] == [
        ("anime_characters__32948__2016-12-16.html", {143628})
    ]


# Addresses and identity


def test_the_host_of_the_asked_address_is_kept_and_http_becomes_https() -> None:
    row = anime(anime_page(address="http://demo.invalid/anime/7/Sea°"), "http://demo.invalid/anime/7")

    assert row["url"] == "https://demo.invalid/anime/7/Sea%C2%B0"


@pytest.mark.parametrize(
    ("page", "url", "field"),
    [
        (anime_page(), "https://demo.invalid/anime/8", "id"),
        (anime_page(), "https://demo.invalid/character/7", "id"),
        (anime_page(address="https://demo.invalid/login.php"), "https://demo.invalid/anime/7", "canonical"),
        (anime_page()[:-9], "https://demo.invalid/anime/7", "page"),
        (b"", "https://demo.invalid/anime/7", "page"),
        (anime_page().replace(b"The Sea", b""), "https://demo.invalid/anime/7", "title"),
        (anime_page().replace(b"h1", b"h5"), "https://demo.invalid/anime/7", "title"),
        (
            anime_page().replace(b"description", b"words").replace(b">Synopsis", b">Plot"),
            "https://x/anime/7",
            "synopsis",
        ),
        (anime_page().replace(b"The Sea", b"\xff"), "https://demo.invalid/anime/7", "encoding"),
        (anime_page(), "/anime/7", "url"),
    ],
)
def test_a_page_that_is_not_what_it_should_be_says_which_field(page: bytes, url: str, field: str) -> None:
    with pytest.raises(PageChanged) as raised:
        anime(page, url)

    assert raised.value.where == field


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("Score", "high", "score"),
        ("Members", "many", "members"),
        ("Episodes", "twelve", "episodes"),
        ("Aired", "Feb 31, 2020", "aired_from"),
        ("Aired", "2020 to someday", "aired_to"),
        ("Duration", "a while", "duration_minutes"),
    ],
)
def test_an_unreadable_value_is_an_error_not_a_guess(name: str, value: str, field: str) -> None:
    with pytest.raises(PageChanged) as raised:
        read_anime(**{name: value})

    assert raised.value.where == field


@pytest.mark.parametrize("name", ["Type", "Episodes", "Status", "Aired", "Score", "Members", "Favorites"])
def test_a_field_that_every_page_has_may_not_be_absent(name: str) -> None:
    page = anime_page().replace(f">{name}:".encode(), b">Other:")

    with pytest.raises(PageChanged) as raised:
        anime(page, "https://demo.invalid/anime/7")

    assert raised.value.where == name.lower()


@pytest.mark.parametrize(("name", "column"), [("Episodes", "episodes"), ("Ranked", "rank")])
def test_the_zero_that_the_site_shows_for_nothing_is_none(name: str, column: str) -> None:
    assert read_anime(**{name: "#0" if name == "Ranked" else "0"})[column] is None


@pytest.mark.parametrize(
    ("shown", "score", "votes"),
    [
        ("8.82<sup><small>1</small></sup> (scored by 83901 users)", 8.82, 83901),
        ("7.00 (scored by 1 user)", 7.0, 1),
        ("N/A (scored by 57 users)", None, 57),
        ("N/A<sup>1</sup> (scored by - users)", None, None),
        ("0.00 (scored by 0 users)", None, 0),
    ],
)
def test_a_score_is_read_in_every_form(shown: str, score: float | None, votes: int | None) -> None:
    row = read_anime(Score=shown)

    assert (row["score"], row["votes"]) == (score, votes)


def test_a_relation_to_a_deleted_work_is_none() -> None:
    block = (
        '<table class="anime_detail_related_anime"><tr><td>Sequel:</td><td><a href="/anime/0/">gone</a>,'
        '<a href="/anime/5/A">A</a>, <a href="/anime/6/B"></a></td></tr></table>'
    )

    found = anime(anime_page(block), "https://demo.invalid/anime/7")["relations"]

    assert found == [{"relation": "Sequel", "kind": "anime", "related_id": 5}]


@pytest.mark.parametrize("block", ["<ul><li>two</li></ul>", "<div>two</div>", "<blockquote>two</blockquote>"])
def test_a_block_inside_a_synopsis_does_not_cut_it(block: str) -> None:
    row = anime(anime_page(synopsis=f"One {block} three."), "https://demo.invalid/anime/7")

    assert " ".join(row["synopsis"].split()) == "One two three."


def test_a_day_without_a_month_is_no_date() -> None:
    with pytest.raises(PageChanged, match="is no date"):
        period("3, 2001")


def test_what_the_page_does_not_say_is_none() -> None:
    row = read_anime(
        Type="Unknown",
        Source="Unknown",
        Episodes="Unknown",
        Aired="Not available",
        Premiered="?",
        Duration="Unknown",
        Rating="None",
        Score='<span class="score-label score-na">N/A</span><sup>1</sup> (scored by <span></span>- users)',
        Ranked="N/A<sup>2</sup>",
        Genres="No genres have been added yet.",
        Studios='None found, <a href="/dbchanges.php?aid=7&t=producers">add some</a>',
        synopsis="No synopsis information has been added to this title.",
    )

    empty = ["type", "source", "episodes", "aired_from", "aired_to", "season", "duration_minutes", "rating"]
    empty += ["score", "votes", "rank", "synopsis", "synopsis_as_written", "synopsis_credit", "poster_url"]
    empty += ["title_english"]
    assert [name for name in empty if row[name] is not None] == []
    assert (row["genres"], row["studios"], row["relations"]) == ([], [], [])


def test_numbers_are_not_glued_to_their_footnotes() -> None:
    row = read_anime()

    assert (row["score"], row["votes"], row["rank"]) == (7.5, 1234, 1057)
    assert (row["members"], row["favourites"], row["popularity"]) == (232193, 3609, 66)


@pytest.mark.parametrize("label", ["Genre", "Genres", "Theme", "Themes", "Demographic", "Demographics"])
def test_labels_may_be_singular_and_values_stand_once(label: str) -> None:
    link = '<span style="display: none">Drama</span><a href="/anime/genre/8/Drama">Drama</a>'

    row = read_anime(**{label: f"{link}, {link}"})

    assert row[label.lower().removesuffix("s") + "s"] == ["Drama"]


def test_relations_of_three_layouts_read_alike() -> None:
    table = (
        '<table class="{}"><tr><td class="ar">Alternative Version:</td><td><a href="/anime/5/A">A</a>'
        '<a href="/manga/"></a></td></tr></table>'
    )
    tile = (
        '<div class="related-entries"><div class="entry"><div class="relation">Alternative version (TV)</div>'
        '<a href="https://demo.invalid/anime/5/A"><img></a>'
        '<div class="title"><a href="/anime/5/A">A</a></div></div></div>'
    )
    blocks = [
        table.format("anime_detail_related_anime"),
        '<div class="related-entries">' + table.format("entries-table") + "</div>",
        tile,
    ]

    found = [anime(anime_page(block), "https://demo.invalid/anime/7")["relations"] for block in blocks]

    assert found == [[{"relation": "Alternative version", "kind": "anime", "related_id": 5}]] * 3


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/r/42x62/images/characters/1/2.jpg?s=ab", "https://demo.invalid/images/characters/1/2.jpg"),
        ("http://cdn.invalid/images/characters/1/2t.jpg", "https://cdn.invalid/images/characters/1/2.jpg"),
        ("https://cdn.invalid/images/questionmark_23.gif", None),
        ("https://cdn.invalid/img/sp/icon/apple-touch-icon-256.png", None),
        ("", None),
        ("data:image/gif;base64,R0lG", None),
    ],
)
def test_portraits_are_full_size_or_none(source: str, expected: str | None) -> None:
    assert read_character(portrait=source)["portrait_url"] == expected


# Words


def test_a_biography_falls_into_facts_prose_and_spoiler() -> None:
    row = read_character(
        "<b>Age</b>: 17<br>\nHeight: 160 cm (5'3&quot;)<br><br>She <i>swims</i>.<br>Far: that is her dream.<br>"
        '<div class="spoiler"><input type="button" value="Show spoiler"><span class="spoiler_content">'
        "<br>She is a fish.</span></div><br>(Source: Wiki)"
    )

    assert row["facts"] == "Age: 17\nHeight: 160 cm (5'3\")"
    assert row["description"] == "She swims.\nFar: that is her dream."
    assert row["spoiler"] == "She is a fish."
    assert (row["name"], row["favourites"]) == ("Umi", 1234)
    assert row["description_as_written"] == (
        "Age: 17\nHeight: 160 cm (5'3\")\n\nShe swims.\nFar: that is her dream.\n\n(Source: Wiki)"
    )


def test_no_biography_is_none() -> None:
    row = read_character("No biography written.")

    assert [row[name] for name in ("description", "description_as_written", "facts", "spoiler")] == [None] * 4


def test_a_synopsis_as_written_keeps_its_credits() -> None:
    row = read_anime(synopsis="A girl (Source: ANN)<br>finds a cat.<br><br>[Written by MAL Rewrite]")

    assert row["synopsis"] == "A girl\nfinds a cat."
    assert row["synopsis_as_written"] == "A girl (Source: ANN)\nfinds a cat.\n\n[Written by MAL Rewrite]"


def test_a_credit_alone_is_no_synopsis_and_is_written_all_the_same() -> None:
    row = read_anime(synopsis="(Source: ANN)")

    assert (row["synopsis"], row["synopsis_credit"]) == (None, None)
    assert row["synopsis_as_written"] == "(Source: ANN)"


def test_words_are_not_glued_by_markup() -> None:
    html = (
        "a<br>b<br/><br/>c<p>d</p>e<table><tr><th>f</th><td>g</td></tr><tr><td>h</td></tr></table>&amp;<ul><li>i<li>j"
    )

    assert prose(html) == "a\nb\n\nc\n\nd\n\ne\n\nf g\nh\n\n&\n\ni\nj"


def test_inline_markup_does_not_split_words() -> None:
    assert prose("re<b>mark</b>able<!-- no --><script>x()</script>") == "remarkable"


def test_deep_nesting_takes_linear_time() -> None:
    assert prose("<div>" * 5000 + "hi" + "</div>" * 5000) == "hi"


def test_a_line_with_a_colon_inside_prose_is_no_fact() -> None:
    text = "He said: never again, and he meant every single word of it, as all who know him will say."

    assert facts_and_prose(text) == (None, text)
    assert facts_and_prose("Note: he is dead.") == (None, "Note: he is dead.")
    assert facts_and_prose("At 10:30 sharp") == (None, "At 10:30 sharp")
    assert facts_and_prose("https://umi.invalid/she-swims") == (None, "https://umi.invalid/she-swims")


@pytest.mark.parametrize(
    "facts",
    [
        "Age:20\nHeight：160 cm",
        "Age: 7 (first film), 11 (first series), 14 (second series), 17 (the six films that she calls the Last.)",
        "Relatives:\nGabi (Son)\nRace: Fish",
        "Basic information:\nFull Name: Umi",
        "SKILL:\n•Fox Fire\n• Flare",
        "Also known as:\n* The fish - so her crew calls her in the harbour of the old town where she was born",
    ],
)
def test_facts_are_known_in_the_forms_that_people_use(facts: str) -> None:
    assert facts_and_prose(f"{facts}\n\nShe swims all day.") == (facts, "She swims all day.")


@pytest.mark.parametrize(
    ("text", "expected", "kind"),
    [
        ("A cat.\n\n[Written by MAL Rewrite]", "A cat.", "rewrite"),
        ("A cat.\n\n(Source: ANN)", "A cat.", "source"),
        ("A cat. (Source: ANN, edited)", "A cat.", "source"),
        ("A cat. (Source: themoviedb.org (edited))", "A cat.", "source"),
        ("A cat. [Source: Enoki Films USA]", "A cat.", "source"),
        ("A cat. (Soure: ANN)", "A cat.", "source"),
        ("A cat.\n\nSource: imdb", "A cat.", "source"),
        ("A cat. (adapted from the official site)", "A cat.", "source"),
        ("A cat. (from AniDB)", "A cat.", "source"),
        ("A cat. (Source: ANN)\n\nNote: it purrs.", "A cat.\n\nNote: it purrs.", "source"),
        ("A cat. (Source: ANN).", "A cat.", "source"),
        ("A cat (Source: the novels). It purrs.", "A cat. It purrs.", "source"),
        ("A cat. [Written by MAL Rewrite]\n\n(Source: MAL News, edited)", "A cat.", "rewrite"),
        ("A cat.\n\n-Wikipedia", "A cat.", "source"),
        ("A cat. ~From Wikipedia", "A cat.", "source"),
        ("A cat.\n\n-AniDB", "A cat.", "source"),
        ("A cat.\nfrom wikipedia", "A cat.", "source"),
        ("A cat. (by Wikipedia)", "A cat.", "source"),
        ("A cat.\n\nCredit: Studio (www.studio.invalid)", "A cat.", "source"),
        ("A letter to a cat.\n\n-Ann", "A letter to a cat.\n\n-Ann", "none"),
        ("They read about cats on Wikipedia.", "They read about cats on Wikipedia.", "none"),
        ("A cat seeks the source of all milk.", "A cat seeks the source of all milk.", "none"),
        ("A cat (from afar) comes home.", "A cat (from afar) comes home.", "none"),
        ("The source: a cat (it purrs).", "The source: a cat (it purrs).", "none"),
        ("", "", "none"),
    ],
)
def test_credits_are_cut_and_told_apart(text: str, expected: str, kind: str) -> None:
    assert (story(text), credit(text)) == (expected, kind)


@given(st.text() | st.from_regex(CREDIT))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = story(text)

    assert story(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Oct 3, 2021 to Dec 19, 2021", (date(2021, 10, 3), date(2021, 12, 19))),
        ("Apr 2009", (date(2009, 4, 1), None)),
        ("2015", (date(2015, 1, 1), None)),
        ("2015 to ?", (date(2015, 1, 1), None)),
        ("Not available", (None, None)),
        ("Mar 18, 1969", (date(1969, 3, 18), None)),
        ("Feb 29, 2020 to Mar, 2021", (date(2020, 2, 29), date(2021, 3, 1))),
    ],
)
def test_dates_are_as_exact_as_the_page(text: str, expected: tuple[date | None, date | None]) -> None:
    assert period(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("OPM", ["OPM"]),
        ("K-On! OVA, Keion OVA, K-On! Episode 14, Keion OVA", ["K-On! OVA", "Keion OVA", "K-On! Episode 14"]),
        ("Profit of 10,000 Yen", ["Profit of 10,000 Yen"]),
    ],
)
def test_other_names_are_apart_and_told_once(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23 min. per ep.", 23.0),
        ("23 min. per episode", 23.0),
        ("1 hr. 40 min.", 100.0),
        ("2 hr.", 120.0),
        ("30 sec.", 0.5),
        ("1 hr. 1 min. 30 sec. per ep.", 61.5),
        ("Unknown", None),
    ],
)
def test_lengths_are_in_minutes(text: str, expected: float | None) -> None:
    assert minutes(text) == expected


# Pictures


def picture_file(width: int = 8, height: int = 6, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_pictures_have_a_size(form: str) -> None:
    assert picture(picture_file(form=form)) == (8, 6)


@pytest.mark.parametrize(
    "data", [b"", b"<html></html>", picture_file(200, 200)[:-60], picture_file(200, 200, "JPEG")[:-200]]
)
def test_what_is_no_picture_is_page_changed(data: bytes) -> None:
    with pytest.raises(PageChanged) as raised:
        picture(data)

    assert raised.value.where == "image"


def test_a_bomb_is_not_decoded() -> None:
    bomb = bytearray(picture_file())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height of the PNG header
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")

    with pytest.raises(PageChanged, match="too large"):
        picture(bytes(bomb))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8))
def test_mutilated_pictures_raise_page_changed_or_nothing(changes: list[tuple[int, int]]) -> None:
    data = bytearray(picture_file(30, 20, "JPEG"))
    for at, value in changes:
        data[at % len(data)] = value

    try:
        width, height = picture(bytes(data))
    except PageChanged:
        return
    assert width > 0
    assert height > 0


# Batches


def batch(*pages: tuple[str, int | None, bytes | None]) -> pa.Table:
    schema = pa.schema([("url", pa.string()), ("id", pa.int64()), ("body", pa.binary())])
    return pa.Table.from_pylist([dict(zip(schema.names, page, strict=True)) for page in pages], schema=schema)


def numbered_page(number: int) -> tuple[str, int, bytes]:
    page = anime_page(address=f"https://demo.invalid/anime/{number}/Sea")
    return f"https://demo.invalid/anime/{number}", number, page


def test_a_batch_becomes_a_table_and_its_rejects() -> None:
    good, other = numbered_page(7), numbered_page(8)
    pages = batch(other, good, ("https://demo.invalid/anime/9", 9, b"<html>"), ("https://demo.invalid/a", 10, None))

    table, rejects = collect("anime", [PageParser("anime")(pages)])

    Anime.validate(table)
    ParseRejects.validate(rejects)
    assert table["anime_id"].to_list() == [7, 8]
    assert rejects.select("table", "id", "field").rows() == [("anime", 9, "page"), ("anime", 10, "body")]


def test_the_order_of_the_batches_changes_nothing() -> None:
    batches = [PageParser("anime")(batch(numbered_page(number))) for number in (3, 1, 2, 1)]

    forth, back = collect("anime", batches), collect("anime", reversed(batches))

    assert forth[0].equals(back[0])
    assert forth[1].equals(back[1])
    assert forth[0]["anime_id"].to_list() == [1, 2, 3]
    assert forth[1]["reason"].to_list() == ["another row has the same key"]


def test_an_id_that_the_page_does_not_have_is_a_reject() -> None:
    url, _, page = numbered_page(7)

    table, rejects = collect("anime", [PageParser("anime")(batch((url, 5, page)))])

    assert table.is_empty()
    assert rejects.select("id", "field").rows() == [(5, "id")]


def test_a_row_that_breaks_the_rules_is_a_reject_with_the_rule() -> None:
    page = anime_page(Score="11.0 (scored by 5 users)")

    table, rejects = collect("anime", [PageParser("anime")(batch(("https://demo.invalid/anime/7", 7, page)))])

    assert table.is_empty()
    assert rejects["reason"].to_list() == ["score|max"]


def test_an_odd_value_costs_itself_alone_and_stays_loud() -> None:
    url = "https://demo.invalid/anime/7"
    page = anime_page(Aired="someday to Dec 19, 2021", Duration="a while")

    table, rejects = collect("anime", [PageParser("anime")(batch((url, 7, page)))])

    assert table.select("title", "score", "aired_from", "duration_minutes").rows() == [("The Sea", 7.5, None, None)]
    assert table["aired_to"].to_list() == [date(2021, 12, 19)]
    assert rejects.select("url", "id", "field").rows() == [(url, 7, "aired_from"), (url, 7, "duration_minutes")]


@pytest.mark.parametrize("name", ["Score", "Aired"])
def test_a_layout_that_we_do_not_know_costs_the_page(name: str) -> None:
    page = anime_page().replace(f">{name}:".encode(), b">Other:")

    table, rejects = collect("anime", [PageParser("anime")(batch(("https://demo.invalid/anime/7", 7, page)))])

    assert table.is_empty()
    assert rejects["field"].to_list() == [name.lower()]


def test_every_kind_has_its_table(real: Path) -> None:
    roles = [(url, int(name.split("__")[1]), body) for name, body, url in real_pages(real, "anime_characters")][-3:]
    people = [("https://demo.invalid/character/9", 9, character_page())]
    images = [("https://demo.invalid/1.png", 9, picture_file()), ("https://demo.invalid/2.png", 8, b"no")]

    assert collect("anime_characters", [PageParser("anime_characters")(batch(*roles[:1]))])[0].height > 10
    assert collect("character", [PageParser("character")(batch(*people))])[0]["name"].to_list() == ["Umi"]
    portraits, rejects = collect("portrait", [PageParser("portrait")(batch(*images))])
    Portraits.validate(portraits)
    assert portraits.select("character_id", "width", "height").rows() == [(9, 8, 6)]
    assert rejects.select("table", "id", "field").rows() == [("portraits", 8, "image")]
    assert collect("poster", [])[0].is_empty()


def test_an_unknown_kind_is_a_setting_error_that_lists_the_kinds() -> None:
    with pytest.raises(
        SettingError, match=re.escape("anime, anime_characters, anime_stats, character, portrait, poster")
    ):
        PageParser("manga")


def test_the_parser_travels_to_other_processes() -> None:
    dumped = ForkingPickler.dumps(PageParser("anime"))

    assert ForkingPickler.loads(dumped).kind == "anime"
