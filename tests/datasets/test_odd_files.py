"""What a data file can hold that is neither text nor label: one message with the place, and never a silent guess."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from harness import Dataset, Example, Task
from harness.datasets import check, duplicates
from harness.datasets.readers import read_table
from harness.errors import DataError
from harness.statistics.resampling import cluster_id

GOOD = "text,label\ngood a,1\nbad b,0\ngood c,1\n"


def load(path: Path, **options) -> Dataset:
    """The file as all three splits."""
    data = harness.component("dataset", "files", train=str(path), validation=str(path), test=str(path), **options)
    return data.load(seed=0)


def texts(data: Dataset) -> list[str]:
    return [example.text for example in data.train]


SMS = [
    ("ham", "ok see you at six"),
    ("ham", '"are you coming tonight'),
    ("spam", "WIN cash now call 000"),
    ("ham", 'he said "fine" and left'),
    ("ham", 'no worries" she said'),
    ("spam", "claim your prize"),
]


def sms(rows) -> str:
    return "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows)


@pytest.mark.parametrize("row", [2, 5])
@pytest.mark.parametrize("second", ['no worries" she said', 'no worries, she said"', "no mark at all"])
def test_a_lone_quotation_mark_never_takes_in_other_rows(tmp_path, row, second):
    rows = [("spam", "claim your prize"), *SMS[2:]] if row == 5 else list(SMS)
    if row == 5:
        rows[3:3] = [("ham", "a plain row"), ("ham", '"are you coming tonight')]
        row = 5
    rows[-2] = ("ham", second)
    (tmp_path / "sms.tsv").write_text(sms(rows))
    with pytest.raises(
        DataError, match=rf"sms\.tsv cannot be read as a table: .*line {row + 1} \(row {row}\)"
    ) as caught:
        load(tmp_path / "sms.tsv")
    assert "`quoting: none`" in str(caught.value)
    data = load(tmp_path / "sms.tsv", quoting="none")
    assert texts(data) == [text for _, text in rows]
    assert [data.task.labels[e.label] for e in data.train] == [label for label, _ in rows]


def test_a_closed_quotation_over_several_lines_is_one_text(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n"first line\nsecond, and\n\nlast",1\nplain,0\n"say ""hi""",1\n')
    assert texts(load(tmp_path / "a.csv")) == ["first line\nsecond, and\n\nlast", "plain", 'say "hi"']


def test_a_text_that_quotes_rows_of_a_table_needs_a_word_from_the_user(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n"a table:\nx,1\ny,0\n",1\nplain,0\nother,1\n')
    with pytest.raises(DataError, match=r"line 2 \(row 1\) goes on to line 5, and 3 of these lines are rows"):
        load(tmp_path / "a.csv")
    assert texts(load(tmp_path / "a.csv", quoting="csv"))[0] == "a table:\nx,1\ny,0"


@pytest.mark.parametrize(
    ("line", "count"), [("Great, really good,1", 3), ("Great", 1), ("Great,1,", 3), (",,,", 4), ('"a","b","c"', 3)]
)
@pytest.mark.parametrize("place", [1, 2, 3])
def test_every_row_has_as_many_fields_as_the_header(tmp_path, line, count, place):
    lines = GOOD.splitlines()
    lines.insert(place, line)
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"line {place + 1} \(row {place}\) has {count} fields?, the header has 2"):
        load(tmp_path / "a.csv")


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip),
            st.sampled_from(["ham", "spam"]),
        ),
        min_size=1,
    )
)
def test_what_a_csv_writer_wrote_comes_back(tmp_path_factory, rows):
    import csv

    path = tmp_path_factory.mktemp("written") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    table = read_table(path, split="train", columns=["text", "label"], quoting="csv")
    assert table.column("text") == [text for text, _ in rows]
    assert table.column("label") == [label for _, label in rows]


def rows_in(folder: Path, suffix: str, labels) -> Path:
    path = folder / f"rows.{suffix}"
    if suffix == "csv":
        path.write_text("text,label\n" + "".join(f"text {i},{label}\n" for i, label in enumerate(labels)))
    elif suffix == "jsonl":
        path.write_text("".join(json.dumps({"text": f"text {i}", "label": x}) + "\n" for i, x in enumerate(labels)))
    else:
        pq.write_table(pa.table({"text": [f"text {i}" for i in range(len(labels))], "label": pa.array(labels)}), path)
    return path


