"""The leaderboard: derived from records, compared with reported figures, shown in many forms."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.report.comparing import Comparison, compare
    from harness.report.leaderboard import Leaderboard
    from harness.report.model import Board, Difference, Figure, Row, ScoreInfo

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
        return import_module("harness.report.leaderboard").Leaderboard.build
    homes = {"Comparison": "comparing", "compare": "comparing", "Leaderboard": "leaderboard"}
    value = getattr(import_module(f"harness.report.{homes.get(name, 'model')}"), name)
    globals()[name] = value
    return value
