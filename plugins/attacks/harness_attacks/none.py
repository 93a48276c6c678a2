"""The attack that does nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from harness.components import Attack, AttackResult, Classifier, Example

if TYPE_CHECKING:
    from harness_attacks.trial import Steps, Trial


class NoAttack(Attack):
    """No perturbation: every example is classified once and returned as it is."""

    api_version: ClassVar[int] = 1

    def attack(self, victim: Classifier, examples: Sequence[Example], *, seed: int) -> Iterator[AttackResult]:
        """Right predictions come back as ``failed`` attacks, wrong ones as ``skipped``, each after one query."""
        from harness_attacks.runner import run

        return run(victim, examples, lambda trial: trial.run(_give_up), seed=seed)


def _give_up(trial: Trial) -> Steps:
    yield from ()
