"""What methods share that look at a fine-tuning's trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.components import Valuator
from harness.components.valuator import Need
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.components import Trajectory
    from harness.types import FloatArray, IntArray


class TrajectoryValuator(Valuator):
    """A valuator that looks at what fine-tuning passed through, and draws nothing at random."""

    needs: ClassVar[frozenset[Need]] = frozenset({"trajectory"})


class Hardness(TrajectoryValuator):
    """A valuator that scores how hard points are for the network after one of its epochs."""

    epoch: int = Field(default=1, ge=1)
    """After which epoch the network is looked at."""

    prefer: Literal["easy", "hard"] = "easy"
    """Which points have high values. The paper keeps `hard` ones, of data with right labels; wrong labels are hard as well."""

    def signed(self, hardness: FloatArray) -> FloatArray:
        """Values of hardness."""
        return -hardness if self.prefer == "easy" else hardness

    def state(self, trajectory: Trajectory) -> int:
        """The state that is looked at.

        Raises:
            InputError: There are not as many epochs.
        """
        if self.epoch > trajectory.epochs:
            raise InputError(
                f"epoch: {self.epoch} was asked for, but fine-tuning has {trajectory.epochs}.",
                hint="Lower it, or raise the model's `epochs`.",
            )
        return int(trajectory.ends()[self.epoch - 1])


def probabilities(logits: FloatArray) -> FloatArray:
    """Softmax over the last axis, float64."""
    import numpy as np

    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    found: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return found


def true_class(probs: FloatArray, labels: IntArray) -> FloatArray:
    """``(..., n)`` what each row of ``(..., n, K)`` has for its label."""
    import numpy as np

    found: FloatArray = probs[..., np.arange(len(labels)), labels]
    return found


def errors(logits: FloatArray, labels: IntArray) -> FloatArray:
    """``(n, K)`` gradients of cross-entropies by logits: ``p - y``, float64."""
    import numpy as np

    found = probabilities(logits)
    found[np.arange(len(labels)), labels] -= 1
    return found


def mean_gradient(logits: FloatArray, features: FloatArray, labels: IntArray) -> FloatArray:
    """``(K, d + 1)`` gradient of the mean cross-entropy by weights and bias of the last layer."""
    import numpy as np

    wrong = errors(logits, labels)
    return np.column_stack([wrong.T @ features.astype(np.float64), wrong.sum(axis=0)]) / len(labels)


def along(logits: FloatArray, features: FloatArray, labels: IntArray, direction: FloatArray) -> FloatArray:
    """``(n,)`` inner products of each point's last-layer gradient with ``(K, d + 1)``, without ever writing gradients down."""
    import numpy as np

    products = features.astype(np.float64) @ direction[:, :-1].T + direction[:, -1]
    found: FloatArray = (errors(logits, labels) * products).sum(axis=1)
    return found
