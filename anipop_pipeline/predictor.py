"""The library's face: from a lake to honest answers.

    from anipop_pipeline import Predictor
    from anipop_pipeline.lake import open_lake
    from anipop_pipeline.stages.pitch import Pitch

    predictor = Predictor.load(open_lake("data_lake", "mal"))
    print(predictor.predict(Pitch("...")).as_text())

Belongs here: which tables and fits an answer comes from, and its assembly. Does not: the parts of an answer
(stages/pitch), pages and commands (web.py, cli.py), Dagster.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from anipop_pipeline.errors import ModelMissing
from anipop_pipeline.lake import Folder, Lake, merge_lineage, reason_absent
from anipop_pipeline.stages import pitch as pitches
from anipop_pipeline.stages import train
from anipop_pipeline.stages.experiments import EXPERIMENTS, PITCHES, Experiment
from anipop_pipeline.stages.pitch import Answer, Comparable, Estimate, Neighbour, Neighbourhood, Pitch, TrackRecord
from anipop_pipeline.stages.tables.corpus import shown_title
from anipop_pipeline.stages.train.classic import Classic

__all__ = ["Answer", "Predictor"]


@dataclass(frozen=True)
class Fit:
    """One label's fit on all rows, with the record of its kind out of fold."""

    pipeline: bytes
    held: bytes
    record: TrackRecord

    @cached_property
    def model(self) -> Classic:
        """The fit itself, read when it is first asked: a pitch needs one tier of three, and reading takes longest."""
        return train.load_classic(self.pipeline, self.held)

    def estimate(self, row: pl.DataFrame) -> Estimate:
        """Return the estimate for one row."""
        return self.record.estimate(float(self.model.predict(train.Material(row))[0]))


@dataclass(frozen=True)
class Tier:
    """The experiment that answers at one tier."""

    experiment: Experiment
    score: Fit
    audience: Fit | None  # None where the site does not know its members


