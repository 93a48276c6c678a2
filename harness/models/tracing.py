"""What a classifier passes through while it is fine-tuned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.components.trajectory import Looks, Trajectory
from harness.errors import InputError
from harness.models.feed import outputs_of
from harness.models.forward import Forward, forward_of
from harness.models.gradients import Call, Capture, Projection, activations_only, capturing, margins, products
from harness.models.runtime import Budget
from harness.seeds import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.components.model import Encoding
    from harness.models.feed import Feed
    from harness.models.learner import Learner
    from harness.models.runtime import Runtime
    from harness.models.tokens import Encoder
    from harness.types import FloatArray, IntArray, Texts


class Recorder:
    """Sees what is asked for of a training; a :class:`harness.models.training.Watch`.

    Args:
        validation: Texts that are looked at besides the training set.
        labels: Their labels.
        looks: What to look at.
        seed: Draws the order in which validation points take turns.
    """

    def __init__(self, validation: Sequence[Texts], labels: Sequence[int], looks: Looks, seed: int) -> None:
        self._validation, self._valid_labels, self._looks, self._seed = validation, labels, looks, seed
        self._pull: dict[nn.Parameter, Tensor] = {}
        self._pointwise: list[tuple[IntArray, list[Call]]] = []
        self._states: list[tuple[int, FloatArray, FloatArray, FloatArray | None]] = []
        self._pending: list[tuple[IntArray, Tensor, Tensor]] = []
        self._arrays: dict[str, FloatArray] = {}

    def meet(
        self,
        model: PreTrainedModel,
        feed: Feed,
        runtime: Runtime,
        train: Sequence[Encoding],
        labels: IntArray,
        encoder: Encoder,
    ) -> None:
        """Take in what is trained, and on which ``n_train`` inputs with which labels."""
        self._model, self._feed, self._runtime = model, feed, replace(runtime, backend="torch")
        self._n_train, self._valid = len(train), encoder(self._validation)
        self._encodings = [*train, *self._valid]
        self._budget = Budget(runtime.max_tokens_per_batch)
        self._labels = torch.tensor([*labels, *self._valid_labels], dtype=torch.int64, device=runtime.device)
        self._inputs = _LastInputs(model)
        self._capture = Capture(model) if self._looks.products or self._looks.gradients else None
        if self._capture is not None and self._looks.gradients:
            self._projection = Projection(self._capture.layers, self._looks.gradients, derive_seed(self._seed, "signs"))

    def begin(
        self,
        learner: Learner,
        beside: Callable[[Sequence[Encoding]], Learner],
        epochs: int,
        per_epoch: int,
        size: int,
    ) -> None:
        """See :class:`harness.models.training.Watch`."""
        self._epochs, self._per_epoch, self._total = epochs, per_epoch, epochs * per_epoch
        self._batches = np.full((self._total, min(size, self._n_train)), -1, dtype=np.int64)
        self._rates = np.zeros(self._total)
        self._learner = learner
        if self._looks.products:
            self._arrays["products"] = np.zeros(self._batches.shape)
        if self._looks.validation:
            self._turns = turns(len(self._valid), self._looks.validation, self._total, self._seed)
            self._beside = beside(self._valid)

    def state(self, done: int, last: bool) -> bool:
        """See :class:`harness.models.training.Watch`."""
        return self._looks.wants(done, last, self._total)

    def step(self, done: int, rows: IntArray, rate: float) -> None:
        """See :class:`harness.models.training.Watch`."""
        self._batches[done, : len(rows)] = rows
        self._rates[done] = rate
        for seen, logits, features in self._pending:
            self._write("passing", self._epochs, self._n_train, (done // self._per_epoch, seen), logits, features)
        for seen, calls in self._pointwise:
            self._products(done, rows, seen, calls)
        self.again()

    def again(self) -> None:
        """See :class:`harness.models.training.Watch`."""
        self._pending.clear()
        self._pointwise.clear()

    def forward(self) -> AbstractContextManager[None]:
        """See :class:`harness.models.training.Watch`."""
        return capturing(self._capture) if self._looks.products and self._capture is not None else nullcontext()

    def _products(self, done: int, batch: IntArray, rows: IntArray, calls: list[Call]) -> None:
        found = products(calls, self._pull, *self._learner.tokens(rows)).cpu().numpy()
        places = np.argsort(batch)[np.searchsorted(batch, rows, sorter=np.argsort(batch))]
        self._arrays["products"][done, places] = found

    def passing(self, rows: IntArray, logits: Tensor) -> None:
        """See :class:`harness.models.training.Watch`. What is seen is written down after the step: a GPU goes on meanwhile."""
        if self._looks.products and self._capture is not None:
            self._pointwise.append((rows, self._capture.taken()))
        if self._looks.passing:
            features = self._inputs.taken(len(rows), type(self._model).__name__)
            self._pending.append((rows, logits.detach(), features))

    def glances(self) -> bool:
        """See :class:`harness.models.training.Watch`."""
        return bool(self._looks.validation)

    def glance(self, done: int) -> None:
        """See :class:`harness.models.training.Watch`."""
        rows = self._beside.order(self._turns[done])
        self._turns[done] = rows
        if self._looks.products:
            with self._runtime.arithmetic():
                logits = self._beside.logits(rows)
            labels = self._labels[self._n_train + torch.from_numpy(rows).to(self._labels.device)]
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
            found = torch.autograd.grad(loss, trained, allow_unused=True)
            self._pull = {one: slope for one, slope in zip(trained, found, strict=True) if slope is not None}
            logits = logits.detach()
        else:
            with self._runtime.inference():
                logits = self._beside.logits(rows)
        features = self._inputs.taken(len(rows), type(self._model).__name__)
        self._write("glance", self._total, self._turns.shape[1], (done,), logits, features)

    def look(self, done: int) -> None:
        """See :class:`harness.models.training.Watch`.

        Raises:
            InputError: There is no last layer that reads one vector for each text.
        """
        logits: FloatArray | None = None
        with self._runtime.inference():
            forward = forward_of(self._model, self._feed, self._runtime)
            for rows, found in self._budget.each(self._encodings, lambda rows: self._both(forward, rows)):
                both = found.float().cpu().numpy()
                if logits is None:
                    k, n = self._model.config.num_labels, len(self._encodings)
                    logits = np.empty((n, k), np.float32)
                    features = np.empty((n, both.shape[1] - k), np.float32)
                logits[rows], features[rows] = both[:, : logits.shape[1]], both[:, logits.shape[1] :]
        assert logits is not None  # noqa: S101 - a training set has points
        self._states.append((done, logits, features, self._gradients()))

    def _gradients(self) -> FloatArray | None:
        """``(n, g)`` projected gradients of all points' log-odds in this state, if they are wanted."""
        if not self._looks.gradients or self._capture is None:
            return None
        found = np.empty((len(self._encodings), self._projection.size), np.float32)
        budget = Budget(min(self._budget.tokens, GRADIENT_TOKENS))
        with activations_only(self._model, self._capture) as leaves:
            for rows, computed in budget.each(self._encodings, lambda rows: self._projected(rows, leaves)):
                found[rows] = computed.cpu().numpy()
        return found

    def _projected(self, rows: IntArray, leaves: list[Tensor]) -> Tensor:
        assert self._capture is not None  # noqa: S101 - there is one where gradients are wanted
        leaves.clear()
        self._capture.taken()
        inputs = self._feed.batch([self._encodings[row] for row in rows], self._runtime.device)
        with torch.enable_grad(), self._runtime.arithmetic(), capturing(self._capture, len(rows)):
            logits = outputs_of(self._model, inputs).logits
        total = margins(logits.float(), self._labels[torch.from_numpy(rows).to(self._labels.device)]).sum()
        torch.autograd.grad(total, leaves, allow_unused=True)
        return self._projection.of(self._capture.taken(), len(rows))

    def _both(self, forward: Forward, rows: IntArray) -> Tensor:
        logits = forward([self._encodings[row] for row in rows])
        return torch.cat([logits.float(), self._inputs.taken(len(rows), type(self._model).__name__)], dim=1)

    def _write(self, part: str, rows: int, columns: int, where: Any, logits: Tensor, features: Tensor) -> None:
        for name, tensor in ((f"{part}_logits", logits), (f"{part}_features", features)):
            found = tensor.float().cpu().numpy()
            if name not in self._arrays:
                self._arrays[name] = np.zeros((rows, columns, found.shape[1]), np.float32)
            self._arrays[name][where] = found

    def kept(self) -> dict[str, Tensor]:
        """See :class:`harness.models.training.Watch`."""
        arrays: dict[str, Any] = {"batches": self._batches, "rates": self._rates, **self._arrays}
        if self._looks.validation:
            arrays["turns"] = self._turns
        for done, logits, features, gradients in self._states:
            arrays |= {f"state/{done}/logits": logits, f"state/{done}/features": features}
            if gradients is not None:
                arrays[f"state/{done}/gradients"] = gradients
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def resume(self, kept: dict[str, Tensor]) -> None:
        """See :class:`harness.models.training.Watch`."""
        arrays: dict[str, Any] = {name: tensor.cpu().numpy().copy() for name, tensor in kept.items()}
        self._batches, self._rates = arrays.pop("batches"), arrays.pop("rates")
        if self._looks.validation:
            self._turns = arrays.pop("turns")
        dones = sorted({int(name.split("/")[1]) for name in arrays if name.startswith("state/")})
        for i in dones:
            logits, features = arrays.pop(f"state/{i}/logits"), arrays.pop(f"state/{i}/features")
            self._states.append((i, logits, features, arrays.pop(f"state/{i}/gradients", None)))
        self._arrays = arrays

    def trajectory(self) -> Trajectory:
        """What was seen, now that training is over."""
        self._inputs.release()
        if self._capture is not None:
            self._capture.release()
        n, k, arrays = self._n_train, int(self._model.config.num_labels), self._arrays
        if self._states:
            logits, features = (np.stack([np.asarray(state[part]) for state in self._states]) for part in (1, 2))
        else:
            width = next((array.shape[2] for name, array in arrays.items() if name.endswith("features")), 0)
            logits, features = (np.zeros((0, len(self._encodings), size), np.float32) for size in (k, width))
        found = [state[3] for state in self._states if state[3] is not None]
        gradients = np.stack(found) if found else None
        return Trajectory(
            logits[:, :n],
            features[:, :n],
            logits[:, n:],
            features[:, n:],
            np.asarray([state[0] for state in self._states], dtype=np.int64),
            self._batches,
            self._rates,
            self._epochs,
            glance_rows=self._turns if self._looks.validation else None,
            train_gradients=None if gradients is None else gradients[:, :n],
            valid_gradients=None if gradients is None else gradients[:, n:],
            **{name: arrays.get(name) for name in SEEN},
        )


