"""What the attacks of this distribution have in common: the loop of the runner, and its options."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import Attack, AttackResult, Classifier, Example

if TYPE_CHECKING:
    from harness_attacks.trial import Steps, Trial


class SharedBatches(Attack):
    """An attack of which examples share batches."""

    @abstractmethod
    def attack_each(
        self, victim: Classifier, examples: Sequence[Example], *, seeds: Sequence[int]
    ) -> Iterator[AttackResult]:
        """See :meth:`harness.components.Attack.attack_each`."""

    def attack(self, victim: Classifier, examples: Sequence[Example], *, seed: int) -> Iterator[AttackResult]:
        """See :meth:`harness.components.Attack.attack`; raises what :meth:`attack_each` raises."""
        return self.attack_each(victim, examples, seeds=range(seed, seed + len(examples)))


class QueryAttack(SharedBatches):
    """An attack written as a coroutine per example, run by :func:`harness_attacks.runner.run`."""

    api_version: ClassVar[int] = 1
    neutral: ClassVar[frozenset[str]] = frozenset({"in_flight"})

    max_queries: int | None = Field(default=None, ge=1)
    """Query budget per example, counted as TextAttack counts: every text asked about, the original included."""

    time_limit: float | None = Field(default=None, gt=0)
    """Seconds per example, after which the best attempt so far is returned. Off by default: results depend on the clock."""

    in_flight: int = Field(default=32, ge=1)
    """Most examples under attack at a time; their queries share batches. Does not change results."""

    @abstractmethod
    def search(self, trial: Trial) -> Steps:
        """Attack one example that the classifier gets right, keeping the best attempt with :meth:`Trial.keep`."""

    def attack_each(
        self, victim: Classifier, examples: Sequence[Example], *, seeds: Sequence[int]
    ) -> Iterator[AttackResult]:
        """See :meth:`harness.components.Attack.attack_each`.

        Raises:
            harness.errors.DataError: A text is no string or not Unicode, or a label is out of the classifier's range.
            harness.errors.HarnessError: The classifier returned NaN.
        """
        from harness_attacks.runner import run

        return run(
            victim,
            examples,
            lambda trial: trial.run(self.search),
            seeds=seeds,
            in_flight=self.in_flight,
            max_queries=self.max_queries,
            time_limit=self.time_limit,
        )
