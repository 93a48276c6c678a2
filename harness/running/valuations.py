"""The boards of valuators of a run: from the artifacts of its assessments to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.disk import explained, write_text
from harness.stages.contents.arrays import Answers
from harness.stages.contents.data import CorruptedData
from harness.store.payload import labels_of
from harness.valuation.datamodel import Retrainings, subset_rows
from harness.valuation.network import network_area, network_curves

if TYPE_CHECKING:
    from harness.plan import Assessment
    from harness.stages.base import Stage
    from harness.store.store import Artifact
    from harness.suite import Suite
    from harness.valuation.board import Judged
    from harness.valuation.report import ValuationReport


def judged(
    item: Assessment, artifact: Callable[[Stage[Any]], Artifact], taus: Sequence[float], known: dict[str, Retrainings]
) -> Judged:
    """What an assessment found, and what the valuation cost when it was computed.

    Args:
        item: The assessment.
        artifact: Opens the artifact of a stage.
        taus: Confidence thresholds of the suite.
        known: What retraining came to by data stage, which is read once.
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
        known[item.stage.data.id] = _retrainings(item, artifact)
    came = known[item.stage.data.id]
    predicted = None if found.attributions is None else came.predicted(found.attributions).astype("float32")
    figures = {**made.figures, **came.figures(found.values, predicted, taus[0])}
    curves = None
    if item.removed:
        said = [tuple(Answers.read(artifact(stage).folder).test for stage in one.stages) for one in item.removed]
        curves = network_curves([one.share for one in item.removed], said, came.test_labels)
        figures["network_area"] = network_area(curves)
    return replace(made, figures=figures, retrainings=came, predicted=predicted, network_curves=curves)


def _retrainings(item: Assessment, artifact: Callable[[Stage[Any]], Artifact]) -> Retrainings:
    import numpy as np

    data = CorruptedData.read(artifact(item.stage.data).folder)
    members = np.zeros((len(item.retrained), len(data.noisy)), dtype=bool)
    for row, stage in zip(members, item.retrained, strict=True):
        row[subset_rows(len(row), stage.fraction, stage.subset)] = True
    answers = [Answers.read(artifact(stage).folder) for stage in item.retrained]
    return Retrainings(
        members,
        np.stack([one.test for one in answers]),
        labels_of(data.test),
        np.stack([one.validation for one in answers]),
        labels_of(data.validation),
        np.asarray(data.noisy, dtype=bool),
    )


def valuations(suite: Suite, items: Mapping[str, Sequence[Judged]], folder: Path) -> list[ValuationReport]:
    """Write the boards of valuators by data set, in every form; none where the suite asks for none."""
    if suite.valuation is None or not items:
        return []
    from harness.report.html.valuation import valuation_page
    from harness.valuation.evidence import ARRAYS, write_evidence
    from harness.valuation.files import NAME, to_csv, to_json, to_markdown
    from harness.valuation.report import make_report

    noise, tau = suite.valuation.noise, suite.thresholds[0]
    reports = [make_report(dataset, noise, found, tau) for dataset, found in items.items()]
    with explained(folder):
        write_text(folder / "valuators.md", "\n".join(map(to_markdown, reports)))
        write_text(folder / "valuators.csv", to_csv(reports))
        write_text(folder / NAME, to_json(reports))
        write_evidence(folder / ARRAYS, items)
        write_text(folder / "valuators.html", valuation_page(reports, title=suite.name))
    return reports
