"""Pages of the site from the notebooks in ``examples/``: as they are, or executed where ``NOTEBOOKS=run`` is set."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

STYLES = re.compile(r"\x1b\[[0-9;]*m")
"""What makes text bold in a terminal, and in a notebook."""

SECONDS = 300
"""After which a cell that does not end is given up."""


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook with its outputs, computed now in a kernel of this interpreter."""
    notebook = nbformat.read(path, as_version=4)
    return NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()


def pages(folder: Path) -> dict[str, str]:
    """Markdown by place, one page for each notebook."""
    run = os.environ.get("NOTEBOOKS") == "run"
    return {
        f"notebooks/{path.stem}.md": page(executed(path) if run else nbformat.read(path, as_version=4), path.name)
        for path in sorted(folder.glob("*.ipynb"))
    }


def page(notebook: nbformat.NotebookNode, name: str) -> str:
    """A notebook as Markdown, with its file named below the title."""
    title, *cells = (part for cell in notebook.cells for part in _cell(cell))
    head, _, rest = title.partition("\n")
    return "\n\n".join([head, f"*From `examples/{name}`, which you can run.*", rest.strip(), *cells, ""])


def _cell(cell: nbformat.NotebookNode) -> list[str]:
    if cell.cell_type == "markdown":
        return [cell.source]
    return [f"```python\n{cell.source}\n```", *(shown for output in cell.outputs if (shown := _output(output)))]


def _output(output: nbformat.NotebookNode) -> str:
    """What a cell printed or returned; what it wrote to the standard error (progress) is left out."""
    if output.output_type == "stream":
        return f"```text\n{STYLES.sub('', output.text).rstrip()}\n```" if output.name == "stdout" else ""
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="output" markdown="0">\n{data["text/html"]}\n</div>'
    return f"```text\n{data['text/plain']}\n```" if "text/plain" in data else ""
