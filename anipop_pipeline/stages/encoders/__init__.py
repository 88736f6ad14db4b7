"""Models that turn a text or a picture into vectors: named in a table, found in a folder or on a hub, loaded with care.

`table` lists the models that are known well; `choice` says which one a name means; `hub` finds its commit and its
files; `load` makes tokenizer, processor and model of them; `pictures` turns pictures into what a model reads; `machine`
says where to compute and how exactly; `tiny` builds the demo's own models.

Belongs here: nothing but these names. Does not: batching, pooling and caching of vectors (embed.py).
"""

from anipop_pipeline.stages.encoders.choice import Encoder, choose, pinned
from anipop_pipeline.stages.encoders.load import load_image, load_processor, load_text, load_tokenizer
from anipop_pipeline.stages.encoders.machine import device, dtype
from anipop_pipeline.stages.encoders.pictures import model_inputs, pixels
from anipop_pipeline.stages.encoders.table import DEFAULTS, ENCODERS, POOLINGS, PREPROCESSINGS, Entry, Modality
from anipop_pipeline.stages.encoders.tiny import (
    TINY_SIDE,
    build_tiny_gpt2,
    build_tiny_resnet,
    tiny_digest,
)

__all__ = [
    "DEFAULTS",
    "ENCODERS",
    "POOLINGS",
    "PREPROCESSINGS",
    "TINY_SIDE",
    "Encoder",
    "Entry",
    "Modality",
    "build_tiny_gpt2",
    "build_tiny_resnet",
    "choose",
    "device",
    "dtype",
    "load_image",
    "load_processor",
    "load_text",
    "load_tokenizer",
    "model_inputs",
    "pinned",
    "pixels",
    "tiny_digest",
]
