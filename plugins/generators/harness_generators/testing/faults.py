"""What can go wrong with an answer, by name."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence

from harness_generators.testing.vendors import REFUSALS, SHAPES

FAULTS: Mapping[str, str] = {
    "ok": "no fault",
    "429": "HTTP 429 with Retry-After",
    "500": "HTTP 500",
    "503": "HTTP 503",
    "slow": "the answer comes late (``slow_seconds``)",
    "cut": "the connection is closed in the middle of the body",
    "drop": "the connection is closed without an answer",
    "malformed": "HTTP 200 with a body that is no JSON",
    "hollow": "HTTP 200 with JSON that has no choices",
    "stream-cut": "a stream ends before its finish reason (without streaming: as ``cut``)",
    "wrong-schema": "the content is JSON with other keys",
    "broken-json": "the content is JSON with a missing quotation mark and brace",
    "prose": "the content is JSON in a fence with prose around it",
    "two": "the content is a list of two samples",
    "truncated": "the content breaks off at the limit of tokens",
    "empty": "the content is empty",
    "half": "the sample has half of a character: a lone surrogate, escaped in the content",
    "halves": "all of the content is full of halves of characters, not escaped",
    "deep": "the content is JSON nested too deep",
    "refusal": "the model refuses",
    "quota": "HTTP 429 with the code insufficient_quota",
    **{name: f"as {response.who}" for name, response in REFUSALS.items()},
    **{name: (shape.__doc__ or "").rstrip(".") for name, shape in SHAPES.items()},
}
"""The faults, and what real servers do (:mod:`harness_generators.testing.vendors`).

Those before ``wrong-schema`` are the connection's, and are not billed; those after it are the model's, until ``quota``.
"""

NETWORK = ("429", "500", "503", "slow", "cut", "drop", "malformed", "hollow", "stream-cut")
"""Faults that pass when a request is sent again."""


class Faults:
    """Which fault the next answer has.

    Args:
        script: Faults of the first answers, in the order of the requests' arrival.
        rate: Probability of a fault after the script.
        kinds: Which faults are drawn then.
        seed: Decides what is drawn.
    """

    def __init__(
        self, script: Sequence[str] = (), *, rate: float = 0.0, kinds: Sequence[str] = NETWORK, seed: int = 0
    ) -> None:
        unknown = sorted({*script, *kinds} - set(FAULTS))
        if unknown:
            raise ValueError(f"There is no fault {unknown[0]!r}. Known: {', '.join(FAULTS)}.")
        self._script = list(script)
        self._rate, self._kinds = rate, list(kinds)
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def next(self) -> str:
        """The fault of the next answer; ``"ok"`` for none."""
        with self._lock:
            if self._script:
                return self._script.pop(0)
            return self._random.choice(self._kinds) if self._random.random() < self._rate else "ok"
