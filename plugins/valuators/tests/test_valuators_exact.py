"""Estimates against what can be computed exactly: enumeration, brute force, converged fits."""

from itertools import combinations, pairwise, permutations
from math import comb

import numpy as np
import pytest
import torch
from harness_valuators.beta_shapley import BetaShapley
from harness_valuators.games import Step
from harness_valuators.least_core import least_core
from harness_valuators.semivalues import Sampling, estimate
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.components import ValuationProblem
from harness.registry import component


class TableGame:
    """A game given by the worth of each coalition, indexed by its bits."""

    def __init__(self, worth):
        self.worth = torch.as_tensor(np.asarray(worth, dtype=np.float64))
        self.players = len(worth).bit_length() - 1
        self.whole = float(self.worth[-1])

    def walk(self, orders):
        members = torch.zeros(len(orders), dtype=torch.int64)
        for column in orders.T:
            after = members | (1 << column)
            gain = self.worth[after] - self.worth[members]
            members = after
            yield Step(gain, torch.zeros_like(gain), 0, self.worth[members])


def semivalue(worth, probability):
    """By enumeration: the mean gain, where a coalition of the others of size s has probability ``probability(s)``."""
    n = len(worth).bit_length() - 1
    values = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            for chosen in combinations(others, size):
                bits = sum(1 << j for j in chosen)
                values[i] += probability(size) * (worth[bits | 1 << i] - worth[bits])
    return values


def shapley(worth):
    n = len(worth).bit_length() - 1
    return semivalue(worth, lambda size: 1 / (n * comb(n - 1, size)))


def run(game, weights=None, *, seed=0, **options):
    weights = np.ones(game.players) if weights is None else weights
    return estimate(game, Sampling(weights=weights, **{"permutations": 3000, "batch": 500, **options}), seed=seed)


games = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.floats(-1, 1, width=32), min_size=2**n, max_size=2**n).map(lambda w: [0.0, *w[1:]])
)


@settings(max_examples=25, deadline=None)
@given(games)
def test_shapley_values_of_random_games(worth):
    result = run(TableGame(worth))
    exact = shapley(worth)
    assert np.all(np.abs(result.values - exact) <= 5 * result.standard_errors + 1e-9)
    assert result.values.sum() == pytest.approx(worth[-1], abs=1e-9)  # efficiency, at any number of permutations


@settings(max_examples=15, deadline=None)
@given(games)
def test_symmetry_and_null_player(worth):
    n = len(worth).bit_length() - 1
    # Two more players: one who adds nothing, and a twin of player 0 (either of the two counts as player 0).
    bits = range(2 ** (n + 2))
    extended = [worth[(b & (2**n - 1)) | (b >> (n + 1) & 1)] for b in bits]
    result = run(TableGame(extended))
    assert result.values[n] == 0
    assert abs(result.values[0] - result.values[n + 1]) <= 5 * np.hypot(*result.standard_errors[[0, n + 1]]) + 1e-9


@settings(max_examples=10, deadline=None)
@given(games, st.sampled_from([(1, 1), (4, 1), (1, 4), (16, 1)]))
def test_beta_shapley_values_of_random_games(worth, shape):
    from scipy.special import betaln

    n, (alpha, beta) = len(worth).bit_length() - 1, shape
    exact = semivalue(worth, lambda s: np.exp(betaln(s + beta, n - 1 - s + alpha) - betaln(alpha, beta)))
    result = run(TableGame(worth), weights=BetaShapley(alpha=alpha, beta=beta)._weights(n))
    assert np.all(np.abs(result.values - exact) <= 5 * result.standard_errors + 0.01)


def test_distributional_shapley_looks_at_small_sets_only():
    rng = np.random.default_rng(0)
    worth = np.r_[0.0, rng.standard_normal(2**5 - 1)]
    exact = semivalue(worth, lambda size: 1 / (3 * comb(4, size)) if size < 3 else 0.0)
    result = run(TableGame(worth), weights=np.ones(3), visited_only=True, permutations=6000)
    assert np.all(np.abs(result.values - exact) <= 5 * result.standard_errors)


