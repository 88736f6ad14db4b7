"""How popular will an anime be? From crawled pages to an honest answer, as a Dagster asset graph.

    from anipop_pipeline import Predictor

The name is found when it is asked for, so that importing the package, as every process of a run does, stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anipop_pipeline.predictor import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("anipop_pipeline.predictor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
