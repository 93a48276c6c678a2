"""What a stage is: a pure function of its options, its inputs' contents and a seed."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from harness.components.code import code_digest, code_of
from harness.components.texts import abridged
from harness.registry import Entry, blaming
from harness.stages.contents.base import Content

if TYPE_CHECKING:
    from harness.components.base import Component
    from harness.store.store import Artifact

Used = TypeVar("Used", bound="Component")
Given = TypeVar("Given", bound=Content)
Given_co = TypeVar("Given_co", bound=Content, covariant=True)


@dataclass(frozen=True)
class Configured(Generic[Used]):
    """A component with its options and where it comes from."""

    component: Used
    entry: Entry

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What of it determines results: the qualified name, version and code of its distribution, and its options.

        Raises:
            InputError: A file that it depends on cannot be read, or the component does not know what it is.
        """
        with blaming(self.entry):
            options: Any = self.component.identity()
            if not isinstance(options, dict):
                raise TypeError(f"its identity is {abridged(options)}; expected a dictionary of JSON values")
            json.dumps(options, allow_nan=False)
            code = code_of(self.component)
        return {"component": self.entry.key, "version": self.entry.version, "code": code, "options": options}


class Address(NamedTuple):
    """Where a store keeps a stage's artifact."""

    kind: str
    id: str


@dataclass(frozen=True)
class Context:
    """What a running stage may use besides its inputs; none of it changes the result.

    Attributes:
        responses: Folder for paid responses, which outlives artifacts.
        facts: What the stage says of its computation that is no part of the result (what a language model was paid, how long
            a valuation took), as JSON; kept in the artifact's manifest.
        unfinished: Folder for what is kept of a long computation, which goes on from it after its process was killed; it need
            not be there. Removed when the result is published. None where nothing can be kept.
        related: The artifacts of a stage's :attr:`Stage.family` that are there.
    """

    responses: Path
    unfinished: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    related: Callable[[Stage[Any]], Iterator[Artifact]] = lambda stage: iter(())


class PartsWanted(Exception):  # noqa: N818 - no error: an engine computes the parts, and then the stage again
    """A stage cannot be computed before the artifacts of some parts of it are there.

    Attributes:
        parts: Those parts.
        total: Number of parts that the stage is known to be made of; ``None`` where only the search will tell.
    """

    def __init__(self, parts: Sequence[Stage[Any]], total: int | None = None) -> None:
        super().__init__(parts, total)
        self.parts, self.total = parts, total


class Inputs:
    """The contents of artifacts by the stages that gave them, each read once, when it is first asked for.

    A long stage is divided: while it is computed it asks for its parts, stages that no other stage rests on and of which the
    plan knows nothing.

    Args:
        open_artifact: The artifact of an input.
        find_part: The artifact of a part, if it is there and sound.
        compute_part: The artifact of a part, computed here and now where it is missing.
    """

    def __init__(
        self,
        open_artifact: Callable[[Stage[Any]], Artifact],
        find_part: Callable[[Stage[Any]], Artifact | None] = lambda part: None,
        compute_part: Callable[[Stage[Any]], Artifact] | None = None,
    ) -> None:
        self._open, self._find, self._compute = open_artifact, find_part, compute_part
        self._read: dict[str, Content] = {}

    def __getitem__(self, stage: Stage[Given]) -> Given:
        if stage.id not in self._read:
            self._read[stage.id] = stage.gives.read(self._open(stage).folder)
        return cast("Given", self._read[stage.id])

    def get(self, stage: Stage[Given] | None) -> Given | None:
        """The content of a stage, if there is such a stage."""
        return None if stage is None else self[stage]

    def found(self, part: Stage[Given]) -> Given | None:
        """The content of a part, if its artifact is there."""
        artifact = self._find(part)
        return None if artifact is None else cast("Given", part.gives.read(artifact.folder))

    def part(self, part: Stage[Given]) -> Given:
        """The content of a part, computed here and now where it is missing: for work that cannot be done side by side.

        Raises:
            StageError: The part failed.
        """
        assert self._compute is not None  # noqa: S101 - an engine has made these inputs
        return cast("Given", part.gives.read(self._compute(part).folder))

    def parts(self, parts: Sequence[Stage[Given]]) -> list[Given]:
        """The contents of all parts.

        Raises:
            PartsWanted: Some are missing. An engine computes them, several at a time, and then this stage from its beginning.
        """
        if missing := [part for part in parts if self._find(part) is None]:
            raise PartsWanted(missing, len(parts))
        return [self.part(part) for part in parts]


@dataclass(frozen=True, eq=False)
class Stage(ABC, Generic[Given_co]):
    """One node of the plan. Subclasses are dataclasses whose fields are its options and input stages.

    A stage is typed by the content of its artifact, and takes any stage that gives what it needs.
    """

    title: str
    """What people read: ``"fine-tune reviews · bliss · seed 0"``. Not part of the identity."""

    kind: ClassVar[str]
    instead: ClassVar[frozenset[str]] = frozenset()
    """Inputs that give the same result for less work. They are no part of the identity."""
    gives: ClassVar[type[Content]]
    """The content of its artifact: the argument of ``Stage[...]``, as a class."""

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a longer stage (:mod:`harness.stages.parts.cutting`)."""
        return False

    @property
    def memory(self) -> int:
        """Bytes of memory that computing it takes, as far as its components know; 0 where they do not."""
        return 0

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Everything but the inputs that determines the result, as JSON."""

    @abstractmethod
    def compute(self, inputs: Inputs, context: Context) -> Given_co:
        """The content of its artifact, from the contents of its inputs."""

    def inputs(self) -> dict[str, Stage[Any]]:
        """The stages whose artifacts it reads, by the names of the fields that hold them."""
        return stages_of(self)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the artifact's address is the hash of."""
        return {
            "stage": self.kind,
            "code": code_digest(type(self)),
            "options": self.options(),
            "inputs": {role: up.id for role, up in sorted(self.inputs().items()) if role not in self.instead},
        }

    @cached_property
    def id(self) -> str:
        """The first 96 bits of a SHA-256 of the identity, in hexadecimal."""
        payload = json.dumps(self.identity, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(payload.encode()).hexdigest()[:24]

    @property
    def family(self) -> str | None:
        """What stages have in common that compute parts of the same thing, overlapping ones too; by default nothing."""
        return None

    @property
    def address(self) -> Address:
        """Where a store keeps its artifact."""
        return Address(self.kind, self.id)

    def closure(self) -> Iterator[Stage[Any]]:
        """This stage and all it rests on, inputs before those who read them, each once."""
        seen: set[str] = set()

        def visit(stage: Stage[Any]) -> Iterator[Stage[Any]]:
            if stage.id in seen:
                return
            seen.add(stage.id)
            for upstream in stage.inputs().values():
                yield from visit(upstream)
            yield stage

        return visit(self)


def stages_of(holder: Any) -> dict[str, Stage[Any]]:
    """The stages in a dataclass's fields, by name, in order; fields that hold none are left out."""
    values = {item.name: getattr(holder, item.name) for item in fields(holder)}
    return {name: value for name, value in values.items() if isinstance(value, Stage)}
