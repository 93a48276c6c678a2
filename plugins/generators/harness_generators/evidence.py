"""Which words speak for which class, counted in the training set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.components import Example
from harness_generators.texts import as_tuple, is_word, tokens


class Evidence:
    """Log-odds of words between one class and all others, as z-scores.

    Monroe, Colaresi, Quinn (2008), "Fightin' Words", Political Analysis 16(4), equations 16 and 22: log-odds ratio with an
    informative Dirichlet prior (here the counts of the whole training set, scaled to ``prior`` words), divided by its
    standard deviation. A word counts once per example.

    Args:
        train: Labelled examples.
        num_labels: Number of classes.
        prior: Weight of the prior, in words.
    """

    def __init__(self, train: Sequence[Example], num_labels: int, *, prior: float = 500.0) -> None:
        self._counts = [Counter[str]() for _ in range(num_labels)]
        for example in train:
            words = {t.casefold() for column in as_tuple(example.texts) for t in tokens(column) if is_word(t)}
            self._counts[example.label].update(words)
        self._all: Counter[str] = sum(self._counts, Counter())
        self._totals = [sum(counts.values()) for counts in self._counts]
        self._prior = prior

    def score(self, word: str, label: int) -> float:
        """How strongly a lower-case word speaks for a class: a z-score, negative when it speaks against it."""
        total = sum(self._totals)
        if not total or not self._all[word]:
            return 0.0
        alpha = self._prior * self._all[word] / total
        inside = self._counts[label][word]
        outside = self._all[word] - inside
        n_inside, n_outside = self._totals[label], total - self._totals[label]
        ratio = math.log((inside + alpha) / (n_inside + self._prior - inside - alpha)) - math.log(
            (outside + alpha) / (n_outside + self._prior - outside - alpha)
        )
        return ratio / math.sqrt(1 / (inside + alpha) + 1 / (outside + alpha))
