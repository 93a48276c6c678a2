"""SMOTE and kernel density estimation in the encoder's space, decoded to real texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from harness.components import GenerationTask, Generator, Rejected, SyntheticExample, UnknownUnknown, Usage


class Smote(Generator):
    """Points between an unknown unknown and neighbours of its class, each decoded to the nearest real training text.

    SMOTE (Chawla, Bowyer, Hall, Kegelmeyer 2002, JAIR 16) as Chung et al. (2019), "Unknown Examples & Machine Learning Model
    Generalization", use it against unknown unknowns: a point at a random place between the perturbed text's embedding and
    one of its ``neighbours`` nearest training embeddings of the true class.

    An embedding is no text. Each point is therefore replaced by the nearest training example of the true class that is not
    the attacked one and was not yet chosen for the same unknown unknown, so **the samples are copies of real training
    texts**: what the method does for a text classifier is to repeat the region around the unknown unknowns. The samples'
    role is ``"smote"``.
    """

    api_version: ClassVar[int] = 1

    neighbours: int = Field(default=5, ge=1)
    """From how many nearest neighbours the other end is drawn (5 in the paper)."""

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Yield up to ``task.per_uu`` decoded points per unknown unknown; ``seed`` decides the points."""
        from harness_generators.decoder import Decoder, interpolated

        if uus:
            decoder = Decoder(uus, task)
            yield from decoder.write("smote", interpolated(decoder, self.neighbours, seed))


class Kde(Generator):
    """Points from a kernel density estimate of the unknown unknowns, each decoded to the nearest real training text.

    After Chung et al. (2019), "Unknown Examples & Machine Learning Model Generalization", who extend training sets by draws
    from a Gaussian kernel density estimate (Silverman 1986). Here the density is that of the unknown unknowns of one class,
    in the leading principal components of the training embeddings: a draw is the embedding of a perturbed text plus normal
    noise, per component the class's standard deviation times the bandwidth. Decoded as by ``smote``, with the same
    consequence: **the samples are copies of real training texts**. The samples' role is ``"kde"``.
    """

    api_version: ClassVar[int] = 1

    bandwidth: float | None = Field(default=None, gt=0)
    """Standard deviation of the noise, in standard deviations of the class; null takes Silverman's rule,
    ``(n(d+2)/4)^(-1/(d+4))`` with n training examples of the class and d components."""

    components: int = Field(default=16, ge=1)
    """Number of principal components."""

    def generate(
        self, uus: Sequence[UnknownUnknown], task: GenerationTask, *, seed: int
    ) -> Iterator[SyntheticExample | Rejected | Usage]:
        """Yield up to ``task.per_uu`` decoded draws per unknown unknown; ``seed`` decides the draws."""
        from harness_generators.decoder import Decoder, drawn

        if uus:
            decoder = Decoder(uus, task, components=self.components)
            yield from decoder.write("kde", drawn(decoder, self.bandwidth, seed))
