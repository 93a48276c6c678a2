"""Valuators of a fine-tuning's trajectory, against what automatic differentiation says of a tiny network."""

import dataclasses
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from harness.components import Sources, Trajectory, ValuationProblem
from harness.errors import DataError, InputError
from harness.registry import component

NAMES = (
    "aum",
    "cartography",
    "el2n",
    "forgetting",
    "grand",
    "in-run-shapley",
    "self-confidence",
    "tracin",
    "trak",
)
WHOLE = ("in-run-shapley", "tracin", "trak")
N, M, D, BATCH, EPOCHS = 24, 10, 5, 4, 3


class Run:
    """A network of two layers trained by plain gradient descent on noisy classes, with a copy of it after every step."""

    def __init__(self, classes=3, *, rate=0.5, frozen_body=False, every=1, epochs=EPOCHS, whole=False, glance=2):
        rng = np.random.default_rng(0)
        y = rng.integers(0, classes, N + M)
        x = rng.standard_normal((N + M, 4)) + np.eye(classes, 4)[y] * 2
        y[:4] = (y[:4] + 1) % classes
        self.x, self.y, self.classes = torch.tensor(x), torch.tensor(y), classes
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.net = nn.Sequential(nn.Linear(4, D), nn.Tanh(), nn.Linear(D, classes)).double()
        batches, rates, self.copies, glances = [], [], [self.copy()], []
        passing = np.zeros((epochs, N, classes)), np.zeros((epochs, N, D))
        for epoch in range(epochs):
            for rows in np.split(rng.permutation(N), N // BATCH):
                passing[0][epoch, rows], passing[1][epoch, rows] = (seen[rows] for seen in self.seen(len(rates)))
                glances.append(N + (2 * len(rates) + np.arange(glance)) % M)
                self.net.zero_grad()
                nn.functional.cross_entropy(self.net(self.x[rows]), self.y[rows]).backward()
                step = rate / (1 + epoch)
                with torch.no_grad():
                    for parameter in (self.net[2] if frozen_body else self.net).parameters():
                        parameter.sub_(step * parameter.grad)
                batches.append(rows)
                rates.append(step)
                self.copies.append(self.copy())
        self.steps = np.arange(0, len(batches) + 1, every)
        logits, features = zip(*(self.seen(step) for step in self.steps), strict=True)
        logits, features = np.stack(logits), np.stack(features)
        self.trajectory = Trajectory(
            logits[:, :N],
            features[:, :N],
            logits[:, N:],
            features[:, N:],
            self.steps,
            np.stack(batches),
            np.array(rates),
            epochs,
            *passing,
            np.stack(glances) - N,
            *(np.stack([self.seen(step)[i][rows] for step, rows in enumerate(glances)]) for i in (0, 1)),
        )
        if whole:
            gradients = np.stack([self.gradients(step, range(N + M), margin, whole=True) for step in self.steps])
            products = [self.products(step, rows, glances[step]) for step, rows in enumerate(batches)]
            self.trajectory = replace(
                self.trajectory,
                products=np.stack(products),
                train_gradients=gradients[:, :N],
                valid_gradients=gradients[:, N:],
            )
        self.problem = ValuationProblem(
            x[:N], y[:N], x[N:], y[N:], classes, Sources(trajectory=lambda: self.trajectory)
        )

    def copy(self):
        return {name: value.detach().clone() for name, value in self.net.state_dict().items()}

    def seen(self, step):
        self.net.load_state_dict(self.copies[step])
        with torch.no_grad():
            return self.net(self.x).numpy(), self.net[:2](self.x).numpy()

    def products(self, step, rows, glanced):
        gradients = self.gradients(step, [*rows, *glanced], cross_entropy, whole=True)
        return gradients[: len(rows)] @ gradients[len(rows) :].mean(axis=0) / len(rows)

    def gradients(self, step, rows, function, *, whole=False):
        """``(rows, parameters)`` gradients of a function of logits and label by the last layer or all, one by one."""
        self.net.load_state_dict(self.copies[step])
        found = []
        for row in rows:
            self.net.zero_grad()
            function(self.net(self.x[row]), self.y[row]).backward()
            layer = self.net if whole else self.net[2]
            found.append(torch.cat([p.grad.flatten() for p in layer.parameters()]).numpy().copy())
        return np.stack(found)

    def loss(self, step):
        return float(nn.functional.cross_entropy(torch.tensor(self.seen(step)[0][N:]), self.y[N:]))


def cross_entropy(logits, label):
    return nn.functional.cross_entropy(logits, label)


def margin(logits, label):
    log_p = logits.log_softmax(0)[label]
    return log_p - torch.log(1 - log_p.exp())


def value(name, run, *, seed=0, **options):
    return component("valuator", name, **options).value(run.problem, seed=seed)


@pytest.fixture(scope="module", params=[2, 3])
def run(request):
    return Run(request.param)


def at_ends(run):
    return [run.seen(step)[0][:N] for step in (6, 12, 18)]


def in_passing(run):
    """Logits of each point in the step that learned from it."""
    found = np.zeros((EPOCHS, N, run.classes))
    for step, rows in enumerate(run.trajectory.batches):
        found[step // 6, rows] = run.seen(step)[0][rows]
    return list(found)


RECORDED = pytest.mark.parametrize("recorded", ["training", "after"])
SEEN = {"training": in_passing, "after": at_ends}


@RECORDED
def test_aum_is_the_mean_margin(run, recorded):
    expected = np.zeros(N)
    for logits in SEEN[recorded](run):
        for i in range(N):
            label = int(run.y[i])
            expected[i] += (logits[i, label] - max(np.delete(logits[i], label))) / 3
    assert np.allclose(value("aum", run, recorded=recorded), expected)


@RECORDED
def test_cartography_describes_the_label_s_probability(run, recorded):
    probs = np.stack([torch.tensor(logits).softmax(1).numpy() for logits in SEEN[recorded](run)])
    own = probs[:, np.arange(N), run.y[:N]]
    options = {"recorded": recorded}
    assert np.allclose(value("cartography", run, **options), own.mean(axis=0))
    assert np.allclose(value("cartography", run, measure="variability", **options), own.std(axis=0))
    right = (probs.argmax(axis=2) == run.y[:N].numpy()).mean(axis=0)
    assert np.allclose(value("cartography", run, measure="correctness", **options), right)


@pytest.mark.parametrize(("recorded", "which"), [("training", 2), ("after", 1)])
def test_el2n_is_the_length_of_the_error(run, recorded, which):
    probs = torch.tensor(SEEN[recorded](run)[which]).softmax(1)
    expected = (probs - nn.functional.one_hot(run.y[:N], run.classes)).norm(dim=1).numpy()
    assert np.allclose(value("el2n", run, epoch=2, recorded=recorded), -expected)
    assert np.allclose(value("el2n", run, epoch=2, recorded=recorded, prefer="hard"), expected)
    with pytest.raises(InputError, match="epoch: 4 was asked for, but fine-tuning has 3"):
        value("el2n", run, epoch=4)


def test_grand_is_the_length_of_the_gradient(run):
    expected = np.linalg.norm(run.gradients(6, range(N), cross_entropy), axis=1)
    assert np.allclose(value("grand", run, recorded="after"), -expected)
    expected = np.zeros(N)
    for step, rows in enumerate(run.trajectory.batches[6:12], start=6):  # those of the second epoch
        expected[rows] = np.linalg.norm(run.gradients(step, rows, cross_entropy), axis=1)
    assert np.allclose(value("grand", run), -expected)


def test_forgetting_counts_turns_for_the_worse():
    run = Run(3)
    for every, seen in ((1, [run.seen(step)[0][:N] for step in range(1, 19)]), (None, in_passing(run))):
        right = [list(logits.argmax(1) == run.y[:N].numpy()) for logits in seen]
        expected = []
        for history in zip(*right, strict=True):
            events = sum(bool(a and not b) for a, b in itertools.pairwise(history))
            expected.append(-events if any(history) else -len(seen))
        assert list(value("forgetting", run, every=every)) == expected
        assert len(set(expected)) > 2


@pytest.mark.parametrize("measure", ["self-confidence", "normalized-margin"])
@pytest.mark.parametrize("adjust", [False, True])
def test_self_confidence_is_cleanlab_s(run, measure, adjust):
    rank = pytest.importorskip("cleanlab.rank")
    probs = torch.tensor(at_ends(run)[2]).softmax(1).numpy()
    expected = rank.get_label_quality_scores(
        run.y[:N].numpy(), probs, method=measure.replace("-", "_"), adjust_pred_probs=adjust
    )
    assert np.allclose(value("self-confidence", run, measure=measure, adjust=adjust), expected, atol=1e-6)


def test_tracin_sums_inner_products_of_gradients(run):
    expected = np.zeros(N)
    for step in range(1, 19):
        gradients = run.gradients(step, range(N + M), cross_entropy)
        expected += run.trajectory.learning_rates[step - 1] * gradients[:N] @ gradients[N:].mean(axis=0)
    assert np.allclose(value("tracin", run), expected)


def test_tracin_of_all_layers():
    run, expected = Run(3, whole=True), np.zeros(N)
    for step in range(1, 19):
        gradients = run.gradients(step, range(N + M), cross_entropy, whole=True)
        expected += run.trajectory.learning_rates[step - 1] * gradients[:N] @ gradients[N:].mean(axis=0)
    assert np.allclose(value("tracin", run, layers="all"), expected)


def test_trak_of_all_layers():
    run = Run(3, whole=True)
    train, valid = (run.gradients(18, rows, margin, whole=True) for rows in (range(N), range(N, N + M)))
    missing = 1 - torch.tensor(at_ends(run)[2]).softmax(1).numpy()[np.arange(N), run.y[:N]]
    moments = train.T @ train
    moments += np.eye(len(moments)) * 0.1 * np.trace(moments) / len(moments)
    expected = valid.mean(axis=0) @ np.linalg.inv(moments) @ train.T * missing
    assert np.allclose(value("trak", run, damping=0.1, layers="all"), expected)


def test_in_run_shapley_of_all_layers_shares_out_what_the_validation_loss_loses():
    run, expected = Run(3, whole=True, rate=0.01, glance=M), np.zeros(N)
    for step, (rows, rate) in enumerate(zip(run.trajectory.batches, run.trajectory.learning_rates, strict=True)):
        gradients = run.gradients(step, range(N + M), cross_entropy, whole=True)
        pull = gradients[N:][run.trajectory.glance_rows[step]].mean(axis=0)
        expected[rows] += rate / BATCH * gradients[rows] @ pull
    values = value("in-run-shapley", run, layers="all")
    assert np.allclose(values, expected)
    assert values.sum() == pytest.approx(run.loss(0) - run.loss(18), rel=0.03)


@pytest.mark.parametrize("name", WHOLE)
def test_without_gradients_of_all_layers_there_is_one_message(name):
    with pytest.raises(DataError, match="of the whole network"):
        value(name, Run(2, epochs=1), layers="all")


def test_in_run_shapley_sums_inner_products_at_the_point_s_own_steps(run):
    expected = np.zeros(N)
    for step, (rows, rate) in enumerate(zip(run.trajectory.batches, run.trajectory.learning_rates, strict=True)):
        gradients = run.gradients(step, range(N + M), cross_entropy)
        expected[rows] += rate / BATCH * gradients[rows] @ gradients[N:].mean(axis=0)
    assert np.allclose(value("in-run-shapley", run, every=1), expected)


def test_in_run_shapley_takes_validation_points_as_they_were_last_seen(run):
    expected, latest = np.zeros(N), {}
    t = run.trajectory
    for step, (rows, rate) in enumerate(zip(t.batches, t.learning_rates, strict=True)):
        gradients = run.gradients(step, range(N + M), cross_entropy)
        latest |= {row: gradients[N + row] for row in t.glance_rows[step]}
        expected[rows] += rate / BATCH * gradients[rows] @ np.mean(list(latest.values()), axis=0)
    assert np.allclose(value("in-run-shapley", run), expected)
    assert np.corrcoef(expected, value("in-run-shapley", run, every=1))[0, 1] > 0.9


def test_in_run_shapley_shares_out_what_the_validation_loss_loses():
    run = Run(3, rate=0.01, frozen_body=True)  # the last layer alone learns, in small steps
    lost = run.loss(0) - run.loss(18)
    assert value("in-run-shapley", run, every=1).sum() == pytest.approx(lost, rel=0.02)
    coarse = Run(3, rate=0.01, frozen_body=True, every=6)
    assert value("in-run-shapley", coarse, every=6).sum() == pytest.approx(lost, rel=0.02)


def test_trak_is_its_equation(run):
    train, valid = (run.gradients(18, rows, margin) for rows in (range(N), range(N, N + M)))
    missing = 1 - torch.tensor(at_ends(run)[2]).softmax(1).numpy()[np.arange(N), run.y[:N]]
    moments = train.T @ train
    moments += np.eye(len(moments)) * 0.01 * np.trace(moments) / len(moments)
    expected = valid.mean(axis=0) @ np.linalg.inv(moments) @ train.T * missing
    assert np.allclose(value("trak", run, damping=0.01), expected)


def test_trak_s_projection_is_drawn_by_the_seed():
    run = Run(3)
    options = {"damping": 1.0, "dimensions": 17}
    exact, one, other = (
        value("trak", run, damping=1.0),
        value("trak", run, **options),
        value("trak", run, seed=1, **options),
    )
    assert not np.array_equal(one, other)
    assert np.corrcoef(exact, one)[0, 1] > 0.8
    assert np.array_equal(one, value("trak", run, **options))


@pytest.mark.parametrize("name", NAMES)
def test_values_follow_their_points(name, run):
    """Whatever order the training set is in, and whatever else is left out of what one looks at."""
    rows = np.random.default_rng(3).permutation(N)
    values = value(name, run)
    moved = component("valuator", name).value(run.problem.taking(rows), seed=0)
    assert values.shape == (N,)
    assert np.isfinite(values).all()
    assert np.allclose(moved, values[rows])


@pytest.mark.parametrize("name", NAMES)
def test_without_a_trajectory_there_is_one_message(name):
    problem = ValuationProblem(np.zeros((4, 2)), np.array([0, 1, 0, 1]), np.zeros((2, 2)), np.array([0, 1]))
    with pytest.raises(DataError, match="needs a trajectory of fine-tuning, and the problem has none"):
        component("valuator", name).value(problem, seed=0)
    other = Run(2).trajectory
    problem = ValuationProblem(
        problem.x_train,
        problem.y_train,
        problem.x_valid,
        problem.y_valid,
        sources=Sources(trajectory=lambda: other),
    )
    with pytest.raises(DataError, match="trajectory is of 24 training and 10 validation points in 2 classes"):
        component("valuator", name).value(problem, seed=0)


@pytest.mark.parametrize("name", ["aum", "cartography", "grand", "self-confidence", "tracin"])
def test_wrong_labels_have_low_values(name):
    run = Run(3, epochs=1)
    values = value(name, run)
    assert values[:4].mean() < values[4:].mean()


@pytest.mark.parametrize("name", ["tracin", "trak"])
def test_what_points_do_for_each_validation_point_by_all_layers(name):
    run = Run(3, whole=True, epochs=1)
    method = component("valuator", name, layers="all")
    each = method.attributions(run.problem, seed=0)
    assert each.shape == (N, M)
    assert np.allclose(each.mean(axis=1), value(name, run, layers="all"))


@pytest.mark.parametrize(
    ("name", "options"),
    [("tracin", {}), ("tracin", {"every": 2}), ("trak", {}), ("in-run-shapley", {"every": 1}), ("knn-shapley", {})],
)
def test_attributions_are_the_values_for_one_validation_point(run, name, options):
    method, problem = component("valuator", name, **options), run.problem
    found = method.attributions(problem, seed=0)
    t = run.trajectory
    for point in range(M):
        one = [point]
        alone = dataclasses.replace(
            t,
            valid_logits=t.valid_logits[:, one],
            valid_features=t.valid_features[:, one],
            glance_rows=None,
            glance_logits=None,
            glance_features=None,
        )
        only = ValuationProblem(
            problem.x_train,
            problem.y_train,
            problem.x_valid[one],
            problem.y_valid[one],
            problem.num_classes,
            Sources(trajectory=lambda alone=alone: alone),
        )
        assert found[:, point] == pytest.approx(method.value(only, seed=0), rel=1e-6, abs=1e-12)


def test_in_run_shapley_s_attributions_share_out_its_values(run):
    method = component("valuator", "in-run-shapley")
    found = method.attributions(run.problem, seed=0)
    assert found.shape == (N, M)
    assert found.mean(axis=1) == pytest.approx(method.value(run.problem, seed=0), rel=1e-9, abs=1e-12)
