"""A pitch as a file: TOML for people, JSON for programs.

Belongs here: formats and the example. Does not: which fields there are (form.py).
"""

import json
import tomllib
from collections.abc import Callable
from typing import Any

from anipop_pipeline.errors import PitchError
from anipop_pipeline.stages.pitch.form import Pitch, pitch_of


def read_pitch(text: str, suffix: str) -> Pitch:
    """Return the pitch in a file's text, read as its suffix says: .toml or .json.

    >>> read_pitch(example(), ".toml").title
    'The Lamplighter of Harbour Nine'
    """
    reader = READERS.get(suffix.lower())
    if reader is None:
        raise PitchError(f"{suffix or 'no suffix'} is no format of a pitch", fix=f"choose {' or '.join(READERS)}")
    try:
        said = reader(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except (ValueError, RecursionError) as broken:
        kind = suffix.lower().removeprefix(".").upper()
        raise PitchError(
            f"the pitch is no {kind}: {broken}", fix=f"mend the {kind}; `anipop pitch new` shows one"
        ) from None
    if not isinstance(said, dict):
        raise PitchError("the pitch is not one object", fix='write {"synopsis": "...", ...}')
    return pitch_of(said)


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_said_once)


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; JSON would silently take the last of two equal names."""
    said = dict(pairs)
    if len(said) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is said twice")
    return said


READERS: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": _json}

EXAMPLE = '''\
# A pitch. Only the synopsis must be there; every line that you add lets the answer look at more.

title = "The Lamplighter of Harbour Nine"

# The story as you would tell it to a viewer: at least 20 words. Padding gains nothing, its length is held fixed.
synopsis = """
Every night Mio lights the nine lamps that keep the sea away from her drowned city. When the ninth lamp goes out by
itself, she and a retired diver who swore never to enter the water again go down to the old streets, and find that
somebody below has been lighting lamps of their own.
"""

# Known once the project is green-lit. An estimate looks at these when type and source are there.
# Values are spelled as the corpus spells them; the answer says which it does not know.
type = "TV"                    # TV, Movie, OVA, ONA, Special, ...
source = "Original"            # Original, Manga, Light novel, Game, ...
genres = ["Adventure", "Drama"]
themes = []
demographics = []              # Shounen, Shoujo, Seinen, Josei, Kids
episodes = 12
duration_minutes = 24          # of one episode
# relatives = 1                # earlier titles of the same series that have aired
# relatives_score = 7.4        # their mean score

# Known once it is announced. An estimate looks at these when studios and season are there, too.
# studios = ["Studio Hikidashi"]
# season = "Fall 2026"         # or: quarter = "fall" and year = 2026
# rating = "PG-13"             # age rating

# Main characters, one block each. Blocks come last in the file.
[[characters]]
name = "Mio"
description = "A stubborn girl of sixteen who inherited the lamps from her grandmother and has never left the harbour."

[[characters]]
name = "Old Tetsu"
description = "A diver who lost his brother in the drowned streets and now mends nets for people who ask no questions."
'''


def example() -> str:
    """Return a pitch in TOML that says what each field is."""
    return EXAMPLE
