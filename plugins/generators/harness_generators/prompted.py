"""A language model that is asked which class fits: a classifier behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr, model_validator

from harness.components import Example, Usage
from harness.components.labels import nameless
from harness.components.texts import abridged
from harness.errors import HarnessError, InputError
from harness.models.given import TextClassifier, UntrainedModel, read_order, write_order
from harness.progress import progress
from harness_generators.cache import Answer, AnswerCache, request_key
from harness_generators.choice import Undecided, alike, alternatives, shares
from harness_generators.openai_server import Server
from harness_generators.pace import Budget, Pace

if TYPE_CHECKING:
    from harness.components.labels import LabelMatch
    from harness.types import FloatArray, Texts
    from harness_generators.openai_client import Chat
    from harness_generators.openai_wire import Form

TOKENS = 32
"""Longest answer: a class in JSON."""

_log = logging.getLogger(__name__)


class Prompted(Server, UntrainedModel):
    """A language model behind an OpenAI-compatible server that is asked for the class of each text.

    Its answers are constrained to the classes (JSON schema, where the server has it), and probabilities are those of the
    token that an answer begins with, among the tokens that begin a class. It can be audited and attacked, not fine-tuned.
    Answers are kept like those of the generators: a text is paid for once, by whichever arm, run or attack it is asked.
    """

    api_version: ClassVar[int] = 1
    billed: ClassVar[bool] = True
    called: ClassVar[str] = "The model prompted"
    neutral: ClassVar[frozenset[str]] = Server.neutral | {
        *("max_requests", "max_total_tokens", "max_cost"),
        *("price_prompt", "price_cached", "price_completion"),
    }

    instruction: str = "Decide which label fits the text."
    """What is asked, in the words of the task: `Is the opinion in this movie review positive or negative?`."""
    answers: tuple[str, ...] = ()
    """What it is to answer for each class, in the order of `labels`, where names of classes begin alike: `[A, B, C]`. By
    default the names."""
    temperature: float | None = Field(default=0.0, ge=0)
    """Sampling temperature; null leaves it to the server (some models accept no other)."""
    top_logprobs: int = Field(default=20, ge=1, le=100)
    """Alternatives to a token that are asked for; servers allow 5 to 20."""

    _kept_in: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check_answers(self) -> Prompted:
        if self.answers and len(self.answers) != len(self.labels):
            raise ValueError("`answers` needs `labels`: one answer for each, in their order")
        if len(set(map(str.casefold, self.answers))) < len(self.answers):
            raise ValueError("two `answers` are the same but for upper and lower case")
        return self

    def name(self) -> str:
        """What to call it in messages."""
        return f"The model prompted ({self.model})"

    def identity(self) -> dict[str, Any]:
        """The options that determine the result."""
        found = super().identity()
        if self.provider:
            del found["base_url"]
        return found

    def keeping_answers(self, folder: Path) -> Prompted:
        """See :meth:`harness.components.Model.keeping_answers`."""
        found = self.model_copy()
        found._kept_in = folder / "prompted"
        return found

    def check_labels(self, labels: Sequence[str]) -> None:
        """See :meth:`harness.components.Model.check_labels`; it must be possible to tell classes apart by how they begin."""
        self.matched(self.labels or None, labels)
        self._asked(labels)

    def matched(self, outputs: Sequence[str] | None, labels: Sequence[str]) -> LabelMatch:
        """Its answers as the task's classes, which are what it is asked for unless `labels` says otherwise."""
        return super().matched(outputs or labels, labels)

    def given(self, labels: Sequence[str], examples: Sequence[Example]) -> TextClassifier:
        """The classifier as it is; it is asked one text, so that what cannot work ends before an attack begins."""
        match = self.matched(self.labels or None, labels)
        said = f"{match.said} Probabilities are those of the first token of its answers."
        made = _Asking(self, self._asked(labels), match.order, said)
        if examples:
            made.first(examples[0].texts)
        return made

    def load(self, folder: Path) -> TextClassifier:
        """Read back the order of its answers."""
        kept = read_order(folder)
        return _Asking(self, tuple((name, answer) for name, answer in kept["asked"]), kept["order"], kept["said"])

    def _asked(self, labels: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Each class in its own words, and the answer that means it."""
        names = self.labels or tuple(labels)
        if nameless(names):
            raise InputError(
                f"{self.name()} is asked for classes by name, but those of the data are numbers: {', '.join(names)}.",
                hint="Say in `labels` of the data set, or of this model, what they mean.",
            )
        answers = self.answers or names
        if found := alike(answers):
            raise InputError(
                f"{self.name()} cannot tell the answers {found[0]!r} and {found[1]!r} apart by how they begin, and"
                " probabilities are those of an answer's first token.",
                hint="Give answers that begin differently, for example `labels: [...]` with `answers: [A, B, ...]`.",
            )
        return tuple(zip(names, answers, strict=True))


class _Asking(TextClassifier):
    def __init__(self, options: Prompted, asked: Sequence[tuple[str, str]], order: Sequence[int], said: str) -> None:
        super().__init__(len(order), said)
        self._options, self._asked, self._order = options, tuple(asked), tuple(order)
        self._answers = [answer for _, answer in asked]
        self._cache = AnswerCache(options._kept_in)
        self._budget = Budget(options.max_requests, options.max_total_tokens, options.max_cost)
        self._spent, self._reserved = Usage(), dict[str, Usage]()
        self._billed = Usage()
        self._seen: set[str] = set()
        self._form: Form | None = None

    def save(self, folder: Path) -> None:
        write_order(folder, self._order, self.said, asked=[list(pair) for pair in self._asked])

    def billed(self) -> Usage:
        """See :meth:`harness.components.Classifier.billed`."""
        found, self._billed = self._billed, Usage()
        return found

    def first(self, text: Texts) -> None:
        """Ask about one text, and take no answer for none.

        Raises:
            InputError: It is none of the classes.
        """
        answer = self._all([text])[0]
        if answer is None or self._row(answer, text) is None:
            said = "gave no answer" if answer is None else f"answered {abridged(answer.text or answer.refusal)}"
            raise InputError(
                f"{self._options.name()} {said} for {abridged(text)}; expected one of {', '.join(self._answers)}.",
                hint="Say in `instruction` what the classes mean; set `structured: json_schema` if the server has it.",
            )

    def ask(self, texts: Sequence[Texts]) -> FloatArray:
        import numpy as np

        rows = [None if a is None else self._row(a, t) for a, t in zip(self._all(texts), texts, strict=True)]
        if missing := [text for text, row in zip(texts, rows, strict=True) if row is None]:
            _log.warning(
                "%s answered with no class for %d of %d texts, which count as undecided (first: %s).",
                *(self._options.name(), len(missing), len(texts), abridged(missing[0])),
            )
        even = [1 / self.num_labels] * self.num_labels
        probs: FloatArray = np.asarray([even if row is None else row for row in rows])[:, list(self._order)]
        return probs.astype(np.float32)

    def _row(self, answer: Answer, text: Texts) -> list[float] | None:
        if answer.text and not answer.logprobs:
            raise InputError(
                f"{self._options.base_url} gives no token log-probabilities for {self._options.model!r}, of which"
                " probabilities of classes are made.",
                hint="Use a server and a model that know `logprobs` and `top_logprobs`: vLLM, llama.cpp, OpenAI's models that"
                " do not reason.",
            )
        try:
            return shares(alternatives(answer), self._answers)
        except Undecided as found:
            raise InputError(
                f"{self._options.name()}: the answers {' and '.join(map(repr, found.answers))} begin with the same token"
                f" {found.token!r} (at {abridged(text)}), so its probability does not say which is meant.",
                hint="Give answers that begin differently, for example `labels: [...]` with `answers: [A, B, ...]`.",
            ) from None

    def _request(self, text: Texts) -> dict[str, Any]:
        o = self._options
        parts = (text,) if isinstance(text, str) else (f"First text:\n{text[0]}", f"Second text:\n{text[1]}")
        listed = ", ".join(
            json.dumps(answer, ensure_ascii=False) + (f" ({name})" if name != answer else "")
            for name, answer in self._asked
        )
        system = (
            f"{o.instruction}\nThe labels are: {listed}.\n"
            'Answer with JSON of the form {"label": "..."}, with one of the labels, and nothing else.'
        )
        schema = {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": self._answers}},
            "required": ["label"],
            "additionalProperties": False,
        }
        return {
            "server": o.provider or o.base_url,
            "api": o.api,
            "model": o.model,
            "messages": [["system", system], ["user", "\n\n".join(parts)]],
            "temperature": o.temperature,
            "max_tokens": TOKENS,
            "token_limit_field": o.token_limit_field,
            "send_seed": False,
            "top_logprobs": o.top_logprobs,
            "extra_body": o.extra_body,
            "structured": o.structured,
            "schema": schema,
        }

    def _all(self, texts: Sequence[Texts]) -> list[Answer | None]:
        """The answers, from the cache where they are there; ``None`` where the server refuses a text."""
        from harness_generators.background import stream

        requests = [self._request(text) for text in texts]
        keys = [request_key(request) for request in requests]
        found = [self._cache.get(key) for key in keys]
        if missing := [row for row, answer in enumerate(found) if answer is None]:
            with progress("texts", total=len(missing)) as bar:
                for row, answer in stream(partial(self._asking, {row: (requests[row], keys[row]) for row in missing})):
                    found[row] = answer
                    bar.advance()
        for row, answer in enumerate(found):
            if answer is not None and keys[row] not in self._seen:
                self._seen.add(keys[row])
                self._billed += self._bill(requests[row], answer, cached=row not in missing)
        return found

    def _bill(self, request: Mapping[str, Any], answer: Answer, *, cached: bool) -> Usage:
        """What an answer cost whenever it was given; counts that the server does not give are estimated."""
        read = answer.prompt_tokens or self._options.tokens(sum(len(content) for _, content in request["messages"]))
        written = answer.completion_tokens or self._options.tokens(len(answer.text))
        return Usage(
            int(not cached), int(cached), read, written, self._options.cost(read, written, answer.cached_tokens)
        )

    async def _asking(
        self, missing: Mapping[int, tuple[Mapping[str, Any], str]], emit: Callable[[tuple[int, Answer | None]], None]
    ) -> None:
        from harness_generators.openai_client import Chat, make_client

        options, key = self._options, self._options.key()
        slots = asyncio.Semaphore(options.max_concurrency)
        async with make_client(options, key) as client:
            chat = Chat(options, key, client, Pace(options.max_concurrency, options.requests_per_minute))
            chat.form = self._form or chat.form

            async def one(row: int) -> None:
                async with slots:
                    try:
                        if chat.stopped is None:
                            emit((row, await self._one(chat, *missing[row])))
                    except HarnessError as error:
                        chat.stop(error)  # answers on their way are paid for: they are waited for, and kept

            await asyncio.gather(*map(one, missing))
            self._form = chat.form
            if chat.stopped:
                raise chat.stopped
            chat.refusals.close()

    async def _one(self, chat: Chat, request: Mapping[str, Any], key: str) -> Answer | None:
        from harness_generators.openai_client import Unanswered
        from harness_generators.openai_errors import FAILED

        async with self._cache.claim(key):
            if (kept := self._cache.get(key)) is not None:  # another process has asked in the meantime
                return kept
            self._reserve(request, key)
            try:
                answer = await chat.ask(request, key)
            except Unanswered as problem:
                if str(problem) == FAILED:
                    raise HarnessError(f"{self._options.name()} left a text unanswered: {problem}.") from None
                return None
            finally:
                del self._reserved[key]
            self._spent += self._bill(request, answer, cached=False)
            answer = dataclasses.replace(answer, logprobs=_decisive(answer))
            self._cache.put(key, request, answer)
            return answer

    def _reserve(self, request: Mapping[str, Any], key: str) -> None:
        prompt = self._options.tokens(sum(len(content) for _, content in request["messages"]))
        estimate = Usage(1, 0, prompt, TOKENS, self._options.cost(prompt, TOKENS))
        if not self._budget.covers(sum(self._reserved.values(), self._spent) + estimate):
            limits = {name: getattr(self._options, name) for name in ("max_requests", "max_total_tokens", "max_cost")}
            shown = ", ".join(f"{name}: {value:g}" for name, value in limits.items() if value is not None)
            raise InputError(
                f"{self._options.name()}: the budget of one stage ({shown}) is used up.",
                hint="Raise it: answers so far are kept, and are not asked for again.",
            )
        self._reserved[key] = estimate


def _decisive(answer: Answer) -> str:
    """Of the tokens of an answer only what is needed: as one token that it begins with."""
    pieces = alternatives(answer)
    if not answer.logprobs:
        return ""
    return json.dumps([[max(pieces, key=lambda piece: piece[1])[0], pieces]] if pieces else [])
