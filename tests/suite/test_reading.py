"""Files and YAML: what cannot be read, and values that are not what they look like."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.registry import Registry
from harness.suite import Suite, SuiteError, load_suite, parse_suite

MINIMAL = """\
name: toy
models: {m: toy-encoder}
datasets: {d: toy-data}
arms: {only: {}}
"""


def refused(text: str | bytes, toys: Registry, tmp_path: Path) -> SuiteError:
    """The error for a file with that content."""
    file = tmp_path / "suite.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SuiteError) as caught:
        load_suite(file, registry=toys)
    return caught.value


def test_a_minimal_suite_is_filled_in(toys: Registry, tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(MINIMAL)
    suite = load_suite(file, registry=toys)
    assert suite.source == suite.restrict(seeds=[0]).source == file
    assert suite.seeds == (0,)
    assert suite.thresholds == (0.65, 0.8, 0.9)
    assert suite.datasets["d"].model == "m"
    assert suite.datasets["d"].embed == "pretrained"
    assert suite.baseline == "only"
    assert suite.models["m"].key == "suite-toys/toy-encoder"
    assert suite.models["m"].entry.version == "1.2"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(toys: Registry, tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_suite(file, registry=toys).name == "toy"


def test_a_missing_file_names_its_neighbour(toys: Registry, tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text(MINIMAL)
    with pytest.raises(SuiteError, match=r"no such file.*Did you mean '.*quickstart\.yaml'"):
        load_suite(tmp_path / "quikstart.yaml", registry=toys)
    with pytest.raises(SuiteError, match=r"Did you mean '.*quickstart\.yaml'"):
        load_suite(tmp_path / "quickstart", registry=toys)
    with pytest.raises(SuiteError, match="no such file"):
        load_suite(tmp_path / "nowhere" / "a.yaml", registry=toys)


def test_a_folder_is_no_suite(toys: Registry, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="is a folder"):
        load_suite(tmp_path, registry=toys)


def test_a_file_without_permission(toys: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # root, as which tests often run, may read everything
    with pytest.raises(SuiteError, match="permission denied"):
        load_suite(tmp_path / "suite.yaml", registry=toys)


def test_an_endless_file_is_not_read_to_its_end(toys: Registry) -> None:
    with pytest.raises(SuiteError, match="larger than 1 MiB"):
        load_suite("/dev/zero", registry=toys)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: caf\xe9\n", r"suite\.yaml:1:10: byte 0xe9 is not UTF-8"),
        ("name: toy".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("", "the suite is empty"),
        ("# nothing but a comment\n", "the suite is empty"),
        ("{}", "the suite is empty"),
        ("- name: toy\n", r":1:1: a suite is a mapping of keys .*, not a list"),
        ("just text", "not the text 'just text'"),
        ("name: toy\nmodels:\n\tm: toy-encoder\n", r":3:1: a tab cannot be used here; indent with spaces"),
        ("name: [1, 2\n", "not valid YAML: expected ',' or ']'"),
        ("name: toy: suite\n", r":1:10: a colon is not expected here"),
        ("name: @toy\n", r":1:7: a value cannot begin with '@'; put it in quotes"),
        ("name: 'toy\n", "not valid YAML: found unexpected end of stream"),
        ("name: *toy\n", r":1:7: undefined alias 'toy': no anchor of that name comes before it"),
        ("name: a\n---\nname: b\n", r":2:1: a suite is one document"),
        ("%YAML 1.1\n---\nname: a\n", r"YAML 1\.1 is not read"),
        ("name: a\x01\n", r":1:8: the character U\+0001 may not appear"),
        ("a: " + "[" * 1500, "nested too deeply"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 40 levels"),
        ("x-a: &a {b: *a}\n", "an alias stands inside its own anchor"),
        ("x-a: &a\n  <<: *a\n", "an alias stands inside its own anchor"),
    ],
)
def test_unreadable_text(content: str | bytes, expected: str, toys: Registry, tmp_path: Path) -> None:
    error = refused(content, toys, tmp_path)
    assert error.exit_code == 2
    assert len(error.problems) == 1
    assert re.search(expected, str(error)), str(error)


def test_aliases_cannot_blow_up_a_small_file(toys: Registry, tmp_path: Path) -> None:
    lines = ["x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"x-{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "aliases expand to more than 100,000 values" in str(refused("\n".join(lines), toys, tmp_path))


def test_merge_keys_cannot_blow_up_a_small_file(toys: Registry, tmp_path: Path) -> None:
    lines = ["x-0: &a0 {a: 1, b: 2}"]
    lines += [f"x-{i}: &a{i} {{k{i}: *a{i - 1}, l{i}: *a{i - 1}, <<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 25)]
    assert "aliases expand to more than 100,000 values" in str(refused("\n".join(lines), toys, tmp_path))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("name: toy", "the key 'name' is given twice; the first is on line 1."),
        ("? [a]\n: b", "a sequence cannot be a key; keys are text."),
        (": b", "a key is missing before the colon."),
        ("description: !secret x", "the tag !secret is not allowed."),
        ("description: !!python/object:os.system x", "the tag !!python/object:os.system is not allowed."),
        ('description: "\\ud800"', "the text holds half of a surrogate pair"),
        ("seeds: [007]", "007 is read differently by different YAML versions; write 7, or '007' for the text."),
        ("thresholds: [.nan]", ".nan is not a finite number."),
        ("thresholds: [-.inf]", "-.inf is not a finite number."),
        ("thresholds: [1e999]", "1e999 is not a finite number."),
        ("seeds: [1__0]", "'1__0' is not a whole number."),
        ("x-note: {<<: 1}", "'<<' takes a mapping, or a list of mappings."),
    ],
)
def test_what_yaml_lets_pass(line: str, message: str, toys: Registry, tmp_path: Path) -> None:
    error = refused(MINIMAL + line + "\n", toys, tmp_path)
    assert [problem.message for problem in error.problems if message in problem.message], str(error)
    assert error.problems[0].place.line == 5
    assert len(error.problems) == 1, str(error)


def test_numbers_are_numbers(toys: Registry) -> None:
    text = "name: t\nmodels: {m: {use: toy-encoder, learning_rate: 1e-5, epochs: 1e1}}\ndatasets: {d: toy-data}\n"
    text += "valuators: {v: {use: toy-values, iterations: 1_000}, w: {use: toy-values, iterations: 0x10}}\narms: {only: {}}\n"
    suite = parse_suite(text, registry=toys)
    assert suite.models["m"].component.learning_rate == 1e-5  # type: ignore[attr-defined]
    assert suite.models["m"].component.epochs == 10  # type: ignore[attr-defined]
    assert suite.valuators["v"].component.iterations == 1000  # type: ignore[attr-defined]
    assert suite.valuators["w"].component.iterations == 16  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "on",
            "expected true or false, got the text 'on'. In YAML 1.2 on, off, yes and no are text; write true or false.",
        ),
        ("No", "In YAML 1.2 on, off, yes and no are text; write true or false."),
        ("'true'", "expected true or false, got the text 'true'. Remove the quotes."),
        ("1", "expected true or false, got the number 1."),
        ("", "expected true or false, got nothing."),
    ],
)
def test_truth_values_are_only_true_and_false(value: str, message: str, toys: Registry) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(MINIMAL.replace("m: toy-encoder", f"m: {{use: toy-encoder, bf16: {value}}}"), registry=toys)
    (problem,) = caught.value.problems
    assert problem.path == ("models", "m", "bf16")
    assert message in problem.message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("'3'", "expected a whole number, got the text '3'. Remove the quotes."),
        ("10:30", "expected a whole number, got the text '10:30'."),
        ("2.5", "expected a whole number, got the number 2.5."),
        ("true", "expected a whole number, got true."),
        ("[1]", "expected a whole number, got a list."),
        ("{a: 1}", "expected a whole number, got a mapping."),
    ],
)
def test_whole_numbers_are_nothing_else(value: str, message: str, toys: Registry) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(MINIMAL.replace("m: toy-encoder", f"m: {{use: toy-encoder, epochs: {value}}}"), registry=toys)
    assert [problem.message for problem in caught.value.problems] == [message]


def test_words_and_numbers_are_usable_as_names_and_keys(toys: Registry) -> None:
    text = MINIMAL.replace("arms: {only: {}}", "arms: {on: {}, no: {}, 1: {}, true: {}}")
    text = text.replace("d: toy-data", "d: {use: toy-data, labels: {0: no, 1: yes}}")
    suite = parse_suite(text.replace("name: toy", "name: no"), registry=toys)
    assert suite.name == "no"
    assert list(suite.arms) == ["on", "no", "1", "true"]
    assert suite.datasets["d"].component.labels == {0: "no", 1: "yes"}  # type: ignore[attr-defined]


def test_text_that_looks_like_something_else(toys: Registry) -> None:
    text = MINIMAL + "description: 2024-01-31\n"
    assert parse_suite(text, registry=toys).description == "2024-01-31"
    with pytest.raises(SuiteError, match=r"expected text, got the number 1\.5\. Put it in quotes: '1\.5'"):
        parse_suite(MINIMAL + "description: 1.5\n", registry=toys)


def test_anchors_aliases_and_merge_keys(toys: Registry) -> None:
    text = """
