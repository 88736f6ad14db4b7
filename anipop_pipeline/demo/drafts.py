"""What is drawn before anyone has watched: franchises, their titles, dates and staff.

Belongs here: names, dates and attributes of titles, with how often each occurs. Does not: what any of it is worth
to the score (world), or what the pages say (prose, pages).
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from anipop_pipeline.demo import words
from anipop_pipeline.demo.records import WORLD_TODAY, Airing

TODAY = WORLD_TODAY.date()
FRANCHISE_SIZES = {1: 62, 2: 18, 3: 9, 4: 5, 5: 3, 6: 1.5, 7: 0.9, 8: 0.6}
TYPES = {"TV": 45, "Movie": 18, "OVA": 14, "Special": 9, "ONA": 11, "Music": 3}
SOURCES = {"Manga": 34, "Original": 26, "Light novel": 14, "Game": 9, "Novel": 7, "Web manga": 5, "Unknown": 5}
DEMOGRAPHICS = {"": 46, "Shounen": 22, "Seinen": 14, "Shoujo": 10, "Kids": 8}
EXTRA_GENRES = {"": 40, "Drama": 18, "Action": 16, "Supernatural": 14, "Gourmet": 6, "Suspense": 6}
THEME_TAGS = {
    "Fantasy": ("Mythology", "Pets"),
    "Sci-Fi": ("Space", "Mecha"),
    "Slice of Life": ("Iyashikei", "Workplace"),
    "Sports": ("Team Sports", "School"),
    "Mystery": ("Detective", "Historical"),
    "Adventure": ("Survival", "Historical"),
    "Romance": ("Love Polygon", "Music"),
    "Comedy": ("Gag Humor", "School"),
}
RATINGS = {
    "G - All Ages": 26,
    "PG - Children": 12,
    "PG-13 - Teens 13 or older": 50,
    "R - 17+ (violence & profanity)": 8,
    "None": 4,
}
SEASON_NAMES = {1: "Winter", 4: "Spring", 7: "Summer", 10: "Fall"}
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
ORDINALS = ("", "", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th")


@dataclass(frozen=True)
class Title:
    """A name in the site's three scripts."""

    main: str
    japanese: str
    english: str

    def extended(self, main: str, japanese: str, english: str) -> "Title":
        """Return the title with a suffix in each script."""
        return Title(self.main + main, self.japanese + japanese, self.english + english)


@dataclass(frozen=True)
class Franchise:
    """What all titles of one franchise share."""

    number: int
    title: Title
    genre: str
    theme_key: str
    mood_key: str
    source: str
    studio: str
    demographic: str
    rating: str
    quality: float
    craft: float


@dataclass(frozen=True)
class Draft:
    """One title as its makers know it, before it has a score, a page or an audience."""

    franchise: Franchise
    place: int
    title: Title
    type: str
    episodes: int | None
    duration_minutes: int | None
    airing: Airing
    studio: str
    producers: tuple[str, ...]
    genres: tuple[str, ...]
    themes: tuple[str, ...]
    theme_key: str
    second_key: str
    mood_key: str
    poster_craft: float


def pick(rng: random.Random, table: Mapping[str, float]) -> str:
    """Return one key, each as likely as its weight says."""
    return rng.choices(tuple(table), weights=tuple(table.values()))[0]


def slug(title: str) -> str:
    """Return the title as it stands in an address.

    >>> slug("Kumo no Ito: Saigo no Fune!")
    'Kumo_no_Ito__Saigo_no_Fune'
    """
    return re.sub(r"[^\w\-]", "", title.replace(" ", "_").replace(":", "_"))


