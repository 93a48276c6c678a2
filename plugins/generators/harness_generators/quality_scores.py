"""Implementation of :class:`harness_generators.quality.SyntheticQuality`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from harness.components import Example, Outcome, Score, Scores
from harness.statistics.digits import exact
from harness.types import FloatArray
from harness.unknowns import Predictions
from harness_generators.neighbours import unit
from harness_generators.texts import as_tuple, fold, is_word, shown, tokens

ROLES = ("exploit", "explore")
"""Roles that always have a figure, so that arms have the same figures."""

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def score(outcome: Outcome) -> Scores:
    """See the class; every figure is there for every arm."""
    scalars = {
        "synthetic_count": Score(len(outcome.synthetic), low=0, meaning="Synthetic examples trained on."),
        "synthetic_rejected": Score(len(outcome.rejected), low=0, meaning="Samples made and thrown away."),
        "synthetic_repaired": Score(
            sum(any(tag.startswith("repaired:") for tag in s.example.tags) for s in outcome.synthetic),
            low=0,
            meaning="Synthetic examples kept after a repair.",
        ),
    }
    scalars |= _by_the_base_classifier(outcome) | _distances(outcome) | _variety([s.example for s in outcome.synthetic])
    rank, values = _values(outcome)
    scalars["synthetic_value_rank"] = Score(
        rank, low=0, high=1, meaning="Probability that a synthetic value exceeds an original one's."
    )
    kinds = sorted(Counter((item.role, item.reason) for item in outcome.rejected).items())
    rejected = pd.DataFrame(
        {
            "role": pd.Series([role for (role, _), _ in kinds], dtype="str"),
            "reason": pd.Series([reason for (_, reason), _ in kinds], dtype="str"),
            "count": pd.Series([count for _, count in kinds], dtype="int64"),
        }
    )
    return Scores(scalars, {"synthetic_rejected": rejected, "synthetic_values": values})


def _by_the_base_classifier(outcome: Outcome) -> dict[str, Score]:
    labels = np.asarray([s.example.label for s in outcome.synthetic], dtype=np.int64)
    roles = np.asarray([s.role for s in outcome.synthetic], dtype=str)
    probs = outcome.synthetic_probs
    if probs is None or not len(labels):
        probs = np.zeros((len(labels), outcome.task.num_labels))
        known = np.zeros(len(labels), dtype=bool)
    else:
        known = np.ones(len(labels), dtype=bool)
    predictions = Predictions(labels, probs, known)
    scalars = {
        "synthetic_consistency/base": Score(
            _mean(predictions.correct[known]), low=0, high=1, meaning="Share whose label the base classifier predicts."
        )
    }
    for tau in outcome.thresholds:
        for role in ROLES:
            chosen = known & (roles == role)
            scalars[f"synthetic_uu@{exact(tau)}/{role}"] = Score(
                _mean(predictions.uu(tau)[chosen]),
                low=0,
                high=1,
                meaning=f"Share of the samples that {role} which the base classifier gets wrong with confidence >= "
                f"{exact(tau)}.",
            )
    return scalars


def _distances(outcome: Outcome) -> dict[str, Score]:
    nan = float("nan")
    probe = to_uu = to_train = edits = copies = nan
    synthetic, points, train = outcome.synthetic, outcome.synthetic_embeddings, outcome.train_embeddings
    if synthetic and points is not None and train is not None:
        from sklearn.linear_model import LogisticRegression

        labels = np.asarray([s.example.label for s in synthetic])
        train_labels = np.asarray([example.label for example in outcome.train])
        if len(set(train_labels.tolist())) > 1:
            judge = LogisticRegression(max_iter=1000).fit(train, train_labels)
            probe = _mean(judge.predict(points) == labels)
        near, base = unit(points), unit(train)
        nearest = np.asarray([float((base @ point).max()) for point in near])
        to_train = _mean(np.maximum(0, 1 - nearest))  # rounding can make the cosine of a copy exceed 1
        own = base[[outcome.uus[s.uu].index for s in synthetic]]
        to_uu = _mean(np.maximum(0, 1 - (near * own).sum(axis=1)))
    if synthetic:
        edits = _mean(
            np.asarray(
                [
                    Levenshtein.normalized_distance(shown(s.example.texts), shown(outcome.uus[s.uu].perturbed))
                    for s in synthetic
                ]
            )
        )
        known = {fold(example.texts) for example in outcome.train}
        copies = _mean(np.asarray([fold(s.example.texts) in known for s in synthetic]))
    return {
        "synthetic_consistency/probe": Score(
            probe, low=0, high=1, meaning="Share whose label a logistic regression on clean embeddings predicts."
        ),
        "synthetic_distance/uu": Score(to_uu, low=0, high=2, meaning="Mean cosine distance to the attacked example."),
        "synthetic_distance/train": Score(to_train, low=0, high=2, meaning="Mean cosine distance to the training set."),
        "synthetic_edits/uu": Score(
            edits, low=0, high=1, meaning="Mean normalised Levenshtein distance to the perturbed text."
        ),
        "synthetic_copies": Score(copies, low=0, high=1, meaning="Share whose text is a training text."),
    }


def _variety(examples: Sequence[Example]) -> dict[str, Score]:
    scalars = {}
    for n in (1, 2):
        grams = [
            tuple(words[i : i + n])
            for example in examples
            for column in as_tuple(example.texts)
            for words in [[t.casefold() for t in tokens(column) if is_word(t)]]
            for i in range(len(words) - n + 1)
        ]
        share = len(set(grams)) / len(grams) if grams else float("nan")
        scalars[f"synthetic_distinct@{n}"] = Score(share, low=0, high=1, meaning=f"Distinct word {n}-grams over all.")
    return scalars


def _values(outcome: Outcome) -> tuple[float, pd.DataFrame]:
    """The rank of synthetic values among the original ones, and quantiles of both."""
    n, m = len(outcome.train), len(outcome.synthetic)
    groups: dict[str, FloatArray] = {}
    rank = float("nan")
    if outcome.values is not None and n:
        groups["original"] = outcome.values[:n]
        if m and len(outcome.values) == n + m:
            from scipy.stats import mannwhitneyu

            groups["synthetic"] = outcome.values[n:]
            statistic = mannwhitneyu(groups["synthetic"], groups["original"]).statistic
            rank = float(statistic) / (n * m)
    rows = [
        (group, quantile, float(value))
        for group, values in groups.items()
        for quantile, value in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["group", "quantile", "value"])
    return rank, frame.astype({"group": "str", "quantile": "float64", "value": "float64"})


def _mean(values: FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
