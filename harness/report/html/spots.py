"""The blind-spot map: a two-dimensional projection of the test set, with errors, clusters and texts on hover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.report.html.sections import Section
from harness.report.html.vega import SCHEMA, Chart, Spec, columns, tip
from harness.statistics.digits import to_significant

STATES = ("right", "wrong, not confident", "UU", "UU by the attack")
COLOURS = ("#93a0b0", "#c79100", "#9a5cf0", "#e4572e")
"""Mid-tones that stand out on light and on dark ground."""
SPOT = "#8a94a6"
"""The same for the outlines of clusters."""
NAMED = 8
"""Clusters whose words stand on the map, the largest ones; those of the others are shown on hover."""
SPOTS, MEMBERS = {"arm", "spot", "size", "words"}, {"arm", "spot", "id"}
"""Columns of the tables of blind spots and of their members."""
SNIPPET = 140
"""Characters of a text in a tooltip."""


def states(section: Section, arm: str) -> np.ndarray:
    """``(n,)`` int8: index into :data:`STATES` of every test example, under the arm's first seed."""
    member = section.first(arm)
    deployed = member.deployed
    attacked = False if member.succeeded is None else member.succeeded
    unknown = np.where(attacked, 3, 2)
    return np.where(deployed.uu(section.thresholds[0]), unknown, deployed.wrong).astype(np.int8)


