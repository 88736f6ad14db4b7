"""What must hold of a table before anything reads it; a blocking check stops the graph.

Some checks compare a table with the last one that they accepted. What they accepted lies beside the table in the lake
as NAME_accepted, a manifest without files, and only a check that passes replaces it: a broken crawl that is run again
is judged by the last good one again, and a dial that is raised for one run accepts what it lets pass for good.

Belongs here: statements about tables that a schema cannot make. Does not: rules of single rows, which are in schemas.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from anipop_pipeline.config import CheckConfig
from anipop_pipeline.errors import LaterTier
from anipop_pipeline.lake import TABLE, Folder, Lake, Manifest, clock, reason_absent
from anipop_pipeline.resources import LakeResource, plainly
from anipop_pipeline.stages import cluster, experiments, health
from anipop_pipeline.stages.features import FRANCHISE
from anipop_pipeline.stages.tables.pages import NOT_ON_SITE
from anipop_pipeline.stages.tables.split import MAY_TEAR

FEW_PAGES = 20  # of fewer pages, one says nothing about the site
PARSED = ("anime", "histograms", "roles", "characters", "portraits", "posters")  # tables that are read from pages
FOLD = ["split", "repeat", "fold"]
LIST_DIALS = ("listing", "first_pages")  # notes of a list that say which anime it was asked for


def _rejects_within_bounds(table: Folder, dials: CheckConfig) -> dg.AssetCheckResult:
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
    def few_rejects(table: Folder, config: CheckConfig) -> dg.AssetCheckResult:
        """Pages that cannot be read are few; many say that the site's layout has changed."""
        return _rejects_within_bounds(table, config)

    return few_rejects


def _filled_check(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=name, name="fields_stay_filled", blocking=True)
    def fields_stay_filled(lake: LakeResource, config: CheckConfig) -> dg.AssetCheckResult:
        """No column lost its values, and pages still give rows; else the site's layout has changed."""
        with plainly():
            opened = lake.open()
            table = opened.manifest(name)
            if opened.imported() is not None or "health" not in table.notes:
                return dg.AssetCheckResult(passed=True, description="not crawled here")
            return _compared(opened, table, health.Health(**table.notes["health"]), config)

    return fields_stay_filled


@dg.asset_check(asset="anime_index", blocking=True)
def enough_listed(lake: LakeResource, config: CheckConfig) -> dg.AssetCheckResult:
    """As many anime are listed as before, or nearly; else a link from page to page is no longer found."""
    with plainly():
        opened = lake.open()
        table = opened.manifest("anime_index")
        if table.absent is not None or not table.notes.get("complete", True):
            return dg.AssetCheckResult(passed=True, description="not all of the list was read")
        listed = health.Health(rows=int(table.files[TABLE]["rows"]), pages=1, filled={})
        return _compared(opened, table, listed, config)


def _compared(lake: Lake, table: Manifest, now: health.Health, dials: CheckConfig) -> dg.AssetCheckResult:
    """Say what a table lost since the last one that was accepted; where that is nothing much, accept this one."""
    before = _accepted(lake, table)
    lost = {} if before is None else _lost(table.asset, now, before, dials)
    if now.pages and not lost:  # where no page was read, nothing is known of the next ones
        kept = now if before is None else health.remembered(now, before, CheckConfig().max_fill_drop)
        notes = {"health": kept.noted(), "of": table.digest, **_asked_for(table.notes)}
        lake.save(_accepted_name(table.asset), Folder(notes=notes), {}, clock())
    return dg.AssetCheckResult(
        passed=not lost,
        metadata={"now": now.noted(), "before": before.noted() if before else None},
        description=_advice(table.asset, lost) if lost else _all_well(now, before),
    )


def _accepted_name(table: str) -> str:
    return f"{table}_accepted"


def _accepted(lake: Lake, table: Manifest) -> health.Health | None:
    """Return the health that a table is compared with; None for the first one, or where other anime were asked for."""
    if not lake.has(_accepted_name(table.asset)):
        return None
    notes = lake.manifest(_accepted_name(table.asset)).notes
    then, now = _asked_for(notes), _asked_for(table.notes)
    return (
        None if any(then[dial] != now[dial] for dial in then.keys() & now.keys()) else health.Health(**notes["health"])
    )


