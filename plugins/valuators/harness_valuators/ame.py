"""Average marginal effect (Lin et al. 2022, ICML)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.components import ValuationProblem
from harness_valuators.subset_valuator import SubsetValuator

if TYPE_CHECKING:
    from harness.types import FloatArray

INCLUSION = (0.2, 0.4, 0.6, 0.8)
"""Inclusion probabilities that a subset's is drawn from, uniformly (section 3 of the paper)."""


class Ame(SubsetValuator):
    """Average marginal effects by regression on random subsets (Lin et al. 2022). Cost: O(samples * N * d).

    Each subset draws an inclusion probability first. The effects are the coefficients of a regression of the utility on
    inclusion, coded so that they estimate the mean marginal contribution over those probabilities.
    """

    api_version: ClassVar[int] = 1

    samples: int = Field(default=4000, ge=10)
    """Random subsets."""

    regression: Literal["lasso", "ridge"] = "lasso"
    """`lasso` (the paper's) looks for few points with large effects and sets the others to 0; `ridge` keeps all, and orders
    noisy labels better where every point has a small effect. The penalty is chosen by cross-validation."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 effects in units of the utility."""
        import numpy as np
        from sklearn.linear_model import LassoCV, RidgeCV

        rng = np.random.default_rng(seed)
        p = rng.choice(INCLUSION, size=(self.samples, 1))
        subsets = rng.random((self.samples, problem.n_train)) < p
        utilities = self.game(problem)(subsets)
        spread = utilities.std()
        if spread == 0:
            return np.zeros(problem.n_train)
        # E[z U] is the effect for z = 1/p inside and -1/(1-p) outside, of variance E[1/(p(1-p))]. A coefficient on z / sd(z)
        # is E[z U] / sd(z).
        deviation = np.sqrt(np.mean([1 / (q * (1 - q)) for q in INCLUSION]))
        coded = np.where(subsets, 1 / p, -1 / (1 - p)) / deviation
        target = (utilities - utilities.mean()) / spread
        if self.regression == "ridge":
            model = RidgeCV(alphas=np.logspace(-1, 5, 13)).fit(coded, target)
        else:
            model = LassoCV(cv=5, alphas=30, eps=0.01, max_iter=2000, tol=1e-3).fit(coded, target)
        effects: FloatArray = model.coef_ * spread * deviation
        return effects
