"""The matrix form: many arms from one line."""

from __future__ import annotations

import itertools
import math
import re
import string
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import Field, WithJsonSchema

from harness.errors import did_you_mean
from harness.registry import Registry
from harness.suite.fields import DEFINITION
from harness.suite.problems import Finding, Findings, Path, strictly
from harness.suite.references import known
from harness.suite.slots import Section
from harness.types import Normalisation

T = TypeVar("T")
Several = Annotated[list[T], Field(min_length=1)]
Role = Literal["weights", "select", "both"]
Order = Literal["highest", "lowest"]


class Matrix(Section):
    """Arms made of every combination of valuators and roles.

    A key that takes a list makes one arm per entry; a single value may be written without the list.
    """

    name: str = ""
    """Names of the arms, with `{valuator}`, `{role}`, `{order}`, `{generate}` and `{weights_normalisation}` filled in.
    Default: `{valuator}-{role}`, followed by every other key that has several values."""
    valuator: str | Several[str]
    """Names of valuators, of `valuators`."""
    role: Role | Several[Role] = Field(default_factory=lambda: list(get_args(Role)))
    """What the data values are for: `weights` of the loss, `select` what is attacked first, or `both`. Default: all three."""
    order: Order | Several[Order] = "highest"
    """Which values are attacked first, where they select."""
    generate: str | Several[str] | None = None
    """Names of generators, of `generators`, where values select. Default: the suite's only generator."""
    weights_normalisation: Normalisation | Several[Normalisation] = "none"
    """As in an arm, where values weight the loss."""
    attack: Annotated[Any, WithJsonSchema({DEFINITION: "attack_or_null"})] = None
    """As in an arm, where values select."""
    synthesis: Annotated[Any, WithJsonSchema({DEFINITION: "Synthesis"})] = None
    """As in an arm, where values select."""


MOST_ARMS = 10_000
"""Arms that one matrix makes at most."""

AXES = ("valuator", "role", "order", "generate", "weights_normalisation")


@dataclass
class Expansion:
    """Arms made by a matrix.

    Attributes:
        arms: Arms by name, as they would be written.
        origins: Where each comes from.
        findings: What is wrong with the matrix.
    """

    arms: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, Path] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def traced(self, finding: Finding) -> Finding:
        """A finding about an arm that the matrix made, as one about the matrix."""
        match finding.path:
            case ("arms", str(name), *rest) if name in self.origins:
                inner = rest if rest[:1] in (["attack"], ["synthesis"]) else []
                return Finding((*self.origins[name], *inner), finding.message, finding.key)
        return finding


def expand_matrix(data: dict[str, Any], registry: Registry) -> Expansion:
    """The arms that the `matrix` of a suite stands for; entries with something wrong in them make none."""
    result = Expansion()
    written = data.get("matrix")
    if written is None:
        return result
    single = not isinstance(written, list)
    for index, entry in enumerate([written] if single else written):
        path: Path = ("matrix",) if single else ("matrix", index)
        try:
            matrix = strictly(Matrix, entry, subject="a matrix")
            findings = list(_check(matrix, entry, data, registry))
            count = math.prod(len(_values(matrix, axis, data)) or 1 for axis in AXES)
            if count > MOST_ARMS:
                findings.append(Finding((), f"makes {count:,} arms; the most that a matrix makes are {MOST_ARMS:,}."))
            if not findings:
                arms = _arms(matrix, data)
                findings = list(_collisions(arms, matrix, data, result))
        except Findings as error:
            findings = list(error.findings)
        if findings:
            result.findings += [finding.under(path) for finding in findings]
            continue
        for name, arm in arms:
            result.arms[name] = arm
            result.origins[name] = path
    return result


def _values(matrix: Matrix, axis: str, data: dict[str, Any]) -> list[Any]:
    """The values of an axis, as a list."""
    value = getattr(matrix, axis)
    if axis == "generate" and value is None:
        generators = data.get("generators")
        return list(generators)[:1] if isinstance(generators, dict) else []
    return value if isinstance(value, list) else [value]


