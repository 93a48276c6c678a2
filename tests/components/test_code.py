"""Which code a class rests on, and what changes the digest of it."""

import ast
import importlib.util
import shutil
import sys
from pathlib import Path

import harness_valuators
import pytest

import harness
from harness.components.code import PLUMBING, SourceTree, code_digest, code_of, modules_of
from harness.errors import InputError
from harness.registry import Registry, component

GOLDEN = Path(__file__).parents[1] / "data" / "code" / "components.txt"


def coverage():
    """The built-in components with the modules and files that their digests cover, as text."""
    registry = Registry()
    lines = []
    for entry in registry.entries():
        if entry.built_in:
            lines.append(f"{entry.kind} {entry.name}")
            lines += [f"    {module}" for module in modules_of(registry.load(entry))]
    return "\n".join(lines) + "\n"


def test_what_the_digests_of_all_components_cover():
    """When this fails, look at what is new: does it belong there? Then run this file to write it down."""
    assert coverage() == GOLDEN.read_text(encoding="utf-8")


def test_plumbing_exists():
    tree = SourceTree({"harness": [Path(harness.__file__).parent]})
    assert [module for module in PLUMBING if tree.path(module) is None] == []


# What editing does, in a copy of the valuators.


@pytest.fixture
def copied(tmp_path):
    """Digests of valuators' modules after an edit of one file."""
    count = 0

    def digests(file=None, edit=None):
        nonlocal count
        count += 1  # a folder is read once
        folder = tmp_path / str(count) / "harness_valuators"
        shutil.copytree(Path(harness_valuators.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
        if file is not None:
            text = (folder / file).read_text()
            assert edit(text) != text
            (folder / file).write_text(edit(text))
        tree = SourceTree({"harness_valuators": [folder], "harness": [Path(harness.__file__).parent]})
        return {name: tree.digest(f"harness_valuators.{name}") for name in ("dvrl", "random", "lava", "opendataval")}

    return digests


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


def appended(line):
    return lambda text: f"{text}\n{line}\n"


def swapped(old, new):
    return lambda text: text.replace(old, new, 1)


def undocumented(text):
    """Without a docstring, a comment, or a blank line, and all on other lines."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass() if len(node.body) == 1 else None
            node.body = [statement for statement in node.body if statement is not None]
    return ast.unparse(tree)


def test_comments_docstrings_and_formatting_leave_digests_alone(copied):
    before = copied()
    for file in ("random.py", "options.py", "opendataval_worker.py"):
        assert changed(before, copied(file, appended("# a comment"))) == set()
        assert changed(before, copied(file, swapped('"""', '"""More: '))) == set()
    assert changed(before, copied("lava.py", undocumented)) == set()
    broken = swapped("import TYPE_CHECKING, ClassVar", "import (\n    TYPE_CHECKING,\n    ClassVar,\n)")
    assert changed(before, copied("random.py", broken)) == set()


@pytest.mark.parametrize(
    ("file", "those"),
    [
        ("random.py", {"random"}),
        ("transport.py", {"lava"}),
        ("slopes.py", {"dvrl"}),
        ("logistic.py", {"dvrl", "lava"}),
        ("opendataval_worker.py", {"opendataval"}),
        ("ame.py", set()),
    ],
)
def test_an_edit_changes_the_digests_of_what_rests_on_it(copied, file, those):
    assert changed(copied(), copied(file, appended("CONSTANT = 1"))) == those


def test_a_changed_number_changes_the_digest(copied):
    assert changed(copied(), copied("reinforce.py", swapped("PENALTY = 1000.0", "PENALTY = 1001.0"))) == {"dvrl"}


def test_what_only_type_checkers_see_is_left_out(copied):
    more = swapped("if TYPE_CHECKING:\n", "if TYPE_CHECKING:\n    from harness_valuators.ame import Ame\n")
    assert changed(copied(), copied("random.py", more)) == set()


# How one module can use another, in a small package.


@pytest.fixture
def package(tmp_path):
    """What ``acme.start`` with the given text covers besides itself, in a package with the given other files."""

    def covered(start, module="acme.start", data=None, **files):
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "acme"  # a file is read once
        texts = {
            "__init__": "",
            "target": "thing = 1",
            "deep/__init__": "",
            "deep/target": "thing = 1",
            "worker": "",
            module.removeprefix("acme.").replace(".", "/"): start,
            **{name.replace("__", "/", 1) if not name.startswith("__") else name: text for name, text in files.items()},
        }
        for name, text in texts.items():
            file = folder / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for name, text in (data or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return set(SourceTree({"acme": [folder]}).covered(module)) - {module}

    return covered


@pytest.mark.parametrize(
    "text",
    [
        "from acme.target import thing",
        "from acme.target import *",
        "from acme import target",
        "from . import target",
        "from .target import thing",
        "import acme.target",
        "import acme.target as other",
        "import acme\nacme.target.thing",
        "import acme as other\nother.target.thing()",
        "def f():\n    from acme.target import thing",
        "class C:\n    def f(self):\n        import acme.target",
        "try:\n    from .target import thing\nexcept ImportError:\n    thing = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\nelse:\n    from . import target",
        "import importlib\nimportlib.import_module('acme.target')",
        "from pathlib import Path\nPath(__file__).with_name('target.py')",
    ],
)
def test_ways_to_use_a_module(package, text):
    assert package(text) == {"acme.target"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import os, json.decoder\nfrom numpy import linalg",
        "# import acme.target",
        '"""acme.target"""',
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from acme.target import thing",
        "import typing\nif typing.TYPE_CHECKING:\n    from acme.target import thing",
        "import acme",
        "from acme import deep",
        "target = 1\ntarget.thing",
    ],
)
def test_what_is_no_use_of_a_module(package, text):
    assert package(text) == set()


def test_relative_imports_from_a_deeper_package(package):
    assert package("from ..target import thing", module="acme.deep.start") == {"acme.target"}
    assert package("from . import target", module="acme.deep.start") == {"acme.deep.target"}
    assert package("import acme\nacme.deep.target.thing") == {"acme.deep.target"}
    assert package("from acme import deep\ndeep.target.thing") == {"acme.deep.target"}


def test_uses_of_uses_count_and_circles_end(package):
    assert package("from .target import a", target="from .worker import b", worker="from .start import c") == {
        "acme.target",
        "acme.worker",
    }


@pytest.mark.parametrize(
    "init",
    [
        "from acme.target import thing",
        "from .target import thing",
        "from .target import other as thing",
        "from .deep import thing",
        "def __getattr__(name):\n    from .target import thing\n    return thing",
        "HOME = {'thing': 'acme.target'}\ndef __getattr__(name): ...",
        "HOME = {'thing': '.target'}\ndef __getattr__(name): ...",
        "HOME = {'thing': 'target'}\ndef __getattr__(name): ...",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .target import thing\ndef __getattr__(name): ...",
    ],
)
def test_a_name_that_a_package_hands_on_counts_as_its_home(package, init):
    """Neither the package itself counts, nor the rest of what it hands on."""
    init += "\nfrom .worker import something"
    files = {"__init__": init, "deep____init__": "from ..target import thing"}
    assert package("from acme import thing", **files) == {"acme.target"}
    assert package("import acme\nacme.thing", **files) == {"acme.target"}


def test_a_package_counts_when_it_defines_what_is_used(package):
    init = "from .worker import something\nthing = 1\ndef f(): ..."
    assert package("from acme import thing", __init__=init) == {"acme", "acme.worker"}
    assert package("from acme import f", __init__=init) == {"acme", "acme.worker"}
    assert package("from acme import nobody_knows", __init__=init) == {"acme", "acme.worker"}


@pytest.mark.parametrize("init", ["import os\nos.environ['A'] = '1'", "print(1)", "for i in (): ..."])
def test_a_package_counts_when_it_does_something(package, init):
    assert package("x = 1", __init__=init) == {"acme"}
    assert package("import acme.deep", deep____init__=init) == {"acme.deep"}
    assert package("from . import deep", deep____init__=init) == {"acme.deep"}


def test_files_that_a_module_names_count(package):
    data = {"templates/a.j2": "a", "templates/more/b.j2": "b", "words.txt": "words"}
    assert package("FOLDER = 'templates'", data=data) == {"acme/templates/a.j2", "acme/templates/more/b.j2"}
    assert package("open('words.txt')", data=data) == {"acme/words.txt"}


def test_an_edit_of_a_file_that_is_named_changes_the_digest(tmp_path):
    (tmp_path / "start.py").write_text("open('words.txt')")
    digests = []
    for text in ("words", "words", "other words"):
        (tmp_path / "words.txt").write_text(text)
        digests.append(SourceTree({"acme": [tmp_path]}).digest("acme.start"))
    assert digests[0] == digests[1] != digests[2]


def test_a_module_with_a_fault_counts_as_it_is(package):
    assert package("from .target import a", target="def (") == {"acme.target"}


# Classes.


def imported(folder, monkeypatch, name):
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_what_a_plugin_inherits_from_another_one_counts(tmp_path, monkeypatch):
    (tmp_path / "acme_lone.py").write_text("from harness_valuators.lava import Lava\nclass Mine(Lava): ...\n")
    found = modules_of(imported(tmp_path, monkeypatch, "acme_lone").Mine)
    assert set(found) > {
        "acme_lone",
        "harness_valuators.lava",
        "harness_valuators.transport",
        "harness.components.valuator",
    }


def test_a_class_of_a_module_that_was_imported_by_its_path_can_be_identified(tmp_path, monkeypatch):
    """As pytest imports tests: the packages in the module's name are not there."""
    file = tmp_path / "mine.py"
    file.write_text("from harness.models.tokens import longest\nclass Mine: ...\n")
    spec = importlib.util.spec_from_file_location("nowhere.to.mine", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert modules_of(module.Mine) == (
        "harness.components.example",
        "harness.components.model",
        "harness.models.tokens",
        "nowhere.to.mine",
    )


def test_the_code_of_components_that_a_component_uses_counts():
    """A bandit that searches otherwise changes what the metric says of it."""
    with_bandit, with_random = (component("metric", "discovery", selectors={name: {}}) for name in ("bandit", "random"))
    assert len({code_of(with_bandit), code_of(with_random), code_digest(type(with_bandit))}) == 3
    assert code_of(component("metric", "accuracy")) == code_digest(type(component("metric", "accuracy")))
    attack = component("attack", "textfooler")
    assert attack.identity()["encoder"] == attack.parts()["encoder"].identity()
    assert component("attack", "textfooler", encoder="none").parts() == {}


def test_a_class_without_a_source_cannot_be_identified():
    namespace = {"__name__": "nowhere"}
    exec("class Lost: ...", namespace)
    with pytest.raises(InputError, match=r"The source of nowhere\.Lost cannot be found"):
        code_digest(namespace["Lost"])


if __name__ == "__main__":
    GOLDEN.write_text(coverage(), encoding="utf-8")
