"""The table of experiments: what each may see, how it learns, what it is compared with.

A new experiment is one entry in EXPERIMENTS: its asset, its row in every report and its tests follow from there.
An entry that uses what does not exist before release says so by its tier.

Belongs here: declarations. Does not: fitting (train.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anipop_pipeline.errors import LaterTier
from anipop_pipeline.stages.tables import published
from anipop_pipeline.stages.tables.features import LEDGER, known_at

EVERY_SPLIT = ("published", "grouped", "temporal", "authors")  # the last where a site brings it
GREENLIGHT = ("type", "source", "genres", "themes", "demographics", "episodes", "duration_minutes")
SEQUELS = ("sequel", "relatives", "relatives_score")
ANNOUNCEMENT = (*GREENLIGHT, *SEQUELS, "studios", "quarter", "year", "rating")
FAME = ("words", "main_characters", "synopsis_credit")


@dataclass(frozen=True)
class Experiment:
    """One question to the data."""

    name: str
    what: str
    tier: str
    recipe: str
    inputs: tuple[str, ...] = ()
    nuisances: tuple[str, ...] = ()  # seen in training, held fixed when predicting; of any tier
    spare: tuple[str, ...] = ()  # inputs that it can do without, where a site has none
    labels: tuple[str, ...] = ("score",)
    splits: tuple[str, ...] = EVERY_SPLIT
    cheap: bool = False  # runs on every seed of `published`
    on_all_rows: bool = False  # also leaves a fit on all rows, which answers pitches
    paper_row: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def published(self) -> dict[str, float] | None:
        """Return the paper's figures for this row, where it has them."""
        return published.RESULTS.get(self.paper_row) if self.paper_row else None


