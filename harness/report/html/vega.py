"""What all charts of the page are made of: Vega-Lite specifications as plain data.

What the page changes at run time are their parameters: ``arms`` (the arms shown), ``population`` and ``arm`` (the arm whose
errors the map shows). Colours come from the page's theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report.html.sections import Section

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""The format's identifier; nothing is fetched from it."""
SHOWN = "indexof(arms, datum.arm) >= 0"
FLUSH = {"labelFlush": True}
"""Of an axis: its outer labels stay inside, so that those of panels side by side do not touch."""


@dataclass(frozen=True)
class Chart:
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


def columns(frame: pd.DataFrame) -> Spec:
    """A data frame as inline data by column, a third of the size of rows; the page makes rows of it before it draws."""
    found = {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame.columns}
    return {"columns": found}


def quantitative(name: str, title: str, **more: Any) -> Spec:
    """A quantitative channel; keyword arguments go into it (``scale``, ``axis``)."""
    return {"field": name, "type": "quantitative", "title": title, **more}


def percent(name: str, title: str, **more: Any) -> Spec:
    """A quantitative channel labelled in percent."""
    axis = {"format": ".0%", **more.pop("axis", {})}
    return quantitative(name, title, axis=axis, **more)


def by_arm(section: Section) -> Spec:
    """Colour by arm: the same arm has the same colour in every chart of the page."""
    channel: Spec = {"field": "arm", "type": "nominal", "title": "Arm", "legend": None}
    return {**channel, "scale": {"domain": list(section.palette)}}


def tip(name: str, title: str, fmt: str | None = None) -> Spec:
    """A line of a tooltip."""
    if fmt is None:
        return {"field": name, "type": "nominal", "title": title}
    return {"field": name, "type": "quantitative", "title": title, "format": fmt}


def chart(section: Section, frame: pd.DataFrame, height: int, *, population: bool = False, **body: Any) -> Spec:
    """What all specifications share: data, parameters and the filter on the arms shown."""
    params: list[Spec] = [{"name": "arms", "value": list(section.arms)}]
    keep = [SHOWN]
    if population:
        params.append({"name": "population", "value": section.populations[-1]})
        keep.append("datum.population == population")
    body.setdefault("transform", [])
    body["transform"] = [*({"filter": test} for test in keep), *body["transform"]]
    return {
        "$schema": SCHEMA,
        "data": columns(frame),
        "params": params,
        "width": "container",
        "height": height,
        **body,
    }


def number(value: float) -> str:
    """A count, with a decimal only where it is a mean."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def spread(count: int, what: str = "seed") -> str:
    """How the bands are to be read."""
    return f"Lines are means over {count} {what}s, bands reach from the smallest to the largest." if count > 1 else ""


def small_multiples(section: Section, cell: int, spec: Spec, *, field: str = "arm", sort: Sequence[str] = ()) -> Spec:
    """A panel per arm (or other field); the page fits columns and widths, at least ``cell`` pixels, to the space there is."""
    inner = {key: spec.pop(key) for key in ("layer", "height")} | {"width": cell}
    spec.pop("width")
    order = list(dict.fromkeys(sort)) or list(section.arms)
    header = {"labelFontWeight": 600, "labelPadding": 6}
    facet = {"field": field, "type": "nominal", "title": None, "sort": order, "header": header}
    return {
        **spec,
        "facet": facet,
        "columns": 3,
        "spec": inner,
        "usermeta": {"cell": cell, "panels": len(order), "axis": 64},
    }
