"""Keeping third-party libraries quiet: what they log and warn about goes to a file, not to the terminal."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_VARIABLES = {
    "TOKENIZERS_PARALLELISM": "false",  # forked workers make it complain otherwise
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}


class _Shown(logging.Handler):
    """Shows what is logged, beside the file that it goes to."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(self.format(record))


@contextmanager
def shown_by(show: Callable[[str], None]) -> Iterator[None]:
    """Give what goes to a log while the context lasts to ``show`` as well, message by message."""
    handler, root = _Shown(show), logging.getLogger()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Send log messages (from WARNING on) and warnings to the file ``path`` while the context lasts."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    with logged_by(handler):
        yield


@contextmanager
def logged_by(handler: logging.Handler) -> Iterator[None]:
    """Send log messages (from WARNING on) and warnings to ``handler`` while the context lasts, and close it then."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a log on a full disk: go on without it
    root = logging.getLogger()
    before, libraries = root.handlers[:], [logging.getLogger(name) for name in ("transformers", "datasets", "flair")]
    kept = [(library, library.handlers[:], library.propagate) for library in libraries]
    root.handlers[:] = [handler, *(one for one in before if isinstance(one, _Shown))]
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


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, no log lines and no progress bars of ``transformers`` and ``torch`` in this context."""
    # Set before the tokenizers start their threads: otherwise they warn in every forked child. Short batches, which is
    # what attacks send, are faster without threads anyway.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import utils

        logging: Any = utils.logging  # its functions carry no types
        verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()
