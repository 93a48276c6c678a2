"""Third-party libraries kept from writing to the terminal."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
