"""Texts, tokens and images a second of our encoders beside two peers, and the share of this machine's speed.

    python benchmarks/embed.py REAL [--device cpu|cuda] [--texts 384] [--images 200] [--length 128] [--rounds 3]
    python benchmarks/embed.py REAL --corpus        # as many texts and portraits as paper A has: an accelerator's work

REAL holds `tables/anime_2021.parquet` (synopses), `tokenizer/` (GPT-2's) and `posters/*.jpg`. Models are GPT-2 and
ResNet-50 of their published sizes with random weights: how fast they are does not depend on what they know. Peers are
the plain loop of transformers (batches of 16 in input order, float32) and sentence-transformers (mean pooling over the
same GPT-2), if it is installed. Models are loaded before the clock starts; reading tokens and pictures is on the clock.
The median of the rounds counts.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from transformers import ConvNextImageProcessorPil, GPT2Config, GPT2Model, GPT2TokenizerFast, ResNetConfig, ResNetModel

from anipop_pipeline.engine import map_batches
from anipop_pipeline.lake import open_lake
from anipop_pipeline.stages import embed, encoders, pictures
from anipop_pipeline.stages.embed import Plan, speed
from anipop_pipeline.vectors import VectorStore

PLAIN_BATCH = 16
SENTENCE_BATCH = 32  # what sentence-transformers takes when nobody says otherwise
SYNOPSES, DESCRIPTIONS, PORTRAIT = 7784, 14_682, (225, 350)  # of paper A; as many portraits as descriptions
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
Vectors = np.ndarray


class Nowhere:
    """A cache that keeps nothing."""

    def find(self, _shelf: str, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return that none is there."""
        return np.zeros(len(keys), dtype=bool), np.empty((0, 0), dtype=np.float32)

    @contextmanager
    def keeping(self, _shelf: str, _about: Mapping[str, Any], _dtype: str) -> Iterator[Callable[..., None]]:
        """Give a function that forgets."""
        yield lambda _keys, _vectors: None


def build(folder: Path, real: Path) -> tuple[str, str]:
    """Write both models of their published sizes, with random weights, as checkpoints."""
    torch.manual_seed(0)
    text, image = folder / "gpt2", folder / "resnet-50"
    GPT2Model(GPT2Config()).save_pretrained(text)
    GPT2TokenizerFast.from_pretrained(real / "tokenizer").save_pretrained(text)
    ResNetModel(ResNetConfig()).save_pretrained(image)
    ConvNextImageProcessorPil(size={"shortest_edge": 224}, crop_pct=0.875, **IMAGENET).save_pretrained(image)
    return str(text), str(image)


def synopses(real: Path, count: int) -> list[str]:
    told = pl.read_parquet(real / "tables" / "anime_2021.parquet")["synopsis"].drop_nulls()
    long_enough = told.filter(told.str.split(" ").list.len() >= 20).unique(maintain_order=True)
    order = np.random.default_rng(0).permutation(len(long_enough))
    return long_enough[np.resize(order, count).tolist()].to_list()


def posters(real: Path, count: int) -> list[bytes]:
    return [path.read_bytes() for path in sorted((real / "posters").glob("*.jpg"))[:count]]


def portraits(real: Path, count: int) -> list[bytes]:
    """Return different files of a portrait's size, cut and mirrored out of posters."""
    files, drawn = posters(real, 10**6), np.random.default_rng(0)
    made = []
    while len(made) < count:
        with Image.open(BytesIO(files[len(made) % len(files)])) as poster:
            left, top = (int(value) for value in drawn.integers(0, 20, 2))
            cut = poster.convert("RGB").crop((left, top, poster.width, poster.height)).resize(PORTRAIT)
        file = BytesIO()
        cut.save(file, "JPEG", quality=85)
        made.append(file.getvalue())
    return made


# Peers


def plain_texts(folder: str, device: str, length: int) -> Callable[[list[str]], Vectors]:
    tokenizer = GPT2TokenizerFast.from_pretrained(folder, pad_token="<|endoftext|>")
    model = GPT2Model.from_pretrained(folder).eval().to(device)

    def run(texts: list[str]) -> Vectors:
        found = []
        for start in range(0, len(texts), PLAIN_BATCH):
            batch = texts[start : start + PLAIN_BATCH]
            inputs = tokenizer(batch, return_tensors="pt", padding=True, truncation=True, max_length=length).to(device)
            with torch.no_grad():
                states = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1)
            found.append(((states * mask).sum(1) / mask.sum(1)).cpu().numpy())
        return np.concatenate(found)

    return run


