"""The boards of valuators as text and files: Markdown, LaTeX, CSV, and JSON that is read again."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.report.markup import escape_latex, escape_markdown
from harness.valuation.report import ValuationReport

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel

    from harness.valuation.saved import Board

NAME = "valuators.json"
"""Name of the file in a run folder."""


def to_markdown(report: ValuationReport) -> str:
    """A heading, a table and what to know of it."""
    heads, rows = report.table()
    lines = [f"## {escape_markdown(report.title)}", "", f"| {' | '.join(heads)} |"]
    lines.append("|" + "|".join(" --- " if head == "valuator" else " ---: " for head in heads) + "|")
    for texts, best in rows:
        cells = [f"**{t}**" if bold else t for t, bold in zip(map(escape_markdown, texts), best, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{line}  " for line in report.captions)]) + "\n"


def to_latex(report: ValuationReport) -> str:
    """A table (needs the package ``booktabs``)."""
    heads, rows = report.table()
    layout = "".join("l" if head == "valuator" else "r" for head in heads)
    lines = [r"\begin{table}", r"  \centering", rf"  \begin{{tabular}}{{{layout}}}", r"    \toprule"]
    lines += [f"    {' & '.join(map(escape_latex, heads))} \\\\", r"    \midrule"]
    for texts, best in rows:
        cells = [rf"\textbf{{{t}}}" if bold else t for t, bold in zip(map(escape_latex, texts), best, strict=True)]
        lines.append(f"    {' & '.join(cells)} \\\\")
    caption = escape_latex(" ".join([f"Valuators, {report.title}.", *(c.replace("`", "") for c in report.captions)]))
    return (
        "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", rf"  \caption{{{caption}}}", r"\end{table}"]) + "\n"
    )


def to_csv(reports: Sequence[ValuationReport]) -> str:
    """The boards of several data sets as one table."""
    import pandas as pd

    frames = [report.board.assign(dataset=report.dataset, points=report.points) for report in reports]
    table = pd.concat(frames, ignore_index=True)
    first = ["dataset", "points"]
    text: str = table[[*first, *(c for c in table.columns if c not in first)]].to_csv(index=False, lineterminator="\n")
    return text


def to_json(reports: Sequence[ValuationReport]) -> str:
    """Everything that the boards of several data sets are derived from, and the boards."""

    def plain(frame: pd.DataFrame) -> Any:
        return frame.astype(object).where(frame.notna(), None).to_dict("records")  # to_json would round

    return json.dumps(
        [
            {
                "dataset": report.dataset,
                "noise": report.noise,
                "points": report.points,
                "primary": report.primary,
                "board": plain(report.board),
                "runs": plain(report.runs),
                "stable": {n: "fixed" if s is None else None if math.isnan(s) else s for n, s in report.stable.items()},
                "agreement": dict(zip(report.agreement.index, plain(report.agreement), strict=True)),
                "curves": plain(report.curves),
                "network_curves": None if report.network_curves is None else plain(report.network_curves),
                "threshold": report.threshold,
            }
            for report in reports
        ],
        indent=1,
    )


def read_reports(place: Path) -> list[ValuationReport]:
    """The boards that a run left in a folder, derived again from what each draw and seed gave.

    Raises:
        InputError: There is no such file, or it is not what a run writes.
    """
    return [report_of(board) for board in read_boards(place)]


def read_boards(place: Path) -> list[Board]:
    """The content of the file that a run left in a folder.

    Raises:
        InputError: There is no such file, or it is not what a run writes.
    """
    from pydantic import TypeAdapter, ValidationError

    from harness.valuation.saved import Board

    path = place if place.is_file() else place / NAME
    if not path.exists():
        raise InputError(f"{place} holds no {NAME}: no suite with `valuation` was run there.")
    try:
        return TypeAdapter(list[Board]).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"{where}: {first['msg']}" if where else first["msg"]
    except (OSError, ValueError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise InputError(f"{path}: not a board of valuators as this version writes it ({reason}).")


def report_of(board: Board) -> ValuationReport:
    """The board of one data set, derived again from what each draw and seed gave."""
    import pandas as pd

    def frame(parts: Sequence[BaseModel]) -> pd.DataFrame:
        return pd.DataFrame([part.model_dump() for part in parts])

    return ValuationReport(
        dataset=board.dataset,
        noise=board.noise,
        points=board.points,
        primary=board.primary,
        runs=frame(board.runs).fillna(math.nan),
        stable={n: None if s == "fixed" else math.nan if s is None else s for n, s in board.stable.items()},
        agreement=pd.DataFrame.from_dict(board.agreement, orient="index", dtype=float),
        curves=frame(board.curves),
        threshold=board.threshold,
        network_curves=frame(board.network_curves) if board.network_curves else None,
    )
