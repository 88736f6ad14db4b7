"""Mappings of well-known sets, as files that come with the package.

Belongs here: the files, and which there are. Does not: what a mapping means (stages/mapping).
"""

import tomllib
from importlib import resources

HERE = resources.files(__name__)
OF_A_COMMAND = "published"  # for `anipop import published` alone


def content_of(name: str) -> bytes | None:
    """Return the mapping of a name, None where there is none.

    >>> content_of("no_such_mapping") is None
    True
    """
    file = HERE / f"{name}.toml"
    return file.read_bytes() if name.replace("_", "").isalnum() and file.is_file() else None


def shipped() -> dict[str, str]:
    """Return the names of all mappings that can be asked for, each with what it is for."""
    names = sorted(file.name.removesuffix(".toml") for file in HERE.iterdir() if file.name.endswith(".toml"))
    texts = {name: (HERE / f"{name}.toml").read_text(encoding="utf-8") for name in names if name != OF_A_COMMAND}
    return {name: str(tomllib.loads(text)["about"]) for name, text in texts.items()}
