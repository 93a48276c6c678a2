"""The two-step method over the provider's batch interface: all dialogues in step, one batch per step.

A batch's id is on disk as soon as the provider returns it, with the identities of its requests. A run that was killed, or
another one over the same folder, finds it there and fetches its answers instead of ordering them again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
from openai.types.chat import ChatCompletion

from harness.components import Rejected, UnknownUnknown, Usage
from harness.errors import HarnessError
from harness_generators.cache import request_key, write_json
from harness_generators.dialogue import Dialogue, Made, Question
from harness_generators.openai_client import MODES, answer_of, make_client, refuse_key, scrub, wire_body
from harness_generators.pace import Budget
from harness_generators.replies import Reply

if TYPE_CHECKING:
    from harness_generators.openai_session import Session

DONE = ("completed", "failed", "expired", "cancelled")


def run_batches(session: Session, key: str, uus: Sequence[UnknownUnknown]) -> Callable[[Callable[..., None]], Any]:
    """The work of one run, for :func:`harness_generators.background.stream`."""

    async def work(emit: Callable[[tuple[int, list[Made]]], None]) -> None:
        options = session.options
        budget = Budget(options.max_requests, options.max_total_tokens, options.max_cost)
        reserved = Usage()
        open_dialogues: dict[int, tuple[Dialogue, Question]] = {}
        for position, uu in enumerate(uus):
            reserved += session.reservation(uu)
            if not budget.covers(reserved):
                break
            dialogue = session.method.dialogue(position, uu)
            open_dialogues[position] = (dialogue, next(dialogue))
        for later in range(len(open_dialogues), len(uus)):
            emit((later, [Rejected(later, "exploit", "budget exhausted")]))
        async with make_client(options, key) as client:
            desk = Desk(session, key, client)
            while open_dialogues:
                replies = await desk.round({p: question for p, (_, question) in open_dialogues.items()})
                for position, (dialogue, _) in list(open_dialogues.items()):
                    try:
                        open_dialogues[position] = (dialogue, dialogue.send(replies[position]))
                    except StopIteration as end:
                        del open_dialogues[position]
                        emit((position, end.value))

    return work


class Desk:
    """Orders batches and collects them."""

    def __init__(self, session: Session, key: str, client: openai.AsyncOpenAI) -> None:
        self.session, self.key, self.client = session, key, client
        self.options = session.options
        # Without a cache folder there is nothing to go on from, and ids are kept for this run only.
        self.folder: Path | None = None if session.folder is None else session.folder / "batches"

    async def round(self, questions: dict[int, Question]) -> dict[int, Reply]:
        """Answer one question of each dialogue."""
        requests = {position: self.session.request(question) for position, question in questions.items()}
        keys = {position: request_key(request) for position, request in requests.items()}
        by_key = {keys[position]: request for position, request in requests.items()}
        before = {key for key in by_key if self.session.cache.get(key) is not None}
        missing = {key: request for key, request in by_key.items() if key not in before}
        for state in self._ordered(missing):
            await self._collect(state, missing)
        async with self.session.cache.claim("batches"):
            # Another process may have ordered, or even collected, some of them.
            missing = {key: request for key, request in missing.items() if self.session.cache.get(key) is None}
            states = self._ordered(missing)
            noted = {key for state in states for key in state["keys"]}
            if rest := {key: request for key, request in missing.items() if key not in noted}:
                states.append(await self._order(rest))
        for state in states:
            await self._collect(state, missing)
        replies: dict[int, Reply] = {}
        counted: set[str] = set()
        for position, key in keys.items():
            answer = self.session.cache.get(key)
            if answer is None:
                replies[position] = Reply("", failure="request failed")
            else:
                replies[position] = self.session.reply(answer, cached=key in before or key in counted)
                counted.add(key)
        return replies

    def _ordered(self, missing: dict[str, Any]) -> list[dict[str, Any]]:
        """Batches that an earlier run ordered and that hold answers to missing requests."""
        if self.folder is None or not self.folder.exists():
            return []
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                state = json.loads(path.read_text(encoding="utf-8"))
                ordered = state["server"] == self._server and isinstance(state["id"], str)
                if ordered and set(state["keys"]) & set(missing):
                    found.append(state)
            except (OSError, ValueError, TypeError, KeyError, RecursionError):
                continue  # collected by another process, or damaged: then its requests are ordered again
        return found

    @property
    def _server(self) -> str:
        return self.options.provider or self.options.base_url

    async def _order(self, requests: dict[str, Any]) -> dict[str, Any]:
        mode = MODES[0] if self.options.structured == "auto" else self.options.structured
        lines = []
        for key, request in requests.items():
            body = wire_body(request, mode)
            body |= body.pop("extra_body", {})
            lines.append(json.dumps({"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}))
        content = "\n".join(lines).encode()
        uploaded = await self._patiently(
            lambda: self.client.files.create(file=("requests.jsonl", content), purpose="batch")
        )
        batch = await self._patiently(
            lambda: self.client.batches.create(
                input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
        )
        state = {"id": batch.id, "server": self._server, "keys": sorted(requests)}
        if self.folder is not None:
            write_json(_path(self.folder, batch.id), state)
        return state

    async def _collect(self, state: dict[str, Any], requests: dict[str, Any]) -> None:
        """Wait for a batch and put its answers into the cache."""
        while True:
            batch = await self._patiently(lambda: self.client.batches.retrieve(state["id"]))
            if batch.status in DONE:
                break
            await asyncio.sleep(self.options.batch_poll)
        if batch.output_file_id:
            output = await self._patiently(lambda: self.client.files.content(batch.output_file_id))
            for line in output.text.split("\n"):  # not splitlines: answers may hold separators of lines unescaped
                with suppress(
                    AttributeError, ValueError, RecursionError
                ):  # what is no JSON object counts as unanswered
                    self._keep(json.loads(line), requests)
        elif batch.status == "failed":
            problems = batch.errors.data if batch.errors and batch.errors.data else []
            reason = "; ".join(str(problem.message) for problem in problems[:3]) or "no reason given"
            self._forget(state)
            raise HarnessError(f"{self._server}: batch {batch.id} failed: {scrub(reason, self.key)}.")
        self._forget(state)

    def _keep(self, entry: dict[str, Any], requests: dict[str, Any]) -> None:
        response = entry.get("response") or {}
        request = requests.get(entry.get("custom_id", ""))
        if request is None or response.get("status_code") != 200:
            return
        try:
            answer = answer_of(ChatCompletion.model_validate(response["body"]))
        except (ValueError, AttributeError, TypeError, IndexError, KeyError):
            return
        self.session.cache.put(entry["custom_id"], request, answer)

    def _forget(self, state: dict[str, Any]) -> None:
        if self.folder is not None:
            _path(self.folder, state["id"]).unlink(missing_ok=True)

    async def _patiently(self, call: Callable[[], Any]) -> Any:
        """Make a call of the batch interface, again if it fails for a passing reason."""
        for attempt in range(self.options.max_tries):
            try:
                return await call()
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                refuse_key(self.options, scrub(error.message, self.key))
            except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
                trouble = error
                await asyncio.sleep(min(20.0, 0.25 * 2**attempt))
            except openai.APIError as error:
                raise HarnessError(
                    f"{self._server} refuses a batch: {scrub(error.message, self.key)}.",
                    hint="Not every server has a batch interface; leave `batch` off.",
                ) from None
        raise HarnessError(
            f"{self._server} does not answer: {scrub(trouble.message, self.key)}.",
            hint="Batches that were ordered are noted in the cache: running again collects them.",
        )


def _path(folder: Path, batch: str) -> Path:
    return folder / f"{hashlib.sha256(batch.encode()).hexdigest()[:24]}.json"