def test_standard_errors_are_those_of_the_spread_between_runs():
    worth = np.r_[0.0, np.random.default_rng(1).standard_normal(2**6 - 1)]
    runs = [run(TableGame(worth), permutations=200, seed=seed) for seed in range(60)]
    observed = np.std([r.values for r in runs], axis=0)
    stated = np.mean([r.standard_errors for r in runs], axis=0)
    assert np.allclose(observed, stated, rtol=0.35)


def test_truncation_stops_where_nothing_is_left_to_gain():
    worth = [float(min(bin(b).count("1"), 3)) for b in range(2**8)]  # three members are worth as much as all
    result = run(TableGame(worth), tolerance=1e-9)
    assert result.marginals == 3 * result.permutations
    assert np.allclose(result.values, 3 / 8, atol=0.05)


def test_running_stops_at_the_reliability_asked_for():
    worth = [float(sum(i for i in range(6) if b >> i & 1)) + (bin(b).count("1") == 3) for b in range(2**6)]
    short = run(TableGame(worth), permutations=100_000, batch=20, reliability=0.9)
    assert short.permutations < 1000
    assert short.reliability >= 0.9


def tiny(n=6, d=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n + 40)
    x = rng.standard_normal((n + 40, d)) + (2 * y[:, None] - 1) * 0.7
    return ValuationProblem(x[:n], y[:n], x[n:], y[n:])


def converged_worth(problem, l2=1.0):
    """Mean true-class probability of every coalition, its predictor trained by scipy."""
    from scipy.optimize import minimize

    mean = problem.x_train.mean(0)
    scale = np.sqrt(((problem.x_train - mean) ** 2).sum(1).mean())
    x = np.column_stack([(problem.x_train - mean) / scale, np.ones(problem.n_train)])
    valid = np.column_stack([(problem.x_valid - mean) / scale, np.ones(len(problem.y_valid))])
    sign, valid_sign = 2 * problem.y_train - 1, 2 * problem.y_valid - 1
    worth = []
    for bits in range(2**problem.n_train):
        rows = [i for i in range(problem.n_train) if bits >> i & 1]

        def loss(theta, rows=rows):
            return np.logaddexp(0, -sign[rows] * (x[rows] @ theta)).sum() + l2 / 2 * theta @ theta

        theta = minimize(loss, np.zeros(x.shape[1]), tol=1e-9).x
        worth.append(float((1 / (1 + np.exp(-valid_sign * (valid @ theta)))).mean()))
    return np.array(worth)


@pytest.fixture(scope="module")
def small():
    problem = tiny()
    return problem, converged_worth(problem)


def test_data_shapley_of_the_logistic_predictor(small):
    problem, worth = small
    valuator = component(
        "valuator", "data-shapley", permutations=2000, reliability=1.0, tolerance=0.0, predictor_steps=20
    )
    result = valuator.estimate(problem, seed=0)
    assert np.allclose(result.values, shapley(worth), atol=0.004)
    assert result.values.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-3)


def test_two_steps_are_enough(small):
    problem, worth = small
    valuator = component("valuator", "data-shapley", permutations=2000, reliability=1.0, tolerance=0.0)
    assert np.corrcoef(valuator.value(problem, seed=0), shapley(worth))[0, 1] > 0.99


def test_banzhaf_and_least_core_and_leave_one_out_of_the_logistic_predictor(small):
    problem, worth = small
    banzhaf = component("valuator", "banzhaf", samples=4000, predictor_steps=60).value(problem, seed=0)
    assert np.allclose(banzhaf, semivalue(worth, lambda _: 1 / 2**5), atol=0.004)
    loo = component("valuator", "loo", predictor_steps=60).value(problem, seed=0)
    assert np.allclose(loo, [worth[-1] - worth[63 - (1 << i)] for i in range(6)], atol=1e-4)
    influence = component("valuator", "influence").value(problem, seed=0)
    assert np.corrcoef(influence, loo)[0, 1] > 0.95
    core = component("valuator", "least-core", samples=2000, predictor_steps=60).value(problem, seed=0)
    assert core.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-4)


