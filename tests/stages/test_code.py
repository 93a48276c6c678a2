"""Which code a stage rests on, and what editing it computes anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import harness
from harness.components import code
from harness.components.code import modules_of
from harness.plan import make_plan
from harness.stages.base import Stage

GOLDEN = Path(__file__).parents[1] / "data" / "code" / "stages.txt"


def kinds(cls: type = Stage) -> list[type]:
    """All classes of stages of the project."""
    found = [inner for sub in cls.__subclasses__() for inner in (sub, *kinds(sub))]
    ours = {sub for sub in found if sub.__module__.startswith("harness.stages.")}
    return sorted(ours, key=lambda sub: sub.kind)


def coverage() -> str:
    """The kinds of stages with the modules that their digests cover, as text."""
    lines = [line for cls in kinds() for line in (cls.kind, *(f"    {module}" for module in modules_of(cls)))]
    return "\n".join(lines) + "\n"


def test_what_the_digests_of_all_stages_cover() -> None:
    """When this fails, look at what is new: does it belong there? Then run this file to write it down."""
    assert coverage() == GOLDEN.read_text(encoding="utf-8")


@pytest.fixture
def ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite_file: Callable[..., Path]
) -> Callable[..., dict[str, list[str]]]:
    """The ids of a suite's stages by kind, with the core as it is but for a line at the end of one of its files."""
    suite = harness.load_suite(suite_file(("leakage: null", "leakage: 0.5")))
    installed, folders = Path(harness.__file__).parent, code._folders

    def found(file: str = "", line: str = "") -> dict[str, list[str]]:
        copy = tmp_path / f"copy{len(list(tmp_path.iterdir()))}" / "harness"
        shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if file:
            with (copy / file).open("a", encoding="utf-8") as stream:
                stream.write(f"\n{line}\n")
        with monkeypatch.context() as patch:
            patch.setattr(code, "_folders", lambda top: (copy,) if top == "harness" else folders(top))
            code.code_digest.cache_clear()
            stages: dict[str, list[str]] = {}
            for stage in make_plan(suite).stages():
                stages.setdefault(stage.kind, []).append(stage.id)
        code.code_digest.cache_clear()
        return stages

    return found


def changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> set[str]:
    return {kind for kind in before if before[kind] != after[kind]}


def test_a_comment_leaves_every_stage_alone(ids: Callable[..., dict[str, list[str]]]) -> None:
    before = ids()
    assert {"load", "fine-tune", "extend", "evaluate"} <= before.keys()
    for file in ("datasets/leakage.py", "store/payload.py", "stages/load.py", "models/training.py"):
        assert changed(before, ids(file, "# a comment")) == set()


def test_an_edit_of_the_leakage_search_changes_what_rests_on_extended_data(
    ids: Callable[..., dict[str, list[str]]],
) -> None:
    touched = changed(ids(), ids("datasets/leakage.py", "LONGER = 1"))
    assert "extend" in touched
    assert touched.isdisjoint({"load", "elicit", "generate"})
    assert "evaluate" in touched


@pytest.mark.parametrize(
    ("file", "spared"),
    [
        ("models/training.py", {"load"}),
        ("statistics/resampling.py", {"load", "elicit", "generate", "extend", "fine-tune", "predict", "value"}),
        ("errors.py", None),
        ("engines/local.py", None),
        ("report/html/page.py", None),
        ("store/payload.py", set()),
    ],
)
def test_an_edit_changes_what_rests_on_it(
    ids: Callable[..., dict[str, list[str]]], file: str, spared: set[str] | None
) -> None:
    before = ids()
    touched = changed(before, ids(file, "CONSTANT = 1"))
    assert before.keys() - touched >= (before.keys() if spared is None else spared & before.keys())
    assert (touched == set()) == (spared is None)


if __name__ == "__main__":
    GOLDEN.write_text(coverage(), encoding="utf-8")
