"""Discovery of components through entry points.

Names are read from the metadata of installed distributions, without importing anything. A class is imported when a suite
names it or when somebody asks about it, and whatever goes wrong then is kept as the reason why that one component is
broken; the others do not notice.
"""

from __future__ import annotations

import hashlib
import os
import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from harness.components import file as component_file
from harness.components.base import API_VERSION, KINDS, Origin, group
from harness.components.file import FilePoint
from harness.components.paths import here
from harness.errors import ComponentError, HarnessError, InputError, did_you_mean

if TYPE_CHECKING:
    from pydantic import ValidationInfo

    from harness.components import Attack, DatasetSource, Generator, Metric, Model, Selector, Valuator
    from harness.components.base import Component

BUILT_IN = frozenset(
    {
        "bliss-harness",
        "bliss-harness-valuators",
        "bliss-harness-attacks",
        "bliss-harness-generators",
        "bliss-harness-metrics",
    }
)
"""The distributions of this project. They have no privilege but this: switching off third parties leaves them on."""

ALLOW_VARIABLE = "HARNESS_PLUGINS"
"""Environment variable: comma-separated third-party distributions to allow; set but empty switches all of them off."""


FILE = "file"
"""What stands for the distribution of a component that a suite names by its file."""

LOCAL = "local"
"""What stands for the distribution of a component that was added at run time."""


@dataclass(frozen=True, slots=True)
class Given:
    """A class that is there already: what an entry point is to one that has to be imported."""

    cls: type[Component]

    @property
    def value(self) -> str:
        """Where the class is defined."""
        return f"{self.cls.__module__}:{self.cls.__qualname__}"

    def load(self) -> type[Component]:
        """The class."""
        return self.cls


@dataclass(frozen=True, slots=True)
class Entry:
    """One component as its distribution announces it, or as a file or a call names it.

    Attributes:
        kind: One of :data:`harness.components.KINDS`.
        name: The name that suites use.
        distribution: Name of the installed distribution that provides it; :data:`FILE` or :data:`LOCAL` where there is none.
        version: Version of that distribution; else a digest of the code.
        point: What leads to the class.
    """

    kind: str
    name: str
    distribution: str
    version: str
    point: EntryPoint | FilePoint | Given = field(repr=False)

    @property
    def key(self) -> str:
        """The name qualified by the distribution: ``"bliss-harness-valuators/dvrl"``."""
        return f"{self.distribution}/{self.name}"

    @property
    def built_in(self) -> bool:
        """Whether it belongs to this project."""
        return self.distribution in BUILT_IN

    @property
    def installed(self) -> bool:
        """Whether a distribution provides it."""
        # Not by the class of entry points: libraries replace the finder of metadata, and with it that class.
        return not isinstance(self.point, FilePoint | Given)

    def __str__(self) -> str:
        origin = f" of {self.distribution} {self.version}" if self.installed else ""
        return f"{self.kind} {self.name!r}{origin}"


@dataclass(frozen=True, slots=True)
class Status:
    """What became of loading an entry: ``state`` is ``"ok"`` or ``"broken"``, with the reason and the traceback."""

    entry: Entry
    state: str
    summary: str = ""
    reason: str = ""
    trace: str = ""


