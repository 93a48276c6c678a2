"""Generate synthetic examples from unknown unknowns."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from harness.border.frozen import frozen
from harness.border.generator import generated
from harness.border.model import loaded
from harness.components.generator import GenerationTask, Generator, Rejected, SyntheticExample
from harness.components.model import Model
from harness.components.texts import lone_surrogate, writable
from harness.components.usage import Usage
from harness.progress import progress
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings
from harness.stages.contents.attacks import ElicitedUnknowns
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import LoadedData, SyntheticData


@dataclass(frozen=True, eq=False)
class Generate(Stage[SyntheticData]):
    """Synthetic examples and what was rejected (protocol, step 6). What was paid for them is kept as the fact ``usage``."""

    kind: ClassVar[str] = "generate"
    gives: ClassVar = SyntheticData

    load: Stage[LoadedData]
    model: Configured[Model]
    classifier: Stage[TrainedClassifier]
    embeddings: Stage[Embeddings]
    elicit: Stage[ElicitedUnknowns]
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

    def compute(self, inputs: Inputs, context: Context) -> SyntheticData:
        data = inputs[self.load]
        uus = frozen(inputs[self.elicit].unknowns(data.train))
        context.responses.mkdir(parents=True, exist_ok=True)
        task = GenerationTask(
            task=data.task,
            per_uu=self.per_uu,
            train=data.train,
            train_embeddings=inputs[self.embeddings].rows,
            embed=self.model.component.embed,
            classifier=loaded(inputs[self.classifier], self.model, context),
            cache=context.responses,
        )
        made: list[SyntheticExample] = []
        rejected: list[Rejected] = []
        usage = Usage()
        with progress("synthetic examples", total=len(uus) * self.per_uu) as bar:
            for item in generated(self.generator, uus, frozen(task), seed=self.seed):
                if isinstance(item, SyntheticExample) and not _is_unicode(item):
                    text = "\n".join(part for part in (item.example.text, item.example.text_pair) if part)
                    rejected.append(Rejected(item.uu, item.role, "not text", writable(text)))
                elif isinstance(item, SyntheticExample):
                    made.append(replace(item, example=replace(item.example, id=f"synthetic/{len(made)}")))
                elif isinstance(item, Rejected):
                    rejected.append(replace(item, text=writable(item.text)))
                else:
                    usage = usage + item
                    continue
                bar.advance(1, rejected=len(rejected))
        context.facts["usage"] = asdict(usage)
        return SyntheticData(made, rejected)


def _is_unicode(item: SyntheticExample) -> bool:
    """Whether a sample can be written: whatever a generator was answered, it must not make the stage impossible."""
    example = item.example
    parts = (example.text, example.text_pair or "", item.hypothesis, item.role, *example.tags)
    return not any(lone_surrogate(part) for part in parts)
