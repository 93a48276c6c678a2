"""What servers that call themselves OpenAI-compatible are known to send; written down, not recorded from them.

:data:`SHAPES` change a completion as the server would send it; each still holds the same answer, unless its name says so.
:data:`REFUSALS` are whole responses.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Completion = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """A response as a server sends it.

    Attributes:
        who: Whose it is, and when.
        status: HTTP status.
        body: The body.
        kind: Its content type.
        headers: More headers.
    """

    who: str
    status: int
    body: str
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def _message(completion: Completion) -> tuple[Completion, dict[str, Any]]:
    found = copy.deepcopy(completion)
    return found, found["choices"][0]["message"]


def parts(completion: Completion) -> Completion:
    """Mistral: the content is a list of parts, thoughts among them."""
    found, message = _message(completion)
    text, half = message["content"], len(message["content"]) // 2
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": 'Maybe {"hypothesis": "no"}.'}]}
    message["content"] = [thought, {"type": "text", "text": text[:half]}, {"type": "text", "text": text[half:]}]
    return found


def reasoning_content(completion: Completion) -> Completion:
    """DeepSeek, vLLM: thoughts in a field of their own beside the content."""
    found, message = _message(completion)
    message["reasoning_content"] = 'Maybe {"hypothesis": "no"}.'
    return found


def reasoning_only(completion: Completion) -> Completion:
    """DeepSeek, vLLM: thoughts up to the limit of tokens, and null for content: no answer."""
    found, message = _message(completion)
    message.update(reasoning_content=message["content"], content=None)
    found["choices"][0]["finish_reason"] = "length"
    return found


def think(completion: Completion) -> Completion:
    """Ollama, llama.cpp: thoughts in the content, in a block."""
    found, message = _message(completion)
    message["content"] = '<think>\nMaybe {"hypothesis": "no"}.\n</think>\n\n' + message["content"]
    return found


def think_ended(completion: Completion) -> Completion:
    """A vLLM without a parser for the model: only the end of the block, as the prompt had its beginning."""
    found, message = _message(completion)
    message["content"] = 'Maybe {"hypothesis": "no"}.\n</think>\n\n' + message["content"]
    return found


def think_unclosed(completion: Completion) -> Completion:
    """Ollama: a block of thoughts that runs into the limit of tokens: no answer."""
    found, message = _message(completion)
    message["content"] = "<think>\nMaybe " + message["content"]
    found["choices"][0]["finish_reason"] = "length"
    return found


def harmony(completion: Completion) -> Completion:
    """gpt-oss without a parser: channels in the content."""
    found, message = _message(completion)
    message["content"] = (
        '<|channel|>analysis<|message|>Maybe {"hypothesis": "no"}.<|end|><|start|>assistant<|channel|>final '
        f"<|constrain|>JSON<|message|>{message['content']}<|return|>"
    )
    return found


def tool_call(completion: Completion) -> Completion:
    """Anthropic, and servers that make JSON by tools: the answer as the arguments of a tool call, without content."""
    found, message = _message(completion)
    call = {"id": "1", "type": "function", "index": 0}
    call["function"] = {"name": "sample", "arguments": message["content"]}
    message.update(content=None, tool_calls=[call])
    found["choices"][0]["finish_reason"] = "tool_calls"
    return found


def no_usage(completion: Completion) -> Completion:
    """Text generation servers, proxies: no usage."""
    found, _ = _message(completion)
    del found["usage"]
    return found


def null_usage(completion: Completion) -> Completion:
    """Perplexity, LM Studio: a usage without counts, or with null for them."""
    found, _ = _message(completion)
    found["usage"] = {"prompt_tokens": None, "total_tokens": None}
    return found


def no_finish(completion: Completion) -> Completion:
    """Ollama, Cloudflare: null for the finish reason."""
    found, _ = _message(completion)
    found["choices"][0]["finish_reason"] = None
    return found


def cached_tokens(completion: Completion) -> Completion:
    """OpenAI: half of the prompt was in the server's cache."""
    found, _ = _message(completion)
    found["usage"]["prompt_tokens_details"] = {"cached_tokens": found["usage"]["prompt_tokens"] // 2, "audio_tokens": 0}
    return found


def null_choices(completion: Completion) -> Completion:
    """Gemini, OpenRouter: null for the choices."""
    return {**completion, "choices": None}


def no_choices(completion: Completion) -> Completion:
    """Azure: an empty list of choices."""
    return {**completion, "choices": []}


SHAPES: Mapping[str, Callable[[Completion], Completion]] = {
    shape.__name__.replace("_", "-"): shape
    for shape in (
        parts,
        reasoning_content,
        reasoning_only,
        think,
        think_ended,
        think_unclosed,
        harmony,
        tool_call,
        no_usage,
        null_usage,
        no_finish,
        cached_tokens,
        null_choices,
        no_choices,
    )
}


def _error(message: str, code: str | int | None = None, **more: Any) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": code, **more}})


REFUSALS: Mapping[str, Response] = {
    # Too long, in each one's words.
    "long-openai": Response(
        "OpenAI, text too long",
        400,
        _error("This model's maximum context length is 8192 tokens.", "context_length_exceeded", param="messages"),
    ),
    "long-vllm": Response(
        "vLLM, text too long",
        400,
        json.dumps(
            {
                "object": "error",
                "message": "'max_tokens' or 'max_completion_tokens' is too large: 768. This model's maximum context length is"
                " 1024 tokens and your request has 300 input tokens.",
                "type": "BadRequestError",
                "code": 400,
            }
        ),
    ),
    "long-anthropic": Response(
        "Anthropic, text too long", 400, _error("prompt is too long: 210000 tokens > 200000 maximum")
    ),
    "long-llama": Response(
        "llama.cpp, text too long",
        400,
        _error(
            "the request exceeds the available context size, try increasing it", 400, type="exceed_context_size_error"
        ),
    ),
    "long-google": Response(
        "Gemini, text too long",
        400,
        json.dumps(
            [
                {
                    "error": {
                        "code": 400,
                        "message": "The input token count (40000) exceeds the maximum number of tokens allowed (32768).",
                        "status": "INVALID_ARGUMENT",
                    }
                }
            ]
        ),
    ),
    "413": Response(
        "nginx, request too large",
        413,
        "<html><head><title>413 Request Entity Too Large</title></head></html>",
        "text/html",
    ),
    # Moderation.
    "filter-azure": Response(
        "Azure, prompt filtered",
        400,
        _error("The response was filtered due to Azure's content management policy.", "content_filter", param="prompt"),
    ),
    "filter-deepseek": Response("DeepSeek, prompt filtered", 400, _error("Content Exists Risk")),
    "filter-openrouter": Response(
        "OpenRouter, prompt flagged",
        403,
        _error("Your chosen model requires moderation", 403, metadata={"reasons": ["violence"], "provider_name": "X"}),
    ),
    "403-proxy": Response(
        "Cloudflare, request blocked",
        403,
        "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>",
        "text/html",
    ),
    # Others for one text.
    "json-groq": Response(
        "Groq, JSON not generated",
        400,
        _error(
            "Failed to generate JSON. See 'failed_generation'.", "json_validate_failed", failed_generation="I would say"
        ),
    ),
    "detail": Response("FastAPI, a reason", 422, json.dumps({"detail": "Unprocessable: odd characters in the text"})),
    "detail-list": Response(
        "FastAPI, a list of reasons",
        422,
        json.dumps(
            {"detail": [{"loc": ["body", "messages", 0], "msg": "Input should be ASCII", "type": "value_error"}]}
        ),
    ),
    "plain": Response("a server that answers in plain text", 400, "Bad request: odd characters", "text/plain"),
    # For all.
    "403-key": Response(
        "Groq, key without permission",
        403,
        _error("You do not have permission to use this API key", "permission_denied"),
    ),
    "400-key": Response(
        "Gemini, wrong key",
        400,
        json.dumps(
            [
                {
                    "error": {
                        "code": 400,
                        "message": "API key not valid. Please pass a valid API key.",
                        "status": "INVALID_ARGUMENT",
                        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
                    }
                }
            ]
        ),
    ),
    "402": Response("DeepSeek, no money left", 402, _error("Insufficient Balance", "invalid_request_error")),
    "400-balance": Response(
        "Anthropic, no money left", 400, _error("Your credit balance is too low to access the API.")
    ),
    "400-model": Response(
        "Groq, model gone", 400, _error("The model `stand-in` has been decommissioned.", "model_decommissioned")
    ),
    # Passing.
    "429-google": Response(
        "Gemini, a minute's quota",
        429,
        json.dumps(
            [
                {
                    "error": {
                        "code": 429,
                        "message": "You exceeded your current quota, please check your plan and billing details.",
                        "status": "RESOURCE_EXHAUSTED",
                        "details": [
                            {
                                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                                "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
                            },
                            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.6s"},
                        ],
                    }
                }
            ]
        ),
    ),
    "200-error": Response("OpenRouter, overload in a body with HTTP 200", 200, _error("Provider returned error", 429)),
    "login": Response(
        "a company's network, a page to log in",
        200,
        "<!doctype html><html><head><title>Sign in</title></head><body></body></html>",
        "text/html",
    ),
}
