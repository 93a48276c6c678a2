"""The matrix form, and overrides from the command line."""

# ruff: noqa: E501 - messages stand here in one piece, as users see them

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.registry import Registry
from harness.suite import Suite, SuiteError, parse_suite

HEAD = """\
name: toy
models: {m: toy-encoder}
datasets: {d: toy-data}
valuators: {v: {use: toy-values, iterations: 50}, w: toy-values}
attack: toy-swap
generators: {g: toy-writer}
"""
MATRIX_LINE = HEAD.count("\n") + 1


def arms(matrix: str, toys: Registry, head: str = HEAD) -> Suite:
    return parse_suite(f"{head}matrix: {matrix}\n", registry=toys)


def problems(text: str, toys: Registry, *overrides: str) -> list[str]:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, registry=toys, source="s.yaml", overrides=overrides)
    return str(caught.value).splitlines()


def test_a_line_makes_every_combination(toys: Registry) -> None:
    suite = arms("{valuator: [v, w]}", toys)
    assert list(suite.arms) == ["v-weights", "v-select", "v-both", "w-weights", "w-select", "w-both"]
    written = """
arms:
  v-weights: {weights: v}
  v-select: {select: {highest: v}, generate: g}
  v-both: {select: {highest: v}, generate: g, weights: v}
  w-weights: {weights: w}
  w-select: {select: {highest: w}, generate: g}
  w-both: {select: {highest: w}, generate: g, weights: w}
"""
    assert suite == parse_suite(HEAD + written, registry=toys)


def test_arms_of_a_matrix_come_after_the_others(toys: Registry) -> None:
    suite = parse_suite(HEAD + "matrix: {valuator: v, role: weights}\narms: {first: {}}\n", registry=toys)
    assert list(suite.arms) == ["first", "v-weights"]
    assert suite.baseline == "first"
    again = parse_suite(HEAD + "matrix: {valuator: v}\narms: {first: {}}\nbaseline: v-select\n", registry=toys)
    assert again.baseline == "v-select"


def test_names_are_filled_in_with_what_an_arm_has(toys: Registry) -> None:
    matrix = '{name: "{role}_{valuator}_{order}", valuator: v, role: [weights, select], order: [highest, lowest]}'
    assert list(arms(matrix, toys).arms) == ["weights_v", "select_v_highest", "select_v_lowest"]
    default = "{valuator: v, order: [highest, lowest], weights_normalisation: [none, mean]}"
    assert list(arms(default, toys).arms) == [
        "v-weights-none",
        "v-weights-mean",
        "v-select-highest",
        "v-select-lowest",
        "v-both-highest-none",
        "v-both-highest-mean",
        "v-both-lowest-none",
        "v-both-lowest-mean",
    ]


