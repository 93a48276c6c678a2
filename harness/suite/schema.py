"""The JSON Schema of suites, for editors: with the options of every installed component in it."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from harness.components import KINDS, Component, Selector
from harness.components.file import PATTERN
from harness.errors import ComponentError
from harness.registry import Entry, Registry
from harness.registry import registry as installed
from harness.suite.fields import DEFINITION
from harness.suite.matrix import Matrix
from harness.suite.model import Suite
from harness.suite.slots import FORMS, DatasetKeys, Limit, SelectorKeys

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Without the titles that only repeat a key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema(registry: Registry | None = None) -> Schema:
    """The JSON Schema (draft 2020-12) of suites.

    Args:
        registry: The installed components, by default those of this process; those that cannot be imported are left out.

    Returns:
        Plain JSON data. What refers to names within a suite cannot be expressed in it, and is checked only on reading.
    """
    definitions: Schema = {}
    suite = _of(Suite, "", definitions)
    matrix = {"$ref": _define("Matrix", _of(Matrix, "", definitions), definitions)}
    limit = _of(Limit, "", definitions)
    definitions["Limit"] = {"anyOf": [{"type": "integer", "minimum": 1}, limit], "description": limit["description"]}
    for kind in KINDS:
        definitions[kind] = _slot(kind, registry or installed(), definitions)
    definitions["attack_or_null"] = {"anyOf": [{"$ref": "#/$defs/attack"}, {"type": "null"}]}
    definitions["test_attack"] = _slot("attack", registry or installed(), definitions, "test_attack")
    definitions["test_attack_or_null"] = {"anyOf": [{"$ref": "#/$defs/test_attack"}, {"type": "null"}]}
    definitions["select_or_null"] = {
        "anyOf": [
            {
                "type": "string",
                "description": "`random`, or the name of a selector: one of `selectors`, or an installed one.",
            },
            _ordered("highest"),
            _ordered("lowest"),
            {"$ref": "#/$defs/selector"},
            {"type": "null"},
        ]
    }
    suite["description"] = inspect.cleandoc(Suite.__doc__ or "").partition("\n")[0]
    for section in suite["properties"].values():
        if "patternProperties" in section:
            section["additionalProperties"] = False
    suite["properties"]["matrix"] = {
        "anyOf": [matrix, {"type": "array", "items": matrix}],
        "description": "Arms made of every combination of valuators and roles.",
    }
    _refer(suite)
    _refer(definitions)
    suite["patternProperties"] = {"^x-": {"description": "Ignored: a place for YAML anchors."}}
    return {"$schema": DIALECT, "title": "Suite of bliss-harness", **suite, "$defs": definitions}


def _refer(schema: Any) -> None:
    """Put references where the suite's models have names of definitions."""
    if isinstance(schema, dict):
        if DEFINITION in schema:
            schema["$ref"] = f"#/$defs/{schema.pop(DEFINITION)}"
        for inner in schema.values():
            _refer(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _refer(inner)


def _of(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """A model's schema; the definitions it needs go to ``definitions``, their names begun with ``prefix``."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}", schema_generator=_Generator)
    for name, inner in schema.pop("$defs", {}).items():
        _define(prefix + name, inner, definitions)
    schema.pop("title", None)
    return schema


def _define(name: str, schema: Schema, definitions: Schema) -> str:
    schema.pop("title", None)
    definitions[name] = schema
    return f"#/$defs/{name}"


def _ordered(order: str) -> Schema:
    valuator = {"type": "string", "description": "Name of a valuator, one of `valuators`."}
    return {"type": "object", "properties": {order: valuator}, "required": [order], "additionalProperties": False}


def _slot(kind: str, registry: Registry, definitions: Schema, place: str = "") -> Schema:
    """What may be written where a component of ``kind`` is wanted; ``place`` names one that has keys of its own."""
    entries = registry.entries(kind)
    count = Counter(entry.name for entry in entries)
    alone: list[str] = []
    named: list[str] = []
    branches: list[Schema] = []
    for entry in entries:
        try:
            cls = registry.load(entry)
        except ComponentError:
            continue
        names = [entry.key] if count[entry.name] > 1 else [entry.name, entry.key]
        options = _options(cls, entry, definitions)
        if place in FORMS:
            options["properties"] = {**_of(FORMS[place][1], "", {})["properties"], **options["properties"]}
        options["properties"] = {"use": {"enum": names}, **options["properties"]}
        options["required"] = ["use", *options["required"]]
        reference = _define(f"{place or kind}.{names[0].replace('/', '.')}", options, definitions)
        branches.append(
            {"if": {"required": ["use"], "properties": {"use": {"enum": names}}}, "then": {"$ref": reference}}
        )
        named += names
        alone += names if options["required"] == ["use"] else []
    file = {"type": "string", "pattern": PATTERN, "description": "A class in a file: `./my_method.py:MyMethod`."}
    used: Schema = {"anyOf": [{"enum": named}, file]} if named else {"type": "string"}
    component: Schema = {"type": "object", "required": ["use"], "properties": {"use": used}}
    if branches:
        component["allOf"] = branches
    return {
        "description": f"{kind.capitalize()}: its name, or `{{use: NAME, ...options}}`.",
        "anyOf": [*([{"enum": alone}] if alone else []), file, component],
    }


def _options(cls: type[Component], entry: Entry, definitions: Schema) -> Schema:
    """The options of a component, with the keys that suites add to those of its kind."""
    try:
        schema = _of(cls, f"{entry.kind}.{entry.name}.", definitions)
    except PydanticInvalidForJsonSchema:  # an option of a type that JSON has no words for: anything goes
        schema = {"type": "object", "properties": {name: {} for name in cls.model_fields}}
        schema["additionalProperties"] = False
    schema["description"] = inspect.cleandoc(cls.__doc__ or "")
    properties: Schema = {}
    required = [*schema.get("required", [])]
    if entry.kind == "dataset":
        properties = _of(DatasetKeys, "", {})["properties"]
    elif issubclass(cls, Selector) and "values" in cls.needs:
        properties = {"values": {"type": "string", "description": SelectorKeys.model_fields["values"].description}}
        required.append("values")
    return {**schema, "properties": {**properties, **schema.get("properties", {})}, "required": required}