SEEN = ("passing_logits", "passing_features", "glance_logits", "glance_features", "products")

GRADIENT_TOKENS = 4096
"""Padded tokens at most in a pass whose gradients are taken point by point: what layers read is kept till its end."""


def turns(n: int, size: int, steps: int, seed: int) -> IntArray:
    """``(steps, min(n, size))`` whose turn it is in each step: rounds of all points, but for what fills no whole turn."""
    rng, size = np.random.default_rng(seed), min(n, size)
    rounds = [rng.permutation(n) for _ in range(-(-steps // (n // size)))]
    found: IntArray = np.concatenate([each[: n // size * size].reshape(-1, size) for each in rounds])[:steps]
    return found


class _LastInputs:
    """What the last layer of a classifier reads, caught on its way in: whichever layer with K outputs comes last in a pass."""

    def __init__(self, model: PreTrainedModel) -> None:
        labels = int(model.config.num_labels)
        self._last: Tensor | None = None
        layers = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == labels]
        self._handles = [layer.register_forward_pre_hook(self._catch) for layer in layers]

    def release(self) -> None:
        """Look no longer."""
        for handle in self._handles:
            handle.remove()

    def _catch(self, layer: nn.Module, inputs: Any) -> None:
        self._last = inputs[0].detach()

    def taken(self, n: int, name: str) -> Tensor:
        """``(n, d)`` features of the pass that was just made; rows beyond ``n`` were filled up."""
        last, self._last = self._last, None
        if last is not None and last.ndim == 2:
            return last[:n].float()
        raise InputError(
            f"{name} gives no features: its last layer does not read one vector for each text.",
            hint="Methods that need a trajectory look at the last layer; take a checkpoint of BERT's kin, such as DistilBERT.",
        )
