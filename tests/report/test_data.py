"""What is said of data before figures are."""

import pytest

from harness.records.model import DataRecord
from harness.report.data import classes_listed, data_said, unequal


def record(**changes):
    facts = {
        "fingerprint": "0" * 64,
        "labels": ("ham", "spam"),
        "columns": ("text",),
        "train": 0,
        "validation": 0,
        "test": 100,
    }
    return DataRecord(**facts | changes)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, []),
        (
            {"notes": {"separator_test": "\t"}},
            ["The fields of the test file are separated by a tab, as its header tells."],
        ),
        (
            {"notes": {"duplicates_test": 3, "contradictions": 1, "empty_dropped_test": 2}},
            [
                "2 rows without text were left out of the test set.",
                "3 of 100 test examples repeat the text of an earlier one.",
                "1 text has several labels: no classifier is right about all.",
            ],
        ),
        ({"class_sizes": {"test": (75, 25)}}, []),
        (
            {"class_sizes": {"test": (10, 90)}},
            [
                (
                    "Classes are unequal: of 100 test examples 90 are spam and 10 are ham. Always spam would be "
                    "right for 90.0 %; balanced_accuracy counts every class alike."
                )
            ],
        ),
    ],
)
def test_what_is_said_of_data(changes, lines):
    assert data_said(record(**changes)) == lines


def test_a_class_without_examples_is_unequal():
    assert "0 are spam" in unequal(record(class_sizes={"test": (100, 0)}))


def test_many_classes_are_counted():
    assert classes_listed(("a", "b")) == "classes a, b"
    assert classes_listed([f"c{k}" for k in range(150)]).startswith("150 classes (c0, c1, ")
