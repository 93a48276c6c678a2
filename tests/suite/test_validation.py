"""What a suite may say, what it becomes, and what is reported when it is wrong."""

# ruff: noqa: E501 - messages stand here in one piece, as users see them

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.registry import Registry
from harness.suite import Suite, SuiteError, parse_suite

HEAD = """\
name: toy
models: {m: toy-encoder}
datasets: {d: toy-data}
valuators: {v: {use: toy-values, iterations: 50}, w: toy-values}
attack: {use: toy-swap, budget: 3}
generators: {g: toy-writer}
"""
ONLY = "arms: {only: {}}\n"
LINES = HEAD.count("\n")


def problems(text: str, toys: Registry) -> list[str]:
    """The problems of a suite, one line each."""
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, registry=toys, source="s.yaml")
    return str(caught.value).splitlines()


def arm(text: str) -> str:
    return HEAD + f"arms:\n  a: {text}\n"


BROKEN = """\
name: Toy
seeds: [0, 0]
threshold: 1
thresholds: [0.5, 2]
models: {m: {use: toy-encoder, learning_rte: 1e-5, bf16: on, epochs: 010}}
datasets:
  d: {use: toy-dta}
  e: {use: toy-data, limit: {trian: 3}, model: n}
valuators:
  v: {use: toy-values, iterations: many, utility: acuracy, size: some, nested: {dept: 2}}
  w: toy-valuse
  w: x
  y: {use: toy-faulty, option: 13}
  z: {use: toy-absent}
attack: {use: toy-swap, budget: 1.5}
generators: {g: toy-writer}
arms:
  only: {weigths: v}
  wldv: {weights: vv}
  ibs: {generate: gg, select: hihest}
  bliss: {select: {highst: v}, generate: g, synthesis: {per_uu: 0}}
matrix: {valuator: [v, ww], nme: x}
baseline: onyl
metrics: [toy-score, toy-scor, toy-score]
"""

REPORT = """\
s.yaml:1:7: name: 'Toy' is not a usable name: at most 80 lower-case letters, digits and . _ - only, beginning with a letter or digit.
s.yaml:2:8: seeds: 0 is given twice.
s.yaml:3:1: threshold: a suite has no key 'threshold'. Did you mean 'thresholds'?
s.yaml:4:19: thresholds[1]: expected a number of at most 1, got the number 2.
s.yaml:5:32: models.m.learning_rte: model 'toy-encoder' has no option 'learning_rte'. Did you mean 'learning_rate'?
s.yaml:5:58: models.m.bf16: expected true or false, got the text 'on'. In YAML 1.2 on, off, yes and no are text; write true or false.
s.yaml:5:70: models.m.epochs: 010 is read differently by different YAML versions; write 10, or '010' for the text.
s.yaml:7:12: datasets.d.use: No dataset is called 'toy-dta'. Did you mean 'toy-data'? `harness plugins` lists what is installed.
s.yaml:8:30: datasets.e.limit.trian: limit has no key 'trian'. Did you mean 'train'?
s.yaml:8:48: datasets.e.model: no model of this suite is called 'n'. Known: m.
s.yaml:10:36: valuators.v.iterations: expected a whole number, got the text 'many'.
s.yaml:10:51: valuators.v.utility: expected one of accuracy, log-loss, probability, got the text 'acuracy'. Did you mean 'accuracy'?
s.yaml:10:66: valuators.v.size: expected a whole number or all, got the text 'some'.
s.yaml:10:81: valuators.v.nested.dept: nested has no option 'dept'. Did you mean 'depth'?
s.yaml:11:6: valuators.w: No valuator is called 'toy-valuse'. Did you mean 'toy-values' or 'toy-absent' or 'toy-faulty'? \
`harness plugins` lists what is installed.
s.yaml:12:3: valuators.w: the key 'w' is given twice; the first is on line 11.
s.yaml:13:32: valuators.y.option: thirteen is unlucky, got the number 13.
s.yaml:14:12: valuators.z.use: The valuator 'toy-absent' of suite-toys 1.2 cannot be imported from 'suite_toys_absent:Values': \
ModuleNotFoundError: No module named 'suite_toys_absent'. Repair it, or remove it with `pip uninstall suite-toys`.
s.yaml:15:33: attack.budget: expected a whole number, got the number 1.5.
s.yaml:18:10: arms.only.weigths: arms.only has no key 'weigths'. Did you mean 'weights'?
s.yaml:19:19: arms.wldv.weights: no valuator of this suite is called 'vv'. Did you mean 'v'?
s.yaml:20:19: arms.ibs.generate: no generator of this suite is called 'gg'. Did you mean 'g'?
s.yaml:20:31: arms.ibs.select: no selector is called 'hihest'. Did you mean 'highest'?
s.yaml:21:19: arms.bliss.select: expected random, the name of a selector, {highest: VALUATOR}, {lowest: VALUATOR} or \
{use: SELECTOR, values: VALUATOR, ...options}, got {highst: ...}.
s.yaml:21:65: arms.bliss.synthesis.per_uu: expected a number of at least 1, got the number 0.
s.yaml:22:29: matrix.nme: a matrix has no key 'nme'. Did you mean 'name'?
s.yaml:23:11: baseline: no arm is called 'onyl'. Did you mean 'only'?
s.yaml:24:22: metrics[1]: No metric is called 'toy-scor'. Did you mean 'toy-score' or 'toy-count'? `harness plugins` lists what is installed.
"""


