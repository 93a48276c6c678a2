"""``harness valuators``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.valuation.report import ValuationReport


class BoardFormat(StrEnum):
    """Forms of a board of valuators."""

    TABLE = "table"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    JSON = "json"


def valuators(
    paths: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders of suites with `valuation`.", show_default=False)
    ],
    form: Annotated[BoardFormat, typer.Option("--format", "-f", help="What to print.")] = BoardFormat.TABLE,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", metavar="NAME", help="Only this data set (repeatable).")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Compare two valuators draw by draw (table, csv, json).", show_default=False),
    ] = None,
) -> None:
    """Show the board of valuators of a run: what values are worth over draws of the problem, with intervals and ranks."""
    from harness.errors import did_you_mean
    from harness.valuation.files import read_reports

    reports = [report for path in paths for report in read_reports(path)]
    known = [report.dataset for report in reports]
    for name in dataset or ():
        if name not in known:
            raise InputError(f"There is no data set {name!r}. {did_you_mean(name, known)}")
    chosen = [report for report in reports if not dataset or report.dataset in dataset]
    if compare is None:
        _board(chosen, form)
    else:
        _comparison(chosen, compare, form)


def _board(reports: list[ValuationReport], form: BoardFormat) -> None:
    from harness.commands.common import console
    from harness.valuation import files

    match form:
        case BoardFormat.TABLE:
            for report in reports:
                console().print(report.to_rich())
        case BoardFormat.MARKDOWN:
            typer.echo("\n".join(map(files.to_markdown, reports)), nl=False)
        case BoardFormat.LATEX:
            typer.echo("% needs \\usepackage{booktabs}\n" + "\n".join(map(files.to_latex, reports)), nl=False)
        case BoardFormat.CSV:
            typer.echo(files.to_csv(reports), nl=False)
        case BoardFormat.JSON:
            typer.echo(files.to_json(reports))


def _comparison(reports: list[ValuationReport], names: tuple[str, str], form: BoardFormat) -> None:
    from harness.commands.common import console
    from harness.valuation.comparing import ValuatorComparison, to_frame

    found = [ValuatorComparison.of(report, *names) for report in reports]
    match form:
        case BoardFormat.TABLE:
            for one in found:
                console().print(one.to_rich())
        case BoardFormat.CSV:
            typer.echo(to_frame(found).to_csv(index=False, lineterminator="\n"), nl=False)
        case BoardFormat.JSON:
            typer.echo(to_frame(found).to_json(orient="records", indent=1))
        case _:
            raise InputError(f"A comparison comes as table, csv or json, not as {form.value}.")
