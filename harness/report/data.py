"""What is worth knowing about data before one believes figures about it: repetitions, gaps, guesses, unequal classes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records.model import DataRecord

UNEQUAL = 3.0
"""Classes are called unequal when the largest has more than so many times the examples of the smallest."""

MOST_LISTED = 12
"""Classes that a sentence lists."""

_SEPARATORS = {"\t": "a tab"}


def data_said(data: DataRecord) -> list[str]:
    """Sentences on the data of a record, most telling first; none where there is nothing to say."""
    notes, lines = data.notes, []

    def count(name: str) -> int:
        return int(notes.get(name, 0))

    for split in ("train", "validation", "test"):
        if separator := str(notes.get(f"separator_{split}", "")):
            shown = _SEPARATORS.get(separator, repr(separator))
            lines.append(f"The fields of the {split} file are separated by {shown}, as its header tells.")
    if count("labels_are_indices"):
        meant = ", ".join(f"{index} is {name}" for index, name in enumerate(data.labels[:10]))
        lines.append(
            f"Labels are numbers, taken as indices of classes: {meant}{', ...' if len(data.labels) > 10 else ''}."
        )
    for split in ("train", "validation", "test"):
        if dropped := count(f"empty_dropped_{split}"):
            lines.append(f"{_rows(dropped)} without text {_were(dropped)} left out of the {split} set.")
    for split, total in (("train", data.train), ("test", data.test)):
        if repeated := count(f"duplicates_{split}"):
            lines.append(f"{repeated:,} of {total:,} {split} examples repeat the text of an earlier one.")
    if shared := count("duplicates_train_test"):
        lines.append(f"{shared:,} of {data.test:,} test texts are in the training set too.")
    if several := count("contradictions"):
        lines.append(
            f"{several:,} text{'s have' if several > 1 else ' has'} several labels: no classifier is right about all."
        )
    return lines + ([said] if (said := unequal(data)) else [])


def classes_listed(labels: Sequence[str]) -> str:
    """The classes for a sentence: all of them, or how many there are and the first."""
    if len(labels) <= MOST_LISTED:
        return f"classes {', '.join(labels)}"
    return f"{len(labels)} classes ({', '.join(labels[:MOST_LISTED])}, …)"


def unequal(data: DataRecord) -> str:
    """A sentence on the classes of the test set if their sizes differ much (:data:`UNEQUAL`); else nothing."""
    sizes = data.class_sizes.get("test", ())
    if not sizes or max(sizes) <= UNEQUAL * min(sizes):
        return ""
    most, least = max(range(len(sizes)), key=sizes.__getitem__), min(range(len(sizes)), key=sizes.__getitem__)
    return (
        f"Classes are unequal: of {data.test:,} test examples {sizes[most]:,} are {data.labels[most]} and {sizes[least]:,} are "
        f"{data.labels[least]}. Always {data.labels[most]} would be right for {100 * sizes[most] / data.test:.1f} %; "
        "balanced_accuracy counts every class alike."
    )


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