def _check(matrix: Matrix, entry: dict[str, Any], data: dict[str, Any], registry: Registry) -> list[Finding]:
    """What is wrong with an entry of valid form."""
    found: list[Finding] = []
    for axis, kind in (("valuator", "valuator"), ("generate", "generator")):
        for index, name in enumerate(_values(matrix, axis, data)):
            path: Path = (axis, index) if isinstance(getattr(matrix, axis), list) else (axis,)
            found += known(data, registry, kind, name, path)
    roles = _values(matrix, "role", data)
    if any(role != "weights" for role in roles):
        generators = data.get("generators")
        if matrix.generate is None and (not isinstance(generators, dict) or len(generators) != 1):
            found.append(Finding((), "'generate' is missing: values that select need a generator.", key=True))
        if data.get("attack") is None and matrix.attack is None:
            found.append(
                Finding((), "values that select need an attack to find unknown unknowns: add `attack`.", key=True)
            )
    else:
        found += [
            Finding((key,), "has no effect: no role selects.", key=True)
            for key in ("order", "generate", "attack", "synthesis")
            if key in entry
        ]
    if all(role == "select" for role in roles) and "weights_normalisation" in entry:
        found.append(Finding(("weights_normalisation",), "has no effect: no role weights.", key=True))
    try:
        fields = [part[1:] for part in string.Formatter().parse(matrix.name) if part[1] is not None]
    except ValueError as error:
        return [*found, Finding(("name",), f"is not a template: {error}.")]
    for name, form, conversion in fields:
        if name not in AXES:
            found.append(Finding(("name",), f"there is no {{{name}}} to fill in. {did_you_mean(str(name), AXES)}"))
        elif form or conversion:
            found.append(Finding(("name",), f"write {{{name}}} and nothing else in the braces."))
    return found


def _arms(matrix: Matrix, data: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and definition of every arm, in the order of the axes."""
    axes = {axis: _values(matrix, axis, data) for axis in AXES}
    others = [axis for axis in AXES[2:] if len(axes[axis]) > 1]
    template = matrix.name or "-".join(f"{{{axis}}}" for axis in (*AXES[:2], *others))
    arms: list[tuple[str, dict[str, Any]]] = []
    made: set[tuple[Any, ...]] = set()
    for combination in itertools.product(*(values or [None] for values in axes.values())):
        chosen = dict(zip(AXES, combination, strict=True))
        arm: dict[str, Any] = {}
        if chosen["role"] == "weights":
            chosen |= {"order": None, "generate": None}
        else:
            arm |= {"select": {chosen["order"]: chosen["valuator"]}, "generate": chosen["generate"]}
            arm |= {key: getattr(matrix, key) for key in ("attack", "synthesis") if getattr(matrix, key) is not None}
        if chosen["role"] == "select":
            chosen["weights_normalisation"] = None
        else:
            arm |= {"weights": chosen["valuator"], "weights_normalisation": chosen["weights_normalisation"]}
        name = _fill(template, chosen)
        if (name, *chosen.values()) not in made:
            made.add((name, *chosen.values()))
            arms.append((name, arm))
    return arms


def _fill(template: str, chosen: dict[str, Any]) -> str:
    """The template filled in; what an arm does not have leaves no trace in its name."""
    text = template.format(**{axis: "" if value is None else value for axis, value in chosen.items()})
    return re.sub(r"[-_+.]+(?=[-_+.]|$)", "", text).lstrip("-_+.")


def _collisions(
    arms: list[tuple[str, dict[str, Any]]], matrix: Matrix, data: dict[str, Any], earlier: Expansion
) -> list[Finding]:
    """Names that are taken."""
    found: list[Finding] = []
    written = data.get("arms")
    others = written if isinstance(written, dict) else {}
    taken: set[str] = set()
    key = ("name",) if matrix.name else ()
    for name, _ in arms:
        if name in others or name in earlier.arms or name in taken:
            found.append(Finding(key, f"two arms would be called {name!r}: tell them apart in `name`.", key=not key))
        taken.add(name)
    return found
