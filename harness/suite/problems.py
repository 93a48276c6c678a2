"""What can be wrong in a suite, where it was written, and the one error that lists all of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from harness.components.base import Component
from harness.errors import HarnessError, InputError, did_you_mean, listed, nearest

Path = tuple[str | int, ...]
"""A key's path from the top of the suite: ``("datasets", "mrpc", "limit", "train")``."""

MOST_SHOWN = 50
"""Problems that the message of a :class:`SuiteError` spells out; of the others it says how many there are."""

LONGEST = 2000
"""Characters of a problem's message that are shown; a suite may hold a key of a megabyte."""

MANY = 1000
"""Names from which on the nearest is not searched for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: a line and column (from 1) of a file, or an override on the command line."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path that is relative to whatever was checked.

    Attributes:
        path: The key or value that is wrong.
        message: A clause or a few sentences, without place and path.
        key: Whether the key itself is wrong (unknown, misspelt) and not its value.
    """

    path: Path
    message: str
    key: bool = False

    def under(self, prefix: Path) -> Finding:
        """The same finding as seen from further up."""
        return Finding((*prefix, *self.path), self.message, self.key)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a suite: where, at which key, and what was expected instead."""

    place: Place
    path: Path
    message: str

    def __str__(self) -> str:
        path, message = clipped(dotted(self.path), LONGEST // 10), clipped(self.message, LONGEST)
        return f"{self.place}: {path}: {message}" if path else f"{self.place}: {message}"


class SuiteError(InputError):
    """A suite cannot be read or is not valid; ``problems`` has everything that is wrong with it, in file order.

    The message has the first :data:`MOST_SHOWN` of them.
    """

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        ordered = sorted(dict.fromkeys(problems), key=lambda p: (p.place.line == 0, p.place.line, p.place.column))
        lines = list(map(str, ordered[:MOST_SHOWN]))
        if more := len(ordered) - len(lines):
            lines.append(f"... and {more:,} more problem{'s'[: more > 1]}.")
        super().__init__("\n".join(lines), hint=hint)
        self.problems = tuple(ordered)


class Findings(Exception):  # noqa: N818 - carries findings up to where their place is known; never reaches a user
    """Findings on their way to somebody who knows the places."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        super().__init__()
        self.findings = tuple(findings)


def dotted(path: Path) -> str:
    """A path as people write it: ``metrics[0].bins``; keys that hold a dot are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            quoted = f'"{part}"' if "." in part or not part else part
            text += f".{quoted}" if text else quoted
    return text


def clipped(text: str, length: int) -> str:
    """The text, or its beginning and ``...`` where it is longer than ``length``."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def advice(name: str, known: Sequence[str]) -> str:
    """:func:`harness.errors.did_you_mean`, for names that a suite gives: of a thousand it only lists some."""
    return did_you_mean(name, known) if len(known) <= MANY else f"Known: {listed(known)}."


