"""The metric of synthetic data, against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import harness
from harness.components import Example, Outcome, Rejected, SyntheticExample, Task, UnknownUnknown

TRAIN = [Example(f"bad film {i}", 0) for i in range(5)] + [Example(f"good film {i}", 1) for i in range(5)]
POINTS = np.asarray([[1.0, 0.1 * i] for i in range(5)] + [[-1.0, 0.1 * i] for i in range(5)], dtype=np.float32)
UUS = [UnknownUnknown(TRAIN[0], "bda film 0", np.array([0.9, 0.1]), np.array([0.2, 0.8]), 0)]


def outcome(**changes):
    base = {
        "task": Task("t", ("negative", "positive")),
        "thresholds": (0.65, 0.9),
        "test": TRAIN[:2],
        "probs": np.full((2, 2), 0.5, dtype=np.float32),
        "validation": TRAIN[:1],
        "validation_probs": np.full((1, 2), 0.5, dtype=np.float32),
        "train": TRAIN,
        "train_embeddings": POINTS,
    }
    return Outcome(**{**base, **changes})


def score(**changes):
    return harness.component("metric", "synthetic").score(outcome(**changes))


@pytest.fixture
def scored():
    synthetic = [
        SyntheticExample(Example("bad film", 0), 0, "exploit"),
        SyntheticExample(Example("BAD  film 3", 0, tags=("repaired:prose",)), 0, "explore"),
        SyntheticExample(Example("awful film", 0), 0, "explore"),
        SyntheticExample(Example("bda film 0", 0), 0, "explore"),
    ]
    return score(
        uus=UUS,
        synthetic=synthetic,
        rejected=[Rejected(0, "explore", "empty"), Rejected(0, "explore", "empty"), Rejected(0, "exploit", "refusal")],
        synthetic_embeddings=np.asarray([[1, 0], [1, 0.3], [-1, 0], [0, 1]], dtype=np.float32),
        synthetic_probs=np.asarray([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], dtype=np.float32),
        values=np.asarray([0.0] * 10 + [1.0, 1.0, 0.0, -1.0]),
    )


def test_counts_and_consistency(scored):
    value = {name: s.value for name, s in scored.scalars.items()}
    assert (value["synthetic_count"], value["synthetic_rejected"], value["synthetic_repaired"]) == (4, 3, 1)
    assert value["synthetic_consistency/base"] == 0.25
    assert value["synthetic_consistency/probe"] in (0.5, 0.75)  # the last point lies on the border
    assert value["synthetic_uu@0.65/exploit"] == 1
    assert value["synthetic_uu@0.65/explore"] == pytest.approx(1 / 3)
    assert value["synthetic_uu@0.9/exploit"] == 1  # the bound is inclusive
    assert value["synthetic_uu@0.9/explore"] == 0


def test_distances_and_variety(scored):
    value = {name: s.value for name, s in scored.scalars.items()}
    cosine = [1, 1 / math.sqrt(1.09), -1, 0]
    assert value["synthetic_distance/uu"] == pytest.approx(1 - np.mean(cosine), abs=1e-6)
    nearest = [1, 1, 1, 0.4 / math.sqrt(1.16)]
    assert value["synthetic_distance/train"] == pytest.approx(1 - np.mean(nearest), abs=1e-6)
    assert value["synthetic_copies"] == 0.25
    assert 0 < value["synthetic_edits/uu"] < 1
    assert value["synthetic_distinct@1"] == pytest.approx(6 / 10)  # bad film 3 awful bda 0, of ten words
    assert value["synthetic_distinct@2"] == pytest.approx(5 / 6)


def test_copies_are_at_no_distance():
    points = np.random.default_rng(0).normal(size=(10, 384)).astype(np.float32)
    for i in range(10):  # one of them rounds to a cosine above 1
        copy = [SyntheticExample(TRAIN[i], 0, "exploit")]
        found = score(
            uus=[UnknownUnknown(TRAIN[i], "x", UUS[0].original_probs, UUS[0].perturbed_probs, i)],
            synthetic=copy,
            train_embeddings=points,
            synthetic_embeddings=points[i : i + 1],
        ).scalars
        for name in ("synthetic_distance/uu", "synthetic_distance/train"):
            assert 0 <= found[name].value < 1e-6


def test_values_and_tables(scored):
    assert scored.scalars["synthetic_value_rank"].value == pytest.approx((2 * 10 + 0.5 * 10) / 40)
    rejected = scored.tables["synthetic_rejected"]
    assert rejected.to_dict("records") == [
        {"role": "exploit", "reason": "refusal", "count": 1},
        {"role": "explore", "reason": "empty", "count": 2},
    ]
    values = scored.tables["synthetic_values"]
    assert values[values["group"] == "synthetic"]["value"].tolist()[::3] == [-1, 0.5, 1]


def test_arms_without_synthetic_examples_have_the_same_figures_undefined(scored):
    empty = score(synthetic_probs=None)
    assert list(empty.scalars) == list(scored.scalars)
    counts = {"synthetic_count", "synthetic_rejected", "synthetic_repaired"}
    assert all(math.isnan(s.value) for name, s in empty.scalars.items() if name not in counts)
    assert {name: list(t.columns) for name, t in empty.tables.items()} == {
        name: list(t.columns) for name, t in scored.tables.items()
    }
