"""What attacks found: unknown unknowns among the training examples, and the results on the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from harness.components.example import Example
from harness.components.generator import UnknownUnknown
from harness.components.metric import AttackedTest
from harness.stages.contents.base import Content
from harness.store.payload import (
    join_texts,
    read_arrays,
    read_json,
    read_table,
    split_texts,
    write_arrays,
    write_json,
    write_table,
)
from harness.types import FloatArray, Texts


@dataclass(frozen=True)
class ElicitationCounts:
    """What a search for unknown unknowns took.

    Attributes:
        attacked: Training examples attacked.
        succeeded: Attacks that succeeded.
        queries: Queries of the classifier, in all.
        uus: Unknown unknowns found.
        uus_wanted: Unknown unknowns looked for.
        training_examples: Training examples that there are.
    """

    attacked: int
    succeeded: int
    queries: int
    uus: int
    uus_wanted: int
    training_examples: int


@dataclass(frozen=True)
class ElicitedUnknowns(Content):
    """Unknown unknowns in the order found; the training examples that they were elicited from are referred to by index.

    Attributes:
        index: Positions in the training set.
        perturbed: The perturbed texts.
        queries: Queries that each took.
        original_probs: ``(n, K)`` float32 probabilities of the originals.
        perturbed_probs: ``(n, K)`` float32 probabilities of the perturbed texts.
        counts: What the search took.
    """

    index: Sequence[int]
    perturbed: Sequence[Texts]
    queries: Sequence[int]
    original_probs: FloatArray
    perturbed_probs: FloatArray
    counts: ElicitationCounts

    @classmethod
    def of(cls, uus: Sequence[UnknownUnknown], counts: ElicitationCounts) -> ElicitedUnknowns:
        """What a search found."""
        import numpy as np

        none = np.zeros((0, 2), dtype=np.float32)
        return ElicitedUnknowns(
            [uu.index for uu in uus],
            [uu.perturbed for uu in uus],
            [uu.queries for uu in uus],
            np.stack([uu.original_probs for uu in uus]) if uus else none,
            np.stack([uu.perturbed_probs for uu in uus]) if uus else none,
            counts,
        )

    def unknowns(self, train: Sequence[Example]) -> list[UnknownUnknown]:
        """The unknown unknowns of this training set."""
        rows = zip(self.index, self.perturbed, self.original_probs, self.perturbed_probs, self.queries, strict=True)
        return [
            UnknownUnknown(train[index], text, original, perturbed, index, queries)
            for index, text, original, perturbed, queries in rows
        ]

    def write(self, folder: Path) -> None:
        """A parquet file, the probabilities, and the counts as JSON."""
        first, second = split_texts(self.perturbed)
        columns: dict[str, Sequence[Any]] = {
            "index": self.index,
            "perturbed": first,
            "perturbed_pair": second,
            "queries": self.queries,
        }
        write_table(
            folder / "uus.parquet",
            columns,
            {"index": "int64", "perturbed": "string", "perturbed_pair": "string", "queries": "int64"},
        )
        write_arrays(folder / "probs.safetensors", {"original": self.original_probs, "perturbed": self.perturbed_probs})
        write_json(folder / "counts.json", asdict(self.counts))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        table, probs = read_table(folder / "uus.parquet"), read_arrays(folder / "probs.safetensors")
        return cls(
            table["index"],
            join_texts(table["perturbed"], table["perturbed_pair"]),
            table["queries"],
            probs["original"],
            probs["perturbed"],
            ElicitationCounts(**read_json(folder / "counts.json")),
        )


@dataclass(frozen=True)
class AttackedExamples(Content):
    """One attack result per example, in order.

    Attributes:
        results: Status, perturbed text, its probabilities and the number of queries.
        notes: What the attack says about each, empty where it says nothing.
    """

    results: AttackedTest
    notes: Sequence[str]

    @classmethod
    def joined(cls, parts: Sequence[AttackedExamples]) -> AttackedExamples:
        """The results of the examples of all parts, one part after the other."""
        import numpy as np

        results = AttackedTest(
            status=[status for part in parts for status in part.results.status],
            perturbed=[text for part in parts for text in part.results.perturbed],
            probs=np.concatenate([part.results.probs for part in parts]),
            queries=np.concatenate([part.results.queries for part in parts]),
        )
        return AttackedExamples(results, [note for part in parts for note in part.notes])

    def write(self, folder: Path) -> None:
        """A parquet file and the probabilities."""
        _write_results(folder, self.results, {"note": self.notes}, {"note": "string"})
        write_arrays(folder / "probs.safetensors", {"perturbed": self.results.probs})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        table, probs = read_table(folder / "attacked.parquet"), read_arrays(folder / "probs.safetensors")
        return cls(_results(table, probs["perturbed"]), table["note"])


@dataclass(frozen=True)
class AttackedPlaces(Content):
    """The attack results of some training examples.

    Attributes:
        places: Their places in the training set.
        results: Status, perturbed text, its probabilities and the number of queries of each.
        original_probs: ``(n, K)`` float32 probabilities of the originals.
    """

    places: Sequence[int]
    results: AttackedTest
    original_probs: FloatArray

    def write(self, folder: Path) -> None:
        """A parquet file and the probabilities."""
        _write_results(folder, self.results, {"place": self.places}, {"place": "int64"})
        arrays = {"original": self.original_probs, "perturbed": self.results.probs}
        write_arrays(folder / "probs.safetensors", arrays)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        table, probs = read_table(folder / "attacked.parquet"), read_arrays(folder / "probs.safetensors")
        return cls(table["place"], _results(table, probs["perturbed"]), probs["original"])


def _write_results(
    folder: Path, results: AttackedTest, more: dict[str, Sequence[Any]], more_types: dict[str, str]
) -> None:
    first, second = split_texts(results.perturbed)
    columns: dict[str, Sequence[Any]] = {
        "status": [str(status) for status in results.status],
        "perturbed": first,
        "perturbed_pair": second,
        "queries": [int(queries) for queries in results.queries],
        **more,
    }
    types = {"status": "string", "perturbed": "string", "perturbed_pair": "string", "queries": "int64", **more_types}
    write_table(folder / "attacked.parquet", columns, types)


def _results(table: Mapping[str, Any], probs: FloatArray) -> AttackedTest:
    import numpy as np

    return AttackedTest(
        status=table["status"],
        perturbed=join_texts(table["perturbed"], table["perturbed_pair"]),
        probs=probs,
        queries=np.asarray(table["queries"], dtype=np.int64),
    )
