"""Whether records are of the suite that they claim to come from, down to every option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components.paths import DATA_VARIABLE
from harness.records.model import ComponentUse, Record, RecordFolder

if TYPE_CHECKING:
    from harness.plan import Cell
    from harness.suite import Suite

SHARED = frozenset({"dataset", "model", "test_attack"})
"""Roles that a board rests on, beside the metrics."""


def of_suite(path: Path, records: Sequence[RecordFolder]) -> tuple[list[str], list[str]]:
    """What speaks against the records being of a suite file as it is.

    Arms that the suite does not have are somebody's own, and their options are theirs.

    Returns:
        Problems, and notes on what could not be compared.

    Raises:
        InputError: The suite file is not valid.
    """
    from harness import load_suite
    from harness.plan import make_plan

    suite = load_suite(path)
    plan = make_plan(suite)
    cells = {(cell.dataset, cell.arm): cell for cell in plan.cells}
    shared = {cell.dataset: cell for cell in plan.cells}
    theirs = [record for record in records if record.header.suite == suite.name]
    problems: list[str] = []
    notes: list[str] = []
    if not theirs:
        problems.append(f"No record is of the suite {suite.name!r} ({path}).")
    elif len(theirs) < len(records):
        notes.append(f"{len(records) - len(theirs)} of the records are not of the suite {suite.name!r}.")
    elsewhere = False
    for record in theirs:
        header, cell = record.header, shared.get(record.header.dataset)
        if cell is None:
            problems.append(f"{record.folder}: {path} has no data set {header.dataset!r}")
            continue
        if header.board != cell.board:
            changed = list(_changed(header.components, cell.components, _board_roles(header, cell)))
            if not changed and header.components["dataset"].digests != cell.components["dataset"].digests:
                elsewhere, reason = True, "was made with data from elsewhere"
            else:
                reason = ": ".join(filter(None, ("was made by a changed suite", "; ".join(changed))))
            problems.append(f"{record.folder}: {reason} (board {header.board}; {path} has {cell.board})")
        own = cells.get((header.dataset, header.arm))
        if own is None:
            notes.append(f"Arm {header.arm!r} is not of {path}: its options are compared with nothing.")
        else:
            problems += [f"{record.folder}: {problem}" for problem in _arm(header, own, suite, path)]
    if elsewhere:
        notes.append(
            f"A named data set is read from a folder if its option `folder` or {DATA_VARIABLE} names one, else from the hub."
        )
    return problems, notes


def _board_roles(header: Record, cell: Cell) -> set[str]:
    return {r for r in {*header.components, *cell.components} if r in SHARED or r.startswith("metric:")}


def _arm(header: Record, cell: Cell, suite: Suite, path: Path) -> Iterator[str]:
    """What an arm does otherwise than the suite's arm of that name."""
    ours = suite.arms[header.arm].definition()
    for key in sorted({*header.arm_definition, *ours}):
        theirs, wanted = header.arm_definition.get(key), ours.get(key)
        if theirs != wanted:
            yield f"arm {header.arm!r} is not that of {path}: {key} is {theirs!r}, there {wanted!r}"
    roles = {*header.components, *cell.components} - _board_roles(header, cell)
    for changed in _changed(header.components, cell.components, roles):
        yield f"arm {header.arm!r} is not that of {path}: {changed}"


def _changed(theirs: Mapping[str, ComponentUse], ours: Mapping[str, ComponentUse], roles: set[str]) -> Iterator[str]:
    """By role, which component or option differs: ``weights: iterations is 50, there 200``."""
    for role in sorted(roles):
        a, b = theirs.get(role), ours.get(role)
        if a is None or b is None or a.name != b.name:
            yield f"{role} is {'nothing' if a is None else a.name}, there {'nothing' if b is None else b.name}"
            continue
        options = [name for name in sorted({*a.options, *b.options}) if a.options.get(name) != b.options.get(name)]
        if options:
            each = (f"{name} is {a.options.get(name)!r}, there {b.options.get(name)!r}" for name in options)
            yield f"{role}: {', '.join(each)}"