def shorten(text: str, limit: int = SNIPPET) -> str:
    """A text on one line, cut at a word where it is too long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[:limit].rsplit(" ", 1)[0] + " …"


def choose(state: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Rows to show, ascending: at most ``limit``, up to two thirds of them errors of some arm.

    Args:
        state: ``(arms, n)`` states.
        limit: How many rows at most.
        rng: Decides which.
    """
    errors = np.flatnonzero((state >= 2).any(axis=0))
    rest = np.flatnonzero((state < 2).all(axis=0))
    if len(errors) + len(rest) <= limit:
        return np.arange(state.shape[1])
    wanted = max(limit - len(rest), min(len(errors), 2 * limit // 3))
    return np.sort(np.concatenate([rng.permutation(errors)[:wanted], rng.permutation(rest)[: limit - wanted]]))


def outline(points: np.ndarray) -> np.ndarray:
    """``(k, 2)`` corners of the convex hull of ``(m, 2)`` points, in order; the two ends where all are on a line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):  # fewer than three points, or none off a line
        return np.asarray(sorted(map(tuple, points))[:: max(1, len(points) - 1)])


def clusters(section: Section, positions: pd.DataFrame) -> pd.DataFrame:
    """Outlines around the members of the blind spots of every arm's first seed.

    Args:
        section: The data set's records.
        positions: ``x`` and ``y`` of every test example, by its id.

    Returns:
        One row per corner: ``arm, spot, corner, x, y`` and, the same for all corners of a spot, ``size`` (members) and
        ``words``; empty where no record has blind spots.
    """
    parts = []
    for arm in section.arms:
        record = section.first(arm)
        spots, members = record.table("blind_spots", SPOTS), record.table("blind_spot_members", MEMBERS)
        if spots is None or members is None:
            continue
        about = spots[spots["arm"] == "this"].set_index("spot")[["size", "words"]].to_dict("index")
        own = members[members["arm"] == "this"].join(positions, on="id", how="inner")
        for spot, where in own.groupby("spot", sort=False)[["x", "y"]]:
            corners = pd.DataFrame(outline(where.to_numpy(np.float64)), columns=["x", "y"]).map(to_significant)
            size, words = about[spot]["size"], about[spot]["words"]
            parts.append(corners.assign(arm=arm, spot=spot, corner=corners.index, size=size, words=words))
    columns = ["arm", "spot", "corner", "x", "y", "size", "words"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def blind_spot_map(section: Section, *, limit: int, seed: int) -> Chart | None:
    """The map, or ``None`` where the records have no projection.

    Args:
        section: The data set's records.
        limit: How many test examples are shown at most; which, is drawn at random.
        seed: Decides the draw.
    """
    first = section.first(section.baseline)
    positions = first.record.frame("map")
    if positions is None or positions.empty:
        return None
    positions = positions.assign(id=positions["id"].astype(str)).set_index("id")[["x", "y"]]
    names = first.ids
    # Arms of one board have the same test set; a record over other examples is left out of the map.
    arms = [arm for arm in section.arms if section.first(arm).ids == names]
    state = np.stack([states(section, arm) for arm in arms])
    rows = choose(state, limit, np.random.default_rng([seed, len(names)]))
    ids = [names[i] for i in rows]
    points = positions.reindex(ids).map(to_significant).reset_index()
    labels = section.header.data.labels
    points["label"] = [labels[i] for i in first.deployed.labels[rows]]
    texts = first.record.frame("texts")
    if texts is not None:
        lookup = texts.assign(id=texts["id"].astype(str)).set_index("id").reindex(ids)
        points["text"] = [shorten(str(text)) for text in lookup["text"]]
        if "text_pair" in lookup and lookup["text_pair"].notna().any():
            points["pair"] = [shorten(str(text)) for text in lookup["text_pair"]]
    for position in range(len(arms)):
        points[f"s{position}"] = state[position, rows]
    points = points.dropna(subset=["x", "y"])
    counts = [
        [arm, *(f"{int((row == index).sum()):,}" for index in range(4))] for arm, row in zip(arms, state, strict=True)
    ]
    total = len(names)
    shown = (
        f"All {total:,} test examples."
        if len(points) == total
        else f"A sample of {len(points):,} of the {total:,} test examples in which errors are over-represented, "
        f"drawn with seed {seed}."
    )
    spots = clusters(section, positions)
    outlined = "" if spots.empty else "Outlines enclose the members of a cluster of unknown unknowns. "
    return Chart(
        f"{section.key}-map",
        "Blind-spot map",
        f"{shown} First two principal components of the embeddings; texts on hover. Ctrl and wheel zooms, shift and drag "
        f"moves, a double click resets. {outlined}Errors are those of the chosen arm, seed "
        f"{section.seeds_of(arms[0])[0]}, as deployed.",
        "Test examples by state: "
        + "; ".join(f"{row[0]}: {row[3]} UU, {row[4]} UU by the attack" for row in counts)
        + ".",
        map_spec(points, spots, arms),
        ("Arm", *(state.capitalize() if state != STATES[2] else state for state in STATES)),
        counts,
        wide=True,
        control="arm",
        choices=arms,
        chosen=arms[0],
    )


def map_spec(points: pd.DataFrame, spots: pd.DataFrame, arms: Sequence[str]) -> Spec:
    """The specification of the map."""
    axis = {"title": None, "labels": False, "ticks": False, "domain": False, "grid": False}
    zoom = {
        "name": "view",
        "select": {
            "type": "interval",
            "zoom": "wheel![event.ctrlKey || event.metaKey]",
            "translate": "[pointerdown[event.shiftKey], window:pointerup] > window:pointermove!",
        },
        "bind": "scales",
    }
    lines = [tip("state", "State"), tip("label", "True label"), tip("id", "Example")]
    lines += [tip(name, title) for name, title in (("text", "Text"), ("pair", "Second text")) if name in points]
    domain = {"zero": False, "nice": False, "padding": 14}
    at = {
        "x": {"field": "x", "type": "quantitative", "axis": axis, "scale": domain},
        "y": {"field": "y", "type": "quantitative", "axis": axis, "scale": domain},
    }
    here: Spec = {"data": columns(spots), "transform": [{"filter": "datum.arm == arm"}]}
    surfaces = {
        **here,
        # One opacity for line and filling: the wide line only rounds the outline off and lets it pass outside its members.
        "mark": {
            "type": "line",
            "interpolate": "linear-closed",
            "strokeJoin": "round",
            "strokeCap": "round",
            "strokeWidth": 18,
            "stroke": SPOT,
            "fill": SPOT,
            "opacity": 0.28,
        },
        "encoding": {
            **at,
            "detail": {"field": "spot"},
            "order": {"field": "corner"},
            "tooltip": [tip("words", "Cluster"), tip("size", "Unknown unknowns", ",.0f")],
        },
    }
    names = {
        "data": here["data"],
        "transform": [
            *here["transform"],
            {
                "aggregate": [
                    {"op": "mean", "field": "x", "as": "x"},
                    {"op": "max", "field": "y", "as": "y"},
                    {"op": "max", "field": "size", "as": "size"},
                ],
                "groupby": ["spot", "words"],
            },
            {"window": [{"op": "row_number", "as": "place"}], "sort": [{"field": "size", "order": "descending"}]},
            {"filter": f"datum.place <= {NAMED}"},
        ],
        "mark": {"type": "text", "dy": -18, "fontWeight": 600, "tooltip": None},
        "encoding": {**at, "text": {"field": "words", "type": "nominal"}},
    }
    tests = "".join(f"code == {code} ? '{state}' : " for code, state in enumerate(STATES[:-1])) + f"'{STATES[-1]}'"
    return {
        "$schema": SCHEMA,
        "params": [{"name": "arm", "value": arms[0]}, {"name": "order", "value": list(arms)}],
        "width": "container",
        "height": 460,
        "layer": [
            *([] if spots.empty else [surfaces]),
            {
                "data": columns(points),
                "transform": [
                    {"calculate": "datum['s' + indexof(order, arm)]", "as": "code"},
                    {"calculate": tests.replace("code", "datum.code"), "as": "state"},
                ],
                "params": [zoom],
                "mark": {"type": "circle", "stroke": None},
                "encoding": {
                    **at,
                    "color": {
                        "field": "state",
                        "type": "nominal",
                        "title": None,
                        "scale": {"domain": list(STATES), "range": list(COLOURS)},
                        "legend": {"orient": "top"},
                    },
                    "size": {"condition": {"test": "datum.code > 1", "value": 42}, "value": 16},
                    "opacity": {"condition": {"test": "datum.code > 0", "value": 0.85}, "value": 0.45},
                    "order": {"field": "code", "type": "quantitative"},
                    "tooltip": lines,
                },
            },
            *([] if spots.empty else [names]),
        ],
    }
