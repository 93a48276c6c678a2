"""Checking of submissions: is every record whole, and does every figure follow from its predictions?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components.metric import UNATTACKED
from harness.components.probabilities import improper
from harness.errors import HarnessError, InputError
from harness.records.model import HEADER, RecordFolder, read_record, record_folders
from harness.records.sampling import parts_of
from harness.report.groups import BoardKey, Group, groups
from harness.report.recompute import Recomputed, recompute, texts_of
from harness.report.submission import lacking
from harness.report.suite_check import of_suite
from harness.statistics.resampling import cluster_id, resample_rows
from harness.statistics.samples import SEED

if TYPE_CHECKING:
    import pandas as pd

    from harness.components.metric import Outcome


TOLERANCE = 1e-6
"""Relative difference up to which two figures are the same; probabilities are kept in single precision."""

REPLICATES_CHECKED = 3
"""Number of bootstrap resamples that are computed again, of those that a record keeps."""


@dataclass
class Report:
    """What a check found.

    Attributes:
        problems: What is wrong with records, one line each.
        lacking: What a submission needs beside them (:mod:`harness.report.submission`), one line each.
        notes: What could not be checked, and why.
        records: Number of records looked at.
        scores: Number of figures computed again and found equal.
        boards: Number of files of boards of valuators looked at.
        claimed: By board, the scores of which some record's figure was not computed again.
    """

    problems: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: int = 0
    scores: int = 0
    boards: int = 0
    claimed: dict[BoardKey, set[str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong and nothing lacks."""
        return not self.problems and not self.lacking


def check_records(paths: Iterable[Path], *, suite: Path | None = None) -> Report:
    """Check records as they would be checked before they are accepted.

    Args:
        paths: Folders that hold records, or boards of valuators, at any depth.
        suite: The suite file that they claim to come from; its boards and the options of its arms must then be theirs.

    Returns:
        All problems at once.

    Raises:
        InputError: A path does not exist or holds no record, or the suite file is not valid.
    """
    from harness.valuation.checking import board_files, check_boards

    report = Report()
    records, places = [], list(paths)
    files = board_files(places)
    report.boards, valued = len(files), check_boards(files)
    report.problems += valued.problems
    report.notes += valued.notes
    report.scores += valued.scores
    alone = [place for place in places if board_files([place]) and not any(place.rglob(HEADER))]  # no arms
    for folder in record_folders(place for place in places if place not in alone):
        report.records += 1
        try:
            record = read_record(folder)
        except InputError as error:
            report.problems.append(error.message)
            continue
        problems = _files(record) or _predictions(record)
        report.problems += problems
        if not problems:
            records.append(record)
    if suite is not None:
        problems, notes = of_suite(suite, records)
        report.problems += problems
        report.notes += notes
    _boards(records, report)
    found = _groups(records, report)
    report.lacking += lacking(found, suite)
    for group in found:
        for arm in group.arms:
            for seed, member in sorted(group.members[arm].items()):
                baseline = group.members.get(group.baseline, {}).get(seed)
                _scores(member.record, None if baseline is None or baseline is member else baseline.record, report)
    report.notes = list(dict.fromkeys(report.notes))
    return report


def _files(record: RecordFolder) -> list[str]:
    problems = record.verify()
    listed = {*record.header.files, HEADER}
    for path in sorted(record.folder.rglob("*")):
        if path.is_file() and path.relative_to(record.folder).as_posix() not in listed:
            problems.append(f"{path}: is not listed in {HEADER}")
    needed = ["predictions.parquet", "validation.parquet"]
    if any(score.decomposes for score in record.header.scores.values()):
        needed.append("per_example.parquet")
    problems += [f"{record.folder}: {name} is missing" for name in needed if name not in record.header.files]
    return problems


