"""Which folder a run writes to, so that no run replaces the records of another plan, and which records stand there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.records.model import HEADER, RecordFolder, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.plan import Cell, Plan
    from harness.records.model import ComponentUse


def run_folder(output: Path, plan: Plan) -> tuple[Path, str]:
    """The folder of a run, and what to say of it.

    It is ``output/SUITE``, unless records are there that contradict the plan (other data, model, attack, metrics or
    thresholds; an arm of another definition): then ``output/SUITE-DIGEST``. The digest is of the plan, so that the same
    plan finds its folder again.

    Returns:
        The folder, and a line that says why it is not the usual one; empty where it is.
    """
    usual = output / plan.suite.name
    reason = next(_contradictions(usual, plan), "")
    if not reason:
        return usual, ""
    digest = hashlib.sha256(repr(sorted(map(_identity, plan.cells), key=repr)).encode()).hexdigest()[:8]
    folder = output / f"{plan.suite.name}-{digest}"
    return folder, f"{usual} keeps the records of another plan ({reason}); those of this one are in {folder}."


def standing(folder: Path, written: Sequence[RecordFolder]) -> tuple[list[RecordFolder], str]:
    """All records of a run folder that stand on a board with those that were written, and what to say of the others there.

    Arms, seeds and data sets of earlier runs keep their rows; a record that cannot be read is left out.

    Returns:
        The records, and a line that names the rows which this run did not write; empty where there are none.
    """
    mine = {_place(record) for record in written}
    boards = {(record.header.dataset, record.header.board) for record in written}
    datasets = {record.header.dataset for record in written}
    earlier = [
        record
        for record in _readable(folder)
        if _place(record) not in mine
        and (record.header.dataset not in datasets or (record.header.dataset, record.header.board) in boards)
    ]
    if not earlier:
        return list(written), ""
    rows = dict.fromkeys(f"{record.header.dataset}/{record.header.arm}/seed-{record.header.seed}" for record in earlier)
    shown = ", ".join(list(rows)[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
    return [
        *written,
        *earlier,
    ], f"the board has rows of earlier runs too: {shown}. To drop one, remove it from {folder / 'records'}."


def _place(record: RecordFolder) -> tuple[str, str, int]:
    return record.header.dataset, record.header.arm, record.header.seed


def _readable(folder: Path) -> Iterator[RecordFolder]:
    for header in sorted((folder / "records").glob(f"*/*/seed-*/{HEADER}")):
        try:
            yield read_record(header.parent)
        except InputError:
            continue  # a damaged record is no reason to stop; `harness leaderboard` names it


def _contradictions(folder: Path, plan: Plan) -> Iterator[str]:
    boards = {cell.dataset: cell.board for cell in plan.cells}
    arms = {(cell.dataset, cell.arm): cell for cell in plan.cells}
    for record in _readable(folder):
        header = record.header
        if header.suite == plan.suite.name and header.dataset in boards and header.board != boards[header.dataset]:
            yield f"other data, model, attack, metrics or thresholds of {header.dataset}"
        cell = arms.get((header.dataset, header.arm))
        if cell is not None and not (
            _said(header.arm_definition) == _said(cell.definition) and _alike(header.components, cell.components)
        ):
            yield f"arm {header.arm} with other components or options"


def _said(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key != "description"}


def _alike(theirs: Mapping[str, ComponentUse], ours: Mapping[str, ComponentUse]) -> bool:
    """Whether components are the same with the same options, whatever their releases, and options that only one of them has."""
    for role in theirs.keys() & ours.keys():
        a, b = (use[role].model_dump(mode="json") for use in (theirs, ours))
        shared = a["options"].keys() & b["options"].keys()
        if a["name"] != b["name"] or any(a["options"][key] != b["options"][key] for key in shared):
            return False
    return True


def _identity(cell: Cell) -> tuple[Any, ...]:
    uses = sorted((role, use.model_dump_json(exclude={"version"})) for role, use in cell.components.items())
    return cell.dataset, cell.arm, cell.board, sorted(_said(cell.definition).items(), key=repr), uses
