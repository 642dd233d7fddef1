"""The in-house forward mode as machine code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import diffbench.ad as ad
from diffbench.method import Instance, Kernel, positional

MOST_INPUTS = {"gradient": 4_096, "jacobian": 4_096, "hvp": 1_024, "hessian": 128}
MOST_STEPS = 64  # of a loop: it is compiled unrolled, in more than linear time


@final
@dataclass(frozen=True)
class CompiledForward:
    """Traces the tangent program once, simplifies it, and compiles it for this processor.

    Formula: as forward mode, with all n directions in one sweep. Cost: one compiled sweep with n
    directions, with 1 for a jvp; second order pushes tangents of tangents.
    Reference: Griewank and Walther, Evaluating Derivatives, 2nd edition, 2008, section 3.1.
    """

    name: ClassVar[str] = "compiled_forward"
    title: ClassVar[str] = "Compiled forward mode (in-house)"
    category: ClassVar[str] = "forward AD"
    library: ClassVar[str] = "diffbench"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "1 sweep of n directions, compiled"
    reference: ClassVar[str] = "Griewank and Walther, Evaluating Derivatives, 2008, section 3.1"
    native: ClassVar[frozenset[str]] = frozenset(
        {"value", "gradient", "jacobian", "jvp", "hvp", "hessian"}
    )
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence where n directions of n numbers are too many, or a loop is too deep."""
        if instance.step is not None and instance.depth > MOST_STEPS:
            return f"{self.name}: it unrolls a loop of {instance.depth} steps; at most {MOST_STEPS}"
        limit = MOST_INPUTS.get(operator, instance.n)
        if instance.n <= limit:
            return None
        carried = "n^2 tangents" if operator in ("gradient", "jacobian") else "tangents of tangents"
        return f"{self.name}: a {operator} of n = {instance.n} carries {carried}; n may be {limit}"

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Trace and compile at another point."""
        made = ad.compile(instance.f, instance.prepare_x, operator, instance.constants, "forward")
        return Kernel(made.fastest, positional, sizes=made.sizes)
