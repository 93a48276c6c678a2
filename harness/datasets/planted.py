"""Data set ``planted``: blind spots by construction, with the truth kept."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from harness.components.base import Component
from harness.components.dataset import DatasetSource
from harness.components.example import Dataset
from harness.datasets.planted_kinds import AnySpot, Shifted, used
from harness.registry import Scope


class Planted(DatasetSource):
    """Any data set with blind spots planted in it, so that their discovery and repair can be scored against the truth.

    Blind spots come about when training data lack something or teach something wrong that deployment then brings up. Each
    spot does one such thing to the data set that is wrapped: ``withheld`` leaves a subpopulation out of the training set,
    ``mislabelled`` teaches it wrong labels, ``spurious`` ties a token to a class in training only, ``shifted`` adds another
    domain to the test set. Labels outside the training set stay true. Every example that belongs to a spot carries the tag
    ``planted:NAME``; metric ``blind-spots`` scores against these tags.
    """

    api_version: ClassVar[int] = 1

    source: dict[str, Any]
    """The data set to plant in: ``{use: NAME, option: value, ...}``."""
    spots: tuple[AnySpot, ...] = Field(min_length=1)
    """The blind spots, planted in this order."""
    encoder: dict[str, Any] | None = None
    """Model whose embeddings are clustered: ``{use: NAME, option: value, ...}``. By default TF-IDF vectors, reduced to 50
    dimensions, which need no model."""

    _wrapped: DatasetSource = PrivateAttr()
    _embedder: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Planted:
        names = [spot.name for spot in self.spots]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two spots are called {repeated[0]!r}")
        scope = Scope.of(info)
        self._wrapped = used("dataset", self.source, "'source'", scope)
        if self.encoder is not None:
            self._embedder = used("model", self.encoder, "'encoder'", scope)
        return self

    def wrapped(self) -> DatasetSource:
        """The data set to plant in."""
        return self._wrapped

    def embedder(self) -> Any:
        """The model to cluster with, or ``None``."""
        return self._embedder

    def parts(self) -> dict[str, Component]:
        """The data set to plant in, the model to cluster with, and the data sets that other domains come from."""
        found: dict[str, Component] = {"source": self.wrapped()}
        if self.encoder is not None:
            found["encoder"] = self.embedder()
        for spot in self.spots:
            if isinstance(spot, Shifted):
                found[f"spots.{spot.name}"] = spot.domain
        return found

    def preflight(self) -> None:
        """Check the components that this one uses."""
        for part in self.parts().values():
            part.preflight()

    def identity(self) -> dict[str, Any]:
        """The spots, and the identity of every component used, in place of the options that name it."""
        return {
            "spots": [spot.model_dump(mode="json", exclude={"source"}) for spot in self.spots],
            "parts": {name: part.identity() for name, part in self.parts().items()},
        }

    def load(self, *, seed: int) -> Dataset:
        """Load the wrapped data set and plant the spots; see :meth:`harness.components.DatasetSource.load`.

        Raises:
            harness.errors.DataError: A spot without members in the test set, or with nothing to change in the training set;
                a label that the data set does not have; a shifted domain with other classes.
        """
        from harness.datasets.planting import plant

        return plant(self.wrapped().load(seed=seed), self.spots, embedder=self.embedder(), seed=seed)
