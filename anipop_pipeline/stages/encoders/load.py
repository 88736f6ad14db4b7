"""From a folder of files to a tokenizer or processor and a model that computes.

Nothing is made up: weights that the checkpoint does not hold would be random numbers, and are an error. Nothing is
run: weights are safetensors, and code that came with a checkpoint stays asleep unless a dial allows it.

Belongs here: loading, and taking the part of a model that reads one modality. Does not: finding files (hub.py).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from anipop_pipeline.stages.encoders import hub
from anipop_pipeline.stages.encoders.choice import Encoder

TOWERS = {"text": "text_model", "image": "vision_model"}
HEAD = re.compile(r"(^|\.)(pooler|head)\.")  # reads a model's states and is read by the pooling `head` alone
COUNTERS = "num_batches_tracked"  # of batch norms; used in training only
WITHOUT_PILLOW = {"DINOv3ViTImageProcessor"}  # written for torchvision alone

FETCH_AGAIN = "delete it from the folder or the cache, and fetch it again"
WAKE_CODE = "read the code that comes with it, then allow it with EncoderConfig.remote_code; or choose another model"


def load_text(encoder: Encoder, device: str) -> tuple[Any, Any]:
    """Return a fast tokenizer that can pad, and the model in evaluation mode on a device."""
    tokenizer, model = load_tokenizer(encoder), _load_model(encoder)
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        why = f"its tokenizer knows {len(tokenizer)} tokens, and the model {rows}"
        raise hub.missing(encoder.model, encoder.revision, why)
    return tokenizer, model.to(device)


def load_image(encoder: Encoder, device: str) -> tuple[Any, Any]:
    """Return an image processor and the model in evaluation mode on a device."""
    return load_processor(encoder), _load_model(encoder).to(device)


def load_tokenizer(encoder: Encoder) -> Any:
    """Return a fast tokenizer that can pad."""
    from transformers import AutoTokenizer

    with _loading(encoder), quietly():
        tokenizer = AutoTokenizer.from_pretrained(_folder(encoder), **_care(encoder))
    tokenizer.truncation_side = "right"  # a cut text keeps its beginning, whatever the checkpoint is used to
    if not tokenizer.is_fast:
        raise hub.missing(encoder.model, encoder.revision, "it has no fast tokenizer")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def load_processor(encoder: Encoder) -> Any:
    """Return an image processor that works with Pillow, whatever else is installed.

    One that has no such form is replaced by ViT's, which does the same steps and resizes bytes instead of fractions:
    a value differs by no more than rounding to bytes makes it.
    """
    from transformers import AutoImageProcessor, ViTImageProcessorPil

    with _loading(encoder), quietly():
        folder = _folder(encoder)
        settings, _ = ViTImageProcessorPil.get_image_processor_dict(folder, local_files_only=True)
        kind = str(settings.get("image_processor_type", "")).removesuffix("Fast")
        if kind in WITHOUT_PILLOW:
            return ViTImageProcessorPil.from_dict(settings)
        return AutoImageProcessor.from_pretrained(folder, backend="pil", **_care(encoder))


def _folder(encoder: Encoder) -> Path:
    return hub.folder(encoder.modality, encoder.model, encoder.revision, remote_code=encoder.remote_code)


def _care(encoder: Encoder) -> dict[str, bool]:
    """Return what keeps every loader from the network and from foreign code."""
    return {"local_files_only": True, "trust_remote_code": encoder.remote_code}


def _load_model(encoder: Encoder) -> Any:
    """Return the part of a checkpoint's model that reads the encoder's modality, in evaluation mode."""
    import torch
    from transformers import AutoModel

    numbers = torch.float32 if encoder.dtype == "auto" else getattr(torch, encoder.dtype)
    with _loading(encoder), quietly():
        whole, told = AutoModel.from_pretrained(
            _folder(encoder),
            dtype=numbers,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told of, and refused with their names
            **_care(encoder),
        )
    part = _part(whole, encoder.modality)
    random = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
    if invented := _invented(whole, part, random, encoder):
        names = f"{', '.join(invented[:3])}{' and others' if invented[3:] else ''}"
        raise hub.missing(
            encoder.model,
            encoder.revision,
            f"weights that it lacks, or holds in another size, would be random numbers: {names}",
            f"choose another pooling if they are those of a head; or {hub.FIX}",
        )
    return part.eval()


def _part(model: Any, modality: str) -> Any:
    """Return the tower of a modality, the encoder of an encoder-decoder, or else the whole model."""
    if hasattr(model, TOWERS[modality]):
        return getattr(model, TOWERS[modality])
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _invented(whole: Any, part: Any, random: set[str], encoder: Encoder) -> list[str]:
    """Return the names of weights that are used here, though the checkpoint does not hold them or their size."""
    used = {id(tensor) for tensor in chain(part.parameters(), part.buffers())}
    here = chain(whole.named_parameters(remove_duplicate=False), whole.named_buffers(remove_duplicate=False))
    return sorted(
        name
        for name, tensor in here
        if name in random
        and id(tensor) in used
        and not name.endswith(COUNTERS)
        and (encoder.pooling == "head" or not HEAD.search(name))
    )


@contextmanager
def _loading(encoder: Encoder) -> Iterator[None]:
    """Turn what loaders raise at a bad checkpoint into what a person can mend."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    unreadable = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, ImportError)
    try:
        yield
    except SafetensorError as found:
        raise hub.missing(encoder.model, encoder.revision, f"its weights are damaged: {found}", FETCH_AGAIN) from found
    except (*unreadable, StrictDataclassError) as found:
        first = next(iter(str(found).strip().splitlines()), "")
        fix = WAKE_CODE if "trust_remote_code" in str(found) else hub.FIX
        raise hub.missing(encoder.model, encoder.revision, f"{type(found).__name__}: {first}", fix) from found


@contextmanager
def quietly() -> Iterator[None]:
    """Keep progress bars, and reports of weights that nobody needs here, out of logs."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
