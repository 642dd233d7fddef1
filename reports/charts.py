"""The chart kinds of the report as Vega-Lite specifications; altair checks them as they are made.

Colours are CSS variables, so that one picture follows the theme without being drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from diffbench.reports.styles import Style

__all__ = ["CONFIG", "Axis", "Ghost", "curves", "decades", "lines", "points", "strip", "tiles"]

Row = dict[str, Any]
SIZE = {"width": 620, "height": 420}
SYMBOL = 70  # area of a symbol in square pixels
FONT = "system-ui, sans-serif"
CONFIG: dict[str, Any] = {
    "background": None,
    "aria": False,  # the figure element carries name and description; marks are read in the table
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 14,
        "titleFontSize": 15,
        "titleFontWeight": 600,
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "domainColor": "var(--axis)",
        "tickColor": "var(--axis)",
        "gridColor": "var(--grid)",
        "titlePadding": 10,
        "labelOverlap": "greedy",
        "labelSeparation": 6,
        "labelLimit": 260,
    },
    "text": {"fontSize": 15, "fill": "var(--ink)"},
}
EXPRESSIONS = {
    "": "format(datum.value, ',~r')",
    "seconds": "format(datum.value, '~s') + 's'",
    "short": "format(datum.value, '~s')",
    "power": "datum.value == 0 ? '0' : format(datum.value, '.0e')",
}


@final
@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its title with the unit, whether it starts logarithmic, how ticks are written."""

    title: str
    log: bool = True
    ticks: str = ""
    domain: tuple[float, float] | None = None


@final
@dataclass(frozen=True, slots=True)
class Ghost:
    """A thin line of known slope to compare with: ``points`` in data units, ``text`` at its end."""

    text: str
    points: tuple[tuple[float, float], ...]
    below: bool = False  # the text stands right below the end instead of left above it


