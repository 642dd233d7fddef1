"""Which columns of a sparse matrix may share one direction: colourings of its pattern.

A colour a column (-1 for a column without entries, which needs no direction): columns of one
colour are summed into one directional derivative, and every entry can be read off again.
Sources: A. R. Curtis, M. J. D. Powell and J. K. Reid, On the estimation of sparse Jacobian
matrices, 1974 (columns); T. F. Coleman and J. J. More, Estimation of sparse Hessian matrices and
graph coloring problems, 1984 (symmetric matrices, bands); A. H. Gebremedhin, F. Manne and
A. Pothen, What color is your Jacobian?, 2005 (all of them as graph colourings, and orders).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_colours", "count", "row_colours", "star_colours"]

Colours = NDArray[np.int64]
MOST_MARKS = 2**28  # bytes of the table that checks residues
MORE_PERIODS = 4  # that are tried


def column_colours(pattern: Any) -> Colours:
    """A colour a column of a CSR pattern, ``(n,)``: no two columns of a colour share a row.

    A pattern whose columns are apart modulo its fullest row (a band) is coloured by residues,
    which no colouring can beat; all others greedily, in the natural order and with full columns
    first, or by residues of a slightly longer period (grids), whichever takes fewest.
    """
    fullest = int(np.max(np.diff(pattern.indptr), initial=0))
    used = np.bincount(pattern.indices, minlength=pattern.shape[1]) > 0
    if fullest == np.count_nonzero(used):  # one row holds them all
        return np.where(used, np.cumsum(used) - 1, -1)
    periods = range(fullest, fullest + MORE_PERIODS)
    regular = next((c for p in periods if (c := _residues(pattern, p)) is not None), None)
    if regular is None:
        return _best(_greedy, pattern, fullest)
    if count(regular) <= fullest:
        return regular
    return min(_best(_greedy, pattern, fullest), regular, key=count)


def row_colours(pattern: Any) -> Colours:
    """A colour a row, ``(m,)``: no two rows of a colour share a column."""
    return column_colours(pattern.T.tocsr())


def star_colours(pattern: Any) -> Colours:
    """A colour a column of a symmetric CSR pattern, ``(n,)``, for direct recovery by symmetry.

    Neighbours differ in colour, and every path of four vertices has three colours: each entry
    (i, j) then stands alone either in row i among the columns of j's colour, or the other way
    round. Where a row fills the whole band of half-width b, 2b + 1 colours are taken by residues,
    the least for a full band (Coleman and More, 1984); all others are coloured greedily.
    """
    entries = pattern.tocoo()
    band = 2 * int(np.max(np.abs(entries.col - entries.row), initial=0)) + 1
    if np.max(np.diff(pattern.indptr), initial=0) == band:
        return np.where(np.diff(pattern.indptr) > 0, np.arange(pattern.shape[0]) % band, -1)
    return _best(_star, pattern, 2)


def count(colours: Colours) -> int:
    """How many colours there are."""
    return int(np.max(colours, initial=-1)) + 1


def _residues(pattern: Any, period: int) -> Colours | None:
    """Column j in colour j modulo the period, where no row then holds a colour twice."""
    m, n = pattern.shape
    if m * period > MOST_MARKS:
        return None
    rows = np.repeat(np.arange(m, dtype=np.int64), np.diff(pattern.indptr))
    marks = np.zeros(m * period, dtype=np.bool_)
    marks[rows * period + pattern.indices % period] = True
    if np.count_nonzero(marks) < pattern.nnz:
        return None
    used = np.zeros(n, dtype=np.bool_)
    used[pattern.indices] = True
    return np.where(used, np.arange(n) % period, -1)


def _best(colour: Callable[[Any, Any], list[int]], pattern: Any, least: int) -> Colours:
    """The better of two orders: as the columns stand, and those with most entries first."""
    n = pattern.shape[1]
    columns = pattern.T.tocsr()
    sizes = np.diff(columns.indptr)
    found = np.array(colour(columns, range(n)), dtype=np.int64)
    if count(found) > least:
        order = np.argsort(-sizes, kind="stable").tolist()
        other = np.array(colour(columns, order), dtype=np.int64)
        found = other if count(other) < count(found) else found
    return np.where(sizes > 0, found, -1)


def _lists(columns: Any) -> list[list[int]]:
    """The rows of each column as plain lists, which Python's loops read fastest."""
    starts, indices = columns.indptr.tolist(), columns.indices.tolist()
    return [indices[a:b] for a, b in itertools.pairwise(starts)]


def _lowest_free(taken: int) -> int:
    """The lowest bit that is not set."""
    return ~taken & (taken + 1)


def _greedy(columns: Any, order: Any) -> list[int]:
    """Each column takes the lowest colour that none of its rows holds: O(nonzeros).

    The colours that a row holds are the bits of one number.
    """
    held = [0] * columns.shape[1]
    colours = [-1] * columns.shape[0]
    rows = _lists(columns)
    for j in order:
        taken = 0
        for i in rows[j]:
            taken |= held[i]
        bit = _lowest_free(taken)
        for i in rows[j]:
            held[i] |= bit
        colours[j] = bit.bit_length() - 1
    return colours


def _star(columns: Any, order: Any) -> list[int]:
    """Each vertex takes the lowest colour that keeps every path of four at three colours.

    All sets of colours are the bits of a number. Around each vertex, ``once`` holds the colours
    of its neighbours, ``twice`` those that two of them share, and ``ends`` the colours of the
    neighbours that have this vertex's own colour twice around them: a new neighbour of such a
    colour would close a path of two colours, new - this - neighbour - its other one.
    """
    n = columns.shape[0]
    around = [[w for w in near if w != v] for v, near in enumerate(_lists(columns))]
    bits, once, twice, ends = ([0] * n for _ in range(4))
    for v in order:
        taken, near = 0, around[v]
        for w in near:
            taken |= bits[w] | ends[w]
            if bits[w] & twice[v]:
                taken |= once[w]
        bit = bits[v] = _lowest_free(taken)
        for w in near:
            if once[w] & bit & ~twice[w]:
                twice[w] |= bit
                for u in around[w]:
                    if bits[u] == bit:
                        ends[u] |= bits[w]
            elif twice[w] & bit:
                ends[v] |= bits[w]
            once[w] |= bit
            if bits[w] & twice[v]:
                ends[w] |= bit
    return [bit.bit_length() - 1 for bit in bits]
