"""Data as spreadsheets, colleagues and downloads leave it: separators, encodings, class folders, one file, rows to filter."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import harness
from harness import Dataset
from harness.datasets import check
from harness.errors import ComponentError, DataError

ROWS = [("a; b", "ham", "de"), ("c, d", "spam", "en"), ('say "hi"', "ham", "en"), ("two\nlines", "spam", "de")]


def table(path: Path, separator: str, encoding: str = "utf-8", first: str = "", rows=ROWS) -> Path:
    with path.open("w", newline="", encoding=encoding) as stream:
        stream.write(first)
        csv.writer(stream, delimiter=separator).writerows([("text", "label", "language"), *rows])
    return path


def load(path: Path, **options) -> Dataset:
    data = harness.component("dataset", "labelled", path=str(path), **options).load(seed=0)
    check(data)
    return data


@pytest.mark.parametrize(
    ("name", "separator", "encoding", "first", "options", "guess"),
    [
        ("a.csv", ";", "utf-8", "", {}, ";"),
        ("a.csv", "\t", "utf-8", "", {}, "\t"),
        ("a.csv", "|", "utf-8-sig", "", {}, "|"),
        ("a.tsv", ",", "utf-8", "", {}, ","),
        ("a.csv", ",", "utf-8", "", {}, None),
        ("a.csv", ";", "cp1252", "sep=;\r\n", {"encoding": "cp1252"}, ";"),
        ("a.txt", "\t", "utf-16", "", {"encoding": "utf-16"}, None),
        ("a.csv", "~", "utf-8", "", {"separator": "~"}, None),
        ("a.csv", "\t", "utf-8", "", {"separator": "tab"}, None),
    ],
)
def test_separators_are_found_and_noted(tmp_path, name, separator, encoding, first, options, guess):
    data = load(table(tmp_path / name, separator, encoding, first), **options)
    assert [(e.text, data.task.labels[e.label]) for e in data.test] == [(text, label) for text, label, _ in ROWS]
    assert data.notes.get("separator_test") == guess


def test_a_header_that_no_separator_makes_fit_is_shown_as_it_is_meant(tmp_path):
    path = table(tmp_path / "a.csv", ";")
    with pytest.raises(DataError, match=r"has no column 'Text'\. Did you mean 'text'"):
        load(path, text="Text")
    with pytest.raises(ComponentError, match="expected one character"):
        harness.component("dataset", "labelled", path=str(path), separator=";;")


def test_guessing_leaves_identities_alone(tmp_path):
    path = table(tmp_path / "a.csv", ",")
    plain = harness.component("dataset", "labelled", path=str(path)).identity()
    assert not plain.keys() & {"separator", "quoting", "filter", "test_from"}
    assert harness.component("dataset", "labelled", path=str(path), separator=",").identity() != plain


def test_class_folders(tmp_path):
    for label, name, text in (("spam", "b.txt", "buy"), ("ham", "2/c.txt", "caf\xe9"), ("spam", ".DS_Store", "x")):
        (tmp_path / "all" / label / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / label / name).write_text(text, encoding="latin-1")
    (tmp_path / "all" / "README").write_text("no text of a class")
    (tmp_path / "all" / "empty").mkdir()
    data = load(tmp_path / "all", encoding="latin-1")
    assert [(e.id, e.text, data.task.labels[e.label]) for e in data.test] == [
        ("test/0", "caf\xe9", "ham"),
        ("test/1", "buy", "spam"),
    ]
    with pytest.raises(DataError, match=r"2/c\.txt is not utf-8"):
        load(tmp_path / "all")
    with pytest.raises(DataError, match="has no column 'body'"):
        load(tmp_path / "all", text="body")
    source = harness.component("dataset", "labelled", path=str(tmp_path / "all"))
    before = source.identity()
    (tmp_path / "all" / "ham" / "2" / "c.txt").rename(tmp_path / "all" / "spam" / "c.txt")
    assert source.identity() != before


def split_file(tmp_path, seed: int = 0, **options) -> Dataset:
    rows = [(f"text {i % 45}", ("ham", "spam")[i % 45 % 3 == 0], "de") for i in range(50)]
    options = {"test_size": 0.2, "validation_from": "train", "validation_size": 5} | options
    path = table(tmp_path / "all.csv", ",", rows=rows)
    data = harness.component("dataset", "files", train=str(path), test_from="train", **options).load(seed=seed)
    check(data)
    return data


def test_one_file_is_split_by_seed_and_repeated_texts_stay_together(tmp_path):
    for seed in range(8):
        data = split_file(tmp_path, seed)
        assert len({e.text for e in data.test}) == 9
        assert len(data.train) + len(data.validation) + len(data.test) == 50
        assert data.notes["duplicates_train_test"] == data.notes["duplicates_validation_test"] == 0
        assert all(e.text == f"text {int(e.id.removeprefix('train/')) % 45}" for e in data.test)
        assert 2 <= len({e.text for e in data.test if data.task.labels[e.label] == "spam"}) <= 4
    assert split_file(tmp_path, 3).test == split_file(tmp_path, 3).test != split_file(tmp_path, 4).test
    with pytest.raises(DataError, match=r"test_size is 45, but the train split .* has 45 different texts"):
        split_file(tmp_path, test_size=45)
    for options, message in (
        ({"test_size": None}, "test_from needs test_size"),
        ({"test": "b.csv"}, "exactly one of test"),
    ):
        with pytest.raises(ComponentError, match=message):
            split_file(tmp_path, **options)


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        ({"language": "de"}, [0, 3]),
        ({"language": ["en", "de"], "label": "spam"}, [1, 3]),
        ({"size": 3}, [1, 2]),
        ({"new": True}, [0]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_rows_by_values_of_columns(tmp_path, wanted, rows, suffix):
    kept = [
        dict(zip(("text", "label", "language", "size", "new"), (*row, n, n == 2), strict=True))
        for row, n in zip(ROWS, (2, 3, 3.0, 4), strict=True)
    ]
    path = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    else:
        kept[2]["size"] = 3
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([kept[0], *(row.values() for row in kept)])
    data = load(path, labels=["ham", "spam"], filter=wanted)
    assert [e.id for e in data.test] == [f"test/{row}" for row in rows]
    assert data.notes["filtered_out_test"] == 4 - len(rows)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"language": "fr"}, r"no row of .*a\.csv has 'fr' in column 'language'\. Known: de, en"),
        ({"langauge": "de"}, "has no column 'langauge'. Did you mean 'language'"),
        ({"language": "de", "text": "c, d"}, r"none of the 4 rows of .* has language: de, text: c, d"),
    ],
)
def test_filters_that_leave_nothing(tmp_path, wanted, message):
    with pytest.raises(DataError, match=message):
        load(table(tmp_path / "a.csv", ","), filter=wanted)


def test_messages_name_the_row_of_the_file_behind_a_filter(tmp_path):
    rows = [*ROWS, ("", "ham", "fr"), ("e", "neither", "fr"), ("f", "ham", "fr")]
    path = table(tmp_path / "a.csv", ",", rows=rows)
    with pytest.raises(DataError, match="row 6 "):
        load(path, labels=["ham", "spam"], filter={"language": "fr"})
    with pytest.raises(DataError, match="the first is row 5 "):
        load(path, labels=["ham", "neither"], filter={"language": "fr"})


def test_classes_are_told_from_other_values_by_their_rows(tmp_path):
    intents = [(f"text {i}", f"intent {i % 150}", "en") for i in range(150 * 20)]
    assert load(table(tmp_path / "a.csv", ",", rows=intents)).task.num_labels == 150
    with pytest.raises(DataError, match="150 distinct values in 300 rows: these are no class labels"):
        load(table(tmp_path / "b.csv", ",", rows=intents[:300]))


def test_numbers_that_are_taken_as_indices_are_noted(tmp_path):
    rows = [(text, label == "spam", language) for text, label, language in ROWS]
    path = table(tmp_path / "a.csv", ",", rows=[(text, int(label), language) for text, label, language in rows])
    assert load(path, labels=["ham", "spam"]).notes["labels_are_indices"] == 1
    assert "labels_are_indices" not in load(path).notes
    floats = table(tmp_path / "b.csv", ",", rows=[(text, float(label), language) for text, label, language in rows])
    assert "labels_are_indices" not in load(floats).notes
    assert "labels_are_indices" not in load(path, label_values={0: 0, 1: 1}, labels=["ham", "spam"]).notes
