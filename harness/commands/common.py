"""What several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from harness.suite import Suite


@dataclass(frozen=True)
class Selection:
    """A suite file, and the part of it that the command line asks for."""

    path: Path
    overrides: Sequence[str] = ()
    arms: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    limit: int | None = None

    def suite(self) -> Suite:
        """Read, validate and restrict it."""
        from harness.suite import load_suite

        suite = load_suite(self.path, overrides=self.overrides)
        return suite.restrict(
            arms=self.arms or None, datasets=self.datasets or None, seeds=self.seeds or None, limit=self.limit
        )


def console(*, stderr: bool = False) -> Console:
    """A console; as wide as 100 columns where nobody watches, so that tables in logs are not squeezed."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - called while handling it; harness.cli knows what to do

    made = Screen(stderr=stderr, highlight=False)
    return made if made.is_terminal else Screen(stderr=stderr, highlight=False, width=max(100, made.width))
