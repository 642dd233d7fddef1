"""The computational graph of a trace as SVG: values and adjoints in the nodes, partials between.

Numbers are as on the slides; the tables beside the graph have all digits. Each edge is labelled
at the first of a few places where no other text stands.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from diffbench.analysis.traces import Line, Partial, Trace, forms
from diffbench.reports.elements import Element, element, subscripts
from diffbench.reports.layout import layered

__all__ = ["drawn"]

LETTER, HEIGHT, PAD = 8.6, 70.0, 12.0  # of the text, of a node, around it
LEVEL = 132.0  # from layer to layer
GAP = 26.0
LABEL = 18.0  # height of the text of an edge
PLACES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)  # of a label along its edge
SIDES = (0.0, 1.0, -1.0)  # on the edge, or beside it
Box = tuple[float, float, float, float]
Point = tuple[float, float]


def drawn(trace: Trace, name: str) -> Element:
    """The graph of a trace; ``name`` makes its ids unique in the page."""
    values = trace.role("primal")
    after = {line.name.replace("\u0304", ""): line for line in _adjoints(trace)}
    texts = [_texts(line, after.get(line.name)) for line in values]
    widths = [max(map(_width, rows)) + 2 * PAD for rows in texts]
    links = [(p.source, p.target) for p in trace.partials]
    placed = layered(widths, links, GAP)
    at = [(x + PAD, PAD + LEVEL * level) for x, level in zip(placed.x, placed.layer, strict=True)]
    boxes = [(x - w / 2, y, x + w / 2, y + HEIGHT) for (x, y), w in zip(at, widths, strict=True)]
    paths = [
        _route(at[s], at[t], [b + PAD for b in bends], _aside(links, k))
        for k, ((s, t), bends) in enumerate(zip(links, placed.bends, strict=True))
    ]
    spots = _spots(trace, paths, boxes)
    left = min([0.0, *(box[0] for box in spots)])
    width = max([placed.width + 2 * PAD, *(box[2] for box in spots)]) - left
    height = max(y for _, y in at) + HEIGHT + PAD
    return element(
        "svg",
        element("title", f"Computational graph of {trace.name}", id=f"{name}-title"),
        element("desc", _described(trace), id=f"{name}-desc"),
        _arrow(name),
        *(
            _edge(path, p.target, p.place, name)
            for path, p in zip(paths, trace.partials, strict=True)
        ),
        *(_node(i, box, rows) for i, (box, rows) in enumerate(zip(boxes, texts, strict=True))),
        *(_label(p, box) for p, box in zip(trace.partials, spots, strict=True)),
        viewBox=f"{left:.0f} 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _adjoints(trace: Trace) -> list[Line]:
    """The lines of the first adjoint table: the last one of a variable has its adjoint."""
    first = next((role for role in trace.roles if role.startswith("adjoint")), "")
    return trace.role(first)


def _texts(value: Line, adjoint: Line | None) -> tuple[str, str, str]:
    written = subscripts(f"{value.name} = {value.equation}")
    back = subscripts(f"{adjoint.name} = {forms(adjoint.value)[1]}") if adjoint else ""
    return written, forms(value.value)[1], back


def _width(text: str) -> float:
    return LETTER * sum(not unicodedata.combining(letter) for letter in text)


def _described(trace: Trace) -> str:
    values = trace.role("primal")
    return (
        f"{len(values)} nodes from {values[0].name} at the top to {values[-1].name} at the "
        f"bottom, {len(trace.partials)} edges; the tables beside it hold every number in it."
    )


def _arrow(name: str) -> Element:
    tip = element("path", d="M0 0L8 4L0 8Z", fill="context-stroke")
    sizes = {"markerWidth": 8, "markerHeight": 8, "refX": 7, "refY": 4}
    return element(
        "defs",
        element(
            "marker", tip, id=f"{name}-tip", orient="auto", markerUnits="userSpaceOnUse", **sizes
        ),
    )


# --- edges ----------------------------------------------------------------------------------------


def _aside(links: Sequence[tuple[int, int]], k: int) -> float:
    """How far the ends of edge k stand from the middle: two uses of one variable are two edges."""
    same = [i for i, link in enumerate(links) if link == links[k]]
    return 34.0 * (same.index(k) - (len(same) - 1) / 2)


def _route(start: Point, end: Point, bends: list[float], aside: float) -> list[Point]:
    """From the foot of a node by its bends to the head of another."""
    (x, y), (to, low) = start, end
    middles = [(b, y + LEVEL * (k + 1) + HEIGHT / 2) for k, b in enumerate(bends)]
    return [(x + aside, y + HEIGHT), *middles, (to + aside, low)]


def _curve(points: list[Point]) -> str:
    """A smooth line that leaves and arrives upright."""
    (x, y), *rest = points
    parts = [f"M{x:.0f} {y:.0f}"]
    for to, low in rest:
        half = (y + low) / 2
        parts.append(f"C{x:.0f} {half:.0f} {to:.0f} {half:.0f} {to:.0f} {low:.0f}")
        x, y = to, low
    return "".join(parts)


def _on(points: list[Point], place: float) -> Point:
    """The point at a share of the way down the curve's part where its label stands: the longest."""
    k = max(range(len(points) - 1), key=lambda i: points[i + 1][1] - points[i][1])
    (x, y), (to, low) = points[k], points[k + 1]
    a, b = (1 - place) ** 2 * (1 + 2 * place), place**2 * (3 - 2 * place)
    return a * x + b * to, ((1 - place) ** 3 + 1.5 * place * (1 - place)) * y + (
        place**3 + 1.5 * place * (1 - place)
    ) * low


