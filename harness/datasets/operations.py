"""Checks, limits and digests of loaded data sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.components.example import Dataset, Example
from harness.components.texts import canonical, lone_surrogate
from harness.errors import DataError
from harness.seeds import derive_seed

if TYPE_CHECKING:
    from harness.types import IntArray, Texts

SPLITS = ("train", "validation", "test")


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over class names and over texts, labels and tags of every example, in order, split by split."""
    digest = hashlib.sha256(json.dumps(list(dataset.task.labels)).encode())
    for split in SPLITS:
        digest.update(f"\n{split}".encode())
        for example in getattr(dataset, split):
            row = [example.text, example.text_pair, example.label, list(example.tags)]
            digest.update(b"\n" + json.dumps(row, separators=(",", ":")).encode())
    return digest.hexdigest()


def check(dataset: Dataset) -> None:
    """Check what every stage relies on.

    Raises:
        DataError: An empty split, fewer than two classes in the training set, a label out of range, an id that is missing or
            used twice within a split, a text or name that is no Unicode text.
    """
    name, classes = dataset.task.name or "(unnamed)", dataset.task.num_labels
    for what in (*dataset.task.labels, *dataset.task.columns, dataset.task.description):
        if half := lone_surrogate(what):
            raise DataError(
                f"The name {what!r} in data set {name} is no Unicode text: it has the lone surrogate {half}."
            )
    for split in SPLITS:
        examples: Sequence[Example] = getattr(dataset, split)
        if dataset.test_only and split != "test":
            continue
        if not examples:
            raise DataError(f"The {split} split of data set {name} is empty.")
        seen: set[str] = set()
        for row, example in enumerate(examples):
            if not 0 <= example.label < classes:
                raise DataError(
                    f"Label {example.label} of {split} example {example.id or row} of data set {name} is out of range: "
                    f"there are {classes} classes, 0..{classes - 1}."
                )
            if not example.id or example.id in seen:
                fault = f"the id {example.id!r} twice" if example.id else f"no id for example {row}"
                raise DataError(f"The {split} split of data set {name} has {fault}; ids must be unique within a split.")
            for what in (example.text, example.text_pair or "", example.id, *example.tags):
                if half := lone_surrogate(what):
                    raise DataError(
                        f"The {split} example {example.id!r} (row {row + 1}) of data set {name} is no Unicode text: "
                        f"it has the lone surrogate {half}, half of a character."
                    )
            seen.add(example.id)
    present = {example.label for example in dataset.train}
    if len(present) < 2 and not dataset.test_only:
        only = dataset.task.labels[present.pop()]
        raise DataError(
            f"All {len(dataset.train)} training examples of data set {name} are of class {only!r}.",
            hint="Raise the limit on the training set, or check the label column.",
        )


def duplicates(dataset: Dataset) -> dict[str, int]:
    """Repeated texts: how many examples of the second split of each pair have a text that is also in the first.

    Texts are the same where Unicode calls them canonically equivalent. ``duplicates_train`` and ``duplicates_test`` count the
    examples that repeat an earlier one of their split, ``contradictions`` the texts that have several labels in the data set.
    """
    texts = {split: [canonical(example.texts) for example in getattr(dataset, split)] for split in SPLITS}
    distinct = {split: set(rows) for split, rows in texts.items()}
    labels: dict[Texts, set[int]] = {}
    for split in SPLITS:
        for text, example in zip(texts[split], getattr(dataset, split), strict=True):
            labels.setdefault(text, set()).add(example.label)
    return {
        "duplicates_train": len(texts["train"]) - len(distinct["train"]),
        "duplicates_test": len(texts["test"]) - len(distinct["test"]),
        "contradictions": sum(len(some) > 1 for some in labels.values()),
        "duplicates_train_validation": sum(text in distinct["train"] for text in texts["validation"]),
        "duplicates_train_test": sum(text in distinct["train"] for text in texts["test"]),
        "duplicates_validation_test": sum(text in distinct["validation"] for text in texts["test"]),
    }


def limit(
    dataset: Dataset,
    train: int | None = None,
    validation: int | None = None,
    test: int | None = None,
    *,
    seed: int,
) -> Dataset:
    """At most so many examples per split, drawn so that the classes keep their shares.

    Ids and order are kept; a smaller limit draws from among the examples of a larger one, as far as shares allow. Whoever
    asks for as many examples as there are classes, or more, gets some of each class.

    Args:
        dataset: Any data set.
        train: Training examples at most; ``None`` for all.
        validation: Validation examples at most.
        test: Test examples at most.
        seed: Decides which.
    """
    wanted = {"train": train, "validation": validation, "test": test}
    changed = {
        split: draw(getattr(dataset, split), size, derive_seed(seed, "limit", split))[0]
        for split, size in wanted.items()
        if size is not None and size < len(getattr(dataset, split))
    }
    return replace(dataset, **changed) if changed else dataset  # type: ignore[arg-type]


def draw(examples: Sequence[Example], size: int, seed: int) -> tuple[list[Example], list[Example]]:
    """``size`` examples drawn so that the classes keep their shares, and the others; both in their original order."""
    import numpy as np

    labels = np.asarray([example.label for example in examples], dtype=np.int64)
    taken = np.zeros(len(examples), dtype=bool)
    taken[_stratified(labels, size, seed)] = True
    return (
        [example for example, inside in zip(examples, taken, strict=True) if inside],
        [example for example, inside in zip(examples, taken, strict=True) if not inside],
    )


def _stratified(labels: IntArray, size: int, seed: int) -> IntArray:
    """``min(size, n)`` positions; each class contributes its share, by largest remainder."""
    import numpy as np

    size = min(size, len(labels))
    if size == 0:
        return np.zeros(0, dtype=np.int64)
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * (size / len(labels))
    parts = np.floor(exact).astype(np.int64)
    for index in np.argsort(parts - exact, kind="stable")[: size - int(parts.sum())]:
        parts[index] += 1
    if size >= len(classes):
        while not parts.all():
            parts[parts.argmax()] -= 1
            parts[parts.argmin()] += 1
    chosen = []
    for label, part in zip(classes, parts, strict=True):
        members = np.flatnonzero(labels == label)
        order = np.random.default_rng(derive_seed(seed, int(label))).permutation(len(members))
        chosen.append(members[order[:part]])
    return np.concatenate(chosen)
