"""Where a checkpoint's files lie: in a folder, in the local cache of the hub, or on the hub itself.

A branch is turned into a commit once, before anything is loaded, so that every file comes from the same state. What
the cache holds is taken without asking anybody. The hub's own client retries a missing network for minutes, at every
file; here it is asked one short question first, and whoever does not answer it is not asked for files.

Belongs here: commits and files. Does not: what the files mean (load.py).
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anipop_pipeline.errors import ModelMissing
from anipop_pipeline.stages.encoders.table import Modality

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

Answer = TypeVar("Answer")
PATIENCE_SECONDS = 8.0
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
READS: dict[Modality, tuple[str, ...]] = {
    "text": ("tokenizer.json", "tokenizer.model", "spiece.model", "spm.model", "vocab.txt", "vocab.json"),
    "image": ("preprocessor_config.json", "processor_config.json"),
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
FORBIDDEN = (errno.EACCES, errno.EPERM)
WANTED = ["*.json", "*.txt", "*.model", "*.jinja", WEIGHTS, "model-*.safetensors"]
FIX = "name a folder made by save_pretrained, or an id on the hub that holds safetensors, or set encoders = 'none'"


def is_commit(revision: str) -> bool:
    """Return whether a revision is the whole hash of a commit, which never moves."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def commit(model: str, revision: str) -> str:
    """Return the commit that a revision stands for: itself, what the cache remembers, or else what the hub says."""
    if is_commit(revision):
        return revision
    ref = _cached(model) / "refs" / revision
    if ref.is_file() and is_commit(ref.read_text().strip()):
        return ref.read_text().strip()
    found = str(_ask(model, revision).sha)
    _remember(ref, found)
    return found


def folder(modality: Modality, model: str, revision: str, *, remote_code: bool) -> Path:
    """Return a local folder with all files of a checkpoint; what is not in the cache is fetched from the hub."""
    if not revision:
        return _whole(Path(model), modality, model, revision)
    snapshot = _cached(model) / "snapshots" / revision
    if _lack_in(snapshot, modality):
        there = {file.rfilename for file in _ask(model, revision).siblings or []}
        if lack := _lack(there, modality):
            raise missing(model, revision, lack)
        _fetch(model, revision, remote_code=remote_code)
    return _whole(snapshot, modality, model, revision)


def missing(model: str, revision: str, why: str, fix: str = FIX) -> ModelMissing:
    """Return the error that says why a model cannot be had."""
    where = f"EncoderConfig, revision {revision}" if revision else "EncoderConfig"
    return ModelMissing(f"the model {model!r} cannot be loaded: {why}", where=where, fix=fix)


def _whole(folder: Path, modality: Modality, model: str, revision: str) -> Path:
    if lack := _lack_in(folder, modality):
        raise missing(model, revision, lack)
    return folder


def _lack_in(folder: Path, modality: Modality) -> str:
    """Return what a folder lacks before a model can be made of it, or nothing."""
    names = {path.name for path in folder.iterdir() if path.is_file()} if folder.is_dir() else set()
    if lack := _lack(names, modality):
        return lack
    lost = _shards(folder) - names if WEIGHTS not in names else set()
    return f"there is no {min(lost)}" if lost else ""


def _lack(names: Set[str], modality: Modality) -> str:
    """Return what a checkpoint with these files lacks, or nothing.

    >>> _lack({"config.json", "pytorch_model.bin"}, "image")
    'its weights are pickled, and a pickle can run any code'
    """
    if "config.json" not in names:
        return "there is no config.json"
    if not names & {WEIGHTS, INDEX}:
        pickled = any(name.endswith(PICKLED) for name in names)
        return "its weights are pickled, and a pickle can run any code" if pickled else f"there is no {WEIGHTS}"
    if not names & {*READS[modality]}:
        return f"nothing says how it reads {modality}s: there is none of {', '.join(READS[modality])}"
    return ""


def _shards(folder: Path) -> set[str]:
    """Return the names of the files over which large weights are spread."""
    return set(json.loads((folder / INDEX).read_text())["weight_map"].values())


def _cached(model: str) -> Path:
    """Return where the hub's client keeps a model."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.file_download import repo_folder_name

    try:
        return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model, repo_type="model")
    except HFValidationError as strange:
        raise missing(model, "", "it is neither a folder nor an id like owner/name") from strange


def _remember(ref: Path, commit: str) -> None:
    """Write down what a branch means now, as the hub's client does, so that the next run needs no network."""
    beside = ref.with_name(f"{ref.name}.{os.getpid()}.part")
    with suppress(OSError):  # a cache that others share may be read-only; then the next run asks again
        ref.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(commit)
        beside.replace(ref)


def _ask(model: str, revision: str) -> "ModelInfo":
    """Return what the hub says of a model, asked once and not for long."""
    from huggingface_hub import HfApi

    hub = HfApi()
    with _reaching(model, revision):
        return _in_time(lambda: hub.model_info(model, revision=revision, timeout=PATIENCE_SECONDS))


def _in_time(question: Callable[[], Answer]) -> Answer:
    """Return the answer to a question; where packets vanish, a client waits anew at every address of a host."""
    asking = ThreadPoolExecutor(1)
    try:
        return asking.submit(question).result(PATIENCE_SECONDS)
    finally:
        asking.shutdown(wait=False)


def _fetch(model: str, revision: str, *, remote_code: bool) -> None:
    """Bring the files of a commit into the local cache: weights without pickles, and code only when it may run."""
    from huggingface_hub import snapshot_download

    wanted = [*WANTED, "*.py"] if remote_code else WANTED
    with _reaching(model, revision):
        snapshot_download(model, revision=revision, allow_patterns=wanted, ignore_patterns=["*/*"])


@contextmanager
def _reaching(model: str, revision: str) -> Iterator[None]:
    """Turn what the hub's client may raise into what a person can mend."""
    from huggingface_hub import errors

    try:
        yield
    except errors.RevisionNotFoundError as strange:
        raise missing(
            model, revision, "the hub has no such revision of it", "choose a branch, tag or commit"
        ) from strange
    except errors.RepositoryNotFoundError as strange:
        raise missing(model, revision, "the hub knows no such model, or shows it only to those logged in") from strange
    except (errors.HTTPError, OSError) as silent:  # type: ignore[attr-defined]  # the client's own, whichever it uses
        if refused := _refused_by_disk(silent):
            why = f"its files cannot be written: {refused.strerror} ({refused.filename or _cached(model)})"
            raise missing(model, revision, why, "free some disk, or set HF_HOME to another place") from silent
        why = f"it is not in the local cache, and the hub does not answer ({_first_line(silent)})"
        raise missing(
            model, revision, why, f"mend the network, or bring the model into the cache; or {FIX}"
        ) from silent


def _refused_by_disk(error: BaseException | None) -> OSError | None:
    """Return the refusal of a disk that an error is, or that caused it; a firewall's forbids too, but names no file."""
    while error is not None:
        if isinstance(error, OSError) and (error.errno in FULL or (error.errno in FORBIDDEN and error.filename)):
            return error
        error = error.__cause__
    return None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
