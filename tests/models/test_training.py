"""Packed training: its gradients, its masks, its smaller matrix of embeddings, and what happens when memory runs out."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from harness.components.model import Encoding
from harness.models import keeping, training
from harness.models.attention import attend, groups_of
from harness.models.dropout import Dropout
from harness.models.feed import Feed
from harness.models.keeping import Keeper, keeper_in
from harness.models.learner import PackedLearner, PaddedLearner, learner_of
from harness.models.runtime import Runtime
from harness.models.training import TrainingOptions, TrainingSet, seeded, train_classifier

FAMILIES = ("bert", "distilbert", "roberta")
CPU = Runtime.choose("cpu", dtype="float32", backend="torch", max_tokens_per_batch=None, pooling="mean")
OPTIONS = TrainingOptions(
    epochs=2, batch_size=5, learning_rate=1e-3, weight_decay=0.1, warmup=0.25, max_gradient_norm=1.0
)


def tiny(family, *, pairs=False, n=12, dropout=0.0):
    """A model of two layers and a training set of very different lengths, with padding tokens in the midst of texts."""
    import transformers as hf

    common = {"vocab_size": 300, "num_labels": 3, "initializer_range": 0.2}
    if family == "distilbert":
        rates = {"dropout": dropout, "attention_dropout": dropout, "seq_classif_dropout": dropout}
        config = hf.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, **common, **rates)
    else:
        rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        padding = {"pad_token_id": 1, "type_vocab_size": 1} if family == "roberta" else {}
        cls = hf.RobertaConfig if family == "roberta" else hf.BertConfig
        config = cls(**common, **rates, **small, **padding)
    with seeded(3, CPU.device):
        model = hf.AutoModelForSequenceClassification.from_config(config)
    rng = np.random.default_rng(1)
    encodings = []
    for length in rng.choice([1, 2, 5, 9, 30], n):
        ids = rng.integers(5, 250, length + 1)
        ids[1:-1][rng.random(max(0, length - 1)) < 0.1] = config.pad_token_id
        segments = (0,) * 2 + (1,) * int(length - 1)
        encodings.append(Encoding(tuple(ids.tolist()), segments[: len(ids)] if pairs else None))
    feed = Feed(config.pad_token_id, segments=pairs and family == "bert")
    return model, TrainingSet(encodings, np.arange(n) % 3, None, feed)


def gradients(model, learner, rows, weights):
    """The gradients of all parameters, as training takes them."""
    with learner.compact():
        model.train()
        rows = learner.order(rows)
        losses = torch.nn.functional.cross_entropy(learner.logits(rows), torch.from_numpy(rows % 3), reduction="none")
        (losses * torch.from_numpy(weights[rows])).mean().backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("weights", ["none", "weights"])
@pytest.mark.parametrize(
    ("family", "pairs"), [("bert", False), ("bert", True), ("distilbert", False), ("roberta", False)]
)
def test_gradients_are_those_of_padded_batches(family, pairs, weights):
    model, train = tiny(family, pairs=pairs)
    rows = np.array([7, 2, 11, 4, 0, 9, 1])
    factors = np.ones(12, np.float32) if weights == "none" else np.linspace(0, 2, 12, dtype=np.float32)
    expected = gradients(model, PaddedLearner(model, train.encodings, train.feed, CPU.device), rows, factors)
    model.zero_grad(set_to_none=True)
    learner = learner_of(model, train.encodings, train.feed, CPU, Dropout(0))
    assert isinstance(learner, PackedLearner)
    found = gradients(model, learner, rows, factors)
    assert found.keys() == expected.keys()
    used = np.unique(np.concatenate([e.input_ids for e in train.encodings]))
    largest = max(float(gradient.abs().max()) for gradient in expected.values() if gradient is not None)
    for name, gradient in expected.items():
        if name.endswith("word_embeddings.weight"):
            assert len(found[name]) == len(used)
            assert not np.delete(gradient.numpy(), used, axis=0).any()
            gradient = gradient[used]  # noqa: PLW2901 - the rows that are left
        if gradient is None:
            assert found[name] is None
            continue
        assert torch.allclose(found[name], gradient, atol=1e-6 * largest, rtol=1e-4), name


@pytest.mark.parametrize("family", FAMILIES)
def test_trained_weights_are_those_of_dense_adamw_on_padded_batches(family, monkeypatch):
    """Tokens that the training set lacks included: their vectors only decay."""
    trained = {}
    for way in ("packed", "padded"):
        model, train = tiny(family)
        if way == "padded":
            monkeypatch.setattr("harness.models.learner.parts_of", lambda model: None)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with seeded(0, CPU.device):
            train_classifier(model, train, OPTIONS, runtime=CPU, seed=5)
        trained[way] = model.state_dict()
    for name, expected in trained["padded"].items():
        moved = float((expected - before[name]).abs().max())
        # AdamW divides by the root of squared gradients: where these are rounding (a key's bias) so is the step.
        tolerance = 6e-3 if name.endswith(("key.bias", "k_lin.bias")) else 0.02 * moved + 1e-7
        assert float((trained["packed"][name] - expected).abs().max()) <= tolerance, name


@pytest.mark.parametrize("alone", [False, True], ids=["all tokens", "first token"])
def test_attention_with_dropout_has_the_gradient_of_its_formula(alone):
    lengths, heads = [9, 7, 7, 2, 1], 2
    groups = groups_of(lengths, CPU.device)
    assert [group.rows for group in groups] == [3, 1, 1]
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(rows, 8, dtype=torch.float64, requires_grad=True)
        for rows in (len(lengths) if alone else 26, 26, 26)
    )
    for p in (0.0, 0.4):
        torch.autograd.gradcheck(
            lambda q, k, v, p=p: attend(q, k, v, heads, groups, p, Dropout(7)), (query, key, value)
        )
    # Text by text, with the masks that were drawn.
    dropout, parts = Dropout(7), []
    masks = [dropout.signs((g.rows, heads, 1 if alone else g.length, g.length), 0.4) for g in groups]
    starts = np.cumsum([0, *lengths])
    for row, length in enumerate(lengths):
        group, (signs, scale) = next((g, m) for g, m in zip(groups, masks, strict=True) if g.first <= row < g.last)
        k, v = (x[starts[row] : starts[row + 1]].view(length, heads, 4).transpose(0, 1) for x in (key, value))
        q = (query[row : row + 1] if alone else query[starts[row] : starts[row + 1]]).view(-1, heads, 4).transpose(0, 1)
        probs = (q @ k.transpose(1, 2) / 2).softmax(-1)
        kept = (signs[row - group.first, :, : q.shape[1], :length] > 0) * scale
        parts.append((probs * kept @ v).transpose(0, 1).reshape(-1, 8))
    assert torch.allclose(attend(query, key, value, heads, groups, 0.4, Dropout(7)), torch.cat(parts))


def test_attention_elsewhere_is_the_same():
    """What GPUs use, here in bfloat16 and therefore coarser."""
    lengths = [9, 7, 2]
    groups = groups_of(lengths, CPU.device)
    torch.manual_seed(0)
    exact = [torch.randn(18, 8, requires_grad=True) for _ in range(3)]
    coarse = [x.detach().bfloat16().requires_grad_() for x in exact]
    outs = [attend(*x, 2, groups, 0.0, Dropout(0)) for x in (exact, coarse)]
    for out in outs:
        out.square().sum().backward()
    assert torch.allclose(outs[0], outs[1].float(), atol=0.05)
    for a, b in zip(exact, coarse, strict=True):
        assert torch.allclose(a.grad, b.grad.float(), atol=0.15)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_in_bfloat16(family):
    """The arithmetic is that of a GPU, and so is the way through the attention; a CPU computes it as well."""
    reduced = dataclasses.replace(CPU, dtype=torch.bfloat16)
    trained = []
    for runtime in (CPU, reduced):
        model, train = tiny(family)
        assert isinstance(learner_of(model, train.encodings, train.feed, runtime, Dropout(0)), PackedLearner)
        with seeded(0, CPU.device):
            train_classifier(model, train, OPTIONS, runtime=runtime, seed=5)
        trained.append(model.state_dict())
    before = tiny(family)[0].state_dict()
    for name, exact in trained[0].items():
        assert trained[1][name].dtype == exact.dtype == torch.float32
        if name.endswith(("query.weight", "q_lin.weight", "classifier.weight")):
            moved = (exact - before[name]).flatten()
            along = torch.nn.functional.cosine_similarity(moved, (trained[1][name] - before[name]).flatten(), dim=0)
            assert along > 0.95, name


def test_masks():
    dropout = Dropout(3)
    state = dropout.state
    factors = dropout.factors((300, 1000), 0.1, CPU.device)
    assert factors.unique().tolist() == pytest.approx([0, 1 / 0.9], rel=1e-4)
    assert float(factors.mean()) == pytest.approx(1, abs=3e-3)
    assert float(factors.var(dim=1).mean()) == pytest.approx(1 / 0.9 - 1, rel=0.02)
    assert not torch.equal(factors, dropout.factors((300, 1000), 0.1, CPU.device))
    dropout.state = state
    assert torch.equal(factors, dropout.factors((300, 1000), 0.1, CPU.device))


class Short:
    """A device whose memory holds so many examples."""

    def __init__(self, learner, room):
        self.learner, self.room, self.sizes = learner, room, []

    def __getattr__(self, name):
        return getattr(self.learner, name)

    def logits(self, rows):
        if len(rows) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.sizes.append(len(rows))
        return self.learner.logits(rows)


def test_a_batch_that_does_not_fit_is_computed_in_parts(monkeypatch, caplog):
    def trained(room):
        model, train = tiny("bert")
        short = []

        def learner(*args):
            short.append(Short(learner_of(*args), room))
            return short[0]

        monkeypatch.setattr(training, "learner_of", learner)
        with seeded(0, CPU.device):
            train_classifier(model, train, OPTIONS, runtime=CPU, seed=5)
        return model, short[0].sizes

    whole, sizes = trained(5)
    assert sizes == [5, 5, 2] * 2
    parts, sizes = trained(2)
    assert sizes == [2, 1, 1, 1] * 2 + [1, 1] + ([2, 1, 1, 1] * 2 + [1, 1])
    assert "batches of 5 are computed in 4 parts" in caplog.text
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=2e-3 if "key.bias" in name else 2e-5), name
    with pytest.raises(training.HarnessError, match="A single example does not fit"):
        trained(0)


class KilledError(Exception):
    """What stands for the end of the process."""


def trained(family, folder, monkeypatch, *, killed_after=None, every=0.0):
    """A model trained with dropout in steps of which each is kept; optionally killed after some."""
    monkeypatch.setattr(keeping, "EVERY", every)
    monkeypatch.setattr(keeping, "SHARE", 0)
    model, train = tiny(family, dropout=0.1)
    keeper = keeper_in(folder, CPU.device)
    keep, steps = Keeper.keep, []

    def kept(self, state):
        keep(self, state)
        steps.append(state.notes["done"])
        if killed_after == len(steps):
            raise KilledError

    monkeypatch.setattr(Keeper, "keep", kept)
    try:
        with seeded(0, CPU.device):
            train_classifier(model, train, OPTIONS, runtime=CPU, seed=5, keeper=keeper)
    finally:
        monkeypatch.setattr(Keeper, "keep", keep)
    return model.state_dict(), steps


def same(a, b):
    return all(torch.equal(value, b[name]) for name, value in a.items())


@pytest.mark.parametrize("family", ["bert", "other"])
@pytest.mark.parametrize("killed_after", [2, 3, 4], ids=["within an epoch", "between epochs", "in the last"])
def test_training_goes_on_with_the_same_bits(tmp_path, monkeypatch, family, killed_after):
    if family == "other":
        monkeypatch.setattr("harness.models.learner.parts_of", lambda model: None)
    expected, steps = trained("bert", tmp_path / "whole", monkeypatch)
    assert steps == [1, 2, 3, 4, 5]  # of six: after the last one there is nothing to go on to
    with pytest.raises(KilledError):
        trained("bert", tmp_path / "killed", monkeypatch, killed_after=killed_after)
    assert len(list((tmp_path / "killed").iterdir())) == 1
    found, rest = trained("bert", tmp_path / "killed", monkeypatch)
    assert rest == steps[killed_after:]
    assert same(found, expected)
    assert not same(trained("bert", None, monkeypatch)[0], tiny("bert")[0].state_dict())


def test_a_damaged_state_is_said_and_left_aside(tmp_path, monkeypatch, caplog):
    expected, _ = trained("bert", None, monkeypatch)
    for damage in (lambda data: data[:-9], lambda data: data[:500] + b"x" + data[501:], lambda data: b""):
        with pytest.raises(KilledError):
            trained("bert", tmp_path, monkeypatch, killed_after=4)
        (path,) = tmp_path.iterdir()
        path.write_bytes(damage(path.read_bytes()))
        found, steps = trained("bert", tmp_path, monkeypatch)
        assert steps == [1, 2, 3, 4, 5]
        assert same(found, expected)
        assert "differs from its checksum" in caplog.text
        caplog.clear()
        for path in tmp_path.iterdir():
            path.unlink()


def test_a_state_of_another_environment_is_left_aside(tmp_path, monkeypatch, caplog):
    with pytest.raises(KilledError):
        trained("bert", tmp_path, monkeypatch, killed_after=4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    assert trained("bert", tmp_path, monkeypatch)[1] == [1, 2, 3, 4, 5]
    assert "another environment" in caplog.text


def test_training_goes_on_where_nothing_can_be_kept(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    trained("bert", tmp_path / "file", monkeypatch)
    assert "could not be kept" in caplog.text


KILLED = """
import sys
from pathlib import Path
import harness
from harness.models import keeping

keeping.EVERY, keeping.SHARE = 0.0, 0
model = harness.component("model", "transformers", checkpoint=sys.argv[1], epochs=40, learning_rate=1e-3, device="cpu")
train = [harness.Example(f"{'good' if i % 2 else 'bad'} film {'and ' * i}", i % 2) for i in range(40)]
unfinished = Path(sys.argv[2]) if len(sys.argv) == 4 else None
model.fine_tune_resumable(train, num_labels=2, seed=0, unfinished=unfinished).save(Path(sys.argv[-1]))
"""


@pytest.mark.slow
def test_kill_9_costs_nothing_but_time(tmp_path, checkpoint):
    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(checkpoint), *map(str, arguments)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    assert start(tmp_path / "whole").wait() == 0
    for moment in (0.0, 0.1):
        process = start(tmp_path / "unfinished", tmp_path / "killed")
        before = set(tmp_path.glob("unfinished/training-*.safetensors"))
        while not set(tmp_path.glob("unfinished/training-*.safetensors")) - before:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(moment)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert not (tmp_path / "killed").exists()
    assert start(tmp_path / "unfinished", tmp_path / "killed").wait() == 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
