"""From a pitch to an answer: what a pitch may say, what a model sees of it, how sure an estimate is, what is near.

Belongs here: plain functions and values between a pitch's text and an answer's words. Does not: where models lie
(predictor.py), how a page looks (web.py), fitting (train).
"""

from anipop_pipeline.stages.pitch.answer import Answer, Comparable
from anipop_pipeline.stages.pitch.caution import CAVEATS, verdict, warnings
from anipop_pipeline.stages.pitch.doubt import Estimate, Interval, TrackRecord, percentile
from anipop_pipeline.stages.pitch.form import FIELDS, Pitch, PitchCharacter, mistakes, pitch_of
from anipop_pipeline.stages.pitch.neighbours import Neighbour, Neighbourhood
from anipop_pipeline.stages.pitch.row import experiment_at, known_values, rows, spelled, tier, unused
from anipop_pipeline.stages.pitch.text import example, read_pitch

__all__ = [
    "CAVEATS",
    "FIELDS",
    "Answer",
    "Comparable",
    "Estimate",
    "Interval",
    "Neighbour",
    "Neighbourhood",
    "Pitch",
    "PitchCharacter",
    "TrackRecord",
    "example",
    "experiment_at",
    "known_values",
    "mistakes",
    "percentile",
    "pitch_of",
    "read_pitch",
    "rows",
    "spelled",
    "tier",
    "unused",
    "verdict",
    "warnings",
]
