"""The in-house sparse forward mode: one direction for each colour of the columns."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import diffbench.ad as ad
from diffbench.ad.namespace import NUMPY
from diffbench.errors import Unsupported
from diffbench.method import Instance, Kernel, gathered, positional

MOST_SEEDS = 2**26  # numbers in all directions together


@final
@dataclass(frozen=True)
class SparseForward:
    """Columns of the Jacobian that share no row travel as one direction.

    Formula: J s_k is the sum of the columns of colour k, and each of its entries is one entry of
    J; pattern and colours are read off the trace when it is prepared. Cost: one sweep of as many
    directions as there are colours, 3 for a tridiagonal matrix of any size; the answer is a
    sparse array. A jvp is one direction, without a matrix. Reference: Curtis, Powell and Reid, On
    the estimation of sparse Jacobian matrices, 1974.
    """

    name: ClassVar[str] = "sparse_forward"
    title: ClassVar[str] = "Sparse forward mode (in-house)"
    category: ClassVar[str] = "forward AD"
    library: ClassVar[str] = "diffbench"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "1 sweep of a direction for each colour of the columns"
    reference: ClassVar[str] = (
        "Curtis, Powell and Reid, On the estimation of sparse Jacobian matrices, 1974"
    )
    native: ClassVar[frozenset[str]] = frozenset({"value", "jacobian", "jvp"})
    sparse: ClassVar[frozenset[str]] = frozenset({"jacobian"})
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {"scipy": "pip install scipy"}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """A sentence for second order; how many colours there are is known when it is prepared."""
        if operator in ("hvp", "hessian"):
            return f"sparse_forward: {operator} runs over a reverse sweep; use sparse_reverse"
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Pattern and colours at another point; raises Unsupported where there are too many."""
        importlib.import_module("scipy.sparse")  # with the value: no part of a cell's own time
        f = instance.f
        if operator == "value":
            return Kernel(lambda x, *constants: f(x, NUMPY, *constants), positional)
        if operator == "jvp":
            return Kernel(lambda x, v, *constants: ad.jvp(f, x, v, *constants)[1], positional)
        jacobian = ad.sparse_jacobian(f, "forward", compiled=True)
        try:
            plan = jacobian.planned(instance.prepare_x, *instance.constants)
        except ad.TooDense as error:
            raise Unsupported(f"sparse_forward: {error}") from error
        if plan.count * instance.n > MOST_SEEDS:
            raise Unsupported(
                f"sparse_forward: the jacobian of {instance.name} has {plan.count} colours; "
                f"directions of n = {instance.n} may be {MOST_SEEDS // instance.n}"
            )

        def sizes() -> dict[str, int]:
            fitted = jacobian.plan or plan  # a call along another path has planned anew
            return fitted.sizes(instance.x, *instance.constants)

        return Kernel(jacobian, positional, gathered, sizes)
