"""``harness paper``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def paper(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders or records.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Write paper.tex and references.bib here; else print both."
        ),
    ] = None,
) -> None:
    """LaTeX of a run for a paper: a paragraph on methods, boards, comparisons, and the literature of what was used."""
    from harness.disk import explained
    from harness.records.model import find_records
    from harness.report import build
    from harness.report.paper.document import paper as make

    records = find_records(paths)
    made = make(records, build(records, baselines=()))
    if output is None:
        for name, text in made.items():
            typer.echo(f"%% {name}\n{text}")
        return
    with explained(output, elsewhere="Choose another place with --output."):
        output.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (output / name).write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {', '.join(str(output / name) for name in made)}.", err=True)
