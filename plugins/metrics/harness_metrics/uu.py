"""Metric ``uu``."""

from __future__ import annotations

from typing import ClassVar

from harness.components import Metric, Outcome, Score, Scores
from harness.statistics.digits import exact
from harness.unknowns import populations, taus


class UnknownUnknowns(Metric):
    """Unknown unknowns: confident, wrong predictions, counted at every threshold of the suite.

    A prediction is an unknown unknown at τ (UU@τ) when it is wrong and its confidence is at least τ (the bound is inclusive;
    Attenberg, Ipeirotis and Provost 2015; thesis definition 3.1). Three populations are counted and never added up:

    * ``clean``: wrong predictions on unperturbed test examples;
    * ``perturbed``: successful attacks only, right before and wrong after (the thesis's UU column);
    * ``deployed``: every test example, perturbed where the attack succeeded and as it was otherwise.

    ``uu@τ`` is the count. ``uu_rate@τ`` is the count divided by the number of *all* test examples, in every population, so
    that the rates of arms with different attack success can be compared. ``uu_area`` is the mean of ``uu_rate@τ`` over
    all τ from 1/K to 1, for K classes: the normalised area under the curve over τ, exact (each wrong prediction contributes
    ``(c - 1/K) / (1 - 1/K)``). All from 0 up; lower is better, but see ``matched-uu``.

    Table ``uu_curve``: ``population``, ``tau`` from 1/K to 1 in steps of 0.005, ``count``, ``rate``.
    """

    api_version: ClassVar[int] = 1

    def score(self, outcome: Outcome) -> Scores:
        """Count unknown unknowns in every population."""
        import numpy as np
        import pandas as pd

        scalars: dict[str, Score] = {}
        curves: list[pd.DataFrame] = []
        classes = outcome.task.num_labels
        least, curve = 1 / classes, taus(classes)
        for name, predictions in populations(outcome).items():
            n = len(predictions.labels)
            for tau in outcome.thresholds:
                uus = predictions.uu(tau)
                scalars[f"uu@{exact(tau)}/{name}"] = Score(
                    int(uus.sum()),
                    better="lower",
                    low=0,
                    high=n,
                    per_example=uus,
                    total=True,
                    meaning=f"Wrong predictions with confidence of at least {exact(tau)}, population {name}.",
                )
                scalars[f"uu_rate@{exact(tau)}/{name}"] = Score(
                    float(uus.mean()),
                    better="lower",
                    low=0,
                    high=1,
                    per_example=uus,
                    meaning=f"The same as a share of all test examples, population {name}.",
                )
            above = np.clip((predictions.confidence.astype(np.float64) - least) / (1 - least), 0, 1)
            scalars[f"uu_area/{name}"] = Score(
                float(np.where(predictions.wrong, above, 0.0).mean()),
                better="lower",
                low=0,
                high=1,
                per_example=np.where(predictions.wrong, above, 0.0),
                meaning=f"Mean UU rate over all thresholds from {exact(round(least, 4))} to 1, population {name}.",
            )
            counts = predictions.uu_counts(curve)
            curves.append(pd.DataFrame({"population": name, "tau": curve, "count": counts, "rate": counts / n}))
        return Scores(scalars, {"uu_curve": pd.concat(curves, ignore_index=True)})
