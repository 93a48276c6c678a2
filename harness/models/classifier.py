"""A fine-tuned ``transformers`` sequence classifier."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.components.model import Classifier, Encoding
from harness.errors import InputError
from harness.models.feed import Feed, encoder_of, outputs_of, settle_padding
from harness.models.forward import Forward, forward_of, is_batch_invariant
from harness.models.runtime import Budget, Runtime, within_memory
from harness.models.tokens import Encoder, longest
from harness.progress import progress
from harness.quiet import quiet
from harness.types import Texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.types import FloatArray, IntArray

REPORTED_FROM = 256
"""Fewer texts than this are predicted without a progress bar: an attack asks thousands of times."""

COMPARED = 512
"""On how many inputs reduced precision is compared with float32."""


class TransformersClassifier(Classifier):
    """A sequence classifier of the ``transformers`` library, for single texts and pairs.

    Predictions agree with TextAttack's wrapper of the same model, which pads every input to the maximum length, up to the
    rounding of float32 (about 1e-6).

    Args:
        model: A model with a classification head; it is moved to the device and set to evaluation. Its weights are taken as
            they are at the first prediction: on a CPU a copy of them is what computes.
        tokenizer: Its tokenizer.
        runtime: Where and how to compute.
        max_length: Tokens after which an input is cut; by default what the checkpoint allows.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        runtime: Runtime,
        max_length: int | None = None,
    ) -> None:
        self.model = on_device(model, runtime.device)
        self.model.train(False)
        self.tokenizer = tokenizer
        self.runtime = runtime
        self.num_labels = int(model.config.num_labels)
        settle_padding(model, tokenizer, str(model.config.name_or_path or "the classifier"))
        self.feed = Feed.of(model, tokenizer)
        self.max_length = longest(tokenizer, model.config, max_length)
        # Saved with the tokenizer, so that whoever loads the folder cuts texts at the same place.
        self.tokenizer.model_max_length = self.max_length
        self._encode = Encoder(tokenizer, self.max_length, segments=self.feed.segments)
        self._budget = Budget(runtime.max_tokens_per_batch)
        self._drift = None if runtime.dtype == torch.float32 else _Drift(runtime.dtype)
        if runtime.backend == "onnx":
            from harness.models.onnx import check_installed

            check_installed()

    @cached_property
    def _forward(self) -> Forward:
        # Not made before it is needed: a classifier that is only saved, or embeds, does without.
        return forward_of(self.model, self.feed, self.runtime)

    @cached_property
    def batch_invariant(self) -> bool:
        """See :attr:`harness.components.model.Classifier.batch_invariant`: BERT's kin in float32 on a CPU, by torch."""
        return is_batch_invariant(self.model, self.runtime, self._forward)

    def encode(self, texts: Sequence[Texts]) -> list[Encoding]:
        """Tokenise, truncated to ``max_length``; pairs lose tokens of the longer text first."""
        return self._encode(texts)

    def predict_encoded(self, encodings: Sequence[Encoding]) -> FloatArray:
        """Class probabilities ``(n, K)`` float32 of tokenised inputs, in their order."""
        return self._predict(encodings, _nobody)

    def predict_proba(self, texts: Sequence[Texts]) -> FloatArray:
        """Class probabilities ``(n, K)`` float32 of texts, with a progress bar when there are many."""
        encodings = self.encode(texts)
        distinct = {encoding: row for row, encoding in enumerate(dict.fromkeys(encodings))}
        if len(distinct) < REPORTED_FROM:
            probs = self._predict(list(distinct), _nobody)
        else:
            with progress("texts", total=len(distinct)) as bar:
                probs = self._predict(list(distinct), bar.advance)
        return probs[[distinct[encoding] for encoding in encodings]]

    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """Embeddings ``(n, d)`` float32 by the fine-tuned encoder."""
        return embed(encoder_of(self.model.base_model), self.encode(texts), self.feed, self.runtime)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), configuration and tokenizer, as ``transformers`` does."""
        with quiet():
            self.model.save_pretrained(folder, safe_serialization=True)
            self.tokenizer.save_pretrained(folder)

    def _predict(self, encodings: Sequence[Encoding], advance: Any) -> FloatArray:
        if not encodings:
            return np.zeros((0, self.num_labels), dtype=np.float32)
        batches, logits = [], []
        forward = self._forward
        with self.runtime.inference():
            for rows, found in self._budget.each(encodings, lambda rows: forward([encodings[row] for row in rows])):
                batches.append(rows)
                logits.append(found)
                advance(len(rows))
        probs = _softmax(logits)
        if self._drift is not None and self._drift.wanted:
            with within_memory("Set `dtype: float32`."), torch.inference_mode():
                exact = [forward([encodings[row] for row in rows]) for rows in batches]
            self._drift.add(probs, _softmax(exact))
        ordered = np.empty_like(probs)
        ordered[np.concatenate(batches)] = probs
        return ordered


def _softmax(logits: list[torch.Tensor]) -> FloatArray:
    probs: FloatArray = torch.cat(logits).float().softmax(dim=-1).cpu().numpy()
    return probs


class _Drift:
    """How far reduced precision moves results: measured on the first inputs, and said, so that nobody overlooks it."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._name = str(dtype).removeprefix("torch.")
        self._inputs = self._labels = 0
        self._largest = 0.0

    @property
    def wanted(self) -> bool:
        """Whether more inputs should be compared."""
        return self._inputs < COMPARED

    def add(self, reduced: FloatArray, exact: FloatArray) -> None:
        """Take in probabilities ``(n, K)`` of the same inputs; warns at the first ones, and when there are enough."""
        first = not self._inputs
        self._inputs += len(reduced)
        self._labels += int((reduced.argmax(axis=1) != exact.argmax(axis=1)).sum())
        self._largest = max(self._largest, float(np.abs(reduced - exact).max()))
        if first or not self.wanted:
            logging.getLogger(__name__).warning(
                "%s moves probabilities by up to %.2g, and changes %d of %s predictions against float32.",
                self._name,
                self._largest,
                self._labels,
                f"{self._inputs:,}",
            )


