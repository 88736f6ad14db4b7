"""The models that are known well, one line of facts each, pinned to a commit so that they stay what they are.

A model that is missing here needs no line: its id or its folder does, with the same dials. A line adds a short name, a
commit, and how the model's makers meant it to be used.

Belongs here: facts about models. Does not: finding or loading them (hub.py, load.py).
"""

from dataclasses import dataclass
from typing import Literal

Modality = Literal["text", "image"]

DEFAULTS: dict[Modality, str] = {"text": "gpt2", "image": "resnet-50"}
POOLINGS: dict[Modality, tuple[str, ...]] = {"text": ("mean", "last", "first"), "image": ("mean", "first", "head")}
DTYPES = ("auto", "float32", "bfloat16", "float16")
PREPROCESSINGS = ("crop", "whole")  # of pictures: as the checkpoint does it, or padded so that nothing is cut away


@dataclass(frozen=True)
class Entry:
    """What is known of one model."""

    modality: Modality
    model: str
    revision: str
    pooling: str
    length: int  # tokens at most that it is meant for; 0 is the model's own maximum
    dtype: str
    preprocessing: str  # words before every text, or one of PREPROCESSINGS
    layer: int  # 0 is the last
    what: str


def _text(model: str, revision: str, pooling: str, length: int, what: str) -> Entry:
    return Entry("text", model, revision, pooling, length, dtype="auto", preprocessing="", layer=0, what=what)


def _image(model: str, revision: str, pooling: str, what: str) -> Entry:
    return Entry("image", model, revision, pooling, length=0, dtype="auto", preprocessing="crop", layer=0, what=what)


ENCODERS: dict[str, Entry] = {
    "gpt2": _text(
        "openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e", "mean", 1024,
        "the paper's text model: reads from left to right, 124 million weights",
    ),
    "gpt2-medium": _text(
        "openai-community/gpt2-medium", "6dcaa7a952f72f9298047fd5137cd6e4f05f41da", "mean", 1024,
        "the paper's text model one size up: 355 million weights",
    ),
    "modernbert-base": _text(
        "answerdotai/ModernBERT-base", "8949b909ec900327062f0ebf497f51aef5e6f0c8", "mean", 8192,
        "reads in both directions, and long texts whole: 149 million weights",
    ),
    "mamba-130m": _text(
        "state-spaces/mamba-130m-hf", "1e76775f628fbf1350fbe4dbb3d971ba64af25a1", "mean", 2048,
        "a state space model, whose time grows with the text and not with its square: 130 million weights",
    ),
    "tinyllama": _text(
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "fe8a4ea1ffedaf415f4da2f062534de366a451e6", "mean", 2048,
        "the Llama architecture in small: 1.1 billion weights",
    ),
    "resnet-50": _image(
        "microsoft/resnet-50", "34c2154c194f829b11125337b98c8f5f9965ff19", "mean",
        "the paper's image model: a convolutional network that learned ImageNet's labels",
    ),
    "vit-base": _image(
        "google/vit-base-patch16-224-in21k", "b4569560a39a0f1af58e3ddaf17facf20ab919b0", "first",
        "a transformer over patches that learned the 21,843 labels of ImageNet-21k",
    ),
    "dinov2-base": _image(
        "facebook/dinov2-base", "f9e44c814b77203eaa57a6bdbbd535f21ede1415", "first",
        "a transformer over patches that learned from pictures alone, without labels",
    ),
    "siglip": _image(
        "google/siglip-base-patch16-224", "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed", "head",
        "a transformer over patches that learned which caption belongs to which picture",
    ),
}  # fmt: skip
