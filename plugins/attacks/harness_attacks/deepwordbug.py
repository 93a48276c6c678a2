"""DeepWordBug (Gao, Lanchantin, Soffa and Qi, 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from harness_attacks.base import QueryAttack

if TYPE_CHECKING:
    from harness_attacks.trial import Steps, Trial


class DeepWordBug(QueryAttack):
    """Typing errors in the most important words (Gao et al. 2018), with the results of TextAttack's recipe.

    Words are ranked by how much the prediction suffers when they are unknown; then, one word after the other, the best of
    up to four random character edits is kept, until the prediction is wrong. Under the same seed the perturbed text, the
    status and the number of queries are those of ``DeepWordBugGao2018`` in TextAttack 0.3.11.

    Source: "Black-box Generation of Adversarial Text Sequences to Evade Deep Learning Classifiers", arXiv:1801.04354.
    """

    api_version: ClassVar[int] = 1

    edits: tuple[Literal["swap", "substitute", "delete", "insert"], ...] = Field(
        default=("swap", "substitute", "delete", "insert"), min_length=1
    )
    """Which character edits to try: swap two neighbours, substitute, delete, insert a random letter. The paper's own
    experiments use ``[substitute]``."""

    ranking: Literal["unk", "delete", "combined"] = "unk"
    """How words are ranked: by replacing each with ``[UNK]`` (TextAttack's choice), by deleting it, or by the paper's
    combined score: temporal head score + ``tail_weight`` x temporal tail score."""

    tail_weight: float = Field(default=1.0, ge=0)
    """The factor λ of the temporal tail score in the combined score."""

    max_edit_distance: int = Field(default=30, ge=0)
    """Largest Levenshtein distance to the original (the paper's ε)."""

    stopwords: Literal["english", "none"] | tuple[str, ...] = "english"
    """Words never to be modified: NLTK's English list, none, or a list of your own (compared as written)."""

    columns: Literal["both", "first", "second"] = "both"
    """Which text of a pair may be modified."""

    def search(self, trial: Trial) -> Steps:
        """See the class."""
        from harness_attacks import greedy
        from harness_attacks.edits import CharacterEdits
        from harness_attacks.stopwords import ENGLISH

        named = {"english": ENGLISH, "none": frozenset[str]()}
        stopwords = named[self.stopwords] if isinstance(self.stopwords, str) else frozenset(self.stopwords)
        return greedy.search(
            trial,
            CharacterEdits(trial, self.edits, self.max_edit_distance),
            stopwords=stopwords,
            columns=self.columns,
            ranking=self.ranking,
            tail_weight=self.tail_weight,
        )
