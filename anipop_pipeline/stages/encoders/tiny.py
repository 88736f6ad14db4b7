"""The demo's own models: tiny ones of the two default architectures, built from a seed.

Belongs here: building and saving them. Does not: loading them again (load.py).
"""

import errno
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from anipop_pipeline.stages.encoders.load import quietly

TINY_VOCABULARY = 2000
TINY_SIDE = 96
TINY_TEXT: dict[str, Any] = {"n_embd": 96, "n_layer": 2, "n_head": 4, "n_positions": 1024}
TINY_IMAGE: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [32, 48, 64, 96], "depths": [1, 1, 1, 1]}


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
    """Write all parts beside, then rename: a folder that exists is whole, and all of it is of one run."""
    beside = Path(f"{folder}.{uuid4().hex}.part")
    try:
        with quietly():
            for part in parts:
                part.save_pretrained(beside)
        _rename(beside, Path(folder))
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _rename(beside: Path, folder: Path) -> None:
    """Give a folder its name; where another run was faster, its folder is as good."""
    try:
        beside.rename(folder)
    except OSError as taken:
        if taken.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Give torch's generator a seed inside, and its former state back after."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
