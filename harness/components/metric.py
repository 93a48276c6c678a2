"""Contract of metrics, and the outcome that they score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from harness.components.base import Component
from harness.components.example import Example, Task
from harness.components.generator import Rejected, SyntheticExample, UnknownUnknown
from harness.types import Texts

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import BoolArray, FloatArray, IntArray


UNATTACKED = "unattacked"
"""The status of a test example that is not in the sample that was attacked."""


@dataclass(frozen=True)
class AttackedTest:
    """The attack on the test set, one row per test example, in test order.

    Where only a sample of the test set was attacked, metrics never see the others: they are given the whole test set without an
    attack, and the sample with it (:mod:`harness.records.sampling`).

    Attributes:
        status: ``(n,)`` strings: ``"succeeded"``, ``"failed"``, ``"skipped"`` (:class:`~harness.components.AttackStatus`);
            :data:`UNATTACKED` for examples outside of the sample.
        perturbed: The perturbed texts; of a failed attack the best attempt, of a skipped one the original.
        probs: ``(n, K)`` float32 probabilities of ``perturbed``.
        queries: ``(n,)`` number of queries.
    """

    status: Sequence[str]
    perturbed: Sequence[Texts]
    probs: FloatArray
    queries: IntArray

    @property
    def succeeded(self) -> BoolArray:
        """``(n,)``: where the attack succeeded."""
        import numpy as np

        return np.asarray([status == "succeeded" for status in self.status], dtype=bool)

    @property
    def reached(self) -> BoolArray:
        """``(n,)``: which examples the attack was put to."""
        import numpy as np

        return np.asarray([status != UNATTACKED for status in self.status], dtype=bool)

    def spread(self, rows: IntArray, test: Sequence[Example], probs: FloatArray) -> AttackedTest:
        """The attack on a sample as one on the whole test set, of which the other examples are :data:`UNATTACKED`.

        Args:
            rows: Rows of the sample in the test set.
            test: The test set.
            probs: ``(n, K)`` its clean probabilities.
        """
        import numpy as np

        status, perturbed = [UNATTACKED] * len(test), [example.texts for example in test]
        after, queries = probs.copy(), np.zeros(len(test), dtype=np.int64)
        after[rows], queries[rows] = self.probs, self.queries
        for place, row in enumerate(rows.tolist()):
            status[row], perturbed[row] = self.status[place], self.perturbed[place]
        return AttackedTest(status, perturbed, after, queries)

    def take(self, rows: IntArray) -> AttackedTest:
        """The attack on a selection of test examples, repetitions allowed."""
        return AttackedTest(
            [self.status[int(i)] for i in rows],
            [self.perturbed[int(i)] for i in rows],
            self.probs[rows],
            self.queries[rows],
        )


@dataclass(frozen=True)
class Outcome:
    """All that one arm produced for one data set and one seed: what metrics are computed from.

    The fields down to ``attacked`` are always there, and survive in a record's predictions. Those below are filled only
    when a metric's :attr:`Metric.needs` names them (``None`` or empty otherwise).

    Attributes:
        task: What is classified.
        thresholds: Confidence thresholds τ, the first is the primary one.
        test: Test examples.
        probs: ``(n, K)`` float32 probabilities of the clean test examples.
        validation: Validation examples.
        validation_probs: ``(n_validation, K)`` float32.
        attacked: The attack on the test set; ``None`` when the suite has no attack.
        test_embeddings: ``(n, d)`` float32 by the pre-trained encoder (need ``"test_embeddings"``).
        train: Original training examples (need ``"train"``).
        train_embeddings: ``(n_train, d)`` float32 by the pre-trained encoder (need ``"train_embeddings"``).
        validation_embeddings: ``(n_validation, d)`` float32 (need ``"train_embeddings"``).
        uus: Unknown unknowns elicited from the training set; empty for arms without generation (need ``"synthetic"``).
        synthetic: Synthetic examples that were trained on (need ``"synthetic"``).
        rejected: Samples thrown away (need ``"synthetic"``).
        synthetic_embeddings: ``(n_synthetic, d)`` float32 (need ``"synthetic"``).
        synthetic_probs: ``(n_synthetic, K)`` by the *base* classifier, arm ``only`` (need ``"synthetic"``).
        values: ``(n_train + n_synthetic,)`` data values of the training set, original examples first; the values that
            weighted the loss, else those of the original set that guided the selection (then ``(n_train,)``); ``None`` when
            the arm uses none (need ``"values"``).
        baseline: The outcome of the suite's baseline arm on the same data and seed (need ``"baseline"``); its own is
            ``None``.
        costs: Seconds per stage, peak memory in bytes, language model tokens; not deterministic (need ``"costs"``).
    """

    task: Task
    thresholds: tuple[float, ...]
    test: Sequence[Example]
    probs: FloatArray
    validation: Sequence[Example]
    validation_probs: FloatArray
    attacked: AttackedTest | None = None
    test_embeddings: FloatArray | None = None
    train: Sequence[Example] = ()
    train_embeddings: FloatArray | None = None
    validation_embeddings: FloatArray | None = None
    uus: Sequence[UnknownUnknown] = ()
    synthetic: Sequence[SyntheticExample] = ()
    rejected: Sequence[Rejected] = ()
    synthetic_embeddings: FloatArray | None = None
    synthetic_probs: FloatArray | None = None
    values: FloatArray | None = None
    baseline: Outcome | None = None
    costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def labels(self) -> IntArray:
        """``(n,)`` true class indices of the test examples."""
        import numpy as np

        return np.asarray([example.label for example in self.test], dtype=np.int64)

    def take(self, rows: IntArray) -> Outcome:
        """The same outcome on a selection of test examples, repetitions allowed (a bootstrap resample)."""
        return replace(
            self,
            test=[self.test[int(i)] for i in rows],
            probs=self.probs[rows],
            attacked=None if self.attacked is None else self.attacked.take(rows),
            test_embeddings=None if self.test_embeddings is None else self.test_embeddings[rows],
            baseline=None if self.baseline is None else self.baseline.take(rows),
        )


Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Score:
    """One figure of a metric.

    Attributes:
        value: The figure; ``nan`` where it is not defined (an attack success rate with nothing attacked).
        better: ``"higher"`` or ``"lower"`` is better; ``None`` for a figure that is no aim in itself.
        low: Smallest possible value; ``None`` when unbounded.
        high: Largest possible value; ``None`` when unbounded.
        per_example: ``(n,)`` contributions of the test examples, where ``value`` is their mean, or their sum if ``total``.
            A bool array for rates and counts. It is what intervals and paired tests are computed from; ``nan`` marks
            examples that do not count (the mean is over the others). ``None`` where the figure does not decompose.
        total: Whether ``value`` is the sum of ``per_example`` (a count) and not its mean.
        meaning: One line: what it is, unit, source.
    """

    value: float
    better: Direction | None = None
    low: float | None = None
    high: float | None = None
    per_example: FloatArray | BoolArray | None = None
    total: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Scores:
    """What a metric found.

    Attributes:
        scalars: Figures by name, in the order to be shown. Names are lower-case words joined by ``_``, a population or
            threshold after ``/`` and ``@``: ``"accuracy/clean"``, ``"uu@0.65/perturbed"``.
        tables: Curves and lists by name, as data frames, for the report.
    """

    scalars: Mapping[str, Score]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


class Metric(Component):
    """A way to score an arm's outcome."""

    kind: ClassVar[str] = "metric"

    needs: ClassVar[frozenset[str]] = frozenset()
    """Optional parts of :class:`Outcome` that the runner has to produce, of :attr:`offered`. And ``"texts"``, of a metric that
    reads the texts of examples: a run always has them, but a record may leave them out and then gives no such metric again."""

    offered: ClassVar[frozenset[str]] = frozenset(
        {"test_embeddings", "train", "train_embeddings", "synthetic", "values", "baseline", "costs", "texts"}
    )
    """What :attr:`needs` may name."""

    resample: ClassVar[bool] = True
    """Whether figures that do not decompose over examples are cheap enough to be computed again on a few hundred bootstrap
    resamples, which gives them an interval. Set to false for costly metrics."""

    @abstractmethod
    def score(self, outcome: Outcome) -> Scores:
        """Score one outcome. Pure: the same outcome gives the same scores."""

    def resampled(self, outcome: Outcome, resamples: Iterable[IntArray]) -> Iterator[Mapping[str, float]]:
        """The figures on bootstrap resamples of the test examples, one mapping for each.

        Scores every resample as an outcome of its own. A metric that can tell beforehand what of its figures each example
        brings along may override this; it gives the same bits, and may leave out figures that decompose over examples.

        Args:
            outcome: The outcome.
            resamples: Row numbers of the test examples, repetitions allowed.
        """
        for rows in resamples:
            yield {name: score.value for name, score in self.score(outcome.take(rows)).scalars.items()}

    def follows(self, outcome: Outcome, tables: Mapping[str, pd.DataFrame]) -> Mapping[str, float]:
        """Those of its scores that follow from predictions and from the tables that it made, for checks of records.

        A metric that needs more than a record keeps (embeddings, training data) may override this, so that at least a part
        of its scores is not just claimed.

        Args:
            outcome: What a record's predictions amount to, with the baseline's as ``baseline``; texts may be empty.
            tables: Tables of :meth:`score` that the record keeps, by name.

        Raises:
            harness.errors.DataError: A table contradicts the predictions.
        """
        return {}