def decades(values: Sequence[float], most: int = 8) -> list[float]:
    """Powers of ten from below the smallest to above the largest, at most about ``most``."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    step = max(1, math.ceil((high - low) / most))
    return [10.0**k for k in range(low, high + 1, step)]


def _scale(axis: Axis, values: Sequence[float]) -> dict[str, Any]:
    if axis.domain:
        return {"domain": list(axis.domain), "nice": False}
    if not axis.log:
        return {"zero": False}
    positive = [v for v in values if v > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    pad = max(0.04 * (high - low), 0.02)
    return {"type": "log", "domain": [10 ** (low - pad), 10 ** (high + pad)], "nice": False}


def _ticks(axis: Axis, values: Sequence[float]) -> dict[str, Any]:
    shown: dict[str, Any] = {"labelExpr": EXPRESSIONS[axis.ticks], "tickCount": 7}
    positive = [v for v in values if v > 0]
    if axis.log and positive:
        ticks = decades(positive)
        if math.log10(max(positive) / min(positive)) < 1.5:
            ticks = sorted({t * k for t in ticks for k in (1, 2, 5)})
        shown["values"] = ticks
    return shown


def _channel(name: str, field: str, axis: Axis, values: Sequence[float]) -> Any:
    import altair as alt

    kind = {"x": alt.X, "y": alt.Y}[name]
    return kind(
        field=field,
        type="quantitative",
        title=axis.title,
        scale=_scale(axis, values),
        axis=_ticks(axis, values),
    )


def _looks(series: Sequence[Style]) -> dict[str, Any]:
    import altair as alt

    names = [s.name for s in series]
    # A list of one empty dash pattern draws nothing at all in some viewers: [1, 0] is solid.
    dashes = [list(s.dash) or [1, 0] for s in series]
    return {
        "color": alt.Color(
            "s:N", scale={"domain": names, "range": [s.colour for s in series]}, legend=None
        ),
        "shape": alt.Shape(
            "s:N", scale={"domain": names, "range": [s.path for s in series]}, legend=None
        ),
        "dash": alt.StrokeDash("s:N", scale={"domain": names, "range": dashes}, legend=None),
    }


def _hover(x: str, y: str) -> list[Any]:
    import altair as alt

    return [
        alt.Tooltip("s:N", title="method"),
        alt.Tooltip("i:N", title="instance"),
        alt.Tooltip("xt:N", title=x),
        alt.Tooltip("yt:N", title=y),
        alt.Tooltip("v:N", title="verdict"),
    ]


def _spec(chart: Any) -> dict[str, Any]:
    import altair as alt

    # Altair has checked each part as it was made; once more over the whole takes a second a page.
    # Rows stay where they are used: the page's script filters them there.
    with alt.data_transformers.enable(consolidate_datasets=False):
        spec: dict[str, Any] = chart.properties(**SIZE).to_dict(validate=False)
    for key in ("config", "$schema"):
        spec.pop(key, None)
    return spec


def lines(
    rows: list[Row], series: Sequence[Style], x: Axis, y: Axis, ghosts: Sequence[Ghost] = ()
) -> dict[str, Any]:
    """Lines with symbols and intervals over x, y, low (l) and high (h) of each series (s)."""
    import altair as alt

    looks = _looks(series)
    at = {
        "x": _channel("x", "x", x, [r["x"] for r in rows]),
        "y": _channel("y", "y", y, _all(rows, "y", "l", "h")),
    }
    base = alt.Chart()
    layers = [
        *_ghosts(ghosts, at),
        base.mark_line(strokeWidth=2.2, clip=True).encode(
            **at, color=looks["color"], strokeDash=looks["dash"]
        ),
    ]
    if any(r.get("l") is not None for r in rows):
        bar = base.mark_rule(strokeWidth=1.4, clip=True)
        layers.append(
            bar.encode(at["x"], at["y"].copy(deep=False), **_span(), color=looks["color"])
        )
    layers.append(
        base.mark_point(filled=True, size=SYMBOL, opacity=1, clip=True).encode(
            **at, color=looks["color"], shape=looks["shape"], tooltip=_hover(x.title, y.title)
        )
    )
    spec = _spec(alt.layer(*layers, data=alt.InlineData(values=rows)))
    for layer in spec["layer"]:
        if layer["mark"]["type"] == "rule":
            layer["encoding"]["y"]["field"] = "l"
    return spec


def _span() -> dict[str, Any]:
    import altair as alt

    return {"y2": alt.Y2("h")}


def _all(rows: list[Row], *fields: str) -> list[float]:
    return [r[f] for r in rows for f in fields if r.get(f) is not None]


def _ghosts(ghosts: Sequence[Ghost], at: dict[str, Any]) -> list[Any]:
    import altair as alt

    if not ghosts:
        return []
    rows = [{"x": px, "y": py, "g": g.text} for g in ghosts for px, py in g.points]
    below = ghosts[0].below
    ends = [{"x": g.points[-1][0], "y": g.points[-1][1], "g": g.text} for g in ghosts]
    ink = alt.value("var(--ghost)")
    place: dict[str, Any] = (
        {"align": "left", "dx": 8, "dy": 14} if below else {"align": "right", "dx": -4, "dy": -9}
    )
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(
        strokeWidth=1.3, strokeDash=[1, 4], clip=True
    )
    text = alt.Chart(alt.InlineData(values=ends)).mark_text(**place)
    return [
        line.encode(**at, detail="g:N", color=ink),
        text.encode(**at, text="g:N", color=ink),
    ]


def points(rows: list[Row], series: Sequence[Style], x: Axis, y: Axis) -> dict[str, Any]:
    """One symbol a row at x, y."""
    import altair as alt

    looks = _looks(series)
    mark = alt.Chart(alt.InlineData(values=rows)).mark_point(filled=True, size=SYMBOL, opacity=0.85)
    return _spec(
        mark.encode(
            _channel("x", "x", x, [r["x"] for r in rows]),
            _channel("y", "y", y, [r["y"] for r in rows]),
            color=looks["color"],
            shape=looks["shape"],
            tooltip=_hover(x.title, y.title),
        )
    )


def strip(rows: list[Row], series: Sequence[Style], x: Axis) -> dict[str, Any]:
    """One row of symbols a series, labelled with its name, in the order of the legend."""
    import altair as alt

    looks = _looks(series)
    labels = [s.label for s in series]
    rows = [{**r, "n": next(s.label for s in series if s.name == r["s"])} for r in rows]
    y = alt.Y("n:N", sort=labels, title=None, axis={"grid": True, "labelFontSize": 15})
    mark = alt.Chart(alt.InlineData(values=rows)).mark_point(filled=True, size=60, opacity=0.55)
    spec = _spec(
        mark.encode(
            _channel("x", "x", x, [r["x"] for r in rows]),
            y,
            color=looks["color"],
            shape=looks["shape"],
            tooltip=_hover(x.title, "cell"),
        )
    )
    return {**spec, "height": 34 * len(series)}


def tiles(rows: list[Row], series: Sequence[Style], x: Axis, y: Axis) -> dict[str, Any]:
    """A map: one tile a row, coloured by series, opacity by margin (o), letters (t) in it."""
    import altair as alt

    xs, ys = sorted({r["x"] for r in rows}), sorted({r["y"] for r in rows}, reverse=True)
    at = {
        "x": alt.X("x:O", sort=xs, title=x.title, axis={"labelAngle": 0}),
        "y": alt.Y("y:O", sort=ys, title=y.title),
    }
    base = alt.Chart()
    opacity = alt.Opacity("o:Q", scale={"domain": [0, 1], "range": [0, 1]}, legend=None)
    tile = base.mark_rect(stroke="var(--axis)", strokeOpacity=0.6).encode(
        **at, fill=_fill(series), opacity=opacity, tooltip=_hover("n, m", "time of one call")
    )
    text = base.mark_text(fontSize=16, fontWeight=600, lineHeight=18, lineBreak="/").encode(
        **at, text="t:N"
    )
    return _spec(alt.layer(tile, text, data=alt.InlineData(values=rows)))


def _fill(series: Sequence[Style]) -> Any:
    import altair as alt

    scale = {"domain": [s.name for s in series], "range": [s.colour for s in series]}
    return alt.Fill("s:N", scale=scale, legend=None)


def curves(
    rows: list[Row], series: Sequence[Style], x: Axis, y: Axis, ghosts: Sequence[Ghost] = ()
) -> dict[str, Any]:
    """Dense curves: y as a thin line, its envelope e as a thick one with the series' dash."""
    import altair as alt

    looks = _looks(series)
    across = _channel("x", "x", x, [r["x"] for r in rows])
    up = _channel("y", "y", y, _all(rows, "y"))
    base = alt.Chart()
    thin = base.mark_line(strokeWidth=0.8, opacity=0.55, clip=True)
    thick = base.mark_line(strokeWidth=3, clip=True)
    dashed = {"color": looks["color"], "strokeDash": looks["dash"]}
    spec = _spec(
        alt.layer(
            thin.encode(across, up, color=looks["color"]),
            thick.encode(across, up.copy(deep=False), **dashed),
            *_ghosts(ghosts, {"x": across, "y": up}),
            data=alt.InlineData(values=rows),
        )
    )
    spec["layer"][1]["encoding"]["y"]["field"] = "e"
    return spec