def test_everything_wrong_is_reported_at_once(toys: Registry) -> None:
    assert problems(BROKEN, toys) == REPORT.splitlines()


def test_the_error_is_an_input_error_with_its_parts(toys: Registry) -> None:
    with pytest.raises(InputError) as caught:
        parse_suite(BROKEN, registry=toys)
    error = caught.value
    assert isinstance(error, SuiteError)
    assert error.exit_code == 2
    assert (error.problems[1].place.line, error.problems[1].place.column, error.problems[1].path) == (2, 8, ("seeds",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\narms: {b: {}}", ["1:1: the key 'models' is missing.", "1:1: the key 'datasets' is missing."]),
        (HEAD, ["1:1: a suite needs `arms`, a `matrix` of arms, or a `valuation` section."]),
        (HEAD + "arms: {}\n", ["1:1: a suite needs `arms`, a `matrix` of arms, or a `valuation` section."]),
        (HEAD + "arms: [only]\n", [f"{LINES + 1}:7: arms: expected a mapping, got a list."]),
        (HEAD + "arms: {only: }\n", ["expected a mapping, got nothing. Write {} to take all defaults."]),
        (HEAD + ONLY + "seeds: 3\n", ["seeds: expected a list, got the number 3."]),
        (HEAD + ONLY + "seeds: []\n", ["seeds: expected at least 1 entry, got an empty list."]),
        (HEAD + ONLY + "seeds: [-1]\n", ["seeds[0]: expected a number of at least 0, got the number -1."]),
        (HEAD + ONLY + "seeds: [4294967296]\n", ["seeds[0]: expected a number below 2147483648"]),
        (HEAD + ONLY + "thresholds: [0.8, 0]\n", ["thresholds[1]: expected a number above 0, got the number 0."]),
        (HEAD + ONLY + "thresholds: [0.8, 0.8]\n", ["thresholds: 0.8 is given twice."]),
        (HEAD + ONLY + "thresholds: 0.8\n", ["thresholds: expected a list, got the number 0.8."]),
        (HEAD + ONLY + "embed: pretrain\n", ["expected one of pretrained, finetuned, got the text 'pretrain'. Did you mean"]),
        (HEAD + "arms: {a/b: {}}\n", [f"{LINES + 1}:8: arms.a/b: 'a/b' is not a usable name: at most 80 letters"]),
        (HEAD + "arms: {'': {}}\n", ["'' is not a usable name"]),
        (HEAD + f"arms: {{{'a' * 81}: {{}}}}\n", ["is not a usable name"]),
        (HEAD + ONLY + "metrics: toy-score\n", ["metrics: expected a list, got the text 'toy-score'. Write [toy-score]."]),
        (HEAD + ONLY + "metrics: [{bins: 3}]\n", ["metrics[0]: 'use' is missing: which metric is it? Installed: toy-count, toy-score."]),
        (HEAD + ONLY + "metrics: [3]\n", ["metrics[0]: expected the name of a metric or {use: NAME, ...options}, got the number 3."]),
        (HEAD + ONLY + "metrics: [{use: 3}]\n", ["metrics[0].use: expected the name of a metric, got the number 3."]),
        (HEAD + ONLY + "metrics: [toy-score, suite-toys/toy-score]\n", ["metrics[1]: metric 'suite-toys/toy-score' is listed twice."]),
        (HEAD + ONLY + "test_attack: toy-values\n", ["test_attack: No attack is called 'toy-values'. 'toy-values' is a valuator"]),
        (HEAD + ONLY + "valuation: {noise: 0.6}\n", ["valuation.noise: expected a number of at most 0.5, got the number 0.6."]),
        (HEAD + ONLY + "valuation: {removal: {stpes: 3}}\n", ["valuation.removal has no key 'stpes'. Did you mean 'steps'?"]),
        (HEAD + ONLY + "selectors: {s: highest}\n", ["selectors.s: selector 'highest' orders by data values: write {highest: VALUATOR}."]),
        (HEAD + ONLY + "selectors: {s: {use: highest, values: u}}\n", ["selectors.s.values: no valuator of this suite is called 'u'."]),
    ],
)  # fmt: skip
def test_one_thing_wrong(text: str, expected: list[str], toys: Registry) -> None:
    found = problems(text, toys)
    assert len(found) == len(expected), found
    for line, part in zip(found, expected, strict=True):
        assert part in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{select: random}", "a.select: `select` has no effect without `generate`."),
        ("{synthesis: {per_uu: 3}}", "a.synthesis: `synthesis` has no effect without `generate`."),
        ("{attack: toy-swap}", "a.attack: `attack` has no effect without `generate`."),
        ("{weights_normalisation: mean}", "a.weights_normalisation: has no effect without `weights`."),
        ("{weights: toy-values}", "a.weights: no valuator of this suite is called 'toy-values'. Known: v, w."),
        ("{weights: 3}", "a.weights: expected text, got the number 3. Put it in quotes: '3'."),
        ("{generate: g, select: highest}", "a.select: selector 'highest' orders by data values: write {highest: VALUATOR}."),
        ("{generate: g, select: {highest: u}}", "a.select.highest: no valuator of this suite is called 'u'. Known: v, w."),
        ("{generate: g, select: {lowest: [v]}}", "a.select.lowest: expected the name of a valuator, got a list."),
        ("{generate: g, select: {use: toy-bandit, values: v}}", "a.select.values: selector 'toy-bandit' does not use data values."),
        ("{generate: g, select: {use: highest, values: u}}", "a.select.values: no valuator of this suite is called 'u'."),
        ("{generate: g, select: {use: highest, values: v, shre: 1}}", "selector 'highest' has no option 'shre'. Did you mean 'share'?"),
        ("{generate: g, select: {highest: v, lowest: w}}", "a.select: expected random, the name of a selector, {highest: VALUATOR}"),
        ("{generate: g, select: 1}", "a.select: expected random, the name of a selector"),
        ("{generate: g, select: bandit}", "a.select: no selector is called 'bandit'. Did you mean 'toy-bandit'"),
        ("{generate: g, select: other/random}", "a.select: No selector is called 'other/random'."),
        ("{generate: g, attack: {use: toy-swap, bugdet: 1}}", "attack 'toy-swap' has no option 'bugdet'. Did you mean 'budget'?"),
        ("[]", "arms.a: expected a mapping, got an empty list."),
    ],
)  # fmt: skip
def test_an_arm_that_makes_no_sense(text: str, expected: str, toys: Registry) -> None:
    (line,) = problems(arm(text), toys)
    assert expected in line
    assert line.startswith(f"s.yaml:{LINES + 2}:")


