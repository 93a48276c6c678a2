"""Suites and records that nobody writes on purpose: one message with file and place, soon, and never a traceback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.components.paths import locate
from harness.errors import DataError, InputError, did_you_mean, nearest
from harness.records.model import RecordFolder, find_records
from harness.records.writer import write_record
from harness.report import Leaderboard, compare
from harness.report.baselines import read_baselines
from harness.report.check import check_records
from harness.report.packing import pack
from harness.suite import SuiteError, load_suite, parse_suite
from harness.testing.records import PretendArm, pretend_record

SUITE = """\
name: odd
models: {m: {use: transformers, checkpoint: somewhere}}
datasets: {d: {use: files, train: a.csv, validation: b.csv, test: c.csv}}
valuators: {dvrl: dvrl}
arms:
  only: {}
"""


def refused(text: str, **options: Any) -> SuiteError:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, source="odd.yaml", **options)
    assert len(str(caught.value)) < 120_000
    assert caught.value.exit_code == 2
    return caught.value


def test_of_many_problems_the_first_are_shown() -> None:
    error = refused(SUITE + "".join(f"key{i}: 1\n" for i in range(8000)))
    first, *_, last = error.message.split("\n")
    assert first.startswith("odd.yaml:7:1: key0: a suite has no key 'key0'.")
    assert last == "... and 7,950 more problems."
    assert len(error.problems) == 8000


@pytest.mark.parametrize(
    "text",
    [
        SUITE + "".join(f"key{i}: 1\n" for i in range(80_000)),
        SUITE + f"x: [{'{a: 1},' * 100_000}]\n",
        SUITE.replace("{dvrl: dvrl}", "{" + ", ".join(f"v{i}: dvrl" for i in range(80_000)) + "}"),
    ],
)
def test_no_suite_holds_so_much(text: str) -> None:
    assert "is preceded by 25,000 keys and values, which no suite has" in str(refused(text))


def test_arms_beyond_number() -> None:
    arms = "".join(f"  a{i}: {{weights: v{i}x}}\n" for i in range(2500))
    valuators = ", ".join(f"v{i}: dvrl" for i in range(2500))
    error = refused(SUITE.replace("{dvrl: dvrl}", f"{{{valuators}}}") + arms)
    assert "no valuator of this suite is called 'v0x'. Known: v0, v1," in error.message
    assert "and 2,450 more." in error.message
    matrix = ", ".join(f"v{i}" for i in range(2500))
    error = refused(
        SUITE.replace("{dvrl: dvrl}", f"{{{valuators}}}")
        + "attack: deepwordbug\ngenerators: {g: retrieve-edit}\n"
        + f"matrix: {{valuator: [{matrix}], role: [weights, select, both, both, weights]}}\n"
    )
    assert "matrix: makes 12,500 arms; the most that a matrix makes are 10,000." in error.message


def test_repeated_entries_are_found_at_once() -> None:
    assert "seeds: 19999 is given twice" in str(
        refused(SUITE + f"seeds: [{','.join(map(str, range(20_000)))}, 19999]\n")
    )
    assert len(refused(SUITE + f"metrics: [{'uu, ' * 5000}]\n").problems) == 4999


@pytest.mark.parametrize("number", ["9" * 6000, "0x" + "f" * 6000, "0o" + "7" * 9000])
@pytest.mark.parametrize("key", ["seeds: [{}]", "name2: {}", "arms: {}", "matrix: {{valuator: {}}}"])
def test_numbers_of_thousands_of_digits(number: str, key: str) -> None:
    text = SUITE.replace("arms:\n  only: {}\n", "") + key.format(number) + "\n"
    error = refused(text)
    assert any(
        "digits, which nothing takes" in problem.message and problem.place.line == 5 for problem in error.problems
    )


def test_a_number_of_thousands_of_digits_is_all_there_is() -> None:
    assert "digits" in str(refused("0x" + "f" * 6000)) or "a suite is a mapping" in str(refused("0x" + "f" * 6000))
    with pytest.raises(SuiteError, match="more than 100 digits"):
        parse_suite({"name": "a", "seeds": [10**6000]})
    assert "expected a whole number, got the number 1e+300" in str(refused(SUITE + "seeds: [1e300]\n"))


@pytest.mark.parametrize(
    ("written", "reason"), [("~no-such-user-here/x", "home directory"), ('"a\\0b"', "null"), ("x" * 5000, "")]
)
def test_paths_that_are_none(written: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE + f"relative_to: [{written}]\n", encoding="utf-8")
    if reason:
        with pytest.raises(SuiteError, match=rf"suite.yaml:7:15: relative_to\[0\]: is no folder: .*{reason}"):
            load_suite(path)
    else:
        load_suite(path)
    path.write_text(SUITE.replace("dvrl: dvrl", f"dvrl: {written.rstrip(chr(34))}.py:A{chr(34) * ('0' in written)}"))
    with pytest.raises(SuiteError, match=r"suite.yaml:4:19: valuators.dvrl"):
        load_suite(path)
    with pytest.raises(DataError, match="is no path"):
        locate(written.strip('"').replace("\\0", "\0"), folders=[tmp_path])


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "~no-such-user-here"])
def test_names_of_files_that_are_none(name: str) -> None:
    with pytest.raises(SuiteError, match=r"is no name of a file|there is no such file"):
        load_suite(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "suite.yaml")
    with pytest.raises(SuiteError, match="is a pipe"):
        load_suite(tmp_path / "suite.yaml")
    folder = tmp_path / "record"
    folder.mkdir()
    os.mkfifo(folder / "record.json")
    with pytest.raises(InputError, match="is no file"):
        find_records([folder])
    with pytest.raises(InputError, match="is no file"):
        read_baselines(folder / "record.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n" * 5000 + "a: b", "has no key 'a'"),  # took for ever
        ("[" * 100_000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("x0: &x0 {}\n" + "".join(f"x{i}: &x{i} {{<<: *x{i - 1}}}\n" for i in range(1, 3000)), "alias"),
        ("? " + "k" * 900_000 + "\n: 1\n", "has no key 'kkk"),
    ],
)
def test_texts_that_go_on_and_on(text: str, reason: str) -> None:
    assert reason in str(refused(text))
    if "has no key" not in reason:  # below keys that begin with x- there may be any
        assert reason in str(refused(SUITE, overrides=["x-y=" + text]))


def test_nearest_names_of_very_many() -> None:
    names = [f"name-{i}" for i in range(5000)]
    assert nearest("nmae-4999", names)[0] == "name-4999"
    assert did_you_mean("zzz", names).endswith("name-1041 and 4,950 more.")
    assert nearest("x" * 10_000_000, names) == []


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("records")
    for arm in (PretendArm("only"), PretendArm("bliss", skill=1.6)):
        for seed in (0, 1):
            pretend_record(root, arm, seed=seed, size=24, metrics=("accuracy", "uu", "ece"), resamples=3)
    return root


def all_one(column: str, value: Any) -> Callable[[pd.DataFrame], pa.Table]:
    return lambda frame: pa.Table.from_pandas(frame.assign(**{column: [value] * len(frame)}))


def doubled(frame: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(frame)
    return pa.Table.from_arrays([*table.columns, table["id"]], names=[*table.column_names, "id"])


ODD_FRAMES: dict[str, tuple[str, Callable[[pd.DataFrame], pa.Table], str]] = {
    "struct": ("predictions", all_one("prob_0", {"a": 1}), "column 'prob_0' holds struct<a: int64>, not numbers"),
    "text": ("predictions", all_one("perturbed_prob_1", "x"), "column 'perturbed_prob_1' holds .*string, not numbers"),
    "label": ("predictions", all_one("label", None), "column 'label' has no value in row 0"),
    "id": ("predictions", all_one("id", {"a": 1}), "column 'id' holds struct"),
    "tags": ("predictions", all_one("tags", 5), "column 'tags' holds int64, not lists of texts"),
    "doubled": ("predictions", doubled, "column 'id' occurs twice"),
    "lacking": ("predictions", lambda frame: pa.Table.from_pandas(frame.drop(columns="prob_1")), "column 'prob_1'"),
    "empty": ("predictions", lambda frame: pa.table({}), "column 'id' is missing"),
    "contribution": (
        "per_example",
        all_one("accuracy/clean", "x"),
        "column 'accuracy/clean' holds .*string, not numbers",
    ),
    "short": ("per_example", lambda frame: pa.Table.from_pandas(frame.iloc[:7]), "7 rows for 24 test examples"),
    "huge": ("replicates", all_one("ece/clean", 1.5e300), r"column 'ece/clean' holds 1.5e\+300 in row 0"),
    "replicate": ("replicates", all_one("ece/clean", [1]), "column 'ece/clean' holds list<.*>, not numbers"),
}


@pytest.mark.parametrize("name", sorted(ODD_FRAMES))
def test_one_odd_record_among_good_ones(name: str, good: Path, tmp_path: Path) -> None:
    file, change, message = ODD_FRAMES[name]
    root = Path(shutil.copytree(good, tmp_path / "copy"))
    odd = root / "pretend" / "bliss" / "seed-1"
    table = change(pd.read_parquet(odd / f"{file}.parquet"))
    pq.write_table(table, odd / f"{file}.parquet")
    (odd / "predictions.parquet").touch()
    records = find_records([root])
    with pytest.raises(InputError, match=message) as caught:
        Leaderboard.build(records, baselines=())
    assert str(odd) in caught.value.message
    assert caught.value.exit_code == 2
    arms = [[record for record in records if record.header.arm == arm] for arm in ("only", "bliss")]
    with pytest.raises(InputError, match=message):
        compare(*arms)
    with pytest.raises(InputError, match="differs from the digest"):
        pack([root], tmp_path / "packed")
    other = root / "pretend" / "only" / "seed-0" / "validation.parquet"
    other.write_bytes(b"odd too")
    problems = check_records([root]).problems
    assert any(str(odd) in problem for problem in problems)
    assert any(str(other) in problem for problem in problems)


def test_tags_of_which_none_is_given(good: Path, tmp_path: Path) -> None:
    for record in find_records([good]):
        frames = {
            name.removesuffix(".parquet"): record.frame(name.removesuffix(".parquet")) for name in record.header.files
        }
        given = {name: frame for name, frame in frames.items() if frame is not None}
        given["predictions"] = given["predictions"].assign(tags=None)
        write_record(tmp_path / record.header.arm / str(record.header.seed), record.header, given)
    assert check_records([tmp_path]).problems == []
    assert Leaderboard.build(find_records([tmp_path]), baselines=()).boards


def test_records_may_keep_fewer_resamples(good: Path, tmp_path: Path) -> None:
    for keep in (0, 2):
        root = Path(shutil.copytree(good, tmp_path / str(keep)))
        path = root / "pretend" / "bliss" / "seed-1" / "replicates.parquet"
        pd.read_parquet(path).iloc[:keep].to_parquet(path)
        row = Leaderboard.build(find_records([root]), baselines=()).boards[0].row("bliss")
        assert row.differences["ece/clean"].value is not None


def test_texts_of_which_one_is_missing(good: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(good, tmp_path / "copy"))
    record = find_records([root])[0]
    texts = record.frame("texts")
    assert texts is not None
    texts.loc[3, "text"] = None
    texts.to_parquet(record.folder / "texts.parquet")
    with pytest.raises(InputError, match=r"texts.parquet: column 'text' has no value in row 3"):
        find_records([root])[0].frame("texts")


def test_what_is_no_file(good: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(good, tmp_path / "copy"))
    path = root / "pretend" / "bliss" / "seed-1" / "per_example.parquet"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r"per_example.parquet: is no file"):
        pack([root], tmp_path / "packed")
    assert any("per_example.parquet: is no file" in problem for problem in check_records([root]).problems)
    assert isinstance(find_records([root])[0], RecordFolder)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"schema_version": ' + "9" * 5000 + "}",
        "[]",
        '{"name": "a", "citation": "b", "entries": [{"dataset": "d", "arm": "a", "scores": {"a": NaN}}]}',
    ],
)
def test_odd_reported_figures(text: str, tmp_path: Path) -> None:
    path = tmp_path / "reported.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"reported\.json: ") as caught:
        read_baselines(path)
    assert caught.value.exit_code == 2
    assert len(caught.value.message) < 1000
