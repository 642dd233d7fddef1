"""The in-house automatic differentiation library: one table of rules, many interpreters.

>>> import numpy as np
>>> from diffbench import ad
>>> ad.grad(lambda x, xp: xp.log(x[0]) + x[0] * x[1] - xp.sin(x[1]))(np.array([2.0, 5.0]))
array([5.5       , 1.71633781])
"""

from diffbench.ad.checkpoint import checkpoint
from diffbench.ad.compile import Compiled, compile, source
from diffbench.ad.errors import ADError, NamespaceError, TracedArrayError, Undecided
from diffbench.ad.graph import Graph, Traced
from diffbench.ad.operators import (
    derivative_graph,
    grad,
    gradient_of,
    hessian,
    hvp,
    jacobian,
    jvp,
    tape_bytes,
    trace,
    vjp,
)

__all__ = [
    "ADError",
    "Compiled",
    "Graph",
    "NamespaceError",
    "Traced",
    "TracedArrayError",
    "Undecided",
    "checkpoint",
    "compile",
    "derivative_graph",
    "grad",
    "gradient_of",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "source",
    "tape_bytes",
    "trace",
    "vjp",
]
