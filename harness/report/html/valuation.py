"""The page of a valuation: the board of valuators, their removal curves, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.report.html.charting import charting
from harness.report.html.page import asset, chart_context, environment, policy
from harness.report.html.vega import SCHEMA, Chart, Spec, columns, percent, spread, tip
from harness.statistics.digits import plural
from harness.valuation.report import COLUMNS, MEANINGS, ValuationReport, shown
from harness.version import __version__

FIRST = {"remove_high": "highest values", "remove_low": "lowest values"}
"""Columns of the removal curves, and what was removed first."""


def valuation_page(reports: Sequence[ValuationReport], *, title: str) -> str:
    """The boards of valuators on one or more data sets as one HTML document that needs nothing else.

    Args:
        reports: One per data set, at least one.
        title: Heading of the page.
    """
    boards = [_section(report, f"data-{i}") for i, report in enumerate(reports, start=1)]
    scripts = {"theme": asset("static", "theme.js"), "app": asset("static", "charts.js")}
    libraries = [charting()]
    return (
        environment()
        .get_template("valuation.html.j2")
        .render(
            title=title,
            version=__version__,
            policy=policy([*scripts.values(), *libraries]),
            style=asset("static", "style.css"),
            scripts=scripts,
            libraries=libraries,
            boards=boards,
            meanings=[
                (COLUMNS[name][0] if name in COLUMNS else name, said)
                for name, said in MEANINGS.items()
                if name not in COLUMNS or any(name in report.columns for report in reports)
            ],
        )
    )


def _section(report: ValuationReport, key: str) -> dict[str, Any]:
    repeated = int(report.board["draws"].max() * report.board["seeds"].max())
    charts = [_curves(report, key, repeated, network=False), _agreement(report, key)]
    if report.network_curves is not None:
        charts.insert(1, _curves(report, key, repeated, network=True))
    return {
        "key": key,
        "title": report.dataset,
        "summary": f"{plural(len(report.board), 'valuator')} · {report.sizes}",
        "captions": report.captions,
        "notes": [],
        "arms": [],
        "ranked": report.draws > 1,
        "headings": [heading for heading, _ in report.columns.values()],
        "rows": report.rows(),
        "figures": [chart_context(chart) for chart in charts],
    }


def _curves(report: ValuationReport, key: str, repeated: int, *, network: bool) -> Chart:
    """A panel per valuator with its removal curves: of a logistic regression, or of the network."""
    order, first = list(report.board["valuator"]), FIRST | ({"remove_random": "at random"} if network else {})
    given = report.network_curves if network and report.network_curves is not None else report.curves
    long = given.rename(columns={"removed": "share", **first}).melt(
        ["valuator", "draw", "seed", "share"], list(first.values()), "first", "accuracy"
    )
    grouped = long.groupby(["valuator", "first", "share"], sort=False)["accuracy"]
    frame = grouped.agg(["mean", "min", "max"]).round(4).reset_index().rename(columns={"min": "low", "max": "high"})
    tips = [
        tip("valuator", "Valuator"),
        tip("first", "Removed first"),
        tip("share", "Share removed", ".0%"),
        tip("mean", "Accuracy", ".1%"),
    ]
    scale = {"zero": False}
    color = {
        "field": "first",
        "type": "nominal",
        "title": "Removed first",
        "legend": {"orient": "top", "symbolOpacity": 1},
    }
    cell = 170
    spec: Spec = {
        "$schema": SCHEMA,
        "data": columns(frame),
        "params": [],
        "facet": {
            "field": "valuator",
            "type": "nominal",
            "title": None,
            "sort": order,
            "header": {"labelFontWeight": 600, "labelPadding": 6},
        },
        "columns": 3,
        "spec": {
            "width": cell,
            "height": 130,
            "encoding": {
                "x": percent("share", "Share removed", axis={"tickCount": 5}),
                "color": color,
                "tooltip": tips,
            },
            "layer": [
                {
                    "mark": {"type": "area", "opacity": 0.15},
                    "encoding": {"y": percent("low", "Accuracy", scale=scale), "y2": {"field": "high"}},
                },
                {
                    "mark": {"type": "line", "strokeWidth": 2},
                    "encoding": {"y": percent("mean", "Accuracy", scale=scale)},
                },
            ],
        },
        "usermeta": {"cell": cell, "panels": len(order), "axis": 64},
    }
    what = "the network, trained again" if network else "a logistic regression"
    area = "network_area" if network else "removal_area"
    areas = ", ".join(f"{row['valuator']} {row[area]:.3f}" for row in report.board.to_dict("records"))
    rows = [
        [row["valuator"], row["first"], f"{row['share']:.0%}", f"{row['mean']:.1%}"] for row in frame.to_dict("records")
    ]
    return Chart(
        f"{key}-network" if network else f"{key}-curves",
        "Removal curves of the network" if network else "Removal curves",
        f"Test accuracy of {what} after dropping the highest- or the lowest-valued share of the training set. "
        f"The further the two curves part, the more the values say. {spread(repeated, 'run')}",
        f"Mean gap between the curves: {areas}.",
        spec,
        ("Valuator", "Removed first", "Share", "Accuracy"),
        rows,
        wide=True,
    )


def _agreement(report: ValuationReport, key: str) -> Chart:
    """The Spearman matrix of the valuators as a heat map."""
    order = list(report.board["valuator"])
    matrix = report.agreement.loc[order, order]
    frame = matrix.rename_axis("row").reset_index().melt("row", var_name="column", value_name="rho").round(3)
    axis = {"labelLimit": 170, "domain": False, "ticks": False}
    place = {"type": "nominal", "title": None, "sort": order}
    # The cells have colours of their own, the same in both themes, so the figures on them do not follow the theme either.
    ink = {"condition": {"test": "abs(datum.rho) > 0.65", "value": "#ffffff"}, "value": "#18202b"}
    spec: Spec = {
        "$schema": SCHEMA,
        "data": columns(frame),
        "params": [],
        "width": "container",
        "height": 26 * len(order) + 20,
        "encoding": {
            "x": {"field": "column", **place, "axis": {**axis, "orient": "top", "labelAngle": -40}},
            "y": {"field": "row", **place, "axis": axis},
            "tooltip": [tip("row", "Valuator"), tip("column", "Valuator"), tip("rho", "Spearman", ".3f")],
        },
        "layer": [
            {
                "mark": {"type": "rect"},
                "encoding": {
                    "color": {
                        "field": "rho",
                        "type": "quantitative",
                        "title": "Spearman",
                        "legend": None,
                        "scale": {"domain": [-1, 1], "scheme": "purpleorange"},
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {"text": {"field": "rho", "type": "quantitative", "format": ".2f"}, "color": ink},
            },
        ],
    }
    rows = [
        [name, *(shown(float(rho), ".2f") for rho in line)] for name, line in zip(order, matrix.to_numpy(), strict=True)
    ]
    pairs = frame[(frame["row"] != frame["column"]) & frame["rho"].notna()]
    said = "One valuator only."
    if len(pairs):
        best = pairs.sort_values("rho").iloc[-1]
        said = f"Closest: {best['row']} and {best['column']}, {best['rho']:.2f}."
    return Chart(
        f"{key}-agreement",
        "Agreement between valuators",
        "Spearman correlation of the values under the first seed, mean over draws; 1 is the same order, "
        "0 none, −1 the reverse. An empty cell: "
        "the values are all equal.",
        said,
        spec,
        ("", *order),
        rows,
        wide=True,
    )