def test_a_matrix_may_differ_from_the_suite(toys: Registry) -> None:
    head = HEAD.replace("{g: toy-writer}", "{g: toy-writer, h: toy-writer}")
    matrix = "{valuator: v, role: select, generate: [g, h], attack: {use: toy-swap, budget: 7}, synthesis: {per_uu: 5}}"
    suite = arms(matrix, toys, head)
    assert list(suite.arms) == ["v-select-g", "v-select-h"]
    for arm in suite.arms.values():
        assert arm.synthesis.per_uu == 5
        assert arm.synthesis.uu_fraction == 0.01
        assert arm.attack is not None
        assert arm.attack.component.budget == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ("{role: weights}", "matrix: the key 'valuator' is missing."),
        ("{valuator: []}", "matrix.valuator: expected at least 1 entry, got an empty list."),
        ("{valuator: 3}", "matrix.valuator: expected text or a list, got the number 3."),
        ("{valuator: v, role: weight}", "matrix.role: expected one of weights, select, both, got the text 'weight'. Did you mean 'weights'?"),
        ("{valuator: [v, u]}", "matrix.valuator[1]: no valuator of this suite is called 'u'. Known: v, w."),
        ("{valuator: u}", "matrix.valuator: no valuator of this suite is called 'u'. Known: v, w."),
        ("{valuator: v, generate: h}", "matrix.generate: no generator of this suite is called 'h'. Known: g."),
        ("{valuator: v, role: weights, generate: g}", "matrix.generate: has no effect: no role selects."),
        ("{valuator: v, role: select, weights_normalisation: mean}", "matrix.weights_normalisation: has no effect: no role weights."),
        ("{valuator: v, name: '{valuatr}'}", "matrix.name: there is no {valuatr} to fill in. Did you mean 'valuator'?"),
        ("{valuator: v, name: '{valuator'}", "matrix.name: is not a template: expected '}' before end of string."),
        ("{valuator: v, name: '{valuator!r}-{role:>9}'}", "matrix.name: write {valuator} and nothing else in the braces."),
        ("{valuator: v, name: 'x {role}'}", "matrix: 'x weights' is not a usable name"),
        ("{valuator: [v, w], role: weights, name: x}", "matrix.name: two arms would be called 'x': tell them apart in `name`."),
        ("[{valuator: v}, {valuator: v}]", "matrix[1]: two arms would be called 'v-weights': tell them apart in `name`."),
        ("[{valuator: v, role: weights}, {valuatr: w}]", "matrix[1]: the key 'valuator' is missing."),
        ("{valuator: v, attack: {use: toy-swap, bugdet: 3}}", "matrix.attack.bugdet: attack 'toy-swap' has no option 'bugdet'. Did you mean"),
        ("{valuator: v, synthesis: {per_uu: 0}}", "matrix.synthesis.per_uu: expected a number of at least 1, got the number 0."),
        ("3", "matrix: expected a mapping, got the number 3."),
    ],
)  # fmt: skip
def test_a_matrix_that_makes_no_sense(matrix: str, expected: str, toys: Registry) -> None:
    found = problems(f"{HEAD}matrix: {matrix}\n", toys)
    assert any(expected in line for line in found), found
    assert all(line.startswith(f"s.yaml:{MATRIX_LINE}:") for line in found)
    assert len(found) == len(set(found)) <= 3


def test_a_matrix_that_selects_needs_a_generator_and_an_attack(toys: Registry) -> None:
    head = HEAD.replace("generators: {g: toy-writer}\n", "").replace("attack: toy-swap\n", "")
    found = problems(head + "matrix: {valuator: v}\n", toys)
    assert "matrix: 'generate' is missing: values that select need a generator." in found[0]
    assert "matrix: values that select need an attack to find unknown unknowns: add `attack`." in found[1]
    assert list(parse_suite(head + "matrix: {valuator: v, role: weights}\n", registry=toys).arms) == ["v-weights"]


def test_a_name_that_an_arm_has_already(toys: Registry) -> None:
    (line,) = problems(HEAD + "arms: {v-both: {}}\nmatrix: {valuator: v}\n", toys)
    assert "two arms would be called 'v-both'" in line


FULL = (
    HEAD
    + "arms: {only: {}, bliss: {select: {highest: v}, generate: g}}\nmetrics: [toy-score, {use: toy-count, bins: 3}]\n"
)


def test_overrides_change_what_is_there(toys: Registry) -> None:
    suite = parse_suite(
        FULL,
        registry=toys,
        overrides=[
            "seeds=[4, 5]",
            "valuators.v.iterations=7",
            "valuators.w.utility=accuracy",
            "attack.budget=1",
            "models.m.learning_rate=1e-4",
            "datasets.d.limit.train=9",
            "synthesis.per_uu=4",
            "arms.bliss.select=random",
            "arms.new={weights: w}",
            "metrics[0].bins=5",
            "metrics.toy-count.bins=6",
            "description=a=b",
            "seeds[1]=6",
            "valuators.v.iterations=8",
        ],
    )
    assert suite.seeds == (4, 6)
    assert suite.valuators["v"].component.iterations == 8  # type: ignore[attr-defined]
    assert suite.valuators["w"].component.utility == "accuracy"  # type: ignore[attr-defined]
    assert suite.attack is not None
    assert suite.attack.component.budget == 1  # type: ignore[attr-defined]
    assert suite.models["m"].component.learning_rate == 1e-4  # type: ignore[attr-defined]
    assert suite.datasets["d"].limit.train == 9
    assert suite.arms["bliss"].synthesis.per_uu == 4
    assert suite.arms["bliss"].select is not None
    assert suite.arms["bliss"].select.use == "random"
    assert suite.arms["new"].weights == "w"
    assert [slot.component.bins for slot in suite.metrics] == [5, 6]  # type: ignore[attr-defined]
    assert suite.description == "a=b"


