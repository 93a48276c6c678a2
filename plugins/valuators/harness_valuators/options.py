"""Options that several valuators share."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from harness.components import Valuator
from harness.errors import InputError

UtilityName = Literal["probability", "accuracy", "log-loss", "blind-spot"]
"""How good a predictor is on the validation set, as a number to maximise (see :mod:`harness_valuators.utility`)."""


class TorchValuator(Valuator):
    """A valuator that computes with torch."""

    neutral: ClassVar[frozenset[str]] = frozenset({"device"})

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; `auto` takes the GPU when there is one."""

    def resolve(self) -> str:
        """The device as torch names it.

        Raises:
            harness.errors.InputError: `cuda` is asked for and there is none.
        """
        if self.device == "cpu":
            return "cpu"
        import torch

        if torch.cuda.is_available():
            return "cuda"
        if self.device == "cuda":
            raise InputError(
                "device: cuda was asked for, but torch finds no GPU here.", hint="Use device: auto or cpu."
            )
        return "cpu"

    def preflight(self) -> None:
        """Check that the device exists."""
        self.resolve()


class UtilityValuator(TorchValuator):
    """A valuator whose values are differences of a utility: how well a logistic predictor trained on a subset does."""

    utility: UtilityName = "probability"
    """What is valued: the mean `probability` of the true class, `accuracy`, `log-loss` (its negative), or `blind-spot`:
    minus the share of unknown unknowns (wrong predictions with confidence of at least `threshold`)."""

    threshold: float = Field(default=0.65, ge=0.0, le=1.0)
    """Confidence τ from which a wrong prediction is an unknown unknown (for the `blind-spot` utility)."""

    l2: float = Field(default=1.0, gt=0.0)
    """L2 penalty of the predictor, as the inverse of scikit-learn's C. Features are centred and scaled to mean square
    norm 1 first, so that it means the same for every encoder."""
