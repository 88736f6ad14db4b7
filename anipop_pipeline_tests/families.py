"""Tiny checkpoints of the architectures that encoders meet, in the format of real ones, random but from a seed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anipop_pipeline.stages.encoders.load import quietly

SIDE = 32
TEXTS = ["a girl finds a cat by the sea", "the cat finds a ship", "a ship sails the sea"] * 5
END = "<|endoftext|>"
BLOCKS: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PATCHES: dict[str, Any] = BLOCKS | {"image_size": SIDE, "patch_size": 8}
SQUARE = {"height": SIDE, "width": SIDE}
COLOURS = 16


def save(folder: Path, *parts: Any) -> None:
    with quietly():
        for part in parts:
            part.save_pretrained(folder)


@contextmanager
def seeded() -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        yield


def tokenizer() -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=300, special_tokens=[END], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token=END, bos_token=END, unk_token=END)


# Texts


def gpt2(folder: Path) -> None:
    """As a causal language model, with a head that nobody needs here."""
    from transformers import GPT2Config, GPT2LMHeadModel

    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(vocab_size=300, **ends, n_embd=16, n_layer=2, n_head=2, n_positions=64)
    save(folder, GPT2LMHeadModel(config), tokenizer())


def llama(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    save(folder, LlamaForCausalLM(LlamaConfig(vocab_size=300, num_key_value_heads=1, **BLOCKS)), tokenizer())


def mamba(folder: Path) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(vocab_size=300, hidden_size=16, num_hidden_layers=2, state_size=4)
    save(folder, MambaForCausalLM(config), tokenizer())


def modernbert(folder: Path) -> None:
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    ends = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0)
    save(folder, ModernBertForMaskedLM(ModernBertConfig(vocab_size=300, **BLOCKS, **ends)), tokenizer())


def t5(folder: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=300, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
    save(folder, T5ForConditionalGeneration(config), tokenizer())


# Pictures


def resnet(folder: Path) -> None:
    """With bottleneck layers, as ResNet-50 and ResNet-152 have them."""
    from transformers import ConvNextImageProcessorPil, ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(embedding_size=8, hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1], layer_type="bottleneck")
    processor = ConvNextImageProcessorPil(size={"shortest_edge": SIDE}, crop_pct=0.875)
    save(folder, ResNetForImageClassification(config), processor)


def vit(folder: Path) -> None:
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    save(folder, ViTModel(ViTConfig(**PATCHES)), ViTImageProcessorPil(size=SQUARE))


def imagegpt(folder: Path) -> None:
    """Which reads numbers of colours, one for each pixel of a very small picture."""
    from transformers import ImageGPTConfig, ImageGPTForCausalImageModeling, ImageGPTImageProcessorPil

    colours = np.random.default_rng(1).uniform(-1, 1, (COLOURS, 3))
    config = ImageGPTConfig(vocab_size=COLOURS + 1, n_positions=64, n_embd=16, n_layer=2, n_head=2)
    processor = ImageGPTImageProcessorPil(clusters=colours, size={"height": 8, "width": 8})
    save(folder, ImageGPTForCausalImageModeling(config), processor)


def dinov2(folder: Path) -> None:
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    config = Dinov2Config(**{**PATCHES, "mlp_ratio": 2})
    processor = BitImageProcessorPil(size={"shortest_edge": SIDE + 8}, crop_size=SQUARE)
    save(folder, Dinov2Model(config), processor)


def dinov3(folder: Path) -> None:
    """Whose processor is written for torchvision alone."""
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    save(folder, DINOv3ViTModel(DINOv3ViTConfig(num_register_tokens=2, **PATCHES)))
    settings = {
        "image_processor_type": "DINOv3ViTImageProcessorFast",
        "size": SQUARE,
        "resample": 2,
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def siglip(folder: Path) -> None:
    """Which has a tower for texts and one for pictures."""
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    words = BLOCKS | ends | {"vocab_size": 300, "max_position_embeddings": 16}
    model = SiglipModel(SiglipConfig(text_config=words, vision_config=PATCHES))
    save(folder, model, SiglipImageProcessorPil(size=SQUARE), tokenizer())


def clip(folder: Path) -> None:
    """The older one of its kind."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    words = BLOCKS | ends | {"vocab_size": 300, "max_position_embeddings": 16}
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SQUARE)
    save(folder, CLIPModel(CLIPConfig(text_config=words, vision_config=PATCHES)), processor, tokenizer())


TEXT: dict[str, Callable[[Path], None]] = {
    "gpt2": gpt2,
    "llama": llama,
    "mamba": mamba,
    "modernbert": modernbert,
    "t5": t5,
}
IMAGE: dict[str, Callable[[Path], None]] = {
    "resnet": resnet,
    "vit": vit,
    "imagegpt": imagegpt,
    "dinov2": dinov2,
    "dinov3": dinov3,
    "siglip": siglip,
    "clip": clip,
}


def build(family: str, folder: Path) -> Path:
    """Return a folder with a checkpoint of a family, built if it is not there."""
    if not folder.exists():
        with seeded():
            (TEXT | IMAGE)[family](folder)
    return folder


def as_cached(source: Path, cache: Path, model: str, commit: str) -> None:
    """Lay a checkpoint into a cache as the hub's client does."""
    here = cache / f"models--{model.replace('/', '--')}"
    (here / "snapshots").mkdir(parents=True)
    (here / "snapshots" / commit).symlink_to(source, target_is_directory=True)
    (here / "refs").mkdir()
    (here / "refs" / "main").write_text(commit)


def noise(width: int, height: int) -> Image.Image:
    """Return a picture that no resizing leaves alone."""
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))
