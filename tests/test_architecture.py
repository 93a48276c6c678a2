"""The shape of the code: no circles, no way from the core to a plugin, stages that do not know one another."""

import ast
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = {path.parent.name: path.parent for path in sorted(ROOT.glob("plugins/*/harness_*/__init__.py"))}
PACKAGES = {"harness": ROOT / "harness"} | PLUGINS

LOOSE = 12
"""Most modules that may lie in ``harness/`` itself; what is more belongs into a package."""


def modules(package):
    """The files of a package's modules by their dotted names, without ``__init__``s."""
    root = PACKAGES[package]
    found = {}
    for file in sorted(root.rglob("*.py")):
        if file.name != "__init__.py":
            found[".".join([package, *file.relative_to(root).with_suffix("").parts])] = file
    return found


def at_run_time(node):
    """All nodes below one, but for what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from chain.from_iterable((inner, *at_run_time(inner)) for inner in child.orelse)
        else:
            yield child
            yield from at_run_time(child)


def imports(file):
    """The dotted names that a file imports at its top or inside of functions; ``from a import b`` gives both a and a.b."""
    for node in at_run_time(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute here"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph(package):
    """For each module of a package those of its modules that it imports."""
    known = modules(package)
    return {name: (set(imports(file)) & known.keys()) - {name} for name, file in known.items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_by_way_of_others(package):
    """Also not lazily: two modules that need one another are one, or need a third."""
    try:
        TopologicalSorter(graph(package)).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_there_are_modules_to_look_at():
    assert len(PACKAGES) == 5
    assert all(len(graph(package)) > 15 and any(graph(package).values()) for package in PACKAGES)


def test_few_modules_lie_loose_in_the_core():
    loose = sorted(path.name for path in PACKAGES["harness"].glob("*.py"))
    assert len(loose) <= LOOSE, loose


def test_the_core_imports_no_plugin():
    inits = {str(path): path for path in PACKAGES["harness"].rglob("__init__.py")}
    guilty = {
        (name, target)
        for name, file in (modules("harness") | inits).items()
        for target in imports(file)
        if target.partition(".")[0] in PLUGINS
    }
    assert not guilty


def test_plugin_packages_do_not_import_one_another():
    guilty = {
        (name, target)
        for package in PLUGINS
        for name, file in modules(package).items()
        for target in imports(file)
        if target.partition(".")[0] in PLUGINS.keys() - {package}
    }
    assert not guilty


def test_no_stage_imports_another():
    """They know what they read (``harness.stages.contents``), not who writes it."""
    stages = {name for name in modules("harness") if name.startswith("harness.stages.") and name.count(".") == 2}
    stages.discard("harness.stages.base")
    assert len(stages) > 10
    used = graph("harness")
    assert {(name, other) for name in stages for other in used[name] & stages} == set()
