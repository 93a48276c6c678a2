"""Suites come with the harness: they run by name, are listed, and are there where nobody has a checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import harness
from harness.errors import InputError
from harness.suite import shipped

ROOT = Path(__file__).parents[2]


def test_every_suite_says_what_it_is_needs_and_takes() -> None:
    suites = shipped.shipped_suites()
    assert [suite.path for suite in suites.values()] == sorted((ROOT / "suites").glob("*.yaml"))
    for name, suite in suites.items():
        assert all(suite.said(key) for key in ("description", "# Needs", "# Takes")), name
        assert suite.said("name") == name


def test_a_suite_is_found_by_name_unless_there_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert harness.load_suite(shipped.suite_file(Path("quickstart"))).name == "quickstart"
    assert shipped.suite_file(Path("quickstart.yaml")) == Path("quickstart.yaml")
    with pytest.raises(
        InputError, match=r"quikstart: there is no such file, and no suite of that name\. Did you mean 'quickstart'"
    ):
        shipped.suite_file(Path("quikstart"))
    (tmp_path / "planted").write_text("name: mine\n", encoding="utf-8")
    assert shipped.suite_file(Path("planted")) == Path("planted")


def test_they_are_listed_and_printed_to_start_from(tmp_path: Path) -> None:
    def said(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    listed = said("suites")
    assert listed.returncode == 0
    assert set(shipped.shipped_suites()) <= set(listed.stdout.split())
    assert said("suites", "planted").stdout == (ROOT / "suites" / "planted.yaml").read_text(encoding="utf-8")
    wrong = said("suites", "plantd")
    assert wrong.returncode == 2
    assert "Did you mean 'planted'?" in wrong.stderr


@pytest.mark.slow
def test_the_wheel_brings_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(list(map(str, command)), check=True)
    (wheel,) = tmp_path.glob("bliss_harness-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in shipped.shipped_suites():
        assert any(entry.endswith(f"share/bliss-harness/suites/{name}.yaml") for entry in names)
