"""Records: written whole or not at all, read with clear messages, and readable for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import InputError, StoreError
from harness.records.model import HEADER, SCHEMA_VERSION, find_records, read_record
from harness.records.writer import write_record
from harness.report import Leaderboard
from harness.store.payload import write_parquet
from harness.testing.records import PretendArm, pretend_record

OLD = Path(__file__).parents[1] / "data" / "records"


@pytest.fixture
def record(tmp_path: Path):
    return pretend_record(tmp_path, PretendArm("only"), size=20, metrics=("accuracy", "uu"), resamples=2)


@pytest.mark.parametrize("folder", sorted(OLD.iterdir()), ids=lambda path: path.name)
def test_old_records_always_load(folder: Path) -> None:
    records = find_records([folder])
    assert records
    assert [problem for record in records for problem in record.verify()] == []
    board = Leaderboard.build(records, baselines=()).boards[0]
    for record in records:
        row = board.row(record.header.arm)
        assert row.scores["accuracy/clean"].value is not None
        assert board.primary in row.scores
    assert any(row.differences for row in board.rows)


def test_every_schema_version_has_an_old_record() -> None:
    versions = {record.header.schema_version for folder in OLD.iterdir() for record in find_records([folder])}
    assert versions == set(range(1, SCHEMA_VERSION + 1))


def test_reading_back_what_was_written(record) -> None:
    again = read_record(record.folder)
    assert again.header == record.header
    assert again.verify() == []
    assert again.frame("nothing") is None
    assert len(again.frame("predictions")) == 20
    assert set(again.header.files) == {
        path.relative_to(record.folder).as_posix() for path in record.folder.rglob("*.parquet")
    }


def test_same_content_same_bytes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "tags": [["x"], []], "value": [0.1, None]})
    for name in ("one", "two"):
        write_parquet(frame, tmp_path / name)
    write_parquet(frame.set_index(pd.Index([5, 6])), tmp_path / "three")
    assert len({(tmp_path / name).read_bytes() for name in ("one", "two", "three")}) == 1


def test_a_failed_write_leaves_the_old_record(record, monkeypatch) -> None:
    before = {path.name: path.read_bytes() for path in record.folder.rglob("*") if path.is_file()}
    frames = {"predictions": pd.DataFrame({"id": ["a"]}), "validation": pd.DataFrame({"id": ["b"]})}

    def full(frame: pd.DataFrame, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.records.writer.write_parquet", full)
    with pytest.raises(StoreError, match="No space left"):
        write_record(record.folder, record.header, frames)
    assert {path.name: path.read_bytes() for path in record.folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in record.folder.parent.iterdir()] == [record.folder.name]


def test_a_record_is_replaced_as_a_whole(record) -> None:
    frames = {"predictions": pd.DataFrame({"id": ["a"]}), "validation": pd.DataFrame({"id": ["b"]})}
    again = write_record(record.folder, record.header, frames)
    assert sorted(path.name for path in record.folder.iterdir()) == [
        "predictions.parquet",
        HEADER,
        "validation.parquet",
    ]
    assert read_record(record.folder).header.files == again.header.files


def test_a_record_that_is_there_already_is_left_alone(record) -> None:
    frames = {"predictions": pd.DataFrame({"id": ["a"]}), "validation": pd.DataFrame({"id": ["b"]})}
    write_record(record.folder, record.header, frames)
    before = record.folder.stat().st_ino
    write_record(record.folder, record.header, frames)
    assert record.folder.stat().st_ino == before
    (record.folder / "validation.parquet").write_bytes(b"damaged")
    write_record(record.folder, record.header, frames)
    assert record.folder.stat().st_ino != before
    assert [path.name for path in record.folder.parent.iterdir()] == [record.folder.name]


def test_predictions_are_required(tmp_path: Path, record) -> None:
    with pytest.raises(InputError, match="missing: predictions"):
        write_record(tmp_path / "new", record.header, {"validation": pd.DataFrame({"id": ["b"]})})


def test_what_a_killed_writer_leaves_is_no_record(record) -> None:
    (record.folder.parent / ".seed-0.abc").mkdir()
    (record.folder.parent / ".seed-0.abc" / HEADER).write_text("{")
    assert [found.folder for found in find_records([record.folder.parent])] == [record.folder.resolve()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "newer than the"),
        ({"schema_version": None}, "no schema_version"),
        ({"surprise": 1}, "'surprise'"),
        ({"seed": "first"}, "'seed'"),
    ],
)
def test_headers_that_cannot_be_read(record, change: dict, message: str) -> None:
    path = record.folder / HEADER
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        read_record(record.folder)


def test_a_newer_record_says_what_to_do(record) -> None:
    path = record.folder / HEADER
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(InputError) as caught:
        read_record(record.folder)
    assert "pip install --upgrade" in (caught.value.hint or "")


def test_places_without_records(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_records([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="holds no records"):
        find_records([tmp_path])
    (tmp_path / HEADER).write_text("[")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        find_records([tmp_path])


def test_damaged_files_are_reported(record) -> None:
    (record.folder / "predictions.parquet").write_bytes(b"PAR1 no")
    assert any("predictions.parquet: differs" in problem for problem in record.verify())
    with pytest.raises(InputError, match="damaged"):
        record.frame("predictions")