def _predictions(record: RecordFolder) -> list[str]:
    """What is wrong with the predictions themselves."""
    problems: list[str] = []
    sizes = {"predictions": record.header.data.test, "validation": record.header.data.validation}
    for name, size in sizes.items():
        where = f"{record.folder}/{name}.parquet"
        try:
            frame = record.frame(name)
        except InputError as error:
            problems.append(error.message)
            continue
        if frame is None or not {"id", "label"} <= set(frame.columns):
            problems.append(f"{where}: the columns id and label are needed")
            continue
        if len(frame) != size:
            problems.append(f"{where}: has {len(frame)} rows; {HEADER} says {size}")
        if frame["id"].duplicated().any():
            problems.append(f"{where}: id {frame['id'][frame['id'].duplicated()].iloc[0]!r} occurs twice")
        classes = len(record.header.data.labels)
        if not frame["label"].between(0, classes - 1).all():
            problems.append(f"{where}: labels must lie in 0..{classes - 1}")
        prefixes = ["prob", *(["perturbed_prob"] if "status" in frame else [])]
        problems += [f"{where}: {problem}" for prefix in prefixes for problem in _probabilities(frame, prefix, classes)]
        if "status" in frame and not problems:
            problems += [f"{where}: {problem}" for problem in _statuses(frame, classes)]
        if name == "predictions" and "cluster" in frame:
            problems += _clusters(record, frame)
    return problems


def _clusters(record: RecordFolder, predictions: pd.DataFrame) -> list[str]:
    """Whether examples are told apart by their texts, as far as these are there."""
    try:
        texts = record.frame("texts")
    except InputError as error:
        return [error.message]
    if texts is None or len(texts) != len(predictions):
        return []
    expected = [cluster_id(text) for text in texts_of(texts, "text", "text_pair")]
    if predictions["cluster"].tolist() == expected:
        return []
    return [f"{record.folder}/predictions.parquet: column 'cluster' does not follow from the texts"]


def _probabilities(frame: pd.DataFrame, prefix: str, classes: int) -> list[str]:
    names = [f"{prefix}_{k}" for k in range(classes)]
    if lacking := [name for name in names if name not in frame]:
        return [f"column {lacking[0]!r} is missing"]
    found = improper(frame[names].to_numpy(dtype=float))
    if found is None:
        return []
    name = frame["id"].iloc[found.row]
    return [f"row {found.row} ({name}): {names[0]}..{names[-1]} are no probabilities that sum to 1: {found.reason}"]


def _statuses(frame: pd.DataFrame, classes: int) -> list[str]:
    import numpy as np

    labels = frame["label"].to_numpy()
    right, right_after = (
        frame[[f"{prefix}_{k}" for k in range(classes)]].to_numpy().argmax(axis=1) == labels
        for prefix in ("prob", "perturbed_prob")
    )
    expected = np.where(~right, "skipped", np.where(right_after, "failed", "succeeded"))
    expected = np.where((frame["status"] == UNATTACKED) & (right == right_after), UNATTACKED, expected)
    wrong = frame["status"].to_numpy() != expected
    if not wrong.any():
        return []
    row = int(wrong.argmax())
    return [f"row {row}: status {frame['status'].iloc[row]!r} contradicts the probabilities ({expected[row]})"]


def _boards(records: Sequence[RecordFolder], report: Report) -> None:
    """Whether one suite has one board per data set."""
    first: dict[tuple[str, str], RecordFolder] = {}
    for record in records:
        header = record.header
        known = first.setdefault((header.suite, header.dataset), record)
        if known.header.board != header.board:
            report.problems.append(
                f"{record.folder}: the suite {header.suite!r} was changed (board {header.board}; {known.folder} has "
                f"{known.header.board})"
            )


def _groups(records: Sequence[RecordFolder], report: Report) -> list[Group]:
    try:
        found = groups(records)
        for group in found:
            group.samples()
        return found
    except InputError as error:
        report.problems.append(error.message)
        return []


