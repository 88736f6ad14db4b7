"""What can be learned of a title: its labels, where they come from, and how sure its votes make them.

The site displays W = v / (v + m) * S + m / (v + m) * C: S is the plain mean of v votes, m = 50, and C is the mean score
of the whole site. Four labels are known:

    score       W as displayed; every title of a corpus has it
    weighted    W recomputed from the marks of a page of statistics; null without one, for it would be W again
    plain       S: the mean of those marks, else the formula turned round; null where that would be a guess
    audience    percentile of members among titles of the same two years

Turned round, the formula multiplies what is wrong with C by m / v. Where C is but a stand-in, fewer than m votes
therefore give no `plain`. Votes are those that the page tells, else the marks of its page of statistics.

Scores that a site brings from elsewhere are labels, too: score_<source>, each on the scale of its source.

Belongs here: labels, their noise, and the check of the formula. Does not: features, which no label may ever become.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple, TypeVar

import polars as pl

from anipop_pipeline.errors import SettingError
from anipop_pipeline.stages.tables.corpus import Statistics
from anipop_pipeline.stages.tables.reports import FURTHER, LABELS, in_order

DOUBT = 50  # m: votes for the site's mean that are added to those of the audience
LOWEST, HIGHEST = 1, 10
ROUNDING = 0.01 / sqrt(12)  # spread of what two decimals leave out
MOST_ERROR = 0.05  # a fit of C that is less sure says less than the mean of displayed scores
TYPICAL_SD = 1.6  # of the marks of one title, where no histogram tells; six pages of statistics of 2015-2022 give 1.58
FEW_VOTES = 30  # fewer marks do not tell their own spread
GIVEN, FITTED, STAND_IN, UNKNOWN = "given", "fitted", "mean_of_displayed", "unknown"
NOISY = ("score", "weighted", "plain")  # labels that are means of votes

Number = TypeVar("Number", float, pl.Expr)


class SiteMean(NamedTuple):
    """C as it could be found, how, and the titles behind it."""

    value: float | None
    how: str
    titles: int


class Check(NamedTuple):
    """Displayed scores against those that the formula gives; all but `titles` are None where there is nothing."""

    titles: int
    within_rounding_share: float | None
    within_one_cent_share: float | None
    largest_error: float | None


def weighted(plain: Number, votes: Number, site_mean: float) -> Number:
    """Return the score that the site displays for a plain mean.

    >>> weighted(8.0, 150, 6.0)
    7.5
    """
    return (votes * plain + DOUBT * site_mean) / (votes + DOUBT)


def plain(weighted: Number, votes: Number, site_mean: float) -> Number:
    """Return the plain mean behind a displayed score.

    >>> plain(7.5, 150, 6.0)
    8.0
    """
    return ((votes + DOUBT) * weighted - DOUBT * site_mean) / votes


def marks(histograms: pl.DataFrame) -> pl.DataFrame:
    """Return how many marks each anime has, their mean, and their spread where there are enough to tell it.

    >>> marks(pl.DataFrame({"anime_id": [1, 1], "mark": [6, 10], "votes": [30, 10]})).rows()
    [(1, 40, 7.0, 1.7541160386140584)]
    """
    many, total = pl.col("votes").sum(), (pl.col("mark") * pl.col("votes")).sum()
    squares = (pl.col("mark") ** 2 * pl.col("votes")).sum()
    return (
        histograms.group_by("anime_id")
        .agg(many=many.cast(pl.Int64), mean=total / many, variance=(squares - total**2 / many) / (many - 1))
        .filter(pl.col("many") > 0)
        .select("anime_id", "many", "mean", sd=pl.when(pl.col("many") >= FEW_VOTES).then(pl.col("variance").sqrt()))
        .sort("anime_id")
    )


def site_mean(anime: pl.DataFrame, histograms: pl.DataFrame | None = None, given: float = 0.0) -> SiteMean:
    """Return C: the given one, else fitted by least squares where scores stand beside their marks, else a stand-in.

    The stand-in is the mean of all displayed scores. It lies near C, not on it: C weighs titles in a way that the site
    does not tell. A fit that is less sure than MOST_ERROR is not used.
    """
    if given:
        return SiteMean(given, GIVEN, 0)
    fitted = None if histograms is None else _fitted(_displayed(anime, histograms))
    if fitted is not None:
        return fitted
    scores = anime["score"].drop_nulls()
    mean = scores.mean()
    return SiteMean(mean, STAND_IN, scores.len()) if isinstance(mean, float) else SiteMean(None, UNKNOWN, 0)


def _fitted(displayed: pl.DataFrame) -> SiteMean | None:
    """Return the C that leaves the smallest squares between displayed and recomputed scores; None where it is unsure.

    W - (1 - share) * S = share * C, with share = m / (v + m): titles with many votes hardly speak of C.
    """
    share = DOUBT / (pl.col("votes") + DOUBT)
    rows = displayed.select(share=share, rest=pl.col("score") - (1 - share) * pl.col("mean"))
    weight = rows.select((pl.col("share") ** 2).sum()).item()
    if rows.height < 2 or not weight:
        return None
    value = rows.select((pl.col("share") * pl.col("rest")).sum()).item() / weight
    squares = rows.select(((pl.col("rest") - value * pl.col("share")) ** 2).sum()).item()
    error = max(sqrt(squares / (rows.height - 1)), ROUNDING) / sqrt(weight)
    sure = error <= MOST_ERROR and LOWEST <= value <= HIGHEST
    return SiteMean(float(value), FITTED, rows.height) if sure else None


def _displayed(anime: pl.DataFrame, histograms: pl.DataFrame) -> pl.DataFrame:
    """Return score, votes and mean mark of each anime that has all of them."""
    joined = _voted(anime, histograms).filter(pl.col("votes") > 0)
    return joined.select("anime_id", "score", "votes", "mean").drop_nulls()


def _voted(anime: pl.DataFrame, histograms: pl.DataFrame | None) -> pl.DataFrame:
    """Return what is known of each anime's votes; those of the page count, for the score beside them does."""
    known = marks(histograms) if histograms is not None else _NO_MARKS
    rows = anime.select("anime_id", "score", "votes").join(known, on="anime_id", how="left", validate="1:1")
    return rows.with_columns(votes=pl.coalesce("votes", "many"))