def normalise(distribution: str) -> str:
    """A distribution's name in the form that the packaging standards compare by."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


class Registry:
    """The components installed in this environment.

    Args:
        allow: Third-party distributions to admit; ``None`` admits all, unless the environment variable
            ``HARNESS_PLUGINS`` says otherwise.
        block: Distributions to leave out.
    """

    def __init__(self, *, allow: Iterable[str] | None = None, block: Iterable[str] = ()) -> None:
        if allow is None and ALLOW_VARIABLE in os.environ:
            allow = [part.strip() for part in os.environ[ALLOW_VARIABLE].split(",") if part.strip()]
        self._admitted = None if allow is None else {normalise(name) for name in allow}
        self._blocked = {normalise(name) for name in block}
        found: list[Entry] = []
        self._left_out: list[Entry] = []
        for kind in KINDS:
            for point in entry_points(group=group(kind)):
                distribution = normalise(point.dist.name) if point.dist else "(unknown)"
                version = point.dist.version if point.dist else ""
                entry = Entry(kind, point.name, distribution, version, point)
                (found if self.admits(distribution) else self._left_out).append(entry)
        self._entries = tuple(sorted(dict.fromkeys(found), key=lambda e: (KINDS.index(e.kind), e.name, e.distribution)))
        self._loaded: dict[Entry, type[Component] | ComponentError] = {}

    def admits(self, distribution: str) -> bool:
        """Whether components of a distribution (by its normalised name) are let in."""
        if distribution in self._blocked:
            return False
        return self._admitted is None or distribution in BUILT_IN or distribution in self._admitted

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """All components, or those of one kind, sorted by kind and name. Imports nothing."""
        return tuple(entry for entry in self._entries if kind is None or entry.kind == kind)

    def names(self, kind: str) -> list[str]:
        """The names of one kind."""
        return sorted({entry.name for entry in self.entries(kind)})

    def add(self, kind: str, name: str, cls: type[Component]) -> Entry:
        """Let ``name`` stand for a class of this process, as if a distribution provided it; a later class takes its place.

        Args:
            kind: One of :data:`harness.components.KINDS`.
            name: As suites are to use it.
            cls: A component of that kind.

        Raises:
            ComponentError: The kind is unknown, an installed component has the name, or the class does not keep the contract.
        """
        _check_kind(kind)
        if taken := [entry for entry in self.entries(kind) if entry.name == name and entry.distribution != LOCAL]:
            raise ComponentError(
                f"The {kind} name {name!r} is taken by {taken[0].distribution} {taken[0].version}.",
                hint="Choose another name.",
            )
        if not re.fullmatch(r"[\w.+-]+", name):
            raise ComponentError(f"{name!r} is not a usable name: letters, digits and . _ + - only.")
        entry = Entry(kind, name, LOCAL, _source_digest(cls), Given(cls))
        self._loaded[entry] = _load(entry)
        others = [
            other for other in self._entries if (other.kind, other.name, other.distribution) != (kind, name, LOCAL)
        ]
        self._entries = tuple(sorted([*others, entry], key=lambda e: (KINDS.index(e.kind), e.name, e.distribution)))
        return entry

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what was imported, which another process imports for itself."""
        return self.__dict__ | {"_loaded": {}}

    def find(self, kind: str, name: str, folders: Sequence[Path] = ()) -> Entry:
        """The component called ``name``, which may be qualified as ``distribution/name``, or ``PATH.py:CLASS`` of a file.

        Args:
            kind: One of :data:`harness.components.KINDS`.
            name: As written.
            folders: Folders that the relative path of a file starts from; none for the current one.

        Raises:
            ComponentError: The kind or name is unknown, two distributions offer the name, or there is no such file.
        """
        _check_kind(kind)
        if component_file.names_file(name):
            file = component_file.find(name, folders)
            return Entry(kind, f"{file.path.name}:{file.name}", FILE, file.digest, file)
        distribution, _, bare = name.rpartition("/")
        matches = [
            entry
            for entry in self.entries(kind)
            if entry.name == bare and (not distribution or entry.distribution == normalise(distribution))
        ]
        if len(matches) > 1:
            offers = " and ".join(f"{entry.distribution} {entry.version}" for entry in matches)
            raise ComponentError(
                f"The {kind} name {name!r} is ambiguous: {offers} both provide it.",
                hint=f"Write one of {', '.join(entry.key for entry in matches)}, or uninstall the other.",
            )
        if not matches:
            known = self.names(kind)
            off = [entry.distribution for entry in self._left_out if (entry.kind, entry.name) == (kind, bare)]
            elsewhere = sorted({entry.kind for entry in self._entries if entry.name == bare and entry.kind != kind})
            if off:
                extra = f"The plugin {off[0]} has one, but is switched off."
            elif elsewhere:
                article = "an" if elsewhere[0] == "attack" else "a"
                extra = f"{bare!r} is {article} {elsewhere[0]}. {did_you_mean(bare, known)}"
            elif distribution:
                extra = did_you_mean(name, [entry.key for entry in self.entries(kind)])
            else:
                extra = did_you_mean(bare, known)
            raise ComponentError(
                f"No {kind} is called {name!r}. {extra}", hint="`harness plugins` lists what is installed."
            )
        return matches[0]

    def load(self, entry: Entry) -> type[Component]:
        """Import the class behind an entry and check that it keeps the contract.

        Raises:
            ComponentError: The import fails, or what was imported is not a component of that kind and API version. The
                original exception is the cause.
        """
        if entry not in self._loaded:
            try:
                self._loaded[entry] = _load(entry)
            except ComponentError as error:
                self._loaded[entry] = error
        loaded = self._loaded[entry]
        if isinstance(loaded, ComponentError):
            raise loaded
        return loaded

    def status(self, entry: Entry) -> Status:
        """Try to load an entry and say what came of it; never raises."""
        try:
            cls = self.load(entry)
        except ComponentError as error:
            cause = error.__cause__
            trace = "" if cause is None else "".join(traceback.format_exception(cause))
            return Status(entry, "broken", reason=str(error), trace=trace)
        return Status(entry, "ok", summary=summary(cls))

    def create(
        self, kind: str, name: str, options: dict[str, Any] | None = None, *, folders: tuple[Path, ...] = ()
    ) -> Component:
        """An instance of a component with validated options.

        Args:
            kind: One of :data:`harness.components.KINDS`.
            name: As for :meth:`find`.
            options: By name.
            folders: Folders that relative paths in the options start from; none for the current one.

        Raises:
            ComponentError: See :meth:`find` and :meth:`load`; or options that the component refuses, all of them named.
        """
        from pydantic import ValidationError

        cls = self.load(self.find(kind, name, folders))
        try:
            return cls.model_validate(options or {}, context=Scope(folders or here(), self))
        except ValidationError as error:
            problems = "; ".join(describe(problem, cls) for problem in error.errors())
            raise ComponentError(f"Options of {kind} {name!r}: {problems}.") from error


