"""Answers that cost money, on disk from the moment they arrive."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from filelock import AsyncFileLock

from harness.errors import HarnessError

VERSION = 1
"""Version of the files."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered to one request. Nothing else than these types is ever kept.

    Attributes:
        text: Content of the message.
        finish: Why it ended: ``"stop"``, ``"length"``, ``"content_filter"``.
        refusal: The server's own refusal field, empty when there is none.
        prompt_tokens: Tokens read, as billed.
        completion_tokens: Tokens written, as billed.
        model: The model that the server says it used.
        fingerprint: The server's ``system_fingerprint``.
        cached_tokens: Tokens read that the server had in a cache of its own, part of ``prompt_tokens``.
        logprobs: Where they were asked for, the tokens written and what might have stood in their place, as JSON:
            ``[[token, [[other, log-probability], ...]], ...]``.

    Raises:
        TypeError: A field is of another type (a text that is a list of parts, a count that is null).
        ValueError: A negative count, or more tokens from a cache than were read.
    """

    text: str
    finish: str
    refusal: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model: str = ""
    fingerprint: str = ""
    cached_tokens: int = 0
    logprobs: str = ""

    def __post_init__(self) -> None:
        for part in fields(self):
            value, kind = getattr(self, part.name), int if part.type == "int" else str
            if type(value) is not kind:
                raise TypeError(f"{part.name} is {type(value).__name__}, not {kind.__name__}")
        if min(self.prompt_tokens, self.completion_tokens, self.cached_tokens) < 0:
            raise ValueError("a count of tokens is negative")
        if self.cached_tokens > self.prompt_tokens:
            raise ValueError("more tokens from a cache than were read")


def request_key(request: Mapping[str, Any]) -> str:
    """Identity of a request: a digest of everything that determines the answer, the key to the server excluded."""
    return _digest(request)


def _digest(content: Mapping[str, Any]) -> str:
    payload = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
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
        """The answer to a request, if it is there whole, as it was written; a damaged file counts as none."""
        if key in self._memory:
            return self._memory[key]
        if self._folder is None:
            return None
        try:
            stored = json.loads(self._path(self._folder, key).read_text(encoding="utf-8"))
            if stored["version"] != VERSION or _digest(stored["request"]) != key:
                return None
            if stored.get("sha256", _digest(stored["answer"])) != _digest(
                stored["answer"]
            ):  # older files have no digest
                return None
            return Answer(**stored["answer"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
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
            content = asdict(answer)
            write_json(
                path, {"version": VERSION, "request": dict(request), "answer": content, "sha256": _digest(content)}
            )
        except OSError as error:
            raise _unwritable(path, error) from error

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[None]:
        """Hold the right to ask for an answer, waiting while another process over the same folder has it.

        The answer may be there by then: look again before asking. A process that dies loses what it holds.

        Raises:
            HarnessError: The folder cannot be written.
        """
        if self._folder is None:
            yield
            return
        path = self._folder / "locks" / f"{key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = AsyncFileLock(path, run_in_executor=False)
            await lock.acquire(poll_interval=0.1)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            yield
        finally:
            if self.get(key) is not None:  # whoever takes the lock now finds the answer, so the file has done its work
                with suppress(OSError):
                    path.unlink()
            await lock.release()

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / key[:2] / f"{key}.json"


def _unwritable(path: Path, error: OSError) -> HarnessError:
    return HarnessError(f"The answer cache cannot be written: {path}: {error.strerror or error}.")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that it is either there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)  # in ASCII: an answer may hold half of a surrogate pair
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