def sentence_transformers(folder: str, device: str, length: int) -> Callable[[list[str]], Vectors] | None:
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer import modules as parts
    except ImportError:
        print("sentence-transformers is not installed: its row is left out", file=sys.stderr)
        return None
    words = parts.Transformer(folder, max_seq_length=length)
    words.tokenizer.pad_token = words.tokenizer.eos_token
    model = SentenceTransformer(modules=[words, parts.Pooling(768, pooling_mode="mean")], device=device)
    return lambda texts: model.encode(texts, batch_size=SENTENCE_BATCH, show_progress_bar=False)


def plain_images(folder: str, device: str) -> Callable[[list[bytes]], Vectors]:
    processor = ConvNextImageProcessorPil.from_pretrained(folder)
    model = ResNetModel.from_pretrained(folder).eval().to(device)

    def run(files: list[bytes]) -> Vectors:
        found = []
        for start in range(0, len(files), PLAIN_BATCH):
            shown = [pictures.decode(file) for file in files[start : start + PLAIN_BATCH]]
            pixels = processor(images=shown, return_tensors="pt")["pixel_values"].to(device)
            with torch.no_grad():
                found.append(model(pixel_values=pixels).last_hidden_state.mean((2, 3)).cpu().numpy())
        return np.concatenate(found)

    return run


# Ours


def ours(plan: Plan) -> Callable[[list[Any]], Vectors]:
    run: Callable[[list[Any]], embed.Embedded] = lambda given: embed.embed(  # noqa: E731
        [(one.encode() if isinstance(one, str) else one,) for one in given],
        plan,
        cache=Nowhere(),
        map_batches=map_batches,
        progress=lambda _figures: None,
    )
    return lambda given: (found := run(given)).vectors[found.rows]


def plan_of(modality: Any, folder: str, device: str, length: int, **more: Any) -> Plan:
    encoder = encoders.choose(modality, folder)
    plan = Plan(encoder, "mean", length, dtype=encoders.dtype("auto", device), device=device, workers=0, decoders=0)
    return embed.suited(replace(plan, **more), os.cpu_count() or 1)


# The table


def seconds_of(run: Callable[[list[Any]], Vectors], given: list[Any], rounds: int) -> tuple[float, Vectors]:
    run(given[:32])  # loads, warms up
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        found = run(given)
        spent.append(time.perf_counter() - start)
    return statistics.median(spent), found


