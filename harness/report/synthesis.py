"""What generators made on the way to each arm, in words: examples kept, repaired and rejected by kind, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.records.model import RecordFolder


@dataclass(frozen=True)
class Generated:
    """What one generator made for arms that share it.

    Attributes:
        dataset: Name of the data set.
        arms: Names of the arms that were trained on these examples.
        generator: Name of the generator.
        summary: Counts and costs as a sentence; sums over seeds.
    """

    dataset: str
    arms: tuple[str, ...]
    generator: str
    summary: str


def syntheses(records: Iterable[RecordFolder]) -> list[Generated]:
    """Sum up the records of each arm that has synthetic examples; arms that share all of them are one entry."""
    by_arm: dict[tuple[str, str, str], list[RecordFolder]] = {}
    for record in records:
        header = record.header
        if "extend" in header.artifacts:
            by_arm.setdefault((header.suite, header.dataset, header.arm), []).append(record)
    shared: dict[tuple[str, str, tuple[str, ...]], list[tuple[str, list[RecordFolder]]]] = {}
    for (suite, dataset, arm), members in by_arm.items():
        made = tuple(member.header.artifacts["extend"] for member in members)
        shared.setdefault((suite, dataset, made), []).append((arm, members))
    found = []
    for (_, dataset, _), arms in shared.items():
        members = arms[0][1]
        name = members[0].header.components["generator"].name.rpartition("/")[2]
        found.append(Generated(dataset, tuple(arm for arm, _ in arms), name, _summary(members)))
    return found


def _summary(records: Sequence[RecordFolder]) -> str:
    counts: Counter[str] = Counter()
    for record in records:
        counts.update(record.header.counts)

    def used(name: str) -> float:
        return sum(record.header.usage.get(name, 0.0) for record in records)

    parts = [f"{counts['synthetic']:,} examples from {counts['uus']:,} unknown unknowns"]
    for what in ("repaired", "rejected"):
        kinds = {name.partition("/")[2]: n for name, n in counts.items() if name.startswith(f"{what}/")}
        if kinds:
            parts.append(f"{sum(kinds.values()):,} {what} ({_listed(kinds)})")
    if used("requests") or used("cached"):
        parts.append(f"{used('requests'):,.0f} requests and {used('cached'):,.0f} answers from the cache")
    if used("prompt_tokens") or used("completion_tokens"):
        parts.append(f"{used('prompt_tokens'):,.0f} tokens in, {used('completion_tokens'):,.0f} out")
    if money := used("money"):
        parts.append(f"${money:,.4f}" if money < 1 else f"${money:,.2f}")
    return "; ".join(parts) + "."


def _listed(kinds: Mapping[str, int]) -> str:
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{kind} {n:,}" for kind, n in ordered)
