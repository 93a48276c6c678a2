"""What ``harness fetch`` says, and that it goes on after what cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.commands.common import Selection
from harness.commands.fetch import fetch_suite
from harness.errors import InputError


def test_everything_that_a_suite_names_is_fetched(
    suite_file: Callable[..., Path], checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch_suite(Selection(suite_file()))
    said = capsys.readouterr().out.splitlines()
    assert "datasets.reviews (files): 80 training and 24 test examples" in said
    assert f"models.bert (transformers): {checkpoint}" in said
    assert "valuators.dvrl (dvrl): nothing to download" in said


def test_what_cannot_be_had_is_said_with_its_place_after_the_others(
    suite_file: Callable[..., Path], checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"models\.bert: There is no checkpoint folder .*nowhere") as error:
        fetch_suite(Selection(suite_file((str(checkpoint), "./nowhere"))))
    assert error.value.exit_code == 2
    assert "metrics[0] (accuracy): nothing to download" in capsys.readouterr().out
