"""What a model sees of a pitch: its tier, its spelling, its one row.

Belongs here: the step from a pitch to the columns that experiments were fitted on. Does not: fitting, predicting.
"""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from anipop_pipeline.stages import features
from anipop_pipeline.stages.experiments import EXPERIMENTS, PITCHES, Experiment
from anipop_pipeline.stages.pitch.form import Pitch
from anipop_pipeline.stages.tables.features import TabularFeatures
from anipop_pipeline.stages.train.material import SETS, TEXTS

# A tier needs these and all that the tiers before it need.
NEEDED = {"greenlight": ("type", "source"), "announcement": ("studios", "year")}
CATEGORIES = ("type", "source", "rating")
# No category of any corpus. A page that is silent is counted as "unknown", which says something of a released title;
# a producer who has not decided yet has said nothing, and no category is what an encoder makes of this.
UNDECIDED = "(undecided)"


def tier(pitch: Pitch) -> str:
    """Return the highest tier that a pitch's fields allow.

    >>> story = "word " * 20
    >>> tier(Pitch(story)), tier(Pitch(story, type="TV", source="Manga")), tier(Pitch(story, studios=("A",), year=2026))
    ('concept', 'greenlight', 'concept')
    """
    reached = "concept"
    for name, needed in NEEDED.items():
        if not all(pitch.given(field) for field in needed):
            break
        reached = name
    return reached


def experiment_at(tier: str) -> Experiment:
    """Return the experiment that answers pitches of a tier.

    >>> experiment_at("greenlight").name
    'pitch_greenlight'
    """
    return next(EXPERIMENTS[name] for name in PITCHES if EXPERIMENTS[name].tier == tier)


def rows(pitch: Pitch, experiment: Experiment | None = None) -> pl.DataFrame:
    """Return one row in the columns of the experiment's material; by default that of the pitch's tier.

    What fans grow after release has no place in a pitch: its columns are there because a fit expects them, and the
    fit holds them at the corpus's mean whatever stands in them.
    """
    asked = experiment or experiment_at(tier(pitch))
    declared = {*asked.inputs, *asked.nuisances}
    kinds: dict[str, Any] = {**dict.fromkeys(TEXTS, pl.String()), **TabularFeatures.create_empty().schema}
    names = [name for name in (*TEXTS, *TabularFeatures.column_names()) if name in declared]
    record = {"anime_id": 0, "cluster_id": 0, **_record(pitch)}
    schema = {"anime_id": pl.Int64, "cluster_id": pl.Int64, **{name: kinds[name] for name in names}}
    return pl.DataFrame([{name: record[name] for name in schema}], schema=schema)


def _record(pitch: Pitch) -> dict[str, Any]:
    """Return every column that an experiment for pitches may declare."""
    same = ("title", "synopsis", "episodes", "duration_minutes", "relatives", "relatives_score", "year")
    return {
        **{name: getattr(pitch, name) for name in same},
        **{name: list(getattr(pitch, name)) for name in SETS},
        **{name: getattr(pitch, name) or UNDECIDED for name in (*CATEGORIES, "quarter")},
        "descriptions": " ".join(character.description for character in pitch.characters),
        "sequel": pitch.relatives > 0,
        "words": len(pitch.synopsis.split()),
        "main_characters": len(pitch.characters),
        "synopsis_credit": "none",
    }


def unused(pitch: Pitch, experiment: Experiment) -> list[str]:
    """Return the fields that a pitch gives and an experiment does not look at."""
    later = [name for name in experiment_at("announcement").inputs if name not in experiment.inputs]
    return [name for name in later if name != "sequel" and pitch.given(name)]


def known_values(corpus: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return how a corpus spells the values of each field: the most common first, ties by name.

    >>> known_values(pl.DataFrame({"type": ["TV", "TV", "OVA"], "genres": [["Drama"], [], ["Award Winning"]]}))
    {'type': ('TV', 'OVA'), 'genres': ('Drama',)}
    """
    known = {}
    for name in (*CATEGORIES, *SETS):
        if name in corpus.columns:
            said = corpus[name]
            said = said.explode(empty_as_null=True, keep_nulls=True) if isinstance(said.dtype, pl.List) else said
            counts = said.drop_nulls().value_counts(name="titles").sort("titles", name, descending=[True, False])
            known[name] = tuple(value for value in counts[name].to_list() if value != features.AWARDS)
    return known


def spelled(pitch: Pitch, known: Mapping[str, tuple[str, ...]]) -> tuple[Pitch, list[str]]:
    """Return the pitch in the corpus's spelling, and a warning for each value that the corpus does not have.

    >>> pitch, unheard = spelled(Pitch("word " * 20, type="tv", genres=("Crime",)), {"type": ("TV",), "genres": ()})
    >>> pitch.type, pitch.genres, unheard
    ('TV', (), ['No title learned from has "Crime" among its genres, so it counts for nothing.'])
    """
    changed: dict[str, Any] = {}
    unheard = []
    for name, values in known.items():
        said = getattr(pitch, name)
        found = {value: spelling(value, values) for value in ((said,) if isinstance(said, str) else said or ())}
        unheard += [_unheard(name, value, values) for value, match in found.items() if match is None]
        if found:
            kept = tuple(dict.fromkeys(match for match in found.values() if match is not None))
            changed[name] = kept if name in SETS else next(iter(kept), None)
    return replace(pitch, **changed), unheard


def spelling(said: str, known: tuple[str, ...]) -> str | None:
    """Return how a corpus spells a value, None where it has no such value.

    >>> spelling("pg-13", ("G - All Ages", "PG-13 - Teens 13 or older")), spelling("X", ("G",))
    ('PG-13 - Teens 13 or older', None)
    """
    asked = said.casefold()
    whole = [value for value in known if value.casefold() == asked]
    short = [value for value in known if value.casefold().partition(" - ")[0] == asked]
    return next(iter([*whole, *short]), None)


def _unheard(name: str, said: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(said, known, n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    place = f"among its {name}" if name in SETS else f"as its {name}"
    return f'No title learned from has "{said}" {place}, so it counts for nothing.{hint}'
