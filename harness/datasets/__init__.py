"""Built-in data sets, and what can be done with any :class:`~harness.components.Dataset`."""

from harness.datasets.operations import check, duplicates, fingerprint, limit

__all__ = ["check", "duplicates", "fingerprint", "limit"]
