"""What methods share that look at a fine-tuning's trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.components import Looks, Valuator
from harness.components.valuator import Need
from harness.errors import DataError, InputError

if TYPE_CHECKING:
    from harness.components import Trajectory
    from harness.types import FloatArray, IntArray


class TrajectoryValuator(Valuator):
    """A valuator that looks at what fine-tuning passed through, and draws nothing at random."""

    needs: ClassVar[frozenset[Need]] = frozenset({"trajectory"})


Recorded = Literal["training", "after"]
"""When points are looked at; see :attr:`Recording.recorded`."""


class Recording(TrajectoryValuator):
    """A valuator of the logits of training points, one look at each in every epoch."""

    recorded: Recorded = "training"
    """`training`: when the point is learned from, in training's own forward pass, with dropout; it takes no time. `after`: at
    the end of the epoch, without dropout, which takes a forward pass over the training set."""

    def looks(self) -> Looks:
        """See :meth:`harness.components.Valuator.looks`."""
        return Looks(passing=True) if self.recorded == "training" else Looks(states="epochs")

    def seen(self, trajectory: Trajectory) -> tuple[FloatArray, FloatArray]:
        """``(epochs, n, K)`` logits and ``(epochs, n, d)`` features of training points, as they were recorded."""
        if self.recorded == "training":
            return passing(trajectory)
        ends = trajectory.ends()
        return trajectory.train_logits[ends], trajectory.train_features[ends]


class Hardness(Recording):
    """A valuator that scores how hard points are for the network after one of its epochs.

    What is recorded in `training` is seen in the epoch that follows, or in the last one where none does.
    """

    epoch: int = Field(default=1, ge=1)
    """After which epoch the network is looked at."""

    prefer: Literal["easy", "hard"] = "easy"
    """Which points have high values. The paper keeps `hard` ones, of data with right labels; wrong labels are hard as well."""

    def signed(self, hardness: FloatArray) -> FloatArray:
        """Values of hardness."""
        return -hardness if self.prefer == "easy" else hardness

    def early(self, trajectory: Trajectory) -> tuple[FloatArray, FloatArray]:
        """``(n, K)`` logits and ``(n, d)`` features of training points.

        Raises:
            InputError: There are not as many epochs.
        """
        if self.epoch > trajectory.epochs:
            raise InputError(
                f"epoch: {self.epoch} was asked for, but fine-tuning has {trajectory.epochs}.",
                hint="Lower it, or raise the model's `epochs`.",
            )
        logits, features = self.seen(trajectory)
        which = self.epoch - 1 if self.recorded == "after" else min(self.epoch, trajectory.epochs - 1)
        return logits[which], features[which]


Layers = Literal["last", "all"]
"""By which parameters gradients are taken."""


def gradients(trajectory: Trajectory, state: int) -> tuple[FloatArray, FloatArray]:
    """``(n_train, g)`` and ``(n_valid, g)`` projected gradients of log-odds by the whole network, float64.

    Raises:
        DataError: The trajectory has none.
    """
    import numpy as np

    if trajectory.train_gradients is None or trajectory.valid_gradients is None:
        raise DataError(
            "The trajectory has no gradients of the whole network (`train_gradients`).",
            hint="Set `layers: last`, or record them.",
        )
    return trajectory.train_gradients[state].astype(np.float64), trajectory.valid_gradients[state].astype(np.float64)


def passing(trajectory: Trajectory) -> tuple[FloatArray, FloatArray]:
    """``(epochs, n, K)`` logits and ``(epochs, n, d)`` features of training points as they passed by.

    Raises:
        DataError: The trajectory has none.
    """
    if trajectory.passing_logits is None or trajectory.passing_features is None:
        raise DataError(
            "The trajectory has no logits of training points as they were learned from (`passing_logits`).",
            hint="Set `recorded: after` where the method has it, or record them.",
        )
    return trajectory.passing_logits, trajectory.passing_features


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


def pairwise(train: tuple[FloatArray, FloatArray], valid: tuple[FloatArray, FloatArray]) -> FloatArray:
    """``(n, m)`` inner products of last-layer gradients, from errors ``(n, K)`` and features ``(n, d)`` of either side."""
    found: FloatArray = (train[0] @ valid[0].T) * (train[1].astype("float64") @ valid[1].T.astype("float64") + 1)
    return found
