"""What a person sees: plain lines without a terminal, bars on one."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.observers.display import PlainDisplay, RichDisplay, duration, noted
from harness.observers.hooks import RunInfo, StageInfo

RUN = RunInfo("tiny", Path("runs/tiny"), 5, 3, 2, {})


def show(display: Any) -> None:
    display.run_started(RUN)
    for number, title in enumerate(("fine-tune reviews [x]", "attack reviews"), start=1):
        stage = StageInfo("kind", "id", title, number, 2)
        display.stage_started(stage)
        for done in range(0, 101, 50):
            display.stage_progressed(stage, "queries", done, 100, {"succeeded": done})
        display.stage_finished(stage, 75)
    display.stage_failed(StageInfo("kind", "id", "evaluate reviews", 2, 2))
    display.stage_damaged(StageInfo("kind", "id", "load reviews", 2, 2), "file.parquet differs from its checksum")


def test_plain_lines() -> None:
    text = io.StringIO()
    show(PlainDisplay(Console(file=text, width=60)))
    lines = text.getvalue().splitlines()
    assert lines[0] == "tiny: 5 stages, 3 of them cached or not needed, 2 to compute"
    assert lines[1] == "[1/2] fine-tune reviews [x] ..."
    assert lines[2] == "[1/2] fine-tune reviews [x]: 1 min 15 s"
    assert "FAILED" in lines[5]
    assert "differs from its checksum" in lines[6]
    assert "\x1b" not in text.getvalue()


def test_bars_leave_one_line_per_stage() -> None:
    text = io.StringIO()
    display = RichDisplay(Console(file=text, force_terminal=True, width=100, color_system=None))
    show(display)
    display.stop()
    shown = text.getvalue()
    assert shown.count("✓ fine-tune reviews [x] 1 min 15 s") == 1
    assert shown.count("✓ attack reviews 1 min 15 s") == 1
    assert "queries" in shown
    assert "✗ evaluate reviews" in shown


def interleave(display: Any) -> None:
    """Two stages at a time that count the same unit; the first ends first."""
    display.run_started(RUN)
    one, two = StageInfo("kind", "1", "fine-tune base", 1, 2), StageInfo("kind", "2", "fine-tune bliss", 2, 2)
    display.stage_started(one)
    display.stage_started(two)
    for done in (10, 20):
        display.stage_progressed(one, "steps", done, 40, {})
        display.stage_progressed(two, "steps", done * 2, 50, {})
    display.stage_finished(one, 75)
    display.stage_progressed(two, "steps", 50, 50, {})


def test_plain_lines_of_stages_that_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("harness.observers.display.time.monotonic", lambda: float(next(clock)))
    text = io.StringIO()
    interleave(PlainDisplay(Console(file=text, width=60)))
    assert text.getvalue().splitlines() == [
        "tiny: 5 stages, 3 of them cached or not needed, 2 to compute",
        "[1/2] fine-tune base ...",  # at 0 seconds
        "[2/2] fine-tune bliss ...",  # at 10; then looked at in turns, every 10 seconds
        "      fine-tune base: 20 of 40 steps, 0.5/s, 40.0 s left",  # at 40
        "      fine-tune bliss: 40 of 50 steps, 1.0/s, 10.0 s left",  # at 50
        "[1/2] fine-tune base: 1 min 15 s",
    ]


def test_bars_of_stages_that_run_at_a_time() -> None:
    text = io.StringIO()
    display = RichDisplay(Console(file=text, force_terminal=True, width=120, color_system=None))
    interleave(display)
    display.stop()
    shown = text.getvalue()
    assert "2 stages at a time" in shown
    both, _, alone = shown.partition("✓ fine-tune base 1 min 15 s")
    last = both[both.rindex("2 stages at a time") :]
    assert re.search(r"fine-tune base · steps .*20/40", last)
    assert re.search(r"fine-tune bliss · steps .*40/50", last)
    assert re.search(r"fine-tune bliss .*1/2", alone)
    assert re.search(r"  steps .*50/50", alone)
    assert "20/40" not in alone[alone.index("50/50") :]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.96, "60.0 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7322, "2 h 2 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_notes() -> None:
    assert noted({"loss": 0.69314, "queries": 12345.0, "phase": ""}) == ", loss 0.693, queries 12,345"