_NO_MARKS = pl.DataFrame(schema={"anime_id": pl.Int64, "many": pl.Int64, "mean": pl.Float64, "sd": pl.Float64})


def typical_sd(histograms: pl.DataFrame | None) -> float:
    """Return the spread of marks within one title: the root of the mean variance, else TYPICAL_SD."""
    if histograms is None:
        return TYPICAL_SD
    found = marks(histograms).select((pl.col("sd") ** 2).mean().sqrt()).item()
    return TYPICAL_SD if found is None else float(found)


def check(anime: pl.DataFrame, histograms: pl.DataFrame, mean: float) -> Check:
    """Return how well the formula gives the displayed scores; rounding alone is half a cent."""
    rows = _displayed(anime, histograms)
    if rows.is_empty():
        return Check(0, None, None, None)
    off = rows.select((weighted(pl.col("mean"), pl.col("votes"), mean) - pl.col("score")).abs()).to_series()
    within = [float((off <= bound + 1e-9).sum()) / rows.height for bound in (0.005, 0.01)]
    return Check(rows.height, within[0], within[1], float(off.sort()[-1]))


def labelled(
    anime: pl.DataFrame,
    histograms: pl.DataFrame | None = None,
    further: pl.DataFrame | None = None,
    given_mean: float = 0.0,
) -> pl.DataFrame:
    """Return the labels of each anime beside its displayed score, its votes, and the standard error of its plain mean.

    `votes_error` is the error that comes from who happened to vote, and from nothing else.
    """
    mean = site_mean(anime, histograms, given_mean)
    voted = _voted(anime, histograms)
    votes = pl.when(pl.col("votes") > 0).then(pl.col("votes"))
    again = _UNKNOWN if mean.value is None else weighted(pl.col("mean"), votes, mean.value)
    sure = pl.coalesce("many", votes).cast(pl.Float64).sqrt()
    rows = voted.select(
        "anime_id",
        "votes",
        weighted=again,
        plain=pl.coalesce("mean", _turned(mean)),
        votes_error=pl.coalesce("sd", pl.lit(typical_sd(histograms))) / pl.when(sure > 0).then(sure),
    )
    rows = rows.join(anime.select("anime_id", audience=audience()), on="anime_id", how="left", validate="1:1")
    return rows.join(_brought(further), on="anime_id", how="left", validate="1:1")


