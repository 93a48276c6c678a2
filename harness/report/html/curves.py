"""Curves and histograms over the test predictions: what the charts show, aggregated over seeds.

They are drawn from the tables that the suite's metrics stored, so that a chart shows what the scores were computed from. A
record may leave its tables out; then they are computed from its predictions, with the bins that its header says the metric had.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from harness.components.score_name import ScoreName
from harness.report.groups import Member
from harness.report.html.sections import Section
from harness.statistics.digits import to_significant
from harness.types import FloatArray
from harness.unknowns import PERTURBED, POPULATIONS, Predictions, taus

BINS = 15
"""Equal-width confidence bins of the reliability diagram (thesis definition 2.1) where a record does not say."""
HISTOGRAM_EDGES = np.round(np.linspace(0.0, 1.0, 21), 2)
"""Bounds of the histogram of wrong confidences where a record does not say."""

UU_CURVE = frozenset({"population", "tau", "count"})
RELIABILITY = frozenset({"population", "binning", "low", "high", "count", "confidence", "accuracy"})
WRONG_CONFIDENCE = frozenset({"population", "low", "high", "count"})
STORED = {"uu_curve": UU_CURVE, "reliability": RELIABILITY, "wrong_confidence": WRONG_CONFIDENCE}
"""Tables of metrics that charts are drawn from, and their columns."""


def computed_here(section: Section, table: str) -> bool:
    """Whether a chart had to be computed from predictions, because some record keeps no such table."""
    return any(member.table(table, STORED[table]) is None for member in section.records.values())


def uu_curves(section: Section) -> pd.DataFrame:
    """Per population, arm and tau: mean, smallest and largest UU count over the seeds."""
    frame = _collected(section, lambda member: _uu_counts(member, section.thresholds))
    counts = frame.groupby(["population", "arm", "tau"], sort=False)["count"].agg(["mean", "min", "max"])
    return counts.rename(columns={"min": "low", "max": "high"}).round({"mean": 2}).reset_index()


def _uu_counts(member: Member, thresholds: tuple[float, ...]) -> pd.DataFrame:
    stored = member.table("uu_curve", UU_CURVE)
    known = set() if stored is None else set(stored["tau"])
    # Every second threshold of the table, besides the suite's own.
    wanted = sorted({*taus(len(member.header.data.labels))[::2], *thresholds})
    lacking = [tau for tau in wanted if tau not in known]
    parts = [] if stored is None else [stored.loc[stored["tau"].isin(wanted), ["population", "tau", "count"]]]
    for name, predictions in member.populations.items() if lacking else ():
        counts = predictions.uu_counts(lacking)
        parts.append(pd.DataFrame({"population": name, "tau": lacking, "count": counts}))
    return pd.concat(parts, ignore_index=True).sort_values("tau", kind="stable")


def reliability(section: Section) -> pd.DataFrame:
    """Per population, arm, seed and occupied confidence bin ``(left, right]``: mean confidence, accuracy, count."""
    frame = _collected(section, binned)
    return frame[frame["count"] > 0].round({"left": 4, "right": 4}).reset_index(drop=True)


def binned(member: Member) -> pd.DataFrame:
    """The bins of equal width of a record, empty ones too: ``population, left, right, count, confidence, accuracy``."""
    stored = member.table("reliability", RELIABILITY)
    if stored is not None:
        width = stored[stored["binning"] == "width"].drop(columns="binning")
        return width.rename(columns={"low": "left", "high": "right"})
    bins = _bins_of(member, "ece") or BINS
    parts = [
        equal_width(predictions, bins).assign(population=name)
        for name, predictions in member.populations.items()
        if name != PERTURBED  # wrong by definition: its diagram would be a line at zero
    ]
    return pd.concat(parts, ignore_index=True)


def equal_width(predictions: Predictions, bins: int) -> pd.DataFrame:
    """Predictions in confidence bins of equal width, bounds rounded to the type of the confidence as thresholds are."""
    edges, predictions = np.arange(bins + 1) / bins, predictions.counted()
    confidence = predictions.confidence
    index = np.clip(np.searchsorted(edges.astype(confidence.dtype), confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {
                "left": edges[:-1],
                "right": edges[1:],
                "count": count,
                "confidence": np.bincount(index, confidence.astype(np.float64), bins) / count,
                "accuracy": np.bincount(index, predictions.correct, bins) / count,
            }
        )


def pooled(bins: pd.DataFrame) -> pd.DataFrame:
    """The bins of :func:`reliability` with the predictions of all seeds together; ``count`` is the mean over them."""
    sums = bins.assign(
        confidence=bins["confidence"] * bins["count"], accuracy=bins["accuracy"] * bins["count"]
    ).groupby(["population", "arm", "left", "right"], sort=False)[["confidence", "accuracy", "count"]]
    frame = sums.sum().reset_index()
    seeds = bins.groupby("arm")["seed"].nunique()
    frame["confidence"] = (frame["confidence"] / frame["count"]).round(4)
    frame["accuracy"] = (frame["accuracy"] / frame["count"]).round(4)
    frame["count"] = (frame["count"] / frame["arm"].map(seeds)).round(1)
    order = {arm: place for place, arm in enumerate(dict.fromkeys(bins["arm"]))}
    places = {name: place for place, name in enumerate(POPULATIONS)}
    keys = frame.assign(population=frame["population"].map(places), arm=frame["arm"].map(order))
    return frame.loc[keys.sort_values(["population", "arm", "left"], kind="stable").index].reset_index(drop=True)


def calibration_errors(bins: pd.DataFrame) -> pd.DataFrame:
    """Expected calibration error per population and arm, mean over seeds, from the bins of :func:`reliability`."""
    gap = (bins["confidence"] - bins["accuracy"]).abs() * bins["count"]
    each = bins.assign(gap=gap).groupby(["population", "arm", "seed"], sort=False)[["gap", "count"]].sum()
    errors = (each["gap"] / each["count"]).rename("ece")
    return errors.groupby(level=["population", "arm"], sort=False).mean().reset_index()


def wrong_confidence(section: Section) -> pd.DataFrame:
    """Per population, arm and confidence bin: wrong predictions, mean over the seeds."""
    frame = _collected(section, _wrong)
    mean = frame.groupby(["population", "arm", "left", "right"], sort=False)["count"].mean().round(2).reset_index()
    return mean[mean["count"] > 0].round({"left": 4, "right": 4}).reset_index(drop=True)


def _wrong(member: Member) -> pd.DataFrame:
    stored = member.table("wrong_confidence", WRONG_CONFIDENCE)
    if stored is not None:
        return stored.rename(columns={"low": "left", "high": "right"})
    bins = _bins_of(member, "confidence")
    edges = HISTOGRAM_EDGES if bins is None else np.linspace(1 / len(member.header.data.labels), 1.0, bins + 1)
    return pd.concat(
        [histogram(predictions, edges).assign(population=name) for name, predictions in member.populations.items()],
        ignore_index=True,
    )


def histogram(predictions: Predictions, edges: FloatArray) -> pd.DataFrame:
    """Wrong predictions by confidence, bounds rounded to the type of the confidence; the last bin is closed."""
    bounds = edges.astype(predictions.confidence.dtype)
    wrong = np.clip(predictions.confidence[predictions.wrong], bounds[0], bounds[-1])
    return pd.DataFrame({"left": edges[:-1], "right": edges[1:], "count": np.histogram(wrong, bounds)[0]})


def _bins_of(member: Member, stem: str) -> int | None:
    """The option ``bins`` of the metric that a score belongs to, as the record's header has it."""
    scores = member.header.scores.items()
    metric = next((score.metric for name, score in scores if ScoreName.parse(name).stem == stem), "")
    use = member.header.components.get(f"metric:{metric}")
    bins = None if use is None else use.options.get("bins")
    return bins if isinstance(bins, int) and bins > 0 else None