def test_an_override_can_replace_what_is_wrong(toys: Registry) -> None:
    text = FULL.replace("iterations: 50", "iterations: 050").replace("learning", "larning")
    suite = parse_suite(text, registry=toys, overrides=["valuators.v.iterations=5"])
    assert suite.valuators["v"].component.iterations == 5  # type: ignore[attr-defined]


def test_a_name_with_a_dot_is_quoted(toys: Registry) -> None:
    text = FULL.replace("w: toy-values", '"w.2": toy-values')
    suite = parse_suite(text, registry=toys, overrides=['valuators."w.2".iterations=9'])
    assert suite.valuators["w.2"].component.iterations == 9  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seeds", "expected KEY.KEY=VALUE, such as"),
        ("=3", "expected KEY.KEY=VALUE, such as"),
        ("a..b=3", "expected KEY.KEY=VALUE, such as"),
        ("seed=[1]", "seed: a suite has no key 'seed'. Did you mean 'seeds'"),
        ("seeds=3", "seeds: expected a list, got the number 3."),
        ("seeds=[1", "not valid YAML: expected ',' or ']'"),
        ("seeds=[01]", "01 is read differently by different YAML versions"),
        ("model.m.epochs=3", "model: a suite has no key 'model'. Did you mean 'models'"),
        ("models.n.epochs=3", "models: there is no 'n' to change. Known: m."),
        ("models.m.epoch=3", "models.m.epoch: model 'toy-encoder' has no option 'epoch'. Did you mean 'epochs'?"),
        ("models.m.epochs.first=3", "models.m.epochs.first"),
        ("models.m.bf16=yes", "models.m.bf16: expected true or false, got the text 'yes'. In YAML 1.2"),
        ("name.first=3", "name: is the text 'toy', which has no key 'first'."),
        ("metrics[2].bins=3", "metrics: has no entry 2; it has 2 (toy-score, toy-count)."),
        ("metrics.ece.bins=3", "metrics: has no entry 'ece'; it has 2 (toy-score, toy-count)."),
        ("arms.blis.weights=v", "arms: there is no 'blis' to change. Did you mean 'bliss'?"),
        ("arms.bliss.weights=u", "arms.bliss.weights: no valuator of this suite is called 'u'."),
        ("valuators.v=", "valuators.v: expected the name of a valuator or {use: NAME, ...options}, got nothing."),
    ],
)  # fmt: skip
def test_an_override_that_makes_no_sense(override: str, expected: str, toys: Registry) -> None:
    (line,) = problems(FULL, toys, override)
    assert line.startswith(f"--set {override}: ")
    assert expected in line


def test_all_overrides_are_checked(toys: Registry) -> None:
    found = problems(FULL.replace("name: toy", "name: Toy"), toys, "models.m.epochs=0", "seeds=[0, 0]")
    assert {line.partition(": ")[0] for line in found} == {
        "s.yaml:1:7",
        "--set models.m.epochs=0",
        "--set seeds=[0, 0]",
    }


@settings(max_examples=150, deadline=None)
@given(
    path=st.lists(
        st.sampled_from(
            [
                "models",
                "m",
                "metrics",
                "[0]",
                "[9]",
                "arms",
                "bliss",
                "select",
                "use",
                "seeds",
                "attack",
                '"a.b"',
                "",
                "x",
            ]
        ),
        min_size=1,
        max_size=4,
    ),
    value=st.sampled_from(["3", "", "null", "[1, 2]", "{a: 1}", "toy-swap", "{use: toy-swap}", "*a", "'", "on"])
    | st.text(max_size=4),
)
def test_no_override_whatever_raises_anything_but_a_suite_error(path: list[str], value: str, toys: Registry) -> None:
    override = ".".join(path).replace(".[", "[") + "=" + value
    try:
        suite = parse_suite(FULL, registry=toys, overrides=[override])
    except SuiteError as error:
        assert str(error).startswith(("--set ", "<suite>"))
    else:
        assert isinstance(suite, Suite)
