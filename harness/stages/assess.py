"""Assess a valuator: do its values find wrong labels, and what happens when high or low values are removed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.border.calls import calling
from harness.border.frozen import frozen
from harness.border.valuator import attributions, data_values
from harness.components.model import Model
from harness.components.valuator import ValuationProblem, Valuator
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import CorruptedData
from harness.stages.contents.trajectory import TracedTraining
from harness.stages.contents.valuation import ValuationFindings
from harness.stages.parts.sources import sources
from harness.store.payload import labels_of


@dataclass(frozen=True, eq=False)
class Assess(Stage[ValuationFindings]):
    """Values of the corrupted training set, with what they are worth. What they cost is kept as the fact ``valuation``.

    The last three fields are there for methods that need them, and ``model`` is what the classifier is of; training is no part
    of the cost, for several methods share it.
    """

    kind: ClassVar[str] = "assess"
    gives: ClassVar = ValuationFindings

    data: Stage[CorruptedData]
    train: Stage[Embeddings]
    validation: Stage[Embeddings]
    test: Stage[Embeddings]
    valuator: Configured[Valuator]
    fractions: tuple[float, ...]
    seed: int
    model: Configured[Model] | None = None
    classifier: Stage[TrainedClassifier] | None = None
    trajectory: Stage[TracedTraining] | None = None
    attributed: bool = False
    """Whether what points do for single validation points is asked for as well, of methods that can tell."""

    def options(self) -> dict[str, Any]:
        asked = {"attributed": True} if self.attributed else {}
        return {"valuator": self.valuator.identity, "fractions": list(self.fractions), "seed": self.seed, **asked}

    def compute(self, inputs: Inputs, context: Context) -> ValuationFindings:
        from harness.valuation.judge import assess, measure, warm_up

        data = inputs[self.data]
        problem = ValuationProblem(
            inputs[self.train].rows,
            labels_of(data.train),
            inputs[self.validation].rows,
            labels_of(data.validation),
            data.task.num_labels,
            sources(inputs, context, data.train, data.validation, self.model, self.classifier, self.trajectory),
        )
        valuator = self.valuator.component
        with calling(self.valuator.entry):
            warm_up(valuator, frozen(problem))
            measured = measure(valuator, frozen(problem), seed=self.seed)
            given = valuator.attributions(frozen(problem), seed=self.seed) if self.attributed else None
        values = data_values(self.valuator.entry, measured.values, problem.n_train)
        parts = None if given is None else attributions(self.valuator.entry, given, values, len(data.validation))
        context.facts["valuation"] = {"seconds": measured.seconds, "peak_bytes": measured.peak_bytes}
        test_x, test_y = inputs[self.test].rows, labels_of(data.test)
        found = assess(values, problem, data.noisy, test_x, test_y, fractions=self.fractions)
        return ValuationFindings(values, found, parts)
