"""Score an arm against planted blind spots, whose members the test set's tags tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.components import Outcome, Score, Scores
from harness.statistics.digits import exact
from harness.unknowns import clean
from harness_metrics.clusters import normalised

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray

PREFIX = "planted:"
NEIGHBOURS = 5


def spots_of(outcome: Outcome) -> list[str]:
    """The tags of planted blind spots in the test set, sorted."""
    return sorted({tag for example in outcome.test for tag in example.tags if tag.startswith(PREFIX)})


def score_planted(outcome: Outcome) -> Scores:
    """Found, hit, repaired and what it cost; nothing when no blind spot is planted. On the clean population."""
    import pandas as pd

    tags = spots_of(outcome)
    if not tags:
        return Scores({})
    arm, base = clean(outcome), clean(outcome if outcome.baseline is None else outcome.baseline)
    tau = outcome.thresholds[0]
    base_uus = base.uu(tau)
    inside = {tag: np.asarray([tag in example.tags for example in outcome.test], dtype=bool) for tag in tags}
    rows: list[dict[str, Any]] = []
    for tag, members in inside.items():
        repaired = arm.correct[members & base_uus]
        rows.append(
            {
                "spot": tag.removeprefix(PREFIX),
                "size": int(members.sum()),
                "found": _elicited(outcome, tag, members),
                "hit": _synthetic(outcome, tag, members),
                "base_uus": int(base_uus[members].sum()),
                "uus": int(arm.uu(tau)[members].sum()),
                "base_accuracy": float(base.correct[members].mean()),
                "accuracy": float(arm.correct[members].mean()),
                "repaired": float(repaired.mean()) if len(repaired) else float("nan"),
            }
        )
    table = pd.DataFrame(rows)
    anywhere = np.logical_or.reduce(list(inside.values()))
    change = base.correct.astype(float) - arm.correct.astype(float)
    scalars = {
        "planted_found": Score(
            float((table["found"] > 0).mean()),
            "higher",
            0,
            1,
            meaning="Share of the planted blind spots in which the attack on the training set elicited an unknown unknown.",
        ),
        "planted_hit": Score(
            float((table["hit"] > 0).mean()),
            "higher",
            0,
            1,
            meaning="Share of the planted blind spots that a synthetic example lies in.",
        ),
        "planted_accuracy": _mean(
            anywhere, arm.correct, "higher", "Accuracy on the members of planted blind spots (clean)."
        ),
        **{
            f"planted_accuracy/{tag.removeprefix(PREFIX)}": _mean(
                members, arm.correct, "higher", f"Accuracy on the members of {tag.removeprefix(PREFIX)} (clean)."
            )
            for tag, members in inside.items()
        },
        **{
            f"planted_uu_rate@{exact(t)}": _mean(
                anywhere, arm.uu(t), "lower", f"Share of the members that are unknown unknowns at {exact(t)} (clean)."
            )
            for t in outcome.thresholds
        },
        "planted_repaired": _mean(
            anywhere & base_uus,
            arm.correct,
            "higher",
            f"Share of the baseline's unknown unknowns at {exact(tau)} among the members that this arm gets right.",
        ),
        "planted_cost": _mean(
            ~anywhere,
            change,
            "lower",
            "Accuracy lost, against the baseline, on examples outside every planted blind spot.",
        ),
    }
    return Scores(scalars, {"planted": table})


def _mean(mask: BoolArray, each: BoolArray | FloatArray, better: Any, meaning: str) -> Score:
    parts = np.where(mask, each.astype(float), np.nan)
    value = float(each[mask].mean()) if mask.any() else float("nan")
    return Score(value, better, -1 if each.dtype != bool else 0, 1, parts, meaning=meaning)


def _elicited(outcome: Outcome, tag: str, members: BoolArray) -> int:
    """Elicited unknown unknowns in the spot: the original has the tag, or lies among its members."""
    points = outcome.train_embeddings
    near = _among(outcome, None if points is None else points[[uu.index for uu in outcome.uus]], members)
    return sum(tag in uu.example.tags or close for uu, close in zip(outcome.uus, near, strict=True))


def _synthetic(outcome: Outcome, tag: str, members: BoolArray) -> int:
    """Synthetic examples in the spot: their unknown unknown's original has the tag, or they lie among its members."""
    near = _among(outcome, outcome.synthetic_embeddings, members, count=len(outcome.synthetic))
    return sum(
        tag in outcome.uus[made.uu].example.tags or close for made, close in zip(outcome.synthetic, near, strict=True)
    )


def _among(outcome: Outcome, points: FloatArray | None, members: BoolArray, *, count: int | None = None) -> list[bool]:
    """For each point: are most of its nearest test examples members?"""
    if points is None or outcome.test_embeddings is None or not len(points):
        return [False] * (len(outcome.uus) if count is None else count)
    k = min(NEIGHBOURS, len(members))
    similarity = normalised(points) @ normalised(outcome.test_embeddings).T
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return [bool(share > 0.5) for share in members[nearest].mean(axis=1)]
