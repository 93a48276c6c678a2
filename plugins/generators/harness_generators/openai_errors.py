"""From a status and a body to what they mean: the words of the servers that speak OpenAI's chat completions, told apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from html import unescape
from math import isfinite
from time import time
from typing import Any, Literal

from harness.errors import InputError

Meaning = Literal[
    "key", "quota", "model", "address", "proxy", "overload", "passing", "too long", "filtered", "no JSON", "refused"
]
"""What a failed request says: about the whole run (``key`` to ``proxy``), the moment (``overload``, ``passing``: it may
work when it is sent again), or this text (the others)."""

KINDS: Mapping[Meaning, str] = {
    "too long": "request too long",
    "filtered": "refusal",
    "no JSON": "malformed",
    "refused": "request refused",
}
"""The kinds that samples are counted by whose request was refused."""

FAILED = "request failed"
"""The kind of those that were sent again and again, and got nothing."""

ALIKE = 10
"""So many requests refused alike, before any was answered, end a run."""

_TOO_LONG = re.compile(
    r"context.?(?:length|window|size)|maximum context"
    r"|(?:prompt|input|request|message|content|text)s? (?:is |are )?too (?:long|large)"
    r"|too many (?:input )?tokens|string_above_max_length|string too long|input token count|reduce the length"
    r"|exceed\w* (?:the )?(?:model'?s? )?(?:max\w*|available|limit) [\w ]*?(?:tokens?|context|length)",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content.?filter|content management policy|content policy|usage policy|moderat|flagged|safety|violat|inappropriate"
    r"|data.?inspection|sensitive|prohibited.?content|content exists risk|prompt.?blocked",
    re.IGNORECASE,
)
_NO_JSON = re.compile(r"json_validate_failed|failed_generation|failed to (?:generate|validate) json", re.IGNORECASE)
_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"}
_QUOTA = re.compile(
    r"exceeded your current quota|insufficient (?:balance|credits?|quota|funds)|credit balance is too low"
    r"|out of credits|payment required",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?:api|access|secret).?key|credential|authenti|unauthori[sz]ed|(?:invalid|expired|missing|bearer) \w*\s?token"
    r"|permission|(?:no|not have) access|scope|country|region",
    re.IGNORECASE,
)
_WRONG_KEY = re.compile(
    r"(?:invalid|incorrect|wrong|expired|missing|no|not valid|revoked|not exist)[\w ,:.'\"*-]{0,40}?"
    r"(?:key|token|credential|authenti)"
    r"|(?:key|token|credential)[\w ,:.'\"*-]{0,60}?(?:not valid|invalid|incorrect|expired|revoked)"
    r"|invalid_api_key",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"model_not_found|model_decommissioned|(?:invalid|unknown|no such|not a valid) model|no endpoints found"
    r"|models? [`'\"]?[\w./:@-]*[`'\"]? ?(?:\w+ ){0,3}?(?:not (?:be )?(?:found|exist|loaded|available)|decommissioned)"
    r"|model [`'\"][^`'\"]+[`'\"] is not (?:supported|available)|access to (?:the )?model",
    re.IGNORECASE,
)
_UNWANTED = re.compile(
    r"unsupported|(?:not|n't) (?:\w+ )?support|unknown|unrecogni[sz]ed|unexpected|extra (?:inputs?|fields?)|extra_forbidden"
    r"|not (?:permitted|allowed|accepted|available)|invalid (?:parameter|argument|field)|deprecated|only the default|\buse\b",
    re.IGNORECASE,
)
_FORM = re.compile(r"response_format|json_schema|json_object|structured|grammar|guided", re.IGNORECASE)
_ADAPTABLE = re.compile(r"\b(?:max_completion_tokens|max_tokens|temperature|seed|stream_options)\b")


@dataclass(frozen=True, slots=True)
class Problem:
    """A failed request.

    Attributes:
        status: HTTP status; where it is 200 and the body is an error, the one that the body speaks of, or 502.
        message: The server's own words, in one line.
        codes: Whatever it names beside them (``code``, ``type``, ``status``), lower case.
        param: The parameter that it complains of, if it says.
        wait: Seconds that it asks to wait; 0 when it does not.
        html: Whether the body is a page for people.
        attempt: What a model wrote that the server then refused to pass on (Groq's ``failed_generation``).
    """

    status: int
    message: str
    codes: frozenset[str] = frozenset()
    param: str = ""
    wait: float = 0.0
    html: bool = False
    attempt: str = ""

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], text: str) -> Problem:
        """Read a response."""
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            page = re.search(r"<(?:!doctype html|html|head|title)\b", text, re.IGNORECASE) is not None
            message = _page(text) if page else _line(text) or f"HTTP {status} without a word"
            return cls(_status(status, None), message, wait=_told(headers), html=page)
        return cls.of_json(status, headers, body)

    @classmethod
    def of_json(cls, status: int, headers: Mapping[str, str], body: Any) -> Problem:
        """Read a body that is JSON."""
        inner = list(_mappings(body))
        codes = {
            str(m[k]).lower() for m in inner for k in ("code", "type", "status") if isinstance(m.get(k), str | int)
        }
        codes |= {str(m["reason"]).lower() for m in inner if isinstance(m.get("reason"), str)}
        codes |= {"perday" for m in inner if "perday" in str(m.get("quotaId", "")).lower()}
        return cls(
            _status(status, next((m["code"] for m in inner if _is_status(m.get("code"))), None)),
            _line(words(body)) or f"HTTP {status} without a word",
            frozenset(codes),
            next((m["param"] for m in inner if isinstance(m.get("param"), str)), ""),
            _told(headers) or max((_delay(m["retryDelay"]) for m in inner if "retryDelay" in m), default=0.0),
            attempt=next((m["failed_generation"] for m in inner if isinstance(m.get("failed_generation"), str)), ""),
        )

    @property
    def wrong_key(self) -> bool:
        """Whether the server says that the key itself is wrong, not only what it may do."""
        said = self._said
        return not re.search(r"scope|permission", said, re.IGNORECASE) and _WRONG_KEY.search(said) is not None

    @property
    def _said(self) -> str:
        return " ".join([*sorted(self.codes), self.message])

    @property
    def meaning(self) -> Meaning:
        """What it says, the special before the general."""
        status, said = self.status, self._said
        if status == 407:
            return "proxy"
        if status == 402 or self.codes & _QUOTA_CODES or (status == 429 and "perday" in self.codes):
            return "quota"
        if _QUOTA.search(said) and not (status == 429 and self.wait):  # Google says so of a minute's quota too
            return "quota"
        if status in (400, 403, 404, 410, 422) and _MODEL.search(said):
            return "model"
        if _NO_JSON.search(said):
            return "no JSON"
        if status == 413 or (status != 429 and _TOO_LONG.search(said)):
            return "too long"
        if status == 401 or (status == 400 and self.wrong_key):
            return "key"
        if status < 500 and status != 429 and _FILTERED.search(said):
            return "filtered"
        if status == 403:  # a moderator's was filtered; one by a proxy says nothing of keys
            return "key" if not self.html and _KEY.search(said) else "refused"
        if status in (404, 405):
            return "address"
        if status in (408, 429, 503, 529):
            return "overload"
        return "passing" if status in (409, 425) or status >= 500 else "refused"

    def unwanted(self, sent: Mapping[str, Any]) -> str:
        """The one of the parameters sent that the server does not take; empty if it complains of something else."""
        if self.status not in (400, 404, 415, 422, 501) or self.meaning in (
            "too long",
            "no JSON",
            "filtered",
            "key",
            "quota",
        ):
            return ""
        if "response_format" in sent and _FORM.search(f"{self.param} {self.message}"):
            return "response_format"
        named = [self.param, *_ADAPTABLE.findall(self.message)] if _UNWANTED.search(self._said) else []
        return next((name for name in named if name in sent and _ADAPTABLE.fullmatch(name)), "")


def words(content: Any, depth: int = 0) -> str:
    """What an error body says, wherever it says it (``message``, FastAPI's ``detail``, lists of them, plain strings)."""
    if isinstance(content, str) or depth > 6:
        return content if isinstance(content, str) else ""
    if isinstance(content, list):
        return "; ".join(filter(None, (words(item, depth + 1) for item in content[:3])))
    if not isinstance(content, Mapping):
        return ""
    for key in ("error", "message", "detail", "msg", "errors", "error_description", "description", "title"):
        if found := words(content.get(key), depth + 1):
            break
    else:
        return ""
    if key == "msg" and isinstance(content.get("loc"), list):
        found = f"{'.'.join(map(str, content['loc']))}: {found}"
    more = content.get("metadata")
    if isinstance(more, Mapping):  # a router's: what the server behind it said
        raw = more.get("raw")
        with_reasons = "; ".join(map(str, more["reasons"][:5])) if isinstance(more.get("reasons"), list) else ""
        found = ": ".join(filter(None, (found, raw if isinstance(raw, str) else words(raw, depth + 1), with_reasons)))
    return found


class Refusals:
    """Counts requests that are refused one by one, until it is plain that the server refuses them all."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._first: list[tuple[str, str]] = []
        self._answered = False

    def answered(self) -> None:
        """A request was answered, now or by an earlier run: refusals are about their texts."""
        self._answered = True

    def count(self, kind: str, message: str) -> None:
        """Note a refusal.

        Raises:
            InputError: The first :data:`ALIKE` requests were all refused alike.
        """
        self._first.append((kind, message))
        if len(self._first) >= ALIKE:
            self._judge({kind})

    def close(self) -> None:
        """There were no more requests.

        Raises:
            InputError: All were refused, and for no reason that lies in their texts.
        """
        self._judge({KINDS["refused"], FAILED})

    def _judge(self, kinds: set[str]) -> None:
        if self._first and not self._answered and {kind for kind, _ in self._first} <= kinds:
            does = "gives no answer" if self._first[0][0] == FAILED else "refuses the request"
            raise InputError(
                f"{self._server} {does}: {self._first[0][1]}.",
                hint=f"All of the first {len(self._first)} were refused alike ({self._first[0][0]}).",
            )


def scrub(text: str, key: str) -> str:
    """A message without the key, and without what looks like one."""
    if key:
        text = text.replace(key, "***")
    return re.sub(r"\b(?:sk|key)-[\w*-]{6,}", "***", text).rstrip(". \n")


def _line(text: str) -> str:
    return " ".join(text.split())[:500]


def _page(text: str) -> str:
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return (
        f'an HTML page ("{_line(unescape(title[1]))}") instead of an answer'
        if title
        else "an HTML page instead of an answer"
    )


def _mappings(body: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects in an error body, the inner ones first."""
    if depth < 6:
        for value in body.values() if isinstance(body, Mapping) else body if isinstance(body, list) else ():
            yield from _mappings(value, depth + 1)
        if isinstance(body, Mapping):
            yield body


def _is_status(code: object) -> bool:
    return (isinstance(code, int) or (isinstance(code, str) and code.isdecimal() and len(code) == 3)) and (
        400 <= int(code) < 600
    )


def _status(status: int, code: Any) -> int:
    return status if status >= 300 else 502 if code is None else int(code)


def _delay(value: object) -> float:
    """Seconds of a duration as Google writes it (``"17s"``, ``"17.5s"``)."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", value) if isinstance(value, str) else None
    return float(found[1]) if found else 0.0


def _told(headers: Mapping[str, str]) -> float:
    """Seconds to wait, by the headers ``retry-after-ms`` or ``retry-after`` (seconds, or an HTTP date)."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        if isfinite(wait):
            return max(0.0, wait)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time())
    except (TypeError, ValueError):
        return 0.0
