"""Where the nodes of a small graph stand: layers by longest path, barycentres, least squares.

After Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system
structures, 1981. An edge over several layers passes through a bend in each of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["Placed", "layered"]

BEND = 14.0  # width that an edge takes in the layers that it passes
SWEEPS = 12
Edge = tuple[int, int]


@final
@dataclass(frozen=True, slots=True)
class Placed:
    """Middles ``x`` and layers of the nodes; of each edge the middles of its bends, in order."""

    x: list[float]
    layer: list[int]
    bends: list[list[float]]
    width: float


def layered(
    widths: Sequence[float], edges: Sequence[Edge], gap: float, ordered: bool = False
) -> Placed:
    """Place nodes of those widths at least ``gap`` apart; every edge leads to a later node.

    ``ordered``: each layer keeps the order of its nodes, as a tree may, whose edges cannot cross.
    """
    count = len(widths)
    layer = _layers(count, edges)
    wide, links, chains = list(widths), [], []
    for source, target in edges:
        chain = [source]
        for level in range(layer[source] + 1, layer[target]):
            chain.append(len(wide))
            wide.append(BEND)
            layer.append(level)
        chain.append(target)
        links += list(itertools.pairwise(chain))
        chains.append(chain[1:-1])
    x = _across(wide, layer, links, gap, ordered)
    first = min((a - w / 2 for a, w in zip(x, wide, strict=True)), default=0.0)
    x = [a - first for a in x]
    right = max((a + w / 2 for a, w in zip(x, wide, strict=True)), default=0.0)
    return Placed(x[:count], layer[:count], [[x[i] for i in chain] for chain in chains], right)


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    layer = [0] * count
    for source, target in sorted(edges):
        layer[target] = max(layer[target], layer[source] + 1)
    return layer


def _across(
    widths: list[float], layer: list[int], links: Sequence[Edge], gap: float, ordered: bool
) -> list[float]:
    """Sweeps down and up: order each layer by its neighbours' middles, then go close to them."""
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for i, level in enumerate(layer):
        rows[level].append(i)
    above: list[list[int]] = [[] for _ in layer]
    below: list[list[int]] = [[] for _ in layer]
    for source, target in links:
        above[target].append(source)
        below[source].append(target)
    x = [0.0] * len(layer)
    for row in rows:
        _spread(row, [0.0] * len(row), widths, gap, x)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            wish = {i: _mean([x[j] for j in near[i]], x[i]) for i in row}
            if not ordered:
                row.sort(key=wish.__getitem__)
            _spread(row, [wish[i] for i in row], widths, gap, x)
    return x


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _spread(
    row: list[int], wish: list[float], widths: list[float], gap: float, x: list[float]
) -> None:
    """The middles nearest to the wished ones in least squares that do not overlap, in order."""
    offsets = [0.0]
    for a, b in itertools.pairwise(row):
        offsets.append(offsets[-1] + (widths[a] + widths[b]) / 2 + gap)
    blocks: list[tuple[float, int]] = []  # (mean, how many): pool adjacent violators
    for value in (w - o for w, o in zip(wish, offsets, strict=True)):
        mean, size = value, 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, size = (before * many + mean * size) / (many + size), many + size
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    for i, base, offset in zip(row, flat, offsets, strict=True):
        x[i] = base + offset
