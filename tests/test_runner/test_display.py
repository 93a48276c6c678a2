"""What a person sees: plain lines without a terminal, bars on one."""

from __future__ import annotations

import io
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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.96, "60.0 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7322, "2 h 2 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_notes() -> None:
    assert noted({"loss": 0.69314, "queries": 12345.0, "phase": ""}) == ", loss 0.693, queries 12,345"
