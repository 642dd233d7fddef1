"""A derivative drawn as the tree that it is when written out, and as the graph that it is."""

from __future__ import annotations

from collections.abc import Sequence

from diffbench.analysis.expressions import Expression
from diffbench.reports.elements import Element, element
from diffbench.reports.layout import Placed, layered

__all__ = ["graph", "tree"]

SIZE, LEVEL, PAD = 22.0, 44.0, 4.0
TREE_GAP, GRAPH_GAP = 3.0, 14.0
SIGNS = {"*": "×", "-": "\N{MINUS SIGN}"}
Edge = tuple[int, int]


def tree(expression: Expression, name: str) -> Element:
    """Every occurrence of every node; what occurs more than once is square and tinted."""
    places = expression.tree()
    edges = [(parent, k) for k, (_, parent) in enumerate(places) if parent is not None]
    nodes = [node for node, _ in places]
    placed = layered(_widths(expression, nodes), edges, TREE_GAP, ordered=True)
    return _drawn(expression, nodes, edges, placed, name, f"tree of {len(nodes)} nodes")


def graph(expression: Expression, name: str) -> Element:
    """Every node once, with an edge from each of its uses."""
    last = len(expression.nodes) - 1
    nodes = list(range(last, -1, -1))
    edges = [(last - i, last - j) for i in nodes for j in expression.nodes[i][1]]
    placed = layered(_widths(expression, nodes), edges, GRAPH_GAP)
    return _drawn(expression, nodes, edges, placed, name, f"graph of {len(nodes)} nodes")


def _widths(expression: Expression, nodes: Sequence[int]) -> list[float]:
    return [max(SIZE, 8.0 * len(expression.nodes[node][0]) + 6) for node in nodes]


def _drawn(
    expression: Expression,
    nodes: Sequence[int],
    edges: Sequence[Edge],
    placed: Placed,
    name: str,
    said: str,
) -> Element:
    labels = [_label(expression.nodes[node][0]) for node in nodes]
    widths = _widths(expression, nodes)
    at = [
        (x + PAD, PAD + SIZE / 2 + LEVEL * level)
        for x, level in zip(placed.x, placed.layer, strict=True)
    ]
    width, height = placed.width + 2 * PAD, max(y for _, y in at) + SIZE / 2 + PAD
    lines = "".join(
        _line(at[a], [b + PAD for b in bends], at[b])
        for (a, b), bends in zip(edges, placed.bends, strict=True)
    )
    shared = [expression.occurrences[node] > 1 for node in nodes]
    return element(
        "svg",
        element("title", f"Derivative of l{expression.depth}: {said}", id=name),
        element("path", d=lines, class_="edge"),
        *(part for row in zip(at, widths, labels, shared, strict=True) for part in _node(*row)),
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_labelledby=name,
    )


def _label(symbol: str) -> str:
    return SIGNS.get(symbol, symbol.replace("-", SIGNS["-"]))


def _line(start: tuple[float, float], bends: list[float], end: tuple[float, float]) -> str:
    middles = [f"L{x:.0f} {start[1] + LEVEL * (k + 1):.0f}" for k, x in enumerate(bends)]
    return f"M{start[0]:.0f} {start[1]:.0f}{''.join(middles)}L{end[0]:.0f} {end[1]:.0f}"


def _node(at: tuple[float, float], width: float, label: str, shared: bool) -> list[Element]:
    """A square with a thick frame where it is shared, else round."""
    x, y = at
    frame = element(
        "rect",
        x=f"{x - width / 2:.0f}",
        y=f"{y - SIZE / 2:.0f}",
        width=f"{width:.0f}",
        height=f"{SIZE:.0f}",
        rx=2 if shared else 11,
        class_="shared" if shared else "single",
    )
    return [frame, element("text", label, x=f"{x:.0f}", y=f"{y + 4:.0f}")]
