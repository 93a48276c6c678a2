"""Differences to the baseline with their intervals: what a data set's section opens with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.report import columns
from harness.report.groups import BoardKey
from harness.report.html.sections import Section
from harness.report.html.table import heading
from harness.report.html.vega import Chart, by_arm, chart, quantitative, small_multiples, tip

if TYPE_CHECKING:
    from harness.report.leaderboard import Leaderboard
    from harness.report.model import Board


def standing(section: Section, leaderboard: Leaderboard) -> Board | None:
    """The board of the section's records."""
    key = BoardKey.of(section.header)
    return next((found for found in leaderboard.boards if BoardKey.of(found) == key), None)


def best_arm(section: Section, leaderboard: Leaderboard) -> str:
    """The arm that stands first, the baseline aside; the last arm where there are no ranks."""
    found = standing(section, leaderboard)
    ranked = [] if found is None else [row.arm for row in found.measured if row.rank is not None]
    return next((arm for arm in ranked if arm in section.arms and arm != section.baseline), section.arms[-1])


def overview(section: Section, leaderboard: Leaderboard) -> Chart | None:
    """Paired differences of the figures that belong together, or ``None`` where there is nothing to compare."""
    found = standing(section, leaderboard)
    if found is None or found.primary is None:
        return None
    counted = [found.counted] if found.counted and found.counted != found.primary else []
    names = [found.primary, *counted, "accuracy/clean", "accuracy/attacked", "confidence/clean"]
    rows: list[dict[str, Any]] = []
    numbers: list[list[str]] = []
    for name in names:
        for row in found.measured:
            if (difference := row.differences.get(name)) is None:
                continue
            share = columns.is_share(found.scores.get(name), name)
            scale = 100 if share else 1
            title = heading(name) + (", points" if share else "")
            ends = [difference.value if end is None else end for end in (difference.low, difference.high)]
            p = columns.p_text(difference.p_holm if difference.p_holm is not None else difference.p)
            rows.append(
                {
                    "arm": row.arm,
                    "score": title,
                    "value": round(scale * difference.value, 3),
                    "low": round(scale * ends[0], 3),
                    "high": round(scale * ends[1], 3),
                    "p": p or "–",
                }
            )
            numbers.append([row.arm, title, columns.difference_text(found, name, difference), p])
    if not rows:
        return None
    arms = [arm for arm in section.arms if any(row["arm"] == arm for row in rows)]
    y = {"field": "arm", "type": "nominal", "title": None, "sort": arms, "axis": {"labelLimit": 110}}
    lines = [
        tip("arm", "Arm"),
        tip("value", "Difference", "+.2f"),
        tip("low", "from", "+.2f"),
        tip("high", "to", "+.2f"),
    ]
    spec = chart(
        section,
        pd.DataFrame(rows),
        30 * len(arms) + 10,
        layer=[
            {
                "mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"},
                "encoding": {
                    "y": y,
                    "x": quantitative("low", "", axis={"tickCount": 5}),
                    "x2": {"field": "high"},
                    "color": by_arm(section),
                    "tooltip": [*lines, tip("p", "p")],
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "y": y,
                    "x": quantitative("value", "", axis={"tickCount": 5}),
                    "color": by_arm(section),
                    "tooltip": [*lines, tip("p", "p")],
                },
            },
            {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0}}},
        ],
    )
    spec = small_multiples(section, 200, spec, field="score", sort=[row["score"] for row in rows])
    spec["usermeta"]["axis"] = 12 + min(110, 7 * max(len(arm) for arm in arms))  # room for the names
    spec["resolve"] = {"scale": {"x": "independent"}}
    first = [row for row in rows if row["score"] == rows[0]["score"]]
    return Chart(
        f"{section.key}-overview",
        f"Difference to {section.baseline}",
        f"Paired differences on the same test examples with {leaderboard.level:.0%} intervals; an interval that misses zero is "
        "more than chance. Fewer unknown unknowns count only if accuracy and confidence hold.",
        f"{rows[0]['score']}: "
        + ", ".join(f"{row['arm']} {columns.number(row['value'], total=True, sign=True)}" for row in first)
        + ".",
        spec,
        ("Arm", "Figure", f"Difference [{leaderboard.level:.0%} interval]", "p, adjusted by Holm"),
        numbers,
        wide=True,
    )
