"""The leaderboard: derived from records, compared with reported figures, shown in many forms."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.report.comparing import Comparison, compare
    from harness.report.model import Board, Difference, Figure, Leaderboard, Row, ScoreInfo

    build = Leaderboard.build

__all__ = [
    "Board",
    "Comparison",
    "Difference",
    "Figure",
    "Leaderboard",
    "Row",
    "ScoreInfo",
    "build",
    "compare",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "build":
        return import_module("harness.report.model").Leaderboard.build
    home = "comparing" if name in ("Comparison", "compare") else "model"
    value = getattr(import_module(f"harness.report.{home}"), name)
    globals()[name] = value
    return value
