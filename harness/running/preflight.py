"""What components miss before work can start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.components.model import NO_ORDER
from harness.errors import InputError
from harness.registry import blaming
from harness.stages.base import Configured, Stage

if TYPE_CHECKING:
    from harness.components import Component
    from harness.suite import Suite


def complaints(suite: Suite, needed: Sequence[Stage[Any]] | None) -> list[str]:
    """What components miss before work can start (an extra package, a key, a server), with their places in the suite.

    Args:
        suite: The suite.
        needed: The stages that have to be computed: only their components are asked, so that what is cached needs no
            key, and metrics of costs, which are computed with every record. ``None`` asks all.
    """
    asked = None
    if needed is not None:
        asked = {id(slot.component) for slot in suite.metrics if "costs" in slot.component.needs}
        asked |= {id(component) for stage in needed for component in components_of(stage)}
    found: dict[str, None] = {}
    ordered = [name for name, arm in suite.arms.items() if arm.order is not None]
    models = {slot.model for slot in suite.datasets.values()} if ordered else set()
    for model in (suite.models[name] for name in sorted(models)):
        if not model.component.ordered:
            found |= {f"arms.{name}.order: {NO_ORDER.format(model.use)}": None for name in ordered}
    for path, slot in suite.slots():
        if asked is None or id(slot.component) in asked:
            try:
                with blaming(slot.entry):
                    slot.component.preflight()
                    if asked is None:
                        _ = Configured(slot.component, slot.entry).identity
            except InputError as error:
                found[f"{path}: {error}"] = None
    return list(found)


def components_of(stage: Stage[Any]) -> Iterator[Component]:
    """The components that a stage would use."""
    for value in vars(stage).values():
        items = value.values() if isinstance(value, Mapping) else [value]
        yield from (item.component for item in items if isinstance(item, Configured))
