"""Contract of models: what is fine-tuned, attacked and evaluated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from harness.components.base import Component
from harness.components.example import Example
from harness.components.usage import Usage
from harness.errors import InputError
from harness.types import Texts

if TYPE_CHECKING:
    from harness.components.order import EpochOrder
    from harness.types import FloatArray


NO_ORDER = "The model {} trains in batches of its own order; an arm with `order` needs one that takes it."


CHARACTERS_PER_TOKEN = 4
"""In English text, about."""


class Encoding(NamedTuple):
    """Token ids of one input, without padding: what classifiers with a tokenizer :meth:`~Classifier.encode` texts to."""

    input_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...] | None = None


class Classifier(ABC):
    """A fine-tuned classifier: the victim of attacks and the object of evaluation.

    Three methods make one: :meth:`predict_encoded`, :meth:`embed` and :meth:`save`. It gets texts then. One that reads
    something else of a text (token ids, features) says what in :meth:`encode`: spellings that it cannot tell apart are
    computed once, and get the same probabilities to the last bit.
    """

    num_labels: int
    """Number of classes K."""

    @property
    def batch_invariant(self) -> bool:
        """Whether the probabilities of an input do not depend on which inputs are predicted beside it, to the last bit.

        Of such a classifier the result of attacking an example is the same whatever is attacked beside it, and arms that
        attack the same example share it. Say so only where it is certain.
        """
        return False

    said: str = ""
    """A sentence on how its outputs came to mean the task's classes (a head that is reused, matched by name, or drawn anew);
    it is logged, and kept in records."""

    def encode(self, texts: Sequence[Texts]) -> Sequence[Any]:
        """What the classifier reads of each text; by default the text itself.

        Args:
            texts: Strings, of pairs tuples of two strings; of any length, empty ones too.

        Returns:
            A hashable value for each, in their order. Equal values get equal predictions.
        """
        return list(texts)

    def size(self, encoding: Any) -> int:
        """About how many tokens an encoding is, at least 1: by it callers bound what they ask at a time, and keep in memory.

        Override it where :meth:`encode` gives neither token ids (:class:`Encoding`) nor texts. It changes no result.
        """
        if isinstance(encoding, Encoding):
            return len(encoding.input_ids)
        texts = (encoding,) if isinstance(encoding, str) else encoding
        return 1 + sum(len(text) for text in texts) // CHARACTERS_PER_TOKEN

    @abstractmethod
    def predict_encoded(self, encodings: Sequence[Any]) -> FloatArray:
        """Class probabilities of what :meth:`encode` gave.

        Args:
            encodings: Some, in any order and number (none, too); it is for the classifier to make batches that fit into
                memory.

        Returns:
            ``(n, K)`` float32 in the order of the encodings: finite, at least 0, rows sum to 1.
        """

    @abstractmethod
    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """Sentence embeddings by this classifier's own (fine-tuned) encoder or features: ``(n, d)`` float32, finite."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write into a folder, which need not be there, what the model's :meth:`Model.load` reads back.

        Other processes load it, so it must predict with the same bits. Never pickle: artifacts are shared.
        """

    def billed(self) -> Usage:
        """What asking it has cost since this was last called, for records; nothing where nobody is paid."""
        return Usage()

    def predict_proba(self, texts: Sequence[Texts]) -> FloatArray:
        """Class probabilities of texts: ``(n, K)`` float32. Each distinct encoding is computed once."""
        import numpy as np

        encodings = self.encode(texts)
        distinct = {encoding: row for row, encoding in enumerate(dict.fromkeys(encodings))}
        if not distinct:
            return np.zeros((0, self.num_labels), dtype=np.float32)
        probs = self.predict_encoded(list(distinct))
        return probs[[distinct[encoding] for encoding in encodings]]


class Model(Component):
    """A pre-trained encoder that can be fine-tuned into a :class:`Classifier`."""

    kind: ClassVar[str] = "model"

    ordered: ClassVar[bool] = False
    """Whether :meth:`fine_tune_resumable` takes an order."""

    trainable: ClassVar[bool] = True
    """Whether it can be fine-tuned; else only :meth:`given` makes a classifier of it."""

    billed: ClassVar[bool] = False
    """Whether asking its classifiers is paid for."""

    queryable: ClassVar[bool] = True
    """Whether its classifiers answer for any text. One of which only some predictions are known cannot be attacked."""

    @abstractmethod
    def fine_tune(
        self, train: Sequence[Example], *, num_labels: int, seed: int, weights: FloatArray | None = None
    ) -> Classifier:
        """Fine-tune from the pre-trained checkpoint.

        Args:
            train: Training examples, in the order given by the caller.
            num_labels: Number of classes K.
            seed: Decides the head's initialisation, dropout and the order of batches.
            weights: ``(n_train,)`` factors of the per-example losses: the loss of a batch is ``mean_i(w_i * CE_i)``
                (thesis eq. 3.8). ``None`` for the plain mean.
        """

    def fine_tune_resumable(
        self,
        train: Sequence[Example],
        *,
        num_labels: int,
        seed: int,
        weights: FloatArray | None = None,
        order: EpochOrder | None = None,
        unfinished: Path | None = None,
        labels: Sequence[str] | None = None,
    ) -> Classifier:
        """:meth:`fine_tune` with a say in the order of batches, which may go on from what a killed process left.

        Override it where training takes long, or in batches that can be ordered (and set :attr:`ordered`); this one begins
        anew, and takes no order. What is gone on from gives the same result to the bit.

        Args:
            train: As in :meth:`fine_tune`.
            num_labels: As in :meth:`fine_tune`.
            seed: As in :meth:`fine_tune`.
            weights: As in :meth:`fine_tune`.
            order: Draws the order of examples for each epoch, which batches are cut from; ``None``: shuffle.
            unfinished: A folder of this very computation, which need not be there, to keep a state of bounded size in; its
                files must be written whole or not at all, and what is damaged passed over. ``None``: keep nothing.
            labels: ``K`` class names by index, for a checkpoint that has names for its outputs; ``None`` where they are not
                known.

        Raises:
            InputError: An order is given to a model that takes none.
        """
        if order is not None:
            raise InputError(NO_ORDER.format(type(self).__name__))
        return self.fine_tune(train, num_labels=num_labels, seed=seed, weights=weights)

    def memory(self, *, training: bool) -> int:
        """Bytes of main memory that training, or prediction, takes beside the libraries; 0 where it is not known.

        By it engines decide how many stages run at a time. It is an estimate, and asks for nothing that is not here yet.
        """
        return 0

    def given(self, labels: Sequence[str], examples: Sequence[Example]) -> Classifier:
        """The classifier as it is, without any training, for suites that have one already (`base`, an arm's `given`).

        Args:
            labels: Class names by index; its outputs are brought into their order.
            examples: What it will be asked about for certain, for a classifier of which only predictions are known.

        Raises:
            InputError: There is no classifier before training, or it is for other classes.
        """
        raise InputError(f"The model {type(self).__name__} is no classifier before it is fine-tuned.")

    def check_labels(self, labels: Sequence[str]) -> None:
        """Refuse, before any work, classes that the checkpoint's head is not for. Override it where a checkpoint may have one.

        Args:
            labels: Class names by index.

        Raises:
            harness.errors.InputError: The checkpoint decides between other classes.
        """

    def keeping_answers(self, folder: Path) -> Model:
        """This model, whose classifiers keep answers that cost money in a folder and ask for none that is there.

        Override it where asking a classifier is paid for: the folder outlives artifacts. It changes no result.
        """
        return self

    @abstractmethod
    def load(self, folder: Path) -> Classifier:
        """Read back a classifier written by :meth:`Classifier.save`."""

    @abstractmethod
    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """Sentence embeddings by the pre-trained encoder, before any fine-tuning: ``(n, d)`` float32."""
