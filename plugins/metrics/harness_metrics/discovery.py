"""Metric ``discovery``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from harness.components import Metric, Outcome, Score, Scores, SelectionProblem, Selector
from harness.errors import ComponentError, DataError
from harness.registry import Scope
from harness.statistics.digits import exact
from harness.unknowns import Predictions, clean

if TYPE_CHECKING:
    import pandas as pd

    from harness.components import Component


class Discovery(Metric):
    """How fast selectors discover an arm's unknown unknowns in the fixed test set, and how much of it they explain.

    The setting of Lakkaraju et al. (2017) and of Bansal and Weld (2018): an oracle tells, for one confident prediction at a
    time (confidence of at least the primary threshold), whether it is an unknown unknown. Each selector may ask
    ``budget`` times, on ``repeats`` seeds whose mean is reported; higher is better.

    * ``discovery_uus/SELECTOR``: unknown unknowns found;
    * ``discovery_utility/SELECTOR``: ``sum_t (1[unknown unknown] - gamma * cost)`` with cost 1 (thesis eq. 2.1);
    * ``coverage_utility/SELECTOR``: ``sum_x c_x * max_q 1[q is an unknown unknown] * sim(x, q)`` over the confident predictions
      x, divided by ``sum_x c_x`` (thesis eq. 2.2 and 2.3); 0 to 1;
    * ``coverage_utility/elicited``: the same for the unknown unknowns that the arm's attack elicited from the training set, so
      that selections of arms can be compared; not defined for arms without one.

    Table ``discovery``: ``selector``, ``query``, ``found`` and ``coverage`` after each question.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"test_embeddings", "train_embeddings", "synthetic", "texts"})
    resample: ClassVar[bool] = False

    selectors: dict[str, dict[str, Any]] = {"random": {}, "bandit": {}, "coverage": {}}  # noqa: RUF012 - pydantic copies it
    """Selectors compared, with their options; none that orders by data values."""
    budget: int = Field(default=100, ge=1)
    """Questions that a selector may ask."""
    gamma: float = Field(default=0.2, ge=0)
    """Cost of a question, in unknown unknowns."""
    repeats: int = Field(default=5, ge=1)
    """Seeds over which every selector is averaged."""

    _made: dict[str, Selector] = PrivateAttr(default_factory=dict)

    @field_validator("selectors")
    @classmethod
    def _usable(cls, given: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
        for name, options in given.items():
            try:
                selector = Scope.of(info).create("selector", name, options)
            except ComponentError as error:
                raise ValueError(error.message) from error
            if "values" in selector.needs:
                raise ValueError(f"the selector {name!r} orders by data values, which a test set does not have")
        return given

    @model_validator(mode="after")
    def _keep(self, info: ValidationInfo) -> Discovery:
        scope = Scope.of(info)
        self._made = {name: scope.create("selector", name, options) for name, options in self.selectors.items()}
        return self

    def parts(self) -> dict[str, Component]:
        """The selectors."""
        return dict(self._made)

    def identity(self) -> dict[str, Any]:
        """The options, with the identity of every selector in place of its options."""
        return {**super().identity(), "selectors": {name: made.identity() for name, made in self._made.items()}}

    def score(self, outcome: Outcome) -> Scores:
        """Let every selector search the test set."""
        import numpy as np
        import pandas as pd

        from harness_metrics.search import coverage_curve, search_utility, similarity

        predictions = clean(outcome)
        if outcome.test_embeddings is None:
            raise DataError("The metric discovery needs embeddings of the test examples.")
        rows = np.flatnonzero(predictions.confident(outcome.thresholds[0]))
        scalars: dict[str, Score] = {}
        curves: list[pd.DataFrame] = []
        uus = predictions.uu(outcome.thresholds[0])[rows]
        for name, selector in self._made.items():
            founds, utilities, coverages = [], [], []
            for seed in range(self.repeats if len(rows) else 0):
                asked = self._search(outcome, predictions, rows, selector, seed)
                hits = uus[asked]
                similar = similarity(outcome.test_embeddings[rows], outcome.test_embeddings[rows[asked]])
                founds.append(np.cumsum(hits))
                utilities.append(search_utility(hits, self.gamma))
                coverages.append(coverage_curve(predictions.confidence[rows], similar, hits))
            scalars |= _figures(
                name,
                float(np.mean([found[-1] for found in founds])) if founds else float("nan"),
                float(np.mean(utilities)) if utilities else float("nan"),
                float(np.mean([coverage[-1] for coverage in coverages])) if coverages else float("nan"),
                min(self.budget, len(rows)),
                self.gamma,
            )
            if founds:
                found, coverage = np.mean(founds, axis=0), np.mean(coverages, axis=0)
                steps = np.arange(1, len(found) + 1)
                curves.append(pd.DataFrame({"selector": name, "query": steps, "found": found, "coverage": coverage}))
        scalars["coverage_utility/elicited"] = Score(
            self._elicited(outcome, predictions, rows),
            "higher",
            0,
            1,
            meaning="Share of the confident test predictions explained by the unknown unknowns elicited from training.",
        )
        columns = ["selector", "query", "found", "coverage"]
        table = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)
        return Scores(scalars, {"discovery": table})

    def _search(self, outcome: Outcome, predictions: Predictions, rows: Any, selector: Selector, seed: int) -> Any:
        from harness_metrics.search import search

        assert outcome.test_embeddings is not None  # noqa: S101 - checked by the caller
        problem = SelectionProblem(
            [outcome.test[int(row)] for row in rows],
            embeddings=outcome.test_embeddings[rows],
            probs=predictions.probs[rows],
        )
        uus = predictions.uu(outcome.thresholds[0])[rows]
        return search(selector, problem, uus, self.budget, seed=seed)

    def _elicited(self, outcome: Outcome, predictions: Predictions, rows: Any) -> float:
        import numpy as np

        from harness_metrics.search import coverage_curve, similarity

        if not outcome.uus or outcome.train_embeddings is None or outcome.test_embeddings is None or not len(rows):
            return float("nan")
        origins = outcome.train_embeddings[[uu.index for uu in outcome.uus]]
        similar = similarity(outcome.test_embeddings[rows], origins)
        return float(coverage_curve(predictions.confidence[rows], similar, np.ones(len(origins), dtype=bool))[-1])


def _figures(name: str, found: float, utility: float, coverage: float, budget: int, gamma: float) -> dict[str, Score]:
    return {
        f"discovery_uus/{name}": Score(
            found, "higher", 0, budget, meaning=f"Unknown unknowns found in {budget} questions (mean over seeds)."
        ),
        f"discovery_utility/{name}": Score(
            utility,
            "higher",
            -gamma * budget,
            budget,
            meaning=f"Unknown unknowns found less {exact(gamma)} per question.",
        ),
        f"coverage_utility/{name}": Score(
            coverage, "higher", 0, 1, meaning="Share of the confident test predictions explained by those found."
        ),
    }
