"""Attack the whole test set with a fine-tuned classifier as the victim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.components.attack import Attack
from harness.components.metric import AttackedTest
from harness.components.model import Model
from harness.components.probabilities import require_proper
from harness.errors import HarnessError
from harness.progress import progress
from harness.stages.base import Configured, Context, Stage
from harness.stages.fine_tune import FineTune
from harness.stages.load import Load
from harness.store.payload import (
    as_float32,
    join_texts,
    read_arrays,
    read_examples,
    read_table,
    split_texts,
    write_arrays,
    write_table,
)
from harness.store.store import Artifact


@dataclass(frozen=True, eq=False)
class AttackTest(Stage):
    """One attack result per test example, in test order (protocol, step 9)."""

    kind: ClassVar[str] = "attack"

    load: Load
    model: Configured[Model]
    classifier: FineTune
    attack: Configured[Attack]
    seed: int

    def options(self) -> dict[str, Any]:
        return {"model": self.model.identity, "attack": self.attack.identity, "seed": self.seed}

    def inputs(self) -> dict[str, Stage]:
        return {"load": self.load, "classifier": self.classifier}

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        import numpy as np

        test = read_examples(inputs["load"].path("test.parquet"))
        victim = self.model.component.load(inputs["classifier"].path("classifier"))
        status, perturbed, queries, notes = [], [], [], []
        probs, succeeded = [], 0
        with progress("test examples", total=len(test)) as bar:
            for result in self.attack.component.attack(victim, test, seed=self.seed):
                status.append(str(result.status))
                perturbed.append(result.perturbed)
                queries.append(result.queries)
                notes.append(result.note)
                probs.append(as_float32(result.perturbed_probs))
                succeeded += result.status == "succeeded"
                bar.advance(1, succeeded=succeeded)
        if len(status) != len(test):
            raise HarnessError(
                f"The attack {self.attack.entry.key} returned {len(status)} results for {len(test)} test examples."
            )
        stacked = np.stack(probs)
        require_proper(stacked, "attacked test examples", test)
        first, second = split_texts(perturbed)
        write_table(
            out / "attacked.parquet",
            {"status": status, "perturbed": first, "perturbed_pair": second, "queries": queries, "note": notes},
            {"perturbed_pair": "string", "queries": "int64"},
        )
        write_arrays(out / "probs.safetensors", {"perturbed": stacked})


def attacked_of(artifact: Artifact) -> AttackedTest:
    """The results of an :class:`AttackTest` stage."""
    import numpy as np

    table = read_table(artifact.path("attacked.parquet"))
    return AttackedTest(
        status=table["status"],
        perturbed=join_texts(table["perturbed"], table["perturbed_pair"]),
        probs=read_arrays(artifact.path("probs.safetensors"))["perturbed"],
        queries=np.asarray(table["queries"], dtype=np.int64),
    )