_ALL = [
    Experiment(
        "mean",
        "Always answers the mean of the training titles: the floor that everything must beat.",
        "concept",
        "mean",
        labels=("score", "audience"),
        cheap=True,
    ),
    Experiment(
        "length",
        "Counts words of the synopsis and main characters, and reads nothing: what fans grow after release.",
        "release",
        "linear",
        ("words", "main_characters"),
        cheap=True,
        options={"logarithm": True},
    ),
    Experiment(
        "credit",
        "Looks only at who wrote the synopsis (rewrite team, a source, nobody): fame after release, not the story.",
        "release",
        "linear",
        ("synopsis_credit",),
        cheap=True,
    ),
    Experiment(
        "tfidf_ridge",
        "Words and word pairs of synopsis and descriptions into a ridge regression.",
        "concept",
        "ridge",
        ("synopsis", "descriptions"),
        spare=("descriptions",),
        labels=("score", "audience"),
        cheap=True,
    ),
    Experiment(
        "pitch",
        "Which words a synopsis has, with length and credit held fixed, so that padding a text gains nothing.",
        "concept",
        "ridge",
        ("title", "synopsis", "descriptions"),
        spare=("descriptions",),
        nuisances=FAME,
        labels=("score", "audience"),
        on_all_rows=True,
    ),
    Experiment(
        "pitch_greenlight",
        "The pitch with format, source, genres and the past of its franchise.",
        "greenlight",
        "ridge",
        ("title", "synopsis", "descriptions", *GREENLIGHT, *SEQUELS),
        spare=("descriptions",),
        nuisances=FAME,
        labels=("score", "audience"),
        on_all_rows=True,
    ),
    Experiment(
        "pitch_announcement",
        "The pitch with everything that is known when it is announced, but the poster.",
        "announcement",
        "ridge",
        ("title", "synopsis", "descriptions", *ANNOUNCEMENT),
        spare=("descriptions",),
        nuisances=FAME,
        labels=("score", "audience"),
        on_all_rows=True,
    ),
    Experiment(
        "tabular",
        "Boosted trees on format, source, genres, themes, length of an episode.",
        "greenlight",
        "trees",
        GREENLIGHT,
        labels=("score", "audience"),
    ),
    Experiment(
        "tabular_announcement",
        "The same with relatives, studio, season, year and age rating.",
        "announcement",
        "trees",
        ANNOUNCEMENT,
        labels=("score", "audience"),
    ),
    Experiment(
        "tabular_release_leak",
        "The same with members, favourites and votes: a deliberate leak, to show what it would pretend.",
        "release",
        "trees",
        (*ANNOUNCEMENT, "members", "favourites", "votes"),
    ),
    Experiment(
        "synopsis",
        "GPT-2's vector of the synopsis, GPT-2 frozen where the paper tuned it, into a regressor like the paper's.",
        "concept",
        "network",
        ("synopsis",),
        paper_row="synopsis",
        options={"vectors": {"synopsis": ("synopsis", "pooled")}, "head": "published"},
    ),
    Experiment(
        "descriptions",
        "The frozen GPT-2's vectors of the main characters' descriptions into a regressor like the paper's.",
        "concept",
        "network",
        ("descriptions",),
        paper_row="descriptions",
        options={"vectors": {"descriptions": ("descriptions", "pooled")}, "head": "published"},
    ),
    Experiment(
        "portraits",
        "The frozen ResNet-50's vectors of the main characters' portraits, all channels, into the paper's regressor.",
        "concept",
        "network",
        ("portraits",),
        paper_row="portraits",
        options={"vectors": {"portraits": ("portraits", "pooled")}, "head": "small"},
    ),
    Experiment(
        "poster",
        "ResNet-50's vector of the poster into a small regressor: what the picture that sells it gives away.",
        "announcement",
        "network",
        ("poster",),
        options={"vectors": {"poster": ("poster", "pooled")}, "head": "small"},
    ),
    Experiment(
        "full",
        "Synopsis, descriptions and portraits together, the inputs of the paper's best model, on frozen encoders.",
        "concept",
        "network",
        ("synopsis", "descriptions", "portraits"),
        paper_row="full",
        options={
            "vectors": {
                "synopsis": ("synopsis", "pooled"),
                "descriptions": ("descriptions", "pooled"),
                "portraits": ("portraits", "pooled"),
            },
            "characters": ("descriptions", "portraits"),
            "head": "published",
        },
    ),
    Experiment(
        "full_without_portraits",
        "Synopsis and descriptions: the run that the paper never made, and that tells whether pictures help.",
        "concept",
        "network",
        ("synopsis", "descriptions"),
        options={
            "vectors": {"synopsis": ("synopsis", "pooled"), "descriptions": ("descriptions", "pooled")},
            "characters": ("descriptions",),
            "head": "published",
        },
    ),
    Experiment(
        "traditional",
        "The paper's benchmark repaired: TF-IDF fitted once on train, raw pixels, no softmax.",
        "concept",
        "network",
        ("synopsis", "descriptions", "portraits"),
        paper_row="traditional",
        options={
            "vectors": {"pixels": ("portraits", "pixels")},
            "tfidf": ("synopsis", "descriptions"),
            "head": "traditional",
        },
    ),
    Experiment(
        "hybrid",
        "Paper B: source, episodes, type, genres and studios beside a small network trained on the poster's pixels.",
        "announcement",
        "network",
        ("source", "episodes", "type", "genres", "studios", "poster"),
        paper_row="hybrid",
        options={"table": True, "pictures": True, "augment": True, "head": "hybrid"},
    ),
]

EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _ALL}
BASELINES = ("mean", "length", "credit")
PITCHES = tuple(experiment.name for experiment in _ALL if experiment.on_all_rows)  # from the lowest tier to the highest


def check_ledger(experiment: Experiment) -> None:
    """Refuse an experiment that looks at something of a later tier than it declares.

    >>> check_ledger(EXPERIMENTS["pitch"])
    >>> check_ledger(Experiment("early", "", "concept", "trees", ("studios",)))
    Traceback (most recent call last):
    anipop_pipeline.errors.LaterTier: ...
    """
    later = [name for name in experiment.inputs if name not in known_at(experiment.tier)]
    later += [name for name in experiment.nuisances if name not in LEDGER]  # of any tier, but never a label
    if later:
        named = ", ".join(f"{name} ({LEDGER.get(name, 'unknown')})" for name in later)
        raise LaterTier(
            f"experiment {experiment.name} is of tier {experiment.tier} and uses {named}",
            where="EXPERIMENTS",
            fix="declare the tier at which these exist, or leave them out",
        )
