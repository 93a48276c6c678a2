"""What the requests of one run of the two-step method share, and its dialogues side by side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.components import GenerationTask, Rejected, UnknownUnknown, Usage
from harness.errors import HarnessError
from harness.seeds import derive_seed
from harness_generators.cache import Answer, AnswerCache, request_key
from harness_generators.dialogue import Dialogue, Made, Method, Question
from harness_generators.openai_client import Chat, Unanswered, make_client
from harness_generators.pace import Budget, Pace, Purse
from harness_generators.prompts import schema_of
from harness_generators.replies import Reply
from harness_generators.texts import as_tuple

if TYPE_CHECKING:
    from harness_generators.openai_chat import OpenAI

_log = logging.getLogger(__name__)


class Session:
    """What the requests of one call of ``generate`` have in common."""

    def __init__(self, options: OpenAI, task: GenerationTask, seed: int) -> None:
        self.options, self.task, self.seed = options, task, seed
        prompts = options.templates()
        self.wording = prompts.wording(task.task)
        self.method = Method(task.task, prompts, per_uu=task.per_uu, retries=options.retry_invalid)
        self.schema = schema_of(task.task)
        folder: Path | None = None if task.cache is None else task.cache / "openai"
        self.folder = folder
        self.cache = AnswerCache(folder)
        self._estimated = False
        self.purse = Purse(Budget(options.max_requests, options.max_total_tokens, options.max_cost))

    def request(self, question: Question) -> dict[str, Any]:
        """Everything that determines an answer, as JSON: what the request's identity is computed from."""
        o = self.options
        return {
            "server": o.provider or o.base_url,
            "api": o.api,
            "model": o.model,
            "messages": [list(message) for message in question.messages],
            "temperature": o.temperature,
            "max_tokens": o.max_tokens,
            "token_limit_field": o.token_limit_field,
            "send_seed": o.send_seed,
            "seed": derive_seed(self.seed, "openai", question.attempt),
            "extra_body": o.extra_body,
            "structured": o.structured,
            "schema": self.schema,
        }

    def reply(self, request: Mapping[str, Any], answer: Answer, *, cached: bool) -> Reply:
        """A server's answer as the method takes it, with its price; counts that it does not give are estimated."""
        estimate = self.options.tokens
        prompt, completion = answer.prompt_tokens, answer.completion_tokens
        if not prompt or (answer.text and not completion):
            prompt = prompt or estimate(sum(len(content) for _, content in request["messages"]))
            completion = completion or estimate(len(answer.text))
            if not self._estimated:
                _log.warning(
                    "%s does not say how many tokens it used: usage, cost and budgets are estimates.",
                    self.options.base_url,
                )
            self._estimated = True
        cost = self.options.cost(prompt, completion, answer.cached_tokens)
        usage = Usage(int(not cached), int(cached), prompt, completion, cost)
        finish = answer.finish.lower()
        refused = bool(answer.refusal) or finish.startswith(("content_filter", "safety", "prohibited", "refusal"))
        return Reply(answer.text or answer.refusal, finish in ("length", "max_tokens"), refused, usage)

    def reservation(self, uu: UnknownUnknown) -> Usage:
        """The most that one dialogue may take."""
        characters = sum(len(text) for texts in (uu.example.texts, uu.perturbed) for text in as_tuple(texts))
        return self.options.most(self.task.per_uu, self.wording + characters)

    def concurrently(self, key: str, uus: Sequence[UnknownUnknown]) -> Callable[[Callable[..., None]], Any]:
        """Dialogues side by side, up to ``max_concurrency`` at once, begun in order while the budget lasts."""

        async def work(emit: Callable[[tuple[int, list[Made]]], None]) -> None:
            options = self.options
            pending: dict[str, asyncio.Future[Answer]] = {}
            slots = asyncio.Semaphore(options.max_concurrency)
            async with make_client(options, key) as client:
                chat = Chat(options, key, client, Pace(options.max_concurrency, options.requests_per_minute))

                async def one(position: int, uu: UnknownUnknown) -> None:
                    try:
                        made = await self._talk(self.method.dialogue(position, uu), chat, pending)
                    except HarnessError as error:
                        chat.stop(error)
                        made = []
                    finally:
                        slots.release()
                    await self.purse.settle(position, spent(made))
                    if made:
                        emit((position, made))

                # Not a TaskGroup: a fatal error must not cancel requests whose answers are being paid for.
                tasks: list[asyncio.Task[None]] = []
                try:
                    for position, uu in enumerate(uus):
                        await slots.acquire()
                        admitted = await self.purse.admit(position, self.reservation(uu))
                        if chat.stopped or not admitted:
                            break
                        tasks.append(asyncio.create_task(one(position, uu)))
                    await asyncio.gather(*tasks)
                finally:
                    for task in tasks:
                        task.cancel()
                if chat.stopped:
                    raise chat.stopped
                chat.refusals.close()
                for later in range(len(tasks), len(uus)):
                    emit((later, [Rejected(later, "exploit", "budget exhausted")]))

        return work

    async def _talk(self, dialogue: Dialogue, chat: Chat, pending: dict[str, asyncio.Future[Answer]]) -> list[Made]:
        try:
            question = next(dialogue)
            while True:
                question = dialogue.send(await self._answer(question, chat, pending))
        except StopIteration as end:
            made: list[Made] = end.value
            return made

    async def _answer(self, question: Question, chat: Chat, pending: dict[str, asyncio.Future[Answer]]) -> Reply:
        request = self.request(question)
        key = request_key(request)
        if (answer := self.cache.get(key)) is not None:
            chat.refusals.answered()
            return self.reply(request, answer, cached=True)
        if key in pending:  # The same request is on its way for another unknown unknown.
            await asyncio.wait([pending[key]])
            return await self._answer(question, chat, pending)
        pending[key] = asyncio.get_running_loop().create_future()
        try:
            async with self.cache.claim(key):
                if (answer := self.cache.get(key)) is not None:  # Another process has asked in the meantime.
                    return self.reply(request, answer, cached=True)
                answer = await chat.ask(request, key)
                self.cache.put(key, request, answer)
                return self.reply(request, answer, cached=False)
        except Unanswered as problem:
            return Reply(problem.text, failure="" if problem.text else str(problem))
        finally:
            pending.pop(key).cancel()


def spent(made: Sequence[Made]) -> Usage:
    """The sum of the usage among a dialogue's results."""
    return sum((item for item in made if isinstance(item, Usage)), Usage())
