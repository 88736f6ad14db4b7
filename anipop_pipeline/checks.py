"""What must hold of a table before anything reads it; a blocking check stops the graph.

Belongs here: statements about tables that a schema cannot make. Does not: rules of single rows, which are in schemas.
"""

import dagster as dg
import polars as pl

from anipop_pipeline.config import ParseConfig
from anipop_pipeline.errors import LaterTier
from anipop_pipeline.lake import Folder
from anipop_pipeline.stages import experiments
from anipop_pipeline.stages.tables.pages import NOT_ON_SITE

FEW_PAGES = 20  # of fewer pages, one says nothing about the site


def _rejects_within_bounds(table: Folder, dials: ParseConfig) -> dg.AssetCheckResult:
    """Say whether so many pages could not be read, or found, that the site has probably changed."""
    if table.absent is not None or "rejects.parquet" not in table.files:
        return dg.AssetCheckResult(passed=True, description="not crawled here")
    rejects, pages = table.table("rejects"), int(table.notes.get("pages", 0))
    gone = pl.col("reason") == NOT_ON_SITE
    unread, missing = _pages(rejects.filter(~gone)), _pages(rejects.filter(gone))
    changed = [
        *([] if _few(unread, pages, dials.max_reject_share) else ["layout"]),
        *([] if _few(missing, pages, dials.max_missing_share) else ["addresses"]),
    ]
    return dg.AssetCheckResult(
        passed=not changed,
        metadata={
            "share": unread / pages if pages else 0.0,
            "allowed": dials.max_reject_share,
            "unread": unread,
            "missing_share": missing / pages if pages else 0.0,
            "allowed_missing": dials.max_missing_share,
            "missing": missing,
            "pages": pages,
        },
        description=f"{unread} of {pages} pages could not be read, {missing} are not on the site"
        + "".join(f": the {what} of the site probably changed" for what in changed),
    )


def _pages(rejects: pl.DataFrame) -> int:
    """Return how many pages rejects come from; an id names the page, the url of a role is that of a character."""
    return rejects.select(pl.coalesce(pl.col("id").cast(pl.String), "url")).n_unique() if rejects.height else 0


def _few(count: int, pages: int, allowed: float) -> bool:
    return count <= allowed * pages or (count == 1 and pages < FEW_PAGES)


def _rejects_check(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=name, name="few_rejects", blocking=True)
    def few_rejects(table: Folder, config: ParseConfig) -> dg.AssetCheckResult:
        """Pages that cannot be read are few; many say that the site's layout has changed."""
        return _rejects_within_bounds(table, config)

    return few_rejects


@dg.asset_check(asset="splits", blocking=True, additional_ins={"clusters": dg.AssetIn("clusters")})
def clusters_stay_whole(splits: pl.DataFrame, clusters: pl.DataFrame) -> dg.AssetCheckResult:
    """No cluster is torn apart in `published` and `grouped`, and `temporal` marks what it tears."""
    placed = splits.join(clusters, on="anime_id", how="left", validate="m:1")
    lost = placed["cluster_id"].null_count()
    marked = pl.col("seen") & (pl.col("split") == "temporal")
    torn = placed.group_by("split", "repeat", "fold", "cluster_id").agg(
        parts=pl.col("part").n_unique(), unmarked=((pl.col("part") == "test") & ~marked).any()
    )
    wrong = torn.filter((pl.col("parts") > 1) & pl.col("unmarked")).height
    return dg.AssetCheckResult(passed=wrong + lost == 0, metadata={"torn_clusters": wrong, "without_cluster": lost})


@dg.asset_check(asset="tabular_features", blocking=True)
def inputs_exist_at_their_tier(tabular_features: pl.DataFrame) -> dg.AssetCheckResult:
    """No experiment looks at something of a later tier than it declares."""
    del tabular_features  # the ledger speaks of columns, whatever their values
    late = []
    for experiment in experiments.EXPERIMENTS.values():
        try:
            experiments.check_ledger(experiment)
        except LaterTier as refused:
            late.append(str(refused))
    return dg.AssetCheckResult(passed=not late, description="; ".join(late) or "every input exists at its tier")


@dg.asset_check(asset="corpus_anime", blocking=True)
def corpus_is_not_empty(corpus_anime: pl.DataFrame) -> dg.AssetCheckResult:
    """There is enough to learn from: at least ten anime are left after cleaning."""
    return dg.AssetCheckResult(passed=corpus_anime.height >= 10, metadata={"anime": corpus_anime.height})


ALL = [
    *(_rejects_check(name) for name in ("anime", "roles", "characters", "portraits", "posters")),
    corpus_is_not_empty,
    clusters_stay_whole,
    inputs_exist_at_their_tier,
]
