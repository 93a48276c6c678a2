"""A component's options in words: type, range, default, meaning; from its fields, for the terminal and the documentation."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from harness.components.base import Component

WORDS = {
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "object": "mapping",
    "null": "null",
    "integer": "integer",
    "number": "number",
}
LEAST = {"exclusiveMinimum": ">", "gt": ">", "minimum": "≥", "ge": "≥"}
MOST = {"exclusiveMaximum": "<", "lt": "<", "maximum": "≤", "le": "≤"}


class Option(TypedDict):
    """One option in words.

    Attributes:
        type: What it takes, such as ``integer or null``; permitted values are listed.
        range: Bounds of numbers and of lengths, such as ``> 0, ≤ 1``; empty where there are none.
        default: As JSON; None where it is required.
        required: Whether a suite has to state it.
        description: What it is.
    """

    type: str
    range: str
    default: Any
    required: bool
    description: str


def options(cls: type[Component]) -> dict[str, Option]:
    """The options of a component by name, in the order of its fields."""
    schema = cls.model_json_schema()
    found: dict[str, Option] = {}
    for name, field in cls.model_fields.items():
        part = schema["properties"][field.alias or name]
        kinds = _types(part, schema.get("$defs", {}))
        found[name] = {
            "type": " or ".join(kinds),
            "range": ", ".join(dict.fromkeys(_bounds(part))),
            "default": None if field.is_required() else _plain(field.get_default(call_default_factory=True)),
            "required": field.is_required(),
            "description": inspect.cleandoc(field.description or ""),
        }
    return found


def _types(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    """What a part of a JSON schema takes, one entry for each alternative, ``null`` last."""
    if reference := part.get("$ref"):
        target = definitions[reference.rpartition("/")[2]]
        keys = target.get("properties")
        return [f"mapping with {', '.join(keys)}"] if keys else _types(target, definitions)
    if several := part.get("anyOf", part.get("oneOf")):
        found = [kind for alternative in several for kind in _types(alternative, definitions)]
        if sum(kind.startswith("mapping with") for kind in found) > 1:
            found = ["mapping" if kind.startswith("mapping with") else kind for kind in found]
        if "number" in found:
            found = [kind for kind in found if kind != "integer"]
        return sorted(dict.fromkeys(found), key=lambda kind: kind == "null")
    if "const" in part:
        return [_literal(part["const"])]
    if values := part.get("enum"):
        return [_literal(value) for value in values]
    if "prefixItems" in part:
        return [f"[{', '.join(' or '.join(_types(item, definitions)) for item in part['prefixItems'])}]"]
    word = WORDS.get(part.get("type", ""), "anything")
    inner = part.get("items" if word == "list" else "additionalProperties")
    if isinstance(inner, dict) and (inside := _types(inner, definitions)) and inside != ["anything"]:
        if inner.get("enum"):
            return [f"{word} of {', '.join(inside)}"]
        return [f"{word} of {_plural(' or '.join(inside))}" if word == "list" else f"{word} to {' or '.join(inside)}"]
    return [word]


def _plural(kind: str) -> str:
    return {"text": "texts", "integer": "integers", "number": "numbers", "mapping": "mappings"}.get(kind, kind)


def _bounds(part: Mapping[str, Any]) -> list[str]:
    """The bounds in a part of a JSON schema, of numbers and of lengths, those of its alternatives among them."""
    found = [f"{sign} {_number(part[key])}" for signs in (LEAST, MOST) for key, sign in signs.items() if key in part]
    if "minItems" in part and "prefixItems" not in part:
        found.append(f"at least {part['minItems']} of them")
    if isinstance(inner := part.get("items"), dict):
        found += [f"each {bound}" for bound in _bounds(inner)]
    if isinstance(part.get("pattern"), str):
        found.append(f"matches {part['pattern']}")
    if part.get("minLength"):
        found.append("not empty")
    return found + [bound for alternative in part.get("anyOf", ()) for bound in _bounds(alternative)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=str)