def _asked_for(notes: Mapping[str, Any]) -> dict[str, Any]:
    return {dial: notes[dial] for dial in LIST_DIALS if dial in notes}


def _lost(name: str, now: health.Health, before: health.Health, dials: CheckConfig) -> dict[str, list[str]]:
    """Return what a table lost in readable lines, by the dial that would allow it."""
    emptied = health.emptied(now, before, dials.max_fill_drop)
    lines = {"max_fill_drop": [f"{what} filled {_percent(a)} -> {_percent(b)}" for what, (a, b) in emptied.items()]}
    if health.dwindled(now, before, dials.max_row_drop):
        lines["max_row_drop"] = [f"{name} has {now.rows} rows, {health.expected_rows(now, before):.0f} were expected"]
    return {dial: told for dial, told in lines.items() if told}


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _advice(name: str, lost: Mapping[str, list[str]]) -> str:
    layout = f"the layout of the {name} pages has probably changed"
    reason = "the link to the next page of the list is probably no longer found" if name == "anime_index" else layout
    dials = " ".join(f"{dial}=1" for dial in lost)
    advice = f"if it is right, run once with CheckConfig {dials} (launchpad or anipop.toml), which accepts it for good"
    return "\n".join([*(line for lines in lost.values() for line in lines), f"{reason}; {advice}"])


def _all_well(now: health.Health, before: health.Health | None) -> str:
    compared = "nothing to compare with yet" if before is None else f"{before.rows} rows were accepted before"
    return f"{now.rows} rows, as full as they should be; {compared}"


@dg.asset_check(asset="splits", blocking=True, additional_ins={"clusters": dg.AssetIn("clusters")})
def clusters_stay_whole(splits: pl.DataFrame, clusters: pl.DataFrame) -> dg.AssetCheckResult:
    """No cluster is torn apart in `published` and `grouped`; `temporal` and `authors` mark what they tear."""
    lost = splits.join(clusters, on="anime_id", how="anti").height
    families = clusters.select("anime_id", group="cluster_id")
    wrong, by_authors = cluster.torn(splits, families), cluster.torn_by_authors(splits, families)
    return dg.AssetCheckResult(
        passed=wrong + lost == 0,
        metadata={"torn_clusters": wrong, "torn_by_authors": by_authors, "without_cluster": lost},
        description=f"the split that this site brings tears {by_authors} clusters apart" if by_authors else None,
    )


@dg.asset_check(asset="splits", blocking=True, additional_ins={"corpus_roles": dg.AssetIn("corpus_roles")})
def characters_stay_whole(splits: pl.DataFrame, corpus_roles: pl.DataFrame) -> dg.AssetCheckResult:
    """No main character plays on both sides of `published` and `grouped`; elsewhere a mark says where one does."""
    wrong = cluster.torn(splits, corpus_roles.select("anime_id", group="character_id"))
    return dg.AssetCheckResult(passed=wrong == 0, metadata={"torn_characters": wrong})


@dg.asset_check(
    asset="splits", blocking=True, additional_ins={name: dg.AssetIn(name) for name in ("clusters", "corpus_anime")}
)
def franchises_stay_whole(splits: pl.DataFrame, clusters: Folder, corpus_anime: pl.DataFrame) -> dg.AssetCheckResult:
    """Where clusters were made of franchises too, none is torn apart in `published` and `grouped`."""
    if not clusters.notes.get("franchises", False):
        return dg.AssetCheckResult(passed=True, description="franchises may be torn apart: the dial is off")
    named = cluster.relatives(corpus_anime, FRANCHISE).select("anime_id", group="related_id")
    itself = corpus_anime.select("anime_id", group="anime_id")
    wrong = cluster.torn(splits, pl.concat([named, itself]))
    return dg.AssetCheckResult(passed=wrong == 0, metadata={"torn_franchises": wrong})


