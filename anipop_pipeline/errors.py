"""Every way in which this project refuses to go on, drawn as one tree.

AnipopError                 what a person can mend; shown without a traceback by the command line
├── SettingError            an environment variable, a dial or an argument says something impossible
├── LakeError               the lake cannot be written, or holds something that it should not
│   ├── MissingTable        an asset's input was never made
│   ├── CorruptFile         bytes are not what the manifest says
│   │   ├── TooLarge        there are more of them than a page may have
│   │   └── Undecodable     they are no picture, or no whole one
│   ├── MixedGenerations    inputs disagree about an ancestor that they share
│   └── LeaseTaken          another crawl of this site is running
├── FetchError              the site, or the way to it, does not do what a crawl needs
│   ├── Blocked             the site asks us to stay away
│   ├── Forbidden           robots.txt does not allow it
│   └── PortInUse           the demo site cannot listen where it was told to
├── PageChanged             a page does not look as the parser knows it
├── ModelMissing            a checkpoint cannot be loaded
├── LaterTier               an experiment asks for a feature that does not exist yet at its tier
└── PitchError              a pitch cannot be read

Belongs here: exception classes. Does not: catching them.
"""


class AnipopError(Exception):
    """Something that a person can mend: what happened, where, and what to do."""

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        self.facts: dict[str, int | bool] = {}  # figures that whoever reads of it wants beside it
        super().__init__(self.render())

    def render(self) -> str:
        """Return the message as one short paragraph.

        >>> AnipopError("no such site: marz", where="ANIPOP_SITE", fix="choose demo or mal").render()
        'no such site: marz (at ANIPOP_SITE). To mend it: choose demo or mal'
        """
        where = f" (at {self.where})" if self.where else ""
        fix = f". To mend it: {self.fix}" if self.fix else ""
        return f"{self.what}{where}{fix}"


class SettingError(AnipopError):
    """An environment variable, a dial or an argument says something impossible."""


class LakeError(AnipopError):
    """The lake cannot be written, or holds something that it should not."""


class MissingTable(LakeError):
    """An asset's input was never made."""


class CorruptFile(LakeError):
    """Bytes in the lake are not what their manifest says."""


class TooLarge(CorruptFile):
    """A body has, or unpacks to, more bytes than a page of its kind may have."""


class Undecodable(CorruptFile):
    """Bytes that should be a picture cannot be turned into pixels; `what` is why, in few words."""


class MixedGenerations(LakeError):
    """Inputs of one asset were made from different versions of a common ancestor."""


class LeaseTaken(LakeError):
    """Another crawl of this site is running."""


class FetchError(AnipopError):
    """The site, or the way to it, does not do what a crawl needs."""


class Blocked(FetchError):
    """The site asks us to stay away."""


class Forbidden(FetchError):
    """The site's robots.txt does not allow it."""


class PortInUse(FetchError):
    """The demo site cannot listen where it was told to."""


class PageChanged(AnipopError):
    """A page does not look as the parser knows it."""


class ModelMissing(AnipopError):
    """A checkpoint cannot be loaded."""


class LaterTier(AnipopError):
    """An experiment asks for a feature that does not exist yet at its tier."""


class PitchError(AnipopError):
    """A pitch cannot be read."""
