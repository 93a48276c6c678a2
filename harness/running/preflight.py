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
    found |= dict.fromkeys(_other_classes(suite, asked))
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


def _other_classes(suite: Suite, asked: set[int] | None) -> Iterator[str]:
    """Checkpoints whose head is for other classes than a data set that they are to be fine-tuned on."""
    for name, dataset in suite.datasets.items():
        model = suite.models[dataset.model]
        if asked is not None and id(model.component) not in asked:
            continue
        if labels := dataset.component.class_names():
            try:
                with blaming(model.entry):
                    model.component.check_labels(labels)
            except InputError as error:
                yield f"datasets.{name}: {error}"


def components_of(stage: Stage[Any]) -> Iterator[Component]:
    """The components that a stage would use."""
    for value in vars(stage).values():
        items = value.values() if isinstance(value, Mapping) else [value]
        yield from (item.component for item in items if isinstance(item, Configured))
