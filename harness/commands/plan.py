"""``harness plan``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.commands.common import Selection, console
from harness.components.generator import Generator
from harness.components.usage import Usage
from harness.unknowns import quota

if TYPE_CHECKING:
    from harness.components.example import Task
    from harness.plan import Plan
    from harness.store.store import Store


def show_plan(selection: Selection, *, store: str, as_json: bool) -> None:
    """Print the stages, whether each is cached, needed or not needed, and what language models would be asked."""
    from harness.engines.demand import missing
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
    usage = expected_usage(plan, artifacts, needed)
    asking = billed_stages(plan, needed)
    lacking = complaints(suite, to_compute)
    if as_json:
        print(
            json.dumps(
                {"suite": suite.name, "stages": rows, "language_models": usage, "asking": asking, "missing": lacking},
                indent=2,
            )
        )
        return
    _print(suite.name, rows, usage, asking)
    for line in lacking:
        console().print(f"Missing: {line}", style="yellow", markup=False)


def _print(name: str, rows: Sequence[dict[str, str]], usage: dict[str, dict[str, Any]], asking: list[str]) -> None:
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
    if not usage and not asking:
        screen.print("Language models: no calls.")
    if len(usage) > 1:
        names = ("requests", "prompt_tokens", "completion_tokens", "cost")
        usage = {**usage, "in all": {name: sum(amount[name] for amount in usage.values()) for name in names}}
    for title, amount in usage.items():
        screen.print(
            f"Language models, {title}: at most {amount['requests']:,} calls, about {amount['prompt_tokens']:,} tokens in, "
            f"{amount['completion_tokens']:,} tokens out" + (f", ${amount['cost']:,.2f}" if amount["cost"] else "")
        )


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
