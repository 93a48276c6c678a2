"""Hypotheses and samples by any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, Task, UnknownUnknown, Usage
from harness.components.base import Origin
from harness.errors import InputError
from harness_generators.prompts import PromptName, Prompts

_CHARACTERS_PER_TOKEN = 3.5
"""For estimates only. English in current tokenizers has 4 to 4.5 characters per token, misspelt English fewer."""


class OpenAI(Generator):
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
    neutral: ClassVar[frozenset[str]] = frozenset(
        {
            "api_key_env",
            "timeout",
            "max_concurrency",
            "requests_per_minute",
            "max_tries",
            "probe",
            "stream",
            "batch_poll",
            "reorder",
        }
    )

    model: str = Field(min_length=1)
    """Name of the model, as the server knows it; on Azure the name of the deployment."""

    base_url: str = "https://api.openai.com/v1"
    """Address of the server, with ``/v1`` where it has that; on Azure the endpoint (``https://NAME.openai.azure.com``)."""

    provider: str = ""
    """A name for the server in identities, instead of its address: give one to keep answers when the server moves."""

    api: Literal["openai", "azure"] = "openai"
    """Form of addresses and authentication."""

    azure_api_version: str = "2024-10-21"
    """API version that Azure is asked for."""

    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; empty for a server that wants none."""

    temperature: float | None = Field(default=0.7, ge=0)
    """Sampling temperature; null leaves it to the server (some models accept no other)."""

    max_tokens: int = Field(default=768, ge=16)
    """Longest answer, in tokens."""

    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"  # noqa: S105
    """Name under which the server takes ``max_tokens``; OpenAI's reasoning models want the second."""

    send_seed: bool = True
    """Send a seed derived from the run's, for servers that honour it. It is part of a request's identity in any case."""

    extra_body: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request body, as the server defines them (``{"top_p": 0.9}``)."""

    structured: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    """How the JSON form of answers is enforced; ``auto`` tries them in this order until the server accepts one."""

    prompts: dict[PromptName, str] = Field(default_factory=dict)
    """Jinja templates instead of the built-in ones (``system``, ``exploit``, ``explore``): the text, or a path in ``.j2``."""

    retry_invalid: int = Field(default=1, ge=0)
    """How often a request is repeated, with another seed, when its answer cannot be used."""

    max_concurrency: int = Field(default=8, ge=1)
    """Most requests at once. It is lowered while the server complains of overload."""

    requests_per_minute: float | None = Field(default=None, gt=0)
    """Most requests per minute."""

    timeout: float = Field(default=120, gt=0)
    """Seconds until a request counts as failed; while streaming, seconds between two pieces."""

    max_tries: int = Field(default=8, ge=1)
    """How often a request is sent that fails for a passing reason (overload, lost connection, broken answer)."""

    stream: bool = False
    """Receive answers piece by piece, so that slow long answers do not run into the timeout."""

    batch: bool = False
    """Use the server's batch interface (cheaper, hours instead of seconds); one batch per step."""

    batch_poll: float = Field(default=30, gt=0)
    """Seconds between two looks at an unfinished batch."""

    reorder: bool = False
    """Order anew what is in a batch that was noted, and that the server no longer knows; it may be paid twice."""

    max_requests: int | None = Field(default=None, ge=1)
    """Budget: most answers, cached ones included. Unknown unknowns beyond it are rejected as ``"budget exhausted"``."""

    max_total_tokens: int | None = Field(default=None, ge=1)
    """Budget: most tokens read and written in all."""

    max_cost: float | None = Field(default=None, gt=0)
    """Budget: most US dollars; needs both prices."""

    price_prompt: float | None = Field(default=None, ge=0)
    """Price of a million tokens read, in US dollars."""

    price_cached: float | None = Field(default=None, ge=0)
    """Price of a million of the tokens read that the server had in a cache of its own; null is ``price_prompt``."""

    price_completion: float | None = Field(default=None, ge=0)
    """Price of a million tokens written, in US dollars."""

    probe: bool = True
    """Ask the server for its list of models before the run starts, so that a wrong key, address or model shows at once."""

    @model_validator(mode="before")
    @classmethod
    def _no_key_in_options(cls, values: Any) -> Any:
        # Checked on the whole input, because an error about the one field would show its value.
        name = values.get("api_key_env", "") if isinstance(values, dict) else ""
        if isinstance(name, str) and name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError("api_key_env must be the name of an environment variable, never the key itself")
        url = values.get("base_url", "") if isinstance(values, dict) else ""
        if isinstance(url, str) and ("@" in urlsplit(url).netloc or urlsplit(url).query):
            raise ValueError("base_url must not carry credentials or a query; put the key into an environment variable")
        return values

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as http://127.0.0.1:8000/v1")
        return url.rstrip("/")

    @field_validator("prompts")
    @classmethod
    def _are_templates(cls, prompts: dict[PromptName, str], info: ValidationInfo) -> dict[PromptName, str]:
        Prompts(prompts, Origin.of(info).folders).check()
        return prompts

    @model_validator(mode="after")
    def _prices_for_a_cost_budget(self) -> OpenAI:
        if self.max_cost is not None and (self.price_prompt is None or self.price_completion is None):
            raise ValueError("max_cost needs price_prompt and price_completion")
        if self.price_cached is not None and self.price_prompt is None:
            raise ValueError("price_cached needs price_prompt")
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

    def preflight(self) -> None:
        """Check that there is a key, and unless ``probe`` is off that the server takes it and knows the model.

        Raises:
            InputError: No key in the environment; the server cannot be reached, refuses the key or lacks the model.
        """
        self._key()
        if self.probe:
            from harness_generators.openai_probe import probe

            probe(self, self._key())

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

        return run(self, self._key(), uus, task, seed)

    def _key(self) -> str:
        if not self.api_key_env:
            return ""
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise InputError(
                f"The generator openai finds no key: the environment variable {self.api_key_env} is not set.",
                hint=f"Set it (export {self.api_key_env}=...), name another one with api_key_env, or give api_key_env: '' for a"
                " server that wants no key.",
            )
        return key

    def tokens(self, characters: float) -> int:
        """An estimate of the tokens in so many characters."""
        return int(characters / _CHARACTERS_PER_TOKEN) + 1

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Price of so many tokens, in US dollars, of which some were read from the server's cache; 0 without prices."""
        read = self.price_prompt or 0
        cached = read if self.price_cached is None else self.price_cached
        paid = read * (prompt_tokens - cached_tokens) + cached * cached_tokens
        return (paid + (self.price_completion or 0) * completion_tokens) / 1e6
