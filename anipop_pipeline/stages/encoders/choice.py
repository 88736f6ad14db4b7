"""Which checkpoint a name means, and how it is to be used.

A name of the table comes with everything that is known of the model; a folder and a hub's id come with plain defaults.
A dial that is set wins over both.

Belongs here: from dials to an `Encoder`. Does not: reading weights (load.py).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages.encoders import hub
from anipop_pipeline.stages.encoders.table import DTYPES, ENCODERS, POOLINGS, PREPROCESSINGS, Entry, Modality


@dataclass(frozen=True)
class Encoder:
    """A checkpoint, how it is used, and what tells its weights from others."""

    modality: Modality
    model: str  # a folder, or an id on the hub
    revision: str  # the commit; empty for a folder
    pooling: str
    length: int  # tokens that it is meant for; 0 is the model's own maximum
    layer: int  # 0 is the last
    dtype: str  # may still be "auto", since the device decides
    preprocessing: str
    remote_code: bool
    identity: str


def choose(
    modality: Modality,
    model: str,
    *,
    revision: str = "",
    pooling: str = "",
    layer: int = 0,
    dtype: str = "auto",
    preprocessing: str = "",
    remote_code: bool = False,
) -> Encoder:
    """Return the encoder that a name of the table, a folder or a hub's id stands for; a dial that is set wins."""
    entry = _known(model) or _stranger(modality, model)
    _expect_modality(entry, modality, model)
    commit = "" if _is_folder(model) else hub.commit(entry.model, revision or entry.revision)
    return Encoder(
        modality=modality,
        model=entry.model,
        revision=commit,
        pooling=_one_of(POOLINGS[modality], pooling or entry.pooling, f"{modality} pooling"),
        length=entry.length,
        layer=layer or entry.layer,
        dtype=_one_of(DTYPES, entry.dtype if dtype == "auto" else dtype, "dtype"),
        preprocessing=_preprocessing(modality, preprocessing or entry.preprocessing),
        remote_code=remote_code,
        identity=_hashed(f"{entry.model}@{commit}") if commit else _digest(Path(entry.model)),
    )


def pinned(model: str, revision: str) -> bool:
    """Return whether a model will be the same next year: a folder, a commit, or a name of the table.

    >>> pinned("gpt2", ""), pinned("gpt2", "main"), pinned("someone/model", ""), pinned("someone/model", "0" * 40)
    (True, False, False, True)
    """
    known = _known(model)
    return _is_folder(model) or hub.is_commit(revision or (known.revision if known else ""))


def _is_folder(model: str) -> bool:
    """Return whether a model is a folder; one that is named like an entry of the table has to be written ./name."""
    return model not in ENCODERS and Path(model).is_dir()


def _known(model: str) -> Entry | None:
    """Return the entry that has this name, or that is about this id."""
    if _is_folder(model):
        return None
    return ENCODERS.get(model) or next((entry for entry in ENCODERS.values() if entry.model == model), None)


def _stranger(modality: Modality, model: str) -> Entry:
    preprocessing = "crop" if modality == "image" else ""
    return Entry(modality, model, "main", "mean", 0, "auto", preprocessing, 0, what="not in the table")


def _expect_modality(entry: Entry, modality: Modality, model: str) -> None:
    if entry.modality == modality:
        return
    names = ", ".join(name for name, known in ENCODERS.items() if known.modality == modality)
    raise SettingError(
        f"{model!r} is a model of {entry.modality}s, not of {modality}s",
        where=f"EncoderConfig.{modality}_model",
        fix=f"choose one of {names}, a folder, or an id on the hub",
    )


def _one_of(there: tuple[str, ...], asked: str, dial: str) -> str:
    if asked not in there:
        raise SettingError(f"there is no {dial} {asked!r}", where="EncoderConfig", fix=f"choose {' or '.join(there)}")
    return asked


def _preprocessing(modality: Modality, asked: str) -> str:
    """Return what is done to a text or a picture first; words before a text may be any."""
    return asked if modality == "text" else _one_of(PREPROCESSINGS, asked, "preprocessing of pictures")


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _digest(folder: Path) -> str:
    """Return a name for the content of a folder, whatever place it lies in."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return whole.hexdigest()[:16]
