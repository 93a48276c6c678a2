"""Contract of adversarial attacks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from harness.components.base import Component
from harness.components.example import Example
from harness.components.model import Classifier
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray


class AttackStatus(StrEnum):
    """How an attack ended."""

    SUCCEEDED = "succeeded"
    """Right before, wrong after."""
    FAILED = "failed"
    """No perturbation within the constraints changed the prediction."""
    SKIPPED = "skipped"
    """Wrong before any perturbation: nothing to attack."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """The outcome of attacking one example.

    Attributes:
        original: The text or pair as given.
        perturbed: The perturbed text or pair; of a failed attack the best attempt, of a skipped one the original.
        label: True class index.
        status: See :class:`AttackStatus`.
        queries: Number of distinct texts put to the classifier, counted as TextAttack counts them.
        original_probs: ``(K,)`` probabilities of the original.
        perturbed_probs: ``(K,)`` probabilities of ``perturbed``.
        note: Empty, or why the attack ended early (``"time limit"``, ``"query limit"``).
    """

    original: Texts
    perturbed: Texts
    label: int
    status: AttackStatus
    queries: int
    original_probs: FloatArray
    perturbed_probs: FloatArray
    note: str = ""


class Attack(Component):
    """A method that perturbs a text until the classifier errs."""

    kind: ClassVar[str] = "attack"

    @abstractmethod
    def attack(self, victim: Classifier, examples: Sequence[Example], *, seed: int) -> Iterator[AttackResult]:
        """Attack examples one by one, yielding results in input order.

        Results must not depend on how queries are batched nor on the other examples: example ``i`` is attacked under the
        seed ``seed + i`` alone. A caller that has enough stops iterating; little work must have been done in vain.
        ``examples`` is only indexed and measured, so it may be lazy.
        """

    def attack_each(
        self, victim: Classifier, examples: Sequence[Example], *, seeds: Sequence[int]
    ) -> Iterator[AttackResult]:
        """The same with a seed for each example: ``seeds[i]`` alone decides what is random in attacking example ``i``.

        This is what stages call: an example's seed belongs to its place in its data set, whenever it is attacked. By default
        each example is attacked by a call of :meth:`attack` of its own; implement it where examples can share batches.
        """
        for position, seed in enumerate(seeds):
            yield from self.attack(victim, [examples[position]], seed=seed)
