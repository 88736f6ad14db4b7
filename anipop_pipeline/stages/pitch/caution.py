"""What an answer must not be taken for: warnings about one pitch, caveats about all, and the one sentence of verdict.

Belongs here: sentences and the rules that call for them. Does not: numbers (doubt.py), layout (answer.py).
"""

from collections.abc import Sequence

import polars as pl

from anipop_pipeline.stages.experiments import Experiment
from anipop_pipeline.stages.pitch.doubt import Estimate
from anipop_pipeline.stages.pitch.form import Pitch
from anipop_pipeline.stages.pitch.neighbours import Neighbour, Neighbourhood
from anipop_pipeline.stages.pitch.row import NEEDED
from anipop_pipeline.stages.report import wording
from anipop_pipeline.stages.tables.corpus import shown_title

COPIED = 0.8  # cosine of two texts that are nearly the same
FAR_AHEAD = 3  # years
MOSTLY = 0.5

CAVEATS = (
    "A score is an opinion, not revenue, and only titles that were made and scored have one.",
    "The texts learned from were written after release, by fans who knew how it went; a pitch was not.",
    "The estimate sees words and facts. It does not see direction, drawing, music, or whether the story is well told.",
)


def warnings(
    pitch: Pitch,
    corpus: pl.DataFrame,
    neighbourhood: Neighbourhood,
    nearest: Sequence[Neighbour],
    experiment: Experiment,
    left: Sequence[str],
) -> list[str]:
    """Return what makes this pitch's answer less sure than others; `left` are fields that nothing looks at."""
    told = [
        _unlike(neighbourhood.known_share(pitch.synopsis), neighbourhood.usual_share),
        _copied(nearest, corpus),
        _undescribed(pitch, corpus) if "descriptions" in experiment.inputs else None,
        _far_ahead(pitch, corpus) if "year" in experiment.inputs else None,
        _left(left, experiment) if left else None,
    ]
    return [sentence for sentence in told if sentence]


def _unlike(share: float, usual: float) -> str | None:
    if share >= usual:
        return None
    return (
        f"This text is unlike the corpus: of its words, {wording.percent(share)} are known there, "
        f"less than in 99 of 100 released titles. The estimate falls back towards the mean."
    )


def _copied(nearest: Sequence[Neighbour], corpus: pl.DataFrame) -> str | None:
    if not nearest or nearest[0].similarity < COPIED:
        return None
    title = corpus.filter(pl.col("anime_id") == nearest[0].anime_id).select(shown_title()).item()
    return f'This reads almost like "{title}", which the model has learned from: it may remember more than it predicts.'


def _undescribed(pitch: Pitch, corpus: pl.DataFrame) -> str | None:
    described = float(corpus.select((pl.col("description_words") > 0).mean()).item())
    if pitch.characters or described <= MOSTLY:
        return None
    return (
        f"No character is described; {wording.percent(described)} of the titles learned from have descriptions. "
        "Adding the main characters makes the pitch more like them."
    )


def _far_ahead(pitch: Pitch, corpus: pl.DataFrame) -> str | None:
    last = corpus.select(pl.col("year").max()).item()
    if pitch.year is None or last is None or pitch.year <= last + FAR_AHEAD:
        return None
    return f"The pitch is for {pitch.year}, and no title learned from is later than {last}: a trend is drawn on."


def _left(names: Sequence[str], experiment: Experiment) -> str:
    plain = wording.listed([wording.plain(name) for name in names])
    tiers = list(NEEDED)
    following = tiers[0] if experiment.tier == "concept" else tiers[-1]
    needed = wording.listed([wording.plain(name) for name in NEEDED[following]])
    return f"Not looked at: {plain}. An estimate at {following} needs {needed}, too."


def verdict(score: Estimate, above_middle: float, middle: float) -> str:
    """Return one sentence that a decision can use, or that says why there is none."""
    if score.r2_score is None or score.r2_score <= 0:
        return "No verdict: estimates of this kind were no better than always naming the mean."
    likely = score.interval(0.8)
    of_100 = round(100 * above_middle)
    told = f"of 100 titles with such an estimate, about {of_100} scored above the middle title's {middle:.2f}"
    if likely.low > middle:
        return f"Probably in the upper half of released titles: {told}."
    if likely.high < middle:
        return f"Probably in the lower half of released titles: {told}."
    return f"The pitch alone does not settle whether this lands in the upper or the lower half: {told}."
