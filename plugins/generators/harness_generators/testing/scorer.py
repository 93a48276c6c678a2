"""The stand-in for a language model that classifies: labels with probabilities, and the tokens that they are made of."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Scorer = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""Probabilities of answers to a request's body; they need not sum to 1."""


def written(scores: Mapping[str, float], body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The likeliest answer and its tokens: in JSON where the request asks for it, else the bare answer.

    Tokens are words with the space before them, and single signs. The first token of the label is as likely as all answers
    together that begin with it.
    """
    best = max(scores, key=lambda answer: scores[answer])
    before = '{"label": "' if body.get("response_format") else ""
    first = _split(best)[0]
    likely: dict[str, float] = {}
    for answer, score in scores.items():
        token = _split(answer)[0]
        likely[token] = likely.get(token, 0.0) + score
    ranked = sorted(likely.items(), key=lambda item: -item[1])[: body.get("top_logprobs") or 1]
    tokens: list[dict[str, Any]] = [_token(piece, {piece: 1.0}) for piece in _split(before)]
    tokens.append(_token(first, dict(ranked)))
    tokens += [_token(piece, {piece: 1.0}) for piece in _split(best[len(first) :] + ('"}' if before else ""))]
    return json.dumps({"label": best}) if before else best, {"content": tokens}


def _split(text: str) -> list[str]:
    return re.findall(r" ?\w+|[^\w]", text)


def _token(piece: str, likely: Mapping[str, float]) -> dict[str, Any]:
    listed = [{"token": token, "logprob": math.log(max(p, 1e-30)), "bytes": None} for token, p in likely.items()]
    return {"token": piece, "logprob": math.log(max(likely[piece], 1e-30)), "bytes": None, "top_logprobs": listed}
