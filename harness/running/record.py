"""The record of a cell: what its evaluation found, how it came about, and what it cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk import within
from harness.engines.facts import costs, environment, facts_of
from harness.records.model import DataRecord, Environment, Record, RecordFolder, ScoreRecord
from harness.stages.generate import Generate
from harness.version import __version__

if TYPE_CHECKING:
    from harness.plan import Cell
    from harness.stages.base import Stage
    from harness.store.store import Artifact, Store
    from harness.suite import Suite


def write_cell(
    cell: Cell, opened: Callable[[Stage], Artifact], store: Store, folder: Path, suite: Suite
) -> RecordFolder:
    """Write the record of a cell from its evaluation.

    Args:
        cell: The cell.
        opened: The artifact of a stage, computed again where it is damaged or missing.
        store: Where the facts about its stages are.
        folder: The run folder.
        suite: The suite.
    """
    import pandas as pd

    from harness.records.writer import write_record

    evaluated, data = opened(cell.evaluate), opened(cell.stages["load"]).json("data.json")
    stages, facts = {stage.id: stage for stage in cell.evaluate.closure()}, facts_of(cell.evaluate, store)
    spent = costs([(stages[name].kind, known) for name, known in facts.items()])
    lost = sum(isinstance(stage, Generate) and name not in facts for name, stage in stages.items())
    scores = {score.pop("name"): ScoreRecord(**score) for score in evaluated.json("scores.json")}
    header = Record(
        suite=suite.name,
        board=cell.board,
        dataset=cell.dataset,
        arm=cell.arm,
        seed=cell.seed,
        baseline=suite.baseline or "",
        arm_definition=dict(cell.definition),
        thresholds=suite.thresholds,
        data=DataRecord(
            fingerprint=data["fingerprint"],
            labels=tuple(data["task"]["labels"]),
            columns=tuple(data["task"]["columns"]),
            description=data["task"]["description"],
            **data["sizes"],
            notes=data["notes"],
        ),
        components=dict(cell.components),
        counts=counts(cell, opened),
        usage={name: amount for name, amount in spent.items() if name in USAGE or name.startswith("seconds/")}
        | ({"lost": lost} if lost else {}),
        scores=scores,
        artifacts={role: stage.id for role, stage in {**cell.stages, "evaluate": cell.evaluate}.items()},
        files={},
        timings={stages[name].title: known["seconds"] for name, known in facts.items() if "seconds" in known},
        environment=Environment(**facts.get(cell.stages["classifier"].id, {}).get("environment", environment())),
        harness=__version__,
    )
    frames = {
        path.relative_to(evaluated.folder).as_posix().removesuffix(".parquet"): pd.read_parquet(path)
        for path in sorted(evaluated.folder.rglob("*.parquet"))
    }
    target = within(folder, f"records/{cell.dataset}/{cell.arm}/seed-{cell.seed}")
    return write_record(target, header, frames)


USAGE = ("requests", "cached", "prompt_tokens", "completion_tokens", "money")


def counts(cell: Cell, opened: Callable[[Stage], Artifact]) -> dict[str, int]:
    """What was attacked, found, made, repaired and rejected on the way to an arm."""
    from harness.stages.generate import rejected_of, synthetic_of

    found: dict[str, int] = {}
    if "elicit" in cell.stages:
        elicited = opened(cell.stages["elicit"]).json("counts.json")
        found |= {name: elicited[name] for name in ("attacked", "succeeded", "queries", "uus", "uus_wanted")}
    if "extend" in cell.stages:
        extended = opened(cell.stages["extend"])
        made, reasons = synthetic_of(extended), [item.reason for item in rejected_of(extended)]
        repairs = [tag for item in made for tag in item.example.tags if tag.startswith("repaired:")]
        found["synthetic"] = len(made)
        found["leaks"] = reasons.count("leakage")
        found |= {tag.replace(":", "/", 1): repairs.count(tag) for tag in sorted(set(repairs))}
        found |= {f"rejected/{reason}": reasons.count(reason) for reason in sorted(set(reasons))}
    return found
