"""From a completion, or a stream, of any shape that servers send to an answer, or to what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from harness_generators.cache import Answer
from harness_generators.openai_errors import Problem


class Broken(Exception):  # noqa: N818 - an outcome, not an error
    """HTTP 200 without an answer.

    Attributes:
        problem: What the body says instead, if it is an error; else ``None``.
        said: Whether the body was at least JSON: the server works, and has nothing to say to this request.
    """

    def __init__(self, what: str, *, problem: Problem | None = None, said: bool = False) -> None:
        super().__init__(what)
        self.problem, self.said = problem, said


def answer_in(body: bytes, headers: Mapping[str, str]) -> Answer:
    """The answer in a response's body.

    Raises:
        Broken: There is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        problem = Problem.of(200, headers, body.decode(errors="replace"))
        if problem.html:
            raise Broken(problem.message) from None
        raise Broken("broken answer (no JSON)") from None
    return answer_of(found, headers)


def answer_of(completion: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """What counts of a chat completion that was read from JSON.

    Content in parts is joined; parts that are thoughts, and ``reasoning_content``, are no answer. Where a tool was called
    instead, its arguments are what the model wrote. Counts that are missing are 0. A finish reason may be missing where
    there is content.

    Raises:
        Broken: It is an error, or has no choice, or neither content nor a reason why it ended.
    """
    if not isinstance(completion, Mapping):
        raise Broken("broken answer (no object)")
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        if {"error", "detail", "message", "errors"} & set(completion):
            problem = Problem.of_json(200, headers or {}, completion)
            raise Broken(problem.message, problem=problem, said=True)
        raise Broken("an answer without choices", said=True)
    choice = choices[0]
    if choice.get("error") or choice.get("finish_reason") == "error":
        problem = Problem.of_json(200, {}, choice.get("error") or choice)
        raise Broken(f"error in the answer ({problem.message})", problem=problem, said=True)
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise Broken("an answer without a message", said=True)
    text, refusal = text_of(message.get("content")), _string(message.get("refusal"))
    text = text or _arguments(message.get("tool_calls"))
    finish = _string(choice.get("finish_reason"))
    if not (text or refusal or finish):
        raise Broken("an answer without content and finish reason", said=True)
    used = completion.get("usage")
    prompt, written, cached = _counts(used if isinstance(used, Mapping) else {})
    return Answer(
        text,
        finish,
        refusal,
        prompt,
        written,
        _string(completion.get("model")),
        _string(completion.get("system_fingerprint")),
        cached,
        _logprobs(choice.get("logprobs")),
    )


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or parts of which those with a text count, and thoughts do not."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    found = []
    for part in content:
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, Mapping) and part.get("type", "text") in ("text", "output_text"):
            found.append(_string(part.get("text")))
    return "".join(found)


async def answer_from(pieces: AsyncIterator[bytes], headers: Mapping[str, str]) -> Answer:
    """Put a stream of server-sent events together.

    Raises:
        Broken: It ended before it said so, or an event is an error.
    """
    content, refusal, arguments = [], "", ""
    tokens: list[Any] = []
    whole: dict[str, Any] = {}
    finish, ended, seen = "", False, False
    async for data in _events(pieces):
        if data == b"[DONE]":
            ended = True
            break
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            raise Broken("broken stream (no JSON)") from None
        if not isinstance(event, Mapping):
            continue
        choices = event.get("choices")
        if event.get("error") or (not choices and event.get("object") == "error"):
            problem = Problem.of_json(200, headers, event)
            raise Broken(f"error in the stream ({problem.message})", problem=problem, said=True)
        whole |= {
            key: value for key, value in event.items() if key in ("model", "system_fingerprint", "usage") and value
        }
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, Mapping) or choice.get("index"):
                continue
            seen = True
            delta = choice.get("delta")
            delta = delta if isinstance(delta, Mapping) else {}
            content.append(text_of(delta.get("content")))
            tokens += _tokens(choice.get("logprobs"))
            refusal += _string(delta.get("refusal"))
            arguments += _arguments(delta.get("tool_calls"))
            finish = _string(choice.get("finish_reason")) or finish
    if not (finish or ended):
        raise Broken("stream cut off")
    message = {"content": "".join(content) or arguments, "refusal": refusal}
    choices = [{"message": message, "finish_reason": finish, "logprobs": {"content": tokens}}] if seen else []
    return answer_of({**whole, "choices": choices}, headers)


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of server-sent events, each a line here. Only line feeds end lines: texts may hold other separators."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
    if rest.startswith(b"data:"):
        yield rest[5:].strip()


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(calls: Any) -> str:
    """The arguments of the first tool call, or a piece of them."""
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) and not call.get("index") else None
        if isinstance(function, Mapping):
            given = function.get("arguments")
            return json.dumps(given) if isinstance(given, Mapping) else _string(given)
    return ""


def _tokens(logprobs: Any) -> list[Any]:
    """The tokens of a choice, or of a piece of it, with their probabilities as the server gives them."""
    found = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return found if isinstance(found, list) else []


def _logprobs(given: Any) -> str:
    """See :attr:`harness_generators.cache.Answer.logprobs`; empty where the server gives none, or no numbers."""
    found = []
    for token in _tokens(given):
        if not isinstance(token, Mapping) or not isinstance(token.get("token"), str):
            return ""
        others = token.get("top_logprobs")
        listed = [
            [other["token"], float(other["logprob"])]
            for other in (others if isinstance(others, list) and others else [token])
            if isinstance(other, Mapping)
            and isinstance(other.get("token"), str)
            and isinstance(other.get("logprob"), int | float)
        ]
        found.append([token["token"], listed])
    return json.dumps(found) if any(listed for _, listed in found) else ""


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0


def _counts(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    """Tokens read, written, and of those read, the ones from the server's own cache."""
    prompt = _count(usage.get("prompt_tokens"))
    details = usage.get("prompt_tokens_details")
    given = [usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens")]
    given += [details.get("cached_tokens")] if isinstance(details, Mapping) else []
    return prompt, _count(usage.get("completion_tokens")), min(prompt, max(map(_count, given)))
