"""Examples: a loaded data set, one with wrong labels, and the synthetic examples that extend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from harness.components.example import Dataset, Example, Task
from harness.components.generator import Rejected, SyntheticExample
from harness.stages.contents.base import ExampleSource
from harness.store.payload import (
    EXAMPLE_TYPES,
    example_columns,
    examples_of,
    read_arrays,
    read_examples,
    read_json,
    read_table,
    write_arrays,
    write_examples,
    write_json,
    write_table,
)
from harness.types import BoolArray, IntArray

SPLITS = ("train", "validation", "test")


class _StoredSplits(Mapping[str, Sequence[Example]]):
    """The splits of a data set on disk, each read when it is first asked for: most stages look at one of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, list[Example]] = {}

    def __getitem__(self, split: str) -> Sequence[Example]:
        if split not in SPLITS:
            raise KeyError(split)
        if split not in self._read:
            self._read[split] = read_examples(self._folder / f"{split}.parquet")
        return self._read[split]

    def __iter__(self) -> Iterator[str]:
        return iter(SPLITS)

    def __len__(self) -> int:
        return len(SPLITS)


@dataclass(frozen=True)
class LoadedData(ExampleSource):
    """A data set as it is used: drawn, checked and limited.

    Attributes:
        task: What is classified.
        splits: The examples of ``"train"``, ``"validation"`` and ``"test"``.
        notes: Rows dropped, duplicates across splits, revisions of the source.
        fingerprint: Digest over texts, labels and tags of all splits.
        sizes: Number of examples by split.
        class_sizes: Number of examples of each class, by split.
    """

    task: Task
    splits: Mapping[str, Sequence[Example]]
    notes: Mapping[str, Any]
    fingerprint: str
    sizes: Mapping[str, int]
    class_sizes: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, dataset: Dataset, fingerprint: str) -> LoadedData:
        """A data set in memory."""
        splits = {split: getattr(dataset, split) for split in SPLITS}
        sizes = {split: len(examples) for split, examples in splits.items()}
        classes = {split: _class_sizes(examples, dataset.task) for split, examples in splits.items()}
        return LoadedData(dataset.task, splits, dict(dataset.notes), fingerprint, sizes, classes)

    @property
    def train(self) -> Sequence[Example]:
        """The training examples."""
        return self.splits["train"]

    @property
    def validation(self) -> Sequence[Example]:
        """The validation examples."""
        return self.splits["validation"]

    @property
    def test(self) -> Sequence[Example]:
        """The test examples."""
        return self.splits["test"]

    def examples(self, split: str) -> Sequence[Example]:
        """The examples of a split."""
        return self.splits[split]

    def write(self, folder: Path) -> None:
        """One parquet file per split, and the rest as JSON."""
        for split in SPLITS:
            write_examples(folder / f"{split}.parquet", self.splits[split])
        facts = {
            "notes": dict(self.notes),
            "fingerprint": self.fingerprint,
            "sizes": dict(self.sizes),
            "class_sizes": {split: list(sizes) for split, sizes in self.class_sizes.items()},
        }
        write_json(folder / "data.json", {"task": asdict(self.task), **facts})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote; the splits not before they are asked for."""
        return cls(**cls._fields(folder))

    @staticmethod
    def _fields(folder: Path) -> dict[str, Any]:
        facts = read_json(folder / "data.json")
        task = facts.pop("task")
        return {
            "task": Task(task["name"], tuple(task["labels"]), tuple(task["columns"]), task["description"]),
            "splits": _StoredSplits(folder),
            **facts,
        }


def _class_sizes(examples: Sequence[Example], task: Task) -> list[int]:
    found = Counter(example.label for example in examples)
    return [found[label] for label in range(task.num_labels)]


@dataclass(frozen=True)
class CorruptedData(LoadedData):
    """A data set whose training labels are partly wrong.

    ``notes``, ``fingerprint``, ``sizes`` and ``class_sizes`` are those of the data set as it was loaded.

    Attributes:
        noisy: ``(n_train,)`` which labels were flipped.
    """

    noisy: BoolArray

    def write(self, folder: Path) -> None:
        """As the data set that it is, and the mask."""
        super().write(folder)
        write_arrays(folder / "noisy.safetensors", {"noisy": self.noisy})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote; the splits not before they are asked for."""
        return cls(**cls._fields(folder), noisy=read_arrays(folder / "noisy.safetensors")["noisy"])


@dataclass(frozen=True)
class SampledData(LoadedData):
    """A part of the test set, and no other split.

    Attributes:
        rows: ``(n,)`` which rows of the test set these are, ascending.
    """

    rows: IntArray

    @classmethod
    def of_test(cls, data: LoadedData, rows: IntArray) -> SampledData:
        """These rows of a data set's test set."""
        splits: dict[str, list[Example]] = {
            "train": [],
            "validation": [],
            "test": [data.test[int(row)] for row in rows],
        }
        sizes = {split: len(examples) for split, examples in splits.items()}
        classes = {split: _class_sizes(examples, data.task) for split, examples in splits.items()}
        return SampledData(data.task, splits, data.notes, data.fingerprint, sizes, classes, rows)

    def write(self, folder: Path) -> None:
        """As the data set that it is, and the rows."""
        super().write(folder)
        write_arrays(folder / "rows.safetensors", {"rows": self.rows})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        return cls(**cls._fields(folder), rows=read_arrays(folder / "rows.safetensors")["rows"])


@dataclass(frozen=True)
class SyntheticData(ExampleSource):
    """Synthetic examples, and the samples that were thrown away on the way to them."""

    synthetic: Sequence[SyntheticExample]
    rejected: Sequence[Rejected]

    def examples(self, split: str = "synthetic") -> Sequence[Example]:
        """The synthetic examples; there is no other split."""
        if split != "synthetic":
            raise KeyError(split)
        return [item.example for item in self.synthetic]

    def write(self, folder: Path) -> None:
        """Two parquet files, ``synthetic`` and ``rejected``."""
        columns = example_columns([item.example for item in self.synthetic])
        columns |= {name: [getattr(item, name) for item in self.synthetic] for name in ("uu", "role", "hypothesis")}
        types = {**EXAMPLE_TYPES, "uu": "int64", "role": "string", "hypothesis": "string"}
        write_table(folder / "synthetic.parquet", columns, types)
        types = {"uu": "int64", "role": "string", "reason": "string", "text": "string"}
        write_table(
            folder / "rejected.parquet",
            {name: [getattr(item, name) for item in self.rejected] for name in types},
            types,
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        made, rejected = read_table(folder / "synthetic.parquet"), read_table(folder / "rejected.parquet")
        return cls(
            [
                SyntheticExample(*row)
                for row in zip(examples_of(made), made["uu"], made["role"], made["hypothesis"], strict=True)
            ],
            [
                Rejected(*row)
                for row in zip(rejected["uu"], rejected["role"], rejected["reason"], rejected["text"], strict=True)
            ],
        )