def _load(entry: Entry) -> type[Component]:
    from harness import components

    theirs = entry.installed and not entry.built_in
    hint = f"Repair it, or remove it with `pip uninstall {entry.distribution}`." if theirs else None
    try:
        loaded = entry.point.load()
    except (KeyboardInterrupt, ComponentError):
        raise
    except BaseException as error:
        first = str(error).splitlines()[0] if str(error) else "no message"
        raise ComponentError(
            f"The {entry} cannot be imported from {entry.point.value!r}: {type(error).__name__}: {first}", hint=hint
        ) from error
    base: type[Component] = {
        "dataset": components.DatasetSource,
        "model": components.Model,
        "valuator": components.Valuator,
        "selector": components.Selector,
        "attack": components.Attack,
        "generator": components.Generator,
        "metric": components.Metric,
    }[entry.kind]
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise ComponentError(f"The {entry} is not a subclass of harness.components.{base.__name__}.", hint=hint)
    version = getattr(loaded, "api_version", None)
    if version != API_VERSION:
        stated = "states no api_version" if version is None else f"is written for API version {version}"
        raise ComponentError(
            f"The {entry} {stated}; this harness has API version {API_VERSION}.",
            hint=(f"Look for a release of {entry.distribution} that fits, or set" if entry.installed else "Set")
            + f" `api_version: ClassVar[int] = {API_VERSION}` in the class once it keeps the contract.",
        )
    if missing := sorted(loaded.__abstractmethods__):
        raise ComponentError(f"The {entry} does not implement {', '.join(missing)}().", hint=hint)
    if issubclass(loaded, components.Metric | components.Selector) and (fault := _unmet(loaded.needs, loaded.offered)):
        raise ComponentError(f"The {entry} {fault}", hint=hint)
    return loaded


def _unmet(needs: Any, offered: frozenset[str]) -> str:
    """What is wrong with the needs that a class states; empty when nothing is."""
    if not isinstance(needs, frozenset | set):
        return f"states its needs as {needs!r}; expected a set of names. Known: {', '.join(sorted(offered))}."
    unknown = sorted(needs - offered, key=repr)
    return f"needs {unknown[0]!r}, which nobody provides. {did_you_mean(str(unknown[0]), offered)}" if unknown else ""


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ComponentError(f"There is no kind of component called {kind!r}. {did_you_mean(kind, KINDS)}")


