"""``harness plugins``."""

from __future__ import annotations

import inspect
import json
from typing import Any

from harness.commands.common import console
from harness.components.base import KINDS
from harness.components.options import options
from harness.errors import ComponentError, did_you_mean
from harness.registry import Entry, Status, registry


def list_components(kind: str | None, *, as_json: bool) -> None:
    """Print every component with its state."""
    if kind is not None and kind not in KINDS:
        raise ComponentError(f"There is no kind of component called {kind!r}. {did_you_mean(kind, KINDS)}")
    installed = registry()
    states = [installed.status(entry) for entry in installed.entries(kind)]
    clashes = {(s.entry.kind, s.entry.name) for s in states if sum(same(s.entry, o.entry) for o in states) > 1}
    if as_json:
        print(json.dumps([_row(status, clashes) for status in states], indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    screen = console()
    for group in KINDS:
        rows = [status for status in states if status.entry.kind == group]
        if not rows:
            continue
        table = Table(
            "name", "from", "state", "summary", box=None, header_style="bold", pad_edge=False, title_justify="left"
        )
        table.title = f"{group}s"
        table.columns[0].no_wrap = True
        for status in rows:
            row = _row(status, clashes)
            source = f"{row['distribution']} {row['version']}"
            text = row["summary"] if row["state"] == "ok" else row["reason"]
            table.add_row(row["name"], source, row["state"], text, style=None if row["state"] == "ok" else "red")
        screen.print(table, "")


def same(one: Entry, other: Entry) -> bool:
    """Whether two entries compete for one name."""
    return (one.kind, one.name) == (other.kind, other.name)


def _row(status: Status, clashes: set[tuple[str, str]]) -> dict[str, Any]:
    entry = status.entry
    row = {
        "kind": entry.kind,
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "state": status.state,
        "summary": status.summary,
    }
    if status.state != "ok":
        row["reason"] = status.reason
    elif (entry.kind, entry.name) in clashes:
        row |= {"state": "ambiguous", "reason": f"Several distributions provide this name; write {entry.key}."}
    return row


def describe_component(name: str, kind: str | None, *, as_json: bool) -> None:
    """Print one component: where it comes from, what it is, and its options with types, defaults and meanings."""
    installed = registry()
    kinds = [kind] if kind else [k for k in KINDS if any(name in {e.name, e.key} for e in installed.entries(k))]
    if not kinds:
        known = {entry.name for entry in installed.entries()}
        raise ComponentError(f"No component is called {name!r}. {did_you_mean(name, known)}")
    found = [installed.find(k, name) for k in kinds]
    described = [describe(entry) for entry in found]
    if as_json:
        print(json.dumps(described if len(described) > 1 else described[0], indent=2, ensure_ascii=False))
        return
    for item in described:
        _print(item)


def describe(entry: Entry) -> dict[str, Any]:
    """One component: where it comes from, what it is, its options in words and as JSON Schema."""
    cls = registry().load(entry)
    return {
        "kind": entry.kind,
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "state": "ok",
        "summary": registry().status(entry).summary,
        "description": inspect.cleandoc(cls.__doc__ or ""),
        "options": options(cls),
        "schema": cls.model_json_schema(),
    }


def reflowed(text: str) -> str:
    r"""Prose as one line per paragraph, so that the terminal wraps it; lists and tables as they are.

    >>> reflowed("one\ntwo\n\n- a\n- b")
    'one two\n\n- a\n- b'
    """
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        p if any(line[:1] in set(" =-*|") for line in p.splitlines()) else " ".join(p.split()) for p in paragraphs
    )


def _print(item: dict[str, Any]) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    screen = console()
    screen.print(Text.assemble((item["name"], "bold"), f"  {item['kind']} · {item['distribution']} {item['version']}"))
    screen.print()
    screen.print(Padding(Text(reflowed(item["description"])), (0, 0, 1, 0)))
    if not item["options"]:
        screen.print("It has no options.")
        return
    table = Table("option", "default", "type", "meaning", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    for name, option in item["options"].items():
        default = "required" if option["required"] else json.dumps(option["default"], ensure_ascii=False)
        kind = option["type"] + (f", {option['range']}" if option["range"] else "")
        table.add_row(*(Text(cell) for cell in (name, default, kind, " ".join(option["description"].split()))))
    screen.print(table, "")
