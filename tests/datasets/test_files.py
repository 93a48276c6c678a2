"""Data sets from files: every format, every rule for splits, and every way for a file to be wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness import Dataset
from harness.components.base import Origin
from harness.datasets import check, fingerprint
from harness.datasets.files import Files
from harness.errors import ComponentError, DataError, InputError


def frame(n: int, *, pairs: bool = False, labels=(0, 1), name: str = "text") -> pd.DataFrame:
    columns = {"text": [f"{name} {i}, with a comma" for i in range(n)]}
    if pairs:
        columns["second"] = [f"answer {i}" for i in range(n)]
    return pd.DataFrame(columns | {"label": [labels[i % len(labels)] for i in range(n)]})


def write(data: pd.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        data.to_parquet(path)
    elif path.suffix == ".jsonl":
        data.to_json(path, orient="records", lines=True)
    else:
        data.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    write(frame(20), tmp_path / "train.csv")
    write(frame(10, name="held out"), tmp_path / "validation.csv")
    write(frame(12, name="test"), tmp_path / "test.csv")
    return tmp_path


THREE = {"train": "train.csv", "validation": "validation.csv", "test": "test.csv"}


def beside(base: Path, folder: str | None, **options) -> Dataset:
    """What the options mean in a suite that lies in ``base``."""
    return Files.model_validate({"folder": folder, **options}, context=Origin((base, Path.cwd()))).load(seed=0)


def load(folder: Path | str | None = None, seed: int = 0, **options) -> Dataset:
    data = harness.component("dataset", "files", folder=None if folder is None else str(folder), **options).load(
        seed=seed
    )
    check(data)
    return data


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl", "csv.gz"])
@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pair"])
def test_every_format_gives_the_same_data(tmp_path, suffix, pairs):
    for place, ending in (("expected", "parquet"), ("actual", suffix)):
        for split, rows in (("train", 8), ("validation", 4), ("test", 6)):
            data = frame(rows, pairs=pairs, labels=("ham", "spam"), name=split)
            data.loc[0, "text"] = '  NA "quoted"\nand a second line, null '
            write(data, tmp_path / place / f"{split}.{ending}")
    options = {"text_pair": "second"} if pairs else {}
    loaded = [
        load(tmp_path / place, **{split: f"{split}.{ending}" for split in ("train", "validation", "test")}, **options)
        for place, ending in (("expected", "parquet"), ("actual", suffix))
    ]
    assert fingerprint(loaded[0]) == fingerprint(loaded[1])
    assert loaded[1].task.labels == ("ham", "spam")
    assert loaded[1].train[0].text == 'NA "quoted"\nand a second line, null'
    assert loaded[1].task.columns == (("text", "second") if pairs else ("text",))
    assert isinstance(loaded[1].train[1].texts, tuple) == pairs


def test_ids_name_the_row_of_the_file(folder):
    data = load(folder, train="train.csv", test="test.csv", validation_from="test", validation_size=5)
    for example in [*data.validation, *data.test]:
        row = int(example.id.removeprefix("test/"))
        assert example.text == f"test {row}, with a comma"
    assert len(data.validation) == 5
    assert not {e.id for e in data.validation} & {e.id for e in data.test}


@pytest.mark.parametrize(
    ("source", "size", "expected"),
    [("test", 4, (20, 4, 8)), ("test", 0.5, (20, 6, 6)), ("train", 6, (14, 6, 12)), ("train", 0.25, (15, 5, 12))],
)
def test_drawn_validation_sets(folder, source, size, expected):
    options = {"train": "train.csv", "test": "test.csv", "validation_from": source, "validation_size": size}
    first, again, other = (load(folder, seed, **options) for seed in (1, 1, 2))
    assert (len(first.train), len(first.validation), len(first.test)) == expected
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    assert abs(sum(e.label for e in first.validation) - len(first.validation) / 2) <= 1


def test_validation_examples_may_stay_in_the_test_set(folder):
    data = load(
        folder,
        train="train.csv",
        test="test.csv",
        validation_from="test",
        validation_size=4,
        keep_validation_in_test=True,
    )
    assert len(data.test) == 12
    assert data.notes["validation_in_test"] == data.notes["duplicates_validation_test"] == 4


def test_sizes(folder):
    data = load(folder, **THREE, train_size=6, validation_size=4, test_size=2)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 4, 2)


def test_duplicates_are_reported_or_dropped(folder):
    write(pd.concat([frame(20), frame(3), frame(5, name="test")]), folder / "train.csv")
    data = load(folder, **THREE)
    assert data.notes["duplicates_train"] == 3
    assert data.notes["duplicates_train_test"] == 5
    data = load(folder, **THREE, drop_duplicates=True)
    assert len(data.train) == 20
    assert data.notes["duplicates_removed"] == 8
    assert data.notes["duplicates_train_test"] == data.notes["duplicates_train"] == 0
    assert [e.id for e in data.train] == [f"train/{i}" for i in range(20)]


@pytest.mark.parametrize(
    ("values", "options", "names", "indices"),
    [
        ((0, 1), {}, ("0", "1"), [0, 1]),
        ((0, 2), {"labels": ["no", "maybe", "yes"]}, ("no", "maybe", "yes"), [0, 2]),
        (("2", "0", "1"), {}, ("0", "1", "2"), [2, 0, 1]),
        (("spam", "ham"), {}, ("ham", "spam"), [1, 0]),
        (("spam", "ham"), {"labels": ["spam", "ham"]}, ("spam", "ham"), [0, 1]),
        ((0, 1), {"labels": ["negative", "positive"]}, ("negative", "positive"), [0, 1]),
        ((1.0, 0.0), {"labels": ["negative", "positive"]}, ("negative", "positive"), [1, 0]),
        (("pos", "neg"), {"label_values": {"neg": 0, "pos": 1}}, ("neg", "pos"), [1, 0]),
        ((4, 0), {"label_values": {0: 0, 4: 1}, "labels": ["negative", "positive"]}, ("negative", "positive"), [1, 0]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels(tmp_path, suffix, values, options, names, indices):
    for split in ("train", "validation", "test"):
        write(frame(4, labels=values), tmp_path / f"{split}.{suffix}")
    data = load(tmp_path, **{split: f"{split}.{suffix}" for split in ("train", "validation", "test")}, **options)
    assert data.task.labels == names
    assert [e.label for e in data.train] == (indices * 4)[:4]


def test_texts_of_several_columns_are_joined(tmp_path):
    mails = pd.DataFrame({"subject": ["offer", None, "lunch"], "body": ["buy now", "hello", ""], "label": [1, 0, 0]})
    for split in ("train", "validation", "test"):
        write(mails, tmp_path / f"{split}.parquet")
    files = {split: f"{split}.parquet" for split in ("train", "validation", "test")}
    data = load(tmp_path, **files, text=["subject", "body"])
    assert [e.text for e in data.train] == ["offer [SEP] buy now", "[SEP] hello", "lunch [SEP]"]


def test_paths(folder, monkeypatch, tmp_path_factory):
    expected = fingerprint(load(folder, **THREE))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("CORPORA", str(folder.parent))
    assert fingerprint(load(f"$CORPORA/{folder.name}", **THREE)) == expected
    assert fingerprint(load(None, **{split: str(folder / name) for split, name in THREE.items()})) == expected
    with pytest.raises(DataError, match="There is no data file"):
        load(None, **THREE)
    assert fingerprint(beside(folder, None, **THREE)) == expected
    assert fingerprint(beside(folder.parent, folder.name, **THREE)) == expected
    monkeypatch.chdir(folder)
    assert fingerprint(load(None, **THREE)) == expected
    with pytest.raises(DataError, match="environment variable NO_SUCH_VARIABLE, which is not set"):
        load("${NO_SUCH_VARIABLE}/data", **THREE)


def test_identity_follows_the_contents_and_not_the_place(folder, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    for name in THREE.values():
        (copy / name).write_bytes((folder / name).read_bytes())
    here, there = (harness.component("dataset", "files", folder=str(place), **THREE) for place in (folder, copy))
    assert here.identity() == there.identity()
    assert str(folder) not in json.dumps(here.identity())
    with (copy / "test.csv").open("a") as stream:
        stream.write("one more,1\n")
    assert here.identity() != there.identity()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "trian.csv"}, r"There is no data file .*trian\.csv\. Did you mean 'train\.csv'\?"),
        ({"train": "sub/train.csv"}, "the folder .*sub does not exist"),
        ({"train": "."}, "holds no texts: expected a folder for each class"),
        ({"text": "txt"}, r"train\.csv has no column 'txt'\. Did you mean 'text'\?"),
        ({"label": "class"}, r"has no column 'class'\. Known: label, text\."),
        ({"text_pair": "second"}, "has no column 'second'"),
        ({"labels": ["no", "maybe"]}, None),
        ({"encoding": "utf-99"}, "There is no encoding 'utf-99'"),
    ],
)
def test_wrong_options(folder, options, message):
    if message is None:
        assert load(folder, **THREE, **options).task.labels == ("no", "maybe")
        return
    with pytest.raises(DataError, match=message):
        load(folder, **(THREE | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": None}, "give exactly one of validation"),
        ({"validation_from": "test", "validation_size": 3}, "give exactly one of validation"),
        ({"validation": None, "validation_from": "test"}, "validation_from needs validation_size"),
        ({"validation_size": 0.5}, "a share only with validation_from"),
        ({"keep_validation_in_test": True}, "means nothing without validation_from"),
        ({"labels": ["a", "b"], "label_values": {"x": 2}}, r"class index 2, which is not in 0\.\.1"),
        ({"train_sise": 3}, "Did you mean 'train_size'"),
    ],
)
def test_inconsistent_options(folder, options, message):
    with pytest.raises(ComponentError, match=message):
        load(folder, **(THREE | options))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv", b"", "is empty"),
        ("train.csv", b"text,label\n", "has no rows: the train split is empty"),
        ("train.csv", b"text,label\na,0\nb,\xff1\n", "is not utf-8: byte 0xff"),
        ("train.csv", b'text,label\na,0\n"b,1\n', "cannot be read as a table"),
        (
            "train.csv",
            b"text,label\na,0\n   ,1\nc,1\n,0\n",
            r"2 rows of .*train\.csv without text; the first is row 2 ",
        ),
        ("train.parquet", b"not parquet", "not a readable Parquet file"),
        ("train.jsonl", b'{"text": "a", "label": 0}\n{"text": \n', r"Line 2 of .* is not JSON"),
        ("train.jsonl", b'{"text": "a", "label": 0}\n[1]\n', r"Line 2 of .* is not a JSON object"),
        (
            "train.jsonl",
            b'{"text": "a", "label": 0}\n{"text": "b", "lable": 1}\n',
            r"Line 2 of .* has no column 'label'.*'lable'",
        ),
        ("train.jsonl", b'{"text": "a", "label": 0}\n{"text": 5, "label": 1}\n', r"holds no text: row 2 is 5 \(int\)"),
        ("train.doc", b"", r"format of .* is not known\. Known suffixes: \.csv, \.tsv, \.txt, \.jsonl"),
        ("train.xlsx", b"", r"train\.xlsx is a workbook, which is not read\.\nSave the sheet as CSV"),
    ],
)
def test_wrong_files(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(folder, **(THREE | {"train": name}))


def test_empty_rows_may_be_dropped(folder):
    (folder / "train.csv").write_text("text,label\na,0\n   ,1\nc,1\n,0\n")
    data = load(folder, **THREE, drop_empty=True)
    assert [e.id for e in data.train] == ["train/0", "train/2"]
    assert data.notes["empty_dropped_train"] == 2


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ((0, 1, -1), {"labels": ["no", "yes"]}, r"the label '-1' .* not one of 'no', 'yes' .* 3 bad labels, in rows 3, 6, 9 "),
        (("yes", "yess", "no"), {"labels": ["no", "yes"]}, r"the label 'yess' .* rows 2, 5, 8 .*Did you mean 'yes'\?"),
        (("a", "b", ""), {}, "the label '' in column"),
        ((0, 1, 7), {}, r"column 'label' of .*train\.csv has the labels 0, 1, 7; .*without gaps\.\nName the classes"),
        ((1, 2), {}, "has the labels 1, 2; class indices run from 0"),
        ((0, 1, 0.5), {}, "has the labels 0, 0.5, 1; class indices"),
        ((0, 1) * 4 + (0, -1), {}, r"the label '-1' .* 1 bad label, in row 10 "),
        (("a", "b", "c"), {"label_values": {"a": 0, "b": 1}}, "the label 'c' in column 'label' is not one of 'a', 'b': 3 bad"),
    ],
)  # fmt: skip
def test_bad_labels(folder, values, options, message):
    write(frame(10, labels=values), folder / "train.csv")
    with pytest.raises(DataError, match=message):
        load(folder, **THREE, **options)


def test_labels_of_the_test_set_must_be_those_of_the_training_set(folder):
    write(frame(10, labels=(0, 1, 2)), folder / "test.csv")
    with pytest.raises(DataError, match=r"test\.csv: the label '2' .* in rows 3, 6, 9"):
        load(folder, **THREE)


def test_a_column_of_numbers_is_no_label_column(folder):
    write(frame(300, labels=[f"{i}.5" for i in range(300)]), folder / "train.csv")
    with pytest.raises(DataError, match="300 distinct values"):
        load(folder, **THREE)


def test_more_validation_examples_than_there_are(folder):
    with pytest.raises(DataError, match="validation_size is 12, but the test split to draw them from has 12 examples"):
        load(folder, train="train.csv", test="test.csv", validation_from="test", validation_size=12)


def test_compressed_and_encoded(folder):
    text = (folder / "train.csv").read_text().replace("text 0", "café 0")
    (folder / "train.csv.gz").write_bytes(gzip.compress(text.encode("cp1252")))
    for split in ("validation", "test"):
        (folder / f"{split}.csv").write_text((folder / f"{split}.csv").read_text(), encoding="cp1252")
    data = load(folder, **(THREE | {"train": "train.csv.gz"}), encoding="cp1252")
    assert data.train[0].text == "café 0, with a comma"


# The four data sets of the thesis, from a folder of small files with their layout.


@pytest.fixture
def copies(tmp_path) -> Path:
    for name, rows in (("imdb/train", 30), ("imdb/test", 40), ("email/train", 30), ("sms/test", 50)):
        write(frame(rows, name=name), tmp_path / f"{name}.parquet")
    for name, rows in (
        ("mrpc/train", 30),
        ("mrpc/validation", 10),
        ("mrpc/test", 20),
        ("qnli/train", 30),
        ("qnli/validation", 41),
    ):
        data = frame(rows, pairs=True, name=name).rename(columns={"text": "text_a", "second": "text_b"})
        write(data, tmp_path / f"{name}.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "options", "sizes"),
    [
        ("imdb", {"validation_size": 10}, (30, 10, 30)),
        ("mrpc", {}, (30, 10, 20)),
        ("qnli", {}, (30, 20, 21)),
        ("email-sms", {"validation_size": 10}, (30, 10, 50)),
        ("email-sms", {"validation_size": 10, "keep_validation_in_test": False}, (30, 10, 40)),
        ("mrpc", {"train_size": 12, "validation_size": 4, "test_size": 6}, (12, 4, 6)),
    ],
)
def test_the_splits_of_the_thesis(copies, monkeypatch, name, options, sizes):
    source = harness.component("dataset", name, folder=str(copies), **options)
    source.preflight()
    data = source.load(seed=0)
    check(data)
    assert (len(data.train), len(data.validation), len(data.test)) == sizes
    assert len(data.task.columns) == (2 if name in {"mrpc", "qnli"} else 1)
    assert data.task.description
    monkeypatch.setenv("HARNESS_DATA", str(copies))
    by_variable = harness.component("dataset", name, **options)
    assert fingerprint(by_variable.load(seed=0)) == fingerprint(data)
    assert by_variable.identity() == source.identity()


def test_half_of_the_published_qnli_validation_set_is_tested(copies):
    data = harness.component("dataset", "qnli", folder=str(copies)).load(seed=0)
    rows = sorted(int(e.id.removeprefix("test/")) for e in [*data.validation, *data.test])
    assert rows == list(range(41))


def test_missing_copies(copies):
    (copies / "imdb" / "test.parquet").unlink()
    with pytest.raises(InputError, match=r"no data file .*imdb/test\.parquet(.|\n)*HARNESS_DATA"):
        harness.component("dataset", "imdb", folder=str(copies)).preflight()
