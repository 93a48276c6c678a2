"""Built-in models, and the shortest way to a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from harness.models.classifier import TransformersClassifier

__all__ = ["load_classifier"]


def load_classifier(
    source: str | Path,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: Literal["float32", "bfloat16"] = "float32",
    backend: Literal["torch", "onnx"] = "torch",
    max_tokens_per_batch: int | None = None,
    max_length: int | None = None,
    pooling: Literal["mean", "cls", "last"] = "mean",
    trust_remote_code: bool = False,
) -> TransformersClassifier:
    """Load a fine-tuned sequence classifier.

    >>> victim = load_classifier("textattack/bert-base-uncased-imdb")  # doctest: +SKIP
    >>> victim.predict_proba(["A waste of time."])  # doctest: +SKIP

    Args:
        source: A local folder, a name on the Hugging Face hub, or ``package:NAME`` for weights that an installed package
            carries (see :func:`harness.models.checkpoints.resolve`).
        revision: Branch, tag or commit of a hub name; the default branch if not given.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; by default the best there is.
        dtype: Arithmetic of the forward pass; ``"bfloat16"`` on a GPU only. Probabilities come out as float32 either way.
        backend: ``"onnx"`` runs predictions through ONNX Runtime (CPU; needs the extra ``onnx``).
        max_tokens_per_batch: Padded tokens in one forward pass at most; by default what suits the device.
        max_length: Tokens after which a text is cut; by default (and at most) what the checkpoint allows.
        pooling: How :meth:`~harness.components.Classifier.embed` makes one vector of the token vectors.
        trust_remote_code: Run Python code that comes with the checkpoint; only if you have read it.

    Raises:
        harness.errors.InputError: There is no such checkpoint, or it has no classification head; or the device, type or
            backend is not to be had here.
    """
    from harness.models.checkpoints import resolve
    from harness.models.classifier import TransformersClassifier
    from harness.models.loading import load_fine_tuned
    from harness.models.runtime import Runtime

    runtime = Runtime.choose(
        device or "auto", dtype=dtype, backend=backend, max_tokens_per_batch=max_tokens_per_batch, pooling=pooling
    )
    model, tokenizer = load_fine_tuned(
        resolve(str(source), revision=revision, code=trust_remote_code).fetch(), trust_remote_code=trust_remote_code
    )
    return TransformersClassifier(model, tokenizer, runtime=runtime, max_length=max_length)
