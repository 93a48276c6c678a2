"""``harness compare``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.records.model import RecordFolder

Names = list[str] | None


class ComparisonFormat(StrEnum):
    """Forms of a comparison."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Records of one arm, or PATH:ARM.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Records of another arm, or PATH:ARM.", show_default=False)],
    dataset: Annotated[
        Names, typer.Option("--dataset", metavar="NAME", help="Only this data set (repeatable).")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every score, not only the main ones.")] = False,
    examples: Annotated[int, typer.Option(metavar="N", min=0, help="Examples of each kind of change to show.")] = 5,
    form: Annotated[
        ComparisonFormat, typer.Option("--format", "-f", help="csv: the examples that changed sides; json: everything.")
    ] = ComparisonFormat.TABLE,
) -> None:
    """Compare two arms on the same examples: differences, intervals, p-values, examples that changed sides."""
    from harness.report.comparing import compare as contrast
    from harness.report.terminal_compare import ComparisonView

    found = contrast(_arm(a, dataset), _arm(b, dataset))
    if form is ComparisonFormat.JSON:
        from harness.report.comparing import to_json

        typer.echo(to_json(found), nl=False)
    elif form is ComparisonFormat.CSV:
        import pandas as pd

        frames = [one.changes_to_pandas().assign(dataset=one.dataset) for one in found]
        typer.echo(pd.concat(frames).to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        from harness.commands.common import console

        for one in found:
            console().print(ComparisonView(one, everything, examples))


def _arm(argument: str, datasets: Names) -> list[RecordFolder]:
    """The records that an argument names: all at a path, or those of one arm below it."""
    from harness.errors import did_you_mean
    from harness.records.model import find_records
    from harness.valuation.files import NAME as VALUATORS

    path, _, arm = argument.rpartition(":")
    if not path or Path(argument).exists():
        path, arm = argument, ""
    if (Path(path) / VALUATORS).exists() and not (Path(path) / "records").exists():
        raise InputError(
            f"{path} has no arms: its suite assesses valuators.",
            hint=f"`harness valuators {path} --compare A B` compares those.",
        )
    records = find_records([Path(path)])
    chosen = [record for record in records if not arm or record.header.arm == arm]
    if not chosen:
        raise InputError(f"{path} has no arm {arm!r}. {did_you_mean(arm, {r.header.arm for r in records})}")
    kept = [record for record in chosen if not datasets or record.header.dataset in datasets]
    if not kept:
        raise InputError(
            f"{argument} has no records of data set {', '.join(datasets or [])}. "
            + did_you_mean((datasets or [""])[0], {r.header.dataset for r in chosen})
        )
    return kept
