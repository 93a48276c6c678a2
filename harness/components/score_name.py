"""Names of scores: parsed and put together in one place."""

from __future__ import annotations

from dataclasses import dataclass

from harness.statistics.digits import exact


@dataclass(frozen=True)
class ScoreName:
    """The name of a score, ``STEM[@AT][/PART]``: ``uu@0.65/perturbed``.

    Attributes:
        stem: What is measured: lower-case words joined by ``_``.
        at: What it is measured at, a threshold or share as text; empty where there is nothing.
        part: The population, or whatever else it is measured over; empty for all.
    """

    stem: str
    at: str = ""
    part: str = ""

    @classmethod
    def parse(cls, text: str) -> ScoreName:
        """The parts of a name.

        >>> ScoreName.parse("uu@0.65/perturbed")
        ScoreName(stem='uu', at='0.65', part='perturbed')
        """
        head, _, part = text.partition("/")
        stem, _, at = head.partition("@")
        return cls(stem, at, part)

    @classmethod
    def uu(cls, tau: float | str, population: str) -> ScoreName:
        """The count of unknown unknowns at a threshold over a population (metric ``uu``)."""
        return cls("uu", tau if isinstance(tau, str) else exact(tau), population)

    @classmethod
    def matched_uu(cls, tau: float, population: str) -> ScoreName:
        """The count of errors at matched coverage over a population (metric ``matched-uu``)."""
        return cls("matched_uu", exact(tau), population)

    @property
    def head(self) -> str:
        """The name without the part: ``uu@0.65``."""
        return f"{self.stem}@{self.at}" if self.at else self.stem

    @property
    def counts_uus(self) -> bool:
        """Whether it is a count of unknown unknowns at a threshold, over any population."""
        return self.stem == "uu" and bool(self.at)

    def __str__(self) -> str:
        return f"{self.head}/{self.part}" if self.part else self.head
