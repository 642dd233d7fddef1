"""The in-house automatic differentiation library: one table of rules, many interpreters.

>>> import numpy as np
>>> from diffbench import ad
>>> ad.grad(lambda x, xp: xp.log(x[0]) + x[0] * x[1] - xp.sin(x[1]))(np.array([2.0, 5.0]))
array([5.5       , 1.71633781])
"""

from diffbench.ad.checkpoint import checkpoint
from diffbench.ad.compile import Compiled, compile, source
from diffbench.ad.errors import (
    ADError,
    NamespaceError,
    PathChanged,
    TooDense,
    TracedArrayError,
    Undecided,
)
from diffbench.ad.graph import Graph, Traced
from diffbench.ad.operators import (
    derivative_graph,
    grad,
    gradient_of,
    hessian,
    hvp,
    jacobian,
    jvp,
    jvp_by_adjoints,
    tape_bytes,
    trace,
    vjp,
)
from diffbench.ad.sparse import (
    SparseDerivative,
    SparsePlan,
    hessian_sparsity,
    sparse_hessian,
    sparse_jacobian,
    sparse_plan,
    sparsity,
)

__all__ = [
    "ADError",
    "Compiled",
    "Graph",
    "NamespaceError",
    "PathChanged",
    "SparseDerivative",
    "SparsePlan",
    "TooDense",
    "Traced",
    "TracedArrayError",
    "Undecided",
    "checkpoint",
    "compile",
    "derivative_graph",
    "grad",
    "gradient_of",
    "hessian",
    "hessian_sparsity",
    "hvp",
    "jacobian",
    "jvp",
    "jvp_by_adjoints",
    "source",
    "sparse_hessian",
    "sparse_jacobian",
    "sparse_plan",
    "sparsity",
    "tape_bytes",
    "trace",
    "vjp",
]
