"""What every component is: a frozen pydantic model whose fields are its options."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from harness.components.file import blank, point_of
from harness.components.paths import here, locate

if TYPE_CHECKING:
    from typing import Self

API_VERSION = 1
"""The version of the plugin contracts in this package. It changes when an existing plugin would have to change."""

KINDS = ("dataset", "model", "valuator", "selector", "attack", "generator", "metric")
"""The kinds of component, in the order in which a run uses them."""


def group(kind: str) -> str:
    """The entry-point group of a kind: ``"valuator"`` -> ``"harness.valuators"``."""
    return f"harness.{kind}s"


@dataclass(frozen=True)
class Origin:
    """Where a component was written. It is pydantic's validation context, also of components within components.

    Attributes:
        folders: Absolute folders that relative paths start from: the first in which the path exists, else the last.
    """

    folders: tuple[Path, ...] = field(default_factory=here)

    @classmethod
    def of(cls, info: ValidationInfo) -> Origin:
        """The origin that a validation is told; outside a suite, the current folder."""
        return info.context if isinstance(info.context, Origin) else Origin()


C = TypeVar("C", bound="Component")


class Component(BaseModel):
    """Base of all components.

    A component's options are its fields; pydantic validates them when the suite is read. Instances are immutable and keep
    no state between calls, so the same instance may serve several arms, and calling it twice with the same arguments and
    seed gives the same bits.

    A class states in its body ``api_version: ClassVar[int] = 1``, the contract it was written for. Its docstring's first
    line is the summary that ``harness plugins`` prints.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    kind: ClassVar[str]
    """Which of :data:`KINDS` this is; set by the base class of the kind."""

    api_version: ClassVar[int]
    """The :data:`API_VERSION` that the plugin was written for."""

    neutral: ClassVar[frozenset[str]] = frozenset()
    """Options that cannot change the result (a device, a number of workers); they are left out of artifact identities."""

    _folders: tuple[Path, ...] = PrivateAttr(default=())
    """Folders that relative paths start from; no option, and nothing that an artifact's identity depends on."""

    @model_validator(mode="after")
    def _placed(self, info: ValidationInfo) -> Self:
        if not self._folders:  # a component that was made elsewhere keeps its own
            self._folders = Origin.of(info).folders
        return self

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and have the same options, wherever they were written."""
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in type(self).model_fields)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in type(self).model_fields)))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A component of a file is pickled with the file's name, so that another process can import it again."""
        made: Any = super().__reduce_ex__(protocol)
        point = point_of(type(self))
        return made if point is None else (blank, (point,), *made[2:])

    def locate(self, path: str | os.PathLike[str], folder: str | None = None) -> Path:
        """The absolute path that an option means: see :func:`harness.components.paths.locate`.

        The same in every process: a relative path starts where the suite (or the call that made the component) was, not at
        the current folder of whoever uses the component.

        Raises:
            harness.errors.DataError: An environment variable in it is not set.
        """
        return locate(path, folder, folders=self._folders)

    def origin(self) -> Origin:
        """Where this component was written, for whatever is made on its behalf."""
        return Origin(self._folders or here())

    def within(self, cls: type[C], **options: Any) -> C:
        """Another component whose relative paths start where this one's do.

        Raises:
            pydantic.ValidationError: It refuses the options.
        """
        return cls.model_validate(options, context=self.origin())

    def parts(self) -> dict[str, Component]:
        """Other components that this one uses, by the option that names each; their code counts as this one's does.

        What else of them determines results belongs into :meth:`identity`.
        """
        return {}

    def preflight(self) -> None:
        """Check what the component needs from outside (a file, a key, an extra package) before any work starts.

        Raises:
            harness.errors.InputError: Something is missing; the message says what, and which command brings it.
        """

    def fetch(self) -> str:
        """Download whatever computing needs and this machine lacks, for machines without a network that share its disk.

        Returns:
            What is there now and where, in words; empty where nothing was needed.

        Raises:
            harness.errors.InputError: Something cannot be had.
        """
        found = [said for part in self.parts().values() if (said := part.fetch())]
        self.preflight()
        return "; ".join(found)

    def identity(self) -> dict[str, Any]:
        """The options that determine the result, as JSON: every field but the :attr:`neutral` ones, defaults included.

        A component whose result also depends on something that its options only name (the contents of a file, the weights
        of a checkpoint) overrides this and adds a digest of it.
        """
        return self.model_dump(mode="json", exclude=set(self.neutral))

    @model_serializer(mode="wrap")
    def _sets_in_order(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Sets as sorted lists in JSON: their own order differs from process to process, and identities must not."""
        data: dict[str, Any] = handler(self)
        if info.mode_is_json():
            for name in data.keys() & type(self).model_fields.keys():
                if isinstance(getattr(self, name), set | frozenset):
                    data[name] = sorted(data[name], key=repr)
        return data
