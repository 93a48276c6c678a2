"""What generators return."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

from harness.border.calls import drawn
from harness.border.numbers import described, fault, integer
from harness.border.texts import parts, string
from harness.components.example import Example
from harness.components.generator import Rejected, SyntheticExample
from harness.components.usage import Usage

if TYPE_CHECKING:
    from harness.components.generator import GenerationTask, Generator, UnknownUnknown
    from harness.registry import Entry
    from harness.stages.base import Configured

Item = SyntheticExample | Rejected | Usage


def generated(
    generator: Configured[Generator], uus: Sequence[UnknownUnknown], request: GenerationTask, *, seed: int
) -> Iterator[Item]:
    """What a generator writes, each item checked as it comes.

    Args:
        generator: The generator.
        uus: The unknown unknowns that it is given.
        request: What else it is given.
        seed: Its seed.

    Raises:
        HarnessError: It fails, or breaks its contract; the message says with which item.
    """
    check = _Check(generator.entry, len(uus), request)
    for item in drawn(generator.entry, lambda: generator.component.generate(uus, request, seed=seed)):
        yield check(item)


class _Check:
    def __init__(self, entry: Entry, n_uus: int, request: GenerationTask) -> None:
        self._entry, self._n_uus, self._per_uu = entry, n_uus, request.per_uu
        self._num_labels, self._paired = request.task.num_labels, len(request.task.columns) == 2
        self._made: Counter[int] = Counter()

    def __call__(self, item: Any) -> Item:
        if isinstance(item, Usage):
            return self._usage(item)
        if not isinstance(item, SyntheticExample | Rejected):
            raise fault(self._entry, f"returned {described(item)}; expected a SyntheticExample, a Rejected or a Usage")
        uu = integer(self._entry, item.uu, "the position of an unknown unknown")
        if not 0 <= uu < self._n_uus:
            raise fault(self._entry, f"refers to unknown unknown {uu} of {self._n_uus}; the first is 0")
        where = f"unknown unknown {uu}"
        string(self._entry, item.role, f"the role of a sample of {where}")
        if isinstance(item, Rejected):
            string(self._entry, item.reason, f"the reason for a rejected sample of {where}")
            string(self._entry, item.text, f"a rejected sample of {where}")
            return replace(item, uu=uu)
        string(self._entry, item.hypothesis, f"the hypothesis on {where}")
        self._made[uu] += 1
        if self._made[uu] > self._per_uu:
            raise fault(
                self._entry,
                f"gave more than {self._per_uu} synthetic examples for {where}; expected at most {self._per_uu}",
            )
        return replace(item, uu=uu, example=self._example(item.example, f"a synthetic example of {where}"))

    def _example(self, example: Any, what: str) -> Example:
        if not isinstance(example, Example):
            raise fault(self._entry, f"gave {described(example)} as {what}; expected an Example")
        given = example.text if example.text_pair is None else (example.text, example.text_pair)
        for part in parts(self._entry, given, what, paired=self._paired):
            if not part.strip():
                raise fault(self._entry, f"gave {what} as {part!r}; expected a text that is not empty")
        label = integer(self._entry, example.label, f"the label of {what}")
        if not 0 <= label < self._num_labels:
            raise fault(self._entry, f"gave label {label} to {what}; the task has 0..{self._num_labels - 1}")
        if not isinstance(example.tags, tuple) or not all(isinstance(tag, str) for tag in example.tags):
            raise fault(self._entry, f"gave {what} the tags {described(example.tags)}; expected a tuple of strings")
        return replace(example, label=label)

    def _usage(self, usage: Usage) -> Usage:
        for field in fields(usage):
            value = getattr(usage, field.name)
            if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
                raise fault(
                    self._entry,
                    f"gave {described(value)} as the usage {field.name!r}; expected a number that is 0 or more",
                )
        return usage
