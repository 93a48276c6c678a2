"""What several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from harness.suite import Suite


def selected(
    path: Path,
    *,
    overrides: Sequence[str],
    arms: Sequence[str] | None,
    datasets: Sequence[str] | None,
    seeds: Sequence[int] | None,
    limit: int | None,
) -> Suite:
    """The part of a suite file that the command line asks for."""
    from harness.suite import read_suite

    suite = read_suite(path, overrides=overrides)
    return suite.restrict(arms=arms or None, datasets=datasets or None, seeds=seeds or None, limit=limit)


def console(*, stderr: bool = False) -> Console:
    """A console; as wide as 100 columns where nobody watches, so that tables in logs are not squeezed."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=max(100, made.width))
