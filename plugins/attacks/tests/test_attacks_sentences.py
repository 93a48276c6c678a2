"""The Universal Sentence Encoder: its code path against a small model of the same form, served as TensorFlow Hub does.

Skipped where TensorFlow is not installed (`pip install tensorflow tensorflow-hub`, half a gigabyte).
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from harness_attacks import sentences

import harness
from harness.errors import InputError
from harness.testing import WordClassifier, reviews

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a hub with a model that counts words in 64 buckets: ``/words`` whole, ``/short`` broken off."""
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorflow_hub")

    class Words(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            buckets = tf.strings.to_hash_bucket_fast(tf.strings.split(texts).to_tensor(""), 64)
            return {"outputs": tf.reduce_sum(tf.one_hot(buckets, 64), axis=1)}

    folder = tmp_path_factory.mktemp("words")
    tf.saved_model.save(Words(), str(folder))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    files = {"/words": packed.getvalue(), "/short": packed.getvalue()[:500]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.partition("?")[0])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    sentences.encoder.cache_clear()
    yield
    sentences.encoder.cache_clear()


def test_it_encodes_and_textfooler_uses_it(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "UNIVERSAL_URL", f"{hub}/words")
    encode = sentences.encoder("use")
    assert encode is not None
    vectors = encode(["a dull film", "a dull movie", "fresh bread"])
    assert vectors.shape == (3, 64)
    assert vectors.dtype == np.float32
    near, far = sentences.cosine(vectors[[0, 0]], vectors[1:])
    assert near > 0.6 > far
    victim = WordClassifier.fit(reviews(200))
    # Texts shorter than the window of 15 words are not compared.
    long = [replace(review, text=f"{review.text} one two three four five six seven") for review in reviews(6, seed=1)]
    strict, loose = (
        list(
            harness.component("attack", "textfooler", encoder="use", min_similarity=floor).attack(victim, long, seed=0)
        )
        for floor in (0.99, 0.1)
    )
    assert sum(result.queries for result in strict) < sum(result.queries for result in loose)
    changed = [sum(result.perturbed != result.original for result in results) for results in (strict, loose)]
    assert changed[0] < changed[1]


@pytest.mark.parametrize("path", ["missing", "short"])
def test_a_hub_without_it_is_one_message(hub: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "UNIVERSAL_URL", f"{hub}/{path}")
    with pytest.raises(InputError, match=f"cannot be loaded from {hub}/{path}") as caught:
        sentences.encoder("use")
    assert "TFHUB_CACHE_DIR" in str(caught.value)
