"""Standard output and error as people have them: other encodings, closed pipes, full devices, no working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands.streams import PLAIN
from harness.testing.records import PretendArm, pretend_record

COMMANDS = [["leaderboard", "runs"], ["plugins"], ["--help"]]
"""One that prints with rich, one on a table of its own, one that the command line library prints."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    for arm in ("only", "bliss"):
        pretend_record(folder / "runs", PretendArm(arm))
    suite = "name: s\nseeds: [0]\ndatasets: {d: movie-reviews}\nmodels: {m: {use: transformers, checkpoint: x}}\n"
    (folder / "suite.yaml").write_text(suite + "arms: {only: {}}\nmetrics: [accuracy]\n")
    return folder


def harness(place: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, cwd=place, stderr=subprocess.PIPE, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize(("form", "encoding"), [("table", "latin-1"), ("markdown", "latin-1"), ("table", "utf-8")])
def test_a_board_is_printed_in_any_encoding(place: Path, form: str, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = harness(place, "leaderboard", "runs", "-f", form, "--no-reported", env=environment, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    text = done.stdout.decode(encoding)
    assert "bliss" in text
    assert "?" not in text


def test_signs_that_an_encoding_lacks_take_one_column_each(place: Path) -> None:
    assert all(len(sign) == len(plain) == 1 and plain.isascii() for sign, plain in PLAIN.items())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = harness(place, "leaderboard", "runs", "--no-reported", env=environment, stdout=subprocess.PIPE)
    rows = [line for line in done.stdout.decode("ascii").splitlines() if line.startswith(("|", "+"))]
    assert len(rows) > 4
    assert len({len(row) for row in rows}) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_device_is_one_message(place: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = harness(place, *arguments, stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"error: The output cannot be written: No space left on device.\n"


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_closed_pipe_is_no_error(place: Path, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = harness(place, *arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_closed_output_is_no_error(place: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m harness "$@" >&-', sys.executable, *arguments],
        cwd=place,
        stderr=subprocess.PIPE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_deleted_working_directory_is_one_message(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; "$0" -m harness "$@"'
    for arguments in (["run", "suite.yaml"], ["leaderboard"]):
        gone.mkdir(exist_ok=True)
        done = subprocess.run(
            ["sh", "-c", script, sys.executable, *arguments], cwd=gone, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) <= 2
