"""How fast to ask: bounded concurrency that adapts, pauses that the server asks for, budgets that stop in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from harness.components import Usage


class Pace:
    """Admits requests: never more than ``most`` at once, fewer after the server complained, none while it asked to wait.

    Additive increase, multiplicative decrease (Chiu, Jain 1989; as in TCP): a complaint halves the limit, at most once per
    request's lifetime, and each ``limit`` successes raise it by one again.

    Args:
        most: Greatest number of requests at once.
        per_minute: Greatest number of requests started per minute; ``None`` for no limit.
    """

    def __init__(self, most: int, per_minute: float | None = None) -> None:
        self.most = most
        self.limit = float(most)
        self._spacing = 60.0 / per_minute if per_minute else 0.0
        self._running = 0
        self._resume_at = 0.0
        self._last_cut = 0.0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for a turn and hold it; the value is the time (monotonic, seconds) when it began."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._running < max(1, int(self.limit)))
            self._running += 1
        try:
            while (wait := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self._resume_at = (
                max(self._resume_at, time.monotonic() + self._spacing) if self._spacing else self._resume_at
            )
            yield time.monotonic()
        finally:
            async with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def succeeded(self) -> None:
        """A request was answered: the limit may grow."""
        self.limit = min(float(self.most), self.limit + 1.0 / self.limit)

    def complained(self, started: float, wait: float) -> None:
        """The server is overloaded: halve the limit (once for all requests of one moment), and start none for ``wait`` s."""
        now = time.monotonic()
        if started >= self._last_cut:
            self.limit = max(1.0, self.limit / 2)
            self._last_cut = now
        self._resume_at = max(self._resume_at, now + wait)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a generator may spend; ``None`` is without limit."""

    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def covers(self, usage: Usage) -> bool:
        """Whether so much may be spent. Answers from the cache count like those from the server."""
        tokens = usage.prompt_tokens + usage.completion_tokens
        return (
            (self.requests is None or usage.requests + usage.cached <= self.requests)
            and (self.tokens is None or tokens <= self.tokens)
            and (self.cost is None or usage.cost <= self.cost * (1 + 1e-9))
        )


class Purse:
    """Decides which work the budget still covers, in the same way whatever the timing.

    Work is admitted strictly in order, each piece with an upper estimate that is reserved until what it really took is
    known. A piece that does not fit waits for the pieces before it; when they are all settled and it still does not fit,
    the budget is spent.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._settled = Usage()
        self._reserved: dict[int, Usage] = {}
        self._changed = asyncio.Condition()

    async def admit(self, piece: int, estimate: Usage) -> bool:
        """Reserve the estimate for a piece of work; ``False`` when the budget does not cover it."""
        async with self._changed:
            while not self._budget.covers(sum(self._reserved.values(), self._settled) + estimate):
                if not self._reserved:
                    return False
                await self._changed.wait()
            self._reserved[piece] = estimate
            return True

    async def settle(self, piece: int, actual: Usage) -> None:
        """Replace a piece's reservation by what it took."""
        async with self._changed:
            del self._reserved[piece]
            self._settled += actual
            self._changed.notify_all()
