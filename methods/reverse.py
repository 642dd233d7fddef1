"""The in-house reverse mode: record the trace, sweep the adjoints back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import diffbench.ad as ad
from diffbench.ad.namespace import NUMPY
from diffbench.method import Instance, Kernel, positional

MOST_BYTES = 2**29  # of a derivative program that is recorded to be counted

ANSWERS: Mapping[str, Callable[..., Any]] = {
    # operator -> (f, x, seed if any, *constants) -> answer, for x of numbers or traced
    "value": lambda f, x, *constants: f(x, NUMPY, *constants),
    "gradient": lambda f, x, *constants: ad.grad(f)(x, *constants),
    "jacobian": lambda f, x, *constants: ad.jacobian(f, "reverse")(x, *constants),
    "jvp": lambda f, x, v, *constants: ad.jvp_by_adjoints(f, x, v, *constants)[1],
    "vjp": lambda f, x, w, *constants: ad.vjp(f, x, w, *constants)[1],
    "hvp": lambda f, x, v, *constants: ad.hvp(f, x, v, *constants),
    "hessian": lambda f, x, *constants: ad.hessian(f)(x, *constants),
}
SWEEPS: Mapping[str, Callable[[int, int], int]] = {
    # operator -> numbers of the derivative program for each number of f
    "gradient": lambda n, m: 4,
    "jacobian": lambda n, m: 2 + 2 * m,
    "jvp": lambda n, m: 8,
    "vjp": lambda n, m: 4,
    "hvp": lambda n, m: 8,
    "hessian": lambda n, m: 8 * n,
}


@final
@dataclass(frozen=True)
class Reverse:
    """Overloading: f writes its evaluation trace, and one sweep back gives all adjoints.

    Formula: for y = g(a, b) the adjoint of a grows by g_a times the adjoint of y. Cost: one
    sweep for each output, whatever n is, at a small multiple of f, those of a Jacobian side by
    side; the trace is stored. A jvp is the adjoint of the vjp, which is linear in its seed: two
    sweeps. hvp and hessian push 1 and n directions forward over one sweep back.
    Reference: Griewank and Walther, Evaluating Derivatives, 2nd edition, 2008, section 3.2.
    """

    name: ClassVar[str] = "reverse"
    title: ClassVar[str] = "Reverse mode (in-house)"
    category: ClassVar[str] = "reverse AD"
    library: ClassVar[str] = "diffbench"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "m sweeps"
    reference: ClassVar[str] = "Griewank and Walther, Evaluating Derivatives, 2008, section 3.2"
    native: ClassVar[frozenset[str]] = frozenset(ANSWERS)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def native_for(self, instance: Instance) -> frozenset[str]:
        """All; but the jvp of a scalar f is its gradient times the tangent, in one sweep."""
        return self.native - {"jvp"} if instance.scalar else self.native

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """It can answer anything that fits in memory."""
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Nothing is prepared: every call records a new trace."""
        answer, f = ANSWERS[operator], instance.f
        return Kernel(
            lambda *args: answer(f, *args), positional, sizes=lambda: _sizes(instance, operator)
        )


def _sizes(instance: Instance, operator: str) -> dict[str, int | None]:
    """Bytes of the trace of f, and operations of the derivative program where its trace fits."""
    graph = ad.trace(instance.f, instance.x, *instance.constants)
    if operator == "value":
        return {"graph_ops": graph.ops()}
    tape = ad.tape_bytes(instance.f, instance.x, *instance.constants)
    found: dict[str, int | None] = {"tape_bytes": tape}
    if graph.nbytes * SWEEPS[operator](instance.n, instance.m) > MOST_BYTES:
        return found
    seed = instance.seed_of(operator)
    seeds = () if seed is None else (seed,)

    def program(x: Any, xp: Any, *constants: Any) -> Any:
        return ANSWERS[operator](instance.f, x, *seeds, *constants)

    return {**found, "graph_ops": ad.trace(program, instance.x, *instance.constants).ops()}
