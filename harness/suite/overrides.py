"""Assignments on the command line: ``--set valuators.dvrl.iterations=500``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from harness.errors import did_you_mean
from harness.suite.document import Document, read_yaml
from harness.suite.problems import Path, Place, Problem, SuiteError, dotted, shown

SECTIONS = ("datasets", "models", "valuators", "selectors", "generators", "arms")
"""Sections whose keys are names that the suite gives."""

_PART = re.compile(r'"(?P<quoted>[^"]*)"|(?P<plain>[^."=\[\]]+)')


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Make assignments in ``document``, in order; later ones win.

    Raises:
        SuiteError: Assignments that cannot be made, all of them.
    """
    problems: list[Problem] = []
    for text in overrides:
        source = f"--set {text}"
        try:
            _apply(document, text, source)
        except SuiteError as error:
            problems += [Problem(Place(source), problem.path, problem.message) for problem in error.problems]
    if problems:
        raise SuiteError(problems)


def _apply(document: Document, text: str, source: str) -> None:
    path, written = _parse(text, source)
    value = read_yaml(written, source)
    if value.problems:
        raise SuiteError(value.problems)
    place = Place(source)
    parent, path = _parent(document, path, place)
    parent[path[-1]] = value.data
    for places in (document.keys, document.values):
        for known in [known for known in places if known[: len(path)] == path]:
            del places[known]
    document.problems[:] = [problem for problem in document.problems if problem.path[: len(path)] != path]
    document.keys[path] = place
    document.keys.update({(*path, *inner): place for inner in value.keys})
    document.values.update({(*path, *inner): place for inner in value.values})


def _parse(text: str, source: str) -> tuple[Path, str]:
    """The path and the YAML text of an assignment."""
    parts: list[str | int] = []
    position = 0
    while True:
        if match := re.compile(r"\[(\d+)\]").match(text, position):
            parts.append(int(match[1]))
        elif match := _PART.match(text, position + (text[position : position + 1] == "." and bool(parts))):
            parts.append(match["quoted"] if match["quoted"] is not None else match["plain"].strip())
        else:
            break
        position = match.end()
    if not parts or text[position : position + 1] != "=":
        message = "expected KEY.KEY=VALUE, such as seeds=[0,1,2] or valuators.dvrl.iterations=500."
        raise SuiteError([Problem(Place(source), (), message)])
    return tuple(parts), text[position + 1 :]


def _parent(document: Document, path: Path, place: Place) -> tuple[Any, Path]:
    """The mapping or list that holds the last part of ``path``, made where it is missing, and the path in its own terms."""
    here: Any = document.data
    walked: Path = ()

    def failure(message: str) -> SuiteError:
        return SuiteError([Problem(place, walked, message)])

    for index, part in enumerate(path):
        last = index == len(path) - 1
        if isinstance(here, list):
            found = _entry(here, part)
            if found is None:
                raise failure(f"has no entry {part!r}; it has {len(here)} ({', '.join(_labels(here))}).")
            step: str | int = found
            if not last and isinstance(here[found], str):
                here[found] = {"use": here[found]}
        elif isinstance(here, dict):
            step = str(part)
            if step not in here and not last:
                if len(walked) == 1 and walked[0] in SECTIONS:
                    advice = did_you_mean(step, here)
                    raise failure(f"there is no {step!r} to change. {advice}")
                here[step] = {}
                document.values[(*walked, step)] = document.keys[(*walked, step)] = place
            elif not last and isinstance(here[step], str) and _is_slot((*walked, step)):
                here[step] = {"use": here[step]}
            elif not last and here[step] is None:
                here[step] = {}
        else:
            raise failure(f"is {shown(here)}, which has no key {part!r}.")
        walked = (*walked, step)
        if last:
            return here, walked
        here = here[step]
    raise AssertionError(dotted(path))


def _is_slot(path: Path) -> bool:
    """Whether a component may be written at ``path``."""
    if path[0] in {"attack", "test_attack"}:
        return len(path) == 1
    if path[0] == "arms":
        return len(path) == 3 and path[2] in {"attack", "select"}
    return len(path) == 2 and path[0] in SECTIONS


def _labels(entries: list[Any]) -> list[str]:
    return [str(entry.get("use", "?") if isinstance(entry, dict) else entry) for entry in entries]


def _entry(entries: list[Any], part: str | int) -> int | None:
    """The index that ``part`` means: a number, or the name of the component used there."""
    if isinstance(part, str) and not part.isdecimal():
        labels = _labels(entries)
        return labels.index(part) if part in labels else None
    return int(part) if int(part) < len(entries) else None
