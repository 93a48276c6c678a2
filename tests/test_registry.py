"""Discovery of components; fake distributions are metadata and code on the path, as pip leaves them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.components.base import KINDS
from harness.errors import ComponentError
from harness.registry import BUILT_IN, Registry

GOOD = """
from typing import ClassVar
from harness import Valuator

class Method(Valuator):
    \"\"\"A method of somebody else.\"\"\"

    api_version: ClassVar[int] = 1
    strength: int = 3

    def value(self, problem, *, seed):
        import numpy as np
        return np.ones(problem.n_train) * self.strength
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts a distribution on the path: a module and its metadata."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules: list[str] = []

    def put(
        distribution: str, code: str, *, name: str = "acme", kind: str = "valuator", attribute: str = "Method"
    ) -> None:
        module = distribution.replace("-", "_")
        modules.append(module)
        (site / f"{module}.py").write_text(code, encoding="utf-8")
        info = site / f"{module}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[harness.{kind}s]\n{name} = {module}:{attribute}\n", encoding="utf-8")

    yield put
    for module in modules:
        sys.modules.pop(module, None)


def test_all_seven_kinds_are_there() -> None:
    registry = Registry()
    for kind in KINDS:
        assert registry.entries(kind), kind
    for entry in registry.entries():
        if entry.built_in:
            assert registry.status(entry).state == "ok", registry.status(entry).reason
            assert registry.status(entry).summary, entry


def test_listing_imports_nothing(install: Callable[..., None]) -> None:
    install("acme-bomb", "raise SystemExit('imported')")
    assert "acme" in Registry().names("valuator")
    assert "acme_bomb" not in sys.modules


def test_a_third_partys_component_is_used_like_any_other(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme-one", GOOD)
    monkeypatch.setattr("harness.registry._default", None)
    import numpy as np

    method = harness.component("valuator", "acme", strength=5)
    problem = harness.ValuationProblem(np.zeros((3, 2)), np.asarray([0, 1, 0]), np.zeros((1, 2)), np.asarray([1]))
    assert method.value(problem, seed=0).tolist() == [5, 5, 5]
    assert harness.component("valuator", "acme-one/acme").strength == 3


def test_two_distributions_with_one_name(install: Callable[..., None]) -> None:
    install("acme-one", GOOD)
    install("acme-two", GOOD)
    registry = Registry()
    with pytest.raises(ComponentError, match=r"acme-one 2\.5 and acme-two 2\.5 both provide it") as error:
        registry.find("valuator", "acme")
    assert "acme-one/acme, acme-two/acme" in str(error.value)
    assert registry.find("valuator", "acme-two/acme").distribution == "acme-two"


def test_a_third_party_cannot_take_a_built_in_name_unnoticed(install: Callable[..., None]) -> None:
    install("acme-one", GOOD, name="dvrl")
    with pytest.raises(ComponentError, match="ambiguous"):
        Registry().find("valuator", "dvrl")
    assert Registry().find("valuator", "bliss-harness-valuators/dvrl").built_in


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dvlr", "Did you mean 'dvrl'?"),
        ("deepwordbug", "'deepwordbug' is an attack."),
        ("qqqqqqqq", "Known: "),
        ("bliss-harness-valuators/dvlr", "Did you mean 'bliss-harness-valuators/dvrl'"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(ComponentError) as error:
        Registry().find("valuator", name)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import surely_not_there", "ModuleNotFoundError: No module named 'surely_not_there'"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def broken(:", "SyntaxError"),
        ("x = 1", "AttributeError"),
        ("class Method: pass", "is not a subclass of harness.components.Valuator"),
        (
            GOOD.replace("api_version: ClassVar[int] = 1", "api_version: ClassVar[int] = 99"),
            "is written for API version 99",
        ),
        (GOOD.replace("    api_version: ClassVar[int] = 1\n", ""), "states no api_version"),
        (GOOD.replace("def value", "def valeu"), "does not implement value()"),
    ],
)
def test_a_broken_plugin_is_a_row_with_its_reason(install: Callable[..., None], code: str, reason: str) -> None:
    install("acme-broken", code)
    registry = Registry()
    states = {entry.key: registry.status(entry) for entry in registry.entries("valuator")}
    assert states["acme-broken/acme"].state == "broken"
    assert reason in states["acme-broken/acme"].reason
    assert "pip uninstall acme-broken" in states["acme-broken/acme"].reason or "release of acme-broken" in (
        states["acme-broken/acme"].reason
    )
    assert states["bliss-harness-valuators/dvrl"].state == "ok"
    with pytest.raises(ComponentError):
        registry.create("valuator", "acme")


METRIC = """
from typing import ClassVar
from harness.components import Metric

class Method(Metric):
    \"\"\"A metric of somebody else.\"\"\"

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"vlaues", "train"})

    def score(self, outcome):
        raise NotImplementedError
"""


