"""Whole runs that ask a language model: the real client over HTTP against the local server, with faults and hard kills."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness_generators.testing import ChatServer, Faults

from harness.cli import main

KEY = "sk-tiny-0123456789abcdef"
CONCURRENCY = 4
TEXT = ["prose", "broken-json", "wrong-schema", "refusal", "truncated", "empty"]
"""Faults of the model, as against those of the connection."""

OPTIONS = f"provider: test, timeout: 10, max_concurrency: {CONCURRENCY}, price_prompt: 1000, price_completion: 2000"
GENERATOR = (
    "  adversarial: adversarial",
    f"  adversarial: {{use: openai, model: stand-in, base_url: 'URL', api_key_env: TINY_KEY, {OPTIONS}}}",
)
SYNTHESIS = ("uu_fraction: 0.05, per_uu: 1", "uu_fraction: 0.2, per_uu: 2")


@pytest.fixture
def arguments(
    suite_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """The command line for two of the tiny suite's arms with `openai` against a server."""
    monkeypatch.setenv("TINY_KEY", KEY)

    def build(server: ChatServer, verb: str = "run", name: str = "runs") -> list[str]:
        suite = suite_file(GENERATOR, SYNTHESIS, ("'URL'", f"'{server.base_url}'"))
        where = ["--output", tmp_path / name] if verb == "run" else []
        return [
            verb,
            *map(str, [suite, "--arm", "only", "--arm", "ibs", "--store", tmp_path / f"{name}-store", *where]),
        ]

    return build


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Runs a command in this process, successfully; gives standard output and standard error."""

    def call(arguments: list[str]) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as error:
            code = error.code
        out, err = capsys.readouterr()
        assert not code, err
        return out, err

    return call


def header(tmp_path: Path, name: str = "runs") -> dict[str, Any]:
    path = tmp_path / name / "tiny" / "records" / "reviews" / "ibs" / "seed-0" / "record.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.slow
def test_a_killed_run_pays_for_nothing_twice(
    arguments: Callable[..., list[str]], cli: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    with ChatServer(Faults(rate=0.2, seed=1), key=KEY, latency=0.1, slow_seconds=0.3, retry_after=0.1) as server:
        command = [sys.executable, "-m", "harness.cli", *arguments(server)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(server.answered) < 10 and process.poll() is None:
            time.sleep(0.01)  # polling another process: there is nothing to wait on
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.5)  # what was on its way reaches nobody
        kept = list((tmp_path / "runs-store" / "responses").rglob("*.json"))
        assert len(kept) >= 10 - CONCURRENCY
        cli(arguments(server))
        paid = Counter(call.body for call in server.answered)
    # All that can be paid twice is what the server had sent, or was about to send, when the process died.
    assert sum(times - 1 for times in paid.values()) <= CONCURRENCY
    record = header(tmp_path)
    samples, usage = record["counts"]["synthetic"], record["usage"]
    assert samples == 2 * record["counts"]["uus"] == 32
    assert (usage["cached"], usage["requests"]) == (len(kept), samples - len(kept))

    with ChatServer(key=KEY) as untroubled:
        cli(arguments(untroubled, name="calm"))
    for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.json"):
        assert (tmp_path / "runs" / "tiny" / name).read_bytes() == (tmp_path / "calm" / "tiny" / name).read_bytes()
    tokens = ("prompt_tokens", "completion_tokens", "money")
    assert [usage[name] for name in tokens] == [header(tmp_path, "calm")["usage"][name] for name in tokens]


def test_what_it_cost_and_what_was_rejected_is_told_and_the_key_is_not(
    arguments: Callable[..., list[str]], cli: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    import pandas as pd

    with ChatServer(Faults(rate=0.5, kinds=TEXT, seed=3), key=KEY) as server:
        planned = cli(arguments(server, "plan"))
        assert not server.calls
        run = cli(arguments(server))
        answered = [json.loads(call.body) for call in server.answered]
    assert re.search(r"^generate reviews · \S+ +1 +64 +[\d,]+ +[\d,]+ +[\d.]+$", planned[0], re.M)
    record = header(tmp_path)
    counts, usage = record["counts"], record["usage"]
    assert usage["requests"] == len(answered)
    assert usage["prompt_tokens"] == sum(sum(len(m["content"]) for m in body["messages"]) // 4 for body in answered)
    assert usage["money"] == pytest.approx((1000 * usage["prompt_tokens"] + 2000 * usage["completion_tokens"]) / 1e6)
    assert len(record["components"]["generator"]["digests"]["prompts"]) == 16

    folder = tmp_path / "runs" / "tiny" / "records" / "reviews" / "ibs" / "seed-0"
    rejected = pd.read_parquet(folder / "rejected.parquet")
    tags = pd.read_parquet(folder / "synthetic.parquet")["tags"]
    assert {f"rejected/{kind}": n for kind, n in rejected["reason"].value_counts().items()} == {
        name: n for name, n in counts.items() if name.startswith("rejected/")
    }
    assert Counter(tag.replace(":", "/") for row in tags if row for tag in row.split(", ")) == {
        name: n for name, n in counts.items() if name.startswith("repaired/")
    }
    assert {"rejected/refusal", "rejected/empty", "repaired/prose", "repaired/malformed"} <= set(counts)
    told = next(line for line in run[1].splitlines() if line.startswith("openai, reviews, ibs: "))
    for part in (
        f"{counts['synthetic']} examples from {counts['uus']} unknown unknowns",
        f"{len(rejected)} rejected (",
        f"refusal {counts['rejected/refusal']}",
        f"prose {counts['repaired/prose']}",
        f"{len(answered)} requests",
        f"{usage['prompt_tokens']:,.0f} tokens in, {usage['completion_tokens']:,.0f} out; ${usage['money']:,.2f}",
    ):
        assert part in told
        assert part in (tmp_path / "runs" / "tiny" / "report.html").read_text()

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in "".join(run + planned)


@pytest.fixture
def local_model(tmp_path: Path) -> Path:
    """A causal model of two layers that knows four answers by heart: the two steps for either class."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path / "local-model"
    dialogues = []
    for label in ("0", "1"):
        for step in ("Exploit", "Explore"):
            answer = {"hypothesis": f"{step} {label}.", "text": f"An {step} of class {label} so plain.", "label": label}
            dialogues.append((f"JSON.\n{step} {label}.\n", json.dumps(answer)))
    pieces = ByteLevelBPETokenizer()
    pieces.train_from_iterator([a + b for a, b in dialogues], vocab_size=400, special_tokens=["<pad>", "</s>", "<unk>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces._tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side="right",
        chat_template="{% for m in messages %}{{ m.content }}\n{% endfor %}",
    )
    tokenizer.save_pretrained(folder)
    texts = tokenizer([a + b + "</s>" for a, b in dialogues], return_tensors="pt", padding=True)
    labels = texts["input_ids"].masked_fill(texts["attention_mask"] == 0, -100)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                bos_token_id=None,
                eos_token_id=1,
                pad_token_id=0,
            )
        )
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(200):
            loss = model(input_ids=texts["input_ids"], attention_mask=texts["attention_mask"], labels=labels).loss
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    model.save_pretrained(folder)
    return folder


