"""Compressed derivatives: a seed a colour, the sweeps along them, and where each entry then stands.

The seed of colour k is 1 at the columns of that colour. Forward mode gives the sum of those
columns, B_k = J s_k; where they are apart in every row, every entry of them stands in B by itself.
Reverse mode gives the same of rows. Source: Griewank and Walther, Evaluating Derivatives, 2008,
section 8.1 (direct recovery).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffbench.ad import reverse
from diffbench.ad.colouring import count
from diffbench.ad.counters import COUNTERS
from diffbench.ad.forward import CHUNK_BYTES
from diffbench.ad.graph import Graph, shape_of

__all__ = ["Seeds", "places", "pulled", "pushed", "star_places"]

Array = NDArray[np.float64]
Places = NDArray[np.intp]


@final
@dataclass(frozen=True, slots=True)
class Seeds:
    """The columns of S as rows, in chunks of CHUNK_BYTES: seed k is 1 where the colour is k.

    ``colours`` has one number a column of J (then the seeds are tangents, ``(k, n)``) or a row
    (then they are adjoints, ``(k, m)``). Seeds of one chunk are made once, in ``whole``.
    """

    colours: NDArray[np.int64]
    whole: Array | None

    @staticmethod
    def of(colours: NDArray[np.int64]) -> Seeds:
        """The seeds of a colouring."""
        k = count(colours)
        fits = k <= _chunk(colours.size)
        return Seeds(colours, _rows(colours, 0, k) if fits else None)

    def __len__(self) -> int:
        return count(self.colours)

    def __iter__(self) -> Iterator[Array]:
        if self.whole is not None:
            return iter([self.whole] if len(self.whole) else [])
        k, step = len(self), _chunk(self.colours.size)
        return (_rows(self.colours, i, min(i + step, k)) for i in range(0, k, step))


def _rows(colours: NDArray[np.int64], start: int, stop: int) -> Array:
    return np.asarray(colours == np.arange(start, stop)[:, None], dtype=np.float64)


def _chunk(size: int) -> int:
    """How many seeds of that size are swept together."""
    return max(1, CHUNK_BYTES // (8 * max(1, size)))


# --- sweeps ---------------------------------------------------------------------------------------


def pushed(graph: Graph, directions: Array, dead: list[list[int]]) -> Any:
    """The tangents of the output of a recorded trace along k directions, ``(k, m)``."""
    COUNTERS.directions += len(directions)
    xp = graph.xp if graph.nested else graph.backend.plain
    tangents: list[Any] = [None] * len(graph)
    tangents[0] = directions
    needed = graph.needed()
    for i, rule in enumerate(graph.rules):
        if rule is None or not needed[i]:
            continue
        ours = [tangents[j] if j >= 0 else None for j in graph.operands[i]]
        if any(t is not None for t in ours):
            y, args = graph.values[i], graph.arguments(i)
            tangents[i] = rule.kind.push(xp, rule, ours, y, args, graph.params[i])
        for j in dead[i]:
            tangents[j] = None
    return xp.reshape(tangents[graph.output or 0], (len(directions), -1))


def pulled(graph: Graph, adjoints: Array) -> Any:
    """The adjoints of the input for k adjoints of the output, ``(k, n)``: k sweeps."""
    shape = shape_of(graph.values[graph.output or 0])
    xp = graph.xp if graph.nested else graph.backend.plain
    return xp.stack([reverse.sweep(graph, w.reshape(shape)) for w in adjoints])


# --- recovery -------------------------------------------------------------------------------------


def _rows_and_columns(pattern: Any) -> tuple[Places, Places]:
    rows = np.repeat(np.arange(pattern.shape[0], dtype=np.intp), np.diff(pattern.indptr))
    return rows, pattern.indices.astype(np.intp)


def places(pattern: Any, colours: Any, mode: str) -> Places:
    """Where each nonzero (i, j) stands in B: at (colour of j, i), or in reverse (of i, j)."""
    rows, columns = _rows_and_columns(pattern)
    m, n = pattern.shape
    forward = mode == "forward"
    found: Places = colours[columns] * m + rows if forward else colours[rows] * n + columns
    return found


def star_places(pattern: Any, colours: Any) -> Places:
    """At (colour of j, i) where j alone has its colour in row i, else at (colour of i, j)."""
    rows, columns = _rows_and_columns(pattern)
    n = pattern.shape[1]
    ours, theirs = colours[columns] * n + rows, colours[rows] * n + columns
    _, which, times = np.unique(ours, return_inverse=True, return_counts=True)
    found: Places = np.where(times[which] == 1, ours, theirs)
    return found
