"""Logistic regression on words and characters: a classifier that is trained in a second."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from harness.components.example import Example
from harness.components.model import Classifier
from harness.errors import InputError
from harness.models.embedding import DIMENSIONS, EmbeddingModel
from harness.models.terms import Span, Terms
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray

TOLERANCE = 1e-6
"""Largest derivative of the mean loss at which training ends."""

_WEIGHTS, _VOCABULARY = "linear.safetensors", "linear.json"


class LinearModel(EmbeddingModel):
    """Logistic regression (scikit-learn) on words and on the characters inside of them; trained in a second, on any machine.

    What is minimised is ``mean_i(w_i * CE_i) + |W|^2 / (2 c n)``, which has one minimum: weights of examples are exact, and
    nothing is random. For comparing methods over many seeds and thousands of examples. Pairs of texts: the words of either, and
    those of both.
    """

    api_version: ClassVar[int] = 1

    features: Literal["tfidf", "hashing"] = "tfidf"
    """`tfidf`: a weight for each term of the training set, rare terms count more. `hashing`: terms share a fixed number of
    weights, so that an example of weight 0 leaves no trace at all."""
    words: Span | None = (1, 2)
    """Shortest and longest n-gram of words; null for none."""
    characters: Span | None = (3, 5)
    """Shortest and longest n-gram of characters inside of words, start and end of the word included; null for none."""
    min_count: int = Field(default=1, ge=1)
    """Training examples that a term must be in, to have a weight (`tfidf`)."""
    buckets: int = Field(default=1 << 16, ge=2, le=1 << 24)
    """Number of weights (`hashing`)."""
    c: float = Field(default=10.0, gt=0)
    """Inverse strength of regularisation, scikit-learn's `C`: higher fits the training set closer, and is more confident."""
    max_iterations: int = Field(default=1000, ge=1)
    """Steps of L-BFGS at most; that they did not suffice is said."""

    @field_validator("words", "characters")
    @classmethod
    def _check_span(cls, span: Span | None) -> Span | None:
        if span is not None and not 1 <= span[0] <= span[1]:
            raise ValueError(f"expected the shortest and the longest length, such as [1, 2], not {list(span)}")
        return span

    @model_validator(mode="after")
    def _check_terms(self) -> LinearModel:
        if self.words is None and self.characters is None:
            raise ValueError("with neither `words` nor `characters` there is nothing to classify by")
        return self

    def fine_tune(
        self, train: Sequence[Example], *, num_labels: int, seed: int, weights: FloatArray | None = None
    ) -> LinearClassifier:
        """Train; the seed decides nothing.

        Raises:
            harness.errors.DataError: An empty training set or one with a single class, labels out of range, weights that
                are none, or texts without any term.
        """
        import numpy as np
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        from harness.errors import DataError
        from harness.models.checks import check_training_set, check_weights

        targets = check_training_set(train, num_labels)
        factors = None if weights is None else check_weights(weights, len(train)).astype(np.float64)
        vectoriser = self._vectoriser()
        try:
            rows = vectoriser.fit_transform([example.texts for example in train])
        except ValueError as error:  # an empty vocabulary
            raise DataError(
                f"No term of the {len(train)} training texts can be counted ({error}).",
                hint="Lower `min_count`, or check that the texts are not empty.",
            ) from error
        if factors is not None:  # a class of weight 0 alone would have no minimum
            counted = factors > 0
            rows, targets, factors = rows[counted], targets[counted], factors[counted]
            if len(np.unique(targets)) == 1:
                raise DataError(
                    "All training examples with a weight above 0 have the same label: nothing can be learned."
                )
        regression = LogisticRegression(C=self.c, tol=TOLERANCE, max_iter=self.max_iterations)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", ConvergenceWarning)
            regression.fit(rows, targets, sample_weight=factors)
        if any(issubclass(one.category, ConvergenceWarning) for one in said):
            logging.getLogger(__name__).warning(
                "logistic regression has not converged after %d steps; raise max_iterations, or lower c.",
                self.max_iterations,
            )
        coefficients, intercepts = regression.coef_, regression.intercept_
        if len(coefficients) == 1:  # of two classes scikit-learn keeps the difference
            coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
            intercepts = np.concatenate([[0.0], intercepts])
        matrix = np.zeros((num_labels, coefficients.shape[1]))
        bias = np.full(num_labels, -np.inf)  # a class without any example is never predicted
        matrix[regression.classes_], bias[regression.classes_] = coefficients, intercepts
        return LinearClassifier(vectoriser, matrix, bias)

    def load(self, folder: Path) -> LinearClassifier:
        """Read back what was saved.

        Raises:
            InputError: The files are damaged or missing.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            numbers = load_file(folder / _WEIGHTS)
            vocabulary = json.loads((folder / _VOCABULARY).read_text(encoding="utf-8"))
            vectoriser = self._vectoriser(vocabulary)
            if vocabulary is not None:
                vectoriser.idf_ = numbers["idf"]
            return LinearClassifier(vectoriser, numbers["weights"], numbers["bias"])
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise InputError(f"{folder} holds no linear classifier: {type(error).__name__}: {error}") from error

    def memory(self, *, training: bool) -> int:
        """A guess for some thousand examples."""
        return 200_000_000

    def _vectoriser(self, vocabulary: Sequence[str] | None = None) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

        terms = Terms(self.words, self.characters)
        if self.features == "hashing":
            return HashingVectorizer(analyzer=terms, n_features=self.buckets)
        return TfidfVectorizer(analyzer=terms, min_df=self.min_count, sublinear_tf=True, vocabulary=vocabulary)


class LinearClassifier(Classifier):
    """Weights of terms; of the same texts the same bits, whatever is predicted beside them.

    Args:
        vectoriser: Makes sparse rows of texts (scikit-learn).
        weights: ``(K, d)`` float64.
        bias: ``(K,)`` float64; minus infinity for a class that is never predicted.
    """

    def __init__(self, vectoriser: Any, weights: FloatArray, bias: FloatArray) -> None:
        import numpy as np

        self._vectoriser, self._bias = vectoriser, bias
        self._weights = np.ascontiguousarray(weights.T)
        self.num_labels = len(bias)

    @property
    def batch_invariant(self) -> bool:
        """True: SciPy computes each row of a sparse product by itself, in the order of its terms."""
        return True

    def predict_encoded(self, encodings: Sequence[Texts]) -> FloatArray:
        """Class probabilities ``(n, K)`` float32 of texts."""
        import numpy as np

        if not encodings:
            return np.zeros((0, self.num_labels), dtype=np.float32)
        logits = self._vectoriser.transform(encodings) @ self._weights + self._bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probs: FloatArray = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return probs

    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """What it decides by: each term's value times how far its weights differ between classes, folded: ``(n, 384)``."""
        import numpy as np
        from scipy.sparse import csr_matrix

        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        rows = self._vectoriser.transform(texts)
        influence = np.linalg.norm(self._weights - self._weights.mean(axis=1, keepdims=True), axis=1)
        places = rows.indices % DIMENSIONS
        folded = csr_matrix((rows.data * influence[rows.indices], places, rows.indptr), (len(texts), DIMENSIONS))
        found: FloatArray = folded.toarray().astype(np.float32)
        return found

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and the terms that they are of (JSON)."""
        import numpy as np
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        numbers = {"weights": np.ascontiguousarray(self._weights.T), "bias": self._bias}
        vocabulary = None
        if hasattr(self._vectoriser, "vocabulary_"):
            vocabulary = self._vectoriser.get_feature_names_out().tolist()
            numbers["idf"] = self._vectoriser.idf_
        save_file(numbers, folder / _WEIGHTS)
        (folder / _VOCABULARY).write_text(json.dumps(vocabulary), encoding="utf-8")
