"""The attack that does nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from harness.components import AttackResult, Classifier, Example
from harness_attacks.base import SharedBatches

if TYPE_CHECKING:
    from harness_attacks.trial import Steps, Trial


class NoAttack(SharedBatches):
    """No perturbation: every example is classified once and returned as it is."""

    api_version: ClassVar[int] = 1

    def attack_each(
        self, victim: Classifier, examples: Sequence[Example], *, seeds: Sequence[int]
    ) -> Iterator[AttackResult]:
        """Right predictions come back as ``failed`` attacks, wrong ones as ``skipped``, each after one query."""
        from harness_attacks.runner import run

        return run(victim, examples, lambda trial: trial.run(_give_up), seeds=seeds)


def _give_up(trial: Trial) -> Steps:
    yield from ()
