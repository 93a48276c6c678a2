"""What a classifier passes through while it is fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.components.trajectory import Trajectory
from harness.errors import InputError
from harness.models.forward import Forward, forward_of
from harness.models.runtime import Budget

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.components.model import Encoding
    from harness.models.feed import Feed
    from harness.models.runtime import Runtime
    from harness.models.tokens import Encoder
    from harness.types import FloatArray, IntArray, Texts


class Recorder:
    """Keeps logits and features of training and validation points in some states of a training.

    Args:
        validation: Texts that are looked at besides the training set.
        every: Steps between two states; ``None`` for the ends of epochs alone.
    """

    def __init__(self, validation: Sequence[Texts], every: int | None) -> None:
        self._validation, self._every = validation, every
        self._states: list[tuple[int, FloatArray, FloatArray]] = []
        self._batches: list[IntArray] = []
        self._rates: list[float] = []

    def begin(
        self, model: PreTrainedModel, feed: Feed, runtime: Runtime, train: Sequence[Encoding], encoder: Encoder
    ) -> None:
        """Take in what is trained, and on which ``n_train`` inputs."""
        self._model, self._feed, self._runtime = model, feed, replace(runtime, backend="torch")
        self._n_train = len(train)
        self._encodings = [*train, *encoder(self._validation)]
        self._budget = Budget(runtime.max_tokens_per_batch)

    def state(self, done: int, last: bool) -> bool:
        """See :class:`harness.models.training.Watch`."""
        return last or (self._every is not None and done % self._every == 0)

    def step(self, rows: IntArray, rate: float) -> None:
        """See :class:`harness.models.training.Watch`."""
        self._batches.append(np.asarray(rows, dtype=np.int64))
        self._rates.append(rate)

    def look(self, done: int) -> None:
        """See :class:`harness.models.training.Watch`.

        Raises:
            InputError: There is no last layer that reads one vector for each text.
        """
        logits: FloatArray | None = None
        with self._runtime.inference(), _LastInputs(self._model) as inputs:
            forward = forward_of(self._model, self._feed, self._runtime)
            for rows, found in self._budget.each(self._encodings, lambda rows: self._both(forward, inputs, rows)):
                both = found.float().cpu().numpy()
                if logits is None:
                    k, n = self._model.config.num_labels, len(self._encodings)
                    logits = np.empty((n, k), np.float32)
                    features = np.empty((n, both.shape[1] - k), np.float32)
                logits[rows], features[rows] = both[:, : logits.shape[1]], both[:, logits.shape[1] :]
        assert logits is not None  # noqa: S101 - a training set has points
        self._states.append((done, logits, features))

    def _both(self, forward: Forward, inputs: _LastInputs, rows: IntArray) -> Tensor:
        logits = forward([self._encodings[row] for row in rows])
        return torch.cat([logits.float(), inputs.taken(len(rows), type(self._model).__name__)], dim=1)

    def trajectory(self, epochs: int) -> Trajectory:
        """What was seen of a training of so many epochs."""
        width = max(len(rows) for rows in self._batches)
        batches = np.full((len(self._batches), width), -1, dtype=np.int64)
        for row, batch in zip(batches, self._batches, strict=True):
            row[: len(batch)] = batch
        logits = np.stack([logits for _, logits, _ in self._states])
        features = np.stack([features for _, _, features in self._states])
        return Trajectory(
            logits[:, : self._n_train],
            features[:, : self._n_train],
            logits[:, self._n_train :],
            features[:, self._n_train :],
            np.asarray([done for done, _, _ in self._states], dtype=np.int64),
            batches,
            np.asarray(self._rates, dtype=np.float64),
            epochs,
        )


class _LastInputs:
    """What the last layer of a classifier reads, caught on its way in: whichever layer with K outputs comes last in a pass."""

    def __init__(self, model: PreTrainedModel) -> None:
        labels = int(model.config.num_labels)
        self._layers = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == labels]
        self._handles: list[Any] = []
        self._last: Tensor | None = None

    def __enter__(self) -> _LastInputs:
        self._handles = [layer.register_forward_pre_hook(self._catch) for layer in self._layers]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _catch(self, layer: nn.Module, inputs: Any) -> None:
        self._last = inputs[0]

    def taken(self, n: int, name: str) -> Tensor:
        """``(n, d)`` features of the pass that was just made; rows beyond ``n`` were filled up."""
        last, self._last = self._last, None
        if last is not None and last.ndim == 2:
            return last[:n].float()
        raise InputError(
            f"{name} gives no features: its last layer does not read one vector for each text.",
            hint="Methods that need a trajectory look at the last layer; take a checkpoint of BERT's kin, such as DistilBERT.",
        )
