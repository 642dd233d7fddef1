"""Strips: a line of symbols for each series, labelled with its name, over one axis of cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffbench.reports.charts import Axis, Row, channel, decades
from diffbench.reports.styles import SYMBOLS, Style

__all__ = ["PARTS", "bounded", "counted", "split"]

Spec = dict[str, Any]
ROWS = {"name": "rows"}
# what a symbol of a split stands for: field, name, symbol, how a title writes it
PARTS = (
    ("prepare", "prepare", "square", "■"),
    ("first", "first call", "up", "▲"),
    ("further", "further call", "circle", "●"),
)
LOG = {"type": "log", "nice": False, "padding": 12}


def counted(rows: list[Row], series: Sequence[Style], x: Axis) -> Spec:
    """A symbol a row at x, as large as its count (c)."""
    most = max((row["c"] for row in rows), default=1)  # a few cells are a small symbol in any chart
    size = {"type": "sqrt", "domain": [1, max(most, 10)], "range": [40, 300]}
    looks = {
        "shape": _shapes(series),
        "size": {"field": "c", "type": "quantitative", "scale": size, "legend": None},
    }
    tips = (("s", "method"), ("i", "instance"), ("xt", x.title), ("yt", "cells"), ("v", "verdict"))
    at = channel("x", "x", x, [row["x"] for row in rows]).to_dict()
    return _spec(
        series,
        [
            {
                "data": ROWS,
                "mark": {"type": "point", "filled": True, "opacity": 0.75},
                "encoding": {**_lines(series), **looks, "x": at, "tooltip": _tips(tips)},
            }
        ],
        {"rows": _named(rows, series)},
    )


def bounded(rows: list[Row], series: Sequence[Style], title: str, bound: float) -> Spec:
    """A symbol a row at x, and a dashed line from top to bottom at the bound."""
    ends = [{"x": bound, "g": f"bound: {bound:g}"}]
    looks = {"shape": _shapes(series)}
    ticks = {"format": "~r", "values": decades([bound, *(row["x"] for row in rows)])}
    ticks["labelFlush"] = 16  # the last label does not hang over the edge
    x = {"field": "x", "type": "quantitative", "title": title, "scale": LOG, "axis": ticks}
    ink = {"color": {"value": "var(--ink)"}}
    tips = (("n", "method"), ("i", "instance"), ("xt", title), ("v", "verdict"))
    return _spec(
        series,
        [
            {
                "data": ROWS,
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.6},
                "encoding": {**_lines(series), **looks, "x": x, "tooltip": _tips(tips)},
            },
            {
                "data": {"name": "bound"},
                "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": [6, 4]},
                "encoding": {"x": x, **ink},
            },
            {
                "data": {"name": "bound"},
                "mark": {"type": "text", "baseline": "bottom", "dy": -3},
                "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "g"}, **ink},
            },
        ],
        {"rows": _named(rows, series), "bound": ends},
    )


def split(rows: list[Row], series: Sequence[Style]) -> Spec:
    """Three symbols a row on one line, from the least to the most of its PARTS."""
    x = {
        "type": "quantitative",
        "title": " ".join(f"{mark} {told.removesuffix(' call')}" for _, told, _, mark in PARTS),
        "scale": LOG,
        "axis": {"labelExpr": "format(datum.value, '~s') + 's'", "tickCount": 6},
    }
    names = [told for _, told, _, _ in PARTS]
    every = ", ".join(f"datum['{told}']" for told in names)
    ends = [{"calculate": f"{f}({every})", "as": end} for f, end in (("min", "l"), ("max", "h"))]
    apart = [
        {"fold": names, "as": ["p", "x"]},
        {"calculate": "format(datum.x * 1e6, ',.3~r') + ' µs'", "as": "xt"},
    ]
    shape = _scaled("p", names, [SYMBOLS[symbol] for _, _, symbol, _ in PARTS])
    tips = _tips((("n", "method"), ("p", "what"), ("xt", "time")))
    at = _lines(series)
    return _spec(
        series,
        [
            {
                "data": ROWS,
                "transform": ends,
                "mark": {"type": "rule", "strokeWidth": 1.4, "opacity": 0.6},
                "encoding": {**at, "x": {**x, "field": "l"}, "x2": {"field": "h"}},
            },
            {
                "data": ROWS,
                "transform": apart,
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {**at, "x": {**x, "field": "x"}, "shape": shape, "tooltip": tips},
            },
        ],
        {"rows": _named(rows, series)},
    )


def _spec(series: Sequence[Style], layers: list[Spec], datasets: dict[str, Any]) -> Spec:
    return {"width": 620, "height": 34 * len(series), "layer": layers, "datasets": datasets}


def _lines(series: Sequence[Style]) -> Spec:
    """A line for each series, in the order of the legend and in its colour."""
    order = [s.label for s in series]
    y = {"field": "n", "type": "nominal", "sort": order, "title": None, "axis": {"grid": True}}
    return {"y": y, "color": _scaled("s", [s.name for s in series], [s.colour for s in series])}


def _shapes(series: Sequence[Style]) -> Spec:
    return _scaled("s", [s.name for s in series], [s.path for s in series])


def _scaled(field: str, domain: list[str], values: list[str]) -> Spec:
    scale = {"domain": domain, "range": values}
    return {"field": field, "type": "nominal", "legend": None, "scale": scale}


def _tips(fields: Sequence[tuple[str, str]]) -> list[Spec]:
    return [{"field": field, "type": "nominal", "title": title} for field, title in fields]


def _named(rows: list[Row], series: Sequence[Style]) -> list[Row]:
    labels = {s.name: s.label for s in series}
    return [{**row, "n": labels[row["s"]]} for row in rows]
