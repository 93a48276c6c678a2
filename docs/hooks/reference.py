"""Pages of the site that say what every installed component takes: from the registry, as ``harness plugins NAME`` does."""

from __future__ import annotations

import json
import re
from typing import Any

from harness.commands.plugins import describe
from harness.components.base import KINDS
from harness.registry import Registry

TITLES = {
    "dataset": "Data sets",
    "model": "Models",
    "valuator": "Valuators",
    "selector": "Selectors",
    "attack": "Attacks",
    "generator": "Generators",
    "metric": "Metrics",
}
GUIDES = {"selector": "protocol.md", "dataset": "datasets.md"}


def pages() -> dict[str, str]:
    """Markdown by place: one page for each kind, and one that lists them all."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for entry in Registry(allow=()).entries():
        found[entry.kind].append(describe(entry))
    listing = "\n".join(_listing(kind, items) for kind, items in found.items())
    start = (
        "# Options of components\n\n"
        "A suite names a component as `use: NAME` with its options beside it. This is the list of those that come with the\n"
        "harness; `harness plugins` lists what is installed where you are, and\n"
        "`harness plugins NAME` says the same in a terminal.\n\n"
    )
    return {
        "reference/index.md": start + listing,
        **{f"reference/{kind}.md": _page(kind, items) for kind, items in found.items()},
    }


def _listing(kind: str, items: list[dict[str, Any]]) -> str:
    rows = [f"| [`{item['name']}`]({kind}.md#{item['name']}) | {_cell(item['summary'])} |" for item in items]
    return "\n".join([f"## [{TITLES[kind]}]({kind}.md)", "", "| name | what it is |", "| --- | --- |", *rows, ""])


def _page(kind: str, items: list[dict[str, Any]]) -> str:
    guide = GUIDES.get(kind, f"{kind}s.md")
    head = f"# {TITLES[kind]}: options\n\nWhat they do and how they compare: [{TITLES[kind].lower()}](../{guide}).\n"
    return "\n".join([head, *(_component(item) for item in items)])


def _component(item: dict[str, Any]) -> str:
    lines = [f"## {item['name']}", "", f"*{item['distribution']}*", "", item["description"].replace("``", "`"), ""]
    if not item["options"]:
        return "\n".join([*lines, "It has no options.", ""])
    lines += ["| option | type | range | default | what it is |", "| --- | --- | --- | --- | --- |"]
    for name, option in item["options"].items():
        default = "*required*" if option["required"] else f"`{json.dumps(option['default'], ensure_ascii=False)}`"
        bounds = re.sub(r"([<>≤≥]) ", "\\1\u00a0", option["range"])
        cells = (f"`{name}`", _cell(option["type"]), _cell(bounds), default.replace("|", "\\|"))
        lines.append(f"| {' | '.join(cells)} | {_cell(option['description'])} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|").replace("<", "&lt;")
