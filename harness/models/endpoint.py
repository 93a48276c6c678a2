"""A classifier behind an HTTP endpoint."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.components.example import Example
from harness.errors import InputError
from harness.models.given import GivenModel, Scale, TextClassifier, probabilities, read_order, write_order
from harness.progress import progress
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray

LONGEST_WAIT = 60.0
"""Seconds that a server may ask to wait before the next try; more is taken as a refusal."""


class Endpoint(GivenModel):
    """A classifier behind an HTTP endpoint that takes and gives JSON.

    Asked by POST with `{"ids": [0, 1], "texts": ["...", "..."]}` (of pairs: `[["a", "b"], ...]`), it answers
    `{"probabilities": [[0.9, 0.1], ...]}`, a row per text in their order; and, if it can, `"labels": ["negative", ...]`, what
    its outputs mean, and `"ids"`, by which rows are put in order. It must give the same answer to the same text: what was
    computed is kept, and an endpoint of another `version` is asked anew.
    """

    api_version: ClassVar[int] = 1
    neutral: ClassVar[frozenset[str]] = frozenset(
        {"timeout", "retries", "batch_size", "token_variable", "max_requests"}
    )

    url: str = Field(pattern=r"^https?://\S+$")
    """Its address."""
    version: str = ""
    """Which version of the classifier answers there; change it when the classifier changes, so that it is asked anew."""
    token_variable: str | None = None
    """Environment variable whose value is sent as a bearer token."""
    batch_size: int = Field(default=32, ge=1, le=10_000)
    """Texts in one request."""
    timeout: float = Field(default=30.0, gt=0)
    """Seconds to wait for an answer."""
    retries: int = Field(default=4, ge=0, le=20)
    """Further tries after a time-out, a lost connection, 429 or 5xx; between them it waits 1, 2, 4, ... seconds, or as long as
    `Retry-After` says."""
    max_requests: int | None = Field(default=None, ge=1)
    """Requests of one stage at most; then the stage ends with an error, before it costs more."""

    def preflight(self) -> None:
        """Check that a client is installed and the token is set."""
        super().preflight()
        if importlib.util.find_spec("httpx") is None:
            raise InputError(
                "An endpoint needs the package 'httpx', which is not installed.",
                hint="Install it with `pip install 'bliss-harness[endpoint]'`.",
            )
        self._headers()

    def name(self) -> str:
        """What to call it in messages."""
        return f"The endpoint {self.url}"

    def given(self, labels: Sequence[str], examples: Sequence[Example]) -> TextClassifier:
        """The classifier as it is; it is asked one text for what its outputs are called."""
        outputs: Sequence[str] | None = self.labels or None
        if outputs is None and examples:
            named = _Asking(self, range(len(labels)), "").post([examples[0].texts]).get("labels")
            if isinstance(named, list) and all(isinstance(name, str) for name in named):
                outputs = named
        match = self.matched(outputs, labels)
        return _Asking(self, match.order, match.said)

    def load(self, folder: Path) -> TextClassifier:
        """Read back the order of its outputs."""
        kept = read_order(folder)
        return _Asking(self, kept["order"], kept["said"])

    def _headers(self) -> dict[str, str]:
        if self.token_variable is None:
            return {}
        token = os.environ.get(self.token_variable)
        if not token:
            raise InputError(
                f"{self.name()} needs a token in the environment variable {self.token_variable}, which is not set."
            )
        return {"Authorization": f"Bearer {token}"}


class _Asking(TextClassifier):
    def __init__(self, endpoint: Endpoint, order: Sequence[int], said: str) -> None:
        super().__init__(len(order), said)
        self._endpoint, self._order = endpoint, tuple(order)
        self._scale: Scale = endpoint.scale
        self._requests = 0

    def ask(self, texts: Sequence[Texts]) -> FloatArray:
        import numpy as np

        size, parts = self._endpoint.batch_size, []
        with progress("texts", total=len(texts)) as bar:
            for start in range(0, len(texts), size):
                batch = texts[start : start + size]
                found = self._in_order(self.post(batch), len(batch))
                parts.append(probabilities(found, self._order, self._scale, self._endpoint.name(), batch))
                bar.advance(len(batch))
        return np.concatenate(parts)

    def save(self, folder: Path) -> None:
        write_order(folder, self._order, self.said)

    def _in_order(self, answer: dict[str, Any], n: int) -> Any:
        name, rows, ids = self._endpoint.name(), answer.get("probabilities"), answer.get("ids")
        if not isinstance(rows, list):
            keys = ", ".join(map(str, answer)) or "nothing"
            raise InputError(f"{name} answered without 'probabilities'; there is {keys}.")
        if ids is None:
            return rows
        if not isinstance(ids, list) or len(ids) != len(rows) or sorted(map(str, ids)) != sorted(map(str, range(n))):
            raise InputError(
                f"{name} answered with the ids {str(ids)[:80]}; expected those that it was asked, 0 to {n - 1}."
            )
        place = {str(key): row for key, row in zip(ids, rows, strict=True)}
        return [place[str(index)] for index in range(n)]

    def post(self, texts: Sequence[Texts]) -> dict[str, Any]:
        """The answer for some texts, as the JSON object that it is.

        Raises:
            InputError: There is none after all tries, or the budget is used up.
        """
        import httpx

        endpoint, reason = self._endpoint, ""
        body = {"ids": list(range(len(texts))), "texts": [t if isinstance(t, str) else list(t) for t in texts]}
        for attempt in range(endpoint.retries + 1):
            if endpoint.max_requests is not None and self._requests >= endpoint.max_requests:
                raise InputError(
                    f"{endpoint.name()} was asked {self._requests} times, which is all that `max_requests` allows."
                )
            self._requests += 1
            wait = float(2**attempt)
            try:
                answer = httpx.post(endpoint.url, json=body, timeout=endpoint.timeout, headers=endpoint._headers())
            except httpx.TimeoutException:
                reason = f"gave no answer within {endpoint.timeout:g} seconds"
            except httpx.HTTPError as error:
                reason = f"cannot be reached: {type(error).__name__}: {str(error)[:200]}"
            else:
                if answer.status_code == 200:
                    return self._parsed(answer)
                reason = f"answered {answer.status_code}: {' '.join(answer.text.split())[:200]}"
                if answer.status_code != 429 and answer.status_code < 500:
                    break
                wait = _seconds(answer.headers.get("Retry-After"), wait)
            if attempt == endpoint.retries or wait > LONGEST_WAIT:
                break
            time.sleep(wait)
        raise InputError(f"{endpoint.name()} {reason} ({self._requests} requests in all).")

    def _parsed(self, answer: Any) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InputError(
                f"{self._endpoint.name()} answered with no JSON object: {' '.join(answer.text.split())[:200]!r}.",
            )
        return found


def _seconds(said: str | None, otherwise: float) -> float:
    try:
        return max(0.0, float(said)) if said is not None else otherwise
    except ValueError:  # a date
        return otherwise
