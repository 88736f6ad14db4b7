"""How an asset says how far it is: rarely enough to be read.

Belongs here: throttling, and the words. Does not: what is counted.
"""

import time
from collections.abc import Callable

import dagster as dg

from anipop_pipeline.crawling import Brought, Figures, Progress
from anipop_pipeline.stages.embed import speed

SECONDS_BETWEEN = 5.0
BAR = 20


def shown(context: dg.AssetExecutionContext, what: str) -> Callable[[int, int | None], None]:
    """Return a progress that says in the log, every few seconds, how far something is and when it will end."""
    tell, started = _every_few_seconds(context, what), time.monotonic()

    def show(done: int, total: int | None) -> None:
        if total and done < total:
            left = (time.monotonic() - started) * (total - done) / max(done, 1)
            tell(lambda: f"{done} of {total}, about {_span(left)} left")

    return show


def embedding_shown(context: dg.AssetExecutionContext, name: str, units: str) -> Callable[[speed.Figures], None]:
    """Return a progress that says how far an encoder is, with its pace."""
    tell = _every_few_seconds(context, name)
    return lambda figures: tell(lambda: embedded(figures, units))


def crawl_shown(context: dg.AssetExecutionContext, what: str) -> Progress:
    """Return a progress that says the same of a crawl, with its pace and what went wrong."""
    tell = _every_few_seconds(context, what)

    def show(figures: Figures) -> None:
        if figures.blocked:
            context.log.info(f"{what}: {told(figures)}")
        elif figures.done != figures.total:
            tell(lambda: told(figures))

    return show


def _every_few_seconds(context: dg.AssetExecutionContext, what: str) -> Callable[[Callable[[], str]], None]:
    last = time.monotonic()

    def tell(words: Callable[[], str]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN:
            last = now
            context.log.info(f"{what}: {words()}")

    return tell


def outcome(brought: Brought) -> str:
    """Return what a step of a crawl has come to, on one line.

    >>> import polars as pl
    >>> outcome(Brought(pl.DataFrame({"outcome": ["ok"] * 5}), wanted=9, left=4, figures=Figures(done=2, requests=3)))
    '5 of 9 pages are here, 2 asked for now, 4 left for the next run: the budget is spent, or they failed'
    """
    parts = [f"{brought.rows.height:,} of {brought.wanted:,} pages are here", f"{brought.asked:,} asked for now"]
    parts += [f"{count:,} {name}" for name, count in brought.figures.told().items() if count and name != "requests"]
    why = "" if brought.complete else f", {brought.left:,} left for the next run: the budget is spent, or they failed"
    return ", ".join(parts) + why


def told(figures: Figures) -> str:
    """Return how far a crawl is, on one line.

    >>> told(Figures(total=24_000, done=600, requests=640, failed=3, seconds=600.0))
    '600 of 24,000, 1.00/s, 3 failed, about 6 h 30 min left'
    """
    of = "" if figures.total is None else f" of {figures.total:,}"
    parts = [f"{figures.done:,}{of}", f"{figures.per_second:.2f}/s"]
    parts += [f"{count:,} {name}" for name, count in figures.told().items() if count and name != "requests"]
    if figures.seconds_left is not None:
        parts.append(f"about {_span(figures.seconds_left)} left")
    return ", ".join(parts)


def embedded(figures: speed.Figures, units: str) -> str:
    """Return how far an encoder is, on one line; long inputs go first, so it ends sooner than it says.

    >>> embedded(speed.Figures(asked=900, unique=800, cached=300, computed=125, tokens=10_000, seconds=10.0), "texts")
    '[#####---------------] 125 of 500 texts, 300 were here, 12.5/s, 1,000 tokens/s, about 30 s left'
    >>> embedded(speed.Figures(asked=900, unique=300, cached=300), "texts")
    '300 texts were here'
    """
    if figures.cached == figures.unique:
        return f"{figures.cached:,} {units} were here"
    wanted = figures.unique - figures.cached
    done = figures.computed + figures.rejected
    full = int(BAR * done / wanted)
    parts = [f"[{'#' * full}{'-' * (BAR - full)}] {done:,} of {wanted:,} {units}"]
    parts += [f"{figures.cached:,} were here"] if figures.cached else []
    if figures.seconds and figures.computed:
        parts.append(f"{figures.computed / figures.seconds:.1f}/s")
        parts += [f"{figures.tokens / figures.seconds:,.0f} tokens/s"] if figures.tokens else []
        left = (wanted - done) * figures.seconds / figures.computed
        parts += [f"about {_span(left)} left"] if done < wanted else [f"{_span(figures.seconds)} in all"]
    return ", ".join(parts)


def _span(seconds: float) -> str:
    """Return a length of time as a person says it.

    >>> _span(42), _span(600), _span(200_000)
    ('42 s', '10 min', '2 d 7 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, days = minutes // 60, minutes // 1440
    if not hours:
        return f"{minutes} min"
    return f"{days} d {hours % 24} h" if days else f"{hours} h {minutes % 60} min"
