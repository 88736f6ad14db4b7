"""Tables of what models may look at, and the ledger of when each feature exists.

Belongs here: feature columns and their tier of availability. Does not: how a feature is computed.
"""

import dataframely as dy
import polars as pl

TIERS = ["concept", "greenlight", "announcement", "release"]

# Each input's tier: the first moment in the life of an anime at which it is known. What fans grow is `release`.
LEDGER: dict[str, str] = {
    "title": "concept",
    "synopsis": "concept",
    "descriptions": "concept",
    "portraits": "concept",
    "type": "greenlight",
    "source": "greenlight",
    "genres": "greenlight",
    "themes": "greenlight",
    "demographics": "greenlight",
    "episodes": "greenlight",
    "duration_minutes": "greenlight",
    "sequel": "greenlight",
    "relatives": "greenlight",
    "relatives_score": "greenlight",
    "studios": "announcement",
    "quarter": "announcement",
    "year": "announcement",
    "rating": "announcement",
    "poster": "announcement",
    "synopsis_credit": "release",
    "words": "release",
    "main_characters": "release",
    "description_words": "release",
    "award_winning": "release",
    "votes": "release",
    "members": "release",
    "favourites": "release",
}


def known_at(tier: str) -> set[str]:
    """Return the inputs that exist at a tier.

    >>> "studios" in known_at("greenlight"), "studios" in known_at("announcement")
    (False, True)
    """
    return {name for name, first in LEDGER.items() if TIERS.index(first) <= TIERS.index(tier)}


class TabularFeatures(dy.Schema):
    """One row for each anime of the corpus: what a table can say about it; LEDGER says when."""

    anime_id = dy.Int64(primary_key=True, min=1)
    type = dy.String(nullable=True)
    source = dy.String(nullable=True)
    genres = dy.List(dy.String(), description="without awards, which are won after release")
    themes = dy.List(dy.String())
    demographics = dy.List(dy.String())
    episodes = dy.Float64(nullable=True)
    duration_minutes = dy.Float64(nullable=True)
    sequel = dy.Bool(description="an earlier relative exists")
    relatives = dy.Int64(min=0, description="relatives that aired strictly before")
    relatives_score = dy.Float64(nullable=True, description="their mean score")
    studios = dy.List(dy.String())
    quarter = dy.String(nullable=True, description="winter, spring, summer, fall")
    year = dy.Float64(nullable=True)
    rating = dy.String(nullable=True)
    synopsis_credit = dy.String()
    words = dy.Int64(min=0)
    main_characters = dy.Int64(min=0)
    description_words = dy.Int64(min=0)
    award_winning = dy.Bool()
    votes = dy.Float64(nullable=True)
    members = dy.Float64(nullable=True)
    favourites = dy.Float64(nullable=True)


class Embeddings(dy.Schema):
    """One row for each anime and pooling: the vector that an encoder gives its text or pictures."""

    anime_id = dy.Int64(primary_key=True, min=1)
    pooling = dy.String(
        primary_key=True, description="`pooled` is the encoder's own; `published`, `literal`: the paper's"
    )
    items = dy.Int64(min=1, description="texts or pictures that went in")
    vector = dy.List(dy.Float32())


class EmbeddingRejects(dy.Schema):
    """One row for each text or picture that no encoder could read, and why."""

    anime_id = dy.Int64(min=1)
    pooling = dy.String(description="under which it was asked for")
    reason = dy.String(min_length=1)


class PosterImages(dy.Schema):
    """One row for each anime that has a poster: its pixels lie, decoded and shrunk, in `pixels.npy` beside it."""

    anime_id = dy.Int64(primary_key=True, min=1)
    place = dy.Int64(min=0, description="row of the array: 3 colours x side x side, a byte each")

    @dy.rule()
    def place_is_its_own(cls) -> pl.Expr:  # noqa: N805 - dataframely's rules take the class
        """Let no two anime share a picture's row."""
        return pl.col("place").is_unique()


class ImageRejects(dy.Schema):
    """One row for each poster that cannot be decoded, and why."""

    anime_id = dy.Int64(primary_key=True, min=1)
    reason = dy.String(min_length=1)
