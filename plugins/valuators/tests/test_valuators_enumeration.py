"""Every method against enumeration of its own definition, over predictors that scipy trains in float64.

``python test_valuators_enumeration.py 25`` prints the table of docs/valuators.md: the largest error of a value, in standard
deviations of the exact values, with 25 times the samples that the tests take.
"""

import math
import sys
from functools import lru_cache
from itertools import combinations, combinations_with_replacement, pairwise, permutations

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.special import expit, log_softmax, logsumexp

from harness.components import ValuationProblem
from harness.registry import component

UTILITIES = ("probability", "accuracy", "log-loss", "blind-spot")
THRESHOLD = {2: 0.55, 3: 0.4}
"""Of the blind-spot utility: predictors of five points are not more confident than that."""


class Exact:
    """A problem's predictors, one for each way to weight its points."""

    def __init__(self, problem, utility="probability"):
        self.problem, self.utility = problem, utility
        self.n, self.classes, self.threshold = problem.n_train, problem.num_classes, THRESHOLD[problem.num_classes]
        x, valid = problem.x_train.astype(float), problem.x_valid.astype(float)
        mean = x.mean(0)
        size = math.sqrt(((x - mean) ** 2).sum(1).mean())
        self.x = np.column_stack([(x - mean) / size, np.ones(self.n)])
        self.valid = np.column_stack([(valid - mean) / size, np.ones(len(valid))])

    def logits(self, weights, at):
        """Two classes have one column of parameters, the log-odds; more have one for each, all of it penalised by 1."""
        return _as_logits(at @ _solution(self, tuple(weights), False), self.classes)

    def worth(self, weights):
        return float(self.score(self.logits(weights, self.valid), self.problem.y_valid).mean())

    def score(self, logits, labels):
        rows = np.arange(len(labels))
        probs = np.exp(log_softmax(logits, axis=1))
        own, top = probs[rows, labels], probs.max(1)
        if self.utility == "probability":
            return own
        if self.utility == "log-loss":
            return np.log(own)
        tied = probs > top[:, None] - 1e-7
        right = tied[rows, labels] / tied.sum(1)
        return right if self.utility == "accuracy" else -(1 - right) * (top >= self.threshold)

    def smooth(self, logits, labels):
        """What `influence` takes for the utilities that have steps."""
        rows = np.arange(len(labels))
        if self.utility in {"probability", "log-loss"}:
            return self.score(logits, labels)
        rivals = np.where(np.eye(self.classes, dtype=bool)[labels], -np.inf, logits)
        if self.utility == "accuracy":
            return expit(4 * (logits[rows, labels] - rivals.max(1)))
        return -expit(20 * (np.exp(log_softmax(logits, axis=1))[rows, rivals.argmax(1)] - self.threshold))

    def subset(self, chosen):
        return self.worth([float(i in chosen) for i in range(self.n)])

    def semivalue(self, probability):
        """Mean gains of joining, where a set of the others of size s has probability ``probability(s)``."""
        values = np.zeros(self.n)
        for i in range(self.n):
            others = [j for j in range(self.n) if j != i]
            for size in range(self.n):
                for chosen in combinations(others, size):
                    values[i] += probability(size) * (self.subset((*chosen, i)) - self.subset(chosen))
        return values


def _as_logits(scores, classes):
    return np.column_stack([-scores[:, 0] / 2, scores[:, 0] / 2]) if classes == 2 else scores


_SOLUTIONS = {}


def _solution(exact, weights, on_validation):
    """``(D, 1 or K)`` parameters; the utilities of a problem share them."""
    key = (exact.problem.x_train.tobytes(), exact.problem.y_train.tobytes(), weights, on_validation)
    if key not in _SOLUTIONS:
        x, y = (exact.valid, exact.problem.y_valid) if on_validation else (exact.x, exact.problem.y_train)
        w = np.array(weights)
        columns = 1 if exact.classes == 2 else exact.classes
        target = np.eye(exact.classes)[y]

        def loss(flat):
            theta = flat.reshape(-1, columns)
            logs = log_softmax(_as_logits(x @ theta, exact.classes), axis=1)
            off = w[:, None] * (np.exp(logs) - target)
            off = off[:, 1:] if columns == 1 else off
            return -(w * (logs * target).sum(1)).sum() + flat @ flat / 2, (x.T @ off).ravel() + flat

        found = minimize(
            loss, np.zeros(x.shape[1] * columns), jac=True, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-10}
        )
        _SOLUTIONS[key] = found.x.reshape(-1, columns)
    return _SOLUTIONS[key]


