"""An OpenAI-compatible server: where it is, how it is asked, and what may be spent."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from harness.components import Component
from harness.errors import InputError

if TYPE_CHECKING:
    from typing import Self

_CHARACTERS_PER_TOKEN = 3.5
"""For estimates only. English in current tokenizers has 4 to 4.5 characters per token, misspelt English fewer."""


class Server(Component):
    """What components have in common that ask a server which speaks OpenAI's chat completions."""

    called: ClassVar[str] = "The generator openai"
    """What messages call the component."""

    neutral: ClassVar[frozenset[str]] = frozenset(
        {
            "api_key_env",
            "timeout",
            "max_concurrency",
            "requests_per_minute",
            "max_tries",
            "probe",
            "stream",
            "price_source",
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

    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"  # noqa: S105
    """Name under which the server takes ``max_tokens``; OpenAI's reasoning models want the second."""

    extra_body: dict[str, Any] = Field(default_factory=dict)
    """More fields of the request body, as the server defines them (``{"top_p": 0.9}``)."""

    structured: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    """How the JSON form of answers is enforced; ``auto`` tries them in this order until the server accepts one."""

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

    max_requests: int | None = Field(default=None, ge=1)
    """Budget: most answers. A generator counts cached ones too, and rejects what is beyond it as ``"budget exhausted"``; a
    classifier counts those that it asks for in one stage, and ends with an error."""

    max_total_tokens: int | None = Field(default=None, ge=1)
    """Budget: most tokens read and written in all."""

    max_cost: float | None = Field(default=None, gt=0)
    """Budget: most US dollars; needs prices."""

    price_prompt: float | None = Field(default=None, ge=0)
    """Price of a million tokens read, in US dollars. Prices may be left out where the package genai-prices knows the model at
    this address; they are then filled in, and `price_source` says so."""

    price_cached: float | None = Field(default=None, ge=0)
    """Price of a million of the tokens read that the server had in a cache of its own; null is ``price_prompt``."""

    price_completion: float | None = Field(default=None, ge=0)
    """Price of a million tokens written, in US dollars."""

    price_source: str = ""
    """Where the prices come from; filled in."""

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

    @model_validator(mode="before")
    @classmethod
    def _prices_of_the_list(cls, values: Any) -> Any:
        names = ("price_prompt", "price_cached", "price_completion")
        if not isinstance(values, dict) or any(values.get(name) is not None for name in names):
            return values
        model, url = values.get("model"), values.get("base_url", cls.model_fields["base_url"].default)
        if not isinstance(model, str) or not isinstance(url, str) or values.get("api", "openai") != "openai":
            return values  # on Azure the name is that of a deployment
        from harness_generators.pricing import listed

        found = listed(model, url)
        if found is None:
            return values
        prices = dict(zip(names, (found.read, found.cached, found.written), strict=True))
        return values | prices | {"price_source": found.source}

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as http://127.0.0.1:8000/v1")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _prices_for_a_cost_budget(self) -> Self:
        if self.max_cost is not None and (self.price_prompt is None or self.price_completion is None):
            raise ValueError(
                "max_cost needs price_prompt and price_completion: the price list of the package genai-prices does not know "
                f"{self.model!r} at {self.base_url}"
            )
        if self.price_cached is not None and self.price_prompt is None:
            raise ValueError("price_cached needs price_prompt")
        return self

    def preflight(self) -> None:
        """Check that there is a key, and unless ``probe`` is off that the server takes it and knows the model.

        Raises:
            InputError: No key in the environment; the server cannot be reached, refuses the key or lacks the model.
        """
        super().preflight()
        self.key()
        if self.probe:
            from harness_generators.openai_probe import probe

            probe(self, self.key())

    def key(self) -> str:
        """The key; empty where the server wants none.

        Raises:
            InputError: The environment variable is not set.
        """
        if not self.api_key_env:
            return ""
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise InputError(
                f"{self.called} finds no key: the environment variable {self.api_key_env} is not set.",
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
