"""What trackers have in common: a record as parameters, figures and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import HarnessError
from harness.records.model import RecordFolder


class MissingTrackerError(HarnessError):
    """A tracker was asked for by its environment variable, but its package is not installed."""

    def __init__(self, package: str, variable: str) -> None:
        super().__init__(
            f"{variable} is set, but {package} is not installed: `pip install 'bliss-harness[{package}]'`, or unset it."
        )


def title(record: RecordFolder) -> str:
    """Name of a record among others: ``reviews/bliss/seed-0``."""
    header = record.header
    return f"{header.dataset}/{header.arm}/seed-{header.seed}"


def parameters(record: RecordFolder) -> dict[str, Any]:
    """What was run: suite, data set, arm, seed, and every component with its options."""
    header = record.header
    found: dict[str, Any] = {
        "suite": header.suite,
        "dataset": header.dataset,
        "arm": header.arm,
        "seed": header.seed,
        "data.fingerprint": header.data.fingerprint,
        "harness": header.harness,
    }
    for role, use in header.components.items():
        if not role.startswith("metric:"):
            found[role] = f"{use.name} {use.version}"
            found |= {f"{role}.{option}": value for option, value in use.options.items()}
    return found


def figures(record: RecordFolder, rename: Mapping[str, str]) -> dict[str, float]:
    """All defined scores and counts, with characters of their names replaced where a tracker does not take them."""
    header = record.header
    named = {name: score.value for name, score in header.scores.items() if score.value is not None}
    named |= {f"count/{name}": float(count) for name, count in header.counts.items()}
    named |= {f"usage/{name}": amount for name, amount in header.usage.items()}
    table = str.maketrans(dict(rename))
    return {name.translate(table): float(value) for name, value in named.items()}
