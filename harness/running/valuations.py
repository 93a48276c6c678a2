"""The boards of valuators of a run: from the artifacts of its assessments to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.disk import explained, write_text

if TYPE_CHECKING:
    from harness.plan import Assessment
    from harness.store.store import Artifact
    from harness.suite import Suite
    from harness.valuation.board import Judged
    from harness.valuation.report import ValuationReport


def judged(item: Assessment, artifact: Artifact) -> Judged:
    """What an assessment found, and what the valuation cost when it was computed."""
    from harness.stages.contents.valuation import ValuationFindings
    from harness.valuation.board import Judged
    from harness.valuation.judge import Measured

    found = ValuationFindings.read(artifact.folder)
    measured = Measured(found.values, **artifact.meta["valuation"])
    return Judged.of(item.valuator, item.draw, item.seed, found.assessed, measured)


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
