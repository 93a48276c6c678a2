"""Facts about a computation that are no part of its result: what it cost, and where it ran.

They are kept in the manifest of each artifact, and with them those of everything that it rests on: what has been spent is
known for as long as anything that came of it is there.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from harness.engines.threads import compute_threads
from harness.stages.base import Stage
from harness.store.store import Store

Facts = Mapping[str, Any]
"""``seconds``, ``peak_memory`` (bytes), ``environment``, and what the stage itself returned (``usage``)."""

RESTS_ON = "rests_on"
"""Where a manifest keeps the facts about the stages that its own rests on, by id."""


def facts_of(target: Stage[Any], store: Store, *, itself: bool = True) -> dict[str, Facts]:
    """What is known about computing a stage and all that it rests on, by id, inputs before those who read them.

    What an artifact's manifest says of the stages it rests on goes before what is in the store now: they may have been
    computed again since. A stage of which nothing is known any more is left out.

    Args:
        target: The stage.
        store: The store.
        itself: Whether to include ``target`` (and what its manifest says of the others).
    """
    closure = [stage for stage in target.closure() if itself or stage.id != target.id]
    known: dict[str, Facts] = {}
    for stage in closure:
        meta = store.meta(stage.kind, stage.id)
        known |= meta.pop(RESTS_ON, {})
        if meta:
            known[stage.id] = meta
    return {stage.id: known[stage.id] for stage in closure if stage.id in known}


def costs(found: Sequence[tuple[str, Facts]]) -> dict[str, float]:
    """Costs by the names that metrics know: ``seconds``, ``seconds/<stage kind>``, ``peak_memory_bytes``, ``requests``, ...

    Args:
        found: Stage kind and facts of every stage.
    """
    total: dict[str, float] = {"seconds": 0.0}
    for kind, facts in found:
        seconds = float(facts.get("seconds", 0.0))
        total["seconds"] += seconds
        total[f"seconds/{kind}"] = total.get(f"seconds/{kind}", 0.0) + seconds
        total["peak_memory_bytes"] = max(total.get("peak_memory_bytes", 0.0), float(facts.get("peak_memory", 0)))
        for name, amount in facts.get("usage", {}).items():
            key = "money" if name == "cost" else name
            total[key] = total.get(key, 0.0) + float(amount)
    return total


def environment() -> dict[str, Any]:
    """This interpreter, its machine, the versions of what matters to results, and what this process computes with."""
    torch = sys.modules.get("torch")  # not loaded: not computed with
    cuda = torch is not None and torch.cuda.is_initialized()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": dict(_packages()),
        "device": torch.cuda.get_device_name() if torch is not None and cuda else "cpu",
        "threads": compute_threads(),
    }


@lru_cache(maxsize=1)
def _packages() -> Mapping[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    packages: dict[str, str] = {}
    for name in ("torch", "transformers", "numpy", "scikit-learn", "scipy", "pandas", "bliss-harness"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return packages
