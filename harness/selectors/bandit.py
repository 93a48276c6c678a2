"""Selector ``bandit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness.components.selector import AdaptiveSelector, Search, SelectionProblem

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray


class Bandit(AdaptiveSelector):
    """Bandit over regions of feature space, drawn to where unknown unknowns were found (Lakkaraju et al. 2017).

    The examples are partitioned; every region is an arm of a bandit, and pulling it attacks an example of the region, drawn
    at random. The reward is the utility ``1[unknown unknown] - gamma * cost`` (thesis eq. 2.1). The arm pulled has the
    highest sum of mean utility and exploration bonus, both discounted because a region is used up as it is pulled: the
    j-th of m pulls in a region of s examples weighs ``(s - m) / (s - j)``.

    Regions are k-means clusters of the embeddings within each predicted class, where the paper mines patterns of named
    features: sentence embeddings have none.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs"})

    regions: int = Field(default=8, ge=1)
    """Regions per predicted class, at most."""
    gamma: float = Field(default=0.2, ge=0)
    """Weight of the cost."""
    cost: Literal["length", "unit"] = "unit"
    """Cost of an example: 1, or its number of words relative to the mean, so that short texts are preferred."""
    batch: int = Field(default=8, ge=1)
    """Examples attacked at a time. Within a batch, a pull counts as having paid what its arm pays on average."""

    def search(self, problem: SelectionProblem, *, seed: int) -> Search:
        """Start with every region untried."""
        import numpy as np

        from harness.selectors.checks import directions, predictions

        regions = _partition(directions(problem), predictions(problem).argmax(axis=1), self.regions, seed)
        words = np.asarray([len(e.text.split()) + len((e.text_pair or "").split()) for e in problem.train], dtype=float)
        cost = words / max(1.0, float(words.mean())) if self.cost == "length" else np.ones(len(words))
        return _Pulls(regions, self.gamma * cost, self.batch, seed)


class _Pulls:
    """The state of one search: per region, who is left and what was paid."""

    def __init__(self, regions: IntArray, costs: FloatArray, batch: int, seed: int) -> None:
        import numpy as np

        rng = np.random.default_rng(seed)
        self._region, self._costs, self._batch = regions, costs, batch
        members = [rng.permutation(np.flatnonzero(regions == region)) for region in np.unique(regions)]
        self._left = [list(part) for part in members]
        self._size = [len(part) for part in members]
        self._paid: list[list[float]] = [[] for _ in members]

    def ask(self) -> IntArray:
        import numpy as np

        before = [len(paid) for paid in self._paid]
        asked: list[int] = []
        while len(asked) < self._batch and (arm := self._best()) is not None:
            asked.append(int(self._left[arm].pop()))
            paid = self._paid[arm]
            # What a pull pays is known only afterwards; until then it stands for the arm's mean.
            paid.append(float(np.mean(paid)) if paid else 0.0)
        for paid, count in zip(self._paid, before, strict=True):
            del paid[count:]
        return np.asarray(asked, dtype=np.int64)

    def tell(self, indices: IntArray, found: BoolArray) -> None:
        for index, hit in zip(indices, found, strict=True):
            self._paid[int(self._region[int(index)])].append(float(hit) - float(self._costs[int(index)]))

    def _best(self) -> int | None:
        import numpy as np

        open_arms = [arm for arm, left in enumerate(self._left) if left]
        if not open_arms:
            return None
        untried = [arm for arm in open_arms if not self._paid[arm]]
        if untried:
            return untried[0]
        weights = [self._weights(arm) for arm in open_arms]
        pulls = np.asarray([weight.sum() for weight in weights])
        means = np.asarray(
            [w @ np.asarray(self._paid[arm]) / w.sum() for arm, w in zip(open_arms, weights, strict=True)]
        )
        bonus = np.sqrt(2 * np.log(max(1.0, float(pulls.sum()))) / pulls)
        return open_arms[int((means + bonus).argmax())]

    def _weights(self, arm: int) -> FloatArray:
        import numpy as np

        pulls, size = len(self._paid[arm]), self._size[arm]
        return (size - pulls) / (size - np.arange(1, pulls + 1))


def _partition(points: FloatArray, predicted: IntArray, regions: int, seed: int) -> IntArray:
    """Regions numbered from 0: k-means within each predicted class, one region for every ten examples at most."""
    import numpy as np
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    labels = np.zeros(len(points), dtype=np.int64)
    # With several threads k-means sums in an order that varies.
    with threadpool_limits(limits=1):
        for offset, label in enumerate(np.unique(predicted)):
            members = np.flatnonzero(predicted == label)
            k = max(1, min(regions, len(members) // 10))
            if k > 1:
                found = KMeans(n_clusters=k, n_init=1, random_state=seed).fit_predict(points[members])
            else:
                found = np.zeros(len(members), dtype=np.int64)
            labels[members] = offset * regions + found
    return np.unique(labels, return_inverse=True)[1]