def test_least_core_has_the_smallest_deficit_and_treats_twins_alike():
    worth = np.array(
        [float(bin(b & 0b0111).count("1") >= 2) for b in range(16)]
    )  # majority of three, and a null player
    subsets = np.array([[b >> i & 1 for i in range(4)] for b in range(16)], dtype=bool)
    values = least_core(subsets, worth, worth[-1])
    assert np.allclose(values, [1 / 3, 1 / 3, 1 / 3, 0], atol=1e-4)


def brute_force_knn(problem, k):
    """Shapley values by enumeration of all coalitions, one validation point at a time."""
    n = problem.n_train
    total = np.zeros(n)
    for x, y in zip(problem.x_valid, problem.y_valid, strict=True):
        near = np.argsort(((problem.x_train - x) ** 2).sum(1), kind="stable")
        worth = [
            sum(problem.y_train[i] == y for i in [j for j in near if bits >> j & 1][:k]) / k for bits in range(2**n)
        ]
        total += shapley(worth)
    return total / len(problem.y_valid)


@pytest.mark.parametrize("k", [1, 3, 5, 20])
def test_knn_shapley_against_brute_force(k):
    problem = tiny(n=8, seed=3)
    few = ValuationProblem(problem.x_train, problem.y_train, problem.x_valid[:4], problem.y_valid[:4])
    assert np.allclose(component("valuator", "knn-shapley", k=k).value(few, seed=0), brute_force_knn(few, k), atol=1e-9)


def test_knn_shapley_does_not_depend_on_the_block_size(monkeypatch, blobs):
    from harness_valuators import knn_shapley

    whole = component("valuator", "knn-shapley").value(blobs.problem, seed=0)
    monkeypatch.setattr(knn_shapley, "BLOCK_ENTRIES", 1000)
    assert np.allclose(component("valuator", "knn-shapley").value(blobs.problem, seed=0), whole, atol=1e-15)


@pytest.mark.parametrize("classes", [2, 3])
def test_batched_predictors_reach_the_solution_of_scikit_learn(classes):
    from harness_valuators.logistic import Logistic, prepare
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 60)
    problem = ValuationProblem(
        rng.standard_normal((60, 5)) + np.eye(classes, 5)[y], y, np.zeros((1, 5)), np.zeros(1, int)
    )
    data = prepare(problem, dtype=torch.float64)
    model = Logistic(data.x, data.y, classes, 1.0, data.spectrum)
    weights = torch.as_tensor(rng.integers(0, 2, (60, 4)), dtype=torch.float64)
    theta = model.steps(model.zeros(4), weights, 300, weights.sum(0))
    for m in range(4):
        rows = weights[:, m].bool().numpy()
        peer = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=5000)
        peer.fit(data.x.numpy()[rows], y[rows])
        ours = model.logits(model.scores(theta))[:, m].softmax(-1).numpy()
        assert np.allclose(ours, peer.predict_proba(data.x.numpy()), atol=2e-4)


def knn(x, y, valid, y_valid, k):
    given = ValuationProblem(np.asarray(x), np.asarray(y), np.asarray(valid), np.asarray(y_valid), 3)
    return component("valuator", "knn-shapley", k=k).value(given, seed=0)


