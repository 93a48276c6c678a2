"""Chat completions of the local server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness_generators.testing.author import Author
from harness_generators.testing.scorer import Scorer, written


def completion(author: Author, body: Mapping[str, Any], fault: str, scorer: Scorer | None = None) -> dict[str, Any]:
    """A chat completion, with the faults that a model makes; of a scorer the label, with the tokens' probabilities."""
    logprobs = None
    if scorer is not None:
        text, logprobs = written(scorer(body), body)
    else:
        text = json.dumps(dict(author(body)))
    values = json.loads(text) if text.startswith("{") else {}
    finish, refusal = "stop", None
    if fault == "wrong-schema":
        text = json.dumps({"answer": "yes"})
    elif fault == "broken-json":
        text = text[:-2]
    elif fault == "prose":
        text = f"Here is what you asked for:\n```json\n{text}\n```\nLet me know if you need more."
    elif fault == "two":
        text = json.dumps([{key: f"{value} Or not." for key, value in values.items()}, values])
    elif fault == "truncated":
        text, finish = text[: int(len(text) * 0.7)], "length"
    elif fault == "half":
        text = json.dumps({key: value if key == "label" else f"{value} \ud83d" for key, value in values.items()})
    elif fault == "halves":
        text = json.dumps(values).replace(" ", " \ud83d ")
    elif fault == "deep":
        text = "[" * 100_000 + "]" * 100_000
    elif fault == "empty":
        text = ""
    elif fault == "refusal":
        text, refusal = "", "I'm sorry, but I can't assist with that request."
    prompt = sum(len(str(message["content"])) for message in body["messages"]) // 4
    used = {"prompt_tokens": prompt, "completion_tokens": len(text) // 4}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": refusal},
                "finish_reason": finish,
                "logprobs": logprobs if body.get("logprobs") else None,
            }
        ],
        "usage": {**used, "total_tokens": sum(used.values())},
    }
