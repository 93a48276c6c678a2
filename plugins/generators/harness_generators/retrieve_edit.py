"""Retrieve-edit: real neighbours of an unknown unknown, edited the way the perturbation edited it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness.progress import progress

if TYPE_CHECKING:
    from harness_generators.retriever import Retriever


class RetrieveEdit(Generator):
    """Nearest training examples of the same class, given the perturbation's edits and filtered by the classifier; no LLM.

    The three steps of retrieve-then-edit counterfactuals, each without a language model: CORE (Dixit, Paranjape,
    Hajishirzi, Zettlemoyer 2022, Findings of EMNLP) retrieves excerpts and has a language model edit by them; RGF
    (Paranjape, Lamm, Tenney 2022, ACL) retrieves, generates and filters. Here:

    1. *retrieve* the ``neighbours`` training examples of the true class nearest to the perturbed text (cosine in the
       embedding space of the pre-trained encoder), the attacked example and its copies left out;
    2. *edit* each. ``"exploit"`` makes the perturbation's own edits: changed words that the neighbour shares are changed
       alike, and edits of one character are carried over to the words that speak most for the class (log-odds in the
       training set). ``"explore"`` makes as many edits of another kind of character edit than the perturbation used;
    3. *filter*: of each role's candidates the one to which the base classifier gives the true class the least probability.

    With more than two samples per unknown unknown the roles alternate; no neighbour is used twice for one unknown
    unknown. A role without a candidate left (all words too short, a replaced word that no neighbour has) is rejected as
    ``"no edit applies"``. What the edits keep of the label is the attack's own assumption, no more.
    """

    api_version: ClassVar[int] = 1

    neighbours: int = Field(default=8, ge=1)
    """How many neighbours are retrieved and edited per unknown unknown. Each costs two predictions of the classifier."""

    max_edited: float = Field(default=0.3, gt=0, le=1)
    """At most this share of a text's words is edited when exploring (at least one)."""

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Yield up to ``task.per_uu`` edited neighbours for each unknown unknown.

        Args:
            uus: Unknown unknowns.
            task: Needs the training set, its embeddings, the encoder and the classifier.
            seed: Decides letters and places of the character edits that explore.
        """
        from harness_generators.retriever import Retriever

        if not uus:
            return
        retriever: Retriever = Retriever(uus, task, neighbours=self.neighbours, max_edited=self.max_edited)
        with progress("unknown unknowns", total=len(uus)) as bar:
            for position in range(len(uus)):
                yield from retriever.write(position, seed)
                bar.advance()
