"""Patterns as rows of column numbers: rows taken, emptied, joined and merged.

A pattern is a boolean ``scipy.sparse`` CSR array, one row an entry of some array in C order. Every
step is a whole-array step: patterns of a million rows take milliseconds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffbench.ad.errors import TooDense

__all__ = ["fits", "flat", "kept", "lengths", "merged", "reduced", "spread", "taken", "union"]

Shape = tuple[int, ...]
MOST_NONZEROS = 2**27  # of one pattern: 640 MiB


def flat(shape: Shape) -> Any:
    """The number of each entry of an array of that shape."""
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


def fits(nonzeros: float) -> None:
    """Raise TooDense where a pattern of so many nonzeros would not fit in memory."""
    if nonzeros > MOST_NONZEROS:
        raise TooDense(
            f"the sparsity pattern has up to {nonzeros:.1e} nonzeros on its way, at most "
            f"{MOST_NONZEROS:.1e} are kept: this derivative is too dense for a sparse method"
        )


def lengths(p: Any) -> Any:
    """How many inputs each row holds."""
    return np.diff(p.indptr)


def taken(p: Any, rows: Any) -> Any:
    """The pattern whose row r is row ``rows[r]`` of p."""
    fits(float(lengths(p)[rows].sum(dtype=np.int64)))
    return p[rows]


def spread(p: Any, have: Shape, shape: Shape) -> Any:
    """The rows of an operand where it is broadcast to a shape."""
    return p if have == shape else taken(p, np.broadcast_to(flat(have), shape).reshape(-1))


def kept(p: Any, keep: Any) -> Any:
    """The pattern with the rows emptied that are not kept."""
    if keep is None:
        return p
    from scipy import sparse

    counts = lengths(p)
    starts = np.concatenate([[0], np.cumsum(counts * keep)])
    columns = p.indices[np.repeat(keep, counts)]
    ones = np.ones(columns.size, np.bool_)
    return sparse.csr_array((ones, columns, starts.astype(p.indptr.dtype)), shape=p.shape)


def union(patterns: list[Any]) -> Any:
    """All dependences of several patterns of one shape; None for no pattern."""
    total = None
    for p in patterns:
        if total is None:
            total = p
        elif p is not None and p is not total:
            fits(float(total.nnz) + p.nnz)
            total = total + p
    return total


def merged(p: Any, targets: Any, sources: Any, size: int) -> Any:
    """The pattern of ``size`` rows whose row ``targets[k]`` holds row ``sources[k]`` of p."""
    from scipy import sparse

    fits(float(lengths(p)[sources].sum(dtype=np.int64)))
    ones = np.ones(targets.size, np.bool_)
    return sparse.csr_array((ones, (targets, sources)), shape=(size, p.shape[0])) @ p


def reduced(p: Any, shape: Shape, axes: tuple[int, ...]) -> Any:
    """The union of the rows along axes that go away."""
    left = tuple(1 if i in axes else s for i, s in enumerate(shape))
    targets = np.broadcast_to(flat(left), shape).reshape(-1)
    return merged(p, targets, flat(shape).reshape(-1), math.prod(left))
