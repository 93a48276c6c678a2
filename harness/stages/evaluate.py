"""Evaluate one arm: put its outcome together, score it with every metric, and make the files of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.metric import Metric, Outcome
from harness.records.scoring import RESAMPLES, figures
from harness.stages.base import Configured, Context, Inputs, Stage, stages_of
from harness.stages.contents.arrays import Embeddings, Probabilities, Values
from harness.stages.contents.attacks import AttackedExamples, ElicitedUnknowns
from harness.stages.contents.data import LoadedData, SampledData, SyntheticData
from harness.stages.contents.evaluation import Evaluation
from harness.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class OutcomeStages:
    """The stages that an arm's outcome is put together from: its predictions, and what metrics need besides."""

    load: Stage[LoadedData]
    test: Stage[Probabilities]
    validation: Stage[Probabilities]
    attack: Stage[AttackedExamples] | None = None
    sample: Stage[SampledData] | None = None
    elicit: Stage[ElicitedUnknowns] | None = None
    extend: Stage[SyntheticData] | None = None
    train: Stage[LoadedData] | None = None
    test_embeddings: Stage[Embeddings] | None = None
    train_embeddings: Stage[Embeddings] | None = None
    validation_embeddings: Stage[Embeddings] | None = None
    values: Stage[Values] | None = None
    synthetic_embeddings: Stage[Embeddings] | None = None
    synthetic_probs: Stage[Probabilities] | None = None

    def outcome(self, inputs: Inputs, thresholds: tuple[float, ...], **more: Any) -> Outcome:
        """The outcome that the contents of these stages make up; ``more`` are further fields of it."""
        data = inputs[self.load]
        if (attacked := inputs.get(self.attack)) is not None:
            sample = inputs.get(self.sample)
            whole = attacked.results
            if sample is not None:
                whole = whole.spread(sample.rows, data.test, inputs[self.test].probs)
            more["attacked"] = whole
        if (train := inputs.get(self.train)) is not None:
            more["train"] = train.train
        if (elicited := inputs.get(self.elicit)) is not None:
            more["uus"] = elicited.unknowns(data.train)
        if (extension := inputs.get(self.extend)) is not None:
            more |= {"synthetic": extension.synthetic, "rejected": extension.rejected}
        if (values := inputs.get(self.values)) is not None:
            more["values"] = values.values
        if (predicted := inputs.get(self.synthetic_probs)) is not None:
            more["synthetic_probs"] = predicted.probs
        embedded = {
            "test_embeddings": self.test_embeddings,
            "train_embeddings": self.train_embeddings,
            "validation_embeddings": self.validation_embeddings,
            "synthetic_embeddings": self.synthetic_embeddings,
        }
        more |= {name: inputs[stage].rows for name, stage in embedded.items() if stage is not None}
        return Outcome(
            task=data.task,
            thresholds=thresholds,
            test=data.test,
            probs=inputs[self.test].probs,
            validation=data.validation,
            validation_probs=inputs[self.validation].probs,
            **more,
        )


@dataclass(frozen=True, eq=False)
class Evaluate(Stage[Evaluation]):
    """Scores, predictions and tables of one arm, for one data set and seed.

    Attributes:
        metrics: The metrics by name; none that needs costs, which are no part of any result.
        thresholds: Confidence thresholds, the primary one first.
        arm: What the arm's outcome is made of.
        map: Embeddings of the test examples, for the map.
        baseline: The same of the baseline arm, when a metric asks for it.
    """

    kind: ClassVar[str] = "evaluate"
    gives: ClassVar = Evaluation

    metrics: Mapping[str, Configured[Metric]]
    thresholds: tuple[float, ...]
    arm: OutcomeStages
    map: Stage[Embeddings]
    baseline: OutcomeStages | None = None

    def options(self) -> dict[str, Any]:
        return {
            "metrics": {name: metric.identity for name, metric in self.metrics.items()},
            "order": list(self.metrics),
            "thresholds": list(self.thresholds),
            "resamples": RESAMPLES,
        }

    def inputs(self) -> dict[str, Stage[Any]]:
        """The stages of the arm's outcome, and with ``baseline/`` before their names those of the baseline's."""
        baseline = {} if self.baseline is None else stages_of(self.baseline)
        return {
            **stages_of(self.arm),
            "map": self.map,
            **{f"baseline/{name}": stage for name, stage in baseline.items()},
        }

    def outcome(self, inputs: Inputs, **more: Any) -> Outcome:
        """The arm's outcome, with that of the baseline if there is one; ``more`` are further fields of it."""
        if self.baseline is not None:
            more["baseline"] = self.baseline.outcome(inputs, self.thresholds)
        return self.arm.outcome(inputs, self.thresholds, **more)

    def compute(self, inputs: Inputs, context: Context) -> Evaluation:
        outcome = self.outcome(inputs)
        found = figures(self.metrics, outcome)
        frames = found.frames(outcome) | _prediction_frames(outcome)
        frames["map"] = _map(outcome, inputs[self.map].rows)
        if self.arm.extend is not None:
            frames |= _synthetic_frames(outcome)
        return Evaluation(found.scores, frames)


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns)


