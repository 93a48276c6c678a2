"""DVRL: the same order whatever the seed, and better than the baseline that needs no valuation."""

import numpy as np
import pytest

from harness.components import ValuationProblem
from harness.registry import component
from harness.valuation import judge as board


def runs(noisy, seeds, **options):
    valuator = component("valuator", "dvrl", **options)
    return [valuator.value(noisy.problem, seed=seed) for seed in seeds]


def test_no_flips_between_seeds(snippets):
    values = runs(snippets, range(3), iterations=120)
    assert min(board.noisy_label_auroc(v, snippets.noisy) for v in values) > 0.65
    agreement = board.agreement({str(i): v for i, v in enumerate(values)}).to_numpy()
    assert agreement.min() >= 0.9


def test_values_are_probabilities_with_a_mean_inside_the_exploration_bound(snippets):
    values = runs(snippets, [0], iterations=60)[0]
    assert values.min() >= 0
    assert values.max() <= 1
    assert 0.1 <= values.mean() <= 0.9
    assert len(np.unique(values)) > 250


@pytest.mark.parametrize("baseline", ["group", "moving"])
def test_other_baselines_keep_the_order_by_their_start(baseline, snippets):
    values = runs(snippets, [0, 1], iterations=40, baseline=baseline)
    assert board.stability(values) > 0.8


def test_batches_and_whole_set_agree(snippets):
    whole = runs(snippets, [0], iterations=120)[0]
    batches = runs(snippets, [0], iterations=240, batch_size=100)[0]
    assert board.stability([whole, batches]) > 0.9


def test_trust_improves_on_the_validation_predictor(snippets):
    p = snippets.problem
    confidence = component("valuator", "confidence").value(p, seed=0)
    alone, trusting = (runs(snippets, [0], iterations=120, trust=trust)[0] for trust in (0.0, 2.0))
    aurocs = [board.noisy_label_auroc(v, snippets.noisy) for v in (alone, confidence, trusting)]
    assert aurocs[2] > aurocs[1]
    assert aurocs[2] > aurocs[0]


def test_thesis_preset_is_the_published_method(snippets):
    thesis = component("valuator", "dvrl", preset="thesis")
    assert (thesis.iterations, thesis.draws, thesis.baseline, thesis.utility) == (2000, 1, "moving", "accuracy")
    assert (thesis.anchor, thesis.trust, thesis.prior) == (0.0, 0.0, 0.0)
    assert component("valuator", "dvrl", preset="thesis", iterations=7).iterations == 7
    values = component("valuator", "dvrl", preset="thesis", iterations=30).value(snippets.problem, seed=0)
    assert ((values >= 0) & (values <= 1)).all()


def test_progress_is_reported(snippets):
    from harness.progress import reporting

    class Reporter:
        def __init__(self):
            self.done = 0.0

        def open(self, unit, total):
            assert (unit, total) == ("iterations", 5)
            return self

        def advance(self, amount=1, **notes):
            self.done += amount

        def close(self, bar):
            pass

    reporter = Reporter()
    with reporting(reporter):
        runs(snippets, [0], iterations=5)
    assert reporter.done == 5


@pytest.mark.slow
def test_five_seeds_on_a_thousand_snippets_beat_the_baseline(many_snippets):
    values = runs(many_snippets, range(5))
    aurocs = [board.noisy_label_auroc(v, many_snippets.noisy) for v in values]
    confidence = component("valuator", "confidence").value(many_snippets.problem, seed=0)
    assert min(aurocs) > board.noisy_label_auroc(confidence, many_snippets.noisy)
    assert board.agreement({str(i): v for i, v in enumerate(values)}).to_numpy().min() >= 0.9


@pytest.mark.slow
def test_other_draws_of_the_noise_beat_the_baseline_too(many_snippets):
    p, flipped = many_snippets.problem, many_snippets.noisy
    clean = np.where(flipped, 1 - p.y_train, p.y_train)
    for seed in range(5):
        labels, noisy = board.inject_label_noise(clean, 2, 0.2, seed=seed + 10)
        problem = ValuationProblem(p.x_train, labels, p.x_valid, p.y_valid)
        dvrl = component("valuator", "dvrl", iterations=150).value(problem, seed=seed)
        confidence = component("valuator", "confidence").value(problem, seed=seed)
        assert board.noisy_label_auroc(dvrl, noisy) > board.noisy_label_auroc(confidence, noisy)
