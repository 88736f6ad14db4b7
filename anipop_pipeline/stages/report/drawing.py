"""A figure drawn for light and dark pages, as a block of the document.

Belongs here: the step from a figure to a block. Does not: what is drawn.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from anipop_pipeline.stages.report.document import Picture
from anipop_pipeline.stages.report.figures import DARK, LIGHT, Theme, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def picture(name: str, caption: str, draw: "Callable[[Theme], Figure]") -> Picture:
    """Return a figure with its caption; the first sentence of the caption also stands in for the figure itself."""
    alt = caption.split(". ", maxsplit=1)[0].rstrip(".")
    return Picture(name, caption, alt, light=png(draw(LIGHT)), dark=png(draw(DARK)))
