"""The planted truth: what the demo world's scores are made of, and how fame then shapes its pages.

A score is MEAN + SPREAD * (a weighted sum of independent standard parts, rounded to two decimals and clipped). Its
variance is planted in shares: `text`, which themes and moods a synopsis is told in (0.20); `portraits` and
`posters`, how saturated, contrasted and regular the drawings are (0.05 each); `attributes`, such as type, source,
genre and studio (0.20); `relatives`, a quality that titles of one franchise share (0.05); `noise`, which nothing on
a page can tell (0.45).

Fame grows out of the score, as on the real site, with a correlation of 0.6. It alone decides the length of a
synopsis, its kind of credit and the number of main characters, so these reach the R2 that PLANTED states without
telling a story; each is measured over scored titles, length as the logarithm of the words of synopses of at least
20 words, credit as kind.

Belongs here: PLANTED, what each trait is worth, and `build`, which joins drafts and prose into records. Does not:
how titles are drawn (drafts), how sentences are built (prose), what days do to a world (ageing), HTML (pages).
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from anipop_pipeline.demo import casts, drafts, prose, words
from anipop_pipeline.demo.ageing import later, ranked
from anipop_pipeline.demo.casts import Cast
from anipop_pipeline.demo.drafts import Draft
from anipop_pipeline.demo.marks import HIGHEST, LOWEST, MEAN
from anipop_pipeline.demo.records import (
    WORLD_TODAY,
    Airing,
    Anime,
    Character,
    Components,
    Relation,
    Role,
    World,
)

__all__ = [
    "PLANTED", "WORLD_TODAY", "Anime", "Character", "Components", "Relation", "Role", "World", "build", "later",
    "texts",
]  # fmt: skip

SPREAD = 0.85
SHARES = {"text": 0.20, "portraits": 0.05, "posters": 0.05, "attributes": 0.20, "relatives": 0.05, "noise": 0.45}
PLANTED = {
    **SHARES,
    "pictures": SHARES["portraits"] + SHARES["posters"],
    "table": SHARES["attributes"] + SHARES["relatives"],
    "fame": 0.36,
    "length": 0.10,
    "credit": 0.15,
    "cast": 0.05,
}
"""Shares of the score's variance; the last four are not planted beside the others but grow out of the score."""

MOOD_WORTH = {"tender": 1.2, "wondrous": 0.4, "boastful": -0.5, "hurried": -1.1}
THEME_WORTH = {  # within a genre the two cancel out, so that the genre column does not tell the theme
    "marsh lanterns": 0.9, "dragon post": -0.9, "orbital garden": 0.8, "robot workshop": -0.8, "bakery": 0.7,
    "bathhouse": -0.7, "rowing": 1.0, "climbing": -1.0, "night library": 0.8, "clock city": -0.8, "archipelago": 0.9,
    "desert railway": -0.9, "letters": 1.1, "idol stage": -1.1, "umbrella club": 0.8, "cat cafe": -0.8,
}  # fmt: skip
# Format and source carry most of what a table can tell, so that a few hundred titles are enough to learn it.
TYPE_WORTH = {"TV": 0.7, "Movie": 1.3, "OVA": -0.5, "Special": -1.4, "ONA": -1.1, "Music": -2.2}
SOURCE_WORTH = {
    "Manga": 0.9, "Original": -0.9, "Light novel": 0.4, "Game": -1.4, "Novel": 1.2, "Web manga": 0.1, "Unknown": -1.5,
}  # fmt: skip
GENRE_WORTH = {
    "Fantasy": 0.2, "Sci-Fi": 0.1, "Slice of Life": 0.2, "Sports": 0.4, "Mystery": 0.5, "Adventure": 0.0,
    "Romance": -0.1,
    "Comedy": -0.4, "Drama": 0.5, "Action": 0.2, "Supernatural": 0.1, "Gourmet": -0.3, "Suspense": 0.4,
}  # fmt: skip
DEMOGRAPHIC_WORTH = {"": 0.0, "Shounen": 0.2, "Seinen": 0.3, "Shoujo": 0.1, "Kids": -0.5}
STUDIO_WORTH = dict(
    zip(words.STUDIOS, (i / 15 - 0.5 for i in (15, 3, 12, 7, 0, 9, 14, 5, 11, 2, 8, 13, 6, 1, 4, 10)), strict=True)
)

