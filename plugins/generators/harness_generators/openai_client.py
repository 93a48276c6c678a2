"""One request to an OpenAI-compatible server, with everything that can go wrong told apart."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import openai

from harness.errors import HarnessError, InputError, did_you_mean
from harness_generators.background import run_in_thread
from harness_generators.cache import Answer
from harness_generators.pace import Pace

if TYPE_CHECKING:
    from harness_generators.openai_chat import OpenAI

MODES = ("json_schema", "json_object", "none")
LONGEST_WAIT = 300.0
"""Most seconds that a server's Retry-After is honoured for; asked to wait longer, the run gives up at once."""


class Unanswered(Exception):  # noqa: N818 - an outcome, not an error
    """A request that got no usable answer, while others may: the message is a kind to count by."""


class _Passing(Exception):  # noqa: N818
    """A failure that may pass; ``wait`` is what the server asked for, in seconds; ``overload`` whether to slow down."""

    def __init__(self, what: str, *, wait: float = 0.0, overload: bool = False) -> None:
        super().__init__(what)
        self.wait, self.overload = wait, overload


def make_client(options: OpenAI, key: str) -> openai.AsyncOpenAI:
    """The client, without retries of its own."""
    # Servers without a key still get a header, as the client insists on one.
    shared: dict[str, Any] = {"api_key": key or "none", "timeout": options.timeout, "max_retries": 0}
    if options.api == "azure":
        return openai.AsyncAzureOpenAI(azure_endpoint=options.base_url, api_version=options.azure_api_version, **shared)
    return openai.AsyncOpenAI(base_url=options.base_url, **shared)


@dataclass
class Chat:
    """Sends requests at a pace, retries what may pass, and stops the run for what will not.

    Attributes:
        options: The generator's options.
        key: The key, kept out of every message.
        client: The HTTP client.
        pace: Who may send when.
        answered: Requests answered so far.
        failed: Requests given up since the last answer.
        mode: Position in :data:`MODES` of what the server is known to accept.
        stopped: The error that ends the run, once there is one.
    """

    options: OpenAI
    key: str
    client: openai.AsyncOpenAI
    pace: Pace
    answered: int = 0
    failed: int = 0
    mode: int = field(init=False)
    stopped: HarnessError | None = None
    _halt: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.mode = 0 if self.options.structured == "auto" else MODES.index(self.options.structured)

    def stop(self, error: HarnessError) -> None:
        """Send nothing more: requests on their way are waited for, those that wait for another try give up."""
        self.stopped = self.stopped or error
        self._halt.set()

    async def ask(self, request: Mapping[str, Any], key: str) -> Answer:
        """Get one request answered.

        Raises:
            Unanswered: This request cannot be answered, while others may.
            InputError: The server will refuse every request: key, model, quota.
            HarnessError: The server does not answer.
        """
        trouble = _Passing("")
        for attempt in range(self.options.max_tries):
            async with self.pace.turn() as started:
                if self.stopped:
                    raise self.stopped
                try:
                    answer = await self._send(request)
                except _Passing as problem:
                    trouble = problem
                    if problem.wait > LONGEST_WAIT:
                        raise HarnessError(
                            f"{self.options.base_url} asks to wait {problem.wait:.0f} s before the next request.",
                            hint="Run again later; finished answers are in the cache.",
                        ) from None
                    if problem.overload:
                        self.pace.complained(started, problem.wait)
                else:
                    self.pace.succeeded()
                    self.answered += 1
                    self.failed = 0
                    return answer
            # Jitter from the request's identity: spread out, and still the same in every run.
            if attempt + 1 == self.options.max_tries:
                break
            pause = min(20.0, 0.25 * 2**attempt) * random.Random(f"{key}/{attempt}").uniform(0.5, 1.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._halt.wait(), pause)
        self.failed += 1
        if self.failed >= (1 if not self.answered else 2 * self.options.max_concurrency):
            raise HarnessError(
                f"{self.options.base_url} does not answer: {self.scrub(str(trouble))} ({self.options.max_tries} tries).",
                hint="Check base_url and the server. Finished answers are in the cache: running again goes on from there.",
            )
        raise Unanswered("request failed")

    async def _send(self, request: Mapping[str, Any]) -> Answer:
        mode = self.mode
        try:
            return await self._receive(request, MODES[mode])
        except openai.APITimeoutError:
            raise _Passing(f"no answer within {self.options.timeout:g} s", overload=True) from None
        except openai.APIConnectionError as error:
            raise _Passing(f"connection failed ({_root(error)})") from None
        except openai.APIStatusError as error:
            if self._downgraded(error, mode):
                return await self._send(request)
            self._judge(error)
        except openai.APIError as error:
            raise _Passing(f"error in the stream ({error.message})") from None
        except (ValueError, AttributeError, TypeError, IndexError, RecursionError) as error:
            # The body was no JSON, or not of the shape that the interface promises.
            raise _Passing(f"broken answer ({type(error).__name__})") from None

    async def _receive(self, request: Mapping[str, Any], mode: str) -> Answer:
        body = wire_body(request, mode)
        if not self.options.stream:
            return answer_of(await self.client.chat.completions.create(**body))
        parts: list[str] = []
        finish, refusal, model, fingerprint, prompt, completion = "", "", "", "", 0, 0
        stream = await self.client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True})
        async for chunk in _guarded(stream):
            model, fingerprint = chunk.model or model, chunk.system_fingerprint or fingerprint
            if chunk.usage is not None:
                prompt, completion = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
            for choice in chunk.choices:
                parts.append(choice.delta.content or "")
                refusal += choice.delta.refusal or ""
                finish = choice.finish_reason or finish
        if not finish:
            raise _Passing("stream cut off")
        return Answer("".join(parts), finish, refusal, prompt, completion, model, fingerprint)

    def _downgraded(self, error: openai.APIStatusError, mode: int) -> bool:
        """Whether the server refused the form of structured output, and another form is left to try."""
        if (
            error.status_code not in (400, 404, 415, 422, 501)
            or self.options.structured != "auto"
            or mode == len(MODES) - 1
        ):
            return False
        if not re.search(
            r"response_format|json_schema|json_object|structured|grammar|guided", _message(error), re.IGNORECASE
        ):
            return False
        self.mode = max(self.mode, mode + 1)
        return True

    def _judge(self, error: openai.APIStatusError) -> NoReturn:
        status, message, code = error.status_code, self.scrub(_message(error)), str(error.code or "")
        if status in (401, 403):
            refuse_key(self.options, message)
        if code in ("insufficient_quota", "billing_hard_limit_reached") or status == 402:
            raise HarnessError(
                f"{self.options.base_url}: the account's quota is used up ({message}).",
                hint="Finished answers are in the cache: running again goes on from there.",
            ) from None
        if status in (408, 409, 425, 429) or status >= 500:
            wait = _retry_after(error)
            raise _Passing(f"HTTP {status}: {message}", wait=wait, overload=status in (408, 429, 503)) from None
        if status == 404 and (code == "model_not_found" or "model" in message.lower()):
            raise InputError(
                f"{self.options.base_url} does not know the model {self.options.model!r} ({message})."
            ) from None
        if status == 404:
            raise InputError(
                f"{self.options.base_url} has no chat completions: HTTP 404 ({message}).",
                hint="Most servers want base_url to end in /v1.",
            ) from None
        if code == "content_filter" or "content_filter" in message or "content management policy" in message:
            raise Unanswered("refusal") from None
        if code == "context_length_exceeded" or "context length" in message:
            raise Unanswered("request too long") from None
        raise InputError(f"{self.options.base_url} refuses the request: HTTP {status}: {message}.") from None

    def scrub(self, text: str) -> str:
        """A server's message without the key, should it repeat it."""
        return scrub(text, self.key)


