"""Data sets through the ``datasets`` library: local folders, and a local server in the place of the hub."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness.datasets import check
from harness.errors import DataError

datasets = pytest.importorskip("datasets")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def rows(n: int, **columns) -> pd.DataFrame:
    texts = (
        {"text": [f"text {i}" for i in range(n)]}
        if not columns
        else {name: [f"{value} {i}" for i in range(n)] for name, value in columns.items()}
    )
    return pd.DataFrame(texts | {"label": [i % 2 for i in range(n)]})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


def load(**options):
    source = harness.component("dataset", "huggingface", **options)
    source.preflight()
    data = source.load(seed=0)
    check(data)
    return data


@pytest.fixture
def saved(tmp_path) -> Path:
    names = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    splits = {split: datasets.Dataset.from_pandas(rows(n), features=names) for split, n in (("train", 12), ("test", 8))}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_folder_that_the_library_saved(saved):
    data = load(path=str(saved), validation_from="test", validation_size=4)
    assert data.task.labels == ("neg", "pos")
    assert [e.id for e in data.train] == [f"train/{i}" for i in range(12)]
    assert (len(data.validation), len(data.test)) == (4, 4)
    with pytest.raises(DataError, match=r"has no split 'validation'\. Known: test, train"):
        load(path=str(saved), validation="validation")
    with pytest.raises(DataError, match=r"has no column 'txt'\. Did you mean 'text'"):
        load(path=str(saved), validation="test", text="txt")


def test_names_of_classes_are_matched_with_the_sources(saved):
    options = {"path": str(saved), "validation_from": "test", "validation_size": 4}
    as_published, turned = load(**options), load(**options, labels=["Positive", "Negative"])
    assert [e.label for e in turned.train] == [1 - e.label for e in as_published.train]
    with pytest.raises(DataError, match=r"names its classes \[neg, pos\]; `labels` says \[bad, good\]"):
        load(**options, labels=["bad", "good"])
    said = load(**options, labels=["bad", "good"], label_values={0: 0, 1: 1})
    assert [e.label for e in said.train] == [e.label for e in as_published.train]


def test_a_folder_of_data_files(tmp_path, cache):
    folder = tmp_path / "data"
    folder.mkdir()
    for split, n in (("train", 12), ("validation", 4), ("test", 8)):
        rows(n, question="why", sentence="because").to_parquet(folder / f"{split}.parquet")
    options = {"path": str(folder), "validation": "validation", "text": "question", "text_pair": "sentence"}
    data = load(**options)
    assert data.train[3].texts == ("why 3", "because 3")
    assert len(data.validation) == 4
    assert len(load(**options | {"train": "train[:50%]"}).train) == 6
    before = harness.component("dataset", "huggingface", **options).identity()
    rows(13, question="why", sentence="because").to_parquet(folder / "train.parquet")
    assert harness.component("dataset", "huggingface", **options).identity() != before
    with pytest.raises(DataError, match=r'cannot be read: Unknown split "trian"'):
        load(**options | {"train": "trian"})


def test_a_folder_that_is_not_there():
    with pytest.raises(DataError, match="There is no data folder"):
        load(path="./nowhere", validation="validation")


def test_unlabelled_rows_are_an_error(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "test"):
        rows(6).assign(label=[0, 1, 0, 1, 0, -1 if split == "test" else 1]).to_parquet(folder / f"{split}.parquet")
    with pytest.raises(DataError, match=r"the label -1 .* in row 6 .* published without labels"):
        load(path=str(folder), validation_from="train", validation_size=2)


# The hub.


def parquet(data: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    data.to_parquet(stream)
    return stream.getvalue()


def repository(configs: dict[str, dict[str, pd.DataFrame]]) -> dict[str, bytes]:
    """A data set repository: a card that says which file is which, and Parquet files."""
    card, files = ["---", "configs:"], {}
    for config, splits in configs.items():
        card += [f"- config_name: {config}", "  data_files:"]
        for split, data in splits.items():
            card += [f"  - split: {split}", f"    path: {config}-{split}.parquet"]
            files[f"{config}-{split}.parquet"] = parquet(data)
    return {"README.md": "\n".join([*card, "---", ""]).encode(), **files}


PAIR = {"sentence1": "a", "sentence2": "b"}
QUESTION = {"question": "why", "sentence": "because"}
REPOSITORIES = {
    "stanfordnlp/imdb": repository({"plain_text": {"train": rows(12), "test": rows(20)}}),
    "nyu-mll/glue": repository(
        {
            "mrpc": {"train": rows(12, **PAIR), "validation": rows(6, **PAIR), "test": rows(8, **PAIR)},
            "qnli": {"train": rows(12, **QUESTION), "validation": rows(9, **QUESTION)},
        }
    ),
    "SetFit/enron_spam": repository({"default": {"train": rows(12, subject="offer", message="buy")}}),
    "lab/damaged": {**repository({"default": {"train": rows(4)}}), "default-train.parquet": b"PAR1 not really"},
    "ucirvine/sms_spam": repository({"plain_text": {"train": rows(30, sms="\nu won")}}),
}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as reading data sets takes."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.unquote(self.path.split("?")[0]).strip("/").split("/")
        if path[:2] == ["api", "datasets"] and (name := "/".join(path[2:4])) in REPOSITORIES:
            if path[4:5] == ["tree"]:
                return self.json([describe(name, file) for file in REPOSITORIES[name]])
            if path[4:] in ([], ["revision", "main"], ["revision", COMMIT]):
                return self.json(
                    {"id": name, "sha": COMMIT, "siblings": [{"rfilename": f} for f in REPOSITORIES[name]]}
                )
            return self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if path[0] == "datasets" and (name := "/".join(path[1:3])) in REPOSITORIES:
            body = REPOSITORIES[name].get("/".join(path[5:]))
            if body is None:
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return self.answer(200, body, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(body).hexdigest()}"'})
        return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        path = self.path.strip("/").split("/")
        name = "/".join(path[2:4])
        if name not in REPOSITORIES or path[4] != "paths-info":
            return self.answer(404, b"")
        wanted = json.loads(body)["paths"] if body.startswith("{") else urllib.parse.parse_qs(body)["paths"]
        return self.json([describe(name, file) for file in wanted if file in REPOSITORIES[name]])

    def json(self, content):
        self.answer(200, json.dumps(content).encode())

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        return None


def describe(name: str, file: str) -> dict[str, object]:
    body = REPOSITORIES[name][file]
    return {"type": "file", "path": file, "oid": hashlib.sha1(body).hexdigest(), "size": len(body)}


@pytest.fixture
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def in_process(tmp_path: Path, code: str, *, endpoint: str, **environment: str) -> list[str]:
    """Run code in a process of its own, because the libraries read their environment when they are imported."""
    prelude = "import harness; from harness.datasets import check, fingerprint; from harness.errors import InputError\n"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HARNESS_DATA"))}
    done = subprocess.run(
        [sys.executable, "-c", prelude + code],
        env=kept | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": endpoint, "NO_PROXY": "*"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip().split("\n")


THESIS = """
for name, options in {"imdb": {"validation_size": 4}, "mrpc": {}, "qnli": {}, "email-sms": {"validation_size": 6}}.items():
    source = harness.component("dataset", name, **options)
    source.preflight()
    identity = source.identity()
    data = source.load(seed=0)
    check(data)
    shown = (data.train[1].texts, data.test[0].text) if name == "email-sms" else data.train[1].texts
    print(name, len(data.train), len(data.validation), len(data.test), shown)
    print(data.notes["source"], identity.get("path"), fingerprint(data))
