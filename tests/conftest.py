"""A suite small enough to run in seconds: a tiny BERT, made-up reviews, the real plugins."""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = ["wonderful", "charming", "superb", "moving", "brilliant", "delightful", "clever", "warm"]
BAD = ["dreadful", "boring", "clumsy", "hollow", "tedious", "awful", "stale", "cold"]
PLAIN = ["the", "film", "story", "with", "actor", "scene", "and", "plot", "music", "was", "very", "ending"]


def review(rng: random.Random, label: int) -> str:
    words = rng.choices(PLAIN, k=6) + rng.choices(GOOD if label else BAD, k=3)
    rng.shuffle(words)
    return " ".join(words)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised BERT of two layers of 32 units, with a vocabulary of letters and the words above."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{c}" for c in letters),
        *GOOD,
        *BAD,
        *PLAIN,
    ]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def write_reviews(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes ``train.csv``, ``validation.csv`` and ``test.csv`` with columns ``text`` and ``label``; returns their folder."""

    def write(*, train: int, validation: int, test: int) -> Path:
        folder, rng = tmp_path_factory.mktemp("data"), random.Random(0)
        for split, size in (("train", train), ("validation", validation), ("test", test)):
            with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream)
                writer.writerow(["text", "label"])
                writer.writerows([review(rng, i % 2), i % 2] for i in range(size))
        return folder

    return write


@pytest.fixture(scope="session")
def data(write_reviews: Callable[..., Path]) -> Path:
    """Reviews for the tiny suite."""
    return write_reviews(train=80, validation=20, test=24)


SUITE = """
name: tiny
seeds: [0]
models:
  bert: {{use: transformers, checkpoint: {checkpoint}, epochs: 6, batch_size: 8, learning_rate: 0.01}}
datasets:
  reviews: {{use: files, folder: {data}, train: train.csv, validation: validation.csv, test: test.csv}}
valuators:
  dvrl: {{use: dvrl, iterations: 20}}
attack: deepwordbug
generators:
  adversarial: adversarial
synthesis: {{uu_fraction: 0.05, per_uu: 1, leakage: null}}
arms:
  only: {{}}
  wldv: {{weights: dvrl}}
  ibs: {{select: random, generate: adversarial}}
  ibs+wldv: {{select: random, generate: adversarial, weights: dvrl}}
  bliss: {{select: {{highest: dvrl}}, generate: adversarial}}
  bliss+wldv: {{select: {{highest: dvrl}}, generate: adversarial, weights: dvrl}}
metrics: [accuracy, confidence, uu, ece]
"""


@pytest.fixture
def suite_file(tmp_path: Path, checkpoint: Path, data: Path) -> Callable[..., Path]:
    """Writes the tiny suite; replacements are applied to its text."""

    def write(*replacements: tuple[str, str], name: str = "tiny.yaml") -> Path:
        text = SUITE.format(checkpoint=checkpoint, data=data)
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def run_tiny(tmp_path: Path, suite_file: Callable[..., Path]) -> Callable[..., Any]:
    """Runs the tiny suite in this process."""

    def run(
        *replacements: tuple[str, str],
        output: str = "runs",
        store: str = "store",
        arms: tuple[str, ...] | None = None,
        **options: Any,
    ) -> Any:
        import harness

        suite = harness.load_suite(suite_file(*replacements)).restrict(arms=arms)
        return harness.run(suite, output=tmp_path / output, store=tmp_path / store, **options)

    return run


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., tuple]:
    """Runs a command in an empty folder; gives exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    from harness.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as error:
            code = int(error.code or 0)
        return code, *capsys.readouterr()

    return call
