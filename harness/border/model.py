"""What models return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.border.calls import calling
from harness.border.numbers import described, fault, real
from harness.components.model import Classifier
from harness.components.probabilities import require_proper
from harness.components.usage import Usage

if TYPE_CHECKING:
    from harness.components.example import Example
    from harness.components.model import Model
    from harness.registry import Entry
    from harness.stages.base import Configured, Context
    from harness.stages.contents.classifier import TrainedClassifier
    from harness.types import FloatArray


def classifier(entry: Entry, found: Any) -> Classifier:
    """What a model fine-tuned or loaded.

    Raises:
        HarnessError: It is no classifier.
    """
    if not isinstance(found, Classifier):
        raise fault(entry, f"returned {described(found)}; expected a Classifier")
    return found


_kept: dict[tuple[Path, str, str], Classifier] = {}
"""The classifier of the part that this process computed last, by where it was read from and by what."""


def loaded(trained: TrainedClassifier, model: Configured[Model], context: Context, *, keep: bool = False) -> Classifier:
    """A fine-tuned classifier, read back by its model.

    Args:
        trained: The artifact's content.
        model: What it is of.
        context: Where answers that are paid for are kept.
        keep: Hold it in this process until another one is read: the next part will want the same, as a rule.
    """
    key = (Path(str(trained.source)), model.entry.key, repr(model.component))
    found = _kept.get(key)
    if found is None:
        _kept.clear()
        with calling(model.entry):
            found = classifier(model.entry, trained.load(model.component.keeping_answers(context.responses)))
    if keep and isinstance(trained.source, Path):
        _kept[key] = found
    return found


def note_bill(context: Context, classifier: Classifier) -> None:
    """Keep among the facts of a stage what asking its classifier has cost, if it was paid for."""
    if (usage := classifier.billed()) != Usage():
        context.facts["usage"] = asdict(usage)


def embeddings(entry: Entry, rows: Any, n: int) -> FloatArray:
    """What a model returned as the embeddings of ``n`` texts, as ``(n, d)`` float32.

    Raises:
        HarnessError: It has broken its contract: another shape, values that are not finite or no real numbers.
    """
    import numpy as np

    given = real(entry, rows, "embeddings")
    if given.size if n == 0 else given.ndim != 2 or len(given) != n or not given.shape[1]:
        raise fault(entry, f"returned embeddings of shape {given.shape} for {n} texts; expected a row for each")
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused
        array: FloatArray = np.ascontiguousarray(given, dtype=np.float32)
    if array.size and not np.isfinite(array).all():
        bad = ~np.isfinite(array).all(axis=1)
        found = f"{int(bad.sum())} of {n} texts (first: {int(bad.argmax())})"
        raise fault(entry, f"returned embeddings that are NaN or infinite for {found}")
    return array


def probabilities(entry: Entry, probs: Any, what: str, examples: Sequence[Example], num_labels: int) -> FloatArray:
    """What a classifier returned for some examples, as ``(n, num_labels)`` float32.

    Args:
        entry: The model that it is of.
        probs: What it returned.
        what: What the rows are, in the plural: ``"test examples"``.
        examples: What each row is about.
        num_labels: Number of classes K.

    Raises:
        HarnessError: It has broken its contract: another shape, or rows that are no distributions.
    """
    import numpy as np

    given = real(entry, probs, "probabilities")
    expected = (len(examples), num_labels)
    if given.shape != expected and not (given.size == 0 and not examples):
        raise fault(
            entry, f"returned probabilities of shape {given.shape} for {len(examples)} {what}; expected {expected}"
        )
    with np.errstate(over="ignore"):
        array: FloatArray = np.ascontiguousarray(given.reshape(expected), dtype=np.float32)
    require_proper(array, what, examples)
    return array
