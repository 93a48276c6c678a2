"""The kinds of blind spots that data set ``planted`` plants, with their options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator

from harness.components.dataset import DatasetSource
from harness.errors import ComponentError
from harness.registry import Scope

TAG = "planted:"
"""Prefix of the tag that members of a planted blind spot carry."""


def used(kind: str, reference: dict[str, Any], where: str, scope: Scope) -> Any:
    """The component that ``{use: NAME, option: value, ...}`` refers to in a scope.

    Raises:
        ValueError: ``use`` is missing, or the component refuses its options.
    """
    options = dict(reference)
    name = options.pop("use", "")
    if not name:
        raise ValueError(f"{where} needs a key 'use' that names a {kind}, as in {{use: NAME, option: value}}")
    try:
        return scope.create(kind, str(name), options)
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

    _domain: DatasetSource = PrivateAttr()

    @model_validator(mode="after")
    def _known(self, info: ValidationInfo) -> Shifted:
        self._domain = used("dataset", self.source, f"'source' of the spot {self.name!r}", Scope.of(info))
        return self

    @property
    def domain(self) -> DatasetSource:
        """The data set that ``source`` names."""
        return self._domain


AnySpot = Annotated[Withheld | Mislabelled | Spurious | Shifted, Field(discriminator="kind")]
