"""Suites whose values come from fine-tuning itself."""

from __future__ import annotations

import pytest

import harness
from harness.errors import InputError
from harness.stages.trace import Trace

AUM = (
    "  dvrl: {use: dvrl, iterations: 20}",
    "  dvrl: aum\n  tracin: {use: tracin, layers: all, dimensions: 64}\n  shapley: {use: in-run-shapley, layers: all}",
)
ONE = (AUM[0], "  dvrl: aum")
GIVEN = ("  bert: {", "  linear: linear\n  bert: {")


def traces(plan):
    return [stage for stage in plan.stages() if isinstance(stage, Trace)]


@pytest.mark.slow
def test_arms_weight_and_select_by_what_their_own_fine_tuning_passed_through(run_tiny, suite_file):
    from harness.plan import make_plan

    found = traces(make_plan(harness.load_suite(suite_file(AUM))))
    assert len([stage for stage in found if stage.among is None]) == 3  # what differs in looks shares a training
    titles = {stage.title.split(" · ")[1] for stage in found}
    assert titles == {"base", "ibs+wldv", "bliss+wldv"}  # an extended training set has a training of its own
    run = run_tiny(AUM, arms=("only", "wldv", "ibs+wldv", "bliss"))
    assert {record.header.arm for record in run.records} == {"only", "wldv", "ibs+wldv", "bliss"}


@pytest.mark.slow
def test_the_base_classifier_is_that_of_the_training_that_values_look_at(run_tiny, suite_file, tmp_path):
    """It is trained once, and is the same to the bit as where nobody looks on."""
    from harness.plan import make_plan

    plan = make_plan(harness.load_suite(suite_file(AUM)).restrict(arms=("only", "wldv")))
    (whole,) = (stage for stage in traces(plan) if stage.among is None)
    base = plan.cells[0].stages.classifier
    assert base.within is whole
    run_tiny(arms=("only",), store="plain", output="plain")
    run_tiny(AUM, arms=("only", "wldv"), store="traced", output="traced")
    found = []
    for name in ("plain", "traced"):
        (folder,) = (tmp_path / name).rglob(f"*{base.id}*/classifier")
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert found[0] == found[1]
    assert "model.safetensors" in found[0]


def test_stages_of_arms_without_values_stay_what_they_are(suite_file):
    from harness.plan import make_plan

    plain, traced = (make_plan(harness.load_suite(suite_file(*changes))) for changes in ((), (AUM,)))
    assert not traces(plain)
    for one, other in zip(plain.cells, traced.cells, strict=True):
        if one.arm in {"only", "ibs"}:
            assert one.evaluate.id == other.evaluate.id


def test_other_methods_in_the_suite_change_no_address(suite_file):
    """What a method sees is taken from the training that all look at; it is what it would have seen alone."""
    from harness.plan import make_plan

    board = ("valuators:\n", "valuation: {}\nvaluators:\n")
    few, many = (make_plan(harness.load_suite(suite_file(*changes, board))) for changes in ((ONE,), (AUM,)))
    (alone,) = {stage.id for stage in traces(few) if "corrupted" in stage.title}
    shared = [stage for stage in traces(many) if "corrupted" in stage.title and stage.among is not None]
    assert len(shared) == 3
    assert len({stage.among.id for stage in shared}) == 1
    assert alone in {stage.id for stage in shared}
    own = {each.valuator: each.stage.id for each in few.assessments}
    assert own.items() <= {each.valuator: each.stage.id for each in many.assessments}.items()


def test_a_valuation_board_of_them(run_tiny):
    run = run_tiny(AUM, ("valuators:\n", "valuation: {noise: 0.25}\nvaluators:\n"), arms=("only",))
    assert set(run.valuations[0].board["valuator"]) == {"dvrl", "shapley", "tracin"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            (AUM, GIVEN, ("datasets:\n  reviews: {", "datasets:\n  reviews: {model: linear, ")),
            "arms.wldv.weights: the valuator 'dvrl' (aum) needs fine-tuning's trajectory, which the model 'linear' (linear)",
        ),
        (
            (AUM, ("attack: deepwordbug", "base: bert\nattack: deepwordbug")),
            "needs fine-tuning's trajectory, and the base classifier of reviews, 'bert', is given, not fine-tuned.",
        ),
        (
            (
                AUM,
                GIVEN,
                ("datasets:\n  reviews: {", "valuation: {}\ndatasets:\n  reviews: {model: linear, "),
            ),
            "valuators.tracin: the valuator 'tracin' (tracin) needs fine-tuning's trajectory, which the model 'linear'",
        ),
    ],
)
def test_what_cannot_be_traced_is_said_before_work_starts(suite_file, changes, said):
    with pytest.raises(InputError) as error:
        harness.load_suite(suite_file(*changes))
    assert said in str(error.value)


BY_NETWORK = '''
from typing import ClassVar

import numpy as np

from harness import Valuator


class ByNetwork(Valuator):
    """What the fine-tuned network gives for the labels; of longer texts with the same probability more."""

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset] = frozenset({"texts", "classifier"})

    def value(self, problem, *, seed):
        train, validation = problem.texts
        assert [example.label for example in validation] == list(problem.y_valid)
        assert len({example.id for example in train}) == len(train)
        probs = problem.classifier.predict_proba([example.texts for example in train])
        lengths = np.array([len(example.text) for example in train])
        return probs[np.arange(len(train)), problem.y_train] + 1e-6 * lengths
'''


@pytest.mark.slow
def test_a_valuator_that_asks_for_texts_and_the_classifier(run_tiny, tmp_path):
    """In arms that weight by it, with synthetic examples and without, and on the board."""
    (tmp_path / "by_network.py").write_text(BY_NETWORK)
    changes = ("  dvrl: {use: dvrl, iterations: 20}", "  dvrl: {use: './by_network.py:ByNetwork'}")
    board = ("valuators:\n", "valuation: {noise: 0.25}\nvaluators:\n")
    run = run_tiny(changes, board, arms=("only", "wldv", "ibs+wldv"))
    assert {record.header.arm for record in run.records} == {"only", "wldv", "ibs+wldv"}
    assert set(run.valuations[0].board["valuator"]) == {"dvrl"}
