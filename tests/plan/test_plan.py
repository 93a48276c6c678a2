"""Plans: what is one stage, what an arm consists of, and what a board rests on."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest

import harness
from harness.components import Metric
from harness.plan import Plan, make_plan
from harness.plan.board import board
from harness.registry import Entry
from harness.stages.base import Configured, Inputs
from harness.store.store import Store

SUITES = Path(harness.__file__).parents[1] / "suites"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(harness.load_suite(SUITES / "quickstart.yaml"))


def test_a_stage_that_is_built_twice_is_one_object(plan: Plan) -> None:
    objects: dict[str, set[int]] = {}
    for cell in plan.cells:
        for stage in (
            *cell.evaluate.closure(),
            *(s for named in cell.stages.named().values() for s in named.closure()),
        ):
            objects.setdefault(stage.id, set()).add(id(stage))
    assert len(objects) > 40
    assert all(len(same) == 1 for same in objects.values())


def test_arms_consist_of_what_their_definition_says(plan: Plan) -> None:
    arms = {cell.arm: cell.stages for cell in plan.cells}
    always = {"load", "classifier", "test", "validation", "attack"}
    assert arms["only"].named().keys() == always
    assert arms["wldv"].named().keys() == always | {"values"}
    assert arms["ibs"].named().keys() == always | {"elicit", "generate", "extend"}
    assert arms["bliss"].values is arms["wldv"].values is arms["wldv"].classifier.values
    assert arms["bliss"].classifier.values is None
    assert arms["bliss"].elicit is not None
    assert arms["bliss"].elicit.values is arms["bliss"].values
    assert arms["bliss+wldv"].values is not arms["wldv"].values
    assert arms["ibs"].elicit is arms["ibs+wldv"].elicit
    assert arms["ibs"].elicit.classifier is arms["only"].classifier


def test_addresses_are_where_artifacts_lie(plan: Plan, tmp_path: Path) -> None:
    load = plan.cells[0].stages.load
    assert Store(tmp_path).folder(*load.address) == tmp_path / "artifacts" / "load" / load.id


def test_what_was_not_declared_as_an_input_cannot_be_read(plan: Plan) -> None:
    opened: dict[str, Any] = {}
    inputs = Inputs(lambda stage: opened[stage.id])
    assert inputs.get(None) is None
    with pytest.raises(KeyError):
        inputs[plan.cells[0].stages.load]


class Versioned(Metric):
    """Has options that are called as the parts of an identity are."""

    api_version: ClassVar[int] = 1
    version: str = "1"
    code: str = "a"

    def score(self, outcome: Any) -> Any:
        raise NotImplementedError


def configured(release: str, **options: str) -> Configured[Any]:
    point = EntryPoint("versioned", "acme:Versioned", "harness.metrics")
    return Configured(Versioned(**options), Entry("metric", "versioned", "acme", release, point))


def test_a_board_rests_on_options_but_not_on_releases(plan: Plan) -> None:
    stages = plan.cells[0].stages

    def of(metric: Configured[Any]) -> str:
        return board(stages.load, stages.classifier.model, None, {"m": metric}, (0.65,))

    first = of(configured("1.0"))
    assert of(configured("2.0")) == first
    assert len({first, of(configured("1.0", version="2")), of(configured("1.0", code="b"))}) == 3


def test_the_board_of_shipped_records_is_that_of_their_suite(plan: Plan) -> None:
    shipped = SUITES.parent / "leaderboard" / "results" / "quickstart"
    from harness.records import find_records

    assert {record.header.board for record in find_records([shipped])} == {plan.cells[0].board}


def test_draws_are_other_problems_and_the_first_stays_what_it_was() -> None:
    suite = harness.load_suite(SUITES / "valuators.yaml")
    one = make_plan(suite.model_copy(update={"valuation": suite.valuation.model_copy(update={"draws": 1})}))
    five = make_plan(suite)
    assert len(five.assessments) == 5 * len(one.assessments)
    first = [item for item in five.assessments if item.draw == 0]
    assert [item.stage.id for item in first] == [item.stage.id for item in one.assessments]
    loads, noises, seeds = ({of(item).seed for item in five.assessments} for of in (_load, _noise, _value))
    assert (len(loads), len(noises), len(seeds)) == (5, 5, 15)


def _load(item: Any) -> Any:
    return item.stage.data.load


def _noise(item: Any) -> Any:
    return item.stage.data


def _value(item: Any) -> Any:
    return item.stage