name: toy
x-fast: &fast {iterations: 5, utility: accuracy}
models: {m: toy-encoder}
datasets: {d: toy-data}
valuators:
  v: &v {use: toy-values, <<: *fast}
  w: {<<: *v, iterations: 7}
arms: {only: {}}
"""
    suite = parse_suite(text, registry=toys)
    assert suite.valuators["v"].component.iterations == 5  # type: ignore[attr-defined]
    assert suite.valuators["w"].component.iterations == 7  # type: ignore[attr-defined]
    assert suite.valuators["w"].component.utility == "accuracy"  # type: ignore[attr-defined]
    with pytest.raises(SuiteError) as caught:
        parse_suite(text.replace("accuracy", "acuracy"), registry=toys)
    assert {str(problem.place) for problem in caught.value.problems} == {"<suite>:3:40"}  # where it is written
    assert [problem.path[1] for problem in caught.value.problems] == ["v", "w"]


def test_data_that_was_never_text(toys: Registry) -> None:
    data = {
        "name": "toy",
        "seeds": (0, 1),
        "models": {"m": "toy-encoder"},
        "datasets": {"d": {"use": "toy-data", "path": Path("there")}},
        "arms": {"only": {}},
    }
    suite = parse_suite(data, registry=toys)
    assert suite.seeds == (0, 1)
    assert suite.datasets["d"].component.path == Path("there")  # type: ignore[attr-defined]
    assert suite.source is None
    with pytest.raises(SuiteError, match="keys are text, not the number 1"):
        parse_suite({**data, "models": {1: "toy-encoder"}}, registry=toys)
    with pytest.raises(SuiteError, match="a object is not something that YAML could hold"):
        parse_suite({**data, "description": object()}, registry=toys)
    with pytest.raises(SuiteError, match=r"thresholds\[0\]: nan is not a finite number"):
        parse_suite({**data, "thresholds": [float("nan")]}, registry=toys)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_text_whatever_raises_anything_but_a_suite_error(data: st.DataObject, toys: Registry) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 6)))
        text = (
            text[:start]
            + data.draw(st.text(alphabet="abc019.-+_:,[]{}&*!|>'\"#%@\n\t ~?<é\u2028", max_size=5))
            + text[end:]
        )
    try:
        suite = parse_suite(text, registry=toys)
    except SuiteError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
    else:
        assert isinstance(suite, Suite)


YAML_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["toy-data", "v", "highest"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["use", "values", "highest", "a", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_data_whatever_raises_anything_but_a_suite_error(data: st.DataObject, toys: Registry) -> None:
    from harness.suite.document import read_yaml

    suite = read_yaml(FULL, "x").data
    for _ in range(data.draw(st.integers(1, 3))):
        place = suite
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
                place = place[key]
                continue
            place[key] = data.draw(YAML_VALUES)
            break
    try:
        parse_suite(suite, registry=toys)
    except SuiteError as error:
        assert error.problems


FULL = """\
name: toy
description: everything at once
seeds: [0, 1]
thresholds: [0.65, 0.8]
embed: finetuned
models: {m: {use: toy-encoder, learning_rate: 1e-5}, n: toy-encoder}
datasets:
  d: {use: toy-data, model: m, limit: {train: 10}}
  e: {use: toy-data, model: n, embed: pretrained, limit: 7}
valuators: {v: {use: toy-values, iterations: 50}, w: toy-values}
selectors: {b: toy-bandit, h: {use: highest, values: w, share: 0.5}}
attack: {use: toy-swap, budget: 3}
test_attack: toy-swap
generators: {g: toy-writer}
synthesis: {uu_fraction: 0.02, per_uu: 3}
arms:
  only: {}
  wldv: {weights: v, weights_normalisation: mean}
  ibs: {generate: g}
  bliss: {select: {highest: v}, generate: g, synthesis: {per_uu: 1}}
  bandit: {select: b, generate: g, attack: toy-swap}
  half: {select: h, generate: g, weights: w}
  inline: {select: {use: lowest, values: w, share: 0.1}, generate: g}
baseline: ibs
matrix:
  - {name: "{valuator}+{role}", valuator: [v, w], role: [select, both], order: [highest, lowest]}
metrics: [toy-score, {use: toy-count, bins: 3}]
valuation: {noise: 0.1, removal: {steps: 4}}
"""