def _collected(section: Section, table: Callable[[Member], pd.DataFrame]) -> pd.DataFrame:
    """The tables of all records with ``arm`` and ``seed``, population by population, arm by arm."""
    parts = [
        table(member).assign(arm=arm, seed=member.header.seed) for arm in section.arms for member in section.of(arm)
    ]
    frame = pd.concat(parts, ignore_index=True)
    return pd.concat([frame[frame["population"] == name] for name in section.populations], ignore_index=True)


def timings(section: Section) -> pd.DataFrame:
    """Per arm and kind of stage: seconds in all its stages, mean over the seeds.

    Older records do not say which seconds are of which kind; theirs are of ``all stages``.
    """
    rows = []
    for (arm, seed), member in section.records.items():
        usage, prefix = member.header.usage, "seconds/"
        kinds = {name.removeprefix(prefix): value for name, value in usage.items() if name.startswith(prefix)}
        kinds = kinds or ({"all stages": total} if (total := sum(member.header.timings.values())) else {})
        rows += [{"arm": arm, "seed": seed, "stage": kind, "seconds": seconds} for kind, seconds in kinds.items()]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "stage", "seconds"])
    means = frame.groupby(["arm", "stage"], sort=False)["seconds"].mean()
    return means.map(to_significant).reset_index()


def metric_table(section: Section, columns: set[str]) -> pd.DataFrame:
    """The first metric table of every record that has all the given columns, with ``arm`` and ``seed``; may be empty."""
    parts = []
    for (arm, seed), member in section.records.items():
        for name in member.record.tables():
            frame = member.record.frame(name)
            if frame is not None and columns <= set(frame.columns):
                parts.append(frame.rename(columns={"arm": "whose"}).assign(arm=arm, seed=seed))
                break
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
