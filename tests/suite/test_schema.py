"""The JSON Schema of suites: editors and the reader agree on what is valid."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.registry import Registry, registry
from harness.suite import json_schema, parse_suite
from harness.suite.document import read_yaml
from harness.suite.model import Suite

FULL = """\
name: toy
description: everything at once
seeds: [0, 1]
thresholds: [0.65, 1]
embed: finetuned
x-anchors: [anything]
models: {m: {use: toy-encoder, learning_rate: 1, bf16: true}, n: suite-toys/toy-encoder}
datasets:
  d: {use: toy-data, model: m, limit: {train: 10}, path: here, labels: {0: a}}
  e: {use: toy-data, model: n, embed: pretrained, limit: 7}
valuators: {v: {use: toy-values, size: 3, nested: {depth: 2}}, w: toy-values}
selectors: {b: toy-bandit, h: {use: highest, values: w, share: 0.5}}
attack: {use: toy-swap, budget: 3}
test_attack: null
generators: {g: toy-writer}
synthesis: {uu_fraction: 0.02, per_uu: 3, leakage: null}
arms:
  only: {}
  wldv: {weights: v, weights_normalisation: mean}
  ibs: {generate: g, select: random, description: text}
  bliss: {select: {highest: v}, generate: g, synthesis: {per_uu: 1}}
  bandit: {select: b, generate: g, attack: toy-swap}
  inline: {select: {use: lowest, values: w, share: 0.1}, generate: g}
baseline: ibs
matrix:
  - {name: "{valuator}+{role}", valuator: [v, w], role: [select, both], order: highest, attack: toy-swap, synthesis: {}}
  - {valuator: v, role: weights}
metrics: [toy-score, {use: toy-count, bins: 3}]
valuation: {noise: 0.1, removal: {steps: 4}}
"""


@pytest.fixture(scope="module")
def validator(toys: Registry) -> Draft202012Validator:
    schema = json_schema(toys)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def errors(validator: Draft202012Validator, text: str) -> list[str]:
    """Paths of what the schema refuses."""
    return [error.json_path for error in validator.iter_errors(read_yaml(text, "s").data)]


def test_whatever_may_be_written_conforms(validator: Draft202012Validator, toys: Registry) -> None:
    suite = parse_suite(FULL, registry=toys)
    assert errors(validator, FULL) == []
    assert list(validator.iter_errors(suite.resolved())) == []


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("name: toy", "nam: toy", "$"),
        ("name: toy", "name: Toy", "$.name"),
        ("seeds: [0, 1]", "seeds: []", "$.seeds"),
        ("seeds: [0, 1]", "seeds: [0, -1]", "$.seeds[1]"),
        ("[0.65, 1]", "[0.65, 1.5]", "$.thresholds[1]"),
        ("bf16: true", "bf16: on", "$.models.m"),
        ("learning_rate: 1", "learning_rte: 1", "$.models.m"),
        ("learning_rate: 1", "learning_rate: 0", "$.models.m"),
        ("use: toy-encoder", "use: toy-encodr", "$.models.m"),
        ("n: suite-toys/toy-encoder", "n: toys/toy-encoder", "$.models.n"),
        ("n: suite-toys/toy-encoder", "n: {learning_rate: 1}", "$.models.n"),
        ("{train: 10}", "{trian: 10}", "$.datasets.d"),
        ("limit: 7", "limit: 0", "$.datasets.e"),
        ("embed: pretrained", "embed: none", "$.datasets.e"),
        ("  e: {", "  e/f: {", "$.datasets"),
        ("{depth: 2}", "{dept: 2}", "$.valuators.v"),
        ("w: toy-values", "w: toy-swap", "$.valuators.w"),
        ("h: {use: highest, values: w, share: 0.5}", "h: highest", "$.selectors.h"),
        ("h: {use: highest, values: w, share: 0.5}", "h: {use: highest}", "$.selectors.h"),
        ("{highest: v}", "{highst: v}", "$.arms.bliss.select"),
        ("per_uu: 3", "per_uu: 0", "$.synthesis.per_uu"),
        ("weights: v, weights", "weigths: v, weights", "$.arms.wldv"),
        ("normalisation: mean", "normalisation: max", "$.arms.wldv.weights_normalisation"),
        ("role: weights", "role: weight", "$.matrix"),
        ("- {valuator: v, ", "- {", "$.matrix"),
        ("noise: 0.1", "noise: 0.9", "$.valuation"),
        ("toy-score,", "toy-scor,", "$.metrics[0]"),
        ("test_attack: null", "test_attack: {use: toy-swap, bugdet: 1}", "$.test_attack"),
    ],
)
def test_slips_are_found(old: str, new: str, path: str, validator: Draft202012Validator) -> None:
    assert old in FULL
    assert set(errors(validator, FULL.replace(old, new))) == {path}


def test_every_key_is_described(toys: Registry) -> None:
    schema = json_schema(toys)
    assert schema["properties"].keys() == {*Suite.model_fields, "matrix"}
    parts = {
        name: part
        for name, part in schema["$defs"].items()
        if name in {"Arm", "Synthesis", "Valuation", "Removal", "Matrix"}
    }
    assert len(parts) == 5
    for name, part in {"Suite": schema, **parts}.items():
        for key, inner in part["properties"].items():
            assert "description" in inner or "$ref" in inner, f"{name}.{key}"
    assert schema["$defs"]["valuator.toy-values"]["properties"]["iterations"]["description"] == "How often."
    assert schema["$defs"]["valuator.toy-values"]["description"] == "Toy values."


def test_broken_components_are_left_out(toys: Registry) -> None:
    assert "valuator.toy-absent" not in json_schema(toys)["$defs"]


def test_a_name_that_two_distributions_offer_has_to_be_qualified(toys: Registry) -> None:
    class Doubled(Registry):
        def entries(self, kind: str | None = None) -> tuple[Any, ...]:
            import dataclasses

            found = toys.entries(kind)
            return (
                *found,
                *(dataclasses.replace(entry, distribution="other") for entry in found if entry.kind == "metric"),
            )

    doubled = Draft202012Validator(json_schema(Doubled()))
    assert errors(doubled, FULL) == ["$.metrics[0]", "$.metrics[1]"]
    qualified = FULL.replace("toy-score", "suite-toys/toy-score").replace("toy-count", "other/toy-count")
    assert errors(doubled, qualified) == []


def test_all_references_lead_somewhere() -> None:
    schema = json_schema(registry())
    Draft202012Validator.check_schema(schema)

    def references(part: Any) -> Any:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    missing = {name for name in references(schema) if name.removeprefix("#/$defs/") not in schema["$defs"]}
    assert missing == set()