def test_generation_needs_an_attack(toys: Registry) -> None:
    without = HEAD.replace("attack: {use: toy-swap, budget: 3}\n", "")
    (line,) = problems(without + "arms: {a: {generate: g}}\n", toys)
    assert "arms.a.generate: an arm that generates needs an attack to find unknown unknowns: add `attack`." in line
    suite = parse_suite(without + "arms: {a: {generate: g, attack: toy-swap}}\n", registry=toys)
    assert suite.attack is suite.test_attack is None


def test_a_valuator_that_is_installed_but_not_configured(toys: Registry) -> None:
    without = HEAD.replace("valuators: {v: {use: toy-values, iterations: 50}, w: toy-values}\n", "")
    (line,) = problems(without + "arms: {a: {weights: toy-values}}\n", toys)
    assert "Configure it: `valuators: {toy-values: toy-values}`." in line
    (line,) = problems(without + "arms: {a: {weights: other}}\n", toys)
    assert "no valuator of this suite is called 'other'. It has no `valuators`." in line
    (line,) = problems(without + "valuation: {}\n", toys)
    assert "valuation: there is nothing to assess: the suite has no valuators." in line


def test_several_models_have_to_be_told_apart(toys: Registry) -> None:
    text = HEAD.replace("models: {m: toy-encoder}", "models: {m: toy-encoder, n: toy-encoder}")
    (line,) = problems(text + ONLY, toys)
    assert "s.yaml:3:12: datasets.d: 'model' is missing: the suite has 2 models (m, n)." in line


