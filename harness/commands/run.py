"""``harness run``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.common import Selection, console
from harness.observers.display import PlainDisplay, RichDisplay, duration
from harness.report.data import data_said

if TYPE_CHECKING:
    from harness.records.model import DataRecord, RecordFolder


def run_suite(
    selection: Selection,
    *,
    output: Path,
    store: str,
    jobs: int | None,
    threads: int,
    engine: str | None,
    address: str | None,
    quiet: bool,
    verbose: bool = False,
) -> None:
    """Run a suite with a display, print its leaderboard, and say where everything is."""
    from harness.quiet import shown_by
    from harness.report.synthesis import syntheses
    from harness.running.runner import failed, run

    suite = selection.suite()
    screen, notes = console(), console(stderr=True)
    display: Any = None if quiet else (RichDisplay(notes) if notes.is_terminal else PlainDisplay(notes))
    logged = shown_by(lambda line: notes.print(line, style="dim", markup=False)) if verbose else nullcontext()
    try:
        with logged:
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
    for line in [*result.notes, *data_lines(result.records), *classes_said(result.records)]:
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


def data_lines(records: Sequence[RecordFolder]) -> list[str]:
    """Lines on each data set that a reader of its figures should know, of the first seed."""
    first: dict[str, DataRecord] = {}
    for record in records:
        first.setdefault(record.header.dataset, record.header.data)
    return [f"{dataset}: {line}" for dataset, data in first.items() for line in data_said(data)]
