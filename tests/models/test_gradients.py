"""Gradients of single points by the whole network, against automatic differentiation of one point after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.components import Looks
from harness.models.feed import outputs_of
from harness.models.gradients import Capture, Projection, activations_only, capturing, margins
from harness.models.tracing import Recorder
from harness.models.training import TrainingOptions, TrainingSet, seeded, train_classifier
from tests.models.test_training import CPU, FAMILIES, tiny

OPTIONS = TrainingOptions(
    epochs=2, batch_size=5, learning_rate=1e-3, weight_decay=0.1, warmup=0.25, max_gradient_norm=1.0
)


def one_by_one(model, train, rows, function):
    """``(rows, parameters)`` gradients in evaluation mode."""
    model.train(False)
    found = []
    for row in rows:
        model.zero_grad()
        logits = outputs_of(model, train.feed.batch([train.encodings[row]], CPU.device)).logits
        function(logits, torch.tensor(train.labels[[row]])).sum().backward()
        slopes = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
        found.append(torch.cat([slope.flatten() for slope in slopes]).numpy().copy())
    model.zero_grad()
    return np.stack(found)


def projected(model, train, rows, size, seed=0):
    capture = Capture(model)
    projection = Projection(capture.layers, size, seed)
    with activations_only(model, capture) as leaves:
        with capturing(capture, len(rows)):
            logits = outputs_of(model, train.feed.batch([train.encodings[row] for row in rows], CPU.device)).logits
        total = margins(logits, torch.tensor(train.labels[rows])).sum()
        torch.autograd.grad(total, leaves, allow_unused=True)
        found = projection.of(capture.taken(), len(rows)).numpy()
    capture.release()
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    return found, projection


@pytest.mark.parametrize("family", FAMILIES)
def test_without_projection_inner_products_are_exact(family):
    model, train = tiny(family)
    rows = np.arange(7)
    expected = one_by_one(model, train, rows, margins)
    found, projection = projected(model, train, rows, 10**9)
    assert projection.exact
    assert projection.size == sum(p.numel() for p in model.parameters())
    assert np.allclose(found @ found.T, expected @ expected.T, rtol=1e-3, atol=1e-5)


def test_projected_inner_products_are_exact_on_average():
    model, train = tiny("bert")
    rows = np.arange(6)
    exact = one_by_one(model, train, rows, margins)
    exact = exact @ exact.T
    found = []
    for seed in range(60):
        each, projection = projected(model, train, rows, 200, seed)
        assert each.shape == (6, 200)
        assert not projection.exact
        found.append(each @ each.T)
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - exact) < 4 * error).all()
    lengths = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert (np.std(found, axis=0) / lengths).max() < 0.3


def recorded(family, looks, validation, *, dropout=0.0):
    model, train = tiny(family, dropout=dropout)
    recorder = Recorder(["a"] * len(validation), train.labels[validation], looks, 0)
    recorder.meet(
        model, train.feed, CPU, train.encodings, train.labels, lambda texts: [train.encodings[i] for i in validation]
    )
    copies = []
    step = recorder.step

    def copying(done, rows, rate):
        step(done, rows, rate)
        copies.append(done)

    recorder.step = copying
    with seeded(1, CPU.device):
        train_classifier(
            model,
            TrainingSet(train.encodings, train.labels, None, train.feed),
            OPTIONS,
            runtime=CPU,
            seed=3,
            watch=recorder,
        )
    return model, train, recorder.trajectory()


@pytest.mark.parametrize("family", FAMILIES)
def test_products_in_the_first_step_are_those_of_single_gradients(family):
    """The network is as it was before training then; without dropout the passes of training are those of evaluation."""
    validation = [0, 3, 4, 6]
    _, _, seen = recorded(family, Looks(validation=2, products=True), validation)
    model, train = tiny(family, dropout=0.0)
    rows = seen.batches[0]
    gradients = one_by_one(model, train, rows, cross_entropy) / len(rows)
    pull = one_by_one(model, train, np.array(validation)[seen.glance_rows[0]], cross_entropy).mean(axis=0)
    assert np.allclose(seen.products[0], gradients @ pull, rtol=1e-3, atol=1e-6)


def cross_entropy(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def test_gradients_of_the_last_state_are_those_of_the_trained_network():
    validation = [0, 3, 4]
    model, train, seen = recorded("bert", Looks(states="last", gradients=10**9), validation, dropout=0.2)
    expected = one_by_one(model, train, np.arange(len(train)), margins)
    found = seen.train_gradients[0]
    assert np.allclose(found @ found.T, expected @ expected.T, rtol=1e-3, atol=1e-4)
    assert np.allclose(seen.valid_gradients[0], found[validation], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_looking_at_the_whole_network_changes_no_bit(family):
    found = []
    for looks in (None, Looks(True, "epochs", 3, 2, products=True, gradients=50)):
        if looks is None:
            model, train = tiny(family, dropout=0.2)
            with seeded(1, CPU.device):
                train_classifier(model, train, OPTIONS, runtime=CPU, seed=3)
        else:
            model, _, _ = recorded(family, looks, [1, 2, 5], dropout=0.2)
        found.append({name: value.clone() for name, value in model.state_dict().items()})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