@dataclass(frozen=True)
class Predictor:
    """Answers pitches from what one site's lake holds; safe to share between threads."""

    site: str
    invented: bool
    corpus: pl.DataFrame
    known: Mapping[str, tuple[str, ...]]  # how the corpus spells the values of a pitch's fields
    neighbourhood: Neighbourhood
    tiers: Mapping[str, Tier]
    missing: Mapping[str, str]  # why a tier cannot be answered here

    @classmethod
    def load(cls, lake: Lake) -> "Predictor":
        """Return the predictor of a lake's site; what was never made raises MissingTable, which names the command.

        Tables and fits that were made from different versions of the corpus raise MixedGenerations.
        """
        names = ("corpus_anime", "clusters", *(f"model_{name}" for name in PITCHES))
        manifests = {name: lake.manifest(name) for name in names}
        merge_lineage("an answer to a pitch", manifests, lake)
        folders = {name: lake.load_folder_of(manifests[f"model_{name}"]) for name in PITCHES}
        corpus, clusters = (lake.load_table_of(manifests[name]) for name in ("corpus_anime", "clusters"))
        if (reason := reason_absent(corpus)) is not None or corpus.is_empty():
            raise ModelMissing(f"site {lake.site} has no corpus to learn from: {reason or 'no title was kept'}")
        return cls.of(corpus, clusters, folders, site=lake.site, invented=lake.invented)

    @classmethod
    def of(
        cls, corpus: pl.DataFrame, clusters: pl.DataFrame, folders: Mapping[str, Folder], *, site: str, invented: bool
    ) -> "Predictor":
        """Return the predictor that a corpus and its models' folders (by experiment) make."""
        missing = {EXPERIMENTS[name].tier: folder.absent for name, folder in folders.items() if folder.absent}
        tiers = {
            EXPERIMENTS[name].tier: _tier(EXPERIMENTS[name], folder, corpus)
            for name, folder in folders.items()
            if folder.absent is None
        }
        if not tiers:
            why = "; ".join(f"{tier}: {reason}" for tier, reason in missing.items())
            raise ModelMissing(
                f"site {site} has no model that answers pitches ({why})",
                fix="dagster asset materialize --select '*model_pitch'",
            )
        return cls(
            site=site,
            invented=invented,
            corpus=corpus,
            known=pitches.known_values(corpus),
            neighbourhood=Neighbourhood.of(corpus, clusters),
            tiers=tiers,
            missing=missing,
        )

    def predict(self, pitch: Pitch) -> Answer:
        """Return what can honestly be said of a pitch, by the highest tier that its fields allow."""
        tier, instead = self._answering(pitches.tier(pitch))
        experiment = tier.experiment
        left = pitches.unused(pitch, experiment) if not instead else []
        pitch, unheard = pitches.spelled(pitch, self.known)
        row = pitches.rows(pitch, experiment)
        score = tier.score.estimate(row)
        scores = self.corpus["score"].to_numpy()
        middle, high = (float(np.quantile(scores, share)) for share in (0.5, 0.75))
        above_middle = tier.score.record.chance_above(score.value, middle)
        nearest = self.neighbourhood.nearest(pitch.synopsis)
        doubts = pitches.warnings(pitch, self.corpus, self.neighbourhood, nearest, experiment, left)
        return Answer(
            title=pitch.title,
            site=self.site,
            invented=self.invented,
            tier=experiment.tier,
            experiment=experiment.name,
            looked_at=_looked_at(pitch, experiment),
            score=score,
            percentile=pitches.percentile(score.value, scores),
            above_middle=above_middle,
            top_quarter=tier.score.record.chance_above(score.value, high),
            audience=tier.audience.estimate(row) if tier.audience else None,
            middle=middle,
            verdict=None if self.invented else pitches.verdict(score, above_middle, middle),
            comparables=tuple(self._comparables(nearest, tier.score.record)),
            warnings=(*instead, *doubts, *unheard),
            caveats=pitches.CAVEATS,
        )

    def _answering(self, wanted: str) -> tuple[Tier, list[str]]:
        """Return the highest tier at or below the wanted one that this site has, and a warning where it is lower."""
        order = [EXPERIMENTS[name].tier for name in PITCHES]
        for tier in reversed(order[: order.index(wanted) + 1]):
            if tier in self.tiers:
                why = f"No estimate at {wanted} can be made for {self.site}: {self.missing.get(wanted, 'not fitted')}."
                return self.tiers[tier], [] if tier == wanted else [f"{why} This one is at {tier}."]
        raise ModelMissing(
            f"site {self.site} has no model for a pitch at {wanted}; it has {', '.join(self.tiers)}",
            fix="add the fields of that tier to the pitch, or materialise '*model_pitch'",
        )

    def _comparables(self, nearest: Sequence[Neighbour], record: TrackRecord) -> Iterator[Comparable]:
        known = self.corpus.select("anime_id", shown_title(), "year", "score")
        titles = {row["anime_id"]: row for row in known.to_dicts()}
        for near in nearest:
            title = titles[near.anime_id]
            yield Comparable(
                **title, similarity=near.similarity, predicted=record.predicted.get(near.anime_id), failed=near.failed
            )


def _tier(experiment: Experiment, folder: Folder, corpus: pl.DataFrame) -> Tier:
    score = _fit(experiment, folder, corpus, "score")
    if score is None:
        raise ModelMissing(
            f"model_{experiment.name} has no fit on all rows, or was never tested on the split `grouped`",
            fix=f"dagster asset materialize --select 'model_{experiment.name}'",
        )
    return Tier(experiment, score, _fit(experiment, folder, corpus, "audience"))


def _fit(experiment: Experiment, folder: Folder, corpus: pl.DataFrame, label: str) -> Fit | None:
    """Return a label's fit with its record; None where the lake does not hold both."""
    pipeline, held = f"{label}_pipeline.skops", f"{label}_held.json"
    record = TrackRecord.of(folder.table(), corpus, label)
    if label not in experiment.labels or pipeline not in folder.files or record is None:
        return None
    return Fit(folder.content(pipeline), folder.content(held), record)


def _looked_at(pitch: Pitch, experiment: Experiment) -> tuple[str, ...]:
    """Return the fields that the pitch gives and the experiment looks at."""
    fields = ["characters" if name == "descriptions" else name for name in experiment.inputs if name != "sequel"]
    return tuple(name for name in fields if pitch.given(name))
