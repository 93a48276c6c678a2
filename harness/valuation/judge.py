"""Validation of data values: are they right, are they stable, what do they cost?

Three questions, answered on a training set in which a known share of the labels was flipped:

- *Noisy labels*: do the flipped points get the lowest values (AUROC, F1)?
- *Removal*: does accuracy fall faster when the highest-valued points are dropped than when the lowest-valued are (the
  remove-high / remove-low curves of Ghorbani and Zou 2019; thesis 5.1), summarised by the area between the two curves?
- *Stability*: do different seeds, and different valuators, order the points alike (Spearman)?

Everything here is a pure function of arrays, but :func:`measure`, which times a valuator.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components.valuator import ValuationProblem, Valuator
from harness.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import BoolArray, FloatArray, IntArray

FRACTIONS = tuple(i / 20 for i in range(11))
"""Shares of the training set that the removal curves drop: 0, 5 %, ..., 50 %."""


@dataclass(frozen=True)
class AssessedValues:
    """What one vector of values is worth.

    Attributes:
        auroc: Probability that a clean point has a higher value than a flipped one, ties counting half; in [0, 1], .5 is
            chance. ``nan`` when there are no flipped or no clean points.
        f1: F1 of calling the lowest-valued points flipped, as many as there are (so it equals precision and recall); in
            [0, 1], chance is the share of flipped points. ``nan`` when there are none.
        removal_area: Mean over the removed shares of accuracy without the lowest-valued minus accuracy without the
            highest-valued points; in [-1, 1], 0 is chance, higher is better.
        curves: Columns ``removed`` (share), ``remove_high``, ``remove_low`` (test accuracies).
        distinct: Number of distinct values: a collapsed method has few.
    """

    auroc: float
    f1: float
    removal_area: float
    curves: pd.DataFrame
    distinct: int


@dataclass(frozen=True)
class Measured:
    """Values with what they cost.

    Attributes:
        values: ``(n_train,)``.
        seconds: Wall-clock time.
        peak_bytes: Memory above what was in use before, of this process and its children; 0 where ``/proc`` is missing.
    """

    values: FloatArray
    seconds: float
    peak_bytes: int


def inject_label_noise(labels: IntArray, num_classes: int, share: float, *, seed: int) -> tuple[IntArray, BoolArray]:
    """Flip a share of the labels to another class drawn uniformly.

    Args:
        labels: ``(n,)`` class indices.
        num_classes: K.
        share: Share to flip, in [0, 1]; the number is rounded to the nearest integer.
        seed: Decides which, and to what.

    Returns:
        ``(n,)`` labels and the ``(n,)`` mask of the flipped ones.

    Raises:
        harness.errors.DataError: The share is out of range, or there are fewer than two classes.
    """
    import numpy as np

    if not 0 <= share <= 1:
        raise DataError(f"The share of noisy labels must lie in [0, 1], not {share}.")
    if num_classes < 2:
        raise DataError(f"Labels can only be flipped between at least two classes; there are {num_classes}.")
    labels = np.asarray(labels, dtype=np.int64)
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(labels), dtype=bool)
    mask[rng.choice(len(labels), round(share * len(labels)), replace=False)] = True
    shift = rng.integers(1, num_classes, len(labels))
    return np.where(mask, (labels + shift) % num_classes, labels), mask


def noisy_label_auroc(values: FloatArray, noisy: BoolArray) -> float:
    """Probability that a clean point is valued above a noisy one, ties counting half; ``nan`` without either kind."""
    from scipy.stats import rankdata

    clean, count = ~noisy, int(noisy.sum())
    if not count or count == len(noisy):
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[clean].sum() - clean.sum() * (clean.sum() + 1) / 2) / (clean.sum() * count))


def noisy_label_f1(values: FloatArray, noisy: BoolArray) -> float:
    """F1 of calling the ``noisy.sum()`` lowest-valued points noisy; among ties at the bound, its expectation."""
    import numpy as np

    count = int(noisy.sum())
    if not count:
        return float("nan")
    bound = np.partition(values, count - 1)[count - 1]
    below, tied = values < bound, values == bound
    hits = noisy[below].sum() + noisy[tied].mean() * (count - below.sum())
    return float(hits / count)


def removal_curves(
    values: FloatArray,
    problem: ValuationProblem,
    test_x: FloatArray,
    test_y: IntArray,
    *,
    fractions: Sequence[float] = FRACTIONS,
) -> pd.DataFrame:
    """Test accuracy of a logistic regression after dropping the highest- or lowest-valued share of the training set.

    Args:
        values: ``(n_train,)`` values; equal values are dropped in an order fixed by a shuffle, not by position.
        problem: The training set that was valued, with the labels that the valuator saw.
        test_x: ``(n, d)`` features of clean test points, not those of the validation set.
        test_y: ``(n,)`` labels.
        fractions: Shares to drop, in [0, 1).

    Returns:
        Columns ``removed``, ``remove_high``, ``remove_low``; one row per share.
    """
    import numpy as np
    import pandas as pd

    n, order = problem.n_train, ascending(values)

    def accuracy(kept: IntArray) -> float:
        rows = np.sort(kept)
        return _accuracy(problem.x_train[rows], problem.y_train[rows], test_x, test_y)

    rows = []
    for fraction in fractions:
        drop = min(round(fraction * n), n - 1)
        rows.append((fraction, accuracy(order[: n - drop]), accuracy(order[drop:])))
    return pd.DataFrame(rows, columns=["removed", "remove_high", "remove_low"])


def ascending(values: FloatArray) -> IntArray:
    """``(n,)`` rows, lowest values first; equal values in an order fixed by a shuffle, not by position."""
    import numpy as np

    shuffle = np.random.default_rng(0).permutation(len(values))
    rows: IntArray = shuffle[np.argsort(np.asarray(values)[shuffle], kind="stable")]
    return rows


def _accuracy(x: FloatArray, y: IntArray, test_x: FloatArray, test_y: IntArray) -> float:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(y)) == 1:
        return float(np.mean(test_y == y[0]))
    mean = x.mean(axis=0)
    scale = float(np.sqrt(((x - mean) ** 2).sum(axis=1).mean())) or 1.0
    model = LogisticRegression(max_iter=500, tol=1e-3).fit((x - mean) / scale, y)
    return float(model.score((test_x - mean) / scale, test_y))


def area_between(curves: pd.DataFrame) -> float:
    """Area between ``remove_low`` and ``remove_high`` over ``removed``, divided by the width: a mean difference."""
    import numpy as np

    width = curves["removed"].iloc[-1] - curves["removed"].iloc[0]
    if not width:
        return float("nan")
    gap = (curves["remove_low"] - curves["remove_high"]).to_numpy()
    return float(np.trapezoid(gap, curves["removed"].to_numpy()) / width)


def assess(
    values: FloatArray,
    problem: ValuationProblem,
    noisy: BoolArray,
    test_x: FloatArray,
    test_y: IntArray,
    *,
    fractions: Sequence[float] = FRACTIONS,
) -> AssessedValues:
    """Judge one vector of values.

    Args:
        values: ``(n_train,)`` finite values.
        problem: What was valued: ``y_train`` are the labels with the noise in them.
        noisy: ``(n_train,)`` which labels were flipped (:func:`inject_label_noise`).
        test_x: ``(n, d)`` features of clean test points.
        test_y: ``(n,)`` their labels.
        fractions: Shares that the removal curves drop.

    Raises:
        harness.errors.DataError: Lengths differ, or values are not finite.
    """
    import numpy as np

    values, noisy = np.asarray(values, dtype=np.float64), np.asarray(noisy, dtype=bool)
    for name, array in (("values", values), ("noisy", noisy)):
        if array.shape != (problem.n_train,):
            raise DataError(f"{name} must have shape ({problem.n_train},), one per training point, not {array.shape}.")
    if not np.isfinite(values).all():
        raise DataError(f"{int((~np.isfinite(values)).sum())} of {len(values)} values are not finite.")
    curves = removal_curves(values, problem, test_x, test_y, fractions=fractions)
    return AssessedValues(
        auroc=noisy_label_auroc(values, noisy),
        f1=noisy_label_f1(values, noisy),
        removal_area=area_between(curves),
        curves=curves,
        distinct=len(np.unique(values)),
    )


def agreement(values: Mapping[str, FloatArray]) -> pd.DataFrame:
    """Spearman correlations of several value vectors of the same points.

    Returns:
        A square frame, rows and columns named as in ``values``; ``nan`` where a vector is constant.
    """
    import numpy as np
    import pandas as pd
    from scipy.stats import rankdata

    names = list(values)
    if not names:
        return pd.DataFrame()
    ranks = np.stack([rankdata(values[name]) for name in names])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.sqrt((ranks**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.clip(ranks @ ranks.T / np.outer(norms, norms), -1, 1)
    return pd.DataFrame(matrix, index=names, columns=names)


def stability(runs: Sequence[FloatArray]) -> float:
    """Mean pairwise Spearman correlation of the values from several seeds; ``nan`` with fewer than two."""
    import numpy as np

    if len(runs) < 2:
        return float("nan")
    matrix = agreement({str(i): run for i, run in enumerate(runs)}).to_numpy()
    return float(matrix[np.triu_indices(len(runs), 1)].mean())


def warm_up(valuator: Valuator, problem: ValuationProblem) -> None:
    """Value the first few points, so that what is loaded once per process (torch, a worker) is not counted."""
    import numpy as np

    rows = np.concatenate([np.flatnonzero(problem.y_train == label)[:8] for label in range(problem.num_classes)])
    valuator.value(problem.taking(rows), seed=0)


def measure(valuator: Valuator, problem: ValuationProblem, *, seed: int) -> Measured:
    """Value a problem, with the time and memory it takes. See :func:`warm_up`."""
    with _peak_memory() as peak:
        begin = time.perf_counter()
        values = valuator.value(problem, seed=seed)
        seconds = time.perf_counter() - begin
    return Measured(values, seconds, peak[0])


@contextmanager
def _peak_memory(interval: float = 0.02) -> Iterator[list[int]]:
    """Largest resident memory above the start, of this process and its children, sampled by a thread (Linux)."""
    import os

    peak, start, done = [0], _resident(os.getpid()), threading.Event()

    def watch() -> None:
        while not done.wait(interval):
            peak[0] = max(peak[0], _resident(os.getpid()) - start)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        peak[0] = max(peak[0], _resident(os.getpid()) - start, 0)


def _resident(pid: int) -> int:
    """Bytes of resident memory of a process and its descendants; 0 where ``/proc`` is missing or the process has gone."""
    import os

    folder = Path(f"/proc/{pid}")
    try:
        total = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        children = [child for task in (folder / "task").iterdir() for child in (task / "children").read_text().split()]
    except (OSError, IndexError, ValueError):
        return 0
    return total + sum(_resident(int(child)) for child in children)
