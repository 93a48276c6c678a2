"""The local engine: stages in order, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.engines.base import Finished, Numbered, StageError
from harness.engines.demand import missing
from harness.engines.threads import computing_with
from harness.engines.work import available, computed
from harness.observers.hooks import Observers
from harness.stages.base import Stage
from harness.store.store import Store


class LocalEngine:
    """Computes what the store does not have, one stage after another.

    Args:
        store: Where artifacts are looked up and kept.
        threads: Number of threads that stages compute with; by default what libraries choose.
    """

    def __init__(self, store: Store, *, threads: int | None = None) -> None:
        self._store, self._threads = store, threads

    def compute(self, targets: Sequence[Stage[Any]], observers: Observers) -> Iterator[Finished]:
        """See :class:`harness.engines.base.Engine`; targets are settled in the order given."""
        report = Numbered(observers, len(missing(targets, self._store)))
        failed: dict[str, StageError] = {}
        for target in {stage.id: stage for stage in targets}.values():
            with computing_with(self._threads):
                finished = Finished(target, self._settle(target, failed, report))
            yield finished

    def _settle(self, target: Stage[Any], failed: dict[str, StageError], report: Numbered) -> StageError | None:
        """Why a target cannot be had; adds to ``failed``, the errors by id of the stages that failed or rest on one."""
        for stage in missing([target], self._store):
            error = next((failed[up.id] for up in (stage, *stage.inputs().values()) if up.id in failed), None)
            try:
                if error is None:
                    computed(stage, self._store, report, report.divided)
            except StageError as found:
                error = failed[found.stage.id] = found
            if error is not None:
                failed[stage.id] = error
                return error
        try:
            if target.id not in failed:
                available(target, self._store, report, report.divided)
        except StageError as found:
            failed[found.stage.id] = failed[target.id] = found
        return failed.get(target.id)