STATED = 'frozenset({"vlaues", "train"})'
ORDER = ("def score(self, outcome)", "def order(self, problem, *, seed)")


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (
            "metric",
            METRIC,
            "The metric 'acme' of acme-broken 2.5 needs 'vlaues', which nobody provides. Did you mean 'val",
        ),
        (
            "metric",
            METRIC.replace("vlaues", "qqq"),
            (
                "needs 'qqq', which nobody provides. Known: baseline, costs, synthetic, test_embeddings, texts, train, "
                "train_embeddings, values."
            ),
        ),
        (
            "metric",
            METRIC.replace(STATED, '"values"'),
            "states its needs as 'values'; expected a set of names. Known: ",
        ),
        (
            "selector",
            METRIC.replace("Metric", "Selector").replace("vlaues", "probs").replace(*ORDER),
            "needs 'train', which nobody provides. Known: embeddings, probs, values.",
        ),
    ],
)
def test_needs_that_nobody_meets_are_refused_when_a_suite_is_read(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, kind: str, code: str, reason: str
) -> None:
    from harness.suite import SuiteError, parse_suite

    install("acme-broken", code, kind=kind)
    monkeypatch.setattr("harness.registry._default", None)
    with pytest.raises(ComponentError) as error:
        harness.component(kind, "acme")
    assert reason in str(error.value)
    used = {"metric": "metrics: [acme]", "selector": "selectors: {mine: acme}"}[kind]
    text = f"name: s\nmodels: {{m: transformers}}\ndatasets: {{d: movie-reviews}}\narms: {{only: {{}}}}\n{used}\n"
    with pytest.raises(SuiteError) as refused:
        parse_suite(text)
    assert reason in str(refused.value)
    assert refused.value.exit_code == 2


def test_entry_points_of_another_finder_are_installed(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``importlib_metadata`` leaves it in a process that imports it: the points are of a class of its own."""
    install("acme-finder", "import nothing_of_this_name\n")

    def others(**chosen: str) -> list[Any]:
        kind = namedtuple("kind", ("name", "dist", "value", "load"))
        return [kind(point.name, point.dist, point.value, point.load) for point in entry_points(**chosen)]

    monkeypatch.setattr("harness.registry.entry_points", others)
    registry = Registry()
    entry = registry.find("valuator", "acme")
    assert entry.installed
    assert "of acme-finder 2.5 cannot be imported" in registry.status(entry).reason


@pytest.mark.parametrize(
    ("variable", "there"), [(None, {"acme-one", "acme-two"}), ("", set()), ("acme_two", {"acme-two"})]
)
def test_switching_third_parties_off(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, variable: str | None, there: set[str]
) -> None:
    install("acme-one", GOOD, name="one")
    install("acme-two", GOOD, name="two")
    if variable is not None:
        monkeypatch.setenv("HARNESS_PLUGINS", variable)
    found = {entry.distribution for entry in Registry().entries()}
    assert found - BUILT_IN == there
    blocked = Registry(block=["Acme_One"])
    assert "acme-one" not in {entry.distribution for entry in blocked.entries()}
    with pytest.raises(ComponentError, match="The plugin acme-one has one, but is switched off"):
        blocked.find("valuator", "one")


def test_options_are_checked_all_at_once() -> None:
    with pytest.raises(ComponentError) as error:
        harness.component("valuator", "dvrl", iteratons=5, iterations=-1)
    message = str(error.value)
    assert "no option 'iteratons'. Did you mean 'iterations'" in message
    assert "'iterations':" in message


def test_the_core_imports_no_plugin_package() -> None:
    core = Path(harness.__file__).parent
    words = ("harness_valuators", "harness_attacks", "harness_generators", "harness_metrics")
    for file in core.rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith(("import ", "from ")):
                assert not any(word in line for word in words), f"{file}: {line}"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, check=False)


def test_listing_as_json() -> None:
    done = run("plugins", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {"kind", "name", "distribution", "version", "state", "summary"} <= set(rows[0])
    assert {row["kind"] for row in rows} == set(KINDS)


def test_a_fault_of_the_harness_is_one_message_with_its_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from harness.__main__ import main

    def faulty() -> None:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr("harness.cli.main", faulty)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as exited:
        main()
    assert exited.value.code == 1
    errors = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert errors.startswith("error: ZeroDivisionError: nothing to divide by\n")
    assert str(kept) in errors
    assert "Traceback" not in errors
    assert "in faulty" in kept.read_text(encoding="utf-8")


def test_describing_a_component() -> None:
    done = run("plugins", "dvrl")
    assert done.returncode == 0, done.stderr
    assert "bliss-harness-valuators" in done.stdout
    assert "iterations" in done.stdout
    described = json.loads(run("plugins", "dvrl", "--json").stdout)
    assert described["options"]["iterations"]["description"]
    wrong = run("plugins", "dvlr")
    assert wrong.returncode == 2
    assert "Did you mean 'dvrl'?" in wrong.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["plugins"], ["plugins", "dvrl"], ["validate", "suites/thesis.yaml"], ["schema"]]
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom harness.cli import main\n"
        f"sys.argv = ['harness', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as error:\n    assert not error.code, error.code\n"
        "heavy = {'torch', 'transformers', 'textattack', 'sklearn', 'statsmodels', 'openai', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    root = Path(harness.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
