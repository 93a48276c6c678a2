"""Near-duplicates between texts made for training and texts held out.

A synthetic example that nearly repeats a test example would make the test easier without the classifier being any better.
Similarity is the Jaccard index of the sets of character 5-grams of two inputs, after composing characters (Unicode's form C),
folding case and taking every run of characters that are no letters or digits as one space. Typing errors, changed words,
punctuation and mark-up lower it only in proportion to the characters they touch, while different texts of one source stay far
below (docs/generators.md has the distributions that the default threshold was read from).

The search is exact, and fast because most pairs are never looked at: two sets with a Jaccard index of at least t share at
least t of either's members, so they must share one of its rarest members (prefix filtering: Chaudhuri, Ganti, Kaushik
2006, ICDE; Bayardo, Ma, Srikant 2007, WWW).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.components.texts import canonical
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import BoolArray, FloatArray, IntArray

DEFAULT_THRESHOLD = 0.5
"""Similarity from which an input counts as a near-duplicate."""

GRAM = 5
"""Length of the character n-grams."""

BUCKETS = 1 << 22
"""The n-grams are hashed into this many buckets; a text of 1,000 of them takes another's for its own once in 4,000."""

_GAP = re.compile(r"[\W_]+")


class Matches(NamedTuple):
    """The most similar reference input of each candidate.

    Attributes:
        row: ``(n,)`` position in the reference; -1 where none reaches the threshold. Of equals the first.
        similarity: ``(n,)`` Jaccard index with it, in ``[threshold, 1]``; 0 where there is none.
    """

    row: IntArray
    similarity: FloatArray


def leaks(
    candidates: Sequence[Texts], reference: Sequence[Texts], *, threshold: float = DEFAULT_THRESHOLD
) -> BoolArray:
    """Which candidates are near-duplicates of a reference input: ``(n,)`` bool. See :func:`closest`."""
    found: BoolArray = closest(candidates, reference, threshold=threshold).row >= 0
    return found


def closest(
    candidates: Sequence[Texts], reference: Sequence[Texts], *, threshold: float = DEFAULT_THRESHOLD
) -> Matches:
    """The most similar reference input of each candidate, where similarity reaches the threshold.

    Args:
        candidates: Texts or pairs. The texts of a pair are taken together.
        reference: Texts or pairs held out.
        threshold: Least similarity that counts, in ``(0, 1]``. 1 finds inputs with equal sets of 5-grams.

    Raises:
        ValueError: The threshold is out of range.
    """
    import numpy as np
    from scipy import sparse

    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], not {threshold}.")
    index = np.full(len(candidates), -1, dtype=np.int64)
    similarity = np.zeros(len(candidates))
    if not len(candidates) or not len(reference):
        return Matches(index, similarity)

    scratch = np.zeros(BUCKETS, dtype=np.int32)
    grams = [_grams(texts, scratch) for texts in candidates]
    wanted = np.zeros(BUCKETS, dtype=bool)
    for members in grams:
        wanted[members] = True
    reference_sizes = np.zeros(len(reference), dtype=np.int64)
    hits: list[IntArray] = []
    for row, texts in enumerate(reference):
        present = _grams(texts, scratch)
        reference_sizes[row] = len(present)
        hits.append(present[wanted[present]])
    known = sparse.csr_matrix(_ones_at(hits), shape=(len(reference), BUCKETS))
    by_gram = known.tocsc()
    frequency = np.diff(by_gram.indptr)

    member = np.zeros(BUCKETS, dtype=np.int32)
    for row, members in enumerate(grams):
        size = len(members)
        shared = int(np.ceil(threshold * size - 1e-9))
        # Among the rarest `size - shared + slack` members at least `slack` must be shared: more slack, fewer false alarms.
        slack = max(1, shared // 10)
        rarest = members[np.argsort(frequency[members], kind="stable")][: size - shared + slack]
        touched = np.concatenate([by_gram.indices[by_gram.indptr[g] : by_gram.indptr[g + 1]] for g in rarest])
        rows = np.flatnonzero(np.bincount(touched, minlength=len(reference)) >= slack)
        rows = rows[
            (reference_sizes[rows] >= threshold * size - 1e-9) & (reference_sizes[rows] * threshold <= size + 1e-9)
        ]
        if not len(rows):
            continue
        member[members] = 1
        both = known[rows] @ member
        member[members] = 0
        scores = both / (size + reference_sizes[rows] - both)
        best = int(scores.argmax())
        if scores[best] >= threshold:
            index[row], similarity[row] = rows[best], scores[best]
    return Matches(index, similarity)


def _ones_at(columns: Sequence[IntArray]) -> tuple[FloatArray, IntArray, IntArray]:
    """The parts of a CSR matrix of ones at the given columns of each row."""
    import numpy as np

    indices = np.concatenate(columns)
    pointers = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    return np.ones(len(indices), dtype=np.int32), indices, pointers


def _grams(texts: Texts, scratch: IntArray) -> IntArray:
    """Distinct buckets of the character 5-grams of a folded input; of a shorter one the bucket of the whole, padded."""
    import numpy as np

    joined = texts if isinstance(texts, str) else " ".join(texts)
    folded = _GAP.sub(" ", canonical(joined).casefold()).strip()
    codes = np.frombuffer(folded.ljust(GRAM).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    width = len(codes) - GRAM + 1
    hashed = np.zeros(width, dtype=np.uint64)
    for i in range(GRAM):
        hashed = (hashed ^ codes[i : i + width]) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    buckets = (hashed & np.uint64(BUCKETS - 1)).astype(np.int32)
    # Every position writes its number into its bucket; of equal buckets one position is read back.
    positions = np.arange(width, dtype=np.int32)
    scratch[buckets] = positions
    distinct: IntArray = buckets[scratch[buckets] == positions]
    return distinct
