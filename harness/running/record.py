"""The record of a cell: what its evaluation found, how it came about, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.disk import within
from harness.engines.base import StageError
from harness.engines.facts import costs, environment, facts_of
from harness.errors import HarnessError
from harness.records.model import DataRecord, Environment, Record, RecordFolder, ScoreRecord
from harness.records.scoring import figures, same_name
from harness.stages.base import Inputs, Stage
from harness.stages.generate import Generate
from harness.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from harness.plan import Cell
    from harness.store.store import Artifact, Store
    from harness.suite import Suite


def write_cell(
    cell: Cell, opened: Callable[[Stage[Any]], Artifact], store: Store, folder: Path, suite: Suite
) -> RecordFolder:
    """Write the record of a cell from its evaluation.

    Args:
        cell: The cell.
        opened: The artifact of a stage, computed again where it is damaged or missing.
        store: Where the facts about its stages are.
        folder: The run folder.
        suite: The suite.

    Raises:
        StageError: A metric that needs costs failed.
    """
    from harness.records.writer import write_record

    inputs = Inputs(opened)
    data = inputs[cell.stages.load]
    stages, facts = {stage.id: stage for stage in cell.evaluate.closure()}, facts_of(cell.evaluate, store)
    spent = costs([(stages[name].kind, known) for name, known in facts.items()])
    led_here = costs([(stages[name].kind, known) for name, known in facts.items() if name != cell.evaluate.id])
    lost = sum(isinstance(stage, Generate) and name not in facts for name, stage in stages.items())
    try:
        scores, frames = with_costs(cell, inputs, led_here)
    except StageError:
        raise
    except HarnessError as error:
        raise StageError.of(cell.evaluate, error) from error
    header = Record(
        suite=suite.name,
        board=cell.board,
        dataset=cell.dataset,
        arm=cell.arm,
        seed=cell.seed,
        baseline=suite.baseline or "",
        primary=suite.primary or "",
        arm_definition=dict(cell.definition),
        thresholds=suite.thresholds,
        data=DataRecord(
            fingerprint=data.fingerprint,
            labels=data.task.labels,
            columns=data.task.columns,
            description=data.task.description,
            **data.sizes,
            notes=dict(data.notes),
            class_sizes={split: tuple(sizes) for split, sizes in data.class_sizes.items()},
        ),
        components=dict(cell.components),
        counts=counts(cell, inputs),
        usage={name: amount for name, amount in spent.items() if name in USAGE or name.startswith("seconds/")}
        | ({"lost": lost} if lost else {}),
        scores=scores,
        classes=str(facts.get(cell.stages.classifier.id, {}).get("classes", "")),
        artifacts={role: stage.id for role, stage in (cell.stages.named() | {"evaluate": cell.evaluate}).items()},
        files={},
        timings={stages[name].title: known["seconds"] for name, known in facts.items() if "seconds" in known},
        environment=Environment(**facts.get(cell.stages.classifier.id, {}).get("environment", environment())),
        harness=__version__,
    )
    target = within(folder, f"records/{cell.dataset}/{cell.arm}/seed-{cell.seed}")
    return write_record(target, header, frames)


USAGE = ("requests", "cached", "prompt_tokens", "completion_tokens", "money")


def with_costs(
    cell: Cell, inputs: Inputs, led_here: Mapping[str, float]
) -> tuple[dict[str, ScoreRecord], dict[str, pd.DataFrame]]:
    """The scores and files of a record: its evaluation's, and those of the metrics that need costs.

    Args:
        cell: The cell.
        inputs: The contents of its stages.
        led_here: The costs of everything that led to its evaluation.
    """
    evaluation = inputs[cell.evaluate]
    scores, frames = dict(evaluation.scores), dict(evaluation.frames)
    if not cell.cost_metrics:
        return scores, frames
    outcome = cell.evaluate.outcome(inputs, costs=led_here)
    found = figures(cell.cost_metrics, outcome)
    if both := scores.keys() & found.scores.keys():
        raise same_name(min(both))
    order = [name.partition(":")[2] for name in cell.components if name.startswith("metric:")]
    scores = dict(sorted((scores | found.scores).items(), key=lambda item: order.index(item[1].metric)))
    for name, frame in found.frames(outcome).items():
        frames[name] = _side_by_side(frames[name], frame) if name in frames else frame
    return scores, frames


def _side_by_side(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Two files of one name, row by row."""
    return left.assign(**{column: right[column].to_numpy() for column in right.columns if column not in left})


def counts(cell: Cell, inputs: Inputs) -> dict[str, int]:
    """What was attacked, found, made, repaired and rejected on the way to an arm."""
    found: dict[str, int] = {}
    if (elicited := inputs.get(cell.stages.elicit)) is not None:
        taken = asdict(elicited.counts)
        found |= {name: taken[name] for name in ("attacked", "succeeded", "queries", "uus", "uus_wanted")}
    if (extension := inputs.get(cell.stages.extend)) is not None:
        reasons = [item.reason for item in extension.rejected]
        repairs = [tag for item in extension.synthetic for tag in item.example.tags if tag.startswith("repaired:")]
        found["synthetic"] = len(extension.synthetic)
        found["leaks"] = reasons.count("leakage")
        found |= {tag.replace(":", "/", 1): repairs.count(tag) for tag in sorted(set(repairs))}
        found |= {f"rejected/{reason}": reasons.count(reason) for reason in sorted(set(reasons))}
    return found
