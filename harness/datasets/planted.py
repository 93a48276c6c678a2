"""Data set ``planted``: blind spots by construction, with the truth kept."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.components.base import Component
from harness.components.dataset import DatasetSource
from harness.components.example import Dataset
from harness.errors import ComponentError

TAG = "planted:"
"""Prefix of the tag that members of a planted blind spot carry."""


def used(kind: str, reference: dict[str, Any], where: str) -> Any:
    """The component that ``{use: NAME, option: value, ...}`` refers to.

    Raises:
        ValueError: ``use`` is missing, or the component refuses its options.
    """
    from harness.registry import component

    options = dict(reference)
    name = options.pop("use", "")
    if not name:
        raise ValueError(f"{where} needs a key 'use' that names a {kind}, as in {{use: NAME, option: value}}")
    try:
        return component(kind, str(name), **options)
    except ComponentError as error:
        raise ValueError(f"{where}: {error.message}") from error


class Spot(BaseModel):
    """What all planted blind spots have."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[\w.-]+$")
    """Name of the blind spot; its members carry the tag ``planted:NAME``."""

    @property
    def tag(self) -> str:
        """The tag of its members."""
        return TAG + self.name


class Subpopulation(Spot):
    """A subpopulation, by words that occur in the text or by a cluster of similar texts."""

    words: tuple[str, ...] = ()
    """Members contain at least one of these words or phrases (whole words, any case)."""
    clusters: int | None = Field(default=None, ge=2)
    """Instead of words: cut the data into this many clusters, and take the one that ``rank`` says."""
    rank: int = Field(default=0, ge=0)
    """Which cluster, by its size in the training set: 0 is the largest."""
    label: int | None = Field(default=None, ge=0)
    """Only members of this class; by default of any."""

    @model_validator(mode="after")
    def _one_way(self) -> Subpopulation:
        if bool(self.words) == (self.clusters is not None):
            raise ValueError(f"the spot {self.name!r} needs either 'words' or 'clusters'")
        if self.clusters is not None and self.rank >= self.clusters:
            raise ValueError(f"'rank' of the spot {self.name!r} must be below its {self.clusters} clusters")
        if any(not word.strip() for word in self.words):
            raise ValueError(f"'words' of the spot {self.name!r} holds an empty word")
        return self


class Withheld(Subpopulation):
    """A subpopulation left out of the training set: a blind spot by absence."""

    kind: Literal["withheld"]
    """What is done to the subpopulation."""
    keep: float = Field(default=0.0, ge=0, lt=1)
    """Share of its training examples that stay."""


class Mislabelled(Subpopulation):
    """A subpopulation with wrong labels in the training set (and right ones elsewhere): a blind spot by error."""

    kind: Literal["mislabelled"]
    """What is done to the subpopulation."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of its training examples whose label is moved to the next class."""


class Spurious(Spot):
    """A token tied to a class in training and untied in deployment; members have the token and another class."""

    kind: Literal["spurious"]
    """What is done to the data."""
    token: str = Field(min_length=1)
    """Text that is inserted."""
    label: int = Field(ge=0)
    """The class that the token is tied to in training."""
    train_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the training examples of that class that get the token."""
    leak_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the training examples of other classes that get it too."""
    test_share: float = Field(default=0.5, gt=0, le=1)
    """Share of the validation and test examples, of any class, that get it."""
    where: Literal["start", "random"] = "start"
    """Place of the token: before the text, or between two words drawn at random."""


class Shifted(Spot):
    """Validation and test examples of another domain, which the training set does not have."""

    kind: Literal["shifted"]
    """What is done to the data."""
    source: dict[str, Any]
    """A data set, ``{use: NAME, option: value, ...}``; its test split is drawn from. It must have the same classes."""
    test: int = Field(default=200, ge=1)
    """Examples added to the test set."""
    validation: int = Field(default=0, ge=0)
    """Examples added to the validation set (others than those tested)."""

    @model_validator(mode="after")
    def _known(self) -> Shifted:
        used("dataset", self.source, f"'source' of the spot {self.name!r}")
        return self


AnySpot = Annotated[Withheld | Mislabelled | Spurious | Shifted, Field(discriminator="kind")]


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

    @model_validator(mode="after")
    def _consistent(self) -> Planted:
        names = [spot.name for spot in self.spots]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two spots are called {repeated[0]!r}")
        self.wrapped()
        if self.encoder is not None:
            self.embedder()
        return self

    def wrapped(self) -> DatasetSource:
        """The data set to plant in."""
        found: DatasetSource = used("dataset", self.source, "'source'")
        return found

    def embedder(self) -> Any:
        """The model to cluster with, or ``None``."""
        return None if self.encoder is None else used("model", self.encoder, "'encoder'")

    def parts(self) -> dict[str, Component]:
        """Every component that this one uses, by the option that names it."""
        found: dict[str, Component] = {"source": self.wrapped()}
        if self.encoder is not None:
            found["encoder"] = self.embedder()
        for spot in self.spots:
            if isinstance(spot, Shifted):
                found[f"spots.{spot.name}"] = used("dataset", spot.source, "'source'")
        return found

    def preflight(self) -> None:
        """Check the components that this one uses."""
        for part in self.parts().values():
            part.preflight()

    def identity(self) -> dict[str, Any]:
        """The spots, and the identity and code of every component used, in place of the options that name it."""
        from harness.registry import code_digest

        return {
            "spots": [spot.model_dump(mode="json", exclude={"source"}) for spot in self.spots],
            "parts": {name: [part.identity(), code_digest(type(part))] for name, part in self.parts().items()},
        }

    def load(self, *, seed: int) -> Dataset:
        """Load the wrapped data set and plant the spots; see :meth:`harness.components.DatasetSource.load`.

        Raises:
            harness.errors.DataError: A spot without members in the test set, or with nothing to change in the training set;
                a label that the data set does not have; a shifted domain with other classes.
        """
        from harness.datasets.planting import plant

        return plant(self, self.wrapped().load(seed=seed), seed=seed)
