"""Augmentation of the originals by TextAttack's augmenters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, UnknownUnknown, Usage


class Augment(Generator):
    """Random label-keeping edits of the attacked examples by one of TextAttack's augmenters; aims at no blind spot.

    TextAttack's data augmentation (Morris et al. 2020, EMNLP demos), of which ``easy-data`` is EDA (Wei, Zou 2019, EMNLP).
    The text that is augmented is the *original* example of each unknown unknown (of a pair the columns that the attack
    perturbed), so that all the method knows of the blind spot is which examples lie near it. The samples' role is
    ``"augment"``. Fewer different texts than asked for are rejected as ``"no augmentation"``.

    Needs the extra ``augment``, and the data or models that an augmenter loads: NLTK's stop words for all of them, WordNet
    for ``wordnet`` and ``easy-data``, word vectors for ``embedding``, a name tagger for ``checklist``, a masked language
    model for ``clare``.
    """

    api_version: ClassVar[int] = 1

    method: Literal["character-swap", "swap", "delete", "easy-data", "wordnet", "embedding", "checklist", "clare"] = (
        "character-swap"
    )
    """The augmenter: typing errors, words swapped, words left out, EDA (synonyms, insertions, swaps, deletions), synonyms by
    WordNet, neighbours in counter-fitted vectors, contractions and names after CheckList, or a masked language model."""

    share: float = Field(default=0.1, gt=0, le=1)
    """Share of a text's words that is changed (at least one)."""

    def preflight(self) -> None:
        """Import TextAttack, build the augmenter and try it on one sentence.

        Raises:
            InputError: It, or data that it loads, is missing.
        """
        from harness_generators.augmenters import check

        check(self.method, self.share)

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Yield up to ``task.per_uu`` augmented originals per unknown unknown; ``seed`` decides the edits.

        Raises:
            InputError: See :meth:`preflight`.
        """
        from harness_generators.augmenters import write

        yield from write(uus, task, method=self.method, share=self.share, seed=seed)
