"""Every generator, and the metric, keep the contracts that third parties' plugins are held to."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from harness_generators.testing import ChatServer

from harness.testing import contracts


class TestAdversarial(contracts.GeneratorContract):
    name = "adversarial"


class TestRetrieveEdit(contracts.GeneratorContract):
    name = "retrieve-edit"


class TestSmote(contracts.GeneratorContract):
    name = "smote"


class TestKde(contracts.GeneratorContract):
    name = "kde"


class TestHuman(contracts.GeneratorContract):
    name = "human"

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path, monkeypatch):
        path = tmp_path / "samples.jsonl"
        path.write_text("".join(json.dumps({"text": f"Written by hand {i}.", "label": i % 2}) + "\n" for i in range(5)))
        monkeypatch.setattr(type(self), "options", {"path": path})


class TestOpenAI(contracts.GeneratorContract):
    name = "openai"

    @pytest.fixture(autouse=True)
    def _server(self, monkeypatch):
        with ChatServer() as server:
            options = {"model": "stand-in", "base_url": server.base_url, "provider": "local", "api_key_env": ""}
            monkeypatch.setattr(type(self), "options", options)
            yield


class TestSyntheticQuality(contracts.MetricContract):
    name = "synthetic"


def test_loading_the_classes_imports_nothing_heavy():
    program = (
        "import sys; from harness.registry import Registry; r = Registry(); "
        "[r.load(e) for e in r.entries() if e.distribution == 'bliss-harness-generators']; "
        "print([m for m in ('torch', 'transformers', 'textattack', 'openai', 'sklearn', 'scipy', 'pandas', 'numpy') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
