import io
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anipop_pipeline.demo import pictures, server
from anipop_pipeline.demo.pages import Site
from anipop_pipeline.demo.world import PLANTED, WORLD_TODAY, Anime, World, build, texts

from .demo_reading import default_site, default_world, leads


@pytest.fixture(scope="module")
def world() -> World:
    return default_world()


@pytest.fixture(scope="module")
def large() -> World:
    return build(size=3000)


@pytest.fixture(scope="module")
def site() -> Site:
    return default_site()


def explained(columns: np.ndarray, scores: np.ndarray) -> float:
    """Return the R2 of ordinary least squares."""
    design = np.column_stack([np.ones(len(scores)), columns])
    left = scores - design @ np.linalg.lstsq(design, scores, rcond=None)[0]
    return float(1 - left.var() / scores.var())


def scored(world: World) -> list[Anime]:
    return [one for one in world.anime if one.score is not None]


def told(world: World) -> list[Anime]:
    return [one for one in scored(world) if one.synopsis and len(one.synopsis.split()) >= 20]


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


# What it may know


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
