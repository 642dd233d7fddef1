"""A sparse plan whose sweep and recovery are one compiled program."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, final

import numpy as np

from diffbench.ad import forward, operators
from diffbench.ad.compile import Compiled
from diffbench.ad.counters import COUNTERS
from diffbench.ad.errors import PathChanged
from diffbench.ad.graph import shape_of
from diffbench.ad.namespace import FLOATS
from diffbench.ad.native.binding import Captured
from diffbench.ad.plans import SparsePlan

__all__ = ["CompiledPlan"]

Function = Callable[..., Any]


@final
class CompiledPlan:
    """``plan(x, *constants)``: as the plan that it is made of, float64 CSR ``(m, n)``.

    The pattern holds for the path and for the zeros of the constants with which it was made; a
    call with another path, or with a number where a zero was, raises PathChanged.
    """

    def __init__(self, plan: SparsePlan, x: Any, *constants: Any) -> None:
        """Compile for such arguments; the seeds of the plan must be in one chunk."""
        self.plan = plan
        self._entries = Compiled(plan.f, self._program, None)
        self._entries.prepare(x, *constants)
        captured = list(Captured(plan.f, lift=True).arrays.values())
        self._zeros = [_zeros(a) for a in (*constants, *captured)]
        self._captured = captured
        self._shapes = [np.shape(a) for a in (x, *constants)]

    def _program(self, f: Function) -> Function:
        """The entries of the pattern in CSR order as one traced program."""
        xp, plan = FLOATS.traced, self.plan
        sweep = _rows if plan.mode == "reverse" else _columns
        target = operators.gradient_of(f) if plan.operator == "hessian" else f

        def entries(x: Any, *constants: Any) -> Any:
            whole = sweep(target, x, plan.seeds.whole, constants)
            return xp.take(xp.reshape(whole, -1), plan.places)

        return entries

    def __call__(self, x: Any, *constants: Any) -> Any:
        """The derivative at x; raises PathChanged."""
        shapes = [np.shape(a) for a in (x, *constants)]
        if shapes != self._shapes:
            raise PathChanged(f"the plan is for shapes {self._shapes}, it got {shapes}")
        for a, zeros in zip((*constants, *self._captured), self._zeros, strict=True):
            if zeros is not None and np.any(np.asarray(a)[zeros]):
                raise PathChanged("a constant is no longer zero where the pattern took it for zero")
        data = self._entries(x, *constants)
        if self._entries.traces > 1:
            raise PathChanged(
                "the program takes another path at this x, where the pattern may not hold; make a "
                "new ad.sparse_plan there"
            )
        second = self.plan.operator == "hessian"
        COUNTERS.directions += self.plan.count if self.plan.mode == "forward" else 0
        COUNTERS.sweeps += 1 if second else 0 if self.plan.mode == "forward" else self.plan.count
        filled = copy.copy(self.plan.pattern)
        filled.data = data
        return filled


def _zeros(a: Any) -> Any:
    """Where an array of numbers is zero; None where it is nowhere."""
    if not isinstance(a, np.ndarray) or a.dtype.kind != "f":
        return None
    zeros = a == 0
    return zeros if zeros.any() else None


def _columns(f: Function, x: Any, seeds: Any, constants: tuple[Any, ...]) -> Any:
    return forward.push(f, x, seeds, constants)[1]


def _rows(f: Function, x: Any, seeds: Any, constants: tuple[Any, ...]) -> Any:
    """The adjoints for all seeds: the adjoint program is linear in its seed."""
    shape = shape_of(f(x, FLOATS.traced, *constants))

    def adjoint(w: Any, xp: Any) -> Any:
        return operators.vjp(f, x, w, *constants)[1]

    rows = np.reshape(seeds, (len(seeds), *shape))
    return forward.push(adjoint, np.ones(shape), rows, ())[1]