"""


def test_the_thesis_from_the_hub_and_then_without_a_network(endpoint, tmp_path):
    lines = in_process(tmp_path, THESIS, endpoint=endpoint)
    assert lines[::2] == [
        "imdb 12 4 16 text 1",
        "mrpc 12 6 8 ('a 1', 'b 1')",
        "qnli 12 4 5 ('why 1', 'because 1')",
        "email-sms 12 6 30 ('offer 1 [SEP] buy 1', 'u won 0')",
    ]
    assert f"stanfordnlp/imdb@{COMMIT} stanfordnlp/imdb@{COMMIT} " in lines[1]
    assert in_process(tmp_path, THESIS, endpoint="http://127.0.0.1:1", HF_HUB_OFFLINE="1") == lines


SAY = """
for options, call in {cases}:
    source = harness.component("dataset", "huggingface", validation="validation", **options)
    try:
        source.preflight() if call == "preflight" else source.load(seed=0)
    except InputError as error:
        print(type(error).__name__, error)
"""


def test_what_the_hub_does_not_have(endpoint, tmp_path):
    cases = {
        "InputError There is no folder 'nyu-mll/gleu' here, and no data set of that": (
            "preflight",
            {"path": "nyu-mll/gleu"},
        ),
        "InputError The data set 'lab/damaged' has no revision 'v9'": (
            "preflight",
            {"path": "lab/damaged", "revision": "v9"},
        ),
        "DataError The data set lab/damaged cannot be read: ": ("load", {"path": "lab/damaged"}),
        "DataError The data set nyu-mll/glue rte cannot be read: ": ("load", {"path": "nyu-mll/glue", "config": "rte"}),
        "DataError The data set nyu-mll/glue cannot be read: Config name is missing": (
            "load",
            {"path": "nyu-mll/glue"},
        ),
        "DataError The data set stanfordnlp/imdb cannot be read: Unknown split": ("load", {"path": "stanfordnlp/imdb"}),
    }
    code = SAY.replace("{cases}", repr([(options, call) for call, options in cases.values()]))
    said = in_process(tmp_path, code, endpoint=endpoint)
    starts = [line for line in said if line.startswith(("InputError", "DataError"))]
    assert len(starts) == len(cases)
    for line, message in zip(starts, cases, strict=True):
        assert line.startswith(message)


def test_no_network_and_nothing_downloaded(tmp_path):
    code = SAY.replace("{cases}", repr([({"path": "nyu-mll/glue", "config": "mrpc"}, "preflight")]))
    said = in_process(tmp_path, code, endpoint="http://127.0.0.1:1")
    assert said[0].startswith("InputError The data set nyu-mll/glue mrpc cannot be had from the hub: ")
    said = in_process(tmp_path, code, endpoint="http://127.0.0.1:1", HF_HUB_OFFLINE="1")
    assert "was not downloaded before, and HF_HUB_OFFLINE forbids to do it now" in said[0]
    assert "datasets.load_dataset('nyu-mll/glue', 'mrpc')" in said[1]
    code = "print(harness.component('dataset', 'imdb').identity()['path'])"
    assert in_process(tmp_path, code, endpoint="http://127.0.0.1:1") == ["stanfordnlp/imdb@unresolved"]
