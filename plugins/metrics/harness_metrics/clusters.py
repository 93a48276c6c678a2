"""Blind spots: clusters of unknown unknowns in feature space."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class BlindSpot:
    """One cluster of unknown unknowns.

    Attributes:
        members: Indices into the test set, those nearest to the centre first.
        purity: Share of unknown unknowns among all test examples no farther from the centre than the farthest member.
    """

    members: IntArray
    purity: float


def normalised(vectors: FloatArray) -> FloatArray:
    """Rows scaled to length 1, float64; rows of zeros stay so."""
    wide = np.asarray(vectors, dtype=np.float64)
    scaled: FloatArray = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return scaled


def blind_spots(
    embeddings: FloatArray,
    uus: BoolArray,
    confidence: FloatArray,
    *,
    method: Literal["agglomerative", "hdbscan"],
    closeness: float,
    min_size: int,
    most: int,
) -> list[BlindSpot]:
    """Cluster the unknown unknowns, largest spot first.

    Args:
        embeddings: ``(n, d)`` of all test examples.
        uus: ``(n,)`` which of them are unknown unknowns.
        confidence: ``(n,)`` their confidence; decides who is left out when there are more than ``most``.
        method: ``"agglomerative"`` joins by average cosine distance while it is small (see ``closeness``); ``"hdbscan"`` finds
            dense regions (Campello et al. 2013). Both are deterministic.
        closeness: Clusters are joined while their average distance is below this quantile of the distances between all
            test examples (``"agglomerative"`` only).
        min_size: Smallest number of members.
        most: Unknown unknowns clustered at most, the most confident ones.
    """
    points = normalised(embeddings)
    rows = np.flatnonzero(uus)
    rows = np.sort(rows[np.argsort(-confidence[rows], kind="stable")[:most]])
    if len(rows) < max(2, min_size):
        return []
    labels = _agglomerate(points, rows, closeness) if method == "agglomerative" else _hdbscan(points[rows], min_size)
    found = []
    for label in range(labels.max() + 1):
        members = rows[labels == label]
        if len(members) < min_size:
            continue
        centre = normalised(points[members].mean(axis=0, keepdims=True))[0]
        near = points @ centre
        members = members[np.argsort(-near[members], kind="stable")]
        inside = near >= near[members[-1]]
        found.append(BlindSpot(members, float(uus[inside].mean())))
    return sorted(found, key=lambda spot: (-len(spot.members), int(spot.members.min())))


def _agglomerate(points: FloatArray, rows: IntArray, closeness: float) -> IntArray:
    from sklearn.cluster import AgglomerativeClustering

    # Of a large test set an evenly spaced part is enough to know how far apart two examples usually are.
    sample = points[np.unique(np.linspace(0, len(points) - 1, min(len(points), 1000)).astype(int))]
    distances = (1 - sample @ sample.T)[np.triu_indices(len(sample), k=1)]
    threshold = max(float(np.quantile(distances, closeness)), 1e-9)
    model = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=threshold
    )
    labels: IntArray = model.fit_predict(np.maximum(1 - points[rows] @ points[rows].T, 0))
    return labels


def _hdbscan(points: FloatArray, min_size: int) -> IntArray:
    from sklearn.cluster import HDBSCAN

    labels: IntArray = HDBSCAN(min_cluster_size=max(2, min_size), algorithm="brute", copy=True).fit_predict(points)
    return labels


class Vocabulary:
    """The words of texts, to tell what some of them have in common.

    Args:
        texts: All of them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def _words(self) -> list[set[str]]:
        return [set(re.findall(r"[^\W\d_]{3,}", text.lower())) for text in self._texts]

    @cached_property
    def _everywhere(self) -> Counter[str]:
        return Counter(word for found in self._words for word in found)

    def telling(self, members: IntArray, count: int = 5) -> list[str]:
        """Words that occur in more of the members than elsewhere: the highest smoothed log-odds, at least in two members."""
        inside = Counter(word for row in members for word in self._words[int(row)])
        n, m = len(self._words), len(members)

        def log_odds(word: str) -> float:
            within, without = inside[word], self._everywhere[word] - inside[word]
            return float(
                np.log((within + 0.5) / (m - within + 0.5)) - np.log((without + 0.5) / (n - m - without + 0.5))
            )

        common = sorted((word for word, times in inside.items() if times > 1), key=lambda word: (-log_odds(word), word))
        return common[:count]
