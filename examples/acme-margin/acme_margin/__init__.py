"""A complete third-party plugin: one class, one entry point, one test."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from harness import ValuationProblem, Valuator

if TYPE_CHECKING:
    from harness.types import FloatArray


class Margin(Valuator):
    """How much nearer a point is to the validation mean of its own class than to that of any other. Cost: O(N K d)."""

    api_version: ClassVar[int] = 1

    distance: Literal["euclidean", "cosine"] = "euclidean"
    """How nearness is measured."""

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """See the class; a class without validation points is infinitely far for nobody: it uses the overall mean."""
        import numpy as np

        def scaled(x: FloatArray) -> FloatArray:
            return (
                x if self.distance == "euclidean" else x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
            )

        x, valid = scaled(problem.x_train), scaled(problem.x_valid)
        centres = np.stack(
            [
                valid[problem.y_valid == k].mean(axis=0) if (problem.y_valid == k).any() else valid.mean(axis=0)
                for k in range(problem.num_classes)
            ]
        )
        distances = np.linalg.norm(x[:, None, :] - centres[None], axis=2)
        rows = np.arange(problem.n_train)
        own = distances[rows, problem.y_train]
        distances[rows, problem.y_train] = np.inf
        margins: FloatArray = distances.min(axis=1) - own
        return margins
