"""Metric ``attack``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.components import Metric, Outcome, Score, Scores

if TYPE_CHECKING:
    from harness.types import Texts


class AttackStrength(Metric):
    """How well the attack on the test set did, and how much it had to change.

    * ``attack_success_rate``: successful attacks per example attacked, that is per example predicted right before
      (0 to 1; lower means a more robust classifier; not defined when none was attacked; Morris et al. 2020, TextAttack);
    * ``attack_queries``: mean number of queries per example attacked, from 0 up (Morris et al. 2020);
    * ``attack_edit_distance``: mean number of characters inserted, deleted or replaced by a successful attack
      (Levenshtein 1966), from 0 up; of a pair, in both texts;
    * ``attack_perturbed_words``: mean share of words changed by a successful attack: word-level Levenshtein distance per word
      of the original, at most 1 (Morris et al. 2020).

    The last three have no better direction: they say what the attack took.

    Gives no figure when the suite has no attack.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"texts"})

    def score(self, outcome: Outcome) -> Scores:
        """Score the attack."""
        import numpy as np

        if outcome.attacked is None:
            return Scores({})
        attacked = np.asarray([status != "skipped" for status in outcome.attacked.status], dtype=bool)
        succeeded = outcome.attacked.succeeded
        edits = np.full(len(attacked), np.nan)
        words = np.full(len(attacked), np.nan)
        for i in np.flatnonzero(succeeded):
            edits[i], words[i] = changed(outcome.test[int(i)].texts, outcome.attacked.perturbed[int(i)])
        each = {
            "attack_success_rate": (np.where(attacked, succeeded.astype(float), np.nan), "lower", 1.0),
            "attack_queries": (np.where(attacked, outcome.attacked.queries, np.nan).astype(float), None, None),
            "attack_edit_distance": (edits, None, None),
            "attack_perturbed_words": (words, None, 1.0),
        }
        meanings = {
            "attack_success_rate": "Successful attacks per example attacked.",
            "attack_queries": "Mean queries per example attacked.",
            "attack_edit_distance": "Mean character edits of a successful attack.",
            "attack_perturbed_words": "Mean share of the words that a successful attack changed.",
        }
        return Scores(
            {
                name: Score(
                    float(np.nanmean(part)) if (~np.isnan(part)).any() else float("nan"),
                    better="lower" if better == "lower" else None,
                    low=0,
                    high=high,
                    per_example=part,
                    meaning=meanings[name],
                )
                for name, (part, better, high) in each.items()
            }
        )


def changed(original: Texts, perturbed: Texts) -> tuple[int, float]:
    """Character edits between two texts (or pairs, summed), and the share of the original's words that changed."""
    from rapidfuzz.distance import Levenshtein

    before = (original,) if isinstance(original, str) else original
    after = (perturbed,) if isinstance(perturbed, str) else perturbed
    edits = sum(Levenshtein.distance(a, b) for a, b in zip(before, after, strict=True))
    changed_words = sum(Levenshtein.distance(a.split(), b.split()) for a, b in zip(before, after, strict=True))
    return edits, min(1.0, changed_words / max(1, sum(len(text.split()) for text in before)))
