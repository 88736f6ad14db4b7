"""Tables of what models said and what it was worth.

Belongs here: columns, types, keys and rules of predictions, metrics and reports. Does not: their computation.
"""

from collections.abc import Iterable

import dataframely as dy

from anipop_pipeline.stages.tables.split import SPLITS

LABELS = ["score", "weighted", "plain", "audience"]  # those that any site may have, the one to quote first
FURTHER = "score_"  # before the name of the source of a score that a site brings from elsewhere
A_LABEL = rf"^({'|'.join(LABELS)}|{FURTHER}[a-z0-9_]+)$"


def in_order(labels: Iterable[str]) -> list[str]:
    """Return different labels in the order in which they are shown.

    >>> in_order(["score_kitsu", "audience", "score_anilist", "score"])
    ['score', 'audience', 'score_anilist', 'score_kitsu']
    """
    return sorted(set(labels), key=lambda label: (LABELS.index(label) if label in LABELS else len(LABELS), label))


class Predictions(dy.Schema):
    """One row for each test anime of each fit: what an experiment said."""

    experiment = dy.String(primary_key=True)
    label = dy.String(primary_key=True, regex=A_LABEL)
    split = dy.Enum(SPLITS, primary_key=True)
    repeat = dy.Int64(primary_key=True, min=0)
    fold = dy.Int64(primary_key=True, min=0)
    seed = dy.Int64(primary_key=True)
    anime_id = dy.Int64(primary_key=True, min=1)
    predicted = dy.Float64(description="on the label's raw scale")


class History(dy.Schema):
    """One row for each epoch of each neural fit."""

    experiment = dy.String(primary_key=True)
    label = dy.String(primary_key=True, regex=A_LABEL)
    split = dy.Enum(SPLITS, primary_key=True)
    repeat = dy.Int64(primary_key=True, min=0)
    fold = dy.Int64(primary_key=True, min=0)
    seed = dy.Int64(primary_key=True)
    epoch = dy.Int64(primary_key=True, min=1)
    train_error = dy.Float64(description="mean squared error on the scale of training")
    validation_error = dy.Float64(description="the same on clusters held out of training")


class Metrics(dy.Schema):
    """One row for each metric of each experiment on each split."""

    experiment = dy.String(primary_key=True)
    label = dy.String(primary_key=True, regex=A_LABEL)
    split = dy.Enum(SPLITS, primary_key=True)
    group = dy.String(primary_key=True, description="all; in temporal and authors also seen and unseen clusters")
    metric = dy.String(primary_key=True, description="ends in _error (lower is better) or _score (higher is better)")
    value = dy.Float64(nullable=True, description="null where it is not defined")
    low = dy.Float64(nullable=True, description="2.5 % quantile of a bootstrap over clusters")
    high = dy.Float64(nullable=True, description="97.5 % quantile of a bootstrap over clusters")
    rows = dy.Int64(min=1, description="test rows behind it")


class SeedSpread(dy.Schema):
    """One row for each metric of each cheap experiment over all repeats of a split."""

    experiment = dy.String(primary_key=True)
    label = dy.String(primary_key=True, regex=A_LABEL)
    split = dy.Enum(SPLITS, primary_key=True)
    metric = dy.String(primary_key=True)
    repeats = dy.Int64(min=1)
    mean = dy.Float64(nullable=True)
    low = dy.Float64(nullable=True, description="smallest over the repeats")
    high = dy.Float64(nullable=True, description="largest over the repeats")


class Comparisons(dy.Schema):
    """One row for each experiment against each baseline: paired difference on the same test rows."""

    experiment = dy.String(primary_key=True)
    baseline = dy.String(primary_key=True)
    label = dy.String(primary_key=True, regex=A_LABEL)
    split = dy.Enum(SPLITS, primary_key=True)
    difference = dy.Float64(description="mean squared error of the experiment less that of the baseline, raw scale")
    low = dy.Float64()
    high = dy.Float64()
    p_value = dy.Float64(min=0, max=1, description="two-sided, bootstrap over clusters")
    p_corrected = dy.Float64(min=0, max=1, description="after Holm, within a label and split")


class AbsentExperiments(dy.Schema):
    """One row for each experiment that could not be run here, and why."""

    experiment = dy.String(primary_key=True)
    reason = dy.String(min_length=1)


class Audit(dy.Schema):
    """One row for each variant of a published recipe: its defects one at a time."""

    recipe = dy.String(primary_key=True)
    variant = dy.String(primary_key=True, description="what was switched")
    mean_squared_error = dy.Float64(description="on the 0..1 scale, on the split of the papers")
    r2_score = dy.Float64(nullable=True)
    spearman_score = dy.Float64(nullable=True)
    published_error = dy.Float64(nullable=True, description="the paper's figure, where it gives one")
    meaning = dy.String(description="what the variant is, in one sentence")


class Comparables(dy.Schema):
    """One row for each of the nearest other titles of an anime."""

    anime_id = dy.Int64(primary_key=True, min=1)
    by = dy.Enum(["text", "pictures", "table", "together"], primary_key=True)
    place = dy.Int64(primary_key=True, min=1)
    neighbour_id = dy.Int64(min=1)
    similarity = dy.Float64(min=-1.0001, max=1.0001, description="cosine")
