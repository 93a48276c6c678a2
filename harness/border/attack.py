"""What attacks return."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.border.calls import drawn
from harness.border.numbers import described, fault, integer, real
from harness.border.texts import parts, string
from harness.components.attack import AttackResult, AttackStatus
from harness.components.probabilities import improper, require_proper
from harness.components.texts import abridged, lone_surrogate

if TYPE_CHECKING:
    from harness.components.attack import Attack
    from harness.components.example import Example
    from harness.components.model import Classifier
    from harness.registry import Entry
    from harness.stages.base import Configured
    from harness.types import FloatArray, Texts


def attacked(
    attack: Configured[Attack],
    victim: Classifier,
    examples: Sequence[Example],
    *,
    num_labels: int,
    seeds: Sequence[int],
) -> Generator[AttackResult, None, None]:
    """The results of an attack, one per example and in their order, each checked as it comes.

    Args:
        attack: The attack.
        victim: The classifier that it attacks.
        examples: What it attacks; may be lazy.
        num_labels: Number of classes K.
        seeds: The seed of each example.

    Yields:
        Results with plain integers and float32 probabilities.

    Raises:
        HarnessError: It fails, or breaks its contract; the message says at which example.
    """
    entry, count = attack.entry, 0
    results = drawn(entry, lambda: attack.component.attack_each(victim, examples, seeds=seeds))
    try:
        for result in results:
            if count == len(examples):
                raise fault(entry, f"returned more than {count} results for {count} examples; expected one for each")
            yield _Checked(entry, victim, examples[count], count, num_labels).result(result)
            count += 1
    finally:
        results.close()
    if count != len(examples):
        raise fault(entry, f"returned {count} results for {len(examples)} examples; expected one for each")


class _Checked:
    """The checks of the result of one example."""

    def __init__(self, entry: Entry, victim: Classifier, example: Example, position: int, num_labels: int) -> None:
        self._entry, self._victim, self._example, self._num_labels = entry, victim, example, num_labels
        self._name = repr(example.id) if example.id else str(position)

    def result(self, given: Any) -> AttackResult:
        """The result, or an error that says what is wrong with it."""
        example = self._example
        if not isinstance(given, AttackResult):
            raise self._fault(f"returned {described(given)}", "an AttackResult")
        if given.original != example.texts:
            raise self._fault(
                f"returned the result of {abridged(given.original)}", "results in the order of the examples"
            )
        if given.label != example.label:
            raise self._fault(f"gave the label as {abridged(given.label)}", str(example.label))
        if given.status not in set(AttackStatus):
            raise self._fault(f"gave the status {abridged(given.status)}", f"one of {', '.join(AttackStatus)}")
        self._text(given.perturbed)
        queries = integer(self._entry, given.queries, f"the number of queries for example {self._name}")
        if queries < 0:
            raise self._fault(f"counted {queries} queries", "0 or more")
        string(self._entry, given.note, f"the note on example {self._name}")
        before = self._probabilities(given.original_probs, given.original, "the original")
        after = self._probabilities(given.perturbed_probs, given.perturbed, "the perturbed text")
        status = AttackStatus(given.status)
        self._agree(status, given)
        return replace(given, status=status, queries=queries, original_probs=before, perturbed_probs=after)

    def _fault(self, what: str, expected: str) -> Exception:
        return fault(self._entry, f"{what} for example {self._name}; expected {expected}")

    def _text(self, perturbed: Any) -> None:
        original = self._example.texts
        what = f"the perturbed text of example {self._name}"
        found = parts(self._entry, perturbed, what, paired=self._example.text_pair is not None)
        for part, was in zip(found, (original,) if isinstance(original, str) else original, strict=True):
            if not part.strip() and was.strip():
                raise fault(self._entry, f"gave {what} as {part!r}; expected a text that is not empty")
            if half := lone_surrogate(part):
                raise fault(self._entry, f"gave {what} with the lone surrogate {half}, which is half of a character")

    def _probabilities(self, probs: Any, texts: Texts, of: str) -> FloatArray:
        import numpy as np

        given = real(self._entry, probs, f"probabilities of {of} of example {self._name}")
        if given.shape != (self._num_labels,):
            raise self._fault(f"gave probabilities of {of} of shape {given.shape}", f"({self._num_labels},)")
        with np.errstate(over="ignore"):
            array: FloatArray = np.ascontiguousarray(given, dtype=np.float32)
        if (wrong := improper(array[None])) is not None:
            asked = np.asarray(self._victim.predict_proba([texts]), dtype=np.float32)
            require_proper(asked, "texts of an attack", [self._example])  # where it is the classifier's fault
            raise fault(self._entry, f"gave no probabilities of {of} of example {self._name}: {wrong.reason}")
        return array

    def _agree(self, status: AttackStatus, given: AttackResult) -> None:
        """Refuse a status that the attack's own probabilities, as it gave them, contradict."""
        import numpy as np

        label = self._example.label
        right_before, right_after = (
            int(np.asarray(probs).argmax()) == label for probs in (given.original_probs, given.perturbed_probs)
        )
        if (status == AttackStatus.SKIPPED) == right_before and status != AttackStatus.FAILED:
            raise self._fault(
                f"gave the status {str(status)!r}, but the original is classified {'right' if right_before else 'wrong'},",
                "'skipped' where the classifier errs before the attack, and only there",
            )
        if status == AttackStatus.SUCCEEDED and right_after:
            raise self._fault(
                f"gave the status 'succeeded', but the most probable class of the perturbed text is its label {label},",
                "probabilities that err",
            )
