"""Every asset, in the order data flows: pages, corpus, split, features, models, reports.

Belongs here: the story, each asset a few lines that call one stage. Does not: science, paths, the environment.
"""

import dagster as dg

from anipop_pipeline.assets import corpus, features, models, pages, reports, split

ALL: list[dg.AssetsDefinition] = [
    *pages.ASSETS,
    *corpus.ASSETS,
    *split.ASSETS,
    *features.ASSETS,
    *models.ASSETS,
    *reports.ASSETS,
]
