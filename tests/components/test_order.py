"""Which examples an epoch, and each of its batches, holds when they are ordered by value."""

from __future__ import annotations

import numpy as np
import pytest

from harness.components.order import EpochOrder


def epochs(first, *, n, blocks, batch):
    """Two epochs as lists of batches of values, which are ``0..n-1`` at shuffled places."""
    values = np.random.default_rng(5).permutation(n).astype(float)
    order = EpochOrder.by_value(values, first, blocks)
    generator = np.random.default_rng(0)
    drawn = [order.draw(generator) for _ in range(2)]
    for epoch in drawn:
        assert sorted(epoch.tolist()) == list(range(n))
    assert drawn[0].tolist() != drawn[1].tolist()
    return [[sorted(values[epoch[i : i + batch]].tolist()) for i in range(0, n, batch)] for epoch in drawn]


@pytest.mark.parametrize("first", ["high", "low"])
def test_batches_follow_the_order_of_value(first):
    for batches in epochs(first, n=40, blocks=5, batch=8):
        expected = [list(range(i, i + 8)) for i in range(0, 40, 8)]
        assert batches == (expected if first == "low" else expected[::-1])


def test_blocks_differ_by_one_at_most_and_batches_may_cross_them():
    order = EpochOrder.by_value(np.arange(11), "low", 4)
    assert np.bincount(order.blocks).tolist() == [3, 3, 3, 2]
    assert (np.diff(order.blocks) >= 0).all()
    for batches in epochs("low", n=11, blocks=4, batch=4):
        assert set(batches[0]) > {0, 1, 2}
        assert set(batches[2]) >= {9, 10}


def test_mixed_batches_have_the_same_share_of_all_blocks():
    for batches in epochs("mixed", n=40, blocks=4, batch=8):
        for batch in batches:
            assert np.bincount(np.array(batch, dtype=int) // 10, minlength=4).tolist() == [2, 2, 2, 2]
    for batches in epochs("mixed", n=43, blocks=4, batch=12):  # blocks that are not of one size
        for batch in batches[:-1]:
            assert set(np.bincount(np.searchsorted([10.5, 21.5, 32.5], batch), minlength=4)) <= {2, 3, 4}


def test_equal_values_keep_their_places_and_more_blocks_than_examples_are_as_many():
    assert EpochOrder.by_value(np.zeros(6), "high", 3).blocks.tolist() == [0, 0, 1, 1, 2, 2]
    strict = EpochOrder.by_value(np.array([3.0, 1.0, 2.0]), "high", 100)
    assert strict.draw(np.random.default_rng(0)).tolist() == [0, 2, 1]
    with pytest.raises(ValueError, match="expected one of high, low, mixed"):
        EpochOrder.by_value(np.zeros(6), "highest", 3)
