"""What holds for every valuator."""

import numpy as np
import pytest

from harness.components import ValuationProblem
from harness.errors import ComponentError, DataError
from harness.registry import component
from harness.valuation import judge as valuation_board

FAST = {
    "ame": {"samples": 400},
    "banzhaf": {"samples": 400},
    "beta-shapley": {"permutations": 16, "reliability": 1.0},
    "confidence": {},
    "data-oob": {"models": 100},
    "data-shapley": {"permutations": 16, "reliability": 1.0},
    "distributional-shapley": {"permutations": 64, "cardinality": 20},
    "dvrl": {"iterations": 60},
    "influence": {},
    "knn-shapley": {},
    "lava": {},
    "least-core": {"samples": 100},
    "loo": {},
    "random": {},
}
RANDOM = {
    "ame",
    "banzhaf",
    "beta-shapley",
    "data-oob",
    "data-shapley",
    "distributional-shapley",
    "dvrl",
    "least-core",
    "random",
}
UTILITIES = ("probability", "accuracy", "log-loss", "blind-spot")
SAMPLING = (
    "ame",
    "banzhaf",
    "beta-shapley",
    "data-oob",
    "data-shapley",
    "distributional-shapley",
    "dvrl",
    "least-core",
    "loo",
)
# What a method should reach on the easy problem `blobs`; the others are at chance by nature (lava sees no conditional
# labels, random nothing) or select few points (ame).
DETECTS = dict.fromkeys(FAST, 0.75) | {"random": 0.0, "lava": 0.0, "ame": 0.5, "least-core": 0.55}


def valuator(name, **options):
    return component("valuator", name, **{**FAST[name], **options})


@pytest.mark.parametrize("name", FAST)
def test_orders_clean_points_above_flipped_ones(name, blobs):
    values = valuator(name).value(blobs.problem, seed=0)
    assert values.shape == (200,)
    assert np.isfinite(values).all()
    assert valuation_board.noisy_label_auroc(values, blobs.noisy) >= DETECTS[name]


@pytest.mark.parametrize("name", FAST)
def test_same_seed_gives_the_same_bits_and_leaves_global_generators_alone(name, blobs):
    import torch

    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = valuator(name).value(blobs.problem, seed=3)
    torch.rand(7), np.random.random(7)  # noqa: NPY002 - the global state must not matter
    again = valuator(name).value(blobs.problem, seed=3)
    other = valuator(name).value(blobs.problem, seed=4)
    assert first.tobytes() == again.tobytes()
    assert (first.tobytes() != other.tobytes()) == (name in RANDOM)
    torch.set_rng_state(before[0])
    np.random.set_state(("MT19937", before[1], 624))  # noqa: NPY002


@pytest.mark.parametrize("name", ["confidence", "influence", "knn-shapley", "loo", "data-shapley", "dvrl", "random"])
def test_thread_count_does_not_change_the_order(name, blobs):
    import torch

    threads = torch.get_num_threads()
    fewer = {"dvrl": {"iterations": 10}, "data-shapley": {"permutations": 4}}.get(name, {})
    try:
        torch.set_num_threads(1)
        one = valuator(name, **fewer).value(blobs.problem, seed=0)
        torch.set_num_threads(2)
        two = valuator(name, **fewer).value(blobs.problem, seed=0)
    finally:
        torch.set_num_threads(threads)
    assert np.allclose(one, two, rtol=1e-3, atol=1e-5 * np.abs(one).max())
    if name in {"knn-shapley", "random"}:  # an order of distances, and nothing that is summed up in parallel
        assert one.tobytes() == two.tobytes()


def problem(n=12, m=6, *, y_train=None, y_valid=None, duplicate=False, classes=0):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    if duplicate:
        x[:] = x[0]
    y_train = rng.integers(0, 2, n) if y_train is None else np.full(n, y_train)
    y_valid = rng.integers(0, 2, m) if y_valid is None else np.full(m, y_valid)
    return ValuationProblem(x, y_train, rng.standard_normal((m, 4)), y_valid, classes)


DEGENERATE = {
    "constant label": problem(y_train=1),
    "class missing in validation": problem(y_valid=0),
    "only duplicate rows": problem(duplicate=True),
    "one point": problem(n=1),
    "one validation point": problem(m=1),
    "a class that never occurs": problem(classes=4),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_problems_have_finite_values(name, case):
    values = valuator(name).value(DEGENERATE[case], seed=0)
    assert values.shape == (DEGENERATE[case].n_train,)
    assert np.isfinite(values).all()


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="x_train has NaN or infinite values in 1 of its rows"):
        ValuationProblem(np.array([[np.nan], [0.0]]), np.array([0, 1]), np.zeros((1, 1)), np.array([0]))


@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.parametrize("name", SAMPLING)
def test_every_sampling_valuator_takes_every_utility(name, utility, blobs):
    values = valuator(name, utility=utility, threshold=0.5).value(blobs.problem, seed=0)
    assert np.isfinite(values).all()
    assert len(np.unique(values)) > 1


def test_utilities_value_different_things(blobs):
    values = {
        utility: valuator("banzhaf", samples=2000, utility=utility, threshold=0.5).value(blobs.problem, seed=0)
        for utility in UTILITIES
    }
    agreement = valuation_board.agreement(values).to_numpy()
    assert (agreement[np.triu_indices(4, 1)] > 0.2).all()
    assert (agreement[np.triu_indices(4, 1)] < 0.999).all()


@pytest.mark.parametrize("name", ["data-shapley", "dvrl", "knn-shapley", "confidence", "influence", "loo", "data-oob"])
def test_more_than_two_classes(name):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 260)
    x = 2 * np.eye(3)[y] + rng.standard_normal((260, 3))
    labels, noisy = valuation_board.inject_label_noise(y[:180], 3, 0.2, seed=0)
    values = valuator(name).value(ValuationProblem(x[:180], labels, x[180:], y[180:]), seed=0)
    assert valuation_board.noisy_label_auroc(values, noisy) > 0.75


@pytest.mark.parametrize("name", FAST)
def test_scale_and_shift_of_the_features_do_not_matter(name, blobs):
    p = blobs.problem
    moved = ValuationProblem(
        p.x_train.astype(np.float64) * 64 + 32, p.y_train, p.x_valid.astype(np.float64) * 64 + 32, p.y_valid
    )
    one, two = valuator(name).value(p, seed=0), valuator(name).value(moved, seed=0)
    assert valuation_board.stability([one, two]) > 0.99


def test_wrong_options_are_named():
    with pytest.raises(ComponentError, match="'utility'"):
        component("valuator", "data-shapley", utility="acuracy")
    with pytest.raises(ComponentError, match="Did you mean 'iterations'"):
        component("valuator", "dvrl", iteration=3)
    with pytest.raises(ComponentError, match="needs draws of at least 2"):
        component("valuator", "dvrl", baseline="group", draws=1)


def test_the_device_is_no_part_of_the_identity():
    assert component("valuator", "loo").identity() == component("valuator", "loo", device="cpu").identity()
    assert "device" not in component("valuator", "loo").identity()


def test_an_absent_gpu_is_reported():
    import torch

    from harness.errors import InputError

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match="finds no GPU"):
        component("valuator", "dvrl", device="cuda").preflight()
