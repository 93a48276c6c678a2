"""Implementation of the generators in :mod:`harness_generators.feature_space`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.components import Example, GenerationTask, Rejected, SyntheticExample, UnknownUnknown
from harness.seeds import derive_seed
from harness_generators.texts import fold

if TYPE_CHECKING:
    from harness.types import FloatArray, IntArray

Draw = Callable[[int], "FloatArray"]
"""A new point for the unknown unknown at a position; every call draws another."""


class Decoder:
    """The training set as points, and the way back from points to texts.

    Attributes:
        points: ``(n_train, d)`` float64 embeddings, or their leading principal components.
        queries: ``(n_uus, d)`` the same of the perturbed texts.
        rows: For each class the training rows with that label.
    """

    def __init__(self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, components: int | None = None) -> None:
        self.uus, self.task = uus, task
        self.points = np.asarray(task.train_embeddings, dtype=np.float64)
        self.queries = np.asarray(task.embed([uu.perturbed for uu in uus]), dtype=np.float64)
        if components is not None:
            centre = self.points.mean(axis=0)
            _, vectors = np.linalg.eigh(np.cov(self.points.T))
            axes = vectors[:, ::-1][:, :components]
            self.points, self.queries = (self.points - centre) @ axes, (self.queries - centre) @ axes
        labels = np.asarray([example.label for example in task.train])
        self.rows: dict[int, IntArray] = {int(k): np.flatnonzero(labels == k) for k in np.unique(labels)}

    def near(self, point: FloatArray, position: int) -> IntArray:
        """Training rows of the unknown unknown's class by distance from a point, the attacked example left out."""
        uu = self.uus[position]
        rows = self.rows[uu.example.label]
        rows = rows[rows != uu.index]
        distances = ((self.points[rows] - point) ** 2).sum(axis=1)
        ordered: IntArray = rows[np.argsort(distances, kind="stable")]
        return ordered

    def write(self, role: str, draw: Draw) -> Iterator[SyntheticExample | Rejected]:
        """Decode ``per_uu`` draws for each unknown unknown."""
        for position, uu in enumerate(self.uus):
            used = {fold(uu.example.texts)}
            for _ in range(self.task.per_uu):
                found = self._decode(draw(position), position, used)
                if found is None:
                    yield Rejected(position, role, "no training text left")
                    continue
                used.add(fold(found.texts))
                yield SyntheticExample(replace(found, id=""), position, role)

    def _decode(self, point: FloatArray, position: int, used: set[str]) -> Example | None:
        examples = (self.task.train[int(row)] for row in self.near(point, position))
        return next((example for example in examples if fold(example.texts) not in used), None)


def interpolated(decoder: Decoder, neighbours: int, seed: int) -> Draw:
    """Points at a random place between an unknown unknown and one of its nearest neighbours."""
    streams = _streams(seed, "smote")

    def draw(position: int) -> FloatArray:
        rng, start = streams(position), decoder.queries[position]
        rows = decoder.near(start, position)[:neighbours]
        end = decoder.points[rows[int(rng.integers(len(rows)))]] if len(rows) else start
        point: FloatArray = start + rng.uniform() * (end - start)
        return point

    return draw


def drawn(decoder: Decoder, bandwidth: float | None, seed: int) -> Draw:
    """Draws from a Gaussian kernel density estimate of the unknown unknowns of one class."""
    streams = _streams(seed, "kde")
    by_class: dict[int, list[int]] = {}
    for position, uu in enumerate(decoder.uus):
        by_class.setdefault(uu.example.label, []).append(position)
    d = decoder.points.shape[1]

    def draw(position: int) -> FloatArray:
        rng, label = streams(position), decoder.uus[position].example.label
        members = decoder.points[decoder.rows[label]]
        width = bandwidth or (len(members) * (d + 2) / 4) ** (-1 / (d + 4))
        centre = decoder.queries[by_class[label][int(rng.integers(len(by_class[label])))]]
        point: FloatArray = centre + width * members.std(axis=0) * rng.standard_normal(d)
        return point

    return draw


def _streams(seed: int, name: str) -> Callable[[int], np.random.Generator]:
    """One stream of random numbers per unknown unknown, so that none depends on the others."""
    streams: dict[int, np.random.Generator] = {}
    return lambda position: streams.setdefault(position, np.random.default_rng(derive_seed(seed, name, position)))
