"""What an engine is: something that computes targets, and says of each when it is settled."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from harness.errors import HarnessError
from harness.observers.hooks import Observers, StageInfo
from harness.stages.base import PartsWanted, Stage


class StageError(HarnessError):
    """A stage failed; the message says which and why. It crosses processes whole.

    Attributes:
        stage: The stage that failed (which may be one that the wanted stage rests on).
        trace: The traceback of the cause, as text.
    """

    def __init__(
        self, stage: StageInfo, reason: str, *, hint: str | None = None, exit_code: int = 1, trace: str = ""
    ) -> None:
        super().__init__(f"{stage.title}: {reason}", hint=hint)
        self.stage, self.exit_code, self.trace = stage, exit_code, trace

    @classmethod
    def of(cls, stage: Stage[Any], cause: BaseException) -> StageError:
        """The failure of ``stage`` that ``cause`` is."""
        trace = "".join(traceback.format_exception(cause))
        if isinstance(cause, HarnessError):
            return cls(info(stage), cause.message, hint=cause.hint, exit_code=cause.exit_code, trace=trace)
        hint = "This is a fault in the component or the harness; the log has the traceback."
        return cls(info(stage), f"{type(cause).__name__}: {cause}", hint=hint, trace=trace)


def info(stage: Stage[Any]) -> StageInfo:
    """A stage as observers see it, its place not known."""
    return StageInfo(stage.kind, stage.id, stage.title, part=stage.is_part)


@dataclass(frozen=True, slots=True)
class Finished:
    """A target that is settled.

    Attributes:
        target: The stage that was asked for.
        error: Why there is no artifact; ``None`` when the store has it, with checksums that hold.
    """

    target: Stage[Any]
    error: StageError | None = None


class Engine(Protocol):
    """Computes stages over the store that it was made with. More engines are classes with this one method.

    What a stage is computed to does not depend on the engine. Wherever it computes, it calls
    :func:`harness.engines.work.compute_stage`.
    """

    def compute(self, targets: Sequence[Stage[Any]], observers: Observers) -> Iterator[Finished]:
        """Yield each target once (of equal ones, one), as soon as it is settled, in any order.

        A stage that fails settles with its error every target that rests on it; the others go on. Errors are yielded, not
        raised; an interrupt ends the work and leaves nothing half-built.

        Args:
            targets: The stages that are wanted. Those that they rest on are computed where they are missing.
            observers: Told what happens, in the process and thread that iterates.
        """


class Report(Protocol):
    """Takes what happens while a stage is computed; every argument can be pickled, so that it may cross processes."""

    def __call__(self, hook: str, stage: StageInfo, **arguments: Any) -> None:
        """Report that ``hook`` (:class:`harness.observers.hooks.Hooks`) happened to ``stage``."""


class Numbered:
    """Passes reports on to observers, with the place of each stage among those to compute.

    A stage that is divided starts once for them, and moves as its parts are finished.

    Args:
        observers: Who is told.
        of: Number of stages to compute, as far as is known; damage may add to it.
    """

    def __init__(self, observers: Observers, of: int) -> None:
        self._observers, self._of = observers, of
        self._numbers: dict[str, int] = {}
        self._started: set[str] = set()
        self._wholes: dict[str, list[StageInfo]] = {}  # by id of the part
        self._parts: dict[str, tuple[set[str], int | None]] = {}  # by id of the whole: parts to do, number of all

    def __call__(self, hook: str, stage: StageInfo, **arguments: Any) -> None:
        """A :class:`Report`."""
        if hook == "stage_started":
            if stage.id in self._started:
                return
            self._started.add(stage.id)
        place = stage
        if not stage.part:
            number = self._numbers.setdefault(stage.id, len(self._numbers) + 1)
            place = replace(stage, number=number, of=max(self._of, number))
        self._observers.call(hook, stage=place, **arguments)
        if hook in {"stage_finished", "stage_failed"}:
            self._started.discard(stage.id)
            for whole in self._wholes.pop(stage.id, []):
                self._progress(whole, stage, arguments.get("error"))

    def divided(self, stage: Stage[Any], wanted: PartsWanted) -> None:
        """A stage has asked for parts."""
        self._parts[stage.id] = {part.id for part in wanted.parts}, wanted.total
        for part in wanted.parts:
            self._wholes.setdefault(part.id, []).append(info(stage))

    def _progress(self, whole: StageInfo, part: StageInfo, error: BaseException | None) -> None:
        """A part of a stage is finished, or has failed, and the whole with it."""
        left, total = self._parts[whole.id]
        left.discard(part.id)
        if error is not None:
            if whole.id in self._started:
                self("stage_failed", whole, error=error)
        elif total is not None:
            self("stage_progressed", whole, unit="parts", done=total - len(left), total=total, notes={})