def off(found: Vectors, expected: Vectors) -> float:
    return float((np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max())


def show(title: str, rows: list[tuple[str, float, float, Vectors]], units: dict[str, float], work: float) -> None:
    first, reference = rows[0][1], rows[0][3]
    names = "".join(f"{name + '/s':>12}" for name in units)
    print(f"\n{title}\n{'':<42}{'seconds':>9}{names}{'ratio':>8}{'TFLOP/s':>9}{'share':>7}{'off by':>9}")
    for name, spent, peak, found in rows:
        paces = "".join(f"{count / spent:>12,.1f}" for count in units.values())
        pace = work / spent
        print(f"{name:<42}{spent:>9.2f}{paces}{first / spent:>7.2f}x{pace / 1e12:>9.3f}{pace / peak:>7.0%}"
              f"{off(found, reference):>9.4f}")  # fmt: skip


def texts_table(folder: str, real: Path, asked: argparse.Namespace, gemm: dict[str, float]) -> None:
    given = synopses(real, asked.texts)
    tokenizer = GPT2TokenizerFast.from_pretrained(folder)
    tokens = sum(len(row) for row in tokenizer(given, truncation=True, max_length=asked.length)["input_ids"])
    plan = plan_of("text", folder, asked.device, asked.length)
    runs: dict[str, tuple[Any, str]] = {
        "plain loop (16, input order, float32)": (plain_texts(folder, asked.device, asked.length), "float32"),
        "sentence-transformers (32, float32)": (
            sentence_transformers(folder, asked.device, asked.length), "float32"),
        f"ours ({plan.at_once} tokens, float32)": (ours(replace(plan, dtype="float32")), "float32"),
        f"ours ({plan.at_once} tokens, {plan.dtype})": (ours(plan), plan.dtype),
    }  # fmt: skip
    if asked.compiled:
        compiled = plan_of("text", folder, asked.device, asked.length, compiled=True)
        runs[f"ours, compiled ({compiled.dtype})"] = (ours(compiled), compiled.dtype)
    rows = [
        (name, *(timed := seconds_of(run, given, asked.rounds))[:1], gemm[kind], timed[1])
        for name, (run, kind) in runs.items()
        if run is not None
    ]
    from anipop_pipeline.stages.embed.loaded import text_model

    work = tokens * text_model(plan.encoder, plan.device, plan.dtype, compiled=False).flops_each
    show(f"{len(given)} synopses, {tokens:,} tokens in windows of {asked.length}, GPT-2 of 124 M parameters",
         rows, {"texts": len(given), "tokens": tokens}, work)  # fmt: skip


def images_table(folder: str, real: Path, asked: argparse.Namespace, gemm: dict[str, float]) -> None:
    given = posters(real, asked.images)
    plan = plan_of("image", folder, asked.device, 0)
    runs = {
        "plain loop (16, float32)": (plain_images(folder, asked.device), "float32"),
        f"ours ({plan.at_once} pictures, float32)": (ours(replace(plan, dtype="float32")), "float32"),
        f"ours ({plan.at_once} pictures, {plan.dtype})": (ours(plan), plan.dtype),
    }
    rows = [
        (name, *(timed := seconds_of(run, given, asked.rounds))[:1], gemm[kind], timed[1])
        for name, (run, kind) in runs.items()
    ]
    from anipop_pipeline.stages.embed.loaded import image_model

    work = len(given) * image_model(plan.encoder, plan.device, plan.dtype, compiled=False).flops_each
    show(f"{len(given)} posters of about 225 x 318, ResNet-50", rows, {"images": len(given)}, work)


def rerun_table(folder: str, real: Path, asked: argparse.Namespace, lake: Path) -> None:
    """Time a first run into a lake's cache, the same again, and with one text in a hundred new."""
    count = asked.cached
    given = synopses(real, count + count // 100)
    plan, store = plan_of("text", folder, asked.device, asked.length), VectorStore(open_lake(str(lake), "demo"))

    def once(texts: list[str]) -> tuple[float, int]:
        start = time.perf_counter()
        found = embed.embed([(text.encode(),) for text in texts], plan, cache=store, map_batches=map_batches,
                            progress=lambda _figures: None)  # fmt: skip
        return time.perf_counter() - start, found.figures.computed

    first = once(given[:count])
    print(f"\nThe cache\n{'':<42}{'seconds':>9}{'computed':>10}{'of the first':>14}")
    for name, (spent, computed) in (
        ("first run", first),
        ("nothing changed", once(given[:count])),
        ("one text in a hundred is new", once(given)),
    ):
        print(f"{name:<42}{spent:>9.3f}{computed:>10,}{spent / first[0]:>14.2%}")


def corpus_table(text: str, image: str, real: Path, asked: argparse.Namespace, gemm: dict[str, float]) -> None:
    """Time as many texts and portraits as the paper's corpus has, models loaded; synopses stand for descriptions."""
    told = [f"{number} {one}" for number, one in enumerate(synopses(real, SYNOPSES + DESCRIPTIONS))]  # no two alike
    work: list[tuple[str, Plan, list[Any]]] = [
        ("synopses", plan_of("text", text, asked.device, 128), told[:SYNOPSES]),
        ("descriptions", plan_of("text", text, asked.device, 256), told[SYNOPSES:]),
        ("portraits", plan_of("image", image, asked.device, 0), portraits(real, DESCRIPTIONS)),
    ]
    everything = 0.0
    for name, plan, given in work:
        inputs = [(one.encode() if isinstance(one, str) else one,) for one in given]
        more: Any = {"cache": Nowhere(), "map_batches": map_batches, "progress": lambda _figures: None}
        embed.embed(inputs[:512], plan, **more)
        start = time.perf_counter()
        figures = embed.embed(inputs, plan, **more).figures
        spent = time.perf_counter() - start
        everything += spent
        paces = f"{len(given) / spent:,.0f}/s, {figures.tokens / spent:,.0f} tokens/s"
        share = figures.flops / spent / gemm[plan.dtype]
        print(f"{len(given):,} {name}: {spent:.2f} s, {paces}, {share:.0%} of the speed of one large product")
    print(f"all: {everything:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--texts", type=int, default=384)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--cached", type=int, default=1000, help="texts of the first run into a cache")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compiled", action="store_true", help="a row for torch.compile, too")
    parser.add_argument("--corpus", action="store_true", help="as many texts and portraits as the paper's corpus has")
    asked = parser.parse_args()
    asked.device = encoders.device(asked.device)
    kinds = {"float32", encoders.dtype("auto", asked.device)}
    gemm = {kind: speed.matrix_flops(asked.device, kind) for kind in sorted(kinds)}
    for kind, pace in gemm.items():
        print(f"one large product in {kind}: {pace / 1e12:.3f} TFLOP/s")
    with tempfile.TemporaryDirectory() as folder:
        text, image = build(Path(folder), asked.real)
        if asked.corpus:
            corpus_table(text, image, asked.real, asked, gemm)
            return
        texts_table(text, asked.real, asked, gemm)
        images_table(image, asked.real, asked, gemm)
        rerun_table(text, asked.real, asked, Path(folder) / "lake")


if __name__ == "__main__":
    main()
