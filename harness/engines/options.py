"""What is asked of an engine on the command line, and finding engines by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from harness.engines.base import Engine
from harness.errors import InputError, did_you_mean
from harness.registry import normalise, registry
from harness.store.store import Store

GROUP = "harness.engines"
"""The entry points of engines: each is a :data:`Factory`."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a user asks of an engine; ``None`` leaves it to the engine.

    Attributes:
        jobs: Number of stages to compute at a time, at most.
        threads: Number of threads that each is computed with.
        address: Where the engine's cluster is.
    """

    jobs: int | None = None
    threads: int = 1
    address: str | None = None

    def __post_init__(self) -> None:
        for name, number in (("jobs", self.jobs), ("threads", self.threads)):
            if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
                raise InputError(f"{name} is {number!r}, and has to be a whole number from 1 on.")

    def refuse_address(self, engine: str) -> None:
        """Raise :class:`~harness.errors.InputError` if an address is given to an engine that computes on this machine."""
        if self.address is not None:
            raise InputError(
                f"The engine {engine!r} computes on this machine, and takes no address (got {self.address!r}).",
                hint="With --engine ray, --address says where a cluster is.",
            )


Factory = Callable[[EngineOptions], Callable[[Store], Engine]]
"""From options to what makes the engine over a store; raises ``InputError`` for options that the engine has not."""


def factory(name: str) -> Factory:
    """The engine called ``name``.

    Raises:
        InputError: There is none, or it cannot be imported.
    """
    found = {point.name: point for point in entry_points(group=GROUP) if registry().admits(_distribution(point))}
    if name not in found:
        raise InputError(f"No engine is called {name!r}. {did_you_mean(name, found)}")
    try:
        made: Factory = found[name].load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"The engine {name!r} of {_distribution(found[name])} cannot be imported: {reason}") from error
    return made


def _distribution(point: EntryPoint) -> str:
    return normalise(point.dist.name) if point.dist else "(unknown)"
