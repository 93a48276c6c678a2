"""The figures of a record: what metrics say of an outcome, and what intervals are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.border.frozen import frozen
from harness.border.metric import resampled, scored
from harness.components.metric import Metric, Outcome
from harness.errors import HarnessError
from harness.progress import progress
from harness.records.model import ScoreRecord
from harness.records.sampling import Parts, parts_of, score_parts
from harness.statistics.samples import SEED

if TYPE_CHECKING:
    import pandas as pd

    from harness.stages.base import Configured

RESAMPLES = 200
"""Bootstrap resamples of figures that do not decompose over examples. Their seed is constant, so that the resamples of all
arms and seeds with the same test set are paired."""


@dataclass
class Figures:
    """What metrics found.

    Attributes:
        scores: The figures by name, in the order of the metrics.
        per_example: ``(n,)`` contributions of the test examples, by figure that decomposes.
        replicates: ``(RESAMPLES,)`` values on bootstrap resamples, by figure that does not.
        tables: Tables by metric and name, ``"ece.reliability"``.
    """

    scores: dict[str, ScoreRecord] = field(default_factory=dict)
    per_example: dict[str, Any] = field(default_factory=dict)
    replicates: dict[str, list[float]] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def frames(self, outcome: Outcome) -> dict[str, pd.DataFrame]:
        """All but the scores as files of a record."""
        import pandas as pd

        frames = {f"tables/{name}": table for name, table in self.tables.items()}
        if self.per_example:
            frames["per_example"] = pd.DataFrame({"id": [example.id for example in outcome.test], **self.per_example})
        if self.replicates:
            frames["replicates"] = pd.DataFrame(self.replicates)
        return frames


def figures(metrics: Mapping[str, Configured[Metric]], outcome: Outcome) -> Figures:
    """Score an outcome with metrics, each under its name in the suite.

    Raises:
        HarnessError: A metric fails, or has broken its contract; or two of them give a figure of the same name.
    """
    import numpy as np

    found, outcome = Figures(), frozen(outcome)
    parts = parts_of(outcome)
    if parts is not None:
        parts = Parts(parts.clean, frozen(parts.attacked), parts.rows)
    again: dict[str, list[str]] = {}
    again_attacked: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        over_sample: frozenset[str] = frozenset()
        if parts is None:
            scores = scored(metric, outcome)
        else:
            scores, over_sample = score_parts(partial(scored, metric), parts)
        for key, score in scores.scalars.items():
            if key in found.scores:
                raise same_name(key)
            volatile = "costs" in metric.component.needs
            n = len(parts.rows) if parts is not None and key in over_sample else None
            found.scores[key] = ScoreRecord.of(score, metric=name, volatile=volatile, n=n)
            if score.per_example is not None:
                contributions = score.per_example
                found.per_example[key] = (
                    contributions if contributions.dtype == bool else contributions.astype(np.float32)
                )
            elif metric.component.resample and np.isfinite(score.value):
                (again_attacked if key in over_sample else again).setdefault(name, []).append(key)
        found.tables |= {f"{name}.{table}": frame for table, frame in scores.tables.items()}
    found.replicates = _replicates(metrics, outcome if parts is None else parts.clean, again)
    if parts is not None:
        found.replicates |= _replicates(metrics, parts.attacked, again_attacked)
    return found


def same_name(key: str) -> HarnessError:
    """Two metrics give a figure of the same name."""
    return HarnessError(f"Two metrics of the suite compute a figure called {key!r}; remove one of them.")


def _replicates(
    metrics: Mapping[str, Configured[Metric]], outcome: Outcome, again: Mapping[str, Sequence[str]]
) -> dict[str, list[float]]:
    """Figures on bootstrap resamples; ``again`` says which, by metric."""
    from harness.statistics.resampling import cluster_id, resample_rows

    replicates: dict[str, list[float]] = {key: [] for keys in again.values() for key in keys}
    if not replicates:
        return {}
    clusters = [cluster_id(example.texts) for example in outcome.test]
    with progress("resamples", total=RESAMPLES * len(again)) as bar:
        for name, keys in again.items():
            resamples = map(frozen, resample_rows(clusters, count=RESAMPLES, seed=SEED))
            for found in resampled(metrics[name], outcome, resamples, RESAMPLES):
                for key in keys:
                    replicates[key].append(float(found.get(key, float("nan"))))
                bar.advance()
    return replicates
