"""Resampling a leaderboard at once against one call of scipy.stats.bootstrap per figure, in one process.

    python benchmarks/bootstrap.py [examples] [figures]

Prints the ratio of the times, and how far the standard errors of the two lie apart.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy import stats

from harness.statistics.samples import RESAMPLES, Sample, replicate


def main(examples: int = 5000, figures: int = 40) -> None:
    rng = np.random.default_rng(0)
    data = (rng.random((figures, examples)) < rng.random((figures, 1))).astype(float)
    clusters = np.arange(examples)

    start = time.perf_counter()
    ours = replicate([Sample(row, clusters) for row in data], examples).std(axis=0, ddof=1)
    mine = time.perf_counter() - start

    start = time.perf_counter()
    theirs = [
        stats.bootstrap((row,), np.mean, n_resamples=RESAMPLES, batch=100, method="percentile", rng=1).standard_error
        for row in data
    ]
    scipys = time.perf_counter() - start

    apart = np.abs(ours / np.asarray(theirs) - 1).max()
    print(f"{figures} figures of {examples:,} examples, {RESAMPLES} resamples each:")
    print(f"  at once {mine:.1f} s, scipy one by one {scipys:.1f} s: {scipys / mine:.0f} times")
    print(f"  standard errors within {apart:.1%} (both are drawn at random)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
