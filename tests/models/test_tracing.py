"""What fine-tuning passes through: the same training to the bit, and states that are the classifier's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.components import Example
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
# Words that no training text has, so that the smaller matrix of embeddings that is trained lacks them.
VALID = [*reviews(11, seed=5), Example("zebra quartz jinx", 1)]


def test_the_last_state_is_the_fine_tuned_classifier_and_the_first_the_untrained_one(model):
    trained = model.fine_tune(TRAIN, num_labels=2, seed=7)
    seen = model.trace(TRAIN, VALID, num_labels=2, seed=7)
    assert list(seen.steps) == [0, 6, 12]
    for logits, examples in ((seen.train_logits, TRAIN), (seen.valid_logits, VALID)):
        expected = trained.predict_proba([example.texts for example in examples])
        assert np.array_equal(torch.tensor(logits[-1]).softmax(1).numpy(), expected)
    untrained = model.model_copy(update={"learning_rate": 1e-20}).fine_tune(TRAIN, num_labels=2, seed=7)
    expected = untrained.predict_proba([example.texts for example in VALID])
    assert np.allclose(torch.tensor(seen.valid_logits[0]).softmax(1).numpy(), expected, atol=1e-6)


def test_features_are_what_the_last_layer_reads(model):
    seen = model.trace(TRAIN, VALID, num_labels=2, seed=7)
    layer = model.fine_tune(TRAIN, num_labels=2, seed=7).model.classifier
    with torch.no_grad():
        assert np.allclose(layer(torch.tensor(seen.valid_features[-1])).numpy(), seen.valid_logits[-1], atol=1e-5)
        assert np.allclose(layer(torch.tensor(seen.train_features[-1])).numpy(), seen.train_logits[-1], atol=1e-5)


def test_more_states_change_nothing_of_the_others(model):
    few = model.trace(TRAIN, VALID, num_labels=2, seed=7)
    many = model.trace(TRAIN, VALID, num_labels=2, seed=7, every=4)
    assert list(many.steps) == [0, 4, 6, 8, 12]
    assert list(many.ends()) == [2, 4]
    for name in ("train_logits", "train_features", "valid_logits", "valid_features"):
        assert np.array_equal(getattr(many, name)[[0, 2, 4]], getattr(few, name))
    assert np.array_equal(many.batches, few.batches)


def test_batches_and_rates_are_those_of_training(model):
    seen = model.trace(TRAIN, VALID, num_labels=2, seed=7)
    for epoch in np.split(seen.batches, 2):
        assert sorted(epoch[epoch >= 0]) == list(range(42))
    assert (seen.batches[:, -1] == -1).sum() == 2  # 42 examples in batches of 8
    assert np.allclose(seen.learning_rates, 0.01 * (1 - np.arange(12) / 12))


class Onlooker:
    """Looks at everything after every step."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def state(self, done, last):
        return True

    def step(self, rows, rate):
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
        onlooker = Onlooker(model) if watched else None
        with seeded(1, CPU.device):
            train_classifier(model, train, options, runtime=CPU, seed=3, watch=onlooker)
        found.append({name: value.clone() for name, value in model.state_dict().items()})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert len(onlooker.seen) == 7
    assert torch.equal(onlooker.seen[-1], model.get_input_embeddings().weight.detach())


def test_a_network_without_one_vector_for_each_text_is_refused():
    import transformers as hf

    from harness.models.feed import Feed
    from harness.models.tracing import Recorder

    config = hf.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=64, num_labels=3, pad_token_id=0)
    model = hf.AutoModelForSequenceClassification.from_config(config)
    _, train = tiny("bert")
    feed = Feed(0, segments=False)
    recorder = Recorder([], None)
    recorder.begin(model, feed, CPU, train.encodings, lambda texts: [])
    with pytest.raises(InputError, match="GPT2ForSequenceClassification gives no features"):
        train_classifier(
            model,
            TrainingSet(train.encodings, train.labels, None, feed),
            TrainingOptions(1, 4, 1e-3, 0.0, 0.0, None),
            runtime=CPU,
            seed=0,
            watch=recorder,
        )
