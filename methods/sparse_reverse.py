"""The in-house sparse reverse mode: a sweep for each colour of the rows; Hessians by stars."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, final

import diffbench.ad as ad
from diffbench.ad.namespace import NUMPY
from diffbench.errors import Unsupported
from diffbench.method import Function, Instance, Kernel, gathered, positional

MOST_SEEDS = 2**26  # numbers in all directions or adjoints together

DERIVATIVES: Mapping[str, Callable[[Function], ad.SparseDerivative]] = {
    "jacobian": lambda f: ad.sparse_jacobian(f, "reverse", compiled=True),
    "hessian": lambda f: ad.sparse_hessian(f, compiled=True),
}
# one direction or adjoint needs no colours, and the entries of a matrix, once rounded, may cancel
# in its product with a vector where f itself takes differences of the vector
PRODUCTS: Mapping[str, Callable[..., Any]] = {
    "jvp": lambda f, x, v, *constants: ad.jvp_by_adjoints(f, x, v, *constants)[1],
    "vjp": lambda f, x, w, *constants: ad.vjp(f, x, w, *constants)[1],
    "hvp": ad.hvp,
}


@final
@dataclass(frozen=True)
class SparseReverse:
    """Rows of the Jacobian that share no column are swept back as one adjoint.

    Formula: w_k J is the sum of the rows of colour k, and each of its entries is one entry of J.
    A Hessian takes one direction for each colour of a star colouring, forward over one reverse
    sweep: entry (i, j) is read in row i or, by symmetry, in row j. Pattern and colours are read
    off the trace when it is prepared. Cost: as many sweeps (directions) as there are colours,
    3 for a tridiagonal matrix of any size; the answer is a sparse array. A product takes one sweep,
    no matrix. Reference: Gebremedhin, Manne and Pothen, What color is your Jacobian?, 2005.
    """

    name: ClassVar[str] = "sparse_reverse"
    title: ClassVar[str] = "Sparse reverse mode (in-house)"
    category: ClassVar[str] = "reverse AD"
    library: ClassVar[str] = "diffbench"
    claim: ClassVar[str] = "exact"
    cost: ClassVar[str] = "a sweep for each colour of the rows"
    reference: ClassVar[str] = "Gebremedhin, Manne and Pothen, What color is your Jacobian?, 2005"
    native: ClassVar[frozenset[str]] = frozenset({"value", *DERIVATIVES, *PRODUCTS})
    sparse: ClassVar[frozenset[str]] = frozenset(DERIVATIVES)
    nests: ClassVar[bool] = False
    parameters: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    requires: ClassVar[Mapping[str, str]] = {"scipy": "pip install scipy"}
    version: ClassVar[str] = "1"

    def why_not(self, instance: Instance, operator: str) -> str | None:
        """How many colours there are is known when it is prepared."""
        return None

    def build(self, instance: Instance, operator: str) -> Kernel:
        """Pattern and colours at another point; raises Unsupported where there are too many."""
        importlib.import_module("scipy.sparse")  # with the value: no part of a cell's own time
        f = instance.f
        if operator == "value":
            return Kernel(lambda x, *constants: f(x, NUMPY, *constants), positional)
        if operator in PRODUCTS:
            return Kernel(partial(PRODUCTS[operator], f), positional)
        derivative = DERIVATIVES[operator](f)
        try:
            plan = derivative.planned(instance.prepare_x, *instance.constants)
        except ad.TooDense as error:
            raise Unsupported(f"sparse_reverse: {error}") from error
        size = plan.colours.size
        if plan.count * size > MOST_SEEDS:
            raise Unsupported(
                f"sparse_reverse: the {operator} of {instance.name} has {plan.count} colours; "
                f"seeds of {size} numbers may be {MOST_SEEDS // size}"
            )

        def sizes() -> dict[str, int]:
            fitted = derivative.plan or plan  # a call along another path has planned anew
            return fitted.sizes(instance.x, *instance.constants)

        return Kernel(derivative, positional, gathered, sizes)
