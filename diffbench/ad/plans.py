"""A plan: the pattern and colouring of one sparse derivative, and how a call fills it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from diffbench.ad import reverse
from diffbench.ad.compressed import Seeds, pulled, pushed
from diffbench.ad.errors import ADError, PathChanged
from diffbench.ad.graph import Backend, Graph, Traced, opened
from diffbench.ad.namespace import FLOATS
from diffbench.ad.operators import gradient_of, point, trace
from diffbench.ad.path import Path

__all__ = ["SparsePlan", "numbers"]

Array = NDArray[np.float64]
MOST_BYTES = 2**28  # of a compressed derivative that is recorded to be counted


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SparsePlan:
    """A pattern with its colouring: ``plan(x, *constants)`` only sweeps and fills.

    ``operator`` of ``f`` is jacobian or hessian, ``mode`` forward or reverse, ``pattern`` a
    boolean CSR array ``(m, n)``, ``colours`` one number a column (forward) or row (reverse), -1
    where nothing is asked, and ``count`` tells how many there are: the directions or sweeps of
    one call. The answer is a float64 CSR array whose index arrays are the plan's own and
    read-only: copy it before you change its pattern.

    The pattern holds for the path that f took when the plan was made; a call that takes another
    one raises PathChanged and answers nothing.
    """

    f: Callable[..., Any]
    operator: str
    mode: str
    pattern: Any
    colours: NDArray[np.int64]
    path: Path
    seeds: Seeds
    places: NDArray[np.intp]  # of each nonzero in the compressed derivative
    dead: list[list[int]]  # by node: whose tangents no later node needs

    @property
    def count(self) -> int:
        """Directions or sweeps of one call."""
        return len(self.seeds)

    def __call__(self, x: Any, *constants: Any) -> Any:
        """The derivative at x, float64 CSR ``(m, n)``; raises PathChanged."""
        filled = copy.copy(self.pattern)  # a tenth of the time that the checks of a new one take
        filled.data = self.entries(numbers(x, constants), constants)
        return filled

    def entries(self, x: Any, constants: tuple[Any, ...], backend: Backend = FLOATS) -> Any:
        """The entries of the pattern in CSR order, ``(nonzeros,)``, in any arithmetic."""
        parts = self.compressed(x, constants, backend)
        whole = np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.zeros(0)
        return np.take(whole, self.places, mode="clip")

    def compressed(self, x: Any, constants: tuple[Any, ...], backend: Backend = FLOATS) -> Any:
        """The derivative along the seeds, one array ``(k, m)`` or ``(k, n)`` a chunk of seeds."""
        program = gradient_of(self.f, backend) if self.operator == "hessian" else self.f
        with opened() as level:
            graph, _ = reverse.record(program, x, constants, backend, level)
            left = self.path.left_by(graph)
            if left:
                raise PathChanged(
                    f"the program takes another path at this x: {left}; make a new ad.sparse_plan "
                    "there, or use ad.sparse_jacobian or ad.sparse_hessian, which do so themselves"
                )
            return [self._swept(graph, backend.numbers(seeds)) for seeds in self.seeds]

    def _swept(self, graph: Graph, seeds: Array) -> Any:
        if self.mode == "forward":
            return pushed(graph, seeds, self.dead)
        return pulled(graph, seeds)

    def sizes(self, x: Any, *constants: Any) -> dict[str, int]:
        """``tape_bytes`` of the trace and, where it can be recorded, ``graph_ops`` of one call."""
        program = gradient_of(self.f) if self.operator == "hessian" else self.f
        tape = trace(program, x, *constants).nbytes
        if tape * (self.count + 1) > MOST_BYTES:
            return {"tape_bytes": tape}

        def call(x: Any, xp: Any, *constants: Any) -> Any:
            parts = [xp.reshape(part, -1) for part in self.compressed(x, constants)]
            return xp.concat(parts) if parts else x

        return {"tape_bytes": tape, "graph_ops": trace(call, x, *constants).ops()}


def numbers(x: Any, constants: tuple[Any, ...]) -> Array:
    """x as float64 of shape (n,); raises ADError for traced arrays."""
    if any(type(a) is Traced for a in (x, *constants)):
        raise ADError(
            "a sparse derivative is of numbers, it got a traced array; inside another derivative "
            "use ad.jacobian or ad.hessian"
        )
    return np.asarray(point(x), dtype=np.float64)
