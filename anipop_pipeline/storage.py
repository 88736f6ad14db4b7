"""How a file appears whole or not at all, on a disk and on object storage.

Belongs here: staging, moving, uploading, and what a refusal of the storage says. Does not: any path inside the lake.
"""

import errno
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from upath import UPath

from anipop_pipeline.errors import LakeError

ONE_DAY = 24 * 60 * 60.0


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
        _sweep(home)
    else:
        home = Path(tempfile.gettempdir())
    stage = home / f"anipop-{uuid.uuid4().hex}"
    stage.mkdir()
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _sweep(home: Path) -> None:
    """Delete what killed runs left in staging; no file is written for a day."""
    for stage in home.iterdir():
        with suppress(FileNotFoundError):  # another run was faster
            if time.time() - stage.stat().st_mtime > ONE_DAY:
                shutil.rmtree(stage, ignore_errors=True)


def place(staged: Path, target: UPath) -> None:
    """Bring a whole file to where it belongs: a rename on a disk, one upload elsewhere.

    The staged file is there until the target is whole, so that nothing is lost in between.
    """
    if not is_local(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.fs.put_file(str(staged), target.path)
        return
    final = Path(target.path)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.replace(final)
    except OSError as refused:
        if refused.errno != errno.EXDEV:
            raise
        _copy_over(staged, final)


def _copy_over(staged: Path, final: Path) -> None:
    """Bring a file from another disk: a copy beside the target, then a rename."""
    beside = final.with_name(f"{final.name}.{uuid.uuid4().hex}.part")
    try:
        shutil.copyfile(staged, beside)
        beside.replace(final)
    finally:
        beside.unlink(missing_ok=True)
    staged.unlink()


def write_json(target: UPath, content: Mapping[str, Any], stage: Path) -> None:
    """Write a small file whole."""
    staged = stage / "written.json"
    staged.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False))
    place(staged, target)
