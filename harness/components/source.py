"""What the text of one module says about what it does and what it needs."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any


class Source:
    """The source of one module; one with a fault in it counts as it is, and is taken to import nothing.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = path.read_bytes()
        try:
            self.tree = ast.parse(content)
        except (SyntaxError, ValueError):
            self.tree = ast.Module([], [])
        text: list[str] = []
        self.nodes: list[ast.AST] = []
        """All nodes but docstrings and what only type checkers see."""
        _read(self.tree, text, self.nodes)
        if self.tree.body:
            content = "".join(text).encode("utf-8", "surrogatepass")
        self.digest = hashlib.sha256(content).hexdigest()
        """A digest of what the module does."""

    @cached_property
    def defined(self) -> frozenset[str]:
        """Names that the module binds at its top, other than by imports."""
        return frozenset(_bound(list(_kept(self.tree.body))))

    @cached_property
    def handed_on(self) -> dict[str, tuple[ast.ImportFrom, str]]:
        """By name: the statement that imports it from elsewhere, wherever it stands, and what it is called there."""
        return {
            alias.asname or alias.name: (node, alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    @cached_property
    def table(self) -> dict[str, str]:
        """Pairs of strings in dictionaries: where a lazy ``__getattr__`` finds a name."""
        return {
            key.value: value.value
            for node in self.nodes
            if isinstance(node, ast.Dict)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
            if isinstance(key.value, str) and isinstance(value.value, str)
        }

    @property
    def acts(self) -> bool:
        """Whether the module does something when it is imported, other than to import and to bind names."""
        harmless = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.AnnAssign)
        return any(
            not isinstance(statement, harmless)
            and not (isinstance(statement, ast.Assign) and all(isinstance(t, ast.Name) for t in statement.targets))
            for statement in _kept(self.tree.body)
        )

    @cached_property
    def siblings(self) -> list[str]:
        """Modules beside this one that it names by their files."""
        return [file.stem for file in self._named if file.suffix == ".py" and file != self.path]

    @cached_property
    def data(self) -> list[Path]:
        """Files beside this module, or in folders beside it, that it names."""
        return [file for file in self._named if file.suffix != ".py"]

    @cached_property
    def strings(self) -> set[str]:
        """Strings in the module."""
        return {node.value for node in self.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}

    @cached_property
    def _named(self) -> list[Path]:
        beside = {entry.name: entry for entry in self.path.parent.iterdir()}
        found: list[Path] = []
        for name in sorted(self.strings & beside.keys()):
            if beside[name].is_file():
                found.append(beside[name])
            elif not (beside[name] / "__init__.py").exists():
                files = (file for file in sorted(beside[name].rglob("*")) if file.is_file())
                found += [file for file in files if file.suffix not in (".py", ".pyc")]
        return found

    def package(self, module: str) -> str:
        """The package that the module of this source is in, or is."""
        return module if self.path.name == "__init__.py" else module.rpartition(".")[0]

    def base(self, node: ast.ImportFrom, module: str) -> str:
        """The absolute name of the module that a ``from`` statement names."""
        if not node.level:
            return node.module or ""
        parts = self.package(module).split(".")
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])


def _bound(statements: Sequence[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
        for field in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _bound(getattr(statement, field, []))


def _read(value: object, text: list[str], nodes: list[ast.AST]) -> None:
    """Write a tree as text that is the same under every version of Python, and list its nodes.

    Fields without content are left out, as are strings that stand alone and what is under ``TYPE_CHECKING``.
    """
    if isinstance(value, ast.AST):
        nodes.append(value)
        text.append(f"({type(value).__name__}")
        for name in value._fields:
            inner = getattr(value, name, None)
            if inner is not None and inner != [] and name not in ("ctx", "kind", "type_comment"):
                text.append(f" {name}=")
                _read(inner, text, nodes)
        text.append(")")
    elif isinstance(value, list):
        text.append("[")
        for inner in _kept(value):
            _read(inner, text, nodes)
            text.append(",")
        text.append("]")
    else:
        text.append(repr(value))


def _kept(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, ast.If):
            test = item.test
            if (test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")) == "TYPE_CHECKING":
                yield from _kept(item.orelse)
                continue
        if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)):
            yield item