@pytest.mark.parametrize(
    ("suffix", "labels", "options"),
    [
        *(("csv", ("1", "0", word, "0", word), {}) for word in ("", "NA", "N/A", "nan", "NaN", "null", "None", " NA ")),
        *(("jsonl", (1, 0, word, 0, word), {}) for word in (None, float("nan"), "", "NA", "null")),
        *(("jsonl", ("yes", "no", word, "no", word), {"labels": ["no", "yes"]}) for word in (None, float("nan"), "NA")),
        *(("jsonl", ("a", "b", word, "b", word), {"label_values": {"a": 0, "b": 1}}) for word in (None, "nan")),
        ("jsonl", ("nan", "x", float("nan"), "x", None), {"labels": ["nan", "x"]}),
        ("parquet", (1.0, 0.0, float("nan"), 0.0, float("nan")), {}),
        ("parquet", (1, 0, None, 0, None), {}),
        ("parquet", ("a", "b", None, "b", "NaN"), {}),
        ("parquet", (Decimal(1), Decimal(0), None, Decimal(0), None), {}),
    ],
)
def test_a_missing_label_is_missing_in_every_guise(tmp_path, suffix, labels, options):
    with pytest.raises(DataError, match=rf"rows\.{suffix}: the label .* is missing: 2 rows have none, rows 3, 5 "):
        load(rows_in(tmp_path, suffix, labels), **options)


@pytest.mark.parametrize("options", [{"labels": ["NA", "EU"]}, {"label_values": {"NA": 0, "EU": 1}}])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_class_may_be_called_so(tmp_path, suffix, options):
    data = load(rows_in(tmp_path, suffix, ("EU", "NA", "EU", "NA")), **options)
    assert data.task.labels == ("NA", "EU")
    assert [example.label for example in data.train] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((1, 0, [1, 2]), r"holds no labels: row 3 is \[1, 2\] \(list\)"),
        ((1, 0, {"a": 1}), r"holds no labels: row 3 is \{'a': 1\} \(dict\)"),
        ((1, 0, "x" * 100_000), r"a value of 100,000 characters in row 3"),
        ((1, 0, float("inf")), "the label inf"),
        (("a", "b", "\ud83d"), "row 3 has the lone surrogate U\\+D83D"),
    ],
)
def test_labels_of_odd_types(tmp_path, labels, message):
    with pytest.raises(DataError, match=message) as caught:
        load(rows_in(tmp_path, "jsonl", labels), **({"labels": ["n", "y"]} if "inf" in message else {}))
    assert len(str(caught.value)) < 1000


def test_a_long_label_is_not_printed_whole(tmp_path):
    path = rows_in(tmp_path, "jsonl", (1, 0, "x" * 100_000))
    with pytest.raises(DataError, match=r"the label 'xxx.*\(100,000 characters\) in column") as caught:
        load(path, labels=["no", "yes"])
    assert len(str(caught.value)) < 1000


