"""The map of winners: a tile a measured size on logarithmic axes, with the line n = m."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from diffbench.reports.charts import Row
from diffbench.reports.styles import Style

__all__ = ["HATCHES", "tiles"]

SIZE = {"width": 620, "height": 520}
# Lines over a tile, from (x, y) to (x, y), in shares of its width and height: one set a mode.
HATCHES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "forward mode": ((0, 0.5, 0.5, 1), (0, 0, 1, 1), (0.5, 0, 1, 0.5)),
    "reverse mode": ((0, 0.5, 0.5, 0), (0, 1, 1, 0), (0.5, 1, 1, 0.5)),
    "numerical differentiation": ((0, 0.25, 1, 0.25), (0, 0.75, 1, 0.75)),
    "symbolic differentiation": ((0.25, 0, 0.25, 1), (0.75, 0, 0.75, 1)),
}


Spec = dict[str, Any]
ROWS = {"name": "rows"}
TILES = [{"filter": "datum.k == 'tile'"}]
HATCHED = [{"filter": "datum.k == 'hatch'"}]
TIPS = [
    {"field": field, "type": "nominal", "title": title}
    for field, title in (("s", "fastest"), ("i", "instance"), ("r", "ranking"), ("v", "verdict"))
]
PANEL, INK = {"value": "var(--panel)"}, {"value": "var(--ink)"}


def tiles(rows: list[Row], series: Sequence[Style]) -> Spec:
    """One tile a row: s and o are its colour and opacity, t its letters, h its hatch, at x, y.

    Both axes are logarithmic, so that the border n = m is a straight line; sizes that were not
    measured stay empty.
    """
    spans = {axis: _spans(sorted({row[axis] for row in rows})) for axis in ("x", "y")}
    placed = [_placed(row, spans) for row in rows]
    lines = [line for row in placed for line in _hatch(row)]
    ends = {axis: _ends(spans[axis]) for axis in spans}
    low, high = max(ends["x"][0], ends["y"][0]), min(ends["x"][1], ends["y"][1])
    border = [{"x": v, "y": v} for v in (low, high)] if low < high else []
    at: Spec = {axis: _channel(axis, spans[axis], ends[axis]) for axis in spans}
    colours = {"domain": [s.name for s in series], "range": [s.colour for s in series]}
    paint: Spec = {"field": "s", "type": "nominal", "legend": None, "scale": colours}
    return {
        **SIZE,
        "layer": [*_areas(at, paint), _line(at), *_letters(at)],
        "datasets": {"rows": placed + lines, "border": border},
    }


def _areas(at: Spec, paint: Spec) -> list[Spec]:
    """The tiles, and the lines over them."""
    box: Spec = {"x": {**at["x"], "field": "x0"}, "x2": {"field": "x1"}}
    box |= {"y": {**at["y"], "field": "y0"}, "y2": {"field": "y1"}}
    shade = {"domain": [0, 1], "range": [0, 1]}
    opacity = {"field": "o", "type": "quantitative", "legend": None, "scale": shade}
    return [
        {
            "data": ROWS,
            "transform": TILES,
            "mark": {"type": "rect", "stroke": "var(--axis)", "strokeOpacity": 0.7},
            "encoding": {**box, "fill": paint, "fillOpacity": opacity, "tooltip": TIPS},
        },
        {
            "data": ROWS,
            "transform": HATCHED,
            "mark": {"type": "rule", "strokeWidth": 1.2, "opacity": 0.55},
            "encoding": {**box, "stroke": paint},
        },
    ]


def _line(at: Spec) -> Spec:
    mark = {"type": "line", "strokeWidth": 3, "strokeDash": [2, 5], "clip": True}
    return {"data": {"name": "border"}, "mark": mark, "encoding": {**at, "color": INK}}


def _letters(at: Spec) -> list[Spec]:
    """The letters, and a halo behind them that keeps the lines away."""
    mark: Spec = {"type": "text", "fontWeight": 700, "fontSize": 16}
    halo: Spec = {**mark, "strokeWidth": 6, "strokeJoin": "round"}
    # They lie over the tiles, so they tell what the tiles tell.
    text: Spec = {**at, "text": {"field": "t", "type": "nominal"}, "tooltip": TIPS}
    layer = {"data": ROWS, "transform": TILES}
    return [
        {**layer, "mark": halo, "encoding": {**text, "color": PANEL, "stroke": PANEL}},
        {**layer, "mark": mark, "encoding": {**text, "color": INK}},
    ]


def _spans(values: list[float]) -> dict[float, tuple[float, float]]:
    """Each value's stretch: to the geometric middle on either side, mirrored at the ends."""
    middles = [math.sqrt(a * b) for a, b in pairwise(values)]
    first, last = values[0] ** 2 / middles[0], values[-1] ** 2 / middles[-1]
    edges = [first, *middles, last]
    return dict(zip(values, pairwise(edges), strict=True))


def _ends(spans: dict[float, tuple[float, float]]) -> tuple[float, float]:
    edges = list(spans.values())
    return edges[0][0], edges[-1][1]


def _channel(axis: str, spans: dict[float, Any], ends: tuple[float, float]) -> dict[str, Any]:
    return {
        "field": axis,
        "type": "quantitative",
        "title": {"x": "n inputs", "y": "m outputs"}[axis],
        "scale": {"type": "log", "domain": list(ends), "nice": False},
        "axis": {"values": list(spans), "grid": False, "format": "~r", "labelOverlap": True},
    }


def _placed(row: Row, spans: dict[str, dict[float, tuple[float, float]]]) -> Row:
    (x0, x1), (y0, y1) = spans["x"][row["x"]], spans["y"][row["y"]]
    return {**row, "k": "tile", "x0": x0, "x1": x1, "y0": y0, "y1": y1}


def _hatch(row: Row) -> Iterator[Row]:
    """The lines over a tile whose winner is clear; a tie stays blank."""
    for x0, y0, x1, y1 in HATCHES.get(row["h"], ()) if row["o"] else ():
        yield {
            **dict.fromkeys(row, ""),
            "k": "hatch",
            "s": row["s"],
            "x0": _along(row["x0"], row["x1"], x0),
            "x1": _along(row["x0"], row["x1"], x1),
            "y0": _along(row["y0"], row["y1"], y0),
            "y1": _along(row["y0"], row["y1"], y1),
        }


def _along(low: float, high: float, share: float) -> float:
    return float(low * (high / low) ** share)
