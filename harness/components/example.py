"""Labelled texts, and what a data set is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.types import Texts


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled input: a text, or an ordered pair of texts.

    Attributes:
        text: The text, or the first text of a pair.
        label: Class index in ``0..K-1``.
        text_pair: The second text of a pair; ``None`` for single texts.
        id: Stable name within the data set (``"test/17"``), by which arms are compared example by example.
        tags: Names of known subpopulations that the example belongs to (planted blind spots, a source domain).
    """

    text: str
    label: int
    text_pair: str | None = None
    id: str = ""
    tags: tuple[str, ...] = ()

    @property
    def texts(self) -> Texts:
        """The text, or the pair as a tuple: what a classifier takes."""
        return self.text if self.text_pair is None else (self.text, self.text_pair)


@dataclass(frozen=True, slots=True)
class Task:
    """What the classifier has to decide.

    Attributes:
        name: Name of the data set in the suite.
        labels: Class names by index, as a person would say them (``("negative", "positive")``).
        columns: What the text or the two texts are (``("review",)``, ``("question", "sentence")``).
        description: One sentence for people and language models: what is classified into what.
    """

    name: str
    labels: tuple[str, ...]
    columns: tuple[str, ...] = ("text",)
    description: str = ""

    @property
    def num_labels(self) -> int:
        """Number of classes K."""
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The three splits of a data set, and notes on how they came about.

    ``validation`` stands for the distribution in deployment: data values are computed against it.

    Attributes:
        task: What is classified.
        train: Training examples.
        validation: Validation examples, never trained on.
        test: Test examples.
        notes: Counts and facts worth keeping in the record: rows dropped, duplicates across splits, source revisions.
        test_only: Whether there is a test set and nothing else, for classifiers that are given; the other splits are empty.
    """

    task: Task
    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]
    notes: dict[str, int | float | str] = field(default_factory=dict)
    test_only: bool = False
