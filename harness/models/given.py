"""Classifiers that somebody has already: asked as they are, never trained."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.components.example import Example
from harness.components.labels import match_labels
from harness.components.model import Classifier
from harness.components.texts import abridged
from harness.errors import InputError
from harness.models.embedding import EmbeddingModel, hashed
from harness.types import Texts

if TYPE_CHECKING:
    from harness.components.labels import LabelMatch
    from harness.types import FloatArray

ROUNDED = 5e-3
"""How far from 1 the sum of a row may be: probabilities are often rounded when they are written down."""

Scale = Literal["probabilities", "logits"]


class TextClassifier(Classifier):
    """A classifier that takes texts and is not known from inside.

    Args:
        num_labels: Number of classes K.
        said: How its outputs came to mean them.
    """

    def __init__(self, num_labels: int, said: str) -> None:
        self.num_labels, self.said = num_labels, said

    @abstractmethod
    def ask(self, texts: Sequence[Texts]) -> FloatArray:
        """Probabilities ``(n, K)`` float32 of at least one text, each of them different, in the order of the classes."""

    def predict_encoded(self, encodings: Sequence[Texts]) -> FloatArray:
        """Class probabilities ``(n, K)`` float32 of texts; each distinct one is asked once."""
        import numpy as np

        distinct = {text: row for row, text in enumerate(dict.fromkeys(encodings))}
        if not distinct:
            return np.zeros((0, self.num_labels), dtype=np.float32)
        return self.ask(list(distinct))[[distinct[text] for text in encodings]]

    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """Hashed words and characters of the texts: such a classifier shows no features of its own."""
        return hashed(texts)


class UntrainedModel(EmbeddingModel):
    """What classifiers that are not trained have in common."""

    trainable: ClassVar[bool] = False

    labels: tuple[str, ...] = ()
    """What its outputs are called, in their order; they are matched with the classes of the data by name. By default what it
    says itself, else the order of the data is assumed, and this is said."""

    def fine_tune(
        self, train: Sequence[Example], *, num_labels: int, seed: int, weights: FloatArray | None = None
    ) -> Classifier:
        """Such a classifier cannot be trained.

        Raises:
            InputError: Always.
        """
        raise InputError(NOT_TRAINABLE.format(type(self).__name__))

    def check_labels(self, labels: Sequence[str]) -> None:
        """See :meth:`harness.components.Model.check_labels`."""
        if self.labels:
            self.matched(self.labels, labels)

    def matched(self, outputs: Sequence[str] | None, labels: Sequence[str]) -> LabelMatch:
        """Its outputs as the task's classes.

        Args:
            outputs: What they are called; ``None`` where nobody says.
            labels: The task's classes.

        Raises:
            harness.errors.DataError: They contradict each other.
        """
        return match_labels(outputs or [f"LABEL_{k}" for k in range(len(labels))], labels, self.name())

    @abstractmethod
    def name(self) -> str:
        """What to call it in messages, as the beginning of a sentence."""


class GivenModel(UntrainedModel):
    """A classifier that is given, and gives numbers for texts."""

    scale: Scale = "probabilities"
    """What it gives: `probabilities`, or `logits`, which a softmax makes probabilities of."""


NOT_TRAINABLE = "{} is a classifier as it is: it cannot be fine-tuned."


def probabilities(found: Any, order: Sequence[int], scale: Scale, name: str, texts: Sequence[Texts]) -> FloatArray:
    """What a given classifier returned, as probabilities in the order of the classes.

    Args:
        found: Its answer for the texts: anything that should be ``(n, K)``.
        order: For each class of the task its output.
        scale: What the numbers are.
        name: What to call it, as the beginning of a sentence.
        texts: What it was asked.

    Returns:
        ``(n, K)`` float32, rows sum to 1.

    Raises:
        InputError: It is of another shape or kind; the message names the first bad row.
    """
    import numpy as np

    try:
        given = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} returned what are no numbers in rows of equal length: {str(error)[:200]}.") from error
    expected = (len(texts), len(order))
    if given.shape != expected:
        rows = f"{expected[0]} rows of {expected[1]} numbers, one per class"
        raise InputError(f"{name} returned an array of shape {given.shape} for {len(texts)} texts; expected {rows}.")
    with np.errstate(all="ignore"):
        if scale == "logits":
            powers = np.exp(given - given.max(axis=1, keepdims=True))
            given = np.where(np.isfinite(given), powers, np.nan)
            sums = given.sum(axis=1)
            fine = np.isfinite(sums)
        else:
            sums = given.sum(axis=1)
            fine = np.isfinite(given).all(axis=1) & (given.min(axis=1) >= 0) & (np.abs(sums - 1) <= ROUNDED)
    if not fine.all():
        row = int((~fine).argmax())
        raise InputError(*_refused(given[row], float(sums[row]), row, int((~fine).sum()), name, texts))
    ordered: FloatArray = (given / sums[:, None])[:, list(order)].astype(np.float32)
    return ordered


def _refused(values: FloatArray, total: float, row: int, count: int, name: str, texts: Sequence[Texts]) -> tuple[str]:
    import numpy as np

    shown = ", ".join(f"{value:.6g}" for value in values[:8]) + (", ..." if len(values) > 8 else "")
    if not np.isfinite(values).all():
        wrong, advice = "has values that are no finite numbers", ""
    elif abs(total - 100) <= 100 * ROUNDED and values.min() >= 0:
        wrong, advice = f"sums to {total:.6g}", " These look like percentages: divide them by 100."
    else:
        wrong = "has values below 0" if values.min() < 0 else f"sums to {total:.6g}, not to 1"
        advice = " If these are logits, say `scale: logits`."
    which = f"row {row} of {len(texts)} ({abridged(texts[row])})"
    more = f", and {count - 1} more" if count > 1 else ""
    return (f"{name} gave no probabilities for {which}{more}: [{shown}] {wrong}.{advice}",)


def write_order(folder: Path, order: Sequence[int], said: str, **more: Any) -> None:
    """Keep what a given classifier needs besides its model's options, as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "given.json").write_text(json.dumps({"order": list(order), "said": said, **more}), encoding="utf-8")


def read_order(folder: Path) -> Mapping[str, Any]:
    """Read what :func:`write_order` wrote."""
    found: Mapping[str, Any] = json.loads((folder / "given.json").read_text(encoding="utf-8"))
    return found
