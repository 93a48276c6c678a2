"""The record of a cell: what its evaluation found, how it came about, and what it cost."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk import within
from harness.engines.local import costs
from harness.records.model import DataRecord, Environment, Record, RecordFolder, ScoreRecord
from harness.version import __version__

if TYPE_CHECKING:
    from harness.plan import Cell
    from harness.store.store import Artifact, Store
    from harness.suite import Suite


def write_cell(cell: Cell, evaluated: Artifact, store: Store, folder: Path, suite: Suite) -> RecordFolder:
    """Write the record of a cell from its evaluation."""
    import pandas as pd

    from harness.records.writer import write_record

    loaded = store.open(cell.stages["load"].kind, cell.stages["load"].id)
    data = loaded.json("data.json")
    metas = {stage.id: (stage, store.meta(stage.kind, stage.id)) for stage in cell.evaluate.closure()}
    spent = costs([(stage.kind, meta) for stage, meta in metas.values()])
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
        counts=counts(cell, store),
        usage={name: spent[name] for name in USAGE if name in spent},
        scores=scores,
        artifacts={role: stage.id for role, stage in {**cell.stages, "evaluate": cell.evaluate}.items()},
        files={},
        timings={stage.title: meta["seconds"] for stage, meta in metas.values() if "seconds" in meta},
        environment=environment(),
        harness=__version__,
    )
    frames = {
        path.relative_to(evaluated.folder).as_posix().removesuffix(".parquet"): pd.read_parquet(path)
        for path in sorted(evaluated.folder.rglob("*.parquet"))
    }
    target = within(folder, f"records/{cell.dataset}/{cell.arm}/seed-{cell.seed}")
    return write_record(target, header, frames)


USAGE = ("requests", "cached", "prompt_tokens", "completion_tokens", "money")


def counts(cell: Cell, store: Store) -> dict[str, int]:
    """What was attacked, found, made, repaired and rejected on the way to an arm."""
    from harness.stages.generate import rejected_of, synthetic_of

    found: dict[str, int] = {}
    if "elicit" in cell.stages:
        stage = cell.stages["elicit"]
        elicited = store.open(stage.kind, stage.id).json("counts.json")
        found |= {name: elicited[name] for name in ("attacked", "succeeded", "queries", "uus", "uus_wanted")}
    if "extend" in cell.stages:
        extended = store.open(cell.stages["extend"].kind, cell.stages["extend"].id)
        made, reasons = synthetic_of(extended), [item.reason for item in rejected_of(extended)]
        repairs = [tag for item in made for tag in item.example.tags if tag.startswith("repaired:")]
        found["synthetic"] = len(made)
        found["leaks"] = reasons.count("leakage")
        found |= {tag.replace(":", "/", 1): repairs.count(tag) for tag in sorted(set(repairs))}
        found |= {f"rejected/{reason}": reasons.count(reason) for reason in sorted(set(reasons))}
    return found


def environment() -> Environment:
    """This interpreter, machine and the versions of what matters to results."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    packages: dict[str, str] = {}
    for name in ("torch", "transformers", "numpy", "scikit-learn", "scipy", "pandas", "bliss-harness"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=packages,
        device=device,
        threads=torch.get_num_threads(),
    )
