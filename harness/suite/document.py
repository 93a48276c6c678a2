"""YAML text to plain data that remembers where everything was written.

The composer of ruamel.yaml (YAML 1.2) gives a graph of nodes with positions. Data is made from it here, and not by one of its
constructors, so that keys are always text, duplicate keys and values that only look like numbers are reported with all
other problems, and aliases cannot be used to blow up a small file.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from harness.errors import nearest
from harness.suite.problems import Path, Place, Problem, SuiteError, clipped

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000
MAX_WRITTEN = 25_000
MAX_DIGITS = 100
MAX_DEPTH = 40

_TAG = "tag:yaml.org,2002:"


@dataclass
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and the places of its keys and values.

    Attributes:
        data: The data; ``None`` for an empty document.
        source: What to call it in messages: a file's name, or ``"<suite>"``.
        values: Place of each value by path.
        keys: Place of each mapping key by path.
        problems: What was found wrong while reading.
    """

    data: Any
    source: str
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def locate(self, path: Path, *, key: bool = False) -> tuple[Path, Place]:
        """The place of a path, or of its nearest ancestor that was written, with the path of what was found."""
        for end in range(len(path), -1, -1):
            known = path[:end]
            place = self.keys.get(known) if key and end == len(path) else None
            place = place or self.values.get(known)
            if place is not None:
                return known, place
        return (), Place(self.source)


def read_text(path: FilePath) -> str:
    """The text of a suite's file.

    Raises:
        SuiteError: It does not exist, is no file, cannot be read, is too large or is not UTF-8.
    """
    name = str(path)

    def failure(message: str, place: Place | None = None, hint: str | None = None) -> SuiteError:
        return SuiteError([Problem(place or Place(name), (), message)], hint=hint)

    try:
        if path.is_fifo():  # at the other end of it there may be nobody
            raise failure("is a pipe; a suite is one YAML file.")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        there = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        if close := nearest(path.name, there, limit=1) or [n for n in there if FilePath(n).stem == path.name][:1]:
            raise failure(f"there is no such file. Did you mean {str(path.parent / close[0])!r}?") from None
        hint = f"Suites in that folder: {', '.join(sorted(there))}." if there else None
        raise failure("there is no such file.", hint=hint) from None
    except IsADirectoryError:
        raise failure("is a folder; a suite is one YAML file.") from None
    except PermissionError:
        raise failure("cannot be read: permission denied.") from None
    except OSError as error:
        raise failure(f"cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise SuiteError([Problem(Place(ascii(name)), (), f"is no name of a file ({error}).")]) from None
    if len(raw) > MAX_BYTES:
        raise failure(f"is larger than {MAX_BYTES >> 20} MiB, which no suite is.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise failure("is UTF-16; save it as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        raise failure(
            f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8.", Place(name, line, column)
        ) from None


def read_yaml(text: str, source: str) -> Document:
    """The data in a YAML text, with problems that leave the rest readable collected in the result.

    Raises:
        SuiteError: The text is not YAML at all.
    """
    root = compose(text, source)
    try:
        return _Builder(source).build(root)
    except RecursionError:  # '<<' that refers to '<<', a thousand times
        raise SuiteError([Problem(Place(source), (), "its aliases refer to one another too often.")]) from None


def compose(text: str, source: str) -> Any:
    """The root node of a YAML text, ``None`` when it is empty.

    Raises:
        SuiteError: The text is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    class Bounded(Composer):
        """Ends where a text holds more than any suite, which would take minutes to read."""

        nodes = levels = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.nodes += 1
            self.levels += 1
            if self.nodes > MAX_WRITTEN or self.levels > 2 * MAX_DEPTH:
                mark = self.parser.peek_event().start_mark
                reason = "nested too deeply"
                if self.nodes > MAX_WRITTEN:
                    reason = f"preceded by {MAX_WRITTEN:,} keys and values, which no suite has"
                raise SuiteError([Problem(Place(source, mark.line + 1, mark.column + 1), (), f"is {reason}.")])
            node = super().compose_node(parent, index)
            self.levels -= 1
            return node

    if directive := re.match(r"(?:[^\S\n]*(?:#.*)?\n)*%YAML\s+(?!1\.2\b)(\S+)", text):
        raise SuiteError([Problem(Place(source, 1, 1), (), f"YAML {directive[1]} is not read; remove the %YAML line.")])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor used again for something else is allowed
            yaml = YAML(typ="safe", pure=True)
            yaml.Composer = Bounded
            return yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
        raise SuiteError([Problem(place, (), _syntax(error, text))]) from None
    except ReaderError as error:
        before = text[: error.position]
        place = Place(source, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        code = ord(error.character) if isinstance(error.character, str) else int(error.character)
        message = (
            f"the character U+{code:04X} may not appear in YAML; remove it or write it as an escape in double quotes."
        )
        raise SuiteError([Problem(place, (), message)]) from None
    except YAMLError as error:
        raise SuiteError([Problem(Place(source), (), f"not valid YAML: {error}")]) from None
    except RecursionError:
        raise SuiteError([Problem(Place(source), (), "is nested too deeply.")]) from None
    except ValueError as error:
        raise SuiteError([Problem(Place(source), (), f"not valid YAML: {error}")]) from None


def _syntax(error: Any, text: str) -> str:
    """A scanner's or parser's complaint, with what to do about the usual ones."""
    problem = str(error.problem or error.context or "not valid YAML").strip()
    mark = error.problem_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    char = line[mark.column] if mark and mark.column < len(line) else ""
    if char == "\t":
        return "a tab cannot be used here; indent with spaces."
    if char in {"@", "`", "%"} and "cannot start any token" in problem:
        return f"a value cannot begin with {char!r}; put it in quotes."
    if "mapping values are not allowed" in problem:
        return "a colon is not expected here: put text that holds ': ' in quotes, and check the indentation."
    if "single document" in str(error.context or ""):
        return "a suite is one document; remove what follows '---'."
    if "undefined alias" in problem:
        name = problem.removeprefix("found ")
        return f"{name}: no anchor of that name comes before it. Text that begins with '*' needs quotes."
    context = ""
    if error.context and error.problem:
        begun = error.context_mark.line + 1 if error.context_mark else None
        since = f" that begins on line {begun}" if begun and mark and begun != mark.line + 1 else ""
        context = f" ({error.context}{since})"
    return f"not valid YAML: {problem}{context}."


class _Builder:
    """Makes a :class:`Document` from a graph of nodes."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.document = Document(None, source)
        self.count = 0
        self.open: set[int] = set()
        self.reported: set[tuple[int, str]] = set()

    def build(self, root: Any) -> Document:
        self.document.values[()] = Place(self.source, 1, 1)
        if root is not None:
            self.document.data = self.value(root, ())
        return self.document

    def place(self, node: Any) -> Place:
        return Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def report(self, node: Any, path: Path, message: str) -> None:
        """Keep a problem; once per node, however often an alias repeats it."""
        if (id(node), message) not in self.reported:
            self.reported.add((id(node), message))
            self.document.problems.append(Problem(self.place(node), path, message))

    def value(self, node: Any, path: Path) -> Any:
        place = self.place(node)
        self.document.values[path] = place
        self.count += 1
        if self.count > MAX_VALUES:
            raise SuiteError([Problem(place, (), f"aliases expand to more than {MAX_VALUES:,} values.")])
        if id(node) in self.open:
            raise SuiteError([Problem(place, path, "an alias stands inside its own anchor.")])
        if len(path) > MAX_DEPTH:
            raise SuiteError([Problem(place, (), f"is nested more than {MAX_DEPTH} levels deep.")])
        if node.id == "scalar":
            return self.scalar(node, path)
        self.open.add(id(node))
        try:
            if str(node.tag) not in {f"{_TAG}map", f"{_TAG}seq"}:
                self.report(node, path, f"the tag {_short(node.tag)} is not allowed.")
            if node.id == "sequence":
                return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
            return self.mapping(node, path)
        finally:
            self.open.discard(id(node))

    def mapping(self, node: Any, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[tuple[Any, Any]] = []
        first: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id == "scalar" and str(key_node.tag) == f"{_TAG}merge":
                merged.append((key_node, value_node))
                continue
            key = self.key(key_node, path)
            if key is None:
                continue
            if key in first:
                line = first[key].start_mark.line + 1
                self.report(key_node, (*path, key), f"the key {key!r} is given twice; the first is on line {line}.")
                continue
            first[key] = key_node
            self.document.keys[(*path, key)] = self.place(key_node)
            result[key] = self.value(value_node, (*path, key))
        for key_node, value_node in merged:
            self.merge(key_node, value_node, path, result)
        return result

    def merge(self, key_node: Any, value_node: Any, path: Path, result: dict[str, Any]) -> None:
        """Take over what ``<<`` refers to, except for keys that are there already."""
        sources = value_node.value if value_node.id == "sequence" else [value_node]
        for source in sources:
            if source.id != "mapping":
                self.report(key_node, path, "'<<' takes a mapping, or a list of mappings.")
                continue
            if id(source) in self.open:
                raise SuiteError([Problem(self.place(key_node), path, "an alias stands inside its own anchor.")])
            inner = _Builder(self.source)
            inner.count, inner.open, inner.reported = self.count, self.open | {id(source)}, self.reported
            inner.count += 1
            taken = inner.mapping(source, path)
            self.count = inner.count
            self.document.problems.extend(inner.document.problems)
            added = {key: value for key, value in taken.items() if key not in result}
            result.update(added)
            depth = len(path)
            for ours, theirs in (
                (self.document.keys, inner.document.keys),
                (self.document.values, inner.document.values),
            ):
                ours.update({p: place for p, place in theirs.items() if len(p) > depth and p[depth] in added})

    def key(self, node: Any, path: Path) -> str | None:
        """A key as text, as it is written: ``on``, ``1`` and ``true`` are the texts 'on', '1' and 'true'."""
        if node.id != "scalar":
            self.report(node, path, f"a {node.id} cannot be a key; keys are text.")
            return None
        if str(node.tag) == f"{_TAG}null" and not node.value:
            self.report(node, path, "a key is missing before the colon.")
            return None
        return str(node.value)

    def scalar(self, node: Any, path: Path) -> Any:
        tag, text = str(node.tag), str(node.value)
        value: Any = text
        match tag.removeprefix(_TAG):
            case "str" | "timestamp" | "value":
                if any("\ud800" <= char <= "\udfff" for char in text):
                    self.report(node, path, "the text holds half of a surrogate pair, which is not a character.")
                    value = ""
            case "null":
                value = None
            case "bool":
                value = text.casefold() == "true"
            case "int":
                value = self.integer(node, path, text)
            case "float":
                value = self.real(node, path, text)
            case "merge":
                pass  # '<<' as a value is text
            case _:
                self.report(node, path, f"the tag {_short(node.tag)} is not allowed.")
        return value

    def integer(self, node: Any, path: Path, text: str) -> int:
        digits = text.lstrip("+-").replace("_", "")
        if len(digits) > MAX_DIGITS:
            self.report(node, path, f"{text[:40]}... is a number of {len(digits):,} digits, which nothing takes.")
            return 0
        if re.fullmatch(r"0[0-9]+", digits):
            plain = text[: len(text) - len(text.lstrip("+-"))].replace("+", "") + (digits.lstrip("0") or "0")
            message = f"{text} is read differently by different YAML versions; write {plain}, or '{text}' for the text."
            self.report(node, path, message)
            return 0
        try:
            return int(text, 0)
        except ValueError:
            self.report(node, path, f"{text[:40]!r} is not a whole number.")
            return 0

    def real(self, node: Any, path: Path, text: str) -> int | float:
        plain = text.replace("_", "").casefold()
        try:
            value = float(plain.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            self.report(node, path, f"{text[:40]!r} is not a number.")
            return 0.0
        if not math.isfinite(value):
            self.report(node, path, f"{clipped(text, 40)} is not a finite number.")
            return 0.0
        # 2e3 has no point: what is meant is a whole number wherever one is wanted.
        return int(value) if "." not in plain and value.is_integer() and abs(value) < 2**63 else value


def _short(tag: Any) -> str:
    return str(tag).replace(_TAG, "!!")
