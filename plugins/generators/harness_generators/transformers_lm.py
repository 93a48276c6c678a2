"""Hypotheses and samples by a language model on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness.components.base import Origin
from harness_generators.prompts import PromptName, Prompts

if TYPE_CHECKING:
    from harness.models.checkpoints import Checkpoint


class TransformersLM(Generator):
    """A causal or sequence-to-sequence model run here by transformers, in batches.

    Form ``chat`` is the two-step method of ``openai``, for instruction-tuned models; form ``completion`` is for base models,
    which follow no instructions: an open line after demonstrations from the training set
    (:mod:`harness_generators.open_lines`), to which nothing is appended, and whose label is fixed by the prompt.

    Prompts of form ``chat``, checks and what is rejected are those of ``openai`` (Lippmann, Spaan, Yang 2024; thesis 3.5). A
    tokenizer's chat template is used where it has one; without, the messages are joined by blank lines. All unknown unknowns
    go through their steps together, sorted by length into batches. Usage counts tokens; nothing costs money.
    """

    api_version: ClassVar[int] = 1
    neutral: ClassVar[frozenset[str]] = frozenset({"device"})

    checkpoint: str = Field(min_length=1)
    """A folder written by ``save_pretrained``, or a name on the Hugging Face hub."""

    revision: str | None = None
    """Branch, tag or commit on the hub."""

    form: Literal["chat", "completion"] = "chat"
    """`chat` for instruction-tuned models, `completion` for base models."""

    demonstrations: int = Field(default=3, ge=1, le=20)
    """Pairs of training examples before the open line (form `completion`)."""

    batch_size: int = Field(default=8, ge=1)
    """Conversations per forward pass. Part of the identity, because padding can change the last bits of a logit."""

    max_new_tokens: int = Field(default=512, ge=16)
    """Longest answer, in tokens."""

    temperature: float = Field(default=0.0, ge=0)
    """Sampling temperature; 0 takes the likeliest token. A repeated question is sampled at 0.7 or more in any case, because
    the likeliest answer would come back unchanged."""

    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus: the likeliest tokens that together have this probability."""

    top_k: int = Field(default=0, ge=0)
    """Only so many of the likeliest tokens; 0 takes all."""

    min_p: float = Field(default=0.0, ge=0, lt=1)
    """Only tokens at least this share as likely as the likeliest one."""

    stop: tuple[str, ...] = ()
    """Texts that end an answer, and are not part of it; form `completion` ends at the line's end in any case."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the weights."""

    device: str | None = None
    """A torch device; null takes a GPU if there is one."""

    prompts: dict[PromptName, str] = Field(default_factory=dict)
    """Jinja templates instead of the built-in ones, as for ``openai``."""

    retry_invalid: int = Field(default=1, ge=0)
    """How often a question is repeated when its answer cannot be used."""

    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint: only for checkpoints whose code you have read."""

    @field_validator("prompts")
    @classmethod
    def _are_templates(cls, prompts: dict[PromptName, str], info: ValidationInfo) -> dict[PromptName, str]:
        Prompts(prompts, Origin.of(info).folders).check()
        return prompts

    def templates(self) -> Prompts:
        """The prompts, read from where the options say."""
        return Prompts(self.prompts, self.origin().folders)

    def weights(self) -> Checkpoint:
        """Where the language model is."""
        from harness.models.checkpoints import resolve

        folders = self.origin().folders
        return resolve(self.checkpoint, revision=self.revision, folders=folders, code=self.trust_remote_code)

    def identity(self) -> dict[str, Any]:
        """The options that determine the result, with digests of the checkpoint and of the prompts."""
        found = super().identity()
        later = ("trust_remote_code", "form", "demonstrations", "top_p", "top_k", "min_p", "stop")
        for name in later:  # as from before there was a choice, so that results stay what they are
            if getattr(self, name) == type(self).model_fields[name].default:
                del found[name]
        found["prompts"] = self.templates().digest
        found["checkpoint"] = self.weights().identity()
        return found

    def fetch(self) -> str:
        """Download the checkpoint; see :meth:`harness.components.base.Component.fetch`."""
        return str(self.weights().fetch())

    def preflight(self) -> None:
        """Check that the checkpoint can be had.

        Raises:
            InputError: It is nowhere, or is not complete.
        """
        self.weights().check()

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Ask for ``task.per_uu`` samples per unknown unknown; ``seed`` decides what is sampled.

        Raises:
            InputError: The checkpoint is no language model, or cannot be loaded.
        """
        from harness_generators.transformers_writer import run

        yield from run(self, uus, task, seed)
