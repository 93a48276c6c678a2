"""Resamples of test examples: the common ground of every interval and every paired comparison.

Examples that share a text are one cluster and are drawn together, because they are not independent observations. All draws
depend on the seed and on the set of cluster names only, so two arms (and two seeds) that were tested on the same examples
see the same resamples, and their replicates are paired.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.components.texts import canonical
from harness.errors import InputError
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray

_TOGETHER = 4096
"""Clusters that are drawn with one call: few calls for small groups, arrays that stay in the cache for large test sets."""


def cluster_id(texts: Texts) -> str:
    """Name of the cluster of an example: a digest of its text or pair, the same for every repetition of it.

    Canonically equivalent texts are repetitions: ``"é"`` as one character or as two makes no difference.

    >>> cluster_id("good film") == cluster_id("good film")
    True
    >>> cluster_id(("a", "b")) == cluster_id(("b", "a"))
    False
    """
    same = canonical(texts)
    payload = json.dumps(same if isinstance(same, str) else list(same), ensure_ascii=True)
    return hashlib.sha256(payload.encode()).hexdigest()[:16]


def resample_rows(ids: Sequence[str], *, count: int, seed: int) -> Iterator[IntArray]:
    """Bootstrap resamples of test examples, whole clusters at a time.

    Args:
        ids: Cluster of every test example: its id, or :func:`cluster_id` of its text so that repeated texts stay together.
        count: Number of resamples.
        seed: Decides the draws. Use one that does not depend on the run's seed, so that runs on the same test set are paired.

    Yields:
        Row numbers into ``ids``, ascending, with repetitions. As many clusters are drawn as there are, so a resample has
        exactly ``len(ids)`` rows where every example is its own cluster, and about as many otherwise.

    Raises:
        InputError: ``ids`` is empty.
    """
    import numpy as np

    if not len(ids):
        raise InputError("There is nothing to resample: no test example.")
    names, cluster = np.unique(np.asarray(ids, dtype=str), return_inverse=True)
    rows = np.arange(len(cluster))
    for weights in resample_weights(len(names), count=count, seed=seed, batch=1):
        yield np.repeat(rows, weights[0].astype(np.int64)[cluster])


def resample_weights(clusters: int, *, count: int, seed: int, batch: int = 64) -> Iterator[FloatArray]:
    """How often each cluster occurs in each resample.

    Args:
        clusters: Number of clusters, at least 1.
        count: Number of resamples.
        seed: Decides the draws; ``batch`` does not change them.
        batch: Number of resamples per array.

    Yields:
        ``(at most batch, clusters)`` float64, whole numbers; every row sums to ``clusters``.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    together = max(1, _TOGETHER // clusters)
    for start in range(0, count, batch):
        size = min(batch, count - start)
        weights = np.empty((size, clusters))
        for row in range(0, size, together):
            part = weights[row : row + together]
            drawn = rng.integers(0, clusters, part.shape) + clusters * np.arange(len(part))[:, np.newaxis]
            part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
        yield weights