@lru_cache
def problem(classes, labels, n=5, seed=8):
    """A few points, the last of them mislabelled: values of both signs."""
    rng = np.random.default_rng(seed)
    true = {"balanced": np.arange(n) % classes, "lone": np.r_[np.zeros(n - classes + 1, int), np.arange(1, classes)]}[
        labels
    ]
    given = true.copy()
    if labels == "balanced":
        given[-1] = (true[-1] + 1) % classes
    y_valid = rng.integers(0, classes, 12)
    x = 1.2 * np.eye(classes, 3)[np.r_[true, y_valid]] + 0.8 * rng.standard_normal((n + 12, 3))
    return ValuationProblem(x[:n].astype(np.float32), given, x[n:].astype(np.float32), y_valid, classes)


def shapley(exact):
    return exact.semivalue(lambda s: 1 / (exact.n * math.comb(exact.n - 1, s)))


def beta_shapley(exact, alpha=4, beta=1):
    """Kwon and Zou 2022, eq. 5, with integer parameters: the Pólya urn's probability of s successes, over the sets of s."""

    def rising(start, count):
        return math.prod(start + k for k in range(count))

    m = exact.n - 1
    return exact.semivalue(lambda s: rising(beta, s) * rising(alpha, m - s) / rising(alpha + beta, m))


def distributional_shapley(exact, cardinality=3):
    return exact.semivalue(lambda s: (s < cardinality) / (cardinality * math.comb(exact.n - 1, s)))


def banzhaf(exact):
    return exact.semivalue(lambda s: 0.5 ** (exact.n - 1))


def ame(exact):
    shares = (0.2, 0.4, 0.6, 0.8)
    return exact.semivalue(lambda s: sum(p**s * (1 - p) ** (exact.n - 1 - s) for p in shares) / len(shares))


def loo(exact):
    everyone = tuple(range(exact.n))
    return np.array([exact.subset(everyone) - exact.subset(everyone[:i] + everyone[i + 1 :]) for i in everyone])


def influence(exact, by=1e-3):
    """The slope of the smoothed utility by each weight, from both sides."""

    def at(i, change):
        weights = np.ones(exact.n)
        weights[i] += change
        return exact.smooth(exact.logits(weights, exact.valid), exact.problem.y_valid).mean()

    return np.array([(at(i, by) - at(i, -by)) / (2 * by) for i in range(exact.n)])


