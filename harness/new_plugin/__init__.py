"""``harness new-plugin``: a working plugin package to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from harness.components.base import API_VERSION, KINDS
from harness.errors import InputError, did_you_mean
from harness.registry import registry

TEMPLATES = {
    "pyproject.toml.j2": "pyproject.toml",
    "README.md.j2": "README.md",
    "module.py.j2": "{package}/__init__.py",
    "test.py.j2": "tests/test_{module}.py",
}


def new_plugin(kind: str, name: str, parent: Path) -> Path:
    """Write a plugin package with one working component, its entry point and its contract test.

    Args:
        kind: Kind of component.
        name: Name that suites will use: lower-case words joined by hyphens.
        parent: Folder in which the package's folder is made.

    Returns:
        The package's folder.

    Raises:
        InputError: Unknown kind, a name that cannot be used or is taken, or a folder that is there already.
    """
    import jinja2

    if kind not in KINDS:
        raise InputError(f"There is no kind of component called {kind!r}. {did_you_mean(kind, KINDS)}")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise InputError(
            f"{name!r} cannot be a component's name: lower-case words joined by hyphens, such as 'my-method'."
        )
    if taken := [entry.distribution for entry in registry().entries(kind) if entry.name == name]:
        raise InputError(f"{taken[0]} provides a {kind} {name!r} already; two of one name are ambiguous in suites.")
    folder = parent / f"harness-{name}"
    if folder.exists():
        raise InputError(f"{folder} is there already.", hint="Choose another name, or another place with --folder.")
    module = name.replace("-", "_")
    values = {
        "kind": kind,
        "name": name,
        "package": f"harness_{module}",
        "module": module,
        "cls": "".join(part.capitalize() for part in name.split("-")),
        "contract": f"{kind.capitalize()}Contract",
        "api_version": API_VERSION,
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.new_plugin", "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - Python and Markdown, not HTML
    )
    for template, target in TEMPLATES.items():
        path = folder / target.format(**values)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(environment.get_template(template).render(values), encoding="utf-8")
    (folder / values["package"] / "py.typed").touch()  # type: ignore[operator]
    return folder
