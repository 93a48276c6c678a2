"""What fine-tuning passes through: the same training to the bit, and states that are the classifier's own."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.components import Example, Looks
from harness.errors import InputError
from harness.models.training import TrainingOptions, TrainingSet, seeded, train_classifier
from harness.registry import component
from harness.testing.classifier import reviews
from tests.models.test_training import CPU, FAMILIES, tiny


@pytest.fixture(scope="module")
def model(checkpoint):
    return component(
        "model", "transformers", checkpoint=str(checkpoint), epochs=2, batch_size=8, learning_rate=0.01, device="cpu"
    )


TRAIN = reviews(42)
EPOCHS = Looks(states="epochs")
# Words that no training text has, so that the smaller matrix of embeddings that is trained lacks them.
VALID = [*reviews(11, seed=5), Example("zebra quartz jinx", 1)]


def test_the_last_state_is_the_fine_tuned_classifier_and_the_first_the_untrained_one(model):
    trained = model.fine_tune(TRAIN, num_labels=2, seed=7)
    _, seen = model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=Looks(states="epochs", every=6))
    assert list(seen.steps) == [0, 6, 12]
    for logits, examples in ((seen.train_logits, TRAIN), (seen.valid_logits, VALID)):
        expected = trained.predict_proba([example.texts for example in examples])
        assert np.array_equal(torch.tensor(logits[-1]).softmax(1).numpy(), expected)
    untrained = model.model_copy(update={"learning_rate": 1e-20}).fine_tune(TRAIN, num_labels=2, seed=7)
    expected = untrained.predict_proba([example.texts for example in VALID])
    assert np.allclose(torch.tensor(seen.valid_logits[0]).softmax(1).numpy(), expected, atol=1e-6)


def test_features_are_what_the_last_layer_reads(model):
    _, seen = model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=EPOCHS)
    layer = model.fine_tune(TRAIN, num_labels=2, seed=7).model.classifier
    with torch.no_grad():
        assert np.allclose(layer(torch.tensor(seen.valid_features[-1])).numpy(), seen.valid_logits[-1], atol=1e-5)
        assert np.allclose(layer(torch.tensor(seen.train_features[-1])).numpy(), seen.train_logits[-1], atol=1e-5)


def test_more_states_change_nothing_of_the_others(model):
    """What is taken from a training in which others see more is what would have been seen alone."""
    asked = [
        EPOCHS,
        Looks(states="last"),
        Looks(states="epochs", every=4),
        Looks(passing=True),
        Looks(passing=True, validation=3),
    ]
    everything = EPOCHS
    for looks in asked:
        everything = everything.along(looks)
    _, many = model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=everything)
    assert list(many.steps) == [0, 4, 6, 8, 12]
    assert list(many.ends()) == [2, 4]
    assert many.passing_logits.shape == (2, 42, 2)
    assert many.glance_logits.shape == (12, 3, 2)
    for looks in asked:
        few, taken = model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=looks)[1], many.narrowed(looks)
        for field in fields(few):
            one, other = getattr(few, field.name), getattr(taken, field.name)
            assert (one is None and other is None) or np.array_equal(one, other), field.name


def test_looks_that_cannot_be_had_in_one_training():
    assert Looks(every=3).along(Looks(every=4)) is None
    assert Looks(validation=3).along(Looks(validation=4)) is None
    assert Looks(validation=3).along(Looks(states="last")) == Looks(states="last", validation=3)


def test_points_are_seen_as_they_pass_by(model):
    """The first batch, of which nothing was learned yet: with dropout switched off, what the untrained network says."""
    plain = tiny_without_dropout(model)
    _, seen = plain.trace(TRAIN, VALID, num_labels=2, seed=7, looks=Looks(True, "epochs", 1, 4))
    for step, (batch, glanced) in enumerate(zip(seen.batches, seen.glance_rows, strict=True)):
        rows, epoch = batch[batch >= 0], step // 6
        for kind in ("logits", "features"):
            passing, train, glance, valid = (
                getattr(seen, f"{part}_{kind}") for part in ("passing", "train", "glance", "valid")
            )
            assert np.allclose(passing[epoch, rows], train[step, rows], atol=1e-5)
            assert np.allclose(glance[step], valid[step, glanced], atol=1e-5)
    assert (np.bincount(seen.glance_rows.flatten(), minlength=12) == 4).all()  # 12 steps of 4 points


def tiny_without_dropout(model):
    checkpoint = Path(model.checkpoint)
    twin = checkpoint.with_name(f"{checkpoint.name}-without-dropout")
    if not twin.exists():
        shutil.copytree(checkpoint, twin)
        config = json.loads((twin / "config.json").read_text())
        rates = {name: 0.0 for name in config if "dropout" in name}
        assert rates
        (twin / "config.json").write_text(json.dumps(config | rates))
    return model.model_copy(update={"checkpoint": str(twin)})


class Killed(BaseException):
    """The process ends here."""


def test_a_training_that_was_killed_goes_on_with_all_that_was_seen(model, tmp_path, monkeypatch):
    from harness.models import keeping, tracing

    looks = Looks(True, "epochs", 5, 2)
    _, whole = model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=looks)
    monkeypatch.setattr(keeping, "EVERY", 0.0)
    monkeypatch.setattr(keeping, "SHARE", 0)
    step, taken, killing = tracing.Recorder.step, [], [True]

    def counted(self, done, rows, rate):
        if killing and done == 9:
            raise Killed
        taken.append(done)
        step(self, done, rows, rate)

    monkeypatch.setattr(tracing.Recorder, "step", counted)
    with pytest.raises(Killed):
        model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=looks, unfinished=tmp_path)
    killing.clear()
    _, again = model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=looks, unfinished=tmp_path)
    assert taken == list(range(12))
    for field in fields(whole):
        assert np.array_equal(getattr(whole, field.name), getattr(again, field.name)), field.name


def test_batches_and_rates_are_those_of_training(model):
    _, seen = model.trace(TRAIN, VALID, num_labels=2, seed=7, looks=EPOCHS)
    for epoch in np.split(seen.batches, 2):
        assert sorted(epoch[epoch >= 0]) == list(range(42))
    assert (seen.batches[:, -1] == -1).sum() == 2  # 42 examples in batches of 8
    assert np.allclose(seen.learning_rates, 0.01 * (1 - np.arange(12) / 12))


class Onlooker:
    """Looks at everything before, in and after every step."""

    def __init__(self, model, train):
        self.model, self.train, self.seen, self.passed = model, train, [], []

    def begin(self, learner, beside, epochs, per_epoch, size):
        self.beside = beside(self.train.encodings[:3])

    def glances(self):
        return True

    def glance(self, done):
        assert not self.model.training
        with torch.inference_mode():
            assert self.beside.logits(self.beside.order(np.arange(3))).shape[0] == 3

    def forward(self):
        return nullcontext()

    def passing(self, rows, logits):
        self.passed.extend(rows)

    def state(self, done, last):
        return True

    def step(self, done, rows, rate):
        pass

    def look(self, done):
        assert not self.model.training
        self.seen.append(self.model.get_input_embeddings().weight.detach().clone())


@pytest.mark.parametrize("family", FAMILIES)
def test_looking_on_changes_no_bit(family):
    """With dropout, weight decay, a smaller matrix of embeddings and warm-up."""
    options = TrainingOptions(
        epochs=2, batch_size=5, learning_rate=1e-3, weight_decay=0.1, warmup=0.25, max_gradient_norm=1.0
    )
    found = []
    for watched in (False, True):
        model, train = tiny(family, dropout=0.2)
        onlooker = Onlooker(model, train) if watched else None
        with seeded(1, CPU.device):
            train_classifier(model, train, options, runtime=CPU, seed=3, watch=onlooker)
        found.append({name: value.clone() for name, value in model.state_dict().items()})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert len(onlooker.seen) == 7
    assert sorted(onlooker.passed) == sorted([*range(len(train))] * 2)
    assert torch.equal(onlooker.seen[-1], model.get_input_embeddings().weight.detach())


def test_a_network_without_one_vector_for_each_text_is_refused():
    import transformers as hf

    from harness.models.feed import Feed
    from harness.models.tracing import Recorder

    config = hf.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=64, num_labels=3, pad_token_id=0)
    model = hf.AutoModelForSequenceClassification.from_config(config)
    _, train = tiny("bert")
    feed = Feed(0, segments=False)
    recorder = Recorder([], [], EPOCHS, 0)
    recorder.meet(model, feed, CPU, train.encodings, train.labels, lambda texts: [])
    with pytest.raises(InputError, match="GPT2ForSequenceClassification gives no features"):
        train_classifier(
            model,
            TrainingSet(train.encodings, train.labels, None, feed),
            TrainingOptions(1, 4, 1e-3, 0.0, 0.0, None),
            runtime=CPU,
            seed=0,
            watch=recorder,
        )