def _prediction_frames(outcome: Outcome) -> dict[str, pd.DataFrame]:
    """The record's files of predictions and texts."""
    import numpy as np

    from harness.statistics.resampling import cluster_id

    classes = range(outcome.task.num_labels)
    predictions: dict[str, Any] = {
        "id": [example.id for example in outcome.test],
        "cluster": [cluster_id(example.texts) for example in outcome.test],
        "label": outcome.labels,
        "tags": [list(example.tags) for example in outcome.test],
        **{f"prob_{k}": outcome.probs[:, k] for k in classes},
    }
    texts: dict[str, Any] = {
        "id": predictions["id"],
        "text": [example.text for example in outcome.test],
        "text_pair": [example.text_pair for example in outcome.test],
    }
    if (attacked := outcome.attacked) is not None:
        predictions["status"] = list(attacked.status)
        predictions |= {f"perturbed_prob_{k}": attacked.probs[:, k] for k in classes}
        predictions["queries"] = np.asarray(attacked.queries)
        texts["perturbed"] = [p if isinstance(p, str) else p[0] for p in attacked.perturbed]
        texts["perturbed_pair"] = [None if isinstance(p, str) else p[1] for p in attacked.perturbed]
    return {
        "predictions": _frame(predictions),
        "validation": _frame(
            {
                "id": [example.id for example in outcome.validation],
                "label": np.asarray([example.label for example in outcome.validation], dtype=np.int64),
                **{f"prob_{k}": outcome.validation_probs[:, k] for k in classes},
            }
        ),
        "texts": _frame(texts),
    }


def _map(outcome: Outcome, embeddings: FloatArray) -> pd.DataFrame:
    points = _principal_components(embeddings)
    return _frame({"id": [example.id for example in outcome.test], **dict(zip("xy", points, strict=True))})


def _principal_components(x: FloatArray) -> FloatArray:
    """The first two principal components, as rows; zeros where there are fewer."""
    import numpy as np

    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1, 1)  # a sign for good
    points = np.zeros((2, len(x)), dtype=np.float32)
    points[: axes.shape[1]] = (centred @ axes).T
    return points


def _synthetic_frames(outcome: Outcome) -> dict[str, pd.DataFrame]:
    uus, synthetic, rejected = outcome.uus, outcome.synthetic, outcome.rejected
    sources = [uus[item.uu] for item in synthetic]
    perturbed = [(uu.perturbed, None) if isinstance(uu.perturbed, str) else uu.perturbed for uu in sources]
    return {
        "synthetic": _frame(
            {
                "id": [item.example.id for item in synthetic],
                "uu": [item.uu for item in synthetic],
                "original_id": [uu.example.id for uu in sources],
                "original": [uu.example.text for uu in sources],
                "original_pair": [uu.example.text_pair for uu in sources],
                "original_label": [uu.example.label for uu in sources],
                "perturbed": [first for first, _ in perturbed],
                "perturbed_pair": [second for _, second in perturbed],
                "predicted": [uu.predicted for uu in sources],
                "confidence": [uu.confidence for uu in sources],
                "role": [item.role for item in synthetic],
                "hypothesis": [item.hypothesis for item in synthetic],
                "text": [item.example.text for item in synthetic],
                "text_pair": [item.example.text_pair for item in synthetic],
                "label": [item.example.label for item in synthetic],
                "tags": [", ".join(item.example.tags) for item in synthetic],
            }
        ),
        "rejected": _frame(
            {name: [getattr(item, name) for item in rejected] for name in ("uu", "role", "reason", "text")}
        ),
    }
