"""Which stages can be computed now, and which targets are settled: what an engine that computes several at a time asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.engines.base import Finished, StageError, info
from harness.engines.demand import missing
from harness.stages.base import Stage
from harness.store.store import DamagedArtifactError, Store


class Schedule:
    """The stages to compute for some targets, and what has become of them.

    A stage is ready when all its inputs are in the store with checksums that hold; damaged ones are computed again before,
    as stages of their own, so that no two readers repair the same.

    Args:
        targets: The stages that are wanted.
        store: Where artifacts are.

    Attributes:
        todo: What has to be computed and is not settled, by id, inputs first.
        unsettled: Targets that are not settled, by id.
    """

    def __init__(self, targets: Sequence[Stage[Any]], store: Store) -> None:
        self._store = store
        self.unsettled = {stage.id: stage for stage in targets}
        self.todo = {stage.id: stage for stage in missing(targets, store)}
        self._parts: dict[str, Sequence[Stage[Any]]] = {}  # by id of the stage that wants them
        self._running: set[str] = set()
        self._failed: dict[str, StageError] = {}
        self._repaired: set[str] = set()

    def take(self, fits: Callable[[Stage[Any]], bool] = lambda stage: True) -> Stage[Any] | None:
        """The first stage that is ready and fits; it counts as running from here on. ``None`` when there is none.

        Args:
            fits: Whether there is room for a stage beside those that run.
        """
        progress = True
        while progress:
            progress = False
            for stage in list(self.todo.values()):
                if stage.id in self._running:
                    continue
                inputs = [*stage.inputs().values(), *self._parts.get(stage.id, ())]
                error = next((self._failed[source.id] for source in inputs if source.id in self._failed), None)
                if error is not None:
                    self.done(stage, error)
                    progress = True
                elif not any(source.id in self.todo for source in inputs):
                    damaged = [source for source in inputs if not self.sound(source) and self._repair(source)]
                    if not damaged and not fits(stage):
                        continue
                    if not damaged:
                        self._running.add(stage.id)
                        return stage
                    progress = True
        return None

    def done(self, stage: Stage[Any], error: StageError | None) -> None:
        """A stage is computed, or has failed; the error may be that of a stage it rests on."""
        self._running.discard(stage.id)
        self.todo.pop(stage.id, None)
        if error is not None:
            self._failed[stage.id] = self._failed[error.stage.id] = error

    def divide(self, stage: Stage[Any], parts: Sequence[Stage[Any]]) -> None:
        """A stage was taken and wants parts first. They go before what has not been begun."""
        self._running.discard(stage.id)
        self._parts[stage.id] = parts
        self.todo = {part.id: part for part in parts if part.id not in self._failed} | self.todo

    def give_back(self, stage: Stage[Any]) -> None:
        """A stage was taken and not computed."""
        self._running.discard(stage.id)

    def settle(self) -> Finished | None:
        """A target that is settled, once; ``None`` when there is none now."""
        for target in list(self.unsettled.values()):
            if target.id not in self.todo:
                if target.id not in self._failed and not self.sound(target):
                    if self._repair(target):
                        continue
                    reason = "its artifact is damaged as soon as it is written."
                    self._failed[target.id] = StageError(info(target), reason, hint="Is the disk in order?")
                return Finished(self.unsettled.pop(target.id), self._failed.get(target.id))
        return None

    def sound(self, stage: Stage[Any]) -> bool:
        """Whether the store has the artifact of a stage with checksums that hold (verified once)."""
        try:
            self._store.open(stage.kind, stage.id)
        except DamagedArtifactError:
            return False
        return True

    def _repair(self, stage: Stage[Any]) -> bool:
        """Have a stage computed again with whatever it lacks; whether that has not been tried before."""
        if stage.id in self._repaired:
            return False
        self._repaired.add(stage.id)
        for needed in (*missing(stage.inputs().values(), self._store), stage):
            if needed.id not in self._failed:
                self.todo.setdefault(needed.id, needed)
        return True
