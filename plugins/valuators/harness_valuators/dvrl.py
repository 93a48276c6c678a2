"""Data Valuation using Reinforcement Learning (Yoon, Arik, Pfister 2020, ICML), made to give the same answer twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from harness.components import ValuationProblem
from harness_valuators.options import UtilityValuator

if TYPE_CHECKING:
    from harness.types import FloatArray

THESIS: dict[str, Any] = {
    "utility": "accuracy",
    "iterations": 2000,
    "draws": 1,
    "baseline": "moving",
    "learning_rate": 0.01,
    "prior": 0.0,
    "anchor": 0.0,
    "trust": 0.0,
    "averaging": 0.0,
}
"""What the thesis leaves to the method's paper and to the library it used."""


class Dvrl(UtilityValuator):
    """Selection probabilities learned by reinforcement: DVRL (Yoon et al. 2020). Cost: O(iterations * batch).

    An estimator ``h(x, y, |y - f_val(x)|)`` gives each training point a selection probability. Each iteration draws
    selections of a batch, trains the logistic predictor on each of them, and moves the estimator towards those that do
    well on the validation set. ``f_val`` is a predictor trained on the validation set, the same throughout.

    As published, the method's answer depends on the seed, up to its sign. Four things remove that. (1) The *linear*
    baseline: the reward is compared with its first-order expansion around the expected selection, whose own gradient is
    known in closed form (the influence function of the weighted predictor) and added back, so the estimate stays unbiased
    and loses most of its variance (MuProp; Gu et al. 2016). (2) The estimator starts from the marginal information
    (``prior``) and pays for leaving it (``anchor``, a relative entropy), because a thousand free probabilities overfit a
    few hundred validation points. (3) Training points count as further validation points as far as they are selected
    (``trust``), each for the others and never for itself. (4) Weights are averaged over the last iterations.
    """

    api_version: ClassVar[int] = 1

    preset: Literal["thesis"] | None = None
    """`thesis` sets the options that follow the BLISS thesis (and with it the paper) to the letter: 2,000 iterations, one
    selection per iteration, accuracy as the reward against its moving average, nothing of (1) to (4) above. For
    reproduction only: its values depend on the seed. Options given beside it win."""

    iterations: int = Field(default=300, ge=1)
    """Estimator updates. With the linear baseline they converge within some hundred."""

    batch_size: int = Field(default=2000, ge=1)
    """Training points per iteration; the whole set when it is smaller."""

    draws: int = Field(default=8, ge=1)
    """Selections per iteration, in antithetic pairs; their predictors are trained together."""

    baseline: Literal["linear", "group", "moving"] = "linear"
    """What the reward is compared with: its `linear` expansion, the mean of the iteration's `group` of draws (at least 2),
    or its `moving` average over about 20 iterations (the paper's)."""

    learning_rate: float = Field(default=0.002, gt=0.0)
    """Of Adam, for the estimator."""

    hidden: int = Field(default=100, ge=1)
    """Width of the estimator's layers."""

    layers: int = Field(default=5, ge=1)
    """Linear layers before the marginal information joins."""

    exploration: float = Field(default=0.9, ge=0.5, le=1.0)
    """T: the mean selection probability of a batch is kept inside [1 - T, T]."""

    prior: float = Field(default=1.0, ge=0.0)
    """Weight of the marginal information in the start: the log-odds of selection are `prior` times the standardised
    probability of the label under the validation predictor. With 0 the start is random."""

    anchor: float = Field(default=1.0, ge=0.0)
    """Price of the relative entropy between a point's selection probability and its start, in units of the gain of a point
    whose inclusion helps by one standard deviation more than average."""

    trust: float = Field(default=2.0, ge=0.0)
    """Weight of a selected training point as a validation point for the others."""

    averaging: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of the iterations, at the end, over which the estimator's weights are averaged; 0 takes the last."""

    predictor_steps: int = Field(default=3, ge=1)
    """Preconditioned steps that train a selection's predictor, from the start that all selections share."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("preset") == "thesis":
            return {**THESIS, **data}
        return data

    @model_validator(mode="after")
    def _enough_draws(self) -> Dvrl:
        if self.baseline == "group" and self.draws < 2:
            raise ValueError("baseline: group compares draws with one another and needs draws of at least 2")
        return self

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 selection probabilities in ``[0, 1]``."""
        from harness_valuators.reinforce import learn_selection

        return learn_selection(self, problem, seed=seed, device=self.resolve())
