"""Models that turn a text or a picture into vectors, loaded from a hub's id or from a folder.

Belongs here: how a checkpoint is built, found and loaded. Does not: what goes through it (embed.py).
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anipop_pipeline.errors import ModelMissing, SettingError

if TYPE_CHECKING:
    import torch

DEFAULTS: dict[str, str] = {"text": "gpt2", "image": "microsoft/resnet-50"}
TINY_VOCABULARY = 2000
TINY_SIDE = 96
TINY_TEXT: dict[str, Any] = {"n_embd": 96, "n_layer": 2, "n_head": 4, "n_positions": 1024}
TINY_IMAGE: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [32, 48, 64, 96], "depths": [1, 1, 1, 1]}


@dataclass(frozen=True)
class Encoder:
    """A checkpoint and what identifies it in the cache."""

    modality: Literal["text", "image"]
    model: str
    revision: str
    identity: str


def choose(modality: Literal["text", "image"], model: str, revision: str) -> Encoder:
    """Return the encoder that a hub's id or a folder names; its identity follows its content where it is a folder."""
    folder = Path(model)
    if folder.is_dir():
        return Encoder(modality, model, revision, _digest(folder))
    return Encoder(modality, model, revision, hashlib.sha256(f"{model}@{revision}".encode()).hexdigest()[:16])


def _digest(folder: Path) -> str:
    """Return a name for the content of a folder, whatever place it lies in."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return whole.hexdigest()[:16]


def device(asked: str) -> str:
    """Return the device that a dial asks for; `auto` takes the best there is."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(asked):
        raise SettingError(
            f"this machine has no device {asked}", where="EncoderConfig.device", fix="choose auto or cpu"
        )
    return asked


@contextmanager
def _loading(encoder: Encoder) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as absent:
        first_line = str(absent).strip().splitlines()[0] if str(absent).strip() else type(absent).__name__
        raise ModelMissing(
            f"the {encoder.modality} model {encoder.model!r} cannot be loaded: {first_line}",
            where=f"EncoderConfig, revision {encoder.revision}",
            fix="name a model id that exists, a folder made by save_pretrained, or set encoders = 'none'; "
            "without a network the model must already lie in the local hub cache",
        ) from absent


def load_text(encoder: Encoder, on: str) -> tuple[Any, Any]:
    """Return tokenizer and model in evaluation mode, on a device."""
    from transformers import AutoModel, AutoTokenizer

    with _loading(encoder), _quietly():
        tokenizer = AutoTokenizer.from_pretrained(encoder.model, revision=encoder.revision)
        model = AutoModel.from_pretrained(encoder.model, revision=encoder.revision, use_safetensors=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, model.eval().to(on)


def load_image(encoder: Encoder, on: str) -> tuple[Any, Any]:
    """Return image processor and model in evaluation mode, on a device."""
    from transformers import AutoImageProcessor, AutoModel

    with _loading(encoder), _quietly():
        processor = AutoImageProcessor.from_pretrained(encoder.model, revision=encoder.revision, backend="pil")
        model = AutoModel.from_pretrained(encoder.model, revision=encoder.revision, use_safetensors=True)
    return processor, model.eval().to(on)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep progress bars of loading out of logs."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def tiny_digest(texts: Iterable[str], seed: int) -> str:
    """Return what tells one tiny model from another: texts, sizes, seed.

    >>> tiny_digest(["a"], 1) == tiny_digest(["a"], 1), tiny_digest(["a"], 1) == tiny_digest(["b"], 1)
    (True, False)
    """
    digest = hashlib.sha256(repr((TINY_VOCABULARY, TINY_SIDE, TINY_TEXT, TINY_IMAGE, seed)).encode())
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:12]


def build_tiny_gpt2(folder: str, texts: Iterable[str], seed: int) -> None:
    """Write a tiny GPT-2 with a byte-level BPE tokenizer trained on the texts, in the format of a real checkpoint."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts, vocab_size=TINY_VOCABULARY, special_tokens=["<|endoftext|>"], show_progress=False
    )
    end = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, eos_token=end, bos_token=end, unk_token=end, model_max_length=1024
    )
    with _seeded(seed):
        ends = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
        config = GPT2Config(vocab_size=len(tokenizer), **TINY_TEXT, **ends)
        model = GPT2Model(config)
    _save(folder, model, tokenizer)


def build_tiny_resnet(folder: str, seed: int) -> None:
    """Write a tiny ResNet with its image processor, in the format of a real checkpoint."""
    from transformers import ConvNextImageProcessorPil, ResNetConfig, ResNetModel

    with _seeded(seed):
        config = ResNetConfig(**TINY_IMAGE)
        model = ResNetModel(config)
    processor = ConvNextImageProcessorPil(size={"shortest_edge": TINY_SIDE}, crop_pct=0.875)
    _save(folder, model, processor)


def _save(folder: str, *parts: Any) -> None:
    """Write all parts beside, then rename: a folder that exists is whole."""
    beside = Path(f"{folder}.part")
    with _quietly():
        for part in parts:
            part.save_pretrained(beside)
    if not Path(folder).exists():
        beside.rename(folder)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Give torch's generator a seed inside, and its former state back after."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def hidden_states(model: Any, **inputs: "torch.Tensor") -> "torch.Tensor":
    """Return the model's last hidden state."""
    import torch

    with torch.inference_mode():
        states: torch.Tensor = model(**inputs).last_hidden_state
    return states
