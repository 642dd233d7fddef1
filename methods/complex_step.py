"""The complex step: a difference without a subtraction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

import diffbench.ad as ad
from diffbench.ad.namespace import NUMPY
from diffbench.method import Function, Instance, Kernel, positional

Array = NDArray[np.float64]

STEP = (
    2.0**-100
)  # its square is lost beside 1, its cube does not underflow, dividing by it is exact
MOST_CALLS = 100_000
# Of complex numbers numpy compares the real parts first: a branch on these is that of f itself.
BRANCHING = frozenset({"less", "less_equal", "greater", "greater_equal"})


def _columns(f: Function, x: Array, *constants: Any) -> Array:
    """Im f(x + i h e_j) / h for every j: n calls."""
    at = x.astype(np.complex128)
    seen = at.view()
    seen.flags.writeable = False
    columns = []
    for j in range(x.size):
        at[j] = complex(x[j], STEP)
        columns.append(np.imag(f(seen, NUMPY, *constants)) / STEP)
        at[j] = x[j]
    return np.array(columns).T


def _jvp(f: Function, x: Array, v: Array, *constants: Any) -> Any:
    return np.imag(f(x + (1j * STEP) * v, NUMPY, *constants)) / STEP


def _not_analytic(trace: ad.Graph) -> list[str]:
    """The primitives that spoil the step: what f computes with, or branches on otherwise."""
    pairs = zip(trace.rules, trace.needed(), strict=True)
    return sorted(
        {
            rule.name
            for rule, used in pairs
            if rule and not rule.analytic and (used or rule.name not in BRANCHING)
        }
    )


FORMULAS: Mapping[str, Callable[..., Any]] = {
    # operator -> (f, x, seed if any, *constants) -> answer
    "value": lambda f, x, *constants: f(x, NUMPY, *constants),
    "gradient": _columns,
    "jacobian": lambda f, x, *constants: np.atleast_2d(_columns(f, x, *constants)),
    "jvp": _jvp,
}


@final
@dataclass(frozen=True)
class ComplexStep:
    """The imaginary part of f beside the real axis, for f that is analytic in every operation.

    Formula: df/dx_j = Im f(x + i h e_j) / h + O(h^2) with h = 2^-100: nothing is subtracted, so
    nothing cancels. Cost: n complex calls of f for all first derivatives, 1 for a jvp.
    Reference: Squire and Trapp, Using complex variables to estimate derivatives, 1998.
    """

    name: ClassVar[str] = "complex_step"
    title: ClassVar[str] = "Complex step"
    category: ClassVar[str] = "numerical"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "n complex calls of f"
    reference: ClassVar[str] = (
        "Squire and Trapp, Using complex variables to estimate derivatives, 1998"
    )
    native: ClassVar[frozenset[str]] = frozenset(FORMULAS)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence for second order, for too many calls, and for functions not analytic."""
        if operator == "value":
            return None
        if operator not in FORMULAS:
            return f"complex_step: {operator} would need a second imaginary unit"
        if operator != "jvp" and instance.n > MOST_CALLS:
            return f"complex_step: one {operator} takes {instance.n} calls of f, over {MOST_CALLS}"
        bad = _not_analytic(ad.trace(instance.f, instance.x, *instance.constants, as_written=True))
        if bad:
            return f"complex_step: {', '.join(bad)} of {instance.family} is not analytic"
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        """The formula with f over complex numpy arrays."""
        formula, f = FORMULAS[operator], instance.f
        return Kernel(lambda *args: formula(f, *args), positional)
