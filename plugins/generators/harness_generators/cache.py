"""Answers that cost money, on disk from the moment they arrive."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError

VERSION = 1
"""Version of the files."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered to one request.

    Attributes:
        text: Content of the message.
        finish: Why it ended: ``"stop"``, ``"length"``, ``"content_filter"``.
        refusal: The server's own refusal field, empty when there is none.
        prompt_tokens: Tokens read, as billed.
        completion_tokens: Tokens written, as billed.
        model: The model that the server says it used.
        fingerprint: The server's ``system_fingerprint``.
    """

    text: str
    finish: str
    refusal: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    fingerprint: str = ""


def request_key(request: Mapping[str, Any]) -> str:
    """Identity of a request: a digest of everything that determines the answer, the key to the server excluded."""
    payload = json.dumps(request, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(payload.encode()).hexdigest()


class AnswerCache:
    """One JSON file per request, named by the request's identity and written in one step.

    Args:
        folder: Where; ``None`` keeps answers in memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, Answer] = {}

    def get(self, key: str) -> Answer | None:
        """The answer to a request, if it is there whole; a damaged file counts as none."""
        if key in self._memory:
            return self._memory[key]
        if self._folder is None:
            return None
        try:
            stored = json.loads(self._path(self._folder, key).read_text(encoding="utf-8"))
            return Answer(**stored["answer"]) if stored["version"] == VERSION else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, key: str, request: Mapping[str, Any], answer: Answer) -> None:
        """Keep an answer; when this returns it survives the death of the process.

        Raises:
            HarnessError: The file cannot be written.
        """
        self._memory[key] = answer
        if self._folder is None:
            return
        path = self._path(self._folder, key)
        try:
            write_json(path, {"version": VERSION, "request": dict(request), "answer": asdict(answer)})
        except OSError as error:
            raise HarnessError(f"The answer cache cannot be written: {path}: {error.strerror or error}.") from error

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / key[:2] / f"{key}.json"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that it is either there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
