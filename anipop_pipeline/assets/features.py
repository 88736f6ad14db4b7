"""Assets of features: what tables, texts and pictures become before anything is fitted.

Belongs here: which input goes through which encoder with which pooling. Does not: encoders at work (encoding.py),
batching and pooling (embed).
"""

import dagster as dg
import polars as pl

from anipop_pipeline.assets.absence import asset
from anipop_pipeline.assets.encoding import Encoding
from anipop_pipeline.config import EncoderConfig, PictureConfig
from anipop_pipeline.lake import Folder
from anipop_pipeline.resources import EngineResource, LakeResource
from anipop_pipeline.stages import embed, features, pictures

NO_ENCODERS = "EncoderConfig.encoders = 'none'"
NO_POSTER = "no kept anime has a poster"
TORCH = ("torch", "huggingface")


@asset("features")
def tabular_features(corpus_anime: pl.DataFrame, anime: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """One row for each anime of the corpus: what a table can say about it."""
    return dg.MaterializeResult(value=features.tabular(corpus_anime, anime))


@asset("features", kinds=TORCH)
def synopsis_embeddings(
    context: dg.AssetExecutionContext,
    corpus_anime: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each anime and pooling: the text encoder's vector of its synopsis, beside the paper's readings."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=Folder(absent=NO_ENCODERS))
    encoding = Encoding(context, "text", lake, engine, config)
    ids, texts = corpus_anime["anime_id"].to_list(), _texts(corpus_anime["synopsis"])
    tables = encoding.of_anime("pooled", ids, texts, length=config.synopsis_tokens)
    for paper in embed.PAPER:
        tables += encoding.of_anime(paper, ids, texts, pooling=paper, length=config.synopsis_tokens)
    return encoding.result(tables)


@asset("features", kinds=TORCH)
def description_embeddings(
    context: dg.AssetExecutionContext,
    corpus_roles: pl.DataFrame,
    corpus_characters: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each anime and pooling: each description alone (`pooled`, `max`), or all of them as one text."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=Folder(absent=NO_ENCODERS))
    cast = features.cast(corpus_roles, corpus_characters.filter(pl.col("description").is_not_null()))
    if cast.is_empty():
        return dg.MaterializeResult(value=Folder(absent="no main character of a kept anime has a description"))
    encoding, length = Encoding(context, "text", lake, engine, config), config.description_tokens
    ids, alone = cast["anime_id"].to_list(), _texts(cast["description"])
    tables = encoding.of_anime("pooled", ids, alone, length=length, over=("mean", "max"))
    ids, whole = _by_anime(cast, "description")
    tables += encoding.of_anime("joined", ids, whole, length=length)
    for paper in embed.PAPER:
        tables += encoding.of_anime(paper, ids, whole, pooling=paper, length=length)
    return encoding.result(tables)


@asset("features", kinds=TORCH)
def portrait_embeddings(
    context: dg.AssetExecutionContext,
    corpus_roles: pl.DataFrame,
    portraits: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each anime and pooling: each portrait alone (`pooled`, `max`), or all of them side by side."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=Folder(absent=NO_ENCODERS))
    cast = features.cast(corpus_roles, portraits)
    if cast.is_empty():
        return dg.MaterializeResult(value=Folder(absent="no main character of a kept anime has a portrait"))
    encoding = Encoding(context, "image", lake, engine, config)
    alone = _files(cast["image"])
    tables = encoding.of_anime("pooled", cast["anime_id"].to_list(), alone, over=("mean", "max"))
    ids, whole = _by_anime(cast, "image")
    tables += encoding.of_anime("joined", ids, whole)
    tables += encoding.of_anime("published", ids, whole, pooling="published")
    return encoding.result([*tables, embed.of_pixels(ids, whole)])


@asset("features", kinds=TORCH)
def poster_embeddings(
    context: dg.AssetExecutionContext,
    corpus_anime: pl.DataFrame,
    posters: pl.DataFrame,
    lake: LakeResource,
    engine: EngineResource,
    config: EncoderConfig,
) -> dg.MaterializeResult[Folder]:
    """One row for each anime that has a poster: the image encoder's vector of it."""
    if config.encoders == "none":
        return dg.MaterializeResult(value=Folder(absent=NO_ENCODERS))
    shown = posters.join(corpus_anime, on="anime_id", how="semi").sort("anime_id")
    if shown.is_empty():
        return dg.MaterializeResult(value=Folder(absent=NO_POSTER))
    encoding = Encoding(context, "image", lake, engine, config)
    return encoding.result(encoding.of_anime("pooled", shown["anime_id"].to_list(), _files(shown["image"])))


@asset("features", kinds=("pillow",))
def poster_images(
    corpus_anime: pl.DataFrame, posters: pl.DataFrame, config: PictureConfig
) -> dg.MaterializeResult[Folder]:
    """One row for each anime of the corpus that has a poster: its pixels, decoded and shrunk."""
    shown = posters.join(corpus_anime, on="anime_id", how="semi")
    if shown.is_empty():
        return dg.MaterializeResult(value=Folder(absent=NO_POSTER))
    images = pictures.image_table(shown, config.side, config.workers)
    folder = Folder({"table.parquet": images.table, "rejects.parquet": images.rejects, "pixels.npy": images.pixels})
    return dg.MaterializeResult(value=folder, metadata={"rejected": images.rejects.height})


def _texts(column: pl.Series) -> list[tuple[bytes]]:
    return [(text.encode(),) for text in column]


def _files(column: pl.Series) -> list[tuple[bytes]]:
    """Return the bytes of each picture; a portrait that several anime show is in memory once."""
    seen: dict[bytes, bytes] = {}
    return [(seen.setdefault(image, image),) for image in column]


def _by_anime(cast: pl.DataFrame, column: str) -> tuple[list[int], list[tuple[bytes, ...]]]:
    """Return for each anime all of its characters' texts or pictures, in the order of its page."""
    grouped = cast.group_by("anime_id", maintain_order=True).agg(column)
    parts = [tuple(part.encode() if isinstance(part, str) else part for part in items) for items in grouped[column]]
    return grouped["anime_id"].to_list(), parts


ASSETS = [
    tabular_features,
    synopsis_embeddings,
    description_embeddings,
    portrait_embeddings,
    poster_embeddings,
    poster_images,
]