FAME_FROM_SCORE = math.sqrt(PLANTED["fame"])
LENGTH_FROM_FAME = 0.56  # a synopsis ends with a whole sentence, which costs some: 0.36 * 0.56 ** 2 * 0.89 = 0.10
CREDIT_FROM_FAME = 0.74  # cutting a normal at 20 % and 55 % keeps 0.78 of its variance: 0.36 * 0.74 ** 2 * 0.78 = 0.15
CAST_FROM_FAME = 0.42  # six sizes keep part of the variance: 0.36 * 0.42 ** 2 * 0.80 = 0.05
CREDIT_CUTS = (("none", -0.842), ("source", 0.126), ("rewrite", math.inf))
CAST_CUTS = ((1, -0.6), (2, 0.2), (3, 0.77), (4, 1.23), (5, 1.75), (6, math.inf))


@dataclass(frozen=True)
class _Rated:
    """A draft with its score, and what fame makes of its page."""

    draft: Draft
    components: Components
    score: float
    words: int
    credit: str
    main: int


@dataclass(frozen=True)
class _Oddities:
    """Which titles, by their place in the world, are odd on purpose."""

    unaired: frozenset[int]
    airing: frozenset[int]
    unscored: frozenset[int]
    untold: frozenset[int]
    short: frozenset[int]
    posterless: frozenset[int]
    loved: frozenset[int]


def build(size: int = 400, seed: int = 7) -> World:
    """Return the world of that many anime; the same size and seed give the same world.

    >>> world = build(size=30, seed=1)
    >>> len(world.anime), world == build(size=30, seed=1), world == build(size=30, seed=2)
    (30, True, False)
    """
    rng = random.Random(f"anipop demo {seed} {size}")
    drawn = [draft for one, count in drafts.franchises(rng, size) for draft in drafts.titles(rng, one, count)]
    rated = [_rate(draft, parts, rng) for draft, parts in zip(drawn, _components(drawn, rng), strict=True)]
    odd = _oddities(rated, rng)
    ids = _ids(rated, rng)
    cast = casts.draw(rng, [(one.draft, one.main, one.components.fame) for one in rated])
    unlinked = [_anime(i, one, ids, odd, cast, rng) for i, one in enumerate(rated)]
    named = [
        replace(anime, synonyms=drafts.synonyms(f"{seed} {anime.id}", one.draft.title))
        for anime, one in zip(unlinked, rated, strict=True)
    ]
    listed = ranked(casts.related(rng, named))
    return _broken(World(seed, tuple(listed), cast.characters, frozenset(), frozenset(), frozenset()), rng)


def texts(world: World) -> Iterator[str]:
    """Yield every synopsis and biography as plain text."""
    for anime in world.anime:
        if anime.synopsis:
            yield anime.synopsis
    for character in world.characters:
        if character.biography:
            yield character.biography


def _standard(values: Iterable[float]) -> list[float]:
    """Return the values shifted and scaled to mean 0 and deviation 1."""
    listed = list(values)
    mean = math.fsum(listed) / len(listed)
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in listed) / len(listed)) or 1.0
    return [(one - mean) / deviation for one in listed]


def _text_worth(draft: Draft) -> float:
    theme = 0.5 * THEME_WORTH[draft.theme_key] + 0.1 * THEME_WORTH[draft.second_key]
    return MOOD_WORTH[draft.mood_key] + theme


def _attributes_worth(draft: Draft) -> float:
    franchise = draft.franchise
    genres = sum(GENRE_WORTH[genre] for genre in draft.genres)
    made = TYPE_WORTH[draft.type] + SOURCE_WORTH[franchise.source] + STUDIO_WORTH[draft.studio]
    return made + genres + DEMOGRAPHIC_WORTH[franchise.demographic]