async def _guarded(stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """A stream whose connection may break at any place, which different versions of the client report differently."""
    try:
        async for chunk in stream:
            yield chunk
    except openai.APIError:
        raise
    except Exception as error:  # noqa: BLE001
        raise _Passing(f"stream cut off ({type(error).__name__})") from None


def wire_body(request: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """The arguments of a chat completion: a request in one of :data:`MODES`."""
    body: dict[str, Any] = {
        "model": request["model"],
        "messages": [{"role": role, "content": content} for role, content in request["messages"]],
        request["token_limit_field"]: request["max_tokens"],
    }
    if request["temperature"] is not None:
        body["temperature"] = request["temperature"]
    if request["send_seed"]:
        body["seed"] = request["seed"]
    if request["extra_body"]:
        body["extra_body"] = request["extra_body"]
    if mode == "json_schema":
        schema = {"name": "sample", "strict": True, "schema": request["schema"]}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif mode == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


def answer_of(completion: Any) -> Answer:
    """What counts of a chat completion.

    Raises:
        ValueError: It has no choice or no finish reason (AttributeError, TypeError, IndexError: not even the shape).
    """
    choice = completion.choices[0]
    if not choice.finish_reason:
        raise ValueError("no finish reason")
    usage = completion.usage
    return Answer(
        choice.message.content or "",
        choice.finish_reason,
        getattr(choice.message, "refusal", None) or "",
        usage.prompt_tokens if usage else 0,
        usage.completion_tokens if usage else 0,
        completion.model or "",
        completion.system_fingerprint or "",
    )


def probe(options: OpenAI, key: str) -> None:
    """Ask the server for its models.

    Raises:
        InputError: It cannot be reached, refuses the key, or lists models without the one that is wanted.
    """

    async def ask() -> list[str]:
        async with make_client(options, key).with_options(timeout=min(20.0, options.timeout)) as client:
            return [model.id async for model in client.models.list()]

    try:
        known = run_in_thread(ask)
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        refuse_key(options, scrub(_message(error), key))
    except openai.APIConnectionError as error:
        raise InputError(
            f"The server of the generator openai cannot be reached: {options.base_url} ({_root(error)}).",
            hint="Check base_url and that the server runs; probe: false skips this check.",
        ) from None
    except (openai.APIError, ValueError, AttributeError, TypeError):
        return  # Not every server lists its models, and a moment's overload is no reason not to start.
    # Azure lists models, but requests name deployments.
    if known and options.model not in known and options.api == "openai":
        raise InputError(
            f"{options.base_url} does not know the model {options.model!r}. {did_you_mean(options.model, known)}"
        )


def refuse_key(options: OpenAI, message: str) -> NoReturn:
    """Say that the server does not take the key."""
    where = f"the key in {options.api_key_env}" if options.api_key_env else "requests without a key"
    raise InputError(f"{options.base_url} refuses {where} ({message}).") from None


def scrub(text: str, key: str) -> str:
    """A message without the key, and without what looks like one."""
    if key:
        text = text.replace(key, "***")
    return re.sub(r"\b(?:sk|key)-[\w*-]{6,}", "***", text).rstrip(". \n")


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    found = body.get("message") if isinstance(body, Mapping) else None
    return " ".join(str(found or error.message).split())[:500]


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _retry_after(error: openai.APIStatusError) -> float:
    """Seconds to wait, by the headers ``retry-after-ms`` or ``retry-after`` (seconds, or an HTTP date)."""
    from email.utils import parsedate_to_datetime
    from time import time

    headers = error.response.headers
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (TypeError, ValueError):
        return 0.0
