"""Metric of data values: what dropping high- and low-valued points does, and how synthetic points compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray


class Values(Metric):
    """Remove-high / remove-low curves, and values of synthetic against original points (thesis 5.1, 5.2)."""

    api_version: ClassVar[int] = 1
    resample: ClassVar[bool] = False

    needs: ClassVar[frozenset[str]] = frozenset({"values", "train", "train_embeddings", "synthetic", "test_embeddings"})

    steps: int = Field(default=10, ge=1, le=100)
    """Points of the removal curves after the first."""

    up_to: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Largest share of the training set that is removed."""

    def score(self, outcome: Outcome) -> Scores:
        """Scalars ``removal_area``, ``value_gap``; tables ``removal``, ``values``. Empty for arms that use no values.

        ``removal`` has the columns ``removed`` (share), ``remove_high``, ``remove_low`` (test accuracy of a logistic
        regression on the pre-trained encoder's embeddings, trained on what is left of the original training set).
        ``values`` has ``origin`` (``"original"`` or ``"synthetic"``), ``value`` and ``label``, a row per training point.
        """
        import numpy as np
        import pandas as pd

        from harness.components import ValuationProblem
        from harness.valuation.judge import area_between, removal_curves

        if outcome.values is None or outcome.train_embeddings is None or outcome.test_embeddings is None:
            return Scores({})
        values, n = np.asarray(outcome.values, dtype=np.float64), len(outcome.train)
        labels = np.asarray([example.label for example in outcome.train], dtype=np.int64)
        added = np.asarray([item.example.label for item in outcome.synthetic], dtype=np.int64)[: len(values) - n]
        problem = ValuationProblem(
            outcome.train_embeddings, labels, outcome.test_embeddings, outcome.labels, outcome.task.num_labels
        )
        fractions = [self.up_to * step / self.steps for step in range(self.steps + 1)]
        curves = removal_curves(values[:n], problem, outcome.test_embeddings, outcome.labels, fractions=fractions)
        scalars = {
            "removal_area": Score(
                area_between(curves),
                better="higher",
                low=-1.0,
                high=1.0,
                meaning="Mean accuracy gap between removing the lowest- and the highest-valued points; 0 is chance.",
            )
        }
        if len(values) > n:
            scalars["value_gap"] = Score(
                _chance_above(values[:n], values[n:]),
                low=0.0,
                high=1.0,
                meaning="Probability that a synthetic point is valued above an original one, ties counting half.",
            )
        origin = np.where(np.arange(len(values)) < n, "original", "synthetic")
        table = pd.DataFrame({"origin": origin, "value": values, "label": np.concatenate([labels, added])})
        return Scores(scalars, {"removal": curves, "values": table})

    def follows(self, outcome: Outcome, tables: Mapping[str, pd.DataFrame]) -> Mapping[str, float]:
        """The area from the curves, and the gap from the values, as far as these tables are kept."""
        from harness.valuation.judge import area_between

        found = {}
        if (curves := tables.get("removal")) is not None:
            found["removal_area"] = area_between(curves)
        if (values := tables.get("values")) is not None and (values["origin"] == "synthetic").any():
            old, new = (values.loc[values["origin"] == one, "value"].to_numpy() for one in ("original", "synthetic"))
            found["value_gap"] = _chance_above(old, new)
        return found


def _chance_above(old: FloatArray, new: FloatArray) -> float:
    """Probability that one of ``new`` is above one of ``old``, ties counting half."""
    return float((old[:, None] < new[None]).mean() + (old[:, None] == new[None]).mean() / 2)
