"""Generate synthetic examples from unknown unknowns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.generator import GenerationTask, Generator, Rejected, SyntheticExample, Usage
from harness.components.model import Model
from harness.components.texts import lone_surrogate, writable
from harness.errors import HarnessError
from harness.progress import progress
from harness.stages.base import Configured, Context, Stage
from harness.stages.elicit import Elicit, uus_of
from harness.stages.load import Load, task_of
from harness.store.payload import example_columns, examples_of, read_examples, read_table, write_table
from harness.store.store import Artifact

if TYPE_CHECKING:
    from harness.stages.embed import Embed
    from harness.stages.fine_tune import FineTune


@dataclass(frozen=True, eq=False)
class Generate(Stage):
    """Synthetic examples, what was rejected, and what it cost (protocol, step 6)."""

    kind: ClassVar[str] = "generate"

    load: Load
    model: Configured[Model]
    classifier: FineTune
    embeddings: Embed
    elicit: Elicit
    generator: Configured[Generator]
    per_uu: int
    seed: int

    def options(self) -> dict[str, Any]:
        return {
            "model": self.model.identity,
            "generator": self.generator.identity,
            "per_uu": self.per_uu,
            "seed": self.seed,
        }

    def inputs(self) -> dict[str, Stage]:
        return {
            "load": self.load,
            "classifier": self.classifier,
            "embeddings": self.embeddings,
            "elicit": self.elicit,
        }

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> dict[str, Any]:
        from harness.stages.embed import embeddings_of

        train, task = read_examples(inputs["load"].path("train.parquet")), task_of(inputs["load"])
        uus = uus_of(inputs["elicit"], train)
        context.responses.mkdir(parents=True, exist_ok=True)
        request = GenerationTask(
            task=task,
            per_uu=self.per_uu,
            train=train,
            train_embeddings=embeddings_of(inputs["embeddings"]),
            embed=self.model.component.embed,
            classifier=self.model.component.load(inputs["classifier"].path("classifier")),
            cache=context.responses,
        )
        made: list[SyntheticExample] = []
        rejected: list[Rejected] = []
        usage = Usage()
        with progress("synthetic examples", total=len(uus) * self.per_uu) as bar:
            for item in self.generator.component.generate(uus, request, seed=self.seed):
                if isinstance(item, SyntheticExample) and not _is_unicode(item):
                    text = "\n".join(part for part in (item.example.text, item.example.text_pair) if part)
                    rejected.append(Rejected(item.uu, item.role, "not text", writable(text)))
                elif isinstance(item, SyntheticExample):
                    self._check(item, len(uus), task.num_labels, paired=len(task.columns) == 2)
                    made.append(replace(item, example=replace(item.example, id=f"synthetic/{len(made)}")))
                elif isinstance(item, Rejected):
                    rejected.append(replace(item, text=writable(item.text)))
                else:
                    usage = usage + item
                    continue
                bar.advance(1, rejected=len(rejected))
        write_synthetic(out, made)
        write_rejected(out, rejected)
        return {"usage": asdict(usage)}

    def _check(self, item: SyntheticExample, n_uus: int, num_labels: int, *, paired: bool) -> None:
        name = self.generator.entry.key
        if not 0 <= item.uu < n_uus:
            raise HarnessError(f"The generator {name} refers to unknown unknown {item.uu} of {n_uus}.")
        if not 0 <= item.example.label < num_labels:
            raise HarnessError(
                f"The generator {name} gave label {item.example.label}; the task has 0..{num_labels - 1}."
            )
        if paired != (item.example.text_pair is not None):
            raise HarnessError(
                f"The generator {name} gave {'a single text' if paired else 'a pair'}; the task has the other."
            )


def _is_unicode(item: SyntheticExample) -> bool:
    """Whether a sample can be written: whatever a generator was answered, it must not make the stage impossible."""
    example = item.example
    parts = (example.text, example.text_pair or "", item.hypothesis, item.role, *example.tags)
    return not any(lone_surrogate(part) for part in parts)


def write_synthetic(out: Path, synthetic: Sequence[SyntheticExample]) -> None:
    """Write synthetic examples."""
    columns = example_columns([item.example for item in synthetic])
    columns |= {
        "uu": [item.uu for item in synthetic],
        "role": [item.role for item in synthetic],
        "hypothesis": [item.hypothesis for item in synthetic],
    }
    types = {"id": "string", "text": "string", "text_pair": "string", "label": "int64", "tags": "tags"}
    write_table(out / "synthetic.parquet", columns, {**types, "uu": "int64", "role": "string", "hypothesis": "string"})


def write_rejected(out: Path, rejected: Sequence[Rejected]) -> None:
    """Write rejected samples."""
    columns = {name: [getattr(item, name) for item in rejected] for name in ("uu", "role", "reason", "text")}
    write_table(
        out / "rejected.parquet", columns, {"uu": "int64", "role": "string", "reason": "string", "text": "string"}
    )


def synthetic_of(artifact: Artifact) -> list[SyntheticExample]:
    """The synthetic examples of a :class:`Generate` or ``Extend`` stage."""
    table = read_table(artifact.path("synthetic.parquet"))
    return [
        SyntheticExample(example, uu, role, hypothesis)
        for example, uu, role, hypothesis in zip(
            examples_of(table), table["uu"], table["role"], table["hypothesis"], strict=True
        )
    ]


def rejected_of(artifact: Artifact) -> list[Rejected]:
    """The rejected samples of a :class:`Generate` or ``Extend`` stage."""
    table = read_table(artifact.path("rejected.parquet"))
    return [Rejected(*row) for row in zip(table["uu"], table["role"], table["reason"], table["text"], strict=True)]
