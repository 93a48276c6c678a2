"""Intervals, paired comparisons and ranks, against the libraries and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

from harness.errors import InputError
from harness.statistics.comparison import contrast, holm, mcnemar_exact, mcnemar_p, shared_ranks
from harness.statistics.intervals import Estimate, Interval, estimate, rate_interval, wilson
from harness.statistics.resampling import cluster_id, resample_rows, resample_weights
from harness.statistics.samples import Sample, figure, replicate

CLUSTERS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30)


def sample(contributions, clusters=None, *, total=False) -> Sample:
    values = np.asarray(contributions, dtype=float)
    return Sample(values, np.arange(len(values)) if clusters is None else np.asarray(clusters), total)


@given(CLUSTERS, st.integers(0, 5))
def test_resamples_draw_whole_clusters(clusters: list[str], seed: int) -> None:
    for rows in resample_rows(clusters, count=3, seed=seed):
        counts = np.bincount(rows, minlength=len(clusters))
        by_cluster = {name: {counts[i] for i, c in enumerate(clusters) if c == name} for name in set(clusters)}
        assert all(len(found) == 1 for found in by_cluster.values())
        assert sum(next(iter(found)) for found in by_cluster.values()) == len(set(clusters))


def test_resamples_depend_on_the_seed_only() -> None:
    ids = [f"test/{i}" for i in range(50)]
    first, again, other = ([*resample_rows(ids, count=4, seed=seed)] for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    batches = [np.vstack([*resample_weights(9, count=10, seed=3, batch=size)]) for size in (1, 4, 64)]
    assert (batches[0] == batches[1]).all()
    assert (batches[0] == batches[2]).all()


def test_nothing_cannot_be_resampled() -> None:
    with pytest.raises(InputError, match="nothing to resample"):
        next(resample_rows([], count=1, seed=0))


def test_cluster_ids_tell_pairs_from_texts() -> None:
    names = {cluster_id("a b"), cluster_id(("a", "b")), cluster_id(("b", "a")), cluster_id("a")}
    assert len(names) == 4


@given(CLUSTERS, st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_replicates_are_the_figures_on_the_resampled_rows(clusters: list[str], total: bool, random) -> None:
    values = np.asarray([random.choice([0.0, 0.25, 1.0, math.nan]) for _ in clusters])
    names, codes = np.unique(clusters, return_inverse=True)
    drawn = replicate([sample(values, codes, total=total)], len(names), count=5, seed=2)[:, 0]
    for rows, found in zip(resample_rows(clusters, count=5, seed=2), drawn, strict=True):
        chosen = values[rows]
        expected = np.nanmean(chosen) if (~np.isnan(chosen)).any() else math.nan
        if total:  # as many examples as count, whatever the resample has of them
            expected *= (~np.isnan(values)).sum()
        assert found == pytest.approx(expected, nan_ok=True)


def test_bootstrap_error_is_scipys() -> None:
    values = np.random.default_rng(0).exponential(size=400)
    ours = figure([sample(values)], replicate([sample(values)], 400, count=4000))[0].error
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, rng=1).standard_error
    assert ours == pytest.approx(theirs, rel=0.05)


def test_cluster_bootstrap_error_is_that_of_the_ratio_of_cluster_sums() -> None:
    rng = np.random.default_rng(5)
    codes = np.repeat(np.arange(300), rng.integers(1, 6, 300))
    values = rng.random(300)[codes] + rng.normal(0, 0.2, len(codes))
    found, _ = figure([sample(values, codes)], replicate([sample(values, codes)], 300, count=4000))
    # linearised: the mean of all examples is a ratio of sums over clusters
    sums, sizes = np.bincount(codes, values), np.bincount(codes)
    residuals = sums - values.mean() * sizes
    assert found.error == pytest.approx(residuals.std() / sizes.mean() / math.sqrt(300), rel=0.05)
    drawn = stats.bootstrap(
        (sums, sizes), lambda a, b: a.sum() / b.sum(), paired=True, vectorized=False, n_resamples=3000, rng=2
    )
    assert found.error == pytest.approx(drawn.standard_error, rel=0.05)


def test_repeated_texts_widen_the_interval() -> None:
    values = np.random.default_rng(0).integers(0, 2, 100).astype(float)
    alone = sample(values)
    repeated = sample(np.tile(values, 4), np.tile(np.arange(100), 4))
    drawn = replicate([repeated], 100)
    _, clustered = figure([repeated], drawn)
    _, naive = figure([alone], replicate([alone], 100))
    assert clustered.high - clustered.low == pytest.approx(naive.high - naive.low, rel=0.1)


@given(st.integers(1, 300), st.data())
def test_wilson_is_statsmodels(n: int, data) -> None:
    k = data.draw(st.integers(0, n))
    low, high = proportion_confint(k, n, method="wilson")
    assert wilson(k, n) == Interval(pytest.approx(low), pytest.approx(high))
    values = np.arange(n) < k
    found, interval = figure([sample(values, total=True)], replicate([sample(values, total=True)], n, count=4))
    assert found.value == k
    assert (interval.low, interval.high) == (pytest.approx(low * n), pytest.approx(high * n))


def test_rate_interval_with_the_binomial_error_is_wilsons() -> None:
    rate = 0.3
    found = rate_interval(Estimate(rate, math.sqrt(rate * 0.7 / 200)), 200)
    expected = wilson(60, 200)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_extreme_and_undefined_figures() -> None:
    n = 40
    never = sample(np.zeros(n))
    _, interval = figure([never, never], replicate([never, never], n))
    assert interval.low == 0
    assert 0 < interval.high < 0.2
    undefined = sample(np.full(n, math.nan))
    found, nowhere = figure([undefined], replicate([undefined], n))
    assert math.isnan(found.value)
    assert math.isnan(nowhere.low)
    single = sample([1.0])
    found, interval = figure([single], replicate([single], 1))
    assert found.value == 1
    assert math.isnan(found.error)
    assert 0 <= interval.low < interval.high <= 1
    real = sample([0.7])
    _, interval = figure([real], replicate([real], 1))
    assert math.isnan(interval.low)


def test_seeds_that_differ_widen_the_interval_and_never_narrow_it() -> None:
    rng = np.random.default_rng(3)
    replicates = rng.normal(size=(1000, 1)) + rng.normal(size=(1000, 3))
    close = estimate(np.asarray([0.0, 0.01, -0.01]), replicates, 500)
    apart = estimate(np.asarray([0.0, 9.0, -9.0]), replicates, 500)
    assert close.error == pytest.approx(math.sqrt(1 + 1 / 3), rel=0.1)
    assert close.seeds == 0
    assert apart.error > 4
    assert apart.interval().high > 9 * stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert estimate(np.asarray([1.0, 3.0]), None, 500).error == pytest.approx(1.0)
    assert math.isnan(estimate(np.asarray([1.0]), None, 500).error)


def test_p_value_agrees_with_the_interval() -> None:
    for value, seeds in itertools.product(np.linspace(0.1, 8, 40), (0.0, 0.7)):
        found = Estimate(value, 1.0, seeds, 12, 2)
        assert (found.p_value() < 0.05) == (found.interval().low > 0)
        assert found.interval(1 - found.p_value()).low == pytest.approx(0, abs=1e-6)
    assert Estimate(0.0, 0.0).p_value() == 1
    assert Estimate(1e9, 1.0, 1.0, 12, 2).p_value() <= 1e-12
    assert math.isnan(Estimate(1.0, math.nan).p_value())


@pytest.mark.parametrize("freedom", [60, 250, 5000])
def test_detectable_difference_is_what_statsmodels_finds(freedom: int) -> None:
    n = freedom + 1
    effect = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert Estimate(0.0, 1 / math.sqrt(n), examples_freedom=freedom).detectable() == pytest.approx(effect, rel=0.01)
    assert math.isnan(Estimate(0.0, math.nan).detectable())


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_mcnemar_is_statsmodels_and_a_binomial_test(pairs: list[tuple[bool, bool]]) -> None:
    a, b = (np.asarray(column) for column in zip(*pairs, strict=True))
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    found = mcnemar_exact(a, b)
    if only_a + only_b:
        table = [[int((a & b).sum()), only_a], [only_b, int((~a & ~b).sum())]]
        assert found == pytest.approx(min(1, mcnemar(table, exact=True).pvalue))
        assert found == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
    else:
        assert found == 1


def test_mcnemar_counts_a_repeated_text_once() -> None:
    a = np.asarray([1, 1, 1, 0, 1, 0, 1, 1], dtype=float)
    b = np.zeros(8)
    repeated = np.asarray([0, 0, 0, 1, 2, 3, 4, 5])
    assert mcnemar_p(sample(a, repeated), sample(b, repeated)) == pytest.approx(stats.binomtest(4, 4).pvalue)
    assert mcnemar_p(sample(a), sample(b)) == pytest.approx(stats.binomtest(6, 6).pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=15, deadline=None)
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1]
    given_ = dict(enumerate(p_values)) | {"untested": math.nan}
    found = holm(given_)
    assert [found[i] for i in range(len(p_values))] == pytest.approx(list(expected))
    assert math.isnan(found["untested"])
    assert holm({}) == {}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), min_size=1), st.data())
def test_shared_ranks(values: dict[str, int], data) -> None:
    pairs = list(itertools.combinations(values, 2))
    p_values = {pair: data.draw(st.sampled_from([0.001, 0.2, math.nan])) for pair in pairs}
    ranks = shared_ranks(values, p_values, lower=True)
    assert ranks[min(values, key=lambda arm: values[arm])] == 1
    assert all(1 <= rank <= len(values) for rank in ranks.values())
    in_order = [ranks[arm] for arm in sorted(values, key=lambda arm: values[arm])]
    assert in_order == sorted(in_order), "no arm stands before one with a better figure"
    assert set(shared_ranks(values, dict.fromkeys(pairs, 0.5), lower=True).values()) == {1}
    strict = shared_ranks(values, dict.fromkeys(pairs, 0.001), lower=False)
    assert [strict[arm] for arm in values] == list(stats.rankdata([-v for v in values.values()], method="min"))


def test_contrast_is_paired() -> None:
    rng = np.random.default_rng(0)
    difficulty = rng.normal(size=300)
    a, b = sample(difficulty + 0.1), sample(difficulty + 0.01 * rng.normal(size=300))
    drawn = replicate([a, b], 300)
    found = contrast([a.value], [b.value], drawn[:, :1], drawn[:, 1:], 300)
    paired = stats.ttest_rel(a.contributions, b.contributions)
    assert found.estimate.value == pytest.approx(a.value - b.value)
    assert found.p < 1e-9
    assert found.estimate.error == pytest.approx((a.value - b.value) / paired.statistic, rel=0.1)
    same = contrast([a.value], [a.value], drawn[:, :1], drawn[:, :1], 300)
    assert same.p == 1