def test_a_component_that_raises_while_its_options_are_checked(toys: Registry) -> None:
    (line,) = problems(HEAD.replace("w: toy-values", "w: {use: toy-faulty, option: 14}") + ONLY, toys)
    assert "valuators.w: valuator 'toy-faulty' failed while its options were checked: KeyError: 'too much'." in line


def test_a_component_whose_options_clash_with_a_suites_keys(toys: Registry) -> None:
    (line,) = problems(HEAD.replace("d: toy-data", "d: toy-greedy") + ONLY, toys)
    assert "dataset 'toy-greedy' has options called limit, which suites reserve." in line


def test_what_may_be_left_out_is_filled_in(toys: Registry) -> None:
    text = """
name: toy
embed: finetuned
models: {m: toy-encoder}
datasets: {d: {use: toy-data, embed: pretrained}, e: {use: toy-data, limit: 7}}
valuators: {v: {use: toy-values, iterations: 50}}
selectors: {half: {use: highest, values: v, share: 0.5}}
attack: {use: toy-swap, budget: 3}
generators: {g: toy-writer}
synthesis: {uu_fraction: 0.05, per_uu: 3}
arms:
  plain: {}
  ibs: {generate: g, synthesis: {per_uu: 1}}
  bliss: {select: half, generate: g, weights: v, attack: toy-swap}
"""
    suite = parse_suite(text, registry=toys)
    assert suite.baseline == "plain"
    assert suite.attack is not None
    assert suite.test_attack is not None
    assert (suite.test_attack.component, suite.test_attack.limit) == (suite.attack.component, None)
    assert [(slot.model, slot.embed) for slot in suite.datasets.values()] == [("m", "pretrained"), ("m", "finetuned")]
    assert suite.datasets["e"].limit.model_dump() == {"train": 7, "validation": 7, "test": 7}
    assert suite.datasets["d"].limit.model_dump(exclude_none=True) == {}
    plain, ibs, bliss = suite.arms.values()
    assert (plain.select, plain.attack) == (None, None)
    assert ibs.select is not None
    assert (ibs.select.use, ibs.select.values) == ("random", None)
    assert ibs.attack == suite.attack
    assert (ibs.synthesis.uu_fraction, ibs.synthesis.per_uu) == (0.05, 1)
    assert bliss.select == suite.selectors["half"]
    assert bliss.select is not None
    assert bliss.select.values == "v"
    assert bliss.select.component.share == 0.5  # type: ignore[attr-defined]
    assert bliss.attack is not None
    assert bliss.attack.component.budget == 10  # type: ignore[attr-defined]
    assert bliss.synthesis.per_uu == 3
    assert suite.valuators["v"].options == {"iterations": 50}


def test_null_says_none(toys: Registry) -> None:
    suite = parse_suite(HEAD + ONLY + "test_attack: null\nbaseline: null\n", registry=toys)
    assert suite.attack is not None
    assert suite.test_attack is None
    assert suite.baseline is None


def test_two_selectors_of_the_same_form_are_both_usable(toys: Registry) -> None:
    text = (
        HEAD
        + "selectors: {s: toy-bandit, t: toy-bandit}\narms: {a: {generate: g, select: s}, b: {generate: g, select: t}}\n"
    )
    suite = parse_suite(text, registry=toys)
    assert [a.select.use for a in suite.arms.values() if a.select] == ["toy-bandit", "toy-bandit"]


def test_valuation_alone_needs_no_arms(toys: Registry) -> None:
    suite = parse_suite(HEAD + "valuation: {}\n", registry=toys)
    assert suite.arms == {}
    assert suite.baseline is None
    assert suite.valuation is not None
    assert {path for path, _ in suite.slots()} == {"datasets.d", "models.m", "valuators.v", "valuators.w"}