def _components(drawn: Sequence[Draft], rng: random.Random) -> list[Components]:
    """Return what each title's score is made of, every part with exactly its planted variance."""
    parts = {
        "text": _standard(_text_worth(one) for one in drawn),
        "portraits": _standard(one.franchise.craft for one in drawn),
        "posters": _standard(one.poster_craft for one in drawn),
        "attributes": _standard(_attributes_worth(one) for one in drawn),
        "relatives": _standard(one.franchise.quality for one in drawn),
        "noise": _standard(rng.gauss() for _ in drawn),
    }
    points = {name: [SPREAD * math.sqrt(SHARES[name]) * z for z in column] for name, column in parts.items()}
    rows = [dict(zip(points, row, strict=True)) for row in zip(*points.values(), strict=True)]
    totals = _standard(math.fsum(row.values()) for row in rows)
    luck = _standard(rng.gauss() for _ in drawn)
    fame = [FAME_FROM_SCORE * z + math.sqrt(1 - PLANTED["fame"]) * e for z, e in zip(totals, luck, strict=True)]
    return [Components(**row, fame=one) for row, one in zip(rows, fame, strict=True)]


def _grown(rng: random.Random, fame: float, weight: float) -> float:
    """Return a standard value that owes `weight` of itself to fame."""
    return weight * fame + math.sqrt(1 - weight**2) * rng.gauss()


def _rate(draft: Draft, parts: Components, rng: random.Random) -> _Rated:
    score = round(min(max(MEAN + parts.total, LOWEST), HIGHEST), 2)
    wanted = round(80 * math.exp(0.5 * _grown(rng, parts.fame, LENGTH_FROM_FAME)))
    latent = _grown(rng, parts.fame, CREDIT_FROM_FAME)
    credit = next(kind for kind, cut in CREDIT_CUTS if latent <= cut)
    latent = _grown(rng, parts.fame, CAST_FROM_FAME)
    main = next(count for count, cut in CAST_CUTS if latent <= cut)
    return _Rated(draft, parts, score, min(max(wanted, 24), 260), credit, main)


