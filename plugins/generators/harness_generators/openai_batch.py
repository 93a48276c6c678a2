"""The two-step method over the provider's batch interface: all dialogues in step, one batch per step.

A batch's id is on disk as soon as the provider returns it, with the identities of its requests. A run that was killed, or
another one over the same folder, finds it there and fetches its answers instead of ordering them again. What a batch leaves
unanswered for a reason that passes (expiry, overload) is ordered again before the step ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai

from harness.components import Rejected, UnknownUnknown, Usage
from harness.errors import HarnessError
from harness_generators.cache import request_key, write_json
from harness_generators.dialogue import Dialogue, Made, Question
from harness_generators.openai_answers import Broken, answer_of
from harness_generators.openai_client import (
    CACHED,
    LONGEST_WAIT,
    adapt,
    broken_connection,
    make_client,
    problem_of,
    raise_for_all,
)
from harness_generators.openai_errors import KINDS, Problem, Refusals, scrub
from harness_generators.openai_wire import Form
from harness_generators.pace import Budget
from harness_generators.replies import Reply

if TYPE_CHECKING:
    from harness_generators.openai_session import Session

DONE = ("completed", "failed", "expired", "cancelled")
NOTED = "Batches that were ordered are noted in the cache: running again collects them."

_log = logging.getLogger(__name__)


class _Unknown(Exception):  # noqa: N818
    """The server does not know what it is asked about (HTTP 404)."""


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
            desk.refusals.close()

    return work


class Desk:
    """Orders batches and collects them.

    Attributes:
        form: What the server is known to accept.
        refusals: Requests that were refused one by one.
        refused: The kinds by which those of this run are counted, by identity.
    """

    def __init__(self, session: Session, key: str, client: openai.AsyncOpenAI) -> None:
        self.session, self.key, self.client = session, key, client
        self.options = session.options
        self.form = Form.asked(self.options.structured)
        self.refusals = Refusals(self._server)
        self.refused: dict[str, Reply] = {}
        # Without a cache folder there is nothing to go on from, and ids are kept for this run only.
        self.folder: Path | None = None if session.folder is None else session.folder / "batches"

    async def round(self, questions: dict[int, Question]) -> dict[int, Reply]:
        """Answer one question of each dialogue.

        Raises:
            HarnessError: Some were lost to a cause that would pass, again and again. What was answered is in the cache.
        """
        requests = {position: self.session.request(question) for position, question in questions.items()}
        keys = {position: request_key(request) for position, request in requests.items()}
        by_key = {keys[position]: request for position, request in requests.items()}
        before = {key for key in by_key if self.session.cache.get(key) is not None}
        if before:
            self.refusals.answered()
        missing, lost = self._missing(by_key), ""
        for state in self._ordered(missing):
            lost = await self._collect(state, missing) or lost
        for _ in range(self.options.max_tries):
            async with self.session.cache.claim("batches"):
                # Another process may have ordered, or even collected, some of them.
                if not (missing := self._missing(missing)):
                    break
                states = self._ordered(missing)
                noted = {key for state in states for key in state["keys"]}
                if rest := {key: request for key, request in missing.items() if key not in noted}:
                    if lost:
                        _log.warning("%s: %d requests are ordered again (%s).", self._server, len(rest), lost)
                    states.append(await self._order(rest))
            for state in states:
                lost = await self._collect(state, missing) or lost
        if missing := self._missing(missing):
            raise HarnessError(
                f"{self._server} left {len(missing)} of {len(by_key)} requests unanswered in {self.options.max_tries}"
                f" batches ({lost or 'no reason given'}).",
                hint=CACHED,
            )
        replies: dict[int, Reply] = {}
        counted: set[str] = set()
        for position, key in keys.items():
            answer = self.session.cache.get(key)
            if answer is None:
                replies[position] = self.refused[key]
            else:
                cached = key in before or key in counted
                replies[position] = self.session.reply(requests[position], answer, cached=cached)
                counted.add(key)
        return replies

    def _missing(self, requests: dict[str, Any]) -> dict[str, Any]:
        """Those of the requests that are neither answered nor refused."""
        return {
            key: request
            for key, request in requests.items()
            if key not in self.refused and self.session.cache.get(key) is None
        }

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
        lines = []
        for key, request in requests.items():
            body = {**self.form.body(request), **request["extra_body"]}
            lines.append(json.dumps({"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}))
        content = "\n".join(lines).encode()
        try:
            uploaded = await self._patiently(
                lambda: self.client.files.create(file=("requests.jsonl", content), purpose="batch")
            )
            batch = await self._patiently(
                lambda: self.client.batches.create(
                    input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
                )
            )
        except _Unknown as problem:
            raise HarnessError(
                f"{self._server} refuses a batch: {problem}.",
                hint="Not every server has a batch interface; leave `batch` off.",
            ) from None
        state = {"id": batch.id, "server": self._server, "keys": sorted(requests)}
        if self.folder is not None:
            write_json(_path(self.folder, batch.id), state)
        return state

    async def _collect(self, state: dict[str, Any], requests: dict[str, Any]) -> str:
        """Wait for a batch and put its answers into the cache; why it leaves requests to be ordered again, if it does."""
        try:
            while True:
                batch = await self._patiently(lambda: self.client.batches.retrieve(state["id"]))
                if batch.status in DONE:
                    break
                await asyncio.sleep(self.options.batch_poll)
            names = filter(None, (batch.output_file_id, batch.error_file_id))
            files = [await self._patiently(partial(self.client.files.content, name)) for name in names]
        except _Unknown as problem:
            return self._gone(state, str(problem))
        problems: dict[str, Problem] = {}
        for file in files:
            for line in file.text.split("\n"):  # not splitlines: answers may hold separators of lines unescaped
                try:
                    entry = json.loads(line)
                except (ValueError, RecursionError):  # what is no JSON object counts as unanswered
                    continue
                if isinstance(entry, dict):
                    self._keep(entry, requests, problems)
        self._forget(state, requests)
        if not files and batch.status == "failed":
            self._failed(batch, requests)
        else:
            self._count(problems, requests)
        passing = [problem.message for problem in problems.values() if problem.meaning in ("passing", "overload")]
        return scrub(passing[0], self.key) if passing else f"batch {batch.id} is {batch.status}"

    def _gone(self, state: dict[str, Any], message: str) -> str:
        if not self.options.reorder:
            raise HarnessError(
                f"{self._server} does not know the batch {state['id']} that was ordered for {len(state['keys'])}"
                f" requests ({message}).",
                hint="Was it ordered with another key, or in another project? `reorder: true` orders its requests anew.",
            )
        self._forget(state)
        return f"the server does not know the batch {state['id']} any more"

    def _keep(self, entry: dict[str, Any], requests: dict[str, Any], problems: dict[str, Problem]) -> None:
        """Keep the answer in a line of a batch's files, or what it says instead."""
        name, response, error = entry.get("custom_id"), entry.get("response"), entry.get("error")
        request = requests.get(name) if isinstance(name, str) else None
        if request is None or not isinstance(name, str):
            return
        if not isinstance(response, dict):  # not even sent: expired, cancelled
            problems[name] = Problem.of_json(200, {}, error if isinstance(error, dict) else {})
            return
        status = response.get("status_code")
        if status != 200:
            problems[name] = Problem.of_json(status if isinstance(status, int) else 502, {}, response.get("body"))
            return
        try:
            answer = answer_of(response.get("body"))
        except Broken as broken:
            problems[name] = broken.problem or Problem(502, str(broken))
            return
        self.session.cache.put(name, request, answer)
        self.refusals.answered()

    def _count(self, problems: dict[str, Problem], requests: dict[str, Any]) -> None:
        """Take in what was not answered: adapt, count, or end the run, with everything answered kept before."""
        form = self.form
        for name, problem in problems.items():
            message = scrub(problem.message, self.key)
            if problem.meaning in ("passing", "overload") or self._adapted(problem, requests[name], form):
                continue
            raise_for_all(self.options, problem, message)
            kind = KINDS[problem.meaning]
            _log.warning("%s refuses a request: HTTP %d: %s.", self._server, problem.status, message)
            self.refused[name] = Reply(problem.attempt, failure="" if problem.attempt else kind)
            self.refusals.count(kind, f"HTTP {problem.status}: {message}")

    def _adapted(self, problem: Problem, request: dict[str, Any], form: Form) -> bool:
        found = adapt(problem, request, form)
        if found is not None and self.form == form:
            self.form = found[0]
            message = scrub(problem.message, self.key)
            _log.warning("%s: %s; from now on %s.", self._server, message, found[1])
        return found is not None

    def _failed(self, batch: Any, requests: dict[str, Any]) -> None:
        """A batch that was refused as a whole, before anything was answered."""
        said = batch.errors.data if batch.errors and batch.errors.data else []
        for item in said[:1]:
            problem = Problem.of_json(400, {}, item.to_dict())
            if requests and self._adapted(problem, next(iter(requests.values())), self.form):
                return
        reason = "; ".join(str(problem.message) for problem in said[:3]) or "no reason given"
        raise HarnessError(f"{self._server}: batch {batch.id} failed: {scrub(reason, self.key)}.", hint=CACHED)

    def _forget(self, state: dict[str, Any], collected: dict[str, Any] | None = None) -> None:
        """Take a batch as done with, but for requests of another, larger run that were not collected now."""
        if self.folder is None:
            return
        path = _path(self.folder, state["id"])
        rest = set(state["keys"]) - set(state["keys"] if collected is None else collected)
        if rest := {key for key in rest if self.session.cache.get(key) is None}:
            write_json(path, {**state, "keys": sorted(rest)})
        else:
            path.unlink(missing_ok=True)

    async def _patiently(self, call: Callable[[], Any]) -> Any:
        """Make a call of the batch interface, again if it fails for a passing reason."""
        trouble = ""
        for attempt in range(self.options.max_tries):
            wait = min(20.0, 0.25 * 2**attempt)
            try:
                return await call()
            except openai.APIConnectionError as error:
                trouble = broken_connection(self.options.base_url, error)
            except openai.APIStatusError as error:
                problem = problem_of(error)
                message = scrub(problem.message, self.key)
                trouble, wait = f"HTTP {problem.status}: {message}", max(wait, problem.wait)
                if problem.status == 404:
                    raise _Unknown(trouble) from None
                if problem.meaning not in ("passing", "overload"):
                    raise_for_all(self.options, problem, message)
                    raise HarnessError(
                        f"{self._server} refuses a batch: {message}.",
                        hint="Not every server has a batch interface; leave `batch` off.",
                    ) from None
            except (openai.APIError, ValueError, AttributeError, TypeError):
                trouble = "an answer that is none of the batch interface's"
            await asyncio.sleep(min(wait, LONGEST_WAIT))
        raise HarnessError(f"{self._server} does not answer: {scrub(trouble, self.key)}.", hint=NOTED)


def _path(folder: Path, batch: str) -> Path:
    return folder / f"{hashlib.sha256(batch.encode()).hexdigest()[:24]}.json"
