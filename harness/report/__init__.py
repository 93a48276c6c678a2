"""The leaderboard: derived from records, compared with reported figures, shown in many forms."""

from harness.report.model import Board, Difference, Figure, Leaderboard, Row, ScoreInfo

build = Leaderboard.build

__all__ = ["Board", "Difference", "Figure", "Leaderboard", "Row", "ScoreInfo", "build"]
