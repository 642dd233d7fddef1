"""The in-house forward mode: tangents travel with the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

import diffbench.ad as ad
from diffbench.ad.forward import push
from diffbench.ad.namespace import NUMPY
from diffbench.method import Function, Instance, Kernel, positional

Array = NDArray[np.float64]

MOST_INPUTS = {"gradient": 16_384, "jacobian": 16_384, "hvp": 2_048, "hessian": 256}
CHUNK = 2**22  # numbers in one tangent of a tangent: 32 MiB
MOST_BYTES = 2**28  # of a derivative program that is recorded to be counted


def _jacobian(f: Function, x: Any, *constants: Any) -> Any:
    return ad.jacobian(f, "forward")(x, *constants)


def _gradient_of(f: Function) -> Function:
    return lambda x, xp, *constants: _jacobian(f, x, *constants)[0]


def _hessian(f: Function, x: Any, *constants: Any) -> Any:
    """Forward over forward, n tangents of n tangents, so many at once as fit in a chunk."""
    n = x.shape[0]
    rows = max(1, min(n, CHUNK // n**2))
    gradient = _gradient_of(f)
    parts = [
        push(gradient, x, np.eye(min(rows, n - start), n, start), constants)[1]
        for start in range(0, n, rows)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


ANSWERS: Mapping[str, Callable[..., Any]] = {
    # operator -> (f, x, seed if any, *constants) -> answer, for x of numbers or traced
    "value": lambda f, x, *constants: f(x, NUMPY, *constants),
    "gradient": lambda f, x, *constants: _jacobian(f, x, *constants)[0],
    "jacobian": _jacobian,
    "jvp": lambda f, x, v, *constants: ad.jvp(f, x, v, *constants)[1],
    "hvp": lambda f, x, v, *constants: ad.jvp(_gradient_of(f), x, v, *constants)[1],
    "hessian": _hessian,
}
TANGENTS: Mapping[str, Callable[[int], int]] = {
    # operator -> numbers that travel with each number of f
    "gradient": lambda n: n,
    "jacobian": lambda n: n,
    "jvp": lambda n: 1,
    "hvp": lambda n: 2 * n,
    "hessian": lambda n: n * n,
}


@final
@dataclass(frozen=True)
class Forward:
    """Overloading: every number carries its derivative along k directions.

    Formula: the tangent of y = g(a, b) is g_a times that of a plus g_b times that of b; the seed
    e_i gives column i of the Jacobian. Cost: one sweep with n directions for all first
    derivatives, with 1 for a jvp; nothing is stored. Second order nests two such sweeps.
    Reference: Griewank and Walther, Evaluating Derivatives, 2nd edition, 2008, section 3.1.
    """

    name: ClassVar[str] = "forward"
    title: ClassVar[str] = "Forward mode (in-house)"
    category: ClassVar[str] = "forward AD"
    library: ClassVar[str] = "diffbench"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "1 sweep of n directions"
    reference: ClassVar[str] = "Griewank and Walther, Evaluating Derivatives, 2008, section 3.1"
    native: ClassVar[frozenset[str]] = frozenset(ANSWERS)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence where n directions of n numbers are too many."""
        limit = MOST_INPUTS.get(operator, instance.n)
        if instance.n <= limit:
            return None
        carried = "n^2 tangents" if operator in ("gradient", "jacobian") else "tangents of tangents"
        return f"forward: {operator} of n = {instance.n} carries {carried}; n may be {limit}"

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Nothing is prepared: every call runs f over traced arrays."""
        answer, f = ANSWERS[operator], instance.f
        return Kernel(
            lambda *args: answer(f, *args), positional, sizes=lambda: _sizes(instance, operator)
        )


def _sizes(instance: Instance, operator: str) -> dict[str, int | None]:
    """Operations of the derivative program, counted in its own trace where that fits."""
    graph = ad.trace(instance.f, instance.x, *instance.constants)
    if operator == "value":
        return {"graph_ops": graph.ops()}
    if graph.nbytes * TANGENTS[operator](instance.n) > MOST_BYTES:
        return {}
    seed = instance.seed_of(operator)
    seeds = () if seed is None else (seed,)

    def program(x: Any, xp: Any, *constants: Any) -> Any:
        return ANSWERS[operator](instance.f, x, *seeds, *constants)

    return {"graph_ops": ad.trace(program, instance.x, *instance.constants).ops()}
