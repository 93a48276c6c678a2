"""What notebooks show: tables as HTML that follows the notebook's own colours, and charts as Vega-Lite and SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from harness.disk import explained
from harness.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from harness.records.model import RecordFolder

ARMS = ("#2f6fde", "#d9622b", "#2a9d6f", "#b04ac7", "#c4971a", "#d1435b", "#1698a8", "#7a6a58")
"""Colours of the arms in charts outside of the page, which has themes of its own."""


def html_table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], captions: Iterable[str] = (), *, text: int = 1
) -> str:
    """A table as HTML without colours of its own.

    Args:
        title: Above it.
        heads: Its column heads.
        rows: Texts, escaped here; a line break is kept.
        captions: Lines below it.
        text: Number of columns, from the left, that are aligned to the left.
    """

    def cell(kind: str, value: str, place: int) -> str:
        align = "left" if place < text else "right"
        return f'<{kind} style="text-align: {align}">{str(escape(value)).replace(chr(10), "<br>")}</{kind}>'

    head = "".join(cell("th", name, i) for i, name in enumerate(heads))
    body = "".join(f"<tr>{''.join(cell('td', value, i) for i, value in enumerate(row))}</tr>" for row in rows)
    below = "".join(f'<div style="opacity: 0.75; font-size: 85%">{escape(line)}</div>' for line in captions)
    return (
        f'<div style="overflow-x: auto"><strong>{escape(title)}</strong>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"
    )


@dataclass(frozen=True)
class Plot:
    """A chart of the report on its own; a notebook shows it, and :meth:`save` writes it.

    Attributes:
        title: What it shows.
        caption: How to read it.
        spec: A Vega-Lite specification that needs nothing else.
    """

    title: str
    caption: str
    spec: dict[str, Any]

    def to_svg(self) -> str:
        """The chart as SVG, drawn without a network or a browser."""
        from vl_convert import vegalite_to_svg

        svg: str = vegalite_to_svg(self.spec)
        return svg

    def save(self, path: str | Path) -> Path:
        """Write the chart as ``.json`` (the specification), ``.svg`` or ``.png``.

        Raises:
            InputError: Another suffix.
            StoreError: The file cannot be written.
        """
        import json

        path = Path(path)
        match path.suffix:
            case ".json":
                content = json.dumps(self.spec, indent=1).encode()
            case ".svg":
                content = self.to_svg().encode()
            case ".png":
                from vl_convert import vegalite_to_png

                content = vegalite_to_png(self.spec, scale=2)
            case _:
                raise InputError(f"{path}: charts are saved as .json, .svg or .png.")
        with explained(path):
            path.write_bytes(content)
        return path

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        vega = {"application/vnd.vegalite.v6+json": self.spec}
        return vega | {"image/svg+xml": self.to_svg(), "text/plain": f"{self.title}. {self.caption}"}


def plot(records: Sequence[RecordFolder], name: str, dataset: str | None) -> Plot:
    """One of the report's charts.

    Args:
        records: The records of a leaderboard.
        name: ``uu``, ``reliability``, ``wrong``, ``remove``, ``values``, ``times`` or ``planted``, where there are data for it.
        dataset: Name of the data set; may be left out where there is one.

    Raises:
        InputError: There is no such data set or chart.
    """
    from harness.report.html.charts import charts
    from harness.report.html.sections import sections

    found = {section.title: section for section in sections(records)}
    if not found:
        raise InputError("There are no records to draw.")
    if dataset is None and len(found) > 1:
        raise InputError(f"Which data set? There are {', '.join(found)}.")
    chosen = found.get(dataset or next(iter(found)))
    if chosen is None:
        raise InputError(f"There is no data set {dataset!r}. {did_you_mean(dataset or '', found)}")
    made = {chart.id.removeprefix(f"{chosen.key}-"): chart for chart in charts(chosen)}
    if name not in made:
        raise InputError(f"There is no chart {name!r} of these records. {did_you_mean(name, made)}")
    chart = made[name]
    return Plot(f"{chart.title}: {chosen.title}", chart.caption, _alone(chart.spec))


def _alone(spec: dict[str, Any], *, width: int = 480) -> dict[str, Any]:
    """A specification of the page as one that needs no page: rows of data, a width, colours, a legend of the arms."""
    faceted = "facet" in spec

    def of(key: str, value: Any) -> Any:
        if key == "data" and "columns" in value:
            columns = value["columns"]
            return {"values": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}
        if isinstance(value, dict):
            inner = {name: of(name, part) for name, part in value.items()}
            if inner.get("field") == "arm" and inner.get("legend", 0) is None and not faceted:
                inner.pop("legend")
            return inner
        return [of("", part) for part in value] if isinstance(value, list) else value

    made: dict[str, Any] = of("", spec)
    if made.get("width") == "container":
        made["width"] = width
    made.pop("usermeta", None)
    look = {"view": {"stroke": None}, "axisX": {"grid": False}, "legend": {"symbolOpacity": 1}}
    return made | {"config": {"range": {"category": list(ARMS)}, **look}}
