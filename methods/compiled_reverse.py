"""The in-house reverse mode as machine code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import diffbench.ad as ad
from diffbench.method import Instance, Kernel, positional

MOST_STEPS = 64  # of a loop: it is compiled unrolled, in more than linear time


@final
@dataclass(frozen=True)
class CompiledReverse:
    """Traces the adjoint program once, simplifies it, and compiles it for this processor.

    Formula: as reverse mode; all rows of a Jacobian are one sweep over the adjoint program, which
    is linear in its seed; a jvp pushes one direction. Cost: one compiled sweep for each output;
    nothing of Python remains in a call but its arguments and its answer. Branches on values are
    checked at each call.
    Reference: Griewank and Walther, Evaluating Derivatives, 2nd edition, 2008, section 3.2.
    """

    name: ClassVar[str] = "compiled_reverse"
    title: ClassVar[str] = "Compiled reverse mode (in-house)"
    category: ClassVar[str] = "reverse AD"
    library: ClassVar[str] = "diffbench"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "m sweeps, compiled"
    reference: ClassVar[str] = "Griewank and Walther, Evaluating Derivatives, 2008, section 3.2"
    native: ClassVar[frozenset[str]] = frozenset(
        {"value", "gradient", "jacobian", "jvp", "vjp", "hvp", "hessian"}
    )
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence where a loop is too deep."""
        if instance.step is not None and instance.depth > MOST_STEPS:
            return f"{self.name}: it unrolls a loop of {instance.depth} steps; at most {MOST_STEPS}"
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Trace and compile at another point."""
        made = ad.compile(instance.f, instance.prepare_x, operator, instance.constants)
        return Kernel(made.fastest, positional, sizes=made.sizes)
