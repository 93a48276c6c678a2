"""The suites that come with the harness, by name: from the checkout, or as the installed distribution brought them."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import InputError, did_you_mean, nearest

_CHECKOUT = Path(__file__).parents[2] / "suites"


@dataclass(frozen=True)
class ShippedSuite:
    """A suite that comes with the harness.

    Attributes:
        name: Its name.
        path: Its file.
    """

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        """The file as it is."""
        return self.path.read_text(encoding="utf-8")

    def said(self, key: str) -> str:
        """What the file says under a key at the beginning of a line: ``description``, or ``# Needs`` and ``# Takes``."""
        lines = (line for line in self.text.splitlines() if line.startswith(f"{key}: "))
        return next(lines, "").removeprefix(f"{key}: ")


def shipped_suites() -> dict[str, ShippedSuite]:
    """The suites by name, sorted."""
    installed = Path(sysconfig.get_path("data")) / "share" / "bliss-harness" / "suites"
    folder = _CHECKOUT if _CHECKOUT.is_dir() else installed
    return {path.stem: ShippedSuite(path.stem, path) for path in sorted(folder.glob("*.yaml"))}


def suite_file(given: Path) -> Path:
    """The file that a user means: the one given, or else the shipped suite of that name.

    Raises:
        InputError: There is no such file, and a shipped suite of nearly that name.
    """
    if given.suffix or len(given.parts) != 1 or given.exists():
        return given
    suites = shipped_suites()
    if given.name in suites:
        return suites[given.name].path
    if nearest(given.name, suites, limit=1):
        raise InputError(
            f"{given}: there is no such file, and no suite of that name. {did_you_mean(given.name, suites)}"
        )
    return given


def shipped_suite(name: str) -> ShippedSuite:
    """The suite called ``name``.

    Raises:
        InputError: There is none.
    """
    suites = shipped_suites()
    if name not in suites:
        raise InputError(
            f"No suite that comes with the harness is called {name!r}. {did_you_mean(name, suites)}",
            hint=f"There are {', '.join(suites)}.",
        )
    return suites[name]
