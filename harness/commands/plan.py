"""``harness plan``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.commands.common import Selection, console
from harness.components.generator import Generator
from harness.components.usage import Usage
from harness.errors import InputError
from harness.unknowns import quota

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.components.example import Task
    from harness.plan import Plan
    from harness.store.store import Store


def show_plan(selection: Selection, *, store: str, as_json: bool) -> None:
    """Print the stages, whether each is cached, needed or not needed, and what language models would be asked.

    Raises:
        InputError: ``harness run`` would refuse the suite, here and now; said after the plan.
    """
    from harness.engines.demand import missing
    from harness.engines.resources import too_large
    from harness.running.preflight import complaints
    from harness.running.runner import prepare
    from harness.store.places import open_store

    suite = selection.suite()
    plan, artifacts = prepare(suite), open_store(store, read_only=True)
    to_compute = missing(plan.targets(), artifacts)
    needed = {stage.id for stage in to_compute}

    def state(kind: str, identifier: str) -> str:
        if identifier in needed:
            return "compute"
        return "cached" if artifacts.has(kind, identifier) else "not needed"

    rows = [
        {"kind": stage.kind, "id": stage.id, "title": stage.title, "state": state(stage.kind, stage.id)}
        for stage in plan.stages()
    ]
    lacking = [*complaints(suite, to_compute), *too_large(to_compute)]
    usage: dict[str, dict[str, Any]] | None = None
    try:
        usage = expected_usage(plan, artifacts, needed)
    except InputError:  # data that cannot be read, which is among the complaints already
        if not lacking:
            raise
    asking = billed_stages(plan, needed)
    if as_json:
        print(
            json.dumps(
                {"suite": suite.name, "stages": rows, "language_models": usage, "asking": asking, "missing": lacking},
                indent=2,
            )
        )
    else:
        _print(suite.name, rows, usage, asking)
    if lacking:
        raise InputError("\n".join(lacking))


def _print(
    name: str, rows: Sequence[dict[str, str]], usage: dict[str, dict[str, Any]] | None, asking: list[str]
) -> None:
    from rich.table import Table

    screen = console()
    table = Table("stage", "state", "id", box=None, header_style="bold", pad_edge=False)
    styles = {"compute": "bold", "cached": "green", "not needed": "dim"}
    for row in rows:
        table.add_row(row["title"], row["state"], row["id"][:10], style=styles[row["state"]])
    screen.print(table)
    tally = {state: sum(row["state"] == state for row in rows) for state in styles}
    screen.print(f"\n{name}: {len(rows)} stages; " + ", ".join(f"{n} {state}" for state, n in tally.items() if n))
    if asking:
        shown = ", ".join(asking[:4]) + (f" and {len(asking) - 4} more" if len(asking) > 4 else "")
        screen.print(
            f"Language models as classifiers, {shown}: one call for each text that has no answer yet; an attack asks dozens to"
            " hundreds of texts per example.",
            markup=False,
        )
    if usage is None:
        screen.print("Language models: what they would be asked is not known without the data.")
    elif not usage and not asking:
        screen.print("Language models: no calls.")
    if usage:
        screen.print("", _estimates(usage))


def _estimates(usage: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """A row for each data set and way of generating, over its seeds, and the sum of all."""
    from rich.table import Table

    names = ("requests", "prompt_tokens", "completion_tokens", "cost")
    rows: dict[str, dict[str, Any]] = {}
    for title, amount in usage.items():
        row = rows.setdefault(title.partition(" · seed ")[0], dict.fromkeys(("seeds", *names), 0))
        row["seeds"] += 1
        for name in names:
            row[name] += amount[name]
    if len(rows) > 1:
        total = {name: sum(row[name] for row in rows.values()) for name in names}
        rows["in all"] = {"seeds": "", **total}
    costs = any(row["cost"] for row in rows.values())
    heads = ["language models", "seeds", "calls, at most", "tokens in, about", "tokens out", *(["$"] if costs else [])]
    table = Table(*heads, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for title, row in rows.items():
        cells = [str(row["seeds"]), *(f"{row[name]:,}" for name in names[:3])]
        table.add_row(title, *cells, *([f"{row['cost']:,.2f}"] if costs else []))
    return table


def billed_stages(plan: Plan, needed: set[str]) -> list[str]:
    """The stages that still have to ask a classifier that is paid for, by title; how often is not known beforehand."""
    from harness.stages.attack_test import AttackTest
    from harness.stages.elicit import Elicit
    from harness.stages.given import Given
    from harness.stages.predict import Predict

    asking = (stage for stage in plan.stages() if isinstance(stage, AttackTest | Elicit | Given | Predict))
    return [stage.title for stage in asking if stage.id in needed and stage.model.component.billed]


def expected_usage(plan: Plan, store: Store, needed: set[str]) -> dict[str, dict[str, Any]]:
    """What the generators that still have to run would ask of language models, by stage title."""
    from dataclasses import asdict

    from harness.border.calls import calling
    from harness.border.dataset import read
    from harness.stages.base import Inputs
    from harness.stages.load import Load
    from harness.store.store import DamagedArtifactError

    sizes: dict[str, tuple[int, float, Task]] = {}
    expected: dict[str, dict[str, Any]] = {}
    inputs = Inputs(lambda stage: store.open(*stage.address))

    def size(load: Load) -> tuple[int, float, Task]:
        from harness.datasets import limit

        if load.id not in sizes:
            try:
                train, task = inputs[load].train, inputs[load].task
            except DamagedArtifactError:
                dataset = limit(read(load.source, seed=load.seed), **load.limits, seed=load.seed)
                train, task = dataset.train, dataset.task
            characters = sum(len(e.text) + len(e.text_pair or "") for e in train) / max(1, len(train))
            sizes[load.id] = (len(train), characters, task)
        return sizes[load.id]

    for stages in {cell.stages.generate: cell.stages for cell in plan.cells}.values():
        generate, elicit = stages.generate, stages.elicit
        if generate is None or elicit is None or generate.id not in needed:
            continue
        generator = generate.generator.component
        if type(generator).estimate is Generator.estimate:
            continue
        n_train, characters, task = size(stages.load)
        n_uus = quota(elicit.fraction, n_train)
        with calling(generate.generator.entry):
            usage = generator.estimate(n_uus, task, per_uu=generate.per_uu, mean_characters=characters)
        if usage != Usage():
            expected[generate.title] = asdict(usage)
    return expected