_UNKNOWN = pl.lit(None, dtype=pl.Float64)


def _turned(mean: SiteMean) -> pl.Expr:
    """Return the plain mean that the formula turned round gives, where it may be believed.

    One outside 1 to 10 contradicts the formula.
    """
    if mean.value is None:
        return _UNKNOWN
    fewest = DOUBT if mean.how == STAND_IN else 1
    turned = plain(pl.col("score"), pl.when(pl.col("votes") >= fewest).then(pl.col("votes")), mean.value)
    return pl.when(turned.is_between(LOWEST, HIGHEST)).then(turned)


def audience() -> pl.Expr:
    """Return the percentile of members among titles of the same two years, in the middle of ties; null if unknown."""
    year = pl.col("aired_from").dt.year().cast(pl.Int64)
    window = year // 2
    place = pl.col("members").rank("average").over(window)
    share = (place - 0.5) / pl.col("members").count().over(window)
    return pl.when(year.is_not_null() & pl.col("members").is_not_null()).then(share)


def _brought(further: pl.DataFrame | None) -> pl.DataFrame:
    """Return the scores that a site brings from elsewhere, one list for each anime."""
    columns = {"anime_id": pl.Int64(), "source": pl.String(), "score": pl.Float64()}
    rows = pl.DataFrame(schema=columns) if further is None else further.select(list(columns)).drop_nulls()
    told = pl.struct("source", "score")
    return rows.sort("anime_id", "source").group_by("anime_id", maintain_order=True).agg(further_scores=told)