@dg.asset_check(
    asset="splits", blocking=True, additional_ins={name: dg.AssetIn(name) for name in ("clusters", "corpus_anime")}
)
def splits_are_complete(
    splits: pl.DataFrame, clusters: pl.DataFrame, corpus_anime: pl.DataFrame
) -> dg.AssetCheckResult:
    """Every title is placed once in each fold and tested once in `grouped`; parts, marks and years are as promised."""
    plain = splits.with_columns(pl.col("split", "part").cast(pl.String))
    free = cluster.outside_lockbox(clusters)
    placed = clusters if plain.join(free, on="anime_id", how="anti").height else free
    years = placed.select("anime_id").join(corpus_anime.select("anime_id", "year"), on="anime_id", how="inner")
    found = {
        "rows that stand twice in a fold": plain.height - plain.unique([*FOLD, "anime_id"]).height,
        "rows that a fold lacks": _unplaced(plain, placed, years),
        "folds without train or without test": plain.group_by(FOLD).agg(n=pl.n_unique("part")).filter(n=1).height,
        "titles that `grouped` does not test exactly once": _not_tested_once(plain, placed),
        "rows whose mark `seen` is wrong": _wrongly_marked(plain, clusters),
        "rows of `temporal` that are out of their time": _out_of_time(plain, years),
    }
    said = "; ".join(f"{what}: {rows}" for what, rows in found.items() if rows)
    return dg.AssetCheckResult(
        passed=not said, metadata={"faults": sum(found.values())}, description=said or "every title is in its place"
    )


def _unplaced(splits: pl.DataFrame, placed: pl.DataFrame, years: pl.DataFrame) -> int:
    """Return how many rows are not there, over all folds: `authors` places whom it likes, `temporal` the dated."""
    dated = years.drop_nulls("year")
    wanted = {"published": placed, "grouped": placed, **({"temporal": dated} if dated["year"].n_unique() > 1 else {})}
    lacking = 0
    for name, titles in wanted.items():
        own = splits.filter(pl.col("split") == name).unique([*FOLD, "anime_id"])
        folds = max(own.select(FOLD).n_unique(), 1)
        lacking += folds * titles.height - own.join(titles, on="anime_id", how="semi").height
    return lacking


def _not_tested_once(splits: pl.DataFrame, placed: pl.DataFrame) -> int:
    tested = splits.filter(pl.col("split") == "grouped", pl.col("part") == "test").group_by("repeat", "anime_id").len()
    often = tested.filter(pl.col("len") > 1).height
    return often + placed.join(tested, on="anime_id", how="anti").height


def _wrongly_marked(splits: pl.DataFrame, clusters: pl.DataFrame) -> int:
    """Return how many rows are not marked as seen though train has their cluster, or are and it does not."""
    rows = splits.filter(pl.col("split").is_in(MAY_TEAR)).join(clusters, on="anime_id", how="inner", validate="m:1")
    known = (pl.col("part") == "train").any().over([*FOLD, "cluster_id"])
    return rows.filter(pl.col("seen") != ((pl.col("part") == "test") & known)).height


def _out_of_time(splits: pl.DataFrame, years: pl.DataFrame) -> int:
    """Return how many rows of `temporal` have no year, or are tested though train has something as young."""
    rows = splits.filter(pl.col("split") == "temporal").join(years, on="anime_id", how="left", validate="m:1")
    newest = pl.col("year").filter(pl.col("part") == "train").max()
    late = (pl.col("part") == "test") & (pl.col("year") <= newest)
    return rows.filter(pl.col("year").is_null() | late.fill_null(value=False)).height


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
    """There is enough to learn from: at least ten anime are left after cleaning, where a site has a corpus."""
    absent = reason_absent(corpus_anime)
    passed = absent is not None or corpus_anime.height >= 10
    return dg.AssetCheckResult(passed=passed, metadata={"anime": corpus_anime.height}, description=absent)


ALL = [
    *(_rejects_check(name) for name in PARSED),
    *(_filled_check(name) for name in PARSED),
    enough_listed,
    corpus_is_not_empty,
    clusters_stay_whole,
    characters_stay_whole,
    franchises_stay_whole,
    splits_are_complete,
    inputs_exist_at_their_tier,
]