def on_device(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """The model itself, moved to ``device``."""
    torch.nn.Module.to(model, device)
    return model


def _nobody(amount: float) -> None:
    """Progress that nobody watches."""


def embed(encoder: torch.nn.Module, encodings: Sequence[Encoding], feed: Feed, runtime: Runtime) -> FloatArray:
    """Pooled token vectors of the last layer, ``(n, d)`` float32, in the order of the inputs.

    Raises:
        InputError: The model cannot run on these, or its outputs have no ``last_hidden_state``.
    """
    distinct = {encoding: row for row, encoding in enumerate(dict.fromkeys(encodings))}
    unique = list(distinct)
    config: Any = encoder.config
    pooled = np.empty((len(unique), config.hidden_size), dtype=np.float32)

    def pool(rows: IntArray) -> torch.Tensor:
        inputs = feed.batch([unique[row] for row in rows], runtime.device)
        states = getattr(outputs_of(encoder, inputs), "last_hidden_state", None)
        if states is None:
            raise InputError(f"{type(encoder).__name__}, the checkpoint's encoder, gives no token vectors to embed by.")
        states, mask = states.float(), inputs["attention_mask"]
        if runtime.pooling == "cls":
            found: torch.Tensor = states[torch.arange(len(rows), device=runtime.device), mask.argmax(dim=1)]
            return found
        if runtime.pooling == "last":
            places = torch.arange(mask.shape[1], device=runtime.device)
            ends: torch.Tensor = states[torch.arange(len(rows), device=runtime.device), (mask * places).argmax(dim=1)]
            return ends
        mask = mask.unsqueeze(-1).to(states.dtype)
        vectors: torch.Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1)
        return vectors

    with progress("texts", total=len(unique)) as bar, runtime.inference():
        for rows, vectors in Budget(runtime.max_tokens_per_batch).each(unique, pool):
            pooled[rows] = vectors.cpu().numpy()
            bar.advance(len(rows))
    return pooled[[distinct[encoding] for encoding in encodings]]