def _scores(record: RecordFolder, baseline: RecordFolder | None, report: Report) -> None:
    """Whether every figure follows from the predictions."""
    try:
        again = recompute(record, baseline)
    except HarnessError as error:
        report.problems.append(error.message)
        return
    given = {score.metric for score in record.header.scores.values()}
    for name, reason in again.skipped.items():
        if name not in given:
            continue
        part = (
            " as a whole"
            if any(s.metric == name and n in again.followed for n, s in record.header.scores.items())
            else ""
        )
        report.notes.append(f"metric {name} was not computed again{part}: {reason}.")
    for name, found in again.scores.items():
        claimed = record.header.scores.get(name)
        if claimed is None:
            report.problems.append(f"{record.folder}: the score {name!r} is missing; it is {found.value:.6g}")
        elif not _same(claimed.value, found.value):
            stated = "undefined" if claimed.value is None else f"{claimed.value:.6g}"
            report.problems.append(
                f"{record.folder}: {name} is given as {stated}, but the predictions say {found.value:.6g}"
            )
        else:
            report.scores += 1
    for name, value in again.followed.items():
        claimed = record.header.scores.get(name)
        if claimed is None or not _same(claimed.value, value):
            stated = "missing" if claimed is None else f"given as {claimed.value}"
            report.problems.append(
                f"{record.folder}: {name} is {stated}, but its tables and the predictions say {value:.6g}"
            )
        else:
            report.scores += 1
    for name, claimed in record.header.scores.items():
        if name not in again.scores and claimed.metric in again.metrics:
            report.problems.append(f"{record.folder}: metric {claimed.metric} gives no score {name!r}")
    report.claimed.setdefault(BoardKey.of(record.header), set()).update(
        set(record.header.scores) - {*again.scores, *again.followed}
    )
    report.problems += _contributions(record, again)
    report.problems += _replicates(record, again)


def _same(claimed: float | None, found: float) -> bool:
    if claimed is None or not math.isfinite(found):
        return claimed is None and not math.isfinite(found)
    return math.isclose(claimed, found, rel_tol=TOLERANCE, abs_tol=1e-9)


def _contributions(record: RecordFolder, again: Recomputed) -> list[str]:
    import numpy as np

    problems = []
    frame = record.frame("per_example")
    for name, found in again.scores.items():
        if found.per_example is None:
            continue
        if frame is None or name not in frame:
            problems.append(f"{record.folder}/per_example.parquet: column {name!r} is missing")
            continue
        claimed = frame[name].to_numpy(dtype=float, na_value=np.nan)
        right = np.asarray(found.per_example, dtype=float)
        if len(claimed) != len(right) or not np.allclose(claimed, right, rtol=TOLERANCE, atol=1e-6, equal_nan=True):
            problems.append(f"{record.folder}/per_example.parquet: {name} is not what the predictions say")
    return problems


def _replicates(record: RecordFolder, again: Recomputed) -> list[str]:
    """Whether the first resampled values are what the resamples give."""
    frame = record.frame("replicates")
    predictions = record.frame("predictions")
    if frame is None or frame.empty or predictions is None:
        return []
    clusters = predictions["cluster" if "cluster" in predictions else "id"].astype(str).tolist()
    if (parts := parts_of(again.outcome)) is None:
        return _resampled(record, again, again.outcome, clusters, frame)
    over_sample = {name for name, score in record.header.scores.items() if score.n is not None}
    return [
        *_resampled(record, again, parts.clean, clusters, frame[[n for n in frame if n not in over_sample]]),
        *_resampled(
            record,
            again,
            parts.attacked,
            [clusters[row] for row in parts.rows],
            frame[[n for n in frame if n in over_sample]],
        ),
    ]


def _resampled(
    record: RecordFolder, again: Recomputed, outcome: Outcome, clusters: Sequence[str], frame: pd.DataFrame
) -> list[str]:
    import itertools

    owner = {name: score.metric for name, score in record.header.scores.items()}
    problems: dict[str, None] = {}
    count = min(REPLICATES_CHECKED, len(frame))
    for row, rows in enumerate(itertools.islice(resample_rows(clusters, count=count, seed=SEED), count)):
        sample = outcome.take(rows)
        for metric in sorted({owner[name] for name in frame.columns if owner.get(name) in again.metrics}):
            found = again.metrics[metric].score(sample).scalars
            for name in frame.columns:
                if owner.get(name) != metric or name not in found:
                    continue
                claimed = float(frame[name].iloc[row])
                if not _same(None if math.isnan(claimed) else claimed, found[name].value):
                    problems[
                        f"{record.folder}/replicates.parquet: {name} is not what the resamples of the predictions give"
                    ] = None
    return list(problems)
