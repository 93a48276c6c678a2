"""Contract of generators: new training examples from unknown unknowns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.components.base import Component
from harness.components.example import Example, Task
from harness.components.model import Classifier
from harness.components.usage import Usage
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray


@dataclass(frozen=True, slots=True)
class UnknownUnknown:
    """A confident error that an attack elicited from a training example.

    Attributes:
        example: The original training example, which the classifier got right.
        perturbed: The perturbed text or pair, which it gets wrong.
        original_probs: ``(K,)`` probabilities of the original.
        perturbed_probs: ``(K,)`` probabilities of the perturbed text.
        index: Position of ``example`` in the training set.
        queries: Queries that the attack took.
    """

    example: Example
    perturbed: Texts
    original_probs: FloatArray
    perturbed_probs: FloatArray
    index: int
    queries: int = 0

    @property
    def predicted(self) -> int:
        """The wrong class that the classifier predicts."""
        return int(self.perturbed_probs.argmax())

    @property
    def confidence(self) -> float:
        """The classifier's confidence in the wrong class, ``max_k p(k|x)``."""
        return float(self.perturbed_probs.max())


@dataclass(frozen=True, slots=True)
class SyntheticExample:
    """A new training example made from an unknown unknown.

    Attributes:
        example: Text (or pair) and label to train on.
        uu: Position of its unknown unknown in the sequence given to the generator.
        role: ``"exploit"`` (the same blind spot), ``"explore"`` (a neighbouring one), or the generator's own word.
        hypothesis: Why the classifier erred, in the generator's words; empty when it states none.
    """

    example: Example
    uu: int
    role: str
    hypothesis: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A sample that was made and thrown away.

    Attributes:
        uu: Position of its unknown unknown.
        role: As in :class:`SyntheticExample`.
        reason: A short kind to count by (``"empty"``, ``"refusal"``, ``"original repeated"``).
        text: What came back, as far as there is any.
    """

    uu: int
    role: str
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class GenerationTask:
    """Everything a generator may look at besides the unknown unknowns.

    Attributes:
        task: Classes, columns and description.
        per_uu: Synthetic examples wanted per unknown unknown (2 in the thesis).
        train: The original training examples.
        train_embeddings: ``(n_train, d)`` float32, by the pre-trained encoder.
        embed: Embeds texts with the same encoder: ``(n, d)`` float32.
        classifier: The base classifier that the unknown unknowns fool.
        cache: A folder that outlives the run, for responses that cost money; ``None`` when there is none.
    """

    task: Task
    per_uu: int
    train: Sequence[Example]
    train_embeddings: FloatArray
    embed: Callable[[Sequence[Texts]], FloatArray]
    classifier: Classifier
    cache: Path | None = None


class Generator(Component):
    """A method that writes new labelled examples from unknown unknowns."""

    kind: ClassVar[str] = "generator"

    @abstractmethod
    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Write up to ``task.per_uu`` examples for each unknown unknown.

        Yields examples in the order of ``uus``, interleaved with what was rejected and what it cost.
        """

    def estimate(self, n_uus: int, task: Task, *, per_uu: int, mean_characters: float) -> Usage:
        """What :meth:`generate` would cost at most, for ``harness plan``: zero unless a language model is asked.

        Args:
            n_uus: Number of unknown unknowns expected.
            task: Classes, columns and description.
            per_uu: Synthetic examples per unknown unknown.
            mean_characters: Mean length of a training example, in characters.
        """
        return Usage()
