"""Assets of features: what tables, texts and pictures become before anything is fitted.

Belongs here: which input goes through which encoder with which pooling. Does not: batching and pooling (embed).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import dagster as dg
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.assets.news import shown
from anipop_pipeline.config import EncoderConfig
from anipop_pipeline.demo import world
from anipop_pipeline.lake import AbsentTable
from anipop_pipeline.resources import EngineResource, LakeResource
from anipop_pipeline.stages import embed, encoders, features
from anipop_pipeline.stages.embed import Embedded, Plan

NO_ENCODERS = "EncoderConfig.encoders = 'none'"
OTHER_SEED = 1_000_003  # the demo's tokenizer is trained on a world that no one predicts
OTHER_SIZE = 400
Embed = Callable[[list[bytes], str, int], Embedded]


@asset("features")
def tabular_features(corpus_anime: pl.DataFrame, anime: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime of the corpus: what a table can say about it."""
    return dg.MaterializeResult(value=features.tabular(corpus_anime, anime))


@asset("features", kinds=("torch", "huggingface"))
def synopsis_embeddings(
    context: dg.AssetExecutionContext,
    corpus_anime: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime and pooling: the text encoder's vector of its synopsis."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=AbsentTable(NO_ENCODERS))
    through = _encoder(context, "text", lake, engine, config)
    texts = [text.encode() for text in corpus_anime["synopsis"]]
    done = {pooling: through(texts, pooling, config.synopsis_tokens) for pooling in ("mean", "published")}
    ids = corpus_anime["anime_id"].to_list()
    tables = [embed.averaged(ids, result.vectors, pooling) for pooling, result in done.items()]
    return dg.MaterializeResult(value=embed.together(*tables), metadata=_figures(*done.values()))


@asset("features", kinds=("torch", "huggingface"))
def description_embeddings(
    context: dg.AssetExecutionContext,
    corpus_roles: pl.DataFrame,
    corpus_characters: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime and pooling: all descriptions joined and cut (`published`), or each alone (`mean`)."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=AbsentTable(NO_ENCODERS))
    joined = features.descriptions(corpus_roles, corpus_characters)
    if joined.is_empty():
        return dg.MaterializeResult(value=AbsentTable("no main character of a kept anime has a description"))
    through = _encoder(context, "text", lake, engine, config)
    cast = features.cast(corpus_roles, corpus_characters.filter(pl.col("description").is_not_null()))
    whole = through([text.encode() for text in joined["descriptions"]], "published", config.description_tokens)
    alone = through([text.encode() for text in cast["description"]], "mean", config.description_tokens)
    tables = [
        embed.averaged(joined["anime_id"].to_list(), whole.vectors, "published"),
        embed.averaged(cast["anime_id"].to_list(), alone.vectors, "mean"),
    ]
    return dg.MaterializeResult(value=embed.together(*tables), metadata=_figures(whole, alone))


@asset("features", kinds=("torch", "huggingface"))
def portrait_embeddings(
    context: dg.AssetExecutionContext,
    corpus_roles: pl.DataFrame,
    portraits: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime and pooling: portraits side by side (`published`, `pixels`), or each alone (`pooled`)."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=AbsentTable(NO_ENCODERS))
    cast = features.cast(corpus_roles, portraits)
    if cast.is_empty():
        return dg.MaterializeResult(value=AbsentTable("no main character of a kept anime has a portrait"))
    through = _encoder(context, "image", lake, engine, config)
    alone = through(cast["image"].to_list(), "pooled", 0)
    by_anime = cast.group_by("anime_id", maintain_order=True).agg("image")
    rows = [embed.side_by_side(images) for images in by_anime["image"].to_list()]
    whole = through([embed.as_png(row) for row in rows], "published", 0)
    ids = by_anime["anime_id"].to_list()
    tables = [
        embed.averaged(cast["anime_id"].to_list(), alone.vectors, "pooled"),
        embed.averaged(ids, whole.vectors, "published"),
        embed.averaged(ids, [embed.first_pixels(row) for row in rows], "pixels"),
    ]
    return dg.MaterializeResult(value=embed.together(*tables), metadata=_figures(alone, whole))


@asset("features", kinds=("torch", "huggingface"))
def poster_embeddings(
    context: dg.AssetExecutionContext,
    corpus_anime: pl.DataFrame,
    posters: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime that has a poster: the image encoder's vector of it."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=AbsentTable(NO_ENCODERS))
    shown = posters.join(corpus_anime, on="anime_id", how="semi").sort("anime_id")
    if shown.is_empty():
        return dg.MaterializeResult(value=AbsentTable("no kept anime has a poster"))
    through = _encoder(context, "image", lake, engine, config)
    result = through(shown["image"].to_list(), "pooled", 0)
    table = embed.averaged(shown["anime_id"].to_list(), result.vectors, "pooled")
    return dg.MaterializeResult(value=table, metadata=_figures(result))


ASSETS = [tabular_features, synopsis_embeddings, description_embeddings, portrait_embeddings, poster_embeddings]


def _encoder(
    context: dg.AssetExecutionContext,
    modality: Literal["text", "image"],
    lake: LakeResource,
    engine: EngineResource,
    dials: EncoderConfig,
) -> Embed:
    """Return the function that embeds inputs with the encoder that the dials name."""
    model = dials.text_model if modality == "text" else dials.image_model
    if model == "auto":
        model = _tiny(modality, lake) if lake.open().invented else encoders.DEFAULTS[modality]
    encoder, device = encoders.choose(modality, model, dials.revision), encoders.device(dials.device)

    def through(contents: list[bytes], pooling: str, length: int) -> Embedded:
        plan = Plan(encoder, pooling, length, device, dials.batch)
        return embed.embed(
            contents,
            plan,
            cache=lake.open(),
            map_batches=engine.map_batches,
            progress=shown(context, pooling),
        )

    return through


def _tiny(modality: Literal["text", "image"], lake: LakeResource) -> str:
    """Return the folder of the demo's tiny model, built once from a seed."""
    texts = list(world.texts(world.build(OTHER_SIZE, OTHER_SEED))) if modality == "text" else []
    name = {"text": "tiny-gpt2", "image": "tiny-resnet"}[modality]
    folder: Path = lake.open().models_cache / f"{name}-{encoders.tiny_digest(texts, OTHER_SEED)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        if modality == "text":
            encoders.build_tiny_gpt2(str(folder), texts, OTHER_SEED)
        else:
            encoders.build_tiny_resnet(str(folder), OTHER_SEED)
    return str(folder)


def _figures(*results: Embedded) -> dict[str, int]:
    """Return how many vectors were asked for, and how many of them had to be computed."""
    return {"asked": sum(r.asked for r in results), "computed": sum(r.computed for r in results)}
