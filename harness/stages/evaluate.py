"""Evaluate one arm: put its outcome together, score it with every metric, and write the files of its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.components.metric import Metric, Outcome, Score, Scores
from harness.errors import HarnessError
from harness.progress import progress
from harness.stages.attack_test import attacked_of
from harness.stages.base import Configured, Context, Stage
from harness.stages.elicit import uus_of
from harness.stages.embed import embeddings_of
from harness.stages.generate import rejected_of, synthetic_of
from harness.stages.load import task_of
from harness.stages.predict import probs_of
from harness.stages.value import values_of
from harness.store.payload import read_examples, write_json
from harness.store.store import Artifact

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import IntArray

RESAMPLES = 200
"""Bootstrap resamples of figures that do not decompose over examples."""

BOOTSTRAP_SEED = 0
"""Constant, so that the resamples of all arms and seeds with the same test set are paired."""


@dataclass(frozen=True, eq=False)
class Evaluate(Stage):
    """Scores, predictions and tables of one arm, for one data set and seed.

    ``parts`` are the stages whose artifacts make up the outcome, by role; ``baseline`` the same of the baseline arm, when a
    metric asks for it.
    """

    kind: ClassVar[str] = "evaluate"

    metrics: Mapping[str, Configured[Metric]]
    thresholds: tuple[float, ...]
    parts: Mapping[str, Stage]
    baseline: Mapping[str, Stage] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        return {
            "metrics": {name: metric.identity for name, metric in self.metrics.items()},
            "order": list(self.metrics),
            "thresholds": list(self.thresholds),
            "resamples": RESAMPLES,
        }

    def inputs(self) -> dict[str, Stage]:
        return {**self.parts, **{f"baseline/{role}": stage for role, stage in self.baseline.items()}}

    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> None:
        from harness.records.writer import write_parquet

        outcome = outcome_of(inputs, self.thresholds, costs=context.costs)
        scores, per_example, replicates, frames = self._score(outcome)
        frames |= _frames(outcome, inputs)
        if per_example:
            frames["per_example"] = _frame({"id": [e.id for e in outcome.test], **per_example})
        if replicates:
            frames["replicates"] = _frame(replicates)
        for name, frame in frames.items():
            path = out / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_parquet(frame, path)
        write_json(out / "scores.json", scores)

    def _score(self, outcome: Outcome) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Score records in order, contributions per example, replicates, and tables."""
        import numpy as np

        records: list[dict[str, Any]] = []
        per_example: dict[str, Any] = {}
        frames: dict[str, pd.DataFrame] = {}
        again: dict[str, list[str]] = {}
        for name, metric in self.metrics.items():
            scores = scored(metric, outcome)
            for key, score in scores.scalars.items():
                if any(record["name"] == key for record in records):
                    raise HarnessError(f"Two metrics of the suite compute a figure called {key!r}; remove one of them.")
                volatile = "costs" in metric.component.needs
                records.append({"name": key, "metric": name, "volatile": volatile, **_score_record(score)})
                if score.per_example is not None:
                    contributions = np.asarray(score.per_example)
                    if contributions.shape != (len(outcome.test),):
                        raise HarnessError(
                            f"The metric {name!r} gave {contributions.shape} contributions to {key!r}; expected one for "
                            f"each of the {len(outcome.test)} test examples."
                        )
                    per_example[key] = (
                        contributions if contributions.dtype == bool else contributions.astype(np.float32)
                    )
                elif metric.component.resample and np.isfinite(score.value):
                    again.setdefault(name, []).append(key)
            for table, frame in scores.tables.items():
                frames[f"tables/{name}.{table}"] = frame
        return records, per_example, self._replicates(outcome, again), frames

    def _replicates(self, outcome: Outcome, again: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        from harness.statistics.resampling import cluster_id, resample_rows

        replicates: dict[str, list[float]] = {key: [] for keys in again.values() for key in keys}
        if not replicates:
            return {}
        clusters = [cluster_id(example.texts) for example in outcome.test]
        with progress("resamples", total=RESAMPLES * len(again)) as bar:
            for name, keys in again.items():
                resamples = resample_rows(clusters, count=RESAMPLES, seed=BOOTSTRAP_SEED)
                for found in resampled(self.metrics[name], outcome, resamples):
                    for key in keys:
                        replicates[key].append(float(found.get(key, float("nan"))))
                    bar.advance()
        return replicates


def scored(metric: Configured[Metric], outcome: Outcome) -> Scores:
    """A metric's scores, or an error that names the metric."""
    name = metric.entry.key
    with named(name):
        scores = metric.component.score(outcome)
    if not isinstance(scores, Scores):
        raise HarnessError(f"The metric {name} returned {type(scores).__name__}, not Scores.")
    return scores


def resampled(
    metric: Configured[Metric], outcome: Outcome, resamples: Iterable[IntArray]
) -> Iterator[Mapping[str, float]]:
    """A metric's figures on resamples, or an error that names the metric."""
    with named(metric.entry.key):
        yield from metric.component.resampled(outcome, resamples)


@contextmanager
def named(metric: str) -> Iterator[None]:
    """Faults of a metric as errors that name it."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        raise HarnessError(
            f"The metric {metric} failed: {type(error).__name__}: {error}",
            hint="This is a fault in the metric; the log has the traceback.",
        ) from error


def _score_record(score: Score) -> dict[str, Any]:
    import math

    return {
        "value": float(score.value) if math.isfinite(score.value) else None,
        "better": score.better,
        "low": score.low,
        "high": score.high,
        "total": score.total,
        "decomposes": score.per_example is not None,
        "meaning": score.meaning,
    }


def outcome_of(
    inputs: Mapping[str, Artifact],
    thresholds: tuple[float, ...],
    *,
    prefix: str = "",
    costs: Mapping[str, float] | None = None,
) -> Outcome:
    """The outcome that the artifacts under ``prefix`` make up."""

    def part(role: str) -> Artifact | None:
        return inputs.get(prefix + role)

    load = inputs["load"]
    optional: dict[str, Any] = {}
    if (attack := part("attack")) is not None:
        optional["attacked"] = attacked_of(attack)
    for role in ("test_embeddings", "train_embeddings", "validation_embeddings", "synthetic_embeddings"):
        if (embed := part(role)) is not None:
            optional[role] = embeddings_of(embed)
    train = read_examples(load.path("train.parquet")) if part("train") or part("elicit") else []
    if part("train") is not None:
        optional["train"] = train
    if (elicit := part("elicit")) is not None:
        optional["uus"] = uus_of(elicit, train)
    if (extend := part("extend")) is not None:
        optional["synthetic"], optional["rejected"] = synthetic_of(extend), rejected_of(extend)
    if (predicted := part("synthetic_probs")) is not None:
        optional["synthetic_probs"] = probs_of(predicted)
    if (values := part("values")) is not None:
        optional["values"] = values_of(values)
    if not prefix and "baseline/test" in inputs:
        optional["baseline"] = outcome_of(inputs, thresholds, prefix="baseline/")
    return Outcome(
        task=task_of(load),
        thresholds=thresholds,
        test=read_examples(load.path("test.parquet")),
        probs=probs_of(inputs[prefix + "test"]),
        validation=read_examples(load.path("validation.parquet")),
        validation_probs=probs_of(inputs[prefix + "validation"]),
        costs=costs or {},
        **optional,
    )


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns)


def _frames(outcome: Outcome, inputs: Mapping[str, Artifact]) -> dict[str, pd.DataFrame]:
    """The record's files that do not come from metrics."""
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
    frames = {
        "predictions": _frame(predictions),
        "validation": _frame(
            {
                "id": [example.id for example in outcome.validation],
                "label": np.asarray([example.label for example in outcome.validation]),
                **{f"prob_{k}": outcome.validation_probs[:, k] for k in classes},
            }
        ),
        "texts": _frame(texts),
    }
    if (embeddings := inputs.get("map")) is not None:
        x = embeddings_of(embeddings)
        frames["map"] = _frame({"id": predictions["id"], **dict(zip("xy", _principal_components(x), strict=True))})
    if (extend := inputs.get("extend")) is not None:
        frames |= _synthetic_frames(outcome, extend, inputs)
    return frames


def _principal_components(x: Any) -> Any:
    """The first two principal components, as rows; zeros where there are fewer."""
    import numpy as np

    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1, 1)  # a sign for good
    points = np.zeros((2, len(x)), dtype=np.float32)
    points[: axes.shape[1]] = (centred @ axes).T
    return points


def _synthetic_frames(outcome: Outcome, extend: Artifact, inputs: Mapping[str, Artifact]) -> dict[str, pd.DataFrame]:
    train = read_examples(inputs["load"].path("train.parquet"))
    uus, synthetic, rejected = uus_of(inputs["elicit"], train), synthetic_of(extend), rejected_of(extend)
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
