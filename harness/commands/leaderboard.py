"""The commands of ``harness leaderboard``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from harness.disk import DEFAULT_OUTPUT, within
from harness.errors import HarnessError, InputError
from harness.statistics.digits import plural

if TYPE_CHECKING:
    from harness.records.model import RecordFolder
    from harness.report.baselines import Baselines
    from harness.report.leaderboard import Leaderboard


class Format(StrEnum):
    """Forms of the leaderboard."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    LATEX = "latex"
    HTML = "html"
    LM_EVAL = "lm-eval"
    HF_YAML = "hf-yaml"


PER_ARM = {Format.LM_EVAL: "json", Format.HF_YAML: "yaml"}
"""Forms with one file per arm, and the suffix of the files."""


class _ShowByDefault(TyperGroup):
    """A group whose command may be left out: ``leaderboard PATH`` is ``leaderboard show PATH``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return list(super().parse_args(ctx, args))


leaderboard_app = typer.Typer(
    cls=_ShowByDefault,
    help="The leaderboard of records (`show` may be left out), checks of submissions, and the site.",
    add_completion=False,
    rich_markup_mode=None,
)

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...", help="Run folders, records, or files of reported figures.", show_default="runs"
    ),
]
Names = list[str] | None


@leaderboard_app.command()
def show(
    paths: Paths = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="What to print or write.")] = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it here (a folder for lm-eval and hf-yaml)."),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Sort by arm, rank, seeds, delta, p or any score.")
    ] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Sort from high to low.")] = False,
    dataset: Annotated[
        Names, typer.Option("--dataset", metavar="NAME", help="Only this data set (repeatable).")
    ] = None,
    arm: Annotated[Names, typer.Option("--arm", metavar="NAME", help="Only this arm (repeatable).")] = None,
    suite: Annotated[Names, typer.Option("--suite", metavar="NAME", help="Only this suite (repeatable).")] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Columns, separated by commas: scores, confidence, delta, p, flags, seeds."),
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="Print intervals below the figures (table).")] = False,
    baselines: Annotated[
        list[Path] | None,
        typer.Option("--baselines", metavar="FILE", help="Reported figures, instead of those of the project."),
    ] = None,
    reported: Annotated[bool, typer.Option("--reported/--no-reported", help="Show reported figures.")] = True,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="GROUP", help="Figures by group of test examples: a column of `groups`, or label."
        ),
    ] = None,
) -> None:
    """Show the leaderboard of records: as a table, or in another format."""
    if by is not None:
        _by_group(paths or [DEFAULT_OUTPUT], by, form, output, (dataset or (), arm or (), suite or ()), columns)
        return
    leaderboard, records = _leaderboard(paths or [], baselines, reported=reported)
    leaderboard = leaderboard.filter(datasets=dataset or (), arms=arm or (), suites=suite or ())
    if sort is not None:
        leaderboard = leaderboard.sort(sort, descending=descending)
    keys = [key.strip() for key in (columns or "").split(",") if key.strip()]
    if form in PER_ARM:
        _export(leaderboard, form, output)
    elif form is Format.TABLE and output is None:
        from harness.commands.common import console

        console().print(leaderboard.to_rich(keys, intervals=intervals))
    else:
        _put(_text(leaderboard, records, form, keys, intervals=intervals), output)


def _by_group(
    paths: list[Path],
    by: str,
    form: Format,
    output: Path | None,
    only: tuple[Sequence[str], Sequence[str], Sequence[str]],
    columns: str | None,
) -> None:
    """Figures by group of test examples, as a table, CSV or JSON; ``only`` are data sets, arms and suites."""
    import pandas as pd

    from harness.commands.common import console
    from harness.errors import did_you_mean
    from harness.records.model import find_records
    from harness.report.groups import groups
    from harness.report.terminal_breakdown import BreakdownView, to_pandas

    if form not in {Format.TABLE, Format.CSV, Format.JSON}:
        raise InputError(f"Figures by group come as table, csv or json, not as {form.value}.")
    records = find_records(paths)
    headers = [record.header for record in records]
    datasets, arms, suites = only
    for what, wanted, known in (
        ("data set", datasets, {header.dataset for header in headers}),
        ("arm", arms, {header.arm for header in headers}),
        ("suite", suites, {header.suite for header in headers}),
    ):
        for name in wanted:
            if name not in known:
                raise InputError(f"There is no {what} {name!r}. {did_you_mean(name, known)}")
    boards = groups(
        [
            record
            for record in records
            if (not datasets or record.header.dataset in datasets)
            and (not arms or record.header.arm in {*arms, record.header.baseline})
            and (not suites or record.header.suite in suites)
        ]
    )
    if form is Format.TABLE and output is None:
        scores = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
        for board in boards:
            for name in scores:
                if name not in board.scores:
                    raise InputError(f"There is no score {name!r}. {did_you_mean(name, board.scores)}")
            console().print(BreakdownView(board, by, scores))
        return
    frame = pd.concat([to_pandas(board, by) for board in boards], ignore_index=True)
    if form is Format.JSON:
        _put(frame.to_json(orient="records", indent=2) + "\n", output)
    else:
        _put(frame.to_csv(index=False, float_format="%.9g", lineterminator="\n"), output)


def _leaderboard(
    paths: list[Path], baselines: list[Path] | None, *, reported: bool
) -> tuple[Leaderboard, list[RecordFolder]]:
    """The leaderboard of what the paths hold, and the records that it is derived from."""
    from harness.records.model import HEADER, find_records
    from harness.report.baselines import default_baselines, read_baselines, reported_boards
    from harness.report.leaderboard import Leaderboard

    given = [path for path in paths if path.suffix == ".json" and path.name != HEADER]
    folders = [path for path in paths if path not in given]
    if not paths:
        if not DEFAULT_OUTPUT.exists():
            raise InputError("There is no folder `runs` here; name run folders or records.")
        folders = [DEFAULT_OUTPUT]
    named: list[Baselines] = [read_baselines(path) for path in given]
    records = find_records(folders) if folders else []
    known = default_baselines() if baselines is None else [read_baselines(path) for path in baselines]
    # Figures that are named twice, as a path and by default, are shown once.
    sources = [*(source for source in known if source not in named), *named] if reported else named
    leaderboard = Leaderboard.build(records, baselines=sources)
    shown = {board.dataset for board in leaderboard.boards}
    alone = [board for source in named for board in reported_boards(source) if board.dataset not in shown]
    return leaderboard.model_copy(update={"boards": (*leaderboard.boards, *alone)}), records


def _text(
    leaderboard: Leaderboard, records: list[RecordFolder], form: Format, keys: list[str], *, intervals: bool
) -> str:
    match form:
        case Format.MARKDOWN:
            return leaderboard.to_markdown(keys)
        case Format.LATEX:
            return leaderboard.to_latex(keys)
        case Format.CSV:
            return leaderboard.to_csv()
        case Format.JSON:
            return leaderboard.to_json()
        case Format.HTML:
            from harness.report.groups import BoardKey
            from harness.report.html import render

            on_page = {BoardKey.of(board) for board in leaderboard.boards}
            arms = {row.arm for board in leaderboard.boards for row in board.measured}
            chosen = [
                record for record in records if BoardKey.of(record.header) in on_page and record.header.arm in arms
            ]
            suites = dict.fromkeys(board.suite for board in leaderboard.boards)
            return render(chosen, leaderboard, title=", ".join(suites))
        case _:
            import io

            from rich.console import Console

            stream = io.StringIO()
            Console(file=stream, width=120, highlight=False).print(leaderboard.to_rich(keys, intervals=intervals))
            return stream.getvalue()


def _export(leaderboard: Leaderboard, form: Format, output: Path | None) -> None:
    from harness.report.exports import arms, hf_yaml, lm_eval

    make = lm_eval if form is Format.LM_EVAL else hf_yaml
    names = arms(leaderboard)
    if output is None:
        if len(names) != 1:
            raise InputError(
                f"The format {form} describes one arm; there are {len(names)}: {', '.join(names)}.",
                hint="Choose one with --arm, or give a folder with --output.",
            )
        typer.echo(make(leaderboard, names[0]), nl=False)
        return
    for name in names:
        _put(make(leaderboard, name), within(output, f"{name}.{PER_ARM[form]}"))


def _put(text: str, output: Path | None) -> None:
    """Print a text, or write it to a file."""
    from harness.disk import explained

    if output is None:
        typer.echo(text, nl=False)
        return
    with explained(output, elsewhere="Choose another place with --output."):
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {output}.", err=True)


@leaderboard_app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders with records.", show_default=False)],
    suite: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The suite that they come from; its boards must be theirs.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail as well where a figure could not be computed again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a submission: files, data, suite, every figure against the predictions, and boards of valuators."""
    from harness.report.check import check_records

    report = check_records(paths, suite=suite)
    if as_json:
        import json

        claimed = [{**key._asdict(), "scores": sorted(names)} for key, names in report.claimed.items()]
        found = {
            "problems": report.problems,
            "lacking": report.lacking,
            "notes": report.notes,
            "records": report.records,
            "boards": report.boards,
            "scores": report.scores,
        }
        typer.echo(json.dumps(found | {"claimed": claimed}, indent=2, ensure_ascii=False))
        raise typer.Exit(0 if report.ok and not (strict and report.notes) else 1)
    records = plural(report.records, "record")
    if report.boards:
        records += f" and {plural(report.boards, 'board')} of valuators"
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
    for problem in [*report.problems, *report.lacking]:
        typer.echo(f"problem: {problem}")
    if not report.ok:
        raise HarnessError(f"Problems: {len(report.problems) + len(report.lacking)}, in {records}.")
    if strict and report.notes:
        raise HarnessError(
            f"Not everything was computed again in {records}: {len(report.notes)} notes.",
            hint="Without --strict this is no failure.",
        )
    typer.echo(f"Nothing wrong in {records}; figures computed again and equal: {report.scores}.")


@leaderboard_app.command()
def pack(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders with records.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the submission.")],
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Keep the files that quote the data set.", show_default=True)
    ] = True,
) -> None:
    """Copy records for a submission, with or without the texts of the data set."""
    from harness.report.packing import pack as copy

    records = copy(paths, output, texts=texts)
    typer.echo(f"Wrote {len(records)} records to {output}.", err=True)


@leaderboard_app.command()
def site(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Folders with records.", show_default="leaderboard/results"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the site.")] = Path(
        "site"
    ),
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Publish records that were not checked; the page says so.")
    ] = False,
) -> None:
    """Build the site of accepted results: a page, and the leaderboard as JSON, CSV and Markdown."""
    from harness.report.site import build_site

    for path in build_site(paths or [Path("leaderboard") / "results"], output, unchecked=unchecked):
        typer.echo(f"Wrote {path}.", err=True)
