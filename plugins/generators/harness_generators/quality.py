"""Metric ``synthetic``: what the synthetic examples are like."""

from __future__ import annotations

from typing import ClassVar

from harness.components import Metric, Outcome, Scores


class SyntheticQuality(Metric):
    """Quality of the synthetic examples: label consistency, distances, variety, how many are unknown unknowns, their values.

    All figures are about the examples that were trained on; none is an aim in itself (a sample that the base classifier
    gets wrong is either mislabelled or a blind spot found). Not defined (nan) for arms without synthetic examples.

    - ``synthetic_count``; ``synthetic_rejected`` (samples thrown away) and ``synthetic_repaired`` (kept after a repair).
    - ``synthetic_consistency/base``: share whose label the *base* classifier predicts. ``.../probe``: the same for a
      logistic regression fitted to the embeddings of the original training set, a judge that shares neither the
      classifier's fine-tuning nor the weakness that the attack exploited.
    - ``synthetic_uu@τ/ROLE``: share of the role's samples that are themselves unknown unknowns of the base classifier,
      wrong with a confidence of at least τ.
    - ``synthetic_distance/uu``: mean cosine distance in the encoder's space to the unknown unknown's original example;
      ``.../train``: to the nearest training example. ``synthetic_edits/uu``: mean normalised Levenshtein distance to the
      perturbed text. ``synthetic_copies``: share whose text is a training text, apart from case and white space.
    - ``synthetic_distinct@1``, ``@2``: distinct words, or word pairs, over all of them (Li et al. 2016, NAACL).
    - ``synthetic_value_rank``: probability that a synthetic example's data value exceeds an original one's (ties half; the
      Mann-Whitney statistic), where the values of both are known.

    Tables: ``synthetic_rejected`` (role, reason, count), ``synthetic_values`` (group, quantile, value: for box plots).
    """

    api_version: ClassVar[int] = 1
    resample: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"synthetic", "train", "train_embeddings", "values"})

    def score(self, outcome: Outcome) -> Scores:
        """Score the synthetic examples of one arm."""
        from harness_generators.quality_scores import score

        return score(outcome)
