"""What a demo world holds: anime, characters, and how they hang together.

Belongs here: frozen records and look-ups over them. Does not: where a value comes from (drafts, world), or how it
is shown (pages, pictures).
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property

WORLD_TODAY = datetime(2025, 6, 30, tzinfo=UTC)
"""The day on which a world is built: statuses and ages are computed against it, and its clock stands still there."""


@dataclass(frozen=True)
class Components:
    """What a score is made of, in points of score; fame is apart, in standard deviations."""

    text: float
    portraits: float
    posters: float
    attributes: float
    relatives: float
    noise: float
    fame: float

    @property
    def pictures(self) -> float:
        """Return what portraits and poster add together."""
        return self.portraits + self.posters

    @property
    def table(self) -> float:
        """Return what attributes and relatives add together."""
        return self.attributes + self.relatives

    @property
    def total(self) -> float:
        """Return everything that moves the score away from the mean."""
        return self.text + self.pictures + self.table + self.noise


@dataclass(frozen=True)
class Role:
    """One appearance of a character."""

    character_id: int
    main: bool


@dataclass(frozen=True)
class Relation:
    """A link to another title; kind is anime or manga."""

    relation: str
    kind: str
    related_id: int
    title: str
    slug: str
    type: str

    @property
    def path(self) -> str:
        """Return the path of the related title's page."""
        return f"/{self.kind}/{self.related_id}/{self.slug}"


@dataclass(frozen=True)
class Airing:
    """When a title was shown; precision says how much of the dates is known: day, month, year or none."""

    first: date | None
    last: date | None
    precision: str
    status: str
    season: str | None
    broadcast: str | None


@dataclass(frozen=True)
class Anime:
    """Everything that the site knows about one anime, and the truth that it hides."""

    id: int
    title: str
    slug: str
    title_english: str | None
    title_japanese: str
    synonyms: tuple[str, ...]
    type: str
    episodes: int | None
    airing: Airing
    producers: tuple[str, ...]
    studios: tuple[str, ...]
    source: str
    genres: tuple[str, ...]
    themes: tuple[str, ...]
    demographics: tuple[str, ...]
    duration_minutes: int | None
    rating: str
    score: float | None
    votes: int
    rank: int | None
    popularity: int
    members: int
    favourites: int
    synopsis: str | None
    credit: str | None
    credit_line: str | None
    roles: tuple[Role, ...]
    relations: tuple[Relation, ...]
    franchise: int
    poster_path: str | None
    poster_craft: float
    theme_key: str
    mood_key: str
    components: Components

    @property
    def path(self) -> str:
        """Return the path of the anime's page."""
        return f"/anime/{self.id}/{self.slug}"


@dataclass(frozen=True)
class Character:
    """Everything that the site knows about one character."""

    id: int
    family: str
    given: str
    slug: str
    japanese: str
    facts: tuple[str, ...]
    biography: str | None
    spoiler: str | None
    favourites: int
    portrait_path: str | None
    craft: float

    @property
    def path(self) -> str:
        """Return the path of the character's page."""
        return f"/character/{self.id}/{self.slug}"

    @property
    def listed_name(self) -> str:
        """Return the name as lists show it, family first."""
        return f"{self.family}, {self.given}"

    @property
    def name(self) -> str:
        """Return the name as the character's own page shows it."""
        return f"{self.given} {self.family}"


@dataclass(frozen=True)
class World:
    """One invented site on one day: anime in the order of its list, characters by id, and what is broken on purpose.

    A world that has moved on also holds the one that it began as, from which every later day is worked out.
    """

    seed: int
    anime: tuple[Anime, ...]
    characters: tuple[Character, ...]
    dead_anime: frozenset[int]
    dead_characters: frozenset[int]
    dead_pictures: frozenset[str]
    today: datetime = WORLD_TODAY
    first: "World | None" = field(default=None, repr=False, compare=False)

    @cached_property
    def anime_by_id(self) -> dict[int, Anime]:
        """Return every anime under its id."""
        return {one.id: one for one in self.anime}

    @cached_property
    def places(self) -> dict[int, int]:
        """Return for each anime id its place in the site's list, from 0."""
        return {one.id: place for place, one in enumerate(self.anime)}

    @cached_property
    def character_by_id(self) -> dict[int, Character]:
        """Return every character under its id."""
        return {one.id: one for one in self.characters}

    @cached_property
    def appearances(self) -> dict[int, tuple[tuple[Anime, Role], ...]]:
        """Return for each character id the titles that it appears in, in the order of their ids."""
        found: dict[int, list[tuple[Anime, Role]]] = {one.id: [] for one in self.characters}
        for anime in sorted(self.anime, key=lambda one: one.id):
            for role in anime.roles:
                found[role.character_id].append((anime, role))
        return {character_id: tuple(shown) for character_id, shown in found.items()}

    @cached_property
    def posters(self) -> dict[str, Anime]:
        """Return the anime behind each poster's path."""
        return {one.poster_path: one for one in self.anime if one.poster_path}

    @cached_property
    def portraits(self) -> dict[str, Character]:
        """Return the character behind each portrait's path."""
        return {one.portrait_path: one for one in self.characters if one.portrait_path}
