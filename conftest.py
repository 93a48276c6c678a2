"""Settings of the whole test suite, set before anything is imported: no hub, no noise, no clock in property tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread per worker: small models gain nothing from more
os.environ.setdefault("HARNESS_JOBS", "1")  # workers take seconds to start; tests that want them say so
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("harness", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("harness")