def least_core(exact):
    """The smallest deficit by a linear program over all sets, then the values of least norm that keep to it."""
    n = exact.n
    sets = np.array([[b >> i & 1 for i in range(n)] for b in range(1, 2**n - 1)], dtype=float)
    empty = exact.subset(())
    worth = np.array([exact.worth(row) for row in sets]) - empty
    whole = exact.subset(tuple(range(n))) - empty
    deficit = linprog(
        np.r_[np.zeros(n), 1],
        A_ub=-np.column_stack([sets, np.ones(len(sets))]),
        b_ub=-worth,
        A_eq=[[1.0] * n + [0.0]],
        b_eq=[whole],
        bounds=[(None, None)] * n + [(0, None)],
    ).x[-1]
    return minimize(
        lambda v: v @ v,
        np.full(n, whole / n),
        jac=lambda v: 2 * v,
        method="SLSQP",
        constraints=[
            {"type": "eq", "fun": lambda v: v.sum() - whole, "jac": lambda v: np.ones(n)},
            {"type": "ineq", "fun": lambda v: sets @ v - worth + deficit + 1e-9, "jac": lambda v: sets},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    ).x


def data_oob(exact):
    """Over all bags, weighted by how often they are drawn: the mean score of the bags that lack the point."""
    n = exact.n
    total, mass = np.zeros(n), np.zeros(n)
    for bag in combinations_with_replacement(range(n), n):
        counts = np.bincount(bag, minlength=n)
        chance = math.factorial(n) / np.prod([math.factorial(c) for c in counts]) / n**n
        score = exact.score(exact.logits(counts.astype(float), exact.x), exact.problem.y_train)
        total += chance * score * (counts == 0)
        mass += chance * (counts == 0)
    return total / mass


def confidence(exact):
    theta = _solution(exact, (1.0,) * len(exact.valid), True)
    logs = log_softmax(_as_logits(exact.x @ theta, exact.classes), axis=1)
    return np.exp(logs[np.arange(exact.n), exact.problem.y_train])


def knn_shapley(exact, k=3):
    return knn_by_enumeration(exact.problem, k)


def knn_by_enumeration(problem, k):
    """Over all sets and, where training points are equally far, all orders of them (at most five points)."""
    n, values = problem.n_train, np.zeros(problem.n_train)
    for x, y in zip(problem.x_valid.astype(float), problem.y_valid, strict=True):
        far = ((problem.x_train.astype(float) - x) ** 2).sum(1)
        orders = [o for o in permutations(range(n)) if all(far[a] <= far[b] for a, b in pairwise(o))]
        worth = {
            chosen: np.mean(
                [sum(problem.y_train[i] == y for i in [i for i in o if i in chosen][:k]) / k for o in orders]
            )
            for size in range(n + 1)
            for chosen in map(frozenset, combinations(range(n), size))
        }
        for i in range(n):
            for chosen, without in worth.items():
                if i not in chosen:
                    share = 1 / (n * math.comb(n - 1, len(chosen)))
                    values[i] += share * (worth[chosen | {i}] - without) / len(problem.y_valid)
    return values


def lava(exact, regularisation=0.05):
    """The dual of the entropic transport by L-BFGS on the row potentials, the class distances by the same."""

    def transport(cost):
        rows, columns = cost.shape
        epsilon = regularisation * cost.mean()

        def dual(f):
            inner = (f[:, None] - cost) / epsilon - math.log(rows)
            g = -epsilon * logsumexp(inner, axis=0)
            plan = np.exp(inner + g / epsilon) / columns
            return -(f.mean() + g.mean()), plan.sum(1) - 1 / rows

        f = minimize(
            dual, np.zeros(rows), jac=True, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-11, "maxiter": 5000}
        ).x
        inner = (f[:, None] - cost) / epsilon - math.log(rows)
        plan = np.exp(inner - logsumexp(inner, axis=0)) / columns
        return (plan * cost).sum(), f

    y, y_valid = exact.problem.y_train, exact.problem.y_valid
    cost = ((exact.x[:, None] - exact.valid[None]) ** 2).sum(-1)
    between = {(a, b): transport(cost[y == a][:, y_valid == b])[0] for a in set(y) for b in set(y_valid)}
    potential = transport(cost + [[between[a, b] for b in y_valid] for a in y])[1]
    return -(potential - (potential.sum() - potential) / (exact.n - 1))


WALKS = {"permutations": 4000, "reliability": 1.0, "batch_size": 1000}
# What a method has to be given, the definition it is compared with, and the largest error, in standard deviations of the
# exact values: of predictors and solvers for those that state their sampling errors or have none, of sampling for the others.
METHODS = {
    "data-shapley": ({**WALKS, "tolerance": 0}, shapley, 0.01),
    "beta-shapley": (WALKS, beta_shapley, 0.01),
    "distributional-shapley": ({**WALKS, "cardinality": 3}, distributional_shapley, 0.01),
    "banzhaf": ({"samples": 20_000, "batch_size": 2000}, banzhaf, 0.08),
    "ame": ({"samples": 20_000, "batch_size": 2000}, ame, 0.15),
    "least-core": ({"samples": 600, "batch_size": 600}, least_core, 0.01),
    "data-oob": ({"models": 5000, "batch_size": 2500}, data_oob, 0.08),
    "loo": ({}, loo, 0.01),
    "influence": ({}, influence, 0.001),
    "confidence": ({}, confidence, 1e-4),
    "knn-shapley": ({"k": 3}, knn_shapley, 1e-9),
    "lava": ({}, lava, 0.001),
}
PLAIN = {"confidence", "knn-shapley", "lava"}
"""Methods without a utility of ours."""
AMOUNTS = {"permutations", "samples", "models"}
"""Options that say how much is sampled."""
CASES = [(name, utility) for name in METHODS for utility in (UTILITIES[:1] if name in PLAIN else UTILITIES)]


STEPS = 3
"""How much more sampling leaves of an utility with steps."""


