"""A comparison's scores as texts, for every form that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.columns import interval_bounds, is_share, number, p_text

if TYPE_CHECKING:
    from harness.report.comparing import Comparison, ScoreComparison

MAIN = ("accuracy/", "confidence/clean", "confidence_std/clean", "uu@", "ece/clean", "brier/clean", "matched_uu@")
"""Scores that are shown unless all are asked for: those that start so."""


def cells(score: ScoreComparison) -> list[str]:
    """Score, figures of both arms, difference with its interval, p, and the smallest difference that would have been found."""
    share, total = is_share(score.info, score.name), score.info.total
    difference = score.difference
    bounds = interval_bounds(difference.low, difference.high, share=share, total=total)
    span, detectable = score.info.span, number(difference.detectable, share=share, total=total)
    if span is not None and difference.detectable is not None and difference.detectable >= span:
        detectable = "none"  # even the largest difference there can be
    return [
        score.name,
        *(number(figure.value, share=share, total=total) for figure in (score.a, score.b)),
        f"{number(difference.value, share=share, total=total, sign=True)} {bounds}".rstrip(),
        p_text(difference.p_holm),
        detectable,
    ]


def main_rows(found: Comparison) -> list[list[str]]:
    """The cells of the main scores."""
    return [cells(score) for score in found.scores if score.name.startswith(MAIN)]


def caption(found: Comparison) -> str:
    """What a reader has to know."""
    seeds = f"seed{'s' if len(found.seeds) > 1 else ''} {', '.join(map(str, found.seeds))}"
    return (
        f"Paired on the same test examples, {seeds}; differences with 95 % intervals. p of "
        f"{found.primary or 'the primary score'} as it is, of the others adjusted by Holm."
    )
