"""Components in a file of the user's own, named in a suite as ``./my_method.py:MyMethod``.

The file is imported as a module of its own, named after its path and contents: an edited file is another module, and a process
that unpickles one of its components imports it again.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import RLock
from types import FunctionType, ModuleType
from typing import Any

from harness.components.paths import locate
from harness.errors import ComponentError, InputError, did_you_mean

PATTERN = r"^.+\.py(:\w+)$"
"""Form of what names a component in a file, as a regular expression that editors know too."""

_FORM = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w*))?")
_LOCK = RLock()
_PREFIX = "harness_file_"


@dataclass(frozen=True, slots=True)
class FilePoint:
    """A class in a file: what an entry point is to a class of a distribution.

    Attributes:
        path: The file, absolute.
        name: Name of the class.
        digest: SHA-256 of the file's contents, the first 16 hexadecimal digits.
    """

    path: Path
    name: str
    digest: str

    @property
    def value(self) -> str:
        """As it could be written in a suite."""
        return f"{self.path}:{self.name}"

    def load(self) -> Any:
        """Import the file and return what it has under the name.

        Raises:
            ComponentError: The file cannot be read, was changed, fails to import, or has no such class.
        """
        module = _module(self.path, self.digest)
        try:
            return getattr(module, self.name)
        except AttributeError:
            classes = [
                name
                for name, value in vars(module).items()
                if isinstance(value, type) and value.__module__ == module.__name__
            ]
            functions = [name for name, value in vars(module).items() if isinstance(value, FunctionType)]
            what, known = ("class", classes) if classes or not functions else ("function", functions)
            raise ComponentError(f"{self.path} has no {what} {self.name!r}. {did_you_mean(self.name, known)}") from None


def names_file(name: str) -> bool:
    """Whether a component is named by its file: ``./my_method.py:MyMethod``."""
    return _FORM.fullmatch(name) is not None


def find(name: str, folders: Sequence[Path]) -> FilePoint:
    """The class that ``name`` means; nothing is imported.

    Args:
        name: ``PATH.py:CLASS``.
        folders: Folders that a relative path starts from, as for :func:`harness.components.paths.locate`.

    Raises:
        ComponentError: No class is named, or there is no such file.
    """
    match = _FORM.fullmatch(name)
    if match is None or not match["name"]:
        raise ComponentError(f"Which class of {name.rstrip(':')}? Write {name.rstrip(':')}:CLASS.")
    try:
        path = locate(match["path"], folders=folders)
    except InputError as error:
        raise ComponentError(error.message) from error
    return FilePoint(path, match["name"], _digest(_read(path)))


def point_of(cls: type) -> FilePoint | None:
    """The file that a class was imported from by this module; ``None`` for any other class."""
    loader = getattr(getattr(sys.modules.get(cls.__module__), "__spec__", None), "loader", None)
    return FilePoint(loader.path, cls.__qualname__, loader.digest) if isinstance(loader, _Loader) else None


def placeless(module: str) -> str:
    """The name of a module, without what tells equal files in two places apart if it is a file's."""
    return module.rpartition("_")[0] if module.startswith(_PREFIX) else module


def blank(point: FilePoint) -> Any:
    """An instance without state, for unpickling."""
    cls = point.load()
    return cls.__new__(cls)


class _Loader(SourceLoader):
    """Runs contents that were read before; keeps no bytecode beside the file."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.path, self.source, self.digest = path, source, _digest(source)

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_data(self, path: Any) -> bytes:
        return self.source


def _module(path: Path, digest: str) -> ModuleType:
    name = f"{_PREFIX}{path.stem.replace('.', '_')}_{digest}_{_digest(str(path).encode())[:8]}"
    with _LOCK:
        if name in sys.modules:
            return sys.modules[name]
        loader = _Loader(path, _read(path))
        if loader.digest != digest:
            raise ComponentError(f"{path} was changed since the suite was read.", hint="Read the suite again.")
        spec = spec_from_file_location(name, path, loader=loader)
        assert spec is not None  # noqa: S101 - a loader was given
        module = module_from_spec(spec)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            del sys.modules[name]
            raise ComponentError(f"{path} cannot be imported: {_fault(error, path)}") from error
        return module


def _fault(error: BaseException, path: Path) -> str:
    """What went wrong, and on which line of the file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(path) else (lines or [None])[-1]
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {(text or 'no message').splitlines()[0]}" + (f" (line {line})" if line else "")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        there = [entry.name for entry in path.parent.glob("*.py")] if path.parent.is_dir() else []
        near = did_you_mean(path.name, there) if there else ""
        raise ComponentError(f"There is no file {path}. {near}".rstrip()) from None
    except OSError as error:
        raise ComponentError(f"{path} cannot be read: {error.strerror or error}.") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
