"""Scores computed again from the predictions that a record keeps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.components.example import Example, Task
from harness.components.metric import AttackedTest, Outcome
from harness.errors import HarnessError, InputError
from harness.records.model import RecordFolder
from harness.records.sampling import parts_of, score_parts
from harness.report.groups import probabilities, tags_of
from harness.types import Texts

if TYPE_CHECKING:
    import pandas as pd

    from harness.components.metric import Metric, Score

RECOVERABLE = frozenset({"baseline", "texts"})
"""Needs of metrics that records can satisfy: the baseline's outcome, from its own record, and the texts where it keeps them."""


def recover_outcome(record: RecordFolder, baseline: RecordFolder | None = None) -> Outcome:
    """The outcome that a record's predictions amount to; texts are empty where the record leaves them out.

    Args:
        record: A record.
        baseline: The record of the baseline arm on the same data and seed.

    Raises:
        InputError: Files or columns are missing.
    """
    header = record.header
    predictions, validation = _need(record, "predictions"), _need(record, "validation")
    texts = record.frame("texts")
    if texts is not None and texts["id"].tolist() != predictions["id"].tolist():
        raise InputError(f"{record.folder}/texts.parquet: its ids are not those of predictions.parquet.")
    attacked: AttackedTest | None = None
    if "status" in predictions:
        for frame, name, column in ((predictions, "predictions", "queries"), (texts, "texts", "perturbed")):
            if frame is not None and column not in frame:
                raise InputError(f"{record.folder}/{name}.parquet: column {column!r} is missing.")
        parts = (probabilities(record, predictions, "perturbed_prob"), predictions["queries"].to_numpy())
        status = predictions["status"].tolist()
        perturbed = [""] * len(status) if texts is None else texts_of(texts, "perturbed", "perturbed_pair")
        attacked = AttackedTest(status, perturbed, *parts)
    return Outcome(
        task=Task(header.dataset, header.data.labels, header.data.columns, header.data.description),
        thresholds=header.thresholds,
        test=_examples(predictions, texts),
        probs=probabilities(record, predictions, "prob"),
        validation=_examples(validation, None),
        validation_probs=probabilities(record, validation, "prob"),
        attacked=attacked,
        baseline=None if baseline is None else recover_outcome(baseline),
    )


def _need(record: RecordFolder, name: str) -> pd.DataFrame:
    frame = record.frame(name)
    if frame is None:
        raise InputError(f"{record.folder}: {name}.parquet is missing.")
    if lacking := [column for column in ("id", "label") if column not in frame]:
        raise InputError(f"{record.folder}/{name}.parquet: column {lacking[0]!r} is missing.")
    return frame


def texts_of(frame: pd.DataFrame, first: str, second: str) -> list[Texts]:
    """Texts, or pairs of texts, from two columns."""
    pairs = frame[second].tolist() if second in frame else [None] * len(frame)
    return [(a, b) if isinstance(b, str) else a for a, b in zip(frame[first].tolist(), pairs, strict=True)]


def _examples(frame: pd.DataFrame, texts: pd.DataFrame | None) -> list[Example]:
    ids, labels = frame["id"].tolist(), frame["label"].tolist()
    tags = tags_of(frame)
    known = [""] * len(frame) if texts is None else texts_of(texts, "text", "text_pair")
    return [
        Example(text, int(label), id=name, tags=tagged)
        if isinstance(text, str)
        else Example(text[0], int(label), text[1], id=name, tags=tagged)
        for name, label, tagged, text in zip(ids, labels, tags, known, strict=True)
    ]


@dataclass
class Recomputed:
    """What came of computing a record's scores again.

    Attributes:
        scores: The scores by name.
        followed: Values of scores that follow from predictions and the metric's own tables (:meth:`Metric.follows`).
        skipped: Why metrics could not be computed again, or not as a whole, by metric.
        metrics: The metrics that could, by name.
        outcome: What they were computed from.
    """

    outcome: Outcome
    scores: dict[str, Score] = field(default_factory=dict)
    followed: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)


def recompute(record: RecordFolder, baseline: RecordFolder | None = None) -> Recomputed:
    """Compute every score of a record that its predictions determine, with the metrics that it names.

    Args:
        record: A record.
        baseline: The record of the baseline arm on the same data and seed, if the record is of another arm.

    Raises:
        InputError: Its predictions are incomplete.
    """
    from harness.registry import registry

    known = Recomputed(recover_outcome(record, baseline))
    lonely = record.header.arm != record.header.baseline and baseline is None
    for role, use in sorted(record.header.components.items()):
        kind, _, name = role.partition(":")
        if kind != "metric":
            continue
        try:
            metric: Any = registry().create("metric", use.name, dict(use.options))
        except HarnessError as error:
            known.skipped[name] = error.message
            continue
        if lacking := sorted(metric.needs - RECOVERABLE):
            known.skipped[name] = f"needs {', '.join(lacking)}, which records do not keep"
            if not lonely:
                tables = {
                    path.rpartition(".")[2]: path for path in record.tables() if path.startswith(f"tables/{name}.")
                }
                frames = {table: record.frame(path) for table, path in tables.items()}
                outcome = known.outcome
                known.followed.update(metric.follows(outcome, {t: f for t, f in frames.items() if f is not None}))
            continue
        if "baseline" in metric.needs and lonely:
            known.skipped[name] = f"needs the record of arm {record.header.baseline!r} under the same seed"
            continue
        if "texts" in metric.needs and record.frame("texts") is None:
            known.skipped[name] = "needs the texts, which this record leaves out"
            continue
        plain = replace(known.outcome, baseline=known.outcome.baseline if "baseline" in metric.needs else None)
        parts = parts_of(plain)
        scores = metric.score(plain) if parts is None else score_parts(metric.score, parts)[0]
        known.scores.update(scores.scalars)
        known.metrics[name] = metric
    return known
