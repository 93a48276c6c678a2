"""The batch interface of the local server: files of requests, answered together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

from harness_generators.testing.answers import completion
from harness_generators.testing.vendors import REFUSALS, SHAPES

if TYPE_CHECKING:
    from harness_generators.testing.server import ChatServer


def upload(owner: ChatServer, content_type: str, raw: bytes) -> dict[str, Any]:
    """Take a file from a multipart form."""
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw)
    content = b""
    for part in form.get_payload():
        if part.get_param("name", header="content-disposition") == "file":  # type: ignore[union-attr]
            content = part.get_payload(decode=True)  # type: ignore[union-attr,assignment]
    name = f"file-{len(owner.files)}"
    owner.files[name] = content
    return {
        "id": name,
        "object": "file",
        "bytes": len(content),
        "created_at": 0,
        "filename": "requests.jsonl",
        "purpose": "batch",
    }


def create(owner: ChatServer, order: Mapping[str, Any]) -> dict[str, Any]:
    """Accept a batch of the requests in a file."""
    name = f"batch-{len(owner.batches)}"
    owner.batches[name] = {
        "id": name,
        "object": "batch",
        "endpoint": order["endpoint"],
        "input_file_id": order["input_file_id"],
        "completion_window": order["completion_window"],
        "created_at": 0,
        "status": "in_progress",
        "looks": 0,
    }
    return owner.batches[name]


def look(owner: ChatServer, batch: dict[str, Any]) -> dict[str, Any]:
    """The state of a batch; after ``batch_looks`` looks its requests are answered, each with its fault."""
    if batch["status"] != "in_progress":
        return batch
    batch["looks"] += 1
    if batch["looks"] <= owner.batch_looks:
        return batch
    end = owner.batch_ends.pop(0) if owner.batch_ends else "completed"
    if end == "failed":
        said = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached.", "param": None, "line": None}
        batch.update(status=end, errors={"object": "list", "data": [said]})
        return batch
    lines: dict[str, list[str]] = {"output_file_id": [], "error_file_id": []}
    for i, line in enumerate(owner.files[batch["input_file_id"]].decode().split("\n")):
        if end == "empty":
            break
        request = json.loads(line)
        entry = {"id": "1", "custom_id": request["custom_id"], "response": None, "error": None}
        if i % 2 and end in ("expired", "cancelled"):
            entry["error"] = {"code": f"batch_{end}", "message": f"This request was not executed: the batch {end}."}
        else:
            entry["response"] = _response(owner, request["body"])
        good = entry["response"] is not None and entry["response"]["status_code"] == 200
        lines["output_file_id" if good else "error_file_id"].append(json.dumps(entry))
    batch.update(status="completed" if end == "empty" else end)
    for name, entries in lines.items():
        if entries:
            batch[name] = f"file-{len(owner.files)}"
            owner.files[batch[name]] = "\n".join(entries).encode()
    return batch


def _response(owner: ChatServer, body: dict[str, Any]) -> dict[str, Any]:
    form = (body.get("response_format") or {}).get("type")
    unwanted = next((name for name in owner.refuses if name in body), "")
    fault = "parameter" if unwanted else "structured" if form and form not in owner.structured else owner.faults.next()
    whole = REFUSALS.get(fault)
    failed = fault in ("429", "500", "503", "cut", "drop", "malformed", "hollow", "quota", "structured", "parameter")
    owner.leave(body, fault, answered=not (failed or whole), running=owner.enter())
    if whole is not None:
        content = json.loads(whole.body) if whole.kind == "application/json" else whole.body
        return {"status_code": whole.status, "request_id": "1", "body": content}
    if fault in ("structured", "parameter"):
        name = unwanted or "response_format"
        return {
            "status_code": 400,
            "request_id": "1",
            "body": {"error": {"message": f"{name} is not supported.", "param": name}},
        }
    if failed:
        error = {"message": "failed", "code": "insufficient_quota" if fault == "quota" else None}
        return {"status_code": 429 if fault == "quota" else 500, "request_id": "1", "body": {"error": error}}
    found = completion(owner.author, body, fault)
    return {"status_code": 200, "request_id": "1", "body": SHAPES[fault](found) if fault in SHAPES else found}
