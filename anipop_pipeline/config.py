"""Every dial: type, bound, default, reason.

`anipop.toml` in the working folder overrides a default for good, the launchpad of the UI for one run.

Belongs here: what a person may turn. Does not: secrets and places, which come from the environment (resources.py).
"""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import ConfigDict, Field, ValidationError, field_validator

from anipop_pipeline.errors import SettingError

DIALS_FILE = Path("anipop.toml")
UNKNOWN = "extra_forbidden"  # pydantic's name for a name that is not there
LISTING = re.compile(r"top|seasons (19|20)[0-9]{2}-(19|20)[0-9]{2}|ids [1-9][0-9]{0,5}-[1-9][0-9]{0,5}")


class Dials(dg.Config):
    """One asset's dials: unknown names are errors, and defaults come from anipop.toml where it names them."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Take defaults from the class's section of anipop.toml."""
        super().__pydantic_init_subclass__(**kwargs)
        override_defaults(cls, section(cls.__name__))


def section(name: str) -> dict[str, Any]:
    """Return one section of anipop.toml, empty where there is none."""
    found = _sections().get(name, {})
    if not isinstance(found, dict):
        raise _wrong(f"{name} is a value", f"write the dials of {name} below a line that says [{name}]")
    return found


def _sections() -> dict[str, Any]:
    """Return what anipop.toml says, nothing where there is none."""
    if not DIALS_FILE.exists():
        return {}
    try:
        return tomllib.loads(DIALS_FILE.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise _wrong(f"cannot be read: {broken}", "mend the TOML") from None


def _wrong(what: str, fix: str) -> SettingError:
    return SettingError(what, where=str(DIALS_FILE.resolve()), fix=fix)


def override_defaults(dials: type[Dials], values: dict[str, Any]) -> None:
    """Set new defaults; a name or a value that the dials do not allow is an error."""
    try:
        dials(**values)
    except ValidationError as wrong:
        said = "; ".join(_told(error) for error in wrong.errors())
        raise _wrong(
            f"[{dials.__name__}] {said}", "; ".join(_mended(dials, error) for error in wrong.errors())
        ) from None
    for name, value in values.items():
        dials.model_fields[name].default = value
    if values:
        dials.model_rebuild(force=True)


def _told(error: Mapping[str, Any]) -> str:
    name = ".".join(map(str, error["loc"]))
    return f"{name}: there is no such dial" if error["type"] == UNKNOWN else f"{name}: {error['msg']}"


def _mended(dials: type[Dials], error: Mapping[str, Any]) -> str:
    """Return what to write instead: the dial that was meant, or what the dial says of itself."""
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] != UNKNOWN and name in dials.model_fields:
        return f"{name}: {dials.model_fields[name].description}"
    near = get_close_matches(name, dials.model_fields, n=3)
    return f"choose from {', '.join(near or dials.model_fields)}"


def check_sections() -> None:
    """Refuse sections of anipop.toml that no class of dials reads."""
    known = {dials.__name__ for dials in Dials.__subclasses__()}
    if unknown := sorted(set(_sections()) - known):
        raise _wrong(f"no dials are called {', '.join(unknown)}", f"choose from {', '.join(sorted(known))}")


class DemoConfig(Dials):
    """The invented site."""

    anime: int = Field(default=400, ge=20, le=100_000, description="How many titles the demo world has.")
    seed: int = Field(default=7, ge=0, description="Another seed invents another world.")
    days: int = Field(
        default=0, ge=0, le=3650, description="The same world so many days later: votes come in, titles end."
    )


class CrawlConfig(Dials):
    """How a crawl asks; the site's own robots.txt has the last word."""

    listing: str = Field(
        default="top",
        description="Which anime there are: top (the ranking), or a span such as seasons 2019-2024 or ids 1-60000.",
    )
    first_pages: int = Field(default=0, ge=0, description="Pages of the ranking to read; 0 reads all of it.")
    requests_per_second: float = Field(
        default=1.0, gt=0, le=1000, description="One limit for the whole run on a real site; the demo has none."
    )
    parallel: int = Field(default=8, ge=1, le=32, description="Requests under way at once, within the limit.")
    tries: int = Field(default=4, ge=1, le=10, description="Attempts before a page counts as failed.")
    daily_budget: int = Field(
        default=0, ge=0, description="Requests that may be made on one day (UTC), by all runs together; 0 is no bound."
    )
    listing_days: float = Field(
        default=6.0, ge=0, le=36_500, description="A listing younger than this is not asked for again."
    )
    anime_days: float = Field(default=30.0, ge=0, le=36_500, description="The same for pages of an anime.")
    young_days: float = Field(default=6.0, ge=0, le=36_500, description="The same for pages of an anime that is young.")
    young_for_days: float = Field(
        default=365.0, ge=0, le=36_500, description="An anime is young until so long after it first aired."
    )
    character_days: float = Field(default=180.0, ge=0, le=36_500, description="The same for pages of a character.")
    picture_days: float = Field(default=365.0, ge=0, le=36_500, description="The same for portraits and posters.")
    statistics: bool = Field(
        default=False, description="Fetch how often each mark was given, too: one request more for each usable anime."
    )

    @field_validator("listing")
    @classmethod
    def _names_anime(cls, listing: str) -> str:
        """Refuse what names no anime, in words."""
        if not LISTING.fullmatch(listing):
            raise ValueError(
                f"{listing!r} names no anime: write top, or a span such as seasons 2019-2024 or ids 1-60000"
            )
        return listing

    def days_of(self, kind: str) -> float:
        """Return how old an answer of a kind may be before it is asked for again."""
        by_kind = {"listing": self.listing_days, "character": self.character_days}
        pictures = dict.fromkeys(("portrait", "poster"), self.picture_days)
        return {**by_kind, **pictures}.get(kind, self.anime_days)