def _base_title(rng: random.Random) -> Title:
    first, second = rng.sample(words.TITLE_NOUNS, 2)
    adjective = rng.choice(words.TITLE_ADJECTIVES)
    shapes = (
        Title(f"{first[0]} no {second[0]}", f"{first[1]}の{second[1]}", f"The {first[2]} {second[2]}"),
        Title(f"{adjective[0]} {first[0]}", f"{adjective[1]}{first[1]}", f"The {adjective[2]} {first[2]}"),
        Title(f"{first[0]} to {second[0]}", f"{first[1]}と{second[1]}", f"{first[2]} & {second[2]}"),
        Title(
            f"{adjective[0]} {first[0]} no {second[0]}",
            f"{adjective[1]}{first[1]}の{second[1]}",
            f"{second[2]} of the {adjective[2]} {first[2]}",
        ),
        Title(f"{first[0]}, {second[0]}!", f"{first[1]}、{second[1]}！", f"{first[2]}, {second[2]}!"),
    )
    return rng.choices(shapes, weights=(4, 2, 2, 4, 1))[0]


def _suffixed(title: Title, kind: str, place: int, rng: random.Random) -> Title:
    """Return the name of the franchise's title at that place, counted from 0."""
    noun = rng.choice(words.TITLE_NOUNS)
    if place == 0:
        return title
    if kind == "TV":
        ordinal = ORDINALS[place + 1]
        return title.extended(f" {ordinal} Season", f" 第{place + 1}期", f" Season {place + 1}")
    if kind == "Movie":
        return title.extended(f" Movie {place}: {noun[0]}-hen", f" 劇場版 {noun[1]}編", f": The {noun[2]} Movie")
    return title.extended(f": {noun[0]} no Shou", f" {noun[1]}の章", f": {noun[2]} Chapter")


def franchises(rng: random.Random, size: int) -> Iterator[tuple[Franchise, int]]:
    """Yield franchises with their number of titles until there are `size` titles."""
    used: set[str] = set()
    number, left = 0, size
    while left > 0:
        count = min(left, int(pick(rng, {str(k): v for k, v in FRANCHISE_SIZES.items()})))
        title = _base_title(rng)
        while title.main in used:
            title = _base_title(rng)
        used.add(title.main)
        yield _franchise(rng, number, title), count
        number, left = number + 1, left - count


def _franchise(rng: random.Random, number: int, title: Title) -> Franchise:
    theme_key = rng.choice(tuple(words.THEMES))
    return Franchise(
        number=number,
        title=title,
        genre=words.THEMES[theme_key].genre,
        theme_key=theme_key,
        mood_key=rng.choice(tuple(words.MOODS)),
        source=pick(rng, SOURCES),
        studio=rng.choice(words.STUDIOS),
        demographic=pick(rng, DEMOGRAPHICS),
        rating=pick(rng, RATINGS),
        quality=rng.gauss(),
        craft=rng.gauss(),
    )


def titles(rng: random.Random, franchise: Franchise, count: int) -> list[Draft]:
    """Return the franchise's titles, each aired later than the one before."""
    gaps = [rng.randint(200, 900) for _ in range(count - 1)]
    latest = (date(2025, 5, 31) - date(1995, 1, 1)).days - sum(gaps)
    day = date(1995, 1, 1) + timedelta(days=int(latest * rng.random() ** 0.6))
    drafts = []
    for place in range(count):
        drafts.append(_draft(rng, franchise, place, day))
        if place < count - 1:
            day += timedelta(days=gaps[place])
    return drafts


def _draft(rng: random.Random, franchise: Franchise, place: int, day: date) -> Draft:
    kind = pick(rng, TYPES)
    episodes, minutes = length(rng, kind)
    siblings = [key for key, theme in words.THEMES.items() if theme.genre == franchise.genre]
    extra = pick(rng, EXTRA_GENRES)
    themes = rng.sample(THEME_TAGS[franchise.genre], rng.choices((0, 1, 2), weights=(35, 50, 15))[0])
    return Draft(
        franchise=franchise,
        place=place,
        title=_suffixed(franchise.title, kind, place, rng),
        type=kind,
        episodes=None if rng.random() < 0.02 else episodes,
        duration_minutes=minutes,
        airing=_airing(rng, kind, day, episodes),
        studio=franchise.studio if rng.random() < 0.8 else rng.choice(words.STUDIOS),
        producers=tuple(rng.sample(words.PRODUCERS, rng.choice((0, 1, 2, 2, 3)))),
        genres=tuple(sorted({franchise.genre, extra} - {""})),
        themes=tuple(sorted(themes)),
        theme_key=franchise.theme_key if rng.random() < 0.75 else rng.choice(siblings),
        second_key=rng.choice(tuple(words.THEMES)),
        mood_key=franchise.mood_key if rng.random() < 0.5 else rng.choice(tuple(words.MOODS)),
        poster_craft=rng.gauss(),
    )


