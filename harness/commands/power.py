"""``harness power``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.report.outlook import Outlook


def power(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A suite: a file, or the name of a shipped one.")],
    pilot: Annotated[
        list[Path] | None, typer.Option("--pilot", metavar="RUN", help="Records of a like comparison (repeatable).")
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(metavar="POINTS", min=0.01, max=100, help="The difference that you hope for, in points."),
    ] = None,
    wanted: Annotated[
        float, typer.Option("--power", metavar="P", min=0.5, max=0.99, help="Probability to find it.")
    ] = 0.8,
    examples: Annotated[
        str, typer.Option(metavar="N,N", help="Numbers of test examples to show.")
    ] = "200,500,1000,2000,5000,10000,25000",
    seeds: Annotated[str, typer.Option(metavar="S,S", help="Numbers of seeds to show.")] = "1,2,3,5,10",
    changed: Annotated[
        float, typer.Option(min=0.001, max=1, help="Without a pilot: share of test examples on which two arms differ.")
    ] = 0.1,
    common: Annotated[
        float, typer.Option(min=0, max=1, help="Without a pilot: part of the examples' chance that all seeds share.")
    ] = 0.5,
    spread: Annotated[
        float, typer.Option(min=0, max=100, help="Without a pilot: standard deviation between seeds, in points.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What can a suite show? The smallest difference between two arms that so many test examples and seeds find."""
    from harness.records.model import find_records
    from harness.report.outlook import Assumptions, outlook
    from harness.report.pilot import pilots
    from harness.suite import load_suite
    from harness.suite.shipped import suite_file

    sizes, repeats = _numbers(examples, "--examples", 2), _numbers(seeds, "--seeds", 1)
    made = load_suite(suite_file(suite))
    if len(made.arms) < 2:
        raise InputError(f"{suite} has {len(made.arms)} arms: there are no two to tell apart.")
    earlier = pilots(find_records(pilot)) if pilot else []
    if pilot and not earlier:
        raise InputError(f"{pilot[0]}: no record compares an arm with its baseline, so there is nothing to learn from.")
    found = [
        outlook(
            made,
            dataset,
            earlier,
            Assumptions(changed, common, spread / 100),
            examples=sizes,
            seeds=repeats,
            difference=None if difference is None else difference / 100,
            power=wanted,
        )
        for dataset in made.datasets
    ]
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    from harness.commands.common import console

    for one in found:
        console().print(_shown(one, made.name, difference, wanted))


def _numbers(text: str, option: str, least: int) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) >= least for part in parts):
        raise InputError(f"{option} {text}: expected whole numbers of at least {least}, separated by commas.")
    return sorted({int(part) for part in parts})


def _shown(found: Outlook, name: str, difference: float | None, power: float) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from harness.statistics.digits import plural

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("test examples", justify="right")
    for count in next(iter(found.table.values())):
        table.add_column(plural(count, "seed"), justify="right")
    for examples, row in found.table.items():
        table.add_row(f"{examples:,}", *map(_points, row.values()))
    lines = [
        "In points: per cent of the test examples. One seed compares two trained networks, not two methods.",
        found.basis,
    ]
    if found.comparisons > 1:
        lines.append(f"{found.comparisons} arms are compared with the baseline, at the level of Holm's first step.")
    if found.detectable is None:
        lines.append("How many test examples there are is known once the data are loaded; `limit` would say it.")
    else:
        at = f"{plural(found.examples or 0, 'test example')} and {plural(found.seeds, 'seed')}"
        lines.append(f"This suite, with {at}, finds {_points(found.detectable)} points or more.")
    for count, needed in found.needed.items():
        what = "no number of test examples is enough" if needed is None else plural(needed, "test example")
        lines.append(f"{difference:g} points with {plural(count, 'seed')}: {what}.")
    title = f"{name} · {found.dataset} · smallest difference found with a probability of {power:.0%}"
    return Group(Text(title, style="bold"), table, *(Text(line, style="dim") for line in lines), Text())


def _points(share: float) -> str:
    return "–" if share >= 1 else f"{100 * share:.1f}"
