"""The literature of what was used, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.errors import HarnessError

ALWAYS = "always"


@dataclass(frozen=True)
class Citation:
    """An entry of a bibliography.

    Attributes:
        key: Its BibTeX key.
        used: What it is cited for: ``KIND:NAME`` of components, or a method of the harness (``holm``, ``mcnemar``,
        ``overall``). bibtex: The entry.
    """

    key: str
    used: Set[str]
    bibtex: str


@cache
def _known() -> tuple[Citation, ...]:
    text = files("harness.report.paper").joinpath("references.bib").read_text(encoding="utf-8")
    return tuple(_entry(line) for line in text.splitlines() if line.startswith("@"))


def _entry(text: str) -> Citation:
    found = re.fullmatch(r"(@\w+\{)([^,]+),(.*?)(?:, used=\{([^}]*)\})?\}", text.strip(), flags=re.DOTALL)
    if found is None:
        raise ValueError(f"not a BibTeX entry: {text[:60]!r}")
    start, key, body, used = found.groups()
    fields = re.sub(r", (?=\w+=\{)", ",\n  ", body.strip())
    return Citation(key.strip(), frozenset((used or "").split()), f"{start}{key.strip()},\n  {fields}\n}}")


def citations(used: Iterable[str]) -> list[Citation]:
    """The entries for what was used, in the order of the list; those of third-party components as they give them.

    Args:
        used: ``KIND:NAME`` with the name as records have it (``acme/my-method`` of a distribution), and methods.

    A component of another distribution may have a class variable ``citation``, one BibTeX entry.
    """
    names = {ALWAYS}
    more: dict[str, Citation] = {}
    for one in used:
        kind, _, name = one.partition(":")
        names.add(f"{kind}:{name.rpartition('/')[2]}" if name else one)
        if name and (own := _own(kind, name)) is not None:
            more.setdefault(own.key, own)
    return [*(entry for entry in _known() if entry.used & names), *more.values()]


def _own(kind: str, name: str) -> Citation | None:
    from harness.registry import registry

    try:
        cls = registry().load(registry().find(kind, name))
    except HarnessError:
        return None  # not installed here; the paper is about records
    text = getattr(cls, "citation", "")
    try:
        return _entry(text) if isinstance(text, str) and text.strip() else None
    except ValueError:
        return None
