"""The chart kinds of the report as Vega-Lite specifications; altair checks them as they are made.

Colours are CSS variables, so that one picture follows the theme without being drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from diffbench.reports.styles import Style

__all__ = ["CONFIG", "Axis", "Ghost", "channel", "curves", "decades", "frontier", "lines"]

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
ABOVE = {"align": "right", "dx": -4, "dy": -9}
BELOW = {"align": "left", "dx": 8, "dy": 14}
EXPRESSIONS = {
    "": "abs(datum.value) < 1000 ? format(datum.value, '~r') : format(datum.value, '~s')",
    "seconds": "format(datum.value, '~s') + 's'",
    "short": "format(datum.value, '~s')",
    "size": "format(datum.value, 'd')",
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
    holds: tuple[float, ...] = ()  # values that it shows whatever the data are
    sizes: bool = False  # its ticks stand at the values themselves


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
        low, high = min(values, default=0.0), max(values, default=1.0)
        pad = 0.03 * (high - low) or 0.5  # symbols at the ends are whole
        return {"domain": [low - pad, high + pad], "nice": False}
    positive = [v for v in values if v > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    pad = max(0.04 * (high - low), 0.02)
    return {"type": "log", "domain": [10 ** (low - pad), 10 ** (high + pad)], "nice": False}


def _ticks(axis: Axis, values: Sequence[float]) -> dict[str, Any]:
    written = "size" if axis.sizes else axis.ticks
    shown: dict[str, Any] = {"labelExpr": EXPRESSIONS[written], "tickCount": 7}
    positive = [v for v in values if v > 0]
    if axis.log and positive:
        ticks = sorted(set(positive)) if axis.sizes else decades(positive)
        if not axis.sizes and math.log10(max(positive) / min(positive)) < 1.5:
            ticks = sorted({t * k for t in ticks for k in (1, 2, 5)})
        shown["values"] = ticks
    return shown


def channel(name: str, field: str, axis: Axis, values: Sequence[float]) -> Any:
    """A field along x or y, with the scale and the ticks that such values ask for."""
    import altair as alt

    kind, values = {"x": alt.X, "y": alt.Y}[name], [*values, *axis.holds]
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


def _spec(chart: Any, **datasets: list[Row]) -> dict[str, Any]:
    # Altair has checked each part as it was made; once more over the whole takes a second a page.
    spec: dict[str, Any] = chart.properties(**SIZE).to_dict(validate=False)
    for key in ("config", "$schema"):
        spec.pop(key, None)
    return {**spec, "datasets": datasets}


def _named(name: str) -> Any:
    """A chart over rows that are put beside it at the end: Altair would copy and check each."""
    import altair as alt

    return alt.Chart(alt.NamedData(name=name))


def lines(
    rows: list[Row], series: Sequence[Style], x: Axis, y: Axis, ghosts: Sequence[Ghost] = ()
) -> dict[str, Any]:
    """Lines with symbols and intervals over x, y, low (l) and high (h) of each series (s)."""
    looks, heights = _looks(series), _all(rows, "y", "l", "h")
    at = {"x": channel("x", "x", x, _all(rows, "x")), "y": channel("y", "y", y, heights)}
    line = _named("rows").mark_line(strokeWidth=2.2, clip=True)
    point = _named("rows").mark_point(filled=True, size=SYMBOL, opacity=1, clip=True)
    layers = [
        line.encode(**at, color=looks["color"], strokeDash=looks["dash"]),
        *_bars(rows, at["x"], channel("y", "l", y, heights), looks["color"]),
        point.encode(
            **at, color=looks["color"], shape=looks["shape"], tooltip=_hover(x.title, y.title)
        ),
    ]
    return _layered(_ghosts(ghosts, at, layers), rows, ghosts)


def curves(
    rows: list[Row], series: Sequence[Style], x: Axis, y: Axis, ghosts: Sequence[Ghost] = ()
) -> dict[str, Any]:
    """Dense curves: y as a thin line, its envelope e as a thick one with the series' dash.

    Rows with a text ``yt`` have a symbol on the envelope that tells it; rows with an ``o`` are no
    part of the curves but a large empty symbol at that height.
    """
    looks, heights = _looks(series), _all(rows, "y", "o")
    at = {"x": channel("x", "x", x, _all(rows, "x")), "y": channel("y", "y", y, heights)}
    on = {"x": at["x"], "y": channel("y", "e", y, heights), "color": looks["color"]}
    told = {"shape": looks["shape"], "tooltip": _hover(x.title, y.title)}
    line = _named("rows").transform_filter("!isValid(datum.o)")
    thin = line.mark_line(strokeWidth=0.8, opacity=0.55, clip=True)
    thick = line.mark_line(strokeWidth=3, clip=True)
    symbols = line.transform_filter("isValid(datum.yt)").mark_point(filled=True, size=SYMBOL)
    marks = _named("rows").transform_filter("isValid(datum.o)")
    empty = marks.mark_point(size=3 * SYMBOL, strokeWidth=2.5, fill="var(--panel)", opacity=1)
    layers = [
        thin.encode(**at, color=looks["color"]),
        thick.encode(**on, strokeDash=looks["dash"]),
        symbols.encode(**on, **told),
        empty.encode(**{**on, "y": channel("y", "o", y, heights)}, **told),
    ]
    return _layered(_ghosts(ghosts, at, layers), rows, ghosts)


def _bars(rows: list[Row], x: Any, low: Any, color: Any) -> list[Any]:
    import altair as alt

    if not _all(rows, "l"):
        return []
    bar = _named("rows").mark_rule(strokeWidth=1.4, clip=True)
    return [bar.encode(x, low, alt.Y2("h"), color=color)]


def _all(rows: list[Row], *fields: str) -> list[float]:
    return [r[f] for r in rows for f in fields if r.get(f) is not None]


def _layered(layers: list[Any], rows: list[Row], ghosts: Sequence[Ghost]) -> dict[str, Any]:
    import altair as alt

    steps = [{"x": px, "y": py, "g": g.text} for g in ghosts for px, py in g.points]
    ends = [{"x": g.points[-1][0], "y": g.points[-1][1], "g": g.text} for g in ghosts]
    beside = {"ghosts": steps, "ends": ends} if ghosts else {}
    return _spec(alt.layer(*layers), rows=rows, **beside)


def _ghosts(ghosts: Sequence[Ghost], at: dict[str, Any], layers: list[Any]) -> list[Any]:
    """The layers with the ghosts' lines below them and their texts above."""
    import altair as alt

    if not ghosts:
        return layers
    ink = alt.value("var(--ghost)")
    place = BELOW if ghosts[0].below else ABOVE
    line = _named("ghosts").mark_line(strokeWidth=1.3, strokeDash=[1, 4], clip=True)
    text = _named("ends").mark_text(**place)
    halo = _named("ends").mark_text(**place, strokeWidth=5, strokeJoin="round")
    panel = alt.value("var(--panel)")
    return [
        line.encode(**at, detail="g:N", color=ink),
        *layers,
        halo.encode(**at, text="g:N", color=panel, stroke=panel),
        text.encode(**at, text="g:N", color=ink),
    ]


