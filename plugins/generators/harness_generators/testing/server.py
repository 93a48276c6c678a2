"""The HTTP server: models, chat completions (also streamed, also in Azure's form), files and batches."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness_generators.testing import batches
from harness_generators.testing.answers import completion
from harness_generators.testing.author import Author, write
from harness_generators.testing.faults import Faults
from harness_generators.testing.scorer import Scorer
from harness_generators.testing.vendors import REFUSALS, SHAPES, Response


@dataclass(frozen=True, slots=True)
class Call:
    """One chat completion that was asked for.

    Attributes:
        at: Seconds since the server started.
        body: The request's body, as JSON with sorted keys: equal for equal requests.
        fault: The fault it got.
        answered: Whether a whole answer with usage, one that would be billed, was sent.
        running: How many were in work at the same time, itself included.
    """

    at: float
    body: str
    fault: str
    answered: bool
    running: int


class ChatServer:
    """An OpenAI-compatible server on 127.0.0.1, in threads of this process; use it as a context manager.

    Args:
        faults: A script of faults, or a :class:`~harness_generators.testing.Faults`.
        author: What the model answers; by default short random texts in the form asked for.
        scorer: Makes it a classifier: the probabilities of answers, which come with the tokens of the likeliest one.
        latency: Seconds until an answer.
        slow_seconds: Seconds until a ``"slow"`` answer.
        retry_after: Value of the Retry-After header, in seconds.
        key: The key to be presented; empty takes any.
        models: Names of the models it knows.
        structured: Which forms of structured output it takes.
        refuses: Parameters of a chat completion that it refuses, as OpenAI does.
        lists: What it answers when asked for its models, instead of ``models``.
        max_running: More requests at once get HTTP 429; ``None`` for no limit.
        batch_looks: How many looks at a batch find it unfinished.
        batch_ends: Statuses in which the first batches end: ``"expired"`` and ``"cancelled"`` leave every second request
            unanswered, ``"failed"`` all, ``"empty"`` is completed without any file.
        port: Port; 0 takes a free one.
        log: A file to which every call is written as a line of JSON.
    """

    def __init__(
        self,
        faults: Sequence[str] | Faults = (),
        *,
        author: Author = write,
        scorer: Scorer | None = None,
        latency: float = 0.0,
        slow_seconds: float = 2.0,
        retry_after: float = 0.2,
        key: str = "",
        models: Sequence[str] = ("stand-in",),
        structured: Sequence[str] = ("json_schema", "json_object"),
        refuses: Sequence[str] = (),
        lists: Response | None = None,
        max_running: int | None = None,
        batch_looks: int = 1,
        batch_ends: Sequence[str] = (),
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.faults = faults if isinstance(faults, Faults) else Faults(faults)
        self.scorer = scorer
        self.author, self.latency, self.slow_seconds, self.retry_after = author, latency, slow_seconds, retry_after
        self.key, self.models, self.structured, self.max_running = key, tuple(models), tuple(structured), max_running
        self.batch_looks, self.batch_ends = batch_looks, list(batch_ends)
        self.refuses, self.lists = tuple(refuses), lists
        self.calls: list[Call] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._log = log
        self._running = 0
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def base_url(self) -> str:
        """Address for OpenAI's client, ``http://127.0.0.1:PORT/v1``."""
        return f"{self.origin}/v1"

    @property
    def origin(self) -> str:
        """Address without a path: what Azure calls the endpoint."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def answered(self) -> list[Call]:
        """The calls that were answered whole, and would have been billed."""
        return [call for call in self.calls if call.answered]

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def enter(self) -> int:
        """Count a request as begun; how many are in work."""
        with self._lock:
            self._running += 1
            return self._running

    def leave(self, body: Mapping[str, Any], fault: str, *, answered: bool, running: int) -> None:
        """Count a request as done, and note it."""
        text = json.dumps(body, sort_keys=True)
        with self._lock:
            self._running -= 1
            call = Call(time.monotonic() - self._started, text, fault, answered, running)
            self.calls.append(call)
            if self._log is not None:
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(call)) + "\n")


def _pieces(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A message as the pieces of a stream."""
    content = message["content"]
    if isinstance(content, list):
        found: list[dict[str, Any]] = [{"content": [part]} for part in content]
    else:
        found = [{"content": (content or "")[i : i + 40]} for i in range(0, len(content or ""), 40)] or [
            {"content": content}
        ]
    thoughts = [
        {"content": None, name: message[name]} for name in ("reasoning_content", "tool_calls") if message.get(name)
    ]
    return thoughts + found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    owner: ChatServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is part of the game: nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        return

    def do_GET(self) -> None:
        owner, path = self.server.owner, self._path()
        if not self._authorised():
            return
        if path == "/models" and owner.lists is not None:
            self._respond(owner.lists)
        elif path == "/models":
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "nobody"} for name in owner.models]
            self._json(200, {"object": "list", "data": models})
        elif path.startswith("/batches/") and (batch := owner.batches.get(path.rsplit("/", 1)[1])):
            self._json(200, batches.look(owner, batch))
        elif path.startswith("/files/") and path.endswith("/content") and (name := path.split("/")[2]) in owner.files:
            self._send(200, owner.files[name], "application/octet-stream")
        else:
            self._error(404, f"Unknown address {self.path}.", "not_found")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._authorised():
            return
        path = self._path()
        if path == "/chat/completions":
            self._chat(json.loads(raw))
        elif path in ("/files", "/batches"):
            owner = self.server.owner
            answer = (
                batches.upload(owner, self.headers["Content-Type"], raw)
                if path == "/files"
                else batches.create(owner, json.loads(raw))
            )
            self._json(200, answer)
        else:
            self._error(404, f"Unknown address {self.path}.", "not_found")

    def _path(self) -> str:
        """The address behind ``/v1`` or Azure's prefix; others are unknown."""
        found = re.fullmatch(r"(?:/v1|/openai(?:/deployments/[^/]+)?)(/.+)", self.path.split("?")[0])
        return found[1] if found else ""

    def _authorised(self) -> bool:
        owner = self.server.owner
        given = self.headers.get("api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        if owner.key and given != owner.key:
            # Real servers repeat the key, or parts of it; so that tests can see who passes it on.
            self._error(401, f"Incorrect API key provided: {given}.", "invalid_api_key")
            return False
        return True

    def _chat(self, body: dict[str, Any]) -> None:
        owner = self.server.owner
        running = owner.enter()
        fault, answered = "ok", False
        try:
            if body["model"] not in owner.models:
                fault = "model"
                self._error(404, f"The model `{body['model']}` does not exist.", "model_not_found")
                return
            if not body["messages"]:
                fault = "messages"
                self._error(400, "Invalid 'messages': empty array.", "invalid_request_error")
                return
            if unwanted := next((name for name in owner.refuses if name in body), ""):
                fault = "parameter"
                self._error(
                    400,
                    f"Unsupported parameter: '{unwanted}' is not supported with this model.",
                    "unsupported_parameter",
                    param=unwanted,
                )
                return
            form = (body.get("response_format") or {}).get("type")
            if form and form not in owner.structured:
                fault = "structured"
                self._error(400, f"response_format {form} is not supported.", "invalid_request_error")
                return
            crowded = owner.max_running is not None and running > owner.max_running
            fault = "429" if crowded else owner.faults.next()
            time.sleep(owner.slow_seconds if fault == "slow" else owner.latency)
            answered = self._answer(body, fault)
        except OSError:
            answered = False
        finally:
            owner.leave(body, fault, answered=answered, running=running)

    def _answer(self, body: dict[str, Any], fault: str) -> bool:
        """Send an answer with a fault; whether it was a whole one."""
        if fault in ("429", "quota"):
            code = "insufficient_quota" if fault == "quota" else "rate_limit_exceeded"
            self._error(429, "Too many requests.", code, {"Retry-After": f"{self.server.owner.retry_after:g}"})
        elif fault in ("500", "503"):
            self._error(int(fault), "The server had an error.", "server_error")
        elif fault == "drop":
            self.close_connection = True
        elif fault == "malformed":
            self._send(200, b'{"id": "1", "choices": [{"mess', "application/json")
        elif fault == "hollow":
            self._json(200, {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]})
        elif fault in REFUSALS:
            self._respond(REFUSALS[fault])
        elif body.get("stream"):
            return self._stream(self._completion(body, fault), fault)
        else:
            whole = self._completion(body, fault)
            payload = json.dumps(SHAPES[fault](whole) if fault in SHAPES else whole).encode()
            if fault in ("cut", "stream-cut"):
                self._send(200, payload[: len(payload) // 2], "application/json", length=len(payload))
                self.close_connection = True
                return False
            self._send(200, payload, "application/json")
            return True
        return False

    def _completion(self, body: Mapping[str, Any], fault: str) -> dict[str, Any]:
        return completion(self.server.owner.author, body, fault, self.server.owner.scorer)

    def _stream(self, whole: dict[str, Any], fault: str) -> bool:
        cut = fault in ("stream-cut", "cut")
        if fault in SHAPES:
            whole = SHAPES[fault](whole)
        choices = whole.get("choices") or [{"message": {"content": ""}, "finish_reason": "stop"}]
        message, finish = choices[0]["message"], choices[0]["finish_reason"]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        common = {key: whole.get(key) for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        if fault in SHAPES:  # what real streams have before and between the pieces
            self.wfile.write(b": keep-alive\n\n")
            self._event({**common, "choices": []})
            self._event({**common, "choices": None, "usage": None})
        pieces = _pieces(message)
        tokens = choices[0].get("logprobs")
        for delta in pieces[: len(pieces) // 2] if cut else pieces:
            piece = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": tokens}
            self._event({**common, "choices": [piece]})
            tokens = None
        if cut:
            return False
        last = {"refusal": message.get("refusal")}
        self._event({**common, "choices": [{"index": 0, "delta": last, "finish_reason": finish}]})
        self._event({**common, "choices": [], "usage": whole.get("usage")})
        self.wfile.write(b"data: [DONE]\n\n")
        return True

    def _event(self, content: Mapping[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(content).encode() + b"\n\n")
        self.wfile.flush()

    def _respond(self, response: Response) -> None:
        self._send(response.status, response.body.encode(), response.kind, headers=response.headers)

    def _error(
        self,
        status: int,
        message: str,
        code: str,
        headers: Mapping[str, str] | None = None,
        *,
        param: str | None = None,
    ) -> None:
        self._json(status, {"error": {"message": message, "type": code, "param": param, "code": code}}, headers)

    def _json(self, status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps(content).encode(), "application/json", headers=headers)

    def _send(
        self,
        status: int,
        payload: bytes,
        kind: str,
        *,
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(payload) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()
