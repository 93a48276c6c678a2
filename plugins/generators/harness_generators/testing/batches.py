"""The batch interface of the local server: files of requests, answered together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

from harness_generators.testing.answers import completion

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
    if batch["status"] == "completed":
        return batch
    batch["looks"] += 1
    if batch["looks"] <= owner.batch_looks:
        return batch
    lines = []
    for line in owner.files[batch["input_file_id"]].decode().splitlines():
        request = json.loads(line)
        body, fault = request["body"], owner.faults.next()
        failed = fault in ("429", "500", "503", "cut", "drop", "malformed", "hollow")
        owner.leave(body, fault, answered=not failed, running=owner.enter())
        response: dict[str, Any] = {"status_code": 500 if failed else 200, "request_id": "1"}
        response["body"] = {"error": {"message": "failed"}} if failed else completion(owner.author, body, fault)
        lines.append(json.dumps({"id": "1", "custom_id": request["custom_id"], "response": response, "error": None}))
    name = f"file-{len(owner.files)}"
    owner.files[name] = "\n".join(lines).encode()
    batch.update(status="completed", output_file_id=name)
    return batch
