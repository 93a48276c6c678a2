"""From tables to a data set: which columns, which labels, which splits."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field, model_validator

from harness.components.dataset import DatasetSource
from harness.components.example import Dataset, Example, Task
from harness.components.labels import class_index, listed, match_labels, whole
from harness.components.texts import abridged, canonical, lone_surrogate
from harness.datasets.filtering import Filter, filtered
from harness.datasets.operations import SPLITS, draw, duplicates, limit
from harness.datasets.tables import Table
from harness.errors import DataError, did_you_mean
from harness.seeds import derive_seed
from harness.types import Texts

Split = Literal["train", "test"]

MISSING = frozenset(
    (
        "",
        "#N/A",
        "#NA",
        "<NA>",
        "N/A",
        "n/a",
        "NA",
        "na",
        "NaN",
        "nan",
        "NAN",
        "-NaN",
        "-nan",
        "NULL",
        "Null",
        "null",
        "None",
    )
)
"""Words that say in the place of a label that there is none, unless `labels` or `label_values` name them as one."""

_LONGEST_LABEL = 200
_LATER = ("groups", "filter", "test_from")
_MANY_CLASSES, _FEW_ROWS = 30, 3


@dataclass(frozen=True)
class Labels:
    """How the values of a label column become class indices.

    Attributes:
        names: Class names by index.
        values: Class index by the value's text, where the file's values are neither names nor indices.
    """

    names: tuple[str, ...]
    values: Mapping[str, int] = field(default_factory=dict)

    def index(self, value: Any) -> int | None:
        """The class index of a value: by :attr:`values`, else by name, else as a number; ``None`` if it is none."""
        if missing(value) and not isinstance(value, str):  # a word for it may be the name of a class
            return None
        text = str(value).strip()
        if self.values:
            return self.values.get(text)
        return class_index(value, self.names)

    def numbers(self, values: Sequence[Any]) -> bool:
        """Whether one of these values, each of a class, is a number that is taken as the index of a class with another name."""
        if self.values:
            return False
        different = (value for value in set(values) if not isinstance(value, bool))
        return any(not {str(value).strip(), str(whole(value))} & set(self.names) for value in different)

    @classmethod
    def infer(cls, table: Table, column: str) -> Labels:
        """Labels from the values that occur: numbers are indices, words are names in alphabetical order.

        Raises:
            DataError: The column has more than 30 distinct values in fewer than three rows each on average, very long ones, or
                numbers that are no class indices.
        """
        values = table.column(column)
        distinct = {value for value in values if not missing(value)}
        where = f"column {column!r} of {table.where}"
        if len(distinct) > _MANY_CLASSES and len(values) < _FEW_ROWS * len(distinct):
            raise DataError(
                f"The {where} has {len(distinct)} distinct values in {len(values)} rows: these are no class labels.",
                hint="Name the label column in the option `label`.",
            )
        for row, value in enumerate(values):
            if isinstance(value, str) and len(value) > _LONGEST_LABEL:
                raise DataError(
                    f"The {where} has a value of {len(value):,} characters in row {table.number(row)}: this is no class label.",
                    hint="Name the label column in the option `label`.",
                )
        numbers = [_number(value) for value in distinct]
        if not distinct or None in numbers:
            return cls(tuple(sorted({str(value).strip() for value in distinct})))
        present = sorted({number for number in numbers if number is not None and number >= 0})
        if present[1:] and present != [float(index) for index in range(len(present))]:
            shown = ", ".join(f"{number:g}" for number in present[:10]) + (", ..." if len(present) > 10 else "")
            raise DataError(
                f"The {where} has the labels {shown}; class indices run from 0 without gaps.",
                hint="Name the classes in `labels` if that is right, or say with `label_values` which index each value has.",
            )
        return cls(tuple(str(index) for index in range(max(2, len(present)))))


def missing(value: Any) -> bool:
    """Whether a label column says nothing here: null, NaN of any type, or one of :data:`MISSING`."""
    if isinstance(value, str):
        return value.strip() in MISSING
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


class TabularSource(DatasetSource):
    """What data sets that come as tables have in common: columns, labels, splits and sizes."""

    text: str | tuple[str, ...] = "text"
    """Column of the text, or of the first text of a pair. Several columns are joined with `join`."""
    text_pair: str | None = None
    """Column of the second text of a pair; by default the data set has single texts."""
    label: str = "label"
    """Column of the label: class indices from 0, or class names."""
    labels: tuple[str, ...] = ()
    """Class names by index, as a person would say them; by default those that the source states, or the labels found in the
    training set (numbers from 0 without gaps as they are, words in alphabetical order)."""
    label_values: dict[str | int, int] = Field(default_factory=dict)
    """Class index by label value, where the values are neither indices nor names: `{spam: 1, ham: 0}`."""
    join: str = " [SEP] "
    """What stands between texts of several columns."""
    groups: tuple[str, ...] = ()
    """Columns that part the examples into groups (`[source, language]`): every figure is given for each group as well."""
    columns: tuple[str, ...] = ()
    """What the text or the two texts are, as a person would say it (`[question, sentence]`); by default the column names."""
    description: str = ""
    """One sentence for people and language models: what is classified into what."""
    validation_from: Split | None = None
    """Draw the validation examples from this split and remove them from it, where the source has no validation split."""
    validation_size: int | float | None = Field(default=None, gt=0)
    """Validation examples: how many are drawn with `validation_from` (below 1: which share), else how many at most."""
    keep_validation_in_test: bool = False
    """With `validation_from: test`: leave the validation examples in the test set as well."""
    train_size: int | None = Field(default=None, ge=2)
    """Training examples at most, drawn so that classes keep their shares; by default all."""
    test_from: Literal["train"] | None = None
    """Draw the test examples from this split and remove them from it, where the source has no test split. Repeated texts stay
    together on one side."""
    test_size: int | float | None = Field(default=None, gt=0)
    """Test examples: how many texts are drawn with `test_from` (below 1: which share), else how many at most."""
    filter: Filter = Field(default_factory=dict)
    """Rows to take, by values of columns: `{language: [de, fr], source: web}` takes those in which every named column has one
    of its values. Ids go on naming the row of the source."""
    drop_empty: bool = False
    """Leave out rows without text, and count them; by default they are an error."""
    drop_duplicates: bool = False
    """Leave out training examples whose text is also in the validation or test set, or came before; by default they are
    only counted."""

    @model_validator(mode="after")
    def _consistent(self) -> TabularSource:
        if self.validation_from is not None and self.validation_size is None:
            raise ValueError("validation_from needs validation_size: how many examples to draw")
        if (
            self.validation_from is None
            and self.validation_size is not None
            and self.validation_size != int(self.validation_size)
        ):
            raise ValueError("validation_size is a share only with validation_from; else give a whole number")
        if self.test_from is not None and self.test_size is None:
            raise ValueError("test_from needs test_size: how many examples to draw")
        if self.test_from is None and self.test_size is not None and self.test_size != int(self.test_size):
            raise ValueError("test_size is a share only with test_from; else give a whole number")
        if self.keep_validation_in_test and self.validation_from != "test":
            raise ValueError("keep_validation_in_test means nothing without validation_from: test")
        for value, index in self.label_values.items():
            if index < 0 or (self.labels and index >= len(self.labels)):
                top = f"..{len(self.labels) - 1}" if self.labels else ""
                raise ValueError(f"label_values gives {value!r} the class index {index}, which is not in 0{top}")
        return self

    @abstractmethod
    def _read(self, split: str, columns: Sequence[str]) -> Table | None:
        """The named columns of a split; ``None`` if the source has no such split."""

    def _facts(self) -> dict[str, int | float | str]:
        """Notes on the source, such as its revision."""
        return {}

    def identity(self) -> dict[str, Any]:
        """The options; later ones only where they are set, so that the results of older suites stay what they are."""
        options = super().identity()
        return {name: value for name, value in options.items() if value or name not in _LATER}

    def _tables(self, splits: Sequence[str], notes: dict[str, int | float | str]) -> dict[str, Table]:
        """What is read of each split that the source has, filtered; what was guessed or left out is noted."""
        texts = (self.text,) if isinstance(self.text, str) else self.text
        others = [*self.groups, *texts, *((self.text_pair,) if self.text_pair else ()), *self.filter]
        wanted = [*(name for name in dict.fromkeys(others) if name != self.label), self.label]
        tables = {split: table for split in splits if (table := self._read(split, wanted)) is not None}
        for split, table in tables.items():
            if not len(table):
                raise DataError(f"{table.where} has no rows: the {table.split} split is empty.")
            notes |= {f"{name}_{split}": value for name, value in table.notes.items()}
        if self.filter:
            before = {split: len(table) for split, table in tables.items()}
            tables = filtered(tables, self.filter)
            notes |= {f"filtered_out_{split}": before[split] - len(table) for split, table in tables.items()}
        for table in tables.values():
            _check_labels(table, self.label)
        return tables

    def load(self, *, seed: int) -> Dataset:
        """Read the tables and draw the splits; see :meth:`harness.components.DatasetSource.load`."""
        notes = self._facts()
        tables = self._tables([split for split in SPLITS if not (split == "test" and self.test_from)], notes)
        labels = self._labels(tables["train"])
        texts = (self.text,) if isinstance(self.text, str) else self.text
        splits = {split: self._examples(table, texts, labels, notes) for split, table in tables.items()}
        if self.test_from is not None:
            self._draw_test(splits, seed)
        if self.validation_from is not None:
            self._draw_validation(splits, notes, seed)
        task = self._task(labels, texts)
        dataset = Dataset(task, splits["train"], splits["validation"], splits["test"])
        if self.drop_duplicates:
            dataset = _without_duplicates(dataset, notes)
        size = None if self.validation_from or self.validation_size is None else int(self.validation_size)
        tested = None if self.test_from or self.test_size is None else int(self.test_size)
        dataset = limit(dataset, self.train_size, size, tested, seed=seed)
        return replace(dataset, notes=notes | duplicates(dataset))

    def test_set(self, seed: int) -> Dataset:
        """The test split alone, where the source has no other."""
        notes = self._facts()
        table = self._tables(["test"], notes)["test"]
        labels = self._labels(table)
        texts = (self.text,) if isinstance(self.text, str) else self.text
        examples = self._examples(table, texts, labels, notes)
        dataset = Dataset(self._task(labels, texts), (), (), examples, test_only=True)
        size = None if self.test_size is None else int(self.test_size)
        return replace(limit(dataset, None, None, size, seed=seed), notes=notes)

    def _task(self, labels: Labels, texts: Sequence[str]) -> Task:
        columns = self.columns or (*texts[:1], *((self.text_pair,) if self.text_pair else ()))
        return Task("", labels.names, columns, self.description)

    def class_names(self) -> tuple[str, ...]:
        """`labels`, else the names that `label_values` give; empty where the data has to be read for them."""
        if self.labels or not self.label_values:
            return self.labels
        inverse = {index: str(value) for value, index in reversed(self.label_values.items())}
        return tuple(inverse.get(index, str(index)) for index in range(max(inverse) + 1))

    def _labels(self, train: Table) -> Labels:
        if self.label_values:
            return Labels(self.class_names(), {str(value): index for value, index in self.label_values.items()})
        if self.labels:
            return _renamed(train, self.labels) if train.class_names else Labels(self.labels)
        return Labels(train.class_names) if train.class_names else Labels.infer(train, self.label)

    def _examples(
        self, table: Table, texts: Sequence[str], labels: Labels, notes: dict[str, int | float | str]
    ) -> list[Example]:
        firsts = joined(table, texts, self.join)
        seconds = joined(table, [self.text_pair], "") if self.text_pair else [None] * len(firsts)
        indices = [labels.index(value) for value in table.column(self.label)]
        bad = [row for row, index in enumerate(indices) if index is None]
        if bad:
            raise _bad_labels(table, self.label, labels, bad)
        if not table.class_names and labels.numbers(table.column(self.label)):
            notes["labels_are_indices"] = 1
        empty = [row for row, pair in enumerate(zip(firsts, seconds, strict=True)) if "" in pair]
        if empty and not self.drop_empty:
            raise DataError(
                f"{len(empty)} row{'s' * (len(empty) > 1)} of {table.where} without text; the first is row "
                f"{table.number(empty[0])} (counted from 1).",
                hint="Set `drop_empty: true` to leave them out.",
            )
        if empty:
            notes[f"empty_dropped_{table.split}"] = len(empty)
        dropped = set(empty)
        tagged = _group_tags(table, self.groups)
        return [
            Example(first, index, second, f"{table.split}/{table.number(row) - 1}", tags)
            for row, (first, second, index, tags) in enumerate(zip(firsts, seconds, indices, tagged, strict=True))
            if row not in dropped and index is not None
        ]

    def _draw_test(self, splits: dict[str, list[Example]], seed: int) -> None:
        pool, size = splits["train"], self.test_size or 0
        first: dict[Texts, Example] = {}
        for example in pool:
            first.setdefault(canonical(example.texts), example)
        count = round(size * len(first)) if size < 1 else int(size)
        if not 0 < count < len(first):
            raise DataError(
                f"test_size is {size}, but the train split to draw them from has {len(first)} different texts."
            )
        drawn = {
            canonical(example.texts) for example in draw(list(first.values()), count, derive_seed(seed, "test"))[0]
        }
        splits["test"] = [example for example in pool if canonical(example.texts) in drawn]
        splits["train"] = [example for example in pool if canonical(example.texts) not in drawn]

    def _draw_validation(
        self, splits: dict[str, list[Example]], notes: dict[str, int | float | str], seed: int
    ) -> None:
        source = str(self.validation_from)
        pool, size = splits[source], self.validation_size or 0
        count = round(size * len(pool)) if size < 1 else int(size)
        if not 0 < count < len(pool):
            raise DataError(
                f"validation_size is {size}, but the {source} split to draw them from has {len(pool)} examples."
            )
        splits["validation"], rest = draw(pool, count, derive_seed(seed, "validation"))
        if self.keep_validation_in_test:
            notes["validation_in_test"] = count
        else:
            splits[source] = rest


def joined(table: Table, columns: Sequence[str], join: str) -> list[str]:
    """The texts of one or several columns, with ``join`` between them and without surrounding white space.

    Raises:
        DataError: A column is missing, or holds something else than Unicode text.
    """
    parts = []
    for name in columns:
        values = table.column(name)
        for row, value in enumerate(values):
            if value is not None and not isinstance(value, str):
                raise DataError(
                    f"The column {name!r} of {table.where} holds no text: row {table.number(row)} is {abridged(value)} "
                    f"({type(value).__name__})."
                )
            if value and (half := lone_surrogate(value)):
                raise _no_unicode(table, name, row, half)
        parts.append([(value or "").strip() for value in values])
    if len(parts) == 1:
        return parts[0]
    return [join.join(row).strip() if any(row) else "" for row in zip(*parts, strict=True)]


def _group_tags(table: Table, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The groups that every row is in, as tags: ``language=de``; a row without a value is in the group ``language=(none)``."""
    parts = []
    for name in columns:
        if "=" in name:
            raise DataError(f"The column {name!r} of {table.where} cannot name groups: rename it without `=`.")
        values = ["" if missing(value) else str(value).strip() for value in table.column(name)]
        for row, value in enumerate(values):
            if half := lone_surrogate(value):
                raise _no_unicode(table, name, row, half)
        parts.append([f"{name}={value or '(none)'}" for value in values])
    return list(zip(*parts, strict=True)) if parts else [()] * len(table.column(next(iter(table.columns))))


