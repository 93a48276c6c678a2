"""Sending requests to an OpenAI-compatible server, and what follows from each way that it can go wrong."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import openai

from harness.errors import HarnessError, InputError
from harness_generators.cache import Answer
from harness_generators.openai_answers import Broken, answer_from, answer_in
from harness_generators.openai_errors import FAILED, KINDS, Problem, Refusals, scrub
from harness_generators.openai_proxies import proxy_of
from harness_generators.openai_wire import Form
from harness_generators.pace import Pace

if TYPE_CHECKING:
    from harness_generators.openai_server import Server

LONGEST_WAIT = 300.0
"""Most seconds that a server's Retry-After is honoured for; asked to wait longer, the run gives up at once."""

CACHED = "Finished answers are in the cache: running again goes on from there."

_log = logging.getLogger(__name__)


class Unanswered(Exception):  # noqa: N818 - an outcome, not an error
    """A request that got no usable answer, while others may: the message is a kind to count by.

    Attributes:
        text: What the model wrote nevertheless.
    """

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(kind)
        self.text = text


class _Passing(Exception):  # noqa: N818
    """A failure that may pass; ``wait`` is what the server asked for, in seconds; ``overload`` whether to slow down.

    ``own`` says that the server works, and only this request gets nothing.
    """

    def __init__(self, what: str, *, wait: float = 0.0, overload: bool = False, own: bool = False) -> None:
        super().__init__(what)
        self.wait, self.overload, self.own = wait, overload, own


def make_client(options: Server, key: str) -> openai.AsyncOpenAI:
    """The client, without retries of its own.

    Raises:
        InputError: The environment names a proxy that cannot be used.
    """
    # Servers without a key still get a header, as the client insists on one.
    shared: dict[str, Any] = {"api_key": key or "none", "timeout": options.timeout, "max_retries": 0}
    try:
        if options.api == "azure":
            return openai.AsyncAzureOpenAI(
                azure_endpoint=options.base_url, api_version=options.azure_api_version, **shared
            )
        return openai.AsyncOpenAI(base_url=options.base_url, **shared)
    except ImportError as error:  # of httpx, for a SOCKS proxy
        raise InputError(
            f"{options.base_url} would be reached{proxy_of(options.base_url) or ' through a proxy'},"
            f" which cannot be used: {str(error).rstrip('.')}.",
            hint="pip install socksio, or except the server from it (export NO_PROXY=HOST).",
        ) from None
    except Exception as error:  # noqa: BLE001 - of one of several HTTP libraries
        raise InputError(
            f"The proxy that the environment names cannot be used: {str(error).rstrip('.')}.",
            hint="Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY.",
        ) from None


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
        form: What the server is known to accept.
        refusals: Requests that were refused one by one.
        stopped: The error that ends the run, once there is one.
    """

    options: Server
    key: str
    client: openai.AsyncOpenAI
    pace: Pace
    answered: int = 0
    failed: int = 0
    form: Form = field(init=False)
    refusals: Refusals = field(init=False)
    stopped: HarnessError | None = None
    _halt: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.form = Form.asked(self.options.structured)
        self.refusals = Refusals(self.options.base_url)

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
                            f"{self.options.base_url} asks to wait {problem.wait:.0f} s before the next request"
                            f" ({problem}).",
                            hint="Run again later; finished answers are in the cache.",
                        ) from None
                    if problem.overload or problem.wait:
                        self.pace.complained(started, problem.wait)
                else:
                    self.pace.succeeded()
                    self.refusals.answered()
                    self.answered += 1
                    self.failed = 0
                    return answer
            # Jitter from the request's identity: spread out, and still the same in every run.
            if attempt + 1 == self.options.max_tries:
                break
            pause = min(20.0, 0.25 * 2**attempt) * random.Random(f"{key}/{attempt}").uniform(0.5, 1.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._halt.wait(), pause)
        if trouble.own:
            self.refusals.count(FAILED, str(trouble))
            raise Unanswered(FAILED)
        self.failed += 1
        if self.failed >= (1 if not self.answered else 2 * self.options.max_concurrency):
            raise HarnessError(
                f"{self.options.base_url} does not answer: {trouble} ({self.options.max_tries} tries).",
                hint="Check base_url and the server. Finished answers are in the cache: running again goes on from there.",
            )
        raise Unanswered(FAILED)

    async def _send(self, request: Mapping[str, Any]) -> Answer:
        form = self.form
        try:
            return await self._receive(request, form)
        except openai.APITimeoutError:
            raise _Passing(f"no answer within {self.options.timeout:g} s", overload=True) from None
        except openai.APIConnectionError as error:
            raise _Passing(self.scrub(broken_connection(self.options.base_url, error))) from None
        except openai.APIStatusError as error:
            problem = problem_of(error)
        except Broken as broken:
            if broken.problem is None or broken.problem.meaning in ("passing", "overload", "address"):
                problem = broken.problem or Problem(200, str(broken))
                raise _Passing(
                    self.scrub(str(broken)),
                    wait=problem.wait,
                    overload=problem.meaning == "overload",
                    own=broken.said and problem.meaning != "overload",
                ) from None
            problem = broken.problem
        if self._adapted(problem, request, form):
            return await self._send(request)
        raise self._judged(problem)

    async def _receive(self, request: Mapping[str, Any], form: Form) -> Answer:
        body = form.body(request)
        if self.options.stream:
            body["stream"] = True
            if "stream_options" not in form.dropped:
                body["stream_options"] = {"include_usage": True}
        send = self.client.chat.completions.with_streaming_response.create
        async with send(**body, extra_body=request["extra_body"] or None) as response:
            try:
                if "text/event-stream" in response.headers.get("content-type", ""):
                    return await answer_from(response.iter_bytes(), response.headers)
                return answer_in(await response.read(), response.headers)
            except (Broken, openai.APIError):
                raise
            except Exception as error:  # noqa: BLE001 - of one of several HTTP libraries: it broke in the middle
                if "Timeout" in type(error).__name__:
                    raise _Passing(f"no answer within {self.options.timeout:g} s", overload=True) from None
                raise _Passing(f"connection broke ({type(error).__name__})") from None

    def _adapted(self, problem: Problem, request: Mapping[str, Any], form: Form) -> bool:
        """Whether the server refused a parameter, and takes another form, which all requests have from now on."""
        found = adapt(problem, request, form, streamed=self.options.stream)
        if found is None:
            return False
        if self.form == form:  # else another request has found out in the meantime
            self.form = found[0]
            _log.warning("%s: %s; from now on %s.", self.options.base_url, self.scrub(problem.message), found[1])
        return self.form != form

    def _judged(self, problem: Problem) -> Exception:
        """What a problem means for its request; raises what it means for all."""
        status, message = problem.status, self.scrub(problem.message)
        if problem.meaning in ("passing", "overload"):
            return _Passing(f"HTTP {status}: {message}", wait=problem.wait, overload=problem.meaning == "overload")
        raise_for_all(self.options, problem, message)
        kind = KINDS[problem.meaning]
        _log.warning("%s refuses a request: HTTP %d: %s.", self.options.base_url, status, message)
        self.refusals.count(kind, f"HTTP {status}: {message}")
        return Unanswered(kind, problem.attempt)

    def scrub(self, text: str) -> str:
        """A server's message without the key, should it repeat it."""
        return scrub(text, self.key)


