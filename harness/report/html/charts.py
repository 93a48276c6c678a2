"""The charts of a data set's section: each a Vega-Lite specification, a caption, and the same numbers as a table."""

from __future__ import annotations

from harness.report.html import curves
from harness.report.html.planted import planted_spots
from harness.report.html.sections import Section
from harness.report.html.values import remove_curves, value_boxes
from harness.report.html.vega import (
    FLUSH,
    Chart,
    by_arm,
    chart,
    number,
    percent,
    quantitative,
    small_multiples,
    spread,
    tip,
)
from harness.statistics.digits import TOOLTIP, exact, significant


def sentence(section: Section, table: str) -> str:
    """What a caption says where the numbers are not those that the metrics stored."""
    lacking = "Computed from the predictions: not all of these records keep the metric's table."
    return f" {lacking}" if curves.computed_here(section, table) else ""


def uu_over_tau(section: Section) -> Chart:
    """UU count as a curve over the confidence threshold."""
    frame = curves.uu_curves(section)
    tau = section.thresholds[0]
    hover = {
        "name": "hover",
        "select": {"type": "point", "fields": ["tau"], "nearest": True, "on": "pointerover", "clear": "pointerout"},
    }
    keys = {arm: f"a{i}" for i, arm in enumerate(section.arms)}
    least = round(min(0.5, 1 / len(section.header.data.labels)), 4)
    x = quantitative(
        "tau", "Confidence threshold τ", scale={"domain": [least, 1], "nice": False}, axis={"tickCount": 10}
    )
    spec = chart(
        section,
        frame.assign(key=frame["arm"].map(keys)),
        300,
        population=True,
        encoding={"x": x},
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.16},
                "encoding": {
                    "y": quantitative("low", "Unknown unknowns"),
                    "y2": {"field": "high"},
                    "color": by_arm(section),
                },
            },
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "y": quantitative("mean", "Unknown unknowns"),
                    "color": by_arm(section),
                    "strokeDash": {
                        "condition": {"test": {"field": "arm", "equal": section.baseline}, "value": [6, 3]},
                        "value": [1, 0],
                    },
                },
            },
            {
                "data": {"values": [{"at": t} for t in section.thresholds]},
                "mark": {"type": "rule", "strokeDash": [2, 3], "opacity": 0.6},
                "encoding": {"x": {"field": "at", "type": "quantitative"}},
            },
            {
                "transform": [{"pivot": "key", "value": "mean", "groupby": ["tau"]}],
                "mark": {"type": "rule", "strokeWidth": 1},
                "params": [hover],
                "encoding": {
                    "opacity": {"condition": {"param": "hover", "empty": False, "value": 0.7}, "value": 0},
                    "tooltip": [tip("tau", "τ", ".2f"), *(tip(key, arm, ",.0f") for arm, key in keys.items())],
                },
            },
        ],
    )
    at = frame[frame["tau"].isin(section.thresholds)]
    rows = [
        [
            row["population"],
            row["arm"],
            exact(row["tau"]),
            number(row["mean"]),
            f"{number(row['low'])} to {number(row['high'])}",
        ]
        for row in at.to_dict("records")
    ]
    last = at[(at["population"] == section.populations[-1]) & (at["tau"] == tau)]
    return Chart(
        f"{section.key}-uu",
        "Unknown unknowns over the threshold",
        "Wrong predictions with a confidence of at least τ; dotted lines mark the suite's thresholds, the dashed curve is the "
        f"baseline. {spread(len(section.seeds))}{sentence(section, 'uu_curve')}",
        f"At τ = {exact(tau)}, {section.populations[-1]}: "
        + ", ".join(f"{row['arm']} {number(row['mean'])}" for row in last.to_dict("records"))
        + ".",
        spec,
        ("Population", "Arm", "τ", "UUs, mean", "Range over seeds"),
        rows,
        control="population",
        choices=section.populations,
        chosen=section.populations[-1],
        wide=True,
    )


def reliability(section: Section) -> Chart:
    """Reliability diagrams, one panel per arm."""
    bins = curves.reliability(section)
    frame, errors = curves.pooled(bins), curves.calibration_errors(bins)
    choices = tuple(frame["population"].unique())
    every = curves.binned(section.first(section.baseline))
    per_population = int((every["population"] == choices[0]).sum())
    start = choices[-1]
    floor = float(frame["left"].min())
    across, up = {"scale": {"domain": [floor, 1], "nice": False}, "axis": FLUSH}, {"scale": {"domain": [0, 1]}}
    spec = small_multiples(
        section,
        105,
        chart(
            section,
            frame,
            200,
            population=True,
            layer=[
                {
                    "mark": {
                        "type": "rect",
                        "opacity": 0.75,
                        "strokeWidth": 1.5,
                    },  # its line shows an accuracy of 0, too
                    "encoding": {
                        "x": percent("left", "Confidence", **across),
                        "x2": {"field": "right"},
                        "y": percent("accuracy", "Accuracy", **up),
                        "y2": {"datum": 0},
                        "color": by_arm(section),
                        "stroke": by_arm(section),
                        "tooltip": [
                            tip("arm", "Arm"),
                            tip("confidence", "Mean confidence", ".1%"),
                            tip("accuracy", "Accuracy", ".1%"),
                            tip("count", "Predictions", ",.0f"),
                        ],
                    },
                },
                {
                    "data": {"values": [{"at": floor}, {"at": 1}]},
                    "mark": {"type": "line", "strokeDash": [4, 4], "strokeWidth": 1.25},
                    "encoding": {"x": percent("at", "Confidence"), "y": percent("at", "Accuracy")},
                },
            ],
        ),
    )
    rows = [[row["population"], row["arm"], f"{row['ece']:.3f}"] for row in errors.to_dict("records")]
    shown = errors[errors["population"] == start]
    return Chart(
        f"{section.key}-reliability",
        "Reliability",
        f"Accuracy of the predictions in each of {per_population} confidence bins, all seeds pooled. A bar below the dashed "
        f"line is overconfidence.{sentence(section, 'reliability')}",
        f"Expected calibration error, {start}: "
        + ", ".join(f"{row['arm']} {row['ece']:.3f}" for row in shown.to_dict("records"))
        + ".",
        spec,
        ("Population", "Arm", "Expected calibration error"),
        rows,
        wide=True,
        control="population",
        choices=choices,
        chosen=start,
    )


