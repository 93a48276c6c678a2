"""``harness examples``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

SHOWN = 20
"""Examples in the terminal unless another number is asked for."""


class ExamplesFormat(StrEnum):
    """Forms of a list."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


def examples(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Run folders or records.", show_default="runs")
    ] = None,
    arm: Annotated[str | None, typer.Option(metavar="NAME", help="The arm (may be left out if there is one).")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="The arm to compare with; the baseline where one is needed.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="uu, error, all; against another arm: repaired, no-longer-confident, broken, newly-confident, changed.",
        ),
    ] = "uu",
    tau: Annotated[
        float | None, typer.Option(metavar="T", help="Confidence threshold; by default the suite's first.")
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Predictions on clean texts, not in deployment.")] = False,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", metavar="NAME", help="Only this data set (repeatable).")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", metavar="N", help="Only this seed (repeatable).")] = None,
    number: Annotated[
        int | None, typer.Option("--number", "-n", metavar="N", min=1, help="At most so many; 20 in a table.")
    ] = None,
    form: Annotated[ExamplesFormat, typer.Option("--format", "-f", help="How to print them.")] = ExamplesFormat.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
) -> None:
    """List test examples from records: unknown unknowns, errors, what was repaired or broken."""
    from harness.errors import InputError
    from harness.records.model import find_records
    from harness.report.listing import listing

    records = find_records(paths or [Path("runs")])
    for what, wanted, known in (
        ("data set", dataset, {record.header.dataset for record in records}),
        ("seed", seed, {record.header.seed for record in records}),
    ):
        for name in wanted or []:
            if name not in known:
                raise InputError(f"There is no {what} {name!r}; there is {', '.join(map(str, sorted(known)))}.")
    records = [
        record
        for record in records
        if (not dataset or record.header.dataset in dataset) and (not seed or record.header.seed in seed)
    ]
    found = listing(records, kind=kind, arm=arm, against=against, tau=tau, clean=clean)
    total = len(found)
    most = number or (SHOWN if form is ExamplesFormat.TABLE and output is None else total)
    found = found.head(most)
    if form is ExamplesFormat.TABLE:
        _print(found, total, output)
        return
    if form is ExamplesFormat.CSV:
        text = found.to_csv(index=False, lineterminator="\n")
    else:
        text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in found.to_dict("records"))
    if output is None:
        typer.echo(text, nl=False)
    else:
        from harness.disk import explained, write_text

        with explained(output):
            write_text(output, text)


def _print(found: pd.DataFrame, total: int, output: Path | None) -> None:
    from harness.commands.common import console
    from harness.errors import InputError

    if output is not None:
        raise InputError("A table is for the terminal.", hint="Write csv or jsonl: -f csv -o FILE.")
    screen = console()
    if found.empty:
        screen.print("There are no such examples.")
        return
    screen.print(_table(found))
    if total > len(found):
        screen.print(f"{len(found):,} of {total:,}; -n N shows more, -f csv all.", style="dim")


def _table(found: pd.DataFrame) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from harness.report.terminal_compare import printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    several = [name for name in ("dataset", "seed") if len(set(found[name])) > 1]
    for name in [*several, "label"]:
        table.add_column(name, overflow="fold")
    for name in ("arm", "against"):
        if name in found:
            table.add_column(str(found[name].iloc[0]), overflow="fold")
    kinds = len(set(found["kind"])) > 1 or "against" in found
    if kinds:
        table.add_column("kind")
    table.add_column("id, text", overflow="fold", ratio=1)
    for row in found.to_dict("records"):
        cells = [printable(str(row[name])) for name in [*several, "label"]]
        for prefix in ("", "against_"):
            if f"{prefix}predicted" in row:
                cells.append(f"{printable(str(row[f'{prefix}predicted']))} {100 * row[f'{prefix}confidence']:.0f} %")
        cells += [row["kind"]] if kinds else []
        text = " | ".join(printable(str(row[name])) for name in _deployed(row))
        table.add_row(
            *map(Text, cells), Text.assemble(printable(str(row["id"])), (f"\n{text[:300]}" if text else "", "dim"))
        )
    return table


def _deployed(row: Mapping[Any, Any]) -> list[str]:
    """The columns of the text as the arm met it."""
    names = ("perturbed", "perturbed_pair") if row.get("perturbed") else ("text", "text_pair")
    return [name for name in names if row.get(name)]