def knn_over_all_orders(x, y, valid, y_valid, k):
    """Jia et al. 2019, theorem 1, averaged over every order of the points that is by distance; distances in float64."""
    n, total = len(x), np.zeros(len(x))
    for point, label in zip(np.asarray(valid, float), y_valid, strict=True):
        far = ((np.asarray(x, float) - point) ** 2).sum(1)
        orders = [o for o in permutations(range(n)) if all(far[a] <= far[b] for a, b in pairwise(o))]
        for order in orders:
            match = [float(y[i] == label) for i in order]
            s = match[-1] / max(n, k)
            total[order[-1]] += s / len(orders)
            for i in range(n - 1, 0, -1):
                s += (match[i - 1] - match[i]) / k * min(k, i) / i
                total[order[i - 1]] += s / len(orders)
    return total / len(valid)


def test_equally_distant_neighbours_share():
    # Either of the first two points may be the nearest: (1 + 1/2) / 2 and (0 - 1/2) / 2.
    assert np.allclose(knn([[2.0], [0.0], [5.0]], [0, 1, 1], [[1.0]], [0], 1), [0.75, -0.25, 0.0], atol=1e-15)


grids = st.integers(2, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(0, 2)), min_size=n, max_size=n),
        st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(0, 2)), min_size=1, max_size=3),
        st.integers(1, 7),
        st.sampled_from([0.0, 1.0, 4096.0]),
    )
)


@settings(max_examples=60, deadline=None)
@given(grids)
def test_knn_shapley_of_grids_full_of_ties_wherever_they_are(case):
    points, queries, k, shift = case
    points, queries = np.array(points), np.array(queries)
    args = points[:, :2] + shift, points[:, 2], queries[:, :2] + shift, queries[:, 2], k
    assert np.allclose(knn(*args), knn_over_all_orders(*args), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ["large column", "near duplicates", "tiny", "huge", "far from the origin"])
def test_knn_shapley_at_any_scale(case, dtype):
    rng = np.random.default_rng(0)
    y, y_valid = rng.integers(0, 2, 200), rng.integers(0, 2, 40)
    x, valid = rng.standard_normal((200, 6)) + y[:, None], rng.standard_normal((40, 6)) + y_valid[:, None]
    if case == "large column":
        x, valid = (np.column_stack([a, rng.choice([0.0, 2e4], len(a))]) for a in (x, valid))
    elif case == "near duplicates":
        x = x[:1] + 1e-4 * x
    else:
        factor, shift = {"tiny": (1e-30, 0.0), "huge": (1e30, 0.0), "far from the origin": (1.0, 1e3)}[case]
        x, valid = factor * x + shift, factor * valid + shift
    x, valid = x.astype(dtype), valid.astype(dtype)
    unit = float(np.abs(x).max())  # the reference squares in float64, which 1e30 leaves room for
    total, position = np.zeros(200), np.arange(1, 200)
    for point, label in zip(valid.astype(float) / unit, y_valid, strict=True):
        order = np.argsort(((x.astype(float) / unit - point) ** 2).sum(1), kind="stable")
        match = (y[order] == label).astype(float)
        change = (match[:-1] - match[1:]) * np.minimum(5, position) / (5 * position)
        total[order] += np.r_[change[::-1].cumsum()[::-1], 0.0] + match[-1] / 200
    assert np.allclose(knn(x, y, valid, y_valid, 5), total / 40, atol=1e-12)


def test_knn_shapley_of_a_point_that_can_never_help_is_zero():
    values = knn([[0.0], [1.0], [9.0]], [0, 0, 1], [[0.0], [0.5]], [0, 0], 5)  # farthest, and of another class
    assert values[2] == 0
    assert values.sum() == pytest.approx(2 / 5)


def test_the_only_point_of_its_class_left_out():
    rng = np.random.default_rng(2)
    y, y_valid = np.zeros(30, int), np.repeat([0, 1], 8)
    y[7] = 1
    x = rng.standard_normal((30, 4)) + 3 * y[:, None]
    given = ValuationProblem(x, y, rng.standard_normal((16, 4)) + 3 * y_valid[:, None], y_valid)
    values = component("valuator", "loo").value(given, seed=0)
    peers = [_true_class_probability(given, np.arange(30)), _true_class_probability(given, np.delete(np.arange(30), 7))]
    assert values[7] == pytest.approx(peers[0] - peers[1], rel=1e-3)


