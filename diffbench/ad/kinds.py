"""How each kind of primitive pushes tangents forward and pulls adjoints back.

Tangents carry a leading axis of k directions: the tangent of an array of shape s has the shape
``(k, *s)``. Adjoints have the shape of their array. Both are written in the namespace ``xp``, so
that over traced arrays they are differentiable themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, final

if TYPE_CHECKING:
    from diffbench.ad.rules import Rule

__all__ = [
    "Bilinear",
    "Concatenation",
    "Elementwise",
    "Factor",
    "Fixed",
    "Inverse",
    "Kind",
    "Reduction",
    "Solve",
    "Structural",
]

Shape = tuple[int, ...]


class Kind(Protocol):
    """The two directions of one kind of primitive; None means an identically zero result."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        """The tangent of y from those of the operands (None: operand is constant)."""

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        """The contribution of y's adjoint ``g`` to the adjoint of operand i."""


def _shape(a: Any) -> Shape:
    return getattr(a, "shape", ())


def unbroadcast(xp: Any, g: Any, shape: Shape) -> Any:
    """The sum of ``g`` over the axes along which an operand of that shape was broadcast."""
    have = _shape(g)
    if have == shape:
        return g
    extra = len(have) - len(shape)
    axes = [*range(extra), *(i + extra for i, s in enumerate(shape) if s == 1 != have[i + extra])]
    if axes:
        g = xp.sum(g, axis=tuple(axes))
    return g if _shape(g) == shape else xp.reshape(g, shape)


def widened(xp: Any, t: Any, ndim: int) -> Any:
    """Tangents ``(k, *s)`` with ones after k, so that s broadcasts to ``ndim`` axes."""
    s = _shape(t)
    gap = ndim + 1 - len(s)
    return xp.reshape(t, (s[0],) + (1,) * gap + s[1:]) if gap else t


@final
class Elementwise:
    """y = f(a, b, ...) entry by entry: the partials act as diagonal matrices in both directions."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        total = None
        shape = _shape(y)
        for t, partial in zip(tangents, rule.partials, strict=False):  # no tangent, no partial
            if t is None or partial is None:
                continue
            small = _shape(t)[1:] != shape
            if small:
                t = widened(xp, t, len(shape))
            term = partial(xp, t, y, *args)
            if rule.singular:
                term = xp.masked(t, term)
            if small and _shape(term)[1:] != shape:
                term = xp.broadcast_to(term, (_shape(t)[0], *shape))
            total = term if total is None else total + term
        return total

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        partial = rule.partials[i]
        if partial is None:
            return None
        part = partial(xp, g, y, *args)
        if rule.singular:
            part = xp.masked(g, part)
        shape = _shape(args[i])
        return part if shape == _shape(y) else unbroadcast(xp, part, shape)


@final
class Fixed:
    """Comparisons, logic, rounding: piecewise constant, so no derivative passes."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        return None

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        return None


@final
class Reduction:
    """y = reduce(x) over ``axes``: dy = sum(weight * dx); the weight is the partial with g = 1."""

    def _kept(self, xp: Any, y: Any, args: list[Any], axes: tuple[int, ...]) -> Any:
        return xp.reshape(y, tuple(1 if i in axes else s for i, s in enumerate(_shape(args[0]))))

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        (axes,) = params
        t = tangents[0]
        if rule.weight:
            t = rule.weight(xp, t, self._kept(xp, y, args, axes), args[0], axes)
        return xp.sum(t, axis=tuple(a + 1 for a in axes))

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        (axes,) = params
        if len(_shape(g)):
            g = self._kept(xp, g, args, axes)
        if rule.weight is None:
            return g  # broadcasts to the operand
        return rule.weight(xp, g, self._kept(xp, y, args, axes), args[0], axes)


