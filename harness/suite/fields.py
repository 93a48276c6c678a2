"""Pydantic fields that hold components: how they are read, and how the JSON Schema refers to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from harness.components import Attack, Generator, Metric, Model, Valuator
from harness.components.file import names_file
from harness.registry import Scope
from harness.suite.problems import Finding, Findings, advice, shown
from harness.suite.slots import DatasetSlot, SelectorSlot, Slot, TestAttackSlot, make_selector, make_slot
from harness.types import NAME, SUITE_NAME

T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Scope):
    """What validation of a suite needs besides its data; given to pydantic as the context.

    Attributes:
        selectors: The suite's selectors as written.
        ready: The same, once all of them are valid.
    """

    selectors: dict[str, Any] = field(default_factory=dict)
    ready: dict[str, SelectorSlot] = field(default_factory=dict)


def refusal(*findings: Finding) -> PydanticCustomError:
    """Findings as an error that pydantic collects with its own."""
    return PydanticCustomError("suite", "not valid", {"findings": findings})


DEFINITION = "x-definition"
"""Marks where :mod:`harness.suite.schema` refers to a definition that it makes from the installed components; pydantic
cannot be given a ``$ref`` to a definition that is not its own."""


@dataclass(frozen=True)
class _Parsed:
    """Annotation of a field whose value ``parse`` makes of what is written.

    Unlike pydantic's ``PlainValidator`` it builds no schema of the annotated type, which would take most of the time of
    importing this package.
    """

    parse: Callable[[Any, Reading], Any]
    definition: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {DEFINITION: self.definition}

    def validate(self, raw: Any, info: core_schema.ValidationInfo) -> Any:
        """What ``raw`` stands for; a slot stands for itself."""
        if isinstance(raw, Slot):
            return raw
        try:
            return self.parse(raw, info.context or Reading())
        except Findings as error:
            raise refusal(*error.findings) from None


def _slot(kind: str) -> _Parsed:
    return _Parsed(lambda raw, reading: make_slot(kind, raw, reading), kind)


def _attack(raw: Any, reading: Reading) -> Slot[Attack] | None:
    return None if raw is None else make_slot("attack", raw, reading)


def _test_attack(raw: Any, reading: Reading) -> TestAttackSlot | None:
    made = None if raw is None else make_slot("attack", raw, reading, form="test_attack")
    assert made is None or isinstance(made, TestAttackSlot)  # noqa: S101 - that is its form
    return made


def _select(raw: Any, reading: Reading) -> SelectorSlot | None:
    """An arm's `select` in any of its forms."""
    if raw is None:
        return None
    if isinstance(raw, str):
        if raw in reading.ready:
            return reading.ready[raw]
        installed = reading.registry.names("selector")
        if raw in reading.selectors:
            return None  # what is wrong with it is reported where it is configured
        if raw not in installed and "/" not in raw and not names_file(raw):
            close = advice(raw, [*reading.selectors, *installed])
            raise Findings([Finding((), f"no selector is called {raw!r}. {close}")])
        raw = {"use": raw}
    elif isinstance(raw, dict) and set(raw) in ({"highest"}, {"lowest"}):
        ((order, valuator),) = raw.items()
        if not isinstance(valuator, str):
            raise Findings([Finding((order,), f"expected the name of a valuator, got {shown(valuator)}.")])
        raw = {"use": order, "values": valuator}
    elif not isinstance(raw, dict) or "use" not in raw:
        written = f"{{{', '.join(f'{key}: ...' for key in raw)}}}" if isinstance(raw, dict) else shown(raw)
        message = (
            "expected random, the name of a selector, {highest: VALUATOR}, {lowest: VALUATOR} or "
            f"{{use: SELECTOR, values: VALUATOR, ...options}}, got {written}."
        )
        raise Findings([Finding((), message)])
    return make_selector(raw, reading)


def _remember(selectors: dict[str, SelectorSlot], info: ValidationInfo) -> dict[str, SelectorSlot]:
    """Keep the selectors for the arms that refer to them."""
    if info.context is not None:
        info.context.ready.update(selectors)
    return selectors


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """``values``, of which none may be there twice."""
    seen: set[T] = set()
    for value in values:
        if value in seen:
            raise refusal(Finding((), f"{value} is given twice."))
        seen.add(value)
    return values


def _distinct_metrics(slots: tuple[Slot[Metric], ...]) -> tuple[Slot[Metric], ...]:
    keys = [slot.key for slot in slots]
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    if repeated := [index for index, key in enumerate(keys) if first[key] != index]:
        raise refusal(*(Finding((index,), f"metric {slots[index].use!r} is listed twice.") for index in repeated))
    return slots


def _usable(pattern: str, form: str, *, key: bool = False) -> Callable[[str], str]:
    """A check that a name matches ``pattern``, which ``form`` says in words; ``key`` if it is a key of a mapping."""

    def check(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise refusal(
                Finding((), f"{name!r} is not a usable name: {form}, beginning with a letter or digit.", key=key)
            )
        return name

    return check


Name = Annotated[
    str,
    AfterValidator(_usable(NAME, "at most 80 letters, digits and . _ + - only", key=True)),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"}),
]
SuiteName = Annotated[
    str,
    AfterValidator(_usable(SUITE_NAME, "at most 80 lower-case letters, digits and . _ - only")),
    WithJsonSchema({"type": "string", "pattern": f"^{SUITE_NAME}$"}),
]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Threshold = Annotated[float, Field(gt=0, le=1)]
ScoreField = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(@[0-9.]+)?(/\S+)?$")]

ModelField = Annotated[Slot[Model], _slot("model")]
DatasetField = Annotated[DatasetSlot, _slot("dataset")]
ValuatorField = Annotated[Slot[Valuator], _slot("valuator")]
GeneratorField = Annotated[Slot[Generator], _slot("generator")]
MetricFields = Annotated[tuple[Annotated[Slot[Metric], _slot("metric")], ...], AfterValidator(_distinct_metrics)]
AttackField = Annotated[Slot[Attack] | None, _Parsed(_attack, "attack_or_null")]
TestAttackField = Annotated[TestAttackSlot | None, _Parsed(_test_attack, "test_attack_or_null")]
SelectorField = Annotated[SelectorSlot, _Parsed(make_selector, "selector")]
SelectorFields = Annotated[dict[Name, SelectorField], AfterValidator(_remember)]
SelectField = Annotated[SelectorSlot | None, _Parsed(_select, "select_or_null")]