def frontier(rows: list[Row], series: Sequence[Style], x: Axis, y: Axis) -> dict[str, Any]:
    """Symbols with bars to a and b along x, l and h along y, and the steps of their front.

    The front is found among the symbols that are shown: without one, those that it beat come out.
    """
    import altair as alt

    looks, wide, tall = _looks(series), _all(rows, "x", "a", "b"), _all(rows, "y", "l", "h")
    at = {"x": channel("x", "x", x, wide), "y": channel("y", "y", y, tall)}
    by = {"sort": [alt.SortField("x"), alt.SortField("y", order="descending")], "ignorePeers": True}
    front = (
        _named("rows")
        .transform_window([{"op": "max", "field": "y", "as": "best"}], frame=[None, 0], **by)
        .transform_window([{"op": "lag", "field": "best", "as": "before"}], **by)
        .transform_filter("!isValid(datum.before) || datum.y > datum.before")
    )
    bar = _named("rows").mark_rule(strokeWidth=1.4, opacity=0.7)
    point = _named("rows").mark_point(filled=True, size=2 * SYMBOL, opacity=1)
    steps = front.mark_line(interpolate="step-after", strokeWidth=2, strokeDash=[2, 2])
    rings = front.mark_point(shape="circle", size=9 * SYMBOL, strokeWidth=2, opacity=1)
    ink = alt.value("var(--ink)")
    layers = [
        steps.encode(**at, color=ink, order="x:Q"),
        bar.encode(channel("x", "a", x, wide), alt.X2("b"), at["y"], color=looks["color"]),
        bar.encode(at["x"], channel("y", "l", y, tall), alt.Y2("h"), color=looks["color"]),
        rings.encode(**at, color=ink),
        point.encode(
            **at, color=looks["color"], shape=looks["shape"], tooltip=_hover(x.title, y.title)
        ),
    ]
    return _layered(layers, rows, ())
