"""Curves and histograms over the test predictions: what the charts show, aggregated over seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.report.html.boards import Board
from harness.statistics.digits import to_significant
from harness.types import BoolArray, FloatArray, IntArray

TAUS = np.round(np.linspace(0.5, 1.0, 51), 2)
BINS = 15
"""Equal-width confidence bins of the reliability diagram (thesis definition 2.1)."""
EDGES = np.arange(BINS + 1) / BINS
HISTOGRAM_EDGES = np.round(np.linspace(0.0, 1.0, 21), 2)


def uu_counts(confidence: FloatArray, wrong: BoolArray) -> IntArray:
    """Number of wrong predictions with confidence >= tau, for every tau in :data:`TAUS`."""
    ascending = np.sort(confidence[wrong])
    # The grid is cast so that a float32 confidence equal to a threshold counts: the bound is inclusive.
    return len(ascending) - np.searchsorted(ascending, TAUS.astype(ascending.dtype), side="left")


def uu_curves(board: Board) -> pd.DataFrame:
    """Per population, arm and tau: mean, smallest and largest UU count over the seeds."""
    parts = []
    for population in board.populations:
        for arm in board.arms:
            counts = np.stack(
                [uu_counts(*board.predictions(arm, seed).population(population)) for seed in board.seeds_of(arm)]
            )
            parts.append(
                pd.DataFrame(
                    {
                        "population": population,
                        "arm": arm,
                        "tau": TAUS,
                        "mean": counts.mean(axis=0).round(2),
                        "low": counts.min(axis=0),
                        "high": counts.max(axis=0),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def reliability(board: Board) -> pd.DataFrame:
    """Per population, arm and occupied confidence bin: mean confidence and accuracy, predictions of all seeds pooled."""
    parts = []
    for population in board.populations:
        if population == "perturbed":  # wrong by definition: its diagram would be a line at zero
            continue
        for arm in board.arms:
            pairs = [board.predictions(arm, seed).population(population) for seed in board.seeds_of(arm)]
            confidence = np.concatenate([pair[0] for pair in pairs])
            right = ~np.concatenate([pair[1] for pair in pairs])
            bounds = EDGES.astype(confidence.dtype)  # as thresholds are: 0.6 lies in the bin that ends at 0.6
            index = np.clip(np.searchsorted(bounds, confidence, side="left") - 1, 0, BINS - 1)
            count = np.bincount(index, minlength=BINS)
            used = count > 0
            parts.append(
                pd.DataFrame(
                    {
                        "population": population,
                        "arm": arm,
                        "left": EDGES[:-1].round(4)[used],
                        "right": EDGES[1:].round(4)[used],
                        "confidence": (
                            np.bincount(index, confidence.astype(np.float64), BINS)[used] / count[used]
                        ).round(4),
                        "accuracy": (np.bincount(index, right, BINS)[used] / count[used]).round(4),
                        "count": (count[used] / len(pairs)).round(1),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def calibration_errors(bins: pd.DataFrame) -> pd.DataFrame:
    """Expected calibration error per population and arm, from the bins of :func:`reliability`."""
    gap = (bins["confidence"] - bins["accuracy"]).abs() * bins["count"]
    sums = bins.assign(gap=gap).groupby(["population", "arm"], sort=False)[["gap", "count"]].sum()
    return (sums["gap"] / sums["count"]).rename("ece").reset_index()


def wrong_confidence(board: Board) -> pd.DataFrame:
    """Per population, arm and confidence bin: wrong predictions, mean over the seeds."""
    parts = []
    for population in board.populations:
        for arm in board.arms:
            counts = []
            for seed in board.seeds_of(arm):
                confidence, wrong = board.predictions(arm, seed).population(population)
                counts.append(np.histogram(confidence[wrong], HISTOGRAM_EDGES.astype(confidence.dtype))[0])
            mean = np.mean(counts, axis=0)
            used = np.flatnonzero(mean)
            parts.append(
                pd.DataFrame(
                    {
                        "population": population,
                        "arm": arm,
                        "left": HISTOGRAM_EDGES[:-1][used],
                        "right": HISTOGRAM_EDGES[1:][used],
                        "count": mean[used].round(2),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def timings(board: Board) -> pd.DataFrame:
    """Per arm and kind of stage: seconds in all its stages, mean over the seeds.

    A record's timings are keyed by what was done, the kind of stage first: ``"fine-tune reviews · bliss · seed 0"``.
    """
    rows = [
        {"arm": arm, "seed": seed, "stage": name.partition(" ")[0], "seconds": seconds}
        for (arm, seed), record in board.records.items()
        for name, seconds in record.header.timings.items()
    ]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "stage", "seconds"])
    sums = frame.groupby(["arm", "stage", "seed"], sort=False)["seconds"].sum()
    return sums.groupby(level=["arm", "stage"], sort=False).mean().map(to_significant).reset_index()


def metric_table(board: Board, columns: set[str]) -> pd.DataFrame:
    """The first metric table of every record that has all the given columns, with ``arm`` and ``seed``; may be empty."""
    parts = []
    for (arm, seed), record in board.records.items():
        for name in record.tables():
            frame = record.frame(name)
            if frame is not None and columns <= set(frame.columns):
                parts.append(frame.rename(columns={"arm": "whose"}).assign(arm=arm, seed=seed))
                break
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
