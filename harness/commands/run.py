"""``harness run``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.common import Selection, console
from harness.observers.display import PlainDisplay, RichDisplay, duration

if TYPE_CHECKING:
    from harness.records.model import RecordFolder


def run_suite(
    selection: Selection,
    *,
    output: Path,
    store: Path,
    jobs: int | None,
    threads: int,
    engine: str | None,
    address: str | None,
    quiet: bool,
) -> None:
    """Run a suite with a display, print its leaderboard, and say where everything is."""
    from harness.report.synthesis import syntheses
    from harness.running.runner import failed, run

    suite = selection.suite()
    screen, notes = console(), console(stderr=True)
    display: Any = None if quiet else (RichDisplay(notes) if notes.is_terminal else PlainDisplay(notes))
    try:
        result = run(
            suite,
            output=output,
            store=store,
            jobs=jobs,
            threads=threads,
            engine=engine,
            address=address,
            observers=[display] if display else [],
            complain=lambda line: notes.print(f"warning: {line}", style="yellow", markup=False),
        )
    finally:
        if isinstance(display, RichDisplay):
            display.stop()
    if result.leaderboard is not None:
        screen.print(result.leaderboard.to_rich())
    for report in result.valuations:
        screen.print(report.to_rich(), "")
    for line in [*result.notes, *repeated(result.records), *classes_said(result.records)]:
        notes.print(f"note: {line}", style="yellow", markup=False)
    if not quiet:
        for made in syntheses(result.records):
            notes.print(
                f"{made.generator}, {made.dataset}, {' and '.join(made.arms)}: {made.summary}",
                markup=False,
                soft_wrap=True,
            )
        stages = "1 stage" if result.computed == 1 else f"{result.computed} stages"
        work = f"{stages} computed" if result.computed or result.failures else "nothing to compute"
        notes.print(f"{duration(result.seconds)}, {work}. Results: {result.folder}", markup=False)
        if result.leaderboard is not None:
            notes.print(f"Report: {result.folder / 'report.html'}", markup=False)
        if result.valuations:
            notes.print(f"Valuators: {result.folder / 'valuators.html'}", markup=False)
    if error := failed(result):
        sys.stdout.flush()
        raise error


def classes_said(records: Sequence[RecordFolder]) -> list[str]:
    """A line per data set and classifier on how its outputs came to mean the classes."""
    headers = [record.header for record in records if record.header.classes]
    return list(dict.fromkeys(f"{header.dataset}: {header.classes}" for header in headers))


def repeated(records: Sequence[RecordFolder]) -> list[str]:
    """A line per data set whose test examples are partly in the training set."""
    lines: dict[str, None] = {}
    for record in records:
        data = record.header.data
        count = data.notes.get("duplicates_train_test", 0)
        if count:
            lines[f"{record.header.dataset}: {count} of {data.test} test texts are in the training set too."] = None
    return list(lines)