def shown(value: Any) -> str:
    """A value and its type in the words of YAML: ``the text 'on'``, ``the number 0.5``, ``a list``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {clipped(value, 60)!r}"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case _:
            return f"a {type(value).__name__}"


def findings_of(
    error: ValidationError, cls: type[BaseModel], data: Any, *, subject: str, also: Iterable[str] = ()
) -> list[Finding]:
    """The findings in a pydantic error.

    Args:
        error: What validation of ``cls`` raised.
        cls: The model that was validated.
        data: What was validated.
        subject: What has the keys, for messages about unknown ones (``"valuator 'dvrl'"``).
        also: Keys that are known besides the fields of ``cls``.
    """
    raw: list[_Raw] = []
    errors = error.errors(include_url=False)
    fields: dict[Path, list[str]] = {}
    holders = {tuple(other["loc"][:-1]) for other in errors}
    for problem in errors:
        loc: Path = tuple(problem["loc"])
        kind: str = problem["type"]
        if kind == "too_short" and loc in holders:
            continue  # pydantic does not count entries that are wrong
        about_key = loc[-1:] == ("[key]",)
        loc = loc[:-1] if about_key else loc
        if nested := (problem.get("ctx") or {}).get("findings"):
            raw += [_Raw((*loc, *finding.path), finding.key, kind, finding.message) for finding in nested]
        elif kind == "extra_forbidden":
            if loc[:-1] not in fields:
                fields[loc[:-1]] = [*_fields_at(cls, loc[:-1]), *(also if len(loc) == 1 else ())]
            known = fields[loc[:-1]]
            owner = subject if len(loc) == 1 else dotted(_written(loc[:-1], data))
            message = f"{owner} has no {_key_noun(cls)} {loc[-1]!r}. {did_you_mean(str(loc[-1]), known)}"
            raw.append(_Raw(_written(loc, data), True, kind, message))
        elif kind == "missing":
            raw.append(_Raw(_written(loc[:-1], data), True, kind, f"the {_key_noun(cls)} {str(loc[-1])!r} is missing."))
        else:
            raw.append(_Raw(_written(loc, data), about_key, kind, _clause(problem)))
    return _alternatives_joined(raw)


class _Raw(NamedTuple):
    """A problem as pydantic sees it: where, whether with the key, of which type."""

    path: Path
    key: bool
    kind: str
    message: str


def _alternatives_joined(raw: Sequence[_Raw]) -> list[Finding]:
    """Findings, with the problems that the branches of one union have with one value made one.

    A branch that the value gets further into is the one that was meant, and the others' complaints about its type are noise.
    """
    findings: dict[Finding, None] = {}
    at: dict[tuple[Path, bool], list[_Raw]] = {}
    for one in raw:
        at.setdefault((one.path, one.key), []).append(one)
    above = {one.path[:end] for one in raw for end in range(len(one.path))}
    for one in raw:
        same, below = at[one.path, one.key], one.path in above
        of_type = [other for other in same if other.kind.endswith("_type")]
        closer = [other for other in same if other not in of_type and other.kind != "literal_error"]
        if one in of_type and (below or closer):
            continue
        if one.key or closer:
            findings[Finding(one.path, one.message, one.key)] = None
            continue
        literal = [other for other in same if other.kind == "literal_error"]
        if literal and all(
            _TYPES.get(other.kind.removesuffix("_type")) in {"a list", "a mapping"} for other in of_type
        ):
            same = literal
        findings[Finding(one.path, _joined([other.message for other in same]))] = None
    return list(findings)


def _key_noun(cls: type[BaseModel]) -> str:
    return "option" if issubclass(cls, Component) else "key"


def _written(loc: Path, data: Any) -> Path:
    """The part of ``loc`` that exists in ``data``: pydantic adds the names of a union's branches."""
    path: list[str | int] = []
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return tuple(path)


def _joined(messages: Sequence[str]) -> str:
    """Several clauses on one value: alternatives of a union are joined, everything else follows on."""
    distinct = list(dict.fromkeys(messages))
    expected = [message for message in distinct if message.startswith("expected ")]
    if len(expected) > 1:
        wants = [message.removeprefix("expected ").partition(", got ")[0] for message in expected]
        got = expected[0].partition(", got ")[2]
        distinct = [f"expected {' or '.join(dict.fromkeys(wants))}, got {got}"] + [
            message for message in distinct if message not in expected
        ]
    return " ".join(distinct)


def _fields_at(cls: type[BaseModel], loc: Path) -> list[str]:
    """The fields of the models that may stand at ``loc`` below ``cls``."""
    models = {cls}
    for part in loc:
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if annotations:  # otherwise the part is an index, a key of a dictionary or a branch of a union
            models = {model for annotation in annotations for model in _models_in(annotation)}
    return sorted({field for model in models for field in model.model_fields})


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models that a type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "dataclass": "a mapping",
    "none_required": "nothing (null)",
    "path": "a path",
    "url": "a URL",
}


