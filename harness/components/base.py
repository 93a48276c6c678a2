"""What every component is: a frozen pydantic model whose fields are its options."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializationInfo, SerializerFunctionWrapHandler, model_serializer

API_VERSION = 1
"""The version of the plugin contracts in this package. It changes when an existing plugin would have to change."""

KINDS = ("dataset", "model", "valuator", "selector", "attack", "generator", "metric")
"""The kinds of component, in the order in which a run uses them."""


def group(kind: str) -> str:
    """The entry-point group of a kind: ``"valuator"`` -> ``"harness.valuators"``."""
    return f"harness.{kind}s"


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

    def preflight(self) -> None:
        """Check what the component needs from outside (a file, a key, an extra package) before any work starts.

        Raises:
            harness.errors.InputError: Something is missing; the message says what, and which command brings it.
        """

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
