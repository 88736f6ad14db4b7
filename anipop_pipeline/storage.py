"""How a file appears whole or not at all, on a disk and on object storage.

Belongs here: staging, moving, uploading, and what a refusal of the storage says. Does not: any path inside the lake.
"""

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from upath import UPath

from anipop_pipeline.errors import LakeError


def is_local(path: UPath) -> bool:
    """Return whether a path is a folder of this machine."""
    return path.protocol in {"", "file", "local"}


@contextmanager
def writing(root: UPath) -> Iterator[None]:
    """Turn a refusal of the storage into a message that a person can act on."""
    try:
        yield
    except OSError as refused:
        raise LakeError(
            f"the lake cannot be written: {refused.strerror or refused}",
            where=str(refused.filename or root),
            fix="make the folder writable, free some disk, or set ANIPOP_LAKE to another place",
        ) from refused


@contextmanager
def staging(root: UPath) -> Iterator[Path]:
    """Give a local folder to write in, on the lake's own disk where it has one, so that a move is a rename."""
    if is_local(root):
        home = Path(root.path) / ".staging"
        home.mkdir(parents=True, exist_ok=True)
    else:
        home = Path(tempfile.gettempdir())
    stage = home / f"anipop-{uuid.uuid4().hex}"
    stage.mkdir()
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def place(staged: Path, target: UPath) -> None:
    """Move a whole file to where it belongs: a rename on a disk, one upload elsewhere."""
    if is_local(target):
        Path(target.path).parent.mkdir(parents=True, exist_ok=True)
        beside = Path(f"{target.path}.{uuid.uuid4().hex}.part")
        shutil.move(staged, beside)
        beside.replace(target.path)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.fs.put_file(str(staged), target.path)


def write_json(target: UPath, content: Mapping[str, Any], stage: Path) -> None:
    """Write a small file whole."""
    staged = stage / "written.json"
    staged.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
    place(staged, target)