def test_only_what_is_referred_to_is_needed(toys: Registry) -> None:
    suite = parse_suite(
        HEAD + "arms: {only: {}, bliss: {select: {highest: v}, generate: g}}\nmetrics: [toy-score]\n", registry=toys
    )
    assert [path for path, _ in suite.slots()] == [
        "datasets.d",
        "models.m",
        "valuators.v",
        "generators.g",
        "arms.bliss.select",
        "arms.bliss.attack",
        "test_attack",
        "metrics[0]",
    ]
    assert [path for path, _ in suite.restrict(arms=["only"]).slots()] == [
        "datasets.d",
        "models.m",
        "test_attack",
        "metrics[0]",
    ]


def test_a_suite_cannot_be_changed(toys: Registry) -> None:
    suite = parse_suite(HEAD + ONLY, registry=toys)
    with pytest.raises(ValueError, match="frozen"):
        suite.name = "other"  # type: ignore[misc]


PARTS = {
    "only": "{}",
    "wldv": "{weights: v, weights_normalisation: mean}",
    "ibs": "{generate: g, synthesis: {leakage: null}}",
    "bliss": "{select: {highest: v}, generate: g, description: 'a: b'}",
    "low": "{select: {use: lowest, values: w, share: 0.1}, generate: g, weights: w}",
    "bandit": "{select: toy-bandit, generate: g, attack: {use: toy-swap, budget: 9}}",
}
EXTRAS = (
    "seeds: [3, 1]",
    "thresholds: [0.7]",
    "embed: finetuned",
    "valuation: {noise: 0}",
    "test_attack: null",
    "metrics: [toy-score, {use: toy-count, bins: 3}]",
    "matrix: {valuator: v, role: [select, both], order: [highest, lowest], name: 'm-{role}-{order}'}",
    "description: 'multi\\nline: # text'",
)


@settings(max_examples=60, deadline=None)
@given(arms=st.sets(st.sampled_from(sorted(PARTS)), min_size=1), extras=st.sets(st.sampled_from(EXTRAS)))
def test_a_resolved_suite_reads_back_as_the_same_suite(arms: set[str], extras: set[str], toys: Registry) -> None:
    text = HEAD + "arms:\n" + "".join(f"  {name}: {PARTS[name]}\n" for name in sorted(arms))
    suite = parse_suite(text + "".join(f"{extra}\n" for extra in sorted(extras)), registry=toys)
    again = parse_suite(suite.to_yaml(), registry=toys)
    assert again == suite
    assert again.resolved() == suite.resolved()
    assert parse_suite(suite.resolved(), registry=toys) == suite


@pytest.fixture(scope="module")
def grid(toys: Registry) -> Suite:
    text = HEAD.replace("d: toy-data", "d: {use: toy-data, limit: {train: 10, test: 50}}, e: toy-data")
    return parse_suite(
        text + "seeds: [2, 0, 1]\narms: {only: {}, wldv: {weights: v}, ibs: {generate: g}}\n", registry=toys
    )


def test_restriction_keeps_the_suites_order(grid: Suite) -> None:
    part = grid.restrict(arms=["ibs", "only"], datasets=["e"], seeds=[1, 2])
    assert list(part.arms) == ["only", "ibs"]
    assert list(part.datasets) == ["e"]
    assert part.seeds == (2, 1)
    assert part.baseline == "only"
    assert grid.restrict() == grid


def test_restriction_without_the_baseline_has_none(grid: Suite) -> None:
    assert grid.restrict(arms=["ibs"]).baseline is None


def test_a_limit_only_ever_lowers(grid: Suite) -> None:
    part = grid.restrict(limit=20)
    assert part.datasets["d"].limit.model_dump() == {"train": 10, "validation": 20, "test": 20}
    assert part.datasets["e"].limit.model_dump() == {"train": 20, "validation": 20, "test": 20}


def test_restriction_to_what_is_not_there(grid: Suite) -> None:
    with pytest.raises(SuiteError) as caught:
        grid.restrict(arms=["wldw"], datasets=["f"], seeds=[7], limit=0)
    assert str(caught.value).splitlines() == [
        "--arm wldw: the suite has no arm 'wldw'. Did you mean 'wldv'?",
        "--dataset f: the suite has no data set 'f'. Known: d, e.",
        "--seed 7: the suite has no seed 7. Known: 0, 1, 2.",
        "--limit 0: expected a number of at least 1.",
    ]
    with pytest.raises(SuiteError, match="--arm: no arm is left"):
        grid.restrict(arms=[])
