"""One asset's way to vectors: which encoder its dials name, what was rejected, how fast it went.

Belongs here: from dials and resources to a plan, and from results to what an asset says of itself. Does not: which
inputs an asset has (features.py), how they become vectors (embed).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import polars as pl

from anipop_pipeline.assets.news import embedded, embedding_shown
from anipop_pipeline.config import EncoderConfig
from anipop_pipeline.demo import world
from anipop_pipeline.lake import Folder, Lake
from anipop_pipeline.resources import EngineResource, LakeResource
from anipop_pipeline.stages import embed, encoders
from anipop_pipeline.stages.embed import Plan
from anipop_pipeline.stages.encoders import Encoder
from anipop_pipeline.stages.tables.features import EmbeddingRejects
from anipop_pipeline.vectors import VectorStore

OTHER_SEED = 1_000_003  # the demo's tokenizer is trained on a world that no one predicts
OTHER_SIZE = 400
UNITS = {"text": "texts", "image": "images"}
MOST_TOLD = 20  # rejects in the log; all of them are in the table beside the vectors


@dataclass
class Encoding:
    """An encoder at work for one asset; it remembers what it rejected and where its vectors are kept."""

    context: dg.AssetExecutionContext
    modality: Literal["text", "image"]
    lake: LakeResource
    engine: EngineResource
    dials: EncoderConfig
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    shelves: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.encoder = chosen(self.modality, self.lake.open(), self.dials)
        self.device = encoders.device(self.dials.device)
        self.dtype = encoders.dtype(self.encoder.dtype, self.device)
        dials = self.dials
        asked = dials.text_revision if self.modality == "text" else dials.image_revision
        if not encoders.pinned(self.encoder.model, asked):
            name, commit = self.encoder.model, self.encoder.revision
            self.context.log.warning(
                f"{name} is not pinned: {self.modality}_revision = '{commit}' keeps this state of it"
            )

    def of_anime(
        self,
        name: str,
        ids: Sequence[int],
        inputs: Sequence[Sequence[bytes]],
        *,
        pooling: str = "",
        length: int = 0,
        over: Sequence[str] = ("mean",),
    ) -> list[pl.DataFrame]:
        """Return the vectors of inputs as tables of anime: `name` for their mean, `max` for what is largest in each.

        The pooling of each input is the encoder's own unless another one is asked for.
        """
        plan = self._plan(pooling or self.encoder.pooling, length)
        units = UNITS[self.modality]
        done = embed.embed(
            inputs,
            plan,
            cache=VectorStore(self.lake.open()),
            map_batches=self.engine.map_batches,
            progress=embedding_shown(self.context, name, units),
        )
        if done.figures.unique:
            self.context.log.info(f"{name}: {embedded(done.figures, units)}")
        self.rejects += [(ids[place], name, reason) for place, reason in done.rejected.items()]
        self.shelves.append(plan.shelf)
        self.figures |= {f"{name}/{figure}": value for figure, value in done.figures.told(units).items()}
        names = {"mean": name, "max": "max"}
        return [embed.of_anime(ids, done.vectors, done.rows, names[how], how) for how in over]

    def _plan(self, pooling: str, length: int) -> Plan:
        dials, of_paper = self.dials, pooling in embed.PAPER
        plain = "" if self.modality == "text" else "crop"
        plan = Plan(
            encoder=replace(self.encoder, layer=0, preprocessing=plain) if of_paper else self.encoder,
            pooling=pooling,
            length=length,
            long_texts="cut" if of_paper else dials.long_texts,
            dtype=self.dtype,
            kept_as=dials.vectors,
            device=self.device,
            at_once=dials.batch_tokens if self.modality == "text" else dials.batch_images,
            workers=dials.workers,
            decoders=0,
            compiled=dials.compiled,
        )
        return embed.suited(plan, os.cpu_count() or 1)

    def result(self, tables: Sequence[pl.DataFrame]) -> dg.MaterializeResult[Folder]:
        """Return the asset's tables as one, beside what was rejected, with figures for whoever watches."""
        table = embed.together(tables)
        rejects = EmbeddingRejects.validate(
            pl.DataFrame(self.rejects, schema=EmbeddingRejects.column_names(), orient="row"), cast=True
        )
        for anime_id, name, reason in self.rejects[:MOST_TOLD]:
            self.context.log.warning(f"an input of anime {anime_id} is left out of {name}: {reason}")
        why = f"none of its inputs could be read: {self.rejects[0][2]}" if self.rejects else "there are no inputs"
        absent = None if table.height else why
        folder = Folder(
            {"table.parquet": table, "rejects.parquet": rejects}, absent=absent, notes={"shelves": self.shelves}
        )
        said = {"encoder": self.encoder.model, "revision": self.encoder.revision or "a folder", "device": self.device}
        dials = dg.MetadataValue.json(self.dials.model_dump())
        return dg.MaterializeResult(
            value=folder, metadata={**said, "dtype": self.dtype, "dials": dials, **self.figures}
        )


def chosen(modality: Literal["text", "image"], lake: Lake, dials: EncoderConfig) -> Encoder:
    """Return the encoder that the dials name: on an invented site a tiny one unless they say otherwise."""
    model = dials.text_model if modality == "text" else dials.image_model
    if model == "auto":
        model = _tiny(modality, lake) if lake.invented else encoders.DEFAULTS[modality]
    text = modality == "text"
    return encoders.choose(
        modality,
        model,
        revision=dials.text_revision if text else dials.image_revision,
        pooling=dials.text_pooling if text else dials.image_pooling,
        layer=dials.text_layer if text else dials.image_layer,
        dtype=dials.dtype,
        preprocessing=dials.text_prefix if text else dials.image_preprocessing,
        remote_code=dials.remote_code,
    )


def _tiny(modality: Literal["text", "image"], lake: Lake) -> str:
    """Return the folder of the demo's tiny model, built once from a seed."""
    texts = list(world.texts(world.build(OTHER_SIZE, OTHER_SEED))) if modality == "text" else []
    name = {"text": "tiny-gpt2", "image": "tiny-resnet"}[modality]
    folder: Path = lake.models_cache / f"{name}-{encoders.tiny_digest(texts, OTHER_SEED)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        if modality == "text":
            encoders.build_tiny_gpt2(str(folder), texts, OTHER_SEED)
        else:
            encoders.build_tiny_resnet(str(folder), OTHER_SEED)
    return str(folder)