def _check_labels(table: Table, column: str) -> None:
    for row, value in enumerate(table.column(column)):
        if not (value is None or isinstance(value, str | int | float | Decimal)):
            raise DataError(
                f"The column {column!r} of {table.where} holds no labels: row {table.number(row)} is {abridged(value)} "
                f"({type(value).__name__})."
            )
        if isinstance(value, str) and (half := lone_surrogate(value)):
            raise _no_unicode(table, column, row, half)


def _no_unicode(table: Table, column: str, row: int, half: str) -> DataError:
    return DataError(
        f"The column {column!r} of {table.where} holds what is no Unicode text: row {table.number(row)} has the lone "
        f"surrogate {half}.",
        hint="It is half of a character; an emoji cut in two leaves one. Repair the row or remove it.",
    )


def _renamed(train: Table, labels: tuple[str, ...]) -> Labels:
    """Labels of a source that names its classes itself, under the suite's names and in the suite's order.

    Raises:
        DataError: The two do not say the same.
    """
    try:
        match = match_labels(train.class_names, labels, train.where)
    except DataError as error:
        example = ", ".join(f"{name}: 0" for name in train.class_names[:1])
        raise DataError(
            f"{train.where} names its classes {listed(train.class_names)}; `labels` says {listed(labels)}.",
            hint=f"To call them otherwise, say in `label_values` which is which: {{{example}, ...}}.",
        ) from error
    # The column holds indices of the source's classes, or its names.
    values = {str(index): label for label, index in enumerate(match.order)}
    return Labels(labels, values | {train.class_names[index]: label for label, index in enumerate(match.order)})


