"""Planted blind spots: how well each arm does on the members of every one of them."""

from __future__ import annotations

import pandas as pd

from harness.report.html import curves
from harness.report.html.sections import Section
from harness.report.html.vega import Chart, by_arm, chart, number, percent, small_multiples, tip
from harness.statistics.digits import exact

COLUMNS = {"spot", "size", "found", "hit", "base_uus", "uus", "base_accuracy", "accuracy", "repaired"}
"""Columns of the table of planted blind spots."""


def planted_spots(section: Section) -> Chart | None:
    """Accuracy on the members of each planted blind spot, from the baseline's to the arm's; ``None`` where none is planted."""
    frame = curves.metric_table(section, COLUMNS)
    if frame.empty:
        return None
    means = sorted(COLUMNS - {"spot"})
    # "repaired" is a mean over the seeds under which the baseline had an unknown unknown there.
    summary = frame.groupby(["spot", "arm"], sort=False)[means].mean().round(4).reset_index()
    arms = [arm for arm in section.arms if arm in set(summary["arm"])]
    spots = list(dict.fromkeys(summary["spot"]))
    y = {"field": "arm", "type": "nominal", "title": None, "sort": arms, "axis": {"labelLimit": 110}}
    ticks = {"tickCount": 5}
    tau = exact(section.thresholds[0])
    lines = [
        tip("arm", "Arm"),
        tip("spot", "Planted blind spot"),
        tip("accuracy", "Accuracy on the members", ".1%"),
        tip("base_accuracy", f"of {section.baseline}", ".1%"),
        tip("uus", f"UU@{tau}", ",.1f"),
        tip("found", "Unknown unknowns elicited in it", ",.1f"),
        tip("hit", "Synthetic examples in it", ",.1f"),
    ]
    spec = chart(
        section,
        summary,
        26 * len(arms) + 10,
        layer=[
            {
                "mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"},
                "encoding": {
                    "y": y,
                    "x": percent("base_accuracy", "Accuracy on the members", scale={"domain": [0, 1]}, axis=ticks),
                    "x2": {"field": "accuracy"},
                    "color": by_arm(section),
                    "tooltip": lines,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "y": y,
                    "x": percent("accuracy", "Accuracy on the members", axis=ticks),
                    "color": by_arm(section),
                    "tooltip": lines,
                },
            },
        ],
    )
    spec = small_multiples(section, 180, spec, field="spot", sort=spots)
    spec["usermeta"]["axis"] = 12 + min(110, 7 * max(len(arm) for arm in arms))  # room for the names
    rows = [
        [
            row["spot"],
            row["arm"],
            number(row["size"]),
            number(row["found"]),
            number(row["hit"]),
            f"{row['accuracy']:.1%}",
            number(row["uus"]),
            "–" if pd.isna(row["repaired"]) else f"{row['repaired']:.0%}",
        ]
        for row in summary.to_dict("records")
    ]
    seeds = f" Means over {len(section.seeds)} seeds." if len(section.seeds) > 1 else ""
    base = summary[summary["arm"] == section.baseline]
    return Chart(
        f"{section.key}-planted",
        "Planted blind spots",
        f"Lines lead from the accuracy of the baseline ({section.baseline}) on the members of a planted blind spot to that of "
        f"the arm, which repaired something if they lead to the right. Clean test set.{seeds}",
        f"Accuracy of {section.baseline} on the members: "
        + ", ".join(f"{row['spot']} {row['accuracy']:.1%}" for row in base.to_dict("records"))
        + ".",
        spec,
        (
            "Planted blind spot",
            "Arm",
            "Members tested",
            "UUs elicited in it",
            "Synthetic examples in it",
            "Accuracy",
            f"UU@{tau}",
            f"Of {section.baseline}'s UUs now right",
        ),
        rows,
        wide=True,
    )
