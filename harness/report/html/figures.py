"""The figures of a data set's section: a Vega-Lite specification, a caption, and the same numbers as a table.

The specifications are plain data. What the page changes at run time are their parameters: ``arms`` (the arms shown),
``population`` and ``arm`` (the arm whose errors the map shows). Colours come from the page's theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report.html import curves
from harness.report.html.boards import Board
from harness.statistics.digits import TOOLTIP, exact, significant

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""The format's identifier; nothing is fetched from it."""
SHOWN = "indexof(arms, datum.arm) >= 0"
FLUSH = {"labelFlush": True}
"""Of an axis: its outer labels stay inside, so that those of panels side by side do not touch."""


@dataclass(frozen=True)
class Figure:
    """One chart of the page.

    Attributes:
        id: Element id, unique on the page.
        title: Heading.
        caption: How to read it.
        alt: What it shows, in a sentence: its text alternative.
        spec: Vega-Lite specification.
        headers: Column heads of the table of its numbers.
        rows: Rows of that table.
        wide: Whether it takes the whole width.
        control: ``"population"`` or ``"arm"`` where the reader chooses what it shows.
        choices: The choices of the control.
        chosen: The choice at the start.
    """

    id: str
    title: str
    caption: str
    alt: str
    spec: Spec
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    wide: bool = False
    control: str = ""
    choices: Sequence[str] = ()
    chosen: str = ""


def inline(frame: pd.DataFrame) -> Spec:
    """A data frame as inline data by column, a third of the size of rows; the page makes rows of it before it draws."""
    columns = {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame.columns}
    return {"columns": columns}


def quantitative(name: str, title: str, **more: Any) -> Spec:
    """A quantitative channel; keyword arguments go into it (``scale``, ``axis``)."""
    return {"field": name, "type": "quantitative", "title": title, **more}


def percent(name: str, title: str, **more: Any) -> Spec:
    """A quantitative channel labelled in percent."""
    axis = {"format": ".0%", **more.pop("axis", {})}
    return quantitative(name, title, axis=axis, **more)


def by_arm(board: Board) -> Spec:
    """Colour by arm: the same arm has the same colour in every chart of the page."""
    channel: Spec = {"field": "arm", "type": "nominal", "title": "Arm", "legend": None}
    return {**channel, "scale": {"domain": list(board.palette)}}


def tip(name: str, title: str, fmt: str | None = None) -> Spec:
    """A line of a tooltip."""
    if fmt is None:
        return {"field": name, "type": "nominal", "title": title}
    return {"field": name, "type": "quantitative", "title": title, "format": fmt}


def chart(board: Board, frame: pd.DataFrame, height: int, *, population: bool = False, **body: Any) -> Spec:
    """What all specifications share: data, parameters and the filter on the arms shown."""
    params: list[Spec] = [{"name": "arms", "value": list(board.arms)}]
    keep = [SHOWN]
    if population:
        params.append({"name": "population", "value": board.populations[-1]})
        keep.append("datum.population == population")
    body.setdefault("transform", [])
    body["transform"] = [*({"filter": test} for test in keep), *body["transform"]]
    return {
        "$schema": SCHEMA,
        "data": inline(frame),
        "params": params,
        "width": "container",
        "height": height,
        **body,
    }