_BOUNDS = {
    "greater_than": ("gt", "a number above"),
    "greater_than_equal": ("ge", "a number of at least"),
    "less_than": ("lt", "a number below"),
    "less_than_equal": ("le", "a number of at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}
_SIZES = {
    "too_short": ("min_length", "at least", "entries"),
    "too_long": ("max_length", "at most", "entries"),
    "string_too_short": ("min_length", "at least", "characters"),
    "string_too_long": ("max_length", "at most", "characters"),
}


def _clause(problem: Any) -> str:
    """One pydantic problem in words: what was expected, and what came."""
    value, kind, ctx = problem.get("input"), problem["type"], problem.get("ctx") or {}
    try:
        wanted = _wanted(kind, ctx)
    except KeyError:  # a plugin's own error that takes the name of one of pydantic's
        wanted = None
    if wanted is not None:
        options = _options(ctx["expected"]) if kind in {"literal_error", "enum"} else []
        close = nearest(value, options, limit=1) if isinstance(value, str) else []
        advice = f" Did you mean {close[0]!r}?" if close else _advice(wanted, value)
        return f"expected {wanted}, got {shown(value)}.{advice}"
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ").strip()
    if message.startswith("Input should be"):
        message = message.replace("Input should be", "expected", 1)
    if message.endswith((".", "?", "!")):
        return message
    # A validator of several options is given all of them, which says nothing about what is wrong.
    return f"{message}." if kind == "value_error" and isinstance(value, dict) else f"{message}, got {shown(value)}."


def _wanted(kind: str, ctx: dict[str, Any]) -> str | None:
    """What a type of pydantic error says was expected; ``None`` if only its message says it."""
    if kind in {"literal_error", "enum"}:
        options = _options(ctx["expected"])
        return f"{'one of ' if len(options) > 1 else ''}{', '.join(options)}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        bound = ctx[name]
        return f"{words} {bound:g}" if isinstance(bound, float) else f"{words} {bound}"
    if kind in _SIZES:
        name, side, unit = _SIZES[kind]
        singular = {"entries": "entry", "characters": "character"}[unit]
        return f"{side} {ctx[name]} {singular if ctx[name] == 1 else unit}"
    if kind == "string_pattern_mismatch":
        return f"text of the form {ctx['pattern']}"
    if kind == "int_from_float":
        return _TYPES["int"]
    return _TYPES.get(kind.removesuffix("_type").removesuffix("_parsing"))


def _options(expected: str) -> list[str]:
    """The options in pydantic's list of them: ``'a', 'b' or 'c'``."""
    return [option.strip("'") for option in re.findall(r"'[^']*'|[^\s,]+", expected) if option != "or"]


def _advice(wanted: str, value: Any) -> str:
    """What most likely went wrong, and what to write instead."""
    if not isinstance(value, str):
        if wanted == "a mapping" and value is None:
            return " Write {} to take all defaults."
        if wanted == "text" and value is not None and not isinstance(value, list | dict):
            written = str(value).lower() if isinstance(value, bool) else value
            return f" Put it in quotes: '{written}'."
        return ""
    if wanted == "true or false" and value.casefold() in {"on", "off", "yes", "no", "y", "n"}:
        return " In YAML 1.2 on, off, yes and no are text; write true or false."
    if wanted == "true or false" and value.casefold() in {"true", "false"}:
        return " Remove the quotes."
    if wanted in {"a number", "a whole number"}:
        try:
            finite = math.isfinite(float(value))
        except ValueError:
            return ""
        return " Remove the quotes." if finite else ""
    if wanted == "a list":
        return f" Write [{value}]."
    return ""


M = TypeVar("M", bound=BaseModel)


def strictly(cls: type[M], data: Any, *, subject: str, also: Iterable[str] = (), context: Any = None) -> M:
    """An instance of ``cls`` from plain data, without conversions between types that YAML tells apart.

    Text is never taken for a number or a truth value, nor a number for a truth value; lists, paths, enumerations and nested
    models are made from what JSON has for them.

    Args:
        cls: A pydantic model.
        data: What YAML could hold.
        subject: What to call the thing in messages (``"valuator 'dvrl'"``).
        also: Keys that are known elsewhere, for near misses.
        context: Pydantic's validation context.

    Raises:
        Findings: What ``cls`` refuses.
    """
    try:
        return cls.model_validate_json(json.dumps(data), strict=True, context=context)
    except ValidationError as error:
        raise Findings(findings_of(error, cls, data, subject=subject, also=also)) from error
    except HarnessError as error:
        raise Findings([Finding((), one_line(error))]) from error
    except Exception as error:
        message = f"{subject} failed while its options were checked: {type(error).__name__}: {error}."
        raise Findings([Finding((), message)]) from error


def one_line(error: HarnessError) -> str:
    """Message and hint of an error as sentences of one line."""
    parts = [" ".join(part.split()) for part in (error.message, error.hint or "")]
    return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part)