@final
class Structural:
    """Linear in its one operand: its row gives its transpose and its form for k directions."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        return rule.batched(xp, tangents[0], *params)

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        return rule.transposed(xp, g, _shape(args[0]), *params)


@final
class Concatenation:
    """Operands laid end to end along one axis."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        k = next(_shape(t)[0] for t in tangents if t is not None)
        parts = [
            xp.zeros((k, *_shape(a))) if t is None else t
            for t, a in zip(tangents, args, strict=True)
        ]
        return xp.concat(parts, axis=params[0] + 1)

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        (axis,) = params
        start = sum(_shape(a)[axis] for a in args[:i])
        return self._cut(g, axis, start, _shape(args[i])[axis])

    def cuts(
        self, g: Any, operands: tuple[int, ...], args: list[Any], axis: int
    ) -> Iterator[tuple[int, Any]]:
        """Every node among the operands with its part of ``g``: each ``pull``, in linear time."""
        start = 0
        for j, a in zip(operands, args, strict=True):
            length = _shape(a)[axis]
            if j >= 0:
                yield j, self._cut(g, axis, start, length)
            start += length

    def _cut(self, g: Any, axis: int, start: int, length: int) -> Any:
        return g[(slice(None),) * axis + (slice(start, start + length),)]


@final
class Bilinear:
    """y = sum of products over shared letters, ``(a's letters, b's letters, y's letters)``."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        a, b, out = params
        k = _unused(a + b)
        total = None
        for i, t in enumerate(tangents):
            if t is not None:
                left, right = (t, args[1]) if i == 0 else (args[0], t)
                spec = (k + a, b, k + out) if i == 0 else (a, k + b, k + out)
                term = xp.contract(left, right, *spec)
                total = term if total is None else total + term
        return total

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        a, b, out = params
        if i == 0:
            return xp.contract(g, args[1], out, b, a)
        return xp.contract(args[0], g, a, out, b)


@functools.cache
def _unused(letters: str) -> str:
    """A letter for the directions; those of nested pushes are taken already."""
    return next(letter for letter in "ZYXWVUTS" if letter not in letters)


@final
class Solve:
    """A y = b: A dy = db - dA y; the adjoint of b solves the transposed system."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        da, db = tangents
        right = None if da is None else -xp.matmul(da, y)
        if db is not None:
            right = db if right is None else db + right
        return _solve_each(xp, args[0], right)

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        back = xp.linalg.solve(xp.matrix_transpose(args[0]), g)
        if i == 1:
            return back
        if len(_shape(y)) == 1:
            return -xp.linalg.outer(back, y)
        return -xp.matmul(back, xp.matrix_transpose(y))


def _solve_each(xp: Any, a: Any, right: Any) -> Any:
    """Solve for k right-hand sides ``(k, n)`` or ``(k, n, p)`` with one factorisation."""
    shape = _shape(right)
    columns = xp.permute_dims(right, (*range(1, len(shape)), 0))
    flat = xp.linalg.solve(a, xp.reshape(columns, (shape[1], -1)))
    return xp.permute_dims(
        xp.reshape(flat, (*shape[1:], shape[0])), (len(shape) - 1, *range(len(shape) - 1))
    )


@final
class Inverse:
    """y = A^-1: dy = -y dA y."""

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        return -xp.matmul(xp.matmul(y, tangents[0]), y)

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        turned = xp.matrix_transpose(y)
        return -xp.matmul(xp.matmul(turned, g), turned)


@final
class Factor:
    """Cholesky, A = L L^T: dL = L phi(L^-1 dA L^-T), phi the lower half with halved diagonal.

    Source: I. Murray, Differentiation of the Cholesky decomposition, 2016.
    """

    def push(
        self, xp: Any, rule: Rule, tangents: list[Any], y: Any, args: list[Any], params: Any
    ) -> Any:
        da = (tangents[0] + xp.matrix_transpose(tangents[0])) * 0.5
        inverse = xp.linalg.inv(y)
        middle = xp.matmul(xp.matmul(inverse, da), xp.matrix_transpose(inverse))
        return xp.matmul(y, _phi(xp, middle))

    def pull(
        self, xp: Any, rule: Rule, i: int, g: Any, y: Any, args: list[Any], params: Any
    ) -> Any:
        inverse = xp.linalg.inv(y)
        middle = _phi(xp, xp.matmul(xp.matrix_transpose(y), g))
        full = xp.matmul(xp.matmul(xp.matrix_transpose(inverse), middle), inverse)
        return (full + xp.matrix_transpose(full)) * 0.5


def _phi(xp: Any, a: Any) -> Any:
    n = _shape(a)[-1]
    return a * (xp.tril(xp.ones((n, n))) - 0.5 * xp.eye(n))
