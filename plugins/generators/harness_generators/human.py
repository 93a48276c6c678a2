"""Samples that people wrote, from a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, Task, UnknownUnknown, Usage
from harness.components.labels import class_index
from harness.components.paths import existing_file
from harness.components.texts import abridged, lone_surrogate
from harness.errors import DataError, InputError, did_you_mean
from harness_generators.texts import as_example

KEYS = ("text", "text_pair", "label", "uu", "role", "hypothesis")


class Human(Generator):
    """Hand-written samples from a JSONL file, for comparison with people.

    Each line is an object with ``text``, ``label`` (name or index of the class), for pairs ``text_pair``, and optionally
    ``uu`` (id of the training example whose perturbation fooled the classifier, such as ``"train/17"``), ``role`` and
    ``hypothesis``. Lines with ``uu`` belong to that unknown unknown, and are left out when it is not among those found.
    Lines without go, in their order, to the unknown unknowns that have fewer than ``per_uu`` samples, so that samples
    written for a task as a whole can be compared too. Unknown unknowns left with fewer are rejected as ``"no sample"``.
    """

    api_version: ClassVar[int] = 1

    path: Path
    """The file, UTF-8; a relative path starts at the suite's folder, else at the current directory."""

    def identity(self) -> dict[str, Any]:
        """The digest of the file, wherever it lies."""
        return {"sha256": hashlib.sha256(self._read()).hexdigest()}

    def preflight(self) -> None:
        """Check that the file can be read and holds one object with text and label per line.

        Raises:
            InputError: It cannot be read (DataError: a line is not as it should be).
        """
        list(self._lines())

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Yield the file's samples, at most ``task.per_uu`` per unknown unknown. Nothing is random.

        Raises:
            DataError: A line's label is no class of the task, or it is a text where a pair is needed (or the reverse).
        """
        given: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for number, line in self._lines():
            given.setdefault(str(line.get("uu") or ""), []).append((number, line))
        anyones = given.pop("", [])
        for position, uu in enumerate(uus):
            own = given.get(uu.example.id, [])[: task.per_uu]
            while len(own) < task.per_uu and anyones:
                own.append(anyones.pop(0))
            for number, line in own:
                yield self._sample(number, line, task.task, position)
            for _ in range(task.per_uu - len(own)):
                yield Rejected(position, "human", "no sample")

    def _sample(self, number: int, line: dict[str, Any], task: Task, position: int) -> SyntheticExample:
        given = line["label"]
        known = given in task.labels if isinstance(given, str) else type(given) is int
        label = class_index(given, task.labels) if known else None
        if label is None:
            hint = did_you_mean(given, task.labels) if isinstance(given, str) and len(given) < 200 else ""
            raise DataError(
                f"{self.path}:{number}: label {abridged(given)} is no class of {task.name}. {hint}".rstrip()
            )
        pair = line.get("text_pair")
        if (pair is not None) != (len(task.columns) == 2):
            expected = "a text_pair" if pair is None else "no text_pair"
            raise DataError(
                f"{self.path}:{number}: {task.name} has {len(task.columns)} column(s): {expected} expected."
            )
        texts = line["text"] if pair is None else (line["text"], pair)
        return SyntheticExample(
            as_example(texts, label), position, str(line.get("role") or "human"), str(line.get("hypothesis") or "")
        )

    def _read(self) -> bytes:
        path = existing_file(self.locate(self.path))
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"The generator human cannot read {path}: {error.strerror}.") from None

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            # Not splitlines: a text may hold separators of lines unescaped.
            lines = self._read().decode("utf-8-sig").replace("\r\n", "\n").split("\n")
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: not UTF-8 (byte {error.start}).") from None
        for number, raw in enumerate(lines, start=1):
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
            except RecursionError:
                raise DataError(f"{self.path}:{number}: nested too deep.") from None
            except ValueError as error:
                raise DataError(f"{self.path}:{number}: no JSON ({str(error).split(';')[0]}).") from None
            if not isinstance(line, dict):
                raise DataError(f"{self.path}:{number}: expected an object, not {type(line).__name__}.")
            if unknown := sorted(set(line) - set(KEYS)):
                raise DataError(f"{self.path}:{number}: unknown key {unknown[0]!r}. {did_you_mean(unknown[0], KEYS)}")
            for key in ("text", "text_pair"):
                value = line.get(key)
                if not (isinstance(value, str) and value.strip()) and (key == "text" or value is not None):
                    raise DataError(f"{self.path}:{number}: {key!r} must be a text that is not empty.")
            for key in ("text", "text_pair", "role", "hypothesis"):
                if half := lone_surrogate(str(line.get(key) or "")):
                    raise DataError(
                        f"{self.path}:{number}: {key!r} is no Unicode text: it has the lone surrogate {half}."
                    )
            if "label" not in line:
                raise DataError(f"{self.path}:{number}: 'label' is missing.")
            yield number, line
