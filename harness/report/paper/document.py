"""The files of ``harness paper``: a LaTeX document that compiles as it is, and its bibliography."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.comparing import compare
from harness.report.markup import comparison_latex
from harness.report.paper.citations import citations
from harness.report.paper.methods import methods, used

if TYPE_CHECKING:
    from harness.records.model import RecordFolder
    from harness.report.leaderboard import Leaderboard

TEX, BIB = "paper.tex", "references.bib"


def paper(records: Sequence[RecordFolder], leaderboard: Leaderboard) -> dict[str, str]:
    """The files by name.

    Args:
        records: The records of a run.
        leaderboard: Their leaderboard.
    """
    tables = leaderboard.to_latex().partition("\n\n")[2]
    parts = [
        r"\documentclass{article}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage{booktabs}",
        r"\usepackage{graphicx}",
        r"\begin{document}",
        r"\section*{Methods}",
        methods(records, leaderboard),
        r"\section*{Results}",
        _fitting(tables),
        *_comparisons(records),
        r"\nocite{*}",
        r"\bibliographystyle{plain}",
        r"\bibliography{references}",
        r"\end{document}",
    ]
    entries = "\n\n".join(entry.bibtex for entry in citations(used(records, leaderboard)))
    return {TEX: "\n\n".join(parts) + "\n", BIB: entries + "\n"}


def _comparisons(records: Sequence[RecordFolder]) -> list[str]:
    """A table for each arm against the baseline."""
    made = []
    arms = list(dict.fromkeys((r.header.suite, r.header.arm, r.header.baseline) for r in records))
    for suite, arm, baseline in arms:
        of = {n: [r for r in records if (r.header.suite, r.header.arm) == (suite, n)] for n in (arm, baseline)}
        if arm != baseline and of[baseline]:
            made += [_fitting(comparison_latex(found)) for found in compare(of[baseline], of[arm])]
    return made


def _fitting(tables: str) -> str:
    """Tables no wider than the text."""
    begin, end = r"\begin{tabular}", r"\end{tabular}"
    return tables.replace(begin, r"\resizebox{\textwidth}{!}{" + begin).replace(end, end + "}")