def wide(corpus: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each anime and one column for each label that any of them has; with votes and their error.

    >>> further = [[{"source": "anilist", "score": 71.0}], None]
    >>> corpus = pl.DataFrame({"anime_id": [1, 2], "score": [7.0, 8.0], "further_scores": further})
    >>> wide(corpus).rows(named=True)[0]
    {'anime_id': 1, 'score': 7.0, 'score_anilist': 71.0}
    """
    known = [name for name in LABELS if name in corpus.columns and corpus[name].is_not_null().any()]
    noise = [name for name in ("votes", "votes_error") if name in corpus.columns]
    rows = corpus.select("anime_id", pl.col(known).cast(pl.Float64), *noise)
    if "further_scores" not in corpus.columns:
        return rows
    brought = corpus.select("anime_id", "further_scores").explode("further_scores", empty_as_null=True).drop_nulls()
    if brought.is_empty():
        return rows
    named = brought.unnest("further_scores").with_columns(source=pl.lit(FURTHER) + pl.col("source"))
    columns = named.pivot("source", index="anime_id", values="score", sort_columns=True)
    return rows.join(columns, on="anime_id", how="left", validate="1:1")


def long(corpus: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each anime and label that has a value.

    >>> long(pl.DataFrame({"anime_id": [1, 2], "score": [7.0, 8.0], "audience": [None, 0.5]})).rows()
    [(1, 'score', 7.0), (2, 'score', 8.0), (2, 'audience', 0.5)]
    """
    rows = wide(corpus)
    return rows.unpivot(present(rows), index="anime_id", variable_name="label", value_name="actual").drop_nulls()


def present(labels: pl.DataFrame) -> list[str]:
    """Return the labels that a wide table has."""
    return in_order(name for name in labels.columns if name in LABELS or name.startswith(FURTHER))


def ranges(corpus: pl.DataFrame) -> dict[str, list[float]]:
    """Return the smallest and the largest value of each label."""
    rows = long(corpus).group_by("label").agg(low=pl.col("actual").min(), high=pl.col("actual").max())
    found = {label: [low, high] for label, low, high in rows.iter_rows()}
    return {label: found[label] for label in in_order(found)}


def refuse_unknown(wanted: Sequence[str], labels: pl.DataFrame) -> None:
    """Refuse a label that no title of a wide table has."""
    there = present(labels)
    unknown = [name for name in wanted if name not in there]
    if unknown:
        raise SettingError(
            f"no title has the label {', '.join(unknown)}",
            where="TrainConfig.labels",
            fix=f"choose from {', '.join(there)}",
        )


def refuse_weightless(wanted: Sequence[str], labels: pl.DataFrame) -> None:
    """Refuse to weigh rows where the votes behind none of the wanted labels are known."""
    known = "votes_error" in labels.columns and labels["votes_error"].is_not_null().any()
    if wanted and not (known and {*wanted} & {*NOISY}):
        raise SettingError(
            f"no title's votes say how sure its {' or '.join(wanted)} is, so that rows cannot be weighed by them",
            where="TrainConfig.weigh_by_votes",
            fix=f"switch it off, or learn {', '.join(NOISY)} of a site that tells votes",
        )


def mean_error(label: str) -> pl.Expr:
    """Return the standard error of the plain mean behind a label, which rows are weighed by; null where none is.

    It falls with every vote. What wavers in a displayed score does not: one with a single vote is nearly the site's
    mean, stands still, and says nothing of its title.
    """
    return pl.col("votes_error") if label in NOISY else _UNKNOWN


def voting_error(label: str) -> pl.Expr:
    """Return the standard error that voting leaves in a label as it is; null where votes say nothing of it.

    The votes for the site's mean do not waver, so a weighted score has less of it than the plain mean: good for the
    ceiling of a forecast, not for how much a title teaches (mean_error).

    >>> rows = pl.DataFrame({"votes": [150], "votes_error": [0.25]})
    >>> rows.select(voting_error("plain").alias("plain"), voting_error("score").alias("score")).row(0)
    (0.25, 0.1875)
    """
    own = mean_error(label)
    if label not in NOISY or label == "plain":
        return own
    return own * pl.when(pl.col("votes") > 0).then(pl.col("votes") / (pl.col("votes") + DOUBT))


def ceiling(corpus: pl.DataFrame, label: str) -> float | None:
    """Return the R2 that voting noise alone would allow: 1 less the mean squared error of voting over the variance.

    Nothing attains it, for everything else that decides on a score is noise to a forecast, too.
    """
    if label not in NOISY or label not in corpus.columns:
        return None
    rows = corpus.select(pl.col(label).alias("actual"), voting_error(label).alias("error")).drop_nulls()
    variance = rows["actual"].var(ddof=0)
    if not isinstance(variance, float) or variance <= 0:
        return None
    noise = (rows["error"] ** 2).mean()
    return 1 - noise / variance if isinstance(noise, float) else None


def statistics(
    anime: pl.DataFrame, corpus: pl.DataFrame, histograms: pl.DataFrame | None, given_mean: float = 0.0
) -> pl.DataFrame:
    """Return titles and ceiling of each label, how C and the spread of marks were found, and the formula's check."""
    mean = site_mean(anime, histograms, given_mean)
    checked = Check(0, None, None, None)
    if histograms is not None and mean.value is not None:
        checked = check(anime, histograms, mean.value)
    rows = wide(corpus)
    figures: list[tuple[str, str, str, float | None]] = [
        *(("labels", label, "titles", float(rows[label].count())) for label in present(rows)),
        *(("ceiling", label, "r2_score", ceiling(corpus, label)) for label in present(rows) if label in NOISY),
        ("site_mean", mean.how, "score", mean.value),
        ("marks", "within_title", "sd", typical_sd(histograms)),
        *(("label_check", "all", measure, value) for measure, value in checked._asdict().items()),
    ]
    schema = {"statistic": pl.String, "bucket": pl.String, "measure": pl.String, "value": pl.Float64}
    table = pl.DataFrame(figures, schema=schema, orient="row")
    whole = table.with_columns(part=pl.lit("all"), published=pl.lit(None, dtype=pl.Float64))
    return Statistics.validate(whole.select(Statistics.column_names()), cast=True)
