"""Discovery of components through entry points.

Names are read from the metadata of installed distributions, without importing anything. A class is imported when a suite
names it or when somebody asks about it, and whatever goes wrong then is kept as the reason why that one component is
broken; the others do not notice.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from harness.errors import ComponentError, HarnessError, InputError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Entry:
    """One component as its distribution announces it.

    Attributes:
        kind: One of :data:`harness.components.KINDS`.
        name: The name that suites use.
        distribution: Name of the installed distribution that provides it.
        version: Version of that distribution.
        point: The entry point itself.
    """

    kind: str
    name: str
    distribution: str
    version: str
    point: EntryPoint = field(repr=False)

    @property
    def key(self) -> str:
        """The name qualified by the distribution: ``"bliss-harness-valuators/dvrl"``."""
        return f"{self.distribution}/{self.name}"

    @property
    def built_in(self) -> bool:
        """Whether it belongs to this project."""
        return self.distribution in BUILT_IN


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
    import re

    return re.sub(r"[-_.]+", "-", distribution).lower()


class Registry:
    """The components installed in this environment.

    Args:
        allow: Third-party distributions to admit; ``None`` admits all, unless the environment variable
            ``HARNESS_PLUGINS`` says otherwise.
        block: Distributions to leave out.
    """

    def __init__(self, *, allow: Iterable[str] | None = None, block: Iterable[str] = ()) -> None:
        from harness.components.base import KINDS, group

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

    def find(self, kind: str, name: str) -> Entry:
        """The component called ``name``, which may be qualified as ``distribution/name``.

        Raises:
            ComponentError: The kind or name is unknown, or two distributions offer the name.
        """
        from harness.components.base import KINDS

        if kind not in KINDS:
            raise ComponentError(f"There is no kind of component called {kind!r}. {did_you_mean(kind, KINDS)}")
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

        from harness.components.base import Scope
        from harness.components.paths import here

        cls = self.load(self.find(kind, name))
        try:
            return cls.model_validate(options or {}, context=Scope(folders or here(), self))
        except ValidationError as error:
            problems = "; ".join(describe(problem, cls) for problem in error.errors())
            raise ComponentError(f"Options of {kind} {name!r}: {problems}.") from error


def _load(entry: Entry) -> type[Component]:
    from harness import components
    from harness.components.base import API_VERSION

    where = f"{entry.kind} {entry.name!r} of {entry.distribution} {entry.version}"
    hint = None if entry.built_in else f"Repair it, or remove it with `pip uninstall {entry.distribution}`."
    try:
        loaded = entry.point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        first = str(error).splitlines()[0] if str(error) else "no message"
        raise ComponentError(
            f"The {where} cannot be imported from {entry.point.value!r}: {type(error).__name__}: {first}", hint=hint
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
        raise ComponentError(f"The {where} is not a subclass of harness.components.{base.__name__}.", hint=hint)
    version = getattr(loaded, "api_version", None)
    if version != API_VERSION:
        stated = "states no api_version" if version is None else f"is written for API version {version}"
        raise ComponentError(
            f"The {where} {stated}; this harness has API version {API_VERSION}.",
            hint=f"Look for a release of {entry.distribution} that fits, or set `api_version: ClassVar[int] = {API_VERSION}`"
            " in the class once it keeps the contract.",
        )
    if missing := sorted(loaded.__abstractmethods__):
        raise ComponentError(f"The {where} does not implement {', '.join(missing)}().", hint=hint)
    return loaded


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
    except Exception as error:
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


def component(kind: str, name: str, **options: Any) -> Any:
    """An instance of any installed component, by kind and name, with validated options.

    >>> harness.component("valuator", "dvrl", iterations=500)  # doctest: +SKIP

    Args:
        kind: ``"dataset"``, ``"model"``, ``"valuator"``, ``"selector"``, ``"attack"``, ``"generator"`` or ``"metric"``.
        name: As in a suite; ``distribution/name`` where two distributions share a name.
        **options: The component's options.

    Returns:
        The component (typed ``Any``, because its class is only known at run time).

    Raises:
        harness.errors.ComponentError: Unknown kind or name, a broken plugin, or invalid options.
    """
    return registry().create(kind, name, options)