DEEP = '{"text": "a", "label": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
GOOD_LINE = '{"text": "a", "label": 0}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", GOOD_LINE + DEEP, "Line 2 of .* is nested too deep"),
        ("a.jsonl", GOOD_LINE + '{"text": "a", "label": ' + "9" * 5000 + "}\n", "Line 2 of .* cannot be read: .*4300 digits"),
        ("a.jsonl", GOOD_LINE + '{"text": "a", "text": "b", "label": 1}\n', "Line 2 of .* key 'text' occurs more than once"),
        ("a.jsonl", GOOD_LINE + '{"text": "bad \\ud83d", "label": 1}\n', r"'text' .* row 2 has the lone surrogate U\+D83D"),
        ("a.csv", "text,text,label\na,b,1\n", r"a\.csv has 2 columns of the name 'text'"),
        ("a.csv", "x" * 100_000, r"has no column 'text'"),
        ("a.csv", b"text,label\na,1\nb,\xff\n", r"not utf-8: byte 0xff near position 17, line 3 \(invalid start byte\)"),
        ("a.csv", GOOD.encode("utf-16"), r"not utf-8: byte 0xff near position 0 [\s\S]*set `encoding: utf-16`"),
        ("a.csv", GOOD.encode("utf-16-le"), r"the character NUL in line 1[\s\S]*utf-16"),
        ("a.csv", GOOD.replace("bad", "ba\0d"), "the character NUL in line 3"),
        ("a.csv.gz", b"no archive", "cannot be unpacked"),
        ("a.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-9], "cannot be unpacked"),
        ("a.csv.bz2", b"no archive", "cannot be unpacked"),
        ("a.csv.xz", b"no archive", "cannot be unpacked"),
        ("a.csv.zip", b"no archive", "cannot be unpacked"),
        ("a.parquet", b"PAR1 and then nothing", "not a readable Parquet file"),
    ],
)  # fmt: skip
def test_odd_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path / name)
    assert len(str(caught.value)) < 1000
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("encoding", ["hex", "rot13", "idna", "undefined", "no such", "a\0b"])
def test_encodings_that_are_none(tmp_path, encoding):
    (tmp_path / "a.csv").write_text(GOOD.replace("good", "gööd"))
    with pytest.raises(DataError, match=r"There is no encoding|is not "):
        load(tmp_path / "a.csv", encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_text(tmp_path, suffix, encoding):
    path = rows_in(tmp_path, suffix, (1, 0, 1))
    path.write_bytes(path.read_text().encode("utf-8-sig" if encoding == "utf-8" else encoding))
    assert texts(load(path, encoding="utf-8" if encoding == "utf-8-sig" else encoding)) == [
        "text 0",
        "text 1",
        "text 2",
    ]


def test_zip_files_and_packed_json(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", GOOD)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(GOOD_LINE.encode() + GOOD_LINE.replace("0", "1").encode()))
    assert texts(load(tmp_path / "a.csv.zip")) == ["good a", "bad b", "good c"]
    assert texts(load(tmp_path / "a.jsonl.gz")) == ["a", "a"]
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "a") as archive:
        archive.writestr("b.csv", GOOD)
    with pytest.raises(DataError, match="holds 2 files"):
        load(tmp_path / "a.csv.zip")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([{"a": 1}, {"a": 2}]), r"holds no text: row 1 is \{'a': 1\} \(dict\)"),
        (pa.array([[1], [2]]), r"holds no text: row 1 is \[1\] \(list\)"),
        (pa.array([b"a", b"b"]), r"holds no text: row 1 is b'a' \(bytes\)"),
        (pa.array([b"a", b"\xff"]).view(pa.string()), "The column 'text' of .* cannot be read in row 2: .*utf-8"),
    ],
)
def test_parquet_columns_that_are_no_text(tmp_path, column, message):
    pq.write_table(pa.table({"text": column, "label": [0, 1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.parquet")


def test_parquet_columns_of_one_name(tmp_path):
    pq.write_table(pa.table([["a"], ["b"], [1]], names=["text", "text", "label"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="2 columns of the name 'text'"):
        load(tmp_path / "a.parquet")


def test_a_line_of_json_may_hold_a_line_separator(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one\u2028line", "label": 0}\n' + GOOD_LINE.replace("0", "1"))
    assert texts(load(tmp_path / "a.jsonl")) == ["one\u2028line", "a"]


def test_a_plugin_that_gives_half_a_character_is_told():
    rows = [Example("a", 0, id="x/0"), Example("b \ud83d", 1, id="x/1")]
    data = Dataset(Task("odd", ("n", "y"), ("text",), ""), rows, rows, rows)
    with pytest.raises(DataError, match=r"train example 'x/1' \(row 2\) .* lone surrogate U\+D83D"):
        check(data)


# One sentence in two spellings of Unicode: composed and decomposed.
COMPOSED, DECOMPOSED = (
    "Ein schöner Café-Film naïve à souhait",
    "Ein scho\u0308ner Cafe\u0301-Film nai\u0308ve a\u0300 souhait",
)


def test_two_spellings_of_a_text_are_one_text_and_reach_the_classifier_as_they_are(tmp_path):
    assert cluster_id(COMPOSED) == cluster_id(DECOMPOSED) != cluster_id("Ein schoner Cafe-Film naive a souhait")
    assert cluster_id((COMPOSED, "b")) == cluster_id((DECOMPOSED, "b"))
    lines = ["text,label", f"{COMPOSED},1", f"{DECOMPOSED},1", "other,0"]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    data = load(tmp_path / "a.csv")
    assert texts(data) == [COMPOSED, DECOMPOSED, "other"]
    assert duplicates(data)["duplicates_train"] == 1
    (tmp_path / "b.csv").write_text("\n".join(["text,label", "held out,1", f"{DECOMPOSED},1"]), encoding="utf-8")
    split = harness.component(
        "dataset", "files", train=str(tmp_path / "a.csv"), validation=str(tmp_path / "b.csv"),
        test=str(tmp_path / "b.csv"), drop_duplicates=True,
    ).load(seed=0)  # fmt: skip
    assert texts(split) == ["other"]
    assert split.notes["duplicates_removed"] == 2


@pytest.mark.parametrize("text", ["good film", ("caf\u00e9", "b"), "\U0001f600 ni\u00f1o"])
def test_cluster_ids_of_composed_texts_are_what_they_were(text):
    payload = json.dumps(text if isinstance(text, str) else list(text), ensure_ascii=True)
    assert cluster_id(text) == hashlib.sha256(payload.encode()).hexdigest()[:16]
