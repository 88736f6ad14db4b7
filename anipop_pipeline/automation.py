"""Jobs, schedules, and what a run says while it goes on.

Belongs here: when what runs, and how progress looks. Does not: what an asset does.
"""

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

CRAWL = (
    "anime_index",
    "anime_pages",
    "anime",
    "histograms",
    "roles",
    "character_pages",
    "characters",
    "portraits",
    "posters",
)

everything = dg.define_asset_job("everything", selection=dg.AssetSelection.all(), description="From crawl to report.")
crawl = dg.define_asset_job("crawl", selection=list(CRAWL), description="Fetch what is not fresh, and parse it.")
evaluate = dg.define_asset_job(
    "evaluate", selection=dg.AssetSelection.groups("models", "reports"), description="Train, judge and report anew."
)
JOBS = [everything, crawl, evaluate]

SCHEDULES = [
    dg.ScheduleDefinition(
        name="weekly_refresh",
        job=everything,
        cron_schedule="0 3 * * 1",
        execution_timezone="UTC",
        description="A re-scrape on Monday nights, and everything that follows from it. Stopped until switched on.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
]

RED, GREY, PLAIN, CLEAR = "\033[31m", "\033[90m", "\033[0m", "\033[2K"


class Progress(logging.Handler):
    """Prints one line when an asset is done, what it says in between, and a refusal once, without a traceback."""

    def __init__(self, total: int) -> None:
        super().__init__(logging.DEBUG)
        self.total = total
        self.done = 0
        self.started: dict[str, float] = {}
        self.made: dict[str, str] = {}
        self.colour = sys.stderr.isatty()

    def emit(self, record: logging.LogRecord) -> None:
        """Print what a person wants to know of a record."""
        said: dict[str, Any] = getattr(record, "dagster_meta", {})
        event, step = said.get("dagster_event"), said.get("step_key") or ""
        if event is not None:
            self._tell(event, step)
        elif record.levelno >= logging.INFO:
            self._line(GREY, f"{'':9}{step}: {said.get('orig_message', record.getMessage())}")

    def _tell(self, event: dg.DagsterEvent, step: str) -> None:
        kind = event.event_type_value
        if kind == "STEP_START":
            self.started[step] = time.monotonic()
            if self.colour:  # a person watches: show what is under way, until its own line takes the place
                print(
                    f"{GREY}{self.done + 1:>4}/{self.total:<4}{step} ...{PLAIN}", end="\r", file=sys.stderr, flush=True
                )
        elif kind == "ASSET_MATERIALIZATION":
            self.made[step] = _what(event.step_materialization_data.materialization.metadata)
        elif kind == "STEP_SUCCESS" and step in self.made:
            self.done += 1
            seconds = time.monotonic() - self.started[step]
            self._line(PLAIN, f"{self.done:>4}/{self.total:<4}{step:<28}{seconds:7.1f} s  {self.made[step]}")
        elif kind == "STEP_FAILURE":
            self._line(RED, f"FAILED   {step}: {_refusal(event)}")
        elif kind == "ASSET_CHECK_EVALUATION" and not event.asset_check_evaluation_data.passed:
            judged = event.asset_check_evaluation_data
            self._line(RED, f"FAILED   check {judged.check_name} of {step}: {judged.description or judged.metadata}")

    def _line(self, colour: str, text: str) -> None:
        print(f"{CLEAR}{colour}{text}{PLAIN}" if self.colour else text, file=sys.stderr, flush=True)


def _what(metadata: Mapping[str, dg.MetadataValue[Any]]) -> str:
    """Return what an asset is now: how many rows, or why it is absent."""
    if "absent" in metadata:
        return f"absent: {metadata['absent'].value}"
    return f"{metadata['dagster/row_count'].value:,} rows" if "dagster/row_count" in metadata else ""


def _refusal(event: dg.DagsterEvent) -> str:
    """Return why a step failed: a refusal's own words, else the innermost error."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.to_string() if error is not None else "for no known reason"


def _console(context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that stands in for Dagster's wall of debug lines."""
    logger = logging.Logger("anipop", logging.DEBUG)
    assets = context.job_def.asset_layer.executable_asset_keys if context.job_def else ()
    logger.addHandler(Progress(len(list(assets))))
    return logger


LOGGERS = {"console": dg.LoggerDefinition(_console, description="One line for each asset, for a person who watches.")}