def _bad_labels(table: Table, column: str, labels: Labels, bad: Sequence[int]) -> DataError:
    value = table.column(column)[bad[0]]
    if missing(value):
        return _missing_labels(table, column, [row for row in bad if missing(table.column(column)[row])])
    known = list(labels.values) or list(labels.names)
    numbers = "" if labels.values else f" (or an index in 0..{len(labels.names) - 1})"
    near = did_you_mean(value, known) if isinstance(value, str) and len(value) <= _LONGEST_LABEL else ""
    rows = _listed(table, bad)
    count = f"{len(bad)} bad labels, in rows" if len(bad) > 1 else "1 bad label, in row"
    unlabelled = (
        " A label of -1 marks rows that were published without labels." if str(value).strip() in ("-1", "-1.0") else ""
    )
    return DataError(
        f"{table.where}: the label {abridged(value)} in column {column!r} is not one of {', '.join(map(abridged, known[:10]))}"
        f"{', ...' if len(known) > 10 else ''}"
        f"{numbers}: {count} {rows} (counted from 1).{unlabelled} {near}".rstrip()
    )


def _missing_labels(table: Table, column: str, rows: Sequence[int]) -> DataError:
    value = table.column(column)[rows[0]]
    which = f"{len(rows)} rows have none, rows" if len(rows) > 1 else "1 row has none, row"
    word = value.strip() if isinstance(value, str) else ""
    return DataError(
        f"{table.where}: the label {value!r} in column {column!r} is missing: {which} {_listed(table, rows)} (counted from 1).",
        hint=f"If {word!r} is the name of a class, say so in `labels` or `label_values`." if word else None,
    )


def _listed(table: Table, rows: Sequence[int]) -> str:
    return ", ".join(str(table.number(row)) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")


def _without_duplicates(dataset: Dataset, notes: dict[str, int | float | str]) -> Dataset:
    held_out = {canonical(example.texts) for split in (dataset.validation, dataset.test) for example in split}
    first: dict[Texts, Example] = {}
    for example in dataset.train:
        if (same := canonical(example.texts)) not in held_out:
            first.setdefault(same, example)
    kept = list(first.values())
    notes["duplicates_removed"] = len(dataset.train) - len(kept)
    return replace(dataset, train=kept)
