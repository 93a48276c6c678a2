"""The leaderboard as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from harness.report import overall_text
from harness.report.columns import MINUS, Column, best_rows, captions, chosen_columns, title
from harness.report.comparing_text import caption, main_rows

if TYPE_CHECKING:
    from harness.report.comparing import Comparison
    from harness.report.model import Board, Overall

_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    MINUS: "$-$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "\N{INCREMENT}": r"$\Delta$",
    "·": r"$\cdot$",
    "–": "--",
    "†": r"\textdagger{}",
    "↓": r"$\downarrow$",
}


def escape_latex(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_LATEX.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    """Text that neither ends a cell nor starts markup or HTML."""
    for character in ("\\", "|", "*", "_", "`", "["):
        text = text.replace(character, f"\\{character}")
    return text.replace("<", "&lt;").replace("\n", " ")


def _cells(
    board: Board, columns: list[Column], escape: Callable[[str], str], bold: Callable[[str], str]
) -> list[tuple[list[str], bool]]:
    """Cells of every row with the best ones marked, and whether the row is a reported one."""
    best = [best_rows(board, column) for column in columns]
    rows = []
    for row in board.rows:
        texts = [escape(column.cell(board, row)) for column in columns]
        if not row.reported:
            texts = [bold(text) if row.arm in marked else text for text, marked in zip(texts, best, strict=True)]
        rows.append((texts, row.reported))
    return rows


def markdown(boards: Sequence[Board], keys: Iterable[str] = (), overall: Sequence[Overall] = ()) -> str:
    """See :meth:`harness.report.Leaderboard.to_markdown`."""
    wanted = list(keys)
    parts = []
    for board in boards:
        columns = chosen_columns(board, wanted)
        lines = [f"### {escape_markdown(title(board))}", ""]
        lines.append("| " + " | ".join(escape_markdown(column.title) for column in columns) + " |")
        lines.append("| " + " | ".join("---:" if column.numeric else "---" for column in columns) + " |")
        for texts, reported in _cells(board, columns, escape_markdown, "**{}**".format):
            shown = [f"*{text}*" if reported and text else text for text in texts]
            lines.append("| " + " | ".join(shown) + " |")
        lines += ["", *(f"{escape_markdown(line)}  " for line in captions(board)), ""]
        parts.append("\n".join(lines))
    for found in overall:
        lines = [f"### {escape_markdown(overall_text.title(found))}", "", f"| {' | '.join(overall_text.HEADS)} |"]
        lines.append("| ---: | --- | ---: | ---: | ---: | ---: | --- |")
        lines += [f"| {' | '.join(map(escape_markdown, overall_text.cells(found, row)))} |" for row in found.rows]
        lines += ["", *(f"{escape_markdown(line)}  " for line in overall_text.captions(found)), ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)


def latex(boards: Sequence[Board], keys: Iterable[str] = (), overall: Sequence[Overall] = ()) -> str:
    """See :meth:`harness.report.Leaderboard.to_latex`."""
    wanted = list(keys)
    parts = ["% needs \\usepackage{booktabs}"]
    for board in boards:
        columns = chosen_columns(board, wanted)
        layout = "".join("r" if column.numeric else "l" for column in columns)
        lines = [r"\begin{table}", r"  \centering", rf"  \begin{{tabular}}{{{layout}}}", r"    \toprule"]
        heads = [escape_latex(column.title.replace("\n", " ")) for column in columns]
        lines += [f"    {' & '.join(heads)} \\\\", r"    \midrule"]
        seen_measured = False
        for texts, reported in _cells(board, columns, escape_latex, r"\textbf{{{}}}".format):
            if reported and seen_measured:
                lines.append(r"    \midrule")
                seen_measured = False
            seen_measured = seen_measured or not reported
            lines.append(f"    {' & '.join(texts)} \\\\")
        sentences = [line if line.endswith(".") else f"{line}." for line in (title(board), *captions(board))]
        said = escape_latex(" ".join(sentences))
        lines += [r"    \bottomrule", r"  \end{tabular}", rf"  \caption{{{said}}}", r"\end{table}"]
        parts.append("\n".join(lines))
    for found in overall:
        lines = [r"\begin{table}", r"  \centering", r"  \begin{tabular}{rlrrrrl}", r"    \toprule"]
        lines += [f"    {' & '.join(overall_text.HEADS)} \\\\", r"    \midrule"]
        lines += [f"    {' & '.join(map(escape_latex, overall_text.cells(found, row)))} \\\\" for row in found.rows]
        said = escape_latex(" ".join([f"{overall_text.title(found)}.", *overall_text.captions(found)]))
        lines += [r"    \bottomrule", r"  \end{tabular}", rf"  \caption{{{said}}}", r"\end{table}"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def comparison_latex(found: Comparison) -> str:
    """Two arms as a table (needs ``booktabs``): both figures, the difference with its interval, and p."""
    lines = [r"\begin{table}", r"  \centering", r"  \begin{tabular}{lrrrr}", r"    \toprule"]
    heads = ("score", found.a, found.b, "\N{INCREMENT} [95 %]", "p")
    lines += [f"    {' & '.join(map(escape_latex, heads))} \\\\", r"    \midrule"]
    lines += [f"    {' & '.join(map(escape_latex, cells[:-1]))} \\\\" for cells in main_rows(found)]
    said = escape_latex(f"{found.dataset}, suite {found.suite}: {found.b} against {found.a}. {caption(found)}")
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", rf"  \caption{{{said}}}", r"\end{table}"])
