"""The in-house reverse mode through a checkpointed loop: less memory for more evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import diffbench.ad as ad
from diffbench.ad.binomial import advances
from diffbench.ad.namespace import NUMPY
from diffbench.method import Function, Instance, Kernel, positional

MOST_BYTES = 2**29  # of a derivative program that is recorded to be counted

ANSWERS: Mapping[str, Callable[..., Any]] = {
    # operator -> (f with its loop checkpointed, x, seed if any, *constants) -> answer
    "value": lambda f, x, *constants: f(x, NUMPY, *constants),
    "gradient": lambda f, x, *constants: ad.grad(f)(x, *constants),
    "jacobian": lambda f, x, *constants: ad.jacobian(f, "reverse")(x, *constants),
    "vjp": lambda f, x, w, *constants: ad.vjp(f, x, w, *constants)[1],
    "hvp": lambda f, x, v, *constants: ad.hvp(f, x, v, *constants),
    "hessian": lambda f, x, *constants: ad.hessian(f)(x, *constants),
}
SWEEPS: Mapping[str, Callable[[int, int], int]] = {
    # operator -> (n, m) -> numbers that a sweep and its recording make for each number of a step
    "gradient": lambda n, m: 4,
    "jacobian": lambda n, m: 4 * m,
    "vjp": lambda n, m: 4,
    "hvp": lambda n, m: 8,
    "hessian": lambda n, m: 8 * n,
}


@final
@dataclass(frozen=True)
class ReverseCheckpointed:
    """A loop of l steps is reversed with at most c = ``slots`` of its states in memory.

    Formula: the adjoints of the plain loop, for which states that are not held are recomputed
    from the last that is. Cost: t(l, c) = r l - C(c + r, c + 1) evaluations of a step beside
    the l that are taped, r the least with C(c + r, c) >= l; memory of c states and the tape of
    one step, where plain reverse mode keeps l tapes. Reference: Griewank and Walther, Algorithm
    799: revolve, ACM Transactions on Mathematical Software 26, 2000.
    """

    name: ClassVar[str] = "reverse_checkpointed"
    title: ClassVar[str] = "Reverse mode with checkpoints (in-house)"
    category: ClassVar[str] = "reverse AD"
    library: ClassVar[str] = "diffbench"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "m sweeps, steps recomputed"
    reference: ClassVar[str] = "Griewank and Walther, Algorithm 799: revolve, 2000"
    native: ClassVar[frozenset[str]] = frozenset(ANSWERS)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {"slots": (4, 32, 256)}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"
    slots: int = 256

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence for families whose f is not offered as a loop."""
        if instance.step is None:
            return f"reverse_checkpointed: {instance.family} offers no start, step and finish"
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Nothing is prepared: every call runs the loop anew."""
        answer, f = ANSWERS[operator], instance.f
        if operator != "value":
            f = checkpointed(instance, self.slots)
        return Kernel(
            lambda *args: answer(f, *args),
            positional,
            sizes=lambda: _sizes(instance, operator, self.slots),
        )


def checkpointed(instance: Instance, slots: int) -> Function:
    """f with at most ``slots`` states of its loop held."""
    return instance.in_parts(lambda step, depth: ad.checkpoint(step, depth, slots))


def _sizes(instance: Instance, operator: str, slots: int) -> dict[str, int | None]:
    """Bytes held between the sweeps, and operations of the derivative program where it fits."""
    x, constants = instance.x, instance.constants
    if operator == "value":
        return {"graph_ops": ad.trace(instance.f, x, *constants).ops()}
    f = checkpointed(instance, slots)
    found: dict[str, int | None] = {"tape_bytes": ad.tape_bytes(f, x, *constants)}
    plain = ad.trace(instance.f, x, *constants).nbytes
    again = 1 + advances(instance.depth, slots) / instance.depth
    if plain * (again + SWEEPS[operator](instance.n, instance.m)) > MOST_BYTES:
        return found
    seed = instance.seed_of(operator)
    seeds = () if seed is None else (seed,)

    def program(x: Any, xp: Any, *constants: Any) -> Any:
        return ANSWERS[operator](f, x, *seeds, *constants)

    return {**found, "graph_ops": ad.trace(program, x, *constants).ops()}
