"""The report: one HTML file that can be mailed, and its Markdown twin, from the same document.

`facts` is what goes in; `producer`, `corpus_sections`, `result_sections`, `planted` and `audit_sections` say what it
means; `document` is what they say, apart from looks; `html` and `markdown` write it down; `figures` draws; `standing`
reads the table of metrics, for the report and for a terminal alike, `cells` those of statistics.

Belongs here: assembling. Does not: numbers that are not in the tables.
"""

from collections.abc import Iterator

from anipop_pipeline.stages.report import (
    audit_sections,
    corpus_sections,
    html,
    markdown,
    planted,
    producer,
    result_sections,
    wording,
)
from anipop_pipeline.stages.report.document import Document, Section
from anipop_pipeline.stages.report.facts import ExperimentFacts, Facts
from anipop_pipeline.stages.report.standing import ResultRow, results_table, terminal_table

__all__ = ["BANNER", "ExperimentFacts", "Facts", "ResultRow", "build", "document", "results_table", "terminal_table"]

BANNER = "DEMO: all titles on this site are invented; these numbers say nothing about real anime"


def build(facts: Facts) -> dict[str, bytes]:
    """Return the files of the report by name: `report.html` alone is whole; `report.md` wants `figures/` beside it."""
    written = document(facts)
    figures = {f"figures/{picture.name}.png": picture.light for picture in written.pictures()}
    return {"report.html": html.render(written), "report.md": markdown.render(written), **figures}


def document(facts: Facts) -> Document:
    """Return what the report says, apart from how it looks."""
    return Document(
        title="How popular will an anime be, before big money is spent on it?",
        kicker=f"Site {facts.site}",
        lead=(
            f"{wording.count(facts.corpus.height, 'title')} of the site {facts.site}, and what can be said of their "
            "reception from what is known before release. First for those who decide, then for those who check."
        ),
        banner=BANNER if facts.invented else "",
        sections=tuple(_sections(facts)),
    )


def _sections(facts: Facts) -> Iterator[Section]:
    yield producer.section(facts)
    yield corpus_sections.corpus_section(facts)
    yield corpus_sections.rejects_section(facts)
    yield corpus_sections.split_section(facts)
    yield result_sections.results_section(facts)
    yield result_sections.comparisons_section(facts)
    yield result_sections.spread_section(facts)
    yield result_sections.fits_section(facts)
    if facts.planted is not None:
        yield planted.section(facts)
    yield audit_sections.audit_section(facts)
    yield audit_sections.absent_section(facts)
    yield audit_sections.comparables_section(facts)
    yield audit_sections.limits_section()
