"""Does every figure of a board of valuators follow from what was kept beside it?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.valuation.evidence import ARRAYS, Evidence
from harness.valuation.files import NAME, read_boards, report_of
from harness.valuation.judge import area_between, noisy_label_auroc, noisy_label_f1
from harness.valuation.network import network_area
from harness.valuation.report import ValuationReport

if TYPE_CHECKING:
    import pandas as pd

    from harness.valuation.saved import Row

TOLERANCE = 1e-4
"""Difference up to which two figures are the same: predictions are kept in single precision, and ties may break."""


@dataclass
class Checked:
    """What a check of boards found: what is wrong, what could not be checked, and how many figures were found again."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scores: int = 0

    def compare(self, what: str, claimed: Any, found: float) -> None:
        """Note a figure that is not what it follows from."""
        claimed = math.nan if claimed is None else float(claimed)
        if math.isnan(claimed) and math.isnan(found):
            return
        if not math.isclose(claimed, found, rel_tol=0, abs_tol=TOLERANCE):
            self.problems.append(f"{what} is given as {claimed:.6g}, but what was kept says {found:.6g}")
        else:
            self.scores += 1


def board_files(paths: Sequence[Path]) -> list[Path]:
    """The files of boards of valuators at or below some folders."""
    found = [file for path in paths if path.is_dir() for file in sorted(path.rglob(NAME))]
    return list(dict.fromkeys(file.resolve() for file in found))


def check_boards(files: Sequence[Path]) -> Checked:
    """Compute the figures of boards again, as far as what they follow from was kept."""
    checked = Checked()
    for file in files:
        try:
            boards = read_boards(file)
            reports = [report_of(board) for board in boards]
            for report, board in zip(reports, boards, strict=True):
                _derived(f"{file}: {report.dataset}", report, board.board, checked)
            if any(report.threshold is not None for report in reports):
                evidence = Evidence(file.with_name(ARRAYS))
                for report in reports:
                    _scores(file, report, evidence, checked)
            else:
                checked.notes.append(f"{file}: what the figures follow from is kept only where retraining judges.")
        except InputError as error:
            checked.problems.append(error.message)
    return checked


def _derived(where: str, report: ValuationReport, said: Sequence[Row], checked: Checked) -> None:
    """The means and intervals over draws, from the figures of these."""
    claimed = {row.valuator: row.model_extra or {} for row in said}
    for row in report.board.to_dict("records"):
        own = claimed.get(row["valuator"])
        if own is None:
            checked.problems.append(f"{where}: the board has no row of {row['valuator']}")
            continue
        for name in report.columns:
            for key in (name, f"{name}_low", f"{name}_high"):
                if key in row and name not in {"seconds", "peak_mb"}:
                    checked.compare(f"{where}, {row['valuator']}: {key} on the board", own.get(key), float(row[key]))


def _scores(file: Path, report: ValuationReport, evidence: Evidence, checked: Checked) -> None:
    """The figures of every valuator, draw and seed."""
    import numpy as np

    if report.threshold is None:
        return
    for draw in map(int, report.runs["draw"].unique()):
        runs = report.runs[report.runs["draw"] == draw]
        retrained = evidence.retrainings(report.dataset, draw, report.points)
        for run in runs.to_dict("records"):
            key = (run["valuator"], int(run["seed"]))
            values = evidence.values(report.dataset, draw, *key)
            predicted = evidence.predicted(report.dataset, draw, *key)
            where = f"{file}: {report.dataset}, {key[0]}, draw {draw}, seed {key[1]}"
            if values.shape != (report.points,) or (
                predicted is not None and predicted.shape != retrained.validation.shape[:2]
            ):
                checked.problems.append(
                    f"{where}: values or predictions in {ARRAYS} are not of the shape that they should be"
                )
                continue
            again = {
                "auroc": noisy_label_auroc(values, retrained.noisy),
                "f1": noisy_label_f1(values, retrained.noisy),
                "removal_area": area_between(_of(report.curves, *key, draw).sort_values("removed")),
                **retrained.figures(values, predicted, report.threshold),
            }
            if report.network_curves is not None:
                again["network_area"] = network_area(_of(report.network_curves, *key, draw))
            for name, found in again.items():
                checked.compare(f"{where}: {name}", run.get(name), found)
            if predicted is not None:
                of_sum = retrained.predicted(values)
                if not np.allclose(predicted.mean(axis=1), of_sum, rtol=1e-3, atol=1e-4 * np.abs(predicted).max()):
                    checked.problems.append(
                        f"{where}: what is predicted of single points does not add up to the values"
                    )


def _of(curves: pd.DataFrame, valuator: str, seed: int, draw: int) -> pd.DataFrame:
    """The points of one curve; none of one that is missing, whose area is then not a number."""
    return curves[(curves["valuator"] == valuator) & (curves["seed"] == seed) & (curves["draw"] == draw)]