def adapt(
    problem: Problem, request: Mapping[str, Any], form: Form, *, streamed: bool = False
) -> tuple[Form, str] | None:
    """Another form for a request whose parameter was refused, and what it does in words; ``None`` if that was not it."""
    sent = form.body(request) | ({"stream_options": {}} if streamed else {})
    return form.without(problem.unwanted({name: value for name, value in sent.items() if name not in form.dropped}))


def raise_for_all(options: Server, problem: Problem, message: str) -> None:
    """Raise if the problem is one that every request has: key, quota, model, address, proxy."""
    server = options.base_url
    if problem.meaning == "key":
        refuse_key(options, message)
    if problem.meaning == "quota":
        raise HarnessError(f"{server}: the account's quota is used up ({message}).", hint=CACHED) from None
    if problem.meaning == "model":
        raise InputError(f"{server} does not know the model {options.model!r} ({message}).") from None
    if problem.meaning == "address":
        raise InputError(
            f"{server} has no chat completions: HTTP {problem.status} ({message}).",
            hint="Most servers want base_url to end in /v1.",
        ) from None
    if problem.meaning == "proxy":
        raise InputError(f"{server}: {message} (HTTP 407{proxy_of(server)}).") from None


def refuse_key(options: Server, message: str) -> NoReturn:
    """Say that the server does not take the key."""
    where = f"the key in {options.api_key_env}" if options.api_key_env else "requests without a key"
    raise InputError(f"{options.base_url} refuses {where} ({message}).") from None


def problem_of(error: openai.APIStatusError) -> Problem:
    """What a refused call of the client says."""
    try:
        text = error.response.text
    except RuntimeError:  # not read
        text = ""
    return Problem.of(error.status_code, error.response.headers, text)


def broken_connection(server: str, error: BaseException) -> str:
    """Why a connection failed, and through which proxy, if there is one."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"connection failed ({str(error) or type(error).__name__}){proxy_of(server)}"
