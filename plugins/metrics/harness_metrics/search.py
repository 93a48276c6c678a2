"""Utility of a search for unknown unknowns over a fixed test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.components import AdaptiveSelector, SelectionProblem, Selector
from harness_metrics.clusters import normalised

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray


def search(selector: Selector, problem: SelectionProblem, uus: BoolArray, budget: int, *, seed: int) -> IntArray:
    """The first ``budget`` examples that a selector asks about, told after each request what it found.

    Args:
        selector: Any selector; an adaptive one learns from the answers.
        problem: The examples to search.
        uus: ``(n,)`` which of them are unknown unknowns: the oracle's answers.
        budget: Questions at most.
        seed: Given to the selector.

    Returns:
        ``(m,)`` indices in the order asked.
    """
    if not isinstance(selector, AdaptiveSelector):
        return np.asarray(selector.order(problem, seed=seed), dtype=np.int64)[:budget]
    session = selector.search(problem, seed=seed)
    asked = np.zeros(0, dtype=np.int64)
    while len(asked) < budget and len(batch := session.ask()):
        part = np.asarray(batch, dtype=np.int64)[: budget - len(asked)]
        session.tell(part, uus[part])
        asked = np.concatenate([asked, part])
    return asked


def search_utility(found: BoolArray, gamma: float, cost: float = 1.0) -> float:
    """``sum_t (1[x(t) is an unknown unknown] - gamma * cost)`` (Lakkaraju et al. 2017; thesis eq. 2.1)."""
    return float(found.sum() - gamma * cost * len(found))


def similarity(points: FloatArray, questions: FloatArray) -> FloatArray:
    """``exp(-d^2 / (2 sigma^2))`` of normalised embeddings, in ``(0, 1]``: ``(n, m)``.

    sigma is half the median distance between two of ``points`` (of at most 1,000 of them, evenly spaced), so that two
    unrelated examples have a similarity of about 0.14.
    """
    rows, columns = normalised(points), normalised(questions)
    sample = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 1000)).astype(int))]
    apart = (2 - 2 * sample @ sample.T)[np.triu_indices(len(sample), k=1)]
    width = max(float(np.median(apart)) / 4 if len(apart) else 1.0, 1e-9)
    similar: FloatArray = np.exp(-np.maximum(2 - 2 * rows @ columns.T, 0) / (2 * width))
    return similar


def coverage_curve(confidence: FloatArray, similar: FloatArray, found: BoolArray) -> FloatArray:
    """Share of the examples explained after each question: ``(m,)`` in ``[0, 1]``.

    The utility ``sum_x c_x * max_{q in Q} 1[q is an unknown unknown] * sim(x, q)`` (Bansal and Weld 2018; thesis eq. 2.2 and
    2.3), divided by ``sum_x c_x``.

    Args:
        confidence: ``(n,)`` confidences ``c_x``.
        similar: ``(n, m)`` similarity of each example to each question, in the order asked.
        found: ``(m,)`` which questions met an unknown unknown.
    """
    explained = np.maximum.accumulate(similar * found, axis=1)
    curve: FloatArray = np.minimum(confidence @ explained / confidence.sum(), 1)  # float32 sums may end above it
    return curve
