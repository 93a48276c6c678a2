"""``harness suites``."""

from __future__ import annotations

import typer

from harness.commands.common import console
from harness.suite.shipped import shipped_suite, shipped_suites


def show_suites(name: str | None) -> None:
    """List the suites that come with the harness, or print one, to start from."""
    if name is not None:
        typer.echo(shipped_suite(name).text, nl=False)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("suite", "what it is", "needs", "takes"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "suite")
    for suite in shipped_suites().values():
        table.add_row(suite.name, suite.said("description"), suite.said("# Needs"), suite.said("# Takes"))
    console().print(table)
    typer.echo("\nharness run NAME runs one; harness suites NAME > mine.yaml is where your own begins.")