def _source_digest(cls: type) -> str:
    """A digest of the source code of a class; empty where it was typed in and is not kept."""
    import inspect

    try:
        return hashlib.sha256(inspect.getsource(cls).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return ""


@contextmanager
def blaming(entry: Entry) -> Iterator[None]:
    """Turn whatever a component raises while it is asked about itself into a message for the user.

    Raises:
        InputError: A file that the component needs cannot be read.
        ComponentError: The component has a fault; the original exception is the cause.
    """
    try:
        yield
    except HarnessError:
        raise
    except OSError as error:
        raise InputError(f"{error.filename or entry.key} cannot be read: {error.strerror or error}.") from error
    except (Exception, SystemExit) as error:
        raise ComponentError(f"{entry.kind} {entry.key} is faulty: {type(error).__name__}: {error}") from error


def describe(problem: Any, cls: type[Component]) -> str:
    """One pydantic problem as a clause: which option, what is wrong, the nearest option when the key is unknown."""
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
        return f"there is no option {path!r}. {did_you_mean(path, cls.model_fields)}".rstrip(".")
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{path!r} is required"
    shown = "" if isinstance(problem.get("input"), dict) else f" (got {problem.get('input')!r})"
    return f"{path!r}: {message[0].lower()}{message[1:]}{shown}" if path else f"{message}{shown}"


def summary(cls: type) -> str:
    """The first line of a class's docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0] if (cls.__doc__ or "").strip() else ""


_default: Registry | None = None


def registry() -> Registry:
    """The registry of this process; see :func:`use`."""
    global _default  # noqa: PLW0603 - one process, one environment
    if _default is None:
        _default = Registry()
    return _default


def use(chosen: Registry | None) -> None:
    """Make ``chosen`` the registry of this process; ``None`` discovers anew at the next use."""
    global _default  # noqa: PLW0603
    _default = chosen


@dataclass(frozen=True)
class Scope(Origin):
    """Where a component finds what its options only name: files, and other components.

    Attributes:
        registry: The components that references such as ``{use: NAME}`` choose from; by default those of this process.
    """

    registry: Registry = field(default_factory=registry)

    @classmethod
    def of(cls, info: ValidationInfo) -> Scope:
        """The scope that a validation is told; outside a suite, the current folder and the components of this process."""
        origin = Origin.of(info)
        return origin if isinstance(origin, Scope) else Scope(origin.folders)

    def create(self, kind: str, name: str, options: dict[str, Any] | None = None) -> Any:
        """A component by name; see :meth:`Registry.create`."""
        return self.registry.create(kind, name, options, folders=self.folders)


@overload
def component(kind: Literal["dataset"], name: str, **options: Any) -> DatasetSource: ...
@overload
def component(kind: Literal["model"], name: str, **options: Any) -> Model: ...
@overload
def component(kind: Literal["valuator"], name: str, **options: Any) -> Valuator: ...
@overload
def component(kind: Literal["selector"], name: str, **options: Any) -> Selector: ...
@overload
def component(kind: Literal["attack"], name: str, **options: Any) -> Attack: ...
@overload
def component(kind: Literal["generator"], name: str, **options: Any) -> Generator: ...
@overload
def component(kind: Literal["metric"], name: str, **options: Any) -> Metric: ...
@overload
def component(kind: str, name: str, **options: Any) -> Component: ...
def component(kind: str, name: str, **options: Any) -> Component:
    """An instance of any installed component, by kind and name, with validated options.

    >>> harness.component("valuator", "dvrl", iterations=500)  # doctest: +SKIP

    Args:
        kind: ``"dataset"``, ``"model"``, ``"valuator"``, ``"selector"``, ``"attack"``, ``"generator"`` or ``"metric"``.
        name: As in a suite; ``distribution/name`` where two distributions share a name, ``PATH.py:CLASS`` for one in a file.
        **options: The component's options.

    Returns:
        The component, of the contract's class; its own class is only known at run time.

    Raises:
        harness.errors.ComponentError: Unknown kind or name, a broken plugin, or invalid options.
    """
    return registry().create(kind, name, options)