def _oddities(rated: Sequence[_Rated], rng: random.Random) -> _Oddities:
    """Return which titles are odd: quotas, so that even a small world has some of each."""
    everyone = range(len(rated))

    def some(pool: Sequence[int], share: float) -> frozenset[int]:
        return frozenset(rng.sample(pool, min(len(pool), max(1, round(share * len(rated))))))

    last = [i for i in everyone if i + 1 == len(rated) or rated[i + 1].draft.place == 0]
    unaired = some(last, 0.02)
    on_air = some([i for i in last if i not in unaired and rated[i].draft.type == "TV"], 0.015)
    obscure = sorted(everyone, key=lambda i: rated[i].components.fame + 2 * rng.gauss())
    unknown = [i for i in obscure if i not in unaired][: max(1, round(0.04 * len(rated)))]
    silent = rng.sample(everyone, len(rated))
    untold, short = max(1, round(0.04 * len(rated))), max(1, round(0.03 * len(rated)))
    best = sorted((i for i in everyone if i not in unaired), key=lambda i: -rated[i].score)
    return _Oddities(
        unaired=unaired,
        airing=on_air,
        unscored=unaired | frozenset(unknown),
        untold=frozenset(silent[:untold]),
        short=frozenset(silent[untold : untold + short]),
        posterless=some(everyone, 0.02),
        loved=some(best[: max(1, len(rated) // 20)], 0.015) - frozenset(unknown),
    )


def _ids(rated: Sequence[_Rated], rng: random.Random) -> list[int]:
    """Return an id for each title, rising with the day on which it was first shown."""
    order = sorted(range(len(rated)), key=lambda i: (rated[i].draft.airing.first, i))
    ids, last = [0] * len(rated), 0
    for i in order:
        last += rng.randint(1, 60)
        ids[i] = last
    return ids


def _anime(i: int, one: _Rated, ids: Sequence[int], odd: _Oddities, cast: Cast, rng: random.Random) -> Anime:
    """Return the title as its page shows it, still without relations and ranks."""
    draft, franchise = one.draft, one.draft.franchise
    aired = i not in odd.unaired
    synopsis = _synopsis(i, one, odd, cast, rng)
    credit = one.credit if synopsis else None
    awards = ("Award Winning",) if i in odd.loved else ()
    members, votes, favourites = _audience(one, i in odd.unscored, aired, rng)
    return Anime(
        id=ids[i],
        title=draft.title.main,
        slug=drafts.slug(draft.title.main),
        title_english=draft.title.english if rng.random() < 0.7 else None,
        title_japanese=draft.title.japanese,
        synonyms=(),
        type=draft.type,
        episodes=draft.episodes if aired else None,
        airing=_airing(i, draft, odd, rng),
        producers=draft.producers,
        studios=(draft.studio,),
        source=franchise.source,
        genres=tuple(sorted((*draft.genres, *awards))),
        themes=draft.themes,
        demographics=(franchise.demographic,) if franchise.demographic else (),
        duration_minutes=draft.duration_minutes if aired else None,
        rating=franchise.rating,
        score=None if i in odd.unscored else one.score,
        votes=votes,
        rank=None,
        popularity=0,
        members=members,
        favourites=favourites,
        synopsis=synopsis,
        credit=credit,
        credit_line=_credit_line(credit, rng),
        roles=cast.roles[i],
        relations=(),
        franchise=franchise.number,
        poster_path=None if i in odd.posterless else f"/images/anime/{rng.randint(1, 19)}/{ids[i] * 7 + 1000}.jpg",
        poster_craft=draft.poster_craft,
        theme_key=draft.theme_key,
        mood_key=draft.mood_key,
        components=one.components,
    )


def _airing(i: int, draft: Draft, odd: _Oddities, rng: random.Random) -> Airing:
    if i in odd.unaired:
        return drafts.unaired(rng, draft.type)
    return drafts.airing_now(rng) if i in odd.airing else draft.airing


def _synopsis(i: int, one: _Rated, odd: _Oddities, cast: Cast, rng: random.Random) -> str | None:
    story = cast.stories[i]
    if i in odd.untold:
        return None
    return prose.short_synopsis(story, rng) if i in odd.short else prose.synopsis(story, one.words, rng)


def _credit_line(credit: str | None, rng: random.Random) -> str | None:
    match credit:
        case "rewrite":
            return "[Written by MAL Rewrite]"
        case "source":
            return f"(Source: {rng.choice(words.PUBLISHERS)})"
        case _:
            return None


def _audience(one: _Rated, unscored: bool, aired: bool, rng: random.Random) -> tuple[int, int, int]:
    """Return members, votes and favourites; below 100 votes the site shows no score."""
    fame = one.components.fame
    if unscored:
        return rng.randint(100, 900), rng.randint(5, 99) if aired else 0, rng.randint(0, 2)
    members = round(10 ** (3.8 + 0.65 * fame + 0.15 * rng.gauss())) + 300
    votes = 101 + round(members * rng.uniform(0.3, 0.6))
    return members + votes - 101, votes, round(members * 10 ** (-2.7 + 0.4 * fame))


def _broken(world: World, rng: random.Random) -> World:
    """Return the world with a few links that lead nowhere, each kind at least once."""
    several = max(1, len(world.anime) // 200)
    leads = sorted({role.character_id for anime in world.anime for role in anime.roles if role.main})
    dead_characters = frozenset(rng.sample(leads, several))
    shown = [
        one.portrait_path for one in world.characters if one.portrait_path and one.id in set(leads) - dead_characters
    ]
    return replace(
        world,
        dead_anime=frozenset(rng.sample([one.id for one in world.anime], several)),
        dead_characters=dead_characters,
        dead_pictures=frozenset(rng.sample(shown, several)),
    )
