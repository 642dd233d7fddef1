"""``xp.linalg`` over traced arrays: one square matrix at a time."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, final

from diffbench.ad.errors import ADError, NamespaceError
from diffbench.ad.graph import shape_of

__all__ = ["LINALG", "Linalg"]

Axis = int | Sequence[int] | None
LINALG = (
    "cholesky",
    "det",
    "diagonal",
    "inv",
    "matmul",
    "matrix_transpose",
    "outer",
    "slogdet",
    "solve",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
)


@final
class Linalg:
    """``xp.linalg``: one square matrix at a time."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp
        self.matmul, self.outer, self.vecdot = xp.matmul, xp.outer, xp.vecdot
        self.tensordot, self.diagonal, self.trace = xp.tensordot, xp.diagonal, xp.trace
        self.matrix_transpose = xp.matrix_transpose

    def _square(self, name: str, a: Any) -> Any:
        shape = shape_of(a)
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ADError(f"linalg.{name} takes one square matrix, got shape {shape}")
        return a

    def solve(self, a: Any, b: Any) -> Any:
        """A^-1 b for one matrix and b of shape (n,) or (n, k)."""
        self._square("solve", a)
        if len(shape_of(b)) not in (1, 2) or shape_of(b)[0] != shape_of(a)[0]:
            raise ADError(f"linalg.solve: shapes {shape_of(a)} and {shape_of(b)} do not fit")
        return self._xp.apply("solve", (a, b))

    def inv(self, a: Any) -> Any:
        """The inverse of one matrix."""
        return self._xp.apply("inv", (self._square("inv", a),))

    def det(self, a: Any) -> Any:
        """The determinant of one matrix."""
        return self._xp.apply("det", (self._square("det", a),), (0, 1))

    def slogdet(self, a: Any) -> Any:
        """The sign of the determinant and the logarithm of its size."""
        size = self._xp.apply("logabsdet", (self._square("slogdet", a),), (0, 1))
        return SimpleNamespace(sign=self._xp.sign(self.det(a)), logabsdet=size)

    def cholesky(self, a: Any) -> Any:
        """The lower factor L of A = L L^T."""
        return self._xp.apply("cholesky", (self._square("cholesky", a),))

    def vector_norm(self, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """The Euclidean norm over the axes."""
        return self._xp.reduce("norm", x, axis, keepdims)

    def __getattr__(self, name: str) -> Any:
        raise NamespaceError(f"xp.linalg has no {name!r}; it has: {', '.join(LINALG)}")
