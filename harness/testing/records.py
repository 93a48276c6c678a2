"""Records of classifiers that do not exist, for tests of whatever reads records.

The predictions are drawn at random; everything that follows from them is computed by the real metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

    from harness.components.metric import Metric, Outcome, Score
    from harness.records.model import Record, RecordFolder
    from harness.types import FloatArray

METRICS = ("accuracy", "confidence", "uu", "ece")
LABELS = ("negative", "positive")


@dataclass(frozen=True)
class PretendArm:
    """How an arm of the pretended classifiers behaves.

    Attributes:
        name: Name of the arm.
        skill: How far its logits are from the decision boundary on the right side, in standard deviations.
        sharpness: Factor on its logits: below 1 it is less confident, without predicting anything else.
        robustness: The share of its skill that survives the attack.
    """

    name: str
    skill: float = 1.0
    sharpness: float = 1.5
    robustness: float = -0.2


def pretend_outcome(arm: PretendArm, *, seed: int = 0, size: int = 300, dataset: str = "pretend") -> Outcome:
    """The outcome of an arm: the difficulty of the examples is common to all arms and seeds, the noise is not."""
    import zlib

    import numpy as np

    from harness.components.example import Example, Task
    from harness.components.metric import AttackedTest, Outcome

    shared = np.random.default_rng(7)
    own = np.random.default_rng([seed, zlib.crc32(arm.name.encode())])
    validation_size = max(4, size // 3)
    labels = shared.integers(0, 2, size + validation_size)
    difficulty = shared.normal(size=size + validation_size)
    skill = arm.skill + 0.05 * own.normal()
    margin = skill + difficulty + 0.3 * own.normal(size=size + validation_size)
    damage = shared.exponential(size=size)
    attacked_margin = np.where(margin[:size] > 0, margin[:size] * arm.robustness + skill - damage, margin[:size])
    probs = _probabilities(margin * arm.sharpness, labels)
    right = margin[:size] > 0
    succeeded = right & (attacked_margin < 0)
    attacked_margin = np.where(right & ~succeeded, np.abs(attacked_margin), attacked_margin)
    words = np.asarray(["dull", "fine", "slow", "witty", "long", "warm"])
    texts = [f"review {i}: {' '.join(shared.choice(words, 4))}" for i in range(size + validation_size)]
    examples = [
        Example(texts[i], int(labels[i]), id=f"test/{i}" if i < size else f"validation/{i - size}")
        for i in range(size + validation_size)
    ]
    status = np.where(right, np.where(succeeded, "succeeded", "failed"), "skipped")
    return Outcome(
        task=Task(dataset, LABELS, ("review",)),
        thresholds=(0.65, 0.8, 0.9),
        test=examples[:size],
        probs=probs[:size],
        validation=examples[size:],
        validation_probs=probs[size:],
        attacked=AttackedTest(
            status.tolist(),
            [
                text if state == "skipped" else text.replace("e", "3", 1)
                for text, state in zip(texts, status, strict=False)
            ],
            _probabilities(attacked_margin * arm.sharpness, labels[:size]),
            own.integers(3, 40, size),
        ),
    )


def _probabilities(margins: FloatArray, labels: Any) -> FloatArray:
    import numpy as np

    right = 1 / (1 + np.exp(-margins))
    probs = np.empty((len(margins), 2), dtype=np.float32)
    probs[np.arange(len(margins)), labels] = right
    probs[:, 0], probs[:, 1] = np.where(labels == 0, right, 1 - right), np.where(labels == 1, right, 1 - right)
    return probs


def pretend_record(
    folder: Path,
    arm: PretendArm,
    *,
    seed: int = 0,
    size: int = 300,
    suite: str = "pretend",
    dataset: str = "pretend",
    metrics: Sequence[str] | Mapping[str, Mapping[str, Any]] = METRICS,
    texts: bool = True,
    baseline: str = "only",
    resamples: int = 10,
) -> RecordFolder:
    """Write the record of a pretended arm, with contributions and replicates as a run writes them.

    ``metrics`` are names, or options by name.
    """
    import numpy as np
    import pandas as pd

    from harness.records.writer import write_record
    from harness.registry import registry
    from harness.statistics.resampling import cluster_id, resample_rows

    outcome = pretend_outcome(arm, seed=seed, size=size, dataset=dataset)
    options = metrics if isinstance(metrics, Mapping) else {name: {} for name in metrics}
    components = {
        name: cast("Metric", registry().create("metric", name, dict(given))) for name, given in options.items()
    }
    found: dict[str, tuple[str, Score]] = {}
    frames = _frames(outcome, texts=texts)
    for name, metric in components.items():
        scores = metric.score(outcome)
        found |= {key: (name, score) for key, score in scores.scalars.items()}
        frames |= {f"tables/{name}.{table}": frame for table, frame in scores.tables.items()}
    contributions = {
        key: score.per_example if score.per_example.dtype == bool else score.per_example.astype(np.float32)
        for key, (_, score) in found.items()
        if score.per_example is not None
    }
    frames["per_example"] = pd.DataFrame({"id": [example.id for example in outcome.test], **contributions})
    others = [key for key in found if key not in contributions]
    drawn: dict[str, list[float]] = {key: [] for key in others}
    clusters = [cluster_id(example.texts) for example in outcome.test]
    for rows in resample_rows(clusters, count=resamples if others else 0, seed=0):
        sample = outcome.take(rows)
        again = {name: components[name].score(sample).scalars for name in {found[key][0] for key in others}}
        for key in others:
            drawn[key].append(again[found[key][0]][key].value)
    if others:
        frames["replicates"] = pd.DataFrame(drawn)
    header = _header(outcome, arm, seed, suite, dataset, baseline, found, components)
    return write_record(folder / dataset / arm.name / f"seed-{seed}", header, frames)


def _frames(outcome: Outcome, *, texts: bool) -> dict[str, pd.DataFrame]:
    import pandas as pd

    from harness.statistics.resampling import cluster_id

    attacked = outcome.attacked
    assert attacked is not None  # noqa: S101 - for the type checker
    ids = [example.id for example in outcome.test]
    frames = {
        "predictions": pd.DataFrame(
            {
                "id": ids,
                "cluster": [cluster_id(example.texts) for example in outcome.test],
                "label": outcome.labels,
                "tags": [list(example.tags) for example in outcome.test],
                "prob_0": outcome.probs[:, 0],
                "prob_1": outcome.probs[:, 1],
                "status": list(attacked.status),
                "perturbed_prob_0": attacked.probs[:, 0],
                "perturbed_prob_1": attacked.probs[:, 1],
                "queries": attacked.queries,
            }
        ),
        "validation": pd.DataFrame(
            {
                "id": [example.id for example in outcome.validation],
                "label": [example.label for example in outcome.validation],
                "prob_0": outcome.validation_probs[:, 0],
                "prob_1": outcome.validation_probs[:, 1],
            }
        ),
    }
    if texts:
        frames["texts"] = pd.DataFrame(
            {
                "id": ids,
                "text": [example.text for example in outcome.test],
                "text_pair": None,
                "perturbed": list(attacked.perturbed),
                "perturbed_pair": None,
            }
        )
    return frames


def _header(
    outcome: Outcome,
    arm: PretendArm,
    seed: int,
    suite: str,
    dataset: str,
    baseline: str,
    found: dict[str, tuple[str, Score]],
    components: dict[str, Metric],
) -> Record:
    import hashlib

    from harness.records.model import ComponentUse, DataRecord, Environment, Record, ScoreRecord
    from harness.version import __version__

    def digest(*parts: object) -> str:
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    return Record(
        suite=suite,
        board=digest(suite, dataset, sorted(components)),
        dataset=dataset,
        arm=arm.name,
        seed=seed,
        baseline=baseline,
        arm_definition={} if arm.name == baseline else {"weights": arm.name},
        thresholds=outcome.thresholds,
        data=DataRecord(
            fingerprint=digest([example.text for example in outcome.test]),
            labels=outcome.task.labels,
            columns=outcome.task.columns,
            train=1000,
            validation=len(outcome.validation),
            test=len(outcome.test),
        ),
        components={
            f"metric:{name}": ComponentUse(
                kind="metric",
                name=f"bliss-harness-metrics/{name}",
                version=__version__,
                options=metric.model_dump(mode="json"),
            )
            for name, metric in components.items()
        },
        counts={"attacked": 40, "uus": 10, "uus_wanted": 10, "synthetic": 20},
        scores={key: ScoreRecord.of(score, metric=name) for key, (name, score) in found.items()},
        artifacts={},
        files={},
        timings={"fine-tune": 1.0},
        environment=Environment(python="3.11", platform="any", packages={}, device="cpu", threads=1),
        harness=__version__,
    )
