"""What a run would take: stages by resource, and the longest chain of stages that wait for one another."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from harness.engines.needs import wants_gpu
from harness.stages.base import Stage
from harness.store.store import Store

LIKE = 50
"""How many artifacts of a kind are asked for their seconds, at most."""


@dataclass(frozen=True)
class Forecast:
    """The schedule of a run that has not begun.

    Attributes:
        resources: Number of stages to compute that want a GPU where there is one (``"GPU"``), and of the others (``"CPU"``).
        kinds: By kind of stage: number to compute, and the median seconds of like ones in the store (``None``: there are none).
        path: Titles of the stages on the critical path, the first to compute first.
        path_seconds: What they take together; stages of unknown length count as nothing.
        seconds: What all stages take together, one after the other.
        unknown: Number of stages of whose kind the store has none.
    """

    resources: dict[str, int]
    kinds: dict[str, tuple[int, float | None]]
    path: tuple[str, ...]
    path_seconds: float
    seconds: float
    unknown: int


def forecast(stages: Sequence[Stage[Any]], store: Store) -> Forecast:
    """Forecast the computation of stages from what like ones took.

    Args:
        stages: What has to be computed, inputs before those who read them (:func:`harness.engines.demand.missing`).
        store: Where like stages are looked for.
    """
    counts = Counter(stage.kind for stage in stages)
    medians = {kind: _median(store, kind) for kind in counts}
    longest: dict[str, tuple[float, int, tuple[str, ...]]] = {}  # by id: seconds, stages and titles up to its end
    for stage in stages:
        before = max((longest[up.id] for up in stage.inputs().values() if up.id in longest), default=(0.0, 0, ()))
        longest[stage.id] = before[0] + (medians[stage.kind] or 0.0), before[1] + 1, (*before[2], stage.title)
    seconds, _, path = max(longest.values(), default=(0.0, 0, ()))
    return Forecast(
        dict(Counter("GPU" if wants_gpu(stage) else "CPU" for stage in stages)),
        {kind: (count, medians[kind]) for kind, count in counts.items()},
        path,
        seconds,
        sum(medians[stage.kind] or 0.0 for stage in stages),
        sum(medians[stage.kind] is None for stage in stages),
    )


def _median(store: Store, kind: str) -> float | None:
    found = [store.meta(kind, name).get("seconds") for name in islice(store.names(kind), LIKE)]
    seconds = [float(value) for value in found if isinstance(value, int | float)]
    return statistics.median(seconds) if seconds else None
