"""What has to be computed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.stages.base import Stage
from harness.store.store import Store


def missing(targets: Iterable[Stage[Any]], store: Store) -> list[Stage[Any]]:
    """The stages that have to be computed so that the store has ``targets``, each once, inputs before those who read them.

    What only stages that are there rest on is not needed, whether or not it is there itself.
    """
    found: dict[str, Stage[Any]] = {}
    seen: set[str] = set()

    def visit(stage: Stage[Any]) -> None:
        if stage.id in seen:
            return
        seen.add(stage.id)
        if store.has(stage.kind, stage.id):
            return
        for upstream in stage.inputs().values():
            visit(upstream)
        found[stage.id] = stage

    for target in targets:
        visit(target)
    return list(found.values())
