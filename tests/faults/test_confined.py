"""Nothing is written outside the folder that was chosen, whatever a record, a table's name or a link says.

Every writer runs in a process of its own whose opening, making, renaming and linking of files is watched by an audit hook.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.disk import within
from harness.errors import InputError
from harness.records import read_record
from harness.records.model import HEADER
from harness.testing.records import PretendArm, pretend_record

WATCH = """
import os, sys
written = []
def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, (str, bytes)) and (flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            written.append(os.fsdecode(path))
    elif event in {"os.mkdir", "os.remove", "os.rmdir", "os.truncate"}:
        written.append(os.fsdecode(arguments[0]))
    elif event in {"os.rename", "os.link", "os.symlink"}:
        written.extend(os.fsdecode(path) for path in arguments[:2])
sys.addaudithook(hook)
import harness.__main__
sys.argv = ["harness", *sys.argv[1:]]
try:
    harness.__main__.main()
finally:
    allowed = os.path.realpath(os.environ["ALLOWED"])
    outside = {path for path in map(os.path.realpath, written) if not path.startswith(allowed + os.sep) and path != allowed}
    ignored = (os.devnull, "/proc/", os.path.realpath(os.environ["CACHES"]))
    print("OUTSIDE", sorted(path for path in outside if not path.startswith(ignored)), file=sys.stderr)
"""

WRITERS = {
    "pack": ["leaderboard", "pack", "{records}", "--output", "{allowed}/out"],
    "lm-eval": ["leaderboard", "{records}", "--no-reported", "-f", "lm-eval", "--output", "{allowed}/out"],
    "hf-yaml": ["leaderboard", "{records}", "--no-reported", "-f", "hf-yaml", "--output", "{allowed}/out"],
    "html": ["leaderboard", "{records}", "--no-reported", "-f", "html", "--output", "{allowed}/out/page.html"],
    "site": ["leaderboard", "site", "{records}", "--output", "{allowed}/out"],
}


def written(tmp_path: Path, writer: str, change: dict[str, Any]) -> tuple[int, str]:
    """Run a writer over a record whose header was changed; its exit code, and what it says."""
    records, allowed = tmp_path / "records", tmp_path / "allowed"
    allowed.mkdir()
    for arm, seed in itertools.product(("only", "bliss"), (0, 1)):
        made = pretend_record(records, PretendArm(arm), seed=seed, size=40)
    header = json.loads((made.folder / HEADER).read_text())
    (made.folder / HEADER).write_text(json.dumps({**header, **change}))
    paths = {"records": records, "allowed": allowed}
    command = [part.format(**paths) for part in WRITERS[writer]]
    environment = {**os.environ, "ALLOWED": str(allowed), "CACHES": str(tmp_path / "caches"), "TMPDIR": str(allowed)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *command],
        env=environment,
        cwd=allowed,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("key", "hostile"),
    [("dataset", "../../climbed"), ("arm", "/tmp/absolute"), ("suite", "../../climbed"), ("files", "/tmp/absolute")],
)
def test_a_writer_stays_in_its_folder(tmp_path: Path, writer: str, key: str, hostile: str) -> None:
    change = {key: {f"{hostile}.parquet": "0" * 64} if key == "files" else hostile}
    code, said = written(tmp_path, writer, change)
    assert code == 2, said
    assert "Traceback" not in said
    assert key in said
    assert "OUTSIDE []" in said


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
def test_the_watch_sees_what_is_written(tmp_path: Path, writer: str) -> None:
    code, said = written(tmp_path, writer, {})
    assert code == 0, said
    assert "OUTSIDE []" in said
    assert any((tmp_path / "allowed" / "out").rglob("*"))


@pytest.mark.parametrize("key", ["dataset", "arm", "suite", "baseline"])
@pytest.mark.parametrize("hostile", ["../x", "/x", "a/b", ".", "..", "x\n", "x\0", ""])
def test_names_in_records_obey_the_rule_for_names(tmp_path: Path, key: str, hostile: str) -> None:
    made = pretend_record(tmp_path, PretendArm("only"), size=40)
    header = json.loads((made.folder / HEADER).read_text())
    (made.folder / HEADER).write_text(json.dumps({**header, key: hostile}))
    if key == "baseline" and not hostile:
        assert read_record(made.folder).header.baseline == ""
    else:
        with pytest.raises(InputError, match=f"key '{key}'"):
            read_record(made.folder)


@given(st.text(max_size=30))
def test_a_path_within_a_folder_stays_in_it(name: str) -> None:
    folder = Path("/some/folder")
    try:
        path = within(folder, name)
    except InputError:
        return
    assert os.path.normpath(path).startswith("/some/folder")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    made = pretend_record(tmp_path / "records", PretendArm("only"), size=40)
    outside = tmp_path / "outside"
    shutil.move(made.folder / "tables", outside)
    (made.folder / "tables").symlink_to(outside)
    with pytest.raises(InputError, match="lead out of the folder"):
        made.frame("tables/ece.reliability")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema_version": ' + "9" * 5000 + "}", "\udcff"])
def test_an_odd_header_is_one_message(tmp_path: Path, text: str) -> None:
    (tmp_path / HEADER).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=HEADER):
        read_record(tmp_path)
