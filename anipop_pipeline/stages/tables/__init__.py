"""Every table of the lake, declared once: columns, types, key, rules.

Belongs here: schemas and what follows from a schema alone. Does not: how a value comes about.
"""

import dataframely as dy

from anipop_pipeline.stages.tables import corpus, features, pages, reports, split

# The schema of each asset that is a table.
SCHEMAS: dict[str, type[dy.Schema]] = {
    "anime_index": pages.AnimeIndex,
    "anime_pages": pages.PageIndex,
    "anime": pages.Anime,
    "histograms": pages.Histograms,
    "roles": pages.Roles,
    "character_pages": pages.PageIndex,
    "characters": pages.Characters,
    "portraits": pages.Portraits,
    "posters": pages.Posters,
    "further_scores": pages.FurtherScores,
    "parse_rejects": pages.ParseRejects,
    "corpus_anime": corpus.CorpusAnime,
    "corpus_characters": corpus.CorpusCharacters,
    "corpus_roles": corpus.CorpusRoles,
    "corpus_rejects": corpus.CorpusRejects,
    "corpus_statistics": corpus.Statistics,
    "clusters": split.Clusters,
    "splits": split.Splits,
    "imported_split": split.ImportedSplit,
    "split_statistics": corpus.Statistics,
    "tabular_features": features.TabularFeatures,
    "poster_images": features.PosterImages,
    "synopsis_embeddings": features.Embeddings,
    "description_embeddings": features.Embeddings,
    "portrait_embeddings": features.Embeddings,
    "poster_embeddings": features.Embeddings,
    "metrics": reports.Metrics,
    "audit": reports.Audit,
    "learning_curves": reports.History,
    "comparables": reports.Comparables,
}


def schema_of(asset: str) -> type[dy.Schema] | None:
    """Return the schema of an asset's table, None for an asset that has none.

    >>> schema_of("model_full").__name__
    'Predictions'
    """
    return reports.Predictions if asset.startswith("model_") else SCHEMAS.get(asset)
