"""What a submission has to hold: the baseline arm beside every other, and more than one seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.records.model import Record
    from harness.report.groups import Group

SEEDS = 2
"""Seeds that every arm needs, or as many as the suite has if these are fewer."""


def lacking(groups: Sequence[Group], suite: Path | None) -> Iterator[str]:
    """What is missing, one line each.

    Args:
        groups: The records by board.
        suite: The suite file that they claim to come from; else the shipped suite of their suite's name says how many seeds
            there are, if there is one.
    """
    for group in groups:
        header, place = group.header, f"{group.header.suite}, {group.header.dataset}"
        base = group.members.get(group.baseline, {})
        if not group.baseline:
            yield f"{place}: the records name no baseline arm"
        elif not base:
            yield f"{place}: the baseline arm {group.baseline!r} is missing, so that nothing can be compared with it"
        needed = min(SEEDS, _seeds(header.suite, suite))
        for arm, seeds in group.members.items():
            if group.baseline and base and (alone := sorted(set(seeds) - set(base))):
                named = ", ".join(map(str, alone))
                yield f"{place}: arm {arm!r} has seed {named}, which the baseline {group.baseline!r} has not"
            if len(seeds) < needed and any(_trained(member.header) for member in seeds.values()):
                yield f"{place}: arm {arm!r} has {len(seeds)} seed, of at least {needed} that are needed"


def _trained(header: Record) -> bool:
    """Whether the arm trained a classifier, which another seed would have made another; one that was given stays the same."""
    if "given" in header.arm_definition:
        return False
    return "base" not in header.components or bool({"weights", "order", "generate"} & header.arm_definition.keys())


def _seeds(name: str, path: Path | None) -> int:
    """Number of seeds of a suite, as far as it is known; no limit otherwise."""
    from harness import load_suite
    from harness.suite.shipped import shipped_suites

    shipped = shipped_suites().get(name)
    file = path or (shipped.path if shipped else None)
    if file is None:
        return SEEDS
    suite = load_suite(file)
    return len(suite.seeds) if suite.name == name else SEEDS
