"""From a file, text or mapping to a :class:`~harness.suite.model.Suite`, or to all that is wrong with it."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from harness.components import Attack
from harness.components.paths import here
from harness.registry import Registry, Scope
from harness.registry import registry as installed
from harness.suite.document import MAX_DEPTH, MAX_DIGITS, Document, read_text, read_yaml
from harness.suite.fields import Reading
from harness.suite.matrix import expand_matrix
from harness.suite.model import Arm, Suite
from harness.suite.overrides import apply_overrides
from harness.suite.problems import Finding, Findings, Problem, SuiteError, shown, strictly
from harness.suite.references import check_given, check_needs, check_references
from harness.suite.slots import Slot, TestAttackSlot, make_selector


def load_suite(
    path: str | os.PathLike[str], *, overrides: Sequence[str] = (), registry: Registry | None = None
) -> Suite:
    """Read and validate a suite.

    Args:
        path: A YAML file.
        overrides: Assignments such as ``"valuators.dvrl.iterations=500"``; values are YAML.
        registry: The installed components; by default those of this process.

    Raises:
        SuiteError: The file cannot be read, or the suite is not valid; it lists everything that is wrong.
    """
    file = FilePath(path)
    document = read_yaml(read_text(file), str(file))
    suite = _suite(document, overrides, registry, folder=file.parent.resolve())
    suite._source = file
    return suite


def parse_suite(
    suite: str | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    registry: Registry | None = None,
    source: str = "<suite>",
) -> Suite:
    """Validate a suite given as YAML text or as plain data.

    Args:
        suite: YAML text, or a mapping of what YAML could hold.
        overrides: As for :func:`load_suite`.
        registry: As for :func:`load_suite`.
        source: What to call the text in messages.

    Raises:
        SuiteError: As for :func:`load_suite`.
    """
    document = read_yaml(suite, source) if isinstance(suite, str) else from_data(suite, source)
    return _suite(document, overrides, registry)


def _suite(
    document: Document, overrides: Sequence[str], registry: Registry | None, folder: FilePath | None = None
) -> Suite:
    data = document.data
    if data is None or data == {}:
        raise SuiteError(document.problems or [Problem(document.locate(())[1], (), "the suite is empty.")])
    if not isinstance(data, dict):
        message = f"a suite is a mapping of keys such as name, datasets and arms, not {shown(data)}."
        raise SuiteError([Problem(document.locate(())[1], (), message)])
    apply_overrides(document, overrides)
    # Keys such as `x-defaults` are a place to put anchors.
    data = {key: value for key, value in document.data.items() if not key.startswith("x-")}
    registry = registry or installed()
    matrix = expand_matrix(data, registry)
    findings = [*matrix.findings, *check_references(data, registry, matrix.arms)]
    folders = _folders(data, folder, findings)
    context = Reading(folders, registry, selectors=data["selectors"] if isinstance(data.get("selectors"), dict) else {})
    plain = {key: value for key, value in data.items() if key != "matrix"}
    if matrix.arms and isinstance(plain.get("arms", {}), dict):
        plain["arms"] = {**plain.get("arms", {}), **matrix.arms}
    suite = None
    try:
        suite = strictly(Suite, plain, subject="a suite", also=("matrix",), context=context)
    except Findings as error:
        findings += map(matrix.traced, error.findings)
    # A value that could not be read has a stand-in, whose own problems would only confuse.
    unread = {problem.path for problem in document.problems}
    problems = [_problem(document, finding) for finding in findings if finding.key or finding.path not in unread]
    problems += document.problems
    if problems or suite is None:
        raise SuiteError(problems)
    made = _completed(suite, data, context)
    if findings := [*check_given(made), *check_needs(made)]:
        raise SuiteError([_problem(document, matrix.traced(finding)) for finding in findings])
    return made


def _folders(data: Mapping[str, Any], folder: FilePath | None, findings: list[Finding]) -> tuple[FilePath, ...]:
    """Where relative paths in options start: at `relative_to`, else at the suite's folder and then the current one.

    What is wrong with `relative_to` is added to ``findings``.
    """
    beside = (folder, *here()) if folder else here()
    written = data.get("relative_to")
    given = written if isinstance(written, list) else []
    named = []
    for index, name in enumerate(given):
        if not isinstance(name, str):
            continue
        try:
            folder_of = FilePath(name).expanduser()
            named.append((beside[0] / folder_of).resolve() if beside else folder_of)
        except (OSError, RuntimeError, ValueError) as error:  # no such user, links in a circle; a NUL
            findings.append(Finding(("relative_to", index), f"is no folder: {str(error).rstrip('.')}."))
    return tuple(dict.fromkeys(named)) or beside


def _problem(document: Document, finding: Finding) -> Problem:
    path, place = document.locate(finding.path, key=finding.key)
    return Problem(place, path, finding.message)


def _completed(suite: Suite, data: Mapping[str, Any], scope: Scope) -> Suite:
    """The suite with everything filled in that may be left out because something else determines it."""
    (model, *_) = suite.models
    datasets = {}
    for name, slot in suite.datasets.items():
        written = data["datasets"][name]
        embed = (written.get("embed") if isinstance(written, dict) else None) or suite.embed
        datasets[name] = dataclasses.replace(slot, model=slot.model or model, embed=embed)
    baseline = suite.baseline
    if "baseline" not in data and suite.arms:
        baseline = "only" if "only" in suite.arms else next(iter(suite.arms))
    return suite.model_copy(
        update={
            "relative_to": tuple(map(str, scope.folders)),
            "datasets": datasets,
            "baseline": baseline,
            "test_attack": suite.test_attack if "test_attack" in data else _on_all(suite.attack),
            "arms": {name: _completed_arm(arm, suite, scope) for name, arm in suite.arms.items()},
        }
    )


def _on_all(attack: Slot[Attack] | None) -> TestAttackSlot | None:
    """An attack as one on all of the test set."""
    if attack is None:
        return None
    return TestAttackSlot(**{item.name: getattr(attack, item.name) for item in dataclasses.fields(attack)})


def _completed_arm(arm: Arm, suite: Suite, scope: Scope) -> Arm:
    if arm.generate is None:
        return arm
    own = {name: getattr(arm.synthesis, name) for name in arm.synthesis.model_fields_set}
    return arm.model_copy(
        update={
            "select": arm.select or make_selector("random", scope),
            "attack": arm.attack or suite.attack,
            "synthesis": suite.synthesis.model_copy(update=own),
        }
    )


def from_data(data: Mapping[str, Any], source: str) -> Document:
    """A document of data that was never text, in the types that YAML gives."""
    document = Document(None, source)

    def plain(value: Any, path: tuple[str | int, ...]) -> Any:
        place = document.locate(())[1]
        document.values[path] = place
        if len(path) > MAX_DEPTH:
            raise SuiteError([Problem(place, path, f"is nested more than {MAX_DEPTH} levels deep.")])
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    document.problems.append(Problem(place, path, f"keys are text, not {shown(key)}."))
            document.keys.update({(*path, key): place for key in value if isinstance(key, str)})
            return {key: plain(inner, (*path, key)) for key, inner in value.items() if isinstance(key, str)}
        if isinstance(value, list | tuple):
            return [plain(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if type(value) is int and abs(value) >= 10**MAX_DIGITS:
            document.problems.append(
                Problem(place, path, f"a number of more than {MAX_DIGITS} digits, which nothing takes.")
            )
            return 0
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            document.problems.append(
                Problem(place, path, "the text holds half of a surrogate pair, which is not a character.")
            )
            return ""
        if isinstance(value, float) and not math.isfinite(value):
            document.problems.append(Problem(place, path, f"{value} is not a finite number."))
            return 0.0
        if value is None or type(value) in {str, int, float, bool}:
            return value
        document.problems.append(Problem(place, path, f"{shown(value)} is not something that YAML could hold."))
        return None

    document.data = plain(data, ())
    return document
