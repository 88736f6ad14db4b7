"""Rows of the tables, read from pages of MyAnimeList as they looked from 2015 on.

What a page does not say is None. A page that is not what it should be (another id, a login wall, cut short, a layout
that we do not know) raises PageChanged with the field in `where`, and nothing else is ever raised. One odd value among
the lesser ones (a date, a rank, a length) does not cost an anime its title, synopsis and score: in a batch such a value
is None in the row, and a reject beside the row says which and why, so that a change of the site stays loud. Asked for
one page alone, `anime` raises for that, too.

Belongs here: from bytes to rows. Does not: how pages are fetched, which rows are fit for the corpus.
"""

from anipop_pipeline.stages.parse.anime_pages import anime, anime_as_told, histogram
from anipop_pipeline.stages.parse.batches import PageParser, collect
from anipop_pipeline.stages.parse.character_pages import anime_characters, character
from anipop_pipeline.stages.parse.credits import CREDIT, credit, story
from anipop_pipeline.stages.parse.list_pages import listing, season
from anipop_pipeline.stages.parse.page import picture

__all__ = [
    "CREDIT",
    "PageParser",
    "anime",
    "anime_as_told",
    "anime_characters",
    "character",
    "collect",
    "credit",
    "histogram",
    "listing",
    "picture",
    "season",
    "story",
]