def length(rng: random.Random, kind: str) -> tuple[int, int]:
    """Return episodes and minutes of one episode."""
    match kind:
        case "TV":
            return rng.choice((10, 11, 12, 12, 12, 13, 13, 24, 24, 25, 26, 50)), rng.choice((22, 23, 23, 24, 24))
        case "Movie":
            return 1, rng.randint(62, 128)
        case "OVA":
            return rng.randint(1, 6), rng.randint(22, 45)
        case "Special":
            return rng.randint(1, 3), rng.randint(5, 46)
        case "ONA":
            return rng.randint(4, 13), rng.randint(3, 24)
        case _:
            return 1, rng.randint(2, 6)


def _airing(rng: random.Random, kind: str, day: date, episodes: int) -> Airing:
    """Return when it is shown; a series starts in the first days of a season."""
    first = _season_start(rng, day) if kind == "TV" else day
    weekly = kind in ("TV", "ONA") and episodes > 1
    last = first + timedelta(days=7 * (episodes - 1)) if weekly else first
    if not weekly and episodes > 1:
        last = first + timedelta(days=rng.randint(20, 60) * (episodes - 1))
    status = "Finished Airing" if last <= TODAY else "Currently Airing"
    precision = rng.choices(("day", "month", "year"), weights=(94, 3, 3))[0] if first.year < 2010 else "day"
    clock = f"{WEEKDAYS[first.weekday()]} at {rng.randint(7, 26) % 24:02d}:{rng.choice((0, 15, 30, 45)):02d} (JST)"
    return Airing(
        first=first,
        last=last,
        precision=precision,
        status=status,
        season=season(first) if kind == "TV" else None,
        broadcast=clock if kind == "TV" and rng.random() < 0.9 else None,
    )


def unaired(rng: random.Random, kind: str) -> Airing:
    """Return the airing of a title that is only announced, with as much of its date as is known."""
    precision = rng.choice(("none", "year", "month", "day"))
    first = date(2025, 10, rng.randint(1, 12)) if precision in ("month", "day") else date(2026, 1, 1)
    named = season(first) if kind == "TV" and precision in ("month", "day") else None
    return Airing(None if precision == "none" else first, None, precision, "Not yet aired", named, None)


def airing_now(rng: random.Random) -> Airing:
    """Return the airing of a series that has begun this season and has no end yet."""
    first = _season_start(rng, TODAY)
    return Airing(first, None, "day", "Currently Airing", season(first), f"{WEEKDAYS[first.weekday()]} at 23:00 (JST)")


def _season_start(rng: random.Random, day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, rng.randint(1, 12))


def season(day: date) -> str:
    """Return the season of that day.

    >>> season(date(2021, 10, 3))
    'Fall 2021'
    """
    return f"{SEASON_NAMES[(day.month - 1) // 3 * 3 + 1]} {day.year}"


def synonyms(key: str, title: Title) -> tuple[str, ...]:
    """Return the other names of a title, drawn from a key of its own; most titles have none, some have up to three.

    A field of the site names them one after another with commas between, so none has a comma inside.
    """
    rng = random.Random(f"anipop demo synonyms {key}")
    if rng.random() < 0.55:
        return ()
    plain, english = (re.sub(r"[:,!]", "", one) for one in (title.main, title.english))
    candidates = (
        "".join(word[0] for word in plain.split()).upper(),
        f"{english} (Animation)",
        f"{english} & More",
        plain.replace(" no ", "-no-"),
        f"{plain.split()[0]}-{plain.split()[-1]}".lower(),
    )
    fresh = [one for one in dict.fromkeys(candidates) if one not in (title.main, title.english)]
    return tuple(rng.sample(fresh, rng.choice((1, 1, 2, 3))))