def number(value: float) -> str:
    """A count, with a decimal only where it is a mean."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def spread(seeds: int) -> str:
    """How the bands are to be read."""
    return f"Lines are means over {seeds} seeds, bands reach from the smallest to the largest." if seeds > 1 else ""


def uu_over_tau(board: Board) -> Figure:
    """UU count as a curve over the confidence threshold."""
    frame = curves.uu_curves(board)
    tau = board.thresholds[0]
    hover = {
        "name": "hover",
        "select": {"type": "point", "fields": ["tau"], "nearest": True, "on": "pointerover", "clear": "pointerout"},
    }
    keys = {arm: f"a{i}" for i, arm in enumerate(board.arms)}
    x = quantitative("tau", "Confidence threshold τ", scale={"domain": [0.5, 1], "nice": False}, axis={"tickCount": 10})
    spec = chart(
        board,
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
                    "color": by_arm(board),
                },
            },
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "y": quantitative("mean", "Unknown unknowns"),
                    "color": by_arm(board),
                    "strokeDash": {
                        "condition": {"test": {"field": "arm", "equal": board.baseline}, "value": [6, 3]},
                        "value": [1, 0],
                    },
                },
            },
            {
                "data": {"values": [{"at": t} for t in board.thresholds]},
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
    at = frame[frame["tau"].isin(board.thresholds)]
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
    last = at[(at["population"] == board.populations[-1]) & (at["tau"] == tau)]
    return Figure(
        f"{board.key}-uu",
        "Unknown unknowns over the threshold",
        "Wrong predictions with a confidence of at least τ; dotted lines mark the suite's thresholds, the dashed curve is the "
        f"baseline. {spread(len(board.seeds))}",
        f"At τ = {exact(tau)}, {board.populations[-1]}: "
        + ", ".join(f"{row['arm']} {number(row['mean'])}" for row in last.to_dict("records"))
        + ".",
        spec,
        ("Population", "Arm", "τ", "UUs, mean", "Range over seeds"),
        rows,
        control="population",
        choices=board.populations,
        chosen=board.populations[-1],
        wide=True,
    )


def small_multiples(board: Board, cell: int, spec: Spec, *, field: str = "arm", sort: Sequence[str] = ()) -> Spec:
    """A panel per arm (or other field); the page fits columns and widths, at least ``cell`` pixels, to the space there is."""
    inner = {key: spec.pop(key) for key in ("layer", "height")} | {"width": cell}
    spec.pop("width")
    order = list(dict.fromkeys(sort)) or list(board.arms)
    header = {"labelFontWeight": 600, "labelPadding": 6}
    facet = {"field": field, "type": "nominal", "title": None, "sort": order, "header": header}
    return {
        **spec,
        "facet": facet,
        "columns": 3,
        "spec": inner,
        "usermeta": {"cell": cell, "panels": len(order), "axis": 64},
    }


def reliability(board: Board) -> Figure:
    """Reliability diagrams, one panel per arm."""
    frame = curves.reliability(board)
    choices = tuple(frame["population"].unique())
    errors = curves.calibration_errors(frame)
    start = choices[-1]
    floor = float(frame["left"].min())
    across, up = {"scale": {"domain": [floor, 1], "nice": False}, "axis": FLUSH}, {"scale": {"domain": [0, 1]}}
    spec = small_multiples(
        board,
        105,
        chart(
            board,
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
                        "color": by_arm(board),
                        "stroke": by_arm(board),
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
    return Figure(
        f"{board.key}-reliability",
        "Reliability",
        f"Accuracy of the predictions in each of {curves.BINS} confidence bins, all seeds pooled. A bar below the dashed line "
        "is overconfidence.",
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


def wrong_confidence(board: Board) -> Figure | None:
    """Histograms of the confidence of wrong predictions, one panel per arm; ``None`` where nothing is wrong."""
    frame = curves.wrong_confidence(board)
    if frame.empty:
        return None
    start = float(frame["left"].min())
    spec = small_multiples(
        board,
        105,
        chart(
            board,
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
                        "color": by_arm(board),
                        "tooltip": [
                            tip("arm", "Arm"),
                            tip("left", "Confidence from", ".0%"),
                            tip("right", "to", ".0%"),
                            tip("count", "Wrong predictions", ",.1f"),
                        ],
                    },
                },
                {
                    "data": {"values": [{"at": board.thresholds[0]}]},
                    "mark": {"type": "rule", "strokeDash": [2, 3], "opacity": 0.7},
                    "encoding": {"x": {"field": "at", "type": "quantitative"}},
                },
            ],
        ),
    )
    totals = frame.groupby(["population", "arm"], sort=False)["count"].sum().reset_index()
    rows = [[row["population"], row["arm"], number(row["count"])] for row in totals.to_dict("records")]
    return Figure(
        f"{board.key}-wrong",
        "Confidence of the wrong predictions",
        f"How sure the classifier is where it errs, mean over seeds. Errors right of τ = {exact(board.thresholds[0])} "
        "(dotted) are unknown unknowns.",
        "Wrong predictions in all: "
        + ", ".join(f"{row[1]} {row[2]}" for row in rows if row[0] == board.populations[-1])
        + ".",
        spec,
        ("Population", "Arm", "Wrong predictions, mean over seeds"),
        rows,
        wide=True,
        control="population",
        choices=board.populations,
        chosen=board.populations[-1],
    )


def stage_times(board: Board) -> Figure | None:
    """Stacked bars of the seconds per stage."""
    frame = curves.timings(board)
    if frame.empty:
        return None
    stages = list(dict.fromkeys(frame["stage"]))
    spec = chart(
        board,
        frame.assign(position=frame["stage"].map(stages.index)),
        max(90, 34 * len(board.arms)),
        mark={"type": "bar", "height": {"band": 0.62}},
        encoding={
            "y": {"field": "arm", "type": "nominal", "title": None, "sort": list(board.arms)},
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
    return Figure(
        f"{board.key}-times",
        "Stage times",
        "Seconds per stage when it was computed, mean over seeds. What arms share is computed once and counted for each.",
        "In all: " + ", ".join(f"{arm} {significant(total)} s" for arm, total in totals.items()) + ".",
        spec,
        ("Arm", "Stage", "Seconds"),
        [[row["arm"], row["stage"], significant(row["seconds"])] for row in frame.to_dict("records")],
    )


def figures(board: Board) -> list[Figure]:
    """All figures for which the records have the data."""
    from harness.report.html.planted import planted_spots
    from harness.report.html.values import remove_curves, value_boxes

    found = [
        planted_spots(board),
        uu_over_tau(board),
        reliability(board),
        wrong_confidence(board),
        remove_curves(board),
        value_boxes(board),
        stage_times(board),
    ]
    return [figure for figure in found if figure is not None]
