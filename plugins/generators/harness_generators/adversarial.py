"""Adversarial training data: the perturbed texts themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness_generators.texts import as_example, fold, shown


class Adversarial(Generator):
    """The perturbed text with its true label: adversarial training, the baseline of every other generator.

    An attack keeps the label by assumption, so the perturbed text is a labelled example as it is (Goodfellow, Shlens,
    Szegedy 2015, "Explaining and Harnessing Adversarial Examples", ICLR; for texts Jin et al. 2020, AAAI, section 4.3).

    There is one such text per unknown unknown, so each yields one sample of role ``"exploit"`` however many are asked
    for: raise the number of unknown unknowns (``synthesis.uu_fraction``) to compare at equal size. Perturbed texts that
    occurred before, apart from case and white space, are rejected as ``"duplicate"``.
    """

    api_version: ClassVar[int] = 1

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Yield each perturbed text once. Nothing is random: ``seed`` has no effect."""
        seen: set[str] = set()
        for position, uu in enumerate(uus):
            key = fold(uu.perturbed)
            if key in seen:
                yield Rejected(position, "exploit", "duplicate", shown(uu.perturbed))
                continue
            seen.add(key)
            yield SyntheticExample(as_example(uu.perturbed, uu.example.label), position, "exploit")