def test_a_run_with_a_local_language_model(run_tiny: Callable[..., Any], local_model: Path) -> None:
    from harness.report.synthesis import syntheses

    prompts = "{system: JSON., exploit: 'Exploit {{ label }}.', explore: 'Explore {{ label }}.'}"
    use = f"{{use: transformers-lm, checkpoint: {local_model}, max_new_tokens: 64, batch_size: 4, prompts: {prompts}}}"
    run = run_tiny(("  adversarial: adversarial", f"  adversarial: {use}"), SYNTHESIS, arms=("only", "ibs"))
    assert not run.failures
    record = next(record for record in run.records if record.header.arm == "ibs")
    made = record.frame("synthetic")
    assert made is not None
    classes = set(made["original_label"])
    assert {(row.text, row.hypothesis, row.label) for row in made.itertuples()} == {
        (f"An {step} of class {label} so plain.", f"{step} {label}.", label)
        for step in ("Exploit", "Explore")
        for label in classes
    }
    # The model has but one answer to each question, and the other unknown unknowns get it again.
    counts, usage = record.header.counts, record.header.usage
    assert counts["synthetic"] == len(made) == 2 * len(classes)
    assert counts["synthetic"] + counts["rejected/duplicate"] == 2 * counts["uus"]
    assert usage["requests"] == usage["money"] == 0
    assert min(usage["prompt_tokens"], usage["completion_tokens"]) > 0
    digests = record.header.components["generator"].digests
    assert len(digests["prompts"]) == 16
    assert "@" in digests["checkpoint"]
    (told,) = syntheses(run.records)
    assert f"rejected (duplicate {counts['rejected/duplicate']}); " in told.summary