def wrong_confidence(section: Section) -> Chart | None:
    """Histograms of the confidence of wrong predictions, one panel per arm; ``None`` where nothing is wrong."""
    frame = curves.wrong_confidence(section)
    if frame.empty:
        return None
    start = float(frame["left"].min())
    spec = small_multiples(
        section,
        105,
        chart(
            section,
            frame,
            170,
            population=True,
            layer=[
                {
                    "mark": {"type": "rect", "opacity": 0.85},
                    "encoding": {
                        "x": percent("left", "Confidence", scale={"domain": [start, 1], "nice": False}, axis=FLUSH),
                        "x2": {"field": "right"},
                        "y": quantitative("count", "Wrong predictions"),
                        "y2": {"datum": 0},
                        "color": by_arm(section),
                        "tooltip": [
                            tip("arm", "Arm"),
                            tip("left", "Confidence from", ".0%"),
                            tip("right", "to", ".0%"),
                            tip("count", "Wrong predictions", ",.1f"),
                        ],
                    },
                },
                {
                    "data": {"values": [{"at": section.thresholds[0]}]},
                    "mark": {"type": "rule", "strokeDash": [2, 3], "opacity": 0.7},
                    "encoding": {"x": {"field": "at", "type": "quantitative"}},
                },
            ],
        ),
    )
    totals = frame.groupby(["population", "arm"], sort=False)["count"].sum().reset_index()
    rows = [[row["population"], row["arm"], number(row["count"])] for row in totals.to_dict("records")]
    return Chart(
        f"{section.key}-wrong",
        "Confidence of the wrong predictions",
        f"How sure the classifier is where it errs, mean over seeds. Errors right of τ = {exact(section.thresholds[0])} "
        f"(dotted) are unknown unknowns.{sentence(section, 'wrong_confidence')}",
        "Wrong predictions in all: "
        + ", ".join(f"{row[1]} {row[2]}" for row in rows if row[0] == section.populations[-1])
        + ".",
        spec,
        ("Population", "Arm", "Wrong predictions, mean over seeds"),
        rows,
        wide=True,
        control="population",
        choices=section.populations,
        chosen=section.populations[-1],
    )


def stage_times(section: Section) -> Chart | None:
    """Stacked bars of the seconds per stage."""
    frame = curves.timings(section)
    if frame.empty:
        return None
    stages = list(dict.fromkeys(frame["stage"]))
    spec = chart(
        section,
        frame.assign(position=frame["stage"].map(stages.index)),
        max(90, 34 * len(section.arms)),
        mark={"type": "bar", "height": {"band": 0.62}},
        encoding={
            "y": {"field": "arm", "type": "nominal", "title": None, "sort": list(section.arms)},
            "x": quantitative("seconds", "Seconds", stack="zero", axis={"tickCount": 6}),
            "order": {"field": "position", "type": "quantitative"},
            "color": {
                "field": "stage",
                "type": "nominal",
                "title": None,
                "sort": stages,
                "scale": {"scheme": {"name": "tableau10"}},
                "legend": {"orient": "top"},
            },
            "tooltip": [tip("arm", "Arm"), tip("stage", "Stage"), tip("seconds", "Seconds", TOOLTIP)],
        },
    )
    totals = frame.groupby("arm", sort=False)["seconds"].sum()
    return Chart(
        f"{section.key}-times",
        "Stage times",
        "Seconds per stage when it was computed, mean over seeds. What arms share is computed once and counted for each.",
        "In all: " + ", ".join(f"{arm} {significant(total)} s" for arm, total in totals.items()) + ".",
        spec,
        ("Arm", "Stage", "Seconds"),
        [[row["arm"], row["stage"], significant(row["seconds"])] for row in frame.to_dict("records")],
    )


def charts(section: Section) -> list[Chart]:
    """All charts for which the records have the data."""
    found = [
        planted_spots(section),
        uu_over_tau(section),
        reliability(section),
        wrong_confidence(section),
        remove_curves(section),
        value_boxes(section),
        stage_times(section),
    ]
    return [made for made in found if made is not None]
