"""The components at work as records describe them, and what two records must share to stand on one board."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.records.model import ComponentUse
from harness.stages.base import Configured
from harness.stages.load import Load

if TYPE_CHECKING:
    from harness.suite.slots import Slot


def configured(slot: Slot[Any]) -> Configured[Any]:
    """The component of a slot, and where it comes from."""
    return Configured(slot.component, slot.entry)


def used(component: Configured[Any]) -> ComponentUse:
    """A component as records describe it."""
    options, identity = component.component.model_dump(mode="json"), component.identity["options"]
    return ComponentUse(
        kind=component.entry.kind,
        name=component.entry.key,
        version=component.entry.version,
        options=options,
        digests={name: value for name, value in identity.items() if name not in options or options[name] != value},
    )


def board(
    load: Load,
    model: Configured[Any],
    attack: Configured[Any] | None,
    metrics: Mapping[str, Configured[Any]],
    thresholds: Sequence[float],
    attack_limit: int | None = None,
) -> str:
    """Digest of the data set but for its seed, the model, the attack on the test set, the metrics and the thresholds.

    ``attack_limit`` is the number of test examples that are attacked, where these are not all.
    """
    same: dict[str, Any] = {
        "dataset": {**load.options(), "source": _of_any_release(load.source), "seed": None},
        "model": _of_any_release(model),
        "attack": None if attack is None else _of_any_release(attack),
        "metrics": {name: _of_any_release(metric) for name, metric in metrics.items()},
        "thresholds": list(thresholds),
    }
    if attack_limit is not None:
        same["attack_limit"] = attack_limit
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:16]


def _of_any_release(component: Configured[Any]) -> dict[str, Any]:
    """A component's identity but for its version and code: records of two releases of a plugin may stand on one board."""
    return {key: value for key, value in component.identity.items() if key in {"component", "options"}}
