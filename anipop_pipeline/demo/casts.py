"""Who appears where: characters of a franchise, their pages, and how titles of a franchise refer to each other.

Belongs here: drawing characters, roles and relations. Does not: what they are worth (world), portraits (pictures).
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from anipop_pipeline.demo import prose, words
from anipop_pipeline.demo.drafts import Draft, slug
from anipop_pipeline.demo.prose import Story
from anipop_pipeline.demo.records import Anime, Character, Relation, Role

IN_LINE = ("TV", "Movie", "ONA")
"""Types that go on where the title before them stopped; the others are told beside the first one."""
BLOOD_TYPES = ("A", "B", "AB", "O")
MONTHS = ("January", "March", "April", "May", "June", "August", "September", "October", "December")
PRINTED = {"Manga": "Manga", "Web manga": "Manga", "Light novel": "Light Novel", "Novel": "Novel"}


@dataclass(frozen=True)
class Cast:
    """All characters, and for each title by its place in the world its roles and its story."""

    characters: tuple[Character, ...]
    roles: tuple[tuple[Role, ...], ...]
    stories: tuple[Story, ...]


@dataclass(frozen=True)
class _Person:
    """A character before the page about it is written."""

    id: int
    family: tuple[str, str]
    given: tuple[str, str, str]
    lead: bool

    @property
    def name(self) -> str:
        return self.given[0]


@dataclass(frozen=True)
class _Fate:
    """Which main characters, by id, lack something."""

    silent: frozenset[int]
    faceless: frozenset[int]


def draw(rng: random.Random, titles: Sequence[tuple[Draft, int, float]]) -> Cast:
    """Return the cast of every title, given as (draft, number of main characters, fame).

    Titles of one franchise take their main characters from the start of the same list, so that they share some.
    """
    people: list[_Person] = []
    hired: list[list[_Person]] = []
    for _, group in groupby(titles, key=lambda one: one[0].franchise.number):
        hired += _hire_franchise(rng, people, [count for _, count, _ in group])
    stories = tuple(_story(draft, shown) for (draft, _, _), shown in zip(titles, hired, strict=True))
    characters = _written(rng, titles, hired, stories)
    return Cast(characters, tuple(tuple(Role(one.id, one.lead) for one in shown) for shown in hired), stories)


def _hire_franchise(rng: random.Random, people: list[_Person], counts: Sequence[int]) -> list[list[_Person]]:
    """Return who appears in each title of a franchise, main characters first."""
    leads = _hire(rng, people, max(counts), lead=True)
    others = _hire(rng, people, rng.randint(2, 5), lead=False)
    beside = (sorted(rng.sample(others, rng.randint(1, len(others))), key=lambda one: one.id) for _ in counts)
    return [[*leads[:count], *few] for count, few in zip(counts, beside, strict=True)]


def _written(
    rng: random.Random,
    titles: Sequence[tuple[Draft, int, float]],
    hired: Sequence[Sequence[_Person]],
    stories: Sequence[Story],
) -> tuple[Character, ...]:
    """Return a character for everyone who appears, told in the words of the title where they appear first."""
    first: dict[_Person, int] = {}
    for place, shown in enumerate(hired):
        for person in shown:
            first.setdefault(person, place)
    everyone = sorted(first, key=lambda one: one.id)
    fate = _fate(rng, [one.id for one in everyone if one.lead])
    return tuple(
        _character(rng, one, stories[first[one]], titles[first[one]][2], titles[first[one]][0].franchise.craft, fate)
        for one in everyone
    )


def _hire(rng: random.Random, people: list[_Person], count: int, *, lead: bool) -> list[_Person]:
    """Return new people with different given names, and put them at the end of `people`."""
    names = rng.sample(words.GIVEN_NAMES, count)
    last = people[-1].id if people else 0
    hired: list[_Person] = []
    for given in names:
        last += rng.randint(1, 25)
        hired.append(_Person(last, rng.choice(words.FAMILY_NAMES), given, lead))
    people.extend(hired)
    return hired


def _story(draft: Draft, shown: Sequence[_Person]) -> Story:
    hero, friend = shown[:2]
    theme, second = words.THEMES[draft.theme_key], words.THEMES[draft.second_key]
    return Story(theme, second, words.MOODS[draft.mood_key], hero.name, friend.name, hero.given[2])


def _fate(rng: random.Random, leads: Sequence[int]) -> _Fate:
    silent = frozenset(rng.sample(leads, max(1, round(0.08 * len(leads)))))
    return _Fate(silent, frozenset(rng.sample(leads, max(1, round(0.06 * len(leads))))))


def _character(rng: random.Random, one: _Person, story: Story, fame: float, craft: float, fate: _Fate) -> Character:
    family, given = one.family, one.given
    friend = story.friend if story.name == one.name else story.name
    told = _biography(rng, replace(story, name=one.name, friend=friend, pronoun=given[2]), fame, one.lead)
    silent = one.id in fate.silent or (not one.lead and rng.random() < 0.4)
    drawn = one.id not in fate.faceless and (one.lead or rng.random() < 0.8)
    return Character(
        id=one.id,
        family=family[0],
        given=given[0],
        slug=slug(f"{given[0]} {family[0]}"),
        japanese=f"{family[1]} {given[1]}",
        facts=() if silent else _facts(rng, "\n\n" in told[0]),
        biography=None if silent else told[0],
        spoiler=None if silent else told[1],
        favourites=round(10 ** (0.5 + 0.7 * fame + 0.3 * rng.gauss())) if one.lead else rng.randint(0, 4),
        portrait_path=f"/images/characters/{rng.randint(1, 16)}/{one.id * 5 + 2000}.jpg" if drawn else None,
        craft=craft + 0.35 * rng.gauss(),
    )


def _biography(rng: random.Random, story: Story, fame: float, lead: bool) -> tuple[str, str | None]:
    """Return a biography, longer for the famous, and sometimes a spoiler."""
    if rng.random() < (0.05 if lead else 0.4):
        return prose.tiny_biography(story, rng), None
    wanted = round((42 if lead else 18) * math.exp(0.6 * (0.53 * fame + 0.85 * rng.gauss())))
    hidden = prose.spoiler(story, rng) if lead and rng.random() < 0.12 else None
    return prose.biography(story, min(max(wanted, 9), 170), rng), hidden


def _facts(rng: random.Random, detailed: bool) -> tuple[str, ...]:
    """Return lines such as "Height: 170 cm", for every second character with a long biography."""
    if rng.random() > (0.55 if detailed else 0.25):
        return ()
    lines = (
        f"Age: {rng.randint(18, 60)}",
        f"Birthdate: {rng.choice(MONTHS)} {rng.randint(1, 30)}",
        f"Height: {rng.randint(148, 189)} cm",
        f"Blood type: {rng.choice(BLOOD_TYPES)}",
        f"Hobby: {rng.choice(words.HOBBIES)}",
    )
    return tuple(sorted(rng.sample(lines, rng.randint(2, 5)), key=lines.index))


def related(rng: random.Random, listed: Sequence[Anime]) -> list[Anime]:
    """Return the titles, given franchise by franchise in the order of airing, each with its relations."""
    linked: list[Anime] = []
    for _, group in groupby(listed, key=lambda one: one.franchise):
        titles = list(group)
        printed = _print_relation(rng, titles[0])
        for place, one in enumerate(titles):
            linked.append(replace(one, relations=(*printed, *_neighbours(titles, place))))
    return linked


def _print_relation(rng: random.Random, head: Anime) -> tuple[Relation, ...]:
    """Return the book behind the franchise, where there is one and somebody has linked it."""
    if head.source not in PRINTED or rng.random() > 0.7:
        return ()
    book = rng.randint(1, 99_999)
    return (Relation("Adaptation", "manga", book, head.title, head.slug, PRINTED[head.source]),)


def _neighbours(titles: Sequence[Anime], place: int) -> list[Relation]:
    """Return the links from the title at that place to others of its franchise."""
    line = [i for i, one in enumerate(titles) if i == 0 or one.type in IN_LINE]
    if place not in line:
        return [_link("Parent Story", titles[0])]
    position = line.index(place)
    before = [_link("Prequel", titles[i]) for i in line[max(position - 1, 0) : position]]
    after = [_link("Sequel", titles[i]) for i in line[position + 1 : position + 2]]
    beside = [_link("Side Story", one) for i, one in enumerate(titles) if place == 0 and i not in line]
    return before + after + beside


def _link(relation: str, to: Anime) -> Relation:
    return Relation(relation, "anime", to.id, to.title, to.slug, to.type)
