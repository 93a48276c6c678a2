"""How a request is put on the wire: the parameters that a server takes, found out once and remembered for the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

MODES = ("json_schema", "json_object", "none")

_OTHER = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


@dataclass(frozen=True, slots=True)
class Form:
    """What of a request is sent, and how. It is no part of a request's identity, which is what the options ask for.

    Attributes:
        mode: Position in :data:`MODES`.
        downgradable: Whether the next of them may be tried.
        renamed: Whether the limit of tokens goes by its other name.
        dropped: Parameters that are left out.
    """

    mode: int
    downgradable: bool
    renamed: bool = False
    dropped: frozenset[str] = frozenset()

    @classmethod
    def asked(cls, structured: str) -> Form:
        """As the option ``structured`` says."""
        return cls(0, True) if structured == "auto" else cls(MODES.index(structured), False)

    def without(self, parameter: str) -> tuple[Form, str] | None:
        """Another form for a server that does not take a parameter, and that in words; ``None`` if there is none."""
        if parameter == "response_format":
            if not self.downgradable or self.mode == len(MODES) - 1:
                return None
            return replace(self, mode=self.mode + 1), f"asked for {MODES[self.mode + 1]} instead of {MODES[self.mode]}"
        if parameter in _OTHER:
            return None if self.renamed else (replace(self, renamed=True), f"sent as {_OTHER[parameter]}")
        if not parameter or parameter in self.dropped:
            return None
        return replace(self, dropped=self.dropped | {parameter}), "left out"

    def body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A chat completion's body, ``extra_body`` apart."""
        limit = request["token_limit_field"]
        body: dict[str, Any] = {
            "model": request["model"],
            "messages": [{"role": role, "content": content} for role, content in request["messages"]],
            _OTHER[limit] if self.renamed else limit: request["max_tokens"],
        }
        if request["temperature"] is not None:
            body["temperature"] = request["temperature"]
        if request["send_seed"]:
            body["seed"] = request["seed"]
        if request.get("top_logprobs"):
            body |= {"logprobs": True, "top_logprobs": request["top_logprobs"]}
        if MODES[self.mode] == "json_schema":
            schema = {"name": "sample", "strict": True, "schema": request["schema"]}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif MODES[self.mode] == "json_object":
            body["response_format"] = {"type": "json_object"}
        return {name: value for name, value in body.items() if name not in self.dropped}
