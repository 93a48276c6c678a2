"""Embeddings of models that have no encoder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.components.base import Component
from harness.components.model import Model
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray


DIMENSIONS = 384
"""Of hashed embeddings."""


class EmbeddingModel(Model):
    """A model whose embeddings are another checkpoint's, or hashed words and characters."""

    encoder: str | None = None
    """Checkpoint that embeds texts, for valuators, blind spots and the map: a folder, a hub name or `package:NAME`. By default
    words and characters are hashed, which needs none."""

    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """Embeddings ``(n, d)`` float32, of the `encoder` if one is named."""
        if self.encoder is None:
            return hashed(texts)
        return self._encoder().embed(texts)

    def preflight(self) -> None:
        """Check that the encoder is here, if one is named."""
        if self.encoder is not None:
            self._encoder().preflight()

    def parts(self) -> dict[str, Component]:
        """The encoder, if one is named."""
        return {} if self.encoder is None else {"encoder": self._encoder()}

    def identity(self) -> dict[str, Any]:
        """The options, with the encoder named by its contents."""
        encoder = None if self.encoder is None else self._encoder().identity()["checkpoint"]
        return {**super().identity(), "encoder": encoder}

    def _encoder(self) -> Model:
        from harness.models.transformers import TransformersModel

        return self.within(TransformersModel, checkpoint=self.encoder)


def hashed(texts: Sequence[Texts]) -> FloatArray:
    """Counts of words and of character 3-grams inside of words, hashed: ``(n, 384)`` float32 of length 1 (scikit-learn)."""
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer

    joined = [text if isinstance(text, str) else "\n".join(text) for text in texts]
    if not joined:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    words = HashingVectorizer(n_features=256, stop_words=None).transform(joined).toarray()
    parts = HashingVectorizer(n_features=128, analyzer="char_wb", ngram_range=(3, 3)).transform(joined).toarray()
    rows: FloatArray = np.hstack([words, parts]).astype(np.float32)
    return rows
