"""What a leaderboard is made of: boards of rows of figures, every one with its interval. Plain data, derived from records only.

Figures are kept in the unit of their score (shares in [0, 1], counts as they are); renderings show shares in per cent.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A frozen piece of a leaderboard."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Figure(Part):
    """One score of one arm, aggregated over its seeds."""

    value: float | None
    """Mean over seeds; ``null`` where the score is not defined under any seed."""
    low: float | None = None
    """Lower end of the 95 % interval; ``null`` where there is none."""
    high: float | None = None
    """Upper end of the 95 % interval."""
    std: float | None = None
    """Standard deviation over seeds (n - 1); ``null`` for a single seed."""
    seeds: int = 1
    """Number of seeds under which the score is defined."""


class Difference(Part):
    """A paired difference to the baseline arm on the same examples."""

    value: float
    low: float | None = None
    """Lower end of the 95 % interval, which holds no difference that two figures of the score cannot have."""
    high: float | None = None
    """Upper end of the 95 % interval."""
    p: float | None = None
    """Two-sided p-value; ``null`` where nothing can be tested."""
    p_holm: float | None = None
    """The same, adjusted by Holm: over the arms of the board for the primary score, over all other scores and arms else."""
    test: Literal["exact McNemar", "paired bootstrap t", "two-level t"]
    """Where ``p`` comes from: exact McNemar for the primary score under a single seed."""
    detectable: float | None = None
    """The smallest true difference that would have been found with 80 % probability; at most the largest that there can be,
    which then may be missed as well."""


class ScoreInfo(Part):
    """How to read a score."""

    better: Literal["higher", "lower"] | None = None
    low: float | None = None
    high: float | None = None
    total: bool = False
    """Whether it is a count."""
    metric: str = ""
    meaning: str = ""

    @property
    def span(self) -> float | None:
        """The largest difference that two figures can have; ``None`` where there is no limit."""
        return None if self.low is None or self.high is None else self.high - self.low


class Row(Part):
    """One arm: measured, or as a publication reports it."""

    arm: str
    reported: bool = False
    """Whether the figures are quoted, not measured; such rows are never ranked."""
    source: str = ""
    """Where the figures of a reported row come from."""
    seeds: tuple[int, ...] = ()
    rank: int | None = None
    """Rank by the board's primary score; arms that cannot be told apart share one, flagged arms have none."""
    flags: tuple[str, ...] = ()
    """Why a better figure of the primary score is no success: ``"less confident"``, ``"less accurate"``, ``"one class"`` (see
    docs/statistics.md). Such an arm is not ranked."""
    scores: dict[str, Figure] = Field(default_factory=dict)
    differences: dict[str, Difference] = Field(default_factory=dict)
    """To the baseline arm; empty for that arm itself and for reported rows."""
    definition: dict[str, Any] = Field(default_factory=dict)
    """What the arm is, as the suite has it."""


class Stratum(Part):
    """The figures of all arms in one group of test examples: a value of a grouping column, or a class."""

    group: str
    """The grouping: a column, or ``label``."""
    value: str
    n: int
    """Number of test examples in it, the mean over seeds."""
    scores: dict[str, dict[str, Figure]] = Field(default_factory=dict)
    """By arm and score."""
    differences: dict[str, dict[str, Difference]] = Field(default_factory=dict)
    """To the baseline, by arm and score; p adjusted by Holm over the groups and arms of a score."""


class Board(Part):
    """The arms of one data set in one suite, comparable with one another."""

    suite: str
    board: str
    """Digest of what all rows have in common (see :class:`harness.records.model.Record`); empty if nothing was measured."""
    dataset: str
    baseline: str
    """Name of the arm that differences refer to."""
    thresholds: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    """Number of test examples."""
    fingerprints: dict[int, str] = Field(default_factory=dict)
    """Fingerprint of the data by seed."""
    primary: str | None = None
    """Name of the score that ranks and the primary test refer to: errors at matched coverage where they were measured."""
    counted: str | None = None
    """Name of the count of unknown unknowns that goes with it."""
    detectable: float | None = None
    """The largest :attr:`Difference.detectable` of the primary score: smaller true differences are easily missed."""
    scores: dict[str, ScoreInfo] = Field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    """Measured rows by rank, then reported ones."""
    notes: tuple[str, ...] = ()
    """What a reader has to know: arms lacking seeds, tests that were not possible."""

    @property
    def measured(self) -> tuple[Row, ...]:
        """The rows that were measured."""
        return tuple(row for row in self.rows if not row.reported)

    @property
    def one_seed(self) -> bool:
        """Whether every arm was trained once only, so that trained networks are compared, not methods."""
        return bool(self.measured) and all(len(row.seeds) == 1 for row in self.measured)

    def crowned(self, row: Row) -> bool:
        """Whether an arm stands first beyond chance and over seeds: rank 1, which the baseline does not share."""
        if row.rank != 1 or row.arm == self.baseline or self.one_seed:
            return False
        return all(other.rank != 1 for other in self.measured if other.arm == self.baseline)

    def row(self, arm: str) -> Row:
        """The measured row of an arm.

        Raises:
            KeyError: There is none.
        """
        for row in self.measured:
            if row.arm == arm:
                return row
        raise KeyError(arm)


class OverallRow(Part):
    """One arm over all data sets of a suite; figures are shares of the test examples, or in the unit of the score."""

    arm: str
    datasets: int
    """Number of data sets on which it was measured."""
    value: float | None = None
    """Mean of the score over data sets; ``null`` where it was not measured on all."""
    difference: float | None = None
    """Mean over data sets of the paired difference to the baseline."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """Two-sided p-value of that difference, on these data sets."""
    p_datasets: float | None = None
    """p-value of Wilcoxon's signed-rank test over data sets; ``null`` of fewer than six."""
    rank: tuple[int, int] | None = None
    """The best and the worst rank that it may have; all of these intervals hold together with 95 %."""
    flags: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By data set, why it stands apart there; such an arm has no rank."""


class Overall(Part):
    """The arms of a suite over its data sets (:mod:`harness.report.overall`)."""

    suite: str
    score: str
    """The primary score of all its boards."""
    better: Literal["higher", "lower"] | None
    baseline: str
    datasets: tuple[str, ...]
    rows: tuple[OverallRow, ...]
