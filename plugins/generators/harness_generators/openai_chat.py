"""Hypotheses and samples by any server that speaks OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, Task, UnknownUnknown, Usage
from harness.components.base import Origin
from harness_generators.openai_server import Server
from harness_generators.prompts import PromptName, Prompts


class OpenAI(Server, Generator):
    """Hypotheses on why a perturbation fooled the classifier, and samples that test them, by an OpenAI-compatible server.

    The two-step method of Lippmann, Spaan, Yang (2024) and thesis 3.5. The first request shows the original and the
    perturbed text and asks for a *generative hypothesis* and a sample that exploits it; the second shows the hypothesis too
    and asks for an *exploration hypothesis* derived from it and a sample that explores. With more than two samples per
    unknown unknown further exploration requests follow; with one there is only the first.

    Works with OpenAI, Azure OpenAI (``api: azure``), vLLM, Ollama, llama.cpp and others. Every answer is written to the
    cache folder the moment it arrives, by the identity of its request, so a killed or repeated run asks only for what it
    does not have. Unusable answers are counted by kind and asked for again ``retry_invalid`` times. In
    :class:`~harness.components.Usage`, tokens and cost are those of all answers used, whenever they were paid;
    ``requests`` were sent now, ``cached`` were not.
    """

    api_version: ClassVar[int] = 1
    neutral: ClassVar[frozenset[str]] = Server.neutral | {"batch_poll", "reorder"}

    temperature: float | None = Field(default=0.7, ge=0)
    """Sampling temperature; null leaves it to the server (some models accept no other)."""

    max_tokens: int = Field(default=768, ge=16)
    """Longest answer, in tokens."""

    send_seed: bool = True
    """Send a seed derived from the run's, for servers that honour it. It is part of a request's identity in any case."""

    prompts: dict[PromptName, str] = Field(default_factory=dict)
    """Jinja templates instead of the built-in ones (``system``, ``exploit``, ``explore``): the text, or a path in ``.j2``."""

    retry_invalid: int = Field(default=1, ge=0)
    """How often a request is repeated, with another seed, when its answer cannot be used."""

    batch: bool = False
    """Use the server's batch interface (cheaper, hours instead of seconds); one batch per step."""

    batch_poll: float = Field(default=30, gt=0)
    """Seconds between two looks at an unfinished batch."""

    reorder: bool = False
    """Order anew what is in a batch that was noted, and that the server no longer knows; it may be paid twice."""

    @field_validator("prompts")
    @classmethod
    def _are_templates(cls, prompts: dict[PromptName, str], info: ValidationInfo) -> dict[PromptName, str]:
        Prompts(prompts, Origin.of(info).folders).check()
        return prompts

    @model_validator(mode="after")
    def _no_batches_on_azure(self) -> OpenAI:
        if self.batch and self.api == "azure":
            raise ValueError("batch is not supported with api: azure")
        return self

    def templates(self) -> Prompts:
        """The prompts, read from where the options say."""
        return Prompts(self.prompts, self.origin().folders)

    def identity(self) -> dict[str, Any]:
        """The options that determine the result, with a digest of the prompts instead of where they are."""
        found = super().identity()
        found["prompts"] = self.templates().digest
        if self.provider:
            del found["base_url"]
        return found

    def estimate(self, n_uus: int, task: Task, *, per_uu: int, mean_characters: float) -> Usage:
        """The most that a run may cost: every answer unusable at first, every one as long as it may be, up to the budgets."""
        wording = self.templates().wording(task)
        most = self.most(n_uus * per_uu, wording + 2 * mean_characters)
        requests = min(most.requests, self.max_requests or most.requests)
        prompt, completion = (
            min(tokens * requests // most.requests, self.max_total_tokens or tokens)
            for tokens in (most.prompt_tokens, most.completion_tokens)
        )
        cost = self.cost(prompt, completion)
        return Usage(requests, 0, prompt, completion, min(cost, self.max_cost or cost))

    def most(self, questions: int, characters: float) -> Usage:
        """The most that questions of so many characters may cost, repetitions included."""
        requests = questions * (1 + self.retry_invalid)
        prompt = requests * self.tokens(characters)
        completion = requests * self.max_tokens
        return Usage(requests, 0, prompt, completion, self.cost(prompt, completion))

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Ask for ``task.per_uu`` samples per unknown unknown.

        Args:
            uus: Unknown unknowns.
            task: Task, number of samples and cache folder (``None`` keeps answers in memory only).
            seed: Sent along, and part of each request's identity.

        Raises:
            InputError: No key, a key that the server refuses, a model that it does not know, a quota used up.
            HarnessError: The server cannot be reached, or does not answer any more. Answers so far are in the cache.
        """
        from harness_generators.openai_run import run

        return run(self, self.key(), uus, task, seed)
