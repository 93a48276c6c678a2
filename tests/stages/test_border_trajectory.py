"""What models tell of their fine-tuning, checked where it comes in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.border.trajectory import trajectory
from harness.components import Looks, Trajectory
from harness.errors import DataError, HarnessError
from harness.registry import registry
from harness.testing import last_layer
from harness.testing.classifier import WordClassifier, reviews

CLASSIFIER = WordClassifier.fit(reviews(4))
N, M, CLASSES = 20, 8, 2
ALL = Looks(passing=True, states="epochs", every=2, validation=2, products=True, gradients=18)


def told() -> Trajectory:
    rng = np.random.default_rng(0)
    found = last_layer(rng.normal(size=(N + M, 8)), rng.integers(0, CLASSES, N + M), N, CLASSES)
    assert list(found.steps) == [0, 2, 4]
    return found


def received(found: Any, looks: Looks = ALL) -> Trajectory:
    return trajectory(registry().find("model", "linear"), found, looks, N, M, CLASSES)[1]


def test_what_was_asked_for_gets_through() -> None:
    found = told()
    assert received((CLASSIFIER, found)) is found
    narrow = found.narrowed(Looks(states="last"))
    assert list(narrow.steps) == [4]
    assert received((CLASSIFIER, narrow), Looks(states="last")) is narrow


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict.fromkeys(("passing_logits",)), "without passing_logits, which was asked for"),
        (dict.fromkeys(("products",)), "without products, which was asked for"),
        (dict.fromkeys(("train_gradients",)), "without train_gradients, which was asked for"),
        ({"learning_rates": np.full(4, np.nan)}, "whose learning_rates are NaN or infinite in places"),
        ({"products": np.full((4, 10), np.inf)}, "whose products are NaN or infinite in places"),
    ],
)
def test_what_is_missing_or_no_number_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        received((CLASSIFIER, replace(told(), **change)))


def test_other_states_and_no_trajectory_are_refused() -> None:
    found = told()
    with pytest.raises(HarnessError, match="3 states of its training; expected 2"):
        received((CLASSIFIER, found), replace(ALL, every=None))
    with pytest.raises(HarnessError, match="expected a Classifier and a Trajectory"):
        received(found)


@pytest.mark.parametrize(
    "change",
    [
        {"passing_logits": np.zeros((1, N, CLASSES))},
        {"glance_rows": np.full((4, 2), M)},
        {"glance_features": np.zeros((4, 3, 8))},
        {"products": np.zeros((4, 9))},
        {"valid_gradients": np.zeros((2, M, 18))},
        {"steps": np.array([0, 4, 4])},
    ],
)
def test_arrays_that_describe_no_training_are_no_trajectory(change: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        replace(told(), **change)
