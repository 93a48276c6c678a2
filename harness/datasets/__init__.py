"""Built-in data sets, and what can be done with any :class:`~harness.components.Dataset`."""

from harness.datasets.operations import check, duplicates, fingerprint, limit
from harness.datasets.paths import relative_to

__all__ = ["check", "duplicates", "fingerprint", "limit", "relative_to"]
