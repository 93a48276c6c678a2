"""Figures of the data values: remove-high and remove-low curves, and box plots (thesis figures 5.1 and 5.2)."""

from __future__ import annotations

import pandas as pd

from harness.report.html import curves
from harness.report.html.sections import Section
from harness.report.html.vega import Chart, by_arm, chart, number, percent, quantitative, spread, tip
from harness.statistics.digits import TOOLTIP, significant, to_significant

REMOVE = {"removed", "remove_high", "remove_low"}
"""Columns of a table of remove curves."""
VALUES = {"origin", "value"}
"""Columns of a table of data values, a row per training example: original or synthetic, and its value."""
QUANTILES = {"low": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "high": 0.95}
"""What a box plot shows."""


def remove_curves(section: Section) -> Chart | None:
    """Accuracy after removing the highest- or lowest-valued share of the training set."""
    frame = curves.metric_table(section, REMOVE)
    if frame.empty:
        return None
    names = {"remove_high": "highest-valued", "remove_low": "lowest-valued"}
    long = frame.rename(columns={"removed": "fraction", **names}).melt(
        ["arm", "seed", "fraction"], [*names.values()], "removed", "accuracy"
    )
    grouped = long.groupby(["removed", "arm", "fraction"], sort=False)["accuracy"]
    summary = grouped.agg(["mean", "min", "max"]).round(4).reset_index().rename(columns={"min": "low", "max": "high"})
    x = percent("fraction", "Share of the training set removed")
    spec = chart(
        section,
        summary,
        240,
        encoding={
            "x": x,
            "tooltip": [
                tip("arm", "Arm"),
                tip("removed", "Removed"),
                tip("fraction", "Share", ".0%"),
                tip("mean", "Accuracy", ".1%"),
            ],
        },
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.12},
                "encoding": {
                    "y": percent("low", "Accuracy", scale={"zero": False}),
                    "y2": {"field": "high"},
                    "color": by_arm(section),
                    "detail": {"field": "removed"},
                },
            },
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "y": percent("mean", "Accuracy", scale={"zero": False}),
                    "color": by_arm(section),
                    "strokeDash": {
                        "field": "removed",
                        "type": "nominal",
                        "title": "Removed first",
                        "legend": {
                            "orient": "top",
                            "symbolType": "stroke",
                            "symbolSize": 500,
                            "symbolStrokeColor": "#7c8898",
                        },
                    },
                },
            },
        ],
    )
    last = summary[summary["fraction"] == summary["fraction"].max()]
    rows = [
        [row["arm"], row["removed"], f"{row['fraction']:.0%}", f"{row['mean']:.1%}"]
        for row in summary[summary["fraction"].isin(summary["fraction"].unique()[::2])].to_dict("records")
    ]
    return Chart(
        f"{section.key}-remove",
        "Removing by value",
        "Accuracy of the predictor after dropping the highest- or lowest-valued part of the training set. The further the two "
        f"curves part, the more the values say. {spread(len(section.seeds))}",
        f"At {float(last['fraction'].iloc[0]):.0%} removed: "
        + ", ".join(f"{row['arm']} {row['removed']} {row['mean']:.1%}" for row in last.to_dict("records"))
        + ".",
        spec,
        ("Arm", "Removed first", "Share", "Accuracy"),
        rows,
    )


def value_boxes(section: Section) -> Chart | None:
    """Box plots of the data values of original and synthetic examples."""
    frame = curves.metric_table(section, VALUES).rename(columns={"origin": "group"})
    if frame.empty:
        return None
    quantiles = list(QUANTILES)
    each = frame.groupby(["arm", "seed", "group"], sort=False)["value"]
    boxes = pd.DataFrame({name: each.quantile(at) for name, at in QUANTILES.items()}).assign(n=each.size())
    summary = boxes.groupby(["arm", "group"], sort=False)[quantiles].mean().map(to_significant).reset_index()
    arms = [arm for arm in section.arms if arm in set(summary["arm"])]
    summary["row"] = summary["arm"] + ", " + summary["group"]
    order = [f"{arm}, {group}" for arm in arms for group in summary.loc[summary["arm"] == arm, "group"]]
    axis, scale = {"labelLimit": 170}, {"zero": False}
    y = {"field": "row", "type": "nominal", "title": None, "scale": {"domain": order}, "axis": axis}
    lines = [
        tip("arm", "Arm"),
        tip("group", "Examples"),
        *(tip(name, name.capitalize(), TOOLTIP) for name in quantiles),
    ]
    spec = chart(
        section,
        summary,
        24 * len(order) + 10,
        encoding={"y": y, "color": by_arm(section), "tooltip": lines},
        layer=[
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": quantitative("low", "Data value", scale=scale), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 12, "strokeCap": "butt"},
                "encoding": {"x": quantitative("q25", "Data value", scale=scale), "x2": {"field": "q75"}},
            },
            {
                "mark": {"type": "point", "filled": True, "shape": "diamond", "size": 50, "opacity": 1, "stroke": None},
                "encoding": {"x": quantitative("median", "Data value", scale=scale), "color": {"value": "#ffffff"}},
            },
        ],
    )
    rows = [
        [row["arm"], row["group"], *(significant(row[name]) for name in quantiles)]
        for row in summary.to_dict("records")
    ]
    return Chart(
        f"{section.key}-values",
        "Data values",
        "Boxes reach from the lower to the upper quartile, whiskers from the 5 % to the 95 % quantile, the diamond is the "
        f"median; quantiles are means over seeds. {number(float(boxes['n'].max()))} values at most in a box.",
        "Medians: "
        + ", ".join(f"{row['arm']} {row['group']} {significant(row['median'])}" for row in summary.to_dict("records"))
        + ".",
        spec,
        ("Arm", "Examples", *(name.capitalize() for name in quantiles)),
        rows,
    )
