"""A component's place in a suite: the name it is used by, its options, and the validated instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.components import Attack, DatasetSource, Selector
from harness.components.base import Component
from harness.errors import ComponentError
from harness.registry import Entry, Scope
from harness.suite.problems import Finding, Findings, one_line, shown, strictly

C_co = TypeVar("C_co", bound=Component, covariant=True)

Embed = Literal["pretrained", "finetuned"]


class Section(BaseModel):
    """Base of the parts of a suite: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Limit(Section):
    """Largest sizes of a data set's splits; a split that is larger is sampled, by seed. A number holds for all three."""

    train: int | None = Field(None, ge=1)
    """Training examples to keep at most."""
    validation: int | None = Field(None, ge=1)
    """Validation examples to keep at most."""
    test: int | None = Field(None, ge=1)
    """Test examples to keep at most."""

    @model_validator(mode="before")
    @classmethod
    def _same_for_all(cls, value: Any) -> Any:
        return dict.fromkeys(cls.model_fields, value) if type(value) is int else value

    def capped(self, size: int) -> Limit:
        """The same limit, with no split larger than ``size``."""
        return Limit(**{split: min(size, own or size) for split, own in self})


class DatasetKeys(Section):
    """Keys of a data set besides the options of its component."""

    model: str | None = None
    """Name of the model, one of `models`. May be left out when the suite has only one."""
    embed: Embed | None = None
    """Embeddings for data values and selection: by the `pretrained` encoder, or the `finetuned` one. Default: the suite's."""
    limit: Limit = Limit()
    """Largest sizes of the splits."""


class TestAttackKeys(Section):
    """Keys of the attack on the test set besides the options of its component."""

    __test__ = False  # nothing for pytest to collect

    limit: int | None = Field(None, ge=1)
    """Test examples to attack: a random sample, by seed. Clean figures come from all of them. Default: all."""


class SelectorKeys(Section):
    """Keys of a selector besides the options of its component."""

    values: str | None = None
    """Name of the valuator whose values the selector orders by, one of `valuators`."""


@dataclass(frozen=True)
class Slot(Generic[C_co]):
    """A configured component.

    Attributes:
        kind: Kind of component.
        use: Name as written in the suite, maybe qualified by a distribution.
        entry: Where the component comes from: distribution and version.
        component: The validated instance.
        options: Options as given in the suite; those left out have their defaults in ``component``.
    """

    kind: str
    use: str
    entry: Entry
    component: C_co
    options: Mapping[str, Any] = field(compare=False)

    @property
    def key(self) -> str:
        """The component's name qualified by its distribution."""
        return self.entry.key

    def resolved(self) -> dict[str, Any]:
        """The slot as it would be written with every option explicit."""
        return {"use": self.use, **self.component.model_dump(mode="json")}


@dataclass(frozen=True)
class DatasetSlot(Slot[DatasetSource]):
    """A configured data set.

    Attributes:
        model: Name of its model in the suite.
        embed: Which encoder embeds it.
        limit: Largest sizes of its splits.
    """

    model: str = ""
    embed: Embed = "pretrained"
    limit: Limit = field(default_factory=Limit)

    def resolved(self) -> dict[str, Any]:
        """The slot as it would be written with every option explicit."""
        limit = self.limit.model_dump(exclude_none=True)
        keys = {"model": self.model, "embed": self.embed} | ({"limit": limit} if limit else {})
        return {"use": self.use, **keys, **self.component.model_dump(mode="json")}


@dataclass(frozen=True)
class TestAttackSlot(Slot[Attack]):
    """The attack on the test set.

    Attributes:
        limit: Number of test examples that it is put to; ``None`` for all.
    """

    __test__ = False

    limit: int | None = None

    def resolved(self) -> dict[str, Any]:
        """The slot as it would be written with every option explicit."""
        return {**super().resolved(), **({} if self.limit is None else {"limit": self.limit})}


@dataclass(frozen=True)
class SelectorSlot(Slot[Selector]):
    """A configured selector.

    Attributes:
        values: Name of the valuator whose values it orders by; ``None`` when it needs none.
    """

    values: str | None = None

    def resolved(self) -> dict[str, Any]:
        """The slot as it would be written with every option explicit."""
        values = {"values": self.values} if self.values else {}
        return {"use": self.use, **values, **self.component.model_dump(mode="json")}


def make_slot(kind: str, raw: Any, scope: Scope, form: str = "") -> Slot[Any]:
    """The slot written as ``NAME`` or ``{use: NAME, ...options}``.

    ``form`` is a name among :data:`FORMS` where the place in the suite has keys of its own; by default the kind's.

    Raises:
        Findings: Everything wrong with it.
    """
    if isinstance(raw, str):
        raw = {"use": raw}
    if not isinstance(raw, dict):
        raise Findings([Finding((), f"expected the name of a {kind} or {{use: NAME, ...options}}, got {shown(raw)}.")])
    if "use" not in raw:
        raise Findings(
            [Finding((), f"'use' is missing: which {kind} is it? Installed: {_names(kind, scope)}.", key=True)]
        )
    use = raw["use"]
    if not isinstance(use, str):
        raise Findings([Finding(("use",), f"expected the name of a {kind}, got {shown(use)}.")])
    try:
        entry = scope.registry.find(kind, use, scope.folders)
        cls = scope.registry.load(entry)
    except ComponentError as error:
        raise Findings([Finding(("use",), one_line(error))]) from error
    made, keys_of = FORMS.get(form or kind, (Slot, Section))
    own = keys_of.model_fields
    findings: list[Finding] = []
    if clash := sorted({"use", *own} & set(cls.model_fields)):
        findings.append(
            Finding(("use",), f"{kind} {use!r} has options called {', '.join(clash)}, which suites reserve.")
        )
    options = {key: value for key, value in raw.items() if key != "use" and key not in own}
    component = None
    try:
        component = strictly(cls, options, subject=f"{kind} {use!r}", also=("use", *own), context=scope)
    except Findings as error:
        findings += error.findings
    keys = None
    try:
        given = {key: value for key, value in raw.items() if key in own}
        keys = strictly(keys_of, given, subject=f"a {kind}")
    except Findings as error:
        findings += error.findings
    if findings or component is None or keys is None:
        raise Findings(findings)
    return made(kind, use, entry, component, options, **{key: value for key, value in keys if value is not None})


def make_selector(raw: Any, scope: Scope) -> SelectorSlot:
    """The selector written as for :func:`make_slot`, given data values exactly when it needs them.

    Raises:
        Findings: Everything wrong with it.
    """
    slot: Slot[Any] = make_slot("selector", raw, scope)
    assert isinstance(slot, SelectorSlot)  # noqa: S101 - that is its form
    needed = "values" in type(slot.component).needs
    if needed and slot.values is None:
        form = f"write {{{slot.use}: VALUATOR}}" if slot.use in {"highest", "lowest"} else "add `values: VALUATOR`"
        raise Findings([Finding((), f"selector {slot.use!r} orders by data values: {form}.")])
    if slot.values is not None and not needed:
        raise Findings([Finding(("values",), f"selector {slot.use!r} does not use data values.", key=True)])
    return slot


FORMS: dict[str, tuple[type[Slot[Any]], type[Section]]] = {
    "dataset": (DatasetSlot, DatasetKeys),
    "selector": (SelectorSlot, SelectorKeys),
    "test_attack": (TestAttackSlot, TestAttackKeys),
}
"""Slots of kinds and places that have keys besides the options of their component."""


def _names(kind: str, scope: Scope) -> str:
    return ", ".join(scope.registry.names(kind)) or "none"
