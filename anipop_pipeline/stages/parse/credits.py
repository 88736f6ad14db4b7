"""Who wrote a text: the credits that people put around a story, told apart from the story itself.

A credit is what stands in brackets and begins with "Written by" or "Source" in any spelling seen on the site, wherever
it stands; and, at the end of a text alone, what would elsewhere be an aside: "(from AniDB)", "Source: ANN" on a line
of its own, "-Wikipedia".

Belongs here: what is a credit. Does not: how words are read from HTML.
"""

import re

from anipop_pipeline.stages.parse.words import tidy

SOURCE = r"s(?:ou?r[cs]e?|ouce|oure)s?d?\b"  # people misspell it
SITE = r"(?:wikipedia|wikia?|ani-?db|anime-?nfo|ani-?list|anime-?planet|anime news network|mal news|(?-i:ANN))\b"
INNER = r"[^()\[\]\n]{0,200}"
REWRITE = re.compile(r"[\[(]\s*writt+en by mal rewrite\s*[\])]", re.IGNORECASE)
CREDIT = re.compile(rf"[\[(]\s*(?:writt+en by\b|{SOURCE}){INNER}(?:\([^()\n]{{0,80}}\){INNER})?[\])]", re.IGNORECASE)
LAST_CREDIT = re.compile(  # these words may also open an aside of the story, so they count at its end alone
    r"[\[(]\s*(?:(?:adapted|translated|taken|from|edited|via|summary|(?:original )?description|wiki(?:pedia|a)?)\b"
    rf"{INNER}|(?:by\s+)?{SITE}\s*)[\])]\s*\Z",
    re.IGNORECASE,
)
LAST_LINE_CREDIT = re.compile(rf"(?:\A|\n)\s*(?:{SOURCE}\s*[:.]|credits?\s*:)[^\n]{{0,120}}\Z", re.IGNORECASE)
SIGNATURE = re.compile(  # "-AniDB", "~From Wikipedia"
    rf"(?:(?:\A|\s)[-–—~]+\s*(?:(?:from|by|via)\s+)?|\n\s*(?:from|by|via)\s+){SITE}\W*\Z", re.IGNORECASE
)
A_CREDIT = CREDIT.pattern
INNER_CREDIT = re.compile(  # the full stop of a credit goes with it, the one that ends the story's sentence stays
    rf"(?<=[.!?])\s*{A_CREDIT}\.(?=\s|\Z)|\s*{A_CREDIT}(?=[.,;!?](?:\s|\Z))|{A_CREDIT}", re.IGNORECASE
)
LAST_CHARACTERS = 400  # more than any credit at the end has


def story(synopsis: str) -> str:
    r"""Return the story alone, without the credits; what follows a credit is kept.

    >>> story("A girl finds a cat.  [Written by MAL Rewrite]")
    'A girl finds a cat.'
    >>> story("A girl finds a cat. (Source: ANN, edited)\n\nBundled with the manga.")
    'A girl finds a cat.\n\nBundled with the manga.'
    """
    return story_and_credit(synopsis)[0]


def credit(synopsis: str) -> str:
    """Return who wrote a synopsis: 'rewrite', 'source' or 'none'.

    >>> [credit("A cat. " + tail) for tail in ("[Written by MAL Rewrite]", "(Source: ANN)", "(It purrs.)")]
    ['rewrite', 'source', 'none']
    """
    return story_and_credit(synopsis)[1]


def story_and_credit(synopsis: str) -> tuple[str, str]:
    """Return the story alone and who wrote it."""
    whole = text = tidy(synopsis)
    before = ""
    while text != before:  # what closes up around a credit may be one itself
        before, text = text, _without_last_credits(_without_inner_credits(text))
    if REWRITE.search(whole):
        return text, "rewrite"
    return text, "none" if text == whole else "source"


def _without_inner_credits(text: str) -> str:
    return tidy(INNER_CREDIT.sub("", text)) if CREDIT.search(text) else text


def _without_last_credits(text: str) -> str:
    for last in (LAST_CREDIT, LAST_LINE_CREDIT, SIGNATURE):
        found = last.search(text, max(len(text) - LAST_CHARACTERS, 0))
        text = text[: found.start()].rstrip() if found else text
    return text
