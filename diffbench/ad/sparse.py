"""Sparse Jacobians and Hessians: a few directions in place of n, one for each colour.

The pattern is read off the trace (:mod:`~diffbench.ad.pattern`), its columns or rows are coloured
(:mod:`~diffbench.ad.colouring`), and one sweep with a direction a colour gives the compressed
derivative B, of which every nonzero is one entry. Source: Griewank and Walther, Evaluating
Derivatives, 2008, chapter 8.

>>> import numpy as np
>>> from diffbench import ad
>>> plan = ad.sparse_plan(lambda x, xp: x[1:] * x[:-1], np.ones(1000))
>>> plan.count, plan(np.arange(1000.0)).nnz
(2, 1998)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffbench.ad import reverse
from diffbench.ad.colouring import column_colours, count, row_colours, star_colours
from diffbench.ad.compressed import Seeds, places, star_places
from diffbench.ad.errors import ADError, PathChanged
from diffbench.ad.graph import Graph, opened, shape_of
from diffbench.ad.namespace import FLOATS
from diffbench.ad.operators import gradient_of
from diffbench.ad.path import Path
from diffbench.ad.pattern import Truths, last_uses, propagated
from diffbench.ad.plans import SparsePlan, numbers

__all__ = [
    "SparseDerivative",
    "SparsePlan",
    "hessian_sparsity",
    "sparse_hessian",
    "sparse_jacobian",
    "sparse_plan",
    "sparsity",
]

Function = Callable[..., Any]
MODES = ("auto", "forward", "reverse")
KEPT_BYTES = 2**25 - 2**16  # just below the largest block by which glibc adapts


def sparsity(f: Function, x: Any, *constants: Any) -> Any:
    """The pattern of the Jacobian: a boolean ``scipy.sparse`` CSR array of shape ``(m, n)``.

    It holds every entry that can differ from 0 at any point that takes the same path through f
    as x does; ``(1, n)`` for y of shape ``()``. Raises TooDense where it has too many to be kept.
    """
    with opened() as level:
        return _pattern(*reverse.record(f, numbers(x, constants), constants, FLOATS, level))[0]


def hessian_sparsity(f: Function, x: Any, *constants: Any) -> Any:
    """The symmetric pattern of the Hessian, ``(n, n)``: that of the traced gradient program."""
    return _symmetric(sparsity(gradient_of(f), x, *constants))


def _pattern(graph: Graph, y: Any) -> tuple[Any, Path]:
    from scipy import sparse

    truths = Truths(graph)
    found = propagated(graph, truths)
    if found is None:
        shape = (int(np.prod(shape_of(y), dtype=int)), shape_of(graph.values[0])[0])
        found = sparse.csr_array(shape, dtype=np.bool_)
    found.sort_indices()
    return found, Path.of(graph, truths.seen)


def _symmetric(pattern: Any) -> Any:
    both = (pattern + pattern.T).tocsr()
    both.sort_indices()
    return both


# --- plans ----------------------------------------------------------------------------------------


def sparse_plan(
    f: Function, x: Any, *constants: Any, operator: str = "jacobian", mode: str = "auto"
) -> SparsePlan:
    """Pattern and colouring of ``operator`` (jacobian or hessian) of f, made at x.

    ``mode`` forward takes a direction for each colour of the columns, reverse a sweep for each
    colour of the rows, auto whichever are fewer; a Hessian takes a direction for each colour of
    a star colouring, forward over one reverse sweep. Raises TooDense, and ADError for other names.
    """
    if operator not in ("jacobian", "hessian") or mode not in MODES:
        raise ADError(
            f"operator must be 'jacobian' or 'hessian' and mode one of {', '.join(MODES)}; got "
            f"operator={operator!r}, mode={mode!r}"
        )
    second = operator == "hessian"
    program = gradient_of(f) if second else f
    with opened() as level:
        graph, y = reverse.record(program, numbers(x, constants), constants, FLOATS, level)
        pattern, path = _pattern(graph, y)
    if second:
        pattern, mode = _symmetric(pattern), "forward"
        colours = star_colours(pattern)
        found = star_places(pattern, colours)
    else:
        mode, colours = _coloured(pattern, mode)
        found = places(pattern, colours, mode)
    for array in (pattern.data, pattern.indices, pattern.indptr, colours):
        array.flags.writeable = False
    _keep_freed_memory()
    return SparsePlan(
        f=f,
        operator=operator,
        mode=mode,
        pattern=pattern,
        colours=colours,
        path=path,
        seeds=Seeds.of(colours),
        places=found,
        dead=last_uses(graph),
    )


def _keep_freed_memory() -> None:
    """Let the C library keep freed arrays for the next call instead of unmapping them.

    glibc maps and unmaps blocks as large as the largest that it has seen freed (mallopt(3)), and
    every page then costs a fault in every call: more, for arrays of 1 to 30 MB, than all the
    arithmetic. Freeing one large block, which is never touched, costs nothing.
    """
    np.empty(KEPT_BYTES, dtype=np.uint8)


def _coloured(pattern: Any, mode: str) -> tuple[str, NDArray[np.int64]]:
    """The mode and its colouring; of auto the one that takes fewer colours."""
    makers = {"forward": column_colours, "reverse": row_colours}
    if mode != "auto":
        return mode, makers[mode](pattern)
    columns = np.bincount(pattern.indices, minlength=1)
    least = {"forward": np.max(np.diff(pattern.indptr), initial=0), "reverse": np.max(columns)}
    first, second = sorted(makers, key=least.__getitem__)
    colours = makers[first](pattern)
    if count(colours) > least[second]:
        other = makers[second](pattern)
        if count(other) < count(colours):
            return second, other
    return first, colours


# --- derivatives that plan for themselves ---------------------------------------------------------


@final
@dataclass(slots=True)
class SparseDerivative:
    """``derivative(x, *constants)``: float64 ``scipy.sparse`` CSR, by a plan that it keeps.

    The first call makes the plan; a call where f takes another path makes a new one.
    """

    f: Function
    operator: str
    mode: str
    plan: SparsePlan | None = None

    def planned(self, x: Any, *constants: Any) -> SparsePlan:
        """A plan made at x, kept for the calls that follow."""
        operator, mode = self.operator, self.mode
        self.plan = sparse_plan(self.f, x, *constants, operator=operator, mode=mode)
        return self.plan

    def __call__(self, x: Any, *constants: Any) -> Any:
        """The derivative at x; raises TooDense where a plan has to be made and cannot."""
        if self.plan is not None:
            try:
                return self.plan(x, *constants)
            except PathChanged:
                self.plan = None
        return self.planned(x, *constants)(x, *constants)


def sparse_jacobian(f: Function, mode: str = "auto") -> SparseDerivative:
    """The Jacobian of f as a sparse array ``(m, n)``; ``mode`` as in :func:`sparse_plan`."""
    return SparseDerivative(f, "jacobian", mode)


def sparse_hessian(f: Function) -> SparseDerivative:
    """The Hessian of f as a sparse array ``(n, n)``."""
    return SparseDerivative(f, "hessian", "auto")