def compare(name, utility, given, factor=1):
    """Values, their standard errors (0 where none are stated), and the exact values."""
    options, definition, _ = METHODS[name]
    options = {key: factor * value if key in AMOUNTS else value for key, value in options.items()}
    if name not in PLAIN:
        options |= {"utility": utility, "threshold": THRESHOLD[given.num_classes]}
    valuator = component("valuator", name, **options)
    if hasattr(valuator, "estimate"):
        found = valuator.estimate(given, seed=0)
        values, errors = found.values, found.standard_errors
    else:
        values, errors = valuator.value(given, seed=0), np.zeros(given.n_train)
    return values, errors, definition(Exact(given, utility))


@pytest.mark.parametrize("labels", ["balanced", "lone"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("name", "utility"), CASES)
def test_values_are_those_of_the_definition(name, utility, classes, labels):
    values, errors, exact = compare(name, utility, problem(classes, labels))
    bound = METHODS[name][2] * (STEPS if utility in {"accuracy", "blind-spot"} and METHODS[name][2] > 0.01 else 1)
    assert np.all(np.abs(values - exact) <= 4.5 * errors + bound * exact.std() + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["balanced", "lone"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("name", "utility"), CASES)
def test_values_of_seven_points_with_more_samples(name, utility, classes, labels):
    values, _, exact = compare(name, utility, problem(classes, labels, n=7), factor=10)
    bound = max(METHODS[name][2], 0.05) * (STEPS if utility in {"accuracy", "blind-spot"} else 1)
    assert np.abs(values - exact).max() <= bound * exact.std()


@pytest.mark.parametrize("utility", ["probability", "log-loss"])
def test_exact_values_have_both_signs_and_add_up(utility):
    for classes, labels in [(2, "balanced"), (2, "lone"), (3, "balanced"), (3, "lone")]:
        exact = Exact(problem(classes, labels), utility)
        values = shapley(exact)
        assert values.sum() == pytest.approx(exact.subset(range(5)) - exact.subset(()), abs=1e-9)
        if labels == "balanced":
            assert values.min() < 0 < values.max()


@pytest.mark.parametrize("classes", [2, 3])
def test_efficiency_and_symmetry_hold_for_the_logistic_game(classes):
    """What is added up is the whole, and twins are worth the same: to the error of the predictors, or of sampling."""
    once = problem(classes, "balanced")
    x, y = np.r_[once.x_train, once.x_train[:1]], np.r_[once.y_train, once.y_train[:1]]
    twins = ValuationProblem(x, y, once.x_valid, once.y_valid, classes)
    exact = Exact(twins)
    whole = exact.subset(range(6)) - exact.subset(())
    for name, amount in (("data-shapley", {**WALKS, "tolerance": 0}), ("least-core", {"samples": 600})):
        values = component("valuator", name, **amount).value(twins, seed=0)
        assert values.sum() == pytest.approx(whole, abs=1e-4), name
    found = component("valuator", "data-shapley", **WALKS).estimate(twins, seed=0)
    assert abs(found.values[0] - found.values[5]) <= 4.5 * np.hypot(*found.standard_errors[[0, 5]])
    for name in ("loo", "influence", "confidence", "knn-shapley", "lava", "least-core"):
        values = component("valuator", name).value(twins, seed=0)
        assert values[0] == pytest.approx(values[5], abs=5e-3 * values.std()), name


def table(factor):
    """Largest errors by method, number of classes and utility; the worse of the two layouts of labels."""
    columns = [(classes, utility) for classes in (2, 3) for utility in UTILITIES]
    lines = [
        "| method | " + " | ".join(f"{u}, K = {k}" for k, u in columns) + " |",
        "|" + " --- |" * (len(columns) + 1),
    ]
    print("\n".join(lines))
    for name in METHODS:
        cells = []
        for classes, utility in columns:
            if name in PLAIN and utility != UTILITIES[0]:
                cells.append("")
                continue
            worst = 0.0
            for labels in ("balanced", "lone"):
                values, _, exact = compare(name, utility, problem(classes, labels), factor)
                worst = max(worst, float(np.abs(values - exact).max() / exact.std()))
            cells.append(f"{worst:.0e}" if worst < 0.0005 else f"{worst:.3f}".lstrip("0"))
        print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    table(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
