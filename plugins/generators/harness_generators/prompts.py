"""The prompts of the two steps: Jinja templates in files, replaceable one by one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.components import Task, UnknownUnknown
from harness.components.paths import locate
from harness.errors import DataError, did_you_mean
from harness_generators.texts import as_tuple

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

PromptName = Literal["system", "exploit", "explore"]
"""The prompts: the system message; the first step; the second."""

NAMES: tuple[PromptName, ...] = ("system", "exploit", "explore")

VARIABLES = ("task", "labels", "columns", "keys", "label", "predicted", "original", "perturbed", "hypotheses")
"""What a template may use: ``task`` (``.name``, ``.description``), ``labels`` and ``columns`` (lists of names), ``keys`` (of
the JSON object: hypothesis, one per column, label), ``label`` and ``predicted`` (class names), ``original`` and
``perturbed`` (text by column name), ``hypotheses`` (those so far; empty in the first step)."""

Messages = tuple[tuple[str, str], ...]
"""A conversation: pairs of role and content."""


def keys_of(columns: Sequence[str]) -> tuple[str, ...]:
    """The keys of the JSON object that is asked for: the hypothesis, one key per column, the label."""
    names: list[str] = []
    for column in columns:
        name = re.sub(r"\W+", "_", column).strip("_") or "text"
        while name in ("hypothesis", "label", *names):
            name += "_text"
        names.append(name)
    return ("hypothesis", *names, "label")


def schema_of(task: Task) -> dict[str, Any]:
    """JSON Schema of the answer."""
    keys = keys_of(task.columns)
    properties: dict[str, Any] = {key: {"type": "string"} for key in keys}
    properties["label"]["enum"] = list(task.labels)
    return {"type": "object", "properties": properties, "required": list(keys), "additionalProperties": False}


class Prompts:
    """The three templates, compiled.

    Templates run in Jinja's sandbox, and an unknown variable is an error, not an empty string.

    Args:
        replaced: Template texts by name, instead of the built-in ones; a value that ends in ``.j2`` is the path of a file,
            where :func:`harness.components.paths.locate` finds it.
        folders: Folders that relative paths start from.

    Raises:
        ValueError: A file cannot be read, a template does not parse or uses a variable that there is not.
    """

    def __init__(self, replaced: Mapping[PromptName, str] | None = None, folders: Sequence[Path] = ()) -> None:
        self.sources: dict[PromptName, str] = {
            name: _source(name, (replaced or {}).get(name), folders) for name in NAMES
        }
        self._compiled: dict[PromptName, Template] = {}

    @cached_property
    def _environment(self) -> SandboxedEnvironment:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        return SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

    @property
    def digest(self) -> str:
        """A digest of the three sources: the version of the prompts."""
        return hashlib.sha256("\0".join(self.sources[name] for name in NAMES).encode()).hexdigest()[:16]

    def check(self) -> None:
        """Parse every template and render it once with placeholder values.

        Raises:
            ValueError: See the class.
        """
        from jinja2 import TemplateError, TemplateSyntaxError
        from jinja2.meta import find_undeclared_variables

        for name, source in self.sources.items():
            try:
                unknown = sorted(find_undeclared_variables(self._environment.parse(source)) - set(VARIABLES))
                if unknown:
                    raise ValueError(
                        f"the prompt {name!r} uses the unknown variable {unknown[0]!r}. {did_you_mean(unknown[0], VARIABLES)}"
                    )
                self._render(name, _placeholders(Task("task", ("a", "b"), ("text",)), ["it errs"]))
            except TemplateSyntaxError as error:
                raise ValueError(
                    f"the prompt {name!r} is no Jinja template: line {error.lineno}: {error.message}"
                ) from None
            except (TemplateError, TypeError, ArithmeticError) as error:
                raise ValueError(f"the prompt {name!r} cannot be rendered: {error}") from None

    def messages(self, task: Task, uu: UnknownUnknown, hypotheses: Sequence[str]) -> Messages:
        """The conversation that asks for a hypothesis and a sample: the first step, or with hypotheses the second."""
        values = {
            **_placeholders(task, hypotheses),
            "label": task.labels[uu.example.label],
            "predicted": task.labels[uu.predicted],
            "original": dict(zip(task.columns, as_tuple(uu.example.texts), strict=True)),
            "perturbed": dict(zip(task.columns, as_tuple(uu.perturbed), strict=True)),
        }
        step: PromptName = "explore" if hypotheses else "exploit"
        return (("system", self._render("system", values)), ("user", self._render(step, values)))

    def skeleton(self, task: Task) -> str:
        """All that the prompts say whatever the unknown unknown is: by this a leaked prompt is recognised."""
        values = _placeholders(task, [""])
        return "\n".join(
            self._render(name, {**values, "label": label, "predicted": label})
            for label in task.labels
            for name in NAMES
        )

    def wording(self, task: Task) -> int:
        """At most how many characters a request has besides the two texts; a guess where hypotheses are long."""
        values = {**_placeholders(task, ["x" * 400]), "label": max(task.labels, key=len)}
        system, *steps = (len(self._render(name, values)) for name in NAMES)
        return system + max(steps)

    def _render(self, name: PromptName, values: Mapping[str, Any]) -> str:
        if name not in self._compiled:  # compiling takes a hundred times as long as rendering
            self._compiled[name] = self._environment.from_string(self.sources[name])
        return self._compiled[name].render(values).strip()


def _placeholders(task: Task, hypotheses: Sequence[str]) -> dict[str, Any]:
    columns = list(task.columns)
    return {
        "task": {"name": task.name, "description": task.description},
        "labels": list(task.labels),
        "columns": columns,
        "keys": list(keys_of(columns)),
        "label": "",
        "predicted": "",
        "original": dict.fromkeys(columns, ""),
        "perturbed": dict.fromkeys(columns, ""),
        "hypotheses": list(hypotheses),
    }


def _source(name: str, replacement: str | None, folders: Sequence[Path]) -> str:
    if replacement is None:
        return (Path(__file__).parent / "templates" / f"{name}.j2").read_text(encoding="utf-8")
    if not replacement.endswith(".j2"):
        return replacement
    try:
        return locate(replacement, folders=folders).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, DataError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"the prompt {name!r} cannot be read from {replacement}: {reason}") from None