class ParseConfig(Dials):
    """How pages become rows."""

    workers: int = Field(
        default=0, ge=0, le=256, description="Processes that parse; 0 is one for each core where there is much to read."
    )
    pages_at_once: int = Field(default=200, ge=1, le=10_000, description="Pages that one process holds in memory.")


class CrawlAndParseConfig(CrawlConfig, ParseConfig):
    """How a step asks that must read pages, too; defaults are those of CrawlConfig and ParseConfig."""


class CheckConfig(Dials):
    """What a table may lose before the graph stops; a table that passes is what the next one is compared with."""

    max_reject_share: float = Field(
        default=0.2, ge=0, le=1, description="More rejects than this say that the site's layout has changed."
    )
    max_missing_share: float = Field(
        default=0.5, ge=0, le=1, description="More pages that the site does not have say that its addresses changed."
    )
    max_fill_drop: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Part of its former share of filled rows that a column may lose; 1 accepts any loss.",
    )
    max_row_drop: float = Field(
        default=0.5, ge=0, le=1, description="Part of the former rows of a page that may be lost; 1 accepts any loss."
    )


class CorpusConfig(Dials):
    """Which parsed anime and characters are fit to learn from; by default the paper's rules on the parser's texts."""

    texts: str = Field(
        default="story",
        pattern="^(story|paper)$",
        description="story: what the parser read, credits and the facts before a biography apart; paper: the text as "
        "written, cut at the first of the authors' three markers.",
    )
    min_words: int = Field(default=20, ge=1, description="A shorter synopsis tells no story; 1 lets all pass.")
    need_title: bool = Field(default=True, description="Drop anime without a title.")
    need_characters: bool = Field(
        default=True, description="Drop anime without a usable main character, as the paper does."
    )
    need_english: bool = Field(
        default=False, description="Drop anime whose synopsis has hardly any common English word."
    )
    need_unique: bool = Field(
        default=False, description="Drop anime that tell the story of one with a smaller id, word for word or nearly."
    )
    need_description: bool = Field(default=True, description="Drop characters that nothing useful is said of.")
    min_description_words: int = Field(
        default=1, ge=1, description="A shorter description says nothing of a character; 5 drops the near-empty ones."
    )
    need_portrait: bool = Field(default=True, description="Drop characters without a portrait, where a site has any.")
    spoilers: bool = Field(default=False, description="Count hidden text of biographies as description, too.")
    site_mean: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Mean score C of the whole site, which turns displayed scores into plain means; 0 estimates it. "
        "The paper's site had 6.605.",
    )

    @field_validator("site_mean")
    @classmethod
    def _is_a_mark(cls, mean: float) -> float:
        if 0 < mean < 1:
            raise ValueError("no site's mean lies below 1, the lowest mark; 0 estimates it")
        return mean


class SplitConfig(Dials):
    """Who is tested on what."""

    seed: int = Field(default=42, description="Seed of the split to quote; the paper's is 42.")
    test_share: float = Field(
        default=0.18487, gt=0, lt=1, description="Share of anime tested in `published`; the paper's 1,439 of 7,784."
    )
    lockbox: bool = Field(
        default=False,
        description="Keep a fifth of the clusters, by hash, out of all splits while recipes are tuned on real data.",
    )
    franchises: bool = Field(
        default=False,
        description="Keep titles of one franchise together, even without a shared character; the paper did not.",
    )
    repeats: int = Field(
        default=30, ge=1, le=1000, description="Split seeds of `published`, since one split means little."
    )
    folds: int = Field(default=5, ge=2, le=50, description="Folds of `grouped`.")
    temporal_share: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Youngest share of anime, rounded to whole years, that `temporal` tests on.",
    )


class PictureConfig(Dials):
    """How small posters become for the network that learns from their pixels."""

    side: int = Field(default=32, ge=16, le=256, description="Pixels of the side to which a poster shrinks.")
    workers: int = Field(
        default=4, ge=1, le=64, description="Threads that decode; more of them than cores bring nothing."
    )