def _true_class_probability(given, rows):
    """Of the predictor of some of the points, trained by scipy."""
    from scipy.optimize import minimize

    mean = given.x_train.mean(0)
    scale = np.sqrt(((given.x_train - mean) ** 2).sum(1).mean())
    x, valid = (np.column_stack([(a - mean) / scale, np.ones(len(a))]) for a in (given.x_train[rows], given.x_valid))
    sign, valid_sign = 2 * given.y_train[rows] - 1, 2 * given.y_valid - 1
    theta = minimize(lambda t: np.logaddexp(0, -sign * (x @ t)).sum() + t @ t / 2, np.zeros(x.shape[1]), tol=1e-10).x
    return (1 / (1 + np.exp(-valid_sign * (valid @ theta)))).mean()


def weak(n=100, seed=3):
    """Labels that the features hardly tell: the whole set is worth about a hundredth more than none."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(16) / 4
    x = rng.standard_normal((n + 200, 16))
    y = (rng.random(n + 200) < 1 / (1 + np.exp(-0.1 * x @ direction))).astype(int)
    return ValuationProblem(x[:n], y[:n], x[n:], y[n:])


def test_truncation_is_relative_to_what_there_is_to_gain():
    given = weak()
    fixed = {"permutations": 64, "reliability": 1.0}
    default = component("valuator", "data-shapley", **fixed).estimate(given, seed=0)
    untruncated = component("valuator", "data-shapley", tolerance=0, **fixed).estimate(given, seed=0)
    whole = untruncated.values.sum()
    assert abs(whole) < 0.03
    assert default.values.sum() == pytest.approx(whole, rel=0.02)
    assert default.marginals > 0.5 * untruncated.marginals
    assert np.corrcoef(default.values, untruncated.values)[0, 1] > 0.98


def test_a_worth_that_only_passes_by_that_of_the_whole_set_ends_no_walk():
    worth = [float((0, 3, 3, 0, 1, 2, 3, 3, 3)[bin(b).count("1")]) for b in range(2**8)]
    assert run(TableGame(worth), tolerance=1e-9, patience=3).marginals == 8 * 3000
    assert run(TableGame(worth), tolerance=1e-9, patience=2).marginals == 2 * 3000


def test_the_error_of_the_predictors_is_measured(small):
    given, _ = small
    loose, tight = (
        component("valuator", "data-shapley", permutations=8, predictor_tolerance=t).estimate(given, seed=0)
        for t in (0.9, 1e-4)
    )
    assert loose.predictor_error > 1e-4
    assert tight.predictor_error < 1e-6


@pytest.mark.parametrize("classes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_points_between_two_corrections_get_what_is_theirs(classes, monkeypatch):
    """A set is corrected each time it has grown by 5 %: against a correction with every point, on the same permutations."""
    from harness_valuators import games

    rng = np.random.default_rng(0)
    centres = 0.3 * rng.standard_normal((classes, 16))
    y = rng.integers(0, classes, 220)
    x = centres[y] + rng.standard_normal((220, 16))
    given = ValuationProblem(x[:120], y[:120], x[120:], y[120:])
    fixed = {"permutations": 100, "batch_size": 100, "reliability": 1.0, "tolerance": 0}
    values = component("valuator", "data-shapley", **fixed).value(given, seed=0)
    monkeypatch.setattr(games, "GROWTH", 0.0)
    exact = component("valuator", "data-shapley", **fixed).value(given, seed=0)
    slope = np.polyfit(exact, values, 1)[0]
    assert 0.93 < slope < 1.07  # plain steps for the points that join: .84 for two classes, .7 for three
    assert np.abs(values - exact).max() < 0.4 * exact.std()
    assert values.sum() == pytest.approx(exact.sum(), abs=1e-4)
