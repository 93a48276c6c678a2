"""Implementation of :class:`harness_generators.augment.Augment`: TextAttack imported late, its global effects undone."""

from __future__ import annotations

import logging
import random
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np

from harness.components import GenerationTask, Rejected, SyntheticExample, UnknownUnknown
from harness.errors import InputError
from harness.progress import progress
from harness.seeds import derive_seed
from harness.types import Texts
from harness_generators.texts import as_example, as_texts, as_tuple, fold

AUGMENTERS = {
    "character-swap": "CharSwapAugmenter",
    "swap": "SwapAugmenter",
    "delete": "DeletionAugmenter",
    "easy-data": "EasyDataAugmenter",
    "wordnet": "WordNetAugmenter",
    "embedding": "EmbeddingAugmenter",
    "checklist": "CheckListAugmenter",
    "clare": "CLAREAugmenter",
}
"""Class names in ``textattack.augmentation``."""


def build(method: str, share: float, count: int) -> Any:
    """An augmenter that makes up to ``count`` texts of one.

    Raises:
        InputError: TextAttack, or data that the augmenter loads, is missing.
    """
    with _own_randomness(0), _explained(method):
        from textattack import augmentation

        logging.getLogger("textattack").setLevel(logging.ERROR)
        cls = getattr(augmentation, AUGMENTERS[method])
        return cls(pct_words_to_swap=share, transformations_per_example=count)


def check(method: str, share: float) -> None:
    """Build an augmenter and use it once, because some of its data is read only then.

    Raises:
        InputError: Something is missing.
    """
    with _own_randomness(0), _explained(method):
        build(method, share, 1).augment("A good film, and a long one.")


def write(
    uus: Sequence[UnknownUnknown], task: GenerationTask, *, method: str, share: float, seed: int
) -> Iterator[SyntheticExample | Rejected]:
    """The samples of all unknown unknowns."""
    augmenter = build(method, share, task.per_uu)
    with progress("unknown unknowns", total=len(uus)) as bar:
        for position, uu in enumerate(uus):
            with _own_randomness(derive_seed(seed, "augment", position)), _explained(method):
                made = _augmented(augmenter, uu, task.per_uu)
            for texts in made:
                yield SyntheticExample(as_example(texts, uu.example.label), position, "augment")
            for _ in range(task.per_uu - len(made)):
                yield Rejected(position, "augment", "no augmentation")
            bar.advance()


def _augmented(augmenter: Any, uu: UnknownUnknown, count: int) -> list[Texts]:
    """Up to ``count`` different augmented originals; of a pair only the columns that the attack changed are edited."""
    columns = [
        sorted(set(augmenter.augment(original))) if original != perturbed else [original]
        for original, perturbed in zip(as_tuple(uu.example.texts), as_tuple(uu.perturbed), strict=True)
    ]
    found: list[Texts] = []
    seen = {fold(uu.example.texts)}
    for i in range(count if all(columns) else 0):
        texts = as_texts(tuple(column[i % len(column)] for column in columns))
        if fold(texts) not in seen:
            seen.add(fold(texts))
            found.append(texts)
    return found


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators that TextAttack draws from, and put the caller's states back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def _explained(method: str) -> Iterator[None]:
    """Quiet, and with what goes wrong inside TextAttack as a message for the user."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        except ImportError as error:
            raise InputError(
                f"The generator augment needs the package {error.name!r}.",
                hint="pip install 'bliss-harness-generators[augment]'",
            ) from error
        except LookupError as error:  # NLTK's way to say that data is missing; some is read at first use only.
            found = re.search(r"Resource \S*?'?([\w.-]+)\S*? not found", re.sub(r"\x1b\[[0-9;]*m", "", str(error)))
            name = found[1] if found else "data"
            raise InputError(
                f"The augmenter {method!r} needs NLTK's {name!r}, which is not there.",
                hint=f"python -m nltk.downloader {name} (or set NLTK_DATA to a folder that has it)",
            ) from error
        except (OSError, RuntimeError) as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise InputError(f"The augmenter {method!r} cannot load what it needs: {first}") from error
