"""An answer to a pitch, as values, as JSON and as a card for a terminal.

Belongs here: what an answer holds and how it is said in plain text. Does not: how it is found (predictor.py), its page
(web.py).
"""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from anipop_pipeline.stages.pitch.doubt import SCALES, Estimate
from anipop_pipeline.stages.report import wording

INVENTED = "DEMO, INVENTED TITLES"
UNTITLED = "Untitled pitch"
WIDTH = 78
LABEL = 13
BAR = WIDTH - LABEL - 8
TITLE = 34


@dataclass(frozen=True)
class Comparable:
    """A released title that reads like the pitch."""

    anime_id: int
    title: str
    year: int | None
    score: float
    similarity: float
    predicted: float | None  # what the same experiment said of it out of fold
    failed: bool  # in the lowest quarter of scores


@dataclass(frozen=True)
class Answer:
    """What can honestly be said of a pitch."""

    title: str
    site: str
    invented: bool
    tier: str
    experiment: str
    looked_at: tuple[str, ...]
    score: Estimate
    percentile: float  # of the estimate among released scores
    above_middle: float  # chance of a score above the middle released title's
    top_quarter: float  # chance of a score in the highest quarter
    audience: Estimate | None  # percentile of members among titles of the same two years, 0..1
    middle: float  # score of the middle released title
    verdict: str | None  # None for invented titles
    comparables: tuple[Comparable, ...]
    warnings: tuple[str, ...]  # about this pitch
    caveats: tuple[str, ...]  # about every answer

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON takes it."""
        return asdict(self)

    def as_text(self) -> str:
        """Return the answer as a card for a terminal."""
        return "\n".join(line.rstrip() for line in _card(self))


def _card(answer: Answer) -> Iterator[str]:
    if answer.invented:
        yield f"*** {INVENTED}: how an answer looks, no verdict on a real pitch ***"
        yield ""
    yield from _wrapped(answer.title or UNTITLED)
    yield "=" * WIDTH
    yield from _numbers(answer)
    if answer.verdict:
        yield ""
        yield from _wrapped(answer.verdict)
    yield from _comparables(answer)
    yield from _listed("Mind, for this pitch", answer.warnings)
    yield from _listed("Mind, always", answer.caveats)


def _numbers(answer: Answer) -> Iterator[str]:
    score, titles = answer.score, wording.count(answer.score.titles, "title")
    yield _labelled("Score", f"{score.value:.2f} of 10, above {wording.percent(answer.percentile)} of released titles")
    yield _labelled("", f"1 {bar(score, *SCALES['score'], BAR)} 10")
    for interval in score.intervals:
        share = wording.percent(interval.coverage)
        later = interval.later_coverage
        inside = "" if later is None else f"   (of later titles, {wording.percent(later)} inside)"
        yield _labelled(f"  {share}", f"{interval.low:.2f} to {interval.high:.2f}{inside}")
    chances = f"{wording.percent(answer.above_middle)} upper half, {wording.percent(answer.top_quarter)} top quarter"
    yield _labelled("Chances", chances)
    if answer.audience is not None:
        yield from _wrapped(audience_in_words(answer.audience), label="Audience")
    yield ""
    yield from _wrapped(f"{answer.tier}: looked at {wording.listed(answer.looked_at)}.", label="Tier")
    yield from _wrapped(f"{worth_in_words(score)} ({titles}, each predicted unseen).", label="Worth")


def _comparables(answer: Answer) -> Iterator[str]:
    yield ""
    if not answer.comparables:
        yield "No released title shares a word with this story."
        return
    yield f"{'Nearest by words':<{TITLE}}  year  score  predicted  similarity"
    for near in answer.comparables:
        title = near.title if len(near.title) <= TITLE else f"{near.title[: TITLE - 1]}…"
        numbers = f"{near.score:>5.2f}  {wording.number(near.predicted):>9}  {near.similarity:>10.2f}"
        yield f"{title:<{TITLE}}  {near.year or wording.NONE:>4}  {numbers}{'  low' if near.failed else ''}"


def _listed(heading: str, sentences: tuple[str, ...]) -> Iterator[str]:
    if sentences:
        yield ""
        yield heading
    for sentence in sentences:
        yield from textwrap.wrap(sentence, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _labelled(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"


def _wrapped(text: str, *, label: str = "") -> list[str]:
    indent = " " * LABEL if label else ""
    first = f"{label:<{LABEL}}" if label else ""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=indent)


def bar(estimate: Estimate, low: float, high: float, width: int) -> str:
    """Return intervals as a line of signs: the estimate |, and 50, 80 and 95 % around it.

    >>> from anipop_pipeline.stages.pitch.doubt import Interval
    >>> spans = ((0.5, 6, 8), (0.8, 5, 9), (0.95, 3, 10))
    >>> bar(Estimate(7, tuple(Interval(*span, None) for span in spans), None, 9), 1, 10, 19)
    '....----==##|##==--'
    """

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (width - 1))

    line = ["."] * width
    signs = ("#", "=", "-")
    for sign, interval in zip(reversed(signs), reversed(estimate.intervals), strict=True):
        for at in range(place(interval.low), place(interval.high) + 1):
            line[at] = sign
    line[place(estimate.value)] = "|"
    return "".join(line)


def audience_in_words(audience: Estimate) -> str:
    """Return the audience's estimate in one phrase.

    >>> from anipop_pipeline.stages.pitch.doubt import Interval
    >>> audience_in_words(Estimate(0.63, (Interval(0.8, 0.2, 0.95, None),), 0.1, 90))
    'larger than that of 63 % of the titles of its two years (80 %: 20 to 95)'
    """
    likely = audience.interval(0.8)
    return (
        f"larger than that of {wording.percent(audience.value)} of the titles of its two years "
        f"(80 %: {100 * likely.low:.0f} to {100 * likely.high:.0f})"
    )


def worth_in_words(score: Estimate) -> str:
    """Return what estimates of this kind were worth out of fold, in one phrase."""
    if score.r2_score is None:
        return "not known: too few titles to judge such estimates"
    if score.r2_score <= 0:
        return f"such estimates were no better than always naming the mean (R2 {wording.number(score.r2_score)})"
    return f"such estimates explain {wording.percent(score.r2_score)} of the differences between titles' scores"
