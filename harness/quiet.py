"""Keeping third-party libraries quiet: what they log and warn about goes to a file, not to the terminal."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLES = {
    "TOKENIZERS_PARALLELISM": "false",  # forked workers make it complain otherwise
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Send log messages (from WARNING on) and warnings to the file ``path`` while the context lasts."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a log on a full disk: go on without it
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    before, libraries = root.handlers[:], [logging.getLogger(name) for name in ("transformers", "datasets", "flair")]
    kept = [(library, library.handlers[:], library.propagate) for library in libraries]
    root.handlers[:] = [handler]
    for library in libraries:
        library.handlers[:], library.propagate = [], True
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before
        for library, handlers, propagate in kept:
            library.handlers[:], library.propagate = handlers, propagate
        handler.close()
