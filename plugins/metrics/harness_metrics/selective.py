"""Selective prediction: risk against coverage when the least confident predictions are withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray


def expected_wrong(confidence: FloatArray, wrong: BoolArray) -> FloatArray:
    """Wrong predictions among the ``k`` most confident ones, for every ``k`` from 1 to ``n``: ``(n,)`` float64.

    Among equal confidences any order is as good as another, so the expectation over all of them is returned. The result
    thereby does not depend on the order of the examples.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    _, starts, sizes = np.unique(-sorted_confidence, return_index=True, return_counts=True)
    per_group = np.add.reduceat(wrong[order].astype(np.float64), starts)
    return np.cumsum(np.repeat(per_group / sizes, sizes))


def risk_coverage(confidence: FloatArray, wrong: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Coverages ``1/n .. 1`` and the error rate among the predictions kept at each."""
    kept = np.arange(1, len(wrong) + 1)
    return kept / len(wrong), expected_wrong(confidence, wrong) / kept


def best_area(wrong: BoolArray) -> float:
    """The area under the risk-coverage curve of a confidence that ranks every wrong prediction last."""
    perfect = np.sort(wrong)
    return float((np.cumsum(perfect) / np.arange(1, len(wrong) + 1)).mean())


def kept_share(confidence: FloatArray, kept: int) -> FloatArray:
    """How much of each prediction is among the ``kept`` most confident ones: ``(n,)`` float64 in ``[0, 1]``.

    1 for those that surely are, 0 for those that surely are not; predictions tied at the cut share its places evenly.
    """
    share = np.zeros(len(confidence))
    if kept <= 0:
        return share
    cut = np.sort(confidence)[::-1][min(kept, len(confidence)) - 1]
    above, tied = confidence > cut, confidence == cut
    share[above] = 1.0
    share[tied] = (min(kept, len(confidence)) - above.sum()) / tied.sum()
    return share
