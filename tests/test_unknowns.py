"""The rule for unknown unknowns: one for NumPy and torch, for single thresholds and whole curves, over three populations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.unknowns import POPULATIONS, TAUS, Predictions, is_uu, quota, separate
from harness.unknowns import taus as thresholds_of

taus = st.sampled_from([0.5, 0.55, 0.65, 0.7, 0.8, 0.9, 0.95, 0.995, 1.0])


@given(taus)
def test_the_bound_is_inclusive_in_the_type_of_the_confidence(tau: float) -> None:
    at = np.float32(tau)
    confidence = np.asarray([np.nextafter(at, np.float32(0)), at, np.nextafter(at, np.float32(2))])
    wrong = np.ones(3, dtype=bool)
    assert is_uu(wrong, confidence, tau).tolist() == [False, True, True]
    assert is_uu(torch.from_numpy(wrong), torch.from_numpy(confidence), tau).tolist() == [False, True, True]
    assert is_uu(wrong, confidence, np.float64(tau)).tolist() == [False, True, True]
    assert not is_uu(~wrong, confidence, tau).any()


@st.composite
def attacked(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, clean and perturbed probabilities, and where the attack succeeded: right before and wrong after."""
    n, classes = draw(st.integers(1, 30)), draw(st.integers(2, 4))
    # Thresholds occur as confidences, so that ties with the bound are common.
    top = arrays.arrays(np.float32, (2, n), elements=st.sampled_from([*map(np.float32, TAUS[1::5])]))
    confidence, guess = draw(top), draw(arrays.arrays(np.int64, (2, n), elements=st.integers(0, classes - 1)))
    labels = draw(arrays.arrays(np.int64, n, elements=st.integers(0, classes - 1)))
    probs = np.repeat(((1 - confidence) / (classes - 1))[..., None], classes, axis=2).astype(np.float32)
    np.put_along_axis(probs, guess[..., None], confidence[..., None], axis=2)
    succeeded = (guess[0] == labels) & (guess[1] != labels)
    return labels, probs[0], probs[1], succeeded


@given(attacked(), taus)
def test_populations_are_what_the_protocol_says(
    given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], tau: float
) -> None:
    labels, probs, after, succeeded = given
    found = separate(labels, probs, after, succeeded)
    assert tuple(found) == POPULATIONS
    for i, label in enumerate(labels):
        before = probs[i].argmax() != label and probs[i].max() >= np.float32(tau)
        fooled = succeeded[i] and after[i].max() >= np.float32(tau)
        assert found["clean"].uu(tau)[i] == before
        assert found["perturbed"].uu(tau)[i] == fooled
        assert found["deployed"].uu(tau)[i] == (fooled if succeeded[i] else before)
    assert set(separate(labels, probs)) == {"clean"}


@given(attacked())
def test_a_curve_counts_what_single_thresholds_count(given: tuple[np.ndarray, ...]) -> None:
    for predictions in separate(*given).values():
        assert predictions.uu_counts().tolist() == [predictions.uu(tau).sum() for tau in TAUS]


def test_what_is_outside_the_population_is_no_error() -> None:
    probs = np.asarray([[0.9, 0.1], [0.9, 0.1]], dtype=np.float32)
    some = Predictions(np.asarray([1, 1]), probs, np.asarray([True, False]))
    assert some.wrong.tolist() == some.uu(0.65).tolist() == [True, False]
    assert Predictions.all(some.labels, probs).uu(0.65).tolist() == [True, True]


@pytest.mark.parametrize(("fraction", "examples", "wanted"), [(0.01, 3668, 37), (0.01, 20, 1), (0.5, 3, 2)])
def test_the_quota_is_a_share_of_the_training_set_and_never_nothing(
    fraction: float, examples: int, wanted: int
) -> None:
    assert quota(fraction, examples) == wanted


def test_a_curve_begins_at_the_least_confidence_that_there_can_be() -> None:
    assert thresholds_of(2) == TAUS
    for classes in (3, 7, 20, 150, 348):
        curve = thresholds_of(classes)
        assert 0 <= curve[0] - 1 / classes < 0.005
        assert curve[-1] == 1
        assert np.allclose(np.diff(curve), 0.005)
