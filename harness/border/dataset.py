"""What sources of data return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.border.calls import calling
from harness.border.numbers import described, fault
from harness.border.texts import parts, string
from harness.components.example import Dataset, Example, Task

if TYPE_CHECKING:
    from harness.components.dataset import DatasetSource
    from harness.registry import Entry
    from harness.stages.base import Configured


def read(source: Configured[DatasetSource], *, seed: int) -> Dataset:
    """The data set that a source reads. What it consists of is checked here, what it says in :func:`harness.datasets.check`.

    Raises:
        HarnessError: It fails, or breaks its contract; the message says with which example.
    """
    entry = source.entry
    with calling(entry):
        dataset = source.component.load(seed=seed)
    if not isinstance(dataset, Dataset):
        raise fault(entry, f"returned {described(dataset)}; expected a Dataset")
    _check_task(entry, dataset.task)
    paired = len(dataset.task.columns) == 2
    for split in ("train", "validation", "test"):
        examples = getattr(dataset, split)
        if not isinstance(examples, Sequence) or isinstance(examples, str):
            raise fault(entry, f"gave the {split} split as {described(examples)}; expected a sequence of examples")
        for row, example in enumerate(examples):
            _check_example(entry, example, f"{split} example {row}", paired=paired)
    if not isinstance(dataset.notes, dict) or not all(
        isinstance(name, str) and isinstance(note, str | int | float) for name, note in dataset.notes.items()
    ):
        raise fault(entry, f"gave the notes {described(dataset.notes)}; expected names with numbers or strings")
    return dataset


def _check_task(entry: Entry, task: Any) -> None:
    if not isinstance(task, Task):
        raise fault(entry, f"gave the task as {described(task)}; expected a Task")
    for what, names in (("labels", task.labels), ("columns", task.columns)):
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            raise fault(entry, f"gave the {what} of the task as {described(names)}; expected a tuple of strings")
    if len(task.columns) not in {1, 2}:
        raise fault(entry, f"gave the task {len(task.columns)} columns; expected one, or two for pairs of texts")
    string(entry, task.description, "the description of the task")


def _check_example(entry: Entry, example: Any, what: str, *, paired: bool) -> None:
    if not isinstance(example, Example):
        raise fault(entry, f"gave {what} as {described(example)}; expected an Example")
    if type(example.label) is not int:
        raise fault(entry, f"gave {what} the label {described(example.label)}; expected a Python int")
    given = example.text if example.text_pair is None else (example.text, example.text_pair)
    if type(given) is not str or paired:
        parts(entry, given, f"the text of {what}", paired=paired)
    if type(example.id) is not str:
        string(entry, example.id, f"the id of {what}")
    if example.tags != () and not (
        isinstance(example.tags, tuple) and all(isinstance(tag, str) for tag in example.tags)
    ):
        raise fault(entry, f"gave {what} the tags {described(example.tags)}; expected a tuple of strings")
