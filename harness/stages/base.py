"""What a stage is: a pure function of its options, its inputs' artifacts and a seed."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from harness.components.code import code_of
from harness.registry import Entry, blaming
from harness.store.store import Artifact

if TYPE_CHECKING:
    from harness.components.base import Component

C = TypeVar("C", bound="Component")


@dataclass(frozen=True)
class Configured(Generic[C]):
    """A component with its options and where it comes from."""

    component: C
    entry: Entry

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What of it determines results: the qualified name, version and code of its distribution, and its options.

        Raises:
            InputError: A file that it depends on cannot be read, or the component does not know what it is.
        """
        with blaming(self.entry):
            options = self.component.identity()
            json.dumps(options, allow_nan=False)
            code = code_of(self.component)
        return {"component": self.entry.key, "version": self.entry.version, "code": code, "options": options}


@dataclass(frozen=True)
class Context:
    """What a running stage may use besides its inputs; none of it changes the result.

    Attributes:
        responses: Folder for paid responses, which outlives artifacts.
        costs: Seconds per stage kind and peak memory of everything that led to this stage.
    """

    responses: Path
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Stage(ABC):
    """One node of the plan. Subclasses are dataclasses whose fields are its options and input stages."""

    title: str
    """What people read: ``"fine-tune reviews · bliss · seed 0"``. Not part of the identity."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the stage's code changes its result."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Everything but the inputs that determines the result, as JSON."""

    @abstractmethod
    def inputs(self) -> dict[str, Stage]:
        """The stages whose artifacts it reads, by role."""

    @abstractmethod
    def compute(self, inputs: Mapping[str, Artifact], out: Path, context: Context) -> dict[str, Any] | None:
        """Write the payload into ``out``; what is returned is kept beside it as facts that are not part of the result."""

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the artifact's address is the hash of."""
        return {
            "stage": self.kind,
            "version": self.version,
            "options": self.options(),
            "inputs": {role: stage.id for role, stage in sorted(self.inputs().items())},
        }

    @cached_property
    def id(self) -> str:
        """The artifact's address: the first 96 bits of a SHA-256, in hexadecimal."""
        payload = json.dumps(self.identity, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(payload.encode()).hexdigest()[:24]

    def closure(self) -> Iterator[Stage]:
        """This stage and all it rests on, inputs before those who read them, each once."""
        seen: set[str] = set()

        def visit(stage: Stage) -> Iterator[Stage]:
            if stage.id in seen:
                return
            seen.add(stage.id)
            for upstream in stage.inputs().values():
                yield from visit(upstream)
            yield stage

        return visit(self)


def given(**stages: Stage | None) -> dict[str, Stage]:
    """The inputs that are there."""
    return {role: stage for role, stage in stages.items() if stage is not None}
