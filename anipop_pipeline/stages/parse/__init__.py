"""Rows of the tables, read from pages of MyAnimeList as they looked from 2015 on.

What a page does not say is None. A page that is not what it should be (another id, a login wall, cut short, a layout
that we do not know) raises PageChanged with the field in `where`, and nothing else is ever raised.

Belongs here: from bytes to rows. Does not: how pages are fetched, which rows are fit for the corpus.
"""

from anipop_pipeline.stages.parse.anime_pages import anime, listing
from anipop_pipeline.stages.parse.batches import PageParser, collect
from anipop_pipeline.stages.parse.character_pages import anime_characters, character
from anipop_pipeline.stages.parse.page import picture
from anipop_pipeline.stages.parse.text import CREDIT, credit, story

__all__ = [
    "CREDIT",
    "PageParser",
    "anime",
    "anime_characters",
    "character",
    "collect",
    "credit",
    "listing",
    "picture",
    "story",
]