class EncoderConfig(Dials):
    """Which models turn texts and pictures into vectors, and how exactly."""

    encoders: str = Field(default="on", pattern="^(on|none)$", description="none leaves all embeddings absent.")
    text_model: str = Field(
        default="auto",
        min_length=1,
        description="A name of the table of encoders, any Hugging Face id, a folder, or auto: gpt2, on the demo a tiny "
        "one.",
    )
    image_model: str = Field(default="auto", min_length=1, description="The same for pictures; auto is resnet-50.")
    text_revision: str = Field(
        default="", description="A model's commit or branch on the hub; empty is the table's, or else main."
    )
    image_revision: str = Field(default="", description="The same for pictures.")
    text_pooling: str = Field(
        default="", pattern="^(|mean|last|first)$", description="From tokens to one vector; empty is the table's, mean."
    )
    image_pooling: str = Field(
        default="",
        pattern="^(|mean|first|head)$",
        description="From a map or patches to one vector; empty is the table's, mean.",
    )
    text_layer: int = Field(default=0, ge=0, le=1000, description="Stop after so many layers; 0 is the last.")
    image_layer: int = Field(default=0, ge=0, le=1000, description="The same for pictures.")
    text_prefix: str = Field(default="", description="Words that go before every text, where a model wants them.")
    image_preprocessing: str = Field(
        default="",
        pattern="^(|crop|whole)$",
        description="crop is what the checkpoint says, which cuts the ends off a poster; whole pads it to a square.",
    )
    synopsis_tokens: int = Field(default=128, ge=1, le=131_072, description="The paper cuts a synopsis here.")
    description_tokens: int = Field(
        default=256, ge=1, le=131_072, description="The paper cuts all descriptions together here."
    )
    long_texts: str = Field(
        default="cut",
        pattern="^(cut|windows)$",
        description="windows reads all of a longer text, window by window, and takes their mean weighted by tokens.",
    )
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda|mps)$", description="Where models run.")
    dtype: str = Field(
        default="auto",
        pattern="^(auto|float32|bfloat16|float16)$",
        description="Numbers that models compute in; auto is bfloat16 where the processor multiplies it itself.",
    )
    vectors: str = Field(
        default="float32", pattern="^(float32|float16)$", description="Numbers that vectors are cached in."
    )
    batch_tokens: int = Field(
        default=0, ge=0, le=2**24, description="Tokens that go through a model at once; 0 is what suits the device."
    )
    batch_images: int = Field(default=0, ge=0, le=65_536, description="The same for pictures.")
    workers: int = Field(
        default=0, ge=0, le=1024, description="Batches computed side by side on a processor; 0 is one for each core."
    )
    compiled: bool = Field(default=False, description="Let torch compile the model first: pays on long runs alone.")
    remote_code: bool = Field(default=False, description="Run code that a checkpoint brings. It can do anything.")


class TrainConfig(Dials):
    """How regressors are fitted."""

    seed: int = Field(default=42, description="Seed of every fit.")
    epochs: int = Field(default=30, ge=1, le=1000, description="Most epochs of a neural fit; it stops early.")
    audit_epochs: int = Field(
        default=6, ge=1, le=30, description="Most epochs of an audited fit; the paper's benchmark ran 30, others 5."
    )
    cheap_repeats: int = Field(default=30, ge=1, le=1000, description="Split seeds that the cheap experiments run on.")
    labels: list[str] = Field(
        default=[],
        description="What to learn: score, weighted, plain, audience, score_<source>; none is what each declares.",
    )
    weigh_by_votes: bool = Field(
        default=False,
        description="Let a title count by 1 / (variance of the label + squared error of its votes' mean) in training "
        "(ridge, line and trees): at the same spread of marks, more votes never count less. Audience and scores from "
        "elsewhere stay unweighed; where no votes are known it is an error.",
    )

    @field_validator("labels")
    @classmethod
    def _each_once(cls, labels: list[str]) -> list[str]:
        if again := sorted({name for name in labels if labels.count(name) > 1}):
            raise ValueError(f"{', '.join(again)} is named twice; name each label once")
        return labels


class MetricsConfig(Dials):
    """How results are judged."""

    samples: int = Field(
        default=1000, ge=50, le=100_000, description="Bootstrap samples over clusters behind each interval."
    )
    seed: int = Field(default=42, description="Seed of the bootstrap.")
    own_range: bool = Field(
        default=False,
        description="Scale to 0..1 by the test part's own extremes, as published, and not by the corpus's.",
    )


class ComparablesConfig(Dials):
    """Which titles are called near."""

    neighbours: int = Field(default=5, ge=1, le=50, description="How many for each way of comparing.")


class CardConfig(Dials):
    """What an export of the corpus may hold, and what only the one who publishes it knows."""

    texts: bool = Field(
        default=False, description="Put synopses and biographies in it; they are not ours, so it must not be passed on."
    )
    pictures: bool = Field(default=False, description="The same for posters and portraits.")
    address: str = Field(
        default="", pattern=r"^(https://\S+)?$", description="Where the export will lie, for its metadata."
    )
    creator: str = Field(default="", description="Who answers for it, for its metadata.")
    published: str = Field(
        default="",
        pattern=r"^(\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?$",
        description="On which day it was published, for its metadata.",
    )
