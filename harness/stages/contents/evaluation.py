"""What was found in the end of an arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.records.model import ScoreRecord
from harness.stages.contents.base import Content
from harness.store.payload import read_json, write_json, write_parquet

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluation(Content):
    """Scores and files of one arm's record.

    Attributes:
        scores: The figures by name, in the order of the metrics; none of them volatile.
        frames: The record's other files by name: ``"predictions"``, ``"tables/ece.reliability"``.
    """

    scores: Mapping[str, ScoreRecord]
    frames: Mapping[str, pd.DataFrame]

    def write(self, folder: Path) -> None:
        """The scores as JSON, a parquet file per frame."""
        for name, frame in self.frames.items():
            path = folder / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_parquet(frame, path)
        scores = [{"name": name, **score.model_dump(mode="json")} for name, score in self.scores.items()]
        write_json(folder / "scores.json", scores)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what :meth:`write` wrote."""
        import pandas as pd

        frames = {
            path.relative_to(folder).as_posix().removesuffix(".parquet"): pd.read_parquet(path)
            for path in sorted(folder.rglob("*.parquet"))
        }
        return cls({item.pop("name"): ScoreRecord(**item) for item in read_json(folder / "scores.json")}, frames)
