"""The boards of valuators of a run: from the artifacts of its assessments to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.disk import explained, write_text
from harness.stages.contents.arrays import Probabilities
from harness.stages.contents.data import CorruptedData
from harness.store.payload import labels_of
from harness.valuation.datamodel import datamodelling_score, margin_utility, subset_rows, uu_utility

if TYPE_CHECKING:
    from harness.plan import Assessment
    from harness.stages.base import Stage
    from harness.store.store import Artifact
    from harness.suite import Suite
    from harness.types import FloatArray, IntArray
    from harness.valuation.board import Judged
    from harness.valuation.report import ValuationReport


ENDS = {"": "value", "_low": "low", "_high": "high"}
"""What a figure and the ends of its interval are called."""


@dataclass(frozen=True)
class Utilities:
    """What retraining on random subsets came to.

    Attributes:
        subsets: Rows that were trained on.
        margin: ``(m,)`` mean log-odds of the true class.
        uu: ``(m,)`` minus the share of unknown unknowns at the first threshold.
    """

    subsets: Sequence[IntArray]
    margin: FloatArray
    uu: FloatArray


def judged(
    item: Assessment, artifact: Callable[[Stage[Any]], Artifact], taus: Sequence[float], known: dict[str, Utilities]
) -> Judged:
    """What an assessment found, and what the valuation cost when it was computed.

    Args:
        item: The assessment.
        artifact: Opens the artifact of a stage.
        taus: Confidence thresholds of the suite.
        known: Utilities by data stage, which are read once.
    """
    from harness.stages.contents.valuation import ValuationFindings
    from harness.valuation.board import Judged
    from harness.valuation.judge import Measured

    opened = artifact(item.stage)
    found = ValuationFindings.read(opened.folder)
    measured = Measured(found.values, **opened.meta["valuation"])
    made = Judged.of(item.valuator, item.draw, item.seed, found.assessed, measured)
    if not item.retrained:
        return made
    if item.stage.data.id not in known:
        known[item.stage.data.id] = _utilities(item, artifact, taus[0])
    came = known[item.stage.data.id]
    scores = {
        name: datamodelling_score(found.values, came.subsets, u)
        for name, u in (("lds", came.margin), ("lds_uu", came.uu))
    }
    more = {f"{name}{end}": getattr(one, what) for name, one in scores.items() for end, what in ENDS.items()}
    return replace(made, figures={**made.figures, **more})


def _utilities(item: Assessment, artifact: Callable[[Stage[Any]], Artifact], tau: float) -> Utilities:
    import numpy as np

    data = CorruptedData.read(artifact(item.stage.data).folder)
    labels = labels_of(data.test)
    probs = [Probabilities.read(artifact(stage).folder).probs for stage in item.retrained]
    return Utilities(
        [subset_rows(len(data.noisy), stage.fraction, stage.subset) for stage in item.retrained],
        np.array([margin_utility(one, labels) for one in probs]),
        np.array([uu_utility(one, labels, tau) for one in probs]),
    )


def valuations(suite: Suite, items: Mapping[str, Sequence[Judged]], folder: Path) -> list[ValuationReport]:
    """Write the boards of valuators by data set, in every form; none where the suite asks for none."""
    if suite.valuation is None or not items:
        return []
    from harness.report.html.valuation import valuation_page
    from harness.valuation.files import NAME, to_csv, to_json, to_markdown
    from harness.valuation.report import make_report

    reports = [make_report(dataset, suite.valuation.noise, found) for dataset, found in items.items()]
    with explained(folder):
        write_text(folder / "valuators.md", "\n".join(map(to_markdown, reports)))
        write_text(folder / "valuators.csv", to_csv(reports))
        write_text(folder / NAME, to_json(reports))
        write_text(folder / "valuators.html", valuation_page(reports, title=suite.name))
    return reports
