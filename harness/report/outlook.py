"""What a suite can show before it is run: from pilots or from assumptions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.pilot import Pilot, largest
from harness.statistics.comparison import ALPHA
from harness.statistics.digits import plural
from harness.statistics.power import Components

if TYPE_CHECKING:
    from harness.suite import Suite


@dataclass(frozen=True)
class Assumptions:
    """What is taken for granted where no pilot says it.

    Attributes:
        changed: Share of test examples that count for one of two arms and not for the other, in [0, 1].
        common: Part of the examples' chance that all seeds share, in [0, 1].
        spread: Standard deviation of the difference between seeds beyond what examples explain, as a share.
    """

    changed: float
    common: float
    spread: float

    def fill(self, found: Components | None) -> Components:
        """Variances, with what pilots do not say."""
        example = self.changed if found is None else found.example
        if found is None or math.isnan(found.seed):
            return Components(example, self.common * example, self.spread**2)
        return found

    def __str__(self) -> str:
        return (
            f"{self.common:.0%} of the examples' chance shared by all seeds, and a standard deviation of "
            f"{100 * self.spread:g} points between seeds"
        )


@dataclass(frozen=True)
class Outlook:
    """What a suite can show on one data set. Differences are shares of the test examples.

    Attributes:
        dataset: Its name.
        basis: What the variances rest on.
        components: The variances.
        examples: Number of test examples that the primary score is over; ``None`` where only loading tells.
        seeds: Number of seeds of the suite.
        comparisons: Number of arms that are compared with the baseline.
        detectable: The smallest difference that the suite as it is finds; ``None`` where ``examples`` is.
        table: By number of examples, then of seeds, the smallest difference that is found; at most 1.
        needed: By number of seeds, the test examples that the wished difference takes; ``None`` where no number does.
    """

    dataset: str
    basis: str
    components: Components
    examples: int | None
    seeds: int
    comparisons: int
    detectable: float | None
    table: dict[int, dict[int, float]]
    needed: dict[int, int | None]


def outlook(
    suite: Suite,
    dataset: str,
    pilots: Sequence[Pilot],
    assumed: Assumptions,
    *,
    examples: Sequence[int],
    seeds: Sequence[int],
    difference: float | None,
    power: float,
) -> Outlook:
    """What a suite can show on one of its data sets.

    Args:
        suite: The suite.
        dataset: Name of the data set.
        pilots: Earlier comparisons; those on this data set count, or all where there is none.
        assumed: Instead of what pilots do not say.
        examples: Numbers of test examples to look at.
        seeds: Numbers of seeds to look at.
        difference: The wished difference, a share; ``None`` for none.
        power: Probability of finding it.
    """
    like = [pilot for pilot in pilots if pilot.dataset == dataset] or list(pilots)
    variances = assumed.fill(largest(like))
    arms = len(suite.arms) - 1
    level = ALPHA / arms  # Holm's first step, which the smallest of the p-values has to pass

    def least(n: int, s: int) -> float:
        return min(1.0, variances.detectable(n, s, power=power, alpha=level))

    size, own = _tested(suite, dataset), len(suite.seeds)
    wanted = {} if difference is None else dict.fromkeys(seeds, difference)
    return Outlook(
        dataset=dataset,
        basis=_basis(like, dataset, assumed),
        components=variances,
        examples=size,
        seeds=own,
        comparisons=arms,
        detectable=None if size is None or size < 2 else least(size, own),
        table={n: {s: least(n, s) for s in seeds} for n in examples},
        needed={s: variances.examples_for(wish, s, power=power, alpha=level) for s, wish in wanted.items()},
    )


def _tested(suite: Suite, dataset: str) -> int | None:
    """Number of test examples that the primary score is over, as far as the suite says."""
    limits = [suite.datasets[dataset].limit.test]
    if suite.test_attack is not None:
        limits.append(suite.test_attack.limit)
    return min((limit for limit in limits if limit is not None), default=None)


def _basis(like: Sequence[Pilot], dataset: str, assumed: Assumptions) -> str:
    if not like:
        return f"Assumed, for want of a pilot: arms differ on {assumed.changed:.0%} of the test examples, {assumed}."
    sources = sorted({f"{pilot.suite} on {pilot.dataset}" for pilot in like})
    most = max(pilot.seeds for pilot in like)
    said = f"From {plural(len(like), 'comparison')} of {', '.join(sources)} ({plural(most, 'seed')}): the largest variances."
    if all(pilot.dataset != dataset for pilot in like):
        said += f" No pilot is of {dataset}."
    return said if most > 1 else f"{said} One seed says nothing of seeds; assumed: {assumed}."