def _edge(points: list[Point], target: int, place: int, name: str) -> Element:
    return element(
        "path",
        d=_curve(points),
        class_="edge",
        data_e=f"{target}.{place}",
        marker_end=f"url(#{name}-tip)",
    )


def _spots(trace: Trace, paths: list[list[Point]], nodes: list[Box]) -> list[Box]:
    """Where the text of each edge stands: the first place that is free, or else the first."""
    taken = list(nodes)
    for path, partial in zip(paths, trace.partials, strict=True):
        half = _width(forms(partial.value)[1]) / 2 + 3
        boxes = [
            (x + side * half - half, y - LABEL / 2, x + side * half + half, y + LABEL / 2)
            for side in SIDES
            for x, y in (_on(path, place) for place in PLACES)
        ]
        free = (box for box in boxes if not any(_overlap(box, other) for other in taken))
        taken.append(next(free, boxes[0]))
    return taken[len(nodes) :]


def _label(partial: Partial, box: Box) -> Element:
    full, short, _ = forms(partial.value)
    told = element("title", subscripts(f"partial {partial.text} = {full}"))
    told.tail = short
    return element(
        "text",
        told,
        x=f"{(box[0] + box[2]) / 2:.0f}",
        y=f"{box[1] + 14:.0f}",
        class_="part",
        data_e=f"{partial.target}.{partial.place}",
    )


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# --- nodes ----------------------------------------------------------------------------------------


def _node(i: int, box: Box, texts: tuple[str, str, str]) -> Element:
    left, top, right, _ = box
    middle = f"{(left + right) / 2:.0f}"
    rows = [
        element("text", text, x=middle, y=f"{top + 20 * (k + 1):.0f}", class_=name)
        for k, (name, text) in enumerate(zip(("eq", "val", "adj"), texts, strict=True))
    ]
    frame = element(
        "rect",
        x=f"{left:.0f}",
        y=f"{top:.0f}",
        width=f"{right - left:.0f}",
        height=f"{HEIGHT:.0f}",
        rx=9,
    )
    return element("g", frame, *rows, class_="node", data_n=i)
