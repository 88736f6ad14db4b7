"""All that a report is made of.

Belongs here: the tables and words that `build` wants. Does not: what is said about them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class ExperimentFacts:
    """What a reader must know of an experiment to judge its numbers."""

    name: str
    tier: str
    inputs: Sequence[str] = ()
    paper_row: str | None = None
    what: str = ""
    published: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Facts:
    """Tables of one site, each as its schema in `stages/tables` declares it; any of them may be empty.

    `invented` marks a site whose titles exist nowhere else. `planted` (part, share) is then the truth that its scores
    were made from: the share of their variance that each part is worth.
    """

    site: str
    invented: bool
    corpus: pl.DataFrame
    corpus_rejects: pl.DataFrame
    parse_rejects: pl.DataFrame
    statistics: pl.DataFrame
    split_statistics: pl.DataFrame
    metrics: pl.DataFrame
    seeds: pl.DataFrame
    comparisons: pl.DataFrame
    absent: pl.DataFrame
    history: pl.DataFrame
    predictions: pl.DataFrame
    audit: pl.DataFrame
    comparables: pl.DataFrame
    planted: pl.DataFrame | None = None
    crawled: bool = True  # else brought by an import
    experiments: Sequence[ExperimentFacts] = field(default_factory=tuple)
