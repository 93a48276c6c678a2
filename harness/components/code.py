"""Which source code a class rests on, and a digest of it: the part of an artifact's identity that editing code changes.

A class rests on the module that defines it and on the modules that this one imports, and so on, within the package that the
class is from and within ``harness``. Imports are read from the source, so nothing is imported for it and those inside of
functions count. What only type checkers see does not. Three things a syntax tree shows besides imports count as well: what is
reached through a package by attributes (``package.module.name``), a string that is the dotted name of a module, and a string
that is the name of a file or folder beside the module (a worker that is run by its path, templates).

A package's ``__init__`` usually hands on names from the modules that define them. So it counts if it defines what is used, or
if it does something when it is imported; a name that it hands on, also one by a lazy ``__getattr__``, counts as its home.

Of each module the syntax tree is digested, without docstrings and without blocks under ``TYPE_CHECKING``: neither comments nor
formatting change it.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.components.file import placeless
from harness.components.source import Source
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.components.base import Component

PLUMBING = frozenset(
    {
        "harness.border.calls",
        "harness.border.frozen",
        "harness.border.numbers",
        "harness.border.texts",
        "harness.components.base",
        "harness.components.file",
        "harness.components.code",
        "harness.components.source",
        "harness.components.paths",
        "harness.components.usage",
        "harness.disk",
        "harness.errors",
        "harness.progress",
        "harness.quiet",
        "harness.registry",
        "harness.stages.base",
        "harness.store.store",
        "harness.types",
        "harness.version",
    }
)
"""Modules of the core that cannot change what is computed: messages, bars, bills and types; views that cannot be written to;
finding components and files, whose names, options and contents are in the identity themselves; how artifacts are addressed
and opened."""

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@cache
def code_digest(cls: type) -> str:
    """A digest of the source code that ``cls`` rests on: 16 hexadecimal digits.

    Raises:
        InputError: The source of the class cannot be found.
    """
    return tree_of(cls).digest(cls.__module__)


def code_of(component: Component) -> str:
    """A digest of the source code that a component rests on, with that of the components that it uses.

    Raises:
        InputError: The source of a class cannot be found.
    """
    own, parts = code_digest(type(component)), component.parts()
    if not parts:
        return own
    used = [f"{name}\0{code_of(part)}\0" for name, part in sorted(parts.items())]
    return hashlib.sha256("".join([own, *used]).encode()).hexdigest()[:16]


def modules_of(cls: type) -> tuple[str, ...]:
    """The modules (dotted) and data files (``package/file``) that :func:`code_digest` covers, sorted.

    Raises:
        InputError: The source of the class cannot be found.
    """
    return tree_of(cls).covered(cls.__module__)


def tree_of(cls: type) -> SourceTree:
    """The packages whose modules count for a class: its own, those of the components that it inherits from, and the core.

    Raises:
        InputError: The source of the class cannot be found.
    """
    tops = {"harness", _top(cls.__module__)}
    tops |= {
        _top(base.__module__) for base in cls.__mro__ if any(_top(c.__module__) == "harness" for c in base.__mro__)
    }
    roots = {top: _folders(top) for top in tops}
    if not roots[_top(cls.__module__)]:  # a module that was imported by its path
        roots[cls.__module__] = _folders(cls.__module__)
    tree = _tree(tuple(sorted(roots.items())))
    if tree.path(cls.__module__) is None:
        raise InputError(
            f"The source of {cls.__module__}.{cls.__qualname__} cannot be found, so it cannot be identified.",
            hint=f"A class of a notebook or a prompt has no file: write it to one, and say `use: ./FILE.py:{cls.__name__}`.",
        )
    return tree


@cache
def _tree(roots: tuple[tuple[str, tuple[Path, ...]], ...]) -> SourceTree:
    return SourceTree(dict(roots))


def _folders(top: str) -> tuple[Path, ...]:
    """The folders of an imported package, or the file of a module."""
    module = sys.modules.get(top)
    folders, file = getattr(module, "__path__", None), getattr(module, "__file__", None)
    return tuple(map(Path, folders if folders is not None else [file] if file else []))


def _top(module: str) -> str:
    return module.partition(".")[0]


class SourceTree:
    """Packages whose sources can be read.

    Args:
        roots: For each top-level package its folders; for a module without a package its file.
    """

    def __init__(self, roots: Mapping[str, Sequence[Path]]) -> None:
        self._roots = dict(roots)
        self._paths: dict[str, Path | None] = {}
        self._direct: dict[str, frozenset[str]] = {}
        self._homes: dict[tuple[str, str], frozenset[str]] = {}

    def path(self, module: str) -> Path | None:
        """The file of a module or of a package's ``__init__``; ``None`` if it is none of these packages'."""
        if module not in self._paths:
            self._paths[module] = self._look(module)
        return self._paths[module]

    def _look(self, module: str) -> Path | None:
        for file in self._roots.get(module, ()):
            if file.suffix == ".py" and file.is_file():
                return file
        top, *rest = module.split(".")
        for root in self._roots.get(top, ()):
            for file in (root.joinpath(*rest, "__init__.py"), root.joinpath(*rest).with_suffix(".py")):
                if file.is_file():
                    return file
        return None

    def covered(self, module: str) -> tuple[str, ...]:
        """The modules (dotted) and data files (``package/file``) that a module rests on, itself included, sorted."""
        return tuple(sorted(self._covered(module)))

    def digest(self, module: str) -> str:
        """A digest of all that a module rests on: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for name, part in sorted(self._covered(module).items()):
            digest.update(f"{placeless(name)}\0{part}\0".encode())
        return digest.hexdigest()[:16]

    def _covered(self, start: str) -> dict[str, str]:
        """The digest of each module and data file that a module rests on."""
        found: dict[str, str] = {}
        waiting = [start]
        while waiting:
            module = waiting.pop()
            path = self.path(module)
            if path is None or module in found or (module in PLUMBING and module != start):
                continue
            source = _source(path)
            found[module] = source.digest
            for file in source.data:
                found[f"{source.package(module).replace('.', '/')}/{file.relative_to(path.parent).as_posix()}"] = (
                    hashlib.sha256(file.read_bytes()).hexdigest()
                )
            if module not in self._direct:
                self._direct[module] = frozenset(self._used(module, source))
            waiting += self._direct[module]
            for package in _packages(module):
                waiting += self._itself(package)
        return found

    def _itself(self, name: str) -> tuple[str, ...]:
        """A module that is imported, or a package if importing it does more than to define names and to hand them on."""
        path = self.path(name)
        return () if path is None or (path.name == "__init__.py" and not _source(path).acts) else (name,)

    def _is_package(self, name: str) -> bool:
        path = self.path(name)
        return path is not None and path.name == "__init__.py"

    def _used(self, module: str, source: Source) -> Iterator[str]:
        """The modules that a module uses directly."""
        names: dict[str, str] = {}
        for node in source.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    names[alias.asname or _top(alias.name)] = alias.name if alias.asname else _top(alias.name)
                    yield from self._itself(alias.name)
            elif isinstance(node, ast.ImportFrom):
                base = source.base(node, module)
                for alias in node.names:
                    yield from self._home(base, alias.name)
                    if self._is_package(inner := f"{base}.{alias.name}"):
                        names[alias.asname or alias.name] = inner
        for node in source.nodes:
            if isinstance(node, ast.Attribute) and (chain := _chain(node)) and chain[0] in names:
                yield from self._reached(names[chain[0]], chain[1:])
        yield from (name for name in source.strings if _MODULE.fullmatch(name) and not self._is_package(name))
        yield from (f"{source.package(module)}.{name}".lstrip(".") for name in source.siblings)

    def _reached(self, package: str, attributes: Sequence[str]) -> frozenset[str]:
        """The module that attributes of a package lead to."""
        for attribute in attributes:
            if not self._is_package(package):
                break
            if not self._is_package(inner := f"{package}.{attribute}"):
                return self._home(package, attribute)
            package = inner
        return frozenset()

    def _home(self, base: str, name: str) -> frozenset[str]:
        """The modules that define what ``from base import name`` gets."""
        if (base, name) in self._homes:
            return self._homes[base, name]
        self._homes[base, name] = frozenset({base})  # of packages that hand a name to one another
        self._homes[base, name] = found = frozenset(self._find(base, name))
        return found

    def _find(self, base: str, name: str) -> Iterable[str]:
        inner = f"{base}.{name}"
        path = self.path(base)
        if path is None:  # of another package, or a folder without an ``__init__``
            return self._itself(inner)
        if path.name != "__init__.py":
            return (base,)
        source = _source(path)
        if name in source.defined:
            return (base,)
        if name in source.handed_on:
            node, original = source.handed_on[name]
            return self._home(source.base(node, base), original)
        if self.path(inner) is not None:
            return self._itself(inner)
        home = source.table.get(name, "").lstrip(".")
        for candidate in (home, f"{base}.{home}"):
            if home and self.path(candidate) is not None:
                return self._home(candidate, name)
        return (base,)  # by some other means: then all counts that the package imports


@cache
def _source(path: Path) -> Source:
    return Source(path)


def _packages(module: str) -> Iterator[str]:
    """The packages that a module is in, outermost first."""
    parts = module.split(".")
    return (".".join(parts[:depth]) for depth in range(1, len(parts)))


def _chain(node: ast.expr) -> list[str]:
    """``a.b.c`` as its names; nothing if it does not start with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []
