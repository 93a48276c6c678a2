"""Hook of mkdocs: the README is the start page, and what pages link to outside of ``docs/`` comes along."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import notebooks
import reference

ROOT = Path(__file__).parents[2]
LINK = re.compile(
    r"(?P<before>!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()(?P<target>(?!https?:|mailto:|#)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)"
)
FENCE = re.compile(r"^(```.*?^```)$", flags=re.MULTILINE | re.DOTALL)
MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
ARROW = re.compile(r" +<?-+\.?->? +")
LANGUAGES = {".yaml": "yaml", ".json": "json", ".jsonl": "json", ".py": "python", ".toml": "toml"}
LARGEST = 20_000
"""Characters of a file that are still shown as a page; larger ones are there to be downloaded."""


def place(path: str) -> str:
    """Where a file of the repository is on the site: pages of ``docs`` at the top, the README as the start page."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("examples/") and path.endswith(".ipynb"):
        return f"notebooks/{Path(path).stem}.md"
    if Path(path).suffix in LANGUAGES and (ROOT / path).stat().st_size <= LARGEST:
        path += ".md"
    return f"repository/{path}"


def on_files(files: Files, config: Any) -> Files:
    """Add the start page, what is linked to, the reference and the notebooks."""
    waiting = ["README.md", "CHANGELOG.md", *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    seen = set(waiting)
    for path in waiting:
        text = (ROOT / path).read_text(encoding="utf-8") if Path(path).suffix == ".md" else ""
        for linked in _links(path, text):
            if linked not in seen and (ROOT / linked).is_file():
                seen.add(linked)
                waiting.append(linked)
        if not path.startswith("docs/") and not path.endswith(".ipynb"):
            files.append(_file(path, text, config))
    for uri, text in {**reference.pages(), **notebooks.pages(ROOT / "examples")}.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the pages of ``docs`` that lead out of it, and diagrams."""
    text = markdown if page.file.generated_by else _moved(f"docs/{page.file.src_uri}", markdown)
    return MERMAID.sub(lambda match: _arrows(match[1]), text)


def _file(path: str, text: str, config: Any) -> File:
    uri = place(path)
    if path.endswith(".md"):
        return File.generated(config, uri, content=_moved(path, text))
    if uri.endswith(".md"):
        code = (ROOT / path).read_text(encoding="utf-8").rstrip()
        return File.generated(config, uri, content=f"# {path}\n\n````{LANGUAGES[Path(path).suffix]}\n{code}\n````\n")
    return File.generated(config, uri, abs_src_path=str(ROOT / path))


def _arrows(diagram: str) -> str:
    """A flow chart as a list of its arrows: what would draw it is a script that no package of Python's brings."""
    labels: dict[str, str] = {}
    lines = []
    for line in diagram.splitlines()[1:]:
        ends = []
        for end in ARROW.split(line.strip()):
            name, label = re.fullmatch(r"(\w+)(?:[\[(]+(.*?)[\])]+)?", end).groups()
            head, _, rest = (label or "").partition("<br>")
            ends.append(f"**{head}** ({rest.replace('<br>', ' ')})" if rest else f"**{head or labels[name]}**")
            labels.setdefault(name, head)
        lines.append("- " + (" ↔ " if "<-->" in line else " → ").join(ends))
    return "\n".join(lines)


def _target(path: str, target: str) -> str:
    """The file of the repository that a link leads to; of a folder its README."""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return f"{found}/README.md" if (ROOT / found / "README.md").is_file() else found


def _links(path: str, text: str) -> list[str]:
    return [_target(path, match["target"]) for match in LINK.finditer(FENCE.sub("", text))]


def _moved(path: str, text: str) -> str:
    """A page whose links lead where their targets are on the site."""

    def moved(match: re.Match[str]) -> str:
        to = place(_target(path, match["target"]))
        return (
            f"{match['before']}{posixpath.relpath(to, posixpath.dirname(place(path)) or '.')}{match['anchor'] or ''})"
        )

    return "".join(part if part.startswith("```") else LINK.sub(moved, part) for part in FENCE.split(text))
